//! The options of all commands that read captures.

use std::path::{Path, PathBuf};

use clap::Args;
use sv2::noise::AuthorityPublicKey;
use sv2_capture::redact::Categories;
use sv2_capture::rules::{Policy, Severity};

use super::cover::Cover;
use crate::outcome::Outcome;

/// What is read.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Input {
    /// Captures; - is standard input, tap:SOCKET a tap that runs
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Keys of sessions, as SV2KEYLOGFILE has them
    #[arg(long = "key-log", value_name = "FILE")]
    pub(crate) key_logs: Vec<PathBuf>,

    /// Check certificates against this authority: a public key, or a URL that ends with one
    #[arg(long, value_name = "KEY", value_parser = authority)]
    pub(crate) authority: Option<AuthorityPublicKey>,

    /// Go on as the file grows, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
}

impl Input {
    /// Commands that do something without a capture as well ask for it here.
    pub(crate) fn expect_files(&self) -> Result<(), Outcome> {
        match self.files.is_empty() {
            true => Err(Outcome::usage("a capture is expected; - is standard input")),
            false => Ok(()),
        }
    }

    /// The same, of commands that say something at the end only.
    pub(crate) fn expect_an_end(&self) -> Result<(), Outcome> {
        self.expect_files()?;
        match self.is_live() {
            true => Err(Outcome::usage(
                "this needs captures that end; `assay decode` shows what grows, line by line",
            )),
            false => Ok(()),
        }
    }

    /// Whether somebody is writing it still. Standard input has an end.
    pub(crate) fn is_live(&self) -> bool {
        self.follow || self.files.iter().any(|file| tap_socket(file).is_some())
    }
}

/// Beside the socket of a tap: where an inspector decides about messages on their way.
pub(crate) fn intercept_beside(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".intercept");
    path.into()
}

/// The same, of `tap:SOCKET`.
pub(crate) fn intercept_socket(file: &Path) -> Option<PathBuf> {
    tap_socket(file).map(|socket| intercept_beside(Path::new(socket)))
}

/// Of `tap:SOCKET`.
pub(super) fn tap_socket(file: &Path) -> Option<&str> {
    file.to_str()?.strip_prefix("tap:")
}

/// What leaves the program without whom it is about.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Redaction {
    /// Replace what tells of somebody, the same by the same and as long as it was: users, ips,
    /// tokens, coinbase, or all, such as users,ips. Filters see what was captured. With coinbase no
    /// share can be proven any more; a copy says so, and rules do not try
    #[arg(long, value_name = "LIST")]
    pub(crate) redact: Option<Categories>,
}

impl Redaction {
    /// For what is shown.
    pub(crate) fn cover(&self, policy: &Policy) -> Option<Cover> {
        self.redact.map(|categories| Cover::new(categories, policy.clone()))
    }
}

/// Which rules count.
#[derive(Debug, Args)]
pub(crate) struct Judgement {
    /// Leave rules out, by number: 18,35
    #[arg(long, value_name = "RULES")]
    pub(crate) allow: Vec<String>,

    /// Take what these rules find for an error
    #[arg(long, value_name = "RULES")]
    pub(crate) deny: Vec<String>,
}

impl Judgement {
    /// As the rules take it.
    pub(crate) fn policy(&self) -> Result<Policy, Outcome> {
        let mut policy = Policy::default();
        for rules in &self.allow {
            let allowed = policy.allow(rules);
            allowed.map_err(|error| Outcome::usage(format!("--allow {rules}: {error}")))?;
        }
        for rules in &self.deny {
            let denied = policy.deny(rules);
            denied.map_err(|error| Outcome::usage(format!("--deny {rules}: {error}")))?;
        }
        Ok(policy)
    }
}

fn authority(text: &str) -> Result<AuthorityPublicKey, String> {
    let key = text.rsplit('/').next().unwrap_or(text);
    key.parse().map_err(|error| format!("{error}"))
}

/// Such as `warning` or `W`.
pub(crate) fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "chat, note, warning or error is expected".to_owned())
}
