//! When a run has shown what it was started for: `blocks=3`.

use std::fmt;
use std::str::FromStr;

use sv2_document::did_you_mean;

/// What must have happened; all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// Blocks that the network found and a node has taken.
    pub block_count: u64,
    /// Shares that pools have accepted.
    pub share_count: u64,
}

impl Goal {
    /// Whether so much is enough.
    pub fn is_reached(&self, block_count: u64, share_count: u64) -> bool {
        block_count >= self.block_count && share_count >= self.share_count
    }
}

impl FromStr for Goal {
    type Err = String;

    /// `blocks=3`, `shares=100`, or both with a comma.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut goal = Goal::default();
        for part in text.split(',') {
            let expected = || format!("expected blocks=NUMBER or shares=NUMBER, got \"{part}\"");
            let (name, number) = part.split_once('=').ok_or_else(expected)?;
            let count = match name.trim() {
                "blocks" => &mut goal.block_count,
                "shares" => &mut goal.share_count,
                other => {
                    let hint = did_you_mean(other, ["blocks", "shares"]);
                    return Err(format!("nothing called \"{other}\" is counted{hint}"));
                }
            };
            *count = number.trim().parse().ok().filter(|count| *count > 0).ok_or_else(expected)?;
        }
        Ok(goal)
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [("blocks", self.block_count), ("shares", self.share_count)];
        let mut comma = "";
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{comma}{name}={count}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_when_all_of_it_is() {
        let goal: Goal = "blocks=3,shares=10".parse().unwrap();

        assert!(!goal.is_reached(3, 9));
        assert!(!goal.is_reached(2, 10));
        assert!(goal.is_reached(3, 10));
        assert_eq!(goal.to_string(), "blocks=3,shares=10");
    }

    #[test]
    fn what_is_no_goal_says_what_one_is() {
        for (text, expected) in [
            ("blocks", "expected blocks=NUMBER or shares=NUMBER, got \"blocks\""),
            ("blocks=0", "expected blocks=NUMBER or shares=NUMBER, got \"blocks=0\""),
            ("block=3", "nothing called \"block\" is counted; did you mean \"blocks\"?"),
        ] {
            assert_eq!(text.parse::<Goal>().unwrap_err(), expected);
        }
    }
}
