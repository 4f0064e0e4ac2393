//! Which wrongs there are.

use sv2::event::Event;
use sv2::message::Message;
use sv2::role::{Input, Outbox, Output};

use super::{Memory, Mutant, heard, hears_all, said, says_all};
use crate::scenario::Kind;

/// One or more for each checker.
pub const MUTANTS: [Mutant; 13] = [
    Mutant {
        name: "pool-gives-a-prefix-twice",
        role: Kind::Pool,
        does: "gives every standard channel the extranonce prefix of the first",
        checker: "search-space",
        scenario: "pool",
        fault: "",
        hears: hears_all,
        says: the_first_prefix,
    },
    Mutant {
        name: "proxy-gives-a-prefix-twice",
        role: Kind::MiningProxy,
        does: "gives every standard channel the extranonce prefix of the first",
        checker: "search-space",
        scenario: "config-b",
        fault: "",
        hears: hears_all,
        says: the_first_prefix,
    },
    Mutant {
        name: "pool-credits-a-share-twice",
        role: Kind::Pool,
        does: "enters its tenth share into the accounts twice",
        checker: "credited-once",
        scenario: "pool",
        fault: "",
        hears: hears_all,
        says: the_tenth_share_twice,
    },
    Mutant {
        name: "pool-loses-a-share",
        role: Kind::Pool,
        does: "never judges the tenth share that it is sent",
        checker: "accounts",
        scenario: "config-b",
        fault: "",
        hears: all_but_the_tenth_share,
        says: says_all,
    },
    Mutant {
        name: "pool-keeps-quiet",
        role: Kind::Pool,
        does: "tells nobody of accepted shares after the third",
        checker: "accounts",
        scenario: "pool",
        fault: "",
        hears: hears_all,
        says: three_acknowledgements,
    },
    Mutant {
        name: "proxy-keeps-a-share",
        role: Kind::MiningProxy,
        does: "does not pass its tenth share on",
        checker: "accounts",
        scenario: "config-b",
        fault: "",
        hears: hears_all,
        says: no_tenth_share,
    },
    Mutant {
        name: "device-is-deaf-to-tips",
        role: Kind::MiningDevice,
        does: "hears of two tips and of none after",
        checker: "late-shares",
        scenario: "pool",
        fault: "",
        hears: two_tips,
        says: says_all,
    },
    Mutant {
        name: "pool-names-jobs-alike",
        role: Kind::Pool,
        does: "calls each job 1",
        checker: "job-ids",
        scenario: "pool",
        fault: "",
        hears: hears_all,
        says: one_job_id,
    },
    Mutant {
        name: "proxy-names-jobs-alike",
        role: Kind::MiningProxy,
        does: "calls each job 1",
        checker: "job-ids",
        scenario: "config-b",
        fault: "",
        hears: hears_all,
        says: one_job_id,
    },
    Mutant {
        name: "pool-answers-on-no-channel",
        role: Kind::Pool,
        does: "acknowledges its third share on a channel that nobody has opened",
        checker: "channels",
        scenario: "pool",
        fault: "",
        hears: hears_all,
        says: a_strange_channel,
    },
    Mutant {
        name: "pool-pays-too-much",
        role: Kind::Pool,
        does: "acknowledges more work than its third share has proven",
        checker: "work",
        scenario: "pool",
        fault: "",
        hears: hears_all,
        says: too_much_work,
    },
    Mutant {
        name: "device-lets-no-time-pass",
        role: Kind::MiningDevice,
        does: "wants to be woken at a moment that is past, for ever",
        checker: "progress",
        scenario: "pool",
        fault: "",
        hears: deaf_after_twenty_messages,
        says: says_all,
    },
    Mutant {
        name: "device-stays-away",
        role: Kind::MiningDevice,
        does: "does not come back where its connection was lost",
        checker: "recovery",
        scenario: "pool",
        fault: "[[fault]]\nkind = \"reconnect-storm\"\nrole = \"pool\"\nat = \"2min\"\n",
        hears: until_its_connection_ends,
        says: says_all,
    },
];

fn the_first_prefix(memory: &mut Memory, mut output: Output, out: &mut Outbox) {
    if let Some(Message::OpenStandardMiningChannelSuccess(success)) = said(&mut output) {
        match memory.kept.as_mut().and_then(said) {
            Some(Message::OpenStandardMiningChannelSuccess(first)) => {
                success.extranonce_prefix = first.extranonce_prefix;
            }
            _ => memory.kept = Some(output.clone()),
        }
    }
    out.put(output);
}

fn the_tenth_share_twice(memory: &mut Memory, output: Output, out: &mut Outbox) {
    if let Output::Event(Event::ShareAccepted { .. }) = &output {
        memory.count += 1;
        if memory.count == 10 {
            out.put(output.clone());
        }
    }
    out.put(output);
}

fn all_but_the_tenth_share(memory: &mut Memory, input: &Input) -> bool {
    memory.count += u32::from(matches!(heard(input), Some(Message::SubmitSharesExtended(_))));
    memory.count != 10
}

fn three_acknowledgements(memory: &mut Memory, mut output: Output, out: &mut Outbox) {
    let is_one = matches!(said(&mut output), Some(Message::SubmitSharesSuccess(_)));
    memory.count += u32::from(is_one);
    if !is_one || memory.count <= 3 {
        out.put(output);
    }
}

fn no_tenth_share(memory: &mut Memory, mut output: Output, out: &mut Outbox) {
    if let Some(Message::SubmitSharesExtended(_)) = said(&mut output) {
        memory.count += 1;
        if memory.count == 10 {
            return;
        }
    }
    out.put(output);
}

fn two_tips(memory: &mut Memory, input: &Input) -> bool {
    let is_tip = matches!(heard(input), Some(Message::SetNewPrevHash(_)));
    memory.count += u32::from(is_tip);
    !is_tip || memory.count < 3
}

fn one_job_id(_: &mut Memory, mut output: Output, out: &mut Outbox) {
    match said(&mut output) {
        Some(Message::NewMiningJob(job)) => job.job_id = 1,
        Some(Message::NewExtendedMiningJob(job)) => job.job_id = 1,
        _ => {}
    }
    out.put(output);
}

fn a_strange_channel(memory: &mut Memory, mut output: Output, out: &mut Outbox) {
    if let Some(Message::SubmitSharesSuccess(success)) = said(&mut output) {
        memory.count += 1;
        if memory.count == 3 {
            success.channel_id = 9_999;
        }
    }
    out.put(output);
}

fn too_much_work(memory: &mut Memory, mut output: Output, out: &mut Outbox) {
    if let Some(Message::SubmitSharesSuccess(success)) = said(&mut output) {
        memory.count += 1;
        success.new_shares_sum += u64::from(memory.count == 3);
    }
    out.put(output);
}

fn deaf_after_twenty_messages(memory: &mut Memory, input: &Input) -> bool {
    memory.count += u32::from(heard(input).is_some());
    memory.count < 20
}

fn until_its_connection_ends(memory: &mut Memory, input: &Input) -> bool {
    memory.count += u32::from(matches!(input, Input::Closed { .. }));
    memory.count == 0 || matches!(input, Input::Woken)
}
