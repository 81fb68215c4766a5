//! Versions of the programs concerned, out of any text: `env.txt`, `/etc/os-release`, the head of a report, output of
//! `qemu-system-x86_64 --version`, `virsh version`, `uname -a`.

mod version;

use crate::{View, lines::having, lines::lines};
use memchr::memmem::Finder;
use std::sync::LazyLock;
pub use version::Version;
use vmwright_model::{Issue, Kind, Spanned};

/// The first version of each program that a text names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// QEMU.
    pub qemu: Option<Spanned<Version>>,
    /// libvirt.
    pub libvirt: Option<Spanned<Version>>,
    /// The host's kernel.
    pub kernel: Option<Spanned<Version>>,
    /// Firecracker.
    pub firecracker: Option<Spanned<Version>>,
    /// Cloud Hypervisor.
    pub cloud_hypervisor: Option<Spanned<Version>>,
    /// virtiofsd.
    pub virtiofsd: Option<Spanned<Version>>,
    /// swtpm.
    pub swtpm: Option<Spanned<Version>>,
    /// The firmware of UEFI guests; its stable tags count as year and month.
    pub edk2: Option<Spanned<Version>>,
    /// Name and version of the distribution.
    pub distribution: Option<Spanned<String>>,
}

impl Versions {
    fn count(&self) -> usize {
        let programs = [
            &self.qemu,
            &self.libvirt,
            &self.kernel,
            &self.firecracker,
            &self.cloud_hypervisor,
            &self.virtiofsd,
            &self.swtpm,
            &self.edk2,
        ];
        programs.iter().filter(|version| version.is_some()).count() + usize::from(self.distribution.is_some())
    }
}

/// A text that describes where something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The versions that it names.
    pub versions: Versions,
}

impl View for Environment {
    const KIND: Kind = Kind::new("environment");
    const SUREST: u8 = 85;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        (Self { versions: versions(text) }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let named = ["env", "version", "os-release", "uname"].iter().any(|part| name.contains(part));
        let short = lines(head).filter(|(_, line)| !line.trim().is_empty()).take(61).count() <= 60;
        let begins = |key: &str| having(head, key).any(|line| line.starts_with(key));
        if begins("PRETTY_NAME=") && begins("ID=") {
            return 85;
        }
        let count = if short { versions(head).count() } else { 0 };
        match (count, named) {
            (1.., true) => 75,
            (2.., false) => 50,
            (_, true) => 30,
            _ => 0,
        }
    }
}

/// Names with the words and signs that may stand between them and the number.
const QEMU: &[&str] = &["qemu"];
const LIBVIRT: &[&str] = &["libvirt"];
const KERNEL: &[&str] = &["linux version", "kernel", "linux-image", "linux kernel"];
const FIRECRACKER: &[&str] = &["firecracker"];
const CLOUD_HYPERVISOR: &[&str] = &["cloud-hypervisor", "cloud hypervisor"];
const VIRTIOFSD: &[&str] = &["virtiofsd"];
const SWTPM: &[&str] = &["swtpm"];
const EDK2: &[&str] = &["ovmf", "edk2"];

/// Words, in lower case, one of which stands in every line that names a version, but for what `uname -r` answers.
pub const NAMES: [&str; 22] = [
    "qemu",
    "libvirt",
    "kernel",
    "linux",
    "firecracker",
    "cloud-hypervisor",
    "cloud hypervisor",
    "virtiofsd",
    "swtpm",
    "ovmf",
    "edk2",
    "pretty_name=",
    "uname",
    "ubuntu",
    "debian",
    "fedora",
    "centos",
    "rhel",
    "opensuse",
    "proxmox ve",
    "alpine",
    "nixos",
];

/// What finds each of [`NAMES`]. To make it takes longer than to go through a short text with it.
static FINDERS: LazyLock<[Finder<'static>; NAMES.len()]> =
    LazyLock::new(|| NAMES.map(|name| Finder::new(name.as_bytes())));

/// The same for names that have one of those in them.
static LONGER: LazyLock<Vec<(&'static str, Finder<'static>)>> = LazyLock::new(|| {
    let names = KERNEL.iter().copied().chain(DISTRIBUTIONS.map(|(_, lower)| lower));
    names.filter(|name| !NAMES.contains(name)).map(|name| (name, Finder::new(name))).collect()
});

/// The versions that a text names, with the lines. Messages about versions (`machine type pc-q35-9.0 is not
/// supported`) are not taken for them.
#[must_use]
pub fn versions(text: &str) -> Versions {
    let lower = text.to_ascii_lowercase();
    let starts: Vec<usize> =
        lines(text).map(|(_, line)| line.as_ptr() as usize - text.as_ptr() as usize).collect();
    versions_where(text, &lower, &starts, |name| name.find(lower.as_bytes()))
}

/// [`versions`] by a caller who has the text in lower case and knows where its lines start, and where a name, by what finds it,
/// stands first.
#[must_use]
pub fn versions_where(
    text: &str,
    whole: &str,
    starts: &[usize],
    first: impl Fn(&Finder<'static>) -> Option<usize>,
) -> Versions {
    let mut found = Versions::default();
    let mut after_uname = false;
    // Most texts name few of these, and a look through the whole is much faster than one through each line. Each name that
    // stands there, by its place in the list, and where it stands next.
    let there = FINDERS.iter().enumerate().filter_map(|(name, finder)| Some((name, first(finder)?)));
    let mut next: Vec<(usize, usize)> = there.collect();
    if next.is_empty() {
        return found;
    }
    let find = |name: usize, from: usize| Some(from + FINDERS[name].find(&whole.as_bytes()[from..])?);
    // The place in `next` of a name that stands there and in `name`: where there is none, neither is `name` there.
    let place = |name: &str| next.iter().position(|(known, _)| name.contains(NAMES[*known]));
    // Whether a name stands there that has one of those in it.
    let stands = |name: &str| LONGER.iter().any(|(longer, finder)| *longer == name && first(finder).is_some());
    // The names of a program that stand there, each with the place in `next` of what it has in it.
    let named = |names: &[&'static str]| {
        let there = |name: &str, place: usize| NAMES[next[place].0] == name || stands(name);
        let placed = names.iter().filter_map(|name| Some((*name, place(name)?)));
        placed.filter(|(name, place)| there(name, *place)).collect::<Vec<_>>()
    };
    let qemu = named(QEMU);
    let libvirt = named(LIBVIRT);
    let firecracker = named(FIRECRACKER);
    let cloud_hypervisor = named(CLOUD_HYPERVISOR);
    let virtiofsd = named(VIRTIOFSD);
    let swtpm = named(SWTPM);
    let edk2 = named(EDK2);
    let kernel = named(KERNEL);
    let (uname, linux) = (place("uname").is_some(), named(&["linux"]));
    let distributions: Vec<&str> = DISTRIBUTIONS
        .into_iter()
        .filter(|(_, lower)| place(lower).is_some_and(|place| NAMES[next[place].0] == *lower || stands(lower)))
        .map(|(name, _)| name)
        .collect();
    let pretty = place("pretty_name=").is_some();
    // Where the next name stands: no line before it names anything.
    let mut soonest = next.iter().map(|(_, at)| *at).min().unwrap_or(usize::MAX);
    let mut behind = 0;
    while soonest != usize::MAX || after_uname {
        if !after_uname {
            // A long text has names in few of its lines.
            behind = starts.partition_point(|start| *start <= soonest).max(behind + 1) - 1;
        }
        let Some(begin) = starts.get(behind).copied() else { break };
        behind += 1;
        let number = u32::try_from(behind).unwrap_or(u32::MAX);
        let end = starts.get(behind).copied().unwrap_or(text.len());
        let line = text[begin..end].trim_end_matches(['\n', '\r']);
        let lower = &whole[begin..begin + line.len()];
        for (name, at) in next.iter_mut().filter(|(_, at)| *at < begin) {
            *at = find(*name, begin).unwrap_or(usize::MAX);
        }
        soonest = next.iter().map(|(_, at)| *at).min().unwrap_or(usize::MAX);
        let here = |place: usize| next[place].1 < begin + line.len();
        let names = (0..next.len()).any(here);
        // Nobody writes a version into a line of this length; logs do have such lines.
        if !names && !after_uname || line.len() > 400 {
            continue;
        }
        let numbered = line.bytes().any(|letter| letter.is_ascii_digit());
        let look = |place: &mut Option<Spanned<Version>>, names: &[(&str, usize)]| {
            if place.is_none() && numbered {
                let mut names = names.iter().filter(|(_, place)| here(*place));
                let version = names.find_map(|(name, _)| version::after(line, lower, name));
                *place = version.map(|version| Spanned::new(version, number));
            }
        };
        look(&mut found.qemu, &qemu);
        look(&mut found.libvirt, &libvirt);
        look(&mut found.firecracker, &firecracker);
        look(&mut found.cloud_hypervisor, &cloud_hypervisor);
        look(&mut found.virtiofsd, &virtiofsd);
        look(&mut found.swtpm, &swtpm);
        look(&mut found.edk2, &edk2);
        if found.edk2.is_none() && !edk2.is_empty() {
            found.edk2 = version::dated(lower).map(|version| Spanned::new(version, number));
        }
        look(&mut found.kernel, &kernel);
        if found.kernel.is_none() && (after_uname || linux.iter().any(|(_, place)| here(*place))) {
            // `uname -a`: Linux, the host's name, the release. `uname -r`: the release alone.
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            let release = match words[..] {
                ["Linux", _, release, ..] => {
                    Version::parse(release).filter(|version| version.numbers.len() >= 3)
                }
                [release] if after_uname => Version::parse(release),
                _ => None,
            };
            found.kernel = release.map(|release| Spanned::new(release, number));
        }
        after_uname = uname && lower.contains("uname");
        if found.distribution.is_none() && (pretty || !distributions.is_empty()) {
            found.distribution = distribution(line, &distributions).map(|name| Spanned::new(name, number));
        }
    }
    found
}

/// Distributions as people name them, and in lower case; each is followed by its version, and has one of [`NAMES`] in it.
const DISTRIBUTIONS: [(&str, &str); 14] = [
    ("Ubuntu", "ubuntu"),
    ("Debian", "debian"),
    ("Fedora", "fedora"),
    ("CentOS", "centos"),
    ("Red Hat Enterprise Linux", "red hat enterprise linux"),
    ("RHEL", "rhel"),
    ("Rocky Linux", "rocky linux"),
    ("AlmaLinux", "almalinux"),
    ("openSUSE", "opensuse"),
    ("SUSE Linux Enterprise", "suse linux enterprise"),
    ("Arch Linux", "arch linux"),
    ("Proxmox VE", "proxmox ve"),
    ("Alpine", "alpine"),
    ("NixOS", "nixos"),
];

/// `names` are those of the distributions that the text names.
fn distribution(line: &str, names: &[&'static str]) -> Option<String> {
    if let Some(name) = line.trim().strip_prefix("PRETTY_NAME=") {
        return Some(name.trim_matches('"').to_owned());
    }
    let (at, name) = names.iter().find_map(|name| Some((line.find(name)?, *name)))?;
    // A path or a package's suffix is not the name of the distribution.
    let before = line[..at].chars().next_back();
    if before.is_some_and(|letter| letter.is_alphanumeric() || "/-_.".contains(letter)) {
        return None;
    }
    let rest = &line[at + name.len()..];
    let words: Vec<&str> = rest.split_whitespace().take(4).collect();
    let digit = words.iter().position(|word| {
        word.trim_start_matches(['(', 'v']).starts_with(|letter: char| letter.is_ascii_digit())
    });
    match digit {
        Some(at) if rest.starts_with(char::is_whitespace) => {
            Some(format!("{name} {}", words[..=at].join(" ")))
        }
        _ if name == "Arch Linux" => Some(name.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(version: &Option<Spanned<Version>>) -> Option<(&[u32], u32)> {
        version.as_ref().map(|version| (version.value.numbers.as_slice(), version.line))
    }

    #[test]
    fn versions_of_many_spellings() {
        let found = versions(
            "OS: Ubuntu 22.04.3 LTS\nKernel: 6.5.0-14-generic\nQEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1)\nUsing library: libvirt 10.0.0\n",
        );
        assert_eq!(numbers(&found.kernel), Some((&[6, 5, 0][..], 2)));
        assert_eq!(numbers(&found.qemu), Some((&[8, 2, 2][..], 3)));
        assert_eq!(numbers(&found.libvirt), Some((&[10, 0, 0][..], 4)));
        assert_eq!(found.distribution, Some(Spanned::new("Ubuntu 22.04.3".to_owned(), 1)));
        let found = versions(
            "libvirtd (libvirt) 9.0.0\nqemu-kvm-7.2.0-14.el9.x86_64\nLinux hv1 5.14.0-362.el9.x86_64 #1 SMP\nFirecracker v1.7.0\ncloud-hypervisor v38.0.0\n",
        );
        assert_eq!(numbers(&found.libvirt), Some((&[9, 0, 0][..], 1)));
        assert_eq!(numbers(&found.qemu), Some((&[7, 2, 0][..], 2)));
        assert_eq!(numbers(&found.kernel), Some((&[5, 14, 0][..], 3)));
        assert_eq!(numbers(&found.firecracker), Some((&[1, 7, 0][..], 4)));
        assert_eq!(numbers(&found.cloud_hypervisor), Some((&[38, 0, 0][..], 5)));
        let log = "cloud-hypervisor:   0.072947s: <vmm> INFO:vmm/src/lib.rs:1:API\n";
        assert_eq!(versions(log).cloud_hypervisor, None);
        let log = versions(&format!("{log}cloud-hypervisor v53.0-246-gae44c2971\n"));
        assert_eq!(numbers(&log.cloud_hypervisor), Some((&[53, 0][..], 2)));
        let found = versions("$ uname -r\n6.1.0-18-amd64\nqemu: 1:8.1.2\n");
        assert_eq!(
            (numbers(&found.kernel), numbers(&found.qemu)),
            (Some((&[6, 1, 0][..], 2)), Some((&[8, 1, 2][..], 3)))
        );
    }

    #[test]
    fn firmware_is_named_by_its_date() {
        for (text, expect) in [
            ("ovmf 2022.11-6+deb12u1\n", &[2022, 11][..]),
            ("edk2-stable202402\n", &[2024, 2][..]),
            ("edk2-ovmf-20230524-3.el9.noarch\n", &[2023, 5][..]),
        ] {
            assert_eq!(numbers(&versions(text).edk2), Some((expect, 1)), "{text}");
        }
        let found = versions("virtiofsd 1.10.1\nTPM emulator version: swtpm 0.7.1\nedk2-stable\n");
        assert_eq!(numbers(&found.virtiofsd), Some((&[1, 10, 1][..], 1)));
        assert_eq!((numbers(&found.swtpm), found.edk2), (Some((&[0, 7, 1][..], 2)), None));
    }

    #[test]
    fn what_is_no_version() {
        let found = versions(
            "qemu-system-x86_64: -device vfio-pci,host=01:00.0: error\nqemu listens on 10.0.0.1\nkernel: [ 1.2] x\nlibvirt uses pc-q35-9.0\n",
        );
        assert_eq!(found, Versions::default());
    }

    /// A name that has none of these in it is looked for in no text.
    #[test]
    fn every_name_has_one_of_those_that_are_looked_for_first() {
        let programs = [QEMU, LIBVIRT, KERNEL, FIRECRACKER, CLOUD_HYPERVISOR, VIRTIOFSD, SWTPM, EDK2].concat();
        for (name, lower) in DISTRIBUTIONS {
            assert_eq!(name.to_ascii_lowercase(), lower);
        }
        for name in programs.into_iter().chain(DISTRIBUTIONS.map(|(_, lower)| lower)) {
            assert!(NAMES.iter().any(|known| name.contains(known)), "{name}");
        }
    }

    #[test]
    fn recognised_by_name_and_content() {
        assert_eq!(Environment::recognise("env.txt", "QEMU 8.2\n"), 75);
        assert_eq!(Environment::recognise("x", "QEMU 8.2\nlibvirt 10.0\n"), 50);
        assert_eq!(
            Environment::recognise("x", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n"),
            85
        );
        assert_eq!(Environment::recognise("x", "hello\n"), 0);
    }
}
