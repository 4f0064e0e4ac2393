//! Rules about jobs and the blocks that they build on: 13, 14, 15, 26, 27
//! (spec 3.7, 5.1.2.1, 5.3.15 to 5.3.18, 7.3).

use bitcoin::Transaction;
use bitcoin::consensus::encode;
use sv2::message::Message;
use sv2::mining::coinbase::Coinbase;
use sv2::mining::{NewExtendedMiningJob, NewMiningJob, SetNewPrevHash};
use sv2::wire::U256;

use super::Severity::{Chat, Error, Note, Warning};
use super::scene::{Findings, Said};
use crate::state::channel::{Channel, ChannelKind};
use crate::state::job::{Board, JobState, View};
use crate::state::legs::Legs;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    match said.message {
        Message::NewMiningJob(job) => {
            check_id(said, out, job.channel_id, job.job_id);
            check_first(said, out, job.channel_id, job.min_ntime.is_some());
            check_root(said, out, job);
        }
        Message::NewExtendedMiningJob(job) => {
            check_id(said, out, job.channel_id, job.job_id);
            check_first(said, out, job.channel_id, job.min_ntime.is_some());
            check_coinbase(said, out, job);
        }
        Message::SetNewPrevHash(message) => {
            check_activation(said, out, message);
            check_tip(said, out, &message.prev_hash, message.nbits);
        }
        Message::SetCustomMiningJob(job) => check_tip(said, out, &job.prev_hash, job.nbits),
        Message::PushSolution(solution) => {
            check_tip(said, out, &solution.prev_hash, solution.nbits);
        }
        Message::TemplateSetNewPrevHash(message) => {
            check_tip(said, out, &message.prev_hash, message.nbits);
        }
        Message::DeclareMiningJob(message) => {
            let (prefix, suffix) =
                (message.coinbase_tx_prefix.as_slice(), message.coinbase_tx_suffix.as_slice());
            if commits_to_witnesses(suffix) && !has_witness_marker(prefix) {
                out.tell(said.scene, 26, Error, || {
                    "the declared coinbase transaction commits to witnesses and is without the \
                     fields of BIP 141"
                        .to_owned()
                });
            }
        }
        Message::SubmitSolution(solution) => check_solution(said, out, &solution.coinbase_tx),
        _ => {}
    }
}

fn board<'a>(said: &Said<'a>, id: u32) -> Option<&'a Board> {
    let connection = said.scene.connection;
    let channel = connection.channels.get(&id).map(|channel| &channel.board);
    channel.or_else(|| connection.groups.get(&id).map(|group| &group.board))
}

/// An id in use by a job that still counts.
fn check_id(said: &Said<'_>, out: &mut Findings<'_>, id: u32, job_id: u32) {
    let scene = said.scene;
    let Some(board) = board(said, id) else { return };
    let view = View::of_board(board);
    if let Some(job) = board.job(job_id) {
        if !matches!(view.state(job), JobState::Retired { .. }) {
            out.tell(scene, 14, Error, || {
                format!("job {job_id} is given again while the first one is valid")
            })
            .cause(job.arrived.number);
        }
        return;
    }
    // AMB-22: one name space for a channel and its group, or one for each.
    if let Some(view) = scene.connection.view(id)
        && let Some(job) = view.job(job_id)
        && view.state(job) == JobState::Active
    {
        out.tell(scene, 14, Note, || {
            format!("job {job_id} of the channel has the id of a valid job of its group")
        })
        .cause(job.arrived.number);
    }
}

/// The first job of a channel waits for its block; before a block there is no other job.
fn check_first(said: &Said<'_>, out: &mut Findings<'_>, id: u32, is_for_now: bool) {
    let scene = said.scene;
    let Some(board) = board(said, id) else { return };
    let channel = scene.connection.channels.get(&id);
    let has_tip = match scene.connection.view(id) {
        Some(view) => view.tip().is_some(),
        // Members that came with a tip of their own have one.
        None => {
            let mut members = scene.connection.members(id).take(MEMBERS_TRIED_MAX);
            board.tip().is_some() || members.any(|(_, channel)| channel.board.tip().is_some())
        }
    };
    if is_for_now && !has_tip {
        out.tell(scene, 15, Warning, || {
            "a job for the present block, but no SetNewPrevHash has told of one".to_owned()
        })
        .channel(id);
    }
    let is_extended_to_standard = matches!(said.message, Message::NewExtendedMiningJob(_))
        && channel.is_some_and(|channel| channel.kind == ChannelKind::Standard);
    if is_extended_to_standard {
        out.tell(scene, 15, Warning, || {
            format!("an extended job for the standard channel {id} instead of its group")
        });
    }
}

fn check_activation(said: &Said<'_>, out: &mut Findings<'_>, message: &SetNewPrevHash) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let (id, job_id) = (message.channel_id, message.job_id);
    let is_known = connection.channels.contains_key(&id) || connection.groups.contains_key(&id);
    if !is_known {
        return;
    }
    match scene.facts.job {
        None => {
            let view = connection.view(id);
            let has_forgotten = match view {
                Some(view) => view.has_forgotten(),
                None => board(said, id).is_some_and(|board| board.has_forgotten),
            };
            let severity = if has_forgotten { Note } else { Error };
            out.tell(scene, 13, severity, || {
                format!("job {job_id} was never given to channel or group {id}")
            });
        }
        Some(job) => {
            let why = match job.state {
                JobState::Future => None,
                JobState::Active => Some("is active already"),
                JobState::Retired { .. } => Some("is void since an earlier block"),
            };
            if let Some(why) = why {
                out.tell(scene, 13, Error, || format!("job {job_id} {why}: it is no future job"))
                    .cause(job.given.number);
            }
        }
    }
    // AMB-52: not wrong, and rare enough to be seen.
    let mut tips = board(said, id).into_iter().flat_map(Board::tips);
    if let Some(tip) = tips.find(|tip| tip.prev_hash == message.prev_hash) {
        out.tell(scene, 15, Chat, || "the same block again, or a reorganisation".to_owned())
            .cause(tip.told.number);
    }
}

/// One block has one nbits, wherever it is told of.
fn check_tip(said: &Said<'_>, out: &mut Findings<'_>, prev_hash: &U256, nbits: u32) {
    let legs = &said.scene.state.legs;
    if let Some(known) = legs.tip(prev_hash) {
        if known.nbits != nbits {
            let first = known.nbits;
            out.tell(said.scene, 27, Error, || {
                format!("nbits {nbits:#010x} for this block, {first:#010x} were told before")
            })
            .cause(known.first.number);
        }
    } else if let Some(known) = legs.tip(&reversed(prev_hash)) {
        out.tell(said.scene, 27, Error, || {
            "prev_hash is one that was told before with its bytes reversed".to_owned()
        })
        .cause(known.first.number);
    }
}

fn reversed(number: &U256) -> U256 {
    let mut bytes = number.to_be_bytes();
    bytes.reverse();
    U256::from_be_bytes(bytes)
}

/// The root of a standard job follows from the extended job that it was derived from, where that
/// is in the capture.
fn check_root(said: &Said<'_>, out: &mut Findings<'_>, job: &NewMiningJob) {
    let (scene, connection) = (said.scene, said.scene.connection);
    if scene.facts.same_as.is_some() || connection.is_redacted {
        return;
    }
    let Some(channel) = connection.channels.get(&job.channel_id) else { return };
    let extranonce = channel.extranonce_prefix.now().as_slice();
    let legs = &scene.state.legs;
    if let Some(known) = legs.work_with_root(&reversed(&job.merkle_root), extranonce) {
        out.tell(scene, 27, Error, || {
            "the merkle root is that of the extended job with its bytes reversed".to_owned()
        })
        .cause(known.first.number);
        return;
    }
    // The leg above: its channel's prefix is the beginning of ours. With more jobs than are
    // tried, the right one may be among the others.
    if legs.works().len() > Legs::ROOTS_TRIED_MAX {
        return;
    }
    let above =
        legs.works().filter(|known| known.place.connection != connection.id && !known.is_custom);
    let parent = above.into_iter().find(|known| {
        let leg = scene.state.connection(known.place.connection);
        leg.filter(|leg| leg.server != connection.server).is_some_and(|leg| {
            let own = leg.channels.get(&known.place.channel);
            let members = leg.members(known.place.channel).map(|(_, channel)| channel);
            let mut all = own.into_iter().chain(members).take(MEMBERS_TRIED_MAX);
            all.any(|above| is_above(above, channel))
        })
    });
    if let Some(known) = parent {
        out.tell(scene, 27, Error, || {
            "no extended job of the connection above gives this merkle root with the channel's \
             prefix"
                .to_owned()
        })
        .cause(known.first.number);
    }
}

fn is_above(above: &Channel, channel: &Channel) -> bool {
    let (short, long) =
        (above.extranonce_prefix.now().as_slice(), channel.extranonce_prefix.now().as_slice());
    above.kind == ChannelKind::Extended
        && !short.is_empty()
        && short.len() < long.len()
        && long.starts_with(short)
        && above.full_extranonce_size() == channel.full_extranonce_size()
}

/// Prefix, an extranonce and suffix are a coinbase transaction, without the fields of BIP 141.
fn check_coinbase(said: &Said<'_>, out: &mut Findings<'_>, job: &NewExtendedMiningJob) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let id = job.channel_id;
    let channel = connection.channels.get(&id);
    let channel = channel.or_else(|| connection.members(id).next().map(|(_, channel)| channel));
    let Some(channel) = channel else { return };
    let prefix = job.coinbase_tx_prefix.as_slice();
    if has_witness_marker(prefix) {
        out.tell(scene, 26, Error, || {
            "the coinbase transaction of a job has the fields of BIP 141: shares cannot hash to \
             its id"
                .to_owned()
        });
        return;
    }
    let len = channel.full_extranonce_size();
    let whole = [prefix, &vec![0; len], job.coinbase_tx_suffix.as_slice()].concat();
    match encode::deserialize::<Transaction>(&whole) {
        Err(error) => {
            out.tell(scene, 26, Error, || {
                format!("with {len} bytes of extranonce the parts are no transaction: {error}")
            });
        }
        Ok(transaction) => check_script(said, out, &transaction),
    }
}

fn check_script(said: &Said<'_>, out: &mut Findings<'_>, transaction: &Transaction) {
    let scene = said.scene;
    if !transaction.is_coinbase() {
        out.tell(scene, 26, Error, || "the transaction is no coinbase transaction".to_owned());
        return;
    }
    let len = transaction.input[0].script_sig.len();
    if !(Coinbase::SCRIPT_LEN_MIN..=Coinbase::SCRIPT_LEN_MAX).contains(&len) {
        out.tell(scene, 26, Error, || {
            format!("the script of the coinbase input has {len} bytes, 2 to 100 are valid")
        });
    }
}

fn check_solution(said: &Said<'_>, out: &mut Findings<'_>, coinbase: &sv2::wire::B64K) {
    let scene = said.scene;
    match encode::deserialize::<Transaction>(coinbase.as_slice()) {
        Err(error) => {
            out.tell(scene, 26, Error, || format!("coinbase_tx is no transaction: {error}"));
        }
        Ok(transaction) => {
            check_script(said, out, &transaction);
            let commits = transaction
                .output
                .iter()
                .any(|output| output.script_pubkey.as_bytes().starts_with(&WITNESS_COMMITMENT));
            let is_bare = transaction.input.iter().all(|input| input.witness.is_empty());
            if commits && is_bare {
                out.tell(scene, 26, Error, || {
                    "coinbase_tx commits to witnesses and has none: the block is invalid".to_owned()
                });
            }
        }
    }
}

/// Marker and flag of BIP 144 behind the version.
fn has_witness_marker(transaction: &[u8]) -> bool {
    transaction.get(4..6) == Some(&[0, 1])
}

fn commits_to_witnesses(suffix: &[u8]) -> bool {
    suffix.windows(WITNESS_COMMITMENT.len()).any(|window| window == WITNESS_COMMITMENT)
}

/// How an output that commits to witnesses begins (BIP 141).
const WITNESS_COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
/// Members of a group that are asked whether they are the leg above.
const MEMBERS_TRIED_MAX: usize = 64;
