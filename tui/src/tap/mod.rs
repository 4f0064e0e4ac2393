//! `assay tap`: a man in the middle that records.

mod chooser;
mod intercept;
mod key;
mod options;
mod rules_file;
mod socket;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sv2::noise::{AuthorityPublicKey, CipherSuite};
use sv2_net::clock::Clock;
use sv2_net::identity::Certifier;
use sv2_net::relay::{Interception, Mode, Recorder, Relay, RelayConfig, RelayHandle};
use tokio::signal::unix::SignalKind;
use tokio::sync::broadcast::error::RecvError;

use crate::capture::intercept_beside;
use crate::interruption::{self, Interruption};
use crate::key_log;
use crate::outcome::Outcome;
use crate::print;
use crate::recorder::{self, FileRecorder, Recording};
use chooser::Chooser;
pub(crate) use options::Tap;
use options::is_loopback;
use rules_file::RulesFile;
use socket::LiveSocket;

/// Runs `assay tap`.
pub(crate) fn run(options: &Tap) -> Outcome {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Internal(format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(tap(options)) {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

async fn tap(options: &Tap) -> Result<(), Outcome> {
    allow_descriptors();
    let upstream = options.upstream()?;
    let is_through = options.pass_through || upstream.is_sv1;
    let (mode, authority) = if is_through {
        (Mode::PassThrough, upstream.peer.authority)
    } else {
        terminating(options)?
    };
    let mut config = RelayConfig::new(options.listen.clone(), upstream.peer, mode);
    config.rewrites_endpoint = options.rewrite_endpoint;
    let connections_max = usize::try_from(options.connections_max).unwrap_or(usize::MAX);
    config.limits.connections_max = connections_max;
    // Farms stand behind one address, and a tap is there for one farm.
    config.limits.connections_per_address_max = connections_max;
    config.key_log = key_log::open(options.key_log(is_through)?)?;
    if let Some(path) = &options.rules {
        let (file, rules) = RulesFile::open(path.clone()).map_err(Outcome::Usage)?;
        print::line(format_args!("{} rules from {}", file.len(), path.display()));
        config.rules = rules;
        tokio::spawn(file.watch(print::line));
    }
    let socket = options
        .socket
        .as_deref()
        .map(|path| LiveSocket::open(path).map_err(|error| unusable(path, &error)));
    let socket = socket.transpose()?;
    if options.allow_intercept && is_through {
        return Err(Outcome::usage(
            "--allow-intercept: bytes that only pass through cannot be held; this needs Stratum V2, \
             and a tap that ends Noise itself",
        ));
    }
    let intercept = intercept(options)?;
    config.interception = intercept.as_ref().map(|it| Arc::clone(&it.interception));
    let recording = match options.recorder(is_through)? {
        None => None,
        Some(settings) => {
            let directory = settings.directory.clone();
            let (recorder, recording) =
                FileRecorder::start(settings).map_err(|error| unusable(&directory, &error))?;
            config.recorder = Some(recorder as Arc<dyn Recorder>);
            Some(recording)
        }
    };
    let relay = Relay::bind(config).await.map_err(|error| Outcome::usage(error.to_string()))?;
    say_where(options, &relay, upstream.is_sv1, authority);
    if let Some(recording) = &recording {
        say_what(options, recording, is_through);
        if let Some(socket) = socket {
            tokio::spawn(socket.serve(recording.progress()));
        }
    }
    if let Some(Intercept { socket, interception, chooser }) = intercept {
        anstream::eprintln!("whoever may use the socket can hold, drop and send messages");
        tokio::spawn(intercept::serve(socket, interception, chooser, print::line));
    }
    follow(relay.start(), recording.as_ref()).await?;
    if let Some(recording) = recording {
        recording.finish();
    }
    Ok(())
}

/// What an inspector decides with, where it may.
fn intercept(options: &Tap) -> Result<Option<Intercept>, Outcome> {
    let Some(socket) = options.socket.as_deref().filter(|_| options.allow_intercept) else {
        return Ok(None);
    };
    let path = intercept_beside(socket);
    let socket = LiveSocket::open(&path).map_err(|error| unusable(&path, &error))?;
    let chooser = Chooser::default();
    let interception = Interception::new(Box::new(chooser.clone()));
    Ok(Some(Intercept { socket, interception, chooser }))
}

/// Where an inspector decides, about what, and what it has asked for.
struct Intercept {
    socket: LiveSocket,
    interception: Arc<Interception>,
    chooser: Chooser,
}

/// Each connection takes two descriptors: as many as the system lets us have.
fn allow_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

fn terminating(options: &Tap) -> Result<(Mode, Option<AuthorityPublicKey>), Outcome> {
    let suite = CipherSuite::default();
    let is_up_plain = options.plain_up;
    if options.plain_down {
        return Ok((Mode::Terminating { down: None, is_up_plain, suite }, None));
    }
    let (secret, new_file) = key::authority(options)?;
    if let Some(file) = new_file {
        anstream::eprintln!("made an authority key for the tap: {}; keep it there", file.display());
    }
    let authority = secret.public_key();
    let now = Clock::of_process().now().unix;
    let entropy = sv2_net::entropy::from_system();
    let certifier = Certifier::renewing_backdated(secret, VALIDITY, BACKDATED, now, entropy);
    let down = Some(Arc::new(certifier));
    Ok((Mode::Terminating { down, is_up_plain, suite }, Some(authority)))
}

fn unusable(path: &Path, error: &std::io::Error) -> Outcome {
    Outcome::usage(format!("cannot write {}: {error}", path.display()))
}

/// What to point a device at.
fn say_where(options: &Tap, relay: &Relay, is_sv1: bool, authority: Option<AuthorityPublicKey>) {
    let address = relay.address();
    match (is_sv1, authority) {
        (true, _) => print::line(format_args!("stratum+tcp://{address}")),
        (false, Some(authority)) => {
            print::line(format_args!("stratum2+tcp://{address}/{authority}"))
        }
        (false, None) => print::line(format_args!("stratum2+tcp://{address}")),
    }
    print::line(format_args!("to {}", options.upstream));
    if options.insecure_upstream {
        anstream::eprintln!("whoever answers for the upstream is believed");
    }
    if !is_loopback(address) {
        anstream::eprintln!("others can reach the tap: it listens on {address}");
    }
}

/// What is written, and who can read it.
fn say_what(options: &Tap, recording: &Recording, is_through: bool) {
    let path = recording.progress().borrow().path.display().to_string();
    print::line(format_args!("records in {path}"));
    if let Some(socket) = &options.socket {
        print::line(format_args!("live at tap:{}", socket.display()));
    }
    match (is_through || options.no_keys, options.plain) {
        (true, _) => {}
        (false, true) => anstream::eprintln!("what passes is written in clear"),
        (false, false) => anstream::eprintln!(
            "keys are written with it: whoever has the file can read what passes, and forge it \
             while a connection lives (--no-keys leaves them out)"
        ),
    }
}

/// Prints what happens until it is told to end.
async fn follow(relay: RelayHandle, recording: Option<&Recording>) -> Result<(), Outcome> {
    let mut events = relay.events();
    let mut hang_up = interruption::catch(SignalKind::hangup())?;
    let mut interruption = Interruption::catch()?;
    let mut files = recording.map(Recording::files);
    loop {
        tokio::select! {
            Some(path) = next_file(files.as_mut()) => {
                print::line(format_args!("records in {}", path.display()));
            }
            () = interruption.happened() => break,
            _ = hang_up.recv() => {
                if let Some(recording) = recording {
                    recording.begin_file();
                }
            }
            event = events.recv() => match event {
                Ok(event) => print::line(event),
                Err(RecvError::Lagged(count)) => print::line(format_args!("{count} lines left out")),
                Err(RecvError::Closed) => break,
            },
        }
    }
    relay.shutdown().await;
    Ok(())
}

/// The next file that is begun; `None` if nothing is recorded.
async fn next_file(files: Option<&mut recorder::NextFiles>) -> Option<PathBuf> {
    files?.next().await
}

/// Certificates are renewed after half of it.
const VALIDITY: Duration = Duration::from_secs(24 * 3600);
/// Devices whose clocks are slow by less than this can connect.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);
