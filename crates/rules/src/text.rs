//! One text of a snapshot, and the lines of it that a rule asks for.

use crate::places::Places;
use memchr::memmem::{self, Finder};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use vmwright_formats::environment::{Versions, versions_where};
use vmwright_model::{Evidence, Kind};

/// The name under which the user's complaint is read. It is never quoted as evidence.
pub(crate) const COMPLAINT: &str = "(complaint)";

/// One text of the snapshot.
#[derive(Debug)]
pub struct Text<'s> {
    /// Name of the record.
    pub source: &'s str,
    /// What it is.
    pub kind: Kind,
    text: Cow<'s, str>,
    /// What stands before the source in a quote.
    pub(crate) side: &'static str,
    /// The source that this is a part of, and how many lines of it stand before: quotes are of there.
    pub(crate) part_of: Option<(&'s str, u32)>,
    pub(crate) starts: Vec<usize>,
    /// Whether its source is a file of settings, and whether it is a list of what an emulator can do.
    settings: bool,
    offers: bool,
    /// Whether it is of another VM than the one that is asked about.
    pub(crate) of_another: bool,
    versions: OnceLock<Versions>,
    lower: OnceLock<String>,
    /// How many of its lines were looked at one by one.
    #[cfg(test)]
    walked: std::sync::atomic::AtomicUsize,
    /// Where words can stand, and where this text begins there.
    places: Option<(Arc<Places>, usize)>,
}

/// A word to look for, or several of which one is enough: `"vfio-pci"`, `["vfio-pci", "vfio_pci"]`. Letters count in
/// the case that they have; blanks and signs are letters like others.
pub trait Words<'w>: Copy {
    /// Each word.
    fn each(self) -> impl Iterator<Item = &'w str>;
}

impl<'w> Words<'w> for &'w str {
    fn each(self) -> impl Iterator<Item = &'w str> {
        std::iter::once(self)
    }
}

impl<'w, const N: usize> Words<'w> for [&'w str; N] {
    fn each(self) -> impl Iterator<Item = &'w str> {
        self.into_iter()
    }
}

impl<'w> Words<'w> for &'w [&'w str] {
    fn each(self) -> impl Iterator<Item = &'w str> {
        self.iter().copied()
    }
}

impl<'s> Text<'s> {
    pub(crate) fn new(source: &'s str, kind: Kind, text: Cow<'s, str>) -> Self {
        let starts = starts(&text);
        let settings = source.trim_start_matches('/').starts_with("etc/");
        let offers = source.contains("var/cache/libvirt/qemu/capabilities/");
        Self {
            source,
            settings,
            offers,
            kind,
            text,
            side: "",
            part_of: None,
            starts,
            of_another: false,
            versions: OnceLock::new(),
            lower: OnceLock::new(),
            #[cfg(test)]
            walked: std::sync::atomic::AtomicUsize::new(0),
            places: None,
        }
    }

    /// Lines of which is known where each begins.
    pub(crate) fn of_lines(text: String, starts: Vec<usize>) -> Self {
        Self { starts, ..Self::new("", Kind::TEXT, Cow::Owned(text)) }
    }

    /// Whether it is a file of settings, whose remarks are its author's and not this host's words.
    pub(crate) fn is_settings(&self) -> bool {
        self.settings
    }

    /// Whether its words are no messages about what is asked: of another VM, or a list of what an emulator can do, as libvirt
    /// keeps it, in which nothing has happened.
    pub(crate) fn is_silent(&self) -> bool {
        self.of_another || self.offers
    }

    /// Notes where its words can stand: `begin` is what [`Places::add`] said of it.
    pub(crate) fn place(&mut self, places: &Arc<Places>, begin: usize) {
        self.places = Some((Arc::clone(places), begin));
    }

    /// Where a word can begin: ranges of bytes.
    fn ranges(&self, word: &[u8]) -> Vec<Range<usize>> {
        if word.len() > self.text.len() {
            return Vec::new();
        }
        match &self.places {
            Some((places, begin)) => places.ranges(*begin, self.text.len(), word),
            None => std::iter::once(0..self.text.len()).collect(),
        }
    }

    /// The whole; bytes that are not UTF-8 are replaced. To look for words in it, see [`Text::holds`] and
    /// [`Text::lines_with`].
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.walk(self.starts.len());
        &self.text
    }

    /// The whole in lower case. Many messages are looked for in it, letters of either case being the same.
    fn lower(&self) -> &str {
        match &self.places {
            Some((places, begin)) => places.lower(*begin, self.text.len()),
            None => self.lower.get_or_init(|| self.text.to_ascii_lowercase()),
        }
    }

    /// The whole, for what goes through every text once: the search for signs, and views.
    pub(crate) fn whole(&self) -> &str {
        &self.text
    }

    /// Notes that lines were looked at one by one.
    fn walk(&self, _lines: usize) {
        #[cfg(test)]
        self.walked.fetch_add(_lines, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether one of the words stands in it. Where none does, this says so without a look at the text.
    #[must_use]
    pub fn holds<'w>(&self, words: impl Words<'w>) -> bool {
        let holds = |word: &str, range: &Range<usize>| {
            let to = (range.end + word.len().saturating_sub(1)).min(self.text.len());
            // Made for one look: most texts are so short that to make what finds a word takes longer than the look.
            memmem::find(&self.text.as_bytes()[range.start..to], word.as_bytes()).is_some()
        };
        words.each().any(|word| self.ranges(word.as_bytes()).iter().any(|range| holds(word, range)))
    }

    /// The lines in which one of the words stands with their numbers, each once, in order. What lies between them is
    /// not looked at line by line.
    pub fn lines_with<'r, 'w: 'r>(&'r self, words: impl Words<'w>) -> impl Iterator<Item = (u32, &'r str)> {
        let mut finds: Vec<_> = words.each().filter_map(|word| Finds::first(self, word)).collect();
        std::iter::from_fn(move || {
            let at = finds.iter().map(|(at, _)| *at).min()?;
            let number = self.starts.partition_point(|start| *start <= at);
            let end = self.starts.get(number).copied().unwrap_or(self.text.len());
            finds.retain_mut(|(at, finds)| {
                if *at < end {
                    *at = finds.from(end).unwrap_or(usize::MAX);
                }
                *at != usize::MAX
            });
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            Some((number, self.line(number)?))
        })
    }

    /// The lines in which a word stands in letters of either case; `lower` finds it in lower case, and it can only begin
    /// in `ranges`.
    pub(crate) fn lines_like<'r>(
        &'r self,
        lower: &'r Finder<'_>,
        ranges: Vec<Range<usize>>,
    ) -> impl Iterator<Item = (u32, &'r str)> {
        let finds = Finds { text: self.lower().as_bytes(), finder: lower.as_ref(), ranges };
        let mut at = 0;
        std::iter::from_fn(move || {
            let found = finds.from(at)?;
            let number = self.starts.partition_point(|start| *start <= found);
            at = self.starts.get(number).copied().unwrap_or(self.text.len());
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            Some((number, self.line(number)?))
        })
    }

    /// Every line with its number. Most rules need few: see [`Text::lines_with`].
    pub fn lines(&self) -> impl Iterator<Item = (u32, &str)> + Clone {
        (1..).map_while(|number| {
            self.walk(1);
            Some((number, self.line(number)?))
        })
    }

    /// The versions that it names. Many rules ask for them; they are looked for once.
    #[must_use]
    pub fn versions(&self) -> &Versions {
        // Where they can stand is a small part of a log, and the names are many.
        let first = |name: &Finder<'static>| {
            let ranges = self.ranges(name.needle());
            Finds { text: self.lower().as_bytes(), finder: name.as_ref(), ranges }.from(0)
        };
        self.versions.get_or_init(|| versions_where(&self.text, self.lower(), &self.starts, first))
    }

    /// A line, counted from 1, without its ending.
    #[must_use]
    pub fn line(&self, number: u32) -> Option<&str> {
        let begin = *self.starts.get(number.checked_sub(1)? as usize)?;
        let end = self.starts.get(number as usize).copied().unwrap_or(self.text.len());
        Some(self.text[begin..end].trim_end_matches(['\n', '\r']))
    }

    /// A line as evidence.
    #[must_use]
    pub fn quote(&self, line: u32) -> Option<Evidence> {
        let text = self.line(line)?.trim();
        let (source, before) = self.part_of.unwrap_or((self.source, 0));
        (!text.is_empty() && self.source != COMPLAINT).then(|| Evidence {
            source: format!("{}{source}", self.side),
            line: line.saturating_add(before),
            quote: text.to_owned(),
        })
    }
}

/// Where the lines of a text begin, as [`vmwright_formats::lines::lines`] tells them: for all at once, since a log has
/// thousands.
fn starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = Vec::new();
    if !bytes.is_empty() {
        starts.push(0);
    }
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    let ends = ends.filter(|at| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
    starts.extend(ends.map(|at| at + 1).filter(|start| *start < bytes.len()));
    starts
}

/// Where a word stands in a text.
struct Finds<'t, 'w> {
    text: &'t [u8],
    finder: Finder<'w>,
    /// Where it can begin.
    ranges: Vec<Range<usize>>,
}

impl<'t, 'w> Finds<'t, 'w> {
    /// The first place, and what finds the others.
    fn first(text: &'t Text<'_>, word: &'w str) -> Option<(usize, Self)> {
        // To make what finds a word takes longer than to see that there is nothing to find.
        let ranges = text.ranges(word.as_bytes());
        if ranges.is_empty() {
            return None;
        }
        let finds = Self { text: text.text.as_bytes(), finder: Finder::new(word.as_bytes()), ranges };
        finds.from(0).map(|at| (at, finds))
    }

    /// The first place at or behind a byte.
    fn from(&self, at: usize) -> Option<usize> {
        let word = self.finder.needle().len();
        let behind = self.ranges.iter().skip_while(|range| range.end <= at);
        behind.into_iter().find_map(|range| {
            let from = range.start.max(at);
            let to = (range.end + word.saturating_sub(1)).min(self.text.len());
            Some(from + self.finder.find(&self.text[from..to])?)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{CATALOGUE, Reading, Words, ranking};
    use memchr::memmem::Finder;
    use vmwright_model::{Kind, Record, Snapshot};

    fn pasted(texts: &[(&str, String)]) -> Snapshot {
        let record = |(name, text): &(&str, String)| Record::new(*name, Kind::TEXT, text.as_str());
        Snapshot { records: texts.iter().map(record).collect(), ..Snapshot::default() }
    }

    /// The lines that a look at each of them finds.
    fn slowly<'w>(texts: &[(&str, String)], words: impl Words<'w>) -> Vec<(String, u32, String)> {
        let mut found = Vec::new();
        for (name, text) in texts {
            for (number, line) in vmwright_formats::lines::lines(text) {
                if words.each().any(|word| line.contains(word)) {
                    found.push(((*name).to_owned(), number, line.to_owned()));
                }
            }
        }
        found
    }

    fn quickly<'w>(snapshot: &Snapshot, words: impl Words<'w>) -> Vec<(String, u32, String)> {
        let reading = Reading::new(snapshot, "");
        let lines = reading.lines_with(words);
        lines.map(|(text, number, line)| (text.source.to_owned(), number, line.to_owned())).collect()
    }

    #[test]
    fn the_lines_with_a_word_are_those_that_a_look_at_each_line_finds() {
        let long: String = (0..9000)
            .map(|at| format!("{at} tick\n{}", if at % 2500 == 7 { "tock\r\n" } else { "" }))
            .collect();
        let texts = [
            ("a", "tock\rtick tock\r\n\nno\ntock tock".to_owned()),
            ("b", String::new()),
            ("c", long),
            ("d", "\n\n Tock \u{fc}tock\n".to_owned()),
        ];
        let snapshot = pasted(&texts);
        assert_eq!(quickly(&snapshot, "tock"), slowly(&texts, "tock"));
        assert_eq!(slowly(&texts, "tock").len(), 8, "each line once");
        let reading = Reading::new(&snapshot, "");
        let tock = Finder::new("tock");
        let like = reading.texts().iter().flat_map(|text| {
            text.lines_like(&tock, std::iter::once(0..text.whole().len()).collect())
                .map(move |line| (text.source, line))
        });
        let texts_low = texts.clone().map(|(name, text)| (name, text.to_ascii_lowercase()));
        let expect = slowly(&texts_low, "tock").into_iter().map(|(name, number, _)| (name, number));
        let found: Vec<_> = like.map(|(source, (number, _))| (source.to_owned(), number)).collect();
        assert_eq!(found, expect.collect::<Vec<_>>());
        for words in
            [["tock", "tick"], ["no", "tock"], ["8999 ", "zzzz"], ["\u{fc}", "88"], ["TOCK", "nowhere"]]
        {
            assert_eq!(quickly(&snapshot, words), slowly(&texts, words), "{words:?}");
            assert_eq!(quickly(&snapshot, &words[..]), slowly(&texts, words), "{words:?}");
            let reading = Reading::new(&snapshot, "");
            let holding: Vec<&str> = reading.texts_with(words).map(|text| text.source).collect();
            let mut expect: Vec<String> = slowly(&texts, words).into_iter().map(|(name, ..)| name).collect();
            expect.dedup();
            assert_eq!(holding, expect, "{words:?}");
        }
    }

    /// There are hundreds of rules: one that goes through every line of a log costs a capture a millisecond.
    #[test]
    fn no_rule_goes_through_a_text_in_which_none_of_its_words_stands() {
        const LINES: usize = 400;
        let dull = |at: usize| format!("[{at:>5}.000001] br0: port 3(vnet3) entered disabled state\n");
        let dull: String = (0..LINES).map(dull).collect();
        let kinds = ["text", "kernel_log", "environment", "libvirt_log"];
        let record = |kind: &&'static str| Record::new(format!("a.{kind}"), Kind::new(kind), dull.as_str());
        let snapshot = Snapshot { records: kinds.iter().map(record).collect(), ..Snapshot::default() };
        let mut walkers = Vec::new();
        for entry in CATALOGUE {
            // The complaint opens the ways that a rule goes only where it is the question.
            let complaint =
                [entry.rule.words, &["kvm", "kata", "kubevirt", "firecracker", "migrat"]].concat().join(". ");
            let reading = Reading::new(&snapshot, &complaint);
            let _ = ranking::judge(entry, &reading);
            let walked: usize = reading
                .texts()
                .iter()
                .map(|text| text.walked.load(std::sync::atomic::Ordering::Relaxed))
                .sum();
            if walked > LINES / 2 {
                walkers.push(format!("{} looked at {walked} lines", entry.id));
            }
        }
        assert!(
            walkers.is_empty(),
            "ask for `lines_with` or `texts_with` first:\n  {}",
            walkers.join("\n  ")
        );
    }
}
