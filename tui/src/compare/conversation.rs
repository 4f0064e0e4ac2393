//! What was said in a capture, put in the order in which it is compared.

use std::collections::BTreeMap;

use sv2::message::{DESCRIPTORS, Message, descriptor};
use sv2::sv1;
use sv2::wire::Frame;
use sv2::wire::dissect::{Name, Node, dissect};
use sv2_capture::Direction;
use sv2_capture::observed::What;
use sv2_document::did_you_mean;

use crate::capture::{Flow, Input, read};
use crate::inspect::describe;

/// All connections of a capture.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    /// By what they speak, in the order in which they were opened.
    pub(super) by_protocol: BTreeMap<&'static str, Vec<Conversation>>,
    /// Something could not be decrypted.
    pub(super) is_unread: bool,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) number: u32,
    pub(super) said: BTreeMap<Kind, Vec<Said>>,
    protocol: Option<&'static str>,
    /// Channels by id, numbered from 1 in the order in which they are named first: ids are the
    /// server's choice.
    channels: BTreeMap<u32, usize>,
}

/// What messages are aligned by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) is_down: bool,
    /// From 1; 0 of messages that are about none.
    pub(super) channel: usize,
    pub(super) name: String,
}

/// A message.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) number: u64,
    pub(super) fields: Vec<(&'static str, String)>,
}

/// What is not compared.
#[derive(Debug)]
pub(super) struct Ignored {
    names: Vec<String>,
}

impl Ignored {
    /// # Errors
    /// In words: what no message has.
    pub(super) fn new(names: &[String], is_strict: bool) -> Result<Self, String> {
        for name in names {
            let is_message = DESCRIPTORS.iter().any(|row| row.name == name);
            // Some names of messages have a point themselves: `SubmitShares.Success`.
            let (message, field) = match name.rsplit_once('.') {
                _ if is_message => (Some(name.as_str()), None),
                Some((message, field)) => (Some(message), Some(field)),
                None => (None, Some(name.as_str())),
            };
            let is_known = DESCRIPTORS.iter().any(|row| {
                message.is_none_or(|message| message == row.name)
                    && field.is_none_or(|field| row.fields.iter().any(|it| it.name == field))
            });
            if !is_known {
                let rows = DESCRIPTORS.iter();
                let fields = rows.clone().flat_map(|row| row.fields).map(|field| field.name);
                let hint = did_you_mean(name, rows.map(|row| row.name).chain(fields));
                return Err(format!("--ignore {name}: no message and no field is called so{hint}"));
            }
        }
        let usual = if is_strict { &[][..] } else { &USUAL };
        let names = names.iter().cloned().chain(usual.iter().map(|name| (*name).to_owned()));
        Ok(Ignored { names: names.collect() })
    }

    fn has(&self, message: &str, field: &str) -> bool {
        self.names.iter().any(|name| {
            name == field
                || name
                    .strip_prefix(message)
                    .is_some_and(|rest| rest.strip_prefix('.') == Some(field))
        })
    }
}

/// What differs in every run.
const USUAL: [&str; 24] = [
    "nonce",
    "header_nonce",
    "ntime",
    "min_ntime",
    "header_timestamp",
    "extranonce",
    "extranonce_prefix",
    "mining_job_token",
    "new_mining_job_token",
    "prev_hash",
    "merkle_root",
    "merkle_path",
    "wtxid_list",
    "transaction_list",
    "excess_data",
    "coinbase_prefix",
    "coinbase_tx_prefix",
    "coinbase_tx_suffix",
    "coinbase_tx_outputs",
    "coinbase_tx_value_remaining",
    "coinbase_tx",
    "endpoint_port",
    "new_port",
    "channel_id",
];

impl Conversations {
    /// Reads a capture to its end.
    ///
    /// # Errors
    /// In words: what cannot be read, or is too long.
    pub(super) fn read(input: &Input, ignored: &Ignored) -> Result<Self, String> {
        let mut open: BTreeMap<u32, Conversation> = BTreeMap::new();
        let (mut count, mut is_unread) = (0, false);
        let mut take = |found: &sv2_capture::read::Found<'_>| {
            let observed = &found.observed;
            let number = observed.connection;
            let talk =
                open.entry(number).or_insert_with(|| Conversation { number, ..Default::default() });
            match &observed.what {
                What::Frame { direction, frame, .. } => {
                    talk.frame(observed.number, *direction, frame, ignored);
                }
                What::Line { direction, line } => talk.line(observed.number, *direction, line),
                What::Opaque { .. } => is_unread = true,
                _ => return Flow::GoOn,
            }
            count += 1;
            if count > MESSAGES_MAX { Flow::Stop } else { Flow::GoOn }
        };
        let end = read(input, &mut take, &mut || Flow::GoOn)?;
        if let Some(complaint) = end.complaints.first().filter(|_| end.is_unreadable) {
            return Err(complaint.clone());
        }
        if count > MESSAGES_MAX {
            let file = input.files.first().map(|file| file.display().to_string());
            return Err(format!(
                "{}: more than {MESSAGES_MAX} messages; `assay decode --filter ... -w` makes less of it",
                file.unwrap_or_default()
            ));
        }
        let mut all = Conversations { is_unread, ..Conversations::default() };
        for talk in open.into_values().filter(|talk| !talk.said.is_empty()) {
            all.by_protocol.entry(talk.protocol.unwrap_or("?")).or_default().push(talk);
        }
        Ok(all)
    }

    pub(super) fn message_count(&self) -> usize {
        let talks = self.by_protocol.values().flatten();
        talks.flat_map(|talk| talk.said.values()).map(Vec::len).sum()
    }
}

impl Conversation {
    fn frame(&mut self, number: u64, direction: Direction, frame: &Frame, ignored: &Ignored) {
        let row = descriptor(frame.header().extension(), frame.message_type);
        if let (None, Ok(decoded)) = (self.protocol, Message::decode(frame))
            && let Message::SetupConnection(setup) = decoded.message
        {
            let protocol = sv2::common::Protocol::from_number(setup.protocol);
            self.protocol = Some(describe::protocol(protocol, false));
        }
        let name = row.map_or_else(
            || format!("{:#06x}/{:#04x}", frame.header().extension(), frame.message_type),
            |row| row.name.to_owned(),
        );
        if ignored.names.contains(&name) {
            return;
        }
        let channel = frame.channel_id().map_or(0, |id| self.place_of(id));
        let mut fields = Vec::new();
        match row {
            Some(row) => {
                let dissection = dissect(row.fields, &frame.payload);
                for node in &dissection.nodes {
                    if let Name::Named(field) = node.name
                        && !ignored.has(row.name, field)
                    {
                        fields.push((field, text(node, &frame.payload)));
                    }
                }
                if dissection.fields_len < frame.payload.len() && !ignored.has(row.name, "tlvs") {
                    let rest = &frame.payload[dissection.fields_len..];
                    fields.push(("tlvs", describe::hex(rest)));
                }
            }
            None => fields.push(("payload", describe::hex(&frame.payload))),
        }
        self.say(direction, channel, name, Said { number, fields });
    }

    fn line(&mut self, number: u64, direction: Direction, line: &[u8]) {
        self.protocol = Some(describe::protocol(None, true));
        let name = match sv1::Message::parse(line) {
            Ok(sv1::Message::Call { call, .. }) => describe::safe(call.method()),
            Ok(sv1::Message::Response(_)) => "answer".to_owned(),
            Err(_) => "line".to_owned(),
        };
        self.say(direction, 0, name, Said { number, fields: Vec::new() });
    }

    fn say(&mut self, direction: Direction, channel: usize, name: String, said: Said) {
        let is_down = direction == Direction::ServerToClient;
        self.said.entry(Kind { is_down, channel, name }).or_default().push(said);
    }

    fn place_of(&mut self, id: u32) -> usize {
        let next = self.channels.len() + 1;
        *self.channels.entry(id).or_insert(next)
    }
}

/// A value, all of it.
fn text(node: &Node, payload: &[u8]) -> String {
    if node.children.is_empty() {
        return describe::value(&node.value(payload), usize::MAX);
    }
    let all: Vec<String> = node.children.iter().map(|child| text(child, payload)).collect();
    format!("[{}]", all.join(", "))
}

/// What both captures together take stays below a gigabyte.
const MESSAGES_MAX: usize = 500_000;
