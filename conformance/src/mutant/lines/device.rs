//! What devices of Stratum V1 get wrong.

use serde_json::{Value as Json, json};
use sv2::role::Input;
use sv2::sv1::order;

use super::{
    Fate, Memory, OtherFate, Row, both, configured, hears, is_call, is_unknown, params, says, sees,
    subscribed, swap_prev_hash, yes,
};

pub(super) const MUTANTS: &[Row] = &[
    (
        "sv1-prevhash-is-read-as-it-stands",
        "Firmware that does not swap the words of mining.notify's prevhash",
        |role| hears(role, swap_prev_hash),
    ),
    ("sv1-shares-come-in-batches", "Firmware that puts shares into JSON-RPC batches", |role| {
        says(role, |json, _| match is_call(json, "mining.submit") {
            true => Fate::Raw(json!([json]).to_string().into_bytes()),
            false => Fate::Pass,
        })
    }),
    ("sv1-all-shares-have-one-id", "Firmware whose mining.submit always has the id 4", |role| {
        says(role, |json, _| {
            if is_call(json, "mining.submit") {
                json["id"] = json!(4);
            }
            Fate::Pass
        })
    }),
    (
        "sv1-unknown-notification-ends-it",
        "Firmware that hangs up at notifications that it does not know",
        |role| {
            hears(role, |json, memory| {
                let is_strange = is_unknown(&memory.line) || is_call(json, "client.show_message");
                if is_strange { Fate::Ends } else { Fate::Pass }
            })
        },
    ),
    (
        "sv1-authorisation-is-not-awaited",
        "Firmware that hashes and submits before mining.authorize is answered",
        |role| {
            says(role, |json, _| match is_call(json, "mining.authorize") {
                true => Fate::Echo(yes(json)),
                false => Fate::Pass,
            })
        },
    ),
    ("sv1-refused-user-works-on", "Firmware that looks at no answer to mining.authorize", |role| {
        both(role, forgive_refused_user, keep_authorize)
    }),
    ("sv1-difficulty-never-changes", "Firmware that keeps the first difficulty", |role| {
        hears(role, |json, memory| first_only(json, memory, "mining.set_difficulty"))
    }),
    (
        "sv1-first-job-forever",
        "Firmware that works on its first job until it has searched all of it",
        |role| hears(role, |json, memory| first_only(json, memory, "mining.notify")),
    ),
    (
        "sv1-waits-for-clean-jobs",
        "Firmware that takes jobs without clean_jobs for news about transactions alone",
        |role| {
            hears(role, |json, _| {
                let clean = params(json, "mining.notify").and_then(|params| params.get(8).cloned());
                if clean == Some(json!(false)) { Fate::Lost } else { Fate::Pass }
            })
        },
    ),
    (
        "sv1-extranonce2-has-four-bytes",
        "Firmware that rolls four bytes, whatever was agreed on",
        |role| {
            hears(role, |json, _| {
                if let Some(result) = subscribed(json) {
                    result[2] = json!(4);
                }
                Fate::Pass
            })
        },
    ),
    (
        "sv1-job-ids-are-numbers",
        "Firmware that reads job ids as hexadecimal numbers and writes them anew",
        |role| {
            says(role, |json, _| {
                if let Some(Json::String(id)) = param(json, "mining.submit", 1)
                    && let Some(number) = order::word_from_hex(id)
                {
                    *id = format!("{number:x}");
                }
                Fate::Pass
            })
        },
    ),
    (
        "sv1-time-runs-behind",
        "Firmware whose clock runs ten minutes behind, and which trusts it more than the pool",
        |role| hears(role, |json, _| shift_time(json, -600)),
    ),
    (
        "sv1-time-runs-ahead",
        "Firmware whose clock runs two hours ahead, and which trusts it more than the pool",
        |role| hears(role, |json, _| shift_time(json, 7_200)),
    ),
    (
        "sv1-shares-are-sent-twice",
        "Firmware that sends a share again to be on the safe side",
        |role| {
            says(role, |json, _| match is_call(json, "mining.submit") {
                true => Fate::Twice,
                false => Fate::Pass,
            })
        },
    ),
    ("sv1-refusal-ends-it", "Firmware that hangs up when a share is refused", |role| {
        hears(role, |json, _| match json.get("error") {
            Some(error) if !error.is_null() => Fate::Ends,
            _ => Fate::Pass,
        })
    }),
    ("sv1-error-object-ends-it", "Firmware that reads errors as arrays alone", |role| {
        hears(role, |json, _| match json.get("error") {
            Some(Json::Object(_) | Json::String(_)) => Fate::Ends,
            _ => Fate::Pass,
        })
    }),
    (
        "sv1-answers-have-all-parts",
        "Firmware that crashes on answers without an error of null",
        |role| {
            hears(role, |json, _| {
                match json.get("result").is_some() && json.get("error").is_none() {
                    true => Fate::Ends,
                    false => Fate::Pass,
                }
            })
        },
    ),
    (
        "sv1-worker-loses-its-account",
        "Firmware that submits for the worker and leaves the account out",
        |role| {
            says(role, |json, _| {
                if let Some(Json::String(user)) = param(json, "mining.submit", 0)
                    && let Some((_, worker)) = user.split_once('.')
                {
                    *user = worker.to_owned();
                }
                Fate::Pass
            })
        },
    ),
    (
        "sv1-rolls-what-it-likes",
        "Firmware that rolls all sixteen bits whatever mask was granted",
        |role| {
            hears(role, |json, _| {
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
        "sv1-always-six-parameters",
        "Firmware that submits version bits of zero where no rolling was agreed on",
        |role| {
            says(role, |json, _| {
                if let Some(params) = params(json, "mining.submit")
                    && params.len() == 5
                {
                    params.push(json!("00000000"));
                }
                Fate::Pass
            })
        },
    ),
    (
        "sv1-never-six-parameters",
        "Firmware that rolls the version and does not tell which bits",
        |role| {
            says(role, |json, _| {
                if let Some(params) = params(json, "mining.submit") {
                    params.truncate(5);
                }
                Fate::Pass
            })
        },
    ),
    ("sv1-mask-is-for-ever", "Firmware that ignores mining.set_version_mask", |role| {
        hears(role, |json, _| lost(json, "mining.set_version_mask"))
    }),
    (
        "sv1-extranonce-is-for-ever",
        "Firmware that asks for other extranonces and ignores them",
        |role| hears(role, |json, _| lost(json, "mining.set_extranonce")),
    ),
    (
        "sv1-extranonce-holds-at-once",
        "Firmware that puts a new extranonce into the job that it works on",
        |role| {
            hears(role, |json, memory| {
                if is_call(json, "mining.notify") {
                    memory.keep("job", json.clone());
                }
                match memory.kept("job") {
                    Some(job) if is_call(json, "mining.set_extranonce") => Fate::Also(job.clone()),
                    _ => Fate::Pass,
                }
            })
        },
    ),
    ("sv1-reconnect-is-ignored", "Firmware that ignores client.reconnect", |role| {
        hears(role, |json, _| lost(json, "client.reconnect"))
    }),
    (
        "sv1-reconnects-anywhere",
        "Firmware that leaves its pool for whatever client.reconnect names",
        |role| {
            hears(role, |json, _| {
                if let Some(params) = params(json, "client.reconnect") {
                    params.clear();
                }
                Fate::Pass
            })
        },
    ),
    (
        "sv1-lost-pool-is-not-missed",
        "Firmware that does not notice the end of its connection",
        |role| {
            sees(role, |input, _| match input {
                Input::Closed { .. } => OtherFate::Lost,
                _ => OtherFate::Pass,
            })
        },
    ),
    (
        "sv1-subscriptions-are-pairs",
        "Firmware that reads the subscriptions as two pairs, and hangs up at other forms",
        |role| {
            hears(role, |json, _| {
                let is_odd = subscribed(json).is_some_and(|result| {
                    let pairs = result[0].as_array();
                    !pairs.is_some_and(|pairs| pairs.len() == 2 && pairs.iter().all(Json::is_array))
                });
                if is_odd { Fate::Ends } else { Fate::Pass }
            })
        },
    ),
    (
        "sv1-difficulty-is-an-integer",
        "Firmware that reads difficulties as integers of at least one",
        |role| {
            hears(role, |json, _| {
                if let Some(difficulty) = param(json, "mining.set_difficulty", 0) {
                    let whole = difficulty.as_f64().unwrap_or(1.0).trunc().max(1.0);
                    *difficulty = json!(whole);
                }
                Fate::Pass
            })
        },
    ),
    (
        "sv1-words-are-prefixed",
        "Firmware that writes 0x in front of the words of its shares",
        |role| {
            says(role, |json, _| {
                for index in [3, 4] {
                    if let Some(Json::String(word)) = param(json, "mining.submit", index) {
                        word.insert_str(0, "0x");
                    }
                }
                Fate::Pass
            })
        },
    ),
    ("sv1-version-is-not-told", "Firmware that ignores client.get_version", |role| {
        hears(role, |json, _| lost(json, "client.get_version"))
    }),
    (
        "sv1-early-job-is-forgotten",
        "Firmware that drops jobs that come before mining.authorize is answered",
        |role| {
            both(
                role,
                |json, memory| {
                    if memory.kept("authorize").is_some_and(|id| json.get("id") == Some(id)) {
                        memory.keep("authorized", json!(true));
                    }
                    let is_early = memory.kept("authorized").is_none();
                    match is_early && is_call(json, "mining.notify") {
                        true => Fate::Lost,
                        false => Fate::Pass,
                    }
                },
                keep_authorize,
            )
        },
    ),
];

/// One parameter of a call.
fn param<'a>(json: &'a mut Json, method: &str, index: usize) -> Option<&'a mut Json> {
    params(json, method)?.get_mut(index)
}

fn lost(json: &Json, method: &str) -> Fate {
    if is_call(json, method) { Fate::Lost } else { Fate::Pass }
}

fn first_only(json: &Json, memory: &mut Memory, method: &'static str) -> Fate {
    if is_call(json, method) && memory.again(method) { Fate::Lost } else { Fate::Pass }
}

fn shift_time(json: &mut Json, seconds: i64) -> Fate {
    if let Some(Json::String(word)) = param(json, "mining.notify", 7)
        && let Some(ntime) = order::word_from_hex(word)
    {
        *word = format!("{:08x}", i64::from(ntime) + seconds);
    }
    Fate::Pass
}

fn keep_authorize(json: &mut Json, memory: &mut Memory) -> Fate {
    if is_call(json, "mining.authorize") {
        memory.keep("authorize", json["id"].clone());
    }
    Fate::Pass
}

fn forgive_refused_user(json: &mut Json, memory: &mut Memory) -> Fate {
    if memory.kept("authorize").is_some_and(|id| json.get("id") == Some(id)) {
        *json = yes(json);
    }
    Fate::Pass
}
