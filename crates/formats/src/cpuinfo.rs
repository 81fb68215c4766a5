//! The host's processors: `/proc/cpuinfo` (x86), whole or some lines of it.

use crate::{View, lines::having, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// What the kernel says of the processors. Values are those of the first processor that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuInfo {
    /// Number of `processor` lines.
    pub count: usize,
    /// `GenuineIntel`, `AuthenticAMD`.
    pub vendor: Option<Spanned<String>>,
    /// Family.
    pub family: Option<Spanned<u32>>,
    /// Model number.
    pub model: Option<Spanned<u32>>,
    /// Marketing name.
    pub model_name: Option<Spanned<String>>,
    /// Stepping.
    pub stepping: Option<Spanned<u32>>,
    /// Microcode revision as written.
    pub microcode: Option<Spanned<String>>,
    /// Flags, sorted; their line.
    pub flags: Option<Spanned<Vec<String>>>,
    /// `vmx flags` of Intel processors, sorted.
    pub vmx_flags: Option<Spanned<Vec<String>>>,
    /// Flaws that the kernel knows of, sorted.
    pub bugs: Option<Spanned<Vec<String>>>,
    /// Bits of physical and of virtual addresses.
    pub address_bits: Option<Spanned<(u32, u32)>>,
}

impl CpuInfo {
    /// Whether the flags have one; none where no flags were read.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> Option<bool> {
        let flags = &self.flags.as_ref()?.value;
        Some(flags.binary_search_by(|known| known.as_str().cmp(flag)).is_ok())
    }

    /// Whether the kernel knows of a flaw; none where it lists none.
    #[must_use]
    pub fn has_bug(&self, bug: &str) -> Option<bool> {
        let bugs = &self.bugs.as_ref()?.value;
        Some(bugs.binary_search_by(|known| known.as_str().cmp(bug)).is_ok())
    }
}

impl View for CpuInfo {
    const KIND: Kind = Kind::new("cpuinfo");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["processor", "vendor_id", "cpu family", "model name", "flags", "bugs", "microcode", "cpu MHz"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key.trim() {
                "processor" => view.count += 1,
                "vendor_id" => first(&mut view.vendor, number, || Some(value.to_owned())),
                "cpu family" => numeric(&mut view.family, number, value, &mut issues),
                "model" => numeric(&mut view.model, number, value, &mut issues),
                "model name" => first(&mut view.model_name, number, || Some(value.to_owned())),
                "stepping" => numeric(&mut view.stepping, number, value, &mut issues),
                "microcode" => first(&mut view.microcode, number, || Some(value.to_owned())),
                "flags" => first(&mut view.flags, number, || Some(words(value))),
                "vmx flags" => first(&mut view.vmx_flags, number, || Some(words(value))),
                "bugs" => first(&mut view.bugs, number, || Some(words(value))),
                "address sizes" => first(&mut view.address_bits, number, || bits(value)),
                _ => {}
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        fn key(line: &str) -> Option<&str> {
            Some(line.split_once(':')?.0.trim_end())
        }
        let mut found = [false; CpuInfo::MARKS.len()];
        for (found, wanted) in found.iter_mut().zip(Self::MARKS) {
            *found = having(head, wanted).any(|line| key(line) == Some(wanted));
        }
        match found.iter().filter(|found| **found).count() {
            3.. => 92,
            2 => 75,
            1 if name.contains("cpuinfo") => 60,
            _ if name.contains("cpuinfo") => 30,
            // One line of flags alone, as `grep flags /proc/cpuinfo` gives it.
            1 if having(head, " fpu ").any(|line| line.starts_with("flags")) => 80,
            _ => 0,
        }
    }
}

fn first<T>(place: &mut Option<Spanned<T>>, line: u32, value: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = value().map(|value| Spanned::new(value, line));
    }
}

fn numeric(place: &mut Option<Spanned<u32>>, line: u32, value: &str, issues: &mut Vec<Issue>) {
    match value.parse() {
        Ok(number) => first(place, line, || Some(number)),
        // Other architectures have words here.
        Err(_) => issues.push(Issue::new(line, "not a number")),
    }
}

fn words(value: &str) -> Vec<String> {
    let mut words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

/// `46 bits physical, 48 bits virtual`.
fn bits(value: &str) -> Option<(u32, u32)> {
    let (physical, rest) = value.split_once(" bits physical, ")?;
    Some((physical.trim().parse().ok()?, rest.split(' ').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 33\nmodel name\t: AMD Ryzen 9\nstepping\t: 0\nmicrocode\t: 0xa201016\nflags\t\t: fpu vme svm avx2\nbugs\t\t: sysret_ss_attrs spectre_v1\naddress sizes\t: 48 bits physical, 48 bits virtual\n\nprocessor\t: 1\nvendor_id\t: AuthenticAMD\n";

    #[test]
    fn values_of_the_first_processor() {
        let (view, issues) = CpuInfo::read(TEXT);
        assert_eq!(issues, []);
        assert_eq!(view.count, 2);
        assert_eq!(view.vendor, Some(Spanned::new("AuthenticAMD".to_owned(), 2)));
        assert_eq!(view.family, Some(Spanned::new(25, 3)));
        assert_eq!(view.model, Some(Spanned::new(33, 4)));
        assert_eq!(view.has_flag("svm"), Some(true));
        assert_eq!(view.has_flag("vmx"), Some(false));
        assert_eq!(view.has_bug("spectre_v1"), Some(true));
        assert_eq!(view.flags.as_ref().map(|flags| flags.line), Some(8));
        assert_eq!(view.address_bits, Some(Spanned::new((48, 48), 10)));
        assert_eq!(CpuInfo::default().has_flag("svm"), None);
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(CpuInfo::recognise("x", TEXT), 92);
        assert_eq!(CpuInfo::recognise("x", "flags\t: fpu vme\n"), 80);
        assert_eq!(CpuInfo::recognise("x", "flags: a b\n"), 0);
    }
}
