//! Who gets which template, and when (spec 7, 7.2, 7.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::{Announced, Client};
use super::offer::{Constraints, Offers};
use super::{TemplateProvider, Timer};
use crate::chain::BlockTemplate;
use crate::event::Event;
use crate::role::{ConnectionId, Outbox};
use crate::time::Now;

impl TemplateProvider {
    pub(super) fn handle_template(
        &mut self,
        now: Now,
        template: Arc<BlockTemplate>,
        out: &mut Outbox,
    ) {
        let prev_hash = template.prev_hash;
        let is_new_tip = self.offers.as_ref().is_none_or(|offers| offers.prev_hash() != prev_hash);
        self.offers = Some(Offers::new(template, now.instant));
        let connections: Vec<ConnectionId> = self.clients.keys().copied().collect();
        if !is_new_tip {
            for connection in connections {
                self.send_rise(now, connection, out);
            }
            return;
        }
        out.tell(Event::TipChanged { prev_hash });
        self.tip_count += 1;
        let grace_ends = now.instant + self.config.stale_grace;
        self.timers.set(Timer::Grace(self.tip_count), grace_ends);
        for connection in connections {
            if let Some(client) = self.clients.get_mut(&connection) {
                client.retire(now.instant, prev_hash);
            }
            self.send_tip(now, connection, out);
        }
    }

    /// Spec 7.3: a future template, then the tip that makes it the present one.
    pub(super) fn send_tip(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let Some(offers) = &mut self.offers else { return };
        let Some((client, constraints)) = worker(&mut self.clients, connection) else { return };
        let offer = offers.get(constraints);
        let template_id = take_template_id(&mut self.next_template_id);
        let header_timestamp = offers.header_timestamp(now.instant);
        out.send(connection, offer.new_template(template_id, true));
        out.send(connection, offer.set_new_prev_hash(template_id, header_timestamp));
        client.announced = Some(Announced {
            prev_hash: offer.template.prev_hash,
            header_timestamp,
            at: now.instant,
            value: offer.template.coinbase_value,
            template_at: now.instant,
        });
        client.remember(template_id, offer);
        self.timers.cancel(Timer::FeeUpdate(connection));
    }

    /// Another template for the tip that the client knows.
    pub(super) fn send_update(
        &mut self,
        now: Now,
        connection: ConnectionId,
        announced: Announced,
        out: &mut Outbox,
    ) {
        let Some(offers) = &mut self.offers else { return };
        let Some((client, constraints)) = worker(&mut self.clients, connection) else { return };
        let offer = offers.get(constraints);
        let template_id = take_template_id(&mut self.next_template_id);
        out.send(connection, offer.new_template(template_id, false));
        let value = offer.template.coinbase_value;
        client.announced = Some(Announced { value, template_at: now.instant, ..announced });
        client.remember(template_id, offer);
        self.timers.cancel(Timer::FeeUpdate(connection));
    }

    /// Spec 7: an update, if it pays materially more, and not too often.
    pub(super) fn send_rise(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let Some(offers) = &mut self.offers else { return };
        let Some((client, constraints)) = worker(&mut self.clients, connection) else { return };
        let Some(announced) = client.announced else { return };
        let value = offers.get(constraints).template.coinbase_value;
        if value < announced.value.saturating_add(self.config.fee_rise_min.max(1)) {
            return;
        }
        let due_at = announced.template_at + self.config.fee_update_interval;
        if now.instant < due_at {
            self.timers.set(Timer::FeeUpdate(connection), due_at);
        } else {
            self.send_update(now, connection, announced, out);
        }
    }
}

/// A client that may get work.
fn worker(
    clients: &mut BTreeMap<ConnectionId, Client>,
    connection: ConnectionId,
) -> Option<(&mut Client, Constraints)> {
    let client = clients.get_mut(&connection)?;
    let constraints = client.constraints?;
    Some((client, constraints))
}

/// Spec 7.2: strictly increasing, for all clients together.
fn take_template_id(next: &mut u64) -> u64 {
    let template_id = *next;
    *next += 1;
    template_id
}
