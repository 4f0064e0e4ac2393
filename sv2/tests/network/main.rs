//! Whole networks on one embedded chain, in virtual time and without latency: what one role says
//! another one must understand.

mod driver;
mod pool;
mod proxy;
