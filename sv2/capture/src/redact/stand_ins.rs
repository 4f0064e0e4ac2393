//! What stands for what was private: a letter that tells its kind and a number, as long as the
//! original, numbered in the order in which originals are met.
//!
//! Nothing is derived from an original but its length: a stand-in that is a hash could be compared
//! with the hashes of all users of a pool. The same capture gives the same stand-ins.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest as _, Sha256};

/// What something is, as the letter in front of its stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Letter {
    User = b'u',
    Host = b'h',
    Token = b't',
    Coinbase = b'c',
    Words = b'w',
    /// What was not understood.
    Unknown = b'x',
}

/// The stand-ins of one capture. What is kept of an original is a hash.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    known: BTreeMap<(Letter, [u8; 32]), u32>,
    /// By letter and length: how many there are.
    counts: BTreeMap<(Letter, usize), u32>,
}

impl StandIns {
    /// Originals that are told apart; further ones of a letter and length share a stand-in.
    pub(super) const MAX: usize = 1 << 18;

    /// Replaces all of it.
    pub(super) fn replace(&mut self, letter: Letter, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        let number = self.number(letter, bytes, &|number| spelled(letter, number, bytes.len()));
        bytes.copy_from_slice(&spelled(letter, number, bytes.len()));
    }

    /// The same part by part, for `account.worker`: who has the same account still has.
    pub(super) fn replace_parts(&mut self, letter: Letter, bytes: &mut [u8]) {
        bytes.split_mut(|byte| *byte == b'.').for_each(|part| self.replace(letter, part));
    }

    /// Words with hyphens are a code, of which users, hosts and tokens that were met are replaced;
    /// whatever else it is may say anything.
    pub(super) fn replace_code(&mut self, bytes: &mut [u8]) {
        let is_code = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if bytes.len() > CODE_LEN_MAX || !bytes.iter().all(is_code) {
            return self.replace(Letter::Words, bytes);
        }
        for word in bytes.split_mut(|byte| *byte == b'-') {
            let known = [Letter::User, Letter::Host, Letter::Token].into_iter();
            let letter = known.into_iter().find(|letter| self.find(*letter, word).is_some());
            if let Some(letter) = letter.filter(|_| word.len() >= WORD_LEN_MIN) {
                self.replace(letter, word);
            }
        }
    }

    /// An address of those that are for documentation (RFC 5737, RFC 3849); where these do not
    /// suffice, of those for benchmarks (RFC 2544).
    pub(super) fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(original) => {
                let octets = original.octets();
                let spell = |number| documented(number).octets().to_vec();
                documented(self.number(Letter::Host, &octets, &spell)).into()
            }
            IpAddr::V6(original) => {
                let spell = |number| documented_v6(number).octets().to_vec();
                documented_v6(self.number(Letter::Host, &original.octets(), &spell)).into()
            }
        }
    }

    fn find(&self, letter: Letter, original: &[u8]) -> Option<u32> {
        self.known.get(&(letter, Sha256::digest(original).into())).copied()
    }

    /// Of an original, which is never its own stand-in.
    fn number(&mut self, letter: Letter, original: &[u8], spell: &dyn Fn(u32) -> Vec<u8>) -> u32 {
        if let Some(number) = self.find(letter, original) {
            return number;
        }
        let count = self.counts.entry((letter, original.len())).or_default();
        if self.known.len() >= Self::MAX {
            return *count;
        }
        *count += 1;
        if spell(*count) == original {
            *count += 1;
        }
        let number = *count;
        self.known.insert((letter, Sha256::digest(original).into()), number);
        number
    }
}

/// The letter, zeros and the number, in so many characters; where there is room for one, no letter.
fn spelled(letter: Letter, number: u32, len: usize) -> Vec<u8> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = vec![b'0'; len];
    if len > 1 {
        text[0] = letter as u8;
    }
    let room = usize::from(len > 1)..len;
    let mut rest = number as usize;
    for digit in text[room].iter_mut().rev() {
        *digit = DIGITS[rest % DIGITS.len()];
        rest /= DIGITS.len();
    }
    text
}

fn documented(number: u32) -> Ipv4Addr {
    let index = number.saturating_sub(1);
    let (net, host) = (index / HOSTS, index % HOSTS + 1);
    let base = match net {
        0 => Ipv4Addr::new(192, 0, 2, 0),
        1 => Ipv4Addr::new(198, 51, 100, 0),
        2 => Ipv4Addr::new(203, 0, 113, 0),
        // Beyond them all, addresses come again.
        _ => {
            let beyond = (index - 3 * HOSTS) % BENCHMARK_HOSTS;
            return Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + beyond);
        }
    };
    Ipv4Addr::from_bits(base.to_bits() + host)
}

fn documented_v6(number: u32) -> Ipv6Addr {
    let base = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
    Ipv6Addr::from_bits(base.to_bits() + u128::from(number))
}

/// Of one of the three networks.
const HOSTS: u32 = 254;
/// Of 198.18.0.0/15.
const BENCHMARK_HOSTS: u32 = (1 << 17) - 2;
/// A longer one is no code.
const CODE_LEN_MAX: usize = 64;
/// Shorter words of a code are those of the language.
const WORD_LEN_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(stand_ins: &mut StandIns, letter: Letter, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        stand_ins.replace_parts(letter, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_same_has_the_same_stand_in_and_another_has_another() {
        let mut stand_ins = StandIns::default();
        let rows = [
            ("farm1.rack4", "u0001.u0002"),
            ("farm1.rack5", "u0001.u0003"),
            ("x", "1"),
            ("", ""),
            ("ab..c", "u1..2"),
            ("u0004", "u0005"),
            ("farm1", "u0001"),
        ];
        for (original, expected) in rows {
            assert_eq!(replaced(&mut stand_ins, Letter::User, original), expected);
        }
        assert_eq!(replaced(&mut stand_ins, Letter::Token, "farm1"), "t0001");
    }

    #[test]
    fn addresses_are_of_networks_that_nobody_has_and_differ_while_there_are_some() {
        let mut stand_ins = StandIns::default();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..2_000_u32 {
            let original = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
            let IpAddr::V4(address) = stand_ins.address(original) else { panic!("{original}") };
            let [a, b, c, _] = address.octets();
            let nets = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];
            assert!(nets.contains(&[a, b, c]) || [a, b & 0xfe] == [198, 18], "{address}");
            seen.insert(address);
        }
        assert_eq!(seen.len(), 2_000);
        let one: IpAddr = "fe80::1".parse().unwrap();
        assert_eq!(stand_ins.address(one).to_string(), "2001:db8::1");
        assert_eq!(stand_ins.address("192.0.2.1".parse().unwrap()), documented(2_001));
    }

    #[test]
    fn a_code_stays_unless_it_names_somebody() {
        let mut stand_ins = StandIns::default();
        replaced(&mut stand_ins, Letter::User, "bc1qxyz");
        for (code, expected) in [
            ("stale-share", "stale-share"),
            ("unknown-bc1qxyz", "unknown-u000001"),
            ("Sorry, Bob", "w000000001"),
        ] {
            let mut bytes = code.as_bytes().to_vec();
            stand_ins.replace_code(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn memory_is_bounded_however_many_originals_there_are() {
        let mut stand_ins = StandIns::default();
        for number in 0..StandIns::MAX as u64 + 10 {
            stand_ins.replace(Letter::Token, &mut number.to_le_bytes());
        }
        assert_eq!(stand_ins.known.len(), StandIns::MAX);
        let mut late = [7; 8];
        stand_ins.replace(Letter::Token, &mut late);
        assert!(late.starts_with(b"t"));
    }
}
