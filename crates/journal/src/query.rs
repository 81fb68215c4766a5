//! The queries, and how words become one.

use vmwright_model::Entry;

/// Most words of a query that are looked for; the rest adds noise and time, not precision.
const MOST_TERMS: usize = 32;

/// Longest word that is looked for, in characters.
const LONGEST_TERM: usize = 64;

/// The columns that `crate::entry` reads. An entry that a later one supersedes is superseded, whatever it said
/// of itself.
macro_rules! columns {
    () => {
        "e.id, e.title, e.body, e.operation, e.host_id, e.rules, e.evidence, \
         CASE WHEN newer.id IS NULL THEN e.state ELSE 'superseded' END AS state_now, e.written, e.project"
    };
}

/// One entry by its number.
pub(crate) const SHOW: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM entry e LEFT JOIN entry newer ON newer.supersedes = e.id WHERE e.id = ?1 LIMIT 1"
);

/// All entries, newest first.
pub(crate) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM entry e LEFT JOIN entry newer ON newer.supersedes = e.id ORDER BY e.id DESC"
);

/// What supersedes an entry.
pub(crate) const NEWER: &str = "SELECT id FROM entry WHERE supersedes = ?1 AND id > ?1";

/// How many entries have a sign; counted up to `?2`.
pub(crate) const COUNT_SIGN: &str = "SELECT count(*) FROM (SELECT 1 FROM sign WHERE sign = ?1 LIMIT ?2)";

/// The newest `?2` entries that have a sign.
pub(crate) const WITH_SIGN: &str = "SELECT entry FROM sign WHERE sign = ?1 ORDER BY entry DESC LIMIT ?2";

/// How many entries from number `?3` on match; counted up to `?2`.
pub(crate) const COUNT_WORD: &str =
    "SELECT count(*) FROM (SELECT 1 FROM entry_text WHERE entry_text MATCH ?1 AND rowid >= ?3 LIMIT ?2)";

/// The number of the newest entry.
pub(crate) const LAST: &str = "SELECT coalesce(max(id), 0) FROM entry";

/// The best `?2` entries that match. A title says more than a rule's name, and that more than the text. bm25 is the
/// smaller the better.
pub(crate) const SCORED: &str = "SELECT rowid, bm25(entry_text, 4.0, 1.0, 2.0, 1.0) AS score FROM entry_text \
                                 WHERE entry_text MATCH ?1 ORDER BY score LIMIT ?2";

/// The newest `?2` entries from number `?3` on that match.
pub(crate) const NEWEST: &str =
    "SELECT rowid FROM entry_text WHERE entry_text MATCH ?1 AND rowid >= ?3 ORDER BY rowid DESC LIMIT ?2";

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

/// The tokens of a term, each as an FTS5 string. A term with several, `10de:0042`, is a phrase of them.
pub(crate) fn tokens(term: &str) -> Vec<String> {
    let tokens = term.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty());
    tokens.map(|token| format!("\"{token}\"")).collect()
}

/// The expression for entries that have every term; none without terms.
pub(crate) fn every(terms: &[String]) -> Option<String> {
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

/// The expression for entries that have at least one term; none without terms.
pub(crate) fn any(terms: &[String]) -> Option<String> {
    (!terms.is_empty()).then(|| terms.join(" OR "))
}

/// Words that stand in nearly every complaint about a VM, and so tell none from another. English, and of our field.
const EVERYDAY: &str = " a about after all always am an and any anymore are as at be because been before boot boots broken but by \
    can cannot cant check could couldnt crash crashed crashes did do does doesnt doing done dont down else error errors every \
    everything fail failed failing fails failure fault find fine for from get gets getting give given go goes gone good got guest \
    guests had has have having help here hi host hosts how i if in instead into is isnt issue issues it its just keep keeps know \
    kvm last like log logs longer look looks machine machines made make many may maybe me message messages more most my need new \
    no not nothing now of off on one only or other our out over plan please problem problems qemu really reason reboot restart \
    run running runs said same saw say says see seems server she should show shows since so some someone something start started \
    starting starts still stop stopped stops strange such suddenly system tell than that the their them then there these they \
    thing things this time to today too tried try trying two under up update us use used user uses using very virtual vm vms want \
    was way we well went were what when where which while who why will with without wont work worked working works would wrong \
    yes yesterday yet you your ";

/// The words of a question that are not everyday ones, in small letters.
pub(crate) fn telling(question: &str) -> Vec<String> {
    let mut telling = Vec::new();
    for word in words(question).take(4096) {
        if tells(&word) && !telling.contains(&word) {
            telling.push(word);
        }
        if telling.len() == MOST_TERMS {
            break;
        }
    }
    telling
}

/// Whether a word, in small letters, is none of the everyday ones.
pub(crate) fn tells(word: &str) -> bool {
    word.len() >= 3 && !EVERYDAY.contains(&format!(" {word} "))
}

/// Whether an entry has two thirds of the words, and two at least.
pub(crate) fn shares_most(telling: &[String], entry: &Entry) -> bool {
    let there: Vec<String> = words(&entry.title).chain(words(&entry.body)).take(20_000).collect();
    let shared = telling.iter().filter(|word| there.iter().any(|other| same(word, other))).count();
    shared >= 2 && 3 * shared >= 2 * telling.len()
}

/// Letters and digits, in small letters.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The same word, but for what follows its stem.
fn same(one: &str, other: &str) -> bool {
    let common = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let (short, long) =
        (one.chars().count().min(other.chars().count()), one.chars().count().max(other.chars().count()));
    common == long || (common >= 4 && common + 1 >= short && long <= common + 3)
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
    fn a_term_has_tokens() {
        assert_eq!(tokens("\"0000:2a:00.0\""), ["\"0000\"", "\"2a\"", "\"00\"", "\"0\""]);
        assert_eq!(tokens("\"lock\""), ["\"lock\""]);
    }

    #[test]
    fn a_long_query_is_cut() {
        let query: String = (0..1000).map(|n| format!("w{n} ")).collect();
        assert_eq!(terms(&query).len(), MOST_TERMS);
        assert_eq!(terms(&"x".repeat(100_000))[0].len(), LONGEST_TERM + 2);
    }

    #[test]
    fn everyday_words_tell_nothing() {
        assert!(telling("what is wrong with this host").is_empty());
        assert!(telling("My VM does not start any more, please help!").is_empty());
        assert_eq!(telling("the disk is locked by another VM"), ["disk", "locked", "another"]);
        assert!(same("locked", "lock") && same("snapshots", "snapshot") && !same("lock", "login"));
    }
}
