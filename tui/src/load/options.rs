//! The options of `assay load`, and what they mean to a fleet.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use simulator::units::parse_duration;
use simulator_live::load::{FleetChannel, LoadConfig};
use sv2::role::PeerAddress;

use crate::address;
use crate::arguments::ChannelKind;
use crate::outcome::Outcome;

#[derive(Debug, Args)]
#[command(
    about = "Load a pool with a simulated fleet: real connections, real proofs of work",
    after_help = "Examples:\n  \
        assay load --devices 1000\n  \
        assay load stratum2+tcp://HOST:PORT/KEY --devices 5000 --ramp 30s --for 5min\n  \
        assay load stratum2+tcp://HOST:PORT/KEY --devices 10000 --proxies 100 --channel extended\n  \
        assay load stratum+tcp://HOST:PORT --devices 1000 --user account.{}\n  \
        assay load --devices 200 --shares-per-minute 600 --json | jq 'select(.kind == \"summary\")'\n\n\
        Shares come by chance, as from hardware: each device's own Poisson process, which --seed\n\
        repeats. Each is a proof that takes as many hashes as the pool asks for. Shares that the\n\
        budget does not pay for are left out, and told.\n\n\
        The scheme of the address decides what is spoken: stratum2+tcp:// is Stratum V2,\n\
        stratum+tcp:// Stratum V1. There a device has a connection of its own; \"set-up\" is\n\
        mining.subscribe with mining.authorize, \"open\" the wait for the first job. Each device\n\
        suggests a difficulty that the budget pays, and rolls bits of the version.\n\n\
        Latencies are those that the fleet sees: with its own time in the same processors, if the\n\
        pool runs on this machine.\n\n\
        Exit codes: 0 no errors, 1 errors (refused shares other than stale ones, connections that\n\
        did not come about or ended), 4 usage, 5 no pool there, 70 internal error. Ctrl-C ends the\n\
        run with the report so far."
)]
pub(crate) struct Load {
    /// Whom to load; without it, our own pool on an embedded chain, in a process of its own
    #[arg(value_name = "stratum2+tcp://HOST:PORT/KEY|stratum+tcp://HOST:PORT")]
    pub(crate) address: Option<String>,

    /// Devices, each with a channel of its own
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) devices: u32,

    /// Put them behind so many connections, as proxies do; without it each has its own
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) proxies: Option<u32>,

    /// Kind of channel; standard unless named
    #[arg(long, value_enum)]
    pub(crate) channel: Option<ChannelKind>,

    /// Let the pool send one job to a group of standard channels, as it does to proxies: without
    /// the flag REQUIRES_STANDARD_JOBS
    #[arg(long)]
    pub(crate) no_header_only: bool,

    /// Whom the pool shall pay; {} becomes the number of the device
    #[arg(long, value_name = "PATTERN", default_value = "assay")]
    pub(crate) user: String,

    /// Shares that each device finds a minute on average
    #[arg(long, value_name = "RATE", default_value_t = 6.0)]
    pub(crate) shares_per_minute: f64,

    /// Hashes a second that the whole fleet may make
    #[arg(long, value_name = "HASHES", default_value_t = 1_000_000.0)]
    pub(crate) hash_budget: f64,

    /// Over how long connections and channels are opened
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub(crate) ramp: String,

    /// How long the whole fleet is there afterwards
    #[arg(long = "for", value_name = "DURATION", default_value = "60s")]
    pub(crate) duration: String,

    /// Append the secrets of all sessions to a file, for reading captures
    #[arg(long, value_name = "FILE", env = "SV2KEYLOGFILE")]
    pub(crate) key_log: Option<PathBuf>,

    /// Repeat the arrivals of shares
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Tell memory and processor time of the pool's process on this machine, too
    #[arg(long, value_name = "PID", requires = "address")]
    pub(crate) pool_pid: Option<u32>,

    /// One JSON object a line: the plan, progress each second, and a summary
    #[arg(long)]
    pub(crate) json: bool,

    /// Lines of text even on a terminal
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
}

impl Load {
    /// What the fleet shall do; with no address, the pool is named later.
    pub(super) fn config(&self) -> Result<LoadConfig, Outcome> {
        let (pool, channel) = match &self.address {
            Some(url) if url.starts_with(SV1_SCHEME) => {
                (address::sv1_peer(url).map_err(Outcome::Usage)?, self.sv1_channel()?)
            }
            Some(url) if url.contains("://") && !url.starts_with(SV2_SCHEME) => {
                return Err(Outcome::usage(format!(
                    "\"{url}\": expected {SV2_SCHEME}HOST:PORT/KEY for Stratum V2 or \
                     {SV1_SCHEME}HOST:PORT for Stratum V1"
                )));
            }
            Some(url) => (address::peer(url).map_err(Outcome::Usage)?, self.sv2_channel()),
            None => {
                let unnamed = PeerAddress { host: String::new(), port: 0, authority: None };
                (unnamed, self.sv2_channel())
            }
        };
        let config = LoadConfig {
            pool,
            device_count: self.devices,
            proxy_count: self.proxies,
            channel,
            user_identity: self.user.clone(),
            shares_per_minute: above_zero("--shares-per-minute", self.shares_per_minute)?,
            nominal_hash_rate: 0.0,
            hash_budget: above_zero("--hash-budget", self.hash_budget)?,
            seed: self.seed.unwrap_or_else(|| sv2_net::entropy::from_system().u64() >> 32),
            ramp: duration("--ramp", &self.ramp)?,
            key_log: crate::key_log::open(self.key_log.as_deref())?,
        };
        if !config.fits_user_identity() {
            return Err(Outcome::usage("--user: longer than 255 bytes (spec 5.3.2)"));
        }
        if self.proxies.is_some_and(|proxies| proxies > self.devices) {
            return Err(Outcome::usage("--proxies: more connections than --devices"));
        }
        Ok(config)
    }

    fn sv2_channel(&self) -> FleetChannel {
        match self.channel {
            None | Some(ChannelKind::Standard) => FleetChannel::Standard {
                header_only: !self.no_header_only && self.proxies.is_none(),
            },
            Some(ChannelKind::Extended) => FleetChannel::Extended,
        }
    }

    /// Stratum V1 has none of what these options choose from.
    fn sv1_channel(&self) -> Result<FleetChannel, Outcome> {
        let (option, why) = if self.proxies.is_some() {
            ("--proxies", "a connection of Stratum V1 has one extranonce, one job and no channels")
        } else if self.channel.is_some() {
            ("--channel", "Stratum V1 has no channels")
        } else if self.no_header_only {
            ("--no-header-only", "Stratum V1 has no standard channels")
        } else {
            return Ok(FleetChannel::Sv1);
        };
        let scheme = SV1_SCHEME;
        Err(Outcome::usage(format!("{option} does not go with {scheme}: {why}")))
    }

    /// How long the whole fleet is there.
    pub(super) fn hold(&self) -> Result<Duration, Outcome> {
        duration("--for", &self.duration)
    }
}

fn above_zero(option: &str, number: f64) -> Result<f64, Outcome> {
    match number.is_finite() && number > 0.0 {
        true => Ok(number),
        false => Err(Outcome::usage(format!("{option}: expected a number above 0, got {number}"))),
    }
}

fn duration(option: &str, text: &str) -> Result<Duration, Outcome> {
    parse_duration(text).map_err(|error| Outcome::usage(format!("{option}: {error}")))
}

const SV1_SCHEME: &str = "stratum+tcp://";
const SV2_SCHEME: &str = "stratum2+tcp://";
