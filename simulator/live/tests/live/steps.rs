//! Steps of the flows that configurations have in common, on the legs of a recorded exchange. The
//! numbers are those of configuration B.

use libtest_mimic::Failed;
use sv2::message::Message;
use sv2::mining::setup_flag::{REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING};
use sv2_net::tap::Direction::{Received, Sent};

use crate::exchange::{Leg, kind, message};

/// Steps 1 to 3.
pub(crate) fn pool_starts(leg: &mut Leg) -> Result<(), Failed> {
    let setup = message!(leg.expect(Sent, SetupConnection))?;
    let versions = (setup.min_version, setup.max_version);
    assert_eq!((setup.protocol, versions, setup.flags), (2, (2, 2), 0));
    let success = message!(leg.expect(Received, SetupConnectionSuccess))?;
    assert_eq!((success.used_version, success.flags), (2, 0));
    message!(leg.expect(Sent, CoinbaseOutputConstraints))?;
    follows_a_pair(leg)
}

/// A future template, and strictly behind it the block that it builds on.
pub(crate) fn follows_a_pair(leg: &mut Leg) -> Result<(), Failed> {
    let template = leg.expect(Received, "a future NewTemplate", |message| {
        kind!(NewTemplate)(message).filter(|template| template.future_template)
    })?;
    let prev_hash = message!(leg.expect(Received, TemplateSetNewPrevHash))?;
    assert_eq!(prev_hash.template_id, template.template_id);
    Ok(())
}

/// Steps 4 and 7; the length of the whole extranonce.
pub(crate) fn proxy_opens_its_channel(leg: &mut Leg) -> Result<usize, Failed> {
    let setup = message!(leg.expect(Sent, SetupConnection))?;
    assert_eq!((setup.protocol, setup.flags & REQUIRES_STANDARD_JOBS), (0, 0));
    let success = message!(leg.expect(Received, SetupConnectionSuccess))?;
    if setup.flags & REQUIRES_VERSION_ROLLING != 0 {
        assert_eq!(success.flags & 1, 0, "REQUIRES_FIXED_VERSION");
    }
    let open = message!(leg.expect(Sent, OpenExtendedMiningChannel))?;
    let opened = message!(leg.expect(Received, OpenExtendedMiningChannelSuccess))?;
    assert_eq!(opened.request_id, open.request_id);
    assert!(opened.extranonce_size >= open.min_extranonce_size, "{opened:?}");
    let job = message!(leg.expect(Received, NewExtendedMiningJob))?;
    assert_eq!((job.channel_id, job.min_ntime), (opened.channel_id, None));
    let prev_hash = message!(leg.expect(Received, SetNewPrevHash))?;
    assert_eq!((prev_hash.channel_id, prev_hash.job_id), (opened.channel_id, job.job_id));
    Ok(opened.extranonce_prefix.as_slice().len() + usize::from(opened.extranonce_size))
}

/// Steps 5, 6 and 10.
pub(crate) fn device_opens_its_channel(leg: &mut Leg, full_len: usize) -> Result<(), Failed> {
    let setup = message!(leg.expect(Sent, SetupConnection))?;
    assert_eq!((setup.protocol, setup.flags & 1), (0, REQUIRES_STANDARD_JOBS));
    message!(leg.expect(Received, SetupConnectionSuccess))?;
    let open = message!(leg.expect(Sent, OpenStandardMiningChannel))?;
    let opened = message!(leg.expect(Received, OpenStandardMiningChannelSuccess))?;
    assert_eq!(opened.request_id, open.request_id);
    assert!(opened.target <= open.max_target, "{opened:?}");
    assert_eq!(opened.extranonce_prefix.as_slice().len(), full_len);
    assert_ne!(opened.group_channel_id, opened.channel_id);
    let job = message!(leg.expect(Received, NewMiningJob))?;
    assert_eq!((job.channel_id, job.min_ntime), (opened.channel_id, None));
    let prev_hash = message!(leg.expect(Received, SetNewPrevHash))?;
    assert_eq!((prev_hash.channel_id, prev_hash.job_id), (opened.channel_id, job.job_id));
    Ok(())
}

/// Steps 11, 12 and 17: submitted = accepted + refused + in flight, and only late ones refused.
pub(crate) fn shares_are_answered(leg: &Leg) -> Result<(), Failed> {
    let submitted = leg.all(Sent, kind!(SubmitSharesStandard)).count();
    let accepted: u32 = leg
        .all(Received, kind!(SubmitSharesSuccess))
        .map(|success| success.new_submits_accepted_count)
        .sum();
    let refused: Vec<_> = leg.all(Received, kind!(SubmitSharesError)).collect();
    for error in &refused {
        assert_eq!(error.error_code.as_slice(), b"stale-share", "{error:?}");
    }
    let answered = accepted as usize + refused.len();
    assert!((answered..=answered + IN_FLIGHT_MAX).contains(&submitted), "{submitted} {answered}");
    Ok(())
}

/// Physics: a device works for a block until it hears of the next, and never after.
pub(crate) fn late_shares_were_sent_before_the_tip_was_known(leg: &Leg) {
    let mut jobs_of_tip = Vec::new();
    for seen in leg.all_seen() {
        match (seen.direction, &seen.message) {
            (Received, Message::SetNewPrevHash(tip)) => jobs_of_tip = vec![tip.job_id],
            // A job with a time is for the tip that is there.
            (Received, Message::NewMiningJob(job)) if job.min_ntime.is_some() => {
                jobs_of_tip.push(job.job_id);
            }
            (Sent, Message::SubmitSharesStandard(share)) => {
                assert!(jobs_of_tip.contains(&share.job_id), "{share:?} {jobs_of_tip:?}");
            }
            _ => {}
        }
    }
}

/// Step 11, upstream: the proxy's bytes fill the extranonce of its channel.
pub(crate) fn shares_go_up(leg: &Leg) -> Result<(), Failed> {
    let mut opened = leg.all(Received, kind!(OpenExtendedMiningChannelSuccess));
    let opened = opened.next().ok_or("no channel")?;
    let shares: Vec<_> = leg.all(Sent, kind!(SubmitSharesExtended)).collect();
    assert!(shares.len() >= 3, "each block went up");
    for share in shares {
        let len = share.extranonce.as_slice().len();
        assert_eq!((share.channel_id, len), (opened.channel_id, opened.extranonce_size.into()));
    }
    Ok(())
}

/// Steps 14 and 16, three times over.
pub(crate) fn blocks_are_submitted_and_followed(leg: &mut Leg) -> Result<(), Failed> {
    let mut solutions = Vec::new();
    for _ in 0..3 {
        let solution = message!(leg.find(Sent, SubmitSolution))?;
        follows_a_pair(leg)?;
        solutions.push(solution);
    }
    let known: Vec<u64> =
        leg.all(Received, kind!(NewTemplate)).map(|template| template.template_id).collect();
    for solution in &solutions {
        assert!(known.contains(&solution.template_id), "{solution:?}");
    }
    Ok(())
}

/// Step 16 at the proxy: a job for the block that is not there yet, and then the block.
pub(crate) fn proxy_follows(leg: &mut Leg) -> Result<(), Failed> {
    for _ in 0..3 {
        let job = leg.find(Received, "a future NewExtendedMiningJob", |message| {
            kind!(NewExtendedMiningJob)(message).filter(|job| job.min_ntime.is_none())
        })?;
        let prev_hash = message!(leg.find(Received, SetNewPrevHash))?;
        assert_eq!((prev_hash.channel_id, prev_hash.job_id), (job.channel_id, job.job_id));
    }
    Ok(())
}

/// Step 16 at the device, and the first share for what it brings.
pub(crate) fn device_follows(leg: &mut Leg) -> Result<(), Failed> {
    for _ in 0..3 {
        let job = leg.find(Received, "a future NewMiningJob", |message| {
            kind!(NewMiningJob)(message).filter(|job| job.min_ntime.is_none())
        })?;
        let prev_hash = message!(leg.expect(Received, SetNewPrevHash))?;
        assert_eq!((prev_hash.channel_id, prev_hash.job_id), (job.channel_id, job.job_id));
    }
    Ok(())
}

/// Of one device, when the record ends.
const IN_FLIGHT_MAX: usize = 4;
