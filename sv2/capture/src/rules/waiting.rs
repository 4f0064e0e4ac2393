//! Rules about what does not happen: 8, 15, 17, 18, 23, 24, 30 look once a second.

use std::net::IpAddr;

use sv2::common::Protocol;
use sv2::mining::setup_flag::REQUIRES_WORK_SELECTION;

use super::Severity::{Note, Warning};
use super::scene::{Findings, Scene};
use crate::state::channel::Channel;
use crate::state::connection::SetupAnswered;
use crate::state::request::RequestKind;
use crate::text::{difficulty, duration, scaled};

/// How often a connection is looked at, in nanoseconds of the capture.
pub(super) const INTERVAL: u64 = 1_000_000_000;

/// What looking may cost on average.
pub(super) const STEPS_PER_OBSERVATION: usize = 8;

pub(super) fn check(scene: &Scene<'_>, out: &mut Findings<'_>) {
    if scene.connection.ended.is_some() {
        return;
    }
    check_refused_setup(scene, out);
    check_requests(scene, out);
    check_reconnect(scene, out);
    let has_jobs = scene.connection.client_flags() & REQUIRES_WORK_SELECTION == 0;
    let is_mining = scene.connection.protocol == Some(Protocol::Mining);
    for (id, channel) in scene.connection.channels.iter().filter(|_| is_mining) {
        let view = scene.connection.view(*id).expect("the channel is one of the connection's");
        if has_jobs && view.tip().is_none() && !view.has_work() {
            check_without_job(scene, out, *id, channel);
        }
        check_update(scene, out, *id, channel);
        check_silence(scene, out, *id, channel);
        check_verdicts(scene, out, *id, channel);
    }
}

fn check_refused_setup(scene: &Scene<'_>, out: &mut Findings<'_>) {
    let Some(SetupAnswered::Error { sent, .. }) = &scene.connection.answered else { return };
    let waited = scene.mark().since(*sent);
    if waited > PATIENCE_SETUP {
        out.tell_once(scene, (8, 1), Warning, || {
            format!("the connection was refused {} ago and is still open", duration(waited))
        })
        .cause(sent.number);
    }
}

fn check_requests(scene: &Scene<'_>, out: &mut Findings<'_>) {
    let now = scene.mark();
    for (kind, id, pending) in scene.connection.requests.all_pending() {
        let waited = now.since(pending.sent);
        let (rule, patience) = match kind {
            RequestKind::Setup => (8, PATIENCE_SETUP),
            _ => (24, PATIENCE_REQUEST),
        };
        if waited > patience {
            // Devices ask for what many pools do not know, and go on.
            let severity = if kind == RequestKind::Call { Note } else { Warning };
            let id = if kind == RequestKind::Call { id >> 1 } else { id };
            out.tell_once(scene, (rule, pending.sent.number << 8 | 2), severity, || {
                format!("{} {id} has no answer after {}", kind.name(), duration(waited))
            })
            .cause(pending.sent.number);
        }
    }
}

fn check_reconnect(scene: &Scene<'_>, out: &mut Findings<'_>) {
    let connection = scene.connection;
    let Some(asked) = connection.reconnect else { return };
    let waited = scene.mark().since(asked);
    if waited < PATIENCE_RECONNECT {
        return;
    }
    let client: IpAddr = connection.client.ip();
    let has_come = scene.state.last_arrival(client).is_some_and(|opened| opened > asked);
    if !has_come {
        out.tell_once(scene, (30, 1), Note, || {
            format!("no new connection of the client, {} after Reconnect", duration(waited))
        })
        .cause(asked.number);
    }
}

fn check_without_job(scene: &Scene<'_>, out: &mut Findings<'_>, id: u32, channel: &Channel) {
    let waited = scene.mark().since(channel.opened);
    if waited > PATIENCE_JOB {
        out.tell_once(scene, (15, id.into()), Warning, || {
            format!("no job {} after the channel was opened", duration(waited))
        })
        .cause(channel.opened.number)
        .channel(id);
    }
}

/// A smaller maximum_target has to be granted (spec 5.3.7).
fn check_update(scene: &Scene<'_>, out: &mut Findings<'_>, id: u32, channel: &Channel) {
    let Some(max) = channel.requested_max_target else { return };
    let asked = channel.max_target_asked;
    let (waited, target) = (scene.mark().since(asked), channel.target(&scene.connection.groups));
    if asked != channel.opened && target > max && waited > PATIENCE_UPDATE {
        out.tell_once(scene, (17, asked.number << 8 | 1), Warning, || {
            let (is, wish) = (difficulty(&target), difficulty(&max));
            format!("the target still has difficulty {is}, at least {wish} was asked for")
        })
        .cause(asked.number)
        .channel(id);
    }
}

fn check_silence(scene: &Scene<'_>, out: &mut Findings<'_>, id: u32, channel: &Channel) {
    let expected = channel.silence.expected_shares;
    if expected < SILENCE_SHARES {
        return;
    }
    // Who has never found one has a wrong target or job; who has was perhaps switched off.
    let has_mined = channel.shares.submitted > 0;
    let severity = if has_mined { Note } else { Warning };
    out.tell_once(scene, (18, u64::from(id) << 1 | u64::from(has_mined)), severity, || {
        let expected = scaled(expected);
        format!("no share where the claimed hash rate should have found {expected}")
    })
    .cause(channel.shares.last.unwrap_or(channel.opened).number)
    .channel(id);
}

/// AMB-20: acknowledging by count alone is allowed, so few shares may wait for ever.
fn check_verdicts(scene: &Scene<'_>, out: &mut Findings<'_>, id: u32, channel: &Channel) {
    let shares = &channel.shares;
    let Some(oldest) = shares.pending().next() else { return };
    let waited = scene.mark().since(oldest.sent);
    let batch = match shares.share_batch_size {
        0 => BATCH_ASSUMED,
        size => size as usize,
    };
    if waited > PATIENCE_VERDICT && shares.pending().len() > batch {
        let count = shares.pending().len();
        out.tell_once(scene, (23, id.into()), Warning, || {
            format!("{count} shares without a verdict, the oldest for {}", duration(waited))
        })
        .cause(oldest.sent.number)
        .channel(id);
    }
}

/// All in nanoseconds.
const PATIENCE_SETUP: u64 = 10_000_000_000;
const PATIENCE_REQUEST: u64 = 30_000_000_000;
const PATIENCE_RECONNECT: u64 = 60_000_000_000;
const PATIENCE_JOB: u64 = 10_000_000_000;
const PATIENCE_UPDATE: u64 = 5_000_000_000;
const PATIENCE_VERDICT: u64 = 60_000_000_000;
/// So many expected and none found happens by chance once in 20,000.
const SILENCE_SHARES: f64 = 10.0;
/// Shares in a batch, where none was seen.
const BATCH_ASSUMED: usize = 100;
