//! A man in the middle of one connection: what he can change and see, with the real roles and
//! the bytes that they really exchange.
//!
//! A device mines on a pool; everything between the two passes through his hands. On Stratum V1
//! he reads lines and writes others. On SV2 there are three of him: one who changes bytes that he
//! cannot read, one who shows a key of his own to a device that knows the pool's authority, and
//! one who does so to a device that was told no authority, which the protocol allows (spec 4.7).

mod bench;
mod line;
mod noise;

use super::fleets::scenario;
use super::{Experiment, Row};
use bench::Bench;

/// Who stands in the middle, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    /// Nobody: what the others are compared to.
    None,
    /// Stratum V1: shares are submitted in another name.
    RewriteLines,
    /// SV2: bytes of shares are changed, unread.
    FlipBytes,
    /// SV2: the device is shown another key, and knows whose it must be.
    Impersonate,
    /// SV2: the device is shown another key, and was told none.
    ImpersonateUnchecked,
}

const ATTACKS: [(&str, Attack); 5] = [
    ("sv2-undisturbed", Attack::None),
    ("sv1-rewritten", Attack::RewriteLines),
    ("sv2-flipped", Attack::FlipBytes),
    ("sv2-impersonated", Attack::Impersonate),
    ("sv2-impersonated-unchecked", Attack::ImpersonateUnchecked),
];

/// What has come of a connection with somebody in the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Loot {
    /// Shares that the device has submitted.
    submitted: u64,
    /// Shares that the pool has credited to the device's user.
    earned: u64,
    /// Shares that the pool has credited to somebody else.
    stolen: u64,
    /// Shares that he has counted as they passed.
    seen: u64,
    /// Connections that ended, or did not come about.
    lost_connections: u64,
}

pub(super) fn run(experiment: &Experiment, cell: &[(String, String)]) -> Result<Vec<Row>, String> {
    let part = experiment.extras(cell).map_err(|error| error.to_string())?.stolen_part;
    let scenario = scenario(experiment, cell)?;
    let mut rows = Vec::new();
    for arm in &experiment.arms {
        let known = ATTACKS.iter().find(|(name, _)| name == arm);
        let (_, attack) = known.ok_or_else(|| format!("unknown arm \"{arm}\""))?;
        let mut loots = Vec::new();
        for seed in 1..=experiment.runs {
            let mut scenario = scenario.clone();
            scenario.seed = seed;
            loots.push(Bench::new(&scenario, *attack, part)?.run(scenario.virtual_time.run.length));
        }
        let is_all = *attack == Attack::ImpersonateUnchecked;
        let stolen = match attack {
            Attack::RewriteLines => part,
            _ => f64::from(u8::from(is_all)),
        };
        let of = |figure: &str, value: fn(&Loot) -> f64, closed_form| Row {
            cell: cell.to_vec(),
            arm: arm.clone(),
            figure: figure.to_owned(),
            values: loots.iter().map(value).collect(),
            closed_form,
        };
        rows.push(of(
            "stolen-part",
            |loot| part_of(loot.stolen, loot.stolen + loot.earned),
            Some(stolen),
        ));
        rows.push(of("earned-part", |loot| part_of(loot.earned, loot.submitted), None));
        rows.push(of("seen-part", |loot| part_of(loot.seen, loot.submitted), None));
        rows.push(of("shares-submitted", |loot| loot.submitted as f64, None));
        rows.push(of("lost-connections", |loot| loot.lost_connections as f64, None));
    }
    Ok(rows)
}

/// None of nothing.
fn part_of(one: u64, all: u64) -> f64 {
    if all > 0 { one as f64 / all as f64 } else { 0.0 }
}
