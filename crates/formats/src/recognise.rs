//! What a text is, by its content first and its name second.

use crate::RECOGNISERS;
use aho_corasick::AhoCorasick;
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

/// All views' marks, looked for in one pass.
struct Marks {
    words: AhoCorasick,
    /// For each word, the place of its view among the recognisers.
    views: Vec<usize>,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let all = || {
        RECOGNISERS
            .iter()
            .enumerate()
            .flat_map(|(view, (_, marks, _))| marks.iter().map(move |mark| (view, mark)))
    };
    let words =
        AhoCorasick::new(all().map(|(_, mark)| mark)).expect("a hundred short words are no large automaton");
    Marks { words, views: all().map(|(view, _)| view).collect() }
});

impl Marks {
    /// For each recogniser, whether one of its marks stands in the text.
    fn of(&self, text: &str) -> Vec<bool> {
        let mut marked = vec![false; RECOGNISERS.len()];
        for found in self.words.find_overlapping_iter(text) {
            marked[self.views[found.pattern().as_usize()]] = true;
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
