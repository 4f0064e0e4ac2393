//! A file that describes a target: where it listens or how to start it, whom it pays, and what
//! can be asked of the world around it.
//!
//! ```toml
//! name = "pool_sv2 0.7.0"
//! address = "stratum2+tcp://127.0.0.1:34254/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
//! # or, instead of an address, a recipe to start it from, seen from this file:
//! # program = "pool_sv2.recipe.toml"
//!
//! # for a pool that takes custom jobs: the job declarator server whose tokens it trusts
//! # job_declarator = "stratum2+tcp://127.0.0.1:34264/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
//!
//! profiles = ["sri-codes"]              # conventions beyond the specification that it follows
//! expectations = "known-failures.toml"  # seen from this file
//!
//! [identities]              # `user` is paid, `other` is another good one, `bad` is refused
//! user = "assay.conformance"
//!
//! [hooks]                   # commands; they return when it is done
//! new-block = "bitcoin-cli -regtest generatetoaddress 1 bcrt1q…"
//! restart = "systemctl restart pool"
//!
//! # for a target that dials, such as a device: where the suite waits for it, and the file that
//! # holds the secret key of its certificate (left out: the one of the reference
//! # implementation's examples); it needs no address then
//! # listen = "0.0.0.0:34254"
//! # key = "suite.key"
//!
//! [template_provider]       # instead of hooks: ours, which the pool dials
//! listen = "127.0.0.1:8442" # a program may leave it out: its recipe says where it goes
//! chain = "hard"            # the embedded chain: "hard", "easy", or a number: nbits;
//!                           # or a bitcoind that we start: "regtest", "signet"
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sv2::chain::ChainConfig;
use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, StratumUrl};
use sv2_net::bitcoind::Network;
use sv2_net::identity::read_secret_key;
use sv2_net::recipe::{Endpoint, Need, Recipe, Surroundings};

use crate::case::TargetRole;
use crate::case::document::{Data, Document, Keys, LoadError, Node};
use crate::case::step::ControlKind;
use crate::world::controls::{Controls, Either, Hooks};
use crate::world::{
    ForeignClient, ForeignClientTarget, LiveTarget, OwnProgram, OwnProvider, ProviderChain,
    ProviderSettings, WorldError, runtime,
};

/// A target as its file describes it.
#[derive(Clone, Debug)]
pub struct TargetFile {
    /// For people.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Where the suite waits for it, if it dials.
    pub listen: Option<String>,
    /// The file of the suite's secret key.
    pub key: Option<PathBuf>,
    /// By name.
    pub identities: Vec<(String, String)>,
    /// Commands.
    pub hooks: Hooks,
    /// Our own provider, if the pool is to dial one.
    pub template_provider: Option<ProviderSettings>,
    /// A job declarator server whose tokens a pool trusts.
    pub job_declarator: Option<StratumUrl>,
    /// Further cases that make sense for it, such as `sri-codes`.
    pub profiles: Vec<String>,
    /// The file that says why cases fail that are known to.
    pub expectations: Option<PathBuf>,
}

/// Where a target is.
#[derive(Clone, Debug)]
pub enum Place {
    /// It runs already, or somebody else starts it.
    Address(StratumUrl),
    /// We start it.
    Program(Box<Recipe>),
    /// It dials us, and listens nowhere.
    Nowhere,
}

impl TargetFile {
    /// Reads a file, and the recipe that it names.
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

    /// Reads its text; files that it names are looked for beside `file`.
    ///
    /// # Errors
    /// What is unknown or missing, at its place.
    pub fn load(file: &str, text: &str) -> Result<TargetFile, LoadError> {
        let document = Document::parse(file, text)?;
        let mut keys = document.keys(document.root())?;
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let listen = match keys.take("listen") {
            Some(node) => Some(document.string(node)?.to_owned()),
            None => None,
        };
        let key = match keys.take("key") {
            Some(node) => Some(folder.join(document.string(node)?)),
            None => None,
        };
        let place = match listen.is_some() && !keys.has("address") && !keys.has("program") {
            true => Place::Nowhere,
            false => place(&document, &mut keys, folder)?,
        };
        let name = match (keys.take("name"), &place) {
            (Some(node), _) => document.string(node)?.to_owned(),
            (None, Place::Address(url)) => format!("{}:{}", url.host, url.port),
            (None, Place::Program(recipe)) => recipe.name().to_owned(),
            (None, Place::Nowhere) => "the target that dials".to_owned(),
        };
        let mut identities = Vec::new();
        if let Some(node) = keys.take("identities") {
            for entry in document.keys(node)?.all() {
                identities.push((entry.key.clone(), document.string(&entry.node)?.to_owned()));
            }
        }
        let hooks = keys.take("hooks").map(|node| hooks(&document, node)).transpose()?;
        let template_provider = keys
            .take("template_provider")
            .map(|node| provider(&document, node, &place))
            .transpose()?;
        let job_declarator = keys
            .take("job_declarator")
            .map(|node| {
                let url = document.string(node)?.parse();
                url.map_err(|error| document.error(node.at, format!("{error}")))
            })
            .transpose()?;
        let profiles = match keys.take("profiles") {
            Some(node) => document.strings(node)?.into_iter().map(|(name, _)| name).collect(),
            None => Vec::new(),
        };
        let expectations = match keys.take("expectations") {
            Some(node) => Some(folder.join(document.string(node)?)),
            None => None,
        };
        keys.finish(&[
            "name",
            "address",
            "program",
            "listen",
            "key",
            "identities",
            "hooks",
            "template_provider",
            "job_declarator",
            "profiles",
            "expectations",
        ])?;
        let hooks = hooks.unwrap_or_default();
        Ok(TargetFile {
            name,
            place,
            listen,
            key,
            identities,
            hooks,
            template_provider,
            job_declarator,
            profiles,
            expectations,
        })
    }

    /// Starts what the file asks for: our template provider, then the program, which is ready
    /// when this returns. A pool at an address is not waited for.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: our template provider cannot listen, or the program does not
    /// run.
    pub fn target(&self, role: TargetRole, seed: u64) -> Result<LiveTarget, WorldError> {
        let entropy = Entropy::from_seed(seed).fork("template provider", 0);
        let provider = self.template_provider.as_ref();
        let provider = provider.map(|one| OwnProvider::start(one, &entropy)).transpose()?;
        let (url, program) = match &self.place {
            Place::Address(url) => (url.clone(), None),
            Place::Program(recipe) => {
                let (program, endpoint) = start(recipe, provider.as_ref())?;
                let Endpoint { host, port, authority, cookie: _ } = endpoint;
                (StratumUrl { host, port, authority }, Some(program))
            }
            Place::Nowhere => {
                let why = format!("a {} is dialled: its file needs an `address`", role.title());
                return Err(WorldError::NotStarted(why));
            }
        };
        // The user's own words come first. The program ends before what it needs.
        let controls: Arc<dyn Controls> =
            Arc::new(Either(self.hooks.clone(), Either(program, provider)));
        let (name, identities) = (self.name.clone(), self.identities.clone());
        let target = LiveTarget::new(role, name, &url, identities, controls);
        Ok(match &self.job_declarator {
            Some(url) => target.beside(url),
            None => target,
        })
    }
}

impl TargetFile {
    /// Opens the doors for a target that dials.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the address is taken, or the key cannot be read.
    pub fn client(&self, role: TargetRole) -> Result<ForeignClientTarget, WorldError> {
        let authority = match &self.key {
            Some(path) => read_secret_key(path)
                .map_err(|error| WorldError::NotStarted(format!("{}: {error}", path.display())))?,
            None => example_key(),
        };
        let (address, recipe) = match &self.place {
            Place::Address(url) => (Some(url.clone()), None),
            Place::Program(recipe) => (None, Some(recipe.clone())),
            Place::Nowhere => (None, None),
        };
        ForeignClientTarget::new(ForeignClient {
            role,
            name: self.name.clone(),
            listen: self.listen.clone().unwrap_or_else(|| "127.0.0.1:0".to_owned()),
            authority,
            address,
            identities: self.identities.clone(),
            hooks: self.hooks.clone(),
            recipe,
        })
    }
}

/// Of the reference implementation's examples: what many devices on a bench know already.
pub fn example_key() -> AuthoritySecretKey {
    EXAMPLE_KEY.parse().expect("the key of the examples")
}

const EXAMPLE_KEY: &str = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";

fn start(
    recipe: &Recipe,
    provider: Option<&OwnProvider>,
) -> Result<(OwnProgram, Endpoint), WorldError> {
    let mut surroundings = Surroundings::new();
    let mut runtime = Arc::new(runtime()?);
    if let Some(provider) = provider {
        let address = provider.address();
        let endpoint = Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
            authority: provider.authority(),
            cookie: None,
        };
        surroundings.insert(Need::TemplateProvider, endpoint);
        runtime = Arc::clone(provider.runtime());
    }
    let (program, endpoint) = OwnProgram::start(runtime, recipe, surroundings)?;
    let endpoint = endpoint.ok_or_else(|| {
        let why = "the recipe has no [ready], and does not listen at one place alone";
        WorldError::NotStarted(why.to_owned())
    })?;
    Ok((program, endpoint))
}

fn place(document: &Document, keys: &mut Keys<'_>, folder: &Path) -> Result<Place, LoadError> {
    let Some(program) = keys.take("program") else {
        let node = keys.require("address")?;
        let address = document.string(node)?.parse();
        return address
            .map(Place::Address)
            .map_err(|error| document.error(node.at, format!("{error}")));
    };
    if let Some(address) = keys.take("address") {
        let what = "a target has an address or a program to start, not both";
        return Err(document.error(address.at, what));
    }
    let path = folder.join(document.string(program)?);
    let recipe =
        Recipe::read(&path).map_err(|error| document.error(program.at, error.to_string()))?;
    Ok(Place::Program(Box::new(recipe)))
}

fn hooks(document: &Document, node: &Node) -> Result<Hooks, LoadError> {
    let mut hooks = Hooks::default();
    for entry in document.keys(node)?.all() {
        let known = ControlKind::NAMES.iter().find(|(name, _)| *name == entry.key);
        let Some((_, kind)) = known else {
            let names = ControlKind::NAMES.iter().map(|(name, _)| *name);
            return Err(document.unknown(entry.at, "hook", &entry.key, names));
        };
        hooks.commands.insert(*kind, document.string(&entry.node)?.to_owned());
    }
    Ok(hooks)
}

fn provider(
    document: &Document,
    node: &Node,
    place: &Place,
) -> Result<ProviderSettings, LoadError> {
    let mut keys = document.keys(node)?;
    let listen = match (place, keys.take("listen")) {
        (_, Some(node)) => document.string(node)?.to_owned(),
        (Place::Program(_), None) => "127.0.0.1:0".to_owned(),
        (Place::Address(_) | Place::Nowhere, None) => {
            document.string(keys.require("listen")?)?.to_owned()
        }
    };
    let is_plain = match keys.take("plain") {
        Some(node) => document.boolean(node)?,
        None => false,
    };
    let chain = match keys.take("chain") {
        None => ProviderChain::Embedded { nbits: ChainConfig::HARD },
        Some(node @ Node { data: Data::Integer(_), .. }) => {
            ProviderChain::Embedded { nbits: document.integer(node)? }
        }
        Some(node) => document.one_of(node, "chain", CHAINS)?,
    };
    keys.finish(&["listen", "plain", "chain"])?;
    Ok(ProviderSettings { listen, is_plain, chain })
}

const CHAINS: &[(&str, ProviderChain)] = &[
    ("hard", ProviderChain::Embedded { nbits: ChainConfig::HARD }),
    ("easy", ProviderChain::Embedded { nbits: ChainConfig::EASY }),
    ("regtest", ProviderChain::Node(Network::Regtest)),
    ("signet", ProviderChain::Node(Network::PrivateSignet)),
];

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

        let Place::Address(url) = &file.place else { panic!("{:?}", file.place) };
        assert_eq!((file.name.as_str(), url.port), ("127.0.0.1:34254", 34254));
        assert!(url.authority.is_some());
        assert_eq!(file.identities, [("user".to_owned(), "alice".to_owned())]);
        assert_eq!(file.hooks.kinds(), [ControlKind::Restart]);
        assert_eq!(
            file.template_provider.map(|one| one.chain),
            Some(ProviderChain::Embedded { nbits: 0x1e03_77ae })
        );
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
