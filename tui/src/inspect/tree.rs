//! A message as a tree of fields, each with its bytes, and what is known beyond them.

use std::ops::Range;

use sv2::wire::FrameHeader;
use sv2::wire::dissect::{Name, Node, dissect};
use sv2_capture::observed::Integrity;
use sv2_capture::redact::private;
use sv2_capture::rules::Severity;
use sv2_capture::state::Derived;

use super::describe::{self, value};
use super::entry::{Entry, Kind};
use super::session::Session;

/// A line of the tree.
#[derive(Clone, Debug)]
pub(crate) struct TreeLine {
    pub(super) depth: usize,
    pub(super) name: String,
    pub(super) text: String,
    /// In the frame, header included.
    pub(super) span: Option<Range<usize>>,
    /// Of a finding.
    pub(super) severity: Option<Severity>,
    /// Whether it tells of somebody, by the table that redacted copies go by.
    is_private: bool,
}

impl TreeLine {
    pub(super) fn new(depth: usize, name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        TreeLine { depth, name, text, span: None, severity: None, is_private: false }
    }

    /// The same, if it is so.
    pub(super) fn private_if(self, is_private: bool) -> Self {
        TreeLine { is_private, ..self }
    }

    /// Whether it is not for others: what tells of somebody, the user's own words.
    pub(super) fn is_private(&self) -> bool {
        self.is_private || self.name.is_empty() || self.name == REMARK
    }

    fn at(self, span: Range<usize>) -> Self {
        TreeLine { span: Some(span), ..self }
    }
}

/// The whole tree.
pub(super) fn lines(session: &Session, entry: &Entry) -> Vec<TreeLine> {
    let mut lines = Vec::new();
    match &entry.what {
        Kind::Frame { frame, descriptor, .. } => {
            let header = frame.header();
            let kind = match (header.extension(), header.extension_type & 0x8000 != 0) {
                (0, true) => "core, channel bit".to_owned(),
                (0, false) => "core".to_owned(),
                (extension, true) => format!("extension {extension:#06x}, channel bit"),
                (extension, false) => format!("extension {extension:#06x}"),
            };
            lines.push(TreeLine::new(0, "extension_type", kind).at(0..2));
            let number = format!("{:#04x}", frame.message_type);
            lines.push(TreeLine::new(0, "msg_type", number).at(2..3));
            let len = frame.payload.len().to_string();
            lines.push(TreeLine::new(0, "msg_length", len).at(3..6));
            if let Some(descriptor) = descriptor {
                let dissection = dissect(descriptor.fields, &frame.payload);
                for node in &dissection.nodes {
                    let is_private = match node.name {
                        Name::Named(name) => private(descriptor, name).is_some(),
                        Name::Index(_) => false,
                    };
                    node_lines(node, &frame.payload, 0, is_private, &mut lines);
                }
                if dissection.fatal().is_none() && dissection.fields_len < frame.payload.len() {
                    let rest = dissection.fields_len..frame.payload.len();
                    let text = describe::hex(&frame.payload[rest.clone()]);
                    let line = TreeLine::new(0, "behind the fields", text).at(shift(rest));
                    lines.push(line.private_if(true));
                }
                for finding in &dissection.findings {
                    lines.push(TreeLine::new(0, "!", finding.to_string()));
                }
            }
        }
        Kind::Handshake(seen) => {
            lines.push(TreeLine::new(0, "act 1", format!("{} bytes", seen.act_1_len)));
            lines.push(TreeLine::new(0, "act 2", format!("{} bytes", seen.act_2_len)));
            lines.push(TreeLine::new(0, "duration", sv2_capture::text::duration(seen.duration)));
            lines
                .extend(seen.failures.iter().map(|failure| TreeLine::new(0, "!", failure.clone())));
        }
        _ => lines.push(TreeLine::new(0, "", &*entry.info)),
    }
    known(entry, &mut lines);
    if let Some(comment) = session.remarks.comment_of(entry.number) {
        lines.push(TreeLine::new(0, REMARK, comment.replace('\n', " ")));
    }
    for finding in session.findings_of(entry) {
        let mut text = format!("{}  [spec {}]", finding.text, finding.rule.sections);
        if let Some(cause) = finding.cause {
            text.push_str(&format!("  because of #{cause}"));
        }
        let severity = Some(finding.severity);
        lines.push(TreeLine { severity, ..TreeLine::new(0, finding.code(), text) });
        lines.push(TreeLine::new(1, "hint", finding.rule.hint));
    }
    lines
}

/// What the state knows of it.
fn known(entry: &Entry, lines: &mut Vec<TreeLine>) {
    let mut links = Vec::new();
    links.extend(entry.pair.map(|pair| ("pair", format!("#{pair}"))));
    links.extend(entry.latency.map(|latency| ("latency", sv2_capture::text::duration(latency))));
    links.extend(entry.job_given_by.map(|number| ("job given by", format!("#{number}"))));
    links.extend(entry.same_as.map(|number| ("other leg", format!("#{number}"))));
    links.extend(entry.integrity.map(|integrity| ("integrity", integrity_name(integrity).into())));
    let derived = entry.derived.iter().filter(|(name, _)| !HIDDEN.contains(name));
    let derived = derived.map(|(name, value)| (*name, derived_text(value)));
    let all: Vec<(&str, String)> = links.into_iter().chain(derived).collect();
    if !all.is_empty() {
        lines.push(TreeLine::new(0, "known", ""));
        lines.extend(all.into_iter().map(|(name, text)| TreeLine::new(1, name, text)));
    }
}

fn derived_text(value: &Derived) -> String {
    match value {
        Derived::Number(number) => sv2_capture::text::scaled(*number),
        Derived::Number64(number) => format!("#{number}"),
        Derived::Word(word) => (*word).to_owned(),
        Derived::Hash(hash) => hash.to_string(),
        Derived::Flag(flag) => flag.to_string(),
    }
}

fn integrity_name(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Verified => "every MAC is right",
        Integrity::Unverified => "decrypted, MAC not checked",
        Integrity::Bad => "a MAC is WRONG",
        Integrity::Plain => "never encrypted",
    }
}

fn node_lines(
    node: &Node,
    payload: &[u8],
    depth: usize,
    is_private: bool,
    lines: &mut Vec<TreeLine>,
) {
    let text = value(&node.value(payload), VALUE_LEN_MAX);
    let line = TreeLine::new(depth, node.name.to_string(), text);
    lines.push(line.at(shift(node.span.clone())).private_if(is_private));
    for child in node.children.iter().take(CHILDREN_MAX) {
        node_lines(child, payload, depth + 1, is_private, lines);
    }
    if node.children.len() > CHILDREN_MAX {
        let more = node.children.len() - CHILDREN_MAX;
        lines.push(TreeLine::new(depth + 1, "…", format!("{more} more")));
    }
}

/// From a place in the payload to one in the frame.
fn shift(span: Range<usize>) -> Range<usize> {
    span.start + FrameHeader::LEN..span.end + FrameHeader::LEN
}

const REMARK: &str = "comment";
/// Shown as links.
const HIDDEN: [&str; 2] = ["job_given_by", "same_as"];
/// Of one value, in characters.
const VALUE_LEN_MAX: usize = 200;
/// Elements of a list that are shown.
const CHILDREN_MAX: usize = 500;
