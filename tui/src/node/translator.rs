//! `assay node translator`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use sv2::role::PeerAddress;
use sv2::roles::translator::{
    DifficultySteps as Steps, Translator, TranslatorConfig, TranslatorMode as Mode,
};
use sv2::wire::{Str255, Target};
use sv2_net::host::{Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::world::Worlds;

use super::arguments::{DifficultySteps, NodeTranslator, TranslatorMode};
use super::console::Console;
use super::vardiff::Vardiff;
use super::{config, follow, key_log, server};
use crate::address;
use crate::outcome::Outcome;

/// The reference implementation's port of a translator.
const DEFAULT_PORT: u16 = 34255;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/translator.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    /// Who shares a channel.
    mode: Option<TranslatorMode>,
    /// Pools in order of preference.
    upstreams: Vec<String>,
    /// Whom the pool pays.
    user: Option<String>,
    /// Whether each share names its worker.
    names_workers: Option<bool>,
    requires_version_rolling: Option<bool>,
    /// The most bits of the version that devices may roll.
    version_mask: Option<u32>,
    /// Bytes of extranonce that tell devices apart.
    extranonce_index_len: Option<u8>,
    /// Bytes of extranonce that each device rolls.
    extranonce2_len: Option<u8>,
    difficulty: Option<DifficultySteps>,
    /// What a device is taken for at first.
    initial_hash_rate: Option<f64>,
    shares_per_minute: Option<f64>,
    /// Hashes that the easiest share takes.
    share_hashes_min: Option<f64>,
    vardiff: Vardiff,
    /// 0: never.
    keep_alive_seconds: Option<u64>,
    devices_max: Option<usize>,
}

pub(super) async fn run(arguments: NodeTranslator) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let address = listen(&arguments, &file).to_string();
    let translator = translator_config(&arguments, file)?;

    let mut host = HostConfig::new("translator");
    host.listeners = vec![ListenerConfig { address, security: ListenerSecurity::Sv1 }];
    host.key_log = key_log(&arguments.common)?;
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum+tcp://{}", host.addresses()[0]));
    for PeerAddress { host, port, .. } in &translator.upstreams {
        console.line(&format!("upstream {host}:{port}"));
    }
    let role = Translator::new(translator, sv2_net::entropy::from_system());
    follow(host.start(role, Worlds::default()), &mut console, |_| false).await
}

fn listen(arguments: &NodeTranslator, file: &File) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT));
    arguments.listen.or(file.listen).unwrap_or(default)
}

fn translator_config(arguments: &NodeTranslator, file: File) -> Result<TranslatorConfig, Outcome> {
    let default = TranslatorConfig::default();
    let urls = if arguments.upstreams.is_empty() { &file.upstreams } else { &arguments.upstreams };
    let mut upstreams: Vec<PeerAddress> = urls
        .iter()
        .map(|url| address::peer(url).map_err(Outcome::Usage))
        .collect::<Result<_, _>>()?;
    if upstreams.is_empty() {
        let authority = Some(server::example_authority());
        let peers = default.upstreams.iter().cloned();
        upstreams = peers.map(|peer| PeerAddress { authority, ..peer }).collect();
    }
    let user_identity = match arguments.user.clone().or(file.user) {
        None => default.user_identity,
        Some(user) => Str255::new(user.into_bytes())
            .map_err(|_| Outcome::usage("user: at most 255 bytes (spec 5.3.4)"))?,
    };
    let easiest_target = file.share_hashes_min.map(Target::from_expected_hashes);
    let config = TranslatorConfig {
        mode: match arguments.mode.or(file.mode) {
            None => default.mode,
            Some(TranslatorMode::Aggregated) => Mode::Aggregated,
            Some(TranslatorMode::ChannelPerDevice) => Mode::ChannelPerDevice,
        },
        upstreams,
        user_identity,
        names_workers: file.names_workers.unwrap_or(default.names_workers),
        requires_version_rolling: file
            .requires_version_rolling
            .unwrap_or(default.requires_version_rolling),
        version_mask: file.version_mask.unwrap_or(default.version_mask),
        extranonce_index_len: file.extranonce_index_len.unwrap_or(default.extranonce_index_len),
        extranonce2_len: file.extranonce2_len.unwrap_or(default.extranonce2_len),
        difficulty_steps: match file.difficulty {
            None => default.difficulty_steps,
            Some(DifficultySteps::PowersOfTwo) => Steps::PowersOfTwo,
            Some(DifficultySteps::Exact) => Steps::Exact,
        },
        initial_hash_rate: file.initial_hash_rate.unwrap_or(default.initial_hash_rate),
        shares_per_minute: file.shares_per_minute.unwrap_or(default.shares_per_minute),
        easiest_target: easiest_target.unwrap_or(default.easiest_target),
        vardiff: file.vardiff.0,
        keep_alive: match file.keep_alive_seconds {
            None => default.keep_alive,
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds)),
        },
        devices_max: file.devices_max.unwrap_or(default.devices_max),
        ..default
    };
    config.check().map_err(|error| Outcome::usage(error.to_string()))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    fn arguments() -> NodeTranslator {
        let Node::Translator(arguments) = parsed_node(&["translator"]) else { unreachable!() };
        arguments
    }

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let arguments = arguments();
        config::check_default(DEFAULT_CONFIG, |file: File| {
            Ok((listen(&arguments, &file), translator_config(&arguments, file)?))
        });
    }

    #[test]
    fn a_setting_with_which_no_translator_can_work_is_named() {
        let file = File { extranonce2_len: Some(9), ..File::default() };

        let Err(Outcome::Usage(text)) = translator_config(&arguments(), file) else {
            panic!("nine bytes are too many")
        };

        assert!(text.contains("extranonce2_len: expected 2 to 8 bytes, got 9"), "{text}");
    }
}
