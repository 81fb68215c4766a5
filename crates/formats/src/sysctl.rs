//! Kernel settings: `sysctl -a`, files of `/etc/sysctl.d`, `grep . /proc/sys/...`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// Settings by dotted name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sysctl {
    /// Name with dots and value, in the order of the text.
    pub settings: Vec<Spanned<(String, String)>>,
}

impl Sysctl {
    /// The last value of a setting, `net.ipv4.ip_forward`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Spanned<&str>> {
        let found = self.settings.iter().rev().find(|setting| setting.value.0 == name)?;
        Some(Spanned::new(found.value.1.as_str(), found.line))
    }

    /// A setting that is one whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<Spanned<i64>> {
        let found = self.get(name)?;
        Some(Spanned::new(found.value.parse().ok()?, found.line))
    }
}

/// The branches of `/proc/sys`.
const BRANCHES: [&str; 8] = ["abi", "debug", "dev", "fs", "kernel", "net", "user", "vm"];

impl View for Sysctl {
    const KIND: Kind = Kind::new("sysctl");
    const SUREST: u8 = 88;
    const MARKS: &[&str] = &[
        "abi.", "abi/", "debug.", "debug/", "dev.", "dev/", "fs.", "fs/", "kernel.", "kernel/", "net.", "net/", "user.",
        "user/", "vm.", "vm/",
    ];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';', '$']) {
                continue;
            }
            match setting(line) {
                Some(setting) => view.settings.push(Spanned::new(setting, number)),
                None => issues.push(Issue::new(number, "not a kernel setting")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, _) = crate::lines::share(head, |line| setting(line.trim()).is_some());
        let fits = || {
            let (comments, all) =
                crate::lines::share(head, |line| line.trim_start().starts_with(['#', ';', '$']));
            hits * 3 >= (all - comments) * 2
        };
        match hits > 0 && fits() {
            true => 88,
            false if name.contains("sysctl") => 30,
            false => 0,
        }
    }
}

fn setting(line: &str) -> Option<(String, String)> {
    // A leading dash tells sysctl to go on after an error.
    let line = line.strip_prefix('-').unwrap_or(line);
    let (name, value) = match line.strip_prefix("/proc/sys/") {
        Some(rest) => {
            let (name, value) = rest.split_once([':', '='])?;
            (name.trim().replace('/', "."), value)
        }
        None => {
            let (name, value) = line.split_once('=')?;
            (name.trim().replace('/', "."), value)
        }
    };
    let (branch, rest) = name.split_once('.')?;
    let fits = BRANCHES.contains(&branch) && !rest.is_empty() && !rest.contains(char::is_whitespace);
    fits.then(|| (name, value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let text = "# c\nnet.ipv4.ip_forward = 0\nvm.max_map_count=65530\n-net/bridge/bridge-nf-call-iptables = 1\n/proc/sys/vm/nr_hugepages:12\nhello\nnet.ipv4.ip_forward = 1\n";
        let (view, issues) = Sysctl::read(text);
        assert_eq!(issues, [Issue::new(6, "not a kernel setting")]);
        assert_eq!(view.number("net.ipv4.ip_forward"), Some(Spanned::new(1, 7)));
        assert_eq!(view.number("vm.max_map_count"), Some(Spanned::new(65530, 3)));
        assert_eq!(view.get("net.bridge.bridge-nf-call-iptables"), Some(Spanned::new("1", 4)));
        assert_eq!(view.number("vm.nr_hugepages"), Some(Spanned::new(12, 5)));
        assert_eq!(Sysctl::recognise("x", text), 88);
        assert_eq!(Sysctl::recognise("x", "name = value\nx.y = z\n"), 0);
    }
}
