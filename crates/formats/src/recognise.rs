//! What a text is, by its content first and its name second.

use crate::RECOGNISERS;
use memchr::memmem::Finder;
use std::sync::LazyLock;
use vmwright_model::Kind;

/// How much of a text is looked at, in bytes. What a text is shows in its first lines; every view asks for its own.
const HEAD: usize = 16 * 1024;

/// The kind of a text; [`Kind::TEXT`] where no view claims it. `name` may be a path or a command line.
#[must_use]
pub fn recognise(name: &str, text: &str) -> Kind {
    let name = last_part(name).to_ascii_lowercase();
    let head = head(text);
    let mut best = (0, None);
    for ((kind, _, claim), asked) in RECOGNISERS.iter().zip(asked(head)) {
        let sure = claim(&name, if asked { head } else { "" });
        if sure > best.0 {
            best = (sure, Some(kind));
        }
    }
    best.1.cloned().unwrap_or(Kind::TEXT)
}

/// The part of a text that is looked at.
fn head(text: &str) -> &str {
    let mut end = HEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// For each recogniser, whether this text can be its own by its content.
fn asked(head: &str) -> impl Iterator<Item = bool> {
    let each = RECOGNISERS.iter().zip(MARKS.of(head));
    each.map(|((_, marks, _), marked)| marked || marks.is_empty())
}

/// All views' marks. Most stand in few texts, and nearly all are ruled out by their grams (runs of three bytes): of a
/// text a table is made of which grams it has, and a mark is looked for where all of its own are among them.
struct Marks {
    words: Vec<Mark>,
    grams: Vec<u16>,
}

struct Mark {
    /// To make what finds it takes longer than to go through a short text with it.
    finder: Finder<'static>,
    /// The place of its view among the recognisers.
    view: usize,
    /// Where its grams end among all.
    end: usize,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let mut marks = Marks { words: Vec::new(), grams: Vec::new() };
    for (view, (_, words, _)) in RECOGNISERS.iter().enumerate() {
        for word in *words {
            marks.grams.extend(grams(word));
            marks.words.push(Mark { finder: Finder::new(*word), view, end: marks.grams.len() });
        }
    }
    marks
});

/// Bytes of a gram.
const GRAM: usize = 3;

/// Cells of the table of grams, each a bit: several grams may share one, which only costs a look at the text.
const CELLS: usize = 1 << 15;

/// Cells that lie in one number.
const BITS: usize = u64::BITS as usize;

/// The cells of a text's grams.
fn grams(text: &str) -> impl Iterator<Item = u16> {
    let (first, rest) = text.as_bytes().split_at(text.len().min(GRAM - 1));
    let first = first.iter().fold(0u32, |run, byte| run << 8 | u32::from(*byte));
    rest.iter().scan(first, |run, byte| {
        *run = (*run << 8 | u32::from(*byte)) & 0x00ff_ffff;
        // Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4): the high bits are well mixed.
        Some((run.wrapping_mul(0x9E37_79B1) >> (u32::BITS - CELLS.trailing_zeros())) as u16)
    })
}

impl Marks {
    /// For each recogniser, whether one of its marks stands in the text.
    fn of(&self, text: &str) -> Vec<bool> {
        let mut has = [0u64; CELLS / BITS];
        grams(text).for_each(|cell| has[usize::from(cell) / BITS] |= 1 << (usize::from(cell) % BITS));
        let has = |cell: &u16| has[usize::from(*cell) / BITS] >> (usize::from(*cell) % BITS) & 1 == 1;
        let mut marked = vec![false; RECOGNISERS.len()];
        let mut begin = 0;
        for Mark { finder, view, end } in &self.words {
            let mut mine = self.grams[begin..*end].iter();
            begin = *end;
            if !marked[*view] && mine.all(has) {
                marked[*view] = finder.find(text.as_bytes()).is_some();
            }
        }
        marked
    }
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
    use super::{asked, head, last_part};
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

    /// What rules' cases have, and what the fuzzer found, is taken for the same as if each view were asked for it.
    #[test]
    fn a_text_is_what_it_is_when_every_view_is_asked() {
        for folder in ["../rules/cases", "../hostile/corpus/recognise"] {
            let texts = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
            assert!(!texts.is_empty(), "{folder}");
            for (path, text) in &texts {
                let (name, head) = (last_part(path).to_ascii_lowercase(), head(text));
                for ((kind, _, claim), asked) in RECOGNISERS.iter().zip(asked(head)) {
                    if !asked {
                        assert_eq!(claim(&name, head), claim(&name, ""), "{kind} of {path}");
                    }
                }
            }
        }
    }

    /// A view that leaves a mark out would pass over texts of its own.
    #[test]
    fn no_content_is_known_without_a_mark() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
        let samples =
            fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        for text in samples {
            // Each line by itself, too: what is pasted is often one.
            for part in text.lines().chain([text.as_str()]) {
                for ((kind, _, claim), asked) in RECOGNISERS.iter().zip(asked(part)) {
                    if !asked {
                        for name in ["pasted.txt", &*kind.0, "x.yaml", "x.toml"] {
                            assert_eq!(claim(name, part), claim(name, ""), "{kind} named {name}: {part:?}");
                        }
                    }
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
