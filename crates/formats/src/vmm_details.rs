//! VMM processes and their helpers in detail, as vmwright's probe writes them: `pid <number> <fact> <value>`, one fact
//! a line.

use crate::facts::Facts;
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmmProcessFacts {
    /// Its number.
    pub pid: u32,
    /// Facts and their values, in the order of the text. Untrusted, the command line above all.
    pub facts: Facts,
}

/// A thread with what it may run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread<'a> {
    /// Its number.
    pub tid: u32,
    /// Its name, blanks as `_`: `CPU_0/KVM`, `IO_iothread1`, `fc_vcpu_0`, `vcpu0`.
    pub name: &'a str,
    /// The CPUs that it may run on, as a list.
    pub cpus: &'a str,
    /// The nodes that its memory may come from, as a list.
    pub mems: &'a str,
    /// `other`, `fifo`, `rr`, `batch`, `idle`, `deadline`.
    pub policy: &'a str,
    /// The CPU that it ran on last.
    pub last_cpu: Option<u32>,
}

impl Thread<'_> {
    /// Whether it runs a virtual CPU, by the names that QEMU (`accel/kvm/kvm-accel-ops.c`), Firecracker and Cloud
    /// Hypervisor give. QEMU names its threads only with `-name ...,debug-threads=on`, as libvirt starts it.
    #[must_use]
    pub fn is_vcpu(&self) -> bool {
        let number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let qemu = self.name.strip_prefix("CPU_").and_then(|rest| rest.split_once('/'));
        qemu.is_some_and(|(index, _)| number(index))
            || ["fc_vcpu_", "vcpu"].iter().any(|start| self.name.strip_prefix(start).is_some_and(number))
    }
}

/// Memory of one policy on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMemory<'a> {
    /// As the kernel writes it: `default`, `bind:0`, `prefer:1`, `interleave:0-1`.
    pub policy: &'a str,
    /// The node that it lies on.
    pub node: u32,
    /// Whether in huge pages of hugetlbfs.
    pub huge: bool,
    /// How much, in bytes.
    pub bytes: u64,
}

impl std::ops::Deref for VmmProcessFacts {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl VmmProcessFacts {
    /// A size of its `status`, such as `VmLck` or `VmRSS`, in bytes.
    #[must_use]
    pub fn size(&self, fact: &str) -> Option<Spanned<u64>> {
        let found = self.get(fact)?;
        let kib: u64 = found.strip_suffix("kB")?.trim().parse().ok()?;
        Some(Spanned::new(kib.checked_mul(1024)?, found.line))
    }

    /// The soft limit of this name (`Max locked memory`), in its own unit; `u64::MAX` for none.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<Spanned<u64>> {
        self.all("limit").find_map(|found| {
            let soft = found.value.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?;
            let soft = if soft == "unlimited" { u64::MAX } else { soft.parse().ok()? };
            Some(Spanned::new(soft, found.line))
        })
    }

    /// Values of one file of the control groups above it, the nearest first: `memory.max`, `cpu.max`.
    pub fn cgroup<'a>(&'a self, file: &'a str) -> impl Iterator<Item = Spanned<&'a str>> {
        self.all("cgroup-limit").filter_map(move |found| {
            let (path, value) = found.value.split_once(' ')?;
            (path.rsplit('/').next() == Some(file)).then(|| Spanned::new(value, found.line))
        })
    }

    /// Its threads.
    pub fn threads(&self) -> impl Iterator<Item = Spanned<Thread<'_>>> {
        self.all("thread").filter_map(|found| Some(Spanned::new(thread(found.value)?, found.line)))
    }

    /// Its memory by policy and node, where somebody might look.
    pub fn memory(&self) -> impl Iterator<Item = Spanned<NodeMemory<'_>>> {
        self.all("sees").filter_map(|found| {
            let mut words = found.value.strip_prefix("memory ")?.split(' ');
            let policy = words.next()?;
            let node =
                words.next().filter(|word| *word == "node").and_then(|_| words.next()?.parse().ok())?;
            let huge = words.next()? == "huge";
            let bytes = words.next()?.parse::<u64>().ok()?.checked_mul(1024)?;
            Some(Spanned::new(NodeMemory { policy, node, huge, bytes }, found.line))
        })
    }

    /// Device nodes and files that it has open, where somebody might look. Behind `/dev/net/tun` the interface.
    pub fn open(&self) -> impl Iterator<Item = Spanned<&str>> {
        self.all("sees")
            .filter_map(|found| Some(Spanned::new(found.value.strip_prefix("open ")?, found.line)))
    }
}

fn thread(text: &str) -> Option<Thread<'_>> {
    let mut words = text.split(' ');
    let (tid, name) = (words.next()?.parse().ok()?, words.next()?);
    let mut thread = Thread { tid, name, cpus: "", mems: "", policy: "", last_cpu: None };
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        match key {
            "cpus" => thread.cpus = value,
            "mems" => thread.mems = value,
            "policy" => thread.policy = value,
            "last-cpu" => thread.last_cpu = value.parse().ok(),
            _ => {}
        }
    }
    Some(thread)
}

/// The processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmmDetails {
    /// In the order of the text.
    pub processes: Vec<VmmProcessFacts>,
}

impl View for VmmDetails {
    const KIND: Kind = Kind::new("vmm_details");
    const SUREST: u8 = 96;
    const MARKS: &[&str] = &["pid "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.trim() == "none" {
                continue;
            }
            let Some((pid, fact, value)) = fact(line) else {
                issues.push(Issue::new(number, "not a line of the probe of VMM processes"));
                continue;
            };
            if view.processes.last().is_none_or(|last| last.pid != pid) {
                view.processes.push(VmmProcessFacts { pid, facts: Facts::default() });
            }
            if let Some(process) = view.processes.last_mut() {
                process.facts.push(fact, value, number);
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        const USUAL: [&str; 8] =
            ["name", "program", "command", "limit", "cgroup", "cgroup-limit", "thread", "State"];
        let usual = |line: &str| fact(line).is_some_and(|(_, fact, _)| USUAL.contains(&fact));
        let (hits, all) = crate::lines::share(head, usual);
        match hits > 2 && hits * 4 >= all {
            true => 96,
            false if name == "vmm-details" => 30,
            false => 0,
        }
    }
}

fn fact(line: &str) -> Option<(u32, &str, &str)> {
    let (pid, rest) = line.trim_end().strip_prefix("pid ")?.split_once(' ')?;
    let (fact, value) = rest.split_once(' ').unwrap_or((rest, ""));
    // `pid 7 user root exe ...` and `pid 7 user root holds ...` are of other probes.
    let other = fact == "user" && value.contains(' ');
    Some((pid.parse().ok().filter(|_| !other)?, fact, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_their_types() {
        let (view, issues) = VmmDetails::read(include_str!("../tests/samples/vmm_details.txt"));
        assert_eq!(issues, []);
        let vm = &view.processes[0];
        assert_eq!((view.processes.len(), vm.pid), (2, 4711));
        assert_eq!(vm.get("user").map(|user| user.value), Some("libvirt-qemu"));
        assert_eq!(vm.size("VmLck").map(|size| size.value), Some(0));
        assert_eq!(vm.limit("Max locked memory").map(|limit| limit.value), Some(65536));
        assert_eq!(vm.limit("Max open files").map(|limit| limit.value), Some(1024));
        assert_eq!(vm.limit("Max cpu time").map(|limit| limit.value), Some(u64::MAX));
        assert_eq!(
            vm.cgroup("cpu.max").map(|limit| limit.value).collect::<Vec<_>>(),
            ["50000 100000", "max 100000"]
        );
        let vcpus: Vec<_> = vm.threads().filter(|thread| thread.is_vcpu()).map(|one| one.value).collect();
        assert_eq!(vcpus.len(), 2);
        assert_eq!((vcpus[1].cpus, vcpus[1].policy, vcpus[1].last_cpu), ("3", "fifo", Some(3)));
        let memory: Vec<_> = vm.memory().map(|memory| memory.value).collect();
        assert_eq!(memory[1], NodeMemory { policy: "bind:0", node: 1, huge: true, bytes: 4096 << 10 });
        assert_eq!(vm.open().map(|open| open.value).next(), Some("/dev/kvm"));
    }

    #[test]
    fn names_of_virtual_cpus() {
        let is = |name: &str| thread(&format!("7 {name} cpus 0")).is_some_and(|thread| thread.is_vcpu());
        for name in ["CPU_0/KVM", "CPU_11/TCG", "fc_vcpu_3", "vcpu0"] {
            assert!(is(name), "{name}");
        }
        for name in ["vcpu", "IO_mon_iothread", "qemu-kvm", "CPU_x/KVM", "vcpu_manager"] {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn lines_of_other_probes() {
        let others = "pid 77 user root exe qemu-system-x86_64 : qemu\npid 78 user a holds /x name y : z\n";
        assert_eq!(VmmDetails::recognise("x", others), 0);
        assert_eq!(VmmDetails::read(others).1.len(), 2);
    }
}
