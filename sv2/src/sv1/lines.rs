//! Cuts a stream of bytes into lines, and says what can be wrong with a connection of lines.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::ParseError;

/// Limits of a connection of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineConfig {
    /// Longest line that is taken, in bytes without its end.
    pub line_len_max: usize,
    /// From the arrival of the first byte of a line to that of its end.
    pub line_timeout: Duration,
}

impl LineConfig {
    /// Longest line that is taken from whoever connects to us, in bytes: a device has no
    /// reason for a tenth of it.
    pub const ACCEPTED_LEN_MAX: usize = 16 << 10;
    /// Longest line that is taken from whom we have dialled, in bytes: a coinbase transaction
    /// has hundreds of outputs where a pool pays in it.
    pub const DIALLED_LEN_MAX: usize = 64 << 10;
}

impl Default for LineConfig {
    fn default() -> Self {
        let line_len_max = LineConfig::ACCEPTED_LEN_MAX;
        LineConfig { line_len_max, line_timeout: Duration::from_secs(10) }
    }
}

/// What is wrong with a connection that speaks Stratum V1, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Sv1Error {
    /// A line does not end.
    #[error("a line has more than {limit} bytes")]
    LineTooLong {
        /// In bytes, without its end.
        limit: usize,
    },
    /// JSON has no such byte, and C programs end their texts with it.
    #[error("a line contains a zero byte")]
    Nul,
    /// A line was begun and not ended in time.
    #[error("a line was begun and not ended within {seconds} s")]
    HalfLine {
        /// Granted.
        seconds: u64,
    },
    /// The connection ended within a line.
    #[error("the connection ended after {len} bytes of a line")]
    EndedInLine {
        /// As many.
        len: usize,
    },
    /// A line where a role speaks Stratum V2.
    #[error("a line of Stratum V1 has no place on this connection")]
    OutOfPlace,
    /// A message of Stratum V2 for a peer that reads lines.
    #[error("a frame of Stratum V2 has no place on this connection")]
    FrameOutOfPlace,
    /// A line that does not say what it should.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Whoever connects must say for whom it works.
    #[error("no worker was authorised within {seconds} s")]
    NotAuthorized {
        /// Granted.
        seconds: u64,
    },
    /// More lines were wrong than is granted.
    #[error("{count} lines that earn nothing within {seconds} s, the limit is {limit}")]
    Flood {
        /// As many.
        count: u64,
        /// Within this time.
        seconds: u64,
        /// Allowed.
        limit: u64,
    },
}

/// Finds the ends of lines: LF, or CR and LF.
#[derive(Clone, Debug)]
pub struct LineSplitter {
    len_max: usize,
    /// What was searched already: a long line that comes byte by byte is read once.
    scanned_len: usize,
}

impl LineSplitter {
    /// Takes lines of up to `len_max` bytes, their ends not counted.
    pub fn new(len_max: usize) -> Self {
        LineSplitter { len_max, scanned_len: 0 }
    }

    /// Takes the next line out of `input`, without its end; `None` if there is no whole one.
    /// Empty lines say nothing and are left out. `input` may only grow between calls.
    ///
    /// # Errors
    /// [`Sv1Error::LineTooLong`], also before its end has come, and [`Sv1Error::Nul`]. There is
    /// no going on after an error.
    pub fn next_line(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Sv1Error> {
        loop {
            let fresh = &input[self.scanned_len..];
            let end = fresh.iter().position(|byte| matches!(byte, b'\n' | 0));
            let line_len = end.map_or(input.len(), |end| self.scanned_len + end);
            let line = &input[..line_len];
            let has_cr = line.ends_with(b"\r");
            // Before what ends it is judged: the fault that comes first is the one that is
            // named, however the bytes have arrived. A CR may be the half of an end.
            if line_len > self.len_max + usize::from(has_cr) {
                return Err(Sv1Error::LineTooLong { limit: self.len_max });
            }
            if end.is_none() {
                self.scanned_len = line_len;
                return Ok(None);
            }
            if input[line_len] == 0 {
                return Err(Sv1Error::Nul);
            }
            self.scanned_len = 0;
            let mut line = input.split_to(line_len);
            input.advance(1);
            line.truncate(line_len - usize::from(has_cr));
            if !line.is_empty() {
                return Ok(Some(line.freeze()));
            }
        }
    }

    /// Looks at what is left where a connection ends.
    ///
    /// # Errors
    /// [`Sv1Error::EndedInLine`].
    pub fn end(&self, input: &[u8]) -> Result<(), Sv1Error> {
        if input.is_empty() { Ok(()) } else { Err(Sv1Error::EndedInLine { len: input.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(len_max: usize, parts: &[&[u8]]) -> (Vec<Bytes>, Result<(), Sv1Error>) {
        let (mut splitter, mut input) = (LineSplitter::new(len_max), BytesMut::new());
        let mut lines = Vec::new();
        for part in parts {
            input.extend_from_slice(part);
            loop {
                match splitter.next_line(&mut input) {
                    Ok(Some(line)) => lines.push(line),
                    Ok(None) => break,
                    Err(error) => return (lines, Err(error)),
                }
            }
        }
        let end = splitter.end(&input);
        (lines, end)
    }

    #[test]
    fn lines_are_cut_whatever_their_ends_and_however_they_arrive() {
        for (parts, expected) in [
            (&[&b"a\nb\r\nc\n"[..]][..], &["a", "b", "c"][..]),
            (&[b"a", b"bc", b"\r", b"\n"], &["abc"]),
            (&[b"\n\r\n\na\n"], &["a"]),
            (&[b"a\rb\n"], &["a\rb"]),
        ] {
            let (lines, end) = lines(16, parts);

            assert_eq!(lines, expected, "{parts:?}");
            assert_eq!(end, Ok(()));
        }
    }

    #[test]
    fn what_is_no_line_has_a_name() {
        let too_long = Sv1Error::LineTooLong { limit: 4 };
        for (parts, error) in [
            (&[&b"1234\r\n12345\n"[..]][..], too_long.clone()),
            (&[b"1234", b"5"], too_long.clone()),
            (&[b"1234\r", b"5"], too_long.clone()),
            (&[b"12345\0"], too_long.clone()),
            (&[b"1234\r\r\n"], too_long),
            (&[b"1234\r\0"], Sv1Error::Nul),
            (&[b"a\0b\n"], Sv1Error::Nul),
            (&[b"a\nbc"], Sv1Error::EndedInLine { len: 2 }),
        ] {
            assert_eq!(lines(4, parts).1, Err(error), "{parts:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_depend_on_segments(
            bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\0".to_vec()), 0..40),
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> =
                cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();

            prop_assert_eq!(lines(8, &parts), lines(8, &[&bytes[..]]));
        }
    }
}
