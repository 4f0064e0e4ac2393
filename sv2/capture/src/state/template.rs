//! Templates of a template provider (spec 7).

use std::collections::VecDeque;

use sv2::wire::U256;

use super::Mark;

/// A template, without its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// Of the server.
    pub id: u64,
    /// When it came.
    pub sent: Mark,
    /// Whether it was for a block to come.
    pub was_future: bool,
    /// The `SetNewPrevHash` that named it.
    pub activated: Option<Mark>,
}

/// What a template provider has sent on one connection.
#[derive(Debug, Default)]
pub struct Templates {
    templates: VecDeque<Template>,
    /// The last `CoinbaseOutputConstraints`.
    pub constraints: Option<Mark>,
    /// The last `SetNewPrevHash`, with its hash.
    pub tip: Option<(Mark, U256)>,
    /// Whether templates have left to make room.
    pub has_forgotten: bool,
}

impl Templates {
    /// Templates that are remembered.
    pub const MAX: usize = 32;

    pub(super) fn add(&mut self, template: Template) {
        if self.templates.len() == Self::MAX {
            self.templates.pop_front();
            self.has_forgotten = true;
        }
        self.templates.push_back(template);
    }

    pub(super) fn set_tip(&mut self, template_id: u64, prev_hash: U256, told: Mark) {
        self.tip = Some((told, prev_hash));
        let mut newest_first = self.templates.iter_mut().rev();
        if let Some(template) = newest_first.find(|template| template.id == template_id) {
            template.activated = Some(told);
        }
    }

    /// The newest with an id.
    pub fn template(&self, id: u64) -> Option<&Template> {
        self.templates.iter().rev().find(|template| template.id == id)
    }

    /// The newest.
    pub fn last(&self) -> Option<&Template> {
        self.templates.back()
    }
}
