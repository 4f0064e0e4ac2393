//! What a tap adds to the way of a share: `cargo run --release -p assay --example tap_latency`.
//!
//! Shares go over loopback from one thread to another at an even pace, first directly, then through
//! `assay tap` (the program beside this one) that passes bytes on and records, then through one that
//! terminates Noise and records both legs. Printed are percentiles of the time from just before the
//! write to just after the frame was read. What a tap adds is the difference.

#![allow(clippy::unwrap_used, reason = "a measurement that fails has no result")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sv2::connection::{
    Connection, ConnectionConfig, InitiatorSecurity, Received, ResponderSecurity,
};
use sv2::message::Message;
use sv2::mining::SubmitSharesStandard;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite, Identity, StaticKey};
use sv2::wire::{Frame, Tlvs};
use sv2_net::clock::Clock;

/// Shares on each way, after those that are not counted.
const SHARES: u32 = 20_000;
const WARM_UP: u32 = 1_000;
/// Between two shares.
const PACE: Duration = Duration::from_micros(500);

fn main() {
    let directory = tempfile::tempdir().unwrap();
    println!("{SHARES} shares, one every {PACE:?}; microseconds from write to read:");
    println!("{:<28}{:>9}{:>9}{:>9}{:>9}", "", "p50", "p90", "p99", "p99.9");
    let mut base = None;
    for (name, options) in [
        ("directly", None),
        ("passed through, recorded", Some(&["--pass-through"][..])),
        ("terminated, recorded", Some(&[][..])),
        ("terminated, not recorded", Some(&["--no-record"][..])),
    ] {
        let server = Server::start();
        let tap = options.map(|options| Tap::start(&server, options, directory.path()));
        let (port, authority) = match &tap {
            Some(tap) => (tap.port, tap.authority),
            None => (server.port, server.authority),
        };
        let taken = measure(server, port, authority);
        let base = *base.get_or_insert(taken);
        print_row(name, taken);
        if options.is_some() {
            print_row("    more than directly", std::array::from_fn(|i| taken[i] - base[i]));
        }
        drop(tap);
    }
}

fn print_row(name: &str, [p50, p90, p99, p999]: [f64; 4]) {
    println!("{name:<28}{p50:>9.1}{p90:>9.1}{p99:>9.1}{p999:>9.1}");
}

/// Percentiles of one way, in microseconds.
fn measure(server: Server, port: u16, authority: AuthorityPublicKey) -> [f64; 4] {
    let (arrived, arrivals) = channel();
    let serving = std::thread::spawn(move || server.serve(&arrived));
    let mut client = dial(port, authority);
    let started = Instant::now();
    let mut sent = Vec::new();
    for number in 0..WARM_UP + SHARES {
        let due = started + PACE * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.push(Instant::now());
        client.send(&share(number));
    }
    drop(client);
    serving.join().unwrap();
    percentiles(&sent, &arrivals)
}

fn percentiles(sent: &[Instant], arrivals: &Receiver<(u32, Instant)>) -> [f64; 4] {
    let mut taken: Vec<f64> = arrivals
        .iter()
        .filter(|(number, _)| *number >= WARM_UP)
        .map(|(number, at)| (at - sent[number as usize]).as_secs_f64() * 1e6)
        .collect();
    assert_eq!(taken.len(), SHARES as usize);
    taken.sort_by(f64::total_cmp);
    [0.5, 0.9, 0.99, 0.999].map(|quantile: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (f64::from(SHARES) * quantile) as usize;
        taken[index]
    })
}

fn share(sequence_number: u32) -> Frame {
    let share = SubmitSharesStandard {
        channel_id: 1,
        sequence_number,
        job_id: 1,
        nonce: 0,
        ntime: 0,
        version: 0,
    };
    Message::from(share).to_frame(&Tlvs::NONE)
}

/// The program under measurement.
struct Tap {
    child: Child,
    port: u16,
    authority: AuthorityPublicKey,
}

impl Tap {
    fn start(server: &Server, options: &[&str], directory: &std::path::Path) -> Tap {
        let assay = std::env::current_exe().unwrap().with_file_name("../assay");
        let upstream = format!("stratum2+tcp://127.0.0.1:{}/{}", server.port, server.authority);
        let mut command = Command::new(assay);
        command.args(["tap", "--listen", "127.0.0.1:0", "--upstream", &upstream]);
        if options != ["--no-record"] {
            command.arg("--record").arg(directory).args(options);
        }
        if options != ["--pass-through"] {
            let key = directory.join(format!("{}.key", server.port));
            command.arg("--new-authority").arg(key);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let url: sv2::noise::StratumUrl = url.parse().unwrap();
        Tap { child, port: url.port, authority: url.authority.unwrap() }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Server {
    listener: TcpListener,
    port: u16,
    authority: AuthorityPublicKey,
    identity: Arc<Identity>,
}

impl Server {
    fn start() -> Server {
        let mut entropy = sv2_net::entropy::from_system();
        let secret = AuthoritySecretKey::generate(&mut entropy);
        let key = StaticKey::generate(&mut entropy);
        let identity = Arc::new(Identity::new(&secret, key, 0, u32::MAX, &mut entropy));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Server { listener, port, authority: secret.public_key(), identity }
    }

    /// Tells when each share was read.
    fn serve(self, arrived: &Sender<(u32, Instant)>) {
        let (socket, _) = self.listener.accept().unwrap();
        let suite = CipherSuite::default();
        let connection = Connection::responder(
            ConnectionConfig::default(),
            ResponderSecurity::Noise { suite, identity: self.identity },
            Clock::of_process().now(),
            &mut sv2_net::entropy::from_system(),
        );
        let mut end = End::new(socket, connection);
        while let Some(received) = end.next() {
            let at = Instant::now();
            if let Received::Frame(frame) = received {
                let number = u32::from_le_bytes(*frame.payload[4..].first_chunk().unwrap());
                arrived.send((number, at)).unwrap();
            }
        }
    }
}

fn dial(port: u16, authority: AuthorityPublicKey) -> End {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut act_1 = Vec::new();
    let connection = Connection::initiator(
        ConnectionConfig::default(),
        InitiatorSecurity::Noise { suite: CipherSuite::default(), authority: Some(authority) },
        Clock::of_process().now(),
        &mut sv2_net::entropy::from_system(),
        &mut act_1,
    );
    let mut end = End::new(socket, connection);
    end.socket.write_all(&act_1).unwrap();
    assert!(matches!(end.next(), Some(Received::Established { .. })));
    end
}

struct End {
    socket: TcpStream,
    connection: Connection,
    input: BytesMut,
}

impl End {
    fn new(socket: TcpStream, connection: Connection) -> End {
        socket.set_nodelay(true).unwrap();
        End { socket, connection, input: BytesMut::new() }
    }

    fn send(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        self.connection.send_frame(frame, &mut bytes).unwrap();
        self.socket.write_all(&bytes).unwrap();
    }

    fn next(&mut self) -> Option<Received> {
        let mut chunk = [0; 4_096];
        loop {
            let mut out = Vec::new();
            let now = Clock::of_process().now();
            let received = self.connection.receive(now, &mut self.input, &mut out).unwrap();
            self.socket.write_all(&out).unwrap();
            if received.is_some() {
                return received;
            }
            match self.socket.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.input.extend_from_slice(&chunk[..len]),
            }
        }
    }
}
