//! The command line: what can be asked of `assay`, and the texts that teach it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::node::arguments::Node;

/// Assay proves Stratum V2 implementations.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    about = "Assay proves Stratum V2 implementations",
    after_help = "Start here:\n  \
        assay check pool                          run the suite against our own pool\n  \
        assay check pool stratum2+tcp://HOST:PORT/KEY\n                                            \
        run it against yours\n  \
        assay check pool --list                   what it would check\n  \
        assay up config-b                         a whole network, to connect to\n  \
        assay load --devices 1000                 a fleet on our own pool, or on yours\n\n\
        Exit codes of check: 0 as expected, 1 failures, 2 inconclusive (with --fail-on),\n\
        3 no case matched, 4 usage or file error, 5 target unreachable, 70 internal error."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,

    /// What to log to standard error, as for RUST_LOG (also read from ASSAY_LOG)
    #[arg(long, global = true, env = "ASSAY_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the conformance suite against a live peer, or against our own
    Check(Check),
    /// Start a whole mining network on this machine
    Up(Up),
    /// Run a mining network in virtual time
    Simulate(crate::simulate::Simulate),
    /// Load a pool with a simulated fleet: real connections, real proofs of work
    Load(crate::load::Load),
    Tap(crate::tap::Tap),
    /// Run a scenario many times, as its matrix says, on as many machines as there are
    #[command(subcommand)]
    Sweep(crate::sweep::Sweep),
    /// Print the messages of a capture: text, JSON lines, CSV, another capture
    Decode(crate::decode::Decode),
    /// Count the messages of a capture, by connection and by kind
    Stats(crate::stats::Stats),
    /// Compare two captures of the same scenario
    Compare(crate::compare::Compare),
    /// Say what is wrong in a capture, for people and for continuous integration
    Rules(crate::rules::Rules),
    /// Draw who says what to whom in a capture: text, Mermaid, Markdown
    Ladder(crate::ladder::Ladder),
    /// Test what is claimed of Stratum V2 by simulation
    #[command(subcommand)]
    Experiments(crate::experiments::Experiments),
    /// Run one role alone
    #[command(subcommand)]
    Node(Node),
    /// Print what the workers of a pool have earned (assay node pool --accounts)
    #[command(after_help = "Also while the pool runs.\n\n\
        Examples:\n  \
        assay accounts my-pool\n  \
        assay accounts my-pool --json | jq -s 'map(.accepted) | add'")]
    Accounts(Accounts),
    /// Make, show and print authority keys
    #[command(subcommand)]
    Key(Key),
    /// The clauses of the specification, and which of them are tested
    #[command(subcommand)]
    Clauses(Clauses),
    /// Test vectors for other languages
    #[command(subcommand)]
    Vectors(Vectors),
    /// Look at a capture on the terminal
    Inspect(crate::inspect::Inspect),
    /// Write a dissector for Wireshark and tshark, made from the table of messages
    Wireshark(crate::wireshark::Wireshark),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  assay completions bash > /etc/bash_completion.d/assay")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write manual pages
    Man {
        /// Folder to write them to
        directory: PathBuf,
    },
    /// Our own pool of `assay load`, in a process of its own
    #[command(hide = true)]
    LoadPool {
        /// Who has started it
        starter: SocketAddr,
    },
    /// Run a program so that it cannot outlive us
    #[command(hide = true)]
    RunChild {
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Args)]
#[command(
    about = "Start a whole mining network on this machine",
    after_help = "Examples:\n  \
        assay up config-b\n  \
        assay up config-b --chain bitcoind --until blocks=3\n  \
        assay up my-network.toml --for 60s --json\n  \
        assay up config-a --until blocks=3 --record captures\n  \
        assay up config-b --replace pool=stratum2+tcp://HOST:PORT/KEY\n  \
        assay up config-b --replace pool=my-pool.recipe.toml\n\n\
        Exit codes: 0 what was asked for has happened, 1 --for has passed before --until was \
        reached,\n4 usage or scenario error, 5 a part does not start, 130 interrupted before \
        --until was reached."
)]
pub(crate) struct Up {
    /// A scenario's file, or the name of one that comes with assay: pool, or config-a
    /// to config-d
    pub(crate) scenario: String,

    /// End when this has happened: blocks=3, shares=100, or both with a comma
    #[arg(long, value_name = "GOAL")]
    pub(crate) until: Option<String>,

    /// End after this time, such as 60s or 10min; with --until, fail then
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<String>,

    /// Where blocks come from, whatever the scenario says
    #[arg(long, value_enum)]
    pub(crate) chain: Option<ChainKind>,

    /// Let others hold a role: ROLE=stratum2+tcp://HOST:PORT/KEY, or ROLE=RECIPE.toml
    #[arg(long, value_name = "ROLE=PEER")]
    pub(crate) replace: Vec<String>,

    /// Move all ports up by so many
    #[arg(long, value_name = "PORTS")]
    pub(crate) port_offset: Option<u16>,

    /// Listen on ports that are free
    #[arg(long, conflicts_with = "port_offset")]
    pub(crate) free_ports: bool,

    /// One JSON object a line: endpoints, everything that happens, and the figures at the end
    #[arg(long)]
    pub(crate) json: bool,

    /// Lines of text even on a terminal
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,

    /// Of keys, transactions and blocks by others, instead of the scenario's
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Append the secrets of all sessions of our roles to a file, for reading captures
    #[arg(long, value_name = "FILE", env = "SV2KEYLOGFILE")]
    pub(crate) key_log: Option<PathBuf>,

    /// Folder for a capture of all connections of our roles, with the keys that open it, for
    /// `assay inspect`
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
}

/// Which kind of peer is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckedRole {
    /// A mining server.
    Pool,
    /// Gives tokens for jobs that miners choose, and acknowledges their declarations.
    #[value(alias = "jds")]
    JobDeclaratorServer,
    /// Gives the templates of a node.
    #[value(alias = "tp")]
    TemplateProvider,
    /// Hashes for a pool that it dials: the suite is that pool.
    #[value(alias = "device")]
    MiningDevice,
    /// A mining server with another one above it: the suite is that one, and its clients.
    #[value(alias = "proxy")]
    MiningProxy,
    /// Serves devices of Stratum V1 as a client of an SV2 pool: the suite is that pool, and the
    /// devices.
    Translator,
    /// Brings jobs of its own to the pool that it dials: the suite is that pool, and the miners;
    /// template provider and job declarator server are ours.
    #[value(alias = "jdc")]
    JobDeclaratorClient,
    /// A device of Stratum V1: the suite is the pool that it dials.
    Sv1Device,
}

#[derive(Debug, Args)]
#[command(
    about = "Run the conformance suite against a live peer, or against our own",
    after_help = "Examples:\n  \
        assay check pool\n  \
        assay check pool stratum2+tcp://127.0.0.1:34254/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72\n  \
        assay check pool --target my-pool.toml --report junit=sv2.xml,json=sv2.jsonl\n  \
        assay check pool --filter 'clause(MP-5.3.14*) & !tag(slow)'\n  \
        assay check job-declarator-server stratum2+tcp://127.0.0.1:34264/KEY\n  \
        assay check template-provider --chain bitcoind\n  \
        assay check mining-device --listen 0.0.0.0:34254\n  \
        assay check mining-proxy stratum2+tcp://127.0.0.1:34255/KEY --listen 127.0.0.1:34254\n  \
        assay check job-declarator-client --target my-client.toml\n  \
        assay check pool --explain mining.share.stale"
)]
pub(crate) struct Check {
    /// What the peer is
    #[arg(value_enum)]
    pub(crate) role: CheckedRole,

    /// Where the peer listens; without it, our own on the embedded chain is started
    #[arg(value_name = "stratum2+tcp://HOST:PORT/KEY", conflicts_with = "target")]
    pub(crate) address: Option<String>,

    /// A file that describes the peer: address or program to start, identities, hooks
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,

    /// Where the suite waits for a peer that dials, such as a device
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["target", "memory", "chain"])]
    pub(crate) listen: Option<String>,

    /// The file of the secret key that such a peer knows the suite by (`assay key`); without it,
    /// the one of the reference implementation's examples
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub(crate) key: Option<PathBuf>,

    /// Wait so long for the peer to take connections, in seconds; 60 with a --target that has an
    /// address, else 0
    #[arg(long, value_name = "SECONDS")]
    pub(crate) wait: Option<u64>,

    /// Which cases, such as "mining.* & !tag(slow)" or "clause(MP-5.3.14*)"
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,

    /// List the cases and stop
    #[arg(long)]
    pub(crate) list: bool,

    /// Say what a case will send and expect, and stop
    #[arg(long, value_name = "CASE")]
    pub(crate) explain: Option<String>,

    /// Run the suite against our own with one broken behaviour at a time, in memory
    #[arg(long)]
    pub(crate) mutants: bool,

    /// Run against our own in memory, in virtual time
    #[arg(long, conflicts_with_all = ["address", "target"])]
    pub(crate) memory: bool,

    /// What our own builds on, whatever a case asks for: a bitcoind that we start on regtest
    #[arg(long, value_enum, value_name = "CHAIN", conflicts_with_all = ["address", "target", "memory"])]
    pub(crate) chain: Option<CheckedChain>,

    /// The job declarator server whose tokens the pool at the address trusts
    #[arg(long, value_name = "stratum2+tcp://HOST:PORT/KEY", requires = "address")]
    pub(crate) job_declarator: Option<String>,

    /// Leave out floods, malformed frames and bad handshakes: for pools that ban
    #[arg(long)]
    pub(crate) safe: bool,

    /// Repeat a run: every random choice follows from it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Cases at a time
    #[arg(long, value_name = "CASES")]
    pub(crate) parallel: Option<usize>,

    /// Most hashes to spend on one share; a case that needs more is inconclusive
    #[arg(long, value_name = "HASHES")]
    pub(crate) hash_budget: Option<u64>,

    /// Longest that one case may have to wait, in seconds; one that may need longer is not run
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time_budget: Option<u64>,

    /// Run the cases of a convention beyond the specification too, such as "sri-codes"
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Vec<String>,

    /// Known failures, with their reasons
    #[arg(long, value_name = "FILE")]
    pub(crate) expectations: Option<PathBuf>,

    /// Verdicts of an earlier run (`--report results=FILE`): say what has changed
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,

    /// Write reports: json (one event a line), junit, results (verdicts alone, for --baseline);
    /// such as "junit=sv2.xml"
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',')]
    pub(crate) report: Vec<String>,

    /// Append the secrets of all sessions of the suite to a file, case by case
    #[arg(long, value_name = "FILE", env = "SV2KEYLOGFILE")]
    pub(crate) key_log: Option<PathBuf>,

    /// Folder for the evidence of failures
    #[arg(long, value_name = "DIRECTORY", default_value = "assay-evidence")]
    pub(crate) evidence: PathBuf,

    /// Tell passes and skips as well
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Fail also on these
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,
}

/// What our own roles build on in a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckedChain {
    /// A bitcoind (BITCOIND_EXE, then PATH) on regtest.
    Bitcoind,
}

/// What else makes a run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Cases that could not observe what they are about: exit code 2.
    Inconclusive,
}

#[derive(Debug, Args)]
pub(crate) struct Accounts {
    /// The folder that the pool keeps them in
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// One JSON object for each account
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a role's blocks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChainKind {
    /// A chain inside this process.
    Embedded,
    /// A bitcoind on regtest, started by us (BITCOIND_EXE, then PATH).
    Bitcoind,
    /// A bitcoind on a private signet, whose proofs are harder, started by us.
    Signet,
}

/// Kind of mining channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChannelKind {
    /// Header-only mining.
    Standard,
    /// The device rolls the extranonce.
    Extended,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make an authority key and write its secret to a file
    New {
        /// File for the secret key; it must not exist
        file: PathBuf,
    },
    /// Print the public key of a secret key's file
    Show {
        /// As written by `assay key new`
        file: PathBuf,
    },
    /// Print the URL that clients of a server need, or take one apart
    Url {
        /// A secret key's file, a public key, or a URL to take apart
        key: String,
        /// Host and port of the server
        #[arg(value_name = "HOST:PORT")]
        endpoint: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Clauses {
    /// List clauses, with coverage by role
    List {
        /// Only those that concern a role, such as pool or mining-device
        #[arg(long)]
        role: Option<String>,
        /// Only those of a section and below, such as 5.3
        #[arg(long)]
        section: Option<String>,
        /// Only those of a level: must, must-not, should, should-not, may
        #[arg(long)]
        level: Option<String>,
        /// Only those that are tested, or not, and why: tested, not-yet, needs-hook, ...
        #[arg(long)]
        status: Option<String>,
        /// Only those that a suite can see broken, with a hook or without
        #[arg(long)]
        testable: bool,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Everything about one clause or ambiguity
    Show {
        /// Such as MP-5.3.14-01 or AMB-18
        id: String,
    },
    /// Compare the registry with a copy of the specification
    Check {
        /// Folder of the specification's Markdown files
        #[arg(long, value_name = "DIRECTORY")]
        spec: PathBuf,
        /// Take the changes over into the registry's files in this folder, once read
        #[arg(long, value_name = "DIRECTORY")]
        accept: Option<PathBuf>,
    },
    /// Coverage by role
    Coverage {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vectors {
    /// Write all vectors to a folder
    Write {
        /// Such as vectors
        directory: PathBuf,
    },
    /// Compare a folder with what we would write
    Check {
        /// Such as vectors
        directory: PathBuf,
    },
}
