//! Arms of real roles: the same fleet on a pool of either protocol, in virtual time.
//!
//! A network of devices directly on a pool is turned into the same network of each protocol. With
//! the same seed they have the same blocks and transactions; the moments of shares are drawn anew
//! for each arm, so that differences need more runs than those of the model of a fleet.

use std::ops::Range;
use std::time::Duration;

use sv2::event::Event;
use sv2::time::Instant;
use sv2::wire::Target;

use super::{Comparison, Figure, Figures};
use crate::build::shares_per_minute;
use crate::fleet::Sizes;
use crate::scenario::{
    ChannelKind, MiningDevice, Pool, RoleId, RoleKind, Scenario, Sv1Device, Sv1Pool,
};
use crate::units::HashRate;
use crate::world::{QueueKind, World};

/// Runs the networks of all protocols with every seed.
///
/// # Errors
/// What is in the scenario that only one protocol has.
pub fn compare_roles(
    scenario: &Scenario,
    protocols: &[Sizes],
    seeds: Range<u64>,
) -> Result<Comparison, String> {
    let mut arms = Vec::new();
    for protocol in protocols {
        let arm = in_protocol(scenario, *protocol)?;
        let mut runs = Vec::new();
        for seed in seeds.clone() {
            runs.push(run_roles(&Scenario { seed, ..arm.clone() })?);
        }
        arms.push((protocol.name.to_owned(), runs, Figures::default()));
    }
    Ok(Comparison::new(arms))
}

/// Runs a network of devices on pools, as long as it says.
///
/// # Errors
/// Why it has no world.
pub fn run_roles(scenario: &Scenario) -> Result<Figures, String> {
    let run = &scenario.virtual_time.run;
    let mut world = World::new(scenario, QueueKind::Radix).map_err(|error| error.to_string())?;
    // Where fees rise, a job may be for them and not for the tip.
    let measures_switches = scenario.chain.transaction_interval.is_none();
    let mut switches = Switches::new(scenario);
    let mut advance = |world: &mut World, end: Instant| {
        if measures_switches {
            world.keep_happenings();
        }
        while world.run(end, SLICE) {
            switches.take(world);
        }
        switches.take(world);
    };
    advance(&mut world, Instant::ZERO + run.warm_up);
    let before = Counts::of(scenario, &world);
    advance(&mut world, Instant::ZERO + run.length);
    let after = Counts::of(scenario, &world);
    let device_seconds = scenario.device_count() as f64 * (run.length - run.warm_up).as_secs_f64();
    let rate = |of: fn(&Counts) -> u64| (of(&after) - of(&before)) as f64 / device_seconds;
    let judged = (after.accepted + after.stale).saturating_sub(before.accepted + before.stale);
    let mut values = vec![
        (Figure::UplinkBytes, rate(|counts| counts.up_bytes)),
        (Figure::DownlinkBytes, rate(|counts| counts.down_bytes)),
        (Figure::PayloadBytes, rate(|counts| counts.up_bytes + counts.down_bytes)),
        (Figure::PacketBytes, rate(|counts| counts.packet_bytes)),
        (Figure::ShareRate, judged as f64 / device_seconds),
        (Figure::StaleCounted, (after.stale - before.stale) as f64 / judged.max(1) as f64),
    ];
    if switches.count > 0 {
        values.push((Figure::SwitchTime, switches.seconds / switches.count as f64));
        values.push((Figure::LastSwitch, switches.longest));
    }
    Ok(Figures::of(&values))
}

/// The same network with another protocol between devices and pools.
fn in_protocol(scenario: &Scenario, protocol: Sizes) -> Result<Scenario, String> {
    let mut arm = scenario.clone();
    let is_pool = |id: Option<RoleId>| {
        id.is_some_and(|id| {
            matches!(scenario.role(id).kind, RoleKind::Pool(_) | RoleKind::Sv1Pool(_))
        })
    };
    for role in &mut arm.roles {
        let name = role.name.clone();
        role.kind = match &role.kind {
            RoleKind::Pool(_) | RoleKind::Sv1Pool(_) if has_counterpart(&role.kind) => {
                pool(&role.kind, protocol)
            }
            RoleKind::MiningDevice(device) if is_pool(device.upstream) => {
                let Some(upstream) = device.upstream else { continue };
                let fleet = (upstream, device.count, device.hash_rate);
                device_of(scenario, fleet, &device.user, protocol)
            }
            RoleKind::Sv1Device(device) if is_pool(device.upstream) => {
                let Some(upstream) = device.upstream else { continue };
                let fleet = (upstream, device.count, device.hash_rate);
                device_of(scenario, fleet, &device.user, protocol)
            }
            RoleKind::TemplateProvider(provider) => RoleKind::TemplateProvider(provider.clone()),
            other => {
                return Err(format!(
                    "role \"{name}\" is a {} and has no counterpart in {}: compare devices \
                     directly on a pool, or a fleet with fidelity = \"L1\"",
                    other.kind().name(),
                    protocol.name
                ));
            }
        };
    }
    match arm.device_count() {
        0 => Err("no devices to compare: add [fleet.NAME] with fidelity = \"L1\"".to_owned()),
        _ => Ok(arm),
    }
}

/// Whether a pool asks for nothing that the other protocol lacks.
fn has_counterpart(kind: &RoleKind) -> bool {
    match kind {
        RoleKind::Pool(pool) => pool.required_extensions.is_empty() && !pool.requires_fixed_version,
        _ => true,
    }
}

/// What both protocols' pools have: templates, rates, targets.
fn pool(kind: &RoleKind, protocol: Sizes) -> RoleKind {
    let sv1 = match kind {
        RoleKind::Sv1Pool(pool) => pool.clone(),
        RoleKind::Pool(pool) => Sv1Pool {
            template_provider: pool.template_provider,
            shares_per_minute: pool.shares_per_minute,
            share_hashes_min: pool.share_hashes_min,
            vardiff: pool.vardiff,
            rounds_difficulty: false,
            payout_script: pool.payout_script.clone(),
            coinbase_tag: pool.coinbase_tag.clone(),
        },
        other => return other.clone(),
    };
    if protocol == Sizes::SV1 {
        return RoleKind::Sv1Pool(Sv1Pool { rounds_difficulty: false, ..sv1 });
    }
    let share_batch_size = match kind {
        RoleKind::Pool(pool) => pool.share_batch_size,
        _ => None,
    };
    RoleKind::Pool(Pool {
        template_provider: sv1.template_provider,
        shares_per_minute: sv1.shares_per_minute,
        share_batch_size,
        share_hashes_min: sv1.share_hashes_min,
        vardiff: sv1.vardiff,
        payout_script: sv1.payout_script,
        coinbase_tag: sv1.coinbase_tag,
        requires_extended_channels: false,
        requires_fixed_version: false,
        required_extensions: Vec::new(),
        accounts: None,
    })
}

/// A fleet of another protocol with the same upstream, number and hash rate.
fn device_of(
    scenario: &Scenario,
    (upstream, count, hash_rate): (RoleId, u32, HashRate),
    user: &str,
    protocol: Sizes,
) -> RoleKind {
    let user = user.to_owned();
    if protocol == Sizes::SV1 {
        // What an SV2 device says of its hash rate, this one says of its difficulty.
        let share_hashes = hash_rate.per_second() * 60.0 / shares_per_minute(scenario, upstream);
        return RoleKind::Sv1Device(Sv1Device {
            upstream: Some(upstream),
            count,
            hash_rate,
            suggested_difficulty: Some(share_hashes / Target::DIFFICULTY_1.expected_hashes()),
            rolls_version: true,
            rolls_ntime: false,
            user,
        });
    }
    let is_extended = protocol == Sizes::SV2_EXTENDED;
    RoleKind::MiningDevice(MiningDevice {
        upstream: Some(upstream),
        count,
        hash_rate,
        nominal_hash_rate: hash_rate,
        channel: if is_extended { ChannelKind::Extended } else { ChannelKind::Standard },
        channel_count: 1,
        rolls_ntime: false,
        user,
    })
}

#[derive(Default)]
struct Counts {
    up_bytes: u64,
    down_bytes: u64,
    packet_bytes: u64,
    accepted: u64,
    stale: u64,
}

impl Counts {
    fn of(scenario: &Scenario, world: &World) -> Self {
        let tally = world.tally();
        let mut counts = Counts::default();
        for (id, figures) in scenario.role_ids().zip(&tally.roles) {
            let kind = scenario.role(id).kind.kind();
            if kind.is_device() {
                let carried = world.carried_by(id);
                counts.up_bytes += carried.up_bytes;
                counts.down_bytes += carried.down_bytes;
                counts.packet_bytes += carried.packet_bytes;
            } else {
                counts.accepted += figures.accepted_count;
                counts.stale += figures.stale_count;
            }
        }
        counts
    }
}

/// From a node's new tip to the first job of each device after it.
struct Switches {
    is_device: Vec<bool>,
    is_provider: Vec<bool>,
    /// By role and member: whether it has begun since the tip.
    waiting: std::collections::BTreeSet<(usize, u32)>,
    devices: Vec<(usize, u32)>,
    tip_at: Instant,
    count: u64,
    seconds: f64,
    longest: f64,
}

impl Switches {
    fn new(scenario: &Scenario) -> Self {
        let kinds = || scenario.roles.iter().map(|role| &role.kind);
        let members = kinds().enumerate().filter(|(_, kind)| kind.kind().is_device());
        let members = members
            .flat_map(|(index, kind)| (0..kind.member_count()).map(move |member| (index, member)));
        Switches {
            is_device: kinds().map(|kind| kind.kind().is_device()).collect(),
            is_provider: kinds()
                .map(|kind| matches!(kind, RoleKind::TemplateProvider(_)))
                .collect(),
            waiting: std::collections::BTreeSet::new(),
            devices: members.collect(),
            tip_at: Instant::ZERO,
            count: 0,
            seconds: 0.0,
            longest: 0.0,
        }
    }

    fn take(&mut self, world: &mut World) {
        for happening in world.take_happenings() {
            let role = happening.role.0;
            match happening.event {
                Event::TipChanged { .. } if self.is_provider[role] => {
                    self.tip_at = happening.at;
                    // The first tip is what they begin with.
                    if happening.at > Instant::ZERO + SETTLED {
                        self.waiting = self.devices.iter().copied().collect();
                    }
                }
                Event::WorkStarted { .. }
                    if self.is_device[role] && self.waiting.remove(&(role, happening.member)) =>
                {
                    let seconds = happening.at.since(self.tip_at).as_secs_f64();
                    self.count += 1;
                    self.seconds += seconds;
                    self.longest = self.longest.max(seconds);
                }
                _ => {}
            }
        }
    }
}

/// Events between two looks at what roles have told.
const SLICE: u64 = 100_000;
/// By then every device mines.
const SETTLED: Duration = Duration::from_secs(60);
