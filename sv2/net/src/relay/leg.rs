//! One of the two connections that a relay is between, once it is secured.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use sv2::connection::{
    Connection, ConnectionConfig, ConnectionReader, ConnectionWriter, InitiatorSecurity,
    ResponderSecurity,
};
use sv2::entropy::Entropy;
use sv2::role::PeerAddress;
use thiserror::Error;
use tokio::net::TcpStream;

use super::record::{self, Handshake, Leg as LegKind, NotRecorded, Track};
use super::{Mode, Shared};
use crate::dialer;
use crate::handshake::{HandshakeFailure, shake_hands};
use crate::listener;
use crate::tap::Link;

/// A secured connection.
pub(super) struct Leg {
    pub(super) stream: TcpStream,
    pub(super) reader: ConnectionReader,
    pub(super) writer: ConnectionWriter,
    /// What has come behind the handshake.
    pub(super) input: BytesMut,
    pub(super) sent: Track,
    pub(super) received: Track,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

/// Why there is none.
#[derive(Debug, Error)]
pub(super) enum LegFailure {
    #[error("{host}:{port} cannot be reached: {source}", host = peer.host, port = peer.port)]
    Unreachable { peer: PeerAddress, source: io::Error },
    #[error("the address of a socket is unknown: {0}")]
    Address(io::Error),
    #[error("with the {with}: {failure}")]
    Handshake { with: &'static str, failure: HandshakeFailure },
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
}

/// The leg to a client that was accepted.
pub(super) async fn down(
    stream: TcpStream,
    session: u64,
    shared: &Shared,
    entropy: &mut Entropy,
) -> Result<Leg, LegFailure> {
    let now = shared.clock.now();
    let security = match &shared.mode {
        Mode::Terminating { down: Some(certifier), suite, .. } => {
            ResponderSecurity::Noise { suite: *suite, identity: certifier.identity(now.unix) }
        }
        Mode::Terminating { down: None, .. } | Mode::PassThrough => ResponderSecurity::Plain,
    };
    let connection = Connection::responder(config(shared), security, now, entropy);
    let link = listener::link(&stream).map_err(LegFailure::Address)?;
    let stream_number = session * 2;
    let recorder = shared.recorder.as_ref();
    let [received, sent] =
        record::tracks(recorder, stream_number, LegKind::Down, link.peer, link.local)?;
    let leg = Opening { stream, connection, to_send: Vec::new(), sent, received, link };
    leg.shake_hands("client", shared).await
}

/// The leg to a server, which is dialled.
pub(super) async fn up(
    server: &PeerAddress,
    session: u64,
    shared: &Shared,
    entropy: &mut Entropy,
) -> Result<Leg, LegFailure> {
    let stream = dial(server, shared).await?;
    let link = listener::link(&stream).map_err(LegFailure::Address)?;
    let security = match &shared.mode {
        Mode::Terminating { is_up_plain: false, suite, .. } => {
            InitiatorSecurity::Noise { suite: *suite, authority: server.authority }
        }
        Mode::Terminating { is_up_plain: true, .. } | Mode::PassThrough => InitiatorSecurity::Plain,
    };
    let mut to_send = Vec::new();
    let now = shared.clock.now();
    let connection = Connection::initiator(config(shared), security, now, entropy, &mut to_send);
    let stream_number = session * 2 + 1;
    let recorder = shared.recorder.as_ref();
    let [sent, received] =
        record::tracks(recorder, stream_number, LegKind::Up, link.local, link.peer)?;
    let leg = Opening { stream, connection, to_send, sent, received, link };
    leg.shake_hands("server", shared).await
}

/// A socket to a server.
pub(super) async fn dial(server: &PeerAddress, shared: &Shared) -> Result<TcpStream, LegFailure> {
    dialer::connect(server, shared.limits.connect_timeout)
        .await
        .map_err(|source| LegFailure::Unreachable { peer: server.clone(), source })
}

fn config(shared: &Shared) -> ConnectionConfig {
    ConnectionConfig {
        handshake_timeout: shared.limits.handshake_timeout,
        payload_len_max: shared.limits.dialled_payload_len_max,
    }
}

struct Opening {
    stream: TcpStream,
    connection: Connection,
    to_send: Vec<u8>,
    sent: Track,
    received: Track,
    link: Link,
}

impl Opening {
    async fn shake_hands(self, with: &'static str, shared: &Shared) -> Result<Leg, LegFailure> {
        let Opening { mut stream, mut connection, to_send, mut sent, mut received, link } = self;
        let mut input = BytesMut::new();
        let mut witness = Handshake {
            sent: &mut sent,
            received: &mut received,
            key_log: shared.key_log.as_deref(),
            refused: None,
        };
        let clock = shared.clock;
        shake_hands(&mut stream, &mut connection, &mut input, to_send, clock, &mut witness)
            .await
            .map_err(|failure| LegFailure::Handshake { with, failure })?;
        if let Some(refused) = witness.refused {
            return Err(refused.into());
        }
        let (reader, writer) = connection.split();
        let Link { peer, local } = link;
        Ok(Leg { stream, reader, writer, input, sent, received, peer, local })
    }
}
