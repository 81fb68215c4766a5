//! What a text is, by its content first and its name second.

use crate::RECOGNISERS;
use std::sync::LazyLock;
use vmwright_model::Kind;

/// How much of a text is looked at, in bytes. What a text is shows in its first lines; every view asks for its own.
const HEAD: usize = 16 * 1024;

/// The kind of a text; [`Kind::TEXT`] where no view claims it. `name` may be a path or a command line.
#[must_use]
pub fn recognise(name: &str, text: &str) -> Kind {
    let name = last_part(name).to_ascii_lowercase();
    let mut end = HEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let marked = MARKS.of(head);
    let mut best = (0, Kind::TEXT);
    for ((kind, marks, claim), marked) in RECOGNISERS.iter().zip(marked) {
        let sure = claim(&name, if marked || marks.is_empty() { head } else { "" });
        if sure > best.0 {
            best = (sure, kind.clone());
        }
    }
    best.1
}

/// All views' marks. Most stand in few texts, and nearly all are ruled out by their grams (runs of three bytes): of a
/// text a table is made of which grams it has, and a mark is looked for where all of its own are among them.
struct Marks {
    /// Each mark, the place of its view among the recognisers, and where its grams end in `grams`.
    words: Vec<(&'static str, usize, usize)>,
    grams: Vec<u16>,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let mut marks = Marks { words: Vec::new(), grams: Vec::new() };
    for (view, (_, words, _)) in RECOGNISERS.iter().enumerate() {
        for word in *words {
            marks.grams.extend(grams(word));
            marks.words.push((word, view, marks.grams.len()));
        }
    }
    marks
});

/// Bytes of a gram.
const GRAM: usize = 3;

/// Cells of the table of grams: several may share one, which only costs a look at the text.
const CELLS: usize = 1 << 15;

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
        let mut has = [false; CELLS];
        grams(text).for_each(|cell| has[usize::from(cell)] = true);
        let mut marked = vec![false; RECOGNISERS.len()];
        let mut begin = 0;
        for (word, view, end) in &self.words {
            let mut mine = self.grams[begin..*end].iter();
            begin = *end;
            if !marked[*view] && mine.all(|cell| has[usize::from(*cell)]) {
                marked[*view] = memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
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
    use super::{MARKS, last_part};
    use crate::RECOGNISERS;
    use std::fs;

    /// A view that leaves a mark out would pass over texts of its own.
    #[test]
    fn no_content_is_known_without_a_mark() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
        let samples =
            fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        for text in samples {
            // Each line by itself, too: what is pasted is often one.
            for part in text.lines().chain([text.as_str()]) {
                for ((kind, marks, claim), marked) in RECOGNISERS.iter().zip(MARKS.of(part)) {
                    if !marked && !marks.is_empty() {
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
