//! Where no rule fires: the causes whose documentation is nearest to what the user says and shows.
//!
//! Each rule's documentation, with its messages, is one document; the complaint and the words of the texts are the
//! query. Documents are scored by Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009,
//! with its usual constants). The nearest few become suspicions: notes, of a confidence below every finding's,
//! that say themselves that nothing proves them. What they quote are the lines that brought them there.
//!
//! A whole host, live or in a report, is not guessed at: there, that no rule fires is an answer.

use crate::confidence::SUSPICION;
use crate::{CATALOGUE, Entry, Reading};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;
use vmwright_model::{
    Applicability, Disruption, Evidence, Finding, Fix, Level, Strength, Subject, SubjectKind, Support,
};

/// How many suspicions there are at most.
const MOST: usize = 3;

/// Words that the complaint must share with a document, so that it says anything.
const SHARED: usize = 3;

/// How much of each text counts, in bytes: what people paste is shorter, and in a log the rare words come early on
/// or are found by the rules.
const HEAD: usize = 20_000;

/// How many lines a suspicion quotes.
const QUOTES: usize = 2;

/// BM25's saturation of a word's frequency and weight of a document's length.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// How often a word of the heading, of the id or of the rule's words counts: they are chosen, and the rest explains.
const CHOSEN: f64 = 3.0;

/// How often a word of a message counts: a rule may have dozens.
const MESSAGE: f64 = 0.5;

/// How many rules a complaint is near to.
const NEAR: usize = 5;

/// Words that say nothing.
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "have", "has", "i", "if", "in",
    "is", "it", "its", "my", "no", "not", "of", "on", "or", "that", "the", "this", "to", "was", "when",
    "which", "with",
];

/// The nearest causes, best first.
pub(crate) fn nearest(reading: &Reading<'_>, select: &dyn Fn(&Entry) -> bool) -> Vec<Finding> {
    let scored = scores(&query(reading), reading.complaint(), select);
    let scored = &scored[..scored.len().min(MOST)];
    let all: f64 = scored.iter().map(|(score, _)| score).sum();
    let suspicion = |(score, at): &(f64, usize)| {
        let (entry, document) = (&CATALOGUE[*at], &library().documents[*at]);
        suspicion(entry, SUSPICION * score / all, quotes(reading, document), reading)
    };
    scored.iter().map(suspicion).collect()
}

/// The ids of the rules that are nearest to a complaint alone; none where it says nothing.
pub(crate) fn of_complaint(complaint: &str) -> Vec<&'static str> {
    let mut query = BTreeMap::new();
    words(complaint).for_each(|word| *query.entry(word).or_default() += 1.0);
    let scored = scores(&query, complaint, &|_| true);
    scored.iter().take(NEAR).map(|(_, at)| CATALOGUE[*at].id).collect()
}

/// The documents that share enough with the complaint, by how near they are to the query, best first.
fn scores(
    query: &BTreeMap<String, f64>,
    complaint: &str,
    select: &dyn Fn(&Entry) -> bool,
) -> Vec<(f64, usize)> {
    let said: BTreeSet<String> = words(complaint).collect();
    if said.len() < SHARED {
        return Vec::new();
    }
    let library = library();
    let mut scored: Vec<(f64, usize)> = Vec::new();
    for (at, (document, length)) in library.documents.iter().zip(&library.lengths).enumerate() {
        let shared = said.iter().filter(|word| document.contains_key(*word)).count();
        // That nothing is wrong is no suspicion.
        let fault = CATALOGUE[at].area() != "healthy";
        if shared < SHARED || !fault || !select(&CATALOGUE[at]) {
            continue;
        }
        let score = query.iter().filter_map(|(word, times)| {
            let found = document.get(word)?;
            let saturated = found * (K1 + 1.0) / (found + K1 * (1.0 - B + B * length / library.usual));
            Some(times.min(3.0).sqrt() * library.rarity(word) * saturated)
        });
        scored.push((score.sum(), at));
    }
    scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.cmp(right)));
    scored
}

fn suspicion(
    entry: &'static Entry,
    confidence: f64,
    quotes: Vec<Evidence>,
    reading: &Reading<'_>,
) -> Finding {
    let support = quotes.into_iter().map(|quote| Support {
        evidence: Some(quote),
        strength: Strength::Hint,
        against: false,
        shows: "its words are those of the rule's documentation".to_owned(),
    });
    Finding {
        rule: entry.id.to_owned(),
        subject: reading.vm().map_or_else(Subject::host, |vm| Subject::new(SubjectKind::Vm, vm)),
        level: Level::Note,
        title: format!("not proven, but near to what is described: {}", entry.title()),
        support: support.collect(),
        confidence,
        fix: Fix {
            summary: format!("`vmwright explain {}` says how to confirm it, and how to refute it", entry.id),
            actions: Vec::new(),
            applicability: Applicability::ManualOnly,
            disruption: Disruption::None,
        },
        escalation: entry.rule.escalation,
        controls: Vec::new(),
    }
}

/// The documents of all rules.
struct Library {
    /// Each rule's, in the order of the catalogue: how often a word stands in it.
    documents: &'static [HashMap<String, f64>],
    /// Their lengths, in words.
    lengths: Vec<f64>,
    /// The usual length.
    usual: f64,
    /// In how many documents a word stands.
    spread: HashMap<&'static str, f64>,
}

impl Library {
    /// How much a word says: the fewer documents have it, the more.
    fn rarity(&self, word: &str) -> f64 {
        let (count, with) = (self.documents.len() as f64, self.spread.get(word).copied().unwrap_or(0.0));
        (1.0 + (count - with + 0.5) / (with + 0.5)).ln()
    }
}

/// Made once.
fn library() -> &'static Library {
    static DOCUMENTS: OnceLock<Vec<HashMap<String, f64>>> = OnceLock::new();
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let documents = DOCUMENTS.get_or_init(|| CATALOGUE.iter().map(document).collect());
        let lengths: Vec<f64> = documents.iter().map(|document| document.values().sum()).collect();
        let usual = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        let mut spread: HashMap<&str, f64> = HashMap::new();
        for word in documents.iter().flat_map(HashMap::keys) {
            *spread.entry(word).or_default() += 1.0;
        }
        Library { documents, lengths, usual, spread }
    })
}

/// How often each word stands in a rule's documentation and messages.
fn document(entry: &Entry) -> HashMap<String, f64> {
    let mut document = HashMap::new();
    let mut add = |text: &str, times: f64| {
        words(text).for_each(|word| *document.entry(word).or_default() += times);
    };
    add(entry.id, CHOSEN);
    add(entry.title(), CHOSEN);
    add(entry.doc, 1.0);
    for sign in entry.rule.signs {
        add(sign.text, MESSAGE);
        sign.said.iter().for_each(|said| add(said, 1.0));
    }
    entry.rule.words.iter().for_each(|word| add(word, CHOSEN));
    document
}

/// The words of the complaint, by how often they stand there, and of each text, once. In order, so that sums are
/// the same at each run.
fn query(reading: &Reading<'_>) -> BTreeMap<String, f64> {
    let mut query = BTreeMap::new();
    words(reading.complaint()).for_each(|word| *query.entry(word).or_default() += 1.0);
    for text in reading.texts() {
        let head = &text.whole()[..text.whole().floor_char_boundary(HEAD)];
        words(head)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .for_each(|word| *query.entry(word).or_default() += 1.0);
    }
    query
}

/// The lines whose words weigh most in a document, best first.
fn quotes(reading: &Reading<'_>, document: &HashMap<String, f64>) -> Vec<Evidence> {
    let mut lines: Vec<(f64, Evidence)> = Vec::new();
    for text in reading.texts() {
        for (number, line) in
            vmwright_formats::lines::lines(text.whole()).take_while(|(number, _)| *number < 2000)
        {
            let distinct: BTreeSet<String> = words(line).filter(|word| document.contains_key(word)).collect();
            let weight: f64 = distinct.iter().map(|word| library().rarity(word)).sum();
            if distinct.len() >= 2
                && let Some(quote) = text.quote(number)
            {
                lines.push((weight, quote));
            }
        }
    }
    lines.sort_by(|(a, left), (b, right)| {
        b.total_cmp(a).then_with(|| (&left.source, left.line).cmp(&(&right.source, right.line)))
    });
    lines.into_iter().take(QUOTES).map(|(_, quote)| quote).collect()
}

/// Words of at least two letters, in lower case, without their commonest endings; what begins with a digit is an
/// address or a number, and none.
fn words(text: &str) -> impl Iterator<Item = String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let parts = text.split(move |letter| !word(letter));
    let telling =
        |part: &&str| part.len() >= 2 && part.starts_with(|first: char| first.is_ascii_alphabetic());
    parts.filter(telling).map(str::to_ascii_lowercase).filter(|word| !STOP.contains(&word.as_str())).map(
        |mut word| {
            let ending = ["ing", "ed", "es", "s"].into_iter().find(|ending| word.ends_with(ending));
            if let Some(ending) = ending.filter(|ending| word.len() >= ending.len() + 4) {
                word.truncate(word.len() - ending.len());
            }
            word
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Record, Snapshot};

    fn pasted(text: &str) -> Snapshot {
        Snapshot { records: vec![Record::new("notes.txt", Kind::TEXT, text)], ..Snapshot::default() }
    }

    #[test]
    fn the_nearest_documentation_comes_first_and_quotes_what_stands_there() {
        let snapshot = pasted("balloon target 2048\nthe weather is fine\n");
        let complaint = "The balloon never gives memory back to the host although the guest has freed it.";
        let reading = Reading::new(&snapshot, complaint);
        let found = nearest(&reading, &|_| true);
        assert!(found[0].rule.starts_with("memory/balloon"), "{:?}", found[0].rule);
        assert!(found.iter().all(|one| one.level == Level::Note && one.confidence < SUSPICION));
        for quote in found.iter().flat_map(|one| &one.support).filter_map(|one| one.evidence.as_ref()) {
            assert_eq!((quote.source.as_str(), quote.line), ("notes.txt", 1));
        }
        assert_eq!(nearest(&reading, &|_| true), found, "the same question, the same answer");
    }

    #[test]
    fn what_says_nothing_is_near_to_nothing() {
        let snapshot = pasted("");
        assert!(nearest(&Reading::new(&snapshot, "Please help."), &|_| true).is_empty());
        assert!(nearest(&Reading::new(&snapshot, ""), &|_| true).is_empty());
    }

    #[test]
    fn words_lose_their_endings() {
        let said: Vec<String> = words("The bridges' VLAN-filtering failed, 0x7B of vhost_net").collect();
        assert_eq!(said, ["bridg", "vlan", "filter", "fail", "vhost_net"]);
    }
}
