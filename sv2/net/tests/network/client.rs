//! A miner as small as it can be: one standard channel, and nothing done before it is asked for,
//! so that each step of a thousand of them can be timed.

use bytes::BytesMut;
use libtest_mimic::Failed;
use sv2::common::{PROTOCOL_VERSION, Protocol, SetupConnection};
use sv2::connection::{Connection, ConnectionConfig, InitiatorSecurity, Received};
use sv2::message::Message;
use sv2::mining::header::Header;
use sv2::mining::{
    NewMiningJob, OpenStandardMiningChannel, SetNewPrevHash, SubmitSharesStandard, setup_flag,
};
use sv2::noise::CipherSuite;
use sv2::role::PeerAddress;
use sv2::wire::{Str255, Target, Tlvs};
use sv2_net::clock::Clock;
use sv2_net::entropy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is past its handshake.
pub(crate) struct Client {
    socket: TcpStream,
    connection: Connection,
    input: BytesMut,
    work: Option<Work>,
}

/// What there is to be hashed.
struct Work {
    channel_id: u32,
    target: Target,
    header: Header,
    job_id: u32,
    sequence_number: u32,
}

impl Client {
    /// Connects, and checks the pool's certificate.
    pub(crate) async fn connect(pool: &PeerAddress) -> Result<Client, Failed> {
        let socket = TcpStream::connect((pool.host.as_str(), pool.port)).await?;
        socket.set_nodelay(true)?;
        let mut act_1 = Vec::new();
        let connection = Connection::initiator(
            ConnectionConfig::default(),
            InitiatorSecurity::Noise { suite: CipherSuite::default(), authority: pool.authority },
            Clock::of_process().now(),
            &mut entropy::from_system(),
            &mut act_1,
        );
        let mut client = Client { socket, connection, input: BytesMut::new(), work: None };
        client.socket.write_all(&act_1).await?;
        match client.next().await? {
            Received::Established { .. } => Ok(client),
            Received::Frame(_) => Err("a frame before the end of the handshake".into()),
        }
    }

    /// Set-up, a channel, and its first job.
    pub(crate) async fn open_channel(&mut self, pool: &PeerAddress) -> Result<(), Failed> {
        let setup = SetupConnection {
            protocol: Protocol::Mining as u8,
            min_version: PROTOCOL_VERSION,
            max_version: PROTOCOL_VERSION,
            flags: setup_flag::REQUIRES_STANDARD_JOBS,
            endpoint_host: Str255::new(pool.host.clone().into_bytes())?,
            endpoint_port: pool.port,
            vendor: Str255::from_static("Assay"),
            hardware_version: Str255::from_static("test"),
            firmware: Str255::default(),
            device_id: Str255::default(),
        };
        let open = OpenStandardMiningChannel {
            request_id: 1,
            user_identity: Str255::from_static("assay.soak"),
            nominal_hash_rate: 1.0,
            max_target: Target::MAX,
        };
        self.send([setup.into(), open.into()]).await?;
        let (mut opened, mut jobs) = (None, Vec::<NewMiningJob>::new());
        loop {
            match self.message().await? {
                Message::SetupConnectionSuccess(_) => {}
                Message::OpenStandardMiningChannelSuccess(answer) => opened = Some(answer),
                Message::NewMiningJob(job) => jobs.push(job),
                Message::SetNewPrevHash(tip) => {
                    let answer = opened.take().ok_or("a tip before a channel")?;
                    let job = jobs.iter().find(|job| job.job_id == tip.job_id);
                    let job = job.ok_or("a tip without its job")?;
                    self.work = Some(Work {
                        channel_id: answer.channel_id,
                        target: answer.target,
                        header: header(job, &tip),
                        job_id: job.job_id,
                        sequence_number: 0,
                    });
                    return Ok(());
                }
                other => return Err(format!("{other:?} instead of a channel with a job").into()),
            }
        }
    }

    /// Hashes until there are so many shares; sends nothing.
    pub(crate) fn mine(&mut self, count: usize) -> Result<Vec<SubmitSharesStandard>, Failed> {
        let work = self.work.as_mut().ok_or("no channel is open")?;
        let mut shares = Vec::with_capacity(count);
        while shares.len() < count {
            if work.target.is_met_by(&work.header.hash()) {
                shares.push(SubmitSharesStandard {
                    channel_id: work.channel_id,
                    sequence_number: work.sequence_number,
                    job_id: work.job_id,
                    nonce: work.header.nonce,
                    ntime: work.header.ntime,
                    version: work.header.version,
                });
                work.sequence_number += 1;
            }
            work.header.nonce += 1;
        }
        Ok(shares)
    }

    /// Sends all shares at once, and waits until all are accepted.
    pub(crate) async fn submit(&mut self, shares: Vec<SubmitSharesStandard>) -> Result<(), Failed> {
        let last = shares.last().ok_or("nothing to submit")?.sequence_number;
        let mut left = u32::try_from(shares.len())?;
        self.send(shares.into_iter().map(Message::from)).await?;
        while left > 0 {
            match self.message().await? {
                Message::SubmitSharesSuccess(answer) => {
                    let accepted_count = answer.new_submits_accepted_count;
                    left = left.checked_sub(accepted_count).ok_or("more accepted than sent")?;
                    if (left == 0) != (answer.last_sequence_number == last) {
                        return Err(format!("{left} shares left after {answer:?}").into());
                    }
                }
                other => return Err(format!("{other:?} instead of an acknowledgement").into()),
            }
        }
        Ok(())
    }

    pub(crate) async fn send(
        &mut self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), Failed> {
        let mut bytes = Vec::new();
        for message in messages {
            self.connection.send_message(&message, &Tlvs::NONE, &mut bytes)?;
        }
        Ok(self.socket.write_all(&bytes).await?)
    }

    pub(crate) async fn message(&mut self) -> Result<Message, Failed> {
        match self.next().await? {
            Received::Frame(frame) => Ok(Message::decode(&frame)?.message),
            Received::Established { .. } => Err("established twice".into()),
        }
    }

    async fn next(&mut self) -> Result<Received, Failed> {
        loop {
            let now = Clock::of_process().now();
            let mut to_send = Vec::new();
            if let Some(received) = self.connection.receive(now, &mut self.input, &mut to_send)? {
                return Ok(received);
            }
            self.socket.write_all(&to_send).await?;
            if self.socket.read_buf(&mut self.input).await? == 0 {
                return Err("the pool has closed the connection".into());
            }
        }
    }
}

fn header(job: &NewMiningJob, tip: &SetNewPrevHash) -> Header {
    Header {
        version: job.version,
        prev_hash: tip.prev_hash,
        merkle_root: job.merkle_root,
        ntime: tip.min_ntime,
        nbits: tip.nbits,
        nonce: 0,
    }
}
