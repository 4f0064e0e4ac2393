//! The roles of a mining network, each a [`crate::role::Role`].

pub mod mining_device;
pub mod pool;
pub mod template_provider;
