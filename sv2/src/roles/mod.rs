//! The roles of a mining network, each a [`crate::role::Role`], and what several of them share.

mod hashing;
pub mod job_declarator_client;
pub mod job_declarator_server;
pub mod mining_device;
pub mod mining_proxy;
pub mod mining_server;
pub mod pool;
pub mod sv1_device;
pub mod sv1_pool;
pub mod template_provider;
pub mod translator;
mod uplink;
mod useless;
