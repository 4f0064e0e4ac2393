//! What a share costs at a pool that speaks Stratum V1: the difficulty of the first job.

use bytes::BytesMut;
use sv2::sv1::lines::LineConfig;
use sv2::sv1::{Call, Difficulty, Id, LineSplitter, Message, Outcome, Response};
use sv2::wire::Target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::LoadConfig;
use super::driver;
use super::probe::{self, MESSAGES_MAX, PATIENCE, Price, ProbeError};
use super::sv1_calls::{self, id};
use super::sv1_line::said;

/// Suggests the difficulty that the budget pays, and waits for the first job.
pub(super) async fn probe(config: &LoadConfig) -> Result<Price, ProbeError> {
    let (_, hash_rate) = probe::claim(config);
    let mut pool = Probe::connect(config).await?;
    pool.send(&sv1_calls::subscribe(), SUBSCRIBE).await?;
    let subscribed = pool.answer(id::SUBSCRIBE, SUBSCRIBE).await?;
    if !matches!(subscribed, Outcome::Subscribed(_)) {
        return Err(refused(SUBSCRIBE, &subscribed));
    }
    pool.send(&sv1_calls::suggest_difficulty(config, hash_rate), AUTHORIZE).await?;
    pool.send(&sv1_calls::authorize(config, 0), AUTHORIZE).await?;
    let authorized = pool.answer(id::AUTHORIZE, AUTHORIZE).await?;
    if !authorized.is_yes() {
        return Err(refused(AUTHORIZE, &authorized));
    }
    let hashes_per_share = pool.job().await?.expected_hashes();
    Ok(Price {
        nominal_hash_rate: hash_rate,
        hashes_per_share,
        // Nothing makes a pool of Stratum V1 go below what it gives after a suggestion.
        hashes_per_share_before: None,
        needed: hashes_per_share * config.shares_per_second(),
    })
}

struct Probe {
    socket: TcpStream,
    splitter: LineSplitter,
    input: BytesMut,
    /// The last that the pool has set; 1 until it does, as devices take it.
    difficulty: Difficulty,
    /// The difficulty of the first job, if one has come.
    of_job: Option<Difficulty>,
}

impl Probe {
    async fn connect(config: &LoadConfig) -> Result<Probe, ProbeError> {
        Ok(Probe {
            socket: probe::connect(&config.pool).await?,
            splitter: LineSplitter::new(LineConfig::DIALLED_LEN_MAX),
            input: BytesMut::new(),
            difficulty: Difficulty::ONE,
            of_job: None,
        })
    }

    async fn send(&mut self, message: &Message, doing: &'static str) -> Result<(), ProbeError> {
        let line = [&message.to_line()[..], b"\n"].concat();
        let deadline = Instant::now() + PATIENCE;
        match timeout_at(deadline, self.socket.write_all(&line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ProbeError::Broken { doing, why: driver::named(&error) }),
            Err(_) => Err(ProbeError::Broken { doing, why: probe::no_answer() }),
        }
    }

    /// What came of the call with that id.
    async fn answer(&mut self, id: u64, doing: &'static str) -> Result<Outcome, ProbeError> {
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..MESSAGES_MAX {
            match self.next(deadline, doing).await? {
                Some(Response { id: Id::Number(answered), outcome }) if answered == id => {
                    return Ok(outcome);
                }
                _ => {}
            }
        }
        Err(ProbeError::Refused(format!("no answer to {doing} among {MESSAGES_MAX} lines")))
    }

    /// The target of the first job.
    async fn job(&mut self) -> Result<Target, ProbeError> {
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..MESSAGES_MAX {
            match self.of_job {
                Some(difficulty) => return Ok(difficulty.target()),
                None => _ = self.next(deadline, JOB).await?,
            }
        }
        Err(ProbeError::Refused(format!("no job among {MESSAGES_MAX} lines")))
    }

    /// The next line, if it is an answer; of others, what prices a share is kept.
    async fn next(
        &mut self,
        deadline: Instant,
        doing: &'static str,
    ) -> Result<Option<Response>, ProbeError> {
        let line = self.line(deadline, doing).await?;
        match Message::parse(&line).map_err(sv2::sv1::Sv1Error::from)? {
            Message::Call { call: Call::SetDifficulty(difficulty), .. } => {
                self.difficulty = difficulty;
                Ok(None)
            }
            Message::Call { call: Call::Notify(_), .. } => {
                self.of_job = Some(self.difficulty);
                Ok(None)
            }
            Message::Call { .. } => Ok(None),
            Message::Response(response) => Ok(Some(response)),
        }
    }

    async fn line(
        &mut self,
        deadline: Instant,
        doing: &'static str,
    ) -> Result<bytes::Bytes, ProbeError> {
        let broken = |why: String| ProbeError::Broken { doing, why };
        loop {
            if let Some(line) = self.splitter.next_line(&mut self.input)? {
                return Ok(line);
            }
            match timeout_at(deadline, self.socket.read_buf(&mut self.input)).await {
                Ok(Ok(0)) => {
                    self.splitter.end(&self.input)?;
                    return Err(broken("closed by the peer".to_owned()));
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(broken(driver::named(&error))),
                Err(_) => return Err(broken(probe::no_answer())),
            }
        }
    }
}

fn refused(call: &str, outcome: &Outcome) -> ProbeError {
    ProbeError::Refused(format!("{call} is answered with {}", said(outcome)))
}

const SUBSCRIBE: &str = "mining.subscribe";
const AUTHORIZE: &str = "mining.authorize";
const JOB: &str = "the first job";
