//! Who is dialled when, and what is said first.

use super::*;
use crate::common::SetupConnectionError;
use crate::time::UnixTime;

const SECOND: Duration = Duration::from_secs(1);
const WIRE: ConnectionId = ConnectionId(5);

struct Bench {
    uplink: Uplink,
    now: Now,
    out: Outbox,
}

impl Bench {
    /// One that has dialled the first of as many peers, each called by its place.
    fn new(peer_count: u16) -> Self {
        let peer = |port| PeerAddress { host: "peer".to_owned(), port, authority: None };
        let settings = UplinkSettings {
            peers: (0..peer_count).map(peer).collect(),
            redial_wait: (SECOND, 4 * SECOND),
            setup_timeout: 10 * SECOND,
        };
        let purpose = UplinkPurpose {
            turn: (0, 1),
            protocol: Protocol::Mining,
            flags: 0b100,
            role: "test",
            peer: "upstream",
        };
        let now = Now { instant: Instant(1), unix: UnixTime(1_700_000_000) };
        let mut bench = Bench { uplink: Uplink::new(settings, purpose), now, out: Outbox::new() };
        bench.uplink.dial(&mut bench.out);
        bench
    }

    /// The dial and the port that are in the outbox.
    fn dialled(&mut self) -> Option<(DialId, u16)> {
        self.out.take().into_iter().find_map(|output| match output {
            Output::Dial { dial, peer } => Some((dial, peer.port)),
            _ => None,
        })
    }

    /// How long the uplink waits, and whom it dials then.
    fn next(&mut self) -> (Duration, u16) {
        let at = self.uplink.wake_at().unwrap();
        let wait = at.since(self.now.instant);
        self.now = self.now.after(wait);
        self.uplink.handle_woken(self.now, &mut self.out);
        (wait, self.dialled().expect("a dial").1)
    }

    fn fail(&mut self) {
        let State::Dialling(dial) = self.uplink.state else { panic!("{:?}", self.uplink.state) };
        self.uplink.handle_dial_failed(self.now, dial);
    }

    fn connect(&mut self) {
        let State::Dialling(dial) = self.uplink.state else { panic!("{:?}", self.uplink.state) };
        self.uplink.handle_connected(self.now, dial, WIRE, &mut self.out);
    }

    fn receive(&mut self, message: impl Into<Message>) -> Option<UplinkNews> {
        self.uplink.handle_message(self.now, WIRE, message.into(), &mut self.out)
    }

    fn ready(&mut self) {
        self.connect();
        let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
        assert!(matches!(self.receive(success), Some(UplinkNews::Ready { flags: 0 })));
    }

    fn lose(&mut self) {
        let reason = CloseReason::ByPeer;
        assert!(self.uplink.handle_closed(self.now, WIRE, reason, &mut self.out));
        self.out.take();
    }
}

#[test]
fn a_list_is_tried_in_order_without_waiting_and_again_after_growing_waits() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.dialled().unwrap().1, 0);

    let mut tried = Vec::new();
    for _ in 0..6 {
        bench.fail();
        let (wait, port) = bench.next();
        tried.push((wait.as_secs(), port));
    }

    assert_eq!(tried, [(0, 1), (1, 0), (0, 1), (2, 0), (0, 1), (4, 0)]);
}

#[test]
fn set_up_names_the_protocol_the_flags_and_whom_we_mean() {
    let mut bench = Bench::new(1);
    bench.out.take();

    bench.connect();

    let sent = bench.out.take();
    let [Output::Send { message: Message::SetupConnection(setup), .. }] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((setup.protocol, setup.flags, setup.endpoint_port), (0, 0b100, 0));
    assert_eq!(setup.endpoint_host.to_text(), "peer");
    assert!(!setup.vendor.as_slice().is_empty(), "spec 3.6.1");
}

#[test]
fn a_peer_that_refuses_or_is_silent_or_speaks_another_version_is_left_for_the_next() {
    let refusal = |bench: &mut Bench| {
        let error_code = Str255::from_static("no");
        let error = SetupConnectionError { flags: 0, error_code };
        assert!(matches!(bench.receive(error), Some(UplinkNews::Refused(_))));
    };
    let silence = |bench: &mut Bench| {
        bench.now = bench.now.after(10 * SECOND);
        bench.uplink.handle_woken(bench.now, &mut bench.out);
    };
    let version = |bench: &mut Bench| {
        assert!(bench.receive(SetupConnectionSuccess { used_version: 3, flags: 0 }).is_none());
    };
    for fault in [&refusal as &dyn Fn(&mut Bench), &silence, &version] {
        let mut bench = Bench::new(2);
        bench.connect();
        bench.out.take();

        fault(&mut bench);

        let closed = bench.out.take();
        assert!(matches!(closed[..], [Output::Close { connection: WIRE, .. }]), "{closed:?}");
        bench.lose();
        assert_eq!(bench.next(), (Duration::ZERO, 1));
    }
}

#[test]
fn a_peer_that_served_for_a_while_is_no_reason_to_leave_the_head_of_the_list() {
    for (served, port) in [(Duration::from_secs(60), 0), (SECOND, 1)] {
        let mut bench = Bench::new(2);
        bench.ready();
        bench.now = bench.now.after(served);

        bench.lose();

        assert_eq!(bench.next().1, port, "after {served:?}");
    }
}

#[test]
fn a_reconnect_is_followed_and_leads_back_where_it_leads_nowhere() {
    let mut bench = Bench::new(2);
    bench.ready();

    let reconnect = Reconnect { new_host: Str255::default(), new_port: 77 };
    assert!(bench.receive(reconnect).is_none());
    bench.lose();

    assert_eq!(bench.next().1, 77);
    bench.fail();
    assert_eq!(bench.next().1, 0, "the one who sent us there has another chance");
}

#[test]
fn a_reconnect_to_what_is_no_name_is_ignored() {
    for new_host in ["two words", "line\n", "caf\u{e9}"] {
        let mut bench = Bench::new(2);
        bench.ready();

        let new_host = Str255::new(new_host.as_bytes().to_vec()).unwrap();
        assert!(bench.receive(Reconnect { new_host, new_port: 77 }).is_none());

        assert!(bench.uplink.ready().is_some());
    }
}

#[test]
fn an_owner_that_turns_elsewhere_is_followed_whatever_is_going_on() {
    for is_connected in [true, false] {
        let mut bench = Bench::new(3);
        let (dial, _) = bench.dialled().unwrap();
        if is_connected {
            bench.connect();
        }

        bench.uplink.turn_to(bench.now, Some(2), CloseReason::ByUs, &mut bench.out);
        if is_connected {
            assert!(bench.uplink.is_told());
            bench.uplink.handle_closed(bench.now, WIRE, CloseReason::ByUs, &mut bench.out);
        }
        assert!(!bench.uplink.handle_dial_failed(bench.now, dial), "nobody waits for it");

        assert_eq!(bench.next(), (Duration::ZERO, 2));
    }
}

#[test]
fn an_owner_that_turns_to_nobody_has_rest() {
    let mut bench = Bench::new(2);
    bench.dialled();

    bench.uplink.turn_to(bench.now, None, CloseReason::ByUs, &mut bench.out);
    assert_eq!(bench.uplink.wake_at(), None);
    bench.uplink.turn_to(bench.now, Some(0), CloseReason::ByUs, &mut bench.out);

    assert_eq!(bench.next(), (Duration::ZERO, 0));
}
