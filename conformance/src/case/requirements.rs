//! What a case needs of the target and of the world around it.

use std::time::Duration;

use super::document::{Data, Document, LoadError, Node};
use super::matcher::Matcher;
use super::step::ControlKind;

/// Without which a case cannot be run.
#[derive(Clone, Debug, Default)]
pub struct Requires {
    /// What the world must be able to do.
    pub controls: Vec<ControlKind>,
    /// What the probe must have found: name, demand.
    pub facts: Vec<(String, Matcher)>,
    /// Shares that the case mines: their price times this is held against the hash budget.
    pub shares: u64,
    /// Real time that it takes at most, where time is real.
    pub time: Option<Duration>,
    /// A second user identity, or one that the target refuses, must be configured.
    pub identities: Vec<String>,
    /// A job declarator server whose tokens the target trusts must be there.
    pub job_declarator: bool,
    /// A template of the chain behind the target must be had.
    pub template: bool,
}

impl Requires {
    /// Reads the table `requires`.
    ///
    /// # Errors
    /// Unknown keys, controls and matchers.
    pub(super) fn load(document: &Document, node: &Node) -> Result<Requires, LoadError> {
        let mut keys = document.keys(node)?;
        let mut requires = Requires::default();
        if let Some(node) = keys.take("controls") {
            requires.controls = document
                .list(node)?
                .iter()
                .map(|node| document.one_of(node, "control", ControlKind::NAMES))
                .collect::<Result<_, _>>()?;
        }
        if let Some(node) = keys.take("facts") {
            for entry in document.keys(node)?.all() {
                let matcher = Matcher::load(document, &entry.node, None)?;
                requires.facts.push((entry.key.clone(), matcher));
            }
        }
        if let Some(node) = keys.take("shares") {
            requires.shares = document.integer(node)?;
        }
        if let Some(node) = keys.take("time") {
            requires.time = Some(duration(document, node)?);
        }
        if let Some(node) = keys.take("identities") {
            requires.identities =
                document.strings(node)?.into_iter().map(|(name, _)| name).collect();
        }
        for (name, flag) in
            [("job_declarator", &mut requires.job_declarator), ("template", &mut requires.template)]
        {
            if let Some(node) = keys.take(name) {
                *flag = document.boolean(node)?;
            }
        }
        keys.finish(&[
            "controls",
            "facts",
            "shares",
            "time",
            "identities",
            "job_declarator",
            "template",
        ])?;
        Ok(requires)
    }
}

/// How our own target is set up for a case. A foreign target is as it is: there the facts of
/// the probe say whether the case applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorldSettings {
    /// How hard its blocks are.
    pub chain: Chain,
    /// The target refuses standard channels.
    pub requires_extended_channels: bool,
    /// The target allows no rolled version bits.
    pub requires_fixed_version: bool,
    /// The target takes custom jobs; a job declarator server stands beside it.
    pub supports_work_selection: bool,
    /// A job declarator server refuses clients that do not reveal their transactions.
    pub requires_transaction_data: bool,
    /// What clients must negotiate.
    pub required_extensions: Vec<u16>,
    /// Shares that one `SubmitShares.Success` acknowledges; 0 for the role's default.
    pub share_batch: u32,
    /// A proxy passes channels on one by one.
    pub is_transparent: bool,
    /// A device opens an extended channel.
    pub is_extended: bool,
    /// Channels that a device opens beside the first.
    pub further_channels: u32,
    /// A device takes jobs for its group: it does not demand standard ones.
    pub takes_group_jobs: bool,
    /// A device is of no use where the version is fixed.
    pub needs_version_rolling: bool,
    /// A device asks for the extension that names its worker.
    pub names_worker: bool,
    /// A device was told no authority key.
    pub has_no_key: bool,
    /// A job declarator client reveals no transactions.
    pub is_coinbase_only: bool,
    /// The job declarator server of a job declarator client's first upstream cannot be reached.
    pub has_no_declarator: bool,
}

/// How hard a block is on the embedded chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// About 2^40 hashes: no share is a block.
    #[default]
    Hard,
    /// Two hashes: every share is a block.
    Easy,
}

impl WorldSettings {
    /// Reads the table `world`.
    ///
    /// # Errors
    /// Unknown keys.
    pub(super) fn load(document: &Document, node: &Node) -> Result<WorldSettings, LoadError> {
        let mut keys = document.keys(node)?;
        let mut settings = WorldSettings::default();
        if let Some(node) = keys.take("chain") {
            settings.chain =
                document.one_of(node, "chain", &[("hard", Chain::Hard), ("easy", Chain::Easy)])?;
        }
        for (name, flag) in [
            ("requires_extended_channels", &mut settings.requires_extended_channels),
            ("requires_fixed_version", &mut settings.requires_fixed_version),
            ("supports_work_selection", &mut settings.supports_work_selection),
            ("requires_transaction_data", &mut settings.requires_transaction_data),
            ("transparent", &mut settings.is_transparent),
            ("extended", &mut settings.is_extended),
            ("takes_group_jobs", &mut settings.takes_group_jobs),
            ("needs_version_rolling", &mut settings.needs_version_rolling),
            ("names_worker", &mut settings.names_worker),
            ("no_key", &mut settings.has_no_key),
            ("coinbase_only", &mut settings.is_coinbase_only),
            ("no_declarator", &mut settings.has_no_declarator),
        ] {
            if let Some(node) = keys.take(name) {
                *flag = document.boolean(node)?;
            }
        }
        if let Some(node) = keys.take("required_extensions") {
            settings.required_extensions = document
                .list(node)?
                .iter()
                .map(|node| document.integer(node))
                .collect::<Result<_, _>>()?;
        }
        if let Some(node) = keys.take("share_batch") {
            settings.share_batch = document.integer(node)?;
        }
        if let Some(node) = keys.take("further_channels") {
            settings.further_channels = document.integer(node)?;
        }
        keys.finish(&[
            "chain",
            "requires_extended_channels",
            "requires_fixed_version",
            "supports_work_selection",
            "requires_transaction_data",
            "required_extensions",
            "share_batch",
            "transparent",
            "extended",
            "further_channels",
            "takes_group_jobs",
            "needs_version_rolling",
            "names_worker",
            "no_key",
            "coinbase_only",
            "no_declarator",
        ])?;
        Ok(settings)
    }
}

/// Reads `"200ms"`, `"5s"`, `"2m"` or a number of seconds.
///
/// # Errors
/// Anything else.
pub(crate) fn duration(document: &Document, node: &Node) -> Result<Duration, LoadError> {
    let wrong = || document.error(node.at, "expected a time such as \"200ms\", \"5s\" or \"2m\"");
    let text = match &node.data {
        Data::Integer(seconds) => {
            return Ok(Duration::from_secs(u64::try_from(*seconds).map_err(|_| wrong())?));
        }
        Data::Text(text) => text,
        _ => return Err(wrong()),
    };
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}
