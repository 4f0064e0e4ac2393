//! What happens in a star, in eight bytes, so that a waiting event is 16.

/// What happens, to whom, and a number that depends on what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StarEvent(u64);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A device finds a share, if its number is still that of the search.
    Found,
    /// A share arrives at the pool; the number is the tip that it builds on.
    Submitted,
    /// A device works on a job.
    Job,
    /// A device works on the tip of this number.
    Tip,
    /// The network has found a block, and the pool hears of it.
    Block,
    /// The pool sends jobs.
    Refresh,
    /// The pool looks at the rates of shares.
    Look,
    /// A part of the fleet goes off; the number is the place of the course.
    Off,
    /// And comes back.
    On,
    /// The pool sends the tip of this number.
    Announce,
}

impl StarEvent {
    #[inline]
    pub(super) fn new(kind: Kind, device: usize, number: u32) -> Self {
        let number = u64::from(number) & NUMBER_MASK;
        StarEvent(kind as u64 | (device as u64) << KIND_BITS | number << (KIND_BITS + DEVICE_BITS))
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        match self.0 & ((1 << KIND_BITS) - 1) {
            0 => Kind::Found,
            1 => Kind::Submitted,
            2 => Kind::Job,
            3 => Kind::Tip,
            4 => Kind::Block,
            5 => Kind::Refresh,
            6 => Kind::Look,
            7 => Kind::Off,
            8 => Kind::On,
            _ => Kind::Announce,
        }
    }

    #[inline]
    pub(super) fn device(self) -> usize {
        (self.0 >> KIND_BITS & ((1 << DEVICE_BITS) - 1)) as usize
    }

    /// Of 36 bits, 32 are used.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "32 bits went in")]
    pub(super) fn number(self) -> u32 {
        (self.0 >> (KIND_BITS + DEVICE_BITS)) as u32
    }

    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0
    }
}

const KIND_BITS: u32 = 4;
/// 16,777,216 devices.
pub(super) const DEVICE_BITS: u32 = 24;
const NUMBER_MASK: u64 = u32::MAX as u64;
