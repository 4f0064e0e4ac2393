//! The translator: devices that speak Stratum V1, on extended channels of a mining server that
//! speaks SV2 (spec 5.2, 5.2.2).
//!
//! Devices are judged here ([`device`]), with difficulties of their own; what meets the
//! upstream's target goes up. A device hears of nothing that happens upstream but work: where
//! the upstream sends us elsewhere, or fails and the next one is tried, devices stay, and are
//! given other extranonces with their next job. Those that cannot be told of other extranonces
//! are disconnected, and come back.
//!
//! Every line that submits a share is answered once and told once, as accepted or rejected;
//! every accepted one is told once more: sent up, filtered (it misses the upstream's target) or
//! lost (there is no upstream for it).

mod budget;
mod config;
mod demand;
mod device;
mod extensions;
mod lane;
mod login;
mod pace;
mod shares;
mod upstream;
mod work;

use std::collections::BTreeMap;

pub use config::{
    BIP320_MASK, DifficultySteps, TranslatorConfig, TranslatorConfigError, TranslatorMode,
};

use self::budget::Budget;
use self::device::{Device, Phase, Subscription};
use self::lane::{Lane, LaneId};
use self::upstream::Upstream;
use crate::entropy::Entropy;
use crate::event::Event;
use crate::role::{CloseReason, ConnectionId, Input, Outbox, Role, Via};
use crate::sv1::Sv1Error;
use crate::time::{Instant, Now};
use crate::timers::Timers;

/// A translator as a pure state machine.
#[derive(Debug)]
pub struct Translator {
    config: TranslatorConfig,
    entropy: Entropy,
    upstream: Upstream,
    /// By whom they are for.
    lanes: BTreeMap<LaneId, Lane>,
    /// By [`ConnectionId`]: the driver hands out small numbers.
    devices: Vec<Option<Box<Device>>>,
    device_count: usize,
    timers: Timers<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Vardiff,
    /// Until a device has subscribed and authorized.
    Login(ConnectionId),
    /// Until its channel is opened whether or not its name is known.
    Name(ConnectionId),
    KeepAlive(ConnectionId),
    /// Until the upstream has answered the opening of a channel.
    Answer(LaneId),
    /// Of the hash rate.
    Update(LaneId),
    /// Until the upstream has answered `RequestExtensions`.
    Extensions,
    /// Until the upstream has said anything.
    Silence,
}

impl Translator {
    /// A translator that has no upstream yet. It wants to be woken at once, to dial the first.
    ///
    /// # Panics
    /// If the configuration is one with which no translator can work
    /// ([`TranslatorConfig::check`]).
    pub fn new(config: TranslatorConfig, entropy: Entropy) -> Self {
        if let Err(error) = config.check() {
            panic!("a configuration is checked before it is used: {error}");
        }
        let upstream = Upstream::new(&config);
        let mut lanes = BTreeMap::new();
        if config.mode == TranslatorMode::Aggregated {
            let budget = budget(&config);
            lanes.insert(LaneId::Shared, Lane::new(config.user_identity.clone(), budget));
        }
        Translator {
            config,
            entropy,
            upstream,
            lanes,
            devices: Vec::new(),
            device_count: 0,
            timers: Timers::new(),
        }
    }

    fn start(&mut self, now: Now, out: &mut Outbox) {
        self.upstream.uplink.dial(out);
        if let Some(algorithm) = self.config.vardiff {
            self.timers.set(Timer::Vardiff, now.instant + algorithm.interval());
        }
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let uplink = &mut self.upstream.uplink;
        match input {
            Input::Line { connection, line } => self.handle_line(now, connection, &line, out),
            Input::Received { connection, message, .. } if uplink.is(connection) => {
                self.handle_upstream_message(now, connection, message, out);
            }
            Input::Connected { connection, via: Via::Dial(dial) } => {
                uplink.handle_connected(now, dial, connection, out);
            }
            Input::Connected { connection, via: Via::Listener(_) } => {
                self.handle_connected(now, connection, out);
            }
            Input::DialFailed { dial, reason: _ } => {
                uplink.handle_dial_failed(now, dial);
            }
            Input::Undecodable { connection, frame: _, error } if uplink.is(connection) => {
                uplink.handle_undecodable(connection, error, out);
            }
            Input::Closed { connection, reason } if uplink.is(connection) => {
                uplink.handle_closed(now, connection, reason, out);
                self.handle_upstream_lost(out);
            }
            Input::Closed { connection, reason } => {
                self.handle_device_closed(connection, reason, out);
            }
            Input::Command(command) => command.refuse(out),
            Input::Woken => {
                uplink.handle_woken(now, out);
                self.handle_woken(now, out);
            }
            // A device has no frames, and news of a chain come through the upstream.
            Input::Received { .. }
            | Input::Undecodable { .. }
            | Input::Answer { .. }
            | Input::Chain(_) => {}
        }
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Vardiff => self.adjust_difficulties(now, out),
                Timer::Login(connection) => {
                    let seconds = self.config.login_timeout.as_secs();
                    let reason = CloseReason::Sv1(Sv1Error::NotAuthorized { seconds });
                    self.close_device(connection, reason, out);
                }
                Timer::Name(connection) => self.open_lane(now, LaneId::Of(connection), out),
                Timer::KeepAlive(connection) => self.keep_alive(now, connection, out),
                Timer::Answer(_) => {
                    self.upstream.uplink.close(CloseReason::Unanswered("a request"), out);
                }
                Timer::Update(lane) => self.update_channel(now, lane, out),
                Timer::Extensions => self.go_on_without_extensions(now, out),
                Timer::Silence => {
                    self.upstream.uplink.close(CloseReason::Unanswered("a share"), out);
                }
            }
        }
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        if self.device_count >= self.config.devices_max {
            return out.close(connection, CloseReason::Limit("devices"));
        }
        let index = connection.0 as usize;
        if self.devices.len() <= index {
            self.devices.resize_with(index + 1, || None);
        }
        let lane = match self.config.mode {
            TranslatorMode::Aggregated => LaneId::Shared,
            TranslatorMode::ChannelPerDevice => LaneId::Of(connection),
        };
        let seeds = (self.entropy.u32(), self.entropy.u64());
        let device = Device::new(now.instant, lane, seeds, &self.config);
        self.devices[index] = Some(Box::new(device));
        self.device_count += 1;
        self.timers.set(Timer::Login(connection), now.instant + self.config.login_timeout);
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close_device(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        if device.phase != Phase::Closing {
            device.phase = Phase::Closing;
            self.release(connection, out);
            out.close(connection, reason);
        }
    }

    fn handle_device_closed(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Outbox,
    ) {
        if slot(&mut self.devices, connection).is_none() {
            return;
        }
        self.release(connection, out);
        self.devices[connection.0 as usize] = None;
        self.device_count -= 1;
        out.tell(Event::ConnectionClosed { connection, reason });
    }

    /// Ends everything that a device holds.
    fn release(&mut self, connection: ConnectionId, out: &mut Outbox) {
        for timer in [Timer::Login, Timer::Name, Timer::KeepAlive] {
            self.timers.cancel(timer(connection));
        }
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let (lane, index) = (device.lane, device.index.take());
        let was_open = device.subscription == Subscription::Done;
        device.subscription = Subscription::None;
        if was_open {
            out.tell(Event::ChannelClosed { connection, channel_id: DEVICE_CHANNEL });
        }
        self.leave_lane(lane, connection, index, out);
    }

    fn handle_upstream_lost(&mut self, out: &mut Outbox) {
        self.timers.cancel(Timer::Silence);
        self.timers.cancel(Timer::Extensions);
        for lane in self.lanes.keys() {
            self.timers.cancel(Timer::Answer(*lane));
            self.timers.cancel(Timer::Update(*lane));
        }
        let lost = self.upstream.end(&mut self.lanes);
        if lost > 0 {
            out.tell(Event::SharesLost { count: lost });
        }
    }
}

impl Role for Translator {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.upstream.uplink.is_started() {
            self.start(now, out);
        }
        self.take(now, input, out);
        self.watch_answers(now, out);
    }

    fn wake_at(&self) -> Option<Instant> {
        [self.upstream.uplink.wake_at(), self.timers.earliest()].into_iter().flatten().min()
    }
}

fn slot(devices: &mut [Option<Box<Device>>], connection: ConnectionId) -> Option<&mut Device> {
    devices.get_mut(connection.0 as usize)?.as_deref_mut()
}

/// Of each channel at the upstream.
fn budget(config: &TranslatorConfig) -> Budget {
    let index_len = match config.mode {
        TranslatorMode::Aggregated => config.extranonce_index_len,
        TranslatorMode::ChannelPerDevice => 0,
    };
    Budget { index_len: index_len.into(), extranonce2_len: config.extranonce2_len.into() }
}

/// What the one channel of a device is called in events: a connection of Stratum V1 has no ids.
const DEVICE_CHANNEL: u32 = 1;

#[cfg(test)]
mod tests;
