//! A value of a running QEMU.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::plan::QmpValue;

/// The largest limit that QEMU takes (`THROTTLE_VALUE_MAX` in its `include/qemu/throttle.h`).
const LIMIT_MAX: u64 = 1_000_000_000_000_000;

/// The longest downtime that QEMU takes, in ms (`MAX_MIGRATE_DOWNTIME` in its `migration/options.c`).
const DOWNTIME_MAX: u64 = 2_000_000;

/// See [`Action::Qmp`].
pub(super) struct Qmp<'a> {
    pub(super) machine: &'a str,
    pub(super) value: &'a QmpValue,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Facts for Qmp<'_> {
    fn target(&self) -> Target {
        Target::Running(self.machine.to_owned(), self.value.clone())
    }

    fn words(&self) -> Words {
        let (machine, value) = (self.machine, self.value);
        let told = |number: u64| match (value, number) {
            (QmpValue::DiskBytes { .. } | QmpValue::DiskRequests { .. }, 0) => {
                format!("no limit of {value}")
            }
            _ => format!("{number} {value}"),
        };
        Words {
            expects: format!("machine {machine} running with {}", told(self.from)),
            does: format!("gives the running {machine} {}, until it ends", told(self.to)),
            undone_by: format!("gives it {} again, if it still has {}", told(self.from), told(self.to)),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Record
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Qmp { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::machine::faults(self.machine);
        faults.extend(change(&self.from, &self.to));
        let most = match self.value {
            QmpValue::MigrationDowntime => DOWNTIME_MAX,
            // QEMU keeps it as a number of a pointer's size.
            QmpValue::MigrationBandwidth => i64::MAX.unsigned_abs(),
            QmpValue::DiskBytes { .. } | QmpValue::DiskRequests { .. } => LIMIT_MAX,
        };
        for number in [self.from, self.to].into_iter().filter(|number| *number > most) {
            faults.push(Fault::Value(format!("{number} is more than {most}, the most that QEMU takes")));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_would_not_take_is_refused() {
        let faults = |value: &QmpValue, from, to| Qmp { machine: "web", value, from, to }.faults().len();
        assert_eq!(faults(&QmpValue::DiskBytes { disk: 0 }, 0, 1 << 20), 0);
        assert_eq!(faults(&QmpValue::DiskBytes { disk: 0 }, 5, 5), 1);
        assert_eq!(faults(&QmpValue::DiskRequests { disk: 0 }, 0, LIMIT_MAX + 1), 1);
        assert_eq!(faults(&QmpValue::MigrationDowntime, 300, DOWNTIME_MAX + 1), 1);
        assert_eq!(faults(&QmpValue::MigrationBandwidth, 1 << 27, 1 << 40), 0);
        let words = Qmp { machine: "web", value: &QmpValue::DiskBytes { disk: 1 }, from: 0, to: 9 }.words();
        assert_eq!(words.does, "gives the running web 9 bytes a second of disk 2, until it ends");
        assert!(words.expects.ends_with("no limit of bytes a second of disk 2"), "{words:?}");
    }
}
