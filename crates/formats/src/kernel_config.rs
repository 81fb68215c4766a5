//! A kernel's configuration: `/boot/config-*`, `/proc/config.gz` unpacked, a guest kernel's `.config`, or a part.

use crate::{View, lines::lines};
use std::collections::HashMap;
use vmwright_model::{Issue, Kind, Spanned};

/// The options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelConfig {
    options: HashMap<String, Spanned<String>>,
}

impl KernelConfig {
    /// The value of an option, named without `CONFIG_`: `y`, `m`, a number, a text; `n` where it is said not to be set.
    #[must_use]
    pub fn get(&self, option: &str) -> Option<Spanned<&str>> {
        self.options.get(option).map(|found| Spanned::new(found.value.as_str(), found.line))
    }
}

impl View for KernelConfig {
    const KIND: Kind = Kind::new("kernel_config");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["CONFIG_"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            match option(line) {
                Some((option, value)) => {
                    view.options.insert(option.to_owned(), Spanned::new(value.to_owned(), number));
                }
                None if line.is_empty() || line.starts_with(['#', '$']) => {}
                None => issues.push(Issue::new(number, "not an option of a kernel")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = crate::lines::share(head, |line| option(line.trim()).is_some());
        match hits > 2 && hits * 3 >= all {
            true => 94,
            false if hits > 0 && hits * 3 >= all * 2 => 60,
            false if name.starts_with("config-") || name == ".config" || name == "kernel-config" => 25,
            false => 0,
        }
    }
}

fn option(line: &str) -> Option<(&str, &str)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if let Some(rest) = line.strip_prefix("# CONFIG_") {
        let name = rest.strip_suffix(" is not set")?;
        return is_name(name).then_some((name, "n"));
    }
    let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    is_name(name).then(|| (name, value.trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let (view, issues) = KernelConfig::read(include_str!("../tests/samples/kernel_config.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.get("KVM"), Some(Spanned::new("m", 5)));
        assert_eq!(view.get("KVM_XEN").map(|value| value.value), Some("n"));
        assert_eq!(view.get("LSM").map(|value| value.value), Some("landlock,yama,apparmor"));
        assert_eq!(view.get("NOTHING"), None);
        assert_eq!(KernelConfig::read("x=1\n").1, [Issue::new(1, "not an option of a kernel")]);
        assert_eq!(KernelConfig::recognise("x", "set CONFIG_KVM=y in it\nand more\n"), 0);
    }
}
