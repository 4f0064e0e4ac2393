//! Clients and an upstream, all played by the test.

mod channels;
mod jobs;
mod limits;
mod setup;
mod shares;

use std::time::Duration;

use super::*;
use crate::common::{SetupConnection, SetupConnectionSuccess};
use crate::extensions::RequestExtensionsError;
use crate::mining::{
    OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess, OpenStandardMiningChannel,
    OpenStandardMiningChannelSuccess,
};
use crate::role::PeerAddress;
use crate::time::UnixTime;
use crate::wire::{B32, Seq64K, Target};

/// The upstream connection of those who ask for nothing.
const UP: ConnectionId = ConnectionId(9);
/// Another, of those who select work.
const UP_WORK: ConnectionId = ConnectionId(10);
/// Reads groups.
const ALICE: ConnectionId = ConnectionId(0);
/// Requires standard jobs.
const BOB: ConnectionId = ConnectionId(1);
const CAROL: ConnectionId = ConnectionId(2);
/// Of the upstream's channels.
const GROUP: u32 = 7;
const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    proxy: Transparent,
    now: Now,
    out: Outbox,
}

impl Bench {
    fn new(config: MiningProxyConfig) -> Self {
        let peer = |port| PeerAddress { host: "pool".to_owned(), port, authority: None };
        let config = MiningProxyConfig { upstreams: vec![peer(0), peer(1)], ..config };
        let now = Now { instant: Instant(1), unix: UnixTime(1_700_000_000) };
        Bench { proxy: Transparent::new(config), now, out: Outbox::new() }
    }

    /// Alice and Bob are set up, and so is the upstream, which agrees on no extension.
    fn ready() -> Self {
        let mut bench = Bench::new(MiningProxyConfig::default());
        bench.connect(ALICE, 0);
        bench.connect(BOB, REQUIRES_STANDARD_JOBS);
        bench.upstream(UP, 0);
        bench
    }

    /// Alice has channel 11, Bob 12 and 13, all in one group.
    fn open() -> Self {
        let mut bench = Bench::ready();
        bench.open_standard(ALICE, 1, 11);
        bench.open_standard(BOB, 1, 12);
        bench.open_standard(BOB, 2, 13);
        bench
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.proxy.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    fn receive(&mut self, connection: ConnectionId, message: impl Into<Message>) -> Vec<Output> {
        let (message, tlvs) = (message.into(), Tlvs::NONE);
        self.handle(Input::Received { connection, message, tlvs, original: None })
    }

    /// What is sent because of a message, and to whom.
    fn say(
        &mut self,
        connection: ConnectionId,
        message: impl Into<Message>,
    ) -> Vec<(ConnectionId, Message)> {
        sent(self.receive(connection, message))
    }

    /// Lets time pass, and wakes the proxy as often as it wants to be.
    fn pass(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now.instant + time;
        let mut outputs = Vec::new();
        while let Some(at) = self.proxy.wake_at().filter(|at| *at <= end) {
            self.now = self.now.after(at.since(self.now.instant));
            outputs.extend(self.handle(Input::Woken));
        }
        self.now = self.now.after(end.since(self.now.instant));
        outputs
    }

    fn connect(&mut self, connection: ConnectionId, flags: u32) -> Vec<Output> {
        self.handle(Input::Connected { connection, via: Via::Listener(0) });
        self.receive(connection, setup(flags))
    }

    /// The dial that is under way leads to a connection, whose set-up succeeds, and which agrees
    /// on no extension.
    fn upstream(&mut self, connection: ConnectionId, flags: u32) -> Vec<Output> {
        let mut outputs = self.upstream_before_extensions(connection, flags);
        for request_id in [1, 2] {
            outputs.extend(self.receive(connection, no_extensions(request_id)));
        }
        outputs
    }

    fn upstream_before_extensions(&mut self, connection: ConnectionId, flags: u32) -> Vec<Output> {
        let lane = usize::from(connection == UP_WORK);
        let dial = DialId(u32::try_from(lane).unwrap());
        self.handle(Input::Connected { connection, via: Via::Dial(dial) });
        self.receive(connection, SetupConnectionSuccess { used_version: 2, flags })
    }

    /// Returns what the client is told.
    fn open_standard(&mut self, client: ConnectionId, request_id: u32, id: u32) -> Message {
        let asked = self.say(client, standard(request_id));
        let [(UP, Message::OpenStandardMiningChannel(request))] = &asked[..] else {
            panic!("{asked:?}");
        };
        let told = self.say(UP, standard_success(request.request_id, id));
        let [(connection, message)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(*connection, client);
        message.clone()
    }

    fn open_extended(&mut self, client: ConnectionId, request_id: u32, id: u32) {
        let asked = self.say(client, extended(request_id));
        let [(up, Message::OpenExtendedMiningChannel(request))] = &asked[..] else {
            panic!("{asked:?}");
        };
        let (up, request_id) = (*up, request.request_id);
        self.say(up, extended_success(request_id, id, 8));
    }
}

fn no_extensions(request_id: u16) -> RequestExtensionsError {
    RequestExtensionsError {
        request_id,
        unsupported_extensions: Seq64K::default(),
        required_extensions: Seq64K::default(),
    }
}

fn setup(flags: u32) -> SetupConnection {
    SetupConnection { min_version: 2, max_version: 2, flags, ..SetupConnection::default() }
}

fn standard(request_id: u32) -> OpenStandardMiningChannel {
    OpenStandardMiningChannel { request_id, max_target: Target::MAX, ..Default::default() }
}

fn extended(request_id: u32) -> OpenExtendedMiningChannel {
    OpenExtendedMiningChannel {
        request_id,
        max_target: Target::MAX,
        min_extranonce_size: 8,
        ..Default::default()
    }
}

/// As long as those of extended channels, with what these roll.
fn prefix(id: u32) -> B32 {
    B32::new(&[u8::try_from(id).unwrap(); 12]).unwrap()
}

fn standard_success(request_id: u32, channel_id: u32) -> OpenStandardMiningChannelSuccess {
    OpenStandardMiningChannelSuccess {
        request_id,
        channel_id,
        target: Target::MAX,
        extranonce_prefix: prefix(channel_id),
        group_channel_id: GROUP,
    }
}

fn extended_success(
    request_id: u32,
    channel_id: u32,
    extranonce_size: u16,
) -> OpenExtendedMiningChannelSuccess {
    OpenExtendedMiningChannelSuccess {
        request_id,
        channel_id,
        target: Target::MAX,
        extranonce_size,
        extranonce_prefix: B32::new(&prefix(channel_id).as_slice()[..4]).unwrap(),
        group_channel_id: GROUP,
    }
}

fn sent(outputs: Vec<Output>) -> Vec<(ConnectionId, Message)> {
    let sent = outputs.into_iter().filter_map(|output| match output {
        Output::Send { connection, message, .. } => Some((connection, message)),
        _ => None,
    });
    sent.collect()
}

fn closed(outputs: &[Output]) -> Vec<(ConnectionId, CloseReason)> {
    let closed = outputs.iter().filter_map(|output| match output {
        Output::Close { connection, reason } => Some((*connection, reason.clone())),
        _ => None,
    });
    closed.collect()
}

fn code(text: &'static str) -> Str255 {
    Str255::from_static(text)
}
