//! Prints how fast we are beside the reference implementation: `cargo run --release --bin compare`.
//!
//! Both sides take turns, and of each the fastest of several rounds counts: what disturbs a
//! machine only ever makes it slower.

use std::time::Duration;

use peers::workloads::{Run, Workload, all};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(40);

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    println!("{:<10} {:<46} {:>12} {:>12} {:>7} {:>12}", "", "", "ours", "theirs", "ratio", "goal");
    for mut workload in all() {
        let Workload { name, detail, goal_nanoseconds, .. } = workload;
        if !name.contains(&filter) && !detail.contains(&filter) {
            continue;
        }
        let (ours, theirs) = measure(&mut workload.ours, &mut workload.theirs);
        println!(
            "{name:<10} {detail:<46} {:>12} {:>12} {:>6.1}x {:>12}{}",
            show(ours),
            show(theirs),
            theirs / ours,
            show(goal_nanoseconds),
            if ours <= goal_nanoseconds { "" } else { "  missed" }
        );
    }
}

/// Nanoseconds for each run, ours first.
fn measure(ours: &mut Run, theirs: &mut Run) -> (f64, f64) {
    let (our_count, their_count) = (calibrate(ours), calibrate(theirs));
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        best.0 = best.0.min(nanoseconds(ours(our_count), our_count));
        best.1 = best.1.min(nanoseconds(theirs(their_count), their_count));
    }
    best
}

/// How often it runs in a round.
fn calibrate(run: &mut Run) -> u64 {
    let mut count = 1;
    loop {
        let took = run(count);
        if took * 4 > ROUND {
            let wanted = ROUND.as_secs_f64() / took.as_secs_f64() * count as f64;
            return (wanted as u64).max(1);
        }
        count *= 2;
    }
}

fn nanoseconds(took: Duration, count: u64) -> f64 {
    took.as_secs_f64() * 1e9 / count as f64
}

fn show(nanoseconds: f64) -> String {
    match nanoseconds {
        below if below < 1e3 => format!("{below:.1} ns"),
        below if below < 1e6 => format!("{:.2} us", below / 1e3),
        above => format!("{:.2} ms", above / 1e6),
    }
}
