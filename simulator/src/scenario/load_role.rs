//! From a table to a role.

use std::net::SocketAddr;

use sv2_document::{Document, Entry, LoadError};

use super::keys;
use super::load::without_place;
use super::overrides::Ports;
use super::reader::{Names, Reader, loopback, one_of};
use super::role::{
    ChannelKind, DeclarationMode, DifficultySteps, JobDeclaratorClient, JobDeclaratorServer, Kind,
    MiningDevice, MiningProxy, Pool, ProxyMode, RoleKind, Sv1Device, Sv1Pool, TemplateProvider,
    Translator, TranslatorMode,
};
use super::{HeldBy, NodeId, Role, RoleId};
use crate::units::HashRate;

/// Reads the roles of one file.
pub(super) struct RoleLoader<'a> {
    pub(super) document: &'a Document,
    pub(super) names: &'a Names<'a>,
    pub(super) ports: Ports,
}

impl<'a> RoleLoader<'a> {
    /// A role, and where its file says where it listens.
    pub(super) fn load(
        &self,
        entry: &'a Entry,
        kind: Kind,
        replaced: Option<HeldBy>,
    ) -> Result<(Role, Option<usize>), LoadError> {
        let known = keys::of_role(kind);
        let mut reader = Reader::new(self.document, &entry.node, known, self.names)?;
        reader.at_of("kind");
        let held_by = self.held_by(&mut reader, entry, kind, replaced)?;
        let (mut listen, mut listen_at, mut key_file) = (None, None, None);
        if let Some(port) = kind.default_port() {
            let written = reader.listen("listen")?;
            listen_at = written.map(|(_, at)| at);
            let (address, at) = written.unwrap_or((loopback(port), entry.at));
            listen = Some(self.moved(address, at)?);
            if kind.has_key() && kind != Kind::JobDeclaratorServer {
                key_file = reader.path("key_file")?;
            }
        }
        let kind = self.kind(&mut reader, entry, kind, held_by == HeldBy::Us)?;
        Ok((Role { name: entry.key.clone(), held_by, listen, key_file, kind }, listen_at))
    }

    fn held_by(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        kind: Kind,
        replaced: Option<HeldBy>,
    ) -> Result<HeldBy, LoadError> {
        let (address_at, recipe_at) = (reader.at_of("address"), reader.at_of("recipe"));
        let written = match (reader.url("address")?, reader.path("recipe")?) {
            (Some(_), Some(_)) => {
                let at = address_at.max(recipe_at).unwrap_or(entry.at);
                let message = "a role has either an `address` or a `recipe`";
                return Err(self.document.error(at, message));
            }
            (Some(url), None) => HeldBy::Address(url),
            (None, Some(path)) => HeldBy::Recipe(path),
            (None, None) => HeldBy::Us,
        };
        let is_replaced = replaced.is_some();
        let held_by = replaced.unwrap_or(written);
        if let (HeldBy::Address(_), None) = (&held_by, kind.default_port()) {
            let message = format!(
                "\"{}\" is a {}, which has no address: let it dial the upstream role",
                entry.key,
                kind.name()
            );
            return Err(match (is_replaced, address_at) {
                (false, Some(at)) => self.document.error(at, message),
                _ => without_place("--replace", message),
            });
        }
        Ok(held_by)
    }

    fn moved(&self, mut address: SocketAddr, at: usize) -> Result<SocketAddr, LoadError> {
        let port = match self.ports {
            Ports::Free => 0,
            Ports::AsWritten => address.port(),
            // The system's choice is not moved.
            Ports::Above(_) if address.port() == 0 => 0,
            Ports::Above(offset) => address.port().checked_add(offset).ok_or_else(|| {
                let message = format!("port {} + {offset} is above 65535", address.port());
                self.document.error(at, message)
            })?,
        };
        address.set_port(port);
        Ok(address)
    }

    fn kind(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        kind: Kind,
        is_ours: bool,
    ) -> Result<RoleKind, LoadError> {
        let user = format!("assay.{}", entry.key);
        Ok(match kind {
            Kind::TemplateProvider => RoleKind::TemplateProvider(TemplateProvider {
                node: self.node(reader, entry, is_ours)?,
                fee_rise_min: reader.integer("fee_rise_min")?,
                fee_update_interval: reader.duration("fee_update_interval")?,
                stale_grace: reader.duration("stale_grace")?,
            }),
            Kind::Pool => RoleKind::Pool(Pool {
                template_provider: self.only(
                    reader,
                    entry,
                    "template_provider",
                    Kind::TemplateProvider,
                    is_ours,
                )?,
                shares_per_minute: reader.number("shares_per_minute")?,
                share_batch_size: reader.integer("share_batch_size")?,
                share_hashes_min: reader.number("share_hashes_min")?,
                vardiff: reader.vardiff("vardiff")?,
                payout_script: reader.hex("payout_script")?,
                coinbase_tag: reader.text("coinbase_tag")?,
                requires_extended_channels: reader
                    .switch("requires_extended_channels")?
                    .unwrap_or_default(),
                requires_fixed_version: reader
                    .switch("requires_fixed_version")?
                    .unwrap_or_default(),
                required_extensions: reader.extensions("required_extensions")?,
                accounts: reader.path("accounts")?,
            }),
            Kind::JobDeclaratorServer => RoleKind::JobDeclaratorServer(JobDeclaratorServer {
                pool: self.only(reader, entry, "pool", Kind::Pool, is_ours)?,
                node: reader.node("node")?,
            }),
            Kind::JobDeclaratorClient => {
                let mode = reader.choice("mode")?.unwrap_or_default();
                RoleKind::JobDeclaratorClient(JobDeclaratorClient {
                    upstream: self.upstream(reader, entry, &[Kind::Pool], is_ours)?,
                    template_provider: self.only(
                        reader,
                        entry,
                        "template_provider",
                        Kind::TemplateProvider,
                        is_ours,
                    )?,
                    mode: [DeclarationMode::FullTemplate, DeclarationMode::CoinbaseOnly][mode],
                    user: reader.text("user")?.unwrap_or(user),
                    shares_per_minute: reader.number("shares_per_minute")?,
                    vardiff: reader.vardiff("vardiff")?,
                    payout_script: reader.hex("payout_script")?,
                })
            }
            Kind::MiningProxy => {
                let mode = reader.choice("mode")?.unwrap_or_default();
                RoleKind::MiningProxy(MiningProxy {
                    upstream: self.upstream(reader, entry, keys::MINING_SERVERS, is_ours)?,
                    mode: [ProxyMode::Aggregated, ProxyMode::Transparent][mode],
                    user: reader.text("user")?.unwrap_or(user),
                    shares_per_minute: reader.number("shares_per_minute")?,
                    vardiff: reader.vardiff("vardiff")?,
                })
            }
            Kind::MiningDevice => RoleKind::MiningDevice(self.device(reader, entry, user)?),
            Kind::Sv1Pool => RoleKind::Sv1Pool(self.sv1_pool(reader, entry, is_ours)?),
            Kind::Sv1Device => RoleKind::Sv1Device(self.sv1_device(reader, entry, user)?),
            Kind::Translator => {
                let mode = reader.choice("mode")?.unwrap_or_default();
                let difficulty = reader.choice("difficulty")?.unwrap_or_default();
                let default = HashRate::new(DEFAULT_HASH_RATE);
                RoleKind::Translator(Translator {
                    upstream: self.upstream(reader, entry, keys::MINING_SERVERS, is_ours)?,
                    mode: [TranslatorMode::Aggregated, TranslatorMode::ChannelPerDevice][mode],
                    user: reader.text("user")?.unwrap_or(user),
                    shares_per_minute: reader.number("shares_per_minute")?,
                    initial_hash_rate: reader.hash_rate("initial_hash_rate")?.unwrap_or(default),
                    extranonce2_size: reader.integer("extranonce2_size")?,
                    difficulty: [DifficultySteps::PowersOfTwo, DifficultySteps::Exact][difficulty],
                })
            }
        })
    }

    fn device(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        user: String,
    ) -> Result<MiningDevice, LoadError> {
        let hash_rate = reader.hash_rate("hash_rate")?.unwrap_or(HashRate::new(DEFAULT_HASH_RATE));
        let channel = reader.choice("channel")?.unwrap_or_default();
        let upstream = reader.role("upstream")?;
        if upstream.is_none() {
            return Err(self.lacks(entry, "upstream", keys::MINING_SERVERS));
        }
        Ok(MiningDevice {
            upstream,
            count: reader.integer("count")?.unwrap_or(1),
            hash_rate,
            nominal_hash_rate: reader.hash_rate("nominal_hash_rate")?.unwrap_or(hash_rate),
            channel: [ChannelKind::Standard, ChannelKind::StandardInGroup, ChannelKind::Extended]
                [channel],
            channel_count: reader.integer("channels")?.unwrap_or(1),
            rolls_ntime: reader.switch("rolls_ntime")?.unwrap_or(true),
            user: reader.text("user")?.unwrap_or(user),
        })
    }

    fn sv1_pool(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        is_ours: bool,
    ) -> Result<Sv1Pool, LoadError> {
        let provider = Kind::TemplateProvider;
        Ok(Sv1Pool {
            template_provider: self.only(reader, entry, "template_provider", provider, is_ours)?,
            shares_per_minute: reader.number("shares_per_minute")?,
            share_hashes_min: reader.number("share_hashes_min")?,
            vardiff: reader.vardiff("vardiff")?,
            rounds_difficulty: reader.switch("rounds_difficulty")?.unwrap_or_default(),
            payout_script: reader.hex("payout_script")?,
            coinbase_tag: reader.text("coinbase_tag")?,
        })
    }

    fn sv1_device(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        user: String,
    ) -> Result<Sv1Device, LoadError> {
        let upstream = reader.role("upstream")?;
        if upstream.is_none() {
            return Err(self.lacks(entry, "upstream", keys::SV1_SERVERS));
        }
        Ok(Sv1Device {
            upstream,
            count: reader.integer("count")?.unwrap_or(1),
            hash_rate: reader.hash_rate("hash_rate")?.unwrap_or(HashRate::new(DEFAULT_HASH_RATE)),
            suggested_difficulty: reader.number("suggested_difficulty")?,
            rolls_version: reader.switch("rolls_version")?.unwrap_or(true),
            rolls_ntime: reader.switch("rolls_ntime")?.unwrap_or(true),
            user: reader.text("user")?.unwrap_or(user),
        })
    }

    fn upstream(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        kinds: &[Kind],
        is_ours: bool,
    ) -> Result<Vec<RoleId>, LoadError> {
        let upstream = reader.roles("upstream")?;
        if upstream.is_empty() && is_ours {
            return Err(self.lacks(entry, "upstream", kinds));
        }
        Ok(upstream)
    }

    /// The role that is named, or the only one of its kind.
    fn only(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        key: &str,
        kind: Kind,
        is_needed: bool,
    ) -> Result<Option<RoleId>, LoadError> {
        if let Some(named) = reader.role(key)? {
            return Ok(Some(named));
        }
        let roles = self.names.roles.iter().enumerate();
        let mut fitting = roles.filter(|(_, (_, other))| *other == kind).map(|(index, _)| index);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(Some(RoleId(only))),
            _ if is_needed => Err(self.lacks(entry, key, &[kind])),
            _ => Ok(None),
        }
    }

    /// The node that is named, or the only one. A program of others that names none is given
    /// the first.
    fn node(
        &self,
        reader: &mut Reader<'a>,
        entry: &Entry,
        is_needed: bool,
    ) -> Result<NodeId, LoadError> {
        if let Some(named) = reader.node("node")? {
            return Ok(named);
        }
        match self.names.nodes.len() {
            2.. if is_needed => {
                let nodes: Vec<&str> = self.names.nodes.iter().map(|node| node.name).collect();
                let message =
                    format!("\"{}\" needs a `node`, one of {}", entry.key, nodes.join(", "));
                Err(self.document.error(entry.at, message))
            }
            _ => Ok(NodeId(0)),
        }
    }

    /// A role misses what it needs; what would do is listed.
    fn lacks(&self, entry: &Entry, key: &str, kinds: &[Kind]) -> LoadError {
        let fitting: Vec<&str> = self
            .names
            .roles
            .iter()
            .filter(|(role, kind)| kinds.contains(kind) && role.name != entry.key)
            .map(|(role, _)| role.name)
            .collect();
        let what = one_of(kinds);
        let message = match fitting[..] {
            [] => format!(
                "\"{}\" needs a `{key}`, and no role is a {what}: add [role.{}]",
                entry.key,
                kinds[0].name()
            ),
            _ => format!(
                "\"{}\" needs a `{key}`, the name of a {what}: {}",
                entry.key,
                fitting.join(", ")
            ),
        };
        self.document.error(entry.at, message)
    }
}

/// Of a device that says nothing: a hundredth of a core or less.
const DEFAULT_HASH_RATE: f64 = 50_000.0;
