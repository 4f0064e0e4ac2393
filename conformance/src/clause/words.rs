//! The closed vocabularies of the registry, as they are written in its files.

use std::fmt;
use std::str::FromStr;

/// A word that is none of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {what}; expected one of: {expected}")]
pub struct UnknownWord {
    word: String,
    what: &'static str,
    expected: String,
}

/// Makes an enum whose variants are words in the files: `vocabulary!(/// docs Name, "a thing" {
/// /// docs Variant = "word" })` has `as_str`, `ALL`, `Display` and `FromStr`.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every word, in the order in which they are shown.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// As written in the files and on the command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<$name, UnknownWord> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| {
                    UnknownWord {
                        word: word.to_owned(),
                        what: $what,
                        expected: $name::ALL
                            .iter()
                            .map(|known| known.as_str())
                            .collect::<Vec<_>>()
                            .join(", "),
                    }
                })
            }
        }
    };
}

vocabulary! {
    /// How strongly a rule binds (RFC 2119).
    Level, "level" {
        /// Required.
        Must = "MUST",
        /// Forbidden.
        MustNot = "MUST NOT",
        /// Recommended.
        Should = "SHOULD",
        /// Not recommended.
        ShouldNot = "SHOULD NOT",
        /// Permitted: nothing a peer does can break it.
        May = "MAY",
    }
}

vocabulary! {
    /// Where a rule comes from.
    Basis, "basis" {
        /// The text has a word of RFC 2119, or a plain "must" or "required".
        Explicit = "explicit",
        /// Follows from a field table, the order of messages, an equality or Bitcoin's consensus.
        Implicit = "implicit",
        /// Not in the text: what the field does.
        Convention = "convention",
    }
}

vocabulary! {
    /// What it takes to see whether a program obeys.
    Observe, "way to observe" {
        /// The suite as its only peer.
        Peer = "peer",
        /// A block, a transaction or a reconnect on demand.
        Hook = "hook",
        /// The suite on both sides of it.
        Sandwich = "sandwich",
        /// Only indirectly, or with one of its settings.
        Partly = "partly",
        /// A permission or a wish: the suite can record what the program does, not judge it.
        Record = "record",
        /// Not over the wire.
        Never = "never",
    }
}

vocabulary! {
    /// Why no case asks a clause.
    Reason, "reason" {
        /// Could be, and is not.
        NotYet = "not-yet",
        /// Needs an event on demand that no target offers yet.
        NeedsHook = "needs-hook",
        /// Cannot be seen from outside.
        Untestable = "untestable",
        /// Addresses somebody else than a program on the wire.
        OutOfScope = "out-of-scope",
        /// The text can be read in ways that leave nothing to test.
        Ambiguous = "ambiguous",
    }
}

vocabulary! {
    /// Whom a clause addresses, or what a program is.
    Role, "role" {
        /// Every program that speaks the protocol.
        Any = "any",
        /// Who opened the connection.
        Client = "client",
        /// Who accepted the connection.
        Server = "server",
        /// The client of a Noise handshake.
        Initiator = "initiator",
        /// The server of a Noise handshake.
        Responder = "responder",
        /// Pool service.
        Pool = "pool",
        /// Mining device.
        MiningDevice = "mining-device",
        /// Mining proxy.
        Proxy = "proxy",
        /// A proxy between Stratum V1 and V2.
        Translator = "translator",
        /// Job Declarator Server.
        Jds = "jds",
        /// Job Declarator Client.
        Jdc = "jdc",
        /// Template Provider.
        TemplateProvider = "template-provider",
        /// A mining device that speaks Stratum V1.
        Sv1Device = "sv1-device",
        /// Who serves such devices.
        Sv1Server = "sv1-server",
        /// The authors of the specification and of extensions.
        Specification = "specification",
    }
}

impl Role {
    /// The roles whose clauses bind a program of this role, in the sub-protocols that it speaks.
    pub fn bound_by(self) -> &'static [Role] {
        match self {
            Role::Any => &[Role::Any],
            Role::Client => &[Role::Client, Role::Initiator, Role::Any],
            Role::Server => &[Role::Server, Role::Responder, Role::Any],
            Role::Initiator => &[Role::Initiator, Role::Any],
            Role::Responder => &[Role::Responder, Role::Any],
            Role::Pool => &[Role::Pool, Role::Server, Role::Responder, Role::Any],
            Role::MiningDevice => &[Role::MiningDevice, Role::Client, Role::Initiator, Role::Any],
            Role::Proxy => &[
                Role::Proxy,
                Role::Server,
                Role::Client,
                Role::Initiator,
                Role::Responder,
                Role::Any,
            ],
            Role::Translator => {
                &[Role::Translator, Role::Sv1Server, Role::Client, Role::Initiator, Role::Any]
            }
            Role::Sv1Device => &[Role::Sv1Device],
            Role::Sv1Server => &[Role::Sv1Server],
            Role::Jds => &[Role::Jds, Role::Server, Role::Responder, Role::Any],
            Role::Jdc => &[Role::Jdc, Role::Client, Role::Initiator, Role::Any],
            Role::TemplateProvider => {
                &[Role::TemplateProvider, Role::Server, Role::Responder, Role::Any]
            }
            Role::Specification => &[Role::Specification],
        }
    }

    /// Whether the clauses for servers and clients of a chapter bind it: a template provider is a
    /// server, but of no mining channel. Chapters that all sub-protocols share bind everyone.
    pub(super) fn speaks(self, chapter: &str) -> bool {
        let foreign: &[&str] = match self {
            Role::Jds => &["5", "7", "0x0002"],
            Role::TemplateProvider => &["5", "6", "0x0002"],
            Role::MiningDevice | Role::Translator | Role::Proxy => &["6", "7"],
            _ => &[],
        };
        !foreign.contains(&chapter)
    }

    /// The roles that a program can have, for which coverage is counted.
    pub const PROGRAMS: &'static [Role] = &[
        Role::Pool,
        Role::MiningDevice,
        Role::Proxy,
        Role::Translator,
        Role::Jds,
        Role::Jdc,
        Role::TemplateProvider,
        Role::Sv1Device,
    ];
}
