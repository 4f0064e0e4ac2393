//! What a case will do, in words, without running it.

use std::fmt::Write as _;

use crate::case::Case;
use crate::case::step::{
    Accept, Action, Certificate, Check, CipherLies, Connect, Door, Expect, FrameLies,
    HandshakeOutcome, Layer, MAIN, Raw, Send, Spoken, Step, Until, WriteStyle,
};
use crate::case::value::Expression;
use crate::clause::Registry;
use crate::runner::describe;
use crate::verdict::Verdict;

/// The case in words: what it proves, needs, sends and expects, and what it has been shown to
/// catch.
pub fn explain(case: &Case, registry: &Registry) -> String {
    let mut text = format!("{}\n  {}\n", case.id, case.title);
    if let Some(note) = &case.note {
        line(&mut text, 1, note);
    }
    let roles: Vec<&str> = case.roles.iter().map(|role| role.name()).collect();
    let roles = roles.join(", ");
    line(&mut text, 1, &format!("role {roles}, severity {}", case.severity.name()));
    for (name, words) in [("tags", &case.tags), ("also known as", &case.aliases)] {
        if !words.is_empty() {
            line(&mut text, 1, &format!("{name}: {}", words.join(", ")));
        }
    }
    text.push_str("\nIt proves\n");
    for id in &case.clauses {
        let words = match registry.clause(id) {
            Some(clause) => {
                format!("{id} (§{}, {}): {}", clause.section, clause.level, clause.rule)
            }
            None => id.clone(),
        };
        line(&mut text, 1, &words);
    }
    needs(&mut text, case);
    if !case.parameters.is_empty() {
        text.push_str("\nIt runs once for each\n");
        for parameter in &case.parameters {
            let values: Vec<String> = parameter.values.iter().map(ToString::to_string).collect();
            line(&mut text, 1, &format!("${} = {}", parameter.name, values.join(", ")));
        }
    }
    text.push_str("\nSteps\n");
    case.steps.iter().for_each(|one| step(&mut text, 1, one));
    if !case.kills.is_empty() {
        text.push_str("\nIt has been shown to catch\n");
        for id in &case.kills {
            let stands_for = case.mutants.iter().find(|mutant| mutant.id == *id);
            let words = stands_for.map_or(String::new(), |one| format!(": {}", one.stands_for));
            line(&mut text, 1, &format!("{id}{words}"));
        }
    }
    text
}

fn needs(text: &mut String, case: &Case) {
    let requires = &case.requires;
    let mut needs: Vec<String> = Vec::new();
    needs.extend(requires.controls.iter().map(|one| format!("the control {}", one.name())));
    needs.extend(requires.facts.iter().map(|(name, matcher)| format!("{name}: {matcher}")));
    if requires.shares > 0 {
        needs.push(format!("shares that the hash budget allows: {}", requires.shares));
    }
    needs.extend(requires.time.map(|time| format!("up to {time:?} of real time")));
    needs.extend(requires.identities.iter().map(|name| format!("the identity `{name}`")));
    if !needs.is_empty() {
        text.push_str("\nIt needs\n");
        needs.iter().for_each(|need| line(text, 1, need));
    }
}

fn line(text: &mut String, depth: usize, words: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}{words}", "  ".repeat(depth));
}

fn step(text: &mut String, depth: usize, step: &Step) {
    let on =
        if step.connection == MAIN { String::new() } else { format!(" on {}", step.connection) };
    let times = step.repeat.as_ref().map_or(String::new(), |times| format!(" {times} times"));
    let mut say = |words: String| line(text, depth, &format!("{words}{on}{times}"));
    match &step.action {
        Action::Use(fixture) => {
            say(format!("use {}", fixture.fixture));
            fixture.steps.iter().for_each(|inner| self::step(text, depth + 1, inner));
        }
        Action::Connect(one) => say(connect(one)),
        Action::Accept(one) => say(accept(one)),
        Action::Send(one) => say(send(one)),
        Action::SendRaw(one) => {
            let what = match &one.raw {
                Raw::Bytes(bytes) => format!("send {bytes} as they are"),
                Raw::Frame { extension_type, message_type, payload, payload_len } => {
                    let lie = payload_len.as_ref();
                    let lie = lie.map_or(String::new(), |len| format!(", length said to be {len}"));
                    format!(
                        "send a frame of extension {extension_type}, type {message_type}: \
                         {payload}{lie}"
                    )
                }
            };
            say(what + &how(&one.write, &one.cipher));
        }
        Action::Say(one) => say(match &one.spoken {
            Spoken::Call { method, params } => {
                format!("say {method}{}", given(params.as_ref()))
            }
            Spoken::Result(result) => format!("answer{}", given(result.as_ref())),
            Spoken::Error(error) => format!("refuse{}", given(error.as_ref())),
            Spoken::Raw(text) => format!("say the line {text}"),
        }),
        Action::Expect(one) => expect(text, depth, &on, one),
        Action::ExpectNone(one) => {
            let what = match (one.line, one.message) {
                (Some(line), _) => line.name(),
                (None, Some(message)) => message.name,
                (None, None) => "message",
            };
            let fields = one.fields.iter().map(|(field, m)| format!(" {}: {m}", field.name));
            let since = if one.ever { ", ever" } else { "" };
            say(format!("make sure that no {what}{} comes{since}", fields.collect::<String>()));
        }
        Action::Control(one) => {
            say(format!("ask the world: {}, {} times", one.kind.name(), one.count))
        }
        Action::Call(one) => {
            let arguments: Vec<String> =
                one.arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            say(format!("call {}({})", one.function, arguments.join(", ")));
        }
        Action::Close(_) => say("close the connection".to_owned()),
        Action::WaitUntil(Until::Closed) => say("wait for the end of the connection".to_owned()),
        Action::WaitUntil(Until::Passed(time)) => say(format!("wait {time:?}")),
        Action::Check(one) => say(check(one)),
    }
}

fn connect(connect: &Connect) -> String {
    let mut words = match connect.layer {
        Layer::Noise => "connect with Noise".to_owned(),
        Layer::Tcp => "connect with TCP alone".to_owned(),
        Layer::Plain => "connect without encryption".to_owned(),
        Layer::Lines => "connect as a Stratum V1 device".to_owned(),
    };
    if let Some(act_1) = &connect.act1 {
        words += &format!(", act 1 is {act_1}");
    }
    if let Some(keep) = &connect.act1_keep {
        words += &format!(", {keep} bytes of act 1");
    }
    words += match connect.outcome {
        HandshakeOutcome::Established => "",
        HandshakeOutcome::Refused => ", which must come to nothing",
        HandshakeOutcome::Unfinished => ", and do not wait for an answer",
    };
    words
}

fn given(expression: Option<&Expression>) -> String {
    expression.map_or(String::new(), |one| format!(" {one}"))
}

fn accept(accept: &Accept) -> String {
    let mut words = match accept.layer {
        Layer::Noise => "wait for the target to dial, and shake hands".to_owned(),
        Layer::Tcp => "wait for the target to dial".to_owned(),
        Layer::Plain => "wait for the target to dial, without encryption".to_owned(),
        Layer::Lines => "wait for the target to dial, as a Stratum V1 pool".to_owned(),
    };
    if accept.door != Door::Upstream {
        words += ", as its next mining server";
    }
    if accept.certificate != Certificate::Good {
        let known = Certificate::NAMES.iter().find(|(_, one)| *one == accept.certificate);
        words += &format!(", with a certificate that is {}", known.map_or("", |(name, _)| name));
    }
    if let Some(at) = &accept.act2_corrupt {
        words += &format!(", byte {at} of act 2 is wrong");
    }
    if let Some(keep) = &accept.act2_keep {
        words += &format!(", {keep} bytes of act 2");
    }
    if !accept.by_hand.is_empty() {
        words += &format!(", and leave {} unanswered", accept.by_hand.join(", "));
    }
    words += match accept.outcome {
        HandshakeOutcome::Refused => "; the target must leave",
        HandshakeOutcome::Established | HandshakeOutcome::Unfinished => "",
    };
    words
}

fn send(send: &Send) -> String {
    let mut words = format!("send {}", send.message.name);
    for (field, expression) in &send.fields {
        words += &format!(" {}={expression}", field.name);
    }
    if let Some(from) = &send.from {
        words += &format!(" with the fields of {from}");
    }
    words + &lies(&send.frame) + &how(&send.write, &send.cipher)
}

fn lies(lies: &FrameLies) -> String {
    let mut words = String::new();
    for (name, expression) in [
        ("extension type", &lies.extension_type),
        ("message type", &lies.message_type),
        ("channel bit", &lies.channel_bit),
        ("length said to be", &lies.payload_len),
        ("payload cut to", &lies.keep),
        ("behind its fields", &lies.trailing),
    ] {
        if let Some(expression) = expression {
            words += &format!(", {name} {expression}");
        }
    }
    for tlv in &lies.tlvs {
        words += &format!(", TLV {}/{} = {}", tlv.extension, tlv.field, tlv.value);
    }
    for patch in &lies.patches {
        words += &format!(", {} overwritten with {}", patch.field, patch.bytes);
    }
    words
}

fn how(write: &WriteStyle, cipher: &CipherLies) -> String {
    let mut words = String::new();
    if !write.chunks.is_empty() {
        words += &format!(", in writes of {:?} bytes", write.chunks);
    }
    if write.glue {
        words += ", in one write with what follows";
    }
    if let Some(part) = &cipher.corrupt {
        words += &format!(", with a flipped bit in its {part}");
    }
    if cipher.replay {
        words += ", and the same bytes again";
    }
    words
}

fn expect(text: &mut String, depth: usize, on: &str, expect: &Expect) {
    for (index, alternative) in expect.alternatives.iter().enumerate() {
        let begin = if index == 0 { "expect" } else { "  or" };
        let verdict = match (&alternative.reason, alternative.verdict) {
            (_, Verdict::Pass) | (None, _) => String::new(),
            (Some(reason), verdict) => format!(" -> {}: {reason}", verdict.name()),
        };
        let clauses = match alternative.clauses.as_slice() {
            [] => String::new(),
            clauses => format!(" [{}]", clauses.join(", ")),
        };
        let reading = alternative
            .reading
            .as_ref()
            .map_or(String::new(), |reading| format!(" ({}: {})", reading.ambiguity, reading.side));
        let what = describe(alternative);
        line(text, depth, &format!("{begin} {what}{on}{clauses}{reading}{verdict}"));
    }
}

fn check(check: &Check) -> String {
    let mut demands: Vec<String> =
        check.that.iter().map(|(value, matcher)| format!("{value} {matcher}")).collect();
    demands.extend(check.invariants.iter().map(|name| (*name).to_owned()));
    let clauses = match check.clauses.as_slice() {
        [] => String::new(),
        clauses => format!(" [{}]", clauses.join(", ")),
    };
    format!("check {}{clauses}", demands.join("; "))
}
