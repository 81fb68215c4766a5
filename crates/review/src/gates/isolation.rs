//! `isolation`: what would hold a guest that has taken its VMM over, as the kernel enforces it now.
//!
//! Everything is read from `/proc` and `/sys`, nothing from configuration: the VMM's user and capabilities, seccomp of
//! each of its threads, namespaces, control group and label; who may open the sockets that control it; which files of
//! other VMs its user could open. What of the host's control the guest reaches over its networks is tried from within. One
//! layer that is missing is told; the gate fails where a layer that vmwright sets by default is off, and where something of
//! others is in reach.

mod observe;
mod outward;
mod reach;

pub(crate) use observe::{Observed, observe, of_process};

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use observe::Thread;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::{MachineSpec, Missing, Table};

/// Capabilities that lead to everything else (capabilities(7)), by their number in `linux/capability.h`.
const MIGHTY: [(u32, &str); 11] = [
    (0, "CAP_CHOWN"),
    (1, "CAP_DAC_OVERRIDE"),
    (2, "CAP_DAC_READ_SEARCH"),
    (7, "CAP_SETUID"),
    (12, "CAP_NET_ADMIN"),
    (13, "CAP_NET_RAW"),
    (16, "CAP_SYS_MODULE"),
    (17, "CAP_SYS_RAWIO"),
    (19, "CAP_SYS_PTRACE"),
    (21, "CAP_SYS_ADMIN"),
    (39, "CAP_BPF"),
];

/// Parts of QEMU's `-sandbox` that vmwright asks for, each `=deny` (qemu(1)).
const SANDBOX: [&str; 4] = ["obsolete", "elevateprivileges", "spawn", "resourcecontrol"];

/// Who the VMM is to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// The effective set.
    pub(crate) capabilities: u64,
}

impl Credentials {
    /// From `/proc/PID/status` (proc_pid_status(5)): the effective ids are the second of each line.
    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let effective = |name| field(name)?.split_whitespace().nth(1)?.parse().ok();
        let groups = field("Groups").unwrap_or_default();
        Some(Self {
            uid: effective("Uid")?,
            gid: effective("Gid")?,
            groups: groups.split_whitespace().filter_map(|group| group.parse().ok()).collect(),
            capabilities: u64::from_str_radix(field("CapEff")?.trim(), 16).ok()?,
        })
    }

    /// Whether it has this capability.
    pub(crate) fn may(&self, number: u32) -> bool {
        self.capabilities >> number & 1 == 1
    }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut gate =
        Gate { aspects: Aspects::default(), table: table("Isolation", &["layer", "in force"]), evidence: Vec::new() };
    let Some(pid) = seen.pid else {
        gate.aspects.unknown("the VMM has ended: there is no process to look at");
        return Judged::of(gate.aspects, "");
    };
    gate.row("process", &pid.to_string());
    let who = user(seen, &mut gate);
    seccomp(seen, spec, &mut gate);
    namespaces(seen, spec, &mut gate);
    group(seen, spec, &mut gate);
    let confined = label(seen, &mut gate);
    memory(seen, spec, &mut gate);
    listeners(seen, &mut gate);
    devices(seen, spec, &mut gate);
    reach::judge(seen, who.as_ref(), confined, &mut gate);
    outward::judge(seen, spec, &mut gate);
    Judged { evidence: gate.evidence, tables: vec![gate.table], ..Judged::of(gate.aspects, "") }
}

/// What holds one VMM among others of a host, of which there is no specification.
pub(crate) fn judge_process(seen: &Observed) -> Gate {
    let mut gate =
        Gate { aspects: Aspects::default(), table: table("Isolation", &["layer", "in force"]), evidence: Vec::new() };
    user(seen, &mut gate);
    seccomp(seen, &MachineSpec::named(""), &mut gate);
    label(seen, &mut gate);
    listeners(seen, &mut gate);
    gate
}

/// The verdict in the making.
pub(crate) struct Gate {
    pub(crate) aspects: Aspects,
    pub(crate) table: Table,
    pub(crate) evidence: Vec<String>,
}

impl Gate {
    pub(super) fn row(&mut self, layer: &str, found: &str) {
        self.table.rows.push(vec![layer.to_owned(), quote::line(found)]);
    }
}

fn user(seen: &Observed, gate: &mut Gate) -> Option<Credentials> {
    gate.aspects.about("user");
    let status = match &seen.status {
        Ok(status) => status,
        Err(why) => {
            gate.aspects.unknown(format!("the VMM's user: /proc/PID/status: {why}"));
            return None;
        }
    };
    let Some(who) = Credentials::parse(status) else {
        gate.aspects.unknown("the VMM's user: /proc/PID/status has another form");
        return None;
    };
    let root = who.uid == 0 && !seen.mapped();
    for line in status.lines().filter(|line| ["Uid:", "Gid:", "CapEff:", "NoNewPrivs:"].iter().any(|name| line.starts_with(name))) {
        gate.evidence.push(quote::from("/proc/PID/status", line));
    }
    gate.row("user", &format!("uid {}, gid {}", who.uid, who.gid));
    gate.aspects.expect(!root, || {
        "the VMM runs as root: who breaks out of the guest is root on the host (`process.user` names another user)".to_owned()
    });
    gate.aspects.about("capabilities");
    let mighty: Vec<&str> = MIGHTY.iter().filter(|(number, _)| who.may(*number)).map(|(_, name)| *name).collect();
    gate.row("capabilities", &if who.capabilities == 0 { "none".to_owned() } else { format!("{:#x}", who.capabilities) });
    gate.aspects.expect(mighty.is_empty() || seen.mapped(), || format!("the VMM has {}", mighty.join(", ")));
    Some(who)
}

fn seccomp(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.aspects.about("seccomp");
    let threads = match &seen.threads {
        Ok(threads) => threads,
        Err(why) => return gate.aspects.unknown(format!("seccomp: /proc/PID/task: {why}")),
    };
    let open: Vec<&Thread> = threads.iter().filter(|thread| thread.seccomp == Some(0)).collect();
    let dark = threads.iter().filter(|thread| thread.seccomp.is_none()).count();
    let names = |threads: &[&Thread]| {
        let mut names: Vec<&str> = threads.iter().map(|thread| thread.name.as_str()).collect();
        names.dedup();
        quote::line(&names.join(", "))
    };
    gate.row("seccomp", &format!("{} of {} threads", threads.len() - open.len() - dark, threads.len()));
    if open.len() == threads.len() {
        let why = if spec.process.sandbox == Some(false) { ", as the specification says" } else { "" };
        gate.aspects.fail(format!("no thread of the VMM is held by seccomp{why}: who takes it over may ask the kernel for anything"));
    } else if !open.is_empty() {
        gate.aspects.fail(format!("{} of {} threads of the VMM are not held by seccomp: {}", open.len(), threads.len(), names(&open)));
    } else if dark > 0 {
        gate.aspects.unknown(format!("seccomp of {dark} threads: their status says nothing"));
    } else {
        gate.aspects.pass();
    }
    gate.aspects.about("sandbox");
    match &seen.words {
        Ok(words) if words.first().is_some_and(|program| program.contains("qemu")) => sandbox(words, seen, gate),
        Ok(_) => gate.aspects.none("the VMM is not QEMU: its filter is its own"),
        Err(why) => gate.aspects.unknown(format!("the VMM's command line: {why}")),
    }
}

/// What QEMU's filter was told to forbid.
fn sandbox(words: &[String], seen: &Observed, gate: &mut Gate) {
    let value = words.iter().position(|word| word == "-sandbox").and_then(|at| words.get(at + 1));
    let Some(value) = value else {
        gate.row("-sandbox", "not given");
        return gate.aspects.fail("QEMU was started without -sandbox");
    };
    gate.row("-sandbox", value);
    // Who becomes another user by itself cannot be denied to; then the kernel has to.
    let becomes = words.iter().any(|word| matches!(word.as_str(), "-runas" | "-run-with"));
    let denied = becomes && seen.status.as_ref().is_ok_and(|status| status.contains("NoNewPrivs:\t1\n"));
    let denies = |part: &str| {
        value.split(',').any(|word| word.strip_prefix(part) == Some("=deny")) || denied && part == "elevateprivileges"
    };
    let allowed: Vec<&str> = SANDBOX.into_iter().filter(|part| !denies(part)).collect();
    let on = value.split(',').next().is_some_and(|word| matches!(word, "on" | "enable=on"));
    gate.aspects.expect(on && allowed.is_empty(), || {
        if on { format!("-sandbox leaves {} allowed", allowed.join(", ")) } else { "-sandbox is off".to_owned() }
    });
}

fn namespaces(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.aspects.about("namespaces");
    let (mut own, mut dark) = (Vec::new(), Vec::new());
    for (kind, vmm, host) in &seen.namespaces {
        match (vmm, host) {
            (Ok(vmm), Ok(host)) if vmm != host => own.push(*kind),
            (Ok(_), Ok(_)) => {}
            (Err(why), _) | (_, Err(why)) => dark.push(format!("namespace {kind}: {why}")),
        }
    }
    gate.row("own namespaces", &match (own.is_empty(), dark.first()) {
        (false, _) => own.join(", "),
        (true, Some(why)) => format!("not known: {why}"),
        (true, None) => "none".to_owned(),
    });
    // The jailer gives its VMM a mount and a PID namespace (Firecracker's docs/jailer.md).
    if spec.process.jailer == Some(true) && !dark.is_empty() {
        gate.aspects.unknown(dark.join("; "));
    } else if spec.process.jailer == Some(true) {
        for kind in ["mnt", "pid"] {
            gate.aspects.expect(own.contains(&kind), || {
                format!("the specification asks for the jailer, and the VMM shares the host's namespace `{kind}`")
            });
        }
    } else {
        gate.aspects.none("the specification asks for no namespaces");
    }
}

fn group(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.aspects.about("control group");
    match &seen.group {
        Ok(group) => gate.row("control group", group),
        Err(why) => gate.row("control group", &why.to_string()),
    }
    for (file, wanted) in [("memory.max", &spec.limits.memory), ("memory.high", &spec.limits.memory_soft)] {
        let Some(wanted) = wanted.as_deref().and_then(|size| parse_size(size).ok()) else { continue };
        match seen.limits.iter().find(|(name, _)| *name == file).map(|(_, found)| found) {
            // The kernel rounds down to pages.
            Some(Ok(found)) => gate.aspects.expect(found.trim().parse() == Ok(wanted / 4096 * 4096), || {
                format!("{file} of the VMM's control group is `{}`, the specification says {wanted} bytes", quote::line(found))
            }),
            Some(Err(why)) => gate.aspects.unknown(format!("{file} of the VMM's control group: {why}")),
            None => gate.aspects.unknown(format!("{file} of the VMM's control group was not read")),
        }
    }
    if spec.limits.memory.is_none() && spec.limits.memory_soft.is_none() {
        gate.aspects.none("the specification sets no limit of memory");
    }
}

/// Whether a label of a mandatory access control confines the VMM.
fn label(seen: &Observed, gate: &mut Gate) -> bool {
    gate.aspects.about("label");
    if !seen.apparmor && !seen.selinux {
        gate.row("label", "the host has neither AppArmor nor SELinux");
        gate.aspects.none("the host has neither AppArmor nor SELinux");
        return false;
    }
    let label = match &seen.label {
        Ok(label) => label.trim_end_matches(['\0', '\n']),
        Err(Missing::Absent) => "",
        Err(why) => {
            gate.row("label", &why.to_string());
            gate.aspects.unknown(format!("the VMM's label: {why}"));
            return false;
        }
    };
    gate.row("label", if label.is_empty() { "none" } else { label });
    gate.evidence.push(quote::from("/proc/PID/attr/current", label));
    let complaining = label.ends_with("(complain)");
    let confined = !label.is_empty() && !label.starts_with("unconfined") && !label.contains(":unconfined_") && !complaining;
    if complaining {
        gate.aspects.fail(format!("the VMM's profile only complains: `{}`", quote::line(label)));
    } else if confined {
        gate.aspects.pass();
    } else {
        gate.aspects.none("no label confines the VMM; what its user may open decides");
    }
    confined
}

/// Pages that guests share are a channel between them (KSM; CVE-2015-2877).
fn memory(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.aspects.about("merging");
    let runs = seen.ksm.as_deref().map(str::trim);
    let merging = seen.merging.as_ref().ok().and_then(|text| text.trim().parse::<u64>().ok());
    gate.row("page merging", &match (&runs, merging) {
        (Ok("1"), Some(pages)) => format!("KSM runs; {pages} pages of this VM are merged"),
        (Ok("1"), None) => "KSM runs".to_owned(),
        (Ok(_), _) => "KSM is off".to_owned(),
        (Err(why), _) => format!("{why}"),
    });
    match (runs, merging) {
        (Ok("1"), Some(pages)) if pages > 0 => gate.aspects.expect(spec.memory.merge == Some(true), || {
            format!("KSM has merged {pages} pages of this VM with others: a guest can tell by time what another has in memory, and the specification does not ask for it")
        }),
        (Ok("1"), None) if spec.memory.merge != Some(true) => {
            gate.aspects.unknown("KSM runs, and the kernel does not tell how much of this VM it has merged");
        }
        (Ok(_), _) => gate.aspects.pass(),
        (Err(Missing::Absent), _) => gate.aspects.pass(),
        (Err(why), _) => gate.aspects.unknown(format!("KSM: {why}")),
    }
    gate.row("threads of a core", match seen.smt.as_deref().map(str::trim) {
        Ok("1") => "shared between guests, unless they are pinned apart (SMT is on)",
        Ok(_) => "not shared (SMT is off)",
        Err(_) => "not known",
    });
}

/// Whom the VMM listens to over the network.
fn listeners(seen: &Observed, gate: &mut Gate) {
    gate.aspects.about("listeners");
    let words = match &seen.words {
        Ok(words) => words,
        Err(why) => return gate.aspects.unknown(format!("what the VMM listens at: {why}")),
    };
    let mut found = false;
    for pair in words.windows(2) {
        let (option, value) = (pair[0].as_str(), pair[1].as_str());
        let monitor = matches!(option, "-qmp" | "-monitor" | "-gdb" | "-qmp-pretty")
            || option == "-chardev" && value.starts_with("socket,") && value.contains("port=");
        let open = match option {
            "-vnc" | "-spice" => is_public(value) && !value.contains("password") && !value.contains("tls-creds"),
            _ => monitor && (value.starts_with("tcp:") || value.starts_with("telnet:") || value.contains("port=")) && is_public(value),
        };
        if open {
            found = true;
            gate.aspects.fail(format!("QEMU listens to anybody on the network: `{option} {}`", quote::line(value)));
        }
    }
    if !found {
        gate.aspects.pass();
    }
}

/// Whether the address of a listener is more than the loopback's.
fn is_public(value: &str) -> bool {
    let local = ["127.", "localhost", "[::1]", "::1", "unix:"];
    !matches!(value, "none") && !local.iter().any(|word| value.contains(word))
}

/// What keeps an assigned device within the guest's own memory.
fn devices(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.aspects.about("iommu");
    if spec.host_devices.is_empty() {
        return gate.aspects.none("no device of the host is assigned");
    }
    match &seen.iommu_groups {
        Ok(groups) => gate.aspects.expect(!groups.is_empty(), || {
            "devices are assigned and the host has no IOMMU group: they reach all of the host's memory".to_owned()
        }),
        Err(Missing::Absent) => gate.aspects.fail("devices are assigned and the host has no IOMMU: they reach all of the host's memory"),
        Err(why) => gate.aspects.unknown(format!("/sys/kernel/iommu_groups: {why}")),
    }
    for (name, found) in &seen.vfio {
        if let Ok(found) = found {
            gate.aspects.expect(found.trim() != "Y", || format!("vfio is told to go without protection: {name}=Y"));
        }
    }
}

#[cfg(test)]
mod tests;
