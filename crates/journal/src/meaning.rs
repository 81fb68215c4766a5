//! What a model of words adds to a search: entries that say the same in other words, and an order by what is meant. A search
//! needs none; what has the question's own signs and words still comes first.

use crate::query;
use std::collections::HashMap;
use vmwright_model::{Entry, EntryId};

/// Something that knows which words are used alike.
pub trait Meaning {
    /// Words that are used nearly as this one is, the nearest first; few.
    fn near(&self, word: &str) -> Vec<String>;

    /// How alike two lists of words are, -1 to 1; none where nothing is known of one of them.
    fn alike(&self, one: &[String], other: &[String]) -> Option<f64>;
}

/// Most words of a question whose neighbours are looked for.
const MOST_WORDS: usize = 8;

/// Most words of an entry that are compared: what comes after them repeats or lists.
const MOST_COMPARED: usize = 400;

/// In reciprocal rank fusion a place counts 1 / (60 + place), so that the first of one order does not outweigh all of another
/// (Cormack, Clarke and Büttcher 2009, whose constant this is).
const FUSION: f64 = 60.0;

/// Terms for words that are used like those of a question and are none of them.
pub(crate) fn terms(meaning: &dyn Meaning, question: &str) -> Vec<String> {
    let own = query::telling(question);
    let mut near: Vec<String> = Vec::new();
    for word in own.iter().take(MOST_WORDS) {
        for other in meaning.near(word) {
            if !own.contains(&other) && !near.contains(&other) {
                near.push(other);
            }
        }
    }
    query::terms(&near.join(" "))
}

/// What each entry is worth by its place in two orders: that of BM25, the smaller the better, and that of meaning.
pub(crate) fn fused(
    meaning: &dyn Meaning,
    question: &str,
    found: &[(EntryId, &Entry, f64)],
) -> HashMap<EntryId, f64> {
    let own = query::telling(question);
    let mut by_text: Vec<(EntryId, f64)> = found.iter().map(|(id, _, bm25)| (*id, *bm25)).collect();
    let mut by_meaning: Vec<(EntryId, f64)> = found
        .iter()
        .filter_map(|(id, entry, _)| {
            let words: Vec<String> = query::words(&entry.title)
                .chain(query::words(&entry.body))
                .filter(|word| query::tells(word))
                .take(MOST_COMPARED)
                .collect();
            Some((*id, -meaning.alike(&own, &words)?))
        })
        .collect();
    let mut worth: HashMap<EntryId, f64> = HashMap::new();
    for order in [&mut by_text, &mut by_meaning] {
        order.sort_by(|(one, a), (other, b)| a.total_cmp(b).then(other.cmp(one)));
        let mut place = 0;
        for at in 0..order.len() {
            // Entries that are worth the same share a place.
            if at > 0 && order[at].1 > order[at - 1].1 {
                place = at;
            }
            *worth.entry(order[at].0).or_default() += 1.0 / (FUSION + place as f64 + 1.0);
        }
    }
    worth
}
