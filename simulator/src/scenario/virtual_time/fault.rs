//! What breaks, and when.

use std::time::Duration;

use sv2_document::{Document, LoadError, Node};

use super::super::RoleId;
use super::super::reader::{Names, Reader};
use super::fleet::Fleet;
use super::keys;
use super::network::{NetworkSettings, RegionId};
use crate::units::Bandwidth;

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// When.
    pub when: When,
    /// Until it is over; never if none.
    pub length: Option<Duration>,
}

/// When it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, so long after the start.
    At(Duration),
    /// Again and again; the mean of exponential times in between, drawn from the seed.
    Every(Duration),
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// A role forgets everything; its connections are reset when it is back.
    Crash(Target),
    /// A role closes its connections, and starts anew.
    Restart(Target),
    /// A role does nothing, and goes on with what has come in.
    Pause(Target),
    /// Nothing passes, in either direction.
    Partition(Target, Target),
    /// Nothing passes from the first to the second.
    OneWayPartition(Target, Target),
    /// A civil clock jumps: so many nanoseconds, back if negative.
    ClockStep(Target, i64),
    /// A network card has this rate.
    BandwidthDrop(Target, Bandwidth),
    /// All clients of a role lose their connection and dial again.
    ReconnectStorm(Target),
    /// This part of a fleet, from 0 to 1, is switched off.
    Curtailment(Target, f64),
}

impl FaultKind {
    /// Whom it concerns.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let (one, other) = match self {
            FaultKind::Partition(one, other) | FaultKind::OneWayPartition(one, other) => {
                (*one, Some(*other))
            }
            FaultKind::Crash(one)
            | FaultKind::Restart(one)
            | FaultKind::Pause(one)
            | FaultKind::ClockStep(one, _)
            | FaultKind::BandwidthDrop(one, _)
            | FaultKind::ReconnectStorm(one)
            | FaultKind::Curtailment(one, _) => (*one, None),
        };
        [Some(one), other].into_iter().flatten()
    }

    /// The same, to change them.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let (one, other) = match self {
            FaultKind::Partition(one, other) | FaultKind::OneWayPartition(one, other) => {
                (one, Some(other))
            }
            FaultKind::Crash(one)
            | FaultKind::Restart(one)
            | FaultKind::Pause(one)
            | FaultKind::ClockStep(one, _)
            | FaultKind::BandwidthDrop(one, _)
            | FaultKind::ReconnectStorm(one)
            | FaultKind::Curtailment(one, _) => (one, None),
        };
        [Some(one), other].into_iter().flatten()
    }

    /// As scenarios write it.
    pub fn name(&self) -> &'static str {
        FAULT_KINDS[match self {
            FaultKind::Crash(_) => 0,
            FaultKind::Restart(_) => 1,
            FaultKind::Pause(_) => 2,
            FaultKind::Partition(..) => 3,
            FaultKind::OneWayPartition(..) => 4,
            FaultKind::ClockStep(..) => 5,
            FaultKind::BandwidthDrop(..) => 6,
            FaultKind::ReconnectStorm(_) => 7,
            FaultKind::Curtailment(..) => 8,
        }]
    }

    /// Whether it is over as soon as it has happened.
    pub fn is_momentary(&self) -> bool {
        match self {
            FaultKind::Restart(_) | FaultKind::ClockStep(..) | FaultKind::ReconnectStorm(_) => true,
            FaultKind::Crash(_)
            | FaultKind::Pause(_)
            | FaultKind::Partition(..)
            | FaultKind::OneWayPartition(..)
            | FaultKind::BandwidthDrop(..)
            | FaultKind::Curtailment(..) => false,
        }
    }
}

/// Whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A role.
    Role(RoleId),
    /// A fleet, by its place.
    Fleet(usize),
    /// All in a region.
    Region(RegionId),
}

pub(super) fn load(
    document: &Document,
    names: &Names<'_>,
    network: &NetworkSettings,
    fleets: &[Fleet],
    node: Option<&Node>,
) -> Result<Vec<Fault>, LoadError> {
    let nodes = node.map_or(Ok(&[] as &[Node]), |node| document.list(node))?;
    if let Some(node) = nodes.get(FAULTS_MAX) {
        return Err(document.error(node.at, format!("more than {FAULTS_MAX} faults")));
    }
    let loader = Loader { document, names, network, fleets };
    nodes.iter().map(|node| loader.load(node)).collect()
}

struct Loader<'a> {
    document: &'a Document,
    names: &'a Names<'a>,
    network: &'a NetworkSettings,
    fleets: &'a [Fleet],
}

impl<'a> Loader<'a> {
    fn load(&self, node: &'a Node) -> Result<Fault, LoadError> {
        let mut reader = Reader::new(self.document, node, keys::FAULT.to_vec(), self.names)?;
        let Some(choice) = reader.choice("kind")? else {
            let message = format!("a fault has a `kind`: {}", FAULT_KINDS.join(", "));
            return Err(self.document.error(node.at, message));
        };
        let missing = |what: &str| {
            let message = format!("a {} needs {what}", FAULT_KINDS[choice]);
            self.document.error(node.at, message)
        };
        let when = match (reader.duration("at")?, reader.duration("every")?) {
            (Some(at), None) => When::At(at),
            (None, Some(every)) if !every.is_zero() => When::Every(every),
            _ => return Err(missing("either `at` or `every`, above zero")),
        };
        let length = reader.duration("for")?;
        let kind = match choice {
            0 => FaultKind::Crash(self.target(&mut reader, node)?),
            1 => FaultKind::Restart(self.target(&mut reader, node)?),
            2 => FaultKind::Pause(self.target(&mut reader, node)?),
            3 | 4 => {
                let [one, other] = reader.two("between", node.at)?;
                let (one, other) = (self.named(&one.0, one.1)?, self.named(&other.0, other.1)?);
                match choice {
                    3 => FaultKind::Partition(one, other),
                    _ => FaultKind::OneWayPartition(one, other),
                }
            }
            5 => {
                let nanoseconds =
                    |step: Duration| i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
                let forward = reader.duration("step_forward")?.map(nanoseconds);
                let back = reader.duration("step_back")?.map(|step| -nanoseconds(step));
                let step = forward.xor(back);
                let step = step.ok_or_else(|| missing("`step_forward` or `step_back`"))?;
                FaultKind::ClockStep(self.target(&mut reader, node)?, step)
            }
            6 => {
                let rate = reader.bandwidth("bandwidth")?.ok_or_else(|| missing("`bandwidth`"))?;
                FaultKind::BandwidthDrop(self.target(&mut reader, node)?, rate)
            }
            7 => FaultKind::ReconnectStorm(self.target(&mut reader, node)?),
            _ => {
                let part = reader.fraction("part")?.unwrap_or(1.0);
                FaultKind::Curtailment(self.target(&mut reader, node)?, part)
            }
        };
        Ok(Fault { kind, when, length })
    }

    fn target(&self, reader: &mut Reader<'a>, node: &Node) -> Result<Target, LoadError> {
        let at = reader.at_of("role").unwrap_or(node.at);
        match reader.text("role")? {
            Some(name) => self.named(&name, at),
            None => {
                let message = "this fault happens to somebody: name a `role` or a fleet";
                Err(self.document.error(at, message))
            }
        }
    }

    fn named(&self, name: &str, at: usize) -> Result<Target, LoadError> {
        let roles = || self.names.roles.iter().map(|(role, _)| role.name);
        let fleets = || self.fleets.iter().map(|fleet| fleet.name.as_str());
        let regions = || self.network.regions.iter().map(|region| region.name.as_str());
        let place =
            |mut names: Box<dyn Iterator<Item = &str> + '_>| names.position(|known| known == name);
        let role = place(Box::new(roles())).map(|index| Target::Role(RoleId(index)));
        let target = role
            .or_else(|| place(Box::new(fleets())).map(Target::Fleet))
            .or_else(|| place(Box::new(regions())).map(|index| Target::Region(RegionId(index))));
        target.ok_or_else(|| {
            let known = roles().chain(fleets()).chain(regions());
            self.document.unknown(at, "role, fleet or region", name, known)
        })
    }
}

/// In the order of [`FaultKind`].
pub(super) const FAULT_KINDS: &[&str] = &[
    "crash",
    "restart",
    "pause",
    "partition",
    "one-way-partition",
    "clock-step",
    "bandwidth-drop",
    "reconnect-storm",
    "curtailment",
];
/// Of one timeline.
const FAULTS_MAX: usize = 10_000;
