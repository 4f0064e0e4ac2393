//! The list of rules: numbers, defaults, sections, hints.

use super::{Group, Rule, Severity};
use Severity::{Chat, Error, Note, Warning};

const fn rule(
    number: u8,
    severity: Severity,
    group: Group,
    sections: &'static str,
    title: &'static str,
    hint: &'static str,
) -> Rule {
    Rule { number, severity, group, title, sections, hint, disputed: None, needs_history: true }
}

/// For rules that judge what stands in one message.
const fn alone(rule: Rule) -> Rule {
    Rule { needs_history: false, ..rule }
}

const fn disputed(rule: Rule, why: &'static str) -> Rule {
    Rule { disputed: Some(why), ..rule }
}

/// All rules, by number from 1.
pub static RULES: &[Rule] = &[
    alone(rule(
        1,
        Error,
        Group::Crypto,
        "4.4.1, 4.5",
        "a MAC is wrong, or the key does not fit",
        "compare the key log's session with act 1; a counter that skips, or one cipher state for \
         both directions, breaks every MAC that follows",
    )),
    alone(rule(
        2,
        Error,
        Group::Framing,
        "3.2",
        "a frame that no message of its type can be, or a stream that is lost",
        "msg_length is 24 bits, little-endian; a longer frame than its message allows is mostly a \
         decryption or byte order mistake",
    )),
    disputed(
        alone(rule(
            3,
            Error,
            Group::Framing,
            "3.1",
            "a payload does not parse",
            "the position says which field is short or long; integers are little-endian, OPTION is \
             0 or 1 in front of the value, B0_32 has at most 32 bytes",
        )),
        "AMB-25: trailing bytes without negotiation are ignored or malformed",
    ),
    alone(rule(
        4,
        Warning,
        Group::Framing,
        "8",
        "an unknown message, one of another protocol, or one from the wrong side",
        "look up number and sender in the table of messages; extension numbers reuse 0x00 to 0x02",
    )),
    disputed(
        alone(rule(
            5,
            Error,
            Group::Framing,
            "3.2.1, 8",
            "the channel bit is not what the table of messages says",
            "bit 15 of extension_type is set for messages whose table row says so; receivers should \
             not depend on it",
        )),
        "AMB-26; the bits of 0x15, 0x22 to 0x24 and 0x60 changed in sv2-spec#196",
    ),
    alone(rule(
        6,
        Error,
        Group::Crypto,
        "4.5.2, 4.5.3",
        "the handshake or its certificate is not as specified",
        "act 2 is 64 + 80 + 90 = 234 bytes; check both clocks, the authority key, and that the \
         signature is over version, times and the x coordinate of the static key",
    )),
    disputed(
        rule(
            7,
            Error,
            Group::Setup,
            "3.6.1, 3.6.2, 5.3.1",
            "the connection is not set up as specified",
            "SetupConnection first and once, everything else after its Success; the flags of the \
             answer are other bits than those of the request",
        ),
        "AMB-08, AMB-47: what a server may send before its answer, and a second SetupConnection",
    ),
    rule(
        8,
        Warning,
        Group::Setup,
        "3.6.3, 3.5",
        "SetupConnection.Error is inconsistent, not followed by a close, or missing",
        "name all unsupported flags, the same each time, then close",
    ),
    rule(
        9,
        Error,
        Group::Channel,
        "5.2, 5.2.3",
        "two channels, or a channel and a group, have one id",
        "channels and groups share one name space for the life of a connection",
    ),
    disputed(
        rule(
            10,
            Error,
            Group::Channel,
            "5.3.9",
            "a message for a channel that does not exist",
            "ids are per connection; a frame for a group concerns every member",
        ),
        "AMB-44: closing what is closed",
    ),
    rule(
        11,
        Error,
        Group::Channel,
        "5.1.2.1, 5.2.3, 5.3.10",
        "extranonce sizes do not add up",
        "prefix and rollable part together: at most 32 bytes, equal for all members of a group, \
         unchanged by SetExtranoncePrefix",
    ),
    disputed(
        rule(
            12,
            Warning,
            Group::Channel,
            "5.3.4, 5.3.5",
            "less extranonce than was asked for",
            "grant min_extranonce_size or answer OpenMiningChannel.Error",
        ),
        "AMB-14; 0 is enough for a proxy that only relays (sv2-spec#210)",
    ),
    rule(
        13,
        Error,
        Group::Job,
        "5.3.17",
        "SetNewPrevHash names a job that is no future job of the channel",
        "send the future job first, to the same channel or group, then SetNewPrevHash with its id",
    ),
    disputed(
        rule(
            14,
            Error,
            Group::Job,
            "5.3.15, 5.3.16",
            "a job id is used again while its job is valid",
            "count up per channel; own jobs and those of the group share the ids",
        ),
        "AMB-22: whether a channel and its group share job ids",
    ),
    disputed(
        rule(
            15,
            Warning,
            Group::Job,
            "5.3.15, 5.3.16, 5.3.17",
            "a channel does not begin with a future job and its block",
            "after the Success: a job without min_ntime, then SetNewPrevHash with its id",
        ),
        "AMB-21, AMB-23; a prev_hash that comes back is a reorganisation (AMB-52)",
    ),
    rule(
        16,
        Error,
        Group::Channel,
        "3.1, 5.3.2 to 5.3.7, 5.3.21",
        "an implausible target",
        "U256 is little-endian on the wire: the last byte of a usual target is 0; never above the \
         max_target that was asked for",
    ),
    rule(
        17,
        Warning,
        Group::Channel,
        "5.3.7, 5.3.21",
        "the target does not settle",
        "smooth over more shares; a smaller maximum_target of UpdateChannel has to be granted",
    ),
    rule(
        18,
        Warning,
        Group::Share,
        "5.3.2",
        "a channel that should have found shares is silent",
        "look at the target (byte order), at the job's fields, and whether the device follows \
         frames that are addressed to its group",
    ),
    rule(
        19,
        Warning,
        Group::Share,
        "5.3.11, 5.3.17",
        "a share for a job that is not active",
        "below the round trip this is a race; for seconds, the client does not follow \
         SetNewPrevHash, perhaps because it is addressed to the group",
    ),
    disputed(
        rule(
            20,
            Error,
            Group::Share,
            "5.3.11, 5.3.12, 5.3.16",
            "a field of a share is not allowed",
            "ntime from the block's min_ntime on; version is the whole field, changed in bits 5 to \
             28 only; extranonce exactly as long as agreed",
        ),
        "AMB-18 (range of ntime), AMB-35 (a share without its TLV)",
    ),
    rule(
        21,
        Warning,
        Group::Share,
        "5.3.14, 5.3.21",
        "a share above its target, or a verdict that recomputation does not confirm",
        "a share is judged by the target of its job's activation and the prefix of its arrival",
    ),
    rule(
        22,
        Warning,
        Group::Share,
        "5.3.11, 5.3.13",
        "a share is sent twice, or its sequence number is not new",
        "a duplicate is the same header, whatever its job id or sequence number",
    ),
    disputed(
        rule(
            23,
            Warning,
            Group::Share,
            "5.3.13, 5.3.14",
            "acknowledgements do not add up",
            "count and sum are of this batch alone; the sum is of the difficulties of the jobs' \
             targets",
        ),
        "AMB-19 (what is summed, and how rounded), AMB-20 (no deadline)",
    ),
    rule(
        24,
        Warning,
        Group::Setup,
        "5.3.2, 5.3.18, 6.4, 7.4",
        "a request without exactly one answer",
        "answer every request once, with its own id; ids are the client's to keep unique",
    ),
    disputed(
        rule(
            25,
            Error,
            Group::Setup,
            "5.3.1, 5.3.16, 5.3.18, 5.3.22, 6.4.1",
            "something that the flags of the connection exclude",
            "set the flag in SetupConnection, or do not use what it stands for",
        ),
        "AMB-05, AMB-28",
    ),
    rule(
        26,
        Error,
        Group::Job,
        "3.7, 5.1.2.1, 5.3.16, 6.4.4",
        "a coinbase transaction that is none",
        "the script's length byte counts the whole extranonce, at most 100 bytes in all; jobs are \
         without the fields of BIP 141, declarations and solutions are with them",
    ),
    rule(
        27,
        Error,
        Group::Job,
        "5.1.2.1, 7.3",
        "two connections tell different stories of one block or job",
        "compare byte order of hashes; the root of a standard job follows from the extended job \
         above and the channel's whole prefix",
    ),
    disputed(
        rule(
            28,
            Warning,
            Group::JobDeclaration,
            "6.3, 6.4",
            "a token, a declaration and its custom job do not fit together",
            "one token backs one job; the outputs are the same bytes in declaration and job; the \
             pool's script gets something",
        ),
        "AMB-29, AMB-38",
    ),
    disputed(
        rule(
            29,
            Warning,
            Group::Template,
            "7.1, 7.2, 7.3",
            "templates out of order",
            "constraints first; ids count up; SetNewPrevHash names a template that was sent as a \
             future one",
        ),
        "AMB-32, AMB-54",
    ),
    disputed(
        rule(
            30,
            Warning,
            Group::Timing,
            "3.6.5, 5.3.9, 5.3.17, 5.3.19",
            "late, or without a word",
            "a block has to reach every channel at once; say why before closing",
        ),
        "AMB-45",
    ),
    disputed(
        alone(rule(
            31,
            Note,
            Group::Setup,
            "3.1, 3.5, 3.6.5, 5.3.2",
            "an odd value",
            "hash rates are finite and not negative; codes are printable ASCII",
        )),
        "AMB-17, AMB-49",
    ),
    disputed(
        alone(rule(
            32,
            Note,
            Group::Extension,
            "3.4.3",
            "the byte order of TLVs",
            "3.1 says little-endian, the examples are big-endian; send what your peer reads",
        )),
        "AMB-03",
    ),
    alone(rule(
        33,
        Chat,
        Group::Share,
        "3.5, 5.3.14",
        "the peer refuses something",
        "the code says why",
    )),
    alone(rule(
        34,
        Note,
        Group::Extension,
        "3.4, 3.4.1",
        "an unknown extension",
        "ignore it, or forward it where the channel bit is set",
    )),
    alone(rule(
        35,
        Warning,
        Group::Setup,
        "3.6.1",
        "SetupConnection with an empty vendor",
        "name manufacturer and firmware: operators can help only whom they can tell apart",
    )),
    alone(rule(
        36,
        Warning,
        Group::Channel,
        "5.3.2, 5.3.3",
        "the price of a share does not fit the claimed hash rate",
        "claim the rate that the device has; a pool's smallest difficulty may be too high for it",
    )),
];
