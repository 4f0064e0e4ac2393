//! The options of `assay node`, role by role.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::arguments::{ChainKind, ChannelKind};

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// A mining pool, fed by a template provider
    #[command(after_help = "Example:\n  assay node template-provider\n  assay node pool\n  \
        assay node mining-device\n\nin three terminals, each with its defaults, are a network.")]
    Pool(NodePool),
    /// A proxy that puts many miners on few connections of a pool
    #[command(
        after_help = "Example, between the pool and the mining device of `assay node pool --help`:\n  \
        assay node mining-proxy\n  \
        assay node mining-device stratum2+tcp://127.0.0.1:34255/KEY\n\nwith the key that the proxy prints. \
        With several --upstream, the next is tried where one fails."
    )]
    MiningProxy(NodeMiningProxy),
    /// A translator: devices that speak Stratum V1 mine for a pool that speaks V2
    #[command(after_help = "Example, in front of the pool of `assay node pool --help`:\n  \
        assay node translator\n\n\
        then point devices at stratum+tcp://127.0.0.1:34255, with any password. Anything but \
        loopback is served in the clear, as Stratum V1 is: keep it in the network of the devices. \
        With several --upstream, the next is tried where one fails.")]
    Translator(NodeTranslator),
    /// A template provider, on the embedded chain or on a bitcoind
    TemplateProvider(NodeTemplateProvider),
    /// A job declarator server: tokens and acknowledgements for miners who choose their own jobs
    #[command(after_help = "Its tokens are good at pools with the same --authority-key. The \
        embedded chain is this process's own, which is enough for coinbase-only mode; to judge \
        the jobs of miners whose templates come from elsewhere, give it a node of their network \
        with --bitcoind-rpc.")]
    JobDeclaratorServer(NodeJobDeclaratorServer),
    /// A job declarator client: miners work on their own node's templates, and a pool pays
    #[command(after_help = "Example, five terminals:\n  \
        assay node template-provider\n  \
        assay node pool\n  \
        assay node job-declarator-server\n  \
        assay node job-declarator-client --coinbase-only\n  \
        assay node mining-device stratum2+tcp://127.0.0.1:34265/KEY\n\n\
        with the key that the client prints. Here pool and miner share a template provider; \
        a miner with a node of its own gives --template-provider.\n\n\
        Without --coinbase-only every transaction is declared, and the job declarator server \
        has to follow the same chain as the template provider: give both the same node with \
        --bitcoind-rpc.\n\n\
        An upstream is a pool and its job declarator server. One that is silent, gone or refuses \
        work on a tip that does not change is left for the next; where none is left, blocks pay \
        payout_script of the config file, and miners never stop. There, upstreams are tables:\n  \
        [[upstreams]]\n  \
        pool = \"stratum2+tcp://HOST:PORT/KEY\"\n  \
        job_declarator = \"stratum2+tcp://HOST:PORT/KEY\"")]
    JobDeclaratorClient(NodeJobDeclaratorClient),
    /// A mining device that really hashes
    MiningDevice(NodeMiningDevice),
    /// A pool that speaks Stratum V1, fed by a template provider
    #[command(after_help = "Example, three terminals:\n  assay node template-provider\n  \
        assay node sv1-pool\n  assay node sv1-device\n\nStratum V1 has neither keys nor encryption: \
        whoever stands between both can read and change everything.")]
    Sv1Pool(NodeSv1Pool),
    /// A device that speaks Stratum V1 and really hashes
    #[command(after_help = "Its config file has switches for what firmware does differently from \
        others: the order of the handshake, ids, digits, when a difficulty holds.")]
    Sv1Device(NodeSv1Device),
    /// A bitcoind for pools that read templates by JSON-RPC: a chain with every event on demand
    #[command(
        after_help = "The first line printed is its URL; other roles take it with --bitcoind-rpc.\n\n\
        Examples, with the cookie named in the URL:\n  \
        assay node bitcoind --cookie .cookie --block-interval 60s\n  \
        curl -u $(cat .cookie) -d '{\"method\":\"assay_newblock\"}' http://127.0.0.1:18443/\n  \
        curl -u $(cat .cookie) -d '{\"method\":\"assay_reorganise\",\"params\":[2]}' http://127.0.0.1:18443/\n  \
        curl -u $(cat .cookie) -d '{\"method\":\"help\"}' http://127.0.0.1:18443/"
    )]
    Bitcoind(NodeBitcoind),
}

/// What every role has.
#[derive(Debug, Args)]
pub(crate) struct NodeCommon {
    /// Settings of the role, as TOML; options given here win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print a file for --config with every setting, its default and what it means, and stop
    #[arg(long)]
    pub(crate) print_config: bool,

    /// One JSON object a line on standard output instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Append the secrets of all sessions to a file, for reading captures
    #[arg(long, value_name = "FILE", env = "SV2KEYLOGFILE")]
    pub(crate) key_log: Option<PathBuf>,
}

/// Who we are to our clients.
#[derive(Debug, Args)]
pub(crate) struct NodeServer {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// File with the authority's secret key, as written by `assay key new`
    #[arg(long, value_name = "FILE")]
    pub(crate) authority_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NodePool {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    #[command(flatten)]
    pub(crate) server: NodeServer,
    /// The template provider to connect to
    #[arg(long, value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) template_provider: Option<String>,
    /// Keep accounts in this folder, and acknowledge a share once it is there; read them with
    /// `assay accounts DIR`
    #[arg(long, value_name = "DIR")]
    pub(crate) accounts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeMiningProxy {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    #[command(flatten)]
    pub(crate) server: NodeServer,
    /// A pool to mine for; several in order of preference
    #[arg(long = "upstream", value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) upstreams: Vec<String>,
    /// Whom the pool shall pay, where the proxy opens a channel of its own
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// What becomes of the channels of clients [default: aggregated]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ProxyMode>,
}

/// What a mining proxy does with channels (spec 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProxyMode {
    /// All share one extended channel of the pool
    Aggregated,
    /// Each is a channel of the pool
    Transparent,
}

#[derive(Debug, Args)]
pub(crate) struct NodeTranslator {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    /// Where to listen for devices
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// A pool to mine for; several in order of preference
    #[arg(long = "upstream", value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) upstreams: Vec<String>,
    /// Whom the pool shall pay, where a device has not said who it is
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Who shares a channel of the pool [default: aggregated]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<TranslatorMode>,
}

/// Who shares a channel of a translator (spec 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TranslatorMode {
    /// All devices
    Aggregated,
    /// Nobody: each device has its own
    ChannelPerDevice,
}

/// Which difficulties a translator gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DifficultySteps {
    PowersOfTwo,
    Exact,
}

#[derive(Debug, Args)]
pub(crate) struct NodeTemplateProvider {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    #[command(flatten)]
    pub(crate) server: NodeServer,
    #[command(flatten)]
    pub(crate) chain: NodeChain,
}

#[derive(Debug, Args)]
pub(crate) struct NodeJobDeclaratorServer {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    #[command(flatten)]
    pub(crate) server: NodeServer,
    #[command(flatten)]
    pub(crate) chain: NodeChain,
}

#[derive(Debug, Args)]
pub(crate) struct NodeJobDeclaratorClient {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    #[command(flatten)]
    pub(crate) server: NodeServer,
    /// The miner's own template provider
    #[arg(long, value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) template_provider: Option<String>,
    /// A pool to be paid by; several in order of preference
    #[arg(long = "pool", value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) pools: Vec<String>,
    /// The job declarator server beside each pool, in the same order
    #[arg(long = "job-declarator", value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) job_declarators: Vec<String>,
    /// Mine for no pool: blocks pay payout_script of the config file
    #[arg(long, conflicts_with_all = ["pools", "job_declarators"])]
    pub(crate) solo: bool,
    /// Keep the transactions to ourselves (spec 6.3.1)
    #[arg(long)]
    pub(crate) coinbase_only: bool,
    /// Whom the pool shall pay
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}

/// The node of roles that have one.
#[derive(Debug, Args)]
pub(crate) struct NodeChain {
    /// Where blocks come from
    #[arg(long, value_enum)]
    pub(crate) chain: Option<ChainKind>,
    /// Compact network target of the embedded chain, such as 0x207fffff
    #[arg(long, value_name = "NBITS")]
    pub(crate) nbits: Option<String>,
    /// A bitcoind that runs already: http://user:password@127.0.0.1:18443, or
    /// http://127.0.0.1:18443?cookie=/path/to/.cookie
    #[arg(long, value_name = "URL", conflicts_with = "chain")]
    pub(crate) bitcoind_rpc: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeMiningDevice {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    /// The pool to mine for
    #[arg(value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) pool: Option<String>,
    /// Whom the pool shall pay
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Kind of channel
    #[arg(long, value_enum)]
    pub(crate) channel: Option<ChannelKind>,
    /// Stop after this many accepted shares
    #[arg(long, value_name = "COUNT")]
    pub(crate) until_shares: Option<u64>,
    /// Hashes per second to stay below
    #[arg(long, value_name = "RATE")]
    pub(crate) hash_rate: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeSv1Pool {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// The template provider to connect to
    #[arg(long, value_name = "stratum2+tcp://HOST:PORT[/KEY]")]
    pub(crate) template_provider: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeSv1Device {
    #[command(flatten)]
    pub(crate) common: NodeCommon,
    /// The pool to mine for
    #[arg(value_name = "stratum+tcp://HOST:PORT")]
    pub(crate) pool: Option<String>,
    /// Whom the pool shall pay
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Stop after this many accepted shares
    #[arg(long, value_name = "COUNT")]
    pub(crate) until_shares: Option<u64>,
    /// Hashes per second to stay below
    #[arg(long, value_name = "RATE")]
    pub(crate) hash_rate: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeBitcoind {
    /// Settings of the node, as TOML; options given here win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print a file for --config with every setting, its default and what it means, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
    /// One JSON object a line on standard output instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) rpc_listen: Option<SocketAddr>,
    /// File to write the cookie to; without it, and without a user, one in a temporary folder
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rpc_user", "rpc_password"])]
    pub(crate) cookie: Option<PathBuf>,
    /// User that may call, instead of a cookie
    #[arg(long, value_name = "NAME", requires = "rpc_password")]
    pub(crate) rpc_user: Option<String>,
    /// Its password
    #[arg(long, value_name = "WORD", requires = "rpc_user")]
    pub(crate) rpc_password: Option<String>,
    /// Network that the chain pretends to be, for programs that refuse others' addresses
    #[arg(long, value_enum)]
    pub(crate) network: Option<BitcoinNetwork>,
    /// Compact network target, such as 0x207fffff
    #[arg(long, value_name = "NBITS")]
    pub(crate) nbits: Option<String>,
    /// Mean time between blocks by others, such as 60s or 10min; never without it
    #[arg(long, value_name = "DURATION")]
    pub(crate) block_interval: Option<String>,
    /// Mean time between new transactions, such as 500ms; never without it
    #[arg(long, value_name = "DURATION")]
    pub(crate) transaction_interval: Option<String>,
}

/// What a chain of ours pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BitcoinNetwork {
    /// Addresses begin with bc1.
    Main,
    /// Addresses begin with tb1.
    Test,
    /// Addresses begin with tb1.
    Signet,
    /// Addresses begin with bcrt1.
    Regtest,
}

impl From<BitcoinNetwork> for sv2_net::rpc_server::Network {
    fn from(network: BitcoinNetwork) -> Self {
        match network {
            BitcoinNetwork::Main => Self::Bitcoin,
            BitcoinNetwork::Test => Self::Testnet,
            BitcoinNetwork::Signet => Self::Signet,
            BitcoinNetwork::Regtest => Self::Regtest,
        }
    }
}

/// The options of `assay node ROLE ...`.
#[cfg(test)]
pub(super) fn parsed_node(arguments: &[&str]) -> Node {
    use crate::arguments::{Arguments, Command};
    use clap::Parser as _;

    let words = ["assay", "node"].iter().chain(arguments);
    match Arguments::try_parse_from(words).map(|arguments| arguments.command) {
        Ok(Command::Node(node)) => node,
        other => panic!("{other:?}"),
    }
}
