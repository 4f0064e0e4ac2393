//! The pool as a client of its template provider (spec 7).

use std::collections::VecDeque;

use super::{Pool, PoolConfig};
use crate::common::Protocol;
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::{payout, payout_len, script_height};
use crate::mining::job::Tip;
use crate::role::{ConnectionId, Outbox};
use crate::roles::mining_server::{Owner, Proof, UnknownWork, WorkSource};
use crate::roles::uplink::{Uplink, UplinkNews, UplinkPurpose, UplinkSettings};
use crate::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, SetNewPrevHash, SubmitSolution,
};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{B64K, Target};

/// The template provider, and what the pool makes of templates.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) uplink: Uplink,
    /// Blocks that wait for a provider to send them to.
    solutions: VecDeque<SubmitSolution>,
    payout_script: Vec<u8>,
    coinbase_tag: Vec<u8>,
    /// Of the block that each of the last templates is for, as far as it says.
    heights: VecDeque<(u64, Option<u32>)>,
    /// See [`Provider::height`].
    height: Option<u32>,
}

impl Provider {
    /// Blocks that are kept while there is no provider; the oldest goes first.
    const SOLUTIONS_MAX: usize = 16;

    /// Templates whose heights are kept, of which a tip will name one.
    const HEIGHTS_MAX: usize = 16;

    pub(super) fn new(config: &PoolConfig) -> Self {
        let settings = UplinkSettings {
            peers: vec![config.template_provider.clone()],
            redial_wait: config.redial_wait,
            setup_timeout: config.server.setup_timeout,
        };
        let purpose = UplinkPurpose {
            turn: (0, 1),
            protocol: Protocol::TemplateDistribution,
            flags: 0,
            role: "pool",
            peer: "template provider",
        };
        Provider {
            uplink: Uplink::new(settings, purpose),
            solutions: VecDeque::new(),
            payout_script: config.payout_script.clone(),
            coinbase_tag: config.coinbase_tag.clone(),
            heights: VecDeque::new(),
            height: None,
        }
    }

    /// Of the block to be found on the present tip: templates say it by BIP 34 alone.
    pub(super) fn height(&self) -> Option<u32> {
        self.height
    }

    fn note_height(&mut self, template: &NewTemplate) {
        if self.heights.len() == Self::HEIGHTS_MAX {
            self.heights.pop_front();
        }
        let height = script_height(template.coinbase_prefix.as_slice());
        self.heights.push_back((template.template_id, height));
    }

    /// What the pool puts in front of the template's outputs (spec 7.1).
    fn constraints(&self) -> CoinbaseOutputConstraints {
        let script = bitcoin::Script::from_bytes(&self.payout_script);
        let sigops = 4 * script.count_sigops_legacy();
        CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: u32::try_from(payout_len(script.as_bytes()))
                .unwrap_or(u32::MAX),
            coinbase_output_max_additional_sigops: u16::try_from(sigops).unwrap_or(u16::MAX),
        }
    }

    /// A block leaves at once, or as soon as there is a provider again (spec 7.7).
    fn send_solution(&mut self, solution: SubmitSolution, out: &mut Outbox) {
        if let Some(connection) = self.uplink.ready() {
            return out.send(connection, solution);
        }
        if self.solutions.len() == Self::SOLUTIONS_MAX {
            self.solutions.pop_front();
        }
        self.solutions.push_back(solution);
    }
}

impl Owner for Provider {
    #[inline]
    fn handle_proof(&mut self, proof: &Proof<'_>, out: &mut Outbox) {
        // A custom job has no template here: its miner publishes the block, through its own
        // template provider and through the job declarator server (spec 6.4.9).
        if proof.accepted.is_block
            && let Some(template_id) = proof.work().template_id
        {
            self.send_solution(solution(proof, template_id), out);
        }
    }
}

impl Pool {
    pub(super) fn handle_provider_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let uplink = &mut self.provider.uplink;
        match uplink.handle_message(now, connection, message, out) {
            Some(UplinkNews::Ready { flags: _ }) => self.handle_provider_ready(connection, out),
            Some(UplinkNews::Message(Message::NewTemplate(template))) => {
                self.handle_template(now, *template, out);
            }
            Some(UplinkNews::Message(Message::TemplateSetNewPrevHash(news))) => {
                self.handle_tip(now, &news, out);
            }
            Some(UplinkNews::Message(other)) => uplink.note_ignored(connection, other.name(), out),
            Some(UplinkNews::Refused(_)) | None => {}
        }
    }

    fn handle_provider_ready(&mut self, connection: ConnectionId, out: &mut Outbox) {
        // Another session of the template provider may number its templates anew.
        self.server.forget_futures();
        // Spec 7.1: at once, and before anything else.
        out.send(connection, self.provider.constraints());
        for solution in std::mem::take(&mut self.provider.solutions) {
            out.send(connection, solution);
        }
    }

    fn handle_template(&mut self, now: Now, template: NewTemplate, out: &mut Outbox) {
        let template_id = template.template_id;
        self.provider.note_height(&template);
        // Without a tip there is nothing yet that the template could be for.
        let is_future = template.future_template || self.server.tip().is_none();
        let Provider { payout_script, coinbase_tag, .. } = &self.provider;
        let reward = payout(template.coinbase_tx_value_remaining, payout_script);
        let rolls_version = !self.server.config().requires_fixed_version;
        match WorkSource::from_template(template, coinbase_tag, vec![reward], rolls_version) {
            Ok(source) if is_future => self.server.add_future(source, out),
            Ok(source) => self.server.set_current(now, source, out),
            Err(error) => {
                let what = format!("template {template_id} is not usable: {error}");
                out.tell(Event::Noted { connection: None, what });
            }
        }
    }

    fn handle_tip(&mut self, now: Now, news: &SetNewPrevHash, out: &mut Outbox) {
        // Spec 7.3: `target` decides, and a block must meet its `nbits` as well.
        let by_nbits = Target::from_compact(news.nbits).unwrap_or(Target::MAX);
        let tip = Tip {
            prev_hash: news.prev_hash,
            nbits: news.nbits,
            min_ntime: news.header_timestamp,
            network_target: news.target.min(by_nbits),
            since: now.instant,
        };
        let heights = &self.provider.heights;
        let named = heights.iter().rev().find(|(id, _)| *id == news.template_id);
        self.provider.height = named.and_then(|(_, height)| *height);
        let tipped = self.server.set_tip(now, tip, news.template_id, out);
        if let Err(UnknownWork { work_id }) = tipped {
            // The provider names a template that it has not sent (spec 7.3).
            let violation = Violation::UnknownTemplate { template_id: work_id };
            self.provider.uplink.close(violation.into(), out);
        }
    }
}

fn solution(proof: &Proof<'_>, template_id: u64) -> SubmitSolution {
    let coinbase = proof.work().coinbase.transaction(&[proof.extranonce().as_slice()]);
    SubmitSolution {
        template_id,
        version: proof.version,
        header_timestamp: proof.ntime,
        header_nonce: proof.nonce,
        coinbase_tx: B64K::new(coinbase).expect("a template whose coinbase is longer is refused"),
    }
}
