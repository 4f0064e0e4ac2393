//! The roles of a mining network, each a [`crate::role::Role`].

pub mod pool;
