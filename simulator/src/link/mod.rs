//! The network between roles, as far as TCP lets them notice it.
//!
//! A [`Pipe`] is one direction of one connection. What is sent into it comes out in order, after
//! it has been serialised on every queue of its [`Path`] (network cards, shared uplinks), has
//! travelled for a [`Latency`], and has been sent again where it was lost. Headers and
//! acknowledgements take their share of every queue. A pipe is no queue itself: a thousand
//! messages on a link of 100 ms all arrive 100 ms later.
//!
//! Left out, because no message of this protocol is large enough to notice it often: congestion
//! windows. A declaration of 80 kB on an idle connection arrives up to three round trips earlier
//! than it would in the field.

mod connect;
mod frame;
mod latency;
mod network;
mod outage;
mod pipe;
mod queue;
#[cfg(test)]
mod tests;
mod topology;

pub use connect::{ConnectOutcome, Connected, connect};
pub use frame::Framing;
pub use latency::Latency;
pub use network::{Link, LinkId, Network, Path, PathId, QueueId};
pub use outage::{Outage, Outages};
pub use pipe::{Delivery, Pipe};
pub use queue::Queue;
pub use topology::{Lane, Place, Topology};
