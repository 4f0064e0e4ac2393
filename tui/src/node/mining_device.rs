//! `assay node mining-device`.

use std::num::NonZeroU64;

use serde::Deserialize;
use sv2::event::Event;
use sv2::role::PeerAddress;
use sv2::roles::mining_device::{ChannelKind, MiningDevice, MiningDeviceConfig};
use sv2::wire::Str255;
use sv2_net::host::{Host, HostConfig};
use sv2_net::world::Worlds;

use super::arguments::NodeMiningDevice;
use super::console::Console;
use super::{config, follow, key_log, server};
use crate::address;
use crate::arguments::ChannelKind as Channel;
use crate::outcome::Outcome;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/mining-device.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    pool: Option<String>,
    user: Option<String>,
    channel: Option<Channel>,
    /// Bytes of extranonce that an extended channel asks for.
    min_extranonce_size: Option<u16>,
    /// What is claimed, in hashes per second.
    nominal_hash_rate: Option<f32>,
    hash_rate: Option<f64>,
}

pub(super) async fn run(arguments: NodeMiningDevice) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let device = settings(&arguments, file)?;

    let mut host = HostConfig::new("mining device");
    host.key_log = key_log(&arguments.common)?;
    let entropy = sv2_net::entropy::from_system();
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("mining for {}:{}", device.pool.host, device.pool.port));
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let handle = host.start(MiningDevice::new(device, entropy), Worlds::default());
    let mut accepted_count = 0;
    follow(handle, &mut console, |event| {
        if let Event::SharesAcknowledged { accepted_count: count, .. } = event {
            accepted_count += u64::from(*count);
        }
        arguments.until_shares.is_some_and(|enough| accepted_count >= enough)
    })
    .await
}

/// Options win over the file.
fn settings(arguments: &NodeMiningDevice, file: File) -> Result<MiningDeviceConfig, Outcome> {
    let pool = match arguments.pool.as_ref().or(file.pool.as_ref()) {
        Some(url) => address::peer(url).map_err(Outcome::Usage)?,
        None => PeerAddress {
            host: "127.0.0.1".to_owned(),
            port: 34254,
            authority: Some(server::example_authority()),
        },
    };
    let user = arguments.user.clone().or(file.user).unwrap_or_else(|| "assay".to_owned());
    let user = Str255::new(user).map_err(|error| Outcome::usage(format!("--user: {error}")))?;
    let mut device = MiningDeviceConfig::new(pool, user);
    device.channel_kind = match arguments.channel.or(file.channel) {
        None | Some(Channel::Standard) => ChannelKind::Standard { requires_standard_jobs: true },
        Some(Channel::Extended) => ChannelKind::Extended {
            min_extranonce_size: file.min_extranonce_size.unwrap_or(EXTRANONCE_SIZE),
        },
    };
    device.nominal_hash_rate = file.nominal_hash_rate.unwrap_or(device.nominal_hash_rate);
    device.hash_rate_limit = hash_rate_limit(arguments.hash_rate.or(file.hash_rate))?;
    Ok(device)
}

pub(super) fn hash_rate_limit(rate: Option<f64>) -> Result<Option<NonZeroU64>, Outcome> {
    let Some(rate) = rate else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    NonZeroU64::new(rate as u64)
        .map(Some)
        .ok_or_else(|| Outcome::usage(format!("--hash-rate: expected at least 1, got {rate}")))
}

/// What a device with an index and a counter of its own needs.
const EXTRANONCE_SIZE: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::MiningDevice(arguments) = parsed_node(&["mining-device"]) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| settings(&arguments, file));
        let extended = ["mining-device", "--channel", "extended"];
        let Node::MiningDevice(arguments) = parsed_node(&extended) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| settings(&arguments, file));
    }
}
