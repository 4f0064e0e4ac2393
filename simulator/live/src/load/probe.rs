//! What a share costs at a pool, asked on one connection before a fleet comes.

use std::time::Duration;

use bytes::BytesMut;
use sv2::connection::{Connection, ConnectionConfig, ConnectionError, InitiatorSecurity, Received};
use sv2::message::{DecodeError, Message};
use sv2::noise::CipherSuite;
use sv2::role::PeerAddress;
use sv2::sv1::Sv1Error;
use sv2::wire::{Target, Tlvs};
use sv2_net::clock::Clock;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{FleetChannel, LoadConfig, driver, sv1_probe};

/// What a share costs, and what that means for the budget of hashes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// What channels are to claim, in hashes per second.
    pub nominal_hash_rate: f32,
    /// Expected hashes of a share at that rate.
    pub hashes_per_share: f64,
    /// What the pool asked for at the rate that was tried first, if the budget does not pay it.
    pub hashes_per_share_before: Option<f64>,
    /// Hashes a second that the fleet needs for all shares that it is asked for.
    pub needed: f64,
}

impl Price {
    /// The part of the shares asked for that the budget pays, at most 1.
    pub fn affordable(&self, hash_budget: f64) -> f64 {
        (hash_budget / self.needed).min(1.0)
    }
}

/// Why a pool cannot be loaded.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// No TCP connection.
    #[error("no TCP connection: {0}")]
    Unconnected(String),
    /// It broke, or nothing came.
    #[error("{doing}: {why}")]
    Broken {
        /// What was tried.
        doing: &'static str,
        /// What happened.
        why: String,
    },
    /// The handshake, or a frame.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A line of Stratum V1, or none.
    #[error(transparent)]
    Line(#[from] Sv1Error),
    /// A message that cannot be read.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The pool says no.
    #[error("{0}")]
    Refused(String),
}

impl ProbeError {
    /// Whether there is a pool that answers, only not as wished.
    pub fn is_refusal(&self) -> bool {
        matches!(self, ProbeError::Refused(_))
    }
}

/// Opens channels until a share is cheap enough for the budget, or until the pool's easiest
/// target is known.
///
/// # Errors
/// [`ProbeError`].
pub async fn probe(config: &LoadConfig) -> Result<Price, ProbeError> {
    if config.channel == FleetChannel::Sv1 {
        return sv1_probe::probe(config).await;
    }
    let mut pool = Probe::connect(config).await?;
    pool.set_up(config).await?;
    let shares_per_second = config.shares_per_second();
    let (cheap, first) = claim(config);
    let hashes = pool.open(config, 1, first).await?.expected_hashes();
    let price = |nominal_hash_rate: f32, hashes_per_share: f64| Price {
        nominal_hash_rate,
        hashes_per_share,
        hashes_per_share_before: (hashes * shares_per_second > config.hash_budget)
            .then_some(hashes),
        needed: hashes_per_share * shares_per_second,
    };
    if hashes <= cheap {
        return Ok(price(first, hashes));
    }
    // The pool wants fewer shares from a device than we send: claim less.
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let second = (f64::from(first) * cheap / hashes).max(HASH_RATE_MIN) as f32;
    let fewer = pool.open(config, 2, second).await?.expected_hashes();
    Ok(price(second, fewer))
}

/// Hashes that a share should cost, and the hash rate to claim for it.
pub(super) fn claim(config: &LoadConfig) -> (f64, f32) {
    let affordable = config.hash_budget / config.shares_per_second() * MARGIN;
    let cheap = affordable.clamp(1.0, HASHES_PER_SHARE);
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let hash_rate = (cheap * config.shares_per_minute / 60.0) as f32;
    (cheap, hash_rate)
}

/// A TCP connection to the pool.
pub(super) async fn connect(pool: &PeerAddress) -> Result<TcpStream, ProbeError> {
    let connecting = TcpStream::connect((pool.host.as_str(), pool.port));
    timeout(PATIENCE, connecting)
        .await
        .map_err(|_| ProbeError::Unconnected(no_answer()))?
        .map_err(|error| ProbeError::Unconnected(driver::named(&error)))
}

struct Probe {
    socket: TcpStream,
    connection: Connection,
    input: BytesMut,
}

impl Probe {
    async fn connect(config: &LoadConfig) -> Result<Probe, ProbeError> {
        let pool = &config.pool;
        let socket = connect(pool).await?;
        let mut act_1 = Vec::new();
        let connection = Connection::initiator(
            ConnectionConfig::default(),
            InitiatorSecurity::Noise { suite: CipherSuite::default(), authority: pool.authority },
            Clock::of_process().now(),
            &mut sv2_net::entropy::from_system(),
            &mut act_1,
        );
        let mut probe = Probe { socket, connection, input: BytesMut::new() };
        probe.write(&act_1, HANDSHAKE).await?;
        match probe.next(HANDSHAKE).await? {
            Received::Established { .. } => {
                config.log_keys(&probe.connection);
                Ok(probe)
            }
            Received::Frame(_) => unreachable!("frames come after `Established`"),
        }
    }

    async fn set_up(&mut self, config: &LoadConfig) -> Result<(), ProbeError> {
        self.send(config.setup_connection().into(), SET_UP).await?;
        match self.message(SET_UP).await? {
            Message::SetupConnectionSuccess(_) => Ok(()),
            Message::SetupConnectionError(answer) => {
                let code = answer.error_code.as_slice().escape_ascii();
                Err(ProbeError::Refused(format!(
                    "SetupConnection.Error {code}, flags {:#x}",
                    answer.flags
                )))
            }
            other => Err(ProbeError::Refused(format!("{} answers SetupConnection", other.name()))),
        }
    }

    /// The target of a channel that claims this hash rate.
    async fn open(
        &mut self,
        config: &LoadConfig,
        request_id: u32,
        hash_rate: f32,
    ) -> Result<Target, ProbeError> {
        self.send(config.open_channel(request_id, 0, hash_rate), OPENING).await?;
        // The first channel's jobs come in between.
        for _ in 0..MESSAGES_MAX {
            match self.message(OPENING).await? {
                Message::OpenStandardMiningChannelSuccess(answer) => return Ok(answer.target),
                Message::OpenExtendedMiningChannelSuccess(answer) => return Ok(answer.target),
                Message::OpenMiningChannelError(answer) => {
                    let code = answer.error_code.as_slice().escape_ascii();
                    return Err(ProbeError::Refused(format!("OpenMiningChannel.Error {code}")));
                }
                _ => {}
            }
        }
        Err(ProbeError::Refused(format!("no channel among {MESSAGES_MAX} messages")))
    }

    async fn send(&mut self, message: Message, doing: &'static str) -> Result<(), ProbeError> {
        let mut bytes = Vec::new();
        self.connection.send_message(&message, &Tlvs::NONE, &mut bytes)?;
        self.write(&bytes, doing).await
    }

    async fn write(&mut self, bytes: &[u8], doing: &'static str) -> Result<(), ProbeError> {
        let written = timeout(PATIENCE, self.socket.write_all(bytes)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ProbeError::Broken { doing, why: driver::named(&error) }),
            Err(_) => Err(ProbeError::Broken { doing, why: no_answer() }),
        }
    }

    /// The next message that is known.
    async fn message(&mut self, doing: &'static str) -> Result<Message, ProbeError> {
        loop {
            let Received::Frame(frame) = self.next(doing).await? else { continue };
            match Message::decode(&frame) {
                Ok(decoded) => return Ok(decoded.message),
                Err(DecodeError::Unknown { .. }) => {}
                Err(error @ DecodeError::Malformed { .. }) => return Err(error.into()),
            }
        }
    }

    async fn next(&mut self, doing: &'static str) -> Result<Received, ProbeError> {
        let broken = |why: String| ProbeError::Broken { doing, why };
        let mut out = Vec::new();
        loop {
            let now = Clock::of_process().now();
            if let Some(received) = self.connection.receive(now, &mut self.input, &mut out)? {
                return Ok(received);
            }
            let reading = timeout(PATIENCE, self.socket.read_buf(&mut self.input));
            match reading.await {
                Ok(Ok(0)) => {
                    self.connection.end(&self.input)?;
                    return Err(broken("closed by the peer".to_owned()));
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(broken(driver::named(&error))),
                Err(_) => return Err(broken(no_answer())),
            }
        }
    }
}

pub(super) fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

const HANDSHAKE: &str = "the Noise handshake";
const SET_UP: &str = "SetupConnection";
const OPENING: &str = "the request for a channel";

/// For each step.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A share should cost no more, however many hashes there are: what is loaded is the pool.
const HASHES_PER_SHARE: f64 = 64.0;
/// The part of the budget that is planned with: luck varies.
const MARGIN: f64 = 0.8;
/// Pools need not take smaller claims, in hashes per second.
const HASH_RATE_MIN: f64 = 1e-3;
/// Messages that may come before the answer to a request for a channel.
pub(super) const MESSAGES_MAX: usize = 1_000;
