//! Space or inodes of file systems: `df`, with `-h`, `-T`, `-i`, `-P`, `-k` and their like.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Line in the text.
    pub line: u32,
    /// What is mounted.
    pub source: String,
    /// Type; empty where not told.
    pub fs_type: String,
    /// Whether the figures count inodes, and not bytes.
    pub inodes: bool,
    /// All of them, in bytes or inodes, as exactly as the text has it.
    pub size: u64,
    /// What ordinary users may still use.
    pub free: u64,
    /// How much is used, in percent, as printed; none for `-`.
    pub percent: Option<u8>,
    /// Where it is mounted.
    pub target: String,
}

/// The file systems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Df {
    /// In the order of the text.
    pub systems: Vec<FileSystem>,
}

impl Df {
    /// The file systems that a path lies on: the one with the longest target, in bytes or in inodes.
    #[must_use]
    pub fn of_path(&self, path: &str, inodes: bool) -> Option<&FileSystem> {
        let holds = |system: &&FileSystem| {
            let target = system.target.trim_end_matches('/');
            system.inodes == inodes
                && path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.systems.iter().filter(holds).max_by_key(|system| system.target.len())
    }
}

/// What a header says of the columns.
#[derive(Clone, Copy)]
struct Columns {
    typed: bool,
    inodes: bool,
    /// Bytes of one unit of a figure without a letter.
    unit: u64,
}

impl View for Df {
    const KIND: Kind = Kind::new("df");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["Filesystem"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut columns = None;
        for (number, line) in lines(text) {
            let line = line.trim();
            // What df could not ask, it says on its standard error.
            if line.is_empty() || line.starts_with(['$', '#']) || line.starts_with("df: ") {
                continue;
            }
            if let Some(found) = header(line) {
                columns = Some(found);
            } else {
                match columns.and_then(|columns| system(number, line, columns)) {
                    Some(system) => view.systems.push(system),
                    None => issues.push(Issue::new(number, "not a line of df")),
                }
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        match head.lines().take(10).any(|line| header(line.trim()).is_some()) {
            true => 94,
            false if name == "df" || name.starts_with("df ") || name.starts_with("df_") => 25,
            false => 0,
        }
    }
}

fn header(line: &str) -> Option<Columns> {
    let mut words = line.split_whitespace();
    if words.next() != Some("Filesystem") || !line.ends_with("Mounted on") {
        return None;
    }
    let next = words.next()?;
    let typed = next == "Type";
    let first = if typed { words.next()? } else { next };
    let unit = match first {
        "Size" | "Inodes" => 1,
        // `1K-blocks`, `1024-blocks`, `1M-blocks`, `1B-blocks`.
        blocks => amount(blocks.strip_suffix("-blocks")?, 1)?,
    };
    Some(Columns { typed, inodes: first == "Inodes", unit })
}

fn system(line: u32, text: &str, columns: Columns) -> Option<FileSystem> {
    let mut rest = text;
    let mut word = || {
        let (word, behind) = rest.trim_start().split_once(char::is_whitespace)?;
        rest = behind;
        Some(word)
    };
    let source = word()?.to_owned();
    let fs_type = if columns.typed { word()?.to_owned() } else { String::new() };
    let (size, _used, free, percent) = (word()?, word()?, word()?, word()?);
    Some(FileSystem {
        line,
        source,
        fs_type,
        inodes: columns.inodes,
        size: amount(size, columns.unit)?,
        free: amount(free, columns.unit)?,
        percent: percent.strip_suffix('%').and_then(|percent| percent.parse().ok()),
        target: Some(rest.trim().to_owned()).filter(|target| target.starts_with('/'))?,
    })
}

/// `1048576`, `20G`, `1.5T`, `-` (nothing); powers of 1024, as df counts with `-h`.
fn amount(text: &str, unit: u64) -> Option<u64> {
    if text == "-" {
        return Some(0);
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].chars().next() {
        None => unit,
        Some('B') => 1,
        Some('K' | 'k') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1 << 40,
        Some('P') => 1 << 50,
        Some(_) => return None,
    };
    match digits.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit),
        Err(_) => {
            let number: f64 =
                digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
            // A figure with one decimal place is rounded already; the cast saturates.
            Some((number * unit as f64) as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_df() {
        let (view, issues) = Df::read(include_str!("../tests/samples/df.txt"));
        assert_eq!(issues, []);
        let root = view.of_path("/var/lib/libvirt/images/a.qcow2", false).expect("the images' file system");
        assert_eq!(
            (root.target.as_str(), root.percent, root.free),
            ("/var/lib/libvirt/images", Some(100), 0)
        );
        let human = "Filesystem      Size  Used Avail Use% Mounted on\n/dev/sda1        20G  1.5G   18G   8% /\nudev 1.5K 0 1.5K - /my dev\n";
        let (view, issues) = Df::read(human);
        assert_eq!(issues, []);
        assert_eq!((view.systems[0].size, view.systems[1].size), (20 << 30, 1536));
        assert_eq!((view.systems[1].percent, view.systems[1].target.as_str()), (None, "/my dev"));
        let inodes = "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 1000 1000 0 100% /\n";
        let (view, _) = Df::read(inodes);
        assert_eq!(view.of_path("/x", true).map(|system| system.free), Some(0));
        assert_eq!(view.of_path("/x", false), None);
        assert_eq!(Df::read("odd\n").1, [Issue::new(1, "not a line of df")]);
    }
}
