//! What translators get wrong towards their devices of Stratum V1.

use serde_json::{Value as Json, json};
use sv2::message::Message as Frame;
use sv2::role::Input;
use sv2::sv1::Message;

use super::{
    Fate, Memory, OtherFate, Row, both, configured, hears, is_call, is_unknown, params, refusal,
    says, sees, subscribed, swap_prev_hash, yes,
};

pub(super) const MUTANTS: &[Row] = &[
    (
        "translator-ids-are-numbers",
        "A translator that echoes numbers and answers to null where ids are text",
        |role| {
            says(role, |json, _| {
                if json.get("id").is_some_and(Json::is_string) {
                    json["id"] = Json::Null;
                }
                Fate::Pass
            })
        },
    ),
    ("translator-errors-are-flags", "A translator whose refusals give no reason", |role| {
        says(role, |json, _| {
            if refusal(json).is_some() {
                json["error"] = json!(true);
            }
            Fate::Pass
        })
    }),
    (
        "translator-garbage-ends-all",
        "A translator that one unreadable line of one device brings down",
        |role| {
            hears(role, |_, memory| match Message::parse(&memory.line) {
                Ok(_) => Fate::Pass,
                Err(_) => Fate::EndsAll,
            })
        },
    ),
    (
        "translator-broken-connection-ends-all",
        "A translator that the broken connection of one device brings down",
        |role| {
            sees(role, |input, memory| match input {
                Input::Closed { connection, .. } if memory.open.contains(&connection.0) => {
                    OtherFate::EndsAll
                }
                _ => OtherFate::Pass,
            })
        },
    ),
    (
        "translator-leaves-unknown-unanswered",
        "A translator that ignores methods that it does not know",
        |role| {
            hears(role, |_, memory| match is_unknown(&memory.line) {
                true => Fate::Lost,
                false => Fate::Pass,
            })
        },
    ),
    (
        "translator-subscription-has-two-parts",
        "A translator that answers mining.subscribe without the subscriptions",
        |role| {
            says(role, |json, _| {
                if let Some(result) = subscribed(json) {
                    result.remove(0);
                }
                Fate::Pass
            })
        },
    ),
    (
        "translator-one-extranonce-for-all",
        "A translator that gives all devices of a channel one extranonce",
        |role| says(role, one_extranonce),
    ),
    (
        "translator-takes-early-shares",
        "A translator that answers yes to shares of whoever has not said who it is",
        |role| {
            hears(role, |json, memory| {
                for method in ["mining.subscribe", "mining.authorize"] {
                    if is_call(json, method) {
                        memory.again(method);
                    }
                }
                let is_early = memory.kept("mining.subscribe").is_none()
                    || memory.kept("mining.authorize").is_none();
                match is_early && is_call(json, "mining.submit") {
                    true => Fate::Answer(yes(json)),
                    false => Fate::Pass,
                }
            })
        },
    ),
    (
        "translator-difficulty-comes-late",
        "A translator that sends the first job before its difficulty",
        |role| {
            says(role, |json, memory| {
                if is_call(json, "mining.set_difficulty") {
                    memory.keep("difficulty", json.clone());
                    return Fate::Lost;
                }
                match memory.forget("difficulty") {
                    Some(difficulty) if is_call(json, "mining.notify") => Fate::Also(difficulty),
                    _ => Fate::Pass,
                }
            })
        },
    ),
    ("translator-notify-has-eight-parameters", "A translator that leaves clean_jobs out", |role| {
        says(role, |json, _| {
            if let Some(params) = params(json, "mining.notify") {
                params.pop();
            }
            Fate::Pass
        })
    }),
    ("translator-jobs-are-never-clean", "A translator whose jobs end no other", |role| {
        says(role, |json, _| clean(json, false))
    }),
    ("translator-jobs-are-always-clean", "A translator whose jobs end all others", |role| {
        says(role, |json, _| clean(json, true))
    }),
    (
        "translator-prevhash-as-it-stands",
        "A translator that writes prevhash as it stands in the header",
        |role| says(role, swap_prev_hash),
    ),
    ("translator-pays-for-anything", "A translator that looks at no extranonce2 or bits", |role| {
        says(role, |json, _| pay(json, 20))
    }),
    (
        "translator-pays-for-any-job",
        "A translator that does not know which jobs are over",
        |role| says(role, |json, _| pay(json, 21)),
    ),
    ("translator-pays-twice", "A translator that remembers no shares", |role| {
        says(role, |json, _| pay(json, 22))
    }),
    ("translator-pays-for-low-shares", "A translator that looks at no difficulty", |role| {
        says(role, |json, _| pay(json, 23))
    }),
    ("translator-pays-strangers", "A translator that takes shares for any user", |role| {
        says(role, |json, _| pay(json, 24))
    }),
    (
        "translator-mask-is-its-own",
        "A translator that grants its own mask whatever was asked for",
        |role| {
            says(role, |json, _| {
                if let Some(granted) = configured(json)
                    && granted.contains_key("version-rolling.mask")
                {
                    granted.insert("version-rolling.mask".to_owned(), json!("1fffe000"));
                }
                Fate::Pass
            })
        },
    ),
    (
        "translator-answers-what-it-knows",
        "A translator that answers to version-rolling alone",
        |role| {
            says(role, |json, _| {
                if let Some(granted) = configured(json) {
                    granted.retain(|name, _| name.starts_with("version-rolling"));
                }
                Fate::Pass
            })
        },
    ),
    ("translator-leaves-pings-unanswered", "A translator that ignores mining.ping", |role| {
        hears(role, |json, _| lost(json, &["mining.ping"]))
    }),
    (
        "translator-leaves-wishes-unanswered",
        "A translator that ignores what it does not grant: suggestions, other extranonces",
        |role| {
            hears(role, |json, _| {
                let wishes = [
                    "mining.extranonce.subscribe",
                    "mining.suggest_difficulty",
                    "mining.suggest_target",
                ];
                lost(json, &wishes)
            })
        },
    ),
    (
        "translator-tells-all-of-extranonces",
        "A translator that sends mining.set_extranonce to devices that have not asked for it",
        |role| {
            hears(role, |json, _| match is_call(json, "mining.authorize") {
                true => Fate::Also(json!({
                    "id": null, "method": "mining.extranonce.subscribe", "params": []
                })),
                false => Fate::Pass,
            })
        },
    ),
    (
        "translator-passes-reconnect-on",
        "A translator that sends its devices where the upstream sends it",
        |role| {
            sees(role, |input, _| match input {
                Input::Received { message: Frame::Reconnect(_), .. } => OtherFate::Tell(json!({
                    "id": null, "method": "client.reconnect", "params": []
                })),
                _ => OtherFate::Pass,
            })
        },
    ),
    (
        "translator-upstream-is-not-missed",
        "A translator that does not notice the end of its upstream",
        |role| {
            sees(role, |input, memory| match input {
                Input::Closed { connection, .. } if !memory.open.contains(&connection.0) => {
                    OtherFate::Lost
                }
                _ => OtherFate::Pass,
            })
        },
    ),
    ("translator-knows-one-worker", "A translator that takes one user a connection", |role| {
        hears(role, |json, memory| {
            match is_call(json, "mining.authorize") && memory.again("authorize") {
                true => Fate::Answer(json!({
                    "id": json["id"], "result": false, "error": null
                })),
                false => Fate::Pass,
            }
        })
    }),
    (
        "translator-waits-for-the-user",
        "A translator that answers mining.subscribe only once it knows the user",
        |role| {
            both(
                role,
                |json, memory| {
                    if !is_call(json, "mining.authorize") {
                        return Fate::Pass;
                    }
                    memory.again("authorize");
                    memory.forget("subscribed").map_or(Fate::Pass, Fate::Echo)
                },
                |json, memory| {
                    if subscribed(json).is_none() || memory.kept("authorize").is_some() {
                        return Fate::Pass;
                    }
                    memory.keep("subscribed", json.clone());
                    Fate::Lost
                },
            )
        },
    ),
    (
        "translator-job-ids-are-long",
        "A translator whose job ids are longer than old firmware reads",
        |role| {
            says(role, |json, _| {
                if let Some(params) = params(json, "mining.notify")
                    && let Some(Json::String(id)) = params.get_mut(0)
                {
                    id.insert_str(0, "000000000000");
                }
                Fate::Pass
            })
        },
    ),
    (
        "translator-mask-comes-late",
        "A translator that does not tell devices that no version may be rolled any more",
        |role| says(role, |json, _| lost(json, &["mining.set_version_mask"])),
    ),
];

fn lost(json: &Json, methods: &[&str]) -> Fate {
    match methods.iter().any(|method| is_call(json, method)) {
        true => Fate::Lost,
        false => Fate::Pass,
    }
}

fn clean(json: &mut Json, is_clean: bool) -> Fate {
    if let Some(params) = params(json, "mining.notify")
        && params.len() > 8
    {
        params[8] = json!(is_clean);
    }
    Fate::Pass
}

fn pay(json: &mut Json, code: i64) -> Fate {
    if refusal(json) == Some(code) {
        *json = yes(json);
    }
    Fate::Pass
}

/// What the first device was given, all others are given too.
fn one_extranonce(json: &mut Json, memory: &mut Memory) -> Fate {
    if let Some(result) = subscribed(json) {
        let first = memory.kept.entry((u32::MAX, "extranonce1")).or_insert(result[1].clone());
        result[1] = first.clone();
    }
    Fate::Pass
}
