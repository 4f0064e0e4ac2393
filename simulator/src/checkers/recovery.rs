//! What breaks and is mended is forgotten some minutes later: every device works again.

use std::time::Duration;

use sv2::event::Event;
use sv2::time::Instant;

use super::{Card, Checker, Sight, SightKind};

/// See the module.
#[derive(Default)]
pub(super) struct Recovery {
    devices: Vec<Device>,
    /// When the last of the faults so far is over; `None`: never.
    mended: Option<Instant>,
    what: &'static str,
    /// Faults were there that this has not been looked at for yet.
    is_awaited: bool,
    /// One of the faults lasts.
    is_broken_for_good: bool,
    /// Since everything was mended.
    tip_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Device {
    is_up: bool,
    is_paused: bool,
    /// Its last job.
    began_at: Instant,
    /// The last time that it got a job, or an answer to a share.
    served_at: Instant,
}

impl Checker for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Told, SightKind::Life, SightKind::World, SightKind::Settled]
    }

    fn see(&mut self, now: Instant, hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Told { host, event: Event::WorkStarted { .. }, .. } => {
                let device = self.device(*host);
                (device.began_at, device.served_at) = (now, now);
            }
            Sight::Told {
                host,
                event: Event::SharesAcknowledged { .. } | Event::ShareRefused { .. },
                ..
            } => self.device(*host).served_at = now,
            Sight::Began { host } => self.device(*host).is_up = true,
            Sight::Ended { host } => self.device(*host).is_up = false,
            Sight::Paused { host } => self.device(*host).is_paused = true,
            Sight::WentOn { host } => self.device(*host).is_paused = false,
            Sight::FaultBegan { what, until } => {
                self.is_awaited = true;
                self.what = what;
                self.is_broken_for_good |= until.is_none();
                self.mended = self.mended.max(*until);
                self.tip_at = None;
            }
            Sight::Tip => {
                let is_mended = self.mended.is_some_and(|mended| now > mended);
                if is_mended && self.tip_at.is_none() {
                    self.tip_at = Some(now);
                }
            }
            Sight::Settled if self.is_awaited && !self.is_broken_for_good => {
                return self.look(now, hosts);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Recovery {
    fn device(&mut self, host: u32) -> &mut Device {
        let index = host as usize;
        if self.devices.len() <= index {
            self.devices.resize(index + 1, Device::default());
        }
        &mut self.devices[index]
    }

    fn look(&mut self, now: Instant, hosts: &[Card]) -> Result<(), String> {
        let Some(mended) = self.mended else { return Ok(()) };
        let is_due = match self.tip_at {
            Some(tip_at) => now >= mended + PATIENCE && now >= tip_at + TIP_PATIENCE,
            None => now >= mended + QUIET_PATIENCE,
        };
        if !is_due {
            return Ok(());
        }
        self.is_awaited = false;
        // Without a new tip nobody needs new work.
        let served_at = |device: &Device| match self.tip_at {
            Some(_) => device.began_at,
            None => device.served_at,
        };
        let mut devices = (0..).zip(self.devices.iter().zip(hosts));
        let idle = devices.find(|(_, (device, card))| {
            let is_looked_at = card.kind.is_device() && device.is_up && !device.is_paused;
            is_looked_at && served_at(device) < mended
        });
        match idle {
            None => Ok(()),
            Some((host, (device, _))) => Err(format!(
                "host {host} was last served at {:.3} s, and the last fault ({}) was over at \
                 {:.3} s",
                served_at(device).since(Instant::ZERO).as_secs_f64(),
                self.what,
                mended.since(Instant::ZERO).as_secs_f64()
            )),
        }
    }
}

/// From the end of a fault: TCP waits up to two minutes before it sends again, and roles a while
/// before they dial again, one after the other.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same where no block is found: until the slowest device has found a share.
const QUIET_PATIENCE: Duration = Duration::from_secs(3_600);
/// From a new tip on.
const TIP_PATIENCE: Duration = Duration::from_secs(60);
