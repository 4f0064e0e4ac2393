//! Rule 24: every request has one answer (spec 5.3.2, 5.3.18 to 5.3.20, 6.4, 7.4 to 7.6).

use super::Severity::{Note, Warning};
use super::scene::{Findings, Said};
use crate::state::request::{Paired, RequestKind};
use sv2::message::Message;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let name = said.message.name();
    if let Some((kind, id)) = scene.facts.asks {
        check_id(said, out, kind, id);
    }
    let is_verdict =
        matches!(said.message, Message::SubmitSharesSuccess(_) | Message::SubmitSharesError(_));
    match scene.facts.paired {
        Some(Paired::Again { request, answer }) => {
            out.tell(scene, 24, Warning, || {
                let first = answer.number;
                format!("{name} answers a request that #{first} has answered")
            })
            .cause(request.number);
        }
        Some(Paired::Unknown) if !is_verdict && !connection.requests.has_forgotten => {
            out.tell(scene, 24, Warning, || format!("{name} answers a request that nobody made"));
        }
        _ => {}
    }
}

fn check_id(said: &Said<'_>, out: &mut Findings<'_>, kind: RequestKind, id: u64) {
    let (scene, connection) = (said.scene, said.scene.connection);
    if let Some(pending) = connection.requests.pending(kind, id)
        && kind != RequestKind::Setup
    {
        out.tell(scene, 24, Warning, || {
            format!("id {id} of {} is used again before its answer", kind.name())
        })
        .cause(pending.sent.number);
        return;
    }
    // Templates are asked for again, extensions are negotiated again, and a declaration can miss
    // transactions twice.
    let is_unique = matches!(
        kind,
        RequestKind::OpenChannel
            | RequestKind::CustomJob
            | RequestKind::Token
            | RequestKind::Declaration
    );
    if let Some(answered) = connection.requests.answered(kind, id).filter(|_| is_unique) {
        out.tell(scene, 24, Note, || format!("id {id} of {} was used before", kind.name()))
            .cause(answered.request.number);
    }
}
