//! Everything that captures say, one observation after the other, with what it means and what is
//! wrong with it.

use std::thread;

use bytes::BytesMut;
use sv2_capture::filter::Entry;
use sv2_capture::observed::Observed;
use sv2_capture::read::{ARENA_LEN, Found, Kept};
use sv2_capture::rules::{Inspector, Policy, Report};
use sv2_capture::state::{Standing, State};

use super::options::Input;
use super::source::{self, End, Flow};
use super::stage::{on_a_thread, result_of, stage};

/// An observation, followed and judged.
pub(crate) struct Seen<'a> {
    pub(crate) found: &'a Found<'a>,
    pub(crate) report: &'a Report,
    /// Where it belongs, as that stands behind the observation.
    pub(crate) standing: Option<&'a Standing>,
    /// Nanoseconds since the first observation of all.
    pub(crate) since_first: u64,
    /// When its connection said something before, in nanoseconds since the Unix epoch.
    pub(crate) previous_at: Option<u64>,
}

impl<'a> Seen<'a> {
    /// For filters and columns.
    pub(crate) fn columns(&self, info: &'a str) -> Entry<'a> {
        Entry {
            observed: &self.found.observed,
            report: self.report,
            standing: self.standing,
            previous_at: self.previous_at,
            info,
        }
    }
}

/// Reads all of the input and shows it. `idle` is called where a live input may wait for more.
/// Files of some size are read on one thread and followed on another.
///
/// # Errors
/// In words: an input that cannot be opened.
pub(crate) fn walk(
    input: &Input,
    policy: Policy,
    see: &mut dyn FnMut(&Seen<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    if !source::is_worth_a_thread(input) {
        let mut follower = Follower::new(policy);
        let mut show = |found: &Found<'_>| follower.follow(&found.observed).show(found, see);
        return source::read(input, &mut show, idle);
    }
    thread::scope(|scope| {
        let (giver, taker) = stage();
        let follower = on_a_thread(scope, "follower", move || {
            follow(input, policy, &mut |batch: &mut Vec<Followed>| giver.give(batch))
        })?;
        taker.each(|batch| match batch.iter().all(|followed| followed.show(see) == Flow::GoOn) {
            true => Flow::GoOn,
            false => Flow::Stop,
        });
        result_of(follower)
    })
}

/// The same for whoever looks elsewhere: in batches, which `give` takes out.
///
/// # Errors
/// As [`walk`].
pub(crate) fn follow(
    input: &Input,
    policy: Policy,
    give: &mut dyn FnMut(&mut Vec<Followed>) -> Flow,
) -> Result<End, String> {
    let mut follower = Follower::new(policy);
    let (mut arena, mut out) = (BytesMut::with_capacity(ARENA_LEN), Vec::new());
    let mut follow = |batch: &mut Vec<Kept>| {
        out.extend(batch.drain(..).map(|mut kept| {
            kept.open(&mut arena);
            let came = follower.follow(&kept.found().observed);
            Followed { kept, came }
        }));
        give(&mut out)
    };
    if !source::is_worth_a_thread(input) {
        return source::read_kept(input, &mut follow);
    }
    thread::scope(|scope| {
        let (giver, taker) = stage();
        let reader = on_a_thread(scope, "reader", move || {
            source::read_kept(input, &mut |batch: &mut Vec<Kept>| giver.give(batch))
        })?;
        taker.each(follow);
        result_of(reader)
    })
}

/// The same for whoever asks only what messages say by themselves: nothing is followed or judged.
///
/// # Errors
/// As [`walk`].
pub(crate) fn glance(
    input: &Input,
    see: &mut dyn FnMut(&Seen<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    // It never learns of a connection, so that a message means what it says and no more.
    let mut nothing = State::default();
    let mut first_at = None;
    source::read(
        input,
        &mut |found| {
            let observed = &found.observed;
            let report = Report { facts: nothing.read(observed), findings: Vec::new() };
            let since_first = observed.at.saturating_sub(*first_at.get_or_insert(observed.at));
            let (standing, previous_at) = (None, None);
            see(&Seen { found, report: &report, standing, since_first, previous_at })
        },
        idle,
    )
}

/// An observation that was followed and judged, and outlives what it was read from.
pub(crate) struct Followed {
    kept: Kept,
    came: Came,
}

impl Followed {
    /// As [`walk`] shows it.
    pub(crate) fn show<R>(&self, see: &mut dyn FnMut(&Seen<'_>) -> R) -> R {
        self.came.show(&self.kept.found(), see)
    }
}

/// Follows and judges.
pub(crate) struct Follower {
    inspector: Inspector,
    first_at: Option<u64>,
}

/// What has come of an observation.
pub(crate) struct Came {
    report: Report,
    standing: Option<Standing>,
    since_first: u64,
    previous_at: Option<u64>,
}

impl Follower {
    pub(crate) fn new(policy: Policy) -> Self {
        Follower { inspector: Inspector::new(policy), first_at: None }
    }

    /// Takes the next observation.
    pub(crate) fn follow(&mut self, observed: &Observed<'_>) -> Came {
        let before = self.inspector.state().connection(observed.connection);
        let previous_at = before.map(|connection| connection.last.at);
        let report = self.inspector.observe(observed);
        let first_at = *self.first_at.get_or_insert(observed.at);
        let since_first = observed.at.saturating_sub(first_at);
        let standing = self.inspector.state().standing(observed, &report.facts);
        Came { report, standing, since_first, previous_at }
    }
}

impl Came {
    /// Shows it, with what it has come of.
    pub(crate) fn show<R>(&self, found: &Found<'_>, see: &mut dyn FnMut(&Seen<'_>) -> R) -> R {
        let Came { report, standing, since_first, previous_at } = self;
        let (since_first, previous_at) = (*since_first, *previous_at);
        see(&Seen { found, report, standing: standing.as_ref(), since_first, previous_at })
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    /// A capture that is worth threads, and the folder that it is in.
    fn long(is_sealed: bool) -> (tempfile::TempDir, Input) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shares.pcapng");
        let mut sample = sv2_capture::sample::ShareCapture::new(3, is_sealed);
        std::fs::write(&file, sample.next_piece(40_000)).unwrap();
        let input = Input { files: vec![file], ..Input::default() };
        assert!(source::is_worth_a_thread(&input));
        (folder, input)
    }

    fn fingerprint(seen: &Seen<'_>) -> u64 {
        let Seen { found, report, standing, since_first, previous_at } = seen;
        let mut hash = DefaultHasher::new();
        format!("{found:?} {report:?} {standing:?} {since_first} {previous_at:?}").hash(&mut hash);
        hash.finish()
    }

    #[test]
    fn what_is_followed_on_other_threads_is_what_is_followed_on_this_one() {
        for is_sealed in [false, true] {
            let (_folder, input) = long(is_sealed);
            let (mut there, mut here) = (Vec::new(), Vec::new());

            let mut see = |seen: &Seen<'_>| {
                there.push(fingerprint(seen));
                Flow::GoOn
            };
            walk(&input, Policy::default(), &mut see, &mut || Flow::GoOn).unwrap();

            let mut follower = Follower::new(Policy::default());
            let mut show = |found: &Found<'_>| {
                let came = follower.follow(&found.observed);
                came.show(found, &mut |seen| here.push(fingerprint(seen)));
                Flow::GoOn
            };
            let mut look = |_: u32, _: &sv2_capture::read::Packet<'_>| {};
            source::read_packets(&input, &mut look, &mut show, &mut || Flow::GoOn).unwrap();
            assert!(here.len() > 40_000);
            assert!(there == here, "they differ");
        }
    }

    #[test]
    fn nobody_reads_or_follows_on_once_enough_was_seen() {
        let (_folder, input) = long(false);
        let mut count = 0;
        let mut see = |_: &Seen<'_>| {
            count += 1;
            if count == 10 { Flow::Stop } else { Flow::GoOn }
        };

        let end = walk(&input, Policy::default(), &mut see, &mut || Flow::GoOn).unwrap();

        assert_eq!(count, 10);
        assert!((10..10_000).contains(&end.tally.packets), "{:?}", end.tally);
    }
}
