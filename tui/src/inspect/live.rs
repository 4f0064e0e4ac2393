//! Reads captures beside the screen: what is there already is shown while the rest comes, and what
//! grows is shown as it does.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sv2_capture::read::Found;
use sv2_capture::rules::Policy;

use super::quick::{Part, Quick};
use super::session::Session;
use crate::capture::{End, Flow, Followed, Input, follow, read};

/// A reader at work.
pub(super) struct Live {
    news: Receiver<News>,
}

enum News {
    /// Of the first of two readings.
    Part(Box<Part>),
    Followed(Vec<Followed>),
    Ended(Result<End, String>),
}

/// What a look at the reader has brought.
#[derive(Debug)]
pub(super) enum Look {
    /// There may be more.
    GoesOn,
    /// Everything was read.
    Ended(Result<End, String>),
}

impl Live {
    /// Begins to read; `is_twice`: quickly first.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(super) fn begin(input: Input, policy: Policy, is_twice: bool) -> std::io::Result<Self> {
        // Whoever reads waits where the screen does not keep up; a tap does not wait for it.
        let (sender, news) = sync_channel(BATCHES_MAX);
        thread::Builder::new().name("reader".to_owned()).spawn(move || {
            if is_twice {
                read_quickly(&input, &sender);
            }
            let ended = read_all(&input, policy, &sender);
            // Nobody listens any more where the screen was left.
            let _ = sender.send(News::Ended(ended));
        })?;
        Ok(Live { news })
    }

    /// Waits until there is something to show, or nothing will be.
    pub(super) fn wait(&self, session: &mut Session) -> Look {
        match self.news.recv() {
            Ok(news) => take(news, session),
            Err(_) => stopped(),
        }
    }

    /// Takes what has come, as much as there is time for between two drawings.
    pub(super) fn look(&self, session: &mut Session) -> Look {
        let until = Instant::now() + LOOK;
        while Instant::now() < until {
            match self.news.try_recv() {
                Ok(news) => {
                    if let Look::Ended(ended) = take(news, session) {
                        return Look::Ended(ended);
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return stopped(),
            }
        }
        Look::GoesOn
    }
}

fn take(news: News, session: &mut Session) -> Look {
    match news {
        News::Part(part) => {
            session.take_part(*part);
            Look::GoesOn
        }
        News::Followed(batch) => {
            batch.iter().for_each(|followed| followed.show(&mut |seen| session.take(seen)));
            Look::GoesOn
        }
        News::Ended(ended) => Look::Ended(ended),
    }
}

/// A reader says how it has ended, unless it has panicked.
fn stopped() -> Look {
    Look::Ended(Err("the reader has failed".to_owned()))
}

/// What goes wrong is said by the second reading.
fn read_quickly(input: &Input, sender: &SyncSender<News>) {
    let mut quick = Quick::default();
    let send = |part: Option<Part>| match part.map(|part| sender.send(News::Part(Box::new(part)))) {
        Some(Err(_)) => Flow::Stop,
        Some(Ok(())) | None => Flow::GoOn,
    };
    let mut show = |found: &Found<'_>| send(quick.take(found));
    if read(input, &mut show, &mut || Flow::GoOn).is_ok() {
        send(quick.rest());
    }
}

fn read_all(input: &Input, policy: Policy, sender: &SyncSender<News>) -> Result<End, String> {
    let mut give = |batch: &mut Vec<Followed>| {
        let news = News::Followed(std::mem::take(batch));
        if sender.send(news).is_ok() { Flow::GoOn } else { Flow::Stop }
    };
    follow(input, policy, &mut give)
}

/// Batches that wait for the screen, at most.
const BATCHES_MAX: usize = 64;
/// Longest that keys wait for what has come.
const LOOK: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::inspect::describe;
    use crate::inspect::open::open;
    use crate::inspect::yank::frame_bytes;

    #[test]
    fn whoever_reads_beside_the_screen_shows_what_was_read_at_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/captures");
        let files = std::fs::read_dir(folder).expect("captures ship");
        let mut count = 0;
        for file in files.map(|file| file.expect("a file").path()) {
            if file.extension().is_none_or(|extension| extension != "pcapng") {
                continue;
            }
            count += 1;
            let input = Input { files: vec![PathBuf::from(&file)], ..Input::default() };
            let Ok(whole) = open(&input, Policy::default(), None, None) else { continue };
            for is_twice in [false, true] {
                let live =
                    Live::begin(input.clone(), Policy::default(), is_twice).expect("a thread");
                let mut session = Session::of(&input, whole.name.clone());
                while let Look::GoesOn = live.wait(&mut session) {}
                session.end_quick_reading();

                assert_is_same(&session, &whole, true);
            }
        }
        assert!(count > 10, "{count} captures");
    }

    /// Everything, or only what a message says by itself.
    fn assert_is_same(session: &Session, whole: &Session, is_all: bool) {
        assert_eq!(session.len(), whole.len(), "{}", whole.name);
        for index in 0..whole.len() {
            let [one, other] = [session, whole].map(|it| it.entry(index).expect("is there"));
            assert_eq!((one.number, one.at), (other.number, other.at));
            assert_eq!(describe::name(&one), describe::name(&other));
            assert_eq!((one.direction, one.integrity), (other.direction, other.integrity));
            assert_eq!(frame_bytes(&one), frame_bytes(&other));
            if is_all {
                assert_eq!(one.info, other.info);
                let [row, same] = [session, whole].map(|it| it.row(index).expect("is there"));
                assert_eq!(row, same);
                assert_eq!((one.channel, one.pair), (other.channel, other.pair));
            }
        }
        assert!(!is_all || session.channels().len() == whole.channels().len());
    }

    #[test]
    fn a_first_reading_finds_the_messages_that_the_second_judges() {
        let folder = tempfile::tempdir().expect("a folder");
        for is_sealed in [false, true] {
            let path = folder.path().join("shares.pcapng");
            let mut sample = sv2_capture::sample::ShareCapture::new(3, is_sealed);
            std::fs::write(&path, sample.next_piece(3000)).expect("room");
            let input = Input { files: vec![path], ..Input::default() };
            let whole = open(&input, Policy::default(), None, None).expect("a capture");
            let (sender, news) = sync_channel(BATCHES_MAX);
            read_quickly(&input, &sender);
            drop(sender);
            let mut session = Session::of(&input, whole.name.clone());

            let mut parts = 0;
            for part in news {
                take(part, &mut session);
                parts += 1;
            }

            assert_eq!(parts, 2, "a short one first");
            assert_is_same(&session, &whole, false);
            assert!(session.end_quick_reading());
        }
    }

    #[test]
    fn what_is_no_capture_is_said_when_it_was_read() {
        let input = Input { files: vec![PathBuf::from("/dev/null/none")], ..Input::default() };
        let live = Live::begin(input, Policy::default(), true).expect("a thread");
        let mut session = Session::new(String::new());

        let Look::Ended(Err(error)) = live.wait(&mut session) else { panic!("it was read") };

        assert!(error.contains("/dev/null/none"), "{error}");
    }
}
