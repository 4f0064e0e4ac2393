//! Frames that wait at a relay until somebody decides.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use sv2::wire::Frame;
use sv2_net::relay::{
    Attached, Chooser, Decision, HELD_COUNT_MAX, Intercepted, Interception, Passing, Recorder, Side,
};

use crate::ends::{End, Memory, Server, numbered};
use crate::{comments, relay, share};

/// Takes every share of some channel.
#[derive(Clone, Default)]
struct Shares {
    channel: u32,
    ended: Arc<Mutex<Vec<u64>>>,
}

impl Chooser for Shares {
    fn opened(&mut self, _: u64, _: SocketAddr, _: SocketAddr) {}

    fn takes(&mut self, passing: &Passing<'_>) -> bool {
        *passing.frame == share(self.channel, 7)
    }

    fn closed(&mut self, session: u64) {
        self.ended.lock().unwrap().push(session);
    }
}

async fn held(attached: &mut Attached) -> u64 {
    match attached.next().await.unwrap() {
        Intercepted::Held { id, from: Side::Client, .. } => id,
        other => panic!("{other:?}"),
    }
}

async fn gone(attached: &mut Attached) -> (u64, &'static str) {
    match attached.next().await.unwrap() {
        Intercepted::Gone { id, how } => (id, how),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_frame_that_is_held_stops_its_direction_alone_and_goes_as_was_decided() {
    let interception = Interception::new(Box::new(Shares { channel: 1, ..Shares::default() }));
    let mut attached = interception.attach().unwrap();
    assert!(interception.attach().is_none(), "one at a time");
    let server = Server::start().await;
    let recorder = Arc::new(Memory::default());
    let taken = Arc::clone(&recorder) as Arc<dyn Recorder>;
    let (_relay, address) = relay(&server, |config| {
        config.interception = Some(Arc::clone(&interception));
        config.recorder = Some(taken);
    })
    .await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;

    for frame in [share(2, 7), share(1, 7), share(3, 7), share(1, 7), share(4, 7), share(1, 7)] {
        client.send(&frame).await;
    }
    client.send(&numbered(5)).await;

    // What came before has gone, and the other direction goes on.
    let first = held(&mut attached).await;
    assert_eq!(server.receive().await, Some(share(2, 7)));
    server.send(&numbered(9)).await;
    assert_eq!(client.receive().await, Some(numbered(9)));

    assert!(attached.decide(first, Decision::Drop));
    assert!(!attached.decide(first, Decision::Forward), "once");
    assert_eq!(gone(&mut attached).await, (first, "dropped"));
    let second = held(&mut attached).await;
    assert_eq!(server.receive().await, Some(share(3, 7)), "what was dropped does not come");
    attached.decide(second, Decision::Duplicate);
    assert_eq!(gone(&mut attached).await, (second, "sent twice"));
    for expected in [share(1, 7), share(1, 7), share(4, 7)] {
        assert_eq!(server.receive().await, Some(expected));
    }

    // Nobody looks any more.
    held(&mut attached).await;
    drop(attached);
    for expected in [share(1, 7), numbered(5)] {
        assert_eq!(server.receive().await, Some(expected));
    }
    client.send(&share(1, 7)).await;
    assert_eq!(server.receive().await, Some(share(1, 7)), "and nothing is held");
    let said = comments(&recorder).join("\n");
    for words in ["then dropped", "then sent twice", "for nobody looks any more"] {
        assert!(said.contains("intercepted: held for ") && said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn the_oldest_of_too_many_goes_on() {
    let interception = Interception::new(Box::new(Shares { channel: 1, ..Shares::default() }));
    let mut attached = interception.attach().unwrap();
    let server = Server::start().await;
    let change = |config: &mut sv2_net::relay::RelayConfig| {
        config.interception = Some(Arc::clone(&interception));
        config.limits.connections_per_address_max = HELD_COUNT_MAX + 1;
    };
    let (_relay, address) = relay(&server, change).await;
    let mut ends = Vec::new();
    for _ in 0..=HELD_COUNT_MAX {
        let client = End::dial(&address).await;
        ends.push((client, server.accept().await));
    }

    let mut first = None;
    for (client, _) in &mut ends {
        client.send(&share(1, 7)).await;
        // One after the other: the next one comes only now.
        first.get_or_insert(held(&mut attached).await);
    }

    let (id, how) = gone(&mut attached).await;
    assert_eq!((Some(id), how), (first, "forwarded, for too many were held"));
    assert_eq!(ends[0].1.receive().await, Some(share(1, 7)));
}

#[tokio::test]
async fn frames_are_sent_again_on_the_connection_that_is_named() {
    let interception = Interception::new(Box::new(Shares { channel: 1, ..Shares::default() }));
    let mut attached = interception.attach().unwrap();
    let server = Server::start().await;
    let change = |config: &mut sv2_net::relay::RelayConfig| {
        config.interception = Some(Arc::clone(&interception));
    };
    let (_relay, address) = relay(&server, change).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;
    client.send(&share(1, 7)).await;
    let Some(Intercepted::Held { id, client: from, server: to, .. }) = attached.next().await else {
        panic!("nothing is held")
    };
    assert_eq!(from, client.socket.local_addr().unwrap());
    attached.decide(id, Decision::Forward);
    assert_eq!(server.receive().await, Some(share(1, 7)));

    let again: Frame = share(1, 7);
    attached.replay((from, to), Side::Client, again.clone()).unwrap();
    attached.replay((from, to), Side::Server, numbered(3)).unwrap();

    assert_eq!(server.receive().await, Some(again.clone()), "and it is not held");
    assert_eq!(client.receive().await, Some(numbered(3)));
    assert!(attached.replay((to, from), Side::Client, again).is_err(), "no such connection");
}

#[tokio::test]
async fn a_frame_goes_with_its_connection_and_the_chooser_hears_of_it() {
    let chooser = Shares { channel: 1, ..Shares::default() };
    let interception = Interception::new(Box::new(chooser.clone()));
    let mut attached = interception.attach().unwrap();
    let server = Server::start().await;
    let change = |config: &mut sv2_net::relay::RelayConfig| {
        config.interception = Some(Arc::clone(&interception));
    };
    let (relay, address) = relay(&server, change).await;
    let mut client = End::dial(&address).await;
    let _server = server.accept().await;
    client.send(&share(1, 7)).await;
    let id = held(&mut attached).await;

    relay.shutdown().await;

    assert_eq!(gone(&mut attached).await, (id, "gone with its connection"));
    assert_eq!(*chooser.ended.lock().unwrap(), [0]);
}
