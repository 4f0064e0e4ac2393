//! How far apart roles are: regions, and links between them.

use std::path::PathBuf;

use sv2_document::{Document, Entry, LoadError, Node};

use super::super::reader::{Names, Reader};
use super::keys;
use crate::link::{Framing, Latency};
use crate::units::Bandwidth;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkSettings {
    /// Where nothing else is said.
    pub default_link: LinkSettings,
    /// Headers of all packets.
    pub framing: Framing,
    /// In the order of the file.
    pub regions: Vec<Region>,
    /// Between two regions, the lower one first.
    pub links: Vec<((RegionId, RegionId), LinkSettings)>,
    /// Of each role, in the order of [`super::super::Scenario::roles`].
    pub roles: Vec<Standing>,
}

/// One way between two places; the same in both directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkSettings {
    /// None if packets are there at once.
    pub latency: Option<LatencyText>,
    /// Of each connection; unlimited if none.
    pub bandwidth: Option<Bandwidth>,
    /// Probability that a segment is lost, from 0 to below 1.
    pub loss: f64,
}

/// A distribution of delays, or the file that holds one ([`Latency::empirical`]).
#[derive(Clone, Debug, PartialEq)]
pub enum LatencyText {
    /// As written.
    Distribution(Latency),
    /// Seen from the folder of the scenario.
    File(PathBuf),
}

/// A place where roles stand close together.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Unique among regions.
    pub name: String,
    /// Between two roles in it.
    pub inner: LinkSettings,
    /// Shared by all in it, on the way out.
    pub uplink: Option<Bandwidth>,
    /// Shared by all in it, on the way in.
    pub downlink: Option<Bandwidth>,
}

/// A region, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegionId(pub usize);

/// Where a role or fleet stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Nowhere in particular if none.
    pub region: Option<RegionId>,
    /// Its network card; unlimited if none.
    pub nic: Option<Bandwidth>,
}

impl NetworkSettings {
    /// What lies between two places.
    pub fn between(&self, one: Standing, other: Standing) -> &LinkSettings {
        match (one.region, other.region) {
            (Some(RegionId(one)), Some(other)) if RegionId(one) == other => {
                &self.regions[one].inner
            }
            (Some(one), Some(other)) => {
                let pair = (one.min(other), one.max(other));
                let link = self.links.iter().find(|(of, _)| *of == pair);
                link.map_or(&self.default_link, |(_, link)| link)
            }
            _ => &self.default_link,
        }
    }

    /// A region by its name.
    pub fn region_named(&self, name: &str) -> Option<RegionId> {
        self.regions.iter().position(|region| region.name == name).map(RegionId)
    }

    /// By its name in the file.
    pub(super) fn find(
        &self,
        document: &Document,
        name: &str,
        at: usize,
    ) -> Result<RegionId, LoadError> {
        let known = self.regions.iter().map(|region| region.name.as_str());
        self.region_named(name).ok_or_else(|| document.unknown(at, "region", name, known))
    }
}

/// The tables that are about it.
pub(super) struct Tables<'a> {
    pub(super) network: Option<&'a Node>,
    pub(super) regions: Option<&'a Node>,
    pub(super) links: Option<&'a Node>,
}

pub(super) fn load(
    document: &Document,
    names: &Names<'_>,
    tables: Tables<'_>,
    role_nodes: &[&Node],
) -> Result<NetworkSettings, LoadError> {
    let mut network = NetworkSettings::default();
    if let Some(node) = tables.network {
        let mut reader = Reader::new(document, node, keys::NETWORK.to_vec(), names)?;
        network.default_link = link(&mut reader)?;
        if reader.choice("framing")? == Some(1) {
            network.framing = Framing::PLAIN;
        }
    }
    let regions: &[Entry] = match tables.regions {
        Some(node) => document.keys(node)?.all(),
        None => &[],
    };
    for entry in regions {
        let mut reader = Reader::new(document, &entry.node, keys::REGIONS.to_vec(), names)?;
        let latency = reader.latency("latency")?;
        network.regions.push(Region {
            name: entry.key.clone(),
            inner: LinkSettings {
                latency: latency.or(network.default_link.latency.clone()),
                ..network.default_link.clone()
            },
            uplink: reader.bandwidth("uplink")?,
            downlink: reader.bandwidth("downlink")?,
        });
    }
    let links = tables.links.map_or(Ok(&[] as &[Node]), |node| document.list(node))?;
    for node in links {
        let mut reader = Reader::new(document, node, keys::LINK.to_vec(), names)?;
        let ends = reader.two("between", node.at)?;
        let [one, other] = [
            network.find(document, &ends[0].0, ends[0].1)?,
            network.find(document, &ends[1].0, ends[1].1)?,
        ];
        if one == other {
            let message = "a region is not linked to itself: give [region.NAME] a `latency`";
            return Err(document.error(ends[1].1, message));
        }
        let settings = link(&mut reader)?;
        network.links.push(((one.min(other), one.max(other)), settings));
    }
    for node in role_nodes {
        network.roles.push(standing(document, &network, node)?);
    }
    check_paths(document, &network, role_nodes, names)?;
    Ok(network)
}

fn link(reader: &mut Reader<'_>) -> Result<LinkSettings, LoadError> {
    Ok(LinkSettings {
        latency: reader.latency("latency")?,
        bandwidth: reader.bandwidth("bandwidth")?,
        loss: reader.fraction("loss")?.unwrap_or_default(),
    })
}

fn standing(
    document: &Document,
    network: &NetworkSettings,
    node: &Node,
) -> Result<Standing, LoadError> {
    let mut keys = document.keys(node)?;
    let region = keys.take("region");
    let region = region.map(|node| network.find(document, document.string(node)?, node.at));
    let nic = keys.take("nic").map(|node| {
        let text = document.string(node)?;
        text.parse().map_err(|error: String| document.error(node.at, error))
    });
    Ok(Standing { region: region.transpose()?, nic: nic.transpose()? })
}

/// Where links are listed, two regions without one have no path: who dials across is told so.
fn check_paths(
    document: &Document,
    network: &NetworkSettings,
    role_nodes: &[&Node],
    names: &Names<'_>,
) -> Result<(), LoadError> {
    for (index, node) in role_nodes.iter().enumerate() {
        for key in ["upstream", "template_provider", "pool"] {
            let Some(value) = document.keys(node)?.take(key) else { continue };
            for (word, at) in document.strings(value)? {
                let server = names.roles.iter().position(|(role, _)| role.name == word);
                let Some(server) = server else { continue };
                let ends = (network.roles[index], network.roles[server]);
                check_path(document, network, ends.0, ends.1, at)?;
            }
        }
    }
    Ok(())
}

/// Whether two places are connected.
pub(super) fn check_path(
    document: &Document,
    network: &NetworkSettings,
    one: Standing,
    other: Standing,
    at: usize,
) -> Result<(), LoadError> {
    let (Some(one), Some(other)) = (one.region, other.region) else { return Ok(()) };
    let pair = (one.min(other), one.max(other));
    let is_linked = network.links.iter().any(|(of, _)| *of == pair);
    if one == other || is_linked || network.links.is_empty() {
        return Ok(());
    }
    let [one, other] = [one, other].map(|RegionId(index)| &network.regions[index].name);
    let message = format!(
        "there is no path from \"{one}\" to \"{other}\": add [[link]] with \
         between = [\"{one}\", \"{other}\"]"
    );
    Err(document.error(at, message))
}
