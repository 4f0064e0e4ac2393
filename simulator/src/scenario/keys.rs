//! Every key that a scenario may have, once: the loader takes names, ranges and choices from
//! here, the schema for editors all of it.

use super::{ChainKind, Kind, virtual_time};

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// One sentence, for editors.
    pub(super) about: &'static str,
}

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Text,
    /// A file, seen from the scenario.
    Path,
    /// `stratum2+tcp://HOST:PORT/KEY`.
    Url,
    /// A port, or `IP:PORT`.
    Listen,
    Duration,
    HashRate,
    /// Bits per second.
    Bandwidth,
    /// A distribution of delays.
    Latency,
    /// From 0 to 1.
    Fraction,
    /// Any words.
    Words,
    Integer {
        min: u64,
        max: u64,
    },
    /// Above zero.
    Number,
    Switch,
    /// A switch, or the name of an algorithm for difficulty.
    Vardiff,
    /// Hexadecimal digits, two for each byte.
    Hex,
    /// The name of a node.
    Node,
    /// Names of nodes.
    Nodes,
    /// The name of a role of one of these kinds.
    Role(&'static [Kind]),
    /// One name, or several in the order of preference.
    Roles(&'static [Kind]),
    OneOf(&'static [&'static str]),
    /// Extension numbers.
    Extensions,
}

/// What stands outside of all tables.
pub(super) const SCENARIO: &[Key] = &[
    key("title", Shape::Text, "What the network shows, in a line."),
    key(
        "seed",
        Shape::Integer { min: 0, max: u64::MAX },
        "Where keys without a file, and what happens on an embedded chain, come from; 0 if missing.",
    ),
];

/// `[chain]`.
pub(super) const CHAIN: &[Key] = &[
    key(
        "kind",
        Shape::OneOf(ChainKind::NAMES),
        "A chain inside the process, a bitcoind on regtest, or a bitcoind on a private signet \
         whose proofs are harder.",
    ),
    key(
        "nbits",
        Shape::Integer { min: 1, max: u32::MAX as u64 },
        "Compact target of every block of the embedded chain, such as 0x1e100000 (2^20 hashes).",
    ),
    key(
        "block_interval",
        Shape::Duration,
        "Mean time between blocks that others find on the embedded chain; never if missing.",
    ),
    key(
        "transaction_interval",
        Shape::Duration,
        "Mean time between new transactions, with their fees, on each embedded node; never if \
         missing.",
    ),
    key(
        "transactions",
        Shape::Integer { min: 0, max: 10_000 },
        "Transactions that wait on each embedded node from the start.",
    ),
];

/// `[node.NAME]`.
pub(super) const NODE: &[Key] = &[key(
    "links",
    Shape::Nodes,
    "Nodes that blocks are exchanged with, in both directions; transactions are not.",
)];

/// What every role has.
pub(super) const ROLE: &[Key] = &[
    key("kind", Shape::OneOf(Kind::NAMES), "What the role is."),
    key(
        "address",
        Shape::Url,
        "Where a program that already runs has this role; ours is not started.",
    ),
    key("recipe", Shape::Path, "How to start another program in this role; ours is not started."),
];

/// What every role has that listens.
pub(super) const LISTENING: &[Key] = &[key(
    "listen",
    Shape::Listen,
    "A port of 127.0.0.1, or \"IP:PORT\"; the reference implementation's port if missing.",
)];

const KEY_FILE: Key = key(
    "key_file",
    Shape::Path,
    "File with the authority's secret key, as `assay key new` writes it; made from the seed if \
     missing.",
);
const USER: Key =
    key("user", Shape::Text, "Whom the pool shall pay; \"assay\" and the role's name if missing.");
const SHARES_PER_MINUTE: Key =
    key("shares_per_minute", Shape::Number, "Shares that a channel should find a minute.");
const VARDIFF: Key = key(
    "vardiff",
    Shape::Vardiff,
    "How targets follow the hash rate that shares show: \"bayes\" if missing; false leaves them to \
     what clients say.",
);

const TEMPLATE_PROVIDER: &[Key] = &[
    KEY_FILE,
    key("node", Shape::Node, "Whose chain it serves; the only node if missing."),
    key(
        "fee_rise_min",
        Shape::Integer { min: 1, max: 2_100_000_000_000_000 },
        "By how many satoshi a template must pay more than the last one to be sent.",
    ),
    key(
        "fee_update_interval",
        Shape::Duration,
        "Between two templates for one tip and client, at least.",
    ),
    key("stale_grace", Shape::Duration, "How long templates of the last tip are still served."),
];

const POOL: &[Key] = &[
    KEY_FILE,
    key(
        "template_provider",
        Shape::Role(&[Kind::TemplateProvider]),
        "Where its templates come from; the only template provider if missing.",
    ),
    SHARES_PER_MINUTE,
    key("share_batch_size", Shape::Integer { min: 1, max: 1_000_000 }, "Shares in one answer."),
    key(
        "share_hashes_min",
        Shape::Number,
        "Hashes that the easiest share takes on average, whatever a device claims.",
    ),
    VARDIFF,
    key(
        "payout_script",
        Shape::Hex,
        "Script of the coinbase transaction's first output; anyone can spend it if missing.",
    ),
    key("coinbase_tag", Shape::Text, "Text in the input of the coinbase transaction."),
    key("requires_extended_channels", Shape::Switch, "Whether standard channels are refused."),
    key("requires_fixed_version", Shape::Switch, "Whether devices may not roll the version."),
    key("required_extensions", Shape::Extensions, "Extensions that clients must negotiate."),
    key(
        "accounts",
        Shape::Path,
        "Folder to keep accounts in; a share is acknowledged once it is there.",
    ),
];

const JOB_DECLARATOR_SERVER: &[Key] = &[
    key(
        "pool",
        Shape::Role(&[Kind::Pool]),
        "Whose jobs are declared, under the same authority key; the only pool if missing.",
    ),
    key("node", Shape::Node, "Which judges declared blocks; the pool's node if missing."),
];

const JOB_DECLARATOR_CLIENT: &[Key] = &[
    KEY_FILE,
    key(
        "upstream",
        Shape::Roles(&[Kind::Pool]),
        "Pools with a job declarator server, in the order of preference.",
    ),
    key(
        "template_provider",
        Shape::Role(&[Kind::TemplateProvider]),
        "The miner's own; the only template provider if missing.",
    ),
    key(
        "mode",
        Shape::OneOf(DECLARATION_MODES),
        "Whether the server sees all transactions or the coinbase transaction alone.",
    ),
    USER,
    SHARES_PER_MINUTE,
    VARDIFF,
    key("payout_script", Shape::Hex, "Whom blocks pay that are found without a pool."),
];

const MINING_PROXY: &[Key] = &[
    KEY_FILE,
    key("upstream", Shape::Roles(MINING_SERVERS), "Whom it mines for, in the order of preference."),
    key(
        "mode",
        Shape::OneOf(PROXY_MODES),
        "Whether all devices share one extended channel, or each has a channel of its own.",
    ),
    USER,
    SHARES_PER_MINUTE,
    VARDIFF,
];

const MINING_DEVICE: &[Key] = &[
    key("upstream", Shape::Role(MINING_SERVERS), "Whom it mines for."),
    key("count", Shape::Integer { min: 1, max: 10_000 }, "Devices in this fleet; 1 if missing."),
    key("hash_rate", Shape::HashRate, "Of each device; \"50kH/s\" if missing."),
    key("nominal_hash_rate", Shape::HashRate, "What each channel claims; the truth if missing."),
    key(
        "channel",
        Shape::OneOf(CHANNELS),
        "A job for each channel, or jobs for the group as well, or the device rolls the \
         extranonce.",
    ),
    key("channels", Shape::Integer { min: 1, max: 255 }, "On the connection of each device."),
    key("rolls_ntime", Shape::Switch, "Whether header times move on, once a second."),
    USER,
];

const SV1_POOL: &[Key] = &[
    key(
        "template_provider",
        Shape::Role(&[Kind::TemplateProvider]),
        "Where its templates come from; the only template provider if missing.",
    ),
    key("shares_per_minute", Shape::Number, "Shares that a connection should find a minute."),
    key(
        "share_hashes_min",
        Shape::Number,
        "Hashes that the easiest share takes on average, whatever a device asks for.",
    ),
    VARDIFF,
    key("rounds_difficulty", Shape::Switch, "Whether difficulties are powers of two."),
    key(
        "payout_script",
        Shape::Hex,
        "Script of the coinbase transaction's first output; anyone can spend it if missing.",
    ),
    key("coinbase_tag", Shape::Text, "Text in the input of the coinbase transaction."),
];

const SV1_DEVICE: &[Key] = &[
    key("upstream", Shape::Role(SV1_SERVERS), "Whom it mines for."),
    key("count", Shape::Integer { min: 1, max: 10_000 }, "Devices in this fleet; 1 if missing."),
    key("hash_rate", Shape::HashRate, "Of each device; \"50kH/s\" if missing."),
    key("suggested_difficulty", Shape::Number, "Asked for by each; nothing is if missing."),
    key("rolls_version", Shape::Switch, "Whether bits of the version are rolled (BIP 310)."),
    key("rolls_ntime", Shape::Switch, "Whether header times move on, once a second."),
    USER,
];

const TRANSLATOR: &[Key] = &[
    key("upstream", Shape::Roles(MINING_SERVERS), "Whom it mines for, in the order of preference."),
    key(
        "mode",
        Shape::OneOf(TRANSLATOR_MODES),
        "Whether all devices share one extended channel, or each has a channel of its own.",
    ),
    USER,
    key("shares_per_minute", Shape::Number, "Shares that a device should find a minute."),
    key(
        "initial_hash_rate",
        Shape::HashRate,
        "What a device is taken for until its shares show more; \"50kH/s\" if missing.",
    ),
    key(
        "extranonce2_size",
        Shape::Integer { min: 2, max: 8 },
        "Bytes of the extranonce that each device rolls.",
    ),
    key(
        "difficulty",
        Shape::OneOf(DIFFICULTY_STEPS),
        "Whether difficulties are rounded down to powers of two, which all firmware reads alike.",
    ),
];

/// What a role of a kind has beyond [`ROLE`] and [`LISTENING`].
pub(super) const fn of_kind(kind: Kind) -> &'static [Key] {
    match kind {
        Kind::TemplateProvider => TEMPLATE_PROVIDER,
        Kind::Pool => POOL,
        Kind::JobDeclaratorServer => JOB_DECLARATOR_SERVER,
        Kind::JobDeclaratorClient => JOB_DECLARATOR_CLIENT,
        Kind::MiningProxy => MINING_PROXY,
        Kind::MiningDevice => MINING_DEVICE,
        Kind::Sv1Pool => SV1_POOL,
        Kind::Sv1Device => SV1_DEVICE,
        Kind::Translator => TRANSLATOR,
    }
}

/// Those that a role of a kind may have, in the order in which people look for them.
pub(super) fn of_role(kind: Kind) -> Vec<Key> {
    let listening = if kind.default_port().is_some() { LISTENING } else { &[] };
    [ROLE, virtual_time::keys::ROLE, listening, of_kind(kind)].concat()
}

/// Kinds that miners connect to.
pub(super) const MINING_SERVERS: &[Kind] =
    &[Kind::Pool, Kind::MiningProxy, Kind::JobDeclaratorClient];
/// Kinds that Stratum V1 devices connect to.
pub(super) const SV1_SERVERS: &[Kind] = &[Kind::Sv1Pool, Kind::Translator];
/// In the order of [`super::DeclarationMode`].
pub(super) const DECLARATION_MODES: &[&str] = &["full-template", "coinbase-only"];
/// In the order of [`super::ProxyMode`].
pub(super) const PROXY_MODES: &[&str] = &["aggregated", "transparent"];
/// In the order of [`super::TranslatorMode`].
pub(super) const TRANSLATOR_MODES: &[&str] = &["aggregated", "channel-per-device"];
/// In the order of [`super::DifficultySteps`].
pub(super) const DIFFICULTY_STEPS: &[&str] = &["powers-of-two", "exact"];
/// In the order of [`super::ChannelKind`].
pub(super) const CHANNELS: &[&str] = &["standard", "standard-in-group", "extended"];

pub(super) const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}
