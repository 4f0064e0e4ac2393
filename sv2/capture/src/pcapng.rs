//! Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian.
//!
//! Only what we write: section header, interface, decryption secrets, enhanced packet, interface
//! statistics.

/// Link layer: IPv4 or IPv6 without anything below (LINKTYPE_RAW).
pub const LINKTYPE_RAW: u16 = 101;

/// Secrets type of an SV2 key log, "SV2K". Not registered: other tools keep it and ignore it.
pub const SECRETS_SV2_KEY_LOG: u32 = 0x5356_324b;

/// Option of an interface: what it is, for people.
pub const IF_DESCRIPTION: u16 = 3;

/// Direction bits of `epb_flags`.
pub const FLAG_INBOUND: u32 = 0b01;
/// Direction bits of `epb_flags`.
pub const FLAG_OUTBOUND: u32 = 0b10;

/// Appends a section header that names `application`.
pub fn section_header(out: &mut Vec<u8>, application: &str) {
    block(out, 0x0a0d_0d0a, |body| {
        body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        body.extend_from_slice(&1_u16.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        // The length of the section is unknown: it grows.
        body.extend_from_slice(&(-1_i64).to_le_bytes());
        option(body, 4, application.as_bytes());
        end_of_options(body);
    });
}

/// How packets came into a file, as the description of their interface says it in words
/// (`if_description`): this is what rewriters such as `editcap` keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Making {
    /// As they were captured, or in another way that nobody has told.
    #[default]
    Captured,
    /// Copied from another capture, the bytes of each direction in order: a hole is a gap of
    /// that capture, and nothing will fill it.
    Copied,
    /// The same, and messages of these connections were left out.
    Selected,
    /// Copied, and what coinbase transactions say of their owners was replaced.
    Redacted,
    /// Both.
    SelectedRedacted,
}

impl Making {
    /// What the description of an interface begins with.
    pub fn mark(self) -> &'static str {
        match self {
            Making::Captured => "",
            Making::Copied => "copied: whole connections of another capture",
            Making::Selected => "selected: connections of which messages were left out",
            Making::Redacted => "redacted: coinbase transactions are not those that were sent",
            Making::SelectedRedacted => {
                "redacted and selected: coinbase transactions are not those that were sent, and \
                 messages were left out"
            }
        }
    }

    /// As the description of an interface has it.
    pub fn of(description: &[u8]) -> Making {
        let is = |making: &Making| description.starts_with(making.mark().as_bytes());
        [Making::Copied, Making::Selected, Making::Redacted, Making::SelectedRedacted]
            .into_iter()
            .find(is)
            .unwrap_or_default()
    }

    /// Of connections of a copy.
    pub fn of_copy(is_selection: bool, is_redacted: bool) -> Making {
        match (is_selection, is_redacted) {
            (false, false) => Making::Copied,
            (true, false) => Making::Selected,
            (false, true) => Making::Redacted,
            (true, true) => Making::SelectedRedacted,
        }
    }

    /// Whether messages were left out.
    pub fn is_selection(self) -> bool {
        matches!(self, Making::Selected | Making::SelectedRedacted)
    }

    /// Whether coinbase transactions were replaced.
    pub fn is_redacted(self) -> bool {
        matches!(self, Making::Redacted | Making::SelectedRedacted)
    }
}

/// Appends an interface with nanosecond stamps.
pub fn interface(out: &mut Vec<u8>, name: &str) {
    interface_of(out, name, Making::Captured);
}

/// The same, of packets that were made so.
pub fn interface_of(out: &mut Vec<u8>, name: &str, making: Making) {
    block(out, 1, |body| {
        body.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        // No limit on the length of a packet.
        body.extend_from_slice(&0_u32.to_le_bytes());
        option(body, 2, name.as_bytes());
        if !making.mark().is_empty() {
            option(body, IF_DESCRIPTION, making.mark().as_bytes());
        }
        // if_tsresol: 10^-9 s.
        option(body, 9, &[9]);
        end_of_options(body);
    });
}

/// Appends secrets; readers want them before the packets that they open.
pub fn secrets(out: &mut Vec<u8>, secrets_type: u32, text: &[u8]) {
    block(out, 0x0a, |body| {
        body.extend_from_slice(&secrets_type.to_le_bytes());
        body.extend_from_slice(&len(text).to_le_bytes());
        padded(body, text);
    });
}

/// Appends a packet of interface 0, with a comment unless it is empty.
pub fn packet(out: &mut Vec<u8>, nanoseconds: u64, flags: u32, comment: &str, data: &[u8]) {
    packet_of(out, 0, nanoseconds, flags, comment, data);
}

/// Appends a packet of an interface, counted from 0, with a comment unless it is empty.
pub fn packet_of(
    out: &mut Vec<u8>,
    interface: u32,
    nanoseconds: u64,
    flags: u32,
    comment: &str,
    data: &[u8],
) {
    block(out, 6, |body| {
        body.extend_from_slice(&interface.to_le_bytes());
        stamp(body, nanoseconds);
        body.extend_from_slice(&len(data).to_le_bytes());
        body.extend_from_slice(&len(data).to_le_bytes());
        padded(body, data);
        if !comment.is_empty() {
            option(body, 1, comment.as_bytes());
        }
        option(body, 2, &flags.to_le_bytes());
        end_of_options(body);
    });
}

/// Appends how many packets an interface has had since its capture began, written or not, and how
/// many of these are missing.
pub fn interface_statistics(
    out: &mut Vec<u8>,
    interface: u32,
    nanoseconds: u64,
    received_count: u64,
    dropped_count: u64,
) {
    block(out, 5, |body| {
        body.extend_from_slice(&interface.to_le_bytes());
        stamp(body, nanoseconds);
        // isb_ifrecv and isb_ifdrop.
        option(body, 4, &received_count.to_le_bytes());
        option(body, 5, &dropped_count.to_le_bytes());
        end_of_options(body);
    });
}

fn stamp(body: &mut Vec<u8>, nanoseconds: u64) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the stamp")]
    let (high, low) = ((nanoseconds >> 32) as u32, nanoseconds as u32);
    body.extend_from_slice(&high.to_le_bytes());
    body.extend_from_slice(&low.to_le_bytes());
}

fn block(out: &mut Vec<u8>, block_type: u32, write_body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    write_body(out);
    // The length stands in front and behind, so that a file can be read backwards.
    let total = len(&out[start..]) + 4;
    out[start + 4..start + 8].copy_from_slice(&total.to_le_bytes());
    out.extend_from_slice(&total.to_le_bytes());
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend_from_slice(&code.to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "cut above")]
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    padded(body, value);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend_from_slice(&[0; 4]);
}

fn padded(body: &mut Vec<u8>, data: &[u8]) {
    body.extend_from_slice(data);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn len(data: &[u8]) -> u32 {
    u32::try_from(data.len()).expect("a block is far below 4 GiB: streams are cut into segments")
}
