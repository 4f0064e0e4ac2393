//! One case for each length in each message of a client that says more than there is, and for
//! each message that is cut short: what cannot be decoded must not be acted on (spec 3.1).

use sv2::message::by_name;
use sv2::wire::{Field, Kind};

use super::kebab;

/// A message of a client, and how a target would show that it has acted on it.
struct Subject {
    message: &'static str,
    fixture: &'static str,
    with: &'static str,
    /// What a target answers that has acted on it, with fields for the mutant that does.
    success: (&'static str, &'static str),
    error: &'static str,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        message: "SetupConnection",
        fixture: "noise/handshake",
        with: "",
        success: ("SetupConnection.Success", "used_version = 2"),
        error: "SetupConnection.Error",
    },
    Subject {
        message: "OpenStandardMiningChannel",
        fixture: "mining/setup",
        with: "flags = 1",
        success: ("OpenStandardMiningChannel.Success", "channel_id = 77"),
        error: "OpenMiningChannel.Error",
    },
    Subject {
        message: "OpenExtendedMiningChannel",
        fixture: "mining/setup",
        with: "",
        success: ("OpenExtendedMiningChannel.Success", "channel_id = 77"),
        error: "OpenMiningChannel.Error",
    },
    Subject {
        message: "UpdateChannel",
        fixture: "mining/extended-channel",
        with: "",
        success: ("SetTarget", "maximum_target = \"hashes:1\""),
        error: "UpdateChannel.Error",
    },
    Subject {
        message: "SubmitSharesStandard",
        fixture: "mining/standard-channel",
        with: "",
        success: ("SubmitShares.Success", "new_submits_accepted_count = 1"),
        error: "SubmitShares.Error",
    },
    Subject {
        message: "SubmitSharesExtended",
        fixture: "mining/extended-channel",
        with: "",
        success: ("SubmitShares.Success", "new_submits_accepted_count = 1"),
        error: "SubmitShares.Error",
    },
    Subject {
        message: "SetCustomMiningJob",
        fixture: "mining/extended-channel",
        with: "",
        success: ("SetCustomMiningJob.Success", "job_id = 77"),
        error: "SetCustomMiningJob.Error",
    },
    Subject {
        message: "RequestExtensions",
        fixture: "mining/setup",
        with: "",
        success: ("RequestExtensions.Success", "request_id = 1"),
        error: "RequestExtensions.Error",
    },
];

/// The family's cases as texts, each with the file that errors name.
pub(super) fn cases() -> Vec<(&'static str, String)> {
    let mut cases = Vec::new();
    for subject in SUBJECTS {
        let fields = by_name(subject.message, None).map_or(&[][..], |row| row.fields);
        for (index, lie) in lies(fields).into_iter().enumerate() {
            cases.push((FILE, case(subject, &lie, index == 0)));
        }
    }
    cases
}

/// A lie: what it is about, in the id; in words; and the `frame` of the step.
struct Lie {
    id: String,
    words: String,
    frame: String,
}

fn lies(fields: &[Field]) -> Vec<Lie> {
    let mut lies = vec![
        Lie {
            id: "cut-by-one".to_owned(),
            words: "lacks its last byte".to_owned(),
            frame: "keep = \"field:payload_len - 1\"".to_owned(),
        },
        Lie {
            id: "cut-to-three".to_owned(),
            words: "ends within its first field".to_owned(),
            frame: "keep = 3".to_owned(),
        },
    ];
    for field in fields {
        let prefix_len = match field.kind {
            Kind::Bytes { prefix, .. } | Kind::Sequence { prefix, .. } => usize::from(*prefix),
            Kind::Text | Kind::Option { .. } => 1,
            Kind::Bool | Kind::Int { .. } | Kind::F32 | Kind::U256 | Kind::Target => continue,
        };
        lies.push(Lie {
            id: kebab(field.name),
            words: format!("says that {} is as long as its type allows", field.name),
            frame: format!(
                "patch = [{{ field = \"{}\", bytes = \"hex:{}\" }}]",
                field.name,
                "ff".repeat(prefix_len)
            ),
        });
    }
    lies
}

fn case(subject: &Subject, lie: &Lie, describes_mutant: bool) -> String {
    let Subject { message, fixture, with, success: (success, made_up), error } = subject;
    let name = kebab(message);
    let mutant = format!("acts-on-malformed-{name}");
    let (kills, described) = match describes_mutant {
        false => (format!("mutants = [\"{mutant}\"]"), String::new()),
        true => (
            String::new(),
            format!(
                "[[mutant]]\n\
                 id = \"{mutant}\"\n\
                 stands_for = \"A decoder that takes what it can get of {message} and fills up \
                 the rest with zeros\"\n\
                 hear_malformed = \"{message}\"\n\
                 instead = {{ message = \"{success}\", fields = {{ {made_up} }} }}\n"
            ),
        ),
    };
    format!(
        "format = 1\n\
         id = \"framing.lies.{name}.{lie_id}\"\n\
         title = \"A {message} that {words} is not acted on\"\n\
         note = \"Part of a family: one case for each message and length.\"\n\
         role = \"pool\"\n\
         severity = \"high\"\n\
         tags = [\"framing\", \"malformed\", \"family\"]\n\
         clauses = [\"CP-3.1-13\"]\n\
         {kills}\n\
         [[step]]\n\
         use = \"{fixture}\"\n\
         with = {{ {with} }}\n\
         [[step]]\n\
         send = \"{message}\"\n\
         frame = {{ {frame} }}\n\
         [[step]]\n\
         expect = \"closed\"\n\
         within = \"2s\"\n\
         [[step.or]]\n\
         expect = \"{error}\"\n\
         [[step.or]]\n\
         expect = \"{success}\"\n\
         verdict = \"fail\"\n\
         reason = \"the target acted on what it cannot have read\"\n\
         [[step.or]]\n\
         expect = \"nothing\"\n\
         [[step]]\n\
         call = \"connections-alive\"\n\
         clause = \"CP-3.1-13\"\n\
         {described}",
        lie_id = lie.id,
        words = lie.words,
        frame = lie.frame,
    )
}

const FILE: &str = "src/family/lies.rs";
