//! A scenario on real sockets: every role hosted over TCP with Noise, on embedded chains or on
//! nodes that are started for it, with foreign programs where the scenario says so.
//!
//! [`Network::start`] brings everything up in an order in which each part finds what it needs,
//! and waits until each answers on the wire. From then on [`Network::next`] tells what happens.
//! A part that ends by itself, or is killed, is started again.

mod accounts;
mod address;
mod host;
mod keys;
pub mod load;
mod network;
mod nodes;
mod part;
mod recording;
mod supervisor;

pub use network::{Network, NetworkTrace, Settings, StartError, StartStep};
pub use nodes::{LiveNode, NodeStartError};
pub use part::{Happening, Subject, What};
