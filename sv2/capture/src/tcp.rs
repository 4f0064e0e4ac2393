//! TCP segments around recorded bytes (RFC 9293, RFC 791, RFC 8200), so that tools can follow
//! the stream: right sequence numbers and checksums, no options.

use std::net::{IpAddr, SocketAddr};

/// Bytes of payload in one segment, at most: the total length of an IPv4 packet has 16 bits.
pub(crate) const SEGMENT_LEN_MAX: usize = 65_000;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;

/// A segment on its way.
pub(crate) struct Segment<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
    pub(crate) flags: u8,
    /// At most [`SEGMENT_LEN_MAX`] bytes.
    pub(crate) payload: &'a [u8],
}

impl Segment<'_> {
    /// The IP packet. Where the two addresses are of different kinds, both are written as IPv6.
    pub(crate) fn to_packet(&self) -> Vec<u8> {
        let segment_len = TCP_HEADER_LEN + self.payload.len();
        let mut packet = Vec::with_capacity(IPV6_HEADER_LEN + segment_len);
        let pseudo_header_sum = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let total_len = u16_of(IPV4_HEADER_LEN + segment_len);
                packet.extend_from_slice(&[0x45, 0]);
                packet.extend_from_slice(&total_len.to_be_bytes());
                // No identification, don't fragment, 64 hops, TCP, checksum below.
                packet.extend_from_slice(&[0, 0, 0x40, 0, 64, TCP, 0, 0]);
                packet.extend_from_slice(&from.octets());
                packet.extend_from_slice(&to.octets());
                let checksum = fold(sum(&packet));
                packet[10..12].copy_from_slice(&checksum.to_be_bytes());
                sum(&from.octets()) + sum(&to.octets())
            }
            (from, to) => {
                let [from, to] = [from, to].map(|address| match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                    IpAddr::V6(address) => address.octets(),
                });
                packet.extend_from_slice(&[0x60, 0, 0, 0]);
                packet.extend_from_slice(&u16_of(segment_len).to_be_bytes());
                packet.extend_from_slice(&[TCP, 64]);
                packet.extend_from_slice(&from);
                packet.extend_from_slice(&to);
                sum(&from) + sum(&to)
            }
        };
        let start = packet.len();
        packet.extend_from_slice(&self.from.port().to_be_bytes());
        packet.extend_from_slice(&self.to.port().to_be_bytes());
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.acknowledged.to_be_bytes());
        // Five words of header, the largest window, checksum below, nothing urgent.
        packet.extend_from_slice(&[0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend_from_slice(self.payload);
        let pseudo_header = pseudo_header_sum + u32::from(TCP) + u32::from(u16_of(segment_len));
        let checksum = fold(pseudo_header + sum(&packet[start..]));
        packet[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
        packet
    }
}

/// Sum of 16-bit words. Below 2^31 for any packet: 32,768 words of 16 bits.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from))
        .sum()
}

/// The Internet checksum of a sum (RFC 1071).
fn fold(mut sum: u32) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
    let folded = sum as u16;
    !folded
}

fn u16_of(len: usize) -> u16 {
    u16::try_from(len).expect("a segment is cut to fit an IPv4 packet")
}

const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const TCP_HEADER_LEN: usize = 20;
const TCP: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_both_headers_are_right() {
        for addresses in [["127.0.0.1:1", "127.0.0.2:2"], ["[::1]:1", "[::2]:2"]] {
            let [from, to] = addresses.map(|address| address.parse().unwrap());
            let segment =
                Segment { from, to, sequence: 7, acknowledged: 9, flags: ACK, payload: b"odd" };

            let packet = segment.to_packet();

            // A checksum is right when the sum over everything, itself included, folds to 0.
            let (tcp, pseudo_header) = match packet[0] >> 4 {
                4 => {
                    assert_eq!(fold(sum(&packet[..20])), 0, "IPv4 header");
                    (&packet[20..], &packet[12..20])
                }
                _ => (&packet[40..], &packet[8..40]),
            };
            let len = u32::try_from(tcp.len()).unwrap();
            assert_eq!(fold(sum(pseudo_header) + u32::from(TCP) + len + sum(tcp)), 0);
        }
    }
}
