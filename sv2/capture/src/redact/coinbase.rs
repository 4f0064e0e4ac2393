//! Coinbase transactions: texts in the script of the input, and what outputs pay to. Lengths,
//! heights, values, opcodes and the commitment to witnesses stay, so that a job is still one; parts
//! that make no sense are replaced as a whole.
//!
//! The parsers of whole transactions tell no places, and half a transaction is none for them.

use super::stand_ins::{Letter, StandIns};

/// Up to the extranonce.
pub(super) fn prefix(bytes: &mut [u8], stand_ins: &mut StandIns) {
    match script_start(bytes) {
        Some((start, _)) => script(&mut bytes[start..], stand_ins),
        None => stand_ins.replace(Letter::Coinbase, bytes),
    }
}

/// The beginning of the script of the input: its height stays (BIP 34).
pub(super) fn script(bytes: &mut [u8], stand_ins: &mut StandIns) {
    let height_len = match bytes.first() {
        Some(len @ 1..=5) if bytes.len() > usize::from(*len) => 1 + usize::from(*len),
        // OP_1 to OP_16.
        Some(0x51..=0x60) => 1,
        _ => 0,
    };
    stand_ins.replace(Letter::Coinbase, &mut bytes[height_len..]);
}

/// Behind the extranonce: the rest of the script, then sequence, outputs, perhaps a witness, and
/// locktime. Where the script ends is known where that leaves only one reading.
pub(super) fn suffix(bytes: &mut [u8], stand_ins: &mut StandIns) {
    let rests: Vec<(usize, Vec<Span>)> = (0..=bytes.len().min(SCRIPT_LEN_MAX))
        .filter_map(|start| Some((start, behind_script(bytes, start)?)))
        .collect();
    let [(script_len, scripts)] = rests.as_slice() else {
        return stand_ins.replace(Letter::Coinbase, bytes);
    };
    stand_ins.replace(Letter::Coinbase, &mut bytes[..*script_len]);
    for script in scripts {
        output_script(&mut bytes[script.clone()], stand_ins);
    }
}

/// All of it.
pub(super) fn transaction(bytes: &mut [u8], stand_ins: &mut StandIns) {
    let parts = script_start(bytes).and_then(|(start, len)| {
        let end = start.checked_add(len).filter(|end| *end <= bytes.len())?;
        Some((start..end, behind_script(bytes, end)?))
    });
    let Some((input, scripts)) = parts else {
        return stand_ins.replace(Letter::Coinbase, bytes);
    };
    script(&mut bytes[input], stand_ins);
    for output in scripts {
        output_script(&mut bytes[output], stand_ins);
    }
}

/// Outputs, one after the other, with or without their count.
pub(super) fn outputs(bytes: &mut [u8], has_count: bool, stand_ins: &mut StandIns) {
    let mut cursor = Cursor { bytes, at: 0 };
    let count = if has_count { cursor.size() } else { Some(usize::MAX) };
    let mut scripts = Vec::new();
    let mut is_sound = count.is_some();
    while is_sound && scripts.len() < count.unwrap_or_default() && cursor.at < bytes.len() {
        match cursor.output() {
            Some(script) => scripts.push(script),
            None => is_sound = false,
        }
    }
    if !is_sound || cursor.at != bytes.len() {
        return stand_ins.replace(Letter::Coinbase, bytes);
    }
    for script in scripts {
        output_script(&mut bytes[script], stand_ins);
    }
}

type Span = std::ops::Range<usize>;

/// What is pushed, but for a commitment to witnesses (BIP 141); the opcodes stay.
fn output_script(bytes: &mut [u8], stand_ins: &mut StandIns) {
    if bytes.starts_with(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]) && bytes.len() == COMMITMENT_LEN {
        return;
    }
    let mut at = 0;
    while let Some(opcode) = bytes.get(at).copied() {
        at += 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let (size_len, len) = match (opcode, rest) {
            (1..=75, _) => (0, usize::from(opcode)),
            (76, [len, ..]) => (1, usize::from(*len)),
            (77, [low, high, ..]) => (2, usize::from(u16::from_le_bytes([*low, *high]))),
            // Whatever it pushes, it pushes it to the end.
            (76..=78, _) => (0, rest.len()),
            _ => continue,
        };
        let start = at + size_len;
        let end = (start + len).min(bytes.len());
        stand_ins.replace(Letter::Coinbase, &mut bytes[start..end]);
        at = end;
    }
}

/// Where the script of the only input begins, and its length.
fn script_start(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut cursor = Cursor { bytes, at: 0 };
    cursor.skip(4)?;
    if bytes.get(4..6) == Some(&[0, 1]) {
        cursor.skip(2)?;
    }
    if cursor.size()? != 1 {
        return None;
    }
    cursor.skip(36)?;
    let len = cursor.size()?;
    Some((cursor.at, len))
}

/// The scripts of the outputs, if everything from `start` on is the end of a transaction.
fn behind_script(bytes: &[u8], start: usize) -> Option<Vec<Span>> {
    let mut cursor = Cursor { bytes, at: start };
    cursor.skip(4)?;
    let count = cursor.size()?;
    let mut scripts = Vec::new();
    for _ in 0..count {
        scripts.push(cursor.output()?);
    }
    // The reserved value of the witness (BIP 141).
    if bytes.len() == cursor.at + WITNESS_LEN + 4 && bytes[cursor.at..].starts_with(&[1, 32]) {
        cursor.skip(WITNESS_LEN)?;
    }
    cursor.skip(4)?;
    (cursor.at == bytes.len() && count > 0).then_some(scripts)
}

/// Reads the encoding of transactions.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn skip(&mut self, len: usize) -> Option<()> {
        self.at = self.at.checked_add(len).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    /// CompactSize, of what fits a message.
    fn size(&mut self) -> Option<usize> {
        let first = *self.bytes.get(self.at)?;
        self.at += 1;
        if first < 0xfd {
            return Some(first.into());
        }
        let number = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += 2;
        (first == 0xfd).then_some(u16::from_le_bytes(number).into())
    }

    fn output(&mut self) -> Option<Span> {
        self.skip(8)?;
        let len = self.size()?;
        let start = self.at;
        self.skip(len)?;
        Some(start..self.at)
    }
}

/// Of the input of a coinbase transaction (spec 5.1.2.1 leaves that to consensus).
const SCRIPT_LEN_MAX: usize = 100;
/// OP_RETURN, and 36 bytes.
const COMMITMENT_LEN: usize = 38;
/// A count, a length, 32 zeros.
const WITNESS_LEN: usize = 34;

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &[u8] = b"/FarmPool/";
    const PAYEE: [u8; 20] = [0xab; 20];

    fn payment() -> Vec<u8> {
        [&50_u64.to_le_bytes()[..], &[22, 0, 20], &PAYEE].concat()
    }

    fn commitment() -> Vec<u8> {
        let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &[9; 32]].concat();
        [&0_u64.to_le_bytes()[..], &[38], &script].concat()
    }

    /// Prefix and suffix, with an extranonce of 8 bytes between a tag and another.
    fn parts() -> [Vec<u8>; 2] {
        let script_len = 4 + TAG.len() + 8 + TAG.len();
        let script_len = u8::try_from(script_len).unwrap();
        let head = [&[2, 0, 0, 0, 1][..], &[0; 32], &[0xff; 4], &[script_len, 3, 1, 2, 3]].concat();
        let end = [&[0xff; 4][..], &[2], &payment(), &commitment(), &[0; 4]].concat();
        [[&head[..], TAG].concat(), [TAG, &end].concat()]
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn tags_and_payees_go_and_the_transaction_stays_one() {
        let mut stand_ins = StandIns::default();
        let [mut before, mut after] = parts();

        prefix(&mut before, &mut stand_ins);
        suffix(&mut after, &mut stand_ins);

        let whole = [&before[..], &[0; 8], &after].concat();
        let transaction: bitcoin::Transaction = bitcoin::consensus::deserialize(&whole).unwrap();
        assert!(transaction.is_coinbase() && transaction.output[0].script_pubkey.is_p2wpkh());
        assert!(transaction.input[0].script_sig.as_bytes().starts_with(&[3, 1, 2, 3]));
        assert_eq!(transaction.output[0].value.to_sat(), 50);
        assert!(contains(&whole, &[9; 32]), "the commitment to witnesses stays");
        assert!(!contains(&whole, TAG) && !contains(&whole, &PAYEE));
        let [same, _] = parts().map(|mut part| {
            prefix(&mut part, &mut stand_ins);
            part
        });
        assert_eq!(same, before);
    }

    #[test]
    fn a_whole_transaction_pays_as_its_parts_do() {
        let mut stand_ins = StandIns::default();
        let [before, after] = parts();
        let mut whole = [&before[..], &[0; 8], &after].concat();
        let mut listed = [&[2][..], &payment(), &commitment()].concat();
        let mut bare = payment();

        transaction(&mut whole, &mut stand_ins);
        outputs(&mut listed, true, &mut stand_ins);
        outputs(&mut bare, false, &mut stand_ins);

        assert!(contains(&whole, &bare) && contains(&listed, &bare));
        assert!(!contains(&whole, TAG) && !contains(&whole, &PAYEE));
    }

    #[test]
    fn what_makes_no_sense_is_replaced_as_a_whole() {
        let [before, after] = parts();
        type Redact = fn(&mut [u8], &mut StandIns);
        let broken: [(&[u8], Redact); 5] = [
            (&before[..20], prefix),
            (&after[..after.len() - 5], suffix),
            (&after, transaction),
            (TAG, |bytes, stand_ins| outputs(bytes, true, stand_ins)),
            (&[0x4d, 0xff, 0xff, 7, 7, 7], output_script),
        ];
        for (original, redact) in broken {
            let mut bytes = original.to_vec();

            redact(&mut bytes, &mut StandIns::default());

            assert_eq!(bytes.len(), original.len());
            assert!(!contains(&bytes, TAG) && !contains(&bytes, &PAYEE), "{bytes:02x?}");
            assert!(!contains(&bytes, &[7; 3]));
        }
    }
}
