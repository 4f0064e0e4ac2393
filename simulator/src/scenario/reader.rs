//! Values of a table, as its list of keys describes them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sv2::mining::vardiff::VardiffAlgorithm;
use sv2::noise::StratumUrl;
use sv2::wire::hex::bytes_from_hex;
use sv2_document::{Data, Document, Keys, LoadError, Node};

use super::keys::{Key, Shape};
use super::role::Kind;
use super::{LatencyText, NodeId, RoleId, latency};
use crate::units::{Bandwidth, HashRate, parse_duration};

/// A name that a table or the command line gives to a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
}

/// What may be referred to.
pub(super) struct Names<'a> {
    pub(super) nodes: Vec<Named<'a>>,
    pub(super) roles: Vec<(Named<'a>, Kind)>,
}

/// One table that is being read.
pub(super) struct Reader<'a> {
    pub(super) document: &'a Document,
    keys: Keys<'a>,
    known: Vec<Key>,
    names: &'a Names<'a>,
}

impl<'a> Reader<'a> {
    /// Refuses keys that are not `known`, before anything is missed that was only misspelt.
    pub(super) fn new(
        document: &'a Document,
        node: &'a Node,
        known: Vec<Key>,
        names: &'a Names<'a>,
    ) -> Result<Self, LoadError> {
        Reader::beside(&[], document, node, known, names)
    }

    /// The same, where these tables stand beside the keys, which somebody else reads.
    pub(super) fn beside(
        tables: &[&str],
        document: &'a Document,
        node: &'a Node,
        known: Vec<Key>,
        names: &'a Names<'a>,
    ) -> Result<Self, LoadError> {
        let mut keys = document.keys(node)?;
        let all: Vec<&str> =
            known.iter().map(|key| key.name).chain(tables.iter().copied()).collect();
        let unknown = keys.all().iter().find(|entry| !all.contains(&entry.key.as_str()));
        match unknown {
            Some(entry) => Err(document.unknown(entry.at, "key", &entry.key, all)),
            None => Ok(Reader { document, keys, known, names }),
        }
    }

    /// The value of a key of the list, and its shape.
    fn take(&mut self, name: &str) -> Option<(&'a Node, Shape)> {
        let key = self.known.iter().find(|key| key.name == name);
        let shape = key.unwrap_or_else(|| panic!("`{name}` is in no list of keys")).shape;
        self.keys.take(name).map(|node| (node, shape))
    }

    pub(super) fn at_of(&mut self, name: &str) -> Option<usize> {
        self.take(name).map(|(node, _)| node.at)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        self.document.string(node).map(|text| Some(text.to_owned()))
    }

    /// Any text that `parse` understands.
    fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        let text = self.document.string(node)?;
        parse(text).map(Some).map_err(|error| self.document.error(node.at, error))
    }

    pub(super) fn duration(&mut self, name: &str) -> Result<Option<Duration>, LoadError> {
        self.parsed(name, parse_duration)
    }

    pub(super) fn bandwidth(&mut self, name: &str) -> Result<Option<Bandwidth>, LoadError> {
        self.parsed(name, str::parse)
    }

    /// Files are seen from the folder of the scenario.
    pub(super) fn latency(&mut self, name: &str) -> Result<Option<LatencyText>, LoadError> {
        let directory = Path::new(self.document.file()).parent().unwrap_or(Path::new(""));
        self.parsed(name, |text| latency::parse(text, directory))
    }

    /// From 0 to 1, whole or not.
    pub(super) fn fraction(&mut self, name: &str) -> Result<Option<f64>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        let number = match node.data {
            Data::Integer(0) => 0.0,
            Data::Integer(1) => 1.0,
            Data::Float(number) => number,
            _ => f64::NAN,
        };
        if (0.0..=1.0).contains(&number) {
            Ok(Some(number))
        } else {
            Err(self.document.error(node.at, "expected a number from 0 to 1"))
        }
    }

    /// Any words, or one.
    pub(super) fn words(&mut self, name: &str) -> Result<Vec<String>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(Vec::new()) };
        Ok(self.document.strings(node)?.into_iter().map(|(word, _)| word).collect())
    }

    /// Two words, which the table at `at` must have.
    pub(super) fn two(&mut self, name: &str, at: usize) -> Result<[(String, usize); 2], LoadError> {
        let at = self.at_of(name).unwrap_or(at);
        let words = match self.take(name) {
            Some((node, _)) => self.document.strings(node)?,
            None => Vec::new(),
        };
        words.try_into().map_err(|_| {
            self.document.error(at, format!("`{name}` names two, such as [\"eu\", \"na\"]"))
        })
    }

    pub(super) fn hash_rate(&mut self, name: &str) -> Result<Option<HashRate>, LoadError> {
        self.parsed(name, str::parse)
    }

    pub(super) fn url(&mut self, name: &str) -> Result<Option<StratumUrl>, LoadError> {
        self.parsed(name, |text| text.parse().map_err(|error| format!("\"{text}\": {error}")))
    }

    pub(super) fn hex(&mut self, name: &str) -> Result<Option<Vec<u8>>, LoadError> {
        self.parsed(name, |text| {
            bytes_from_hex(text).ok_or_else(|| {
                format!("expected hexadecimal digits, two for each byte, got \"{text}\"")
            })
        })
    }

    /// Seen from the folder of the scenario.
    pub(super) fn path(&mut self, name: &str) -> Result<Option<PathBuf>, LoadError> {
        let directory = Path::new(self.document.file()).parent().unwrap_or(Path::new(""));
        Ok(self.text(name)?.map(|path| directory.join(path)))
    }

    pub(super) fn switch(&mut self, name: &str) -> Result<Option<bool>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        self.document.boolean(node).map(Some)
    }

    /// An algorithm, the default one for `true` and where nothing is said, or none.
    pub(super) fn vardiff(&mut self, name: &str) -> Result<Option<VardiffAlgorithm>, LoadError> {
        let default = VardiffAlgorithm::default();
        let Some((node, _)) = self.take(name) else { return Ok(Some(default)) };
        match &node.data {
            Data::Bool(is_on) => Ok(is_on.then_some(default)),
            _ => {
                let known = VardiffAlgorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
                self.document.one_of(node, name, &known).map(Some)
            }
        }
    }

    /// Within the range of the list, which fits `T`.
    pub(super) fn integer<T: TryFrom<u64>>(&mut self, name: &str) -> Result<Option<T>, LoadError> {
        let Some((node, shape)) = self.take(name) else { return Ok(None) };
        let Shape::Integer { min, max } = shape else { panic!("`{name}` is no integer") };
        let number: i128 = self.document.integer(node)?;
        let fits = u64::try_from(number).ok().filter(|number| (min..=max).contains(number));
        match fits.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => {
                let message = format!("expected a number from {min} to {max}, got {number}");
                Err(self.document.error(node.at, message))
            }
        }
    }

    /// Above zero, whole or not.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        #[expect(clippy::cast_precision_loss, reason = "nobody means the last digit of so many")]
        let number = match node.data {
            Data::Integer(number) => number as f64,
            Data::Float(number) => number,
            _ => f64::NAN,
        };
        if number > 0.0 && number.is_finite() {
            Ok(Some(number))
        } else {
            Err(self.document.error(node.at, "expected a number above zero"))
        }
    }

    /// The choice's place in the list.
    pub(super) fn choice(&mut self, name: &str) -> Result<Option<usize>, LoadError> {
        let Some((node, shape)) = self.take(name) else { return Ok(None) };
        let Shape::OneOf(choices) = shape else { panic!("`{name}` is no choice") };
        let known: Vec<(&str, usize)> = choices.iter().copied().zip(0..).collect();
        self.document.one_of(node, name, &known).map(Some)
    }

    /// A port of the loopback interface, or an address with its port. Port 0 lets the system
    /// choose.
    pub(super) fn listen(&mut self, name: &str) -> Result<Option<(SocketAddr, usize)>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        let expected = "expected a port, such as 34254, or \"IP:PORT\", such as \"0.0.0.0:34254\"";
        let address = match &node.data {
            Data::Integer(port) => u16::try_from(*port).ok().map(loopback),
            Data::Text(text) => text.parse().ok(),
            _ => None,
        };
        let address = address.ok_or_else(|| self.document.error(node.at, expected))?;
        Ok(Some((address, node.at)))
    }

    pub(super) fn extensions(&mut self, name: &str) -> Result<Vec<u16>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(Vec::new()) };
        self.document.list(node)?.iter().map(|item| self.document.integer(item)).collect()
    }

    pub(super) fn node(&mut self, name: &str) -> Result<Option<NodeId>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(None) };
        let word = self.document.string(node)?;
        self.resolve_node(word, node.at).map(Some)
    }

    pub(super) fn nodes(&mut self, name: &str) -> Result<Vec<(NodeId, usize)>, LoadError> {
        let Some((node, _)) = self.take(name) else { return Ok(Vec::new()) };
        let words = self.document.strings(node)?;
        words.iter().map(|(word, at)| Ok((self.resolve_node(word, *at)?, *at))).collect()
    }

    /// A role of one of the kinds in the list of keys.
    pub(super) fn role(&mut self, name: &str) -> Result<Option<RoleId>, LoadError> {
        let Some((node, shape)) = self.take(name) else { return Ok(None) };
        let Shape::Role(kinds) = shape else { panic!("`{name}` is no role") };
        if let Data::List(_) = node.data {
            let message = format!("`{name}` is one role here, not a list");
            return Err(self.document.error(node.at, message));
        }
        let word = self.document.string(node)?;
        self.resolve_role(word, node.at, kinds).map(Some)
    }

    /// One or several roles of the kinds in the list of keys; the first of a kind comes first.
    pub(super) fn roles(&mut self, name: &str) -> Result<Vec<RoleId>, LoadError> {
        let Some((node, shape)) = self.take(name) else { return Ok(Vec::new()) };
        let Shape::Roles(kinds) = shape else { panic!("`{name}` is no list of roles") };
        let mut roles = Vec::new();
        for (word, at) in self.document.strings(node)? {
            let role = self.resolve_role(&word, at, kinds)?;
            if roles.contains(&role) {
                return Err(self.document.error(at, format!("\"{word}\" is named twice")));
            }
            roles.push(role);
        }
        Ok(roles)
    }

    fn resolve_node(&self, word: &str, at: usize) -> Result<NodeId, LoadError> {
        let names = || self.names.nodes.iter().map(|node| node.name);
        let index = names().position(|name| name == word);
        index.map(NodeId).ok_or_else(|| self.document.unknown(at, "node", word, names()))
    }

    fn resolve_role(&self, word: &str, at: usize, kinds: &[Kind]) -> Result<RoleId, LoadError> {
        let roles = &self.names.roles;
        let Some(index) = roles.iter().position(|(role, _)| role.name == word) else {
            let fitting = roles.iter().filter(|(_, kind)| kinds.contains(kind));
            return Err(self.document.unknown(
                at,
                "role",
                word,
                fitting.map(|(role, _)| role.name),
            ));
        };
        let kind = roles[index].1;
        if !kinds.contains(&kind) {
            let message = format!("\"{word}\" is a {}; expected a {}", kind.name(), one_of(kinds));
            return Err(self.document.error(at, message));
        }
        Ok(RoleId(index))
    }
}

/// `pool, mining-proxy or job-declarator-client`.
pub(super) fn one_of(kinds: &[Kind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    }
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
