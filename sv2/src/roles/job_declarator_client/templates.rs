//! The miner's own template provider: templates, tips, and where blocks go (spec 7).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::JobDeclaratorClientConfig;
use super::tokens::room_for;
use super::{JobDeclaratorClient, TURNS};
use crate::common::Protocol;
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::payout;
use crate::mining::job::Tip;
use crate::role::{ConnectionId, Outbox};
use crate::roles::uplink::{Uplink, UplinkNews, UplinkPurpose, UplinkSettings};
use crate::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, SetNewPrevHash, SubmitSolution,
};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::Target;

/// The template provider, and what it has told us.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) uplink: Uplink,
    /// What the miner's own script needs: it must always fit, since anybody may fall.
    own_room: CoinbaseOutputConstraints,
    /// What templates that come now have room for.
    room: CoinbaseOutputConstraints,
    /// For a coming tip, by their ids.
    futures: BTreeMap<u64, Template>,
    current: Option<Template>,
    tip: Option<Tip>,
    /// Blocks that wait for a provider to send them to.
    solutions: VecDeque<SubmitSolution>,
}

/// A template, and the outputs that it has room for.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) message: Arc<NewTemplate>,
    room: CoinbaseOutputConstraints,
}

impl Template {
    /// Whether these outputs leave a valid block. A template that crosses our constraints on the
    /// way is taken for one that follows them: nothing tells it apart.
    pub(super) fn has_room_for(&self, needed: &CoinbaseOutputConstraints) -> bool {
        needed.coinbase_output_max_additional_size <= self.room.coinbase_output_max_additional_size
            && needed.coinbase_output_max_additional_sigops
                <= self.room.coinbase_output_max_additional_sigops
    }
}

impl Provider {
    /// Future templates that are kept; the oldest goes first.
    const FUTURES_MAX: usize = 16;

    /// Blocks that are kept while there is no provider; the oldest goes first.
    const SOLUTIONS_MAX: usize = 16;

    pub(super) fn new(config: &JobDeclaratorClientConfig) -> Self {
        let settings = UplinkSettings {
            peers: vec![config.template_provider.clone()],
            redial_wait: config.redial_wait,
            setup_timeout: config.server.setup_timeout,
        };
        let purpose = UplinkPurpose {
            turn: (0, TURNS),
            protocol: Protocol::TemplateDistribution,
            flags: 0,
            role: "job declarator client",
            peer: "template provider",
        };
        let own_room = room_for(&[payout(0, &config.payout_script)]);
        Provider {
            uplink: Uplink::new(settings, purpose),
            room: own_room.clone(),
            own_room,
            futures: BTreeMap::new(),
            current: None,
            tip: None,
            solutions: VecDeque::new(),
        }
    }

    pub(super) fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }

    pub(super) fn current(&self) -> Option<&Template> {
        self.current.as_ref()
    }

    pub(super) fn futures(&self) -> impl Iterator<Item = &Template> {
        self.futures.values()
    }

    /// Outputs have changed: the provider hears of it, and its next templates have room for
    /// them and for the miner's own (spec 7.1).
    pub(super) fn need(&mut self, needed: CoinbaseOutputConstraints, out: &mut Outbox) {
        let own = &self.own_room;
        let room = CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: needed
                .coinbase_output_max_additional_size
                .max(own.coinbase_output_max_additional_size),
            coinbase_output_max_additional_sigops: needed
                .coinbase_output_max_additional_sigops
                .max(own.coinbase_output_max_additional_sigops),
        };
        if room == self.room {
            return;
        }
        self.room = room;
        if let Some(connection) = self.uplink.ready() {
            out.send(connection, self.room.clone());
        }
    }

    /// A block leaves at once, or as soon as there is a provider again (spec 7.7).
    pub(super) fn send_solution(&mut self, solution: SubmitSolution, out: &mut Outbox) {
        if let Some(connection) = self.uplink.ready() {
            return out.send(connection, solution);
        }
        if self.solutions.len() == Self::SOLUTIONS_MAX {
            self.solutions.pop_front();
        }
        self.solutions.push_back(solution);
    }

    fn keep(&mut self, mut message: NewTemplate) -> Template {
        message.coinbase_tx_outputs = message.coinbase_tx_outputs.to_owned_bytes();
        message.coinbase_prefix = message.coinbase_prefix.to_owned_bytes();
        Template { message: Arc::new(message), room: self.room.clone() }
    }
}

impl JobDeclaratorClient {
    pub(super) fn handle_provider_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let uplink = &mut self.client.provider.uplink;
        let message = match uplink.handle_message(now, connection, message, out) {
            Some(UplinkNews::Message(message)) => message,
            Some(UplinkNews::Ready { flags: _ }) => {
                return self.handle_provider_ready(connection, out);
            }
            Some(UplinkNews::Refused(_)) | None => return,
        };
        match message {
            Message::NewTemplate(template) => self.handle_template(now, *template, out),
            Message::TemplateSetNewPrevHash(news) => self.handle_tip(now, &news, out),
            Message::RequestTransactionDataSuccess(data) => {
                self.handle_transaction_data(now, *data, out);
            }
            Message::RequestTransactionDataError(error) => {
                self.handle_no_transaction_data(now, error.template_id, out);
            }
            other => uplink.note_ignored(connection, other.name(), out),
        }
    }

    fn handle_provider_ready(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let provider = &mut self.client.provider;
        // Another session of the template provider may number its templates anew.
        provider.futures.clear();
        self.server.forget_futures();
        // Spec 7.1: at once, and before anything else.
        out.send(connection, provider.room.clone());
        for solution in std::mem::take(&mut provider.solutions) {
            out.send(connection, solution);
        }
    }

    fn handle_template(&mut self, now: Now, message: NewTemplate, out: &mut Outbox) {
        let provider = &mut self.client.provider;
        // Without a tip there is nothing yet that the template could be for.
        let is_future = message.future_template || provider.tip.is_none();
        let template = provider.keep(message);
        if is_future {
            if provider.futures.len() == Provider::FUTURES_MAX {
                provider.futures.pop_first();
            }
            provider.futures.insert(template.message.template_id, template.clone());
            self.work_on_future(&template, out);
        } else {
            provider.current = Some(template);
            self.work_on_current(now, out);
        }
    }

    /// All other templates end with the old tip (spec 7.3).
    fn handle_tip(&mut self, now: Now, news: &SetNewPrevHash, out: &mut Outbox) {
        let provider = &mut self.client.provider;
        let template_id = news.template_id;
        let is_current = |template: &Template| template.message.template_id == template_id;
        let named = provider.futures.remove(&template_id);
        let Some(template) = named.or_else(|| provider.current.take_if(|t| is_current(t))) else {
            let violation = Violation::UnknownTemplate { template_id };
            return provider.uplink.close(violation.into(), out);
        };
        provider.futures.clear();
        provider.current = Some(template);
        // Spec 7.3: `target` decides, and a block must meet its `nbits` as well.
        let by_nbits = Target::from_compact(news.nbits).unwrap_or(Target::MAX);
        provider.tip = Some(Tip {
            prev_hash: news.prev_hash,
            nbits: news.nbits,
            min_ntime: news.header_timestamp,
            network_target: news.target.min(by_nbits),
            since: now.instant,
            proof_check: self.client.config.server.proof_check,
        });
        self.start_tip(now, template_id, out);
    }

    /// The last jobs stay: their blocks are worth as much as before.
    pub(super) fn handle_provider_lost(&mut self, now: Now, out: &mut Outbox) {
        let what = "the template provider is gone: the last jobs stay".to_owned();
        out.tell(Event::Noted { connection: None, what });
        self.abandon_transaction_data(now, out);
    }
}
