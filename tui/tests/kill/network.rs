//! Configurations with every role in a process of its own: programs of ours, as if they were
//! those of others. `assay up` starts them and starts again what is killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::books;

/// A network that runs.
pub(crate) struct Network {
    configuration: Configuration,
    up: Up,
    folder: TempDir,
}

/// What is between the devices and the job declarator client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configuration {
    /// Devices of SV2, and a mining proxy.
    A,
    /// Devices of Stratum V1, and a translator.
    D,
}

impl Configuration {
    /// As `ASSAY_KILL_CONFIG` says it.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "config-a" => Configuration::A,
            "config-d" => Configuration::D,
            other => panic!("config-a or config-d, not {other}"),
        }
    }

    fn programs(self) -> impl Iterator<Item = &'static Program> {
        let ends = match self {
            Configuration::A => BELOW_A,
            Configuration::D => BELOW_D,
        };
        COMMON.iter().chain(ends)
    }
}

/// `assay up`, which ends its network when it is killed, also where a test has failed.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Network {
    pub(crate) fn start(configuration: Configuration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = write_scenario(configuration, folder.path());
        let log = std::fs::File::create(folder.path().join("up.log")).unwrap();
        let up = Command::new(ASSAY)
            .args(["up", scenario.to_str().unwrap(), "--plain", "--free-ports"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Network { configuration, up: Up(up), folder }
    }

    /// Until the pool has accepted so many.
    pub(crate) fn wait_for_shares(&mut self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.accepted_by_pool() < count {
            let ended = self.up.0.try_wait().unwrap();
            assert!(ended.is_none(), "the network has ended: {}", self.last_words());
            assert!(Instant::now() < deadline, "no share is accepted: {}", self.last_words());
            std::thread::sleep(POLL);
        }
    }

    /// Of every process.
    fn last_words(&self) -> String {
        let mut words = String::new();
        let logs = self.configuration.programs().map(|program| format!("{}.jsonl", program.name));
        for log in logs.chain(["up.log".to_owned()]) {
            let text = std::fs::read_to_string(self.folder.path().join(&log)).unwrap_or_default();
            // Shares and jobs are many, and what went wrong came before them.
            let is_told =
                |line: &&str| !line.contains("\"event\":\"share") && !line.contains("work-started");
            let lines: Vec<&str> = text.lines().filter(is_told).collect();
            let last = &lines[lines.len().saturating_sub(15)..];
            words.push_str(&format!("\n== {log}\n{}", last.join("\n")));
        }
        words
    }

    pub(crate) fn accepted_by_pool(&self) -> u64 {
        books::count_of(&self.folder.path().join("pool.jsonl"), "share-accepted")
    }

    /// Kills one process after another; how many.
    pub(crate) fn kill_at_random(&mut self, seconds: u64, seed: u64) -> u64 {
        let end = Instant::now() + Duration::from_secs(seconds);
        let (mut random, mut killed) = (seed, 0);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(500 + next(&mut random) % 2_500));
            let processes = self.processes();
            if processes.is_empty() {
                continue;
            }
            let at = next(&mut random) % u64::try_from(processes.len()).unwrap();
            let victim = &processes[usize::try_from(at).unwrap()];
            let outcome = Command::new("kill").args(["-9", &victim.to_string()]).status().unwrap();
            killed += u64::from(outcome.success());
        }
        killed
    }

    /// Ends the network; nothing of it is left but what it has written.
    pub(crate) fn stop(mut self) -> TempDir {
        let told = Command::new("kill").args(["-TERM", &self.up.0.id().to_string()]).status();
        assert!(told.unwrap().success());
        assert!(self.up.0.wait().unwrap().success());
        assert_eq!(self.processes(), Vec::<u32>::new(), "left behind");
        self.folder
    }

    /// The programs: children of the helpers that are the children of `assay up`.
    fn processes(&self) -> Vec<u32> {
        let helpers = children_of(self.up.0.id());
        helpers.into_iter().flat_map(children_of).collect()
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    // The threads of `assay up` start its helpers: each is the parent of some.
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task"));
    let Ok(tasks) = tasks else { return numbers(&path) };
    tasks
        .flatten()
        .flat_map(|task| numbers(&format!("{}/children", task.path().display())))
        .collect()
}

fn numbers(path: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// xorshift64*: the order of kills is repeated by its seed, as far as the machine repeats it.
fn next(state: &mut u64) -> u64 {
    *state = (*state).max(1);
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}

fn write_scenario(configuration: Configuration, folder: &Path) -> PathBuf {
    let mut scenario = String::from(SCENARIO);
    for program in configuration.programs() {
        let Program { name, kind, keys, needs, arguments, config, listens } = program;
        let file = folder.join(format!("{name}.recipe.toml"));
        let log = folder.join(format!("{name}.jsonl"));
        let arguments = arguments.replace("FOLDER", folder.to_str().unwrap());
        // The shell becomes the program, whose output goes on where the last one's ended.
        let command = format!(
            "exec {ASSAY} node {kind} --json --config ${{file.config.toml}} {arguments} >> {}",
            log.display()
        );
        let mut recipe = format!(
            "name = \"{name}\"\ncommand = [\"sh\", \"-c\", '''{command}''']\nneeds = {needs}\n\
             [[file]]\nname = \"config.toml\"\ntext = '''{config}'''\n"
        );
        if *kind == "translator" {
            recipe.push_str("[listens.here]\n[ready]\nlisten = \"here\"\nby = \"connect\"\n");
        } else if *listens {
            recipe.push_str(&format!("[listens.here]\nauthority = \"{EXAMPLE_AUTHORITY}\"\n"));
            let protocol = match *kind {
                "template-provider" => "template-distribution",
                "job-declarator-server" => "job-declaration",
                _ => "mining",
            };
            recipe.push_str(&format!(
                "[ready]\nlisten = \"here\"\nby = \"setup\"\nprotocol = \"{protocol}\"\n"
            ));
        }
        std::fs::write(&file, recipe).unwrap();
        scenario.push_str(&format!(
            "[role.{name}]\nkind = \"{kind}\"\nrecipe = \"{}\"\n{keys}\n",
            file.display()
        ));
    }
    let path = folder.join("killed.toml");
    std::fs::write(&path, scenario).unwrap();
    path
}

/// A role of the scenario, and how it is started.
struct Program {
    name: &'static str,
    kind: &'static str,
    /// In the scenario.
    keys: &'static str,
    needs: &'static str,
    arguments: &'static str,
    config: &'static str,
    listens: bool,
}

const COMMON: &[Program] = &[
    Program {
        name: "pool-templates",
        kind: "template-provider",
        keys: "node = \"pool-node\"",
        needs: "[\"bitcoind\"]",
        arguments: "--listen ${here} --bitcoind-rpc 'http://${bitcoind}?cookie=${bitcoind.cookie}'",
        config: "",
        listens: true,
    },
    Program {
        name: "pool",
        kind: "pool",
        keys: "template_provider = \"pool-templates\"",
        needs: "[\"template-provider\"]",
        arguments: "--listen ${here} --accounts FOLDER/accounts \
                    --template-provider stratum2+tcp://${template-provider}/${template-provider.authority}",
        config: "shares_per_minute = 60.0",
        listens: true,
    },
    Program {
        name: "declarator",
        kind: "job-declarator-server",
        keys: "pool = \"pool\"",
        needs: "[\"bitcoind\"]",
        arguments: "--listen ${here} --bitcoind-rpc 'http://${bitcoind}?cookie=${bitcoind.cookie}'",
        config: "",
        listens: true,
    },
    Program {
        name: "miner-templates",
        kind: "template-provider",
        keys: "node = \"miner-node\"\nlisten = \"127.0.0.1:8443\"",
        needs: "[\"bitcoind\"]",
        arguments: "--listen ${here} --bitcoind-rpc 'http://${bitcoind}?cookie=${bitcoind.cookie}'",
        config: "",
        listens: true,
    },
    Program {
        name: "client",
        kind: "job-declarator-client",
        keys: "upstream = \"pool\"\ntemplate_provider = \"miner-templates\"",
        needs: "[\"pool\", \"job-declarator-server\", \"template-provider\"]",
        arguments: "--listen ${here} --pool stratum2+tcp://${pool}/${pool.authority} \
                    --job-declarator stratum2+tcp://${job-declarator-server}/${job-declarator-server.authority} \
                    --template-provider stratum2+tcp://${template-provider}/${template-provider.authority}",
        config: "shares_per_minute = 60.0\ntip_grace_seconds = 60",
        listens: true,
    },
];

const BELOW_A: &[Program] = &[
    Program {
        name: "proxy",
        kind: "mining-proxy",
        keys: "upstream = \"client\"",
        needs: "[\"pool\"]",
        arguments: "--listen ${here} --upstream stratum2+tcp://${pool}/${pool.authority}",
        config: "shares_per_minute = 60.0",
        listens: true,
    },
    Program {
        name: "miners",
        kind: "mining-device",
        keys: "upstream = \"proxy\"",
        needs: "[\"pool\"]",
        arguments: "stratum2+tcp://${pool}/${pool.authority}",
        config: "nominal_hash_rate = 100000.0\nhash_rate = 300000.0",
        listens: false,
    },
];

const BELOW_D: &[Program] = &[
    Program {
        name: "translator",
        kind: "translator",
        keys: "upstream = \"client\"",
        needs: "[\"pool\"]",
        arguments: "--listen ${here} --upstream stratum2+tcp://${pool}/${pool.authority}",
        config: "shares_per_minute = 60.0\ninitial_hash_rate = 300000.0",
        listens: true,
    },
    Program {
        name: "miners",
        kind: "sv1-device",
        keys: "upstream = \"translator\"",
        needs: "[\"pool\"]",
        arguments: "stratum+tcp://${pool}",
        config: "hash_rate = 300000.0",
        listens: false,
    },
];

/// A share is not a block, and blocks come all the same.
const SCENARIO: &str = r#"
title = "Every role in a process of its own"
[chain]
kind = "signet"
[node.pool-node]
links = ["miner-node"]
[node.miner-node]
"#;

const ASSAY: &str = env!("CARGO_BIN_EXE_assay");
/// Without a key of their own, roles show the one of the reference implementation's examples.
const EXAMPLE_AUTHORITY: &str = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
/// For the next share, also after the last kill: what waits to dial again waits half a minute.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(200);
