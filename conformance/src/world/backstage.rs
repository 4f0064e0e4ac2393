//! Whom a job declarator client needs beside its pool, which is the suite: a template provider and
//! a job declarator server of ours, on one chain, over Noise and under one authority key.

use std::net::SocketAddr;
use std::sync::Arc;

use sv2::chain::{BlockTemplate, ChainConfig};
use sv2::entropy::Entropy;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite};
use sv2::role::PeerAddress;
use sv2::roles::job_declarator_server::JobDeclaratorServer;
use sv2_net::host::{Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::recipe::{Endpoint, Need, Surroundings};
use tokio::runtime::Runtime;

use super::controls::Controls;
use super::own_live::duplicate;
use super::own_provider::{
    Beside, OwnProvider, ProviderChain, ProviderSettings, certifier, not_started,
};
use super::{ChainView, ClientPeers, WorldError};
use crate::case::step::ControlKind;
use crate::case::{Chain as ChainKind, WorldSettings};

/// A template provider and a job declarator server that run. What is dropped first depends on
/// what is dropped last.
pub(super) struct Backstage {
    _declarator: Beside,
    declarator: SocketAddr,
    authority: AuthorityPublicKey,
    has_no_declarator: bool,
    provider: OwnProvider,
}

impl Backstage {
    /// Starts both, on a chain of their own.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: no port is free.
    pub(super) fn start(
        runtime: Arc<Runtime>,
        settings: &WorldSettings,
        authority: &AuthoritySecretKey,
        entropy: &Entropy,
    ) -> Result<Backstage, WorldError> {
        let nbits = match settings.chain {
            ChainKind::Hard => ChainConfig::HARD,
            ChainKind::Easy => ChainConfig::EASY,
        };
        let public_key = authority.public_key();
        let certifier = certifier(duplicate(authority)?, entropy);
        let provider = OwnProvider::start_on(
            runtime,
            &ProviderSettings {
                listen: ANY_PORT.to_owned(),
                is_plain: false,
                chain: ProviderChain::Embedded { nbits },
            },
            Some((Arc::clone(&certifier), public_key)),
            entropy,
        )?;
        let mut host = HostConfig::new("job declarator server");
        let security = ListenerSecurity::Noise { suite: CipherSuite::default(), certifier };
        host.listeners = vec![ListenerConfig { address: ANY_PORT.to_owned(), security }];
        host.limits.accepted_payload_len_max = JobDeclaratorServer::PAYLOAD_LEN_MAX;
        let host = provider.runtime().block_on(Host::bind(host)).map_err(not_started)?;
        let declarator = host.addresses()[0];
        let role =
            super::own_job_declarator(settings, authority, entropy.fork("job declarator", 0));
        Ok(Backstage {
            _declarator: provider.start_beside(host, role),
            declarator,
            authority: public_key,
            has_no_declarator: settings.has_no_declarator,
            provider,
        })
    }

    /// For our own client of two pools. Both have the one job declarator server.
    pub(super) fn peers(&self) -> ClientPeers {
        let peer = |address: SocketAddr| PeerAddress {
            host: address.ip().to_string(),
            port: address.port(),
            authority: Some(self.authority),
        };
        let declarator = peer(self.declarator);
        let first = PeerAddress { port: self.first_declarator().port(), ..declarator.clone() };
        ClientPeers {
            template_provider: peer(self.provider.address()),
            job_declarators: vec![first, declarator],
        }
    }

    /// For a recipe.
    pub(super) fn join(&self, surroundings: &mut Surroundings) {
        let endpoint = |address: SocketAddr| Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
            authority: Some(self.authority),
            cookie: None,
        };
        surroundings.insert(Need::TemplateProvider, endpoint(self.provider.address()));
        surroundings.insert(Need::JobDeclaratorServer, endpoint(self.first_declarator()));
    }

    /// Of the first pool: nobody answers there, if the case wants it so.
    fn first_declarator(&self) -> SocketAddr {
        match self.has_no_declarator {
            true => SocketAddr::new(self.declarator.ip(), CLOSED_PORT),
            false => self.declarator,
        }
    }
}

impl Controls for Backstage {
    fn kinds(&self) -> Vec<ControlKind> {
        self.provider.kinds()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        self.provider.apply(kind)
    }

    fn chain(&self) -> Option<ChainView> {
        self.provider.chain()
    }

    fn has_templates(&self) -> bool {
        true
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        self.provider.template()
    }
}

/// What a provider on the embedded chain can do, before there is one.
pub(super) const KINDS: [ControlKind; 4] = [
    ControlKind::NewBlock,
    ControlKind::Reorg,
    ControlKind::AddTransaction,
    ControlKind::AddSigops,
];

/// The system chooses a port.
const ANY_PORT: &str = "127.0.0.1:0";

/// Of the discard service: nobody answers there on the loopback interface.
const CLOSED_PORT: u16 = 9;
