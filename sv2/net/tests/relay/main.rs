//! Relays on real sockets, between two ends that say whatever a test wants.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod ends;
mod intercepted;

use std::sync::Arc;

use bytes::Bytes;
use ends::{End, Memory, Server, numbered, terminating};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sv2::common::{Reconnect, SetupConnection};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::mining::SubmitSharesStandard;
use sv2::role::PeerAddress;
use sv2::wire::{Frame, Str255, Tlvs};
use sv2_net::relay::{
    Leg, Mode, Record, Recorder, Relay, RelayConfig, RelayEvent, RelayHandle, Rules, Side,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

#[tokio::test]
async fn frames_of_every_kind_arrive_as_they_were_sent_in_both_directions() {
    let server = Server::start().await;
    let (_relay, address) = relay(&server, |_| ()).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;
    let frames = odd_frames();

    for frame in &frames {
        client.send(frame).await;
        server.send(frame).await;
    }

    for frame in &frames {
        assert_eq!(server.receive().await.as_ref(), Some(frame));
        assert_eq!(client.receive().await.as_ref(), Some(frame));
    }
}

#[tokio::test]
async fn bytes_pass_through_as_they_are_and_the_end_of_one_side_reaches_the_other() {
    let server = Server::start().await;
    let (_relay, address) = relay(&server, |config| config.mode = Mode::PassThrough).await;
    // The relay has no key: whoever is dialled shows the server's.
    let through = PeerAddress { authority: server.address.authority, ..address };
    let (mut client, mut server) = tokio::join!(End::dial(&through), server.accept());

    for frame in odd_frames() {
        client.send(&frame).await;
        assert_eq!(server.receive().await.as_ref(), Some(&frame));
        server.send(&frame).await;
        assert_eq!(client.receive().await.as_ref(), Some(&frame));
    }
    client.socket.shutdown().await.unwrap();
    assert_eq!(server.receive().await, None);

    // The other direction is still open.
    server.send(&numbered(9)).await;
    assert_eq!(client.receive().await, Some(numbered(9)));
}

#[tokio::test]
async fn frames_that_we_do_not_know_or_cannot_read_are_noted() {
    let server = Server::start().await;
    let mut events = None;
    let (_relay, address) = relay_with(&server, |_| (), &mut events).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;
    let malformed = Frame { extension_type: 0, message_type: 0x1a, payload: Bytes::new() };

    client.send(&malformed).await;
    server.send(&numbered(1)).await;

    assert_eq!(server.receive().await, Some(malformed));
    assert_eq!(client.receive().await, Some(numbered(1)));
    let mut events = events.unwrap();
    let notes = [note(&mut events).await, note(&mut events).await];
    assert!(notes.iter().any(|note| note.contains("SubmitSharesStandard is malformed")));
    assert!(notes.iter().any(|note| note.contains("extension 0x7777 has no message 0x33")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_relayed_at_once() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let server = Server::start().await;
    let (relay, address) = relay(&server, |_| ()).await;
    let serving = tokio::spawn(async move {
        let mut ends = Vec::new();
        for _ in 0..1_000 {
            ends.push(server.accept().await);
        }
        for end in &mut ends {
            let frame = end.receive().await.unwrap();
            end.send(&frame).await;
        }
        ends
    });

    let mut clients = Vec::new();
    for number in 0..1_000 {
        let mut client = End::dial(&address).await;
        client.send(&numbered(number)).await;
        clients.push(client);
    }

    for (client, number) in clients.iter_mut().zip(0..) {
        assert_eq!(client.receive().await, Some(numbered(number)));
    }
    assert_eq!(relay.open_count(), 1_000);
    drop(serving.await.unwrap());
}

#[tokio::test]
async fn a_client_that_is_sent_elsewhere_comes_back_to_the_relay_which_goes_there() {
    let [first, second] = [Server::with(&mut Entropy::from_seed(1)).await, same_authority().await];
    let recorder = Arc::new(Memory::default());
    let taken = Arc::clone(&recorder) as Arc<dyn Recorder>;
    let (_relay, address) = relay(&first, |config| config.recorder = Some(taken)).await;
    let mut client = End::dial(&address).await;
    let mut server = first.accept().await;
    let reconnect = |host: &str, port| {
        let new_host = Str255::new(host.to_owned()).unwrap();
        Message::from(Reconnect { new_host, new_port: port }).to_frame(&Tlvs::NONE)
    };

    server.send(&reconnect("localhost", second.address.port)).await;

    assert_eq!(client.receive().await, Some(reconnect("127.0.0.1", address.port)));
    let mut client = End::dial(&address).await;
    let mut server = second.accept().await;
    client.send(&numbered(5)).await;
    assert_eq!(server.receive().await, Some(numbered(5)));
    let comments = comments(&recorder);
    let expected = format!("Reconnect to localhost:{} now leads to the tap", second.address.port);
    assert!(comments.iter().any(|comment| comment.contains(&expected)), "{comments:?}");
}

#[tokio::test]
async fn the_endpoint_of_a_set_up_is_rewritten_only_on_request() {
    for rewrites in [false, true] {
        let server = Server::start().await;
        let (_relay, address) = relay(&server, |config| config.rewrites_endpoint = rewrites).await;
        let mut client = End::dial(&address).await;
        let mut accepted = server.accept().await;
        let set_up = |host: &PeerAddress| {
            let message = SetupConnection {
                endpoint_host: Str255::new(host.host.clone()).unwrap(),
                endpoint_port: host.port,
                vendor: Str255::from_static("assay"),
                ..SetupConnection::default()
            };
            Message::from(message).to_frame(&Tlvs::from_bytes(Bytes::from_static(b"behind")))
        };

        client.send(&set_up(&address)).await;

        let expected = set_up(if rewrites { &server.address } else { &address });
        assert_eq!(accepted.receive().await, Some(expected), "{rewrites}");
    }
}

#[tokio::test]
async fn a_server_with_another_certificate_is_refused_unless_any_is_taken() {
    let server = Server::start().await;
    let other = Server::start().await.address.authority;
    let mut events = None;
    let wrong = |config: &mut RelayConfig| config.upstream.authority = other;
    let (_relay, address) = relay_with(&server, wrong, &mut events).await;

    let mut client = End::dial(&address).await;
    let silent = server.accept_silently().await;
    tokio::spawn(async move { server.greet(silent).await });

    assert_eq!(client.receive().await, None);
    let RelayEvent::Refused { why, .. } = events.unwrap().recv().await.unwrap() else { panic!() };
    assert!(why.starts_with("with the server: ") && why.contains("certificate"), "{why}");

    let server = Server::start().await;
    let (_relay, address) = relay(&server, |config| config.upstream.authority = None).await;
    let mut client = End::dial(&address).await;
    client.send(&numbered(1)).await;
    assert_eq!(server.accept().await.receive().await, Some(numbered(1)));
}

#[tokio::test]
async fn both_legs_are_recorded_with_their_keys_byte_for_byte() {
    let server = Server::start().await;
    let recorder = Arc::new(Memory::default());
    let taken = Arc::clone(&recorder) as Arc<dyn Recorder>;
    let (relay, address) = relay(&server, |config| config.recorder = Some(taken)).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;
    client.send(&numbered(1)).await;
    assert_eq!(server.receive().await, Some(numbered(1)));
    drop((client, server));
    relay.shutdown().await;

    let records = recorder.records.lock().unwrap();
    for (stream, leg) in [(0, Leg::Down), (1, Leg::Up)] {
        let of_stream: Vec<&Record> =
            records.iter().filter(|(of, _)| *of == stream).map(|(_, record)| record).collect();
        assert!(matches!(of_stream[0], Record::Opened { leg: of, .. } if *of == leg));
        let is_secrets = |record: &&&Record| matches!(record, Record::Secrets(_));
        assert_eq!(of_stream.iter().filter(is_secrets).count(), 1);
        // Act 1 and a frame of four bytes; act 2.
        assert_eq!(heard_len(&of_stream, Side::Client), 64 + 22 + 20);
        assert_eq!(heard_len(&of_stream, Side::Server), 234);
        let is_end = |record: &&&Record| matches!(record, Record::Closed { .. });
        assert_eq!(of_stream.iter().filter(is_end).count(), 2);
    }
}

#[tokio::test]
async fn plain_records_are_the_frames_themselves() {
    let server = Server::start().await;
    let recorder = Arc::new(Memory { is_plain: true, ..Memory::default() });
    let taken = Arc::clone(&recorder) as Arc<dyn Recorder>;
    let (relay, address) = relay(&server, |config| config.recorder = Some(taken)).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;
    client.send(&numbered(1)).await;
    assert_eq!(server.receive().await, Some(numbered(1)));
    relay.shutdown().await;

    let mut wire = Vec::new();
    numbered(1).write(&mut wire);
    let records = recorder.records.lock().unwrap();
    let bytes = |of: u64| {
        records.iter().find_map(|(stream, record)| match record {
            Record::Bytes { bytes, .. } if *stream == of => Some(bytes.clone()),
            _ => None,
        })
    };
    assert_eq!([bytes(0), bytes(1)], [Some(wire.clone()), Some(wire)]);
    assert!(!records.iter().any(|(_, record)| matches!(record, Record::Secrets(_))));
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_pass_if_the_recorder_says_so() {
    let server = Server::start().await;
    let recorder = Arc::new(Memory { is_plain: true, is_full: true, ..Memory::default() });
    let (_relay, address) = relay(&server, |config| config.recorder = Some(recorder)).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;

    client.send(&numbered(1)).await;

    assert_eq!(server.receive().await, None);
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn rules_do_what_they_say_and_new_ones_hold_at_once() {
    let server = Server::start().await;
    let recorder = Arc::new(Memory::default());
    let taken = Arc::clone(&recorder) as Arc<dyn Recorder>;
    let (tell, rules) = watch::channel(Arc::new(parse(
        r#"
        [[rule]]
        message = "SubmitSharesStandard"
        channel = 1
        drop = true
        [[rule]]
        message = "SubmitSharesStandard"
        channel = 2
        duplicate = 1
        [[rule]]
        message = "SubmitSharesStandard"
        channel = 3
        change = { nonce = 77 }
        [[rule]]
        message = "SubmitSharesStandard"
        channel = 4
        inject = { message = "CloseChannel", to = "client", fields = { reason_code = "bye" } }
        "#,
    )));
    let change = |config: &mut RelayConfig| {
        config.rules = rules;
        config.recorder = Some(taken);
    };
    let (_relay, address) = relay(&server, change).await;
    let mut client = End::dial(&address).await;
    let mut server = server.accept().await;

    for channel in 1..=5 {
        client.send(&share(channel, 7)).await;
    }

    for expected in [share(2, 7), share(2, 7), share(3, 77), share(4, 7), share(5, 7)] {
        assert_eq!(server.receive().await, Some(expected));
    }
    let injected = client.receive().await.unwrap();
    assert_eq!(Message::decode(&injected).unwrap().message.name(), "CloseChannel");
    let said = comments(&recorder).join("\n");
    for words in ["1: dropped", "2: repeated 1 times", "3: nonce changed", "4: injected"] {
        assert!(said.contains(&format!("assay tap: rule {words}")), "{words}: {said}");
    }

    tell.send_replace(Arc::new(parse(
        "[[rule]]\nmessage = \"SubmitSharesStandard\"\nclose = true",
    )));
    client.send(&share(1, 7)).await;
    assert_eq!(server.receive().await, Some(share(1, 7)));
    assert_eq!(server.receive().await, None);
}

#[tokio::test]
async fn a_side_that_breaks_off_is_seen_to_break_off() {
    let server = Server::start().await;
    let (_relay, address) = relay(&server, |_| ()).await;
    let client = End::dial(&address).await;
    let mut server = server.accept().await;

    client.socket.set_zero_linger().unwrap();
    drop(client);

    let error = server.socket.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_does_not_shake_hands_costs_the_server_nothing() {
    let server = Server::start().await;
    let mut events = None;
    let hurry = |config: &mut RelayConfig| {
        config.limits.handshake_timeout = std::time::Duration::from_millis(20);
    };
    let (_relay, address) = relay_with(&server, hurry, &mut events).await;

    let mut silent = TcpStream::connect((address.host.as_str(), address.port)).await.unwrap();

    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    let RelayEvent::Refused { why, .. } = events.unwrap().recv().await.unwrap() else { panic!() };
    assert!(why.contains("0 of 64 bytes have come"), "{why}");
}

async fn relay(
    server: &Server,
    change: impl FnOnce(&mut RelayConfig),
) -> (RelayHandle, PeerAddress) {
    relay_with(server, change, &mut None).await
}

async fn relay_with(
    server: &Server,
    change: impl FnOnce(&mut RelayConfig),
    events: &mut Option<broadcast::Receiver<RelayEvent>>,
) -> (RelayHandle, PeerAddress) {
    let (mode, authority) = terminating();
    let mut config = RelayConfig::new("127.0.0.1:0", server.address.clone(), mode);
    change(&mut config);
    let relay = Relay::bind(config).await.unwrap();
    *events = Some(relay.events());
    let port = relay.address().port();
    let address = PeerAddress { host: "127.0.0.1".to_owned(), port, authority: Some(authority) };
    (relay.start(), address)
}

async fn same_authority() -> Server {
    Server::with(&mut Entropy::from_seed(1)).await
}

async fn note(events: &mut broadcast::Receiver<RelayEvent>) -> String {
    loop {
        if let RelayEvent::Noted { what, .. } = events.recv().await.unwrap() {
            return what;
        }
    }
}

fn parse(text: &str) -> Rules {
    Rules::parse("rules.toml", text).unwrap()
}

fn share(channel_id: u32, nonce: u32) -> Frame {
    let share = SubmitSharesStandard {
        channel_id,
        sequence_number: 1,
        job_id: 2,
        nonce,
        ntime: 3,
        version: 4,
    };
    Message::from(share).to_frame(&Tlvs::NONE)
}

/// Unknown extensions and messages, malformed ones, a missing channel bit, bytes behind the last
/// field, nothing at all, and more than one chunk of Noise.
fn odd_frames() -> Vec<Frame> {
    let frame = |extension_type, message_type, payload: Vec<u8>| Frame {
        extension_type,
        message_type,
        payload: payload.into(),
    };
    vec![
        frame(0x7fff, 0xff, Vec::new()),
        frame(0x0000, 0x1a, vec![1; 3]),
        frame(0x0000, 0x1a, vec![2; 24]),
        frame(0x8000, 0x1a, vec![2; 40]),
        frame(0x0000, 0x03, vec![9; 4]),
        frame(0x1234, 0x00, vec![3; 65_519]),
        frame(0x1234, 0x01, (0..=255).cycle().take(300_000).collect()),
        frame(0x0000, 0xee, vec![5]),
    ]
}

fn comments(recorder: &Memory) -> Vec<String> {
    let records = recorder.records.lock().unwrap();
    records
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Bytes { comment, .. } if !comment.is_empty() => Some(comment.clone()),
            _ => None,
        })
        .collect()
}

/// Bytes of a side without gaps.
fn heard_len(records: &[&Record], side: Side) -> usize {
    let mut len = 0;
    for record in records {
        if let Record::Bytes { from, offset, bytes, .. } = record
            && *from == side
        {
            assert_eq!(*offset, len as u64);
            len += bytes.len();
        }
    }
    len
}
