//! `did you mean`: the known name that is nearest to a wrong one.

/// `; did you mean "NAME"?`, or nothing if no name is near.
pub(super) fn did_you_mean<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let near = |name: &&str| distance(wrong, name) <= 1 + wrong.chars().count() / 4;
    let nearest = known.into_iter().filter(near).min_by_key(|name| distance(wrong, name));
    nearest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// What stands between backticks: in serde's messages the wrong name, then all known ones.
pub(super) fn quoted_names(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(first: &str, second: &str) -> usize {
    let second: Vec<char> = second.chars().collect();
    let mut row: Vec<usize> = (0..=second.len()).collect();
    for (index, letter) in first.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in second.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[second.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["command", "comment", "files"];

        assert_eq!(did_you_mean("comand", known), "; did you mean \"command\"?");
        assert_eq!(did_you_mean("hooks", known), "");
    }
}
