//! Programs that are started from recipes: here, this test itself as a small server.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustix::process::{Resource, Rlimit, setrlimit};
use sv2::common::{Protocol, SetupConnectionSuccess};
use sv2::message::Message;
use sv2::noise::{AuthoritySecretKey, CipherSuite};
use sv2::role::{Input, Outbox, Role};
use sv2::time::{Instant, Now};
use sv2_net::clock::Clock;
use sv2_net::entropy;
use sv2_net::host::{Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::recipe::{
    Endpoint, Hook, HookError, Need, Readiness, Recipe, StartError, Surroundings, probe,
};
use sv2_net::world::Worlds;

use crate::{helper, runtime};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("a_program_is_ready_when_it_answers_set_up_also_after_a_restart", || {
            runtime()?.block_on(ready_and_restarted())
        }),
        Trial::test("a_hook_runs_beside_the_program_with_its_endpoints", || {
            runtime()?.block_on(hooks())
        }),
        Trial::test("a_program_that_listens_and_says_nothing_is_not_ready", || {
            runtime()?.block_on(silent())
        }),
        Trial::test("a_program_that_ends_at_once_is_quoted", || runtime()?.block_on(ended())),
        Trial::test("a_host_without_file_descriptors_serves_again_when_it_has_some", || {
            runtime()?.block_on(starved())
        }),
        Trial::test("a_program_is_not_started_without_what_it_needs", || {
            runtime()?.block_on(missing())
        }),
    ]
}

async fn ready_and_restarted() -> Result<(), Failed> {
    let recipe = recipe("answer", 60)?;
    let mut program = recipe.start(&helper()?, given()).await?;
    let port = program.endpoint("miners").unwrap().port;

    program.run_hook(Hook::Restart).await?;

    assert_eq!(program.endpoint("miners").unwrap().port, port);
    program.stop().await?;
    Ok(())
}

async fn hooks() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let out = directory.path().join("out");
    let mut recipe = source("answer", 60)?;
    recipe.push_str(&format!(
        "[hooks]\n\
         new-block = [\"sh\", \"-c\", \"echo ${{miners}} ${{pool.port}} > {}\"]\n\
         reorg = [\"sh\", \"-c\", \"echo no chain; exit 3\"]\n",
        out.display()
    ));
    let recipe = Recipe::parse("hooks.toml", &recipe)?;
    let mut program = recipe.start(&helper()?, given()).await?;

    program.run_hook(Hook::NewBlock).await?;
    let failed = program.run_hook(Hook::Reorg).await.unwrap_err();
    let missing = program.run_hook(Hook::AddTransaction).await.unwrap_err();

    let port = program.endpoint("miners").unwrap().port;
    assert_eq!(std::fs::read_to_string(out)?, format!("127.0.0.1:{port} 7\n"));
    assert!(failed.to_string().ends_with("status: 3; its last words:\nno chain"), "{failed}");
    assert!(matches!(missing, HookError::Missing { hook: "add-transaction" }), "{missing}");
    Ok(())
}

async fn silent() -> Result<(), Failed> {
    let error = recipe("silent", 1)?.start(&helper()?, given()).await.unwrap_err();

    assert!(matches!(error, StartError::NotReady { .. }), "{error}");
    let expected = "served was not ready (an answer to SetupConnection) within 1 s: no answer";
    assert!(error.to_string().starts_with(expected), "{error}");
    Ok(())
}

async fn ended() -> Result<(), Failed> {
    let error = recipe("panic", 60)?.start(&helper()?, given()).await.unwrap_err();

    assert!(matches!(error, StartError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no manner \"panic\""), "{error}");
    Ok(())
}

async fn missing() -> Result<(), Failed> {
    let error = recipe("answer", 60)?.start(&helper()?, Surroundings::new()).await.unwrap_err();

    assert_eq!(error.to_string(), "served needs a pool, and there is none");
    Ok(())
}

async fn starved() -> Result<(), Failed> {
    let program = recipe("starved", 60)?.start(&helper()?, given()).await?;
    let Endpoint { host, port, .. } = program.endpoint("miners").unwrap();
    let mut silent = Vec::new();
    for _ in 0..2 * FILES_MAX {
        silent.push(std::net::TcpStream::connect((host.as_str(), *port))?);
    }

    drop(silent);

    let readiness = Readiness::Setup(Protocol::Mining);
    probe(host, *port, None, readiness, Duration::from_secs(30)).await?;
    program.stop().await?;
    Ok(())
}

fn given() -> Surroundings {
    let pool = Endpoint { host: "127.0.0.1".into(), port: 7, authority: None, cookie: None };
    Surroundings::from([(Need::Pool, pool)])
}

fn recipe(manner: &str, within_seconds: u32) -> Result<Recipe, Failed> {
    Ok(Recipe::parse("served.toml", &source(manner, within_seconds)?)?)
}

fn source(manner: &str, within_seconds: u32) -> Result<String, Failed> {
    let program = std::env::current_exe()?;
    Ok(format!(
        "name = \"served\"\n\
         command = [{program:?}, \"serve\", \"${{file.settings}}\", \"{manner}\"]\n\
         needs = [\"pool\"]\n\
         [listens.miners]\n\
         [[file]]\n\
         name = \"settings\"\n\
         text = \"${{miners}}\"\n\
         [ready]\n\
         listen = \"miners\"\n\
         by = \"setup\"\n\
         protocol = \"mining\"\n\
         within-seconds = {within_seconds}\n"
    ))
}

/// `serve FILE MANNER`: listens on the address in the file.
pub(crate) fn serve(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let address = std::fs::read_to_string(arguments.next().unwrap()).unwrap();
    let manner = arguments.next().unwrap();
    let runtime = runtime().unwrap();
    if manner == "silent" {
        let _listener = std::net::TcpListener::bind(&address).unwrap();
        runtime.block_on(std::future::pending::<()>());
    }
    if manner == "starved" {
        let limit = Rlimit { current: Some(FILES_MAX), maximum: Some(FILES_MAX) };
        setrlimit(Resource::Nofile, limit).unwrap();
    } else {
        assert_eq!(manner, "answer", "there is no manner {manner:?}");
    }
    let authority = AuthoritySecretKey::generate(&mut entropy::from_system());
    let (hour, now) = (Duration::from_secs(3600), Clock::of_process().now().unix);
    let certifier = Arc::new(Certifier::renewing(authority, hour, now, entropy::from_system()));
    let security = ListenerSecurity::Noise { suite: CipherSuite::default(), certifier };
    let mut config = HostConfig::new("served");
    config.listeners = vec![ListenerConfig { address, security }];
    runtime.block_on(async {
        let host = Host::bind(config).await.unwrap();
        host.start(Greeter, Worlds::default()).ended().await.unwrap();
    });
    ExitCode::SUCCESS
}

/// Enough for the runtime and some connections.
const FILES_MAX: u64 = 32;

struct Greeter;

impl Role for Greeter {
    fn handle(&mut self, _: Now, input: Input, out: &mut Outbox) {
        if let Input::Received { connection, message: Message::SetupConnection(_), .. } = input {
            out.send(connection, SetupConnectionSuccess { used_version: 2, flags: 0 });
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        None
    }
}
