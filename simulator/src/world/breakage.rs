//! What breaks in a world, and how it is mended.
//!
//! Partitions are known to the links beforehand ([`crate::link::Outages`]); here is what happens
//! to hosts and cards. A host that has crashed is silent: what is sent to it is lost, and who
//! waits for it finds out when it is back or gives up. One that restarts tells its peers.

use sv2::role::{CloseReason, Input};

use super::World;
use super::event::Planned;
use super::host::Held;
use super::wire::{End, Parcel, WireId};
use crate::checkers::Sight;
use crate::scenario::{FaultKind, RegionId, RoleId, Target};

impl World {
    /// One is planned at a time: there may be a great many.
    pub(super) fn plan_fault(&mut self) {
        if let Some(occurrence) = self.timeline.get(self.planned_fault_count) {
            let index = u32::try_from(self.planned_fault_count).expect("faults have a limit");
            self.queue.push(occurrence.at, Planned::FaultBegins { index });
            self.planned_fault_count += 1;
        }
    }

    pub(super) fn fault(&self, index: usize) -> FaultKind {
        let occurrence = self.timeline[index];
        self.scenario.virtual_time.faults[occurrence.fault_index].kind.clone()
    }

    pub(super) fn fault_begins(&mut self, index: usize) {
        self.tally.fault_count += 1;
        self.plan_fault();
        let until = self.timeline[index].until;
        if let Some(until) = until {
            let index = u32::try_from(index).expect("faults have a limit");
            self.queue.push(until, Planned::FaultEnds { index });
        }
        let fault = self.fault(index);
        let over = if fault.is_momentary() { Some(self.now.instant) } else { None };
        let over = until.or(over);
        self.see(&Sight::FaultBegan { what: fault.name(), until: over });
        match fault {
            FaultKind::Crash(target) => self.take_down(&self.hosts_of(target), true),
            FaultKind::Curtailment(target, part) => {
                self.take_down(&self.part_of(target, part), true);
            }
            FaultKind::Restart(target) => {
                let hosts = self.hosts_of(target);
                self.take_down(&hosts, false);
                if until.is_none() {
                    self.bring_back(&hosts, false);
                }
            }
            FaultKind::Pause(target) => {
                for host in self.hosts_of(target) {
                    self.hosts[host as usize].trouble_mut().pause_count += 1;
                    self.see(&Sight::Paused { host });
                }
            }
            FaultKind::ClockStep(target, step) => self.step_clocks(target, step),
            FaultKind::BandwidthDrop(target, rate) => {
                self.topology.set_rate(&self.scenario.virtual_time.network, target, Some(rate));
            }
            FaultKind::ReconnectStorm(target) => self.cut_clients(target),
            FaultKind::Partition(..) | FaultKind::OneWayPartition(..) => {}
        }
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        match self.fault(index) {
            FaultKind::Crash(target) => self.bring_back(&self.hosts_of(target), true),
            FaultKind::Curtailment(target, part) => {
                self.bring_back(&self.part_of(target, part), true);
            }
            FaultKind::Restart(target) => self.bring_back(&self.hosts_of(target), false),
            FaultKind::Pause(target) => {
                self.hosts_of(target).into_iter().for_each(|host| self.go_on(host));
            }
            FaultKind::ClockStep(target, step) => self.step_clocks(target, step.saturating_neg()),
            FaultKind::BandwidthDrop(target, _) => {
                self.topology.set_rate(&self.scenario.virtual_time.network, target, None);
            }
            FaultKind::ReconnectStorm(_)
            | FaultKind::Partition(..)
            | FaultKind::OneWayPartition(..) => {}
        }
    }

    /// Those that a fault concerns, in order; none of a fleet that is a model.
    pub(super) fn hosts_of(&self, target: Target) -> Vec<u32> {
        let is_meant = |RoleId(role): RoleId| match target {
            Target::Role(RoleId(meant)) => role == meant,
            Target::Region(RegionId(region)) => {
                let standing = self.scenario.virtual_time.network.roles.get(role);
                standing.and_then(|standing| standing.region) == Some(RegionId(region))
            }
            Target::Fleet(_) => false,
        };
        let hosts = (0_u32..).zip(&self.hosts);
        hosts.filter(|(_, host)| is_meant(host.id)).map(|(index, _)| index).collect()
    }

    /// The first of a fleet: always the same ones, as a farm has them on one breaker.
    pub(super) fn part_of(&self, target: Target, part: f64) -> Vec<u32> {
        let mut hosts = self.hosts_of(target);
        #[expect(clippy::cast_precision_loss, reason = "hosts are fewer than 2^32")]
        let count = hosts.len() as f64 * part;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part")]
        hosts.truncate((count + 0.5) as usize);
        hosts
    }

    fn step_clocks(&mut self, target: Target, step: i64) {
        for host in self.hosts_of(target) {
            let offset = &mut self.hosts[host as usize].trouble_mut().clock_offset_ns;
            *offset = offset.saturating_add(step);
        }
    }

    fn take_down(&mut self, hosts: &[u32], is_silent: bool) {
        let mut is_ended = vec![false; self.hosts.len()];
        for index in hosts {
            let trouble = self.hosts[*index as usize].trouble_mut();
            trouble.down_count += 1;
            trouble.silent_count += u32::from(is_silent);
            is_ended[*index as usize] = trouble.down_count == 1;
        }
        for id in self.wires.ids() {
            for end in [End::Client, End::Server] {
                let host = self.wires.get_mut(id).map(|wire| wire.end(end).host);
                if host.is_some_and(|host| is_ended[host as usize]) {
                    self.abandon(id, end, is_silent);
                }
            }
        }
        for index in hosts {
            let host = &mut self.hosts[*index as usize];
            if is_ended[*index as usize] {
                host.end();
                self.tally.roles[host.id.0].member_ended(host.member);
                self.see(&Sight::Ended { host: *index });
            }
        }
    }

    /// A host ends and does not close its connections: at most its system does.
    fn abandon(&mut self, id: WireId, end: End, is_silent: bool) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let is_other_closed = wire.end(end.other()).is_closed;
        let terminal = wire.end_mut(end);
        if terminal.is_closed {
            return;
        }
        terminal.is_closed = true;
        terminal.forget();
        terminal.is_mute = is_silent;
        if !is_silent && !is_other_closed {
            self.put(id, end, Parcel::End);
        }
        self.remove_if_over(id);
    }

    fn bring_back(&mut self, hosts: &[u32], is_silent: bool) {
        let mut is_back = vec![false; self.hosts.len()];
        for index in hosts {
            let trouble = self.hosts[*index as usize].trouble_mut();
            trouble.silent_count = trouble.silent_count.saturating_sub(u32::from(is_silent));
            trouble.down_count = trouble.down_count.saturating_sub(1);
            is_back[*index as usize] = trouble.down_count == 0;
        }
        for id in self.wires.ids() {
            for end in [End::Client, End::Server] {
                let Some(wire) = self.wires.get_mut(id) else { continue };
                let terminal = wire.end_mut(end);
                if is_back[terminal.host as usize] && std::mem::take(&mut terminal.is_mute) {
                    // It does not know the connection, and says so to whoever still does.
                    if !wire.end(end.other()).is_closed {
                        self.put(id, end, Parcel::End);
                    }
                    self.remove_if_over(id);
                }
            }
        }
        for index in hosts.iter().filter(|index| is_back[**index as usize]) {
            self.start_anew(*index);
        }
    }

    /// A host that was paused handles all that has come in, in the order in which it came.
    fn go_on(&mut self, index: u32) {
        let now = self.now.instant;
        let host = &mut self.hosts[index as usize];
        let trouble = host.trouble_mut();
        trouble.pause_count = trouble.pause_count.saturating_sub(1);
        if trouble.pause_count > 0 || trouble.down_count > 0 {
            return;
        }
        let Held { planned: held, news } = std::mem::take(&mut trouble.held);
        let (is_started, planned_at) = (host.is_started, host.planned_at);
        self.see(&Sight::WentOn { host: index });
        for news in news {
            self.inputs.push_back((index, Input::Chain(news)));
        }
        for planned in held {
            self.queue.push(now, planned);
        }
        if is_started {
            self.plan_wake(index);
        } else if planned_at.get().is_none() {
            self.hosts[index as usize].planned_at = Some(now).into();
            self.queue.push(now, Planned::Wake { host: index });
        }
    }

    /// As when the table of a router is lost: both ends of every connection find it broken.
    fn cut_clients(&mut self, target: Target) {
        let mut is_meant = vec![false; self.hosts.len()];
        for host in self.hosts_of(target) {
            is_meant[host as usize] = true;
        }
        for id in self.wires.ids() {
            let Some(wire) = self.wires.get_mut(id) else { continue };
            let is_open = !wire.end(End::Client).is_closed && !wire.end(End::Server).is_closed;
            if is_open && is_meant[wire.end(End::Server).host as usize] {
                self.end(id, End::Server, CloseReason::Broken("reset".to_owned()));
            }
        }
    }
}
