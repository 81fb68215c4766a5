//! What is known of faults by their words: each rule's documentation and messages, made ready for being compared with.
//!
//! It is made once. Measuring makes it anew without a share of it, see [`Forgetting`].

use crate::echo::Index;
use crate::nearness::words;
use crate::{CATALOGUE, Entry};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};
use std::sync::OnceLock;

/// How often a word of the heading, of the id or of the rule's words counts: they are chosen, and the rest explains.
const CHOSEN: f64 = 3.0;

/// How often a word of the messages counts, in however many of them it stands: a rule may have a hundred.
const MESSAGE: f64 = 0.5;

/// How the paragraph begins that says in users' words what they see, in a rule's documentation.
const HEARD: &str = "Heard as: ";

/// How the one begins that has words and messages which go with the problem, parted by semicolons.
const KNOWN: &str = "Known by: ";

/// Rules that do not know a share of what they know: a fault of tomorrow is worded as no rule has it yet, and how well its
/// cause is named all the same is measured on today's faults so. Messages, reasons of rules' own and words of
/// complaints are left out, each by chance. Nothing but measuring asks for it.
pub struct Forgetting(Known);

impl Forgetting {
    /// `share` is what is left out, from 0 to 1; the same `draw` leaves out the same.
    #[must_use]
    pub fn new(draw: u64, share: f64) -> Self {
        Self(Known { lot: Some((draw, share)), ..Known::new() })
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &Known {
        &self.0
    }
}

/// What is known, each part made when it is first asked for.
pub(crate) struct Known {
    lot: Option<(u64, f64)>,
    whole: OnceLock<Library>,
    brief: OnceLock<Library>,
    messages: OnceLock<Index>,
}

impl Known {
    const fn new() -> Self {
        Self { lot: None, whole: OnceLock::new(), brief: OnceLock::new(), messages: OnceLock::new() }
    }

    /// All of it.
    pub(crate) fn all() -> &'static Self {
        static ALL: Known = Known::new();
        &ALL
    }

    /// Whether a rule knows this message, reason or word.
    pub(crate) fn has(&self, rule: &str, what: &str) -> bool {
        let Some((draw, share)) = self.lot else { return true };
        // Without a key of its own: the same on each machine and at each run.
        let mut hasher = rustc_hash::FxHasher::default();
        (draw, rule, what).hash(&mut hasher);
        // The upper bits are the better mixed ones.
        let mixed = hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        mixed as f64 >= share * (1_u64 << 53) as f64
    }

    /// Whole documents.
    pub(crate) fn whole(&self) -> &Library {
        self.whole.get_or_init(|| Library::of(&|entry| self.document(entry)))
    }

    /// What is chosen of each rule.
    pub(crate) fn brief(&self) -> &Library {
        self.brief.get_or_init(|| Library::of(&|entry| self.chosen(entry)))
    }

    /// The messages by their words.
    pub(crate) fn messages(&self) -> &Index {
        self.messages.get_or_init(|| Index::new(self))
    }

    /// The document of a rule. Its references name files, which say nothing of the problem.
    fn document(&self, entry: &'static Entry) -> Document {
        let mut document = self.chosen(entry);
        document.values_mut().for_each(|times| *times *= CHOSEN);
        let mut add = |text: &'static str| {
            words(text).for_each(|word| *document.entry(word).or_default() += 1.0);
        };
        let doc = entry.doc.split("## References").next().unwrap_or_default();
        let heard = heard(entry.doc);
        for paragraph in doc.split("\n\n") {
            if paragraph.starts_with(KNOWN) {
                paragraph.split(';').filter(|part| self.has(entry.id, part)).for_each(&mut add);
            } else if self.has(entry.id, heard) {
                add(paragraph);
            } else {
                add(paragraph.strip_suffix(heard).unwrap_or(paragraph));
            }
        }
        let signs = entry.rule.signs.iter().filter(|sign| self.has(entry.id, sign.text));
        let messages: BTreeSet<Cow<'static, str>> = signs.flat_map(|sign| words(sign.text)).collect();
        messages.into_iter().for_each(|word| *document.entry(word).or_default() += MESSAGE);
        document
    }

    /// What is chosen of a rule: its name, its heading, its words, and what people say who have the problem.
    fn chosen(&self, entry: &'static Entry) -> Document {
        let mut document = Document::default();
        let said = entry.rule.signs.iter().flat_map(|sign| sign.said);
        let words_of = entry.rule.words.iter().chain(said).copied().chain([heard(entry.doc)]);
        let known = words_of.filter(|text| self.has(entry.id, text));
        for text in [entry.id, entry.title()].into_iter().chain(known) {
            words(text).for_each(|word| *document.entry(word).or_default() += 1.0);
        }
        document
    }
}

/// What people say who have the problem: the paragraph of the documentation that begins so.
fn heard(doc: &str) -> &str {
    let begin = doc.find(HEARD).unwrap_or(doc.len());
    doc[begin..].split("\n\n").next().unwrap_or_default()
}

/// How often each word stands in a rule's documentation and messages.
pub(crate) type Document = FxHashMap<Cow<'static, str>, f64>;

/// The documents of all rules.
pub(crate) struct Library {
    /// Each rule's, in the order of the catalogue.
    pub(crate) documents: Vec<Document>,
    /// Their lengths, in words.
    pub(crate) lengths: Vec<f64>,
    /// The usual length.
    pub(crate) usual: f64,
    /// How many documents have a word.
    with: FxHashMap<Cow<'static, str>, u32>,
}

impl Library {
    fn of(document: &dyn Fn(&'static Entry) -> Document) -> Self {
        let documents: Vec<Document> = CATALOGUE.iter().map(document).collect();
        let lengths: Vec<f64> = documents.iter().map(|document| document.values().sum()).collect();
        let usual = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        let mut with: FxHashMap<Cow<'static, str>, u32> = FxHashMap::default();
        for word in documents.iter().flat_map(FxHashMap::keys) {
            match with.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(with.insert(word.clone(), 1)),
            }
        }
        Self { documents, lengths, usual, with }
    }

    /// How much a word says: the fewer documents have it, the more.
    pub(crate) fn rarity(&self, word: &str) -> f64 {
        let with = f64::from(self.with.get(word).copied().unwrap_or_default());
        let count = self.documents.len() as f64;
        (1.0 + (count - with + 0.5) / (with + 0.5)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reading, diagnose_reading};
    use vmwright_model::{Kind, Record, Snapshot};

    #[test]
    fn what_is_forgotten_is_neither_seen_nor_near() {
        let text = "vfio 0000:06:00.0: group 7 is not viable\n";
        let snapshot =
            Snapshot { records: vec![Record::new("qemu.log", Kind::TEXT, text)], ..Snapshot::default() };
        let confidence = |share: f64| {
            let forgetting = Forgetting::new(0, share);
            let reading = Reading::new(&snapshot, "").forgetting(&forgetting);
            let fired = diagnose_reading(&reading, &|_| true).findings;
            fired.iter().find(|one| one.rule == "vfio/group-not-viable").map_or(0.0, |one| one.confidence)
        };
        assert!(confidence(0.0) >= 0.9 && confidence(1.0) == 0.0);
        let words = |share: f64| Forgetting::new(0, share).rest().whole().lengths.iter().sum::<f64>();
        assert!(words(1.0) < words(0.5) && words(0.5) < words(0.0));
        assert_eq!(words(0.5), words(0.5), "the same draw leaves out the same");
    }
}
