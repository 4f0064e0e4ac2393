//! Whether a scenario fits into the memory that is free, asked before a world is made of it.

use simulator::scenario::{Fidelity, Scenario};

use crate::outcome::Outcome;

/// Says that it does not, with the fleet that takes most.
///
/// # Errors
/// If it is certain; where the system does not say what is free, it is not.
pub(super) fn check(scenario: &Scenario, file: &str) -> Result<(), Outcome> {
    let Some(free) = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| free(&text))
    else {
        return Ok(());
    };
    let fleets = fleets(scenario);
    let needed: u64 = fleets.iter().map(|fleet| fleet.1).sum();
    let Some((name, most)) = fleets.into_iter().max_by_key(|fleet| fleet.1) else {
        return Ok(());
    };
    if needed <= free {
        return Ok(());
    }
    Err(Outcome::usage(format!(
        "scenario {file}: it needs {:.1} GiB or more, and {:.1} GiB are free; most of it, {:.1} \
         GiB, is for \"{name}\": give that fewer devices (--devices), or fidelity = \"L1\" as a \
         [fleet]",
        gibibytes(needed),
        gibibytes(free),
        gibibytes(most)
    )))
}

/// Names of all fleets, with the bytes that each takes at the least.
fn fleets(scenario: &Scenario) -> Vec<(&str, u64)> {
    let roles = scenario.roles.iter().filter(|role| role.kind.kind().is_device()).map(|role| {
        let count = u64::from(role.kind.member_count());
        (role.name.as_str(), count * DEVICE_BYTES)
    });
    let fleets = scenario.virtual_time.fleets.iter().map(|fleet| {
        let each = match fleet.fidelity {
            Fidelity::Model => MODEL_BYTES,
            _ => DEVICE_BYTES,
        };
        (fleet.name.as_str(), u64::from(fleet.count) * each)
    });
    roles.chain(fleets).collect()
}

/// Of `/proc/meminfo`, in bytes.
fn free(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1_024)
}

fn gibibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 30)
}

/// A device with its connection and its channel, in bytes.
const DEVICE_BYTES: u64 = 3_000;
/// A device of a fleet that is a model, in bytes.
const MODEL_BYTES: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_read_in_kibibytes() {
        let text = "MemTotal:       16384000 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(free(text), Some(2_097_152));
        assert_eq!(free("MemTotal: 3 kB\n"), None);
    }
}
