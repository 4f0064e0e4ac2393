//! `assay accounts`: what the workers of a pool have earned.

use serde_json::json;
use sv2_net::accounts::{self, Account, Statement};

use crate::arguments::Accounts;
use crate::outcome::Outcome;
use crate::print;

/// Runs `assay accounts`.
pub(crate) fn run(arguments: &Accounts) -> Outcome {
    match accounts::Accounts::read(&arguments.directory) {
        Ok(statement) if arguments.json => json_lines(&statement),
        Ok(statement) => table(&statement),
        Err(error) => return Outcome::usage(error.to_string()),
    }
    Outcome::Done
}

fn json_lines(statement: &Statement) {
    for account in &statement.accounts {
        let line = json!({
            "user": escaped(&account.user_identity),
            "worker": escaped(&account.worker),
            "accepted": account.accepted_count,
            "difficulty": difficulty(account.work),
            // Exact, and longer than the numbers of many readers.
            "difficulty_times_2_64": account.work.to_string(),
            "blocks": account.block_count,
            "last_accepted_at": account.last_accepted_at,
            "rejected": account.rejected,
        });
        print::line(line);
    }
    if !statement.rejected_of_others.is_empty() {
        print::line(json!({ "user": null, "rejected": statement.rejected_of_others }));
    }
}

fn table(statement: &Statement) {
    let head = ["user", "worker", "accepted", "difficulty", "blocks", "rejected"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(statement.accounts.iter().map(row));
    print::table(&rows, 2);
    if !statement.rejected_of_others.is_empty() {
        let rejected = rejections(&statement.rejected_of_others);
        print::line(format_args!("rejected, of workers with no share accepted: {rejected}"));
    }
}

fn row(account: &Account) -> [String; 6] {
    [
        escaped(&account.user_identity),
        escaped(&account.worker),
        account.accepted_count.to_string(),
        significant(difficulty(account.work)),
        account.block_count.to_string(),
        rejections(&account.rejected),
    ]
}

/// Test networks pay shares of a difficulty of nearly nothing.
fn significant(difficulty: f64) -> String {
    if difficulty < 1.0 { format!("{difficulty:.3e}") } else { format!("{difficulty:.3}") }
}

/// `2 stale-share, 1 duplicate-share`
fn rejections(rejected: &std::collections::BTreeMap<String, u64>) -> String {
    let parts = rejected.iter().map(|(error_code, count)| format!("{count} {error_code}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Miners choose these bytes: they do not steer a terminal.
fn escaped(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

#[expect(clippy::cast_precision_loss, reason = "for people; the exact sum stands beside it")]
fn difficulty(work: u128) -> f64 {
    work as f64 / 2_f64.powi(64)
}
