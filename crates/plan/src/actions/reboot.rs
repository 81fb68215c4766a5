//! A restart of the host, by the run or by somebody else, and how the run goes on behind it.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::{Action, Disruption};

/// See [`Action::Reboot`].
pub(super) struct Reboot<'a> {
    pub(super) left: Option<&'a str>,
}

impl Facts for Reboot<'_> {
    fn target(&self) -> Target {
        Target::Boot
    }

    fn words(&self) -> Words {
        let again = "nothing by itself: the steps before put back what the next boot uses, and the host has to be restarted once more";
        match self.left {
            None => Words {
                expects: "systemd, which restarts the host and waits for the run behind it".to_owned(),
                does: "restarts the host; the run goes on with `vmwright apply --resume`, or is taken back and the host restarted once more".to_owned(),
                undone_by: again.to_owned(),
            },
            Some(_) => Words {
                expects: "the host, restarted or about to be".to_owned(),
                does: again.to_owned(),
                undone_by: "restarts the host".to_owned(),
            },
        }
    }

    fn phase(&self) -> Phase {
        Phase::Reboot
    }

    fn least_disruption(&self) -> Disruption {
        if self.left.is_none() { Disruption::HostReboot } else { Disruption::None }
    }

    fn may_lock_out(&self) -> bool {
        // A host that does not boot as it should may not be reached.
        true
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Reboot { left: None }) && self.left.is_some()
    }

    fn faults(&self) -> Vec<Fault> {
        boot_faults(self.left)
    }
}

/// See [`Action::AwaitReboot`].
pub(super) struct AwaitReboot<'a> {
    pub(super) left: Option<&'a str>,
}

impl Facts for AwaitReboot<'_> {
    fn target(&self) -> Target {
        Target::Boot
    }

    fn words(&self) -> Words {
        let nothing = "nothing by itself: the steps before put back what the next boot uses".to_owned();
        match self.left {
            None => Words {
                expects: "systemd, which waits for the run behind the restart".to_owned(),
                does: "waits for the restart of the host, which you do when it suits you; behind it the run goes on with `vmwright apply --resume`, or is taken back".to_owned(),
                undone_by: nothing,
            },
            Some(_) => Words {
                expects: "the host, restarted or not".to_owned(),
                does: nothing,
                undone_by: "waits for the restart of the host".to_owned(),
            },
        }
    }

    fn phase(&self) -> Phase {
        Phase::Reboot
    }

    fn may_lock_out(&self) -> bool {
        true
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::AwaitReboot { left: None }) && self.left.is_some()
    }

    fn faults(&self) -> Vec<Fault> {
        boot_faults(self.left)
    }
}

/// What is wrong with the id of a boot.
fn boot_faults(left: Option<&str>) -> Vec<Fault> {
    // As the kernel writes it (Documentation/admin-guide/sysctl/kernel.rst, `random`).
    let good = |boot: &str| {
        (1..=64).contains(&boot.len()) && boot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    left.filter(|boot| !good(boot))
        .map(|boot| Fault::Value(format!("{} is not the id of a boot", quoted(boot))))
        .into_iter()
        .collect()
}
