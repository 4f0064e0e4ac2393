//! The handshake of a socket, for whoever then talks over it.

use std::io;

use bytes::BytesMut;
use sv2::connection::{Connection, ConnectionError, Received};
use sv2::noise::SessionSecrets;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::clock::Clock;

/// Sees what passes during a handshake.
pub(crate) trait Witness {
    /// Bytes that are about to be given to the socket; none at times.
    fn sending(&mut self, bytes: &[u8]);
    /// Bytes that have come.
    fn receiving(&mut self, bytes: &[u8]);
    /// What the handshake has ended in.
    fn secrets(&mut self, secrets: &SessionSecrets);
}

/// Why there is no session.
#[derive(Debug, Error)]
pub(crate) enum HandshakeFailure {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the connection broke during the handshake: {0}")]
    Socket(#[from] io::Error),
}

/// Shakes hands until frames can be sent. What has come beyond that stays in `input`.
pub(crate) async fn shake_hands(
    stream: &mut TcpStream,
    connection: &mut Connection,
    input: &mut BytesMut,
    mut to_send: Vec<u8>,
    clock: Clock,
    witness: &mut impl Witness,
) -> Result<(), HandshakeFailure> {
    loop {
        let is_established = match connection.receive(clock.now(), input, &mut to_send)? {
            Some(Received::Established { .. }) => true,
            Some(Received::Frame(_)) => unreachable!("frames come after `Established`"),
            None => false,
        };
        let step = async {
            witness.sending(&to_send);
            stream.write_all(&to_send).await?;
            if is_established {
                return Ok(1);
            }
            input.reserve(READ_LEN_MIN);
            stream.read_buf(input).await
        };
        let outcome = match connection.deadline() {
            Some(deadline) => timeout_at(clock.to_tokio(deadline), step).await,
            None => Ok(step.await),
        };
        to_send.clear();
        match outcome {
            Ok(received) if is_established => {
                received?;
                if let Some(secrets) = connection.key_log() {
                    witness.secrets(secrets);
                }
                return Ok(());
            }
            Ok(received) => match received? {
                0 => {
                    connection.end(input)?;
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                received_len => witness.receiving(&input[input.len() - received_len..]),
            },
            Err(_) => connection.expire(clock.now().instant)?,
        }
    }
}

/// Room for an act, in bytes.
const READ_LEN_MIN: usize = 1 << 11;
