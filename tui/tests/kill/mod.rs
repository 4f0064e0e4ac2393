//! What the test of kills is made of: the networks, and the books of its processes.

pub(crate) mod books;
pub(crate) mod network;
