//! A kernel parameter.

use super::sysfs::value_fault;
use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::Sysctl`].
pub(super) struct Sysctl<'a> {
    pub(super) key: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl Facts for Sysctl<'_> {
    fn target(&self) -> Target {
        Target::Value(format!("/proc/sys/{}", self.key))
    }

    fn words(&self) -> Words {
        let Self { from, to, .. } = self;
        // As sysctl(8) writes it: dots between parts, and slashes where a part has dots.
        let name: String = self
            .key
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect();
        Words {
            expects: format!("{name} = {from}"),
            does: format!("sets {name} = {to}, until the next boot"),
            undone_by: format!("sets {name} = {from}, if it is still {to}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Kernel
    }

    fn may_lock_out(&self) -> bool {
        ["net/ipv4/conf/", "net/ipv6/conf/", "net/bridge/"].iter().any(|part| self.key.starts_with(part))
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Sysctl { to, .. } if to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        let part = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        };
        if self.key.len() > 255 || !self.key.contains('/') || !self.key.split('/').all(part) {
            faults.push(Fault::Value(format!("{} is not a key below /proc/sys", quoted(self.key))));
        }
        faults.extend([self.from, self.to].into_iter().filter_map(value_fault));
        faults
    }
}
