//! Handshakes: what a new connection costs.

use std::sync::Arc;
use std::time::Duration;

use noise_sv2::Responder as TheirResponder;
use sv2::entropy::Entropy;
use sv2::noise::{Initiator, Responder};
use sv2::time::UnixTime;

use super::{Workload, repeat};
use crate::noise::{Keys, NOW, SUITE};

pub(super) fn all() -> Vec<Workload> {
    vec![both_sides(), responder()]
}

fn both_sides() -> Workload {
    let keys = Keys::from_seed(1);
    let (identity, authority) = (Arc::new(keys.identity()), keys.authority().public_key());
    let mut entropy = Entropy::from_seed(2);
    let mut their_random = rand::thread_rng();
    Workload {
        name: "handshake",
        detail: "both sides, certificate verified",
        goal_nanoseconds: 320_000.0,
        ours: repeat(move || {
            let initiator = Initiator::new(SUITE, Some(authority), &mut entropy);
            let act_1 = initiator.act_1();
            let (act_2, server) = Responder::respond(SUITE, &identity, &act_1, &mut entropy);
            (server, initiator.finish(&act_2, UnixTime(u64::from(NOW))).expect("genuine"))
        }),
        theirs: repeat(move || {
            let mut initiator =
                noise_sv2::Initiator::from_raw_k_with_rng(authority.to_bytes(), &mut their_random)
                    .expect("a key");
            let act_1 = initiator.step_0().expect("act 1");
            let (act_2, server) = their_responder(&keys)
                .step_1_with_now_rng(act_1, NOW, &mut their_random)
                .expect("act 2");
            (server, initiator.step_2_with_now(act_2, NOW).expect("genuine"))
        }),
    }
}

fn responder() -> Workload {
    let keys = Keys::from_seed(1);
    let identity = keys.identity();
    let mut entropy = Entropy::from_seed(3);
    let act_1 = Initiator::new(SUITE, None, &mut entropy).act_1();
    let mut their_random = rand::thread_rng();
    Workload {
        name: "handshake",
        detail: "responder alone, as a server has it",
        goal_nanoseconds: 160_000.0,
        ours: repeat(move || Responder::respond(SUITE, &identity, &act_1, &mut entropy)),
        theirs: repeat(move || {
            their_responder(&keys)
                .step_1_with_now_rng(act_1, NOW, &mut their_random)
                .expect("act 2")
        }),
    }
}

/// One for each connection: it makes a static key and signs it.
fn their_responder(keys: &Keys) -> Box<TheirResponder> {
    let public = keys.authority().public_key().to_bytes();
    TheirResponder::from_authority_kp_with_rng(
        &public,
        &keys.authority,
        Duration::from_secs(3600),
        &mut rand::thread_rng(),
    )
    .expect("the keys fit each other")
}
