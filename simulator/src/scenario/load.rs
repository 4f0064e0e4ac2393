//! From a file to a scenario: names first, then what they stand for.

use sv2_document::{Document, Entry, LoadError, Node as Value, suggestion};

use super::check::{self, Places};
use super::keys;
use super::load_role::RoleLoader;
use super::overrides::Overrides;
use super::reader::{Named, Names, Reader};
use super::role::Kind;
use super::virtual_time;
use super::{
    ChainKind, ChainSettings, DEFAULT_NBITS, HeldBy, Node, NodeId, PARTS_MAX, RoleId, Scenario,
};

impl Scenario {
    /// Reads a scenario; `file` is its path, for errors and for the files that it names.
    ///
    /// # Errors
    /// The first thing that is unknown, missing or contradictory, with its place.
    pub fn load(file: &str, text: &str, overrides: &Overrides) -> Result<Scenario, LoadError> {
        let mut document = Document::parse(file, text)?;
        for (key, value) in &overrides.set {
            document.set(key, value)?;
        }
        let document = document;
        let mut root = document.keys(document.root())?;
        let (chain, nodes, roles) = (root.take("chain"), root.take("node"), root.take("role"));
        let table = |node| -> Result<&[Entry], LoadError> {
            match node {
                Some(node) => Ok(document.keys(node)?.all()),
                None => Ok(&[]),
            }
        };
        let (nodes, roles) = (table(nodes)?, table(roles)?);
        let names = names(&document, nodes, roles)?;

        let tables = [virtual_time::TABLES, crate::experiments::TABLES].concat();
        let beside = [&["chain", "node", "role"], &tables[..]].concat();
        let known = keys::SCENARIO.to_vec();
        let mut top = Reader::beside(&beside, &document, document.root(), known, &names)?;
        let title = top.text("title")?.unwrap_or_default();
        let seed = top.integer("seed")?.unwrap_or_default();

        let replaced = replaced(overrides, &names)?;
        let mut places = Places::default();
        let mut loaded = Vec::new();
        for (index, entry) in roles.iter().enumerate() {
            let loader = RoleLoader { document: &document, names: &names, ports: overrides.ports };
            let held_by = replaced.iter().rev().find(|(id, _)| id.0 == index);
            let held_by = held_by.map(|(_, held_by)| held_by.clone());
            let kind = names.roles[index].1;
            let (role, listen_at) = loader.load(entry, kind, held_by)?;
            places.roles.push(entry.at);
            places.listens.push(listen_at.unwrap_or(entry.at));
            loaded.push(role);
        }
        let role_nodes: Vec<&Value> = roles.iter().map(|entry| &entry.node).collect();
        let scenario = Scenario {
            title,
            seed: overrides.seed.unwrap_or(seed),
            chain: load_chain(&document, chain, &names, overrides.chain)?,
            links: load_links(&document, nodes, &names)?,
            nodes: node_list(&names),
            roles: loaded,
            virtual_time: virtual_time::load(&document, &names, chain, &role_nodes)?,
        };
        check::check(&scenario, &document, &places)?;
        Ok(scenario)
    }
}

/// All names, and the kind of each role.
fn names<'a>(
    document: &'a Document,
    nodes: &'a [Entry],
    roles: &'a [Entry],
) -> Result<Names<'a>, LoadError> {
    for (what, entries) in [("node", nodes), ("role", roles)] {
        if let Some(entry) = entries.get(PARTS_MAX) {
            return Err(document.error(entry.at, format!("more than {PARTS_MAX} {what}s")));
        }
        if let Some(entry) = entries.iter().find(|entry| !is_name(&entry.key)) {
            let message = format!(
                "\"{}\" is no name of a {what}: expected at most {NAME_LEN_MAX} of a-z, 0-9 and -",
                entry.key
            );
            return Err(document.error(entry.at, message));
        }
    }
    let named = |entry: &'a Entry| Named { name: &entry.key };
    let kinds: Vec<(&str, Kind)> = Kind::NAMES.iter().copied().zip(Kind::ALL).collect();
    let roles = roles.iter().map(|entry| {
        let mut keys = document.keys(&entry.node)?;
        let kind = keys.require("kind")?;
        Ok((named(entry), document.one_of(kind, "kind", &kinds)?))
    });
    Ok(Names {
        nodes: nodes.iter().map(named).collect(),
        roles: roles.collect::<Result<_, LoadError>>()?,
    })
}

pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= NAME_LEN_MAX && text.chars().all(is_letter)
}

/// Who holds which role instead of us; the last word counts.
fn replaced(overrides: &Overrides, names: &Names<'_>) -> Result<Vec<(RoleId, HeldBy)>, LoadError> {
    let mut replaced = Vec::new();
    for (name, held_by) in &overrides.replace {
        let known: Vec<&str> = names.roles.iter().map(|(role, _)| role.name).collect();
        let Some(index) = known.iter().position(|role| role == name) else {
            let hint = suggestion(name, &known);
            return Err(without_place("--replace", format!("unknown role \"{name}\"{hint}")));
        };
        replaced.push((RoleId(index), held_by.clone()));
    }
    Ok(replaced)
}

fn load_chain(
    document: &Document,
    node: Option<&Value>,
    names: &Names<'_>,
    instead: Option<ChainKind>,
) -> Result<ChainSettings, LoadError> {
    let mut chain = ChainSettings {
        kind: ChainKind::Embedded,
        nbits: DEFAULT_NBITS,
        block_interval: None,
        transaction_interval: None,
        transaction_count: 0,
    };
    if let Some(node) = node {
        let mut reader = {
            let known = [keys::CHAIN, virtual_time::keys::CHAIN].concat();
            Reader::new(document, node, known, names)?
        };
        if let Some(choice) = reader.choice("kind")? {
            chain.kind = ChainKind::ALL[choice];
        }
        if chain.kind != ChainKind::Embedded {
            for name in ["nbits", "block_interval", "transaction_interval", "transactions"] {
                if let Some(at) = reader.at_of(name) {
                    let message = format!("`{name}` is for kind = \"embedded\" alone");
                    return Err(document.error(at, message));
                }
            }
        }
        chain.nbits = reader.integer("nbits")?.unwrap_or(chain.nbits);
        chain.block_interval = reader.duration("block_interval")?;
        chain.transaction_interval = reader.duration("transaction_interval")?;
        chain.transaction_count = reader.integer("transactions")?.unwrap_or_default();
        check::check_chain(&chain, document, reader.at_of("nbits").unwrap_or(node.at))?;
    }
    chain.kind = instead.unwrap_or(chain.kind);
    Ok(chain)
}

/// Without `[node.…]` there is one.
fn node_list(names: &Names<'_>) -> Vec<Node> {
    if names.nodes.is_empty() {
        return vec![Node { name: "node".to_owned() }];
    }
    names.nodes.iter().map(|node| Node { name: node.name.to_owned() }).collect()
}

fn load_links(
    document: &Document,
    nodes: &[Entry],
    names: &Names<'_>,
) -> Result<Vec<(NodeId, NodeId)>, LoadError> {
    let mut links = Vec::new();
    for (index, entry) in nodes.iter().enumerate() {
        let mut reader = Reader::new(document, &entry.node, keys::NODE.to_vec(), names)?;
        for (other, at) in reader.nodes("links")? {
            let own = NodeId(index);
            if other == own {
                return Err(document.error(at, "a node is not linked to itself"));
            }
            // Either end may say it, or both.
            let link = (own.min(other), own.max(other));
            if !links.contains(&link) {
                links.push(link);
            }
        }
    }
    Ok(links)
}

/// An error of the command line.
pub(super) fn without_place(option: &str, message: String) -> LoadError {
    LoadError { file: option.to_owned(), line: 0, column: 0, message }
}

/// Names stand in tables of a terminal, in file names and in user identities.
const NAME_LEN_MAX: usize = 32;
