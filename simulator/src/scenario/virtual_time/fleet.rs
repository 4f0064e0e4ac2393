//! Fleets: many devices of one kind.

use std::time::Duration;

use sv2_document::{Document, Entry, LoadError, Node};

use super::super::RoleId;
use super::super::load::is_name;
use super::super::reader::{Names, Reader};
use super::super::role::{ChannelKind, MiningDevice};
use super::keys;
use super::network::{NetworkSettings, Standing, check_path};
use crate::fleet::model_hash_rate;
use crate::units::HashRate;

/// Many devices of one kind in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// Unique among fleets and roles.
    pub name: String,
    /// Whom it mines for.
    pub upstream: RoleId,
    /// Nominal, of a device.
    pub hash_rate: HashRate,
    /// Devices.
    pub count: u32,
    /// Standard deviation of hash rates, as a part of the nominal one.
    pub spread: f64,
    /// Where all of them stand.
    pub standing: Standing,
    /// How real it is.
    pub fidelity: Fidelity,
    /// Of each device.
    pub channel: ChannelKind,
    /// How devices fail, if they do.
    pub failures: Option<Failures>,
}

/// How devices fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Mean time between two of one device; exponential.
    pub interval: Duration,
    /// Median time until it works again; lognormal.
    pub repair: Duration,
}

/// How real a group of roles is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fidelity {
    /// L1: a fleet as one model.
    Model,
    /// L2: real roles, typed messages, exact sizes.
    #[default]
    Messages,
    /// L3: real roles, real bytes, real Noise.
    Bytes,
}

impl Fidelity {
    pub(super) const ALL: [Fidelity; 3] = [Fidelity::Model, Fidelity::Messages, Fidelity::Bytes];

    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        FIDELITIES[self as usize]
    }
}

impl Fleet {
    /// What each device is where they are real roles.
    pub fn device(&self) -> MiningDevice {
        MiningDevice {
            upstream: Some(self.upstream),
            count: self.count,
            hash_rate: self.hash_rate,
            nominal_hash_rate: self.hash_rate,
            channel: self.channel,
            channel_count: 1,
            rolls_ntime: true,
            user: format!("assay.{}", self.name),
        }
    }
}

pub(super) fn load(
    document: &Document,
    names: &Names<'_>,
    network: &NetworkSettings,
    node: Option<&Node>,
    fidelity: Fidelity,
) -> Result<Vec<Fleet>, LoadError> {
    let entries: &[Entry] = match node {
        Some(node) => document.keys(node)?.all(),
        None => &[],
    };
    let mut fleets = Vec::new();
    for entry in entries {
        if !is_name(&entry.key) || names.roles.iter().any(|(role, _)| role.name == entry.key) {
            let message = format!(
                "\"{}\" is no name of a fleet: expected at most 32 of a-z, 0-9 and -, and no role \
                 of that name",
                entry.key
            );
            return Err(document.error(entry.at, message));
        }
        fleets.push(load_one(document, names, network, entry, fidelity)?);
    }
    Ok(fleets)
}

fn load_one(
    document: &Document,
    names: &Names<'_>,
    network: &NetworkSettings,
    entry: &Entry,
    fidelity: Fidelity,
) -> Result<Fleet, LoadError> {
    let mut reader = Reader::new(document, &entry.node, keys::FLEET.to_vec(), names)?;
    let upstream_at = reader.at_of("upstream").unwrap_or(entry.at);
    let Some(upstream) = reader.role("upstream")? else {
        let message = format!(
            "fleet \"{}\" mines for nobody: give it an `upstream`, the name of a pool, \
             mining-proxy or job-declarator-client",
            entry.key
        );
        return Err(document.error(entry.at, message));
    };
    let model = reader.choice("model")?.map(model_hash_rate);
    let Some(hash_rate) = reader.hash_rate("hash_rate")?.or(model) else {
        let message = format!(
            "fleet \"{}\" has no hash rate: give it a `model`, such as \"s21\", or a `hash_rate`",
            entry.key
        );
        return Err(document.error(entry.at, message));
    };
    let mut standing = Standing { region: None, nic: reader.bandwidth("nic")? };
    if let Some(at) = reader.at_of("region")
        && let Some(name) = reader.text("region")?
    {
        standing.region = Some(network.find(document, &name, at)?);
    }
    check_path(document, network, standing, network.roles[upstream.0], upstream_at)?;
    let repair = reader.duration("repair_time")?.unwrap_or(DEFAULT_REPAIR);
    let interval = reader.duration("failure_interval")?;
    Ok(Fleet {
        name: entry.key.clone(),
        upstream,
        hash_rate,
        count: reader.integer("count")?.unwrap_or(1),
        spread: reader.fraction("spread")?.unwrap_or(DEFAULT_SPREAD),
        standing,
        fidelity: reader.choice("fidelity")?.map_or(fidelity, |index| Fidelity::ALL[index]),
        channel: reader.choice("channel")?.map_or(ChannelKind::Standard, ChannelKind::of_choice),
        failures: interval.map(|interval| Failures { interval, repair }),
    })
}

/// In the order of [`Fidelity`].
pub(super) const FIDELITIES: &[&str] = &["L1", "L2", "L3"];
/// simulation.md, B10: units of one model lie within 3 % of each other.
const DEFAULT_SPREAD: f64 = 0.015;
const DEFAULT_REPAIR: Duration = Duration::from_secs(21 * 86_400);
