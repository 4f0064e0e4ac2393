//! The evidence of a case: the exchange in words, a capture with its keys, and the command that
//! runs it again.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use sv2::time::{Instant, Now, UnixTime};
use sv2_capture::{Capture, Direction as CaptureDirection};

use crate::client::Exchange;
use crate::client::exchange::Direction;
use crate::run::CaseReport;
use crate::world::TargetProfile;

/// Writes the evidence into a folder of its own below `folder`, and returns that.
///
/// # Errors
/// Of the file system.
pub fn write(
    folder: &Path,
    report: &CaseReport,
    profile: &TargetProfile,
    started: UnixTime,
) -> io::Result<PathBuf> {
    let name: String = report
        .outcome
        .name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.=+".contains(c) { c } else { '_' })
        .collect();
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("exchange.txt"), words(report))?;
    let capture = capture(&report.outcome.exchange, profile, started);
    fs::write(folder.join("exchange.pcapng"), capture)?;
    Ok(folder)
}

fn words(report: &CaseReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}  {}", report.verdict.name().to_uppercase(), report.outcome.name);
    let _ = writeln!(text, "{}\n{}\n", report.title, report.file);
    for finding in report.outcome.finding.iter().chain(&report.outcome.warnings) {
        let _ = writeln!(text, "because   {}", finding.because);
        for (what, detail) in [("expected", &finding.expected), ("actual", &finding.actual)] {
            if let Some(detail) = detail {
                let _ = writeln!(text, "{what:<9} {detail}");
            }
        }
        if !finding.clauses.is_empty() {
            let _ = writeln!(text, "clauses   {}", finding.clauses.join(", "));
        }
    }
    let _ = writeln!(text, "rerun     {}\n", report.rerun);
    text += &report.outcome.exchange.to_text();
    if !report.outcome.told.is_empty() {
        let _ = writeln!(text, "\nThe target says of itself:\n{}", report.outcome.told.join("\n"));
    }
    text
}

/// The exchange as pcapng. Ports of the suite are made up: what matters is which stream is which.
fn capture(exchange: &Exchange, profile: &TargetProfile, started: UnixTime) -> Vec<u8> {
    let host = profile.host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let server = SocketAddr::new(host, profile.port);
    let origin = exchange.segments.first().map_or(Instant::ZERO, |segment| segment.at);
    let mut capture = Capture::new(concat!("assay ", env!("CARGO_PKG_VERSION")));
    let mut streams = Vec::new();
    for segment in &exchange.segments {
        let elapsed = segment.at.since(origin);
        let now = Now { instant: Instant::ZERO, unix: started }.after(elapsed);
        let stream = match streams.iter().find(|(link, _)| *link == segment.link) {
            Some((_, stream)) => *stream,
            None => {
                let port = FIRST_PORT + u16::try_from(streams.len() % PORTS).unwrap_or(0);
                let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
                let stream = capture.open(now, client, server);
                let keys = exchange.secrets.iter().filter(|(link, _)| *link == segment.link);
                keys.for_each(|(_, secrets)| capture.secrets(secrets));
                streams.push((segment.link, stream));
                stream
            }
        };
        let direction = match segment.direction {
            Direction::Sent => CaptureDirection::ClientToServer,
            Direction::Received => CaptureDirection::ServerToClient,
        };
        capture.bytes(now, stream, direction, "", &segment.bytes);
    }
    capture.take()
}

const FIRST_PORT: u16 = 50_000;
const PORTS: usize = 10_000;
