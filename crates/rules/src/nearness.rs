//! Where no rule proves anything: the causes whose documentation is nearest to what the user says and shows.
//!
//! Each rule's documentation, with its messages, is one document; the complaint and the words of the texts are the
//! query. Documents are scored by Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009,
//! with its usual constants). The nearest few become suspicions: notes, of a confidence below every finding's,
//! that say themselves that nothing proves them. What they quote are the lines that brought them there. What the
//! user says counts more than what is shown, and once more by itself; of what is shown the lines in which something
//! fails count most. A rule one of whose messages
//! stands there in nearly its words (see `echo.rs`) is nearer by that. Names that
//! programs are written with count as the words that they are made of too, `kvm_sev_init` and `VfioMapRegion`. A rule
//! of one product or mechanism is farther away where nobody speaks of that.
//!
//! A whole host, live or in a report, is not guessed at: there, that no rule fires is an answer.

use crate::confidence::SUSPICION;
use crate::echo::echoes;
use crate::known::{Document, Known, Library};
use crate::{CATALOGUE, Entry, Reading};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use vmwright_model::{
    Applicability, Disruption, Evidence, Finding, Fix, Level, Strength, Subject, SubjectKind, Support,
};

/// How many suspicions there are at most.
pub(crate) const MOST: usize = 3;

/// Words that the complaint and the texts must share with a document, so that it says anything.
const SHARED: usize = 3;

/// The same with a brief document.
const SHARED_BRIEFLY: usize = 2;

/// How much of each text counts, in bytes: what people paste is shorter, and in a log the rare words come early on
/// or are found by the rules.
const HEAD: usize = 20_000;

/// How many lines a suspicion quotes.
const QUOTES: usize = 2;

/// BM25's saturation of a word's frequency and weight of a document's length.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// How many rules a complaint is near to.
const NEAR: usize = 5;

/// What a rule's nearness is taken times where nobody speaks of its area's subject.
const UNSPOKEN: f64 = 0.8;

/// The same of a product's area: whoever runs Kata or Ceph names it, by its programs if not by its name.
const FOREIGN: f64 = 0.6;

/// Areas that are products.
const PRODUCTS: &[&str] =
    &["ceph", "cloud-hypervisor", "firecracker", "kata", "kubevirt", "ovs", "sev", "tdx"];

/// How often a word of the complaint counts, against one of a line in which something fails.
const SAID: f64 = 1.5;

/// How often a word of what was shown counts, wherever it stands.
const SHOWN: f64 = 0.7;

/// What the complaint by itself is worth, besides its part in all that is said and shown: a text has many words, and few
/// of them are of the problem.
const ALONE: f64 = 0.4;

/// How often a word counts at most.
const OFTEN: f64 = 3.0;

/// What the echo of a rule's message is worth, as a part of the nearest rule's score.
const ECHO: f64 = 0.5;

/// What lines have in which something fails, in lower case.
const FAILING: &[&str] = &[
    "error",
    "fail",
    "cannot",
    "can't",
    "could not",
    "unable",
    "denied",
    "refused",
    "invalid",
    "not support",
    "unsupported",
    "not found",
    "no such",
    "missing",
    "insufficient",
    "panic",
    "fatal",
    "warn",
];

/// The areas of one product or mechanism, and how the words begin in which people and programs speak of it.
const SUBJECTS: &[(&str, &[&str])] = &[
    ("ceph", &["ceph", "rados", "rbd"]),
    ("cloud-hypervisor", &["clh", "cloud", "vmboot", "vmcreate"]),
    ("firecracker", &["firecracker", "firectl", "jailer", "microvm"]),
    ("gpu", &["gpu", "graphic", "gvt", "mdev", "nvidia", "vgpu"]),
    ("kata", &["kata"]),
    (
        "kubevirt",
        &[
            "datavolume",
            "harvester",
            "k8s",
            "kubectl",
            "kubernet",
            "kubevirt",
            "launcher",
            "openshift",
            "pod",
            "vmi",
        ],
    ),
    ("libvirt", &["domain", "libvirt", "vagrant", "virerror", "virsh", "virt"]),
    ("lvm", &["lv", "thin", "vg"]),
    ("migration", &["drain", "evacuat", "incom", "migrat", "move", "moving", "transfer"]),
    (
        "mitigation",
        &[
            "checker", "cve", "l1tf", "mds", "meltdown", "mitigat", "retbleed", "smt", "spectre", "taa",
            "vulnerab",
        ],
    ),
    ("msr", &["msr", "rdmsr", "wrmsr"]),
    ("nested", &["hypervisor", "inside", "nest", "svm", "virtual", "vmware", "vmx"]),
    ("numa", &["cpuset", "emulator", "node", "numa", "pin", "socket"]),
    ("ovs", &["dpdk", "openvswitch", "ovs", "vswitch"]),
    ("qcow2", &["image", "img", "qcow"]),
    ("sev", &["sev", "snp"]),
    ("snapshot", &["backup", "block", "checkpoint", "freez", "restor", "save", "snapshot"]),
    ("sriov", &["iov", "sriov", "vf"]),
    ("tdx", &["seam", "tdvf", "tdx"]),
    ("vhost-user", &["dpdk", "spdk", "vhost", "vhu"]),
    ("virtiofs", &["fuse", "share", "sharing", "viof", "virtio_fs", "virtiof"]),
    ("vsock", &["cid", "vsock"]),
    ("vtpm", &["bitlocker", "swtpm", "tpm"]),
];

/// Words that say nothing.
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "have", "has", "i", "if", "in",
    "is", "it", "its", "my", "no", "not", "of", "on", "or", "that", "the", "this", "to", "was", "when",
    "which", "with",
];

/// Letters of the longest of them.
const LONGEST_STOP: usize = 5;

/// How near the rules are to what is said and shown, best first.
pub(crate) struct Near(Vec<(f64, usize)>);

impl Near {
    /// Of all rules that share enough words; none where nobody complains.
    pub(crate) fn of(reading: &Reading<'_>) -> Self {
        // Where nobody complains there is nothing to suspect.
        if words(reading.complaint()).next().is_none() {
            return Self(Vec::new());
        }
        let query = query(reading);
        let mut scored = scores(reading.known().whole(), SHARED, &query);
        let spoken = |begin: &&str| {
            query
                .range::<str, _>((Bound::Included(*begin), Bound::Unbounded))
                .next()
                .is_some_and(|(word, _)| word.starts_with(*begin))
        };
        let silent: Vec<&str> =
            SUBJECTS.iter().filter(|(_, begins)| !begins.iter().any(&spoken)).map(|one| one.0).collect();
        for (score, at) in &mut scored {
            if silent.contains(&CATALOGUE[*at].area()) {
                *score *= if PRODUCTS.contains(&CATALOGUE[*at].area()) { FOREIGN } else { UNSPOKEN };
            }
        }
        let best = scored.iter().map(|(score, _)| *score).fold(0.0, f64::max);
        let echoes = echoes(reading, HEAD);
        for (score, at) in &mut scored {
            *score += ECHO * best * echoes[*at];
        }
        scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.cmp(right)));
        Self(scored)
    }

    /// How near a rule is, as a share of the nearest.
    pub(crate) fn share(&self, rule: &str) -> f64 {
        let best = self.0.first().map_or(1.0, |(score, _)| *score);
        let own = self.0.iter().find(|(_, at)| CATALOGUE[*at].id == rule);
        own.map_or(0.0, |(score, _)| score / best)
    }

    /// The nearest causes of those that may be named, best first.
    pub(crate) fn nearest(&self, reading: &Reading<'_>, select: &dyn Fn(&Entry) -> bool) -> Vec<Finding> {
        let mine: Vec<&(f64, usize)> =
            self.0.iter().filter(|(_, at)| select(&CATALOGUE[*at])).take(MOST).collect();
        let all: f64 = mine.iter().map(|(score, _)| score).sum();
        let suspicion = |(score, at): &(f64, usize)| {
            let entry = &CATALOGUE[*at];
            suspicion(entry, SUSPICION * score / all, quotes(reading, *at), reading)
        };
        mine.into_iter().map(suspicion).collect()
    }
}

/// The ids of the rules that are nearest to a complaint alone; none where it says nothing. Each complaint is asked of, and
/// seldom of it alone: what is chosen of a rule is enough, and is read in no time.
pub(crate) fn of_complaint(complaint: &str, known: &Known) -> Vec<&'static str> {
    let scored = scores(known.brief(), SHARED_BRIEFLY, &asked(complaint));
    scored.iter().take(NEAR).map(|(_, at)| CATALOGUE[*at].id).collect()
}

/// The rules whose whole documentation is nearest to a complaint alone, best first, each with its score against that
/// of the best (0 to 1).
pub(crate) fn of_complaint_at_length(complaint: &str) -> Vec<(&'static Entry, f64)> {
    let scored = scores(Known::all().whole(), SHARED_BRIEFLY, &asked(complaint));
    let best = scored.first().map_or(1.0, |(score, _)| *score);
    scored.iter().take(NEAR).map(|(score, at)| (&CATALOGUE[*at], score / best)).collect()
}

/// The words of a complaint, by what they weigh.
fn asked(complaint: &str) -> BTreeMap<String, f64> {
    let mut query = BTreeMap::new();
    words(complaint).for_each(|word| *query.entry(word.into_owned()).or_default() += 1.0);
    query.values_mut().for_each(|times| *times = weight(*times));
    query
}

/// What a word weighs by how often it counts: the second time says less than the first.
fn weight(times: f64) -> f64 {
    times.min(OFTEN).sqrt()
}

/// The documents that share enough with the query, by how near they are to it, best first.
fn scores(library: &Library, least: usize, query: &BTreeMap<String, f64>) -> Vec<(f64, usize)> {
    if query.len() < least {
        return Vec::new();
    }
    let weights: Vec<(&String, f64)> =
        query.iter().map(|(word, weight)| (word, weight * library.rarity(word))).collect();
    let mut scored: Vec<(f64, usize)> = Vec::new();
    for (at, (document, length)) in library.documents.iter().zip(&library.lengths).enumerate() {
        let shared = query.keys().filter(|word| document.contains_key(word.as_str())).count();
        // That nothing is wrong is no suspicion.
        if shared < least || CATALOGUE[at].area() == "healthy" {
            continue;
        }
        let score = weights.iter().filter_map(|(word, weight)| {
            let found = document.get(word.as_str())?;
            let saturated = found * (K1 + 1.0) / (found + K1 * (1.0 - B + B * length / library.usual));
            Some(weight * saturated)
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

/// The words of the complaint, by how often they stand there, and of each text, once, and once more those of its lines in
/// which something fails, and what the numbers of errors mean: each with its weight. In order, so that sums are the same
/// at each run.
fn query(reading: &Reading<'_>) -> BTreeMap<String, f64> {
    let mut query = BTreeMap::new();
    words(reading.complaint()).for_each(|word| *query.entry(word.into_owned()).or_default() += SAID);
    for text in reading.texts() {
        let head = &*without_speakers(&text.whole()[..text.whole().floor_char_boundary(HEAD)]);
        let mut add = |words: BTreeSet<Cow<'_, str>>, times: f64| {
            words.into_iter().for_each(|word| *query.entry(word.into_owned()).or_default() += times);
        };
        add(words(head).collect(), SHOWN);
        add(head.lines().filter(|line| fails(line)).flat_map(words).collect(), 1.0);
        add(head.lines().filter_map(error_named).flat_map(words).collect(), 1.0);
    }
    query.values_mut().for_each(|times| *times = weight(*times));
    for (word, alone) in asked(reading.complaint()) {
        *query.entry(word).or_default() += ALONE * alone;
    }
    query
}

/// How the names of emulators begin that stand before what they print, and what libvirt puts before any error that it
/// has no class for: they would speak for causes of the processor or of KVM, whatever the message says.
const SPEAKERS: &[&str] = &["qemu-system-", "qemu-kvm:", "internal error:"];

/// A text without the names of those who speak in it: `qemu-system-x86_64: `, but not `qemu-system-x86_64 -machine`.
fn without_speakers(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((at, begin)) = SPEAKERS.iter().filter_map(|one| Some((rest.find(one)?, one))).min() {
        let after = &rest[at..];
        let name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let end = match begin.strip_suffix(':') {
            Some(_) => begin.len(),
            None => begin.len() + after[begin.len()..].find(|letter| !name(letter)).unwrap_or(0),
        };
        let speaks = begin.ends_with(':') || after[end..].starts_with(':');
        kept.push_str(&rest[..if speaks { at } else { at + end }]);
        rest = &after[end..];
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// What stands before the number of an error of the C library, in lower case: Rust's `io::Error` and `errno`, QEMU's and
/// the kernel's negative results.
const NUMBERED: &[&str] = &[
    "os error ",
    "error(",
    "code: ",
    "errno ",
    "errno=",
    "ret=-",
    "= -",
    "error -",
    "rc=-",
    "err -",
    "failed: -",
];

/// The words of an error that a line gives by its number alone (Linux, `errno-base.h` and `errno.h`).
fn error_named(line: &str) -> Option<&'static str> {
    let low = line.to_ascii_lowercase();
    NUMBERED.iter().find_map(|begin| {
        let rest = &low[low.find(begin)? + begin.len()..];
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        Some(match rest[..end].parse::<u8>().ok()? {
            1 => "operation not permitted",
            2 => "no such file, missing",
            12 => "cannot allocate memory",
            13 => "permission denied",
            16 => "device or resource busy",
            17 => "exists already",
            19 => "no such device",
            22 => "invalid argument",
            24 => "too many open files",
            25 => "inappropriate ioctl",
            28 => "no space left, full",
            38 => "function not implemented",
            95 => "operation not supported",
            98 => "address already in use",
            111 => "connection refused",
            _ => return None,
        })
    })
}

/// Whether something fails by what a line says.
fn fails(line: &str) -> bool {
    let low = line.to_ascii_lowercase();
    FAILING.iter().any(|word| low.contains(word))
}

/// The lines whose words weigh most in the document of a rule, best first.
fn quotes(reading: &Reading<'_>, rule: usize) -> Vec<Evidence> {
    let library = reading.known().whole();
    let document: &Document = &library.documents[rule];
    let mut lines: Vec<(f64, Evidence)> = Vec::new();
    for text in reading.texts() {
        for (number, line) in
            vmwright_formats::lines::lines(text.whole()).take_while(|(number, _)| *number < 2000)
        {
            let distinct: BTreeSet<Cow<'_, str>> =
                words(line).filter(|word| document.contains_key(&**word)).collect();
            let weight: f64 = distinct.iter().map(|word| library.rarity(word)).sum();
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
/// address or a number, and none. Of a word that is made of several these follow.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let parts = text.split(move |letter| !word(letter)).filter(|part| telling(part));
    parts.flat_map(|part| std::iter::once(part).chain(members(part))).filter_map(|part| {
        let low = match part {
            part if part.bytes().any(|letter| letter.is_ascii_uppercase()) => {
                Cow::Owned(part.to_ascii_lowercase())
            }
            part => Cow::Borrowed(part),
        };
        if low.len() <= LONGEST_STOP && STOP.contains(&&*low) {
            return None;
        }
        let ending = ["ing", "ed", "es", "s"].into_iter().find(|ending| low.ends_with(ending));
        Some(match (ending.filter(|ending| low.len() >= ending.len() + 4), low) {
            (Some(ending), Cow::Borrowed(word)) => Cow::Borrowed(&word[..word.len() - ending.len()]),
            (Some(ending), Cow::Owned(mut word)) => {
                word.truncate(word.len() - ending.len());
                Cow::Owned(word)
            }
            (None, word) => word,
        })
    })
}

/// Whether it is a word that can say anything.
fn telling(part: &str) -> bool {
    part.len() >= 2 && part.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// The words that a name is made of: `vfio`, `map` and `dma` of `vfio_map_dma`, `Device` and `Manager` of
/// `DeviceManager`; none of what is one word.
fn members(part: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(part).filter(|part| {
        let bytes = part.as_bytes();
        part.contains('_') || bytes.windows(2).any(|pair| hump(pair[0], pair[1]))
    });
    let next = move || {
        let whole = rest?;
        let bytes = whole.as_bytes();
        let end = (1..bytes.len()).find(|at| bytes[*at] == b'_' || hump(bytes[at - 1], bytes[*at]));
        rest = end.map(|end| &whole[end..]);
        Some(whole[..end.unwrap_or(whole.len())].trim_start_matches('_'))
    };
    std::iter::from_fn(next).filter(|part| telling(part))
}

/// Whether a new word begins at the second letter.
fn hump(before: u8, letter: u8) -> bool {
    before.is_ascii_lowercase() && letter.is_ascii_uppercase()
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
        let nearest = |reading| Near::of(reading).nearest(reading, &|_| true);
        let found = nearest(&reading);
        assert!(found[0].rule.starts_with("memory/balloon"), "{:?}", found[0].rule);
        assert!(found.iter().all(|one| one.level == Level::Note && one.confidence < SUSPICION));
        for quote in found.iter().flat_map(|one| &one.support).filter_map(|one| one.evidence.as_ref()) {
            assert_eq!((quote.source.as_str(), quote.line), ("notes.txt", 1));
        }
        assert_eq!(nearest(&reading), found, "the same question, the same answer");
    }

    #[test]
    fn the_number_of_an_error_is_its_words() {
        for (line, means) in [
            ("VmBoot(KvmNew(Error(13)))", Some("permission denied")),
            ("Os { code: 16, kind: ResourceBusy }", Some("device or resource busy")),
            ("VFIO_MAP_DMA failed: ret=-22", Some("invalid argument")),
            ("rounds = -1, error(999), os error ", Some("operation not permitted")),
            ("exit code 13", None),
            ("error(999)", None),
        ] {
            assert_eq!(error_named(line), means, "{line}");
        }
    }

    #[test]
    fn who_speaks_says_nothing() {
        let spoken =
            "qemu-system-x86_64: no such thing\nqemu-kvm: nor this\n/usr/bin/qemu-system-arm -m 1G\n";
        assert_eq!(without_speakers(spoken), ": no such thing\n nor this\n/usr/bin/qemu-system-arm -m 1G\n");
        assert_eq!(without_speakers("error: internal error: oh"), "error:  oh");
        assert!(matches!(without_speakers("qemu-system"), Cow::Borrowed(_)));
        // A message that no rule knows leads to no cause of the processor.
        let snapshot = pasted("qemu-system-x86_64: Getting RAM address failed\n");
        let reading = Reading::new(&snapshot, "Live migration of the VM fails.");
        let found = Near::of(&reading).nearest(&reading, &|_| true);
        assert!(found[0].rule.starts_with("migration/"), "{:?}", found[0].rule);
    }

    #[test]
    fn what_says_nothing_is_near_to_nothing() {
        let snapshot = pasted("");
        for complaint in ["Please help.", ""] {
            let reading = Reading::new(&snapshot, complaint);
            assert!(Near::of(&reading).nearest(&reading, &|_| true).is_empty());
        }
    }

    #[test]
    fn words_lose_their_endings() {
        let said: Vec<Cow<'_, str>> =
            words("The bridges' VLAN-filtering failed, 0x7B of vhost_net").collect();
        assert_eq!(said, ["bridg", "vlan", "filter", "fail", "vhost_net", "vhost", "net"]);
        let said: Vec<Cow<'_, str>> = words("VmBoot(VfioMapRegion) __x_2_is_NVRM").collect();
        assert_eq!(said, ["vmboot", "vm", "boot", "vfiomapregion", "vfio", "map", "region"]);
    }
}
