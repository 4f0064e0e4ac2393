//! Stars of a scenario, and what they have come to as figures with names.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sv2::roles::mining_server::MiningServerConfig;
use sv2::time::Instant;

use super::{Course, Sizes, Star, StarSettings, Tally};
use crate::build::shares_per_minute;
use crate::engine::Digest;
use crate::faults::{Occurrence, timeline};
use crate::link::{Latency, Place, Topology};
use crate::scenario::{ChannelKind, FaultKind, Fidelity, Fleet, RoleKind, Scenario, Target};

/// What a run has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct StarsOutcome {
    /// Of all events of all stars.
    pub digest: u64,
    /// By the name of the fleet, a dot, and that of the figure.
    pub figures: BTreeMap<String, f64>,
}

/// All fleets at fidelity L1 of a scenario, beside the world that runs the rest of it: what they
/// have of each other is the times of blocks, which come from the same draws.
#[derive(Default)]
pub struct Stars {
    all: Vec<(String, Star)>,
}

impl Stars {
    /// At time zero; none where a scenario has no such fleet.
    ///
    /// # Errors
    /// As [`stars`].
    pub fn new(
        scenario: &Scenario,
        read: impl FnMut(&Path) -> Result<String, String>,
    ) -> Result<Self, String> {
        let world = &scenario.virtual_time;
        if world.fleets.iter().all(|fleet| fleet.fidelity != Fidelity::Model) {
            return Ok(Stars::default());
        }
        let timeline = timeline(&world.faults, scenario.seed, world.run.length);
        let topology = Topology::new(scenario, &timeline, read)?;
        let models = world.fleets.iter().enumerate();
        let models = models.filter(|(_, fleet)| fleet.fidelity == Fidelity::Model);
        let all = models.map(|(index, fleet)| {
            let settings = star(scenario, &topology, index, fleet, &timeline)?;
            Ok((fleet.name.clone(), Star::new(settings)))
        });
        Ok(Stars { all: all.collect::<Result<_, String>>()? })
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Goes on until a moment; whatever happens then has happened.
    pub fn run_until(&mut self, end: Instant) {
        self.all.iter_mut().for_each(|(_, star)| star.run_until(end));
    }

    /// Of each fleet: its name, how many devices it has, and what has come of it.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, u32, &Tally)> {
        self.all.iter().map(|(name, star)| (name.as_str(), star.device_count(), star.tally()))
    }

    /// Takes what has happened into a digest.
    pub fn digest(&self, digest: &mut Digest) {
        self.all.iter().for_each(|(_, star)| digest.word(star.digest()));
    }
}

/// The stars of a scenario: its fleets at fidelity L1, each directly on a pool. `read` gives the
/// text of a file of delays.
///
/// # Errors
/// What cannot be run so, and what to do.
pub fn stars(
    scenario: &Scenario,
    read: impl FnMut(&Path) -> Result<String, String>,
) -> Result<Vec<(String, StarSettings)>, String> {
    let world = &scenario.virtual_time;
    let timeline = timeline(&world.faults, scenario.seed, world.run.length);
    let topology = Topology::new(scenario, &timeline, read)?;
    if world.fleets.is_empty() {
        return Err("no fleet to run: add [fleet.NAME] with fidelity = \"L1\"".to_owned());
    }
    let star = |(index, fleet): (usize, &Fleet)| {
        let settings = star(scenario, &topology, index, fleet, &timeline)?;
        Ok((fleet.name.clone(), settings))
    };
    world.fleets.iter().enumerate().map(star).collect()
}

/// Runs all of them, as long as the scenario says.
///
/// # Errors
/// As [`stars`].
pub fn run_stars(
    scenario: &Scenario,
    read: impl FnMut(&Path) -> Result<String, String>,
) -> Result<StarsOutcome, String> {
    let run = &scenario.virtual_time.run;
    let mut digest = Digest::default();
    let mut figures = BTreeMap::new();
    for (name, settings) in stars(scenario, read)? {
        let mut star: Star = Star::new(settings);
        star.run_until(Instant::ZERO + run.warm_up);
        let before = *star.tally();
        star.run_until(Instant::ZERO + run.length);
        digest.word(star.digest());
        for (figure, value) in by_name(&star.tally().since(&before)) {
            figures.insert(format!("{name}.{figure}"), value);
        }
    }
    Ok(StarsOutcome { digest: digest.value(), figures })
}

fn star(
    scenario: &Scenario,
    topology: &Topology,
    index: usize,
    fleet: &Fleet,
    timeline: &[Occurrence],
) -> Result<StarSettings, String> {
    let RoleKind::Pool(pool) = &scenario.role(fleet.upstream).kind else {
        return Err(format!(
            "fleet \"{}\" stands behind \"{}\", which the model of a fleet (L1) leaves out: give \
             it fidelity = \"L2\", or a pool as `upstream`",
            fleet.name,
            scenario.role(fleet.upstream).name
        ));
    };
    if fleet.fidelity != Fidelity::Model {
        return Err(format!(
            "fleet \"{}\" has fidelity {}: only fleets with fidelity = \"L1\" run here",
            fleet.name,
            fleet.fidelity.name()
        ));
    }
    let provider = pool.template_provider.map(|id| &scenario.role(id).kind);
    let job_interval = match provider {
        Some(RoleKind::TemplateProvider(provider)) => provider.fee_update_interval,
        _ => None,
    };
    let (own, server) = (Place::Fleet(index), Place::Role(fleet.upstream));
    let defaults = StarSettings::new(fleet.count);
    Ok(StarSettings {
        // Fleets of one scenario have devices of their own.
        seed: scenario.seed ^ (index as u64).rotate_left(32),
        hash_rate: fleet.hash_rate.per_second(),
        spread: fleet.spread,
        sizes: match fleet.channel {
            ChannelKind::Standard | ChannelKind::StandardInGroup => Sizes::SV2_STANDARD,
            ChannelKind::Extended => Sizes::SV2_EXTENDED,
        },
        shares_per_minute: shares_per_minute(scenario, fleet.upstream),
        vardiff: pool.vardiff,
        share_hashes_min: pool.share_hashes_min.unwrap_or_default(),
        share_batch_size: pool
            .share_batch_size
            .unwrap_or_else(|| MiningServerConfig::default().share_batch_size),
        job_interval: job_interval.unwrap_or(defaults.job_interval),
        block_interval: scenario.chain.block_interval,
        up: topology.latency(own, server).clone(),
        down: topology.latency(server, own).clone(),
        switch: Latency::Constant(Duration::ZERO),
        nic: topology.card(server).map(|lane| topology.network.queue(lane.egress).rate()),
        framing: topology.network.framing,
        courses: courses(scenario, index, timeline),
        ..defaults
    })
}

fn courses(scenario: &Scenario, index: usize, timeline: &[Occurrence]) -> Vec<Course> {
    let course = |occurrence: &Occurrence| {
        let fault = &scenario.virtual_time.faults[occurrence.fault_index].kind;
        let FaultKind::Curtailment(Target::Fleet(of), part) = fault else { return None };
        let until = occurrence.until.unwrap_or(Instant(u64::MAX));
        let at = occurrence.at.since(Instant::ZERO);
        let course = Course { at, length: until.since(occurrence.at), part: *part };
        (*of == index).then_some(course)
    };
    timeline.iter().filter_map(course).collect()
}

/// Figures of a fleet as summaries name them.
pub fn by_name(tally: &Tally) -> [(&'static str, f64); 11] {
    let switch_s = tally.switch_ns_sum / tally.switch_count.max(1) as f64 / 1e9;
    [
        ("shares_found", tally.found_count as f64),
        ("shares_accepted", tally.accepted_count as f64),
        ("shares_stale", tally.stale_count as f64),
        ("stale_part", tally.stale_part()),
        ("blocks", tally.block_count as f64),
        ("targets", tally.target_count as f64),
        ("up_bytes", tally.up_bytes as f64),
        ("down_bytes", tally.down_bytes as f64),
        ("packet_bytes", tally.packet_bytes as f64),
        ("credited_part", tally.credited_hashes / tally.made_hashes),
        ("switch_mean_s", switch_s),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Overrides;

    const WORLD: &str = r#"
[chain]
block_interval = "60s"
[network]
latency = "100ms"
[role.provider]
kind = "template-provider"
fee_update_interval = "15s"
[role.pool]
kind = "pool"
nic = "1Gbit"
vardiff = false
shares_per_minute = 18
[fleet.farm]
upstream = "pool"
model = "s21"
count = 20
fidelity = "L1"
[[fault]]
kind = "curtailment"
role = "farm"
at = "12h"
for = "6h"
[simulate]
for = "1d"
"#;

    fn run(text: &str) -> Result<StarsOutcome, String> {
        let scenario = Scenario::load("world.toml", text, &Overrides::default()).unwrap();
        run_stars(&scenario, |_| Err("no file".to_owned()))
    }

    #[test]
    fn a_scenario_of_a_fleet_runs_and_says_what_it_has_come_to() {
        let outcome = run(WORLD).unwrap();

        // Off for a quarter of the day.
        let shares = outcome.figures["farm.shares_found"];
        assert!((shares / (20.0 * 18.0 * 1_440.0 * 0.75) - 1.0).abs() < 0.02, "{shares}");
        let stale = outcome.figures["farm.stale_part"];
        assert!((stale / (0.2 / 60.0) - 1.0).abs() < 0.05, "{stale}");
        assert_eq!(run(WORLD).unwrap(), outcome);
    }

    #[test]
    fn what_the_model_leaves_out_is_said_with_the_way_out() {
        let real = run(&WORLD.replace("\"L1\"", "\"L2\"")).unwrap_err();
        let none = run("[role.provider]\nkind = \"template-provider\"\n").unwrap_err();

        assert!(real.contains("only fleets with fidelity = \"L1\""), "{real}");
        assert!(none.contains("no fleet to run"), "{none}");
    }
}
