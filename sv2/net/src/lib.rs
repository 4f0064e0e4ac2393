//! Where the roles of `sv2` meet the world: sockets, clock, the operating system's randomness,
//! nodes and foreign programs.
//!
//! [`host::Host`] runs one role over TCP. Everything that a peer can make us hold has a named
//! limit in [`limits::Limits`], and reaching one is an outcome with a name.

pub mod accounts;
mod admission;
mod base64;
pub mod bitcoind;
pub mod child;
pub mod clock;
pub mod counters;
mod dialer;
pub mod embedded;
pub mod entropy;
pub mod feed;
mod handshake;
pub mod host;
pub mod identity;
pub mod limits;
mod listener;
mod peer;
pub mod recipe;
pub mod relay;
pub mod rpc_server;
mod speech;
pub mod tap;
pub mod world;
