//! Rules over everything that was received in a case, on all of its connections.

use std::collections::{BTreeMap, BTreeSet};

use sv2::message::{Descriptor, Sender};

use super::Session;
use super::connection::{Connection, ItemWhat};
use crate::case::INVARIANTS;
use crate::case::value::Value;
use crate::client::exchange::{Content, FrameView, MessageView};
use crate::client::tracker::{JobState, Tracker};

/// What an invariant says, in words.
pub(super) fn text(name: &str) -> &'static str {
    INVARIANTS.iter().find(|one| one.name == name).map_or("", |one| one.text)
}

impl Session<'_> {
    /// Looks at everything that was received; the number of things that the rule speaks of.
    pub(super) fn invariant(&self, name: &str) -> Result<u64, String> {
        match name {
            "disjoint-extranonces" => return self.disjoint_extranonces(),
            "unique-channel-ids" => return self.unique_channel_ids(),
            "one-size-per-group" => return self.one_size_per_group(),
            "one-answer-each" => return self.one_answer_each(),
            "rising-sequence-numbers" => return self.rising_sequence_numbers(),
            "distinct-requests" => return self.distinct_requests(),
            "distinct-shares" => return self.distinct_shares(),
            "rising-template-ids" | "known-templates" => return self.templates(name),
            "lines-are-objects" => return self.lines_are_objects(),
            "unique-line-ids" => return self.unique_line_ids(),
            _ => {}
        }
        let mut seen = 0;
        for connection in self.connections.values() {
            // What was known when a message came is found by playing the exchange again.
            let mut tracker = Tracker::default();
            let mut sent = connection.sent_messages();
            for (index, item) in connection.items.iter().enumerate() {
                while let Some((_, message)) = sent.next_if(|(before, _)| *before <= index) {
                    tracker.note(!connection.is_served(), message);
                }
                let ItemWhat::Frame(frame) = &item.what else { continue };
                let outcome = look(name, frame, &tracker);
                seen += outcome.map_err(|why| format!("{frame}: {why}"))?;
                if let Some(message) = frame.message() {
                    tracker.note(connection.is_served(), message);
                }
            }
        }
        Ok(seen)
    }

    fn rising_sequence_numbers(&self) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values().filter(|one| one.is_served()) {
            let mut last: BTreeMap<u32, u32> = BTreeMap::new();
            for share in connection.messages().filter(is_share) {
                let number = |name| share.number(name).unwrap_or(0);
                let sequence_number = number("sequence_number");
                let before = last.insert(number("channel_id"), sequence_number);
                if let Some(before) = before.filter(|before| *before >= sequence_number) {
                    return Err(format!("{}: the one before had {before}", share.line()));
                }
                seen += 1;
            }
        }
        Ok(seen)
    }

    fn distinct_requests(&self) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values().filter(|one| one.is_served()) {
            let mut known = BTreeSet::new();
            let is_open = |one: &&MessageView| one.descriptor.name.starts_with("Open");
            for request in connection.messages().filter(is_open) {
                if !known.insert(request.number("request_id")) {
                    return Err(format!("{}: the number was used before", request.line()));
                }
                seen += 1;
            }
        }
        Ok(seen)
    }

    fn distinct_shares(&self) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values().filter(|one| one.is_served()) {
            let mut known = BTreeSet::new();
            for share in connection.messages().filter(is_share) {
                let contents = ["channel_id", "job_id", "nonce", "ntime", "version", "extranonce"];
                let contents = contents.map(|name| share.field(name).map(ToString::to_string));
                if !known.insert(contents) {
                    return Err(format!("{}: it was submitted before", share.line()));
                }
                seen += 1;
            }
        }
        Ok(seen)
    }

    fn unique_channel_ids(&self) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values() {
            let (mut channels, mut groups) = (BTreeSet::new(), BTreeSet::new());
            for message in connection.messages() {
                let is_open = message.descriptor.name.ends_with("Channel.Success");
                if let (true, Some(id)) = (is_open, message.number("channel_id")) {
                    seen += 1;
                    if !channels.insert(id) {
                        return Err(format!("{}: the id was given before", message.line()));
                    }
                }
                groups.extend(message.number("group_channel_id"));
                if let Some(id) = groups.intersection(&channels).next() {
                    return Err(format!("{}: {id} is a channel and a group", message.line()));
                }
            }
        }
        Ok(seen)
    }

    fn one_size_per_group(&self) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values() {
            let mut tracker = Tracker::default();
            let mut sent = connection.sent_messages();
            for (index, item) in connection.items.iter().enumerate() {
                while let Some((_, message)) = sent.next_if(|(before, _)| *before <= index) {
                    tracker.note(!connection.is_served(), message);
                }
                let ItemWhat::Frame(frame) = &item.what else { continue };
                let Some(message) = frame.message() else { continue };
                tracker.note(connection.is_served(), message);
                let named = [message.number("channel_id"), message.number("group_channel_id")];
                for group in named.into_iter().flatten().filter_map(|id| tracker.group_of(id)) {
                    let sizes = tracker.members(group).into_iter().filter_map(|id| {
                        let channel = tracker.channels.get(&id)?;
                        Some(channel.extranonce_prefix.len() + channel.extranonce_size)
                    });
                    let sizes: Vec<usize> = sizes.collect();
                    if sizes.windows(2).any(|pair| pair[0] != pair[1]) {
                        let line = message.line();
                        return Err(format!("{line}: group {group} has sizes {sizes:?}"));
                    }
                    seen += sizes.len().saturating_sub(1) as u64;
                }
            }
        }
        Ok(seen)
    }

    fn disjoint_extranonces(&self) -> Result<u64, String> {
        let mut prefixes: Vec<(String, Vec<u8>, usize)> = Vec::new();
        // What a proxy is given is what it divides.
        for (name, connection) in self.connections.iter().filter(|(_, one)| !one.is_served()) {
            for channel in connection.tracker.channels.values().filter(|one| !one.is_closed) {
                let called = format!("channel {} of {name}", channel.id);
                let len = channel.extranonce_prefix.len() + channel.extranonce_size;
                prefixes.push((called, channel.extranonce_prefix.to_vec(), len));
            }
        }
        let mut pairs = 0;
        for (index, (one, prefix, _)) in prefixes.iter().enumerate() {
            for (other, other_prefix, _) in &prefixes[index + 1..] {
                pairs += 1;
                if prefix.starts_with(other_prefix) || other_prefix.starts_with(prefix) {
                    return Err(format!("{one} and {other} share extranonces"));
                }
            }
        }
        Ok(pairs)
    }

    fn templates(&self, name: &str) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values() {
            let (mut last, mut future) = (None, BTreeSet::new());
            for message in connection.messages() {
                let id = message.field("template_id").and_then(Value::as_int);
                match (message.descriptor.name, name) {
                    ("NewTemplate", "rising-template-ids") => {
                        seen += u64::from(last.is_some());
                        if last >= id && last.is_some() {
                            return Err(format!("{}: the last one was {last:?}", message.line()));
                        }
                        last = id;
                    }
                    ("NewTemplate", _)
                        if message.field("future_template").and_then(Value::as_int) == Some(1) =>
                    {
                        future.extend(id);
                    }
                    ("SetNewPrevHash", "known-templates") => {
                        seen += 1;
                        if !id.is_some_and(|id| future.contains(&id)) {
                            let line = message.line();
                            return Err(format!("{line}: no such future template was sent before"));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(seen)
    }

    fn one_answer_each(&self) -> Result<u64, String> {
        let mut seen = 0;
        for connection in self.connections.values() {
            let mut answers: BTreeMap<(&str, u32, u64), &MessageView> = BTreeMap::new();
            for message in connection.messages() {
                let number = |name| message.number(name);
                let long = |name| message.field(name).and_then(Value::as_int);
                let key = match message.descriptor.name {
                    "OpenStandardMiningChannel.Success"
                    | "OpenExtendedMiningChannel.Success"
                    | "OpenMiningChannel.Error" => long("request_id").map(|id| ("open", 0, id)),
                    "SetCustomMiningJob.Success" | "SetCustomMiningJob.Error" => {
                        long("request_id").map(|id| ("custom", 0, id))
                    }
                    "RequestExtensions.Success" | "RequestExtensions.Error" => {
                        long("request_id").map(|id| ("extensions", 0, id))
                    }
                    "AllocateMiningJobToken.Success" => {
                        long("request_id").map(|id| ("token", 0, id))
                    }
                    "DeclareMiningJob.Success" | "DeclareMiningJob.Error" => {
                        long("request_id").map(|id| ("declare", 0, id))
                    }
                    "RequestTransactionData.Success" | "RequestTransactionData.Error" => {
                        long("template_id").map(|id| ("data", 0, id))
                    }
                    "SubmitShares.Error" => long("sequence_number")
                        .zip(number("channel_id"))
                        .map(|(id, channel)| ("share", channel, id)),
                    "SubmitShares.Success" => long("last_sequence_number")
                        .zip(number("channel_id"))
                        .map(|(id, channel)| ("share", channel, id)),
                    _ => None,
                };
                let Some(key) = key else { continue };
                seen += 1;
                if let Some(first) = answers.insert(key, message) {
                    return Err(format!("{} and {}", first.line(), message.line()));
                }
            }
        }
        Ok(seen)
    }
}

/// A share that a client submits.
fn is_share(message: &&MessageView) -> bool {
    message.descriptor.name.starts_with("SubmitShares") && message.field("nonce").is_some()
}

/// One rule, one frame: how many things the rule speaks of, or what breaks it.
fn look(name: &str, frame: &FrameView, tracker: &Tracker) -> Result<u64, String> {
    let of_table: Option<&Descriptor> = match &frame.content {
        Content::Message(message) => Some(message.descriptor),
        Content::Malformed(descriptor, _) => Some(descriptor),
        Content::Unknown => None,
    };
    let demand = |holds: bool, why: &dyn Fn() -> String| if holds { Ok(1) } else { Err(why()) };
    if name == "known-messages" {
        return demand(of_table.is_some(), &|| "the table has no such message".to_owned());
    }
    if name == "no-extension-unasked" {
        let has_more = frame.message().is_some_and(|message| !message.trailing.is_empty());
        let is_core = frame.header.extension() == 0 && !has_more;
        return demand(is_core || tracker.asked_extensions, &|| {
            "nobody has asked for an extension".to_owned()
        });
    }
    let Some(descriptor) = of_table else {
        // What no table has is of an extension that was not negotiated.
        return match (name, frame.header.extension()) {
            ("extension-types", extension) if extension > KNOWN_EXTENSION_MAX => {
                Err(format!("extension {extension:#06x} was not negotiated"))
            }
            _ => Ok(0),
        };
    };
    match (name, frame.message()) {
        ("channel-bits", _) => {
            demand(frame.header.has_channel_bit() == descriptor.channel_bit, &|| {
                format!("the channel bit is {}", u8::from(frame.header.has_channel_bit()))
            })
        }
        ("extension-types", _) => demand(frame.header.extension() == descriptor.extension, &|| {
            format!("the extension is {:#06x}", frame.header.extension())
        }),
        ("well-formed", message) => demand(message.is_some(), &|| "it is malformed".to_owned()),
        ("client-messages-only-answered", _) => {
            demand(descriptor.sender != Sender::Client, &|| "only a client sends it".to_owned())
        }
        (_, None) => Ok(0),
        ("known-channels", Some(message)) if descriptor.name == "SetGroupChannel" => {
            let Some(Value::List(named)) = message.field("channel_ids") else { return Ok(0) };
            let is_open =
                |id: u32| tracker.channels.get(&id).is_some_and(|one| !one.is_surely_closed);
            match named.iter().filter_map(Value::as_u32).find(|id| !is_open(*id)) {
                Some(id) => Err(format!("channel {id} is not open")),
                None => Ok(named.len() as u64),
            }
        }
        ("known-channels", Some(message)) => match message.number("channel_id") {
            // The message that opens a channel is the first that names it, and an error repeats
            // what the client has named.
            Some(id)
                if !descriptor.name.ends_with("Channel.Success")
                    && !descriptor.name.ends_with(".Error") =>
            {
                let is_open = tracker.groups.contains(&id)
                    || tracker.channels.get(&id).is_some_and(|channel| !channel.is_surely_closed);
                demand(is_open, &|| format!("channel {id} is not open"))
            }
            _ => Ok(0),
        },
        ("no-trailing-bytes", Some(message)) => demand(message.trailing.is_empty(), &|| {
            format!("{} bytes behind its fields", message.trailing.len())
        }),
        ("no-control-chars" | "printable", Some(message)) => {
            let code = message.field("error_code").or_else(|| message.field("reason_code"));
            let Some(bytes) = code.and_then(Value::as_bytes) else { return Ok(0) };
            let is_fine = |byte: &u8| match name {
                "printable" => (0x20..0x7f).contains(byte),
                _ => *byte >= 0x20 && *byte != 0x7f,
            };
            demand(bytes.iter().all(is_fine), &|| "a byte of the code may not be in it".to_owned())
        }
        ("unique-job-ids", Some(message)) => {
            let (Some(job), Some(channel)) =
                (message.number("job_id"), message.number("channel_id"))
            else {
                return Ok(0);
            };
            if !descriptor.name.starts_with("New") {
                return Ok(0);
            }
            let is_taken = tracker.members(channel).iter().any(|id| {
                tracker.channels.get(id).is_some_and(|channel| {
                    channel.jobs.get(&job).is_some_and(|job| job.state != JobState::Stale)
                })
            });
            demand(!is_taken, &|| format!("job {job} is still valid"))
        }
        ("known-jobs", Some(message)) if descriptor.name == "SetNewPrevHash" => {
            let (Some(job), Some(channel)) =
                (message.number("job_id"), message.number("channel_id"))
            else {
                return Ok(0);
            };
            let members = tracker.members(channel);
            let is_known = members.iter().all(|id| {
                tracker.channels.get(id).is_some_and(|channel| {
                    channel.jobs.get(&job).is_some_and(|job| job.state == JobState::Future)
                })
            });
            demand(is_known, &|| format!("job {job} is no future job of channel {channel}"))
        }
        ("targets-within-max", Some(message)) => {
            let members = match message.number("channel_id") {
                Some(id) if descriptor.name == "SetTarget" => tracker.members(id),
                _ => Vec::new(),
            };
            let target = message.field("maximum_target").and_then(Value::as_u256);
            for id in &members {
                if let (Some(channel), Some(target)) = (tracker.channels.get(id), target)
                    && target > channel.max_target
                {
                    return Err(format!("channel {id} has given {}", channel.max_target));
                }
            }
            if descriptor.name.ends_with("Channel.Success")
                && let (Some(target), Some(request)) =
                    (message.field("target").and_then(Value::as_u256), message.number("request_id"))
                && let Some(max) = tracker.asked_max_target(request)
            {
                return demand(target <= max, &|| format!("max_target was {max}"));
            }
            Ok(members.len() as u64)
        }
        _ => Ok(0),
    }
}

impl Connection {
    /// All messages that came, oldest first.
    pub(super) fn messages(&self) -> impl Iterator<Item = &MessageView> {
        self.items.iter().filter_map(|item| match &item.what {
            ItemWhat::Frame(frame) => frame.message(),
            _ => None,
        })
    }

    /// What we have sent, each with the number of items that had come before.
    fn sent_messages(&self) -> std::iter::Peekable<impl Iterator<Item = (usize, &MessageView)>> {
        self.sent.iter().map(|(before, message)| (*before, message)).peekable()
    }
}

/// Extensions up to this one have messages or fields that the suite knows.
const KNOWN_EXTENSION_MAX: u16 = 2;
