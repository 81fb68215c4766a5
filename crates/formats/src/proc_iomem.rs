//! The map of physical addresses: `/proc/iomem`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoRange {
    /// Line in the text.
    pub line: u32,
    /// How deep it is nested, from 0.
    pub depth: usize,
    /// First address. Zero for an ordinary user, from whom the kernel hides it.
    pub start: u64,
    /// Last address.
    pub end: u64,
    /// Who has it: `System RAM`, `PCI Bus 0000:01`, `0000:01:00.0`, `efifb`.
    pub name: String,
}

/// The ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcIomem {
    /// In the order of the text; a nested range follows the one around it.
    pub ranges: Vec<IoRange>,
}

impl ProcIomem {
    /// Ranges of a name that lie inside a range whose name is `around`: `inside("0000:01:00.0")` finds `efifb`.
    pub fn inside<'a>(&'a self, around: &'a str) -> impl Iterator<Item = &'a IoRange> {
        let mut depth = None;
        self.ranges.iter().filter(move |range| {
            if depth.is_some_and(|outer| range.depth <= outer) {
                depth = None;
            }
            if depth.is_none() && range.name == around {
                depth = Some(range.depth);
                return false;
            }
            depth.is_some()
        })
    }
}

impl View for ProcIomem {
    const KIND: Kind = Kind::new("proc_iomem");
    const SUREST: u8 = 90;
    const MARKS: &[&str] = &[" : "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.starts_with(['#', '$']) {
                continue;
            }
            match range(number, line) {
                Some(range) => view.ranges.push(range),
                None => issues.push(Issue::new(number, "not a line of /proc/iomem")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = crate::lines::share(head, |line| range(1, line).is_some());
        match hits > 0 && hits * 3 >= all * 2 {
            true => 90,
            false if name.contains("iomem") => 30,
            false => 0,
        }
    }
}

fn range(line: u32, text: &str) -> Option<IoRange> {
    let (addresses, name) = text.split_once(" : ")?;
    let blanks = addresses.len() - addresses.trim_start().len();
    let (start, end) = addresses.trim().split_once('-')?;
    let hex = |text: &str| {
        let fits = (8..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits { u64::from_str_radix(text, 16).ok() } else { None }
    };
    Some(IoRange {
        line,
        depth: blanks / 2,
        start: hex(start)?,
        end: hex(end)?,
        name: name.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_what_is_in_them() {
        let text = "e0000000-f7ffffff : PCI Bus 0000:00\n  e0000000-efffffff : 0000:01:00.0\n    e0000000-e02fffff : efifb\n  f0000000-f00fffff : 0000:02:00.0\nodd\n";
        let (view, issues) = ProcIomem::read(text);
        assert_eq!(issues, [Issue::new(5, "not a line of /proc/iomem")]);
        assert_eq!((view.ranges[1].depth, view.ranges[1].end), (1, 0xefff_ffff));
        let inside: Vec<_> =
            view.inside("0000:01:00.0").map(|range| (range.line, range.name.as_str())).collect();
        assert_eq!(inside, [(3, "efifb")]);
        assert_eq!(ProcIomem::recognise("x", text), 90);
        assert_eq!(ProcIomem::recognise("x", "a - b : c\n"), 0);
    }
}
