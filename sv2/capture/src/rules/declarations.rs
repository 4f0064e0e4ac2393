//! Rule 28: tokens, declarations and custom jobs (spec 6.3, 6.4).

use bitcoin::TxOut;
use bitcoin::consensus::encode;
use sv2::job_declaration::DeclareMiningJob;
use sv2::message::Message;
use sv2::mining::SetCustomMiningJob;

use super::Severity::{Note, Warning};
use super::scene::{Findings, Said};
use crate::state::declaration::{Token, content_of_custom_job, content_of_declaration, digest};
use crate::state::request::{Detail, RequestKind};

/// Behind a new block, a job for the old one may be on its way for so long, in nanoseconds.
const RACE: u64 = 2_000_000_000;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    match said.message {
        Message::SetCustomMiningJob(job) => check_custom_job(said, out, job),
        Message::DeclareMiningJob(job) => check_declaration(said, out, job),
        Message::ProvideMissingTransactions(message) => {
            let requests = &said.scene.connection.requests;
            let pending = requests.pending(RequestKind::Declaration, message.request_id.into());
            let Some(pending) = pending else { return };
            let Detail::Declaration { transaction_count, .. } = pending.detail else { return };
            let positions = message.unknown_tx_position_list.as_slice();
            let outside = positions.iter().find(|at| usize::from(**at) >= transaction_count);
            if let Some(at) = outside {
                out.tell(said.scene, 28, Warning, || {
                    format!("position {at} of a declaration with {transaction_count} transactions")
                })
                .cause(pending.sent.number);
            }
        }
        Message::ProvideMissingTransactionsSuccess(message) => {
            let requests = &said.scene.connection.requests;
            let id = message.request_id.into();
            let pending = requests.pending(RequestKind::MissingTransactions, id);
            let Some(pending) = pending else { return };
            let Detail::Missing { count } = pending.detail else { return };
            let given = message.transaction_list.as_slice().len();
            if given != count {
                out.tell(said.scene, 28, Warning, || {
                    format!("{given} transactions are provided, {count} were asked for")
                })
                .cause(pending.sent.number);
            }
        }
        _ => {}
    }
}

/// The token, if it is known; says so where it should be.
fn token<'a>(said: &Said<'a>, out: &mut Findings<'_>, name: &[u8]) -> Option<&'a Token> {
    let tokens = &said.scene.state.tokens;
    let token = tokens.get(name);
    // Without a job declarator server in the capture no token is known.
    if token.is_none() && !tokens.is_empty() && !tokens.has_forgotten {
        out.tell(said.scene, 28, Warning, || {
            "a token that no server in the capture gave".to_owned()
        });
    }
    token
}

fn check_declaration(said: &Said<'_>, out: &mut Findings<'_>, job: &DeclareMiningJob) {
    let Some(token) = token(said, out, job.mining_job_token.as_slice()) else { return };
    let (connection, content) = (said.scene.connection.id, content_of_declaration(job));
    let before = token.declared.or(token.consumed);
    if let Some(first) = before.filter(|first| !first.is_passed_on(connection, &content)) {
        // AMB-38: whether a failed declaration frees its token.
        out.tell(said.scene, 28, Note, || "the token was used before".to_owned())
            .cause(first.mark.number);
    }
}

fn check_custom_job(said: &Said<'_>, out: &mut Findings<'_>, job: &SetCustomMiningJob) {
    let scene = said.scene;
    let legs = &scene.state.legs;
    // The miner's node may hear of a block first: only one that another has followed is old.
    let is_known = legs.tip(&job.prev_hash).is_some();
    if let Some(tip) = legs.newest_tip().filter(|tip| is_known && tip.prev_hash != job.prev_hash) {
        let lag = scene.mark().since(tip.first);
        let severity = if lag < RACE { Note } else { Warning };
        out.tell(scene, 28, severity, || {
            let lag = crate::text::duration(lag);
            format!("a job for an old block: another was told of {lag} before")
        })
        .cause(tip.first.number);
    }
    let outputs = job.coinbase_tx_outputs.as_slice();
    let Some(token) = token(said, out, job.mining_job_token.as_slice()) else { return };
    let (connection, content) = (scene.connection.id, content_of_custom_job(job));
    if let Some(first) = token.consumed.filter(|first| !first.is_passed_on(connection, &content)) {
        out.tell(scene, 28, Warning, || "the token backs another job already".to_owned())
            .cause(first.mark.number);
    }
    if let (Some(declared), Some(declaration)) = (&token.declared_outputs, token.declared)
        && *declared != digest(outputs)
    {
        out.tell(scene, 28, Warning, || {
            "the outputs are not those of the declaration, byte by byte".to_owned()
        })
        .cause(declaration.mark.number);
    }
    if let Some(payout) = &token.payout {
        let pays = encode::deserialize::<Vec<TxOut>>(outputs).is_ok_and(|outputs| {
            outputs.iter().any(|output| {
                output.value.to_sat() > 0 && digest(output.script_pubkey.as_bytes()) == *payout
            })
        });
        if !pays {
            out.tell(scene, 28, Warning, || {
                "no output with a value pays to the script that came with the token".to_owned()
            })
            .cause(token.allocated.number);
        }
    }
}
