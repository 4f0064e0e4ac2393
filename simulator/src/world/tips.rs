//! Blocks to build on, each once: every host and every message under way knows of one.

use sv2::wire::U256;

/// A block to build on that somebody has heard of; of none, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TipId(u32);

/// All of them.
#[derive(Debug)]
pub(super) struct Tips {
    /// In the order in which they were heard of.
    tips: Vec<U256>,
}

impl Default for Tips {
    fn default() -> Self {
        Tips { tips: vec![U256::ZERO] }
    }
}

impl Tips {
    /// The name of a block, which has no other.
    pub(super) fn id_of(&mut self, tip: U256) -> TipId {
        // Nearly all that is said of blocks is of the newest.
        let at = self.tips.iter().rposition(|known| *known == tip).unwrap_or_else(|| {
            self.tips.push(tip);
            self.tips.len() - 1
        });
        TipId(u32::try_from(at).expect("fewer than 2^32 blocks"))
    }

    pub(super) fn tip(&self, TipId(at): TipId) -> U256 {
        self.tips[at as usize]
    }
}
