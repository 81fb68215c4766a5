//! One version number.

use std::cmp::Ordering;

/// A version as written, and its leading numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As written, without what stands around it: `8.2.2+ds-0ubuntu1`.
    pub text: String,
    /// Its numbers up to the first part that is none: 8, 2, 2.
    pub numbers: Vec<u32>,
}

/// Words that may stand between a program's name and its version.
const BETWEEN: &[&str] = &[
    "emulator",
    "version",
    "versions",
    "release",
    "hypervisor",
    "package",
    "is",
    "kvm",
    "system",
    "x86_64",
    "x86-64",
    "x86",
    "libvirt",
    "daemon",
    "libs",
    "client",
    "clients",
    "utils",
    "common",
    "qemu",
    "installed",
    "host",
    "v",
];

impl Version {
    /// Reads a version of two to four numbers with dots, at the beginning of a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|letter: char| letter.is_whitespace() || "(),;|\"'`".contains(letter));
        let text = text[..end.unwrap_or(text.len())].trim_end_matches(['.', ':']);
        // An epoch of a Debian package.
        let text = text
            .split_once(':')
            .filter(|(epoch, _)| *epoch == "1" || *epoch == "2")
            .map_or(text, |parts| parts.1);
        let mut numbers = Vec::new();
        let mut rest = text;
        loop {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 6 {
                break;
            }
            numbers.push(rest[..digits].parse().ok()?);
            rest = &rest[digits..];
            match rest.strip_prefix('.') {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        // Four numbers and nothing behind them are an address; one number is a count.
        let is_address = numbers.len() == 4 && (rest.is_empty() || rest.starts_with(['/', ':']));
        // `cloud-hypervisor: 0.072947s: <vmm> INFO`: seconds since its start, in its log.
        let is_time = numbers.len() == 2 && rest == "s";
        let fits = (2..=4).contains(&numbers.len()) && !is_address && !is_time && !rest.starts_with(':');
        fits.then(|| Self { text: text.to_owned(), numbers })
    }

    /// Whether it is this version or a later one; numbers that are absent are zero.
    #[must_use]
    pub fn at_least(&self, wanted: &[u32]) -> bool {
        let length = self.numbers.len().max(wanted.len());
        let at = |numbers: &[u32], place: usize| numbers.get(place).copied().unwrap_or(0);
        let different = (0..length).map(|place| at(&self.numbers, place).cmp(&at(wanted, place)));
        different.fold(Ordering::Equal, Ordering::then) != Ordering::Less
    }
}

/// The version that follows a name in a line; `lower` is the line in lower case.
pub(super) fn after(line: &str, lower: &str, name: &str) -> Option<Version> {
    // A line that names the program more often than this is no list of versions.
    lower.match_indices(name).take(4).find_map(|(at, _)| {
        let before = lower[..at].chars().next_back();
        // `ipxe-qemu`, `libvirt-daemon-driver-qemu`: a name's end is another package, with another's version. Proxmox
        // puts its own before the program's.
        let joined =
            lower[..at].strip_suffix('-').is_some_and(|longer| longer.ends_with(char::is_alphabetic));
        if before.is_some_and(char::is_alphanumeric) || joined && !lower[..at].ends_with("pve-") {
            return None;
        }
        let mut rest = &line[at + name.len()..];
        // `libvirtd`, `libvirt0`.
        rest = rest.strip_prefix(['d', '0']).unwrap_or(rest);
        for _ in 0..6 {
            rest = rest.trim_start_matches(|letter: char| " :=-_()\"'`|*/\t".contains(letter));
            if let Some(version) = Version::parse(rest.strip_prefix(['v', 'V']).unwrap_or(rest)) {
                return Some(version);
            }
            let word =
                BETWEEN.iter().filter(|word| starts_with_word(rest, word)).max_by_key(|word| word.len())?;
            rest = &rest[word.len()..];
        }
        None
    })
}

/// The version of firmware that is named by a date, as `edk2-stable202402` or `edk2-ovmf-20240214`: year and month.
/// `lower` is the line in lower case.
pub(super) fn dated(lower: &str) -> Option<Version> {
    let rest = ["edk2-stable", "edk2-ovmf-", "edk2-aarch64-"]
        .iter()
        .find_map(|name| Some(lower.split_once(name)?.1))?;
    let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
    let (year, month) = (digits.get(..4)?.parse().ok()?, digits.get(4..6)?.parse().ok()?);
    matches!(month, 1..=12).then(|| Version { text: digits.to_owned(), numbers: vec![year, month] })
}

fn starts_with_word(text: &str, word: &str) -> bool {
    let starts = text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    starts && !text[word.len()..].starts_with(|letter: char| letter.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_and_order() {
        let version = Version::parse("1:8.2.2+ds-0ubuntu1 (x)").expect("a version");
        assert_eq!(
            (version.text.as_str(), version.numbers.as_slice()),
            ("8.2.2+ds-0ubuntu1", &[8, 2, 2][..])
        );
        assert!(version.at_least(&[8, 2]) && version.at_least(&[8, 2, 2]) && !version.at_least(&[8, 2, 3]));
        assert!(version.at_least(&[7, 99]) && !version.at_least(&[9]));
        for bad in ["", "x", "8", "10.0.0.1", "01:00.0", "1.2.3.4.5", "12:30:45"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
