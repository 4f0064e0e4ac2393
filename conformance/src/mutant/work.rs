//! Mutants that get jobs, targets and coinbase transactions wrong. They remember what the
//! client knows, which rules in a file cannot.

use std::collections::BTreeMap;

use sv2::message::Message;
use sv2::mining::{NewExtendedMiningJob, SubmitSharesError, SubmitSharesStandard};
use sv2::role::{ConnectionId, Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};
use sv2::wire::{B64K, Seq255, Str255, Tlvs, U256};

use super::{Make, Mutant};
use crate::client::exchange::FrameView;
use crate::client::{Channel, Job, Tracker};

/// All of them.
pub(super) fn mutants() -> Vec<Mutant> {
    let mutant = |id: &str, stands_for: &str, make| Mutant {
        id: id.to_owned(),
        stands_for: stands_for.to_owned(),
        make: Make::Code(make),
    };
    vec![
        mutant(
            "leaves-segwit-fields-in",
            "A pool that cuts the coinbase transaction as its node serialised it, witness and all",
            |role| Minded::around(role, pass, |_, message| with_coinbase(message, add_segwit)),
        ),
        mutant(
            "coinbase-input-is-not-null",
            "A pool that builds the coinbase input with output index 0 instead of 2^32-1",
            |role| Minded::around(role, pass, |_, message| with_coinbase(message, spend_index_0)),
        ),
        mutant(
            "counts-its-own-prefix-alone",
            "A pool whose script length leaves out the part of the extranonce that the client rolls",
            |role| Minded::around(role, pass, |_, message| with_coinbase(message, shorten_script)),
        ),
        mutant(
            "coinbase-tag-without-limit",
            "A pool that lets its operator choose a coinbase tag of any length",
            |role| Minded::around(role, pass, |_, message| with_coinbase(message, lengthen_script)),
        ),
        mutant(
            "sends-path-from-the-top",
            "A pool that sends the merkle path from the root down and computes with it the other way",
            |role| Minded::around(role, pass, |_, message| reverse_path(message)),
        ),
        mutant(
            "takes-path-from-the-top",
            "A pool that reads its template's merkle path from the root down, so that no block of it is valid",
            |role| Minded::around(role, reverse_template, |_, message| vec![message]),
        ),
        mutant(
            "group-jobs-for-first-member",
            "A pool that files a group's job under the member that came first",
            |role| Minded::around(role, only_first_member, |_, message| vec![message]),
        ),
        mutant(
            "group-jobs-twice",
            "A pool that sends a job to the group and, to be sure, to each extended member as well",
            |role| Minded::around(role, pass, repeat_for_members),
        ),
        mutant(
            "targets-work-backwards",
            "A pool that judges every share by the newest SetTarget, whenever its job was sent",
            |role| Minded::around(role, judge_by_newest_target, |_, message| vec![message]),
        ),
        mutant(
            "one-target-for-all-channels",
            "A pool that keeps one target a connection, so that an update of one channel moves all",
            |role| Minded::around(role, judge_by_tightest_target, |_, message| vec![message]),
        ),
        mutant(
            "judges-shares-before-blocks",
            "A pool that drops what misses the channel's target before it asks whether it is a block",
            |role| Minded::around(role, judge_by_job_target, |_, message| vec![message]),
        ),
        mutant(
            "submits-stripped-coinbase",
            "A pool that hands its node the coinbase transaction as its jobs carry it",
            |role| Minded::around(role, pass, |_, message| vec![with_stripped_solution(message)]),
        ),
    ]
}

/// What becomes of a message that the role would hear.
enum Heard {
    /// The role hears these instead.
    Pass(Vec<Message>),
    /// The role does not hear it; this is answered.
    Answer(Message),
}

type Hear = fn(&Tracker, Message) -> Heard;
type Say = fn(&Tracker, Message) -> Vec<Message>;

/// A role with one wrong idea, that knows what each client knows.
struct Minded {
    inner: Box<dyn Role>,
    hear: Hear,
    say: Say,
    trackers: BTreeMap<ConnectionId, Tracker>,
    inner_out: Outbox,
}

impl Minded {
    fn around(inner: Box<dyn Role>, hear: Hear, say: Say) -> Box<dyn Role> {
        let trackers = BTreeMap::new();
        Box::new(Minded { inner, hear, say, trackers, inner_out: Outbox::new() })
    }
}

impl Role for Minded {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Received { connection, message, tlvs, .. } => {
                let tracker = self.trackers.entry(connection).or_default();
                let frame = FrameView::of(&message.to_frame(&tlvs));
                if let Some(view) = frame.message() {
                    tracker.sent(view);
                }
                match (self.hear)(tracker, message) {
                    Heard::Pass(messages) => {
                        for message in messages {
                            let tlvs = tlvs.clone();
                            let input =
                                Input::Received { connection, message, tlvs, original: None };
                            self.inner.handle(now, input, &mut self.inner_out);
                        }
                    }
                    Heard::Answer(message) => {
                        out.put(Output::Send { connection, message, tlvs: Tlvs::NONE });
                    }
                }
            }
            input => {
                if let Input::Closed { connection, .. } = &input {
                    self.trackers.remove(connection);
                }
                self.inner.handle(now, input, &mut self.inner_out);
            }
        }
        for output in self.inner_out.take() {
            let Output::Send { connection, message, tlvs } = output else {
                out.put(output);
                continue;
            };
            let tracker = self.trackers.entry(connection).or_default();
            for message in (self.say)(tracker, message) {
                let frame = FrameView::of(&message.to_frame(&tlvs));
                if let Some(view) = frame.message() {
                    tracker.received(view);
                }
                out.put(Output::Send { connection, message, tlvs: tlvs.clone() });
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

fn pass(_: &Tracker, message: Message) -> Heard {
    Heard::Pass(vec![message])
}

/// Prefix and suffix of a job's coinbase transaction.
type CoinbaseParts = (Vec<u8>, Vec<u8>);

fn with_coinbase(message: Message, change: fn(CoinbaseParts) -> CoinbaseParts) -> Vec<Message> {
    let Message::NewExtendedMiningJob(job) = message else { return vec![message] };
    let parts = (job.coinbase_tx_prefix.as_slice(), job.coinbase_tx_suffix.as_slice());
    let (prefix, suffix) = change((parts.0.to_vec(), parts.1.to_vec()));
    let (Ok(coinbase_tx_prefix), Ok(coinbase_tx_suffix)) = (B64K::new(prefix), B64K::new(suffix))
    else {
        return vec![Message::NewExtendedMiningJob(job)];
    };
    vec![NewExtendedMiningJob { coinbase_tx_prefix, coinbase_tx_suffix, ..*job }.into()]
}

/// Marker and flag behind the version, the witness before the lock time.
fn add_segwit((mut prefix, mut suffix): CoinbaseParts) -> CoinbaseParts {
    prefix.splice(4..4, [0, 1]);
    let locktime_at = suffix.len() - 4;
    suffix.splice(locktime_at..locktime_at, [&[1, 32][..], &[0; 32]].concat());
    (prefix, suffix)
}

fn spend_index_0((mut prefix, suffix): CoinbaseParts) -> CoinbaseParts {
    prefix[SCRIPT_LEN_AT - 4..SCRIPT_LEN_AT].fill(0);
    (prefix, suffix)
}

fn shorten_script((mut prefix, suffix): CoinbaseParts) -> CoinbaseParts {
    prefix[SCRIPT_LEN_AT] -= 4;
    (prefix, suffix)
}

/// A push of 80 bytes where the script begins to be the miner's.
fn lengthen_script((mut prefix, suffix): CoinbaseParts) -> CoinbaseParts {
    prefix[SCRIPT_LEN_AT] += 82;
    // Behind the height, the first push.
    let at = SCRIPT_LEN_AT + 2 + usize::from(prefix[SCRIPT_LEN_AT + 1]);
    prefix.splice(at..at, [&[0x4c, 80][..], &[b'x'; 80]].concat());
    (prefix, suffix)
}

/// Version, the number of inputs, an outpoint: then the length of the script.
const SCRIPT_LEN_AT: usize = 4 + 1 + 36;

fn reversed(path: &Seq255<U256>) -> Seq255<U256> {
    Seq255::new(path.as_slice().iter().rev().copied().collect()).unwrap_or_default()
}

fn reverse_path(message: Message) -> Vec<Message> {
    let Message::NewExtendedMiningJob(mut job) = message else { return vec![message] };
    job.merkle_path = reversed(&job.merkle_path);
    vec![Message::NewExtendedMiningJob(job)]
}

fn reverse_template(_: &Tracker, message: Message) -> Heard {
    let Message::NewTemplate(mut template) = message else { return Heard::Pass(vec![message]) };
    template.merkle_path = reversed(&template.merkle_path);
    Heard::Pass(vec![Message::NewTemplate(template)])
}

/// Channel, sequence number and job of a share.
fn share_ids(message: &Message) -> Option<(u32, u32, u32)> {
    match message {
        Message::SubmitSharesStandard(share) => {
            Some((share.channel_id, share.sequence_number, share.job_id))
        }
        Message::SubmitSharesExtended(share) => {
            Some((share.channel_id, share.sequence_number, share.job_id))
        }
        _ => None,
    }
}

fn refuse(channel_id: u32, sequence_number: u32, code: &'static str) -> Heard {
    let error_code = Str255::from_static(code);
    Heard::Answer(SubmitSharesError { channel_id, sequence_number, error_code }.into())
}

fn only_first_member(tracker: &Tracker, message: Message) -> Heard {
    let Some((channel_id, sequence_number, job_id)) = share_ids(&message) else {
        return Heard::Pass(vec![message]);
    };
    let group = tracker.channels.get(&channel_id).and_then(|channel| channel.group);
    let members = group.map(|group| tracker.members(group)).unwrap_or_default();
    let knows_job = |id: &&u32| {
        tracker.channels.get(id).is_some_and(|channel| channel.jobs.contains_key(&job_id))
    };
    match members.iter().find(knows_job) {
        Some(first) if *first != channel_id => {
            refuse(channel_id, sequence_number, "invalid-job-id")
        }
        _ => Heard::Pass(vec![message]),
    }
}

fn repeat_for_members(tracker: &Tracker, message: Message) -> Vec<Message> {
    let Message::NewExtendedMiningJob(job) = &message else { return vec![message] };
    let members = match tracker.groups.contains(&job.channel_id) {
        true => tracker.members(job.channel_id),
        false => Vec::new(),
    };
    let again = members
        .into_iter()
        .filter(|id| tracker.channels.get(id).is_some_and(|channel| channel.extranonce_size > 0))
        .map(|channel_id| NewExtendedMiningJob { channel_id, ..(**job).clone() }.into())
        .collect::<Vec<Message>>();
    [vec![message], again].concat()
}

fn judge_by_newest_target(tracker: &Tracker, message: Message) -> Heard {
    judge_by(tracker, message, |channel, _| Some(channel.target))
}

fn judge_by_job_target(tracker: &Tracker, message: Message) -> Heard {
    judge_by(tracker, message, |_, job| job.target)
}

fn judge_by_tightest_target(tracker: &Tracker, message: Message) -> Heard {
    let open = tracker.channels.values().filter(|channel| !channel.is_closed);
    let Some(tightest) = open.map(|channel| channel.target).min() else {
        return Heard::Pass(vec![message]);
    };
    match &message {
        Message::SubmitSharesStandard(share)
            if hash_of(tracker, share).is_some_and(|hash| hash > tightest) =>
        {
            refuse(share.channel_id, share.sequence_number, "difficulty-too-low")
        }
        _ => Heard::Pass(vec![message]),
    }
}

/// Refuses standard shares above a target of the mutant's choice.
fn judge_by(
    tracker: &Tracker,
    message: Message,
    target: fn(&Channel, &Job) -> Option<U256>,
) -> Heard {
    let Message::SubmitSharesStandard(share) = &message else { return Heard::Pass(vec![message]) };
    let channel = tracker.channels.get(&share.channel_id);
    let job = channel.and_then(|channel| channel.jobs.get(&share.job_id));
    let target = channel.zip(job).and_then(|(channel, job)| target(channel, job));
    match target.zip(hash_of(tracker, share)) {
        Some((target, hash)) if hash > target => {
            refuse(share.channel_id, share.sequence_number, "difficulty-too-low")
        }
        _ => Heard::Pass(vec![message]),
    }
}

fn hash_of(tracker: &Tracker, share: &SubmitSharesStandard) -> Option<U256> {
    let job = tracker.channels.get(&share.channel_id)?.jobs.get(&share.job_id)?;
    let mut header = job.header(&job.tip?, share.version, &[], share.ntime);
    header.nonce = share.nonce;
    Some(header.hash())
}

/// Without marker, flag and the one witness.
fn with_stripped_solution(message: Message) -> Message {
    let Message::SubmitSolution(mut solution) = message else { return message };
    let mut coinbase = solution.coinbase_tx.as_slice().to_vec();
    if coinbase.get(4..6) == Some(&[0, 1]) {
        let locktime_at = coinbase.len() - 4;
        coinbase.drain(locktime_at - 34..locktime_at);
        coinbase.drain(4..6);
        if let Ok(stripped) = B64K::new(coinbase) {
            solution.coinbase_tx = stripped;
        }
    }
    Message::SubmitSolution(solution)
}
