//! The user's wish that a command ends: Ctrl-C, or a signal to terminate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::outcome::Outcome;

/// As shells have it for Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Catches both signals from when it is made to when it is dropped: one that comes between two
/// waits is not lost.
#[derive(Debug)]
pub(crate) struct Interruption {
    interrupt: Signal,
    terminate: Signal,
}

impl Interruption {
    /// Within a runtime.
    pub(crate) fn catch() -> Result<Self, Outcome> {
        let interrupt = catch(SignalKind::interrupt())?;
        let terminate = catch(SignalKind::terminate())?;
        Ok(Interruption { interrupt, terminate })
    }

    /// Waits for the next one.
    pub(crate) async fn happened(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Catches one signal from now on.
pub(crate) fn catch(kind: SignalKind) -> Result<Signal, Outcome> {
    signal(kind).map_err(|error| Outcome::Internal(format!("signals cannot be caught: {error}")))
}

/// For work that looks by itself whether it should go on: true from the first interruption; the
/// second ends the process at once.
pub(crate) fn flag() -> Result<Arc<AtomicBool>, Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Outcome::Internal(format!("signals cannot be caught: {error}")))?;
    let mut interruption = {
        let _guard = runtime.enter();
        Interruption::catch()?
    };
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                interruption.happened().await;
                if raised.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED.into());
                }
                anstream::eprintln!("ending; Ctrl-C again ends at once");
            }
        });
    });
    Ok(flag)
}
