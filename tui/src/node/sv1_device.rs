//! `assay node sv1-device`.

use serde::Deserialize;
use sv2::event::Event;
use sv2::role::PeerAddress;
use sv2::roles::mining_device::VersionRolling;
use sv2::roles::sv1_device::{Configures, Dialect, Follows, Sv1Device, Sv1DeviceConfig};
use sv2::sv1::{Difficulty, USER_LEN_MAX};
use sv2_net::host::{DialSecurity, Host, HostConfig};
use sv2_net::world::Worlds;

use super::arguments::NodeSv1Device;
use super::console::Console;
use super::{config, follow, key_log, mining_device, sv1_pool};
use crate::address;
use crate::outcome::Outcome;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/sv1-device.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    pool: Option<String>,
    user: Option<String>,
    password: Option<String>,
    user_agent: Option<String>,
    version_rolling: Option<Rolling>,
    /// In 8 hexadecimal digits.
    version_mask: Option<String>,
    suggested_difficulty: Option<f64>,
    hash_rate: Option<f64>,
    configures: Option<When>,
    pipelines: Option<bool>,
    takes_extranonces: Option<bool>,
    difficulty_at_once: Option<bool>,
    suggests_first: Option<bool>,
    fears_early_version_mask: Option<bool>,
    extranonce2_size_max: Option<u8>,
    follows: Option<Where>,
    upper_case: Option<bool>,
    text_ids: Option<bool>,
    crlf: Option<bool>,
    extra_param_count: Option<u8>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rolling {
    Off,
    Allowed,
    Required,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    First,
    AfterSubscribe,
    Last,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Where {
    Never,
    SameDomain,
    Anywhere,
}

pub(super) async fn run(arguments: NodeSv1Device) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let device = settings(&arguments, file)?;

    let mut host = HostConfig::new("sv1 device");
    host.dial_security = DialSecurity::Sv1;
    host.key_log = key_log(&arguments.common)?;
    let entropy = sv2_net::entropy::from_system();
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("mining for {}:{}", device.pool.host, device.pool.port));
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let handle = host.start(Sv1Device::new(device, entropy), Worlds::default());
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
fn settings(arguments: &NodeSv1Device, file: File) -> Result<Sv1DeviceConfig, Outcome> {
    let pool = match arguments.pool.as_ref().or(file.pool.as_ref()) {
        Some(url) => address::sv1_peer(url).map_err(Outcome::Usage)?,
        None => PeerAddress {
            host: "127.0.0.1".to_owned(),
            port: sv1_pool::DEFAULT_PORT,
            authority: None,
        },
    };
    let user = arguments.user.as_ref().or(file.user.as_ref());
    let user = user.cloned().unwrap_or_else(|| "assay".to_owned());
    if user.len() > USER_LEN_MAX {
        return Err(Outcome::usage(format!("--user: at most {USER_LEN_MAX} bytes")));
    }
    let default = Sv1DeviceConfig::new(pool, user);
    let version_mask = match &file.version_mask {
        Some(digits) => sv1_pool::word(digits).ok_or_else(|| {
            Outcome::usage(format!("version_mask: expected 8 hexadecimal digits, got \"{digits}\""))
        })?,
        None => VersionRolling::BIP_320,
    };
    let suggested_difficulty = match file.suggested_difficulty {
        Some(number) => Some(Difficulty::new(number).ok_or_else(|| {
            Outcome::usage(format!("suggested_difficulty: expected above 0, got {number}"))
        })?),
        None => None,
    };
    Ok(Sv1DeviceConfig {
        version_rolling: match file.version_rolling {
            Some(Rolling::Off) => VersionRolling::Off,
            None | Some(Rolling::Allowed) => VersionRolling::Allowed(version_mask),
            Some(Rolling::Required) => VersionRolling::Required(version_mask),
        },
        suggested_difficulty,
        hash_rate_limit: mining_device::hash_rate_limit(arguments.hash_rate.or(file.hash_rate))?,
        dialect: dialect(&file),
        password: file.password.unwrap_or(default.password),
        user_agent: file.user_agent.unwrap_or(default.user_agent),
        ..Sv1DeviceConfig::new(default.pool, default.user)
    })
}

fn dialect(file: &File) -> Dialect {
    let default = Dialect::default();
    Dialect {
        configures: match file.configures {
            None | Some(When::First) => Configures::First,
            Some(When::AfterSubscribe) => Configures::AfterSubscribe,
            Some(When::Last) => Configures::Last,
        },
        pipelines: file.pipelines.unwrap_or(default.pipelines),
        takes_extranonces: file.takes_extranonces.unwrap_or(default.takes_extranonces),
        difficulty_at_once: file.difficulty_at_once.unwrap_or(default.difficulty_at_once),
        suggests_first: file.suggests_first.unwrap_or(default.suggests_first),
        fears_early_version_mask: file
            .fears_early_version_mask
            .unwrap_or(default.fears_early_version_mask),
        extranonce2_size_max: file.extranonce2_size_max.unwrap_or(default.extranonce2_size_max),
        follows: match file.follows {
            Some(Where::Never) => Follows::Never,
            None | Some(Where::SameDomain) => Follows::SameDomain,
            Some(Where::Anywhere) => Follows::Anywhere,
        },
        upper_case: file.upper_case.unwrap_or(default.upper_case),
        text_ids: file.text_ids.unwrap_or(default.text_ids),
        crlf: file.crlf.unwrap_or(default.crlf),
        extra_param_count: file.extra_param_count.unwrap_or(default.extra_param_count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::Sv1Device(arguments) = parsed_node(&["sv1-device"]) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| settings(&arguments, file));
    }
}
