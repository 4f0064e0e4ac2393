//! A block: to the template provider, to the job declarator server, and as a share to the pool,
//! none waiting for another (spec 6.4.9, 7.7).

use super::Client;
use super::jobs::Job;
use crate::job_declaration::PushSolution;
use crate::role::Outbox;
use crate::roles::mining_server::Proof;
use crate::template_distribution::SubmitSolution;
use crate::wire::B64K;

impl Client {
    /// Everything but the share, whose way is that of all shares.
    pub(super) fn publish(&mut self, work_id: u64, proof: &Proof<'_>, out: &mut Outbox) {
        let Some(job) = self.jobs.get(work_id) else { return };
        let (solution, is_declared) = (solution(job, proof), job.is_declared);
        self.provider.send_solution(solution, out);
        // In coinbase-only mode nobody could make a block of it, and before the declaration is
        // acknowledged the server would take it for one of another job.
        if is_declared
            && let (Some(connection), Some(tip)) = (self.declarator.ready(), self.provider.tip())
        {
            out.send(
                connection,
                PushSolution {
                    extranonce: proof.extranonce(),
                    prev_hash: tip.prev_hash,
                    nonce: proof.nonce,
                    ntime: proof.ntime,
                    nbits: tip.nbits,
                    version: proof.version,
                },
            );
        }
    }
}

fn solution(job: &Job, proof: &Proof<'_>) -> SubmitSolution {
    let coinbase = proof.work().coinbase.transaction(&[proof.extranonce().as_slice()]);
    SubmitSolution {
        template_id: job.template.template_id,
        version: proof.version,
        header_timestamp: proof.ntime,
        header_nonce: proof.nonce,
        coinbase_tx: B64K::new(coinbase).expect("a template whose coinbase is longer is refused"),
    }
}
