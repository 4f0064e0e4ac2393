//! What a user wants to hear: rules that are silent, rules that are errors.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Finding, RULES, Severity};

/// Which rules are silent, and which are errors whatever they find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    allowed: BTreeSet<u8>,
    denied: BTreeSet<u8>,
}

/// A list of rules that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Not a number, with or without its letter.
    #[error("`{word}` is no rule: write numbers or codes, such as 19 or W19, with commas between")]
    NotARule {
        /// As written.
        word: String,
    },
    /// No rule has the number.
    #[error("there is no rule {number}: they are numbered 1 to {}", RULES.len())]
    NoSuchRule {
        /// As written.
        number: u8,
    },
}

impl Policy {
    /// Silences rules: `19,W22`.
    ///
    /// # Errors
    /// [`PolicyError`], with the word.
    pub fn allow(&mut self, rules: &str) -> Result<(), PolicyError> {
        self.allowed.extend(parse(rules)?);
        Ok(())
    }

    /// Makes errors of what rules find: `19,W22`. Wins over [`Policy::allow`].
    ///
    /// # Errors
    /// [`PolicyError`], with the word.
    pub fn deny(&mut self, rules: &str) -> Result<(), PolicyError> {
        self.denied.extend(parse(rules)?);
        Ok(())
    }

    /// Whether nothing that a rule finds is told.
    pub fn allows(&self, number: u8) -> bool {
        self.allowed.contains(&number) && !self.denied.contains(&number)
    }

    /// The finding as the user wants it; `None`: not at all.
    pub(super) fn judge(&self, mut finding: Finding) -> Option<Finding> {
        let number = finding.rule.number;
        if self.denied.contains(&number) {
            finding.severity = Severity::Error;
        }
        (!self.allows(number)).then_some(finding)
    }
}

fn parse(rules: &str) -> Result<Vec<u8>, PolicyError> {
    let words = rules.split([',', ' ']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let digits = word.trim_start_matches(['E', 'W', 'N', 'C', 'e', 'w', 'n', 'c']);
            let number = digits.parse();
            let number = number.map_err(|_| PolicyError::NotARule { word: word.to_owned() })?;
            let is_known = super::rule(number).is_some();
            if is_known { Ok(number) } else { Err(PolicyError::NoSuchRule { number }) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(number: u8) -> Finding {
        Finding {
            rule: super::super::rule(number).expect("a rule"),
            severity: Severity::Note,
            number: 1,
            connection: 0,
            channel: None,
            cause: None,
            pair: None,
            text: String::new(),
        }
    }

    #[test]
    fn allowed_rules_are_silent_and_denied_ones_are_errors() {
        let mut policy = Policy::default();
        policy.allow("19, w22").expect("rules");
        policy.deny("E22,35").expect("rules");

        let judged =
            [19, 22, 35, 1].map(|number| policy.judge(finding(number)).map(|it| it.severity));

        assert_eq!(
            judged,
            [None, Some(Severity::Error), Some(Severity::Error), Some(Severity::Note)]
        );
    }

    #[test]
    fn what_is_no_rule_is_named() {
        let mut policy = Policy::default();
        for (text, error) in [
            ("19,stale", PolicyError::NotARule { word: "stale".to_owned() }),
            ("37", PolicyError::NoSuchRule { number: 37 }),
            ("0", PolicyError::NoSuchRule { number: 0 }),
        ] {
            assert_eq!(policy.allow(text), Err(error), "{text}");
        }
        assert_eq!(policy, Policy::default());
    }
}
