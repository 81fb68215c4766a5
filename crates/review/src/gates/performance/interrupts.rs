//! Who else runs where the VM's processors run, as an explanation of figures that are not as demanded: interrupts of the host's devices
//! that the VM has, and the kernel's threads that serve its network cards (vhost). A processor that a virtual one is pinned to
//! does nothing for the guest while it serves them.

use crate::hosts::threads::{field, is_processor, list};
use crate::scope::Session;
use std::collections::BTreeSet;
use vmwright_formats::{Interrupts, View};
use vmwright_model::Table;
use vmwright_model::machine::HostDeviceKind;

/// Most threads of the VMM, and processes of the host, that are looked at.
const THREADS: usize = 4096;
const PROCESSES: usize = 65_536;

/// The host's processors by their numbers.
type Cpus = BTreeSet<u32>;

/// A look at what can stand in the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Looked {
    /// Virtual processors, each with the processors that it may run on.
    vcpus: Vec<(String, Cpus)>,
    /// Threads of vhost, in the same way.
    vhost: Vec<(String, Cpus)>,
    /// Interrupts of the VM's devices.
    interrupts: Vec<Interrupt>,
    /// Processors of the host that run.
    online: Cpus,
}

/// One interrupt.
#[derive(Debug, Clone, Default, PartialEq)]
struct Interrupt {
    name: String,
    what: String,
    /// How often each processor has served it.
    counts: Vec<(u32, u64)>,
    /// Where it is sent.
    to: Cpus,
}

/// What there is; none where the VM has neither a device of the host nor a thread of vhost.
pub(super) fn look(session: &Session<'_>) -> Option<Looked> {
    let pid = session.scope.vmm.process()?.pid;
    let online = session.host_file("/sys/devices/system/cpu/online").map(|text| list(text.trim())).unwrap_or_default();
    let (interrupts, vhost) = (interrupts(session), vhost(session, pid));
    if interrupts.is_empty() && vhost.is_empty() {
        return None;
    }
    let vcpus = threads(session, &format!("/proc/{pid}/task"), is_processor);
    Some(Looked { vcpus, vhost, interrupts, online: online.into_iter().collect() })
}

/// Threads in a folder of processes or of threads, by their names.
fn threads(session: &Session<'_>, folder: &str, is_one: impl Fn(&str) -> bool) -> Vec<(String, Cpus)> {
    let host = session.scope.host;
    let numbers = host.names(folder).unwrap_or_default();
    let numbers = numbers.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let one = |number: String| {
        let name = session.host_file(&format!("{folder}/{number}/comm")).ok()?.trim().to_owned();
        let status = is_one(&name).then(|| session.host_file(&format!("{folder}/{number}/status")).ok())??;
        let cpus = list(field(&status, "Cpus_allowed_list")?).into_iter().collect();
        Some((format!("{name} ({number})"), cpus))
    };
    numbers.take(if folder == "/proc" { PROCESSES } else { THREADS }).filter_map(one).collect()
}

/// Threads of vhost: the VMM's own since Linux 6.4, processes of the kernel before; both have the VMM's number in their names.
fn vhost(session: &Session<'_>, pid: u32) -> Vec<(String, Cpus)> {
    let name = format!("vhost-{pid}");
    let own = threads(session, &format!("/proc/{pid}/task"), |one| one == name);
    if own.is_empty() { threads(session, "/proc", |one| one == name) } else { own }
}

fn interrupts(session: &Session<'_>) -> Vec<Interrupt> {
    let given = session.scope.spec.host_devices.iter().filter(|device| device.kind == HostDeviceKind::Pci);
    let given: Vec<&str> = given.map(|device| device.device.as_str()).collect();
    if given.is_empty() {
        return Vec::new();
    }
    let (all, _) = Interrupts::read(&session.host_file("/proc/interrupts").unwrap_or_default());
    let own = all.interrupts.iter().filter(|one| given.iter().any(|address| one.what.contains(address)));
    own.map(|one| {
        let to = session.host_file(&format!("/proc/irq/{}/effective_affinity_list", one.name));
        Interrupt {
            name: one.name.clone(),
            // The controller and the mode stand before the driver's words.
            what: one.what.split_once("-edge ").map_or(one.what.as_str(), |(_, handlers)| handlers).to_owned(),
            counts: all.cpus.iter().copied().zip(one.counts.iter().copied()).collect(),
            to: to.map(|text| list(text.trim())).unwrap_or_default().into_iter().collect(),
        }
    })
    .collect()
}

/// What was between two looks: a table, and a sentence for each that runs where a virtual processor is pinned.
pub(super) fn between(before: &Looked, after: &Looked) -> (Table, Vec<String>) {
    let mut table = super::table("Beside the virtual processors", &["what", "host's processors", "times meanwhile", "shared with"]);
    let mut said = Vec::new();
    let pinned: Vec<_> = after.vcpus.iter().filter(|(_, cpus)| !cpus.is_empty() && *cpus != after.online).collect();
    let mut row = |what: String, cpus: &Cpus, times: String, verb: &str| {
        let shares = |(_, own): &&&(String, Cpus)| own.intersection(cpus).next().is_some();
        let with: Vec<&str> = pinned.iter().filter(shares).map(|(name, _)| name.as_str()).collect();
        if !with.is_empty() {
            said.push(format!("{what} {verb} on processor {}, where the VM's {} is pinned", text(cpus), with.join(", ")));
        }
        let with = if with.is_empty() { "none that is pinned".to_owned() } else { with.join(", ") };
        table.rows.push(vec![what, text(cpus), times, with]);
    };
    for interrupt in &after.interrupts {
        let then = before.interrupts.iter().find(|one| one.name == interrupt.name);
        let served: Vec<(u32, u64)> = interrupt
            .counts
            .iter()
            .map(|(cpu, count)| {
                let earlier = then.and_then(|then| then.counts.iter().find(|(one, _)| one == cpu)).map_or(0, |(_, count)| *count);
                (*cpu, count.saturating_sub(earlier))
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        let cpus: Cpus = served.iter().map(|(cpu, _)| *cpu).chain(interrupt.to.iter().copied()).collect();
        let times: u64 = served.iter().map(|(_, count)| count).sum();
        row(format!("interrupt {} ({})", interrupt.name, interrupt.what), &cpus, times.to_string(), "is served");
    }
    for (name, cpus) in &after.vhost {
        row(name.clone(), cpus, String::new(), "may run");
    }
    (table, said)
}

fn text(cpus: &Cpus) -> String {
    if cpus.is_empty() {
        return "not known".to_owned();
    }
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(text: &str) -> Cpus {
        list(text).into_iter().collect()
    }

    fn looked(pins: &str, counts: [u64; 4]) -> Looked {
        let counts = (0..).zip(counts).collect();
        Looked {
            vcpus: vec![("CPU 0/KVM (7)".to_owned(), cpus(pins))],
            vhost: vec![("vhost-6 (9)".to_owned(), cpus("0-3"))],
            interrupts: vec![Interrupt { name: "55".to_owned(), what: "vfio-msix[0](0000:01:00.0)".to_owned(), counts, to: cpus("3") }],
            online: cpus("0-3"),
        }
    }

    #[test]
    fn what_is_served_where_a_virtual_processor_is_pinned_is_said() {
        let (table, said) = between(&looked("2", [9, 9, 9, 9]), &looked("2", [9, 9, 14, 9]));
        assert_eq!(table.rows[0], ["interrupt 55 (vfio-msix[0](0000:01:00.0))", "2,3", "5", "CPU 0/KVM (7)"]);
        assert_eq!(
            said,
            [
                "interrupt 55 (vfio-msix[0](0000:01:00.0)) is served on processor 2,3, where the VM's CPU 0/KVM (7) is pinned",
                "vhost-6 (9) may run on processor 0,1,2,3, where the VM's CPU 0/KVM (7) is pinned",
            ]
        );
        let (table, said) = between(&looked("1", [9, 9, 9, 9]), &looked("1", [9, 9, 9, 12]));
        assert_eq!((table.rows[0][1].as_str(), table.rows[0][3].as_str(), said.len()), ("3", "none that is pinned", 1));
        // One that may run everywhere gives way.
        assert!(between(&looked("0-3", [0; 4]), &looked("0-3", [5; 4])).1.is_empty());
    }
}
