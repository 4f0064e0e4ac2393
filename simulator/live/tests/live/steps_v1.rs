//! Steps of configurations C and D around a translator: devices of Stratum V1 below, one extended
//! channel above. The numbers are those of configuration C.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use simulator::scenario::Scenario;
use sv2::event::Event;
use sv2::extensions::{WORKER_TRACKING, WORKER_USER_IDENTITY};
use sv2::message::Message;
use sv2::mining::OpenExtendedMiningChannelSuccess;
use sv2::mining::setup_flag::REQUIRES_VERSION_ROLLING;
use sv2::roles::translator::BIP320_MASK;
use sv2::sv1::{self, Call, Difficulty, Outcome, Submit, order};
use sv2::wire::TlvOrder;
use sv2_net::tap::Direction::{Received, Sent};

use crate::exchange::{Leg, kind, message};
use crate::lines::{LineLeg, SeenLine};
use crate::record::Record;

/// Steps 4, 6 and 7.
pub(crate) fn translator_opens_its_channel(
    leg: &mut Leg,
) -> Result<OpenExtendedMiningChannelSuccess, Failed> {
    let setup = message!(leg.expect(Sent, SetupConnection))?;
    assert_eq!((setup.protocol, setup.flags), (0, REQUIRES_VERSION_ROLLING));
    let success = message!(leg.expect(Received, SetupConnectionSuccess))?;
    assert_eq!(success.flags & 1, 0, "REQUIRES_FIXED_VERSION");
    let asked = message!(leg.expect(Sent, RequestExtensions))?;
    assert_eq!(asked.requested_extensions.as_slice(), [WORKER_TRACKING]);
    let agreed = message!(leg.expect(Received, RequestExtensionsSuccess))?;
    assert_eq!(agreed.supported_extensions.as_slice(), [WORKER_TRACKING]);
    let open = message!(leg.expect(Sent, OpenExtendedMiningChannel))?;
    assert_eq!(open.min_extranonce_size, INDEX_LEN + EXTRANONCE2_LEN);
    let opened = message!(leg.expect(Received, OpenExtendedMiningChannelSuccess))?;
    assert_eq!(opened.request_id, open.request_id);
    assert!(opened.extranonce_size >= open.min_extranonce_size, "{opened:?}");
    let job = message!(leg.expect(Received, NewExtendedMiningJob))?;
    assert_eq!((job.channel_id, job.min_ntime), (opened.channel_id, None));
    assert!(job.version_rolling_allowed, "{job:?}");
    let prev_hash = message!(leg.expect(Received, SetNewPrevHash))?;
    assert_eq!((prev_hash.channel_id, prev_hash.job_id), (opened.channel_id, job.job_id));
    let opens = leg.all(Sent, kind!(OpenExtendedMiningChannel)).count();
    assert_eq!(opens, 1, "one channel for all");
    Ok(*opened)
}

/// Steps 5 and 8, of a device that rolls the version.
pub(crate) fn device_logs_in(
    leg: &mut LineLeg,
    upstream: &Leg,
    opened: &OpenExtendedMiningChannelSuccess,
) -> Result<(), Failed> {
    let configured = leg.asks("mining.configure", |call| matches!(call, Call::Configure(_)))?;
    let Outcome::Configured(configured) = configured else { panic!("{configured:?}") };
    assert_eq!(configured.version_rolling_mask, Some(BIP320_MASK));
    let subscribed = leg.asks("mining.subscribe", |call| matches!(call, Call::Subscribe(_)))?;
    let Outcome::Subscribed(subscribed) = subscribed else { panic!("{subscribed:?}") };
    let prefix = opened.extranonce_prefix.as_slice();
    let (extranonce1, size) = (subscribed.extranonce1, subscribed.extranonce2_size);
    assert!(extranonce1.as_slice().starts_with(prefix), "{extranonce1:?}");
    let full_len = prefix.len() + usize::from(opened.extranonce_size);
    assert_eq!(extranonce1.as_slice().len() + usize::from(size), full_len);
    assert!(size <= 8, "{size}");
    // Whatever else it asks for: first it may work, then how hard that is, then for what.
    let calls = |seen: &SeenLine| match &seen.message {
        sv1::Message::Call { id, call } => Some((id.clone(), call.clone())),
        sv1::Message::Response(_) => None,
    };
    let find = |method: &str| {
        let mut seen = leg.all_seen().iter().enumerate();
        seen.find_map(|(at, seen)| {
            calls(seen).filter(|(_, call)| call.method() == method).map(|call| (at, call))
        })
    };
    let (_, (authorize, _)) = find("mining.authorize").ok_or("no mining.authorize")?;
    let is_answer = |seen: &SeenLine| {
        let authorized = sv1::Response::yes(authorize.clone());
        seen.message == sv1::Message::Response(authorized)
    };
    let answered = leg.all_seen().iter().position(is_answer).ok_or("not authorized")?;
    let (told, (_, difficulty)) = find("mining.set_difficulty").ok_or("no difficulty")?;
    let (given, (_, notify)) = find("mining.notify").ok_or("no job")?;
    assert!(answered < told && told < given, "{answered} {told} {given}");
    let Call::SetDifficulty(difficulty) = difficulty else { panic!("{difficulty:?}") };
    assert!(difficulty <= Difficulty::of(opened.target), "{difficulty}");
    let Call::Notify(notify) = notify else { panic!("{notify:?}") };
    assert!(notify.clean_jobs);
    let is_its_job = upstream.all(Received, kind!(NewExtendedMiningJob)).any(|job| {
        notify.coinbase_1 == job.coinbase_tx_prefix.as_slice()
            && notify.coinbase_2 == job.coinbase_tx_suffix.as_slice()
            && notify.merkle_branches == job.merkle_path.as_slice()
            && notify.version == job.version
    });
    assert!(is_its_job, "{notify:?}");
    let is_its_block = upstream.all(Received, kind!(SetNewPrevHash)).any(|news| {
        (notify.prev_hash, notify.nbits) == (news.prev_hash, news.nbits)
            && notify.ntime >= news.min_ntime
    });
    assert!(is_its_block, "{notify:?}");
    Ok(())
}

/// Steps 9 and 12: submitted = accepted + refused + in flight, and only late ones refused; a
/// device works for a block until it hears of the next, and never after. A device that is out of
/// luck may have found nothing by the last block; all of them together may not.
pub(crate) fn lines_are_answered(legs: &[LineLeg]) {
    assert!(legs.iter().any(|leg| !leg.shares().is_empty()), "no device has found a share");
    legs.iter().for_each(line_is_answered);
}

fn line_is_answered(leg: &LineLeg) {
    let shares = leg.shares();
    let in_flight = shares.iter().filter(|(_, answer)| answer.is_none()).count();
    assert!(in_flight <= IN_FLIGHT_MAX, "{in_flight} in flight");
    for (submit, answer) in &shares {
        match answer {
            None | Some(Outcome::Flag(true)) => {}
            Some(Outcome::Error(error)) if error.code == sv1::error_code::JOB_NOT_FOUND => {}
            other => panic!("{submit:?}: {other:?}"),
        }
    }
    let mut jobs = BTreeSet::new();
    for seen in leg.all_seen() {
        match &seen.message {
            sv1::Message::Call { call: Call::Notify(notify), .. } => {
                if notify.clean_jobs {
                    jobs.clear();
                }
                jobs.insert(notify.job_id.clone());
            }
            sv1::Message::Call { call: Call::Submit(submit), .. } => {
                assert!(jobs.contains(&submit.job_id), "{submit:?} {jobs:?}");
            }
            _ => {}
        }
    }
}

/// Step 9, upstream: each share is that of a device, with the whole version, its worker's name,
/// and bytes that fill the extranonce of the channel.
pub(crate) fn shares_of_devices_go_up(leg: &Leg, devices: &[LineLeg]) {
    let mut opened = leg.all(Received, kind!(OpenExtendedMiningChannelSuccess));
    let opened = opened.next().expect("a channel");
    let jobs: Vec<_> = leg.all(Received, kind!(NewExtendedMiningJob)).collect();
    let submits: Vec<&Submit> = devices
        .iter()
        .flat_map(|device| device.shares().into_iter().map(|(submit, _)| submit))
        .collect();
    let mut share_count = 0;
    for seen in leg.all_seen() {
        let Message::SubmitSharesExtended(share) = &seen.message else { continue };
        share_count += 1;
        let len = share.extranonce.as_slice().len();
        assert_eq!((share.channel_id, len), (opened.channel_id, opened.extranonce_size.into()));
        let submit = submits.iter().find(|submit| {
            (submit.nonce, submit.ntime) == (share.nonce, share.ntime)
                && share.extranonce.as_slice().ends_with(submit.extranonce2.as_slice())
        });
        let submit = submit.unwrap_or_else(|| panic!("nobody's share: {share:?}"));
        let job = jobs.iter().rfind(|job| job.job_id == share.job_id).expect("a job");
        let bits = submit.version_bits.unwrap_or(job.version);
        assert_eq!(share.version, order::rolled_version(job.version, BIP320_MASK, bits));
        let tlvs = seen.tlvs.fields(TlvOrder::LittleEndian).expect("whole fields");
        assert_eq!((tlvs[0].extension, tlvs[0].field), (WORKER_TRACKING, WORKER_USER_IDENTITY));
        assert_eq!(tlvs[0].value, submit.user.as_bytes());
    }
    assert!(share_count >= 3, "{share_count} shares: each block went up");
}

/// Steps 11 and 12 at the device: clean with a block and only then, and nothing of a future job
/// before its block.
pub(crate) fn devices_follow(upstream: &Leg, device: &LineLeg) {
    let blocks: Vec<_> = upstream.all(Received, kind!(SetNewPrevHash)).collect();
    let mut last = None;
    let mut block_count = 0;
    for notify in device.notifies() {
        let is_new = last != Some(notify.prev_hash);
        assert_eq!(notify.clean_jobs, is_new, "{notify:?}");
        let known = blocks.iter().any(|block| block.prev_hash == notify.prev_hash);
        assert!(known, "{notify:?}");
        block_count += usize::from(is_new);
        last = Some(notify.prev_hash);
    }
    assert!(block_count >= 3, "{block_count} blocks");
}

/// The translator's account, by what it has told.
pub(crate) fn translator_accounts_for_all(record: &Record, scenario: &Scenario, upstream: &Leg) {
    let count = |is_it: fn(&Event) -> bool| {
        record.events(scenario, "translator").filter(|event| is_it(event)).count()
    };
    let accepted = count(|event| matches!(event, Event::ShareAccepted { .. }));
    let filtered = count(|event| matches!(event, Event::ShareFiltered { .. }));
    let sent = count(|event| matches!(event, Event::ShareSubmitted { .. }));
    let lost = count(|event| matches!(event, Event::SharesLost { .. }));
    let refused = count(|event| matches!(event, Event::ShareRefused { .. }));
    let paid: usize = record
        .events(scenario, "translator")
        .map(|event| match event {
            Event::SharesAcknowledged { accepted_count, .. } => *accepted_count as usize,
            _ => 0,
        })
        .sum();
    assert_eq!(accepted, filtered + sent, "accepted = filtered + sent");
    assert_eq!(lost, 0);
    let in_flight = sent - paid - refused;
    assert!(in_flight <= BATCH_MAX, "{sent} sent, {paid} paid, {refused} refused");
    for error in upstream.all(Received, kind!(SubmitSharesError)) {
        assert_eq!(error.error_code.as_slice(), b"stale-share", "{error:?}");
    }
    let rejected = record.events(scenario, "translator").filter_map(|event| match event {
        Event::ShareRejected { error_code, .. } => Some(*error_code),
        _ => None,
    });
    let rejected: BTreeSet<&str> = rejected.collect();
    assert!(rejected.is_subset(&BTreeSet::from(["stale-share"])), "{rejected:?}");
}

/// Of the translator, by default.
const INDEX_LEN: u16 = 2;
const EXTRANONCE2_LEN: u16 = 4;
/// Of one device, when the record ends.
const IN_FLIGHT_MAX: usize = 4;
/// Shares that a pool may leave without an answer until it has as many.
const BATCH_MAX: usize = 64;
