//! How many bytes a message is on the wire.

/// What surrounds the payload of TCP segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Headers of IP and TCP, of each segment and each acknowledgement: 40 bytes, 52 with
    /// timestamps.
    pub header_len: u32,
    /// What Ethernet adds to each packet in time: preamble, header, checksum and the gap behind
    /// it. Counted where packets queue, not as bytes of the Internet.
    pub frame_len: u32,
    /// Payload of a full segment.
    pub segment_len_max: u32,
}

impl Framing {
    /// IPv4 and TCP with timestamps, as every current system sends, on Ethernet.
    pub const TIMESTAMPS: Framing =
        Framing { header_len: 52, frame_len: 38, segment_len_max: 1_448 };
    /// Without options.
    pub const PLAIN: Framing = Framing { header_len: 40, frame_len: 38, segment_len_max: 1_460 };

    /// Segments of a message; one without payload still takes one.
    #[inline]
    pub fn segment_count(&self, payload_len: u64) -> u64 {
        payload_len.div_ceil(u64::from(self.segment_len_max)).max(1)
    }

    /// Acknowledgements of so many segments: one for two, and one for the last.
    #[inline]
    pub fn acknowledgement_count(&self, segment_count: u64) -> u64 {
        segment_count.div_ceil(2)
    }

    /// Bytes of the Internet: payload and headers.
    #[inline]
    pub fn packet_bytes(&self, payload_len: u64) -> u64 {
        payload_len + self.segment_count(payload_len) * u64::from(self.header_len)
    }

    /// Bytes that occupy a link.
    #[inline]
    pub fn link_bytes(&self, payload_len: u64) -> u64 {
        let around = u64::from(self.header_len) + u64::from(self.frame_len);
        payload_len + self.segment_count(payload_len) * around
    }

    /// Bytes that the first, or the last, segment of a message occupies a link with.
    #[inline]
    pub(super) fn edge_bytes(&self, payload_len: u64) -> (u64, u64) {
        let around = u64::from(self.header_len) + u64::from(self.frame_len);
        let full = u64::from(self.segment_len_max);
        let last = payload_len - (self.segment_count(payload_len) - 1) * full;
        (payload_len.min(full) + around, last + around)
    }
}

impl Default for Framing {
    fn default() -> Self {
        Framing::TIMESTAMPS
    }
}
