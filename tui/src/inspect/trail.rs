//! From one message to those that belong to it: the template behind a job, the job behind a share,
//! the answer to it, the same share on the next leg, the block that came of it.
//!
//! Messages name each other within a connection (ids of jobs, templates, requests); from one
//! connection to the next only what they say is the same: the merkle path of a template and of the
//! jobs made of it, the nonce of a share and of the block, a token.

use std::collections::BTreeSet;

use sv2_capture::filter::Field;
use sv2_capture::index::Row;
use sv2_capture::state::Derived;

use super::describe::message_name;
use super::session::{Session, number_of};

/// Whether it is a block that was found, or its way to the network.
pub(super) fn is_block(session: &Session, index: usize, row: &Row) -> bool {
    let name = message_name(row.kind);
    let is_proof = ("is_block", Derived::Flag(true));
    SOLUTIONS.contains(&name)
        || SHARES.contains(&name) && session.derived(index).contains(&is_proof)
}

/// The message that this one comes from: of a share its job, of a job its template, and so on.
pub(super) fn origin(session: &Session, index: usize) -> Option<u64> {
    let message = Message::at(session, index)?;
    match message.name {
        "NewExtendedMiningJob" | "SetCustomMiningJob" => {
            message.before(&["NewTemplate"], "merkle_path", Scope::Anywhere)
        }
        "NewMiningJob" => message.linked("same_as"),
        "SubmitSolution" | "RequestTransactionData" | "RequestTransactionData.Success" => {
            message.before(&["NewTemplate"], "template_id", Scope::Connection)
        }
        "PushSolution" => message.share(),
        // Both protocols have one: this one is of templates.
        "SetNewPrevHash" if message.value("template_id").is_some() => {
            message.before(&["NewTemplate"], "template_id", Scope::Connection)
        }
        _ => message.linked("job_given_by"),
    }
}

/// Everything that led to a message and came of it, as far as messages tell; itself included.
pub(super) fn story(session: &Session, number: u64) -> BTreeSet<u64> {
    let mut story = BTreeSet::new();
    let mut next = vec![number];
    while let Some(number) = next.pop()
        && story.len() < STORY_MAX
    {
        let index = session.index_of(number);
        let Some(message) = index.and_then(|index| Message::at(session, index)) else { continue };
        // One answer may be to many shares: only whoever begins there means them all.
        let is_branch = message.name == "SubmitShares.Success" && !story.is_empty();
        if story.insert(number) && !is_branch {
            next.extend(message.beside());
        }
    }
    story
}

/// A message, and where it stands.
struct Message<'a> {
    session: &'a Session,
    index: usize,
    row: Row,
    name: &'static str,
}

/// Where the message that is looked for may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Connection,
    Anywhere,
}

impl<'a> Message<'a> {
    fn at(session: &'a Session, index: usize) -> Option<Self> {
        let row = session.row(index)?;
        let name = message_name(row.kind);
        Some(Message { session, index, row, name })
    }

    /// The messages next to it in its story.
    fn beside(&self) -> Vec<u64> {
        let near = [self.row.pair, self.linked("same_as"), origin(self.session, self.index)];
        let mut found: Vec<u64> = near.into_iter().flatten().collect();
        match self.name {
            "SubmitSharesStandard" | "SubmitSharesExtended" => found.extend(self.same_proofs()),
            "SubmitSolution" => found.extend(self.share()),
            "SetCustomMiningJob" => {
                let token = self.value("mining_job_token");
                let is_answer = |other: &Message<'_>| {
                    other.name == "DeclareMiningJob.Success"
                        && other.value("new_mining_job_token") == token
                };
                found.extend(self.earlier().find(is_answer).map(|answer| answer.number()));
            }
            "NewMiningJob" | "NewExtendedMiningJob" | "SetCustomMiningJob.Success" => {
                let number = Some(self.number());
                let is_tip = |other: &Message<'_>| {
                    other.name == "SetNewPrevHash" && other.linked("job_given_by") == number
                };
                found.extend(self.later().find(is_tip).map(|tip| tip.number()));
            }
            "NewTemplate" => {
                let id = self.value("template_id");
                let is_tip = |other: &Message<'_>| {
                    other.row.connection == self.row.connection
                        && other.name == "SetNewPrevHash"
                        && other.value("template_id") == id
                };
                found.extend(self.later().find(is_tip).map(|tip| tip.number()));
            }
            _ => {}
        }
        found
    }

    /// The same proof later, on other legs and on its way to the network.
    fn same_proofs(&self) -> Vec<u64> {
        let wanted = self.proof();
        let is_same = |other: &Message<'_>| {
            // A share that is sent twice has two stories.
            let is_elsewhere = other.row.connection != self.row.connection;
            let is_share = is_elsewhere && SHARES.contains(&other.name);
            (is_share || SOLUTIONS.contains(&other.name)) && other.proof() == wanted
        };
        let until = self.row.at.saturating_add(PROOF_WINDOW);
        let soon = self.later().take_while(|other| other.row.at <= until);
        soon.filter(is_same).map(|other| other.number()).collect()
    }

    /// The share that is this block.
    fn share(&self) -> Option<u64> {
        let wanted = self.proof();
        let is_it = |other: &Message<'_>| SHARES.contains(&other.name) && other.proof() == wanted;
        let from = self.row.at.saturating_sub(PROOF_WINDOW);
        let mut just_before = self.earlier().take_while(|other| other.row.at >= from);
        just_before.find(is_it).map(|share| share.number())
    }

    /// Nonce and version: together they are rarely the same by chance.
    fn proof(&self) -> Option<[String; 2]> {
        let nonce = self.value("nonce").or_else(|| self.value("header_nonce"))?;
        Some([nonce, self.value("version")?])
    }

    /// The last message before with one of these names and the same value in a field.
    fn before(&self, names: &[&str], field: &'static str, scope: Scope) -> Option<u64> {
        let wanted = self.value(field);
        let is_it = |other: &Message<'_>| {
            (scope == Scope::Anywhere || other.row.connection == self.row.connection)
                && names.contains(&other.name)
                && other.value(field) == wanted
        };
        self.earlier().find(is_it).map(|other| other.number())
    }

    fn earlier(&self) -> impl Iterator<Item = Message<'a>> {
        let session = self.session;
        let places = (0..self.index).rev().take(LOOK_MAX);
        places.filter_map(move |index| Message::at(session, index))
    }

    fn later(&self) -> impl Iterator<Item = Message<'a>> {
        let session = self.session;
        let places = (self.index + 1..session.len()).take(LOOK_MAX);
        places.filter_map(move |index| Message::at(session, index))
    }

    fn number(&self) -> u64 {
        number_of(self.index)
    }

    /// A message that the state has linked with it.
    fn linked(&self, name: &str) -> Option<u64> {
        let derived = self.session.derived(self.index);
        let (_, link) = derived.into_iter().find(|(known, _)| *known == name)?;
        match link {
            Derived::Number64(number) => Some(number),
            _ => None,
        }
    }

    /// What it has in a field of the specification; of a list, its elements.
    fn value(&self, field: &str) -> Option<String> {
        let field = Field::parse(field)?;
        let mut text = None;
        self.session.values(self.index, &field, &mut |value| {
            let text = text.get_or_insert_with(String::new);
            text.push_str(&value.shown());
            text.push(' ');
        });
        text
    }
}

const SHARES: [&str; 2] = ["SubmitSharesStandard", "SubmitSharesExtended"];
const SOLUTIONS: [&str; 2] = ["SubmitSolution", "PushSolution"];
/// Messages of one story.
const STORY_MAX: usize = 200;
/// From a share to the next leg, or to the block, in nanoseconds: a minute.
const PROOF_WINDOW: u64 = 60_000_000_000;
/// Messages that are looked through for one of its links.
const LOOK_MAX: usize = 50_000;
