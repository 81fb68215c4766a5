//! Installed packages: `dpkg -l`, `rpm -qa`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Line in the text.
    pub line: u32,
    /// Its name, without the architecture.
    pub name: String,
    /// Its version with epoch and release, as written.
    pub version: String,
    /// Architecture; empty where not told.
    pub architecture: String,
    /// Whether it is wholly installed: dpkg tells of half and of removed ones too.
    pub installed: bool,
}

impl Package {
    /// Its upstream version: without epoch, and without what stands behind the first `-`, `+` or `~`.
    #[must_use]
    pub fn upstream(&self) -> &str {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        version.split(['-', '+', '~']).next().unwrap_or(version)
    }
}

/// The packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// In the order of the text.
    pub packages: Vec<Package>,
}

impl Packages {
    /// The installed package of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.installed && package.name == name)
    }
}

impl View for Packages {
    const KIND: Kind = Kind::new("packages");
    const SUREST: u8 = 92;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            // The head of dpkg's list.
            let head = ["Desired=", "| Status=", "|/ Err?=", "||/ Name", "+++-"];
            if line.is_empty()
                || line.starts_with(['$', '#'])
                || head.iter().any(|head| line.starts_with(head))
            {
                continue;
            }
            match of_dpkg(number, line).or_else(|| of_rpm(number, line)) {
                Some(package) => view.packages.push(package),
                None => issues.push(Issue::new(number, "not a package")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        if head.lines().take(10).any(|line| line.starts_with("||/ Name ")) {
            return 92;
        }
        if crate::lines::most(head, (1, 2), |line| of_dpkg(1, line.trim()).is_some()) > 0 {
            return 90;
        }
        if crate::lines::most(head, (2, 3), |line| of_rpm(1, line.trim()).is_some()) > 2 {
            return 86;
        }
        let named = ["packages", "dpkg", "rpm", "installed-rpms", "installed-debs", "package-data"];
        if named.iter().any(|word| name.starts_with(word)) { 25 } else { 0 }
    }
}

/// `ii  qemu-system-x86  1:7.2+dfsg-7+deb12u7  amd64  QEMU full system emulation binaries (x86)`.
fn of_dpkg(line: u32, text: &str) -> Option<Package> {
    // First this: nearly no line of another text begins so.
    let [b'u' | b'i' | b'h' | b'r' | b'p', is @ (b'n' | b'c' | b'H' | b'U' | b'F' | b'W' | b't' | b'i'), ..] =
        text.as_bytes()
    else {
        return None;
    };
    let mut words = text.split_whitespace();
    words.next().filter(|state| state.len() <= 3)?;
    let (name, version) = (words.next()?, words.next()?);
    let versioned = version.starts_with(|letter: char| letter.is_ascii_digit())
        && (version.len() > 4 || version.contains(['.', '-', ':']));
    let (name, _) = name.split_once(':').unwrap_or((name, ""));
    versioned.then(|| Package {
        line,
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: words.next().unwrap_or_default().to_owned(),
        installed: matches!(is, b'i' | b'W' | b't'),
    })
}

/// `qemu-kvm-8.2.0-11.el9_4.6.x86_64`; sos adds a date behind.
fn of_rpm(line: u32, text: &str) -> Option<Package> {
    let word = text.split_whitespace().next()?;
    let (rest, architecture) = word.rsplit_once('.')?;
    if !matches!(architecture, "x86_64" | "noarch" | "aarch64" | "i686" | "ppc64le" | "s390x") {
        return None;
    }
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let versioned = version.starts_with(|letter: char| letter.is_ascii_digit());
    (versioned && !name.is_empty()).then(|| Package {
        line,
        name: name.to_owned(),
        version: format!("{version}-{release}"),
        architecture: architecture.to_owned(),
        installed: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_dpkg() {
        let (view, issues) = Packages::read(include_str!("../tests/samples/packages.txt"));
        assert_eq!(issues, []);
        let qemu = view.get("qemu-system-x86").expect("it is there");
        assert_eq!((qemu.version.as_str(), qemu.upstream()), ("1:7.2+dfsg-7+deb12u7", "7.2"));
        assert_eq!(view.get("ovmf"), None, "only its configuration is left");
        assert_eq!(view.get("libvirt0").map(|package| package.architecture.as_str()), Some("amd64"));
    }

    #[test]
    fn lists_of_rpm() {
        let text = "qemu-kvm-8.2.0-11.el9_4.6.x86_64\nlibvirt-daemon-10.0.0-6.el9.x86_64     Mon Jan  1 10:00:00 2024\nedk2-ovmf-20231122-6.el9.noarch\nodd\n";
        let (view, issues) = Packages::read(text);
        assert_eq!(issues, [Issue::new(4, "not a package")]);
        let qemu = view.get("qemu-kvm").expect("it is there");
        assert_eq!((qemu.version.as_str(), qemu.upstream(), qemu.line), ("8.2.0-11.el9_4.6", "8.2.0", 1));
        assert_eq!(Packages::recognise("x", text), 86);
        assert_eq!(Packages::recognise("x", "it is 5\nhe is 6\n"), 0);
    }
}
