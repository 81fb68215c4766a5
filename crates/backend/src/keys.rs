//! No backend starts another machine than the one that is described: each key of a specification changes what the
//! backend does, or the machine is refused with the key, or an item that holds it, named.

#[path = "../../convert/tests/walk/mod.rs"]
mod walk;

use crate::account::account;
use crate::cloud_hypervisor::CloudHypervisor;
use crate::firecracker::Firecracker;
use crate::libvirt::{Connection, Libvirt};
use crate::microvm::{MicroVm, agent_line, process_words};
use crate::qemu::Qemu;
use crate::qemu::argv::{self, ArgvError};
use crate::qemu::start::{program, taps_of};
use crate::{StartError, Stored, cgroup, seed};
use vmwright_convert::{Effect, Remark, Written};
use vmwright_model::MachineSpec;
use walk::{AROUND, Anyway, none_is_passed_over};

fn stored(spec: &MachineSpec) -> Stored {
    Stored { name: spec.name.clone(), state: "/s".into(), spec: spec.clone() }
}

/// What a backend makes of a machine: what the VMM is told and what is done beside it, or the items that are refused.
fn made(told: Result<String, StartError>, beside: &[String]) -> Option<Written> {
    let items = match told {
        Ok(told) => {
            return Some(Written { text: format!("{told}\n{}", beside.join("\n")), remarks: Vec::new() });
        }
        Err(StartError::Unsayable { items, .. }) => items,
        Err(StartError::Argv(ArgvError::Beyond(item))) => vec![item],
        Err(error) => vec![crate::chain(&error)],
    };
    let remark = |text: String| {
        let item = text.split(": ").next().unwrap_or_default().to_owned();
        Remark { effect: Effect::Lost, item, why: text }
    };
    Some(Written { text: String::new(), remarks: items.into_iter().map(remark).collect() })
}

/// What is done beside what a VMM is told, by every backend that runs its VMM itself.
fn beside(machine: &Stored) -> Vec<String> {
    let user = format!("{:?}", account(&machine.spec.process));
    vec![user, cgroup::told(machine), seed::told(machine)]
}

fn qemu(spec: &MachineSpec) -> Option<Written> {
    let machine = stored(spec);
    let spec = &seed::with_disk(&machine);
    let line =
        argv::argv(spec, &argv::Handles::to_show(spec)).map(|line| format!("{:?}", argv::words(&line)));
    let mut beside = beside(&machine);
    beside.push(format!("{:?}", taps_of(spec).collect::<Vec<_>>()));
    let program = program(&Qemu::default(), spec);
    beside.push(program.map_or_else(|error| error.to_string(), |path| path.display().to_string()));
    made(line, &beside)
}

fn libvirt(spec: &MachineSpec) -> Option<Written> {
    let machine = stored(spec);
    made(
        Libvirt::on(Connection::default()).domain_of(&machine, ""),
        &[format!("{:?}", account(&spec.process))],
    )
}

/// The line to a guest's agent that such a VMM has, its socket where it stands unless another is named.
fn line(spec: &MachineSpec) -> String {
    let mut spec = spec.clone();
    if let Some(vsock) = &mut spec.vsock {
        vsock.socket.get_or_insert_with(|| "/s/vsock".to_owned());
    }
    format!("{:?}", agent_line(&spec))
}

fn firecracker(spec: &MachineSpec) -> Option<Written> {
    let machine = stored(spec);
    let mut beside = beside(&machine);
    beside.push(format!("{:?} {:?}", process_words(&spec.process, &["-"]), Firecracker::jails(spec)));
    beside.push(line(spec));
    made(Firecracker::default().config(&machine), &beside)
}

fn cloud_hypervisor(spec: &MachineSpec) -> Option<Written> {
    let machine = stored(spec);
    let mut beside = beside(&machine);
    beside.push(format!("{:?} {}", process_words(&spec.process, &["-"]), line(spec)));
    made(CloudHypervisor::default().words(&machine), &beside)
}

/// Keys that say what is so anyway, and such as are not the backend's.
const ANYWAY: [Anyway; 21] = [
    ("title", "", PEOPLE),
    ("description", "", PEOPLE),
    ("disk.target", "", PEOPLE),
    ("review.boot_ms", "", REVIEW),
    ("review.cpu_percent", "", REVIEW),
    ("review.disk_read_mib_s", "", REVIEW),
    ("review.disk_read_us", "", REVIEW),
    ("review.disk_write_mib_s", "", REVIEW),
    ("review.disk_write_us", "", REVIEW),
    ("review.downtime_ms", "", REVIEW),
    ("review.jitter_us", "", REVIEW),
    ("review.memory_mib_s", "", REVIEW),
    ("review.network_mib_s", "", REVIEW),
    ("review.no_reach", "", REVIEW),
    ("review.overwrite", "", REVIEW),
    ("review.reach", "", REVIEW),
    ("review.round_trip_us", "", REVIEW),
    ("review.services", "", REVIEW),
    ("review.side_by_side", "", REVIEW),
    ("review.steal_percent", "", REVIEW),
    ("agent", "", "a guest runs its agent itself"),
];
const PEOPLE: &str = "text for people, which the guest does not see";
const REVIEW: &str = "what is demanded of a VM makes none";

/// What QEMU is not told, and has or gets all the same.
const QEMU: [Anyway; 20] = [
    ("boot.order", "", "what is not there is not booted from"),
    ("channel.server", "\"to\":\"unix\"", SOCKET),
    ("console.server", "\"to\":\"unix\"", SOCKET),
    ("parallel.server", "\"to\":\"unix\"", SOCKET),
    ("serial.server", "\"to\":\"unix\"", SOCKET),
    ("disk.readonly", "\"device\":\"cdrom\"", "no drive writes optical disks"),
    ("video.primary", "\"model\"", "the first card is the first"),
    ("lifecycle.on_poweroff", "destroy", "QEMU ends of itself"),
    ("network.address", "", ADDRESS),
    ("network.host_address", "", ADDRESS),
    ("cpu.pinning.all", "", PLACED),
    ("cpu.pinning.emulator", "", PLACED),
    ("cpu.pinning.iothread.cpus", "", PLACED),
    ("cpu.pinning.iothread.priority", "", PLACED),
    ("cpu.pinning.iothread.scheduler", "", PLACED),
    ("cpu.pinning.iothread.threads", "", PLACED),
    ("cpu.pinning.vcpu.cpus", "", PLACED),
    ("cpu.pinning.vcpu.priority", "", PLACED),
    ("cpu.pinning.vcpu.scheduler", "", PLACED),
    ("cpu.pinning.vcpu.threads", "", PLACED),
];
/// The same for libvirt.
const LIBVIRT: [Anyway; 2] = [("network.address", "", ADDRESS), ("network.host_address", "", ADDRESS)];
const SOCKET: &str = "a socket that has no path is made, and listens";
const ADDRESS: &str = "the guest has it by its seed or by hand, the host by a plan; REVIEW looks for it";
/// `each_thread_runs_where_the_specification_says` in `tests/contract/placement.rs` looks for it in the kernel.
const PLACED: &str = "threads are placed once they run";

/// Numbers of a topology, which are 1 where they are absent.
const TOPOLOGY: [Anyway; 4] = [
    ("cpu.topology.sockets", "", ONE),
    ("cpu.topology.dies", "", ONE),
    ("cpu.topology.cores", "", ONE),
    ("cpu.topology.threads", "", ONE),
];
const ONE: &str = "it is 1 in any case, or another number changes what is told";

/// One node has no other, and its memory is the machine's.
const ALONE: [&str; 2] = ["numa.distance.to", "numa.memory"];

/// A machine without I/O threads pins none.
const UNPINNED: [&str; 4] = [
    "cpu.pinning.iothread.cpus",
    "cpu.pinning.iothread.priority",
    "cpu.pinning.iothread.scheduler",
    "cpu.pinning.iothread.threads",
];

/// What Firecracker and Cloud Hypervisor take: neither pins, nor plugs memory into slots.
const SMALL: &str = "name = 'x'\n[memory]\nsize = '4GiB'\n[cpu]\ncount = 4\n";

#[test]
fn every_key_changes_what_qemu_does_or_is_refused() {
    none_is_passed_over(AROUND, qemu, &[&ANYWAY[..], &QEMU].concat(), &ALONE);
}

#[test]
fn every_key_changes_what_libvirt_does_or_is_refused() {
    none_is_passed_over(AROUND, libvirt, &[&ANYWAY[..], &LIBVIRT, &TOPOLOGY].concat(), &ALONE);
}

#[test]
fn every_key_changes_what_firecracker_does_or_is_refused() {
    none_is_passed_over(SMALL, firecracker, &ANYWAY, &UNPINNED);
}

#[test]
fn every_key_changes_what_cloud_hypervisor_does_or_is_refused() {
    none_is_passed_over(SMALL, cloud_hypervisor, &[&ANYWAY[..], &TOPOLOGY].concat(), &UNPINNED);
}
