//! What the test of kills is made of: the network, and the books of its processes.

pub(crate) mod books;
pub(crate) mod network;
