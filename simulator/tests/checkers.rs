//! Checkers find nothing in shipped networks, and ring in one where a role does wrong.

use simulator::checkers::Violation;
use simulator::scenario::{Overrides, Scenario, builtin};
use simulator::world::{Casting, Player, QueueKind, World, WorldSettings};
use sv2::event::Event;
use sv2::message::Message;
use sv2::role::{Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

fn minute(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

fn scenario(name: &str, more: &str) -> Scenario {
    let text = builtin(name).expect("it ships").text.to_owned()
        + "\n[network]\nlatency = \"20ms\"\n"
        + more;
    Scenario::load(name, &text, &Overrides::default()).expect("it loads")
}

fn check(scenario: &Scenario, casting: Option<Casting>, minutes: u64) -> Option<Violation> {
    let mut read = |_: &std::path::Path| Err("no file".to_owned());
    let settings =
        WorldSettings { queue: QueueKind::Radix, read: &mut read, casting, has_checks: true };
    let mut world = World::with(scenario, settings).expect("it has a world");
    world.run(minute(minutes), u64::MAX);
    world.violation().cloned()
}

#[test]
fn nothing_is_wrong_in_shipped_networks() {
    for name in ["pool", "sv1", "config-a", "config-b", "config-c", "config-d"] {
        assert_eq!(check(&scenario(name, ""), None, 10), None, "{name}");
    }
}

/// What a faulty role does with what the real one hears, and with what it says.
struct Faulty {
    inner: Player,
    hears: fn(&mut Memory, &Input) -> bool,
    says: fn(&mut Memory, Output, &mut Outbox),
    memory: Memory,
    inner_out: Outbox,
}

#[derive(Default)]
struct Memory {
    count: u32,
    kept: Option<Output>,
}

impl Role for Faulty {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if (self.hears)(&mut self.memory, &input) {
            self.inner.handle(now, input, &mut self.inner_out);
        }
        for output in self.inner_out.take() {
            (self.says)(&mut self.memory, output, out);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

fn hears_all(_: &mut Memory, _: &Input) -> bool {
    true
}

fn says_all(_: &mut Memory, output: Output, out: &mut Outbox) {
    out.put(output);
}

/// The name of the checker that rings where this role of configuration B, or of a pool with its
/// devices, is faulty.
fn rings(
    name: &str,
    role: &str,
    more: &str,
    hears: fn(&mut Memory, &Input) -> bool,
    says: fn(&mut Memory, Output, &mut Outbox),
) -> &'static str {
    let scenario = scenario(name, more);
    let faulty = scenario.role_named(role).expect("it is there");
    let casting: Casting = Box::new(move |id, _, inner| {
        if id != faulty {
            return inner;
        }
        let (memory, inner_out) = (Memory::default(), Outbox::new());
        Box::new(Faulty { inner, hears, says, memory, inner_out })
    });
    let violation = check(&scenario, Some(casting), 70);
    violation.map_or("none", |violation| violation.checker)
}

#[test]
fn a_prefix_that_is_given_twice_is_seen() {
    let says = |memory: &mut Memory, mut output: Output, out: &mut Outbox| {
        if let Output::Send {
            message: Message::OpenStandardMiningChannelSuccess(success), ..
        } = &mut output
        {
            match &memory.kept {
                Some(Output::Send {
                    message: Message::OpenStandardMiningChannelSuccess(first),
                    ..
                }) => success.extranonce_prefix = first.extranonce_prefix,
                _ => memory.kept = Some(output.clone()),
            }
        }
        out.put(output);
    };

    assert_eq!(rings("pool", "pool", "", hears_all, says), "search-space");
    assert_eq!(rings("config-b", "proxy", "", hears_all, says), "search-space");
}

#[test]
fn a_share_that_is_accepted_twice_is_seen() {
    let says = |memory: &mut Memory, output: Output, out: &mut Outbox| {
        if let Output::Event(Event::ShareAccepted { .. }) = &output {
            memory.count += 1;
            if memory.count == 10 {
                out.put(output.clone());
            }
        }
        out.put(output);
    };

    assert_eq!(rings("pool", "pool", "", hears_all, says), "credited-once");
}

#[test]
fn a_share_that_is_never_judged_is_seen() {
    let hears = |memory: &mut Memory, input: &Input| {
        if let Input::Received { message: Message::SubmitSharesExtended(_), .. } = input {
            memory.count += 1;
        }
        memory.count != 10
    };

    assert_eq!(rings("config-b", "pool", "", hears, says_all), "accounts");
}

#[test]
fn a_share_that_a_proxy_keeps_to_itself_is_seen() {
    let says = |memory: &mut Memory, output: Output, out: &mut Outbox| {
        if let Output::Send { message: Message::SubmitSharesExtended(_), .. } = &output {
            memory.count += 1;
            if memory.count == 10 {
                return;
            }
        }
        out.put(output);
    };

    assert_eq!(rings("config-b", "proxy", "", hears_all, says), "accounts");
}

#[test]
fn a_device_that_hears_of_no_tip_is_late_without_excuse() {
    let hears = |_: &mut Memory, input: &Input| {
        !matches!(input, Input::Received { message: Message::SetNewPrevHash(_), .. })
    };
    let after_the_first = |memory: &mut Memory, input: &Input| {
        if let Input::Received { message: Message::SetNewPrevHash(_), .. } = input {
            memory.count += 1;
            return memory.count < 3;
        }
        true
    };

    assert_eq!(rings("pool", "miners", "", after_the_first, says_all), "late-shares");
    assert_eq!(rings("pool", "pool", "", hears, says_all), "none", "it hears of none from devices");
}

#[test]
fn a_job_id_that_names_two_jobs_is_seen() {
    let says = |_: &mut Memory, mut output: Output, out: &mut Outbox| {
        if let Output::Send { message, .. } = &mut output {
            match message {
                Message::NewMiningJob(job) => job.job_id = 1,
                Message::NewExtendedMiningJob(job) => job.job_id = 1,
                _ => {}
            }
        }
        out.put(output);
    };

    assert_eq!(rings("pool", "pool", "", hears_all, says), "job-ids");
    assert_eq!(rings("config-b", "proxy", "", hears_all, says), "job-ids");
}

#[test]
fn a_channel_that_is_none_is_seen() {
    let says = |memory: &mut Memory, mut output: Output, out: &mut Outbox| {
        if let Output::Send { message: Message::SubmitSharesSuccess(success), .. } = &mut output {
            memory.count += 1;
            if memory.count == 3 {
                success.channel_id = 9_999;
            }
        }
        out.put(output);
    };

    assert_eq!(rings("pool", "pool", "", hears_all, says), "channels");
}

#[test]
fn work_that_nobody_has_proven_is_seen() {
    let says = |memory: &mut Memory, mut output: Output, out: &mut Outbox| {
        if let Output::Send { message: Message::SubmitSharesSuccess(success), .. } = &mut output {
            memory.count += 1;
            success.new_shares_sum += u64::from(memory.count == 3);
        }
        out.put(output);
    };

    assert_eq!(rings("pool", "pool", "", hears_all, says), "work");
}

#[test]
fn a_role_that_lets_no_time_pass_is_seen() {
    let hears = |memory: &mut Memory, input: &Input| {
        memory.count += u32::from(matches!(input, Input::Received { .. }));
        memory.count < 20
    };

    assert_eq!(rings("pool", "miners", "", hears, says_all), "progress");
}

#[test]
fn a_device_that_does_not_come_back_is_missed() {
    let storm = "\n[[fault]]\nkind = \"reconnect-storm\"\nrole = \"pool\"\nat = \"2min\"\n";
    let hears = |memory: &mut Memory, input: &Input| {
        memory.count += u32::from(matches!(input, Input::Closed { .. }));
        memory.count == 0 || matches!(input, Input::Woken)
    };

    assert_eq!(rings("pool", "miners", storm, hears, says_all), "recovery");
}
