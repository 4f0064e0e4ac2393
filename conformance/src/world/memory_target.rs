//! Our own roles in memory as targets: each case has a world to itself, clean or with a mutant.

use std::sync::Arc;

use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, Certificate, Identity, StaticKey};

use super::memory::{MemoryWorld, Parts, START};
use super::{PeerProfile, Target, TargetProfile, World, WorldError};
use crate::case::step::ControlKind;
use crate::case::{TargetRole, WorldSettings};
use crate::mutant::{CertificateFault, Make, Mutant};

/// One of our roles in memory, clean or as a mutant.
#[derive(Debug)]
pub struct MemoryTarget {
    profile: TargetProfile,
    authority: Arc<AuthoritySecretKey>,
    suite_authority: Arc<AuthoritySecretKey>,
    mutant: Option<Mutant>,
}

impl MemoryTarget {
    /// Our pool as it is.
    pub fn pool() -> Self {
        MemoryTarget::of(TargetRole::Pool)
    }

    /// Our own of a role, as it is.
    pub fn of(role: TargetRole) -> Self {
        MemoryTarget::with(role, None)
    }

    /// Our own of a role, with one broken behaviour.
    pub fn mutant(role: TargetRole, mutant: Mutant) -> Self {
        MemoryTarget::with(role, Some(mutant))
    }

    /// One that dials, and keeps its connections from case to case.
    #[must_use]
    pub fn keeping_connections(mut self) -> Self {
        self.profile.keeps_connections = true;
        self
    }

    fn with(role: TargetRole, mutant: Option<Mutant>) -> Self {
        let authority = AuthoritySecretKey::generate(&mut Entropy::from_seed(AUTHORITY_SEED));
        let suite = AuthoritySecretKey::generate(&mut Entropy::from_seed(AUTHORITY_SEED + 1));
        let suite_authority = Arc::new(suite);
        let name = match &mutant {
            None => format!("our {}, in memory", role.title()),
            Some(mutant) => format!("our {} as the mutant {}, in memory", role.title(), mutant.id),
        };
        let profile = TargetProfile {
            role,
            name,
            host: "target.memory".to_owned(),
            port: 34254,
            authority: Some(authority.public_key()),
            suite_authority: Some(Arc::clone(&suite_authority)),
            identities: super::own_identities(),
            controls: vec![
                ControlKind::NewBlock,
                ControlKind::Reorg,
                ControlKind::AddTransaction,
                ControlKind::AddSigops,
                ControlKind::Restart,
                ControlKind::RenewExtranoncePrefix,
                ControlKind::MoveToGroup,
                ControlKind::Reconnect,
            ],
            job_declarator: Some(PeerProfile { authority: Some(authority.public_key()) }),
            has_templates: true,
            hash_rate: super::DEVICE_HASH_RATE.into(),
            keeps_connections: false,
            is_ours: true,
            is_virtual: true,
        };
        MemoryTarget { profile, authority: Arc::new(authority), suite_authority, mutant }
    }
}

impl Target for MemoryTarget {
    fn world(&self, settings: &WorldSettings, seed: u64) -> Result<Box<dyn World>, WorldError> {
        let mut settings = settings.clone();
        if let Some(Mutant { make: Make::Settings(change), .. }) = &self.mutant {
            change(&mut settings);
        }
        let entropy = Entropy::from_seed(seed).fork("memory world", 0);
        let identity = self.identity(&mut entropy.fork("identity", 0));
        let parts = Parts {
            role: self.profile.role,
            settings,
            mutant: self.mutant.clone(),
            authority: Arc::clone(&self.authority),
            suite_authority: self.suite_authority.public_key(),
            identity: Arc::new(identity),
        };
        Ok(Box::new(MemoryWorld::new(parts, entropy)))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }
}

impl MemoryTarget {
    fn identity(&self, entropy: &mut Entropy) -> Identity {
        let start = START.unix.to_u32();
        let day = 86_400;
        let fault = match &self.mutant {
            Some(Mutant { make: Make::Certificate(fault), .. }) => Some(*fault),
            _ => None,
        };
        let static_key = StaticKey::generate(entropy);
        match fault {
            None => Identity::new(&self.authority, static_key, start - day, start + day, entropy),
            Some(CertificateFault::Expired) => {
                Identity::new(&self.authority, static_key, start - 2 * day, start - day, entropy)
            }
            Some(CertificateFault::NotYetValid) => {
                Identity::new(&self.authority, static_key, start + day, start + 2 * day, entropy)
            }
            Some(CertificateFault::WrongAuthority) => {
                let stranger = AuthoritySecretKey::generate(entropy);
                Identity::new(&stranger, static_key, start - day, start + day, entropy)
            }
            Some(CertificateFault::WrongKey) => {
                let other = StaticKey::generate(entropy);
                let other =
                    Identity::new(&self.authority, other, start - day, start + day, entropy);
                let certificate: Certificate = *other.certificate();
                Identity::with_certificate(static_key, certificate)
            }
        }
    }
}

/// The authority key of our roles in memory: the same in every run.
const AUTHORITY_SEED: u64 = 0x5072_6f6f;
