//! Steps that begin a connection: `connect` where the target listens, `accept` where it dials.

use sv2::wire::Kind;

use super::{BYTES, StepLoader, U64};
use crate::case::document::{Keys, LoadError, Node};
use crate::case::message_named;
use crate::case::step::{
    Accept, Authority, Certificate, Connect, Door, HandshakeOutcome, Layer, LineKind, Peer, Refusal,
};

impl StepLoader<'_> {
    pub(super) fn load_connect(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<Connect, LoadError> {
        let document = self.document;
        let mut connect =
            Connect { layer: document.one_of(main, "layer", LAYERS)?, ..Connect::default() };
        if let Some(node) = keys.take("to") {
            connect.peer = document.one_of(
                node,
                "peer",
                &[("target", Peer::Target), ("job-declarator", Peer::JobDeclarator)],
            )?;
        }
        if let Some(node) = keys.take("authority") {
            connect.authority = document.one_of(
                node,
                "authority",
                &[
                    ("target", Authority::Target),
                    ("wrong", Authority::Wrong),
                    ("none", Authority::None),
                ],
            )?;
        }
        connect.act1 = self.optional(keys, "act1", Some(&BYTES))?;
        connect.act1_keep = self.optional(keys, "act1_keep", Some(&U64))?;
        connect.early = self.optional(keys, "early", Some(&BYTES))?;
        if let Some(node) = keys.take("act1_chunks") {
            connect.act1_chunks = self.chunks(node)?;
        }
        if let Some(node) = keys.take("outcome") {
            connect.outcome = document.one_of(node, "outcome", OUTCOMES)?;
        }
        if let Some(node) = keys.take("save") {
            let name = document.string(node)?;
            self.define(name);
            connect.save = Some(name.to_owned());
        }
        connect.clauses = self.load_clause(keys)?;
        connect.within = self.within(keys)?;
        Ok(connect)
    }

    pub(super) fn load_accept(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<Accept, LoadError> {
        let document = self.document;
        let mut accept =
            Accept { layer: document.one_of(main, "layer", LAYERS)?, ..Accept::default() };
        if let Some(node) = keys.take("door") {
            accept.door = document.one_of(node, "door", Door::NAMES)?;
        }
        if let Some(node) = keys.take("certificate") {
            accept.certificate = document.one_of(node, "certificate", Certificate::NAMES)?;
        }
        accept.act2_corrupt = self.optional(keys, "act2_corrupt", Some(&U64))?;
        accept.act2_keep = self.optional(keys, "act2_keep", Some(&U64))?;
        if let Some(node) = keys.take("act2_chunks") {
            accept.act2_chunks = self.chunks(node)?;
        }
        if let Some(node) = keys.take("outcome") {
            accept.outcome = document.one_of(node, "outcome", OUTCOMES)?;
        }
        if let Some(node) = keys.take("by_hand") {
            for node in document.list(node)? {
                let word = document.string(node)?;
                accept.by_hand.push(match LineKind::METHODS.iter().find(|one| **one == word) {
                    Some(method) => method,
                    None => message_named(document, node)?.name,
                });
            }
        }
        if let Some(node) = keys.take("refuses") {
            accept.refuses = document.one_of(node, "refusal", Refusal::NAMES)?;
        }
        if let Some(node) = keys.take("extensions") {
            accept.extensions = document
                .list(node)?
                .iter()
                .map(|node| document.integer(node))
                .collect::<Result<_, _>>()?;
        }
        if let Some(node) = keys.take("save") {
            let name = document.string(node)?;
            self.define(name);
            accept.save = Some(name.to_owned());
        }
        accept.share_seconds = self.optional(keys, "share_seconds", Some(&SECONDS))?;
        accept.clauses = self.load_clause(keys)?;
        accept.within = self.within(keys)?;
        Ok(accept)
    }
}

const LAYERS: &[(&str, Layer)] = &[
    ("noise", Layer::Noise),
    ("tcp", Layer::Tcp),
    ("plain", Layer::Plain),
    ("lines", Layer::Lines),
];

const OUTCOMES: &[(&str, HandshakeOutcome)] = &[
    ("established", HandshakeOutcome::Established),
    ("refused", HandshakeOutcome::Refused),
    ("unfinished", HandshakeOutcome::Unfinished),
];

static SECONDS: Kind = Kind::F32;
