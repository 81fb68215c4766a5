//! The grounds of each cause, for a report: what was weighed, the quotes with the lines around them, what quoted codes
//! mean, and what the rule's documentation says of its refutation.

use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::codes::meanings;
use vmwright_formats::lines::lines;
use vmwright_host::redact;
use vmwright_model::{Cause, Evidence, Finding, Grounds, Meaning, Passage, PassageLine, Snapshot};
use vmwright_rules::hypotheses::{pieces, section};
use vmwright_rules::{Reading, TARGET, entry};

/// How many lines stand before and after a quoted one.
const AROUND: u32 = 3;

/// How much of a line a passage shows, in characters. The evidence itself holds all of a quoted line.
const WIDTH: usize = 2000;

/// How many lines of a long text are looked through for secrets, before and after the quoted ones: more than the
/// longest block that is a secret as a whole has, the private key of RSA with 16,384 bits in PEM.
const BLOCK: u32 = 300;

/// How many meanings one cause shows.
const MEANINGS: usize = 4;

/// Lays open why the causes are believed.
pub(crate) fn lay_open(causes: &mut [Cause], findings: &[Finding], reading: &Reading<'_>) {
    for (cause, finding) in causes.iter_mut().zip(findings) {
        let doc = entry(&cause.rule).map_or("", |entry| entry.doc);
        cause.grounds = Grounds {
            pieces: pieces(finding),
            passages: passages(&cause.evidence, reading),
            meanings: meanings_of(cause),
            refute: section(doc, "## Refute"),
            references: section(doc, "## References"),
        };
    }
}

/// What the codes and messages in the quotes mean, each once.
fn meanings_of(cause: &Cause) -> Vec<Meaning> {
    let mut found: Vec<Meaning> = Vec::new();
    for one in cause.evidence.iter().flat_map(|quote| meanings_in(&quote.quote)) {
        if found.len() < MEANINGS && !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// A quote that is a bare number is no code: any number means something somewhere.
fn meanings_in(quote: &str) -> Vec<Meaning> {
    let is_message = quote.trim().contains(char::is_whitespace);
    if is_message { meanings(quote) } else { Vec::new() }
}

/// The quoted lines of each source, with those around them.
fn passages(evidence: &[Evidence], reading: &Reading<'_>) -> Vec<Passage> {
    let mut sources: Vec<(&str, BTreeSet<u32>)> = Vec::new();
    for quote in evidence {
        match sources.iter_mut().find(|(source, _)| *source == quote.source) {
            Some((_, lines)) => _ = lines.insert(quote.line),
            None => sources.push((&quote.source, BTreeSet::from([quote.line]))),
        }
    }
    let passage = |(source, quoted): (&str, BTreeSet<u32>)| {
        let (snapshot, name) = place(source, reading)?;
        let text = String::from_utf8_lossy(snapshot.record(name)?.content.as_ref().ok()?);
        Some(Passage { source: source.to_owned(), lines: excerpt(&text, name, &quoted) })
    };
    sources.into_iter().filter_map(passage).filter(|passage| !passage.lines.is_empty()).collect()
}

/// The snapshot that a source is of, and its name there.
fn place<'s>(source: &'s str, reading: &'s Reading<'_>) -> Option<(&'s Snapshot, &'s str)> {
    match (source.strip_prefix(TARGET), reading.target()) {
        (Some(name), Some(target)) => Some((target.snapshot(), name)),
        _ => Some((reading.snapshot(), source)),
    }
}

/// Quoted lines as they are, and those around them without their secrets.
fn excerpt(text: &str, source: &str, quoted: &BTreeSet<u32>) -> Vec<PassageLine> {
    let near = |number: u32, distance: u32| {
        quoted.range(number.saturating_sub(distance)..=number.saturating_add(distance)).next().is_some()
    };
    // A block of lines that is looked through for secrets, for each run of quoted lines.
    let mut blocks: Vec<Vec<(u32, &str)>> = Vec::new();
    for (number, line) in lines(text).filter(|(number, _)| near(*number, BLOCK)) {
        match blocks.last_mut().filter(|block| block.last().is_some_and(|(last, _)| last + 1 == number)) {
            Some(block) => block.push((number, line)),
            None => blocks.push(vec![(number, line)]),
        }
    }
    let mut shown: BTreeMap<u32, PassageLine> = BTreeMap::new();
    for block in blocks {
        let joined = block.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        let clean = redact::text_of(source, &joined);
        for ((number, raw), clean) in block.iter().zip(clean.split('\n')) {
            if near(*number, AROUND) {
                let is_quoted = quoted.contains(number);
                let text = if is_quoted { raw } else { clean };
                shown
                    .insert(*number, PassageLine { number: *number, text: clipped(text), quoted: is_quoted });
            }
        }
    }
    shown.into_values().collect()
}

fn clipped(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}... ({} characters more)", &line[..end], line[end..].chars().count()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Record};

    fn numbers(lines: &[PassageLine]) -> Vec<(u32, bool)> {
        lines.iter().map(|line| (line.number, line.quoted)).collect()
    }

    #[test]
    fn three_lines_stand_before_and_after_each_quote() {
        let text: String = (1..=40).map(|number| format!("line {number}\n")).collect();
        let around = excerpt(&text, "a.log", &BTreeSet::from([2, 10, 12, 40]));
        let expect: Vec<(u32, bool)> = (1..=5)
            .chain(7..=15)
            .chain(37..=40)
            .map(|number| (number, [2, 10, 12, 40].contains(&number)))
            .collect();
        assert_eq!(numbers(&around), expect);
        assert_eq!(around[0].text, "line 1");
    }

    #[test]
    fn lines_around_a_quote_have_no_secrets_and_the_quote_stays_as_it_is() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\nCCCC\n-----END PRIVATE KEY-----\nquoted line\n<graphics passwd='CANARY'/>\n";
        let around = excerpt(key, "a.txt", &BTreeSet::from([6]));
        let text: Vec<&str> = around.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(text[3], "quoted line");
        for secret in ["BBBB", "CCCC", "CANARY"] {
            assert!(text.iter().all(|line| !line.contains(secret)), "{text:?}");
        }
        let own = excerpt(key, "a.txt", &BTreeSet::from([7]));
        assert!(own.iter().any(|line| line.quoted && line.text.contains("CANARY")), "{own:?}");
    }

    #[test]
    fn a_quote_of_the_target_is_looked_up_there() {
        let snapshot = |text: &str| Snapshot {
            records: vec![Record::new("a.log", Kind::TEXT, text)],
            ..Snapshot::default()
        };
        let (here, there) = (snapshot("here\n"), snapshot("there\n"));
        let target = Reading::of_target(&there);
        let reading = Reading::new(&here, "").against(&target);
        let quote = |source: &str| Evidence { source: source.to_owned(), line: 1, quote: String::new() };
        let found = passages(&[quote("dst:a.log"), quote("a.log"), quote("gone")], &reading);
        let texts: Vec<_> =
            found.iter().map(|one| (one.source.as_str(), one.lines[0].text.as_str())).collect();
        assert_eq!(texts, [("dst:a.log", "there"), ("a.log", "here")]);
    }

    #[test]
    fn a_long_line_is_cut_and_a_number_alone_means_nothing() {
        assert_eq!(clipped(&"x".repeat(2001)).len(), 2000 + "... (1 characters more)".len());
        assert!(meanings_in("17").is_empty());
        assert_eq!(meanings_in("KVM internal error. Suberror: 1")[0].name, "KVM_INTERNAL_ERROR_EMULATION");
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let doc = "# t\n\n## Refute\na\nb\n\n## Fix\nc\n";
        assert_eq!(section(doc, "## Refute"), "a\nb");
        assert_eq!(section(doc, "## Fix"), "c");
        assert_eq!(section(doc, "## None"), "");
    }
}
