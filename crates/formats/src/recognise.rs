//! What a text is, by its content first and its name second.

use crate::RECOGNISERS;
use memchr::memmem::Finder;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::LazyLock;
use vmwright_model::Kind;

/// How much of a text is looked at, in bytes. What a text is shows in its first lines; every view asks for its own.
const HEAD: usize = 16 * 1024;

/// How sure a view is by a name alone, at most.
const NAMED: u8 = 30;

/// A view's kind, its marks, how sure it is at most, and its recogniser.
pub(crate) type Recogniser = (Kind, &'static [&'static str], u8, fn(&str, &str) -> u8);

/// The kind of a text; [`Kind::TEXT`] where no view claims it. `name` may be a path or a command line.
#[must_use]
pub fn recognise(name: &str, text: &str) -> Kind {
    let name = last_part(name).to_ascii_lowercase();
    let head = head(text);
    let grams = Grams::of(head);
    // Of views that are equally sure, the first has it.
    let mut best = (0, Reverse(0));
    let mut unmarked = Vec::with_capacity(RECOGNISERS.len());
    for view in SUREST_FIRST.iter().copied() {
        let (_, _, surest, claim) = RECOGNISERS[view];
        if surest < best.0 {
            break;
        }
        if MARKS.can_be(view, head, &grams) {
            best = best.max((claim(&name, head), Reverse(view)));
        } else {
            unmarked.push(view);
        }
    }
    if best.0 <= NAMED {
        for view in unmarked {
            best = best.max((RECOGNISERS[view].3(&name, ""), Reverse(view)));
        }
    }
    if best.0 == 0 { Kind::TEXT } else { RECOGNISERS[best.1.0].0.clone() }
}

/// The views in the order in which they are asked: none of those that follow can be surer than one that is.
static SUREST_FIRST: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let mut views: Vec<usize> = (0..RECOGNISERS.len()).collect();
    views.sort_by_key(|view| Reverse(RECOGNISERS[*view].2));
    views
});

/// The part of a text that is looked at.
fn head(text: &str) -> &str {
    let mut end = HEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// All views' marks. Most stand in few texts, and nearly all are ruled out by their grams: a mark is looked for where all
/// of its own are among those of the text.
#[derive(Default)]
struct Marks {
    /// To make what finds a mark takes longer than to go through a short text with it.
    finders: Vec<Finder<'static>>,
    /// The cells of each mark's grams from its first byte on, and from its second.
    cells: Vec<[Range<usize>; STRIDE]>,
    all_cells: Vec<u16>,
    /// Those of each view.
    views: Vec<Range<usize>>,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let mut marks = Marks::default();
    for (_, words, ..) in RECOGNISERS {
        let first = marks.finders.len();
        for word in *words {
            marks.finders.push(Finder::new(*word));
            let cells = [0, 1].map(|from| {
                let begin = marks.all_cells.len();
                marks.all_cells.extend(cells(word.as_bytes().get(from..).unwrap_or_default()));
                begin..marks.all_cells.len()
            });
            marks.cells.push(cells);
        }
        marks.views.push(first..marks.finders.len());
    }
    marks
});

impl Marks {
    /// Whether a text can be a view's own by its content: one of its marks stands there, or it has none.
    fn can_be(&self, view: usize, text: &str, grams: &Grams) -> bool {
        let mut marks = self.views[view].clone();
        let stands = |mark: usize| {
            let there = |cells: &Range<usize>| grams.have(&self.all_cells[cells.clone()]);
            self.cells[mark].iter().any(there) && self.finders[mark].find(text.as_bytes()).is_some()
        };
        marks.is_empty() || marks.any(stands)
    }
}

/// Which grams, runs of three bytes, begin at every second byte of a text. Several may share a cell, which only costs a look
/// at the text.
struct Grams([bool; CELLS]);

/// A gram begins at every so many bytes.
const STRIDE: usize = 2;

/// Cells of the table of grams, which stay in a processor's first cache.
const CELLS: usize = 1 << 14;

impl Grams {
    fn of(text: &str) -> Self {
        let mut have = [false; CELLS];
        cells(text.as_bytes()).for_each(|cell| have[usize::from(cell)] = true);
        Self(have)
    }

    fn have(&self, cells: &[u16]) -> bool {
        cells.iter().all(|cell| self.0[usize::from(*cell)])
    }
}

/// The cells of the grams of a text.
fn cells(text: &[u8]) -> impl Iterator<Item = u16> {
    let pairs = text.as_chunks::<STRIDE>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    let thirds = text.iter().skip(STRIDE).step_by(STRIDE);
    pairs.zip(thirds).map(|(pair, third)| {
        // Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4): the high bits are well mixed.
        let mixed = pair.wrapping_mul(0x9E37).wrapping_add(u16::from(*third).wrapping_mul(0xC2B3));
        mixed >> (u16::BITS - CELLS.trailing_zeros())
    })
}

/// The last component of a path; of a command line, the program without its folder and what follows
/// (`namei -l /srv/a.img`), so that an argument is not taken for the name.
fn last_part(name: &str) -> &str {
    let option = name.match_indices(" -").map(|(at, _)| at).next();
    let program = option.map(|at| &name[..at]).filter(|_| {
        let behind = option.and_then(|at| name[at + 2..].chars().next());
        behind.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    });
    match program {
        Some(program) if !program.contains(' ') => &name[program.rfind('/').map_or(0, |at| at + 1)..],
        _ => name.rsplit('/').next().unwrap_or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{Grams, MARKS, NAMED, head, last_part, recognise};
    use crate::RECOGNISERS;
    use std::fs;
    use std::path::Path;

    /// Every text below a folder, with its path.
    fn texts(folder: &Path) -> Vec<(String, String)> {
        let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = open.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                } else {
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    found.push((path.display().to_string(), text));
                }
            }
        }
        found
    }

    /// What each view says of a text, with whether it is asked.
    fn claims<'t>(name: &'t str, head: &'t str) -> impl Iterator<Item = (usize, u8, bool)> + 't {
        let grams = Grams::of(head);
        let all = RECOGNISERS.iter().enumerate();
        all.map(move |(view, (.., claim))| (view, claim(name, head), MARKS.can_be(view, head, &grams)))
    }

    /// A view that leaves a mark out, or is surer than it says, would pass over texts of its own.
    fn check(name: &str, text: &str) {
        let (name, head) = (last_part(name).to_ascii_lowercase(), head(text));
        let mut best = (0, "text");
        for (view, sure, asked) in claims(&name, head) {
            let (kind, _, surest, claim) = &RECOGNISERS[view];
            let named = claim(&name, "");
            assert!(sure <= *surest, "{kind} of {name}: {head:?}");
            assert!(named <= NAMED, "{kind} of {name}");
            assert!(asked || sure == named, "{kind} of {name}: {head:?}");
            if sure > best.0 {
                best = (sure, &kind.0);
            }
        }
        assert_eq!(recognise(&name, text).0, best.1, "{name}: {head:?}");
    }

    /// What rules' cases have, and what the fuzzer found, is taken for the same as if each view were asked for it.
    #[test]
    fn a_text_is_what_it_is_when_every_view_is_asked() {
        for folder in ["../rules/cases", "../hostile/corpus/recognise"] {
            let texts = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
            assert!(!texts.is_empty(), "{folder}");
            texts.iter().for_each(|(path, text)| check(path, text));
        }
    }

    #[test]
    fn no_content_is_known_without_a_mark() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
        let samples =
            fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        for text in samples {
            // Each line by itself, too: what is pasted is often one.
            for part in text.lines().chain([text.as_str()]) {
                for name in ["pasted.txt", "x.yaml", "x.toml"] {
                    check(name, part);
                }
                for (kind, ..) in RECOGNISERS {
                    check(&kind.0, part);
                }
            }
        }
    }

    #[test]
    fn names_of_paths_and_commands() {
        for (name, part) in [
            ("/var/lib/my vms/domain.xml", "domain.xml"),
            ("dmesg.txt", "dmesg.txt"),
            ("namei -l /srv/a.img", "namei -l /srv/a.img"),
            ("/usr/bin/lspci -nnk", "lspci -nnk"),
            ("cat /proc/cpuinfo", "cpuinfo"),
            ("a - b/qemu.log", "qemu.log"),
            ("sos_commands/pci/lspci_-nnvv", "lspci_-nnvv"),
            ("", ""),
        ] {
            assert_eq!(last_part(name), part, "{name}");
        }
    }
}
