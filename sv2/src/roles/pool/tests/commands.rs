//! What an operator wants of open channels: prefixes, groups, another address.

use super::*;
use crate::common::Reconnect;
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::header::Header;
use crate::mining::setup_flag::REQUIRES_STANDARD_JOBS;
use crate::mining::{SetExtranoncePrefix, SetGroupChannel};
use crate::role::{Channels, Command};
use crate::wire::B32;

fn one(channel_id: u32) -> Channels {
    Channels::One { connection: MINER, channel_id }
}

fn renew(channels: Channels) -> Command {
    Command::RenewExtranoncePrefix { channels }
}

fn move_to(channels: Channels, group_channel_id: Option<u32>) -> Command {
    Command::MoveToGroup { channels, group_channel_id }
}

impl Bench {
    fn command(&mut self, command: Command) -> Vec<Output> {
        self.give(Input::Command(command))
    }
}

fn new_prefix(outputs: &[Output]) -> B32 {
    match &messages_to(MINER, outputs)[..] {
        [Message::SetExtranoncePrefix(SetExtranoncePrefix { extranonce_prefix, .. })] => {
            *extranonce_prefix
        }
        other => panic!("{other:?}"),
    }
}

fn refusal(outputs: &[Output]) -> Option<String> {
    outputs.iter().find_map(|output| match output {
        Output::Event(Event::CommandRefused { reason, .. }) => Some(reason.clone()),
        _ => None,
    })
}

/// Where a message of jobs or tips goes, and which job it is about.
fn address(message: &Message) -> (u32, u32) {
    match message {
        Message::NewMiningJob(job) => (job.channel_id, job.job_id),
        Message::NewExtendedMiningJob(job) => (job.channel_id, job.job_id),
        Message::SetNewPrevHash(news) => (news.channel_id, news.job_id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn jobs_that_were_sent_keep_their_prefix_and_the_next_one_has_the_new() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, REQUIRES_STANDARD_JOBS);
    let opened = bench.open_standard(MINER);
    let job = |outputs: Vec<Output>| standard_job(&messages_to(MINER, &outputs)[0]).clone();
    let active = job(bench.template(2, false));
    let future = job(bench.template(3, true));

    let prefix = new_prefix(&bench.command(renew(one(opened.channel_id))));
    let fresh = job(bench.template(4, false));

    assert_ne!(prefix, opened.extranonce_prefix);
    assert_eq!(prefix.as_slice().len(), opened.extranonce_prefix.as_slice().len());
    assert_eq!(active.merkle_root, future.merkle_root, "templates that differ in their id alone");
    assert_ne!(active.merkle_root, fresh.merkle_root);
    // What the pool hashes is what the miner was given.
    assert_eq!(paid_hash(&mut bench, &active), header(&active, 1).hash());
    assert_eq!(paid_hash(&mut bench, &fresh), header(&fresh, 1).hash());
    bench.tip(3, 2);
    assert_eq!(paid_hash(&mut bench, &future), header(&future, 2).hash());
}

/// Of the share with nonce 7.
fn paid_hash(bench: &mut Bench, job: &NewMiningJob) -> U256 {
    let outputs = bench.receive(MINER, share(job.channel_id, job.job_id, 7));
    let hash = outputs.iter().find_map(|output| match output {
        Output::Event(Event::ShareAccepted { hash, .. }) => Some(*hash),
        _ => None,
    });
    hash.unwrap_or_else(|| panic!("{outputs:?}"))
}

fn header(job: &NewMiningJob, block: u64) -> Header {
    Header {
        version: job.version,
        prev_hash: U256::from_limbs([block, 0, 0, 0]),
        merkle_root: job.merkle_root,
        ntime: MIN_NTIME,
        nbits: 0x1d00_ffff,
        nonce: 7,
    }
}

#[test]
fn prefixes_are_renewed_without_end_and_those_of_living_jobs_are_nobody_elses() {
    let layout = ExtranonceLayout::new(vec![7], 1, 20).unwrap();
    let mut bench = Bench::ready(MiningServerConfig { extranonce: layout, ..easy() });
    bench.join(MINER, 0);
    let opened = bench.open_extended(MINER);

    for _ in 0..1_000 {
        let prefix = new_prefix(&bench.command(renew(one(opened.channel_id))));
        assert_ne!(prefix, opened.extranonce_prefix, "the first job has it");
    }
    bench.template(2, true);
    bench.tip(2, 2);
    let prefixes = (0..256).map(|_| new_prefix(&bench.command(renew(one(opened.channel_id)))));

    assert!(prefixes.collect::<Vec<_>>().contains(&opened.extranonce_prefix), "the job is gone");
}

#[test]
fn a_channel_in_a_new_group_takes_its_future_jobs_along() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let (stays, goes) = (bench.open_standard(MINER), bench.open_extended(MINER));
    let group = stays.group_channel_id;
    let future = messages_to(MINER, &bench.template(2, true));
    let (_, future) = address(&future[0]);

    let moved = messages_to(MINER, &bench.command(move_to(one(goes.channel_id), None)));
    let [Message::SetGroupChannel(SetGroupChannel { group_channel_id: new_group, channel_ids })] =
        &moved[..]
    else {
        panic!("{moved:?}");
    };
    let tip = messages_to(MINER, &bench.tip(2, 2));
    let job = messages_to(MINER, &bench.template(3, false));

    assert_eq!(channel_ids.as_slice(), [goes.channel_id]);
    let tip: Vec<_> = tip.iter().map(address).collect();
    assert_eq!(tip, [(group, future), (*new_group, future)]);
    let job: Vec<_> = job.iter().map(|message| address(message).0).collect();
    assert_eq!(job, [group, *new_group]);
    assert_eq!(bench.answers(MINER, share(stays.channel_id, future, 1)).len(), 1);
}

#[test]
fn a_channel_in_another_group_reads_its_messages_and_future_jobs_are_sent_again() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let (first, second) = (bench.open_standard(MINER), bench.open_standard(MINER));
    let group = first.group_channel_id;
    bench.command(move_to(one(second.channel_id), None));
    bench.template(2, true);

    let back = messages_to(MINER, &bench.command(move_to(one(second.channel_id), Some(group))));
    let tip = messages_to(MINER, &bench.tip(2, 2));

    let [Message::SetGroupChannel(_), job] = &back[..] else { panic!("{back:?}") };
    let (to, future) = address(job);
    assert_eq!(to, group);
    assert_eq!(tip.iter().map(address).collect::<Vec<_>>(), [(group, future)]);
    for channel_id in [first.channel_id, second.channel_id] {
        let answers = bench.answers(MINER, share(channel_id, future, 1));
        assert!(matches!(answers[..], [Message::SubmitSharesSuccess(_)]), "{answers:?}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_in_words_and_nothing_is_sent() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.join(OTHER, REQUIRES_STANDARD_JOBS);
    let channel = bench.open_standard(MINER);
    let longer = OpenExtendedMiningChannel { min_extranonce_size: 20, ..extended_request(2) };
    let longer = match &bench.answers(MINER, longer)[0] {
        Message::OpenExtendedMiningChannelSuccess(success) => success.group_channel_id,
        other => panic!("{other:?}"),
    };
    let bound = bench.open_standard(OTHER).channel_id;
    let of_other = Channels::One { connection: OTHER, channel_id: bound };
    let (id, group) = (channel.channel_id, channel.group_channel_id);

    for (command, expected) in [
        (renew(one(99)), "no open channel 99"),
        (move_to(one(99), None), "no open channel 99"),
        (move_to(one(id), Some(99)), "no group 99"),
        (move_to(one(id), Some(id)), "no group"),
        (move_to(one(id), Some(group)), "a member already"),
        (move_to(one(id), Some(longer)), "its extranonces have 20 bytes"),
        (move_to(of_other, None), "requires standard jobs"),
        (move_to(of_other, Some(group)), "requires standard jobs"),
    ] {
        let outputs = bench.command(command.clone());

        let reason = refusal(&outputs).unwrap_or_else(|| panic!("{command:?}: {outputs:?}"));
        assert!(reason.contains(expected), "{command:?}: {reason}");
        assert_eq!(outputs.len(), 1, "{outputs:?}");
    }
}

#[test]
fn a_command_for_all_says_to_how_many_it_was_done_and_to_how_many_not() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.join(OTHER, REQUIRES_STANDARD_JOBS);
    bench.open_standard(MINER);
    bench.open_extended(MINER);
    bench.open_standard(OTHER);

    let outputs = bench.command(move_to(Channels::All, None));

    let count = |name| {
        outputs.iter().find_map(|output| match output {
            Output::Event(event) if event.name() == name => match event {
                Event::CommandDone { count, .. } | Event::CommandRefused { count, .. } => {
                    Some(*count)
                }
                _ => None,
            },
            _ => None,
        })
    };
    assert_eq!((count("command-done"), count("command-refused")), (Some(2), Some(1)));
}

#[test]
fn all_clients_that_are_set_up_are_sent_elsewhere_and_served_until_they_go() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.connect(OTHER);
    let channel_id = bench.open_standard(MINER).channel_id;
    let new_host = Str255::from_static("other.example");

    let outputs = bench.command(Command::Reconnect { new_host: new_host.clone(), new_port: 7 });
    let answers = bench.answers(MINER, share(channel_id, 1, 1));

    let told = Event::CommandDone { command: "reconnect", count: 1 };
    assert_eq!(outputs, [sent(MINER, Reconnect { new_host, new_port: 7 }), Output::Event(told)]);
    assert!(matches!(answers[..], [Message::SubmitSharesSuccess(_)]), "{answers:?}");
}

#[test]
fn a_channel_that_brings_its_own_work_is_moved_without_jobs() {
    let mut bench = Bench::ready(MiningServerConfig { supports_work_selection: true, ..easy() });
    bench.join(MINER, crate::mining::setup_flag::REQUIRES_WORK_SELECTION);
    let (first, second) = (bench.open_extended(MINER), bench.open_extended(MINER));
    bench.template(2, true);

    let apart = bench.command(move_to(one(second.channel_id), None));
    let back = bench.command(move_to(one(second.channel_id), Some(first.group_channel_id)));

    for outputs in [apart, back] {
        let messages = messages_to(MINER, &outputs);
        assert!(matches!(messages[..], [Message::SetGroupChannel(_)]), "{messages:?}");
    }
}
