//! Set-up, flags, extensions, and the end of an upstream.

use super::*;
use crate::common::SetupConnectionError;
use crate::extensions::{
    RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess, WORKER_TRACKING,
};
use crate::mining::setup_flag::success;

fn extensions(list: &[u16]) -> Seq64K<u16> {
    Seq64K::new(list.to_vec()).unwrap()
}

#[test]
fn set_up_of_a_client_is_answered_with_the_flags_of_the_upstream_once_there_is_one() {
    let mut bench = Bench::new(MiningProxyConfig::default());

    let early = bench.connect(ALICE, REQUIRES_STANDARD_JOBS);
    let asked = bench.handle(Input::Connected { connection: UP, via: Via::Dial(DialId(0)) });
    let flags = success::REQUIRES_FIXED_VERSION;
    bench.receive(UP, SetupConnectionSuccess { used_version: 2, flags });
    bench.receive(UP, no_extensions(1));
    let late = sent(bench.receive(UP, no_extensions(2)));

    assert!(matches!(early[..], [Output::Dial { dial: DialId(0), .. }]), "{early:?}");
    let [(UP, Message::SetupConnection(request))] = &sent(asked)[..] else { panic!() };
    assert_eq!(request.flags, 0, "standard jobs are derived here");
    assert_eq!(
        late.last(),
        Some(&(ALICE, SetupConnectionSuccess { used_version: 2, flags }.into()))
    );
}

#[test]
fn flags_that_are_promises_about_a_connection_get_one_of_their_own() {
    for flags in [
        REQUIRES_WORK_SELECTION,
        REQUIRES_VERSION_ROLLING,
        REQUIRES_WORK_SELECTION | REQUIRES_VERSION_ROLLING,
    ] {
        let mut bench = Bench::ready();

        let dialled = bench.connect(CAROL, flags | REQUIRES_STANDARD_JOBS);

        let [Output::Dial { dial, .. }] = dialled[..] else { panic!("{dialled:?}") };
        let asked = bench.handle(Input::Connected { connection: UP_WORK, via: Via::Dial(dial) });
        let [(UP_WORK, Message::SetupConnection(request))] = &sent(asked)[..] else { panic!() };
        assert_eq!(request.flags, flags);
    }
}

#[test]
fn what_every_upstream_refuses_is_refused_in_its_words() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(CAROL, REQUIRES_WORK_SELECTION);
    let refusal =
        |flags| SetupConnectionError { flags, error_code: code("unsupported-feature-flags") };

    for dial in [1, 5] {
        bench.handle(Input::Connected { connection: UP_WORK, via: Via::Dial(DialId(dial)) });
        assert!(bench.say(UP_WORK, setup(0)).is_empty(), "no one else is told anything");
        let told = bench.say(UP_WORK, refusal(REQUIRES_WORK_SELECTION));
        let is_last = dial == 5;
        // With what the proxy itself does not know.
        assert_eq!(told.contains(&(CAROL, refusal(!0b101).into())), is_last);
        bench.handle(Input::Closed { connection: UP_WORK, reason: CloseReason::ByUs });
        bench.pass(SECOND);
    }
}

#[test]
fn a_client_that_waits_for_an_upstream_in_vain_is_told_so() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(ALICE, 0);

    let told = sent(bench.pass(11 * SECOND));

    let error_code = code("upstream-unavailable");
    assert_eq!(told, [(ALICE, SetupConnectionError { flags: 0, error_code }.into())]);
}

#[test]
fn an_upstream_that_fixes_versions_though_they_are_to_be_rolled_is_left() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(CAROL, REQUIRES_VERSION_ROLLING);
    bench.handle(Input::Connected { connection: UP, via: Via::Dial(DialId(2)) });

    let flags = success::REQUIRES_FIXED_VERSION;
    let outputs = bench.receive(UP, SetupConnectionSuccess { used_version: 2, flags });

    assert!(matches!(closed(&outputs)[..], [(UP, CloseReason::RefusedByPeer(_))]), "{outputs:?}");
}

#[test]
fn with_the_last_client_the_upstream_connection_ends_and_with_the_next_another_begins() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(ALICE, 0);
    bench.upstream(UP, 0);

    let left = bench.handle(Input::Closed { connection: ALICE, reason: CloseReason::ByPeer });
    bench.handle(Input::Closed { connection: UP, reason: CloseReason::ByUs });
    let quiet = (bench.proxy.wake_at(), bench.pass(100 * SECOND));
    let again = bench.connect(BOB, 0);

    assert_eq!(closed(&left), [(UP, CloseReason::ByUs)]);
    assert_eq!(quiet, (None, vec![]));
    assert!(matches!(again[..], [Output::Dial { dial: DialId(4), .. }]), "{again:?}");
}

#[test]
fn a_lost_upstream_takes_its_own_clients_with_it_and_no_others() {
    let mut bench = Bench::open();
    bench.connect(CAROL, REQUIRES_WORK_SELECTION);
    bench.upstream(UP_WORK, 0);

    let outputs = bench.handle(Input::Closed { connection: UP, reason: CloseReason::ByPeer });

    let lost = CloseReason::ServiceChanged("the upstream is lost");
    assert_eq!(closed(&outputs), [(ALICE, lost.clone()), (BOB, lost)]);
    assert_eq!(sent(outputs), []);
}

#[test]
fn a_reconnect_is_followed_and_not_passed_on() {
    let mut bench = Bench::open();

    let reconnect = Reconnect { new_host: code("elsewhere"), new_port: 4 };
    let outputs = bench.receive(UP, reconnect);

    assert_eq!(closed(&outputs), [(UP, CloseReason::ByUs)]);
    assert_eq!(sent(outputs), []);
}

#[test]
fn an_operator_can_send_clients_elsewhere_and_change_nothing_else() {
    let mut bench = Bench::open();
    let reconnect = Reconnect { new_host: code("elsewhere"), new_port: 4 };
    let Reconnect { new_host, new_port } = reconnect.clone();

    let told = sent(bench.handle(Input::Command(Command::Reconnect { new_host, new_port })));
    let channels = crate::role::Channels::All;
    let refused = bench.handle(Input::Command(Command::RenewExtranoncePrefix { channels }));

    assert_eq!(told, [(ALICE, reconnect.clone().into()), (BOB, reconnect.into())]);
    assert!(matches!(refused[..], [Output::Event(Event::CommandRefused { .. })]), "{refused:?}");
}

fn requests(outputs: Vec<Output>) -> Vec<u16> {
    let requests = sent(outputs).into_iter().filter_map(|(_, message)| match message {
        Message::RequestExtensions(request) => Some(request.request_id),
        _ => None,
    });
    requests.collect()
}

#[test]
fn clients_may_use_what_the_upstream_has_agreed_on() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(ALICE, 0);
    bench.upstream_before_extensions(UP, 0);
    bench.receive(UP, no_extensions(1));
    let success = |request_id| RequestExtensionsSuccess {
        request_id,
        supported_extensions: extensions(&[WORKER_TRACKING]),
    };
    bench.receive(UP, success(2));

    let requested_extensions = extensions(&[WORKER_TRACKING, 0x4001]);
    let told = bench.say(ALICE, RequestExtensions { request_id: 5, requested_extensions });

    assert_eq!(told, [(ALICE, success(5).into())]);
}

/// Extension 0x0001, 4.
#[test]
fn nothing_else_is_asked_of_an_upstream_before_it_has_answered_for_extensions() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(ALICE, 0);

    let first = requests(bench.upstream_before_extensions(UP, 0));
    let second = requests(bench.receive(UP, no_extensions(1)));
    let strange = bench.receive(UP, no_extensions(1));
    let late = sent(bench.receive(UP, no_extensions(2)));

    assert_eq!((first, second, strange), (vec![1], vec![2], vec![]));
    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    assert_eq!(late, [(ALICE, success.into())], "not before: the client would open channels");
}

#[test]
fn an_upstream_that_does_not_answer_for_extensions_has_agreed_on_none() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(ALICE, 0);
    bench.upstream_before_extensions(UP, 0);

    let late = sent(bench.pass(SECOND));
    let requested_extensions = extensions(&[WORKER_TRACKING]);
    let told = bench.say(ALICE, RequestExtensions { request_id: 5, requested_extensions });

    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    assert_eq!(late, [(ALICE, success.into())]);
    let refusal = RequestExtensionsError {
        request_id: 5,
        unsupported_extensions: extensions(&[WORKER_TRACKING]),
        required_extensions: extensions(&[]),
    };
    assert_eq!(told, [(ALICE, refusal.into())]);
}
