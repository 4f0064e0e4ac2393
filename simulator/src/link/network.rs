//! What pipes share: links, queues, and the paths that lead over them.

use super::{Framing, Latency, Outages, Queue};
use crate::units::Bandwidth;

/// All links and queues of a network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Of all packets.
    pub framing: Framing,
    links: Vec<Link>,
    queues: Vec<Queue>,
    paths: Vec<Path>,
}

/// One direction of the way between two places, for each connection the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// How long a packet is under way.
    pub latency: Latency,
    /// Of each connection alone; what connections share is a [`Queue`].
    pub bandwidth: Option<Bandwidth>,
    /// The probability that a segment is lost, from 0 to below 1.
    pub loss: f64,
    /// When everything is lost.
    pub outages: Outages,
}

/// What a message passes, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Queues at the sender: its network card, its uplink.
    pub egress: Box<[QueueId]>,
    /// The way in between.
    pub link: LinkId,
    /// Queues at the receiver.
    pub ingress: Box<[QueueId]>,
    /// The way of acknowledgements, where they are to take room in queues. It may be named before
    /// it is made.
    pub back: Option<PathId>,
}

/// A link, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// A queue, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueId(pub u32);

/// A path, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathId(pub u32);

impl Link {
    /// Of unlimited bandwidth, without loss.
    pub fn new(latency: Latency) -> Self {
        Link { latency, bandwidth: None, loss: 0.0, outages: Outages::default() }
    }
}

impl Network {
    /// Without links.
    pub fn new(framing: Framing) -> Self {
        Network { framing, ..Network::default() }
    }

    /// Takes in a link.
    pub fn add_link(&mut self, link: Link) -> LinkId {
        self.links.push(link);
        LinkId(index(self.links.len()))
    }

    /// Takes in a queue.
    pub fn add_queue(&mut self, rate: Bandwidth) -> QueueId {
        self.queues.push(Queue::new(rate));
        QueueId(index(self.queues.len()))
    }

    /// Takes in a path.
    pub fn add_path(&mut self, path: Path) -> PathId {
        self.paths.push(path);
        PathId(index(self.paths.len()))
    }

    /// Takes in two paths, each the way of the other's acknowledgements.
    pub fn add_paths(&mut self, mut out: Path, mut back: Path) -> (PathId, PathId) {
        let first = self.paths.len() + 1;
        let ids = (PathId(index(first)), PathId(index(first + 1)));
        (out.back, back.back) = (Some(ids.1), Some(ids.0));
        self.paths.extend([out, back]);
        ids
    }

    /// A link.
    pub fn link(&self, LinkId(index): LinkId) -> &Link {
        &self.links[index as usize]
    }

    /// A link, to change it: what is under way already is not affected.
    pub fn link_mut(&mut self, LinkId(index): LinkId) -> &mut Link {
        &mut self.links[index as usize]
    }

    /// A queue.
    pub fn queue(&self, QueueId(index): QueueId) -> &Queue {
        &self.queues[index as usize]
    }

    /// A queue, to change its rate.
    pub fn queue_mut(&mut self, QueueId(index): QueueId) -> &mut Queue {
        &mut self.queues[index as usize]
    }

    /// A path.
    pub fn path(&self, PathId(index): PathId) -> &Path {
        &self.paths[index as usize]
    }

    /// The mean time there and back of an empty network, in nanoseconds.
    pub(super) fn round_trip(&self, path: PathId) -> u64 {
        let one_way = |path: &Path| {
            u64::try_from(self.link(path.link).latency.mean().as_nanos()).unwrap_or(u64::MAX)
        };
        let out = self.path(path);
        let back = out.back.map_or(out, |back| self.path(back));
        one_way(out) + one_way(back)
    }

    /// Lets bytes through queues, one after the other. `first` and `last` are when the first and
    /// the last segment are there, before and after; `edges` their bytes on the link.
    pub(super) fn pass(
        &mut self,
        now: u64,
        is_ingress: bool,
        path: PathId,
        (mut first, mut last): (u64, u64),
        link_bytes: u64,
        edges: (u64, u64),
    ) -> (u64, u64) {
        let Path { egress, ingress, .. } = &self.paths[path.0 as usize];
        for QueueId(index) in if is_ingress { ingress } else { egress } {
            let queue = &mut self.queues[*index as usize];
            // Segments pass one by one: the next queue need not wait for the whole message, and
            // is done no earlier than its last segment is there and passed on.
            let (begun, done) = queue.serve(now, first, link_bytes);
            first = begun + queue.service(edges.0);
            last = done.max(last + queue.service(edges.1));
        }
        (first, last)
    }
}

fn index(len: usize) -> u32 {
    u32::try_from(len - 1).expect("there are fewer than 2^32 parts in a network")
}
