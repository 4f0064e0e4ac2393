//! Rules about targets and hash rates: 16, 17, 36 (spec 5.3.2 to 5.3.7, 5.3.21).

use sv2::message::Message;
use sv2::wire::{Target, U256};

use super::Severity::{Error, Note, Warning};
use super::scene::{Findings, Said};
use crate::state::channel::Channel;
use crate::state::request::{Detail, RequestKind};
use crate::text::{difficulty, scaled, seconds};

/// How long after an `UpdateChannel` a target for the older one may arrive, in nanoseconds.
const UPDATE_RACE: u64 = 2_000_000_000;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    match said.message {
        Message::OpenStandardMiningChannel(message) => {
            check_asked(said, out, message.max_target);
        }
        Message::OpenExtendedMiningChannel(message) => {
            check_asked(said, out, message.max_target);
        }
        Message::UpdateChannel(message) => check_asked(said, out, message.maximum_target),
        Message::OpenStandardMiningChannelSuccess(message) => {
            check_opened(said, out, message.request_id, message.target);
        }
        Message::OpenExtendedMiningChannelSuccess(message) => {
            check_opened(said, out, message.request_id, message.target);
        }
        Message::SetTarget(message) => {
            let (id, target) = (message.channel_id, message.maximum_target);
            let connection = said.scene.connection;
            if let Some(channel) = connection.channels.get(&id) {
                check_set(said, out, id, channel, target, Error);
            } else {
                // AMB-50: whether a target for the group may pass one member's wish.
                let members = connection.members(id).take(MEMBERS_CHECKED_MAX);
                for (id, channel) in members {
                    check_set(said, out, id, channel, target, Warning);
                }
            }
        }
        _ => {}
    }
}

fn check_asked(said: &Said<'_>, out: &mut Findings<'_>, target: Target) {
    if target.0 == U256::ZERO {
        out.tell(said.scene, 16, Error, || "a target of zero is asked for".to_owned());
    }
}

fn check_opened(said: &Said<'_>, out: &mut Findings<'_>, request_id: u32, target: Target) {
    let scene = said.scene;
    let pending = scene.connection.requests.pending(RequestKind::OpenChannel, request_id.into());
    let request = pending.and_then(|pending| match &pending.detail {
        Detail::Open(request) => Some((pending.sent, request)),
        _ => None,
    });
    let rate = request.map_or(0.0, |(_, request)| f64::from(request.nominal_hash_rate));
    if is_implausible(said, out, target, rate) {
        return;
    }
    let Some((asked, request)) = request else { return };
    if target > request.max_target {
        out.tell(scene, 16, Error, || {
            let (given, asked) = (difficulty(&target), difficulty(&request.max_target));
            format!("a target of difficulty {given}, easier than the {asked} asked for")
        })
        .cause(asked.number);
    }
    if rate.is_finite() && rate > 0.0 {
        check_price(said, out, target.expected_hashes() / rate, rate);
    }
}

/// How long the claimed hash rate takes for a share.
fn check_price(said: &Said<'_>, out: &mut Findings<'_>, price: f64, rate: f64) {
    let severity = match price {
        p if p > PRICE_HIGH => Warning,
        p if p < PRICE_LOW => Note,
        _ => return,
    };
    out.tell(said.scene, 36, severity, || {
        let (price, rate) = (seconds(price), scaled(rate));
        format!("at the claimed {rate}H/s a share takes {price} on average")
    });
}

/// Zero, or what makes sense only when it is read from the other end. True if so.
fn is_implausible(said: &Said<'_>, out: &mut Findings<'_>, target: Target, rate: f64) -> bool {
    if target.0 == U256::ZERO {
        out.tell(said.scene, 16, Error, || "a target of zero: no hash meets it".to_owned());
        return true;
    }
    let mut bytes = target.0.to_be_bytes();
    bytes.reverse();
    let reversed = Target(U256::from_be_bytes(bytes));
    let is_reversed = if rate.is_finite() && rate > 0.0 {
        let price = |target: Target| target.expected_hashes() / rate;
        !POSSIBLE.contains(&price(target)) && USUAL.contains(&price(reversed))
    } else {
        // Without a claim, only what no network's difficulty comes near.
        target.difficulty() > DIFFICULTY_ABSURD && reversed.difficulty() < DIFFICULTY_ABSURD
    };
    if is_reversed {
        out.tell(said.scene, 16, Error, || {
            let (given, reversed) = (difficulty(&target), difficulty(&reversed));
            format!(
                "a target of difficulty {given} makes no sense; with its bytes reversed it is \
                 {reversed}: big-endian instead of little-endian?"
            )
        });
    }
    is_reversed
}

fn check_set(
    said: &Said<'_>,
    out: &mut Findings<'_>,
    id: u32,
    channel: &Channel,
    target: Target,
    severity: super::Severity,
) {
    let scene = said.scene;
    if is_implausible(said, out, target, f64::from(channel.nominal_hashrate)) {
        return;
    }
    let is_race = scene.mark().since(channel.max_target_asked) < UPDATE_RACE
        && channel.max_target_asked != channel.opened;
    if let Some(max) = channel.requested_max_target.filter(|max| target > *max && !is_race) {
        out.tell(scene, 16, severity, || {
            let (given, asked) = (difficulty(&target), difficulty(&max));
            format!("a target of difficulty {given}, easier than the {asked} asked for")
        })
        .cause(channel.max_target_asked.number)
        .channel(id);
    }
    check_settling(said, out, id, channel, target);
}

/// Up and down by more than four times within six targets.
fn check_settling(
    said: &Said<'_>,
    out: &mut Findings<'_>,
    id: u32,
    channel: &Channel,
    target: Target,
) {
    let last = channel.targets(&said.scene.connection.groups).into_iter().rev();
    let mut targets: Vec<f64> =
        last.take(SETTLING_TARGETS).map(|(_, target)| target.expected_hashes()).collect();
    if targets.len() < SETTLING_TARGETS {
        return;
    }
    targets.reverse();
    targets.push(target.expected_hashes());
    let steps: Vec<f64> = targets.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let turns = steps.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count();
    let (min, max) = targets
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(min, max), cost| (min.min(*cost), max.max(*cost)));
    if turns >= SETTLING_TURNS && max > 4.0 * min {
        out.tell_once(said.scene, (17, id.into()), Warning, || {
            let factor = scaled(max / min);
            format!("the target swings: {turns} turns in the last six, by {factor} times")
        })
        .channel(id);
    }
}

/// Seconds for a share that no one asks for, either way.
const POSSIBLE: std::ops::Range<f64> = 1e-5..1e8;
/// Seconds for a share that pools aim at, generously.
const USUAL: std::ops::Range<f64> = 1e-2..1e5;
/// Ten thousand times the difficulty of the network.
const DIFFICULTY_ABSURD: f64 = 1e18;
/// Seconds for a share above which nobody sees whether a device works.
const PRICE_HIGH: f64 = 1800.0;
/// Seconds for a share below which shares are a flood.
const PRICE_LOW: f64 = 1e-3;
const SETTLING_TARGETS: usize = 5;
const SETTLING_TURNS: usize = 4;
/// Members of a group that one target is checked against.
const MEMBERS_CHECKED_MAX: usize = 64;
