//! Tokens: to whom, and how many (spec 6.4.2, 6.4.3).

use super::client::{Counted, Mode};
use super::{JobDeclaratorServer, Timer, note};
use crate::event::Event;
use crate::job_declaration::token::{JobToken, PayoutDigest, TokenStage, UserDigest};
use crate::job_declaration::{AllocateMiningJobToken, AllocateMiningJobTokenSuccess};
use crate::role::{ConnectionId, Outbox};
use crate::time::{Now, UnixTime};
use crate::violation::Violation;

impl JobDeclaratorServer {
    /// Answers at once, with a node or without: in coinbase-only mode none is needed.
    pub(super) fn handle_allocate(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &AllocateMiningJobToken,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        self.count(now, connection, Counted::Tokens, self.config.tokens_per_minute_max)?;
        let Some(client) = self.clients.get_mut(&connection) else { return Ok(()) };
        let lifetime = self.config.token_lifetime;
        let expires_at = UnixTime(now.unix.0.saturating_add(lifetime.as_secs()));
        let (id, dropped) =
            client.allocate(now.unix, expires_at, self.config.tokens_per_connection_max);
        if dropped > 0 {
            let limit = self.config.tokens_per_connection_max;
            note(Some(connection), format!("a token went, {limit} are kept at a time"), out);
        }
        let user_identifier = request.user_identifier.as_slice();
        let token = JobToken {
            id,
            expires_at,
            payout: PayoutDigest::new(&self.config.payout_script),
            user: UserDigest::new(user_identifier),
            stage: match client.mode {
                Mode::CoinbaseOnly => TokenStage::CoinbaseOnly,
                Mode::FullTemplate => TokenStage::FullTemplate,
            },
        };
        out.send(
            connection,
            AllocateMiningJobTokenSuccess {
                request_id: request.request_id,
                mining_job_token: self.config.token_key.seal(&token),
                coinbase_tx_outputs: self.outputs.clone(),
            },
        );
        let user = user_identifier.escape_ascii().to_string();
        out.tell(Event::TokenAllocated { connection, user });
        // With the last token ends what a connection is good for.
        let idle_at = now.instant + lifetime + self.config.idle_timeout;
        self.timers.set(Timer::Idle(connection), idle_at);
        Ok(())
    }
}
