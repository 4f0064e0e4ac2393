//! Whether a program is ready: asked on the wire, never read from a log.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use sv2::common::{PROTOCOL_VERSION, Protocol, SetupConnection};
use sv2::connection::{Connection, ConnectionConfig, ConnectionError, InitiatorSecurity, Received};
use sv2::message::Message;
use sv2::noise::{AuthorityPublicKey, CipherSuite};
use sv2::wire::{Str255, Tlvs};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::entropy;

/// What must have happened once for a program to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A TCP connection.
    Connect,
    /// A Noise handshake.
    Handshake,
    /// Any answer to a `SetupConnection` for this protocol, also a refusal.
    Setup(Protocol),
}

/// Why a program is not ready.
#[derive(Debug, Error)]
pub enum NotReady {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The handshake failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The peer closed the connection.
    #[error("the connection was closed before an answer came")]
    Closed,
    /// Nothing happened.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Readiness::Connect => f.write_str("a TCP connection"),
            Readiness::Handshake => f.write_str("a Noise handshake"),
            Readiness::Setup(_) => f.write_str("an answer to SetupConnection"),
        }
    }
}

/// Asks once, and takes at most `patience`. Without `authority` any server is taken.
///
/// # Errors
/// [`NotReady`]; asking again may find it ready.
pub async fn probe(
    host: &str,
    port: u16,
    authority: Option<AuthorityPublicKey>,
    readiness: Readiness,
    patience: Duration,
) -> Result<(), NotReady> {
    timeout(patience, ask(host, port, authority, readiness))
        .await
        .unwrap_or(Err(NotReady::TimedOut(patience)))
}

async fn ask(
    host: &str,
    port: u16,
    authority: Option<AuthorityPublicKey>,
    readiness: Readiness,
) -> Result<(), NotReady> {
    let mut socket = TcpStream::connect((host, port)).await?;
    if readiness == Readiness::Connect {
        return Ok(());
    }
    let security = InitiatorSecurity::Noise { suite: CipherSuite::default(), authority };
    let mut out = Vec::new();
    let mut connection = Connection::initiator(
        ConnectionConfig::default(),
        security,
        Clock::of_process().now(),
        &mut entropy::from_system(),
        &mut out,
    );
    let mut input = BytesMut::new();
    socket.write_all(&out).await?;
    receive(&mut socket, &mut connection, &mut input).await?;
    let Readiness::Setup(protocol) = readiness else { return Ok(()) };
    out.clear();
    connection.send_message(&setup(host, port, protocol), &Tlvs::NONE, &mut out)?;
    socket.write_all(&out).await?;
    receive(&mut socket, &mut connection, &mut input).await.map(|_| ())
}

async fn receive(
    socket: &mut TcpStream,
    connection: &mut Connection,
    input: &mut BytesMut,
) -> Result<Received, NotReady> {
    loop {
        let now = Clock::of_process().now();
        if let Some(received) = connection.receive(now, input, &mut Vec::new())? {
            return Ok(received);
        }
        if socket.read_buf(input).await? == 0 {
            connection.end(input)?;
            return Err(NotReady::Closed);
        }
    }
}

fn setup(host: &str, port: u16, protocol: Protocol) -> Message {
    // A host name that is too long for the field is none that resolves.
    let text = |text: &str| Str255::new(text.to_owned()).unwrap_or_default();
    SetupConnection {
        protocol: protocol as u8,
        min_version: PROTOCOL_VERSION,
        max_version: PROTOCOL_VERSION,
        flags: 0,
        endpoint_host: text(host),
        endpoint_port: port,
        vendor: text("assay"),
        hardware_version: text("probe"),
        firmware: text(""),
        device_id: text(""),
    }
    .into()
}
