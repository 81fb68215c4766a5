//! Memory and swap of a host as `free` prints them, with `-h`, `-m`, `-w`, `-t` and their like.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One kind of memory. The figures are in the text's unit, which a plain `free -m` does not tell: shares of each other
/// are always right, see [`Free::bytes`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Line in the text.
    pub line: u32,
    /// All of it.
    pub total: f64,
    /// What is in use.
    pub used: f64,
    /// What nothing uses.
    pub free: f64,
    /// Files in tmpfs and shared memory; none for swap.
    pub shared: Option<f64>,
    /// What programs may still have without swapping; of an old `free` what is left besides buffers and cache.
    pub available: Option<f64>,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Free {
    /// Main memory.
    pub memory: Option<Row>,
    /// Swap.
    pub swap: Option<Row>,
    /// Bytes of one unit of the figures; none where the text does not tell.
    pub unit: Option<f64>,
}

impl Free {
    /// A figure in bytes, where the text tells its unit.
    #[must_use]
    pub fn bytes(&self, figure: f64) -> Option<u64> {
        // A figure with a letter is rounded already; the cast saturates.
        self.unit.map(|unit| (figure * unit) as u64)
    }
}

/// The smallest total that can only be in KiB: as MiB it were 4 TiB.
const KIB: f64 = 4_194_304.0;

impl View for Free {
    const KIND: Kind = Kind::new("free");
    const SUREST: u8 = 93;
    const MARKS: &[&str] = &["Mem:"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut columns: Vec<&str> = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            if let Some(command) = line.find("free -").filter(|_| line.contains(['$', '#'])) {
                view.unit = asked(&line[command + 6..]);
                continue;
            }
            if is_heading(line) {
                columns = line.split_whitespace().collect();
                continue;
            }
            let Some((name, figures)) = line.split_once(':').filter(|_| !columns.is_empty()) else {
                continue;
            };
            let read: Option<Vec<(f64, f64)>> = figures.split_whitespace().map(figure).collect();
            let Some(figures) = read.filter(|figures| figures.len() >= 2) else {
                issues.push(Issue::new(number, "not a row of free"));
                continue;
            };
            let lettered = figures.iter().any(|(_, unit)| *unit != 1.0);
            let cell = |at: usize| figures.get(at).map(|(value, unit)| value * unit);
            let under = |column: &str| columns.iter().position(|one| *one == column).and_then(cell);
            match name {
                "Mem" | "Swap" => {
                    let (Some(total), Some(used), Some(free)) = (cell(0), cell(1), cell(2)) else {
                        issues.push(Issue::new(number, "a row of free without its figures"));
                        continue;
                    };
                    let (shared, available) = (under("shared"), under("available"));
                    let row = Row { line: number, total, used, free, shared, available };
                    if name == "Mem" {
                        let told = if lettered { Some(1.0) } else { view.unit };
                        view.unit = told.or((total >= KIB).then_some(1024.0));
                        view.memory = Some(row);
                    } else {
                        view.swap = Some(row);
                    }
                }
                // Before 2014: used and free without buffers and cache.
                "-/+ buffers/cache" => {
                    if let Some(memory) = view.memory.as_mut() {
                        memory.available = memory.available.or(cell(1));
                    }
                }
                _ => {}
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let mut rows = head.lines().take(4).map(str::trim);
        let table = rows.any(is_heading) && rows.any(|line| line.starts_with("Mem:"));
        match (table, name == "free" || name.starts_with("free ") || name.starts_with("free_")) {
            (true, _) => 93,
            (false, true) => 25,
            (false, false) => 0,
        }
    }
}

fn is_heading(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next() == Some("total") && words.next() == Some("used") && words.next() == Some("free")
}

/// The unit that an option asks for: `-k`, `-m`, `-g`, `-b`.
fn asked(options: &str) -> Option<f64> {
    match options.chars().next()? {
        'b' => Some(1.0),
        'k' => Some(1024.0),
        'm' => Some(1_048_576.0),
        'g' => Some(1_073_741_824.0),
        _ => None,
    }
}

/// `985`, `1.9Gi`, `512M`, `0B`: the number, and the bytes of its letter, 1 where it has none.
fn figure(text: &str) -> Option<(f64, f64)> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let value: f64 = digits.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)?;
    let unit = match text[digits.len()..].chars().next() {
        None | Some('B') => 1.0,
        Some('K') => 1024.0,
        Some('M') => 1_048_576.0,
        Some('G') => 1_073_741_824.0,
        Some('T') => 1_099_511_627_776.0,
        Some(_) => return None,
    };
    Some((value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_free() {
        let (view, issues) = Free::read(include_str!("../tests/samples/free.txt"));
        assert_eq!(issues, []);
        let memory = view.memory.expect("a row");
        assert_eq!((memory.total, memory.available, view.unit), (985.0, Some(14.0), Some(1_048_576.0)));
        assert_eq!(view.swap.map(|swap| (swap.total, swap.available)), Some((0.0, None)));
        assert_eq!(view.bytes(memory.total), Some(985 << 20));

        let human = "              total        used        free      shared  buff/cache   available\nMem:           31Gi        29Gi       312Mi       2.0Gi       1.6Gi       200Mi\nSwap:            0B          0B          0B\n";
        let (view, _) = Free::read(human);
        let memory = view.memory.expect("a row");
        assert_eq!(view.bytes(memory.total), Some(31 << 30));
        assert_eq!(memory.available, Some(209_715_200.0));

        let old = "             total       used       free     shared    buffers     cached\nMem:      16316412   15902168     414244          0     172220    3100916\n-/+ buffers/cache:   12629032    3687380\n";
        let (view, _) = Free::read(old);
        assert_eq!(view.memory.and_then(|memory| memory.available), Some(3_687_380.0));
        assert_eq!(view.unit, Some(1024.0));
        assert_eq!(Free::recognise("x", old), 93);
        assert_eq!(Free::read("total used free\nMem: many\n").1, [Issue::new(2, "not a row of free")]);
    }
}
