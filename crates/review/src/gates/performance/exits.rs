//! Why the guest left its processors while it was measured, as KVM counts: an explanation beside the figures, and no
//! verdict. The VMM has the counters from KVM itself (`KVM_GET_STATS_FD`); of one that does not tell them they are in
//! `/sys/kernel/debug/kvm/PID-FD` of Linux, where debugfs is there to read.

use crate::gates::table;
use crate::scope::Session;
use std::collections::BTreeMap;
use vmwright_model::Table;

/// Where KVM counts by VM.
const FOLDER: &str = "/sys/kernel/debug/kvm";

/// The counters that tell a reason, by the names of `arch/x86/kvm/x86.c` and `virt/kvm/kvm_main.c`, and what they count.
const REASONS: [(&str, &str); 11] = [
    ("exits", "all exits"),
    ("halt_exits", "the guest had nothing to do"),
    ("halt_successful_poll", "of these, ended while KVM still waited actively"),
    ("halt_wakeup", "of these, woken from sleep"),
    ("io_exits", "access to an I/O port"),
    ("mmio_exits", "access to memory of a device"),
    ("irq_exits", "an interrupt of the host"),
    ("irq_window_exits", "waiting to take an interrupt"),
    ("request_irq_exits", "the VMM wanted to inject an interrupt"),
    ("signal_exits", "a signal to the VMM"),
    ("insn_emulation", "instructions that KVM emulated"),
];

/// Counters by name.
pub(super) type Counted = BTreeMap<String, u64>;

/// The counters of this VM now; none where they cannot be read.
pub(super) fn counted(session: &Session<'_>) -> Option<Counted> {
    let known = |name: &String| REASONS.iter().any(|(reason, _)| name == reason);
    let told: Counted = session.scope.vmm.counters().into_iter().filter(|(name, _)| known(name)).collect();
    if told.is_empty() { in_debugfs(session) } else { Some(told) }
}

fn in_debugfs(session: &Session<'_>) -> Option<Counted> {
    let pid = session.scope.vmm.process()?.pid;
    let folder = session.scope.host.names(FOLDER).ok()?.into_iter().find(|name| is_of(name, pid))?;
    let read = |(name, _): &(&str, &str)| {
        let text = session.host_file(&format!("{FOLDER}/{folder}/{name}")).ok()?;
        Some(((*name).to_owned(), text.trim().parse().ok()?))
    };
    let counted: Counted = REASONS.iter().filter_map(read).collect();
    (!counted.is_empty()).then_some(counted)
}

/// `4242-11` is of process 4242.
fn is_of(name: &str, pid: u32) -> bool {
    name.split_once('-').is_some_and(|(of, _)| of == pid.to_string())
}

/// What was counted between two looks.
pub(super) fn between(before: &Counted, after: &Counted, seconds: f64) -> Option<Table> {
    let mut table = table("Exits of the guest while it was measured", &["reason", "exits", "a second"]);
    for (name, what) in REASONS {
        // A counter that went back is of another VM.
        let Some(more) = after.get(name).zip(before.get(name)).and_then(|(after, before)| after.checked_sub(*before)) else {
            continue;
        };
        table.rows.push(vec![format!("{name}: {what}"), more.to_string(), format!("{:.0}", more as f64 / seconds.max(0.001))]);
    }
    (!table.rows.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_between_two_looks_is_told_by_reason() {
        let counted = |all: &[(&str, u64)]| all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Counted>();
        let before = counted(&[("exits", 100), ("halt_exits", 40), ("io_exits", 9)]);
        let after = counted(&[("exits", 1100), ("halt_exits", 840), ("io_exits", 3), ("mmio_exits", 5)]);
        let told = between(&before, &after, 2.0).unwrap();
        assert_eq!(told.rows, [["exits: all exits", "1000", "500"], ["halt_exits: the guest had nothing to do", "800", "400"]]);
        assert_eq!(between(&before, &Counted::new(), 2.0), None);
        assert!(is_of("4242-11", 4242) && !is_of("42421-11", 4242) && !is_of("exits", 4242));
    }
}
