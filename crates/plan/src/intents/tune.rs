//! A VM tuned for what it is for. Where advice conflicts, security wins over performance, and performance over
//! integration; what was given up is said in the plan.

use super::ground::{Draft, Ground, SESSIONS, joined};
use super::{Guest, IntentError, interrupts, pinning, plan_of};
use crate::canonical::sha256;
use crate::header;
use crate::preview::GIVEN_UP;
use std::fmt;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::machine::{Accelerator, Cache, DiskBus, DiskDevice, NetworkKind, NetworkModel};
use vmwright_model::plan::ServiceState;
use vmwright_model::{Action, Need, Plan};

/// What a VM is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Quick answers.
    Latency,
    /// Much work in a given time.
    Throughput,
    /// Many VMs on one host.
    Density,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Goal::Latency => "latency",
            Goal::Throughput => "throughput",
            Goal::Density => "density",
        })
    }
}

const KSM: &str = "/sys/kernel/mm/ksm/run";
const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const HALT_POLL: &str = "/sys/module/kvm/parameters/halt_poll_ns";
const PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
const FREE_PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
const MEMINFO: &str = "/proc/meminfo";

/// Where distributions keep what irqbalance(1) is told: Debian, and Fedora.
const IRQBALANCE: [&str; 2] = ["/etc/default/irqbalance", "/etc/sysconfig/irqbalance"];

/// Whether irqbalance runs, and is started at boot, as systemd tells it in files.
const IRQBALANCE_RUNS: &str = "/sys/fs/cgroup/system.slice/irqbalance.service/cgroup.procs";
const IRQBALANCE_STARTED: &str = "/etc/systemd/system/multi-user.target.wants/irqbalance.service";

/// Size of the huge pages that are used: every x86 has them, and they are found without a restart.
const PAGE: u64 = 2 << 20;

/// What x86 has by default (`KVM_HALT_POLL_NS_DEFAULT` in the kernel's `arch/x86/include/asm/kvm_host.h`), in ns.
const HALT_POLL_USUAL: u64 = 200_000;

/// What is enough on hosts with many idle VMs, in ns.
const HALT_POLL_LITTLE: u64 = 50_000;

/// More queues of a network card than this help no guest (QEMU takes 256 at most, vhost has a thread for each).
const QUEUES_MOST: u32 = 8;

/// Of the memory that is available, a host keeps this part for itself: 1 of 10.
const HOST_PART: u64 = 10;

/// What has to be read of a host before a VM of it is tuned.
pub const TUNE_NEEDS: &[Need] =
    &joined::<{ VALUES.len() + interrupts::NEEDS.len() }>(VALUES, interrupts::NEEDS);

const VALUES: &[Need] = &[
    Need::File(KSM),
    Need::File(THP),
    Need::File(HALT_POLL),
    Need::File(PAGES),
    Need::File(FREE_PAGES),
    Need::File(MEMINFO),
    Need::Glob("/sys/devices/system/cpu/cpu*/topology/thread_siblings_list"),
    Need::File(IRQBALANCE[0]),
    Need::File(IRQBALANCE[1]),
    Need::File(IRQBALANCE_RUNS),
    Need::Exists(IRQBALANCE_STARTED),
    SESSIONS[0],
    SESSIONS[1],
];

/// The plan that tunes `guest` for `goal`. The specification holds from its next start.
///
/// # Errors
/// [`IntentError`]: its specification cannot be edited so, or there is nothing to do.
pub fn tune(ground: &Ground<'_>, guest: &Guest<'_>, goal: Goal) -> Result<Plan, IntentError> {
    let mut draft = Draft::new(guest)?;
    let mut given_up = Vec::new();
    let mut steps = Vec::new();
    if draft.spec.accelerator == Accelerator::Tcg {
        given_up.push(
            "as it runs under TCG, 10 to 50 times slower than under KVM: no tuning makes up for that"
                .to_owned(),
        );
    }
    cpus(ground, goal, &mut draft, &mut given_up)?;
    steps.extend(memory(ground, goal, &mut draft, &mut given_up)?);
    devices(goal, &mut draft, &mut given_up)?;
    let poll = ground.number(HALT_POLL);
    match (goal, poll) {
        (Goal::Density, Some(found)) if found > HALT_POLL_LITTLE => {
            let why = "idle virtual CPUs poll less before they let their CPU sleep";
            steps.extend(ground.sysfs(HALT_POLL, &HALT_POLL_LITTLE.to_string(), why));
            given_up.push("for density: a virtual CPU that slept wakes some microseconds later".to_owned());
        }
        (Goal::Latency | Goal::Throughput, Some(found)) if found < HALT_POLL_USUAL => {
            let why = "a virtual CPU that waits a moment is there at once";
            steps.extend(ground.sysfs(HALT_POLL, &HALT_POLL_USUAL.to_string(), why));
            given_up.push(
                "for the VM: idle virtual CPUs of all VMs take some more of the host's time".to_owned(),
            );
        }
        _ => {}
    }
    given_up.push(
        "for security: the mitigations of the processor stay on, and so do the VMM's sandbox and what keeps VMs apart"
            .to_owned(),
    );
    let (apart, left) = host_side(ground, goal, &draft);
    steps.extend(apart);
    let edits = draft.finish()?;
    if edits.is_empty() && steps.is_empty() {
        return Err(IntentError::Nothing(format!(
            "{} is tuned for {goal} as far as can be told",
            guest.name
        )));
    }
    steps.extend(edits);
    let mut plan = plan_of(ground.id, Some(guest.name), format!("tune vm {} for {goal}", guest.name), steps);
    plan.left = given_up.into_iter().map(|line| format!("{GIVEN_UP}{line}")).collect();
    plan.left.extend(left);
    Ok(plan)
}

/// What keeps the host's own work off the CPUs of a VM that has them for itself: interrupts by irqbalance where it runs, else
/// one by one; the rest is the host's tuning beyond the VM, and handed over.
fn host_side(ground: &Ground<'_>, goal: Goal, draft: &Draft<'_>) -> (Vec<super::Wanted>, Vec<String>) {
    let own = draft.bound();
    if goal != Goal::Latency || own.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let cpus = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut left = vec![format!(
        "performance-engineer: whether the host's own work stays off CPUs {cpus} (isolcpus, nohz_full, rcu_nocbs on the kernel's command line) is the host's tuning beyond this VM"
    )];
    let runs = ground.values.get(IRQBALANCE_RUNS).is_some_and(|pids| !pids.trim().is_empty());
    let mut steps = Vec::new();
    if !runs {
        let (moved, stay) = interrupts::away(ground, &draft.spec, &own, &draft.beside());
        steps.extend(moved);
        left.extend(stay);
    }
    let Some((path, text)) = IRQBALANCE.iter().find_map(|path| Some((*path, *ground.values.get(path)?)))
    else {
        return (steps, left);
    };
    let banned = |line: &&str| line.trim_start().starts_with("IRQBALANCE_BANNED_CPU");
    if let Some(line) = text.lines().find(banned) {
        if !line.contains(&format!("\"{cpus}\"")) {
            left.push(format!("{path} has `{}` already: add CPUs {cpus} to it by hand", line.trim()));
        }
        return (steps, left);
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let vm = &draft.spec.name;
    let new =
        format!("{text}{gap}# CPUs of vm {vm}. Written by vmwright.\nIRQBALANCE_BANNED_CPULIST=\"{cpus}\"\n");
    let write = Action::FileWrite { path: path.to_owned(), from_sha256: sha256(text.as_bytes()), text: new };
    steps.push((write, format!("interrupts of devices do not come to the CPUs of {vm}")));
    if runs {
        // Stopped before and started behind, also where the run is taken back.
        let enabled = ground.values.contains_key(IRQBALANCE_STARTED);
        let state = |active| ServiceState { active, enabled };
        let turn = |from, to| Action::Service {
            unit: "irqbalance.service".to_owned(),
            from: state(from),
            to: state(to),
        };
        let why = "irqbalance reads its file when it starts".to_owned();
        steps.extend([(turn(true, false), why.clone()), (turn(false, true), why)]);
    } else {
        left.push("irqbalance keeps to it from its next start".to_owned());
    }
    (steps, left)
}

/// Where virtual CPUs run.
fn cpus(
    ground: &Ground<'_>,
    goal: Goal,
    draft: &mut Draft<'_>,
    given_up: &mut Vec<String>,
) -> Result<(), IntentError> {
    if goal == Goal::Density {
        return Ok(());
    }
    let count = draft.spec.cpu.max.unwrap_or(draft.spec.cpu.count);
    let vm = draft.spec.name.clone();
    let Some(place) = pinning::place(ground, &vm, count, goal == Goal::Latency) else {
        given_up.push(format!(
            "as there is no room: no NUMA node has {count} CPUs besides those of the host and of other VMs, so virtual CPUs are not bound"
        ));
        return Ok(());
    };
    if goal == Goal::Throughput {
        // The scheduler moves them within the node, near to their memory.
        let all = place.all.to_string();
        draft.set(
            "cpu.pinning.all",
            &quoted(&all),
            &format!("virtual CPUs stay on node {}, near their memory", place.node),
        )?;
    } else {
        let pins: Vec<String> = place
            .vcpus
            .iter()
            .enumerate()
            .map(|(vcpu, cpu)| format!("{{ threads = \"{vcpu}\", cpus = \"{cpu}\" }}"))
            .collect();
        let why = match place.whole_cores {
            true => format!("each virtual CPU has a core of node {} for itself", place.node),
            false => format!("each virtual CPU has a CPU of node {} for itself", place.node),
        };
        draft.set("cpu.pinning.vcpu", &format!("[{}]", pins.join(", ")), &why)?;
        draft.set(
            "cpu.pinning.emulator",
            &quoted(&place.rest.to_string()),
            "QEMU's other threads do not take the virtual CPUs' time",
        )?;
        given_up
            .push("for latency: other VMs have these CPUs no more, and this one has no others".to_owned());
    }
    if ground.topology.nodes.len() > 1 && draft.spec.memory.policy.is_none() && draft.spec.numa.is_empty() {
        let policy = format!("{{ mode = \"strict\", nodes = \"{}\" }}", place.node);
        draft.set(
            "memory.policy",
            &policy,
            &format!("memory comes from node {}, where the virtual CPUs run", place.node),
        )?;
    }
    Ok(())
}

/// Which pages the guest's memory is made of.
fn memory(
    ground: &Ground<'_>,
    goal: Goal,
    draft: &mut Draft<'_>,
    given_up: &mut Vec<String>,
) -> Result<Vec<super::Wanted>, IntentError> {
    let mut steps = Vec::new();
    let confidential = draft.spec.confidential.is_some();
    if goal == Goal::Density {
        if ground.value(THP) == Some("never") {
            steps.extend(ground.sysfs(THP, "madvise", "QEMU asks for huge pages where there are some"));
        }
        if !confidential && draft.spec.host_devices.is_empty() {
            let why = "the guest says which pages it does not use, and the host gets them back";
            draft.set("balloon.free_page_reporting", "true", why)?;
        } else {
            given_up.push(
                "as it cannot be: memory that devices or encryption hold is never given back".to_owned(),
            );
        }
        if ground.value(KSM).is_some_and(|run| run != "1") {
            given_up.push(
                "for security: equal pages of VMs are not shared (KSM): the time of a write tells what others hold"
                    .to_owned(),
            );
        }
        return Ok(steps);
    }
    let size = parse_size(&draft.spec.memory.size).unwrap_or(0);
    let pages = size.div_ceil(PAGE);
    if !draft.spec.memory.hugepages && draft.spec.numa.is_empty() && pages > 0 {
        match room_for(ground, size) {
            Some((from, free)) => {
                draft.set("memory.hugepages", "true", "memory in huge pages: fewer misses of the address cache")?;
                draft.set("memory.hugepage_size", "\"2MiB\"", "the size that every x86 has")?;
                let missing = pages.saturating_sub(free);
                if missing > 0 {
                    let to = from + missing;
                    let reserve = Action::HugePages { node: None, size_kib: PAGE >> 10, from, to };
                    steps.push((reserve, format!("{pages} pages of 2 MiB for {}", draft.spec.name)));
                    let text = header::with(&format!("# For {}.\nvm.nr_hugepages = {to}\n", draft.spec.name));
                    let path = format!("/etc/sysctl.d/90-vmwright-{}-hugepages.conf", draft.spec.name);
                    if !ground.values.contains_key(path.as_str()) {
                        steps.push((
                            Action::FileCreate { path, text, mode: 0o644 },
                            "the pages are there after the next boot too".to_owned(),
                        ));
                    }
                }
                given_up.push("for the VM: memory in huge pages is its own whether it is used or not, and is not swapped".to_owned());
            }
            None => given_up.push(
                "as there is no room: too little memory is available for huge pages of the VM's size (or it was not read)"
                    .to_owned(),
            ),
        }
    }
    if goal == Goal::Latency {
        draft.set("memory.merge", "false", "no page of it is shared, so that no write waits for a copy")?;
        if ground.value(KSM) == Some("1") {
            given_up.push(
                "for other VMs: KSM goes on for them; `vmwright plan harden` says what that costs".to_owned(),
            );
        }
    }
    Ok(steps)
}

/// How many huge pages there are and are free, where as much memory as `size` is available besides the host's part.
fn room_for(ground: &Ground<'_>, size: u64) -> Option<(u64, u64)> {
    let (total, free) = (ground.number(PAGES)?, ground.number(FREE_PAGES).unwrap_or(0));
    let line = ground.values.get(MEMINFO)?.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let available = line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024;
    let missing = size.saturating_sub(free * PAGE);
    (missing <= available - available / HOST_PART).then_some((total, free))
}

/// Disks and networks.
fn devices(goal: Goal, draft: &mut Draft<'_>, given_up: &mut Vec<String>) -> Result<(), IntentError> {
    // Threads and queues are what many VMs on one host have least to spare of.
    let dense = goal == Goal::Density;
    let spec = draft.spec.clone();
    let mut threads = 0_u32;
    for (at, disk) in spec.disks.iter().enumerate() {
        let local = disk.path.is_some() || disk.lvm.is_some() || disk.volume.is_some();
        if disk.device != DiskDevice::Disk || disk.readonly {
            continue;
        }
        match disk.bus {
            None | Some(DiskBus::Virtio) if dense => {}
            None | Some(DiskBus::Virtio) => {
                threads += 1;
                let thread = threads.to_string();
                if disk.iothread.is_none() {
                    draft.set(&format!("disk.{at}.iothread"), &thread, "its requests have a thread for themselves")?;
                }
                let queues = spec.cpu.count.min(QUEUES_MOST);
                if goal == Goal::Throughput && disk.queues.is_none() && queues > 1 {
                    draft.set(&format!("disk.{at}.queues"), &queues.to_string(), "a queue for each virtual CPU")?;
                }
            }
            Some(DiskBus::Scsi) => {}
            Some(_) => given_up.push(format!(
                "for the guest: disk {} has an emulated controller; virtio is many times faster, but the guest has to have its driver first",
                at + 1
            )),
        }
        if disk.cache.is_none() && local {
            let why = match dense {
                true => {
                    "what the guest has in its own cache does not take memory of the host's a second time"
                }
                false => "the guest's own cache is enough, and what it flushes is on the disk",
            };
            draft.set(&format!("disk.{at}.cache"), "\"none\"", why)?;
        }
        if disk.aio.is_none() && local && matches!(disk.cache, None | Some(Cache::None | Cache::Directsync)) {
            draft.set(
                &format!("disk.{at}.aio"),
                "\"native\"",
                "requests are handed to the kernel, and no thread waits",
            )?;
        }
        if disk.cache == Some(Cache::Unsafe) {
            given_up.push(format!(
                "nothing here, but know it: disk {} has cache = \"unsafe\", and a crash of the host loses what the guest took for written",
                at + 1
            ));
        }
    }
    if threads > 0 && spec.cpu.pinning.iothreads.unwrap_or(0) < threads {
        draft.set("cpu.pinning.iothreads", &threads.to_string(), "a thread for each disk")?;
    }
    for (at, network) in spec.networks.iter().enumerate() {
        let virtio = matches!(network.model, None | Some(NetworkModel::Virtio));
        let tap = matches!(
            network.kind,
            NetworkKind::Bridge | NetworkKind::Tap | NetworkKind::Ovs | NetworkKind::Libvirt
        );
        let queues = spec.cpu.count.min(QUEUES_MOST);
        if goal == Goal::Throughput && virtio && tap && network.queues.is_none() && queues > 1 {
            draft.set(
                &format!("network.{at}.queues"),
                &queues.to_string(),
                "a queue for each virtual CPU",
            )?;
        }
        if !virtio {
            given_up.push(format!(
                "for the guest: network card {} is emulated; virtio is many times faster, but the guest has to have its driver first",
                at + 1
            ));
        }
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
