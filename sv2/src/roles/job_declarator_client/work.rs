//! From templates to work for clients, paid to whoever is worked for.

use std::sync::Arc;

use super::jobs::{Job, Stage};
use super::templates::Template;
use super::tokens::room_for;
use super::{JobDeclaratorClient, Timer};
use crate::event::Event;
use crate::mining::coinbase::payout;
use crate::role::Outbox;
use crate::roles::mining_server::{UnknownWork, WorkSource};
use crate::time::Now;

use bitcoin::{Amount, TxOut};

impl JobDeclaratorClient {
    /// A template for a coming tip goes out at once.
    pub(super) fn work_on_future(&mut self, template: &Template, out: &mut Outbox) {
        if let Some(source) = self.make_work(template, true, out) {
            self.server.add_future(source, out);
        }
    }

    /// The newest template for the tip goes out at once.
    pub(super) fn work_on_current(&mut self, now: Now, out: &mut Outbox) {
        let provider = &self.client.provider;
        let (Some(template), Some(tip)) = (provider.current().cloned(), provider.tip().cloned())
        else {
            return;
        };
        let Some(source) = self.make_work(&template, false, out) else { return };
        // Clients may be on an older tip, or on none: then the work starts one.
        if self.server.tip().is_some_and(|theirs| theirs.prev_hash == tip.prev_hash) {
            return self.server.set_current(now, source, out);
        }
        let work_id = source.work_id();
        self.server.add_future(source, out);
        self.server.set_tip(now, tip, work_id, out).expect("the work was added");
    }

    /// A new tip, and the template that becomes the only valid one.
    pub(super) fn start_tip(&mut self, now: Now, template_id: u64, out: &mut Outbox) {
        let client = &mut self.client;
        let session = &mut client.session;
        // Whatever was being said about the old tip is of no use, and no fault of anybody.
        session.forget_tip();
        for timer in [Timer::Answer, Timer::Retry, Timer::Suspicion] {
            client.timers.cancel(timer);
        }
        client.shares.lose_cached(out);
        let Some(tip) = client.provider.tip().cloned() else { return };
        let named = client.jobs.of_template(template_id).filter(|work_id| {
            client.jobs.get(*work_id).is_some_and(|job| job.stage != Stage::Dropped)
        });
        let tipped = named.map(|work_id| {
            client.jobs.activate(work_id);
            self.server.set_tip(now, tip, work_id, out)
        });
        match tipped {
            Some(Ok(())) => {}
            // It was not made, or belongs to another upstream.
            None | Some(Err(UnknownWork { work_id: _ })) => {
                self.client.jobs.clear();
                self.work_on_current(now, out);
            }
        }
    }

    /// Payee or prefixes have changed: everything is made anew.
    pub(super) fn renew_work(&mut self, now: Now, out: &mut Outbox) {
        self.work_on_current(now, out);
        let futures: Vec<Template> = self.client.provider.futures().cloned().collect();
        futures.iter().for_each(|template| self.work_on_future(template, out));
    }

    /// `None`: nobody is to work yet, or the template is not usable.
    fn make_work(
        &mut self,
        template: &Template,
        is_future: bool,
        out: &mut Outbox,
    ) -> Option<WorkSource> {
        let client = &mut self.client;
        let message = &template.message;
        let value = message.coinbase_tx_value_remaining;
        let (outputs, stage) = match client.session.payee_outputs() {
            Some(outputs) if template.has_room_for(&room_for(outputs)) => {
                let stage = if is_future { Stage::Future } else { Stage::Waiting };
                (reward(outputs, value), stage)
            }
            // The first upstream of all is waited for: nobody is idle who was busy before.
            _ if client.standing.payee.is_none() && client.standing.at().is_some() => return None,
            _ => (vec![payout(value, &client.config.payout_script)], Stage::Solo),
        };
        let work_id = client.jobs.next_work_id();
        let mut numbered = (**message).clone();
        numbered.template_id = work_id;
        let tag = &client.config.coinbase_tag;
        match WorkSource::from_template(numbered, tag, outputs.clone(), true) {
            Ok(source) => {
                let template = Arc::clone(message);
                client.jobs.insert(Job { template, outputs, stage, is_declared: false });
                let payee = client.standing.at().filter(|_| stage != Stage::Solo);
                if client.standing.payee.replace(payee) != Some(payee) {
                    out.tell(Event::MiningFor { upstream: payee });
                }
                Some(source)
            }
            Err(error) => {
                let what = format!("template {} is not usable: {error}", message.template_id);
                out.tell(Event::Noted { connection: None, what });
                None
            }
        }
    }
}

/// The payout, which is the first output, gets everything (spec 6.4.3).
fn reward(outputs: &[TxOut], value: u64) -> Vec<TxOut> {
    let mut outputs = outputs.to_vec();
    if let Some(first) = outputs.first_mut() {
        first.value = Amount::from_sat(value);
    }
    outputs
}
