//! Rules about lines of Stratum V1: 3, 24 and 33. Everything else is about Stratum V2.

use sv2::sv1::{Message, Outcome};

use super::Severity::{Chat, Error, Warning};
use super::scene::{Findings, Scene};
use crate::state::request::Paired;

pub(super) fn check(scene: &Scene<'_>, out: &mut Findings<'_>) {
    match scene.facts.line.as_deref() {
        Some(Err(error)) => {
            out.tell(scene, 3, Error, || format!("a line of Stratum V1 does not parse: {error}"));
        }
        Some(Ok(Message::Response(response))) => {
            if let Outcome::Error(error) = &response.outcome {
                out.tell(scene, 33, Chat, || {
                    format!("a call is refused: {} {:?}", error.code, error.text)
                });
            }
            let has_forgotten = scene.connection.requests.has_forgotten;
            if scene.facts.paired == Some(Paired::Unknown) && !has_forgotten {
                out.tell(scene, 24, Warning, || "an answer to a call that nobody made".to_owned());
            }
        }
        Some(Ok(Message::Call { .. })) | None => {}
    }
}
