//! Tokens: a small stock, so that no job waits for one, and what they demand of coinbase
//! transactions (spec 6.4.2, 6.4.3).

use std::collections::VecDeque;

use bitcoin::consensus::encode;
use bitcoin::{Amount, TxOut};

use super::fallback::Departure;
use super::{JobDeclaratorClient, Timer};
use crate::job_declaration::{AllocateMiningJobToken, AllocateMiningJobTokenSuccess};
use crate::mining::coinbase::payout_len;
use crate::role::Outbox;
use crate::template_distribution::CoinbaseOutputConstraints;
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::B255;

/// What an upstream has allocated to us.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    stock: VecDeque<B255>,
    /// Request ids that wait for their answer.
    asked: Vec<u32>,
    unasked_count: u64,
    /// Of the last token; all tokens in stock came with the same.
    outputs: Option<Vec<TxOut>>,
}

impl Tokens {
    /// Tokens in stock and on their way.
    const STOCK: usize = 2;

    /// Longest outputs that we work for, in bytes: more would only cost the block.
    const OUTPUTS_LEN_MAX: usize = 4_096;

    /// Tokens that nobody asked for, until the upstream is left.
    const UNASKED_MAX: u64 = 8;

    pub(super) fn take(&mut self) -> Option<B255> {
        self.stock.pop_front()
    }

    pub(super) fn outputs(&self) -> Option<&[TxOut]> {
        self.outputs.as_deref()
    }

    /// Returns whether the outputs are new.
    fn add(&mut self, success: &AllocateMiningJobTokenSuccess) -> Result<bool, Violation> {
        let Some(at) = self.asked.iter().position(|asked| *asked == success.request_id) else {
            self.unasked_count += 1;
            let (what, count, limit) =
                ("AllocateMiningJobToken.Success unasked", self.unasked_count, Self::UNASKED_MAX);
            return match count > limit {
                true => Err(Violation::Flood { what, count, seconds: 0, limit }),
                false => Ok(false),
            };
        };
        self.asked.swap_remove(at);
        let outputs = decode_outputs(success.coinbase_tx_outputs.as_slice())?;
        let is_new = self.outputs.as_ref() != Some(&outputs);
        if is_new {
            // Tokens go with the outputs that came with them.
            self.stock.clear();
            self.outputs = Some(outputs);
        }
        self.stock.push_back(success.mining_job_token.to_owned_bytes());
        Ok(is_new)
    }
}

/// Spec 6.4.3: at least the payout, and none of the others is worth anything.
fn decode_outputs(bytes: &[u8]) -> Result<Vec<TxOut>, Violation> {
    let flaw = |what| Violation::TokenOutputs { what };
    if bytes.len() > Tokens::OUTPUTS_LEN_MAX {
        return Err(flaw("are longer than we work for"));
    }
    let outputs: Vec<TxOut> = encode::deserialize(bytes).map_err(|_| flaw("cannot be decoded"))?;
    match outputs.split_first() {
        None => Err(flaw("name no payout")),
        Some((_, others)) if others.iter().any(|other| other.value != Amount::ZERO) => {
            Err(flaw("take a part of the reward"))
        }
        Some(_) => Ok(outputs),
    }
}

/// What outputs ask of a template (spec 7.1).
pub(super) fn room_for(outputs: &[TxOut]) -> CoinbaseOutputConstraints {
    let size: usize =
        outputs.iter().map(|output| payout_len(output.script_pubkey.as_bytes())).sum();
    let sigops: usize =
        outputs.iter().map(|output| 4 * output.script_pubkey.count_sigops_legacy()).sum();
    CoinbaseOutputConstraints {
        coinbase_output_max_additional_size: u32::try_from(size).unwrap_or(u32::MAX),
        coinbase_output_max_additional_sigops: u16::try_from(sigops).unwrap_or(u16::MAX),
    }
}

impl JobDeclaratorClient {
    /// Asks for as many tokens as are missing.
    pub(super) fn refill_tokens(&mut self, now: Now, out: &mut Outbox) {
        let client = &mut self.client;
        let Some(connection) = client.declarator.ready() else { return };
        let tokens = &client.session.tokens;
        for _ in tokens.stock.len() + tokens.asked.len()..Tokens::STOCK {
            let request_id = client.take_request_id();
            let user_identifier = client.config.user_identity.clone();
            out.send(connection, AllocateMiningJobToken { user_identifier, request_id });
            let asked = &mut client.session.tokens.asked;
            if asked.is_empty() {
                let deadline = now.instant + client.config.answer_timeout;
                client.timers.set(Timer::Token, deadline);
            }
            asked.push(request_id);
        }
    }

    pub(super) fn handle_token(
        &mut self,
        now: Now,
        success: &AllocateMiningJobTokenSuccess,
        out: &mut Outbox,
    ) {
        let client = &mut self.client;
        match client.session.tokens.add(success) {
            Err(violation) => self.leave(now, Departure::broke_word(violation.into()), out),
            Ok(has_new_outputs) => {
                if client.session.tokens.asked.is_empty() {
                    client.timers.cancel(Timer::Token);
                }
                if has_new_outputs {
                    client
                        .provider
                        .need(room_for(client.session.tokens.outputs().unwrap_or(&[])), out);
                    self.enter(now, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::coinbase::payout;
    use crate::wire::B64K;

    fn success(request_id: u32, outputs: &[TxOut]) -> AllocateMiningJobTokenSuccess {
        AllocateMiningJobTokenSuccess {
            request_id,
            mining_job_token: B255::new(vec![7]).unwrap(),
            coinbase_tx_outputs: B64K::new(encode::serialize(&outputs.to_vec())).unwrap(),
        }
    }

    #[test]
    fn outputs_that_nobody_could_work_for_are_named() {
        let pays = |value| payout(value, &[0x51]);
        for (outputs, flaw) in [
            (vec![], Some("name no payout")),
            (vec![pays(0), pays(1)], Some("take a part of the reward")),
            (vec![payout(0, &[0x6a; 5_000])], Some("are longer than we work for")),
            (vec![pays(0), pays(0)], None),
        ] {
            let expected = flaw.map(|what| Violation::TokenOutputs { what });

            assert_eq!(decode_outputs(&encode::serialize(&outputs)).err(), expected);
        }
        let what = "cannot be decoded";
        assert_eq!(decode_outputs(&[2, 0]), Err(Violation::TokenOutputs { what }));
    }

    #[test]
    fn new_outputs_end_the_tokens_that_came_with_others() {
        let mut tokens = Tokens { asked: vec![1, 2, 3], ..Tokens::default() };
        let (old, new) = ([payout(0, &[0x51])], [payout(0, &[0x52])]);

        assert_eq!(tokens.add(&success(1, &old)), Ok(true));
        assert_eq!(tokens.add(&success(2, &old)), Ok(false));
        assert_eq!(tokens.add(&success(3, &new)), Ok(true));

        assert_eq!((tokens.stock.len(), tokens.outputs()), (1, Some(&new[..])));
    }

    #[test]
    fn tokens_that_nobody_asked_for_fill_nothing_and_become_a_flood() {
        let mut tokens = Tokens::default();
        let unasked = success(9, &[payout(0, &[0x51])]);

        let outcomes: Vec<_> = (0..=Tokens::UNASKED_MAX).map(|_| tokens.add(&unasked)).collect();

        assert_eq!(tokens.stock.len(), 0);
        assert!(outcomes[..8].iter().all(Result::is_ok), "{outcomes:?}");
        assert!(matches!(outcomes[8], Err(Violation::Flood { count: 9, limit: 8, .. })));
    }
}
