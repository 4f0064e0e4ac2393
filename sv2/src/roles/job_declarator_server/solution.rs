//! Blocks that clients push (spec 6.4.9).

use super::{JobDeclaratorServer, Pending, note};
use crate::event::Event;
use crate::job_declaration::PushSolution;
use crate::role::{Answer, ConnectionId, Outbox, Output, Request};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::U256;

impl JobDeclaratorServer {
    /// The message does not say which job it solves: the one that was acknowledged last, or, if a
    /// newer acknowledgement has overtaken the block, one of those before (AMB-51).
    pub(super) fn handle_solution(
        &mut self,
        now: Now,
        connection: ConnectionId,
        solution: &PushSolution,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get(&connection) else { return Ok(()) };
        let mut last_flaw = None;
        let mut solved = None;
        for job in client.declared() {
            match job.solve(solution, self.config.proof_check) {
                Ok(found) => {
                    solved = Some(found);
                    break;
                }
                // People want to know of the job that had to fit.
                Err(flaw) => drop(last_flaw.get_or_insert(flaw)),
            }
        }
        let Some(solved) = solved else {
            let why = last_flaw
                .map_or_else(|| "no job was acknowledged".to_owned(), |flaw| flaw.to_string());
            return self.ignore(now, connection, &format!("PushSolution: {why} (spec 6.4.9)"), out);
        };
        if self.submitted.contains(&solved.hash) {
            let what = "PushSolution: the block is on its way already";
            return self.ignore(now, connection, what, out);
        }
        let is_block = |pending: &&Pending| matches!(pending, Pending::Block { .. });
        if self.pending.values().filter(is_block).count() >= BLOCKS_MAX {
            let what = "PushSolution: too many blocks wait for the node";
            return self.ignore(now, connection, what, out);
        }
        let hash = solved.hash;
        self.submitted.push_back(hash);
        if self.submitted.len() > SUBMITTED_MAX {
            self.submitted.pop_front();
        }
        let request = self.take_request_id();
        self.pending.insert(request, Pending::Block { hash, connection: Some(connection) });
        out.put(Output::Request { request, what: Request::SubmitBlock { block: solved.block } });
        out.tell(Event::BlockPushed { connection, hash });
        Ok(())
    }

    pub(super) fn handle_block_answer(
        &mut self,
        hash: U256,
        connection: Option<ConnectionId>,
        answer: Answer,
        out: &mut Outbox,
    ) {
        match answer {
            Answer::BlockAccepted { hash } => out.tell(Event::BlockFound { hash }),
            // The client's own node was faster, as it should be.
            Answer::BlockRejected { reason } if reason == "duplicate" => {}
            Answer::BlockRejected { reason } => {
                note(connection, format!("the node refused block {hash}: {reason}"), out);
            }
            Answer::Failed(reason) => {
                // The client may send it again.
                self.submitted.retain(|submitted| *submitted != hash);
                note(connection, format!("block {hash} did not reach the node: {reason}"), out);
            }
            Answer::Persisted => {}
        }
    }
}

/// Blocks on their way to the node.
pub(super) const BLOCKS_MAX: usize = 64;

/// Hashes of blocks kept to send each once.
const SUBMITTED_MAX: usize = 256;
