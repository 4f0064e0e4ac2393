//! The signals with which a terminal or a system ends a program: the terminal is given back as it
//! was, which nobody else would do.

use std::io;
use std::thread;

use ratatui::crossterm::event::DisableMouseCapture;
use ratatui::crossterm::execute;
use tokio::signal::unix::SignalKind;

use crate::interruption::catch;

/// Watches for them from now on. What the inspector keeps is written when it changes, so nothing
/// is lost by its end.
pub(super) fn restore_when_told_to_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let caught = {
        let _guard = runtime.enter();
        (catch(SignalKind::terminate()), catch(SignalKind::hangup()))
    };
    let (Ok(mut terminate), Ok(mut hang_up)) = caught else { return };
    thread::spawn(move || {
        let signal = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hang_up.recv() => SignalKind::hangup(),
            }
        });
        // The terminal may be gone.
        let _ = execute!(io::stdout(), DisableMouseCapture);
        ratatui::restore();
        // As shells have it for a signal.
        std::process::exit(128 + signal.as_raw_value());
    });
}
