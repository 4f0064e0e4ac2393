//! Rules about shares and their verdicts: 19 to 23 and 33 (spec 5.3.11 to 5.3.14).

use sv2::extensions::{WORKER_TRACKING, WORKER_USER_IDENTITY_LEN_MAX};
use sv2::message::Message;
use sv2::mining::error_code::share as code;
use sv2::mining::{SubmitSharesError, SubmitSharesSuccess};
use sv2::wire::{Str255, TlvOrder};

use super::Severity::{Chat, Error, Note, Warning};
use super::scene::{Findings, Said};
use crate::state::Batch;
use crate::state::channel::{Channel, PendingShare};
use crate::state::share::{Fault, ShareFacts};
use crate::text::{difficulty, duration, scaled};

/// Behind a block, shares may be on their way for so long: a race, in nanoseconds.
const RACE: u64 = 500_000_000;
/// Who still works on an old block then does not follow, in nanoseconds.
const STALE: u64 = 2_000_000_000;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    let connection = said.scene.connection;
    match said.message {
        Message::SubmitSharesStandard(message) => {
            if let (Some(share), Some(channel)) =
                (&said.scene.facts.share, connection.channels.get(&message.channel_id))
            {
                check_share(said, out, share, channel);
            }
        }
        Message::SubmitSharesExtended(message) => {
            if let (Some(share), Some(channel)) =
                (&said.scene.facts.share, connection.channels.get(&message.channel_id))
            {
                check_share(said, out, share, channel);
            }
            check_worker(said, out);
        }
        Message::SubmitSharesSuccess(message) => {
            if let Some(channel) = connection.channels.get(&message.channel_id) {
                check_batch(said, out, message, channel);
            }
        }
        Message::SubmitSharesError(message) => {
            check_refused(said, out, "a share", &message.error_code);
            if let Some(channel) = connection.channels.get(&message.channel_id) {
                check_refusal(said, out, message, channel);
            }
        }
        Message::OpenMiningChannelError(message) => {
            check_refused(said, out, "a channel", &message.error_code);
        }
        Message::UpdateChannelError(message) => {
            check_refused(said, out, "an update", &message.error_code);
        }
        Message::SetCustomMiningJobError(message) => {
            check_refused(said, out, "a custom job", &message.error_code);
        }
        Message::DeclareMiningJobError(message) => {
            check_refused(said, out, "a declaration", &message.error_code);
        }
        Message::RequestTransactionDataError(message) => {
            check_refused(said, out, "transactions", &message.error_code);
        }
        Message::SetupConnectionError(message) => {
            check_refused(said, out, "the connection", &message.error_code);
        }
        _ => {}
    }
}

fn check_refused(said: &Said<'_>, out: &mut Findings<'_>, what: &str, code: &Str255) {
    out.tell(said.scene, 33, Chat, || format!("{what} is refused: {code:?}"));
    if !matches!(said.message, Message::SetupConnectionError(_)) {
        super::setup::check_code(said, out, 31, Note, code);
    }
}

fn check_share(said: &Said<'_>, out: &mut Findings<'_>, share: &ShareFacts, channel: &Channel) {
    let scene = said.scene;
    if let Some(fault) = share.fault {
        check_fault(said, out, share, fault);
    }
    if share.fault.is_none() {
        check_delay(said, out, share, channel);
    }
    if let Some(first) = share.repeats {
        out.tell(scene, 22, Warning, || "the same header was submitted before".to_owned())
            .cause(first);
    }
    let number = share.submitted.sequence_number;
    let last = channel.shares.last_share_sequence_number;
    if let Some(last) = last.filter(|last| number <= *last) {
        let (severity, what) = if number == last { (Warning, "used") } else { (Note, "passed") };
        out.tell(scene, 22, severity, || {
            format!("sequence number {number} was {what} before, the last is {last}")
        });
    }
}

/// The first share for a job, where many should have been found before.
fn check_delay(said: &Said<'_>, out: &mut Findings<'_>, share: &ShareFacts, channel: &Channel) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let view = scene.facts.channel.and_then(|id| connection.view(id));
    let job = view.and_then(|view| view.job(share.submitted.job_id));
    let Some(job) = job.filter(|job| job.first_share.is_none()) else { return };
    let Some(activated) = job.activated else { return };
    let delay = scene.mark().since(activated);
    if delay < DELAY_MAX {
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let expected = channel.expected_shares_per_minute(&connection.groups) * delay as f64 / 60e9;
    if expected >= DELAY_SHARES {
        out.tell(scene, 30, Note, || {
            let (delay, expected) = (duration(delay), scaled(expected));
            format!("the first share for a job comes after {delay}, when {expected} were expected")
        })
        .cause(activated.number);
    }
}

fn check_fault(said: &Said<'_>, out: &mut Findings<'_>, share: &ShareFacts, fault: Fault) {
    let scene = said.scene;
    let (job_id, ntime, version) =
        (share.submitted.job_id, share.submitted.ntime, share.submitted.version);
    match fault {
        Fault::UnknownJob => {
            out.tell(scene, 19, Error, || format!("job {job_id} was never given to the channel"));
        }
        Fault::FutureJob => {
            let given = scene.facts.job.map_or(0, |job| job.given.number);
            out.tell(scene, 19, Error, || format!("job {job_id} waits for its block")).cause(given);
        }
        Fault::StaleJob { by } => {
            let lag = scene.mark().since(by);
            let severity = match lag {
                lag if lag < RACE => Note,
                lag if lag < STALE => Warning,
                _ => Error,
            };
            out.tell(scene, 19, severity, || {
                format!("job {job_id} is void since a new block {} before", duration(lag))
            })
            .cause(by.number);
        }
        Fault::AboveTarget => {
            let Some(proof) = &share.proof else { return };
            out.tell(scene, 21, Warning, || {
                let (hash, target) = (scaled(proof.difficulty), difficulty(&proof.target));
                let now = if proof.present_target.is_met_by(&proof.hash) {
                    "; the present target, which is not for this job, would take it"
                } else {
                    ""
                };
                format!("difficulty {hash} where the job's target needs {target}{now}")
            });
        }
        Fault::WrongKind => {
            out.tell(scene, 20, Error, || "a share of the other kind of channel".to_owned());
        }
        Fault::ExtranonceLen { len, agreed } => {
            out.tell(scene, 20, Error, || {
                format!("{len} bytes of extranonce, {agreed} were agreed")
            });
        }
        Fault::NtimeTooEarly { min } => {
            out.tell(scene, 20, Error, || {
                format!("ntime {ntime} is {} s below the smallest, {min}", min - ntime)
            });
        }
        Fault::NtimeTooLate { max } => {
            out.tell(scene, 20, Error, || {
                format!("ntime {ntime} is {} s above the largest, {max}", ntime - max)
            });
        }
        Fault::VersionFixed { fixed } => {
            out.tell(scene, 20, Error, || {
                format!("version {version:#010x}, but the job's {fixed:#010x} may not be rolled")
            });
        }
        Fault::VersionBits { job } => {
            out.tell(scene, 20, Error, || {
                let changed = version ^ job;
                format!(
                    "version {version:#010x} differs from the job's in bits {changed:#010x}; only \
                     0x1fffffe0 may be rolled"
                )
            });
        }
    }
}

/// The TLV that names the worker (extension 0x0002).
fn check_worker(said: &Said<'_>, out: &mut Findings<'_>) {
    let scene = said.scene;
    let is_agreed = scene.connection.extensions.contains(&WORKER_TRACKING);
    let tlvs = &scene.facts.tlvs;
    if tlvs.is_empty() {
        if is_agreed {
            out.tell_once(scene, (20, 0), Note, || {
                "extension 0x0002 was agreed, and the share names no worker".to_owned()
            });
        }
        return;
    }
    let fields = tlvs.fields(TlvOrder::LittleEndian).or_else(|_| tlvs.fields(TlvOrder::BigEndian));
    let Ok(fields) = fields else { return };
    let Some(worker) = fields.iter().find(|tlv| tlv.extension == WORKER_TRACKING) else { return };
    let (len, max) = (worker.value.len(), WORKER_USER_IDENTITY_LEN_MAX);
    if len > max {
        out.tell(scene, 20, Error, || format!("a worker's name of {len} bytes, {max} are allowed"));
    } else if !is_agreed {
        out.tell_once(scene, (20, 1), Note, || {
            "the share names its worker, which was not agreed".to_owned()
        });
    }
}

fn check_batch(
    said: &Said<'_>,
    out: &mut Findings<'_>,
    message: &SubmitSharesSuccess,
    channel: &Channel,
) {
    let scene = said.scene;
    let (count, sum) = (message.new_submits_accepted_count, message.new_shares_sum);
    let Some(batch) = scene.facts.batch.as_deref() else {
        if !channel.shares.has_forgotten {
            out.tell(scene, 23, Warning, || {
                let number = message.last_sequence_number;
                format!("no share with sequence number {number} waits for its verdict")
            });
        }
        return;
    };
    let count_64 = u64::from(count);
    if count_64 > batch.waiting && !channel.shares.has_forgotten {
        let waiting = batch.waiting;
        out.tell(scene, 23, Warning, || {
            format!("{count} shares are acknowledged, {waiting} were waiting")
        })
        .cause(batch.first.number);
    } else if count_64 > batch.waiting - batch.repeated {
        out.tell(scene, 22, Error, || {
            format!("{count} shares are accepted, {} of them are duplicates", batch.repeated)
        })
        .cause(batch.last.number);
    } else if count_64 > batch.good {
        out.tell(scene, 21, Warning, || {
            let good = batch.good;
            format!("{count} shares are accepted, by recomputation {good} of them are good")
        })
        .cause(batch.last.number);
    } else if count_64 == batch.good && batch.is_priced && !adds_up(batch, count, sum) {
        out.tell(scene, 23, Warning, || {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let own = batch.sum as f64 / 2_f64.powi(64);
            format!("new_shares_sum is {sum}, the jobs' targets add up to {own:.2}")
        })
        .cause(batch.first.number);
    }
}

/// AMB-19: what is summed and how it is rounded has several readings; all are taken.
fn adds_up(batch: &Batch, count: u32, sum: u64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
    let (given, exact) = (sum as f64, batch.sum as f64 / 2_f64.powi(64));
    // pdiff differs from bdiff by 1.5e-5.
    let slack = exact * 2e-5;
    let is_of_targets = sum.saturating_add(1) >= batch.sum_of_floors
        && given >= exact - slack - f64::from(count) - 1.0
        && given <= exact + slack + f64::from(count);
    let is_of_hashes = (given - batch.hash_sum).abs() <= batch.hash_sum * 1e-4 + f64::from(count);
    is_of_targets || is_of_hashes
}

fn check_refusal(
    said: &Said<'_>,
    out: &mut Findings<'_>,
    message: &SubmitSharesError,
    channel: &Channel,
) {
    let scene = said.scene;
    let number = message.sequence_number;
    let share = channel.shares.pending().find(|share| share.sequence_number == number);
    match share {
        None if !channel.shares.has_forgotten => {
            out.tell(scene, 23, Warning, || {
                format!("no share with sequence number {number} waits for its verdict")
            });
        }
        Some(PendingShare { is_good: Some(true), sent, .. }) => {
            // A block that was on its way makes a good share stale.
            let is_race = [code::STALE_SHARE, code::INVALID_JOB_ID]
                .iter()
                .any(|code| code.as_bytes() == message.error_code.as_slice());
            let severity = if is_race { Chat } else { Warning };
            out.tell(scene, 21, severity, || {
                let code = &message.error_code;
                format!("refused as {code:?}, but by recomputation the share is good")
            })
            .cause(sent.number);
        }
        _ => {}
    }
    let (refused, all) = (channel.shares.shares_rejected() + 1, channel.shares.submitted);
    if all >= RATE_SHARES_MIN && refused * 50 > all {
        out.tell_once(scene, (33, message.channel_id.into()), Note, || {
            format!("more than 2 % of the channel's shares are refused: {refused} of {all}")
        });
    }
}

/// From a job to its first share, in nanoseconds.
const DELAY_MAX: u64 = 5_000_000_000;
/// So many expected and none found happens by chance once in 20,000.
const DELAY_SHARES: f64 = 10.0;
/// Shares before their rate of refusal means something.
const RATE_SHARES_MIN: u64 = 50;
