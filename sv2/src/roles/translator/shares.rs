//! Shares of devices: judged, answered, and sent up where they are worth it (spec 5.3.12).

use super::device::{Device, Named, Subscription};
use super::lane::ActiveJob;
use super::login::answer;
use super::upstream::Upstream;
use super::{DEVICE_CHANNEL, Timer, Translator, slot};
use crate::event::Event;
use crate::mining::SubmitSharesExtended;
use crate::mining::error_code::share as event_code;
use crate::mining::share::{Rejection, check_ntime};
use crate::role::{ConnectionId, Outbox, Output};
use crate::sv1::order::rolled_version;
use crate::sv1::{Id, Response, ResponseError, Submit, error_code};
use crate::time::Now;
use crate::wire::{B32, Target, U256};

/// A share that the device is paid for.
struct Found {
    source: std::sync::Arc<ActiveJob>,
    /// With the upstream's prefix.
    extranonce: B32,
    version: u32,
    hash: U256,
    /// The hardest that it meets of those that the device may have worked for; of a block that
    /// meets none of them, the network's.
    target: Target,
    is_block: bool,
}

/// Why a share earns nothing.
struct Refusal {
    error: ResponseError,
    /// For people and checkers: the codes of SV2.
    event_code: &'static str,
}

impl Translator {
    /// Answers and tells every share once.
    pub(super) fn handle_submit(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        submit: &Submit,
        out: &mut Outbox,
    ) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let (channel_id, sequence_number) = (DEVICE_CHANNEL, device.take_sequence_number());
        match judge(device, now, submit) {
            Ok(found) => {
                let hashes = found.target.expected_hashes();
                if device.pace.record(now.instant, hashes, &self.config) {
                    self.timers.set(Timer::Vardiff, now.instant);
                }
                device.last_share_at = now.instant;
                // A block waits for nothing that concerns the device.
                self.pass_on(connection, sequence_number, submit, &found, out);
                answer(connection, Response::yes(id), out);
                let hash = found.hash;
                out.tell(Event::ShareAccepted { connection, channel_id, sequence_number, hash });
            }
            Err(Refusal { error, event_code: error_code }) => {
                out.tell(Event::ShareRejected {
                    connection,
                    channel_id,
                    sequence_number,
                    error_code,
                });
                self.refuse(now, connection, id, error, out);
            }
        }
    }

    /// Sends a share up, if the upstream takes it.
    fn pass_on(
        &mut self,
        connection: ConnectionId,
        sequence_number: u32,
        submit: &Submit,
        found: &Found,
        out: &mut Outbox,
    ) {
        let Found { source, extranonce, version, hash, is_block, .. } = found;
        if *is_block {
            out.tell(Event::BlockFound { hash: *hash });
        }
        let tlvs = self.worker_tlvs(&submit.user);
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let lane = self.lanes.get_mut(&device.lane);
        let channel = lane.and_then(|lane| lane.channel_of(source));
        let (Some(upstream), Some(channel)) = (self.upstream.uplink.ready(), channel) else {
            return out.tell(Event::SharesLost { count: 1 });
        };
        if !is_block && !source.target.is_met_by(hash) {
            let channel_id = DEVICE_CHANNEL;
            return out.tell(Event::ShareFiltered { connection, channel_id, sequence_number });
        }
        if self.upstream.in_flight >= Upstream::IN_FLIGHT_MAX {
            return out.tell(Event::SharesLost { count: 1 });
        }
        let sequence_number = channel.take_sequence_number();
        channel.in_flight.push_back(sequence_number);
        self.upstream.in_flight += 1;
        let rolled = &extranonce.as_slice()[source.prefix.as_slice().len()..];
        let (channel_id, job_id) = (channel.id, source.job_id);
        let share = SubmitSharesExtended {
            channel_id,
            sequence_number,
            job_id,
            nonce: submit.nonce,
            ntime: submit.ntime,
            version: *version,
            extranonce: B32::new(rolled).expect("a part of 32 bytes at most"),
        };
        out.put(Output::Send { connection: upstream, message: share.into(), tlvs });
        let (connection, hash) = (upstream, *hash);
        out.tell(Event::ShareSubmitted { connection, channel_id, sequence_number, job_id, hash });
    }
}

/// By the rules of Stratum V1, and by those that the upstream has for what we make of it.
fn judge(device: &mut Device, now: Now, submit: &Submit) -> Result<Found, Refusal> {
    if device.subscription != Subscription::Done {
        return Err(refusal(error_code::NOT_SUBSCRIBED, "not subscribed", NOT_SUBSCRIBED));
    }
    if !device.workers.contains(&submit.user) {
        return Err(refusal(error_code::UNAUTHORIZED, "unauthorized user", UNAUTHORIZED));
    }
    let easiest = device.easiest_target(now.instant);
    let given = match device.jobs.named(&submit.job_id) {
        Named::Valid(given) => given,
        Named::Stale => {
            let code = event_code::STALE_SHARE;
            return Err(refusal(error_code::JOB_NOT_FOUND, "stale job", code));
        }
        Named::Unknown => {
            let code = event_code::INVALID_JOB_ID;
            return Err(refusal(error_code::JOB_NOT_FOUND, "job not found", code));
        }
    };
    let source = given.source.clone();
    let rolled = submit.extranonce2.as_slice();
    let (len, agreed) = (rolled.len(), source.extranonce2_len);
    if len != agreed {
        return Err(Rejection::ExtranonceLen { len, agreed }.into());
    }
    check_ntime(submit.ntime, source.min_ntime, &source.tip, now)?;
    let fixed = source.work.version;
    let version = match submit.version_bits {
        None => fixed,
        Some(bits) if bits & !given.mask == 0 => rolled_version(fixed, given.mask, bits),
        // Whoever was granted no bits has no sixth parameter.
        Some(bits) if given.mask == 0 => {
            return Err(Rejection::VersionFixed { version: bits, fixed }.into());
        }
        Some(bits) => return Err(Rejection::VersionBits { version: bits, job: fixed }.into()),
    };
    let share = SubmitSharesExtended {
        channel_id: 0,
        sequence_number: 0,
        job_id: 0,
        nonce: submit.nonce,
        ntime: submit.ntime,
        version,
        extranonce: submit.extranonce2,
    };
    let hash = given.job.extended_hash(&share, &source.tip);
    let is_block = source.tip.network_target.is_met_by(&hash);
    let met = [Some(given.target), easiest].into_iter().flatten();
    let target = match met.filter(|target| target.is_met_by(&hash)).min() {
        Some(target) => target,
        // A block is one whatever the device was asked for.
        None if is_block => source.tip.network_target,
        None => return Err(Rejection::AboveTarget { hash, target: given.target }.into()),
    };
    let whole = [given.job.extranonce_prefix.as_slice(), rolled].concat();
    let extranonce = B32::new(&whole).expect("the budget gives 32 bytes at most");
    device.seen.insert(&hash, is_block)?;
    Ok(Found { source, extranonce, version, hash, target, is_block })
}

fn refusal(code: i64, text: &str, event_code: &'static str) -> Refusal {
    Refusal { error: ResponseError::new(code, text), event_code }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let code = match rejection {
            Rejection::Duplicate { .. } => error_code::DUPLICATE_SHARE,
            Rejection::AboveTarget { .. } => error_code::LOW_DIFFICULTY,
            Rejection::UnknownJob { .. }
            | Rejection::FutureJob { .. }
            | Rejection::StaleJob { .. } => error_code::JOB_NOT_FOUND,
            Rejection::ExtranonceLen { .. }
            | Rejection::NtimeTooEarly { .. }
            | Rejection::NtimeTooLate { .. }
            | Rejection::VersionFixed { .. }
            | Rejection::VersionBits { .. }
            | Rejection::TooMany { .. } => error_code::OTHER,
        };
        refusal(code, &rejection.to_string(), rejection.error_code())
    }
}

const NOT_SUBSCRIBED: &str = "not-subscribed";
const UNAUTHORIZED: &str = "unauthorized-user";
