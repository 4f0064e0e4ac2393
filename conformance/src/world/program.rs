//! A target that we start ourselves, from a recipe.

use std::sync::{Arc, Mutex, PoisonError};

use sv2_net::child::Helper;
use sv2_net::recipe::{Endpoint, Hook, Program, Recipe, Surroundings};
use tokio::runtime::Runtime;

use super::WorldError;
use super::controls::Controls;
use super::own_provider::not_started;
use crate::case::step::ControlKind;

/// A foreign program that runs, and what its recipe can make happen. Ends when dropped.
pub struct OwnProgram {
    kinds: Vec<ControlKind>,
    /// `None` only while it is dropped.
    program: Mutex<Option<Program>>,
    runtime: Arc<Runtime>,
}

impl OwnProgram {
    /// Starts it, and waits until it is ready as its recipe says. Where it listens is known if
    /// the recipe has `[ready]`, or one place alone.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`], with the program's last words.
    pub(crate) fn start(
        runtime: Arc<Runtime>,
        recipe: &Recipe,
        surroundings: Surroundings,
    ) -> Result<(OwnProgram, Option<Endpoint>), WorldError> {
        let helper = Helper::of_this_program().map_err(not_started)?;
        let program = runtime.block_on(recipe.start(&helper, surroundings)).map_err(not_started)?;
        let endpoint = program.main_endpoint().cloned();
        let kinds = KINDS.iter().filter(|(_, hook)| recipe.has_hook(*hook));
        let kinds = kinds.map(|(kind, _)| *kind).collect();
        Ok((OwnProgram { kinds, program: Mutex::new(Some(program)), runtime }, endpoint))
    }
}

impl Controls for OwnProgram {
    fn kinds(&self) -> Vec<ControlKind> {
        self.kinds.clone()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        let hook = KINDS.iter().find(|(known, _)| *known == kind).map(|(_, hook)| *hook);
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(hook), Some(program)) = (hook, program.as_mut()) else {
            return Err(WorldError::NoControl(kind));
        };
        self.runtime
            .block_on(program.run_hook(hook))
            .map_err(|error| WorldError::ControlFailed(error.to_string()))
    }

    fn last_words(&self) -> Vec<String> {
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = program.as_ref().map(Program::log_tail).unwrap_or_default();
        // Whoever reads this may sit at a terminal that the target must not steer.
        tail.lines().map(|line| line.chars().filter(|sign| !sign.is_control()).collect()).collect()
    }
}

impl Drop for OwnProgram {
    fn drop(&mut self) {
        let program = self.program.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(program) = program
            && let Err(error) = self.runtime.block_on(program.stop())
        {
            tracing::warn!(%error, "the target may still run");
        }
    }
}

const KINDS: &[(ControlKind, Hook)] = &[
    (ControlKind::NewBlock, Hook::NewBlock),
    (ControlKind::Reorg, Hook::Reorg),
    (ControlKind::AddTransaction, Hook::AddTransaction),
    (ControlKind::Restart, Hook::Restart),
];
