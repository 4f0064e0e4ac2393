//! Which way messages between two hosts take: links, network cards and uplinks of a scenario.

use std::collections::BTreeMap;

use super::WorldError;
use crate::link::{Latency, Link, LinkId, Network, Path, PathId, QueueId};
use crate::scenario::{LatencyText, LinkSettings, NetworkSettings, RoleId, Standing};
use crate::units::Bandwidth;

/// The network of a world; paths are made when somebody takes them for the first time.
pub(super) struct Paths {
    pub(super) network: Network,
    settings: NetworkSettings,
    /// By the places at both ends.
    links: BTreeMap<(Option<usize>, Option<usize>), LinkId>,
    /// Out and in, of each region.
    uplinks: Vec<[Option<QueueId>; 2]>,
    /// Out and in, of each host with a network card.
    cards: BTreeMap<u32, [QueueId; 2]>,
    /// By both ends: hosts that have cards, otherwise places.
    known: BTreeMap<(Place, Place), (PathId, PathId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Region(Option<usize>),
    Host(u32),
}

impl Paths {
    pub(super) fn new(settings: &NetworkSettings) -> Result<Self, WorldError> {
        check(&settings.default_link)?;
        settings.links.iter().try_for_each(|(_, link)| check(link))?;
        settings.regions.iter().try_for_each(|region| check(&region.inner))?;
        let mut network = Network::default();
        network.framing = settings.framing;
        let mut queue = |rate: Option<Bandwidth>| rate.map(|rate| network.add_queue(rate));
        let uplinks = settings.regions.iter();
        let uplinks = uplinks.map(|region| [queue(region.uplink), queue(region.downlink)]);
        Ok(Paths {
            uplinks: uplinks.collect(),
            network,
            settings: settings.clone(),
            links: BTreeMap::new(),
            cards: BTreeMap::new(),
            known: BTreeMap::new(),
        })
    }

    /// There and back between a host and another one.
    pub(super) fn between(&mut self, one: (u32, RoleId), other: (u32, RoleId)) -> (PathId, PathId) {
        let standing = |RoleId(role): RoleId| self.settings.roles.get(role).copied();
        let ends = [one, other].map(|(host, role)| (host, standing(role).unwrap_or_default()));
        let key = ends.map(|(host, standing)| match standing.nic {
            Some(_) => Place::Host(host),
            None => Place::Region(standing.region.map(|region| region.0)),
        });
        if let Some(known) = self.known.get(&(key[0], key[1])) {
            return *known;
        }
        let link = self.link(ends[0].1, ends[1].1);
        let [near, far] = ends.map(|(host, standing)| self.queues(host, standing));
        // A shared uplink is between regions: within one, nothing passes it.
        let is_local = ends[0].1.region == ends[1].1.region;
        let way = |[card, uplink]: [Option<QueueId>; 2]| match is_local {
            true => card.into_iter().collect::<Vec<_>>(),
            false => card.into_iter().chain(uplink).collect(),
        };
        let path = |from: &Queues, to: &Queues| {
            let mut ingress: Vec<QueueId> = way(to.ingress);
            ingress.reverse();
            Path { egress: way(from.egress).into(), link, ingress: ingress.into(), back: None }
        };
        let paths = self.network.add_paths(path(&near, &far), path(&far, &near));
        self.known.insert((key[0], key[1]), paths);
        self.known.insert((key[1], key[0]), (paths.1, paths.0));
        paths
    }

    fn link(&mut self, one: Standing, other: Standing) -> LinkId {
        let [one_at, other_at] = [one, other].map(|end| end.region.map(|region| region.0));
        let key = (one_at.min(other_at), one_at.max(other_at));
        if let Some(link) = self.links.get(&key) {
            return *link;
        }
        let settings = self.settings.between(one, other);
        let latency = latency(settings.latency.as_ref()).expect("checked at the start");
        let link =
            Link { bandwidth: settings.bandwidth, loss: settings.loss, ..Link::new(latency) };
        let link = self.network.add_link(link);
        self.links.insert(key, link);
        link
    }

    fn queues(&mut self, host: u32, standing: Standing) -> Queues {
        let cards = standing.nic.map(|rate| {
            let network = &mut self.network;
            let new = || [network.add_queue(rate), network.add_queue(rate)];
            *self.cards.entry(host).or_insert_with(new)
        });
        let uplinks = standing.region.map_or([None; 2], |region| self.uplinks[region.0]);
        Queues {
            egress: [cards.map(|cards| cards[0]), uplinks[0]],
            ingress: [cards.map(|cards| cards[1]), uplinks[1]],
        }
    }
}

/// Of a host: its card, and the line that it shares.
struct Queues {
    egress: [Option<QueueId>; 2],
    ingress: [Option<QueueId>; 2],
}

fn check(link: &LinkSettings) -> Result<(), WorldError> {
    latency(link.latency.as_ref()).map(|_| ())
}

/// Nothing said: packets are there at once.
pub(super) fn latency(text: Option<&LatencyText>) -> Result<Latency, WorldError> {
    match text {
        None => Ok(Latency::Constant(std::time::Duration::ZERO)),
        Some(LatencyText::Distribution(latency)) => Ok(latency.clone()),
        Some(LatencyText::File(path)) => Err(WorldError::UnreadLatency(path.clone())),
    }
}
