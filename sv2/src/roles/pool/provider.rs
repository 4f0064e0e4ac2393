//! A pool as a client of its template provider (spec 7), whatever its miners speak.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::Protocol;
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::{payout, payout_len, script_height};
use crate::mining::job::{Tip, Work};
use crate::mining::proof::ProofCheck;
use crate::role::{ConnectionId, Outbox, PeerAddress};
use crate::roles::mining_server::{UnknownWork, WorkSource};
use crate::roles::uplink::{Uplink, UplinkNews, UplinkPurpose, UplinkSettings};
use crate::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, SetNewPrevHash, SubmitSolution,
};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{B32, B64K, Target};

/// The template provider, and what the pool makes of templates.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) uplink: Uplink,
    /// Blocks that wait for a provider to send them to.
    solutions: VecDeque<SubmitSolution>,
    payout_script: Vec<u8>,
    coinbase_tag: Vec<u8>,
    /// Of the block that each of the last templates is for, as far as it says.
    heights: VecDeque<(u64, Option<u32>)>,
    /// See [`Provider::height`].
    height: Option<u32>,
    proof_check: ProofCheck,
}

/// What an operator decides about it.
#[derive(Debug)]
pub(crate) struct ProviderSettings {
    pub(crate) template_provider: PeerAddress,
    pub(crate) redial_wait: (Duration, Duration),
    /// For the answer to `SetupConnection`.
    pub(crate) setup_timeout: Duration,
    pub(crate) payout_script: Vec<u8>,
    pub(crate) coinbase_tag: Vec<u8>,
    /// How shares of the work are judged.
    pub(crate) proof_check: ProofCheck,
}

/// What the provider says.
#[derive(Debug)]
pub(crate) enum ProviderNews {
    /// Another session, which may number its templates anew.
    Restarted,
    /// Work on a new template.
    Template {
        source: WorkSource,
        /// For the next tip, which the provider will name.
        is_future: bool,
    },
    /// A new tip, and the template for it.
    Tip { tip: Tip, template_id: u64 },
}

/// A block that a miner has found.
#[derive(Debug)]
pub(crate) struct FoundBlock<'a> {
    pub(crate) work: &'a Work,
    /// The whole of it.
    pub(crate) extranonce: B32,
    pub(crate) version: u32,
    pub(crate) ntime: u32,
    pub(crate) nonce: u32,
}

impl Provider {
    /// Blocks that are kept while there is no provider; the oldest goes first.
    const SOLUTIONS_MAX: usize = 16;

    /// Templates whose heights are kept, of which a tip will name one.
    const HEIGHTS_MAX: usize = 16;

    pub(crate) fn new(settings: ProviderSettings) -> Self {
        let ProviderSettings { template_provider, redial_wait, setup_timeout, .. } = settings;
        let uplink = UplinkSettings { peers: vec![template_provider], redial_wait, setup_timeout };
        let purpose = UplinkPurpose {
            turn: (0, 1),
            protocol: Protocol::TemplateDistribution,
            flags: 0,
            role: "pool",
            peer: "template provider",
        };
        Provider {
            uplink: Uplink::new(uplink, purpose),
            solutions: VecDeque::new(),
            payout_script: settings.payout_script,
            coinbase_tag: settings.coinbase_tag,
            proof_check: settings.proof_check,
            heights: VecDeque::new(),
            height: None,
        }
    }

    /// Of the block to be found on the present tip: templates say it by BIP 34 alone.
    pub(crate) fn height(&self) -> Option<u32> {
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

    /// Of an accepted share.
    pub(crate) fn publish(&mut self, block: &FoundBlock<'_>, out: &mut Outbox) {
        // A custom job has no template here: its miner publishes the block, through its own
        // template provider and through the job declarator server (spec 6.4.9).
        if let Some(template_id) = block.work.template_id {
            let coinbase = block.work.coinbase.transaction(&[block.extranonce.as_slice()]);
            let solution = SubmitSolution {
                template_id,
                version: block.version,
                header_timestamp: block.ntime,
                header_nonce: block.nonce,
                coinbase_tx: B64K::new(coinbase)
                    .expect("a template whose coinbase is longer is refused"),
            };
            self.send_solution(solution, out);
        }
    }

    /// A message of the provider; `rolls_version` says whether miners may roll bits of it.
    pub(crate) fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        rolls_version: bool,
        out: &mut Outbox,
    ) -> Option<ProviderNews> {
        match self.uplink.handle_message(now, connection, message, out)? {
            UplinkNews::Ready { flags: _ } => {
                // Spec 7.1: at once, and before anything else.
                out.send(connection, self.constraints());
                for solution in std::mem::take(&mut self.solutions) {
                    out.send(connection, solution);
                }
                Some(ProviderNews::Restarted)
            }
            UplinkNews::Message(Message::NewTemplate(template)) => {
                self.handle_template(*template, rolls_version, out)
            }
            UplinkNews::Message(Message::TemplateSetNewPrevHash(news)) => {
                Some(self.handle_tip(now, &news))
            }
            UplinkNews::Message(other) => {
                self.uplink.note_ignored(connection, other.name(), out);
                None
            }
            UplinkNews::Refused(_) => None,
        }
    }

    fn handle_template(
        &mut self,
        template: NewTemplate,
        rolls_version: bool,
        out: &mut Outbox,
    ) -> Option<ProviderNews> {
        let (template_id, is_future) = (template.template_id, template.future_template);
        self.note_height(&template);
        let reward = payout(template.coinbase_tx_value_remaining, &self.payout_script);
        let tag = &self.coinbase_tag;
        match WorkSource::from_template(template, tag, vec![reward], rolls_version) {
            Ok(source) => Some(ProviderNews::Template { source, is_future }),
            Err(error) => {
                let what = format!("template {template_id} is not usable: {error}");
                out.tell(Event::Noted { connection: None, what });
                None
            }
        }
    }

    fn handle_tip(&mut self, now: Now, news: &SetNewPrevHash) -> ProviderNews {
        // Spec 7.3: `target` decides, and a block must meet its `nbits` as well.
        let by_nbits = Target::from_compact(news.nbits).unwrap_or(Target::MAX);
        let tip = Tip {
            prev_hash: news.prev_hash,
            nbits: news.nbits,
            min_ntime: news.header_timestamp,
            network_target: news.target.min(by_nbits),
            since: now.instant,
            proof_check: self.proof_check,
        };
        let template_id = news.template_id;
        let named = self.heights.iter().rev().find(|(id, _)| *id == template_id);
        self.height = named.and_then(|(_, height)| *height);
        ProviderNews::Tip { tip, template_id }
    }

    /// The provider has named a template that it has not sent (spec 7.3).
    pub(crate) fn refuse_tip(&mut self, unknown: UnknownWork, out: &mut Outbox) {
        let violation = Violation::UnknownTemplate { template_id: unknown.work_id };
        self.uplink.close(violation.into(), out);
    }
}
