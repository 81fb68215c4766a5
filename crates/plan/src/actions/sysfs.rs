//! A value of the kernel in sysfs.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// Where values of the running kernel may be written. Not among them: `/sys/power` and `/sys/firmware`, where one
/// write ends the host, and `/sys/kernel/debug` and `/sys/kernel/security`, which are interfaces and no values.
const OPEN: &[&str] =
    &["/sys/module/", "/sys/kernel/mm/", "/sys/bus/", "/sys/class/", "/sys/devices/", "/sys/block/", SELINUX];

/// Whether SELinux enforces (kernel, `security/selinux/selinuxfs.c`): nobody may get in where it denies what a login
/// needs.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// Longest value: sysfs hands over one page (kernel, `fs/sysfs/file.c`).
const LONGEST: usize = 4095;

/// See [`Action::Sysfs`].
pub(super) struct Sysfs<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl Facts for Sysfs<'_> {
    fn target(&self) -> Target {
        Target::Value(self.path.to_owned())
    }

    fn words(&self) -> Words {
        let Self { path, from, to } = self;
        Words {
            expects: format!("`{from}` in {path}"),
            does: format!("writes `{to}` to {path}, until the next boot"),
            undone_by: format!("writes `{from}` to {path}, if it is still `{to}`"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Kernel
    }

    fn may_lock_out(&self) -> bool {
        self.path.ends_with("/sriov_numvfs")
            || self.path.starts_with("/sys/class/net/")
            || self.path == SELINUX
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Sysfs { to, .. } if to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        if !OPEN.iter().any(|open| self.path.starts_with(open)) {
            faults.push(Fault::Value(format!("{} is not where values of sysfs are set", quoted(self.path))));
        }
        faults.extend([self.from, self.to].into_iter().filter_map(value_fault));
        faults.extend(path_faults(self.path));
        faults
    }
}

/// What is wrong with a value of one line.
pub(super) fn value_fault(value: &str) -> Option<Fault> {
    let bad = value.len() > LONGEST || value.trim() != value || value.chars().any(char::is_control);
    bad.then(|| Fault::Value(format!("{} is not a value of one line", quoted(value))))
}
