//! The socket at which an inspector decides about messages on their way, `SOCKET.intercept`: lines
//! of text both ways, so that `nc -U` can use it, too.
//!
//! | to the tap | |
//! | --- | --- |
//! | `filter TEXT` | messages that this filter takes wait; with an empty one, none |
//! | `forward ID`, `drop ID`, `twice ID` | what becomes of one that waits |
//! | `forward all` | they all go on |
//! | `again CLIENT SERVER up\|down HEX` | a frame is sent on the connection with these ends |
//!
//! | from the tap | |
//! | --- | --- |
//! | `assay-tap 1` | the first line |
//! | `held ID CLIENT SERVER up\|down PLACE` | a message waits: which frame of this direction it is |
//! | `gone ID WORDS` | it does not any more |
//! | `done TEXT`, `error TEXT` | the answer to a command, one for each |
//!
//! One inspector at a time. Lines are bounded, what is none is answered and changes nothing, and
//! where the inspector goes away or does not read what it is told, all that waits goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use sv2::wire::hex::bytes_from_hex;
use sv2::wire::{Frame, FrameHeader};
use sv2_net::relay::{Attached, Decision, Intercepted, Interception, Side};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::chooser::Chooser;
use super::socket::LiveSocket;

/// Serves inspectors, for ever. `tell`: to whoever looks at the tap itself.
pub(super) async fn serve(
    socket: LiveSocket,
    interception: Arc<Interception>,
    chooser: Chooser,
    tell: impl Fn(String),
) {
    loop {
        let mut stream = match socket.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "an inspector cannot be served");
                continue;
            }
        };
        // One after the other: whoever comes meanwhile waits to be answered, and then is first.
        let Some(attached) = interception.attach() else { continue };
        tell("an inspector may hold messages".to_owned());
        let why = match decide(&mut stream, attached, &chooser, &tell).await {
            Ok(()) => "the inspector is gone".to_owned(),
            Err(why) => why,
        };
        // Nobody is left to set it back.
        let _ = chooser.set("");
        tell(format!("{why}: messages pass"));
    }
}

/// Does what an inspector says until it is gone, or why it is not listened to any more.
async fn decide(
    stream: &mut UnixStream,
    mut attached: Attached,
    chooser: &Chooser,
    tell: &impl Fn(String),
) -> Result<(), String> {
    let mut input = BytesMut::new();
    say(stream, GREETING).await?;
    loop {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let line = input.split_to(end);
            input.advance(1);
            let line = String::from_utf8_lossy(&line).into_owned();
            let answer = match command(&line, &attached, chooser, tell) {
                Ok(done) => format!("done {done}"),
                Err(why) => format!("error {why}"),
            };
            say(stream, &answer).await?;
        }
        if input.len() > LINE_LEN_MAX {
            let why = format!("a line of more than {LINE_LEN_MAX} bytes");
            say(stream, &format!("error {why}")).await?;
            return Err(why);
        }
        tokio::select! {
            read = stream.read_buf(&mut input) => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => {}
            },
            Some(event) = attached.next() => say(stream, &told(&event)).await?,
        }
    }
}

async fn say(stream: &mut UnixStream, line: &str) -> Result<(), String> {
    let line = format!("{line}\n");
    match timeout(PATIENCE, stream.write_all(line.as_bytes())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("the inspector is gone".to_owned()),
        Err(_) => Err("the inspector does not listen".to_owned()),
    }
}

fn told(event: &Intercepted) -> String {
    match event {
        Intercepted::Held { id, client, server, from, place } => {
            let way = if *from == Side::Client { "up" } else { "down" };
            format!("held {id} {client} {server} {way} {place}")
        }
        Intercepted::Gone { id, how } => format!("gone {id} {how}"),
    }
}

/// What was done, or why nothing was.
fn command(
    line: &str,
    attached: &Attached,
    chooser: &Chooser,
    tell: &impl Fn(String),
) -> Result<String, String> {
    let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
    let decide = |decision| {
        let id = rest.parse().map_err(|_| format!("{word}: a number of a message is expected"))?;
        match attached.decide(id, decision) {
            true => Ok(format!("{word} {id}")),
            false => Err(format!("{id} does not wait any more")),
        }
    };
    match word {
        "filter" => {
            chooser.set(rest)?;
            if rest.trim().is_empty() {
                attached.forward_all();
            }
            tell(format!("messages wait: {}", if rest.is_empty() { "none" } else { rest }));
            Ok(line.to_owned())
        }
        "forward" if rest == "all" => {
            attached.forward_all();
            Ok(line.to_owned())
        }
        "forward" => decide(Decision::Forward),
        "drop" => decide(Decision::Drop),
        "twice" => decide(Decision::Duplicate),
        "again" => again(rest, attached),
        _ => Err("filter, forward, drop, twice or again is expected".to_owned()),
    }
}

fn again(rest: &str, attached: &Attached) -> Result<String, String> {
    let usage = || "again CLIENT SERVER up|down HEX is expected".to_owned();
    let words: Vec<&str> = rest.split(' ').collect();
    let [client, server, way, digits] = words.as_slice() else { return Err(usage()) };
    let address = |text: &str| text.parse::<SocketAddr>().map_err(|_| usage());
    let from = match *way {
        "up" => Side::Client,
        "down" => Side::Server,
        _ => return Err(usage()),
    };
    let bytes = bytes_from_hex(digits).ok_or_else(usage)?;
    let (header, payload) = bytes.split_first_chunk::<{ FrameHeader::LEN }>().ok_or_else(usage)?;
    let header = FrameHeader::from_bytes(*header);
    if header.payload_len as usize != payload.len() {
        return Err("the length of the frame is not that of its payload".to_owned());
    }
    let (extension_type, message_type) = (header.extension_type, header.message_type);
    let frame = Frame { extension_type, message_type, payload: payload.to_vec().into() };
    let ends = (address(client)?, address(server)?);
    attached.replay(ends, from, frame).map_err(|error| error.to_string())?;
    Ok("again".to_owned())
}

const GREETING: &str = "assay-tap 1";
/// Digits of a frame among them: longer messages are not sent again.
const LINE_LEN_MAX: usize = 256 << 10;
/// An inspector reads what it is told; traffic does not wait for one that does not.
const PATIENCE: Duration = Duration::from_secs(2);
