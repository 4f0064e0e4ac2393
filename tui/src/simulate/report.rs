//! What has come of a simulated network, for people and for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::fleet;
use simulator::scenario::Scenario;
use simulator::world::{Measures, Tally, World};
use sv2::time::Instant;

/// The end of a run.
pub(super) struct Report<'a> {
    scenario: &'a Scenario,
    tally: Tally,
    models: Vec<Model<'a>>,
    heights: Vec<u32>,
    simulated: Duration,
    elapsed: Duration,
    digest: u64,
    measures: Option<&'a Measures>,
    is_partial: bool,
}

/// A fleet at fidelity L1.
struct Model<'a> {
    name: &'a str,
    count: u32,
    tally: &'a fleet::Tally,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        world: &'a World,
        simulated: Instant,
        elapsed: Duration,
        is_partial: bool,
    ) -> Self {
        Report {
            scenario: world.scenario(),
            tally: world.tally(),
            models: world
                .models()
                .map(|(name, count, tally)| Model { name, count, tally })
                .collect(),
            heights: world.heights(),
            simulated: simulated.since(Instant::ZERO),
            elapsed,
            digest: world.digest(),
            measures: world.measures(),
            is_partial,
        }
    }

    pub(super) fn json(&self) -> Value {
        let tally = &self.tally;
        let roles = self.scenario.roles.iter().zip(&tally.roles);
        let roles = roles.map(|(role, figures)| {
            json!({
                "name": role.name,
                "kind": role.kind.kind().name(),
                "members": role.kind.member_count(),
                "connections": figures.connection_count(),
                "channels": figures.channel_count(),
                "accepted": figures.accepted_count,
                "rejected": figures.rejected_count,
                "stale": figures.stale_count,
                "jobs": figures.job_count,
                "blocks": figures.block_count,
                "last_error": figures.last_error,
            })
        });
        let models = self.models.iter().map(|model| {
            let mut row = json!({ "name": model.name, "devices": model.count });
            for (figure, value) in fleet::by_name(model.tally) {
                row[figure] = value.into();
            }
            row
        });
        let nodes = self.scenario.nodes.iter().zip(&self.heights);
        let nodes = nodes.map(|(node, height)| json!({ "name": node.name, "height": height }));
        let mut summary = json!({
            "title": self.scenario.title,
            "seed": self.scenario.seed,
            "is_partial": self.is_partial,
            "simulated_seconds": self.simulated.as_secs_f64(),
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "events": tally.event_count + self.models(|tally| tally.event_count),
            "messages": tally.message_count + self.models(|tally| tally.message_count),
            "payload_bytes": tally.payload_bytes + self.models(carried),
            "packet_bytes": tally.packet_bytes + self.models(|tally| tally.packet_bytes),
            "connections": tally.connection_count,
            "faults": tally.fault_count,
            "foreign_blocks": tally.foreign_block_count,
            "stale_explained": tally.stale_explained_count,
            "stale_unexplained": tally.stale_unexplained_count,
            "roles": roles.collect::<Vec<_>>(),
            "models": models.collect::<Vec<_>>(),
            "nodes": nodes.collect::<Vec<_>>(),
            "digest": format!("{:016x}", self.digest),
        });
        if let Some(measures) = self.measures {
            summary["latencies"] = measures.latencies_json();
            summary["traffic"] = measures.traffic_json();
        }
        summary
    }

    /// A count of all models together.
    fn models(&self, of: fn(&fleet::Tally) -> u64) -> u64 {
        self.models.iter().map(|model| of(model.tally)).sum()
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let tally = &self.tally;
        let (simulated, elapsed) = (self.simulated.as_secs_f64(), self.elapsed.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = (tally.message_count + self.models(|tally| tally.message_count)) as f64
            / elapsed.max(1e-9);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", self.scenario.title);
        if self.is_partial {
            let _ = writeln!(text, "PARTIAL: interrupted before the end");
        }
        let _ = writeln!(
            text,
            "{simulated:.3} s simulated in {elapsed:.3} s ({:.0} x real time), {} events, \
             {} messages ({rate:.0}/s), {} bytes",
            simulated / elapsed.max(1e-9),
            tally.event_count + self.models(|tally| tally.event_count),
            tally.message_count + self.models(|tally| tally.message_count),
            tally.payload_bytes + self.models(carried),
        );
        let _ = writeln!(
            text,
            "{:<20} {:>8} {:>9} {:>9} {:>8} {:>6} {:>7} {:>7}",
            "role", "members", "channels", "accepted", "rejected", "stale", "jobs", "blocks"
        );
        for (role, figures) in self.scenario.roles.iter().zip(&tally.roles) {
            let _ = writeln!(
                text,
                "{:<20} {:>8} {:>9} {:>9} {:>8} {:>6} {:>7} {:>7}",
                role.name,
                role.kind.member_count(),
                figures.channel_count(),
                figures.accepted_count,
                figures.rejected_count,
                figures.stale_count,
                figures.job_count,
                figures.block_count,
            );
        }
        for Model { name, count, tally } in &self.models {
            let _ = writeln!(
                text,
                "{:<20} {count:>8} {count:>9} {:>9} {:>8} {:>6} {:>7} {:>7}",
                format!("{name} (L1)"),
                tally.accepted_count,
                0,
                tally.stale_count,
                tally.job_count,
                0,
            );
            let (stale, credited) =
                (tally.stale_part() * 100.0, 100.0 * tally.credited_hashes / tally.made_hashes);
            let _ = writeln!(
                text,
                "{:20} {stale:.4} % of its work was stale, {credited:.2} % was credited",
                ""
            );
        }
        for (node, height) in self.scenario.nodes.iter().zip(&self.heights) {
            let _ = writeln!(text, "{} is at height {height}", node.name);
        }
        let _ = writeln!(
            text,
            "{} late shares crossed a tip on its way, {} did not; {} blocks by others",
            tally.stale_explained_count, tally.stale_unexplained_count, tally.foreign_block_count,
        );
        let latencies = self.measures.into_iter().flat_map(Measures::latencies);
        for (name, all) in latencies.filter(|(_, all)| all.count() > 0) {
            let quantile = |part| all.quantile(part) as f64 / 1e6;
            let _ = writeln!(
                text,
                "{name}: {:.1} ms in the middle, {:.1} ms at 99 %, {:.1} ms at most",
                quantile(0.5),
                quantile(0.99),
                quantile(1.0),
            );
        }
        let _ = writeln!(text, "seed {}, digest {:016x}", self.scenario.seed, self.digest);
        text
    }
}

/// Both ways, above TCP.
fn carried(tally: &fleet::Tally) -> u64 {
    tally.up_bytes + tally.down_bytes
}
