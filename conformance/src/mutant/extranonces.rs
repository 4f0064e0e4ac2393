//! Bugs about who searches where.

use sv2::message::Message;
use sv2::mining::SetExtranoncePrefix;
use sv2::role::ConnectionId;
use sv2::wire::B32;

use super::Mutant;
use super::remembering::{Bug, Opened, Turn, around, channel_id, opened, spoil};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "one-prefix-per-connection",
            "A pool that ties the extranonce to the connection, as SV1 does, so that all \
             channels of a proxy search the same space",
            around::<OnePrefixPerConnection>,
        ),
        Mutant::in_code(
            "prefixes-counted-per-connection",
            "A pool that counts prefixes from zero on each connection",
            around::<CountedPerConnection>,
        ),
        Mutant::in_code(
            "prefixes-counted-per-kind",
            "A pool that counts prefixes of standard and of extended channels apart, so \
             that a standard one lies in the range of an extended one",
            around::<CountedPerKind>,
        ),
        Mutant::in_code(
            "prefix-is-the-number-of-channels",
            "A pool that makes the prefix of the number of open channels, which comes \
             back when one is closed",
            around::<NumberOfChannels>,
        ),
        Mutant::in_code(
            "standard-prefix-cut",
            "A pool that gives standard channels the short prefix of extended ones and \
             fills it up with zeros in its own check only",
            around::<StandardPrefixCut>,
        ),
        Mutant::in_code(
            "one-group-for-all-sizes",
            "A pool with one group per connection, whatever the sizes of extranonces are",
            around::<OneGroup>,
        ),
        Mutant::in_code(
            "new-prefix-for-old-jobs",
            "A pool that checks shares with the channel's present prefix, not with that \
             of the job",
            around::<NewPrefixForOldJobs>,
        ),
    ]
}

/// Changes what a Success says.
trait Changes: Default + 'static {
    fn change(&mut self, connection: ConnectionId, opened: Opened<'_>);
}

macro_rules! changes_success {
    ($($bug:ty),*) => {$(
        impl Bug for $bug {
            fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
                if let Some(opened) = opened(&mut message) {
                    self.change(connection, opened);
                }
                turn.say(connection, message);
            }
        }
    )*};
}

changes_success!(
    OnePrefixPerConnection,
    CountedPerConnection,
    CountedPerKind,
    StandardPrefixCut,
    OneGroup
);

#[derive(Default)]
struct OnePrefixPerConnection {
    first: Vec<(ConnectionId, bool, B32)>,
}

impl Changes for OnePrefixPerConnection {
    fn change(&mut self, connection: ConnectionId, opened: Opened<'_>) {
        let key = (connection, opened.is_standard);
        match self.first.iter().find(|(on, kind, _)| (*on, *kind) == key) {
            Some((_, _, prefix)) => *opened.prefix = *prefix,
            None => self.first.push((connection, opened.is_standard, *opened.prefix)),
        }
    }
}

#[derive(Default)]
struct CountedPerConnection {
    given: Vec<(ConnectionId, B32)>,
}

impl Changes for CountedPerConnection {
    fn change(&mut self, connection: ConnectionId, opened: Opened<'_>) {
        let count = self.given.iter().filter(|(on, _)| *on == connection).count();
        self.given.push((connection, *opened.prefix));
        *opened.prefix = self.given[count].1;
    }
}

#[derive(Default)]
struct CountedPerKind {
    standard: Vec<B32>,
    extended: Vec<B32>,
}

impl Changes for CountedPerKind {
    fn change(&mut self, _: ConnectionId, opened: Opened<'_>) {
        let (own, other) = match opened.is_standard {
            true => (&mut self.standard, &self.extended),
            false => (&mut self.extended, &self.standard),
        };
        let twin = other.get(own.len()).copied();
        own.push(*opened.prefix);
        if let Some(twin) = twin {
            let mut bytes = twin.as_slice().to_vec();
            bytes.resize(opened.prefix.as_slice().len(), 0);
            *opened.prefix = B32::new(&bytes).unwrap_or_default();
        }
    }
}

#[derive(Default)]
struct NumberOfChannels {
    given: Vec<B32>,
    live: usize,
}

impl Bug for NumberOfChannels {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if matches!(message, Message::CloseChannel(_)) {
            self.live = self.live.saturating_sub(1);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message) {
            self.given.push(*opened.prefix);
            *opened.prefix = self.given[self.live];
            self.live += 1;
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct StandardPrefixCut;

impl Changes for StandardPrefixCut {
    fn change(&mut self, _: ConnectionId, opened: Opened<'_>) {
        if opened.is_standard {
            let bytes = opened.prefix.as_slice();
            *opened.prefix = B32::new(&bytes[..bytes.len().min(8)]).unwrap_or_default();
        }
    }
}

#[derive(Default)]
struct OneGroup {
    first: Vec<(ConnectionId, u32)>,
}

impl Changes for OneGroup {
    fn change(&mut self, connection: ConnectionId, opened: Opened<'_>) {
        match self.first.iter().find(|(on, _)| *on == connection) {
            Some((_, group)) => *opened.group_id = *group,
            None => self.first.push((connection, *opened.group_id)),
        }
    }
}

/// Changes the prefix of each extended channel with the next block, and holds the shares of
/// earlier jobs against the new one.
#[derive(Default)]
struct NewPrefixForOldJobs {
    prefixes: Vec<(ConnectionId, u32, B32)>,
    old_jobs: Vec<(ConnectionId, u32)>,
    is_changed: bool,
}

impl Bug for NewPrefixForOldJobs {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::SubmitSharesExtended(share) = &message
            && self.is_changed
            && self.old_jobs.contains(&(connection, share.job_id))
        {
            spoil(&mut message);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        let to = channel_id(&mut message).map(|id| *id);
        let mut changed = None;
        if let Some(opened) = opened(&mut message)
            && !opened.is_standard
        {
            self.prefixes.push((connection, opened.channel_id, *opened.prefix));
        }
        match &message {
            Message::NewExtendedMiningJob(job) => self.old_jobs.push((connection, job.job_id)),
            Message::SetNewPrevHash(_) if !self.is_changed => {
                let of = |(on, _, _): &&(ConnectionId, u32, B32)| *on == connection;
                let is_first = self.prefixes.iter().find(of).is_some_and(|one| to == Some(one.1));
                if let (false, Some((_, id, prefix))) = (is_first, self.prefixes.iter().find(of)) {
                    let mut bytes = prefix.as_slice().to_vec();
                    bytes[0] ^= 0x80;
                    let extranonce_prefix = B32::new(&bytes).unwrap_or_default();
                    changed = Some(SetExtranoncePrefix { channel_id: *id, extranonce_prefix });
                }
            }
            _ => {}
        }
        turn.say(connection, message);
        if let Some(changed) = changed {
            self.is_changed = true;
            turn.say(connection, changed);
        }
    }
}
