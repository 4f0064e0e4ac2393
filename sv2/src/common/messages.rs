//! The five common messages (spec 3.6.1 to 3.6.5).

use crate::wire::Str255;
use crate::wire_message;

/// Opens a connection; the first message of every client (spec 3.6.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupConnection {
    /// 0 mining, 1 job declaration, 2 template distribution; see [`super::Protocol`].
    pub protocol: u8,
    /// Lowest protocol version that the client speaks; 2 is the only one that exists.
    pub min_version: u16,
    /// Highest protocol version that the client speaks.
    pub max_version: u16,
    /// What the client needs; the bits belong to the protocol (spec 5.3.1, 6.4.1).
    pub flags: u32,
    /// ASCII host name or IP address that the client dialled.
    pub endpoint_host: Str255,
    /// The port that the client dialled.
    pub endpoint_port: u16,
    /// Manufacturer or developer; never empty (spec 3.6.1).
    pub vendor: Str255,
    /// Hardware or software package in use.
    pub hardware_version: Str255,
    /// Firmware name and version.
    pub firmware: Str255,
    /// Empty unless the client is configured to provide telemetry.
    pub device_id: Str255,
}
wire_message!(SetupConnection {
    protocol,
    min_version,
    max_version,
    flags,
    endpoint_host,
    endpoint_port,
    vendor,
    hardware_version,
    firmware,
    device_id,
});

/// The server accepts the connection (spec 3.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupConnectionSuccess {
    /// Within the range that the client named.
    pub used_version: u16,
    /// What the server needs. These are other bits than those of the request (spec 5.3.1).
    pub flags: u32,
}
wire_message!(SetupConnectionSuccess { used_version, flags });

/// The server refuses the connection and closes it (spec 3.6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupConnectionError {
    /// All flags that the server does not support; 0 if flags are not the reason.
    pub flags: u32,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
}
wire_message!(SetupConnectionError { flags, error_code });

/// A proxy's channel now ends somewhere else: extension state is void (spec 3.6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEndpointChanged {
    /// The channel whose other end has changed.
    pub channel_id: u32,
}
wire_message!(ChannelEndpointChanged { channel_id });

/// The server asks its client to connect again, perhaps elsewhere (spec 3.6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// Empty: the present host.
    pub new_host: Str255,
    /// 0: the present port.
    pub new_port: u16,
}
wire_message!(Reconnect { new_host, new_port });
