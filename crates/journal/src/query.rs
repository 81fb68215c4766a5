//! The queries, and how words become one.

/// Most words of a query that are looked for; the rest adds noise and time, not precision.
const MOST_TERMS: usize = 32;

/// Longest word that is looked for, in characters.
const LONGEST_TERM: usize = 64;

/// The columns that `crate::entry` reads. An entry that a later one supersedes is superseded, whatever it said
/// of itself.
macro_rules! columns {
    () => {
        "e.id, e.title, e.body, e.operation, e.host_id, e.rules, e.evidence, \
         CASE WHEN newer.id IS NULL THEN e.state ELSE 'superseded' END AS state_now, e.written"
    };
}

/// One entry by its number.
pub(crate) const SHOW: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM entry e LEFT JOIN entry newer ON newer.supersedes = e.id WHERE e.id = ?1 LIMIT 1"
);

/// The newest `?1` entries.
pub(crate) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM entry e LEFT JOIN entry newer ON newer.supersedes = e.id ORDER BY e.id DESC LIMIT ?1"
);

/// Entries that match `?1`, at most `?2`. A title says more than a rule's name, and that more than the text.
/// bm25 is the smaller the better.
pub(crate) const SEARCH: &str = concat!(
    "WITH hit AS MATERIALIZED (SELECT rowid AS id, bm25(entry_text, 4.0, 1.0, 2.0, 1.0) AS score \
     FROM entry_text WHERE entry_text MATCH ?1) SELECT ",
    columns!(),
    " FROM hit JOIN entry e ON e.id = hit.id LEFT JOIN entry newer ON newer.supersedes = e.id \
     WHERE newer.id IS NULL OR newer.id NOT IN (SELECT id FROM hit) \
     ORDER BY CASE state_now WHEN 'verified' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END, hit.score, e.id DESC LIMIT ?2"
);

/// The words of a query, each as an FTS5 string, so that none of them is syntax.
pub(crate) fn terms(query: &str) -> Vec<String> {
    let mut terms = Vec::new();
    // SQLite reads the expression up to the first NUL, which would leave a string open.
    for word in query.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = word.chars().take(LONGEST_TERM).collect();
        let quoted = format!("\"{}\"", word.replace('"', "\"\""));
        // A word without letter or digit has no token, and would make the whole expression match nothing.
        if word.chars().any(char::is_alphanumeric) && !terms.contains(&quoted) {
            terms.push(quoted);
        }
        if terms.len() == MOST_TERMS {
            break;
        }
    }
    terms
}

/// The expression for entries that have every term; none without terms.
pub(crate) fn every(terms: &[String]) -> Option<String> {
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

/// The expression for entries that have at least one of several terms; none where it says no more than [`every`].
pub(crate) fn any(terms: &[String]) -> Option<String> {
    (terms.len() > 1).then(|| terms.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_syntax() {
        assert_eq!(terms("write lock"), ["\"write\"", "\"lock\""]);
        assert_eq!(terms("a\" OR title:x"), ["\"a\"\"\"", "\"OR\"", "\"title:x\""]);
        assert_eq!(terms("nul\0here *** -"), ["\"nul\"", "\"here\""]);
        assert!(terms(" \t\n ").is_empty());
    }

    #[test]
    fn a_long_query_is_cut() {
        let query: String = (0..1000).map(|n| format!("w{n} ")).collect();
        assert_eq!(terms(&query).len(), MOST_TERMS);
        assert_eq!(terms(&"x".repeat(100_000))[0].len(), LONGEST_TERM + 2);
    }
}
