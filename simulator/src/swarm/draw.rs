//! Which cases there are.

use super::Case;
use crate::engine::{Purpose, Stream};
use crate::scenario::{Kind, NETWORKS, Overrides, RoleKind, Scenario};

impl Case {
    /// The case of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut drawing = Drawing { stream: Stream::new(seed, 0, Purpose::Scenario) };
        let base = *drawing.one_of(NETWORKS);
        let scenario = Scenario::load(base.name, base.text, &Overrides::default())
            .expect("what ships can be loaded");
        let seconds = *drawing.one_of(&[600, 1_800, 3_600]);
        Case {
            seed,
            base,
            settings: drawing.settings(&scenario),
            network: drawing.network(),
            faults: drawing.faults(&scenario, seconds),
            seconds,
        }
    }
}

struct Drawing {
    stream: Stream,
}

impl Drawing {
    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        #[expect(clippy::cast_possible_truncation, reason = "below a length")]
        let index = self.stream.below(all.len() as u64) as usize;
        &all[index]
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.one_of::<&'static str>(words)
    }

    /// With this chance, in percent.
    fn is_so(&mut self, percent: u64) -> bool {
        self.stream.below(100) < percent
    }

    fn settings(&mut self, scenario: &Scenario) -> Vec<(String, &'static str, String)> {
        let mut settings = Vec::new();
        let chain = |key, value: &str| ("chain".to_owned(), key, format!("\"{value}\""));
        if self.is_so(60) {
            let interval = self.word(&["15s", "60s", "10min"]);
            settings.push(chain("block_interval", interval));
        }
        if self.is_so(60) {
            let interval = self.word(&["500ms", "10s", "60s"]);
            settings.push(chain("transaction_interval", interval));
        }
        for role in &scenario.roles {
            let mut set = |key, value: &str| {
                settings.push((format!("role.{}", role.name), key, value.to_owned()));
            };
            match &role.kind {
                RoleKind::Pool(_) => {
                    self.server(&mut set);
                    if self.is_so(40) {
                        set("share_batch_size", self.word(&["1", "7", "100"]));
                    }
                    if self.is_so(40) {
                        set("share_hashes_min", self.word(&["10", "1_000", "100_000"]));
                    }
                }
                RoleKind::Sv1Pool(_) => {
                    self.server(&mut set);
                    if self.is_so(40) {
                        set("rounds_difficulty", self.word(&["true", "false"]));
                    }
                }
                RoleKind::MiningProxy(_) => {
                    self.server(&mut set);
                    set("mode", self.word(&["\"aggregated\"", "\"transparent\""]));
                }
                RoleKind::Translator(_) => {
                    if self.is_so(50) {
                        set("shares_per_minute", self.word(&["5", "20", "60"]));
                    }
                    set("mode", self.word(&["\"aggregated\"", "\"channel-per-device\""]));
                    if self.is_so(50) {
                        set("difficulty", self.word(&["\"powers-of-two\"", "\"exact\""]));
                    }
                }
                RoleKind::JobDeclaratorClient(_) => {
                    self.server(&mut set);
                    set("mode", self.word(&["\"full-template\"", "\"coinbase-only\""]));
                }
                RoleKind::MiningDevice(_) => {
                    self.fleet(&mut set);
                    if self.is_so(50) {
                        let channels = ["\"standard\"", "\"standard-in-group\"", "\"extended\""];
                        set("channel", self.word(&channels));
                    }
                    if self.is_so(30) {
                        set("channels", self.word(&["2", "5"]));
                    }
                    if self.is_so(30) {
                        set("nominal_hash_rate", self.word(&["\"5kH/s\"", "\"500kH/s\""]));
                    }
                }
                RoleKind::Sv1Device(_) => {
                    self.fleet(&mut set);
                    if self.is_so(30) {
                        set("rolls_version", self.word(&["true", "false"]));
                    }
                }
                RoleKind::TemplateProvider(_) => {
                    if self.is_so(30) {
                        set("fee_update_interval", self.word(&["\"1s\"", "\"30s\""]));
                    }
                }
                RoleKind::JobDeclaratorServer(_) => {}
            }
        }
        settings
    }

    fn server(&mut self, set: &mut impl FnMut(&'static str, &str)) {
        if self.is_so(50) {
            set("shares_per_minute", self.word(&["2", "6", "60"]));
        }
        if self.is_so(40) {
            set("vardiff", self.word(&["false", "\"bayes\""]));
        }
    }

    fn fleet(&mut self, set: &mut impl FnMut(&'static str, &str)) {
        if self.is_so(60) {
            set("count", self.word(&["1", "3", "8", "20"]));
        }
        if self.is_so(40) {
            set("hash_rate", self.word(&["\"10kH/s\"", "\"1MH/s\"", "\"100kH/s\""]));
        }
        if self.is_so(30) {
            set("rolls_ntime", self.word(&["true", "false"]));
        }
    }

    fn network(&mut self) -> Vec<String> {
        let mut network = Vec::new();
        if self.is_so(90) {
            let latencies = [
                "1ms",
                "20ms",
                "400ms",
                "uniform(5ms, 300ms)",
                "lognormal(50ms, 1)",
                "pareto(10ms, 2)",
            ];
            network.push(format!("latency = \"{}\"", self.word(&latencies)));
        }
        if self.is_so(20) {
            network.push(format!("loss = {}", self.word(&["0.0001", "0.01", "0.1"])));
        }
        if self.is_so(20) {
            let bandwidths = ["32kbit", "256kbit", "10Mbit"];
            network.push(format!("bandwidth = \"{}\"", self.word(&bandwidths)));
        }
        network
    }

    fn faults(&mut self, scenario: &Scenario, seconds: u64) -> Vec<Vec<String>> {
        let count = *self.one_of(&[0, 1, 1, 2, 3, 5]);
        let names: Vec<&str> = scenario.roles.iter().map(|role| role.name.as_str()).collect();
        let listeners = scenario.roles.iter().filter(|role| role.kind.kind() != Kind::MiningDevice);
        let listeners: Vec<&str> = listeners.map(|role| role.name.as_str()).collect();
        let mut faults = Vec::new();
        for _ in 0..count {
            let role = format!("role = \"{}\"", self.one_of(&names));
            let length = self.word(&["100ms", "3s", "20s", "90s", "5min"]);
            let length = format!("for = \"{length}\"");
            let at = format!("at = \"{}s\"", 1 + self.stream.below(seconds / 2));
            let (kind, mut fault) = match self.stream.below(9) {
                0 => ("crash", vec![role, length]),
                1 if self.is_so(50) => ("restart", vec![role]),
                1 => ("restart", vec![role, length]),
                2 => ("pause", vec![role, length]),
                kind @ (3 | 4) => {
                    let ends = (*self.one_of(&names), *self.one_of(&listeners));
                    let between = format!("between = [\"{}\", \"{}\"]", ends.0, ends.1);
                    let kind = if kind == 3 { "partition" } else { "one-way-partition" };
                    (kind, vec![between, length])
                }
                5 => {
                    let way = self.word(&["step_forward", "step_back"]);
                    let step = format!("{way} = \"{}\"", self.word(&["2s", "10min", "3h"]));
                    ("clock-step", vec![role, step])
                }
                6 => {
                    let rate = self.word(&["16kbit", "1Mbit"]);
                    ("bandwidth-drop", vec![role, format!("bandwidth = \"{rate}\""), length])
                }
                7 => ("reconnect-storm", vec![role]),
                _ => ("curtailment", vec![role, "part = 0.5".to_owned(), length]),
            };
            fault.insert(0, format!("kind = \"{kind}\""));
            fault.insert(1, at);
            faults.push(fault);
        }
        faults
    }
}
