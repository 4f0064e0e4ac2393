//! What one table alone cannot say: roles that lead back to themselves, ports that are used
//! twice, pools without the server that a job declarator client needs.

use std::net::SocketAddr;

use sv2::chain::ChainConfig;
use sv2::time::UnixTime;
use sv2_document::{Document, LoadError};

use super::role::{Kind, RoleKind};
use super::{ChainSettings, HeldBy, Role, RoleId, Scenario};

/// Where roles stand in the file, in its order.
#[derive(Default)]
pub(super) struct Places {
    /// The names of their tables.
    pub(super) roles: Vec<usize>,
    /// Where they say where to listen, or their names.
    pub(super) listens: Vec<usize>,
}

pub(super) fn check(
    scenario: &Scenario,
    document: &Document,
    places: &Places,
) -> Result<(), LoadError> {
    if scenario.roles.is_empty() {
        let message = "a scenario has at least one role: [role.NAME] with a `kind`";
        return Err(document.error(0, message));
    }
    let error = |RoleId(index): RoleId, message: String| -> LoadError {
        document.error(places.roles[index], message)
    };
    for id in scenario.role_ids() {
        if let Some(circle) = circle(scenario, id) {
            let names: Vec<&str> =
                circle.iter().map(|id| scenario.role(*id).name.as_str()).collect();
            return Err(error(id, format!("upstreams go in a circle: {}", names.join(", "))));
        }
        check_declarators(scenario, id).map_err(|message| error(id, message))?;
        check_listener(scenario, id, document, places)
            .map_err(|message| document.error(places.listens[id.0], message))?;
    }
    Ok(())
}

/// A chain that can be made.
pub(super) fn check_chain(
    chain: &ChainSettings,
    document: &Document,
    at: usize,
) -> Result<(), LoadError> {
    ChainConfig::new(chain.nbits, UnixTime(0))
        .check()
        .map_err(|error| document.error(at, error.to_string()))
}

/// The way from a role up to itself, if there is one.
fn circle(scenario: &Scenario, start: RoleId) -> Option<Vec<RoleId>> {
    let mut seen = vec![false; scenario.roles.len()];
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let end = *way.last().unwrap_or(&start);
        for next in scenario.role(end).kind.references() {
            let longer = [way.as_slice(), &[next]].concat();
            if next == start {
                return Some(longer);
            }
            if !std::mem::replace(&mut seen[next.0], true) {
                ways.push(longer);
            }
        }
    }
    None
}

fn check_declarators(scenario: &Scenario, id: RoleId) -> Result<(), String> {
    let role = scenario.role(id);
    match &role.kind {
        RoleKind::JobDeclaratorServer(server) => {
            let first = server.pool.and_then(|pool| scenario.declarator_of(pool));
            match first.filter(|first| *first != id) {
                Some(first) => Err(format!(
                    "the pool of \"{}\" has a job declarator server already, \"{}\": name \
                     another `pool`",
                    role.name,
                    scenario.role(first).name
                )),
                None => Ok(()),
            }
        }
        RoleKind::JobDeclaratorClient(client) if role.held_by == HeldBy::Us => {
            let lacks = |pool: &&RoleId| scenario.declarator_of(**pool).is_none();
            match client.upstream.iter().find(lacks) {
                Some(pool) => Err(format!(
                    "\"{}\" declares jobs to \"{pool}\", which has no job declarator server: \
                     add a role of kind \"{}\" with pool = \"{pool}\"",
                    role.name,
                    Kind::JobDeclaratorServer.name(),
                    pool = scenario.role(*pool).name,
                )),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn check_listener(
    scenario: &Scenario,
    id: RoleId,
    document: &Document,
    places: &Places,
) -> Result<(), String> {
    let role = scenario.role(id);
    let Some(listen) = our_listener(role) else { return Ok(()) };
    let owner = scenario.role(scenario.key_owner(id));
    let has_key = role.kind.kind().has_key();
    if has_key && !listen.ip().is_loopback() && owner.key_file.is_none() {
        return Err(format!(
            "{listen} can be reached from outside, and a key made from the seed is known to all: \
             make one with `assay key new FILE` and name it as `key_file` of \"{}\"",
            owner.name
        ));
    }
    let earlier = scenario.roles[..id.0].iter().zip(&places.listens);
    for (other, at) in earlier {
        if our_listener(other).is_some_and(|other| collide(listen, other)) {
            let (line, _) = document.place(*at);
            return Err(format!(
                "port {} is that of \"{}\" already (line {line}): give \"{}\" another with \
                 `listen`",
                listen.port(),
                other.name,
                role.name
            ));
        }
    }
    Ok(())
}

fn our_listener(role: &Role) -> Option<SocketAddr> {
    role.listen.filter(|_| role.held_by == HeldBy::Us)
}

/// Port 0 is another one each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let is_same_place = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && is_same_place
}
