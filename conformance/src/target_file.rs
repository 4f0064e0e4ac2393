//! A file that describes a target: where it listens, whom it pays, and what can be asked of
//! the world around it.
//!
//! ```toml
//! name = "pool_sv2 0.7.0"
//! address = "stratum2+tcp://127.0.0.1:34254/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
//!
//! [identities]              # `user` is paid, `other` is another good one, `bad` is refused
//! user = "assay.conformance"
//!
//! [hooks]                   # commands; they return when it is done
//! new-block = "bitcoin-cli -regtest generatetoaddress 1 bcrt1q…"
//! restart = "systemctl restart pool"
//!
//! [template_provider]       # instead of hooks: ours, on the embedded chain, which the pool dials
//! listen = "127.0.0.1:8442"
//! chain = "hard"            # or "easy", or a number: nbits
//! ```

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::entropy::Entropy;
use sv2::noise::StratumUrl;

use crate::case::document::{Data, Document, LoadError, Node};
use crate::case::step::ControlKind;
use crate::world::controls::{Controls, Either, Hooks};
use crate::world::{LiveTarget, OwnProvider, WorldError};

/// A target as its file describes it.
#[derive(Clone, Debug)]
pub struct TargetFile {
    /// For people.
    pub name: String,
    /// Where it listens, and its authority key.
    pub address: StratumUrl,
    /// By name.
    pub identities: Vec<(String, String)>,
    /// Commands.
    pub hooks: Hooks,
    /// Our own provider, if the pool is to dial one.
    pub template_provider: Option<ProviderSettings>,
    /// Further cases that make sense for it, such as `sri-codes`.
    pub profiles: Vec<String>,
    /// Why cases fail that are known to: a file beside this one.
    pub expectations: Option<String>,
}

/// How our own template provider is started for a foreign pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Host and port to listen on.
    pub listen: String,
    /// Without encryption, for a pool that dials so.
    pub is_plain: bool,
    /// Compact target of every block.
    pub nbits: u32,
}

impl TargetFile {
    /// Reads a file.
    ///
    /// # Errors
    /// What is unknown or missing, at its place.
    pub fn read(path: &Path) -> Result<TargetFile, LoadError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| LoadError {
            file: file.clone(),
            line: 0,
            column: 0,
            message: error.to_string(),
        })?;
        TargetFile::load(&file, &text)
    }

    /// Reads its text.
    ///
    /// # Errors
    /// What is unknown or missing, at its place.
    pub fn load(file: &str, text: &str) -> Result<TargetFile, LoadError> {
        let document = Document::parse(file, text)?;
        let mut keys = document.keys(document.root())?;
        let node = keys.require("address")?;
        let address: StratumUrl = document
            .string(node)?
            .parse()
            .map_err(|error| document.error(node.at, format!("{error}")))?;
        let name = match keys.take("name") {
            Some(node) => document.string(node)?.to_owned(),
            None => format!("{}:{}", address.host, address.port),
        };
        let mut identities = Vec::new();
        if let Some(node) = keys.take("identities") {
            for entry in document.keys(node)?.all() {
                identities.push((entry.key.clone(), document.string(&entry.node)?.to_owned()));
            }
        }
        let mut hooks = Hooks::default();
        if let Some(node) = keys.take("hooks") {
            for entry in document.keys(node)?.all() {
                let known = ControlKind::NAMES.iter().find(|(name, _)| *name == entry.key);
                let Some((_, kind)) = known else {
                    let names = ControlKind::NAMES.iter().map(|(name, _)| *name);
                    return Err(document.unknown(entry.at, "hook", &entry.key, names));
                };
                hooks.commands.insert(*kind, document.string(&entry.node)?.to_owned());
            }
        }
        let template_provider =
            keys.take("template_provider").map(|node| provider(&document, node)).transpose()?;
        let profiles = match keys.take("profiles") {
            Some(node) => document.strings(node)?.into_iter().map(|(name, _)| name).collect(),
            None => Vec::new(),
        };
        let expectations = keys
            .take("expectations")
            .map(|node| document.string(node))
            .transpose()?
            .map(str::to_owned);
        keys.finish(&[
            "name",
            "address",
            "identities",
            "hooks",
            "template_provider",
            "profiles",
            "expectations",
        ])?;
        Ok(TargetFile {
            name,
            address,
            identities,
            hooks,
            template_provider,
            profiles,
            expectations,
        })
    }

    /// Starts what the file asks for. A pool that our template provider feeds listens only once
    /// it has a template: it is waited for until it takes connections, half a minute at most.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: our template provider cannot listen, or the pool never does.
    pub fn target(&self, seed: u64) -> Result<LiveTarget, WorldError> {
        let controls: Arc<dyn Controls> = match &self.template_provider {
            None => Arc::new(self.hooks.clone()),
            Some(settings) => {
                let entropy = Entropy::from_seed(seed).fork("template provider", 0);
                let provider = OwnProvider::start(
                    &settings.listen,
                    settings.is_plain,
                    settings.nbits,
                    &entropy,
                )?;
                self.wait_until_it_listens()?;
                Arc::new(Either(self.hooks.clone(), provider))
            }
        };
        let (name, identities) = (self.name.clone(), self.identities.clone());
        Ok(LiveTarget::new(name, &self.address, identities, controls))
    }

    fn wait_until_it_listens(&self) -> Result<(), WorldError> {
        let StratumUrl { host, port, .. } = &self.address;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match TcpStream::connect((host.as_str(), *port)) {
                Ok(_) => return Ok(()),
                Err(error) if attempts >= ATTEMPTS_MAX => {
                    return Err(WorldError::NotStarted(format!(
                        "{host}:{port} takes no connections: {error}; does it dial our template \
                         provider?"
                    )));
                }
                Err(_) => std::thread::sleep(BETWEEN_ATTEMPTS),
            }
        }
    }
}

fn provider(document: &Document, node: &Node) -> Result<ProviderSettings, LoadError> {
    let mut keys = document.keys(node)?;
    let listen = document.string(keys.require("listen")?)?.to_owned();
    let is_plain = match keys.take("plain") {
        Some(node) => document.boolean(node)?,
        None => false,
    };
    let nbits = match keys.take("chain") {
        None => ChainConfig::HARD,
        Some(node @ Node { data: Data::Integer(_), .. }) => document.integer(node)?,
        Some(node) => document.one_of(
            node,
            "chain",
            &[("hard", ChainConfig::HARD), ("easy", ChainConfig::EASY)],
        )?,
    };
    keys.finish(&["listen", "plain", "chain"])?;
    Ok(ProviderSettings { listen, is_plain, nbits })
}

/// Half a minute.
const ATTEMPTS_MAX: u32 = 150;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
address = "stratum2+tcp://127.0.0.1:34254/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
[identities]
user = "alice"
[hooks]
restart = "true"
[template_provider]
listen = "127.0.0.1:0"
chain = 0x1e0377ae
"#;

    #[test]
    fn a_file_says_where_the_target_is_and_what_can_be_asked() {
        let file = TargetFile::load("pool.toml", FILE).unwrap();

        assert_eq!((file.name.as_str(), file.address.port), ("127.0.0.1:34254", 34254));
        assert!(file.address.authority.is_some());
        assert_eq!(file.identities, [("user".to_owned(), "alice".to_owned())]);
        assert_eq!(file.hooks.kinds(), [ControlKind::Restart]);
        assert_eq!(file.template_provider.map(|one| one.nbits), Some(0x1e03_77ae));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_its_place() {
        let errors = [
            FILE.replace("restart", "restrat"),
            FILE.replace("34254/", "34254/x"),
            FILE.replace("listen", "listens"),
        ]
        .map(|text| TargetFile::load("pool.toml", &text).unwrap_err().to_string());

        insta::assert_snapshot!(errors.join("\n"), @r#"
        pool.toml:6:1: unknown hook "restrat"; did you mean "restart"?
        pool.toml:2:11: the path must be the authority's public key: the checksum does not fit: a character is missing or mistyped (spec 4.7)
        pool.toml:8:1: unknown key "listens"; did you mean "listen"?
        "#);
    }

    #[test]
    fn a_hook_that_fails_says_so_in_its_own_words() {
        let mut hooks = Hooks::default();
        hooks.commands.insert(ControlKind::NewBlock, "echo no node >&2; false".to_owned());

        let error = hooks.apply(ControlKind::NewBlock).unwrap_err().to_string();

        assert!(error.contains("no node"), "{error}");
        assert_eq!(hooks.apply(ControlKind::Reorg), Err(WorldError::NoControl(ControlKind::Reorg)));
    }
}
