//! `did you mean`: the known name that is nearest to a wrong one.

/// `; did you mean "x"?`, or nothing if no known name is near.
pub fn did_you_mean<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let wrong = word.to_lowercase();
    let nearest = known
        .into_iter()
        .map(|candidate| (distance(&wrong, &candidate.to_lowercase()), candidate))
        .min();
    match nearest {
        Some((distance, candidate)) if distance <= word.chars().count() / 3 + 1 => {
            format!("; did you mean \"{candidate}\"?")
        }
        _ => String::new(),
    }
}

/// The same, or the list of what is known if nothing is near and the list is short.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    let nearest = did_you_mean(word, known.iter().copied());
    if nearest.is_empty() && !known.is_empty() && known.len() <= LISTED_MAX {
        return format!("; known are {}", known.join(", "));
    }
    nearest
}

/// Letters to insert, remove or replace (Levenshtein): few words, short ones.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

/// More names than this are no help in an error.
const LISTED_MAX: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["command", "comment", "files"];

        assert_eq!(did_you_mean("comand", known), "; did you mean \"command\"?");
        assert_eq!(did_you_mean("hooks", known), "");
    }

    #[test]
    fn without_a_near_name_a_short_list_is_shown() {
        assert_eq!(suggestion("hooks", &["command", "files"]), "; known are command, files");
        assert_eq!(suggestion("hooks", &["command"; LISTED_MAX + 1]), "");
    }
}
