//! Whole networks on one embedded chain, in virtual time and without latency: what one role says
//! another one must understand.

#![allow(clippy::unwrap_used, reason = "a test, with helpers that clippy takes for none")]

mod commands;
mod custom_jobs;
mod driver;
mod failover;
mod fallback;
mod job_client;
mod pool;
mod proxy;
mod proxy_prefix;
mod transparent;
