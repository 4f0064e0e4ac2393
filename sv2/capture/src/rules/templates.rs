//! Rule 29: templates in order (spec 7).

use bitcoin::TxOut;
use bitcoin::consensus::Decodable;
use sv2::common::Protocol;
use sv2::message::Message;
use sv2::template_distribution::NewTemplate;

use super::Severity::{Note, Warning};
use super::scene::{Findings, Said};
use crate::Direction;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    if said.scene.connection.protocol != Some(Protocol::TemplateDistribution) {
        return;
    }
    check_constraints(said, out);
    let templates = &said.scene.connection.templates;
    match said.message {
        Message::NewTemplate(template) => check_template(said, out, template),
        Message::TemplateSetNewPrevHash(message) => {
            let id = message.template_id;
            match templates.template(id) {
                None if !templates.has_forgotten => {
                    out.tell(said.scene, 29, Warning, || format!("template {id} was never sent"));
                }
                Some(template) if !template.was_future => {
                    out.tell(said.scene, 29, Warning, || {
                        format!("template {id} was sent for the block before")
                    })
                    .cause(template.sent.number);
                }
                _ => {}
            }
        }
        Message::SubmitSolution(message) => check_known(said, out, message.template_id, Warning),
        Message::RequestTransactionData(message) => {
            check_known(said, out, message.template_id, Note);
        }
        _ => {}
    }
}

fn check_known(said: &Said<'_>, out: &mut Findings<'_>, id: u64, severity: super::Severity) {
    let templates = &said.scene.connection.templates;
    if templates.template(id).is_none() && !templates.has_forgotten {
        out.tell(said.scene, 29, severity, || format!("template {id} was never sent"));
    }
}

/// The client says first how much room it needs (spec 7.1).
fn check_constraints(said: &Said<'_>, out: &mut Findings<'_>) {
    let is_first = said.scene.connection.templates.constraints.is_none();
    let is_setup =
        matches!(said.message, Message::SetupConnection(_) | Message::RequestExtensions(_));
    let is_of_client = said.direction == Direction::ClientToServer && !is_setup;
    let is_constraints = matches!(said.message, Message::CoinbaseOutputConstraints(_));
    let is_template = matches!(said.message, Message::NewTemplate(_));
    if is_first && ((is_of_client && !is_constraints) || is_template) {
        out.tell_once(said.scene, (29, 0), Warning, || {
            format!("{} before CoinbaseOutputConstraints", said.message.name())
        });
    }
}

fn check_template(said: &Said<'_>, out: &mut Findings<'_>, template: &NewTemplate) {
    let (scene, id) = (said.scene, template.template_id);
    let templates = &scene.connection.templates;
    if let Some(last) = templates.last().filter(|last| last.id >= id) {
        out.tell(scene, 29, Warning, || format!("template {id} after {}", last.id))
            .cause(last.sent.number);
    }
    if !template.future_template && templates.tip.is_none() {
        out.tell_once(scene, (29, 1), Note, || {
            "the first template is for a block that was not told of".to_owned()
        });
    }
    let count = template.coinbase_tx_outputs_count;
    let mut rest = template.coinbase_tx_outputs.as_slice();
    // Stops at the first missing output, so a false count costs nothing.
    let is_whole = (0..count).all(|_| TxOut::consensus_decode(&mut rest).is_ok());
    if !is_whole || !rest.is_empty() {
        out.tell(scene, 29, Warning, || {
            format!("coinbase_tx_outputs are not {count} outputs, as the template says")
        });
    }
}
