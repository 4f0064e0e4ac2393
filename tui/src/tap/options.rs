//! The options of `assay tap`, and what they mean.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use simulator::units::parse_duration;
use sv2::role::PeerAddress;

use crate::address;
use crate::outcome::Outcome;
use crate::recorder::RecorderConfig;

#[derive(Debug, Args)]
#[command(
    about = "Record a live connection: a man in the middle with its own authority key",
    after_help = "Examples:\n  \
        assay tap --upstream stratum2+tcp://POOL:34254/KEY --record captures\n  \
        assay tap --listen 0.0.0.0:34255 --upstream stratum2+tcp://POOL:34254/KEY --record captures \\\n      \
        --rotate-size 256M --ring 10\n  \
        assay tap --pass-through --upstream POOL:34254 --record captures\n  \
        assay tap --upstream stratum+tcp://POOL:3333 --record captures\n  \
        assay tap --upstream stratum2+tcp://POOL:34254/KEY --rules late-shares.toml\n  \
        assay tap --upstream stratum2+tcp://POOL:34254/KEY --record captures \\\n      \
        --socket /run/assay.sock --allow-intercept\n\n\
        It prints the address to point the device at. Both connections, to the device and to the\n\
        pool, are recorded as they are on the wire, with the keys that open them; SIGHUP begins\n\
        another file. What is altered on the way is a comment on its packet.\n\n\
        A file of rules:\n  \
        [[rule]]\n  \
        message = \"SubmitSharesStandard\"   # also: from = \"client\", channel = 1\n  \
        skip = 10                          # the first ten pass\n  \
        times = 1                          # one is met\n  \
        drop = true                        # or: delay = \"250ms\", duplicate = 1, close = true,\n                                     \
        # change = { nonce = 7 },\n                                     \
        # inject = { message = \"CloseChannel\", to = \"client\",\n                                     \
        #            fields = { reason_code = \"bye\" } }\n\n\
        Exit codes: 0 ended by Ctrl-C, 4 usage or file error, 70 internal error."
)]
pub(crate) struct Tap {
    /// Where to listen; nobody but this machine can reach the default
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:34255")]
    pub(super) listen: String,

    /// Whom to connect to: stratum2+tcp://HOST:PORT/KEY, or stratum+tcp://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(super) upstream: String,

    /// File with the secret key that devices trust; without it, one that is made once and kept
    #[arg(long, value_name = "FILE", conflicts_with = "new_authority")]
    pub(super) authority_key: Option<PathBuf>,

    /// Make such a file, and never over another
    #[arg(long, value_name = "FILE")]
    pub(super) new_authority: Option<PathBuf>,

    /// Take any certificate of the upstream
    #[arg(long)]
    pub(super) insecure_upstream: bool,

    /// Pass on bytes as they are, without a key of its own
    #[arg(long, conflicts_with_all = ["authority_key", "new_authority", "insecure_upstream",
        "plain_down", "plain_up", "plain", "rules", "rewrite_endpoint"])]
    pub(super) pass_through: bool,

    /// Speak without Noise to devices
    #[arg(long)]
    pub(super) plain_down: bool,

    /// Speak without Noise to the upstream
    #[arg(long)]
    pub(super) plain_up: bool,

    /// Let SetupConnection name the upstream instead of the tap
    #[arg(long)]
    pub(super) rewrite_endpoint: bool,

    /// Drop, delay, duplicate, change or inject messages, or close, as a file says; read again
    /// when it changes
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// Folder for captures; without it nothing is recorded
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,

    /// Leave out the keys: nobody can read the capture without a key log
    #[arg(long, requires = "record")]
    pub(super) no_keys: bool,

    /// Record frames as they are inside of Noise
    #[arg(long, requires = "record", conflicts_with = "no_keys")]
    pub(super) plain: bool,

    /// Close connections that cannot be recorded, instead of leaving gaps in the capture
    #[arg(long, requires = "record")]
    pub(super) fail_closed: bool,

    /// Begin another file after so many bytes, such as 256M
    #[arg(long, value_name = "SIZE", requires = "record")]
    pub(super) rotate_size: Option<String>,

    /// Begin another file after this time, such as 1h
    #[arg(long, value_name = "DURATION", requires = "record")]
    pub(super) rotate_every: Option<String>,

    /// Keep only so many files
    #[arg(long, value_name = "COUNT", requires = "record",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) ring: Option<u16>,

    /// Records that may wait to be written
    #[arg(long, value_name = "SIZE", requires = "record", default_value = "64M")]
    pub(super) queue: String,

    /// Unix socket at which others can read the capture while it grows
    #[arg(long, value_name = "PATH", requires = "record")]
    pub(super) socket: Option<PathBuf>,

    /// Let `assay inspect tap:PATH` hold, drop, duplicate and send messages on their way; a second
    /// socket, PATH.intercept, is for that. Each message is followed and judged then, which takes time
    #[arg(long, requires = "socket", conflicts_with = "pass_through")]
    pub(super) allow_intercept: bool,

    /// Append the secrets of all sessions to a file
    #[arg(long, value_name = "FILE", env = "SV2KEYLOGFILE")]
    pub(super) key_log: Option<PathBuf>,

    /// Connections at one time
    #[arg(long, value_name = "COUNT", default_value_t = 4_096,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) connections_max: u32,
}

/// Whom to connect to, and whether bytes are all that passes.
pub(super) struct Upstream {
    pub(super) peer: PeerAddress,
    pub(super) is_sv1: bool,
}

impl Tap {
    /// Where keys go; the environment may name a file for other commands.
    pub(super) fn key_log(&self, is_through: bool) -> Result<Option<&Path>, Outcome> {
        let Some(path) = self.key_log.as_deref().filter(|_| is_through) else {
            return Ok(self.key_log.as_deref());
        };
        if std::env::var_os("SV2KEYLOGFILE").is_some_and(|named| Path::new(&named) == path) {
            anstream::eprintln!("note: SV2KEYLOGFILE gets nothing: only both ends have the keys");
            return Ok(None);
        }
        Err(Outcome::usage(
            "--key-log: of bytes that only pass through both ends alone have the keys",
        ))
    }

    pub(super) fn upstream(&self) -> Result<Upstream, Outcome> {
        if self.upstream.starts_with("stratum+tcp://") {
            let peer = address::sv1_peer(&self.upstream).map_err(Outcome::Usage)?;
            return Ok(Upstream { peer, is_sv1: true });
        }
        let mut peer = address::peer(&self.upstream).map_err(Outcome::Usage)?;
        let needs_key = !self.pass_through && !self.plain_up;
        if self.insecure_upstream {
            peer.authority = None;
        } else if needs_key && peer.authority.is_none() {
            return Err(Outcome::usage(format!(
                "{} has no authority key to check the upstream's certificate with: add /KEY, or \
                 --insecure-upstream to take any",
                self.upstream
            )));
        }
        Ok(Upstream { peer, is_sv1: false })
    }

    pub(super) fn recorder(&self, is_through: bool) -> Result<Option<RecorderConfig>, Outcome> {
        let Some(directory) = self.record.clone() else { return Ok(None) };
        let size = |option: &str, text: &str| {
            parse_size(text).ok_or_else(|| {
                Outcome::usage(format!("{option}: expected a size such as 256M, got \"{text}\""))
            })
        };
        let rotate_size = self.rotate_size.as_deref();
        let rotate_size = rotate_size.map(|text| size("--rotate-size", text)).transpose()?;
        let queue = size("--queue", &self.queue)?;
        Ok(Some(RecorderConfig {
            directory,
            command: "tap",
            interfaces: match (is_through, self.plain) {
                (true, _) => vec!["through"],
                (false, false) => vec!["down", "up"],
                (false, true) => vec!["down.plain", "up.plain"],
            },
            is_plain: self.plain,
            has_keys: !self.no_keys,
            is_fail_closed: self.fail_closed,
            file_len_max: rotate_size,
            file_age_max: self.rotate_every()?,
            files_kept: self.ring.map(usize::from),
            queued_len_max: usize::try_from(queue).unwrap_or(usize::MAX / 2),
        }))
    }

    fn rotate_every(&self) -> Result<Option<Duration>, Outcome> {
        let Some(text) = &self.rotate_every else { return Ok(None) };
        match parse_duration(text) {
            Ok(age) if age >= Duration::from_secs(1) => Ok(Some(age)),
            Ok(_) => Err(Outcome::usage("--rotate-every: at least 1s")),
            Err(error) => Err(Outcome::usage(format!("--rotate-every: {error}"))),
        }
    }
}

/// Whether only this machine can reach an address.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Bytes from `4096`, `64K`, `256M` or `2G`; powers of 1,024, and not zero.
fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => match text.as_bytes().last()? {
            b'K' => (digits, 10),
            b'M' => (digits, 20),
            _ => (digits, 30),
        },
        None => (text, 0),
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_and_never_zero() {
        let sizes =
            ["1", "64K", "256M", "2G", "0", "M", "1T", "-1", "99999999999G"].map(parse_size);

        let known = [Some(1), Some(65_536), Some(1 << 28), Some(1 << 31)];
        assert_eq!(sizes[..4], known);
        assert_eq!(sizes[4..], [None; 5]);
    }
}
