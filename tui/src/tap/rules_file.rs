//! The file of rules, read again when it changes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sv2_net::relay::Rules;
use tokio::sync::watch;
use tokio::time::interval;

/// A file, and whoever goes by it.
pub(super) struct RulesFile {
    path: PathBuf,
    /// When it was changed, and how long it is.
    seen: Option<(SystemTime, u64)>,
    rules: watch::Sender<Arc<Rules>>,
}

impl RulesFile {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// In words, with the place.
    pub(super) fn open(path: PathBuf) -> Result<(RulesFile, watch::Receiver<Arc<Rules>>), String> {
        let (rules, receiver) = watch::channel(Arc::default());
        let mut file = RulesFile { path, seen: None, rules };
        file.read()?;
        Ok((file, receiver))
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.rules.borrow().len()
    }

    /// Looks at the file now and then, for ever; tells what has come of it. A file with an error
    /// changes nothing.
    pub(super) async fn watch(mut self, mut tell: impl FnMut(String)) {
        let mut ticks = interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            // Unreadable for a moment, while an editor replaces it.
            let Ok(state) = self.state() else { continue };
            if self.seen == Some(state) {
                continue;
            }
            match self.read() {
                Ok(()) => tell(format!("{} rules from {}", self.len(), self.path.display())),
                Err(error) => tell(format!("{error}; the rules are what they were")),
            }
        }
    }

    fn state(&self) -> io::Result<(SystemTime, u64)> {
        let file = fs::metadata(&self.path)?;
        Ok((file.modified()?, file.len()))
    }

    fn read(&mut self) -> Result<(), String> {
        let name = self.path.display().to_string();
        let failed = |error: io::Error| format!("cannot read {name}: {error}");
        let state = self.state().map_err(failed)?;
        if state.1 > LEN_MAX {
            return Err(format!("{name}: {} bytes, the limit is {LEN_MAX}", state.1));
        }
        let text = fs::read_to_string(&self.path).map_err(failed)?;
        self.seen = Some(state);
        let rules = Rules::parse(&name, &text).map_err(|error| error.to_string())?;
        self.rules.send_replace(Arc::new(rules));
        Ok(())
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of a file of rules, in bytes.
const LEN_MAX: u64 = 1 << 20;
