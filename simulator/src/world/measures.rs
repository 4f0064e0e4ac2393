//! What a run has carried, by message, and how long its devices have waited.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use sv2::message::Message;
use sv2::role::Input;
use sv2::sv1;
use sv2::time::Instant;
use sv2::wire::U256;

use super::traffic::is_share;
use super::wire::{End, Parcel, WireId};
use crate::statistics::Histogram;

/// Of a whole world, from when it began to be measured.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// By name, roughly the most frequent first: a handful of names makes up nearly everything.
    traffic: Vec<(String, Traffic)>,
    /// When devices have sent shares whose answers are still to come, by place of the connection.
    unanswered: Vec<VecDeque<(sv1::Id, Instant)>>,
    share_to_answer: Histogram,
    /// When the first node had a tip, latest last.
    tips: VecDeque<(U256, Instant)>,
    tip_to_device: Histogram,
}

/// What one kind of message has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many were sent.
    pub count: u64,
    /// From clients to servers, as payload of TCP.
    pub up_bytes: u64,
    /// From servers to clients, likewise.
    pub down_bytes: u64,
}

impl Measures {
    /// What was sent, by the specification's names of messages, and by methods of Stratum V1.
    pub fn traffic(&self) -> impl Iterator<Item = (&str, Traffic)> {
        let by_name: BTreeMap<_, _> =
            self.traffic.iter().map(|(name, traffic)| (name.as_str(), *traffic)).collect();
        by_name.into_iter()
    }

    /// From a share to its answer, at devices, in nanoseconds.
    pub fn share_to_answer(&self) -> &Histogram {
        &self.share_to_answer
    }

    /// From a tip at the first node that has it to its arrival at each device, in nanoseconds.
    pub fn tip_to_device(&self) -> &Histogram {
        &self.tip_to_device
    }

    /// All delays in nanoseconds, with what they are.
    pub fn latencies(&self) -> [(&'static str, &Histogram); 2] {
        [("share to answer", &self.share_to_answer), ("tip to device", &self.tip_to_device)]
    }

    /// As summaries have it: `latencies`, in seconds.
    pub fn latencies_json(&self) -> Value {
        let rows = self.latencies().map(|(name, all)| {
            let quantile = |part| seconds(all.quantile(part));
            json!({
                "name": name, "count": all.count(), "p50": quantile(0.5), "p90": quantile(0.9),
                "p99": quantile(0.99), "max": seconds(all.max()),
            })
        });
        Value::Array(rows.into())
    }

    /// As summaries have it: `traffic`.
    pub fn traffic_json(&self) -> Value {
        let rows = self.traffic().map(|(name, traffic)| {
            let Traffic { count, up_bytes, down_bytes } = traffic;
            json!({
                "message": name, "count": count, "up_bytes": up_bytes, "down_bytes": down_bytes,
            })
        });
        rows.collect()
    }

    /// A node has another tip.
    pub(super) fn tip(&mut self, now: Instant, tip: U256) {
        if self.tips.iter().any(|(known, _)| *known == tip) {
            return;
        }
        if self.tips.len() == TIPS_MAX {
            self.tips.pop_front();
        }
        self.tips.push_back((tip, now));
    }

    /// Something is sent on a connection, from one of its ends.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        wire: WireId,
        (end, is_device): (End, bool),
        (parcel, len): (&Parcel, usize),
    ) {
        let line = match parcel {
            Parcel::Line(line) => sv1::Message::parse(line).ok(),
            _ => None,
        };
        let name = match (parcel, &line) {
            (Parcel::End, _) => return,
            (_, Some(sv1::Message::Call { call, .. })) => call.method(),
            (_, Some(sv1::Message::Response(_))) => "response",
            _ => parcel.name(),
        };
        let traffic = self.traffic_of(name);
        traffic.count += 1;
        match end {
            End::Client => traffic.up_bytes += len as u64,
            End::Server => traffic.down_bytes += len as u64,
        }
        let share = match (parcel, line) {
            (Parcel::Message(message, _), _) => is_share(message).then_some(sv1::Id::Missing),
            (_, Some(sv1::Message::Call { id, call: sv1::Call::Submit(_) })) => Some(id),
            _ => None,
        };
        if let Some(id) = share.filter(|_| is_device) {
            let place = wire.index as usize;
            if self.unanswered.len() <= place {
                self.unanswered.resize_with(place + 1, VecDeque::new);
            }
            self.unanswered[place].push_back((id, now));
        }
    }

    /// Names change places as one becomes more frequent than the one before it.
    fn traffic_of(&mut self, name: &str) -> &mut Traffic {
        let known = self.traffic.iter().position(|(known, _)| known == name);
        let mut place = known.unwrap_or(self.traffic.len());
        if known.is_none() {
            self.traffic.push((name.to_owned(), Traffic::default()));
        }
        if place > 0 && self.traffic[place].1.count > self.traffic[place - 1].1.count {
            self.traffic.swap(place, place - 1);
            place -= 1;
        }
        &mut self.traffic[place].1
    }

    /// Something arrives at a device that knew of `tip`.
    pub(super) fn heard(&mut self, now: Instant, wire: WireId, tip: U256, input: &Input) {
        match input {
            Input::Received { message, .. } => match message {
                Message::SubmitSharesSuccess(success) => {
                    for _ in 0..success.new_submits_accepted_count {
                        self.answered(now, wire, &sv1::Id::Missing);
                    }
                }
                Message::SubmitSharesError(_) => self.answered(now, wire, &sv1::Id::Missing),
                Message::SetNewPrevHash(news) => self.told(now, tip, news.prev_hash),
                _ => {}
            },
            Input::Line { line, .. } => match sv1::Message::parse(line) {
                Ok(sv1::Message::Response(response)) => self.answered(now, wire, &response.id),
                Ok(sv1::Message::Call { call: sv1::Call::Notify(job), .. }) => {
                    self.told(now, tip, job.prev_hash);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// A connection is no more.
    pub(super) fn forget(&mut self, wire: WireId) {
        if let Some(unanswered) = self.unanswered.get_mut(wire.index as usize) {
            *unanswered = VecDeque::new();
        }
    }

    /// Servers answer in the order in which they were asked: TCP keeps it, and judging takes no
    /// time of its own.
    fn answered(&mut self, now: Instant, wire: WireId, id: &sv1::Id) {
        let Some(unanswered) = self.unanswered.get_mut(wire.index as usize) else { return };
        // Other calls are answered as well, and are not what is measured.
        if unanswered.front().is_some_and(|(sent, _)| sent == id)
            && let Some((_, sent_at)) = unanswered.pop_front()
        {
            self.share_to_answer.record(now.0 - sent_at.0);
        }
    }

    fn told(&mut self, now: Instant, known: U256, tip: U256) {
        // What a device hears first it has not waited for.
        if known == tip || known == U256::ZERO {
            return;
        }
        if let Some((_, since)) = self.tips.iter().rfind(|(known, _)| *known == tip) {
            self.tip_to_device.record(now.0 - since.0);
        }
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// As many as can be under way at once, and more.
const TIPS_MAX: usize = 64;
