//! From what a scenario says of a role to the role's own settings.

use std::num::{NonZeroU8, NonZeroU64};

use super::Proofs;
use crate::scenario;
use crate::units::HashRate;
use sv2::job_declaration::token::TokenKey;
use sv2::mining::vardiff::VardiffAlgorithm;
use sv2::role::PeerAddress;
use sv2::roles::job_declarator_client::{
    JobDeclarationMode, JobDeclaratorClientConfig, JobDeclaratorUpstream,
};
use sv2::roles::job_declarator_server::JobDeclaratorServerConfig;
use sv2::roles::mining_device::{ChannelKind, MiningDeviceConfig, VersionRolling};
use sv2::roles::mining_proxy::{MiningProxyConfig, MiningProxyMode};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{CustomJobsConfig, PoolConfig};
use sv2::roles::sv1_device::Sv1DeviceConfig;
use sv2::roles::sv1_pool::Sv1PoolConfig;
use sv2::roles::template_provider::TemplateProviderConfig;
use sv2::roles::translator::{DifficultySteps, TranslatorConfig, TranslatorMode};
use sv2::sv1::Difficulty;
use sv2::wire::{Str255, Target};

pub(super) fn template_provider(
    role: &scenario::TemplateProvider,
    proofs: Proofs,
) -> TemplateProviderConfig {
    let default = TemplateProviderConfig::default();
    TemplateProviderConfig {
        fee_rise_min: role.fee_rise_min.unwrap_or(default.fee_rise_min),
        fee_update_interval: role.fee_update_interval.unwrap_or(default.fee_update_interval),
        stale_grace: role.stale_grace.unwrap_or(default.stale_grace),
        proof_check: proofs.check(),
        ..default
    }
}

/// `token_key` is there where the pool has a job declarator server.
pub(super) fn pool(
    role: &scenario::Pool,
    template_provider: PeerAddress,
    token_key: Option<TokenKey>,
    proofs: Proofs,
) -> PoolConfig {
    let default = PoolConfig::default();
    let server = MiningServerConfig::default();
    PoolConfig {
        template_provider,
        payout_script: payout_script(role),
        coinbase_tag: match &role.coinbase_tag {
            Some(tag) => tag.clone().into_bytes(),
            None => default.coinbase_tag,
        },
        server: MiningServerConfig {
            shares_per_minute: role.shares_per_minute.unwrap_or(server.shares_per_minute),
            share_batch_size: role.share_batch_size.unwrap_or(server.share_batch_size),
            easiest_target: easiest(role.share_hashes_min, server.easiest_target, proofs),
            vardiff: role.vardiff,
            requires_extended_channels: role.requires_extended_channels,
            requires_fixed_version: role.requires_fixed_version,
            required_extensions: role.required_extensions.clone(),
            persists_shares: role.accounts.is_some(),
            proof_check: proofs.check(),
            ..server
        },
        custom_jobs: token_key.map(CustomJobsConfig::new),
        ..default
    }
}

/// What jobs have to pay: the pool's, also at its job declarator server.
fn payout_script(role: &scenario::Pool) -> Vec<u8> {
    role.payout_script.clone().unwrap_or_else(|| PoolConfig::default().payout_script)
}

/// `pool` is there where the pool is one of ours.
pub(super) fn job_declarator_server(
    pool: Option<&scenario::Pool>,
    token_key: TokenKey,
    proofs: Proofs,
) -> JobDeclaratorServerConfig {
    let script = pool.map_or_else(|| PoolConfig::default().payout_script, payout_script);
    JobDeclaratorServerConfig {
        proof_check: proofs.check(),
        ..JobDeclaratorServerConfig::new(token_key, script)
    }
}

pub(super) fn job_declarator_client(
    role: &scenario::JobDeclaratorClient,
    template_provider: PeerAddress,
    upstreams: Vec<JobDeclaratorUpstream>,
    proofs: Proofs,
) -> JobDeclaratorClientConfig {
    let default = JobDeclaratorClientConfig::default();
    JobDeclaratorClientConfig {
        template_provider,
        upstreams,
        mode: match role.mode {
            scenario::DeclarationMode::FullTemplate => JobDeclarationMode::FullTemplate,
            scenario::DeclarationMode::CoinbaseOnly => JobDeclarationMode::CoinbaseOnly,
        },
        user_identity: text(&role.user),
        payout_script: role.payout_script.clone().unwrap_or(default.payout_script),
        server: for_devices(role.shares_per_minute, role.vardiff, proofs),
        ..default
    }
}

pub(super) fn mining_proxy(
    role: &scenario::MiningProxy,
    upstreams: Vec<PeerAddress>,
    proofs: Proofs,
) -> MiningProxyConfig {
    let default = MiningProxyConfig::default();
    MiningProxyConfig {
        mode: match role.mode {
            scenario::ProxyMode::Aggregated => MiningProxyMode::Aggregated,
            scenario::ProxyMode::Transparent => MiningProxyMode::Transparent,
        },
        upstreams,
        user_identity: text(&role.user),
        server: for_devices(role.shares_per_minute, role.vardiff, proofs),
        ..default
    }
}

pub(super) fn translator(
    role: &scenario::Translator,
    upstreams: Vec<PeerAddress>,
    proofs: Proofs,
) -> TranslatorConfig {
    let default = TranslatorConfig::default();
    TranslatorConfig {
        mode: match role.mode {
            scenario::TranslatorMode::Aggregated => TranslatorMode::Aggregated,
            scenario::TranslatorMode::ChannelPerDevice => TranslatorMode::ChannelPerDevice,
        },
        upstreams,
        user_identity: text(&role.user),
        shares_per_minute: role.shares_per_minute.unwrap_or(default.shares_per_minute),
        // Below one hash a second a device finds nothing: slower there is none.
        initial_hash_rate: proofs.scaled(role.initial_hash_rate.per_second().max(1.0)),
        extranonce2_len: role.extranonce2_size.unwrap_or(default.extranonce2_len),
        difficulty_steps: match role.difficulty {
            scenario::DifficultySteps::PowersOfTwo => DifficultySteps::PowersOfTwo,
            scenario::DifficultySteps::Exact => DifficultySteps::Exact,
        },
        proof_check: proofs.check(),
        ..default
    }
}

/// Of all members but for their names ([`user_of`]).
pub(super) fn mining_device(
    role: &scenario::MiningDevice,
    pool: PeerAddress,
    proofs: Proofs,
) -> MiningDeviceConfig {
    #[expect(clippy::cast_possible_truncation, reason = "what is claimed is a 32-bit float")]
    let nominal_hash_rate = proofs.scaled(role.nominal_hash_rate.per_second()) as f32;
    MiningDeviceConfig {
        channel_kind: match role.channel {
            scenario::ChannelKind::Standard => {
                ChannelKind::Standard { requires_standard_jobs: true }
            }
            scenario::ChannelKind::StandardInGroup => {
                ChannelKind::Standard { requires_standard_jobs: false }
            }
            scenario::ChannelKind::Extended => {
                ChannelKind::Extended { min_extranonce_size: EXTRANONCE_SIZE }
            }
        },
        channel_count: NonZeroU8::new(role.channel_count).unwrap_or(NonZeroU8::MIN),
        nominal_hash_rate,
        rolls_ntime: role.rolls_ntime,
        hash_rate_limit: Some(hash_rate_limit(role.hash_rate)),
        proof_timing: proofs.timing(role.hash_rate),
        ..MiningDeviceConfig::new(pool, text(&role.user))
    }
}

/// Whom the pool pays for a member of a fleet.
pub(super) fn user_of(role: &scenario::MiningDevice, member: u32) -> Str255 {
    text(&member_name(&role.user, role.count, member))
}

pub(super) fn sv1_pool(
    role: &scenario::Sv1Pool,
    template_provider: PeerAddress,
    proofs: Proofs,
) -> Sv1PoolConfig {
    let default = Sv1PoolConfig::default();
    Sv1PoolConfig {
        template_provider,
        shares_per_minute: role.shares_per_minute.unwrap_or(default.shares_per_minute),
        easiest_target: easiest(role.share_hashes_min, default.easiest_target, proofs),
        vardiff: role.vardiff,
        rounds_difficulty: role.rounds_difficulty,
        proof_check: proofs.check(),
        payout_script: role.payout_script.clone().unwrap_or(default.payout_script),
        coinbase_tag: match &role.coinbase_tag {
            Some(tag) => tag.clone().into_bytes(),
            None => default.coinbase_tag,
        },
        ..default
    }
}

pub(super) fn sv1_device(
    role: &scenario::Sv1Device,
    member: u32,
    pool: PeerAddress,
    proofs: Proofs,
) -> Sv1DeviceConfig {
    let user = member_name(&role.user, role.count, member);
    Sv1DeviceConfig {
        version_rolling: match role.rolls_version {
            true => VersionRolling::Allowed(VersionRolling::BIP_320),
            false => VersionRolling::Off,
        },
        suggested_difficulty: role
            .suggested_difficulty
            .and_then(|difficulty| Difficulty::new(proofs.scaled(difficulty))),
        rolls_ntime: role.rolls_ntime,
        hash_rate_limit: Some(hash_rate_limit(role.hash_rate)),
        proof_timing: proofs.timing(role.hash_rate),
        ..Sv1DeviceConfig::new(pool, user)
    }
}

/// The easiest target of shares: as the scenario says, or as the role has it.
fn easiest(hashes: Option<f64>, default: Target, proofs: Proofs) -> Target {
    match (hashes, proofs) {
        (None, Proofs::Hashed) => default,
        (hashes, _) => {
            let hashes = hashes.unwrap_or_else(|| default.expected_hashes());
            Target::from_expected_hashes(proofs.scaled(hashes))
        }
    }
}

fn member_name(user: &str, count: u32, member: u32) -> String {
    if count == 1 { user.to_owned() } else { format!("{user}.{member}") }
}

/// Below one hash a second a device finds nothing: slower there is none.
fn hash_rate_limit(hash_rate: HashRate) -> NonZeroU64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    NonZeroU64::new(hash_rate.per_second() as u64).unwrap_or(NonZeroU64::MIN)
}

fn for_devices(
    shares_per_minute: Option<f64>,
    vardiff: Option<VardiffAlgorithm>,
    proofs: Proofs,
) -> MiningServerConfig {
    let default = MiningServerConfig::default();
    MiningServerConfig {
        easiest_target: easiest(None, default.easiest_target, proofs),
        shares_per_minute: shares_per_minute.unwrap_or(default.shares_per_minute),
        vardiff,
        proof_check: proofs.check(),
        ..default
    }
}

/// A scenario's texts are shorter than the field, or they are cut.
fn text(text: &str) -> Str255 {
    let len = text.chars().scan(0, |len, c| {
        *len += c.len_utf8();
        (*len <= TEXT_LEN_MAX).then_some(*len)
    });
    let len = len.last().unwrap_or_default();
    Str255::new(text[..len].to_owned()).unwrap_or_default()
}

/// Of a `STR0_255`, in bytes (spec 3.1).
const TEXT_LEN_MAX: usize = 255;
/// What a device with an index and a counter of its own needs, in bytes.
const EXTRANONCE_SIZE: u16 = 4;
