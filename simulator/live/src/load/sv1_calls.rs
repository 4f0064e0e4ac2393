//! What a device of a fleet says to a Stratum V1 pool before it works, and how the kinds of lines
//! are counted.

use std::borrow::Cow;

use sv2::sv1::{Call, Configure, Difficulty, Message, Subscribe, VersionRolling};
use sv2::wire::Target;

use super::LoadConfig;

/// Ids of the calls that begin a connection; those of shares follow.
pub(super) mod id {
    pub(in super::super) const CONFIGURE: u64 = 1;
    pub(in super::super) const SUBSCRIBE: u64 = 2;
    pub(in super::super) const SUGGEST_DIFFICULTY: u64 = 3;
    pub(in super::super) const AUTHORIZE: u64 = 4;
    pub(in super::super) const FIRST_SUBMIT: u64 = 5;
}

/// To roll bits of the version (BIP 310). Comes before everything else.
pub(super) fn configure() -> Message {
    let rolling = VersionRolling { mask: Some(VERSION_MASK), min_bit_count: Some(2) };
    let configure = Configure { version_rolling: Some(rolling), ..Configure::default() };
    Message::request(id::CONFIGURE, Call::Configure(Box::new(configure)))
}

pub(super) fn subscribe() -> Message {
    let user_agent = Some(concat!("assay-load/", env!("CARGO_PKG_VERSION")).to_owned());
    Message::request(id::SUBSCRIBE, Call::Subscribe(Subscribe { user_agent, session: None }))
}

/// The claim of a hash rate, in hashes per second, as Stratum V1 can make it: pools may ignore it.
pub(super) fn suggest_difficulty(config: &LoadConfig, hash_rate: f32) -> Message {
    let target = Target::from_hash_rate(hash_rate.into(), config.shares_per_minute);
    let call = Call::SuggestDifficulty(Difficulty::of(target));
    Message::request(id::SUGGEST_DIFFICULTY, call)
}

/// For the device with that number.
pub(super) fn authorize(config: &LoadConfig, device: u32) -> Message {
    let user = config.user_of(device);
    Message::request(id::AUTHORIZE, Call::Authorize { user, password: Some("x".to_owned()) })
}

/// The number under which a call is counted.
pub(super) fn kind_of(method: &str) -> u8 {
    let at = Call::METHODS.iter().position(|known| *known == method);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(OTHER)
}

/// The number under which the answer to a call is counted.
pub(super) fn kind_of_answer(method: &str) -> u8 {
    ANSWERS + kind_of(method)
}

/// What is counted under a number.
pub(super) fn name(kind: u8) -> Cow<'static, str> {
    let method = |at: u8| Call::METHODS.get(usize::from(at)).copied();
    match (method(kind), kind.checked_sub(ANSWERS)) {
        (Some(method), _) => method.into(),
        (None, Some(kind)) => match method(kind) {
            Some(method) => format!("answer to {method}").into(),
            None => "other answers".into(),
        },
        (None, None) => "other lines".into(),
    }
}

/// The bits that devices roll (BIP 320).
const VERSION_MASK: u32 = 0x1fff_e000;
/// Numbers below are those of calls.
const ANSWERS: u8 = 128;
/// Methods that nobody knows, and lines that say nothing.
const OTHER: u8 = ANSWERS - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_their_answers_are_counted_apart_and_what_is_unknown_together() {
        for (kind, expected) in [
            (kind_of("mining.notify"), "mining.notify"),
            (kind_of_answer("mining.submit"), "answer to mining.submit"),
            (kind_of("mining.dance"), "other lines"),
            (kind_of_answer(""), "other answers"),
        ] {
            assert_eq!(name(kind), expected);
        }
    }
}
