//! The known word that somebody most likely meant.

/// The word of `known` nearest to `typed`, if it is near enough to be worth naming: at most one edit for each
/// three characters of what was typed, and one for short words.
#[must_use]
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer words than any we know are not a slip of the finger, and would cost time.
    if typed.len() > 64 {
        return None;
    }
    let limit = (typed.chars().count() / 3).max(1);
    let best = known.iter().map(|word| (distance(typed, word), *word)).min()?;
    (best.0 <= limit).then_some(best.1)
}

/// Edits (insert, delete, replace, swap neighbours: optimal string alignment) between two words, without case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().flat_map(char::to_lowercase).collect();
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut cost = (last[j + 1] + 1).min(row[j] + 1).min(last[j] + usize::from(a != b));
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn swapped_letters_are_one_edit() {
        assert_eq!(distance("memroy", "memory"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_near_words_are_named() {
        let known = ["name", "memory", "disk", "network"];
        assert_eq!(nearest("memroy", &known), Some("memory"));
        assert_eq!(nearest("Disks", &known), Some("disk"));
        assert_eq!(nearest("firmware", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
