//! What the operating system gives and takes: open files, memory, processor time.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

/// The system does not let us open so many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TooManyConnections {
    /// The limit of open files.
    #[error(
        "{needed} open files are needed and the system allows {allowed}: raise the hard limit \
         (ulimit -Hn, nofile in /etc/security/limits.conf, LimitNOFILE of a systemd unit), or put \
         the devices behind fewer connections with --proxies"
    )]
    Files {
        /// One for each connection, and some for ourselves.
        needed: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// The ports that connections to one address can come from.
    #[error(
        "{needed} source ports are needed and the system gives {allowed} \
         (net.ipv4.ip_local_port_range): widen the range, or put the devices behind fewer \
         connections with --proxies"
    )]
    Ports {
        /// One for each connection.
        needed: u64,
        /// Of the system's range.
        allowed: u64,
    },
}

/// Raises our limit of open files, which children inherit, so far that there is room for as many
/// connections.
///
/// # Errors
/// [`TooManyConnections`], if the hard limit is below, or if there are fewer source ports.
pub fn allow_connections(connection_count: u32) -> Result<(), TooManyConnections> {
    if let Some(allowed) = source_port_count().filter(|count| *count < connection_count.into()) {
        return Err(TooManyConnections::Ports { needed: connection_count.into(), allowed });
    }
    let needed = u64::from(connection_count) + FILES_OF_OUR_OWN;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let too_few =
        |allowed: Option<u64>| TooManyConnections::Files { needed, allowed: allowed.unwrap_or(0) };
    if maximum.is_some_and(|maximum| maximum < needed) {
        return Err(too_few(maximum));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|_| too_few(current))
}

/// `None` where the system does not tell (it does on Linux).
fn source_port_count() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut bounds = range.split_whitespace().map_while(|bound| bound.parse::<u64>().ok());
    let (first, last) = (bounds.next()?, bounds.next()?);
    Some((last + 1).saturating_sub(first))
}

/// What a process has taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes.
    pub resident_len: u64,
    /// Of all its threads.
    pub processor_time: Duration,
}

impl Usage {
    /// Of a process; `None` where the system does not tell (it does on Linux), or no such process
    /// runs.
    pub fn of(process_id: u32) -> Option<Usage> {
        let folder = format!("/proc/{process_id}");
        let status = std::fs::read_to_string(format!("{folder}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
        // The name in brackets may hold anything; utime and stime are the 12th and 13th after it.
        let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || words.next()?.parse::<u64>().ok();
        let processor_time = Duration::from_millis((ticks()? + ticks()?) * TICK_MILLISECONDS);
        Some(Usage { resident_len: kibibytes << 10, processor_time })
    }

    /// Of ourselves.
    pub fn of_us() -> Option<Usage> {
        Usage::of(std::process::id())
    }
}

/// Log, control, runtime, and a few connections beside the fleet's.
const FILES_OF_OUR_OWN: u64 = 100;
/// The kernel counts in hundredths of a second for everybody (USER_HZ).
const TICK_MILLISECONDS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_usage_is_known() {
        let usage = Usage::of_us().unwrap();

        assert!(usage.resident_len > 1 << 20, "{usage:?}");
    }

    #[test]
    fn a_limit_that_cannot_be_raised_is_told_with_the_way_out() {
        let error = TooManyConnections::Files { needed: 5_100, allowed: 4_096 };

        insta::assert_snapshot!(error, @"5100 open files are needed and the system allows 4096: raise the hard limit (ulimit -Hn, nofile in /etc/security/limits.conf, LimitNOFILE of a systemd unit), or put the devices behind fewer connections with --proxies");
    }
}
