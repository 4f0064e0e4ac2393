//! What a peer can make us hold, and for how long: every bound of a host, in one place.

use std::time::Duration;

use sv2::sv1::lines::LineConfig;

/// The bounds of a host. The defaults suit a pool on a small machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From accepting or opening the socket to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Name resolution and TCP connect of a dial.
    pub connect_timeout: Duration,
    /// For sending what is queued when a connection is closed, and for the peer to close its
    /// side.
    pub close_timeout: Duration,
    /// Accepted connections at one time, unfinished handshakes included.
    pub connections_max: usize,
    /// Accepted connections from one address at one time. A farm stands behind one address,
    /// so the default is generous; for IPv6 an address is its /64 prefix.
    pub connections_per_address_max: usize,
    /// Longest payload taken on an accepted connection, in bytes.
    pub accepted_payload_len_max: u32,
    /// Longest payload taken on a connection that we dialled, in bytes: a template provider
    /// sends whole blocks.
    pub dialled_payload_len_max: u32,
    /// Longest line of Stratum V1 taken on an accepted connection, in bytes.
    pub accepted_line_len_max: usize,
    /// The same on a connection that we dialled.
    pub dialled_line_len_max: usize,
    /// From the first byte of a line of Stratum V1 to its end.
    pub line_timeout: Duration,
    /// Messages queued for one connection, in bytes of memory. One message is always taken,
    /// however long. A connection beyond it is closed as `TooSlow`.
    pub unsent_bytes_max: usize,
    /// Batches of messages on their way to the role, from all connections together. When it is
    /// full, sockets are not read.
    pub inbound_batches_max: usize,
    /// Messages in one batch.
    pub batch_messages_max: usize,
    /// Requests of the role that the world has not answered.
    pub requests_max: usize,
    /// Events kept for a subscriber that falls behind; it then misses the oldest.
    pub events_kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            connections_max: 16_384,
            connections_per_address_max: 4_096,
            accepted_payload_len_max: 1 << 20,
            dialled_payload_len_max: 0xff_ffff,
            accepted_line_len_max: LineConfig::ACCEPTED_LEN_MAX,
            dialled_line_len_max: LineConfig::DIALLED_LEN_MAX,
            line_timeout: LineConfig::default().line_timeout,
            unsent_bytes_max: 1 << 20,
            inbound_batches_max: 256,
            batch_messages_max: 256,
            requests_max: 65_536,
            events_kept: 4_096,
        }
    }
}
