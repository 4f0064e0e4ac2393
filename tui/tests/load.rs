//! `assay load` as its users see it: a small fleet on our own pool, its books, and its exit codes.

use std::io::BufRead as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, CipherSuite};
use sv2::role::{PeerAddress, Role};
use sv2::roles::sv1_pool::{Sv1Pool, Sv1PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::wire::Target;
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::feed::Follower;
use sv2_net::host::{Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::world::Worlds;

fn load(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it runs")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("load").args(arguments).stdin(Stdio::null());
    command
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} of {value}"))
}

#[test]
fn every_kind_of_fleet_is_served_without_an_error_and_its_books_add_up() {
    for (fleet, connections) in [
        (&["--devices", "8"][..], 8),
        (&["--devices", "8", "--no-header-only"], 8),
        (&["--devices", "8", "--channel", "extended"], 8),
        (&["--devices", "8", "--proxies", "2"], 2),
        (&["--devices", "9", "--proxies", "2", "--channel", "extended"], 2),
    ] {
        let common = ["--ramp", "200ms", "--for", "1s", "--shares-per-minute", "600", "--json"];

        let output = load(&[fleet, &common].concat());

        assert_eq!(output.status.code(), Some(0), "{fleet:?}: {output:?}");
        let summary = lines(&output).pop().unwrap();
        assert_eq!(number(&summary, "/connections/open_at_end"), connections, "{fleet:?}");
        assert_eq!(summary["channels"]["opened"], summary["channels"]["asked"], "{fleet:?}");
        let of = |name: &str| number(&summary, &format!("/shares/{name}"));
        assert!(of("accepted") > 10, "{fleet:?}: {summary}");
        let outcomes = ["accepted", "stale", "rejected", "in_flight", "lost", "unaccounted"];
        assert_eq!(of("submitted"), outcomes.map(of).iter().sum::<u64>(), "{fleet:?}");
        assert_eq!(of("rejected") + of("lost") + of("unaccounted"), 0, "{fleet:?}: {summary}");
    }
}

#[test]
fn a_fleet_of_stratum_v1_is_served_without_an_error_and_its_books_add_up() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(sv1_pool(Sv1PoolConfig {
        easiest_target: Target::from_expected_hashes(16.0),
        ..Sv1PoolConfig::default()
    }));

    let output = load(&[
        &pool.url,
        "--devices",
        "8",
        "--ramp",
        "200ms",
        "--for",
        "1s",
        "--shares-per-minute",
        "600",
        "--json",
    ]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = lines(&output);
    assert_eq!((&lines[0]["channel"], &lines[0]["target"]), (&"sv1".into(), &(*pool.url).into()));
    let summary = lines.last().unwrap();
    let count = |path: &str| number(summary, path);
    assert_eq!(count("/connections/open_at_end"), 8);
    assert_eq!((count("/channels/opened"), count("/channels/open_at_end")), (8, 8));
    let waits = ["handshake", "set-up", "open"];
    assert_eq!(waits.map(|wait| count(&format!("/waits/{wait}/count"))), [0, 8, 8]);
    let of = |name: &str| count(&format!("/shares/{name}"));
    assert!(of("accepted") > 10, "{summary}");
    let outcomes = ["accepted", "stale", "rejected", "in_flight", "lost", "unaccounted"];
    assert_eq!(of("submitted"), outcomes.map(of).iter().sum::<u64>(), "{summary}");
    assert_eq!(of("rejected") + of("lost") + of("unaccounted"), 0, "{summary}");
}

#[test]
fn shares_that_the_budget_does_not_pay_for_are_foretold_and_left_out() {
    let output = load(&[
        "--devices",
        "4",
        "--shares-per-minute",
        "600",
        "--hash-budget",
        "100",
        "--ramp",
        "0s",
        "--for",
        "2s",
    ]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("dearer than the budget permits: about 6.2 of 40.0 shares/s"), "{text}");
    assert!(text.contains("--hash-budget 640 would pay for all"), "{text}");
    let left_out = text.lines().find(|line| line.starts_with("left out of")).expect("left out");
    assert!(!left_out.contains(" 0 beyond the hash budget"), "{left_out}");
}

#[test]
fn a_pool_that_is_not_there_or_not_the_one_meant_is_unreachable() {
    // Bound, so that nobody else gets the port, but not listening.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("stratum2+tcp://{}", taken.local_addr().unwrap());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs_up = format!("stratum2+tcp://{}", silent.local_addr().unwrap());
    std::thread::spawn(move || silent.incoming().for_each(drop));
    let sv1 = |url: &str| url.replace("stratum2+", "stratum+");
    for (url, expected) in [
        (&sv1(&closed), "connection refused"),
        (&sv1(&hangs_up), "mining.subscribe"),
        (&closed, "connection refused"),
        (&hangs_up, "handshake"),
    ] {
        let output = load(&[url, "--devices", "3", "--for", "1s"]);

        assert_eq!(output.status.code(), Some(5), "{url}: {output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(url) && error.contains(expected), "{url}: {error}");
    }
}

#[test]
fn what_cannot_be_asked_is_a_usage_error_with_the_option_at_fault() {
    for (arguments, expected) in [
        (&["--devices", "3", "--proxies", "4"][..], "--proxies"),
        (&["--devices", "3", "--shares-per-minute", "0"], "--shares-per-minute"),
        (&["--devices", "3", "--hash-budget", "inf"], "--hash-budget"),
        (&["--devices", "3", "--ramp", "10"], "--ramp: expected a duration"),
        (&["127.0.0.1", "--devices", "3"], "127.0.0.1"),
        (&["http://h:1", "--devices", "3"], "stratum2+tcp://HOST:PORT/KEY for Stratum V2 or"),
        (&["http://h:1", "--devices", "3"], "stratum+tcp://HOST:PORT for Stratum V1"),
        (&["stratum+tcp://h:1/KEY", "--devices", "3"], "without a key"),
        (
            &["stratum+tcp://h:1", "--devices", "3", "--proxies", "1"],
            "--proxies does not go with stratum+tcp://: a connection of Stratum V1 has one",
        ),
        (&["stratum+tcp://h:1", "--devices", "3", "--channel", "extended"], "no channels"),
        (&["--devices", "1000000"], "1000000 source ports are needed"),
    ] {
        let output = load(arguments);

        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn an_interrupted_run_reports_what_it_has_seen_and_says_that_it_is_partial() {
    let arguments = ["--devices", "5", "--ramp", "0s", "--for", "1h", "--json"];
    let rate = ["--shares-per-minute", "600"];
    let all = [&arguments[..], &rate].concat();
    let mut child = command(&all).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&stdout.next().unwrap().unwrap()).unwrap() };
    // It runs once it says how far it is.
    while next()["kind"] != "progress" {}

    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();

    assert!(told.success());
    let summary = loop {
        let line = next();
        if line["kind"] == "summary" {
            break line;
        }
    };
    assert_eq!((&summary["partial"], &summary["ending"]), (&true.into(), &"interrupted".into()));
    assert!(number(&summary, "/shares/accepted") > 0, "{summary}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_shape_of_what_machines_read_is_as_documented() {
    let output = load(&[
        "--devices",
        "2",
        "--ramp",
        "0s",
        "--for",
        "1500ms",
        "--shares-per-minute",
        "600",
        "--seed",
        "7",
        "--json",
    ]);

    let mut shape = String::new();
    for kind in ["plan", "progress", "summary"] {
        let lines = lines(&output);
        let line = lines.iter().find(|line| line["kind"] == kind).expect(kind);
        describe(kind, line, &mut shape);
    }

    insta::assert_snapshot!(shape);
}

/// A line for each value: where it is, and of which type.
fn describe(path: &str, value: &Value, shape: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                describe(&format!("{path}.{name}"), value, shape);
            }
        }
        Value::Null => shape.push_str(&format!("{path}: null\n")),
        Value::Bool(_) => shape.push_str(&format!("{path}: bool\n")),
        Value::Number(_) => shape.push_str(&format!("{path}: number\n")),
        Value::String(_) => shape.push_str(&format!("{path}: string\n")),
        Value::Array(_) => shape.push_str(&format!("{path}: array\n")),
    }
}

/// A Stratum V1 pool of ours, which ends with this.
struct RunningSv1Pool {
    url: String,
    _handles: [Handle; 2],
    /// Brings news of the chain to the template provider.
    _follower: Follower,
}

/// With a template provider on an embedded chain whose blocks nobody finds.
async fn sv1_pool(config: Sv1PoolConfig) -> RunningSv1Pool {
    let now = Clock::of_process().now().unix;
    let mut entropy = sv2_net::entropy::from_system();
    let secret = AuthoritySecretKey::generate(&mut entropy);
    let authority = Some(secret.public_key());
    let certifier = Arc::new(Certifier::renewing(secret, Duration::from_secs(3600), now, entropy));
    let chain = Chain::new(ChainConfig::new(ChainConfig::HARD, now), Entropy::from_seed(7));
    let chain = EmbeddedChain::new(ChainHost::new(chain));
    let worlds = Worlds { chain: Some(Arc::new(chain.clone())), accounts: None };
    let provider = TemplateProvider::new(TemplateProviderConfig::default());
    let noise = ListenerSecurity::Noise { suite: CipherSuite::default(), certifier };
    let (provider, provider_port) = listening(provider, noise, worlds).await;
    let host = "127.0.0.1".to_owned();
    let template_provider = PeerAddress { host, port: provider_port, authority };
    let pool = Sv1Pool::new(
        Sv1PoolConfig { template_provider, ..config },
        sv2_net::entropy::from_system(),
    );
    let (pool, port) = listening(pool, ListenerSecurity::Sv1, Worlds::default()).await;
    let _follower = chain.follow(provider.injector());
    let url = format!("stratum+tcp://127.0.0.1:{port}");
    RunningSv1Pool { url, _handles: [provider, pool], _follower }
}

async fn listening(
    role: impl Role + Send + 'static,
    security: ListenerSecurity,
    worlds: Worlds,
) -> (Handle, u16) {
    let mut config = HostConfig::new("of a test");
    config.listeners = vec![ListenerConfig { address: "127.0.0.1:0".to_owned(), security }];
    let host = Host::bind(config).await.expect("a free port");
    let port = host.addresses()[0].port();
    (host.start(role, worlds), port)
}
