//! dracut.conf(5): lists that files of the shell add to, `add_drivers+=" vfio-pci "`.

use super::shell;
use super::{EditError, Found, Splice, last_line, line_at, words as split};

/// `word` in what is added to `list`.
pub(super) fn words(text: &str, list: &str, word: &str) -> Result<Vec<Found>, EditError> {
    let mut all = Vec::new();
    for assignment in shell::assignments(text, list)? {
        for piece in &assignment.pieces {
            let own = split(&text[piece.inner.clone()], piece.inner.start);
            for range in own.into_iter().filter(|range| &text[range.clone()] == word) {
                if assignment.conditional {
                    return Err(EditError::Conditional { line: line_at(text, assignment.start) });
                }
                all.push(super::found(text, range));
            }
        }
    }
    Ok(all)
}

/// In the last assignment that adds to the list, else in a line of its own. Lists need blanks at both ends.
pub(super) fn insertion(text: &str, list: &str, word: &str) -> Result<Vec<Splice>, EditError> {
    let all = shell::assignments(text, list)?;
    match all.iter().rev().find(|assignment| assignment.adds && !assignment.conditional) {
        Some(assignment) => shell::with_word(text, assignment, word, " "),
        None => Ok(vec![last_line(text, &format!("{list}+=\" {word} \""))]),
    }
}
