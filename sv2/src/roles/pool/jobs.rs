//! From templates to jobs, and who gets them (spec 5.3.15 to 5.3.17).
//!
//! A new channel gets a future job and at once its `SetNewPrevHash`, both under its own id.
//! Everything later goes to the group, or, where the client reads standard jobs alone, to each
//! channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::downstream::Downstream;
use super::{Pool, PoolConfig, slot};
use crate::event::Event;
use crate::mining::SetNewPrevHash;
use crate::mining::channel::ChannelKind;
use crate::mining::coinbase::{Coinbase, CoinbaseError, payout};
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::group::Group;
use crate::mining::job::{Tip, Work};
use crate::role::{ConnectionId, Outbox};
use crate::template_distribution::{NewTemplate, SetNewPrevHash as TemplateSetNewPrevHash};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::Target;

/// What the template provider has sent.
#[derive(Debug, Default)]
pub(super) struct TemplateWork {
    tip: Option<Tip>,
    /// The newest template for the tip.
    current: Option<Template>,
    /// For a coming tip, by template id.
    futures: BTreeMap<u64, Template>,
}

/// A template, and the work that was made of it.
#[derive(Debug)]
struct Template {
    template: NewTemplate,
    /// By the length of the whole extranonce, which the coinbase transaction contains.
    works: Vec<(usize, Arc<Work>)>,
}

impl Template {
    /// # Errors
    /// No valid coinbase transaction can be made of it.
    fn new(config: &PoolConfig, mut template: NewTemplate) -> Result<Self, CoinbaseError> {
        template.coinbase_tx_outputs = template.coinbase_tx_outputs.to_owned_bytes();
        template.coinbase_prefix = template.coinbase_prefix.to_owned_bytes();
        // The longest extranonce decides: with a shorter one there is more room.
        coinbase(config, &template, ExtranonceLayout::FULL_LEN_MAX)?;
        Ok(Template { template, works: Vec::new() })
    }

    fn work(&mut self, config: &PoolConfig, full_len: usize) -> Arc<Work> {
        if let Some((_, work)) = self.works.iter().find(|(len, _)| *len == full_len) {
            return work.clone();
        }
        let coinbase = coinbase(config, &self.template, full_len)
            .expect("`new` has tried the longest extranonce");
        let work = Arc::new(Work {
            template_id: self.template.template_id,
            version: self.template.version,
            version_rolling_allowed: !config.requires_fixed_version,
            merkle_path: self.template.merkle_path.clone(),
            coinbase,
        });
        self.works.push((full_len, work.clone()));
        work
    }
}

fn coinbase(
    config: &PoolConfig,
    template: &NewTemplate,
    full_len: usize,
) -> Result<Coinbase, CoinbaseError> {
    let reward = payout(template.coinbase_tx_value_remaining, &config.payout_script);
    Coinbase::new(template, &config.coinbase_tag, &[reward], full_len)
}

impl TemplateWork {
    /// Future templates that are kept; the oldest goes first.
    const FUTURES_MAX: usize = 16;

    pub(super) fn is_ready(&self) -> bool {
        self.tip.is_some() && self.current.is_some()
    }

    pub(super) fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }
}

impl Pool {
    /// Another session of the template provider may number its templates anew.
    pub(super) fn forget_futures(&mut self) {
        self.work.futures.clear();
        for downstream in self.connections.iter_mut().flatten() {
            downstream.groups.iter_mut().for_each(Group::forget_futures);
        }
    }

    pub(super) fn handle_template(&mut self, template: NewTemplate, out: &mut Outbox) {
        let template_id = template.template_id;
        // Without a tip there is nothing yet that the template could be for.
        let is_future = template.future_template || self.work.tip.is_none();
        let template = match Template::new(&self.config, template) {
            Ok(template) => template,
            Err(error) => {
                let what = format!("template {template_id} is not usable: {error}");
                return out.tell(Event::Noted { connection: None, what });
            }
        };
        if is_future {
            if self.work.futures.len() == TemplateWork::FUTURES_MAX {
                self.work.futures.pop_first();
            }
            self.work.futures.insert(template_id, template);
            self.send_future_job(template_id, out);
        } else {
            self.work.current = Some(template);
            self.send_active_job(out);
        }
    }

    /// # Errors
    /// The provider names a template that it has not sent (spec 7.3).
    pub(super) fn handle_tip(
        &mut self,
        now: Now,
        news: &TemplateSetNewPrevHash,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        let template_id = news.template_id;
        let is_current = |template: &Template| template.template.template_id == template_id;
        let current = match self.work.futures.remove(&template_id) {
            Some(template) => template,
            // Not a future one, so the sender was free to keep it for the same height.
            None => match self.work.current.take_if(|template| is_current(template)) {
                Some(template) => template,
                None => return Err(Violation::UnknownTemplate { template_id }),
            },
        };
        self.work.futures.clear();
        self.work.current = Some(current);
        // Spec 7.3: `target` decides, and a block must meet its `nbits` as well.
        let by_nbits = Target::from_compact(news.nbits).unwrap_or(Target::MAX);
        self.work.tip = Some(Tip {
            prev_hash: news.prev_hash,
            nbits: news.nbits,
            min_ntime: news.header_timestamp,
            network_target: news.target.min(by_nbits),
            since: now.instant,
        });
        out.tell(Event::TipChanged { prev_hash: news.prev_hash });
        self.send_tip(template_id, out);
        self.open_waiting(now, out);
        Ok(())
    }

    /// First messages of a new channel (spec 5.3.15; AMB-21, AMB-23).
    pub(super) fn start_channel(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if downstream.selects_work() {
            return;
        }
        let (Some(tip), Some(current)) = (&self.work.tip, &mut self.work.current) else { return };
        let job_id = downstream.take_job_id();
        let Some(served) = downstream.channels.get_mut(&channel_id) else { return };
        let channel = &mut served.channel;
        let work = current.work(&self.config, channel.extranonce().full_len());
        match channel.kind() {
            ChannelKind::Standard => out.send(
                connection,
                work.standard_job(channel_id, job_id, None, &channel.extranonce().prefix()),
            ),
            ChannelKind::Extended => {
                out.send(connection, work.extended_job(channel_id, job_id, None));
            }
        }
        channel.add_future_job(job_id, work);
        out.send(connection, prev_hash_message(tip, channel_id, job_id));
        channel.activate(job_id);

        // The future jobs of the group were sent before this member came, so they are sent to
        // all again, under new ids: no message to a group means different things to members.
        let group_id = channel.group_id();
        let group_index = downstream.groups.iter().position(|group| group.id() == group_id);
        let group_index = group_index.expect("every channel has a group");
        for template in self.work.futures.values_mut() {
            send_job(&self.config, connection, downstream, group_index, template, None, out);
        }
    }

    /// Who brings their own work gets none (AMB-07).
    fn connections_for_work(&self) -> Vec<ConnectionId> {
        self.connections_where(|downstream| downstream.is_open() && !downstream.selects_work())
    }

    fn send_future_job(&mut self, template_id: u64, out: &mut Outbox) {
        for connection in self.connections_for_work() {
            let Some(downstream) = slot(&mut self.connections, connection) else { continue };
            let Some(template) = self.work.futures.get_mut(&template_id) else { return };
            for at in 0..downstream.groups.len() {
                send_job(&self.config, connection, downstream, at, template, None, out);
            }
        }
    }

    /// A better template for the same tip.
    fn send_active_job(&mut self, out: &mut Outbox) {
        let Some(min_ntime) = self.work.tip.as_ref().map(|tip| tip.min_ntime) else { return };
        for connection in self.connections_for_work() {
            let Some(downstream) = slot(&mut self.connections, connection) else { continue };
            let Some(template) = &mut self.work.current else { return };
            for at in 0..downstream.groups.len() {
                send_job(&self.config, connection, downstream, at, template, Some(min_ntime), out);
            }
        }
    }

    fn send_tip(&mut self, template_id: u64, out: &mut Outbox) {
        for connection in self.connections_for_work() {
            let Some(downstream) = slot(&mut self.connections, connection) else { continue };
            let (Some(tip), Some(template)) = (&self.work.tip, &mut self.work.current) else {
                return;
            };
            let to_channels = downstream.requires_standard_jobs();
            for at in 0..downstream.groups.len() {
                if downstream.groups[at].is_empty() {
                    continue;
                }
                // Spec 5.3.17: only a job that was sent as a future one may be named.
                let job_id = match downstream.groups[at].take_future(template_id) {
                    Some(job_id) => job_id,
                    None => {
                        send_job(&self.config, connection, downstream, at, template, None, out);
                        let sent = downstream.groups[at].take_future(template_id);
                        sent.expect("it was sent just now")
                    }
                };
                let group = &downstream.groups[at];
                if !to_channels {
                    out.send(connection, prev_hash_message(tip, group.id(), job_id));
                }
                for channel_id in group.members() {
                    if to_channels {
                        out.send(connection, prev_hash_message(tip, channel_id, job_id));
                    }
                    let served = downstream.channels.get_mut(&channel_id);
                    served.expect("members are open").channel.activate(job_id);
                }
            }
        }
    }
}

/// Sends one job to all members of a group; a future one without `min_ntime`.
fn send_job(
    config: &PoolConfig,
    connection: ConnectionId,
    downstream: &mut Downstream,
    group_index: usize,
    template: &mut Template,
    min_ntime: Option<u32>,
    out: &mut Outbox,
) {
    if downstream.groups[group_index].is_empty() {
        return;
    }
    let job_id = downstream.take_job_id();
    let to_channels = downstream.requires_standard_jobs();
    let group = &mut downstream.groups[group_index];
    let work = template.work(config, group.full_len());
    if !to_channels {
        out.send(connection, work.extended_job(group.id(), job_id, min_ntime));
    }
    for channel_id in group.members() {
        let channel =
            &mut downstream.channels.get_mut(&channel_id).expect("members are open").channel;
        if to_channels {
            let extranonce = channel.extranonce().prefix();
            out.send(connection, work.standard_job(channel_id, job_id, min_ntime, &extranonce));
        }
        match min_ntime {
            Some(_) => channel.add_active_job(job_id, work.clone()),
            None => channel.add_future_job(job_id, work.clone()),
        }
    }
    if min_ntime.is_none() {
        group.set_future(template.template.template_id, job_id);
    }
}

fn prev_hash_message(tip: &Tip, channel_id: u32, job_id: u32) -> SetNewPrevHash {
    SetNewPrevHash {
        channel_id,
        job_id,
        prev_hash: tip.prev_hash,
        min_ntime: tip.min_ntime,
        nbits: tip.nbits,
    }
}
