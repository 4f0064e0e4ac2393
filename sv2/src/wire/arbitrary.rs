//! Payloads out of nothing but the field list: for property tests, vectors and fuzzing.
//!
//! Works on shapes, so that a message is covered from the moment it stands in the table.
//! Every payload decodes; lies are made by changing bytes of one.

use super::{COPIED_LEN_MAX, Field, Kind};
use crate::entropy::Entropy;

/// What kind of values a payload is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Zeros and nothing: the shortest payload.
    Minimal,
    /// Full width: largest numbers, lengths and counts, but none above `len_max`.
    Maximal {
        /// Bounds lengths (in bytes) and counts (in elements) of each field.
        len_max: usize,
    },
    /// Legal and unusual: upper bits of BOOL, fractions that are no numbers, text that is not
    /// text, lengths at the edges of a type.
    Odd,
    /// Anything; mostly short, now and then at an edge.
    Random,
}

/// A payload that decodes as a message of `fields`.
pub fn arbitrary_payload(fields: &[Field], entropy: &mut Entropy, shape: Shape) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        write_field(field.kind, entropy, shape, &mut out);
    }
    out
}

fn write_field(kind: &Kind, entropy: &mut Entropy, shape: Shape, out: &mut Vec<u8>) {
    match kind {
        Kind::Bool => out.push(match shape {
            Shape::Minimal => 0,
            Shape::Maximal { .. } => 1,
            Shape::Odd => pick(entropy, &[0x02, 0x03, 0x80, 0xfe, 0xff]),
            Shape::Random => pick(entropy, &[0, 1]),
        }),
        Kind::Int { bytes } => write_number(usize::from(*bytes), entropy, shape, out),
        Kind::F32 => out.extend_from_slice(&fraction(entropy, shape).to_le_bytes()),
        Kind::U256 | Kind::Target => write_number(32, entropy, shape, out),
        Kind::Bytes { prefix, max } => {
            let len = length(*max as usize, entropy, shape);
            out.extend_from_slice(&len.to_le_bytes()[..usize::from(*prefix)]);
            let at = out.len();
            out.resize(at + len, 0);
            entropy.fill(&mut out[at..]);
        }
        Kind::Text => {
            let text = text(entropy, shape);
            out.extend_from_slice(&text.len().to_le_bytes()[..1]);
            out.extend_from_slice(&text);
        }
        Kind::Sequence { prefix, item } => {
            let max = (1 << (8 * u32::from(*prefix))) - 1;
            write_elements(
                usize::from(*prefix),
                count(max, entropy, shape),
                item,
                entropy,
                shape,
                out,
            );
        }
        Kind::Option { item } => {
            write_elements(1, count(1, entropy, shape), item, entropy, shape, out);
        }
    }
}

/// Only the first element has the wanted shape: a sequence of full elements grows as a square.
fn write_elements(
    prefix: usize,
    count: usize,
    item: &Kind,
    entropy: &mut Entropy,
    shape: Shape,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&count.to_le_bytes()[..prefix]);
    for index in 0..count {
        let shape = match (index, shape) {
            (1.., Shape::Maximal { len_max }) => Shape::Maximal { len_max: len_max.min(8) },
            (_, shape) => shape,
        };
        write_field(item, entropy, shape, out);
    }
}

fn write_number(len: usize, entropy: &mut Entropy, shape: Shape, out: &mut Vec<u8>) {
    let at = out.len();
    let fill = match shape {
        Shape::Minimal => 0,
        Shape::Maximal { .. } => 0xff,
        Shape::Odd | Shape::Random => pick(entropy, &[0x00, 0xff]),
    };
    out.resize(at + len, fill);
    match shape {
        Shape::Minimal | Shape::Maximal { .. } => {}
        // One byte off a number of all zeros or all ones: signs, carries, byte order.
        Shape::Odd => match entropy.below(4) {
            0 => {}
            1 => out[at] ^= 0x01,
            2 => out[at + len - 1] ^= 0x80,
            _ => out[at + len - 1] ^= 0x01,
        },
        Shape::Random => entropy.fill(&mut out[at..]),
    }
}

fn fraction(entropy: &mut Entropy, shape: Shape) -> f32 {
    match shape {
        Shape::Minimal => 0.0,
        Shape::Maximal { .. } => f32::MAX,
        Shape::Odd => pick(
            entropy,
            &[f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, -1.0, f32::from_bits(1)],
        ),
        Shape::Random => f32::from_bits(entropy.u32()),
    }
}

/// Length of a byte string, at most `max`.
fn length(max: usize, entropy: &mut Entropy, shape: Shape) -> usize {
    let len = match shape {
        Shape::Minimal => 0,
        Shape::Maximal { len_max } => len_max,
        Shape::Odd => pick(entropy, &EDGES),
        Shape::Random => match entropy.below(8) {
            0 => pick(entropy, &EDGES),
            _ => draw(entropy, 24),
        },
    };
    len.min(max)
}

/// Number of elements, at most `max`.
fn count(max: usize, entropy: &mut Entropy, shape: Shape) -> usize {
    let count = match shape {
        Shape::Minimal => 0,
        Shape::Maximal { len_max } => len_max,
        Shape::Odd => pick(entropy, &[0, 1, 2, 17]),
        Shape::Random => match entropy.below(16) {
            0 => pick(entropy, &[255, 256]),
            _ => draw(entropy, 5),
        },
    };
    count.min(max)
}

fn text(entropy: &mut Entropy, shape: Shape) -> Vec<u8> {
    const WORD: &[u8] = b"stale-share bc1q.worker_1 ";
    match shape {
        Shape::Minimal => Vec::new(),
        Shape::Maximal { len_max } => WORD.iter().copied().cycle().take(len_max.min(255)).collect(),
        Shape::Odd => pick::<&[u8]>(
            entropy,
            &[
                b"",
                b"\xff\xfe",
                b"\xc3",
                b"\x00",
                b"\x1b[2J",
                b"a\r\nb",
                "\u{202e}\u{20bf}".as_bytes(),
            ],
        )
        .to_vec(),
        Shape::Random => {
            let len = length(255, entropy, shape);
            WORD.iter().copied().cycle().skip(draw(entropy, WORD.len())).take(len).collect()
        }
    }
}

/// Lengths where an implementation changes its mind: copied or shared, one byte of length or two.
const EDGES: [usize; 9] = [0, 1, 31, 32, COPIED_LEN_MAX, COPIED_LEN_MAX + 1, 255, 256, 257];

fn pick<T: Copy>(entropy: &mut Entropy, from: &[T]) -> T {
    from[draw(entropy, from.len())]
}

fn draw(entropy: &mut Entropy, bound: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "below `bound`, which is a usize")]
    let drawn = entropy.below(bound as u64) as usize;
    drawn
}
