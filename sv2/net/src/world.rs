//! What a role asks of the world: blocks for a chain, records for a disk.

use std::sync::Arc;

use sv2::role::{Answer, Request, RequestId};
use tokio::sync::mpsc;

/// Answers the requests of a role. One handler may serve several hosts.
pub trait World: Send + Sync + 'static {
    /// Takes a request. Must not block: what takes time goes to a task or a thread, with the
    /// `reply`. A reply that is dropped answers [`Answer::Failed`].
    fn take(&self, request: Request, reply: Reply);
}

/// The way back of one answer.
#[derive(Debug)]
pub struct Reply {
    request: RequestId,
    /// `None` once answered. Bounded by the host's count of open requests.
    answers: Option<mpsc::UnboundedSender<(RequestId, Answer)>>,
}

impl Reply {
    pub(crate) fn new(
        request: RequestId,
        answers: mpsc::UnboundedSender<(RequestId, Answer)>,
    ) -> Self {
        Reply { request, answers: Some(answers) }
    }

    /// Answers. If the host is gone, nobody is told.
    pub fn answer(mut self, answer: Answer) {
        if let Some(answers) = self.answers.take() {
            let _ = answers.send((self.request, answer));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(answers) = self.answers.take() {
            let _ = answers.send((self.request, Answer::Failed("was not answered".into())));
        }
    }
}

/// A world made of parts.
#[derive(Clone, Default)]
pub struct Worlds {
    /// Takes blocks; without one, every block fails.
    pub chain: Option<Arc<dyn World>>,
    /// Takes records; without one, every record fails.
    pub accounts: Option<Arc<dyn World>>,
}

impl World for Worlds {
    fn take(&self, request: Request, reply: Reply) {
        let (part, name) = match request {
            Request::SubmitBlock { .. } | Request::ValidateBlock { .. } => (&self.chain, "chain"),
            Request::Persist { .. } => (&self.accounts, "accounts folder"),
        };
        match part {
            Some(world) => world.take(request, reply),
            None => reply.answer(Answer::Failed(format!("no {name} is configured"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sv2::mining::share_record::{ShareOutcome, ShareRecord};
    use sv2::time::UnixTime;
    use sv2::wire::Str255;

    struct Forgetful;

    impl World for Forgetful {
        fn take(&self, _: Request, _: Reply) {}
    }

    fn ask(world: &dyn World) -> Option<(RequestId, Answer)> {
        let (answers, mut answered) = mpsc::unbounded_channel();
        let record = Box::new(ShareRecord {
            at: UnixTime(0),
            user_identity: Str255::default(),
            worker: Bytes::new(),
            outcome: ShareOutcome::Rejected { error_code: "stale-share" },
        });
        world.take(Request::Persist { record }, Reply::new(RequestId(7), answers));
        answered.try_recv().ok()
    }

    #[test]
    fn a_request_that_nobody_answers_fails() {
        let answer = ask(&Forgetful);

        assert_eq!(answer, Some((RequestId(7), Answer::Failed("was not answered".into()))));
    }

    #[test]
    fn a_request_for_a_missing_part_names_the_part() {
        let answer = ask(&Worlds::default());

        let reason = "no accounts folder is configured".to_owned();
        assert_eq!(answer, Some((RequestId(7), Answer::Failed(reason))));
    }
}
