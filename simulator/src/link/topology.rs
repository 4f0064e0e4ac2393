//! The network that a scenario describes.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use sv2::time::Instant;

use super::{Latency, Link, LinkId, Network, Outage, Outages, Path, PathId, QueueId};
use crate::faults::Occurrence;
use crate::scenario::{
    FaultKind, LatencyText, LinkSettings, NetworkSettings, RegionId, RoleId, Scenario, Standing,
    Target,
};
use crate::units::Bandwidth;

/// Somebody who has connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A role; each of its members, where it is a fleet.
    Role(RoleId),
    /// A fleet, by its place in the scenario.
    Fleet(usize),
}

/// Links, queues and outages of a scenario; paths are made when they are asked for.
pub struct Topology {
    /// What pipes are made on.
    pub network: Network,
    standings: BTreeMap<Place, Standing>,
    cards: BTreeMap<Place, Lane>,
    /// Of each region: uplink and downlink.
    regions: Vec<(Option<QueueId>, Option<QueueId>)>,
    settings: Vec<((RegionId, RegionId), Kind)>,
    inner: Vec<Kind>,
    default: Kind,
    /// Who is cut off from whom, and when.
    cuts: Vec<(Target, Target, Outage)>,
    /// Cards of fleets that are slower than usual at present.
    slowed: BTreeMap<Place, Bandwidth>,
    paths: BTreeMap<(Place, Place), (PathId, PathId)>,
}

/// A card in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Out of it.
    pub egress: QueueId,
    /// Into it.
    pub ingress: QueueId,
}

/// A kind of link, with its delays read.
#[derive(Clone, Debug)]
struct Kind {
    latency: Latency,
    bandwidth: Option<Bandwidth>,
    loss: f64,
}

impl Topology {
    /// Of a scenario, with the faults of one run. `read` gives the text of a file of delays.
    ///
    /// # Errors
    /// The file that cannot be read, or the line of it that is wrong.
    pub fn new(
        scenario: &Scenario,
        timeline: &[Occurrence],
        mut read: impl FnMut(&FilePath) -> Result<String, String>,
    ) -> Result<Self, String> {
        let settings = &scenario.virtual_time.network;
        let mut kind = |link: &LinkSettings| Kind::new(link, &mut read);
        let mut topology = Topology {
            network: Network::new(settings.framing),
            standings: BTreeMap::new(),
            cards: BTreeMap::new(),
            regions: Vec::new(),
            default: kind(&settings.default_link)?,
            inner: settings
                .regions
                .iter()
                .map(|region| kind(&region.inner))
                .collect::<Result<_, _>>()?,
            settings: settings
                .links
                .iter()
                .map(|(pair, link)| Ok((*pair, kind(link)?)))
                .collect::<Result<_, String>>()?,
            cuts: cuts(scenario, timeline),
            slowed: BTreeMap::new(),
            paths: BTreeMap::new(),
        };
        let slowed = |target: Target| {
            let mut faults = scenario.virtual_time.faults.iter();
            faults
                .any(|fault| matches!(fault.kind, FaultKind::BandwidthDrop(of, _) if of == target))
        };
        for (index, region) in settings.regions.iter().enumerate() {
            let is_slowed = slowed(Target::Region(RegionId(index)));
            let mut queue = |rate: Option<Bandwidth>| {
                let rate = rate.or_else(|| is_slowed.then(unlimited));
                rate.map(|rate| topology.network.add_queue(rate))
            };
            let lane = (queue(region.uplink), queue(region.downlink));
            topology.regions.push(lane);
        }
        for id in scenario.role_ids() {
            let mut standing = settings.roles.get(id.0).copied().unwrap_or_default();
            let is_fleet = scenario.role(id).kind.kind().is_device();
            if slowed(Target::Role(id)) && !is_fleet {
                standing.nic = standing.nic.or_else(|| Some(unlimited()));
            }
            topology.add(Place::Role(id), standing, !is_fleet);
        }
        for (index, fleet) in scenario.virtual_time.fleets.iter().enumerate() {
            topology.add(Place::Fleet(index), fleet.standing, false);
        }
        Ok(topology)
    }

    fn add(&mut self, place: Place, standing: Standing, has_one_card: bool) {
        self.standings.insert(place, standing);
        if let Some(rate) = standing.nic.filter(|_| has_one_card) {
            let (egress, ingress) = (self.network.add_queue(rate), self.network.add_queue(rate));
            self.cards.insert(place, Lane { egress, ingress });
        }
    }

    /// The card of a place, to change its rate. A device of a fleet has one connection, whose
    /// link has the card's rate instead.
    pub fn card(&self, place: Place) -> Option<Lane> {
        self.cards.get(&place).copied()
    }

    /// From now on a card has this rate, or its own again: that of a role, of each device of a
    /// fleet, or the shared lines of a region.
    pub fn set_rate(
        &mut self,
        settings: &NetworkSettings,
        target: Target,
        rate: Option<Bandwidth>,
    ) {
        let place = match target {
            Target::Region(RegionId(index)) => {
                let own = settings.regions.get(index);
                let lines = [own.and_then(|own| own.uplink), own.and_then(|own| own.downlink)];
                let queues = [self.regions[index].0, self.regions[index].1];
                for (queue, own) in queues.into_iter().zip(lines) {
                    if let Some(queue) = queue {
                        self.network
                            .queue_mut(queue)
                            .set_rate(rate.or(own).unwrap_or_else(unlimited));
                    }
                }
                return;
            }
            Target::Role(role) => Place::Role(role),
            Target::Fleet(index) => Place::Fleet(index),
        };
        if let Some(Lane { egress, ingress }) = self.card(place) {
            let rate = rate.or(self.standing(place).nic).unwrap_or_else(unlimited);
            self.network.queue_mut(egress).set_rate(rate);
            self.network.queue_mut(ingress).set_rate(rate);
            return;
        }
        match rate {
            Some(rate) => self.slowed.insert(place, rate),
            None => self.slowed.remove(&place),
        };
        let of_place = |(from, to): &(Place, Place)| *from == place || *to == place;
        let paths = self.paths.iter().filter(|(ends, _)| of_place(ends));
        let paths: Vec<_> = paths.map(|(ends, (out, _))| (*ends, *out)).collect();
        for ((from, to), path) in paths {
            let link = self.network.path(path).link;
            self.network.link_mut(link).bandwidth = self.bandwidth(from, to);
        }
    }

    /// The ways from one place to another and back, for as many pipes as there are connections.
    pub fn paths(&mut self, from: Place, to: Place) -> (PathId, PathId) {
        if let Some(paths) = self.paths.get(&(from, to)) {
            return *paths;
        }
        let (out, back) = (self.path(from, to), self.path(to, from));
        let (out, back) = self.network.add_paths(out, back);
        self.paths.insert((from, to), (out, back));
        self.paths.insert((to, from), (back, out));
        (out, back)
    }

    /// Of the empty network, one way.
    pub fn latency(&self, from: Place, to: Place) -> &Latency {
        &self.kind(self.standing(from), self.standing(to)).latency
    }

    fn path(&mut self, from: Place, to: Place) -> Path {
        let (start, end) = (self.standing(from), self.standing(to));
        let is_apart = start.region != end.region || start.region.is_none();
        let region = |standing: Standing| {
            let region = standing.region.filter(|_| is_apart);
            region.map_or((None, None), |RegionId(index)| self.regions[index])
        };
        let card = |place: Place| self.cards.get(&place);
        let egress = [card(from).map(|lane| lane.egress), region(start).0];
        let ingress = [region(end).1, card(to).map(|lane| lane.ingress)];
        let list = |queues: [Option<QueueId>; 2]| queues.into_iter().flatten().collect();
        let (egress, ingress) = (list(egress), list(ingress));
        let link = self.link(from, to);
        Path { egress, link, ingress, back: None }
    }

    fn link(&mut self, from: Place, to: Place) -> LinkId {
        let (start, end) = (self.standing(from), self.standing(to));
        let Kind { latency, loss, .. } = self.kind(start, end).clone();
        let bandwidth = self.bandwidth(from, to);
        let is = |target: Target, place: Place| match (target, place) {
            (Target::Role(role), Place::Role(place)) => role == place,
            (Target::Fleet(fleet), Place::Fleet(place)) => fleet == place,
            (Target::Region(region), place) => self.standing(place).region == Some(region),
            _ => false,
        };
        let cuts = self.cuts.iter().filter(|(one, other, _)| is(*one, from) && is(*other, to));
        let outages = Outages::new(cuts.map(|(_, _, outage)| *outage).collect());
        self.network.add_link(Link { latency, bandwidth, loss, outages })
    }

    /// Of one connection: that of the link, or of a device's card if that is less.
    fn bandwidth(&self, from: Place, to: Place) -> Option<Bandwidth> {
        let (start, end) = (self.standing(from), self.standing(to));
        let mut bandwidth = self.kind(start, end).bandwidth;
        for (place, standing) in [(from, start), (to, end)] {
            let own = self.slowed.get(&place).copied().or(standing.nic);
            let own = own.filter(|_| !self.cards.contains_key(&place));
            bandwidth = match (bandwidth, own) {
                (Some(one), Some(other)) if other < one => Some(other),
                (one, other) => one.or(other),
            };
        }
        bandwidth
    }

    fn kind(&self, one: Standing, other: Standing) -> &Kind {
        let (Some(one), Some(other)) = (one.region, other.region) else { return &self.default };
        if one == other {
            return &self.inner[one.0];
        }
        let pair = (one.min(other), one.max(other));
        let link = self.settings.iter().find(|(of, _)| *of == pair);
        link.map_or(&self.default, |(_, kind)| kind)
    }

    fn standing(&self, place: Place) -> Standing {
        self.standings.get(&place).copied().unwrap_or_default()
    }
}

impl Kind {
    fn new(
        link: &LinkSettings,
        read: &mut impl FnMut(&FilePath) -> Result<String, String>,
    ) -> Result<Self, String> {
        let latency = match &link.latency {
            None => Latency::Constant(std::time::Duration::ZERO),
            Some(LatencyText::Distribution(latency)) => latency.clone(),
            Some(LatencyText::File(path)) => Latency::empirical(&read(path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?,
        };
        Ok(Kind { latency, bandwidth: link.bandwidth, loss: link.loss.min(LOSS_MAX) })
    }
}

/// Each direction of each partition.
fn cuts(scenario: &Scenario, timeline: &[Occurrence]) -> Vec<(Target, Target, Outage)> {
    let mut cuts = Vec::new();
    for occurrence in timeline {
        let until = occurrence.until.unwrap_or(Instant(u64::MAX));
        let outage = Outage { from: occurrence.at, until };
        match &scenario.virtual_time.faults[occurrence.fault_index].kind {
            FaultKind::Partition(one, other) => {
                cuts.extend([(*one, *other, outage), (*other, *one, outage)]);
            }
            FaultKind::OneWayPartition(from, to) => cuts.push((*from, *to, outage)),
            _ => {}
        }
    }
    cuts
}

/// Of a card that no scenario has limited, while it is not slower than usual: a nanosecond for all.
fn unlimited() -> Bandwidth {
    Bandwidth::new(UNLIMITED).expect("it is above zero and finite")
}

/// In bits per second.
const UNLIMITED: f64 = 1e18;
/// Where everything is lost, nothing is ever there: that is a partition and not a loss.
const LOSS_MAX: f64 = 0.999;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::faults::timeline;
    use crate::link::Pipe;
    use crate::scenario::Overrides;

    const WORLD: &str = r#"
[region.eu]
latency = "5ms"
[region.farm]
uplink = "1Mbit"
[[link]]
between = ["eu", "farm"]
latency = "file(delays.txt)"
[role.provider]
kind = "template-provider"
region = "eu"
[role.pool]
kind = "pool"
region = "eu"
nic = "1Gbit"
[role.miners]
kind = "mining-device"
upstream = "pool"
region = "farm"
[[fault]]
kind = "one-way-partition"
between = ["farm", "pool"]
at = "10s"
for = "5s"
"#;

    fn topology(file: Result<String, String>) -> Result<Topology, String> {
        let scenario = Scenario::load("world.toml", WORLD, &Overrides::default()).unwrap();
        let faults = &scenario.virtual_time.faults;
        let timeline = timeline(faults, 0, Duration::from_secs(60));
        Topology::new(&scenario, &timeline, |_| file.clone())
    }

    #[test]
    fn messages_take_the_way_that_the_scenario_describes() {
        let mut topology = topology(Ok("40\n".to_owned())).unwrap();
        let (miners, pool) = (Place::Role(RoleId(2)), Place::Role(RoleId(1)));
        let (out, back) = topology.paths(miners, pool);
        let network = &mut topology.network;
        let (mut up, mut down) = (Pipe::new(network, out, 1, 1), Pipe::new(network, back, 1, 2));
        let mut arrivals = |pipe: &mut Pipe, second: u64| {
            let at = Instant(second * 1_000_000_000);
            let there = pipe.send(network, at, 62).arrival().unwrap();
            there.since(at).as_micros()
        };

        let usual = (arrivals(&mut up, 1), arrivals(&mut down, 1));
        let cut = (arrivals(&mut up, 11), arrivals(&mut down, 11));

        // 152 bytes at 1 Mbit/s on the way up, and at 1 Gbit/s at the pool.
        assert_eq!(usual, (40_000 + 1_216 + 1, 40_001));
        assert!(cut.0 > 4_000_000 && cut.1 == 40_001, "{cut:?}");
        assert_eq!(topology.paths(pool, miners), (back, out));
        let provider = Place::Role(RoleId(0));
        assert_eq!(topology.latency(provider, pool).mean(), Duration::from_millis(5));
        assert!(topology.card(pool).is_some() && topology.card(miners).is_none());
    }

    #[test]
    fn a_file_of_delays_that_cannot_be_used_is_named() {
        let missing = topology(Err("no such file".to_owned())).err().unwrap();
        let wrong = topology(Ok("far\n".to_owned())).err().unwrap();

        assert_eq!(missing, "no such file");
        assert!(wrong.starts_with("delays.txt: line 1"), "{wrong}");
    }
}
