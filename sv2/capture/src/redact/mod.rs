//! Captures that can be given away: what tells who somebody is, where, and what they are paid to is
//! replaced by stand-ins of the same length, the same for the same.
//!
//! [`private`] is the one table of what that is; a screen hides by it, too. A [`Redactor`] rewrites
//! one observation after the other. Whatever it does not understand, it replaces: a message that
//! nobody knows, bytes behind fields, a line that is no JSON, free text. What it leaves are numbers,
//! hashes, times, names of products, and transactions of others.
//!
//! Where coinbase transactions are replaced ([`Category::Coinbase`]) nothing hashes to what was sent
//! any more: connections say so (`is_redacted` of [`What::Opened`]), and nobody recomputes proofs or
//! merkle roots of them.

mod coinbase;
mod lines;
mod stand_ins;
mod table;

use std::net::SocketAddr;
use std::str::FromStr;

use bytes::Bytes;
use sv2::extensions::{WORKER_TRACKING, WORKER_USER_IDENTITY};
use sv2::message::{Descriptor, dissect_frame};
use sv2::wire::dissect::{Dissection, Name, Node};
use sv2::wire::{Frame, FrameHeader, Kind, Tlv, TlvOrder, Tlvs};

use crate::observed::{HandshakeSeen, Observed, What};
pub use table::{Private, private};

use stand_ins::{Letter, StandIns};

/// What can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Whoever is paid or connected: `user_identity`, `user_identifier`, `device_id`, users and
    /// passwords of Stratum V1.
    Users,
    /// Where they are: addresses of packets, `endpoint_host`, `new_host`, keys of servers.
    Ips,
    /// `mining_job_token`, `new_mining_job_token`, sessions of Stratum V1.
    Tokens,
    /// Texts in the script of the coinbase input, and what outputs pay to.
    Coinbase,
}

/// Some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u8);

impl Categories {
    /// All.
    pub const ALL: Categories = Categories(0b1111);

    /// Whether a category is among them.
    pub fn has(self, category: Category) -> bool {
        self.0 & Self::bit(category) != 0
    }

    fn bit(category: Category) -> u8 {
        1 << category as u8
    }
}

impl FromStr for Categories {
    type Err = String;

    /// Reads `users,tokens`, or `all`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut categories = Categories::default();
        for word in text.split(',').map(str::trim) {
            categories.0 |= match word {
                "users" => Self::bit(Category::Users),
                "ips" => Self::bit(Category::Ips),
                "tokens" => Self::bit(Category::Tokens),
                "coinbase" => Self::bit(Category::Coinbase),
                "all" => Categories::ALL.0,
                _ => {
                    return Err(format!("users, ips, tokens, coinbase or all, not \"{word}\""));
                }
            };
        }
        Ok(categories)
    }
}

/// Rewrites observations, in the order of their capture.
#[derive(Debug)]
pub struct Redactor {
    categories: Categories,
    stand_ins: StandIns,
}

impl Redactor {
    /// Nothing was met yet.
    pub fn new(categories: Categories) -> Self {
        Redactor { categories, stand_ins: StandIns::default() }
    }

    /// What is replaced.
    pub fn categories(&self) -> Categories {
        self.categories
    }

    /// Gives an observation without what is private.
    pub fn cover(&mut self, observed: &Observed<'_>, take: &mut dyn FnMut(&Observed<'_>)) {
        let Observed { number, at, connection, what } = observed;
        let mut give = |what| {
            take(&Observed { number: *number, at: *at, connection: *connection, what });
        };
        match what {
            What::Opened { client, server, from_the_start, is_selection, is_redacted } => {
                give(What::Opened {
                    client: self.address(*client),
                    server: self.address(*server),
                    from_the_start: *from_the_start,
                    is_selection: *is_selection,
                    is_redacted: *is_redacted || self.categories.has(Category::Coinbase),
                });
            }
            What::Handshake(seen) => give(What::Handshake(self.handshake(seen))),
            What::Frame { direction, frame, integrity } => {
                let frame = &self.frame(frame);
                give(What::Frame { direction: *direction, frame, integrity: *integrity });
            }
            What::Line { direction, line } => {
                let line = &self.line(line);
                give(What::Line { direction: *direction, line });
            }
            other @ (What::Opaque { .. } | What::Gap { .. } | What::Closed { .. }) => {
                give(other.clone());
            }
        }
    }

    /// A frame without what is private.
    pub fn frame(&mut self, frame: &Frame) -> Frame {
        let mut payload = frame.payload.to_vec();
        match dissect_frame(frame) {
            Some((row, dissection)) => self.payload(row, &dissection, &mut payload),
            None => {
                // Nobody knows what it says, but for the channel that every bit names (spec 3.2.1).
                let has_channel = frame.extension_type & FrameHeader::CHANNEL_BIT != 0;
                let start = if has_channel { payload.len().min(4) } else { 0 };
                self.stand_ins.replace(Letter::Unknown, &mut payload[start..]);
            }
        }
        Frame { payload: Bytes::from(payload), ..frame.clone() }
    }

    /// A line of Stratum V1 without what is private.
    pub fn line(&mut self, line: &[u8]) -> Vec<u8> {
        let mut line = line.to_vec();
        lines::redact(&mut line, self);
        line
    }

    /// An address that nobody has; its port stays, for it tells who serves.
    pub fn address(&mut self, address: SocketAddr) -> SocketAddr {
        if !self.categories.has(Category::Ips) {
            return address;
        }
        SocketAddr::new(self.stand_ins.address(address.ip()), address.port())
    }

    fn handshake(&mut self, seen: &HandshakeSeen) -> HandshakeSeen {
        let mut seen = seen.clone();
        if let Some(shown) =
            seen.certificate.as_mut().filter(|_| self.categories.has(Category::Ips))
        {
            self.stand_ins.replace(Letter::Host, &mut shown.static_x);
            self.stand_ins.replace(Letter::Host, &mut shown.certificate.signature);
        }
        seen
    }

    fn payload(&mut self, row: &Descriptor, dissection: &Dissection, payload: &mut [u8]) {
        for node in &dissection.nodes {
            let Name::Named(name) = node.name else { continue };
            if let Some(kind) = private(row, name) {
                self.value(kind, &mut payload[value_of(node)]);
            }
        }
        match dissection.fatal() {
            Some(finding) => {
                let prefix = row.fields.get(dissection.nodes.len());
                let prefix = prefix.map_or(0, |field| prefix_len(field.kind));
                let start = payload.len().min(finding.offset + prefix);
                self.stand_ins.replace(Letter::Unknown, &mut payload[start..]);
            }
            None => self.behind(&mut payload[dissection.fields_len..]),
        }
    }

    fn value(&mut self, kind: Private, value: &mut [u8]) {
        let Redactor { categories, stand_ins } = self;
        if kind.category().is_some_and(|category| !categories.has(category)) {
            return;
        }
        match kind {
            Private::User => stand_ins.replace_parts(Letter::User, value),
            Private::Host => stand_ins.replace(Letter::Host, value),
            Private::Token => stand_ins.replace(Letter::Token, value),
            Private::Words => stand_ins.replace(Letter::Words, value),
            Private::Code => stand_ins.replace_code(value),
            Private::CoinbasePrefix => coinbase::prefix(value, stand_ins),
            Private::CoinbaseSuffix => coinbase::suffix(value, stand_ins),
            Private::CoinbaseScript => coinbase::script(value, stand_ins),
            Private::CoinbaseTransaction => coinbase::transaction(value, stand_ins),
            Private::Outputs => coinbase::outputs(value, false, stand_ins),
            Private::CountedOutputs => coinbase::outputs(value, true, stand_ins),
        }
    }

    /// TLVs, or bytes that nobody knows.
    fn behind(&mut self, bytes: &mut [u8]) {
        let tlvs = Tlvs::from_bytes(Bytes::copy_from_slice(bytes));
        let fields =
            tlvs.fields(TlvOrder::LittleEndian).or_else(|_| tlvs.fields(TlvOrder::BigEndian));
        let Ok(fields) = fields else {
            return self.stand_ins.replace(Letter::Unknown, bytes);
        };
        let mut at = 0;
        for Tlv { extension, field, value } in fields {
            let start = at + Tlv::HEADER_LEN;
            at = start + value.len();
            match (extension, field) {
                (WORKER_TRACKING, WORKER_USER_IDENTITY) => {
                    self.value(Private::User, &mut bytes[start..at]);
                }
                _ => self.stand_ins.replace(Letter::Unknown, &mut bytes[start..at]),
            }
        }
    }
}

/// Without its length.
fn value_of(node: &Node) -> std::ops::Range<usize> {
    node.span.start + prefix_len(node.kind)..node.span.end
}

fn prefix_len(kind: &Kind) -> usize {
    match kind {
        Kind::Bytes { prefix, .. } | Kind::Sequence { prefix, .. } => usize::from(*prefix),
        Kind::Text | Kind::Option { .. } => 1,
        Kind::Bool | Kind::Int { .. } | Kind::F32 | Kind::U256 | Kind::Target => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sv2::message::DESCRIPTORS;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_keeps_its_length_and_is_covered_the_same_again(
            row in 0..DESCRIPTORS.len(),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let row = DESCRIPTORS[row];
            let (extension_type, message_type) = (row.extension_type(), row.number);
            let payload = Bytes::from(bytes);
            let frame = Frame { extension_type, message_type, payload };
            let mut redactor = Redactor::new(Categories::ALL);

            let covered = redactor.frame(&frame);
            prop_assert_eq!(covered.header(), frame.header());
            prop_assert_eq!(redactor.frame(&frame), covered);

            let line = redactor.line(&frame.payload);
            prop_assert_eq!(line.len(), frame.payload.len());
        }
    }

    #[test]
    fn categories_are_read_and_what_is_none_is_said() {
        let some: Categories = "users, tokens".parse().unwrap();
        assert!(some.has(Category::Users) && some.has(Category::Tokens));
        assert!(!some.has(Category::Ips) && !some.has(Category::Coinbase));
        assert_eq!("users,ips,tokens,coinbase".parse(), Ok(Categories::ALL));
        assert_eq!("all".parse(), Ok(Categories::ALL));
        let error = "users,names".parse::<Categories>().unwrap_err();
        assert!(error.contains("\"names\"") && error.contains("ips"), "{error}");
    }

    #[test]
    fn what_nobody_knows_is_replaced_but_for_its_channel() {
        let mut redactor = Redactor::new("users".parse().unwrap());
        let payload = Bytes::from_static(b"\x07\0\0\0farm1");
        let frame = Frame { extension_type: 0xc123, message_type: 9, payload };

        let covered = redactor.frame(&frame);

        assert_eq!(&covered.payload[..], b"\x07\0\0\0x0001");
    }
}
