//! Every share that reaches a judge is judged, and told so; every share that a proxy accepts goes
//! up, is filtered, or is lost in so many words (spec 5.3.13, 5.3.14).

use std::collections::BTreeSet;
use std::time::Duration;

use sv2::event::Event;
use sv2::message::Message;
use sv2::sv1;
use sv2::time::Instant;

use super::tables::ByWire;
use super::{Card, Checker, Sight, SightKind, Wire};
use crate::scenario::Kind;

/// Counts of one connection at its server.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    arrived: u64,
    accepted: u64,
    rejected: u64,
    /// As the client is told.
    told_accepted: u64,
    told_rejected: u64,
    /// Since when an accepted share waits to be told of.
    untold_since: Option<Instant>,
    /// [`Counts::told_accepted`] when everything was said last.
    told_before: u64,
}

/// Shares of one host.
#[derive(Clone, Copy, Debug, Default)]
struct Passing {
    accepted: u64,
    passed: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Accounts {
    wires: ByWire<Counts>,
    /// Those whose counts have changed since everything was said, some of them several times: few,
    /// since everything is said before time goes on. So with those that pass on.
    changed: Vec<Wire>,
    /// Of each host, since everything was said: accepted, and passed on in some way.
    passing: Vec<(u32, Passing)>,
    /// Where the client is still to be told of an accepted share, longest wait first.
    untold: BTreeSet<(Instant, Wire)>,
    paused: BTreeSet<u32>,
}

impl Checker for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[
            SightKind::Said,
            SightKind::Heard,
            SightKind::Line,
            SightKind::Submitted,
            SightKind::Judged,
            SightKind::Told,
            SightKind::Life,
            SightKind::Settled,
        ]
    }

    fn see(&mut self, now: Instant, hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Heard {
                wire,
                message: Message::SubmitSharesStandard(_) | Message::SubmitSharesExtended(_),
            } => self.counts(hosts, *wire, |counts| counts.arrived += 1),
            Sight::HeardLine {
                wire,
                message: sv1::Message::Call { call: sv1::Call::Submit(_), .. },
            } => self.counts(hosts, *wire, |counts| counts.arrived += 1),
            Sight::Said { wire, message: Message::SubmitSharesSuccess(success) } => {
                let count = u64::from(success.new_submits_accepted_count);
                self.counts(hosts, *wire, |counts| counts.told_accepted += count);
            }
            Sight::Said { wire, message: Message::SubmitSharesError(_) } => {
                self.counts(hosts, *wire, |counts| counts.told_rejected += 1);
            }
            Sight::Told { host, event, wire, .. } if hosts[*host as usize].is_judge => {
                self.told(*host, *wire, event, hosts);
            }
            Sight::Submitted { host } => self.passed_on(*host, 1),
            Sight::Closed { wire } => {
                let counts = self.wires.remove(*wire);
                if let Some(since) = counts.and_then(|counts| counts.untold_since) {
                    self.untold.remove(&(since, *wire));
                }
            }
            Sight::Ended { host } => {
                self.wires.remove_all_of(*host);
                self.untold.retain(|(_, wire)| wire.server != *host);
                self.paused.remove(host);
                self.passing.retain(|(of, _)| of != host);
            }
            Sight::Paused { host } => {
                self.paused.insert(*host);
            }
            Sight::WentOn { host } => {
                self.paused.remove(host);
                self.wait_anew(now, *host);
            }
            Sight::Settled => {
                self.balance(now, hosts)?;
                return self.is_told_in_time(now);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Accounts {
    fn counts(&mut self, hosts: &[Card], wire: Wire, change: impl FnOnce(&mut Counts)) {
        if hosts[wire.server as usize].is_judge {
            change(self.wires.entry(wire));
            self.changed.push(wire);
        }
    }

    fn told(&mut self, host: u32, wire: Option<Wire>, event: &Event, hosts: &[Card]) {
        match (event, wire) {
            (Event::ShareAccepted { .. }, Some(wire)) => {
                self.counts(hosts, wire, |counts| counts.accepted += 1);
                self.passing(host).accepted += 1;
            }
            (Event::ShareRejected { .. }, Some(wire)) => {
                self.counts(hosts, wire, |counts| counts.rejected += 1);
            }
            (Event::ShareFiltered { .. }, _) => self.passed_on(host, 1),
            (Event::SharesLost { count }, _) => self.passed_on(host, *count as u64),
            _ => {}
        }
    }

    fn passed_on(&mut self, host: u32, count: u64) {
        self.passing(host).passed += count;
    }

    fn passing(&mut self, host: u32) -> &mut Passing {
        let at = self.passing.iter().position(|(of, _)| *of == host).unwrap_or_else(|| {
            self.passing.push((host, Passing::default()));
            self.passing.len() - 1
        });
        &mut self.passing[at].1
    }

    /// Every share was as good as accepted at this moment.
    fn wait_anew(&mut self, now: Instant, host: u32) {
        let waiting = self.wires.iter_mut().filter(|(wire, _)| wire.server == host);
        for (wire, counts) in waiting {
            if let Some(since) = &mut counts.untold_since {
                self.untold.remove(&(*since, wire));
                self.untold.insert((now, wire));
                *since = now;
            }
        }
    }

    fn is_told_in_time(&self, now: Instant) -> Result<(), String> {
        let late = self.untold.iter().take_while(|(since, _)| *since + TOLD_WITHIN < now);
        let mut late = late.filter(|(_, wire)| !self.paused.contains(&wire.server));
        match late.next() {
            Some((since, wire)) => Err(format!(
                "on connection {} a share was accepted at {} s, and the client was not told of it \
                 within {} s",
                wire.number,
                since.since(Instant::ZERO).as_secs_f64(),
                TOLD_WITHIN.as_secs()
            )),
            None => Ok(()),
        }
    }

    fn balance(&mut self, now: Instant, hosts: &[Card]) -> Result<(), String> {
        for wire in self.changed.drain(..) {
            let Some(counts) = self.wires.get_mut(wire) else { continue };
            let Counts { arrived, accepted, rejected, told_accepted, told_rejected, .. } = *counts;
            let is_sv1 = hosts[wire.server as usize].kind == Kind::Sv1Pool
                || hosts[wire.server as usize].kind == Kind::Translator;
            let is_judged = arrived == accepted + rejected;
            // Stratum V1 has an answer for each share, whose outcome stands in the event.
            let is_told = is_sv1 || (told_accepted <= accepted && told_rejected == rejected);
            if !is_judged || !is_told {
                return Err(format!(
                    "on connection {} {arrived} shares have arrived, {accepted} were accepted \
                     and {rejected} refused; the client was told of {told_accepted} and \
                     {told_rejected}",
                    wire.number
                ));
            }
            let was_untold_since = counts.untold_since;
            // A batch that is told of in part leaves what it does not tell waiting from then on.
            let is_untold = !is_sv1 && told_accepted < accepted;
            counts.untold_since = is_untold.then_some(match was_untold_since {
                Some(since) if told_accepted == counts.told_before => since,
                _ => now,
            });
            counts.told_before = told_accepted;
            if was_untold_since != counts.untold_since {
                was_untold_since.map(|since| self.untold.remove(&(since, wire)));
                counts.untold_since.map(|since| self.untold.insert((since, wire)));
            }
        }
        for (host, Passing { accepted, passed }) in self.passing.drain(..) {
            let passes_all =
                matches!(hosts[host as usize].kind, Kind::MiningProxy | Kind::Translator);
            if passes_all && accepted > passed {
                return Err(format!(
                    "host {host} has accepted {accepted} shares and sent up, filtered or lost \
                     {passed}"
                ));
            }
        }
        Ok(())
    }
}

/// Six times as long as our servers let a lone share of a batch wait (AMB-20).
const TOLD_WITHIN: Duration = Duration::from_secs(60);
