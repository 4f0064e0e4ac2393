//! From a captured packet to a TCP segment: link layers, VLANs, IPv4 and IPv6. What was cut off
//! by a snap length is counted, not lost.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TcpSlice};

/// A TCP segment as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Who was to receive it.
    pub to: SocketAddr,
    /// Of its first byte.
    pub sequence: u32,
    /// What the sender has received, if it says so.
    pub acknowledged: Option<u32>,
    /// Opens a connection.
    pub is_syn: bool,
    /// Ends one direction.
    pub is_fin: bool,
    /// Breaks off both.
    pub is_reset: bool,
    /// What was captured of its payload.
    pub payload: &'a [u8],
    /// What it had, in bytes.
    pub payload_len: usize,
}

/// Why a packet is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTcp {
    /// A link layer that we do not know.
    LinkType,
    /// Not IP, or not TCP.
    Other,
    /// A fragment of an IP packet.
    Fragment,
    /// Cut off within its headers.
    CutOff,
}

/// Finds the segment in a packet of a link type (LINKTYPE_*).
///
/// # Errors
/// [`NotTcp`].
pub fn segment(link_type: u32, data: &[u8]) -> Result<Segment<'_>, NotTcp> {
    let packet = match link_type {
        RAW | IPV4 => Some(data),
        ETHERNET => data.get(12..).and_then(|rest| rest.strip_prefix(&ETHER_TYPE_IPV4)),
        _ => None,
    };
    packet.and_then(usual_segment).map_or_else(|| any_segment(link_type, data), Ok)
}

/// The same of every kind of packet that there is.
fn any_segment(link_type: u32, data: &[u8]) -> Result<Segment<'_>, NotTcp> {
    let sliced = match link_type {
        ETHERNET => LaxSlicedPacket::from_ethernet(data).map_err(|_| NotTcp::CutOff)?,
        RAW | RAW_BSD | RAW_OPENBSD | IPV4 | IPV6 => ip(data)?,
        NULL | LOOP => ip(data.get(4..).ok_or(NotTcp::CutOff)?)?,
        LINUX_SLL => behind_ether_type(data, 14, 16)?,
        LINUX_SLL2 => behind_ether_type(data, 0, 20)?,
        _ => return Err(NotTcp::LinkType),
    };
    let (addresses, payload, missing) = match sliced.net.as_ref() {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let addresses =
                (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()));
            let len = usize::from(header.total_len()).saturating_sub(header.slice().len());
            (addresses, ip.payload(), len)
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let addresses =
                (IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()));
            let extensions = ip.extensions().slice().len();
            let len = usize::from(header.payload_length()).saturating_sub(extensions);
            (addresses, ip.payload(), len)
        }
        _ => return Err(NotTcp::Other),
    };
    if payload.ip_number != etherparse::IpNumber::TCP {
        return Err(NotTcp::Other);
    }
    if payload.fragmented {
        return Err(NotTcp::Fragment);
    }
    let tcp = TcpSlice::from_slice(payload.payload).map_err(|_| NotTcp::CutOff)?;
    // A length of zero is left to the network card: what was captured is all.
    let cut_off =
        if payload.incomplete { missing.saturating_sub(payload.payload.len()) } else { 0 };
    Ok(Segment {
        from: SocketAddr::new(addresses.0, tcp.source_port()),
        to: SocketAddr::new(addresses.1, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        is_syn: tcp.syn(),
        is_fin: tcp.fin(),
        is_reset: tcp.rst(),
        payload: tcp.payload(),
        payload_len: tcp.payload().len() + cut_off,
    })
}

/// The segment of a whole packet of IPv4 without options, as nearly all are: read here because the
/// parser that knows all others takes as long as everything else that is done with a packet.
fn usual_segment(data: &[u8]) -> Option<Segment<'_>> {
    let (ip, _) = data.split_first_chunk::<20>()?;
    let word = |at: usize| u16::from_be_bytes([ip[at], ip[at + 1]]);
    // Fragments have an offset, or the bit that says that more of them follow.
    let is_usual = ip[0] == 0x45 && ip[9] == 6 && word(6) & 0x3fff == 0;
    let body = data.get(20..usize::from(word(2))).filter(|_| is_usual)?;
    let (tcp, _) = body.split_first_chunk::<20>()?;
    let payload_at = usize::from(tcp[12] >> 4) * 4;
    let payload = body.get(payload_at..).filter(|_| payload_at >= tcp.len())?;
    let end = |address: usize, port: usize| {
        let address = [ip[address], ip[address + 1], ip[address + 2], ip[address + 3]];
        let port = u16::from_be_bytes([tcp[port], tcp[port + 1]]);
        SocketAddr::new(IpAddr::from(address), port)
    };
    let number = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    let has_flag = |flag: u8| tcp[13] & flag != 0;
    Some(Segment {
        from: end(12, 0),
        to: end(16, 2),
        sequence: number(4),
        acknowledged: has_flag(0x10).then(|| number(8)),
        is_syn: has_flag(0x02),
        is_fin: has_flag(0x01),
        is_reset: has_flag(0x04),
        payload,
        payload_len: payload.len(),
    })
}

fn ip(data: &[u8]) -> Result<LaxSlicedPacket<'_>, NotTcp> {
    LaxSlicedPacket::from_ip(data).map_err(|_| NotTcp::Other)
}

fn behind_ether_type(
    data: &[u8],
    type_at: usize,
    header_len: usize,
) -> Result<LaxSlicedPacket<'_>, NotTcp> {
    let payload = data.get(header_len..).ok_or(NotTcp::CutOff)?;
    let ether_type = EtherType(u16::from_be_bytes([data[type_at], data[type_at + 1]]));
    Ok(LaxSlicedPacket::from_ether_type(ether_type, payload))
}

const ETHER_TYPE_IPV4: [u8; 2] = [8, 0];
const NULL: u32 = 0;
const ETHERNET: u32 = 1;
/// As two BSDs number it.
const RAW_BSD: u32 = 12;
const RAW_OPENBSD: u32 = 14;
const RAW: u32 = 101;
const LOOP: u32 = 108;
const LINUX_SLL: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const LINUX_SLL2: u32 = 276;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tcp::{ACK, PSH, Segment as Written};

    fn packet(from: &str, to: &str) -> Vec<u8> {
        let [from, to] = [from, to].map(|address| address.parse().unwrap());
        let flags = PSH | ACK;
        Written { from, to, sequence: 7, acknowledged: 9, flags, payload: b"payload" }.to_packet()
    }

    #[test]
    fn every_link_layer_leads_to_the_same_segment() {
        let v4 = packet("10.0.0.1:1000", "10.0.0.2:34254");
        let v6 = packet("[fe80::1]:1000", "[fe80::2]:34254");
        for (ether_type, family, ip) in [([8, 0], 2_u8, &v4), ([0x86, 0xdd], 24, &v6)] {
            let ethernet = [&[1; 12][..], &ether_type, ip].concat();
            let vlan = [&[1; 12][..], &[0x81, 0, 0, 5], &ether_type, ip].concat();
            let sll = [&[0; 14][..], &ether_type, ip].concat();
            let sll2 = [&ether_type[..], &[0; 18], ip].concat();
            let null = [&[family, 0, 0, 0][..], ip].concat();
            let expected = segment(RAW, ip).unwrap();
            assert_eq!((expected.sequence, expected.acknowledged), (7, Some(9)));
            assert_eq!((expected.payload, expected.payload_len), (&b"payload"[..], 7));
            let rows = [
                (ETHERNET, &ethernet),
                (ETHERNET, &vlan),
                (LINUX_SLL, &sll),
                (LINUX_SLL2, &sll2),
                (NULL, &null),
                (LOOP, &null),
            ];
            for (link_type, data) in rows {
                assert_eq!(segment(link_type, data), Ok(expected), "{link_type}");
            }
        }
    }

    proptest! {
        /// Whatever is wrong with it: wrong lengths, options, fragments, other protocols.
        #[test]
        fn a_usual_packet_is_read_as_every_other_one(
            changes in prop::collection::vec((0_usize..40, any::<u8>()), 0..4),
            cut in 0_usize..12,
            tail in prop::collection::vec(any::<u8>(), 0..30),
            has_cut: bool,
        ) {
            let mut bytes = packet("10.0.0.1:1000", "10.0.0.2:34254");
            changes.iter().for_each(|(at, value)| bytes[*at] = *value);
            if has_cut {
                bytes.truncate(bytes.len() - cut);
            }
            bytes.extend_from_slice(&tail);

            if let Some(segment) = usual_segment(&bytes) {
                prop_assert_eq!(any_segment(RAW, &bytes), Ok(segment));
            }
        }
    }

    #[test]
    fn what_a_snap_length_cut_off_is_counted() {
        for packet in [packet("10.0.0.1:1", "10.0.0.2:2"), packet("[::1]:1", "[::2]:2")] {
            let found = segment(RAW, &packet[..packet.len() - 3]).unwrap();

            assert_eq!((found.payload, found.payload_len), (&b"payl"[..], 7));
        }
    }

    #[test]
    fn what_is_no_segment_says_why() {
        let whole = packet("10.0.0.1:1", "10.0.0.2:2");
        assert_eq!(segment(RAW, &whole[..30]), Err(NotTcp::CutOff));
        assert_eq!(segment(147, &whole), Err(NotTcp::LinkType));
        assert_eq!(segment(RAW, &[]), Err(NotTcp::Other));
        let mut udp = whole.clone();
        udp[9] = 17;
        assert_eq!(segment(RAW, &udp), Err(NotTcp::Other));
        let mut fragment = whole;
        fragment[6] = 0x20;
        assert_eq!(segment(RAW, &fragment), Err(NotTcp::Fragment));
    }
}
