//! What can be asked of the world around a live target: commands of the user's, or our own
//! template provider behind a foreign pool.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use sv2::chain::BlockTemplate;

use super::{ChainView, WorldError};
use crate::case::step::ControlKind;

/// Something that makes things happen.
pub trait Controls: Send + Sync {
    /// What it can do.
    fn kinds(&self) -> Vec<ControlKind>;

    /// Does it, and returns when it is done; the target may hear of it later.
    ///
    /// # Errors
    /// [`WorldError::NoControl`], [`WorldError::ControlFailed`].
    fn apply(&self, kind: ControlKind) -> Result<(), WorldError>;

    /// The chain behind the target, where it can be looked at.
    fn chain(&self) -> Option<ChainView> {
        None
    }

    /// Whether [`Controls::template`] gives templates.
    fn has_templates(&self) -> bool {
        false
    }

    /// What the node behind the target offers to be mined.
    fn template(&self) -> Option<Arc<BlockTemplate>> {
        None
    }

    /// The end of what the target has written for people, line by line, where we can read it.
    fn last_words(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Commands from a target's file, run by the shell.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// By what they do.
    pub commands: BTreeMap<ControlKind, String>,
}

impl Controls for Hooks {
    fn kinds(&self) -> Vec<ControlKind> {
        self.commands.keys().copied().collect()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        let command = self.commands.get(&kind).ok_or(WorldError::NoControl(kind))?;
        let output = Command::new("sh")
            .arg("-c")
            .arg(command)
            .output()
            .map_err(|error| WorldError::ControlFailed(format!("`{command}`: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(WorldError::ControlFailed(format!("`{command}`: {}, {}", output.status, words.trim())))
    }
}

/// Two sources of controls; the first that can do something does it.
pub struct Either<A, B>(
    /// Asked first.
    pub A,
    /// Asked for the rest.
    pub B,
);

impl<A: Controls, B: Controls> Controls for Either<A, B> {
    fn kinds(&self) -> Vec<ControlKind> {
        let mut kinds = self.0.kinds();
        kinds.extend(self.1.kinds().into_iter().filter(|kind| !self.0.kinds().contains(kind)));
        kinds
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        if self.0.kinds().contains(&kind) { self.0.apply(kind) } else { self.1.apply(kind) }
    }

    fn chain(&self) -> Option<ChainView> {
        self.0.chain().or_else(|| self.1.chain())
    }

    fn has_templates(&self) -> bool {
        self.0.has_templates() || self.1.has_templates()
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        self.0.template().or_else(|| self.1.template())
    }

    fn last_words(&self) -> Vec<String> {
        let mut words = self.0.last_words();
        words.extend(self.1.last_words());
        words
    }
}

/// Nothing can be asked of what is not there.
impl<T: Controls> Controls for Option<T> {
    fn kinds(&self) -> Vec<ControlKind> {
        self.as_ref().map(T::kinds).unwrap_or_default()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        self.as_ref().ok_or(WorldError::NoControl(kind))?.apply(kind)
    }

    fn chain(&self) -> Option<ChainView> {
        self.as_ref()?.chain()
    }

    fn has_templates(&self) -> bool {
        self.as_ref().is_some_and(T::has_templates)
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        self.as_ref()?.template()
    }

    fn last_words(&self) -> Vec<String> {
        self.as_ref().map(T::last_words).unwrap_or_default()
    }
}

impl<T: Controls + ?Sized> Controls for Arc<T> {
    fn kinds(&self) -> Vec<ControlKind> {
        (**self).kinds()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        (**self).apply(kind)
    }

    fn chain(&self) -> Option<ChainView> {
        (**self).chain()
    }

    fn has_templates(&self) -> bool {
        (**self).has_templates()
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        (**self).template()
    }

    fn last_words(&self) -> Vec<String> {
        (**self).last_words()
    }
}
