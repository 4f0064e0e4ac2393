//! The network against closed forms.
#![expect(clippy::cast_possible_truncation, reason = "moments of a test fit")]

use std::time::Duration;

use sv2::time::Instant;

use super::*;
use crate::engine::{Purpose, Stream};
use crate::units::Bandwidth;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

fn constant(milliseconds: u64) -> Latency {
    Latency::Constant(Duration::from_millis(milliseconds))
}

/// A path of one link, without queues.
fn direct(network: &mut Network, link: Link) -> PathId {
    let link = network.add_link(link);
    network.add_path(Path { egress: [].into(), link, ingress: [].into(), back: None })
}

fn arrival(pipe: &mut Pipe, network: &mut Network, at: u64, payload_len: usize) -> u64 {
    pipe.send(network, Instant(at), payload_len).arrival().unwrap().0
}

#[test]
fn a_thousand_messages_at_once_are_there_one_latency_later() {
    let mut network = Network::default();
    let path = direct(&mut network, Link::new(constant(100)));
    let mut pipe = Pipe::new(&network, path, 1, 1);

    for _ in 0..1_000 {
        assert_eq!(arrival(&mut pipe, &mut network, 7, 62), 7 + 100 * MILLISECOND);
    }
}

#[test]
fn nothing_overtakes_whatever_the_latency() {
    let mut network = Network::default();
    let latency = Latency::Pareto(Duration::from_millis(5), 1.1);
    let path = direct(&mut network, Link { loss: 0.05, ..Link::new(latency) });
    let mut pipe = Pipe::new(&network, path, 1, 1);

    let mut last = 0;
    for at in 0..10_000 {
        let there = arrival(&mut pipe, &mut network, at * MILLISECOND, 62);
        assert!(there >= last);
        last = there;
    }
}

#[test]
fn latencies_have_the_mean_of_their_distribution() {
    let delays = Latency::empirical("# ms\n10\n\n30\n20\n").unwrap();
    for latency in [
        constant(20),
        Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50)),
        Latency::Lognormal(Duration::from_millis(20), 0.5),
        Latency::Pareto(Duration::from_millis(10), 4.0),
        delays,
    ] {
        let mut stream = Stream::new(1, 1, Purpose::Latency);
        let sum: u64 = (0..100_000).map(|_| latency.draw(&mut stream)).sum();
        let (found, expected) = (sum as f64 / 1e5, latency.mean().as_nanos() as f64);
        assert!((found / expected - 1.0).abs() < 0.01, "{latency:?}: {found}, not {expected}");
    }
    assert!(Latency::empirical("10\nten\n").unwrap_err().starts_with("line 2"));
    assert!(Latency::empirical("\n").is_err());
}

/// A card that many pipes share, each with its own link behind it.
fn behind_a_card(network: &mut Network, rate: &str, latency: Latency) -> PathId {
    let card = network.add_queue(rate.parse().unwrap());
    let link = network.add_link(Link::new(latency));
    network.add_path(Path { egress: [card].into(), link, ingress: [].into(), back: None })
}

/// Pollaczek and Khinchine: the mean wait is rho / (2 (1 - rho)) services.
#[test]
fn the_wait_for_a_shared_card_is_that_of_an_m_d_1_queue() {
    for load in [0.5, 0.7, 0.9] {
        let mut network = Network::default();
        let path = behind_a_card(&mut network, "1Mbit", constant(0));
        let mut stream = Stream::new(1, 1, Purpose::Share);
        let service = Bandwidth::new(1e6).unwrap().transfer(network.framing.link_bytes(100));
        let mut pipes: Vec<Pipe> =
            (0..10).map(|entity| Pipe::new(&network, path, 1, entity)).collect();
        let (mut at, mut waited) = (0.0, 0.0);
        const COUNT: usize = 400_000;
        for index in 0..COUNT {
            at += stream.exponential(service as f64 / load);
            let there = arrival(&mut pipes[index % 10], &mut network, at as u64, 100);
            waited += (there - at as u64 - service) as f64;
        }

        let mean = waited / COUNT as f64 / service as f64;
        let expected = load / (2.0 * (1.0 - load));
        assert!((mean / expected - 1.0).abs() < 0.05, "load {load}: {mean}, not {expected}");
    }
}

/// The same queue, but behind links of different length: packets ask for it out of order.
#[test]
fn a_card_behind_long_and_short_links_is_idle_only_when_nothing_waits() {
    let mut network = Network::default();
    let card = network.add_queue("1Mbit".parse().unwrap());
    let mut pipes = Vec::new();
    for (entity, milliseconds) in [1, 50, 200, 120, 10].into_iter().enumerate() {
        let link = network.add_link(Link::new(constant(milliseconds)));
        let path = Path { egress: [].into(), link, ingress: [card].into(), back: None };
        let path = network.add_path(path);
        pipes.push(Pipe::new(&network, path, 1, entity as u64));
    }
    let service = network.queue(card).service(network.framing.link_bytes(100)) as f64;
    let mut stream = Stream::new(1, 1, Purpose::Share);
    let (mut at, mut waited) = (0.0, 0.0);
    const COUNT: usize = 200_000;
    for _ in 0..COUNT {
        at += stream.exponential(service / 0.7);
        // By turns, the arrivals of each link would be more regular than a Poisson process.
        let pipe = &mut pipes[stream.below(5) as usize];
        let latency = network.link(network.path(pipe.path()).link).latency.mean();
        let there = arrival(pipe, &mut network, at as u64, 100);
        waited += (there - at as u64) as f64 - latency.as_nanos() as f64 - service;
    }

    let mean = waited / COUNT as f64 / service;
    // Between first come, first served and processor sharing: a message that fills a gap may be
    // cut by those that asked earlier for later.
    let (least, most) = (0.7 / (2.0 * 0.3), 0.7 / 0.3);
    assert!((least * 0.95..most).contains(&mean), "{mean}");
}

/// simulation.md, 0.9: a pool of 100,000 direct connections at 1 Gbit/s tells of a new block.
#[test]
fn the_burst_at_a_new_block_ends_when_the_card_has_sent_it() {
    for (name, payload_len, last_s, mean_s) in [
        ("SV1 notify, full", 1_444, 1.23, 0.61),
        ("SV1 notify, empty", 641, 0.59, 0.295),
        ("SV2 SetNewPrevHash", 86, 0.14, 0.07),
        ("SV2 extended job and SetNewPrevHash", 681 + 86, 0.69, 0.345),
    ] {
        let mut network = Network::default();
        let path = behind_a_card(&mut network, "1Gbit", constant(0));
        let arrivals: Vec<u64> = (0..100_000)
            .map(|entity| {
                let mut pipe = Pipe::new(&network, path, 1, entity);
                arrival(&mut pipe, &mut network, 0, payload_len)
            })
            .collect();

        let last = *arrivals.last().unwrap() as f64 / 1e9;
        let mean = arrivals.iter().sum::<u64>() as f64 / 1e5 / 1e9;
        assert!((last / last_s - 1.0).abs() < 0.05, "{name}: last after {last} s");
        assert!((mean / mean_s - 1.0).abs() < 0.05, "{name}: mean {mean} s");
    }
}

#[test]
fn a_long_message_is_as_late_as_its_slowest_link_makes_it() {
    let mut network = Network::default();
    let fast = network.add_queue("1Gbit".parse().unwrap());
    let link = Link { bandwidth: Bandwidth::new(1e6), ..Link::new(constant(10)) };
    let link = network.add_link(link);
    let path = Path { egress: [fast].into(), link, ingress: [fast].into(), back: None };
    let path = network.add_path(path);
    let mut pipe = Pipe::new(&network, path, 1, 1);

    let there = arrival(&mut pipe, &mut network, 0, 80_000);

    // 56 segments with 90 bytes around each; the fast links add a segment each and not a message.
    let slow = (80_000 + 56 * 90) * 8_000 + 10 * MILLISECOND;
    assert!((slow..slow + 2 * 1_538 * 8 + 100).contains(&there), "{there}, not {slow}");
}

#[test]
fn loss_is_delay_and_never_disorder() {
    let mut network = Network::default();
    let path = direct(&mut network, Link { loss: 0.01, ..Link::new(constant(50)) });
    let mut pipe = Pipe::new(&network, path, 1, 1);
    const COUNT: u64 = 200_000;

    let late = (0..COUNT).filter(|index| {
        // So far apart that no message waits for another.
        let at = index * 3_600 * SECOND;
        arrival(&mut pipe, &mut network, at, 62) > at + 50 * MILLISECOND
    });
    let late = late.count() as f64 / COUNT as f64;

    assert!((late / 0.01 - 1.0).abs() < 0.1, "{late}");
}

#[test]
fn a_lost_segment_with_many_behind_it_is_sent_again_after_a_round_trip() {
    let mut network = Network::default();
    let path = direct(&mut network, Link { loss: 0.02, ..Link::new(constant(50)) });
    let mut pipe = Pipe::new(&network, path, 1, 1);

    let mut delays: Vec<u64> = (0..5_000)
        .map(|index| {
            let at = index * 3_600 * SECOND;
            (arrival(&mut pipe, &mut network, at, 14_480) - at) / MILLISECOND
        })
        .collect();
    delays.sort_unstable();
    delays.dedup();

    // At once, after a round trip, after the timeout of 200 ms and a round trip.
    assert_eq!(delays[..3], [50, 150, 350]);
}

fn outage(from_s: u64, until_s: u64) -> Outages {
    let second = |number: u64| Instant(number.saturating_mul(SECOND));
    Outages::new(vec![Outage { from: second(from_s), until: second(until_s) }])
}

#[test]
fn what_meets_a_partition_is_held_and_sent_again_not_lost() {
    let mut network = Network::default();
    let link = Link { outages: outage(10, 13), ..Link::new(constant(100)) };
    let path = direct(&mut network, link);
    let mut pipe = Pipe::new(&network, path, 1, 1);

    let before = arrival(&mut pipe, &mut network, 9 * SECOND, 62);
    let in_flight = arrival(&mut pipe, &mut network, 9_950 * MILLISECOND, 62);
    let within = arrival(&mut pipe, &mut network, 12 * SECOND, 62);
    let after = arrival(&mut pipe, &mut network, 14 * SECOND, 62);

    assert_eq!(before, 9_100 * MILLISECOND);
    // Timeouts of 0.4, 0.8, 1.6 and 3.2 s after it was sent.
    assert_eq!(in_flight, (9_950 + 400 + 800 + 1_600 + 3_200 + 100) * MILLISECOND);
    // What was sent later waits for it.
    assert_eq!((within, after), (in_flight, in_flight));
}

#[test]
fn a_partition_that_never_ends_leaves_a_half_open_connection() {
    let mut network = Network::default();
    let link = Link { outages: outage(10, u64::MAX), ..Link::new(constant(100)) };
    let path = direct(&mut network, link);
    let mut pipe = Pipe::new(&network, path, 1, 1);

    let delivery = pipe.send(&mut network, Instant(20 * SECOND), 62);

    // The other direction knows nothing of it.
    let Delivery::TimesOut(at) = delivery else { panic!("{delivery:?}") };
    assert!((900..1_200).contains(&((at.0) / SECOND)), "{at:?}");
}

#[test]
fn a_dial_takes_a_round_trip_and_the_server_knows_half_a_one_later() {
    let mut network = Network::default();
    let (there, home) =
        (network.add_link(Link::new(constant(30))), { network.add_link(Link::new(constant(50))) });
    let path = |link| Path { egress: [].into(), link, ingress: [].into(), back: None };
    let (out, back) = network.add_paths(path(there), path(home));
    let (mut out, mut back) = (Pipe::new(&network, out, 1, 1), Pipe::new(&network, back, 1, 2));

    let open = connect(&mut network, Instant(0), &mut out, &mut back, true);
    let shut = connect(&mut network, Instant(SECOND), &mut out, &mut back, false);

    let client = Instant(80 * MILLISECOND);
    let server = Instant(110 * MILLISECOND);
    assert_eq!(open, ConnectOutcome::Connected(Connected { client, server }));
    assert_eq!(shut, ConnectOutcome::Refused(Instant(1_080 * MILLISECOND)));
}

#[test]
fn headers_and_acknowledgements_are_counted() {
    let mut network = Network::default();
    let card = network.add_queue("1Gbit".parse().unwrap());
    let link = network.add_link(Link::new(constant(1)));
    let path =
        |egress: &[QueueId]| Path { egress: egress.into(), link, ingress: [].into(), back: None };
    let (out, _) = network.add_paths(path(&[]), path(&[card]));
    let mut pipe = Pipe::new(&network, out, 1, 1);

    arrival(&mut pipe, &mut network, 0, 62);
    arrival(&mut pipe, &mut network, 1, 3_000);

    assert_eq!(pipe.payload_bytes, 3_062);
    // One segment and three; one acknowledgement and two.
    assert_eq!(pipe.packet_bytes, 3_062 + 4 * 52 + 3 * 52);
    assert_eq!(network.queue(card).link_bytes, 3 * 90);
}

#[test]
fn the_room_of_a_pipe_fits_a_million_connections() {
    assert!(size_of::<Pipe>() <= 88, "{}", size_of::<Pipe>());
}
