-- The part that is the same for every table of messages. What is generated stands above it.

local HEADER_LEN = 6
local TLV_HEADER_LEN = 5
-- Longest list whose elements are shown one by one.
local SHOWN_MAX = 1000

local sv2 = Proto("sv2", "Stratum V2")

local fields = {
  extension_type = ProtoField.uint16("sv2.extension_type", "extension_type", base.HEX),
  channel_msg = ProtoField.bool("sv2.channel_msg", "channel_msg"),
  msg_type = ProtoField.uint8("sv2.msg_type", "msg_type", base.HEX),
  msg_length = ProtoField.uint24("sv2.msg_length", "msg_length", base.DEC),
  message = ProtoField.string("sv2.message", "message"),
  payload = ProtoField.bytes("sv2.payload", "payload"),
  tlv = ProtoField.bytes("sv2.tlv", "TLV"),
  tlv_extension = ProtoField.uint16("sv2.tlv.extension_type", "extension_type", base.HEX),
  tlv_type = ProtoField.uint8("sv2.tlv.field_type", "field_type", base.HEX),
  tlv_length = ProtoField.uint16("sv2.tlv.length", "length", base.DEC),
  tlv_value = ProtoField.bytes("sv2.tlv.value", "value"),
}

local malformed = ProtoExpert.new(
  "sv2.malformed", "the payload is not this message", expert.group.MALFORMED, expert.severity.ERROR)
local unknown = ProtoExpert.new(
  "sv2.unknown", "a message that this table does not have", expert.group.UNDECODED, expert.severity.NOTE)

-- How a kind of field reads: bytes needed, and the ProtoField that shows it.
local function proto_field(abbreviation, name, kind)
  if kind.t == "int" then
    if kind.bytes == 1 then return ProtoField.uint8(abbreviation, name, base.DEC) end
    if kind.bytes == 2 then return ProtoField.uint16(abbreviation, name, base.DEC) end
    if kind.bytes == 3 then return ProtoField.uint24(abbreviation, name, base.DEC) end
    if kind.bytes == 4 then return ProtoField.uint32(abbreviation, name, base.DEC) end
    return ProtoField.uint64(abbreviation, name, base.DEC)
  elseif kind.t == "bool" then
    return ProtoField.bool(abbreviation, name)
  elseif kind.t == "f32" then
    return ProtoField.float(abbreviation, name)
  elseif kind.t == "u256" or kind.t == "text" then
    -- A hash and a target are shown as people read them, most significant digit first.
    return ProtoField.string(abbreviation, name)
  elseif kind.t == "bytes" then
    return ProtoField.bytes(abbreviation, name)
  end
  return proto_field(abbreviation, name, kind.item)
end

for _, message in pairs(messages) do
  for _, field in ipairs(message.fields) do
    local abbreviation = "sv2." .. message.id .. "." .. field.name
    field.proto = proto_field(abbreviation, field.name, field.kind)
    fields[abbreviation] = field.proto
    if field.kind.t == "seq" then
      field.count = ProtoField.uint32(abbreviation .. ".len", field.name .. ".len", base.DEC)
      fields[abbreviation .. ".len"] = field.count
    end
  end
end

sv2.fields = fields
sv2.experts = { malformed, unknown }

local function little_endian(range)
  if range:len() == 8 then return range:le_uint64() end
  return range:le_uint()
end

local function reversed_hex(range)
  local digits = {}
  for at = range:len() - 1, 0, -1 do
    digits[#digits + 1] = string.format("%02x", range(at, 1):uint())
  end
  return table.concat(digits)
end

local show_list

-- Shows one value at `at`. Returns where the next begins, or nil if there are too few bytes.
local function show(field, kind, tvb, at, tree)
  local left = tvb:len() - at
  if kind.t == "int" then
    if left < kind.bytes then return nil end
    local range = tvb(at, kind.bytes)
    tree:add(field.proto, range, little_endian(range))
    return at + kind.bytes
  elseif kind.t == "bool" then
    if left < 1 then return nil end
    tree:add(field.proto, tvb(at, 1), tvb(at, 1):uint() % 2 == 1)
    return at + 1
  elseif kind.t == "f32" then
    if left < 4 then return nil end
    tree:add_le(field.proto, tvb(at, 4))
    return at + 4
  elseif kind.t == "u256" then
    if left < 32 then return nil end
    tree:add(field.proto, tvb(at, 32), reversed_hex(tvb(at, 32)))
    return at + 32
  elseif kind.t == "text" or kind.t == "bytes" then
    if left < kind.prefix then return nil end
    local len = tvb(at, kind.prefix):le_uint()
    at = at + kind.prefix
    if len > kind.max or len > tvb:len() - at then return nil end
    if kind.t == "text" then
      tree:add(field.proto, tvb(at, len), len > 0 and tvb(at, len):string(ENC_UTF_8) or "")
    else
      tree:add(field.proto, tvb(at, len))
    end
    return at + len
  end
  return show_list(field, kind, tvb, at, tree)
end

-- Where a value ends that is not shown, or nil.
local function skip(kind, tvb, at)
  local len = kind.bytes
  if not len then
    if tvb:len() - at < kind.prefix then return nil end
    len = kind.prefix + tvb(at, kind.prefix):le_uint()
  end
  return len <= tvb:len() - at and at + len or nil
end

-- A sequence, or an option: a sequence of at most one.
function show_list(field, kind, tvb, at, tree)
  if tvb:len() - at < kind.prefix then return nil end
  local count = tvb(at, kind.prefix):le_uint()
  if count > kind.max then return nil end
  local list = tree
  if field.count then
    list = tree:add(field.count, tvb(at, kind.prefix), count)
  end
  at = at + kind.prefix
  for index = 1, count do
    if index <= SHOWN_MAX then
      at = show(field, kind.item, tvb, at, list)
    else
      at = skip(kind.item, tvb, at)
    end
    if not at then return nil end
  end
  return at
end

-- What stands behind the fields (spec 3.4.3). The numbers are written in both byte orders in the
-- field (the specification's text and its example differ): the one in which the lengths fit.
local function show_tlvs(tvb, at, tree)
  while at < tvb:len() do
    if tvb:len() - at < TLV_HEADER_LEN then return false end
    local len = tvb(at + 3, 2):le_uint()
    local is_big = false
    if len > tvb:len() - at - TLV_HEADER_LEN then
      len = tvb(at + 3, 2):uint()
      is_big = true
    end
    if len > tvb:len() - at - TLV_HEADER_LEN then return false end
    local item = tree:add(fields.tlv, tvb(at, TLV_HEADER_LEN + len))
    local add = is_big and item.add or item.add_le
    add(item, fields.tlv_extension, tvb(at, 2))
    add(item, fields.tlv_type, tvb(at + 2, 1))
    add(item, fields.tlv_length, tvb(at + 3, 2))
    if len > 0 then item:add(fields.tlv_value, tvb(at + TLV_HEADER_LEN, len)) end
    at = at + TLV_HEADER_LEN + len
  end
  return true
end

local function dissect_frame(tvb, pinfo, root)
  local extension_type = tvb(0, 2):le_uint()
  local has_channel = extension_type >= 0x8000
  local extension = has_channel and extension_type - 0x8000 or extension_type
  local number = tvb(2, 1):uint()
  local message = messages[extension * 0x100 + number]
  local name = message and message.name
    or string.format("message 0x%02x of extension 0x%04x", number, extension)

  local tree = root:add(sv2, tvb(), "Stratum V2, " .. name)
  tree:add(fields.message, tvb(0, 3), name):set_generated()
  tree:add_le(fields.extension_type, tvb(0, 2))
  tree:add(fields.channel_msg, tvb(1, 1), has_channel):set_generated()
  tree:add(fields.msg_type, tvb(2, 1))
  tree:add_le(fields.msg_length, tvb(3, 3))

  pinfo.cols.protocol = "SV2"
  local seen = tostring(pinfo.cols.info)
  if pinfo.private.sv2_seen == "yes" then
    pinfo.cols.info = seen .. ", " .. name
  else
    pinfo.cols.info = name
    pinfo.private.sv2_seen = "yes"
  end

  if tvb:len() == HEADER_LEN then
    if message and #message.fields > 0 then tree:add_proto_expert_info(malformed) end
    return tvb:len()
  end
  local payload = tvb(HEADER_LEN):tvb()
  if not message then
    tree:add(fields.payload, payload())
    tree:add_proto_expert_info(unknown)
    return tvb:len()
  end
  local at = 0
  for _, field in ipairs(message.fields) do
    at = show(field, field.kind, payload, at, tree)
    if not at then
      tree:add_proto_expert_info(malformed)
      return tvb:len()
    end
  end
  if not show_tlvs(payload, at, tree) then tree:add(fields.payload, payload(at)) end
  return tvb:len()
end

local function frame_len(tvb, _, offset)
  return HEADER_LEN + tvb(offset + 3, 3):le_uint()
end

function sv2.dissector(tvb, pinfo, root)
  pinfo.private.sv2_seen = "no"
  dissect_tcp_pdus(tvb, root, HEADER_LEN, frame_len, dissect_frame)
  return tvb:len()
end

-- A connection begins with SetupConnection in clear; behind Noise there is nothing to read.
local SETUP_CONNECTION_LEN_MAX = 6 + 1 + 2 + 2 + 4 + 256 + 2 + 4 * 256
local function begins_in_clear(tvb, pinfo, root)
  if tvb:len() < 11 then return false end
  local is_setup = tvb(0, 3):uint() == 0
    and tvb(3, 3):le_uint() <= SETUP_CONNECTION_LEN_MAX
    and tvb(6, 1):uint() <= 2
    and tvb(7, 2):le_uint() <= tvb(9, 2):le_uint()
    and tvb(9, 2):le_uint() < 0x100
  if not is_setup then return false end
  pinfo.conversation = sv2
  sv2.dissector(tvb, pinfo, root)
  return true
end

sv2:register_heuristic("tcp", begins_in_clear)
-- For "Decode as".
DissectorTable.get("tcp.port"):add_for_decode_as(sv2)
