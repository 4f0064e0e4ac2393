//! The roles that a target can have: which of its peers the suite plays follows from it.

/// What a target is to the suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum TargetRole {
    #[default]
    Pool,
    JobDeclaratorServer,
    TemplateProvider,
    MiningDevice,
    MiningProxy,
    Translator,
    JobDeclaratorClient,
    Sv1Device,
}

impl TargetRole {
    /// As in cases and on the command line.
    pub const NAMES: &'static [(&'static str, TargetRole)] = &[
        ("pool", TargetRole::Pool),
        ("job-declarator-server", TargetRole::JobDeclaratorServer),
        ("template-provider", TargetRole::TemplateProvider),
        ("mining-device", TargetRole::MiningDevice),
        ("mining-proxy", TargetRole::MiningProxy),
        ("translator", TargetRole::Translator),
        ("job-declarator-client", TargetRole::JobDeclaratorClient),
        ("sv1-device", TargetRole::Sv1Device),
    ];

    /// See [`TargetRole::NAMES`].
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// For people.
    pub fn title(self) -> String {
        self.name().replace('-', " ")
    }

    /// Whether it opens connections to the suite, which is its mining server.
    pub fn dials(self) -> bool {
        match self {
            TargetRole::MiningDevice
            | TargetRole::MiningProxy
            | TargetRole::Translator
            | TargetRole::Sv1Device
            | TargetRole::JobDeclaratorClient => true,
            TargetRole::Pool | TargetRole::JobDeclaratorServer | TargetRole::TemplateProvider => {
                false
            }
        }
    }

    /// Whether it has clients of its own besides.
    pub fn dials_and_listens(self) -> bool {
        matches!(
            self,
            TargetRole::MiningProxy | TargetRole::Translator | TargetRole::JobDeclaratorClient
        )
    }

    /// Whether it takes its jobs from a node of its own instead of the suite's.
    pub fn has_own_chain(self) -> bool {
        self == TargetRole::JobDeclaratorClient
    }

    /// Whether it speaks Stratum V1 where it dials.
    pub fn dials_with_lines(self) -> bool {
        self == TargetRole::Sv1Device
    }

    /// Whether it serves its clients with Stratum V1.
    pub fn serves_lines(self) -> bool {
        self == TargetRole::Translator
    }

    /// Of the `SetupConnection` that the suite sends as its client (spec 3.6.1).
    pub fn protocol(self) -> u8 {
        match self {
            TargetRole::Pool
            | TargetRole::MiningDevice
            | TargetRole::MiningProxy
            | TargetRole::Translator
            | TargetRole::Sv1Device
            | TargetRole::JobDeclaratorClient => 0,
            TargetRole::JobDeclaratorServer => 1,
            TargetRole::TemplateProvider => 2,
        }
    }
}
