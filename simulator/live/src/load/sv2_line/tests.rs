//! What a line makes of what a pool says, without the pool.

use std::sync::Arc;
use std::time::Duration;

use sv2::message::Message;
use sv2::mining::{
    CloseChannel, NewMiningJob, OpenMiningChannelError, OpenStandardMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesError, SubmitSharesSuccess,
};
use sv2::role::PeerAddress;
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B32, Str255, Target, U256};

use super::{DeviceState, Line as _, Stage, Sv2Line};
use crate::load::figures::Figures;
use crate::load::fleet::Fleet;
use crate::load::line::End;
use crate::load::{FleetChannel, LoadConfig};

const CHANNEL: u32 = 40;
const GROUP: u32 = 41;

fn at(milliseconds: u64) -> Instant {
    Instant(milliseconds * 1_000_000)
}

fn fleet() -> Arc<Fleet> {
    Arc::new(Fleet::new(LoadConfig {
        pool: PeerAddress { host: "127.0.0.1".to_owned(), port: 1, authority: None },
        device_count: 2,
        proxy_count: Some(1),
        channel: FleetChannel::Standard { header_only: true },
        user_identity: "user.{}".to_owned(),
        shares_per_minute: 6.0,
        nominal_hash_rate: 1.0,
        hash_budget: 1e6,
        seed: 7,
        ramp: Duration::ZERO,
        key_log: None,
    }))
}

/// A line that waits for the handshake.
fn begun(fleet: &Arc<Fleet>) -> Sv2Line {
    let now = Now { instant: at(0), unix: UnixTime(1_800_000_000) };
    Sv2Line::new(fleet, 0, now, &mut Vec::new())
}

/// A line whose two devices have asked for channels.
fn asked(fleet: &Arc<Fleet>) -> Sv2Line {
    let mut line = begun(fleet);
    line.stage = Stage::Running;
    for device in &mut line.devices {
        device.state = DeviceState::Asked(at(0));
    }
    line
}

fn opened(request_id: u32, channel_id: u32) -> Message {
    OpenStandardMiningChannelSuccess {
        request_id,
        channel_id,
        target: Target::MAX,
        extranonce_prefix: B32::default(),
        group_channel_id: GROUP,
    }
    .into()
}

fn job(job_id: u32) -> Message {
    NewMiningJob {
        channel_id: CHANNEL,
        job_id,
        min_ntime: None,
        version: 0x2000_0000,
        merkle_root: U256::MAX,
    }
    .into()
}

fn tip(job_id: u32) -> Message {
    SetNewPrevHash {
        channel_id: CHANNEL,
        job_id,
        prev_hash: U256::ZERO,
        min_ntime: 1_000,
        nbits: 0x1c01_0000,
    }
    .into()
}

fn accepted(last_sequence_number: u32, new_submits_accepted_count: u32) -> Message {
    SubmitSharesSuccess {
        channel_id: CHANNEL,
        last_sequence_number,
        new_submits_accepted_count,
        new_shares_sum: 0,
    }
    .into()
}

fn refused(sequence_number: u32, code: &'static str) -> Message {
    let error_code = Str255::from_static(code);
    SubmitSharesError { channel_id: CHANNEL, sequence_number, error_code }.into()
}

/// A line with a channel, and so many shares in flight.
fn in_flight(fleet: &Arc<Fleet>, count: u32) -> Sv2Line {
    let mut line = asked(fleet);
    for message in [opened(1, CHANNEL), job(1), tip(1)] {
        line.handle(at(1), message);
    }
    let DeviceState::Open(channel) = &mut line.devices[0].state else { panic!("it is open") };
    for _ in 0..count {
        // Every hash meets the easiest target.
        assert!(channel.search(at(2), 1).share.is_some());
        channel.submitted(at(2));
        fleet.tally.submitted.add(1);
    }
    line
}

/// The books of a run whose one line has ended.
fn books(fleet: &Arc<Fleet>, mut line: Sv2Line, end: End) -> Figures {
    line.end(end, &[]);
    let figures = Figures::of(fleet, true);
    assert_eq!(figures.shares.difference(), 0, "{figures:?}");
    figures
}

#[test]
fn each_share_has_one_outcome_whatever_a_pool_answers() {
    let stale = refused(2, "stale-share");
    for (answers, expected) in [
        (vec![], "0 accepted, 0 stale, 0 rejected, 3 in flight, 0 unaccounted"),
        (vec![accepted(1, 1)], "1 accepted, 0 stale, 0 rejected, 2 in flight, 0 unaccounted"),
        (vec![accepted(3, 3)], "3 accepted, 0 stale, 0 rejected, 0 in flight, 0 unaccounted"),
        // Before the batch that it falls into, or after it.
        (
            vec![stale.clone(), accepted(3, 2)],
            "2 accepted, 1 stale, 0 rejected, 0 in flight, 0 unaccounted",
        ),
        (
            vec![accepted(3, 2), stale],
            "2 accepted, 1 stale, 0 rejected, 0 in flight, 0 unaccounted",
        ),
        (
            vec![refused(1, "invalid-job-id")],
            "0 accepted, 0 stale, 1 rejected, 2 in flight, 0 unaccounted",
        ),
        (vec![accepted(3, 2)], "2 accepted, 0 stale, 0 rejected, 0 in flight, 1 unaccounted"),
    ] {
        let fleet = fleet();
        let mut line = in_flight(&fleet, 3);

        answers.iter().for_each(|answer| line.handle(at(5), answer.clone()));

        let shares = books(&fleet, line, End::ByUs).shares;
        let outcome = format!(
            "{} accepted, {} stale, {} rejected, {} in flight, {} unaccounted",
            shares.accepted_count,
            shares.stale_count,
            shares.rejected_count,
            shares.in_flight_count,
            shares.unaccounted_count
        );
        assert_eq!(outcome, expected, "{answers:?}");
    }
}

#[test]
fn what_a_pool_does_wrong_is_an_error_with_a_name() {
    let close = |channel_id| {
        Message::from(CloseChannel { channel_id, reason_code: Str255::from_static("bye") })
    };
    let error =
        OpenMiningChannelError { request_id: 2, error_code: Str255::from_static("unknown-user") };
    for (message, expected) in [
        (accepted(3, 4), "an acknowledgement of more shares than were in flight (spec 5.3.13)"),
        (refused(9, "stale-share"), "SubmitShares.Error for no share in flight (spec 5.3.14)"),
        (opened(2, CHANNEL), "a channel id that is in use (spec 5.2)"),
        (opened(1, 50), "a channel that was not asked for"),
        (opened(3, 50), "a channel that was not asked for"),
        (error.into(), "OpenMiningChannel.Error unknown-user"),
        (tip(7), "SetNewPrevHash names no future job (spec 5.3.17)"),
        (close(GROUP), "a channel was closed by the pool"),
        (close(99), "CloseChannel for a channel that is not open"),
    ] {
        let fleet = fleet();
        let mut line = in_flight(&fleet, 3);

        line.handle(at(5), message.clone());

        let errors = Figures::of(&fleet, false).errors;
        assert_eq!(errors.into_iter().collect::<Vec<_>>(), [(expected.to_owned(), 1)]);
        books(&fleet, line, End::ByUs);
    }
}

#[test]
fn who_still_waits_for_a_channel_when_the_run_ends_was_not_served() {
    let fleet = fleet();
    let line = asked(&fleet);

    let errors = books(&fleet, line, End::ByUs).errors;

    let expected = "no answer to a request for a channel by the end of the run".to_owned();
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [(expected, 2)]);
}

#[test]
fn shares_in_flight_are_lost_with_a_connection_that_the_pool_ends() {
    let fleet = fleet();
    let line = in_flight(&fleet, 3);

    let shares = books(&fleet, line, End::Broken("reset".to_owned())).shares;

    assert_eq!((shares.lost_count, shares.in_flight_count), (3, 0));
}

#[test]
fn no_two_shares_of_a_channel_are_the_same_proof() {
    let fleet = fleet();
    let mut line = in_flight(&fleet, 0);
    let mut proofs = Vec::new();

    for job_id in 2..5 {
        line.handle(at(3), job(job_id));
        line.handle(at(3), tip(job_id));
        let DeviceState::Open(channel) = &mut line.devices[0].state else { panic!("it is open") };
        for _ in 0..50 {
            match channel.search(at(3), 1).share {
                Some(Message::SubmitSharesStandard(share)) => {
                    proofs.push((share.nonce, share.ntime, share.version));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    // The three jobs differ in nothing but their ids.
    proofs.sort_unstable();
    proofs.dedup();
    assert_eq!(proofs.len(), 150);
}

#[test]
fn a_share_that_is_due_before_there_is_work_is_left_out_and_counted() {
    let fleet = fleet();
    let mut line = begun(&fleet);
    let now = Now { instant: fleet.started_at + Duration::from_secs(25), unix: UnixTime(0) };

    line.work(now, &mut Vec::new()).unwrap_or_else(|end| panic!("{end}"));

    let shares = Figures::of(&fleet, false).shares;
    assert!(shares.due_count > 0, "{shares:?}");
    assert_eq!(shares.due_count, shares.without_work_count);
}
