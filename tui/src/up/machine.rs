//! A network as JSON, one object a line.

use serde_json::{Value, json};
use simulator_live::{Happening, What};

use super::board::Board;
use super::{Ending, View};
use crate::event_json;
use crate::print;

/// Every happening, with the endpoints before and the figures after them.
pub(super) struct Machine;

impl Machine {
    /// Says what runs, and where.
    pub(super) fn new(board: &Board) -> Self {
        print::line(json!({
            "kind": "started", "title": board.scenario.title, "seed": board.scenario.seed,
        }));
        for (name, url) in board.endpoints() {
            print::line(json!({ "kind": "endpoint", "subject": name, "url": url }));
        }
        Machine
    }
}

impl View for Machine {
    fn happened(&mut self, board: &Board, happening: &Happening, _: bool) {
        print::line(json!({
            "kind": happening.what.name(),
            "at_seconds": board.since_start(happening.at).as_secs_f64(),
            "subject": happening.subject.name(&board.scenario),
            "fields": fields(&happening.what),
            "text": happening.what.to_string(),
        }));
    }

    fn tick(&mut self, _: &Board) -> std::io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, board: &Board, ending: Ending) {
        let roles: Vec<Value> = board.scenario.role_ids().map(|id| role(board, id)).collect();
        let nodes: Vec<Value> =
            board.nodes().map(|(name, height)| json!({ "name": name, "height": height })).collect();
        print::line(json!({
            "kind": "summary",
            "ending": ending.name(),
            "goal": board.goal().map(|goal| goal.to_string()),
            "elapsed_seconds": board.elapsed().as_secs_f64(),
            "blocks": board.block_count(),
            "shares": board.share_count(),
            "roles": roles,
            "nodes": nodes,
        }));
    }
}

fn fields(what: &What) -> Value {
    match what {
        What::Event(event) => event_json::fields(event),
        What::Missed(count) => json!({ "count": count }),
        What::Tip { height, hash } => json!({ "height": height, "hash": hash.to_string() }),
        What::Down(why) => json!({ "why": why }),
        What::Up => json!({}),
    }
}

fn role(board: &Board, id: simulator::scenario::RoleId) -> Value {
    let (role, figures) = (board.scenario.role(id), board.figures(id));
    json!({
        "name": role.name,
        "kind": role.kind.kind().name(),
        "state": board.state(id),
        "connections": figures.connection_count(),
        "channels": figures.channel_count(),
        "accepted": figures.accepted_count,
        "rejected": figures.rejected_count,
        "stale": figures.stale_count,
        "jobs": figures.job_count,
        "blocks": figures.block_count,
        "last_error": figures.last_error,
    })
}
