//! The folder that a run leaves: `summary.json`, `report.html`, and on request `events.jsonl` and
//! `run.pcapng`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use simulator::report::{Timeline, html};
use simulator::world::World;
use sv2::time::Instant;

use super::capture::CaptureFile;
use super::options::Simulate;
use super::report::Report;
use crate::event_json;
use crate::outcome::Outcome;

/// Files that are being written; none without `--output`.
pub(super) struct Files {
    folder: Option<PathBuf>,
    pub(super) events: Option<(PathBuf, BufWriter<File>)>,
    pub(super) capture: Option<CaptureFile>,
}

impl Files {
    /// Makes the folder, and begins what is written as it happens.
    pub(super) fn create(arguments: &Simulate) -> Result<Self, Outcome> {
        let folder = arguments.output.clone();
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
        }
        let path = folder.as_ref().filter(|_| arguments.events);
        let events = match path.map(|folder| folder.join("events.jsonl")) {
            Some(path) => {
                let file = File::create(&path).map_err(|error| cannot(&path, error))?;
                Some((path, BufWriter::new(file)))
            }
            None => None,
        };
        let path = folder.as_ref().filter(|_| arguments.capture);
        let capture = match path.map(|folder| folder.join("run.pcapng")) {
            Some(path) => {
                Some(CaptureFile::create(path.clone()).map_err(|error| cannot(&path, error))?)
            }
            None => None,
        };
        Ok(Files { folder, events, capture })
    }

    /// Lets a world keep what is to be written.
    pub(super) fn begin(&self, world: &mut World) {
        if self.events.is_some() {
            world.keep_happenings();
        }
        if self.capture.is_some() {
            world.keep_segments();
        }
    }

    /// Writes what roles have told, and what was sent, since the last call.
    pub(super) fn take(&mut self, world: &mut World) -> Result<(), Outcome> {
        if let Some(capture) = &mut self.capture {
            capture.take(world).map_err(|error| cannot(&capture.path, error))?;
        }
        let Some((path, file)) = &mut self.events else { return Ok(()) };
        write_events(file, world).map_err(|error| cannot(path, error))
    }

    /// Writes everything that is known at the end.
    pub(super) fn finish(
        mut self,
        report: &Report<'_>,
        timeline: &Timeline,
    ) -> Result<(), Outcome> {
        if let Some((path, file)) = &mut self.events {
            file.flush().map_err(|error| cannot(path, error))?;
        }
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut summary = report.json();
        summary["series"] = timeline.json();
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| cannot(&path, error))
        };
        write("summary.json", format!("{summary:#}\n"))?;
        write("report.html", html(&summary))
    }
}

fn write_events(file: &mut BufWriter<File>, world: &mut World) -> io::Result<()> {
    for happening in world.take_happenings() {
        let scenario = world.scenario();
        let line = json!({
            "at_seconds": happening.at.since(Instant::ZERO).as_secs_f64(),
            "role": scenario.role(happening.role).name,
            "member": happening.member,
            "kind": happening.event.name(),
            "fields": event_json::fields(&happening.event),
        });
        writeln!(file, "{line}")?;
    }
    Ok(())
}

fn cannot(path: &Path, error: io::Error) -> Outcome {
    Outcome::usage(format!("cannot write {}: {error}", path.display()))
}
