//! A foreign target that dials the suite: one that somebody has pointed at our doors, or a program
//! that each case starts anew.

use std::sync::Arc;

use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, StratumUrl};
use sv2_net::recipe::{Endpoint, Need, Recipe, Surroundings};
use tokio::runtime::Runtime;

use super::backstage::{self, Backstage};
use super::controls::{Controls, Either, Hooks};
use super::doors::Doors;
use super::own_provider::runtime;
use super::served::ServedWorld;
use super::{OwnProgram, Target, TargetProfile, World, WorldError};
use crate::case::step::{ControlKind, Door};
use crate::case::{TargetRole, WorldSettings};

/// A foreign device or proxy.
pub struct ForeignClientTarget {
    profile: TargetProfile,
    doors: Arc<Doors>,
    /// Where it listens, if that is known before it runs.
    address: Option<String>,
    hooks: Hooks,
    program: Option<(Box<Recipe>, Arc<Runtime>)>,
}

/// What is known of one.
pub struct ForeignClient {
    /// What it is.
    pub role: TargetRole,
    /// For people.
    pub name: String,
    /// Where the suite waits for it, as `HOST:PORT`.
    pub listen: String,
    /// Signs the certificate that it is shown.
    pub authority: AuthoritySecretKey,
    /// Where it listens itself.
    pub address: Option<StratumUrl>,
    /// By name.
    pub identities: Vec<(String, String)>,
    /// Commands.
    pub hooks: Hooks,
    /// How each case starts it.
    pub recipe: Option<Box<Recipe>>,
}

impl ForeignClientTarget {
    /// Listens; starts nothing yet.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the address is taken.
    pub fn new(client: ForeignClient) -> Result<Self, WorldError> {
        let ForeignClient { role, name, listen, authority, address, identities, hooks, recipe } =
            client;
        let doors = Doors::open(&[(Door::Upstream, &listen), (Door::Backup, ANY_PORT)])?;
        let mut controls = hooks.kinds();
        let has_backstage = role.has_own_chain() && recipe.is_some();
        match (has_backstage, role.has_own_chain()) {
            (true, _) => controls.extend(backstage::KINDS),
            // Of a chain that somebody else has, no block is ours.
            (false, true) => {}
            (false, false) => controls.push(ControlKind::NewBlock),
        }
        let program = match recipe {
            // Who has us for a server is ready when it has dialled, and perhaps not before.
            Some(recipe) => {
                controls.push(ControlKind::Restart);
                Some((Box::new(recipe.without_readiness()), Arc::new(runtime()?)))
            }
            None => None,
        };
        let profile = TargetProfile {
            role,
            name,
            host: address.as_ref().map_or(String::new(), |url| url.host.clone()),
            port: address.as_ref().map_or(0, |url| url.port),
            authority: address.as_ref().and_then(|url| url.authority),
            suite_authority: Some(Arc::new(authority)),
            identities,
            controls,
            job_declarator: None,
            has_templates: has_backstage,
            hash_rate: super::DEVICE_HASH_RATE.into(),
            keeps_connections: program.is_none(),
            is_ours: false,
            is_virtual: false,
        };
        let address = address.map(|url| format!("{}:{}", url.host, url.port));
        Ok(ForeignClientTarget { profile, doors: Arc::new(doors), address, hooks, program })
    }

    /// Where the suite waits, and the key that it is known by.
    pub fn url(&self) -> Option<StratumUrl> {
        let address = self.doors.address(Door::Upstream)?;
        let authority = self.profile.suite_authority.as_ref().map(|key| key.public_key());
        Some(StratumUrl { host: address.ip().to_string(), port: address.port(), authority })
    }

    fn surroundings(&self) -> Surroundings {
        let mut surroundings = Surroundings::new();
        if let Some(StratumUrl { host, port, authority }) = self.url() {
            surroundings.insert(Need::Pool, Endpoint { host, port, authority, cookie: None });
        }
        surroundings
    }
}

impl Target for ForeignClientTarget {
    fn world(&self, settings: &WorldSettings, seed: u64) -> Result<Box<dyn World>, WorldError> {
        let Some((recipe, runtime)) = &self.program else {
            let controls = Arc::new(self.hooks.clone());
            return Ok(Box::new(ServedWorld::new(
                Arc::clone(&self.doors),
                self.address.clone(),
                controls,
            )));
        };
        self.doors.forget();
        let mut surroundings = self.surroundings();
        let backstage = match (self.profile.role.has_own_chain(), &self.profile.suite_authority) {
            (true, Some(suite)) => {
                let entropy = Entropy::from_seed(seed).fork("backstage", 0);
                let backstage = Backstage::start(Arc::clone(runtime), settings, suite, &entropy)?;
                backstage.join(&mut surroundings);
                Some(backstage)
            }
            _ => None,
        };
        let (program, endpoint) = OwnProgram::start(Arc::clone(runtime), recipe, surroundings)?;
        let address = endpoint.map(|one| format!("{}:{}", one.host, one.port));
        // The program ends before what it needs.
        let controls: Arc<dyn Controls> =
            Arc::new(Either(self.hooks.clone(), Either(program, backstage)));
        Ok(Box::new(ServedWorld::new(Arc::clone(&self.doors), address, controls)))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }
}

/// The system chooses a port.
const ANY_PORT: &str = "127.0.0.1:0";
