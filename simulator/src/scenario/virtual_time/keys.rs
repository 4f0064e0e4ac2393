//! The keys that virtual time reads; see [`super::super::keys`].

use super::super::keys::{Key, Shape, key};
use super::fault::FAULT_KINDS;
use super::fleet::FIDELITIES;
use crate::fleet::MODEL_NAMES;

/// Of `[chain]`, beside those that both clocks honour.
pub(in crate::scenario) const CHAIN: &[Key] = &[
    key("propagation", Shape::Latency, "How long a block is under way from node to node."),
    key(
        "reorganisations",
        Shape::Fraction,
        "The part of blocks of others that another block of the same height replaces.",
    ),
    key(
        "transaction_fee",
        Shape::Integer { min: 0, max: 2_100_000_000_000_000 },
        "What a transaction pays on average, in satoshi.",
    ),
];

/// Of every `[role.NAME]`.
pub(in crate::scenario) const ROLE: &[Key] = &[REGION, NIC];

const REGION: Key = key("region", Shape::Text, "Where it stands; [region.NAME].");
const NIC: Key = key("nic", Shape::Bandwidth, "Its network card; unlimited if missing.");

/// `[network]`.
pub(in crate::scenario) const NETWORK: &[Key] = &[
    LATENCY,
    BANDWIDTH,
    LOSS,
    key("framing", Shape::OneOf(FRAMINGS), "Headers of TCP with or without timestamps."),
];

/// `[region.NAME]`.
pub(in crate::scenario) const REGIONS: &[Key] = &[
    key("latency", Shape::Latency, "One way, between two roles in it."),
    key("uplink", Shape::Bandwidth, "Shared by all in it, on the way out; unlimited if missing."),
    key("downlink", Shape::Bandwidth, "Shared by all in it, on the way in."),
];

/// `[[link]]`.
pub(in crate::scenario) const LINK: &[Key] =
    &[key("between", Shape::Words, "Two regions, in both directions."), LATENCY, BANDWIDTH, LOSS];

const LATENCY: Key = key(
    "latency",
    Shape::Latency,
    "One way: \"20ms\", \"uniform(10ms, 50ms)\", \"lognormal(20ms, 0.5)\" (median, deviation of \
     the logarithm), \"pareto(10ms, 4)\" (least, exponent) or \"file(delays.txt)\" (milliseconds, \
     one a line).",
);
const BANDWIDTH: Key = key("bandwidth", Shape::Bandwidth, "Of each connection.");
const LOSS: Key = key("loss", Shape::Fraction, "Probability that a segment is lost.");
/// As [`crate::link::Framing`] has them.
pub(in crate::scenario) const FRAMINGS: &[&str] = &["timestamps", "plain"];

/// `[fleet.NAME]`.
pub(in crate::scenario) const FLEET: &[Key] = &[
    key("upstream", Shape::Role(super::super::keys::MINING_SERVERS), "Whom it mines for."),
    key("model", Shape::OneOf(MODEL_NAMES), "The device, for its hash rate."),
    key("hash_rate", Shape::HashRate, "Of a device, instead of its model's."),
    key("count", Shape::Integer { min: 1, max: 10_000_000 }, "Devices; 1 if missing."),
    key(
        "spread",
        Shape::Fraction,
        "Standard deviation of hash rates, as a part of the nominal one; 0.015 if missing.",
    ),
    REGION,
    NIC,
    key(
        "fidelity",
        Shape::OneOf(FIDELITIES),
        "A model of the fleet, real roles with typed messages, or real roles with real bytes.",
    ),
    key("channel", Shape::OneOf(super::super::keys::CHANNELS), "Of each device."),
    key("failure_interval", Shape::Duration, "Mean time between failures of a device; never."),
    key("repair_time", Shape::Duration, "Median time until it works again; \"21d\"."),
];

/// `[[fault]]`.
pub(in crate::scenario) const FAULT: &[Key] = &[
    key("kind", Shape::OneOf(FAULT_KINDS), "What happens."),
    key("at", Shape::Duration, "When, from the start of the run."),
    key("every", Shape::Duration, "Mean time between such faults, drawn from the seed."),
    key("for", Shape::Duration, "How long; a restart comes at its end."),
    key("role", Shape::Text, "The role or fleet that it happens to."),
    key(
        "between",
        Shape::Words,
        "Two regions, or roles, that are cut off; the first from the second if one way.",
    ),
    key("step_forward", Shape::Duration, "By how much a clock jumps ahead."),
    key("step_back", Shape::Duration, "By how much a clock jumps back."),
    key("bandwidth", Shape::Bandwidth, "What is left of a network card."),
    key("part", Shape::Fraction, "Of the members of a fleet; all if missing."),
];

/// As [`super::ProofMode`] has them.
pub(in crate::scenario) const PROOFS: &[&str] = &["hashed", "oracle"];

/// `[simulate]`.
pub(in crate::scenario) const SIMULATE: &[Key] = &[
    key("for", Shape::Duration, "Simulated time; an hour if missing."),
    key("warm_up", Shape::Duration, "Simulated time before anything is measured."),
    key("fidelity", Shape::OneOf(FIDELITIES), "Of roles that do not say otherwise."),
    key(
        "proofs",
        Shape::OneOf(PROOFS),
        "A few real hashes for each share, or none: servers believe what devices draw.",
    ),
    key("metrics", Shape::Words, "Names of figures to report; all if missing."),
    key("checks", Shape::Words, "Names of checkers to run; all if missing."),
];
