//! Where the roles of `sv2` meet the world: sockets, clock, the operating system's randomness,
//! nodes and foreign programs.
//!
//! [`host::Host`] runs one role over TCP. Everything that a peer can make us hold has a named
//! limit in [`limits::Limits`], and reaching one is an outcome with a name.

pub mod child;
pub mod clock;
pub mod entropy;
