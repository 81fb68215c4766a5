//! Record `vmm-details`: what the kernel tells of each VMM process and its helpers, `pid <number> <fact> <value>`, one
//! fact a line. What only a tracer may see (namespaces, memory by node, open devices) the witness tells.

use super::attribute::{names, value};
use super::users::Names;
use super::vmms::joined;
use crate::file::read_words;
use crate::live::Collector;
use crate::processes::{Census, examine, running, user_of};
use std::fmt::Write as _;
use std::path::Path;
use vmwright_model::Kind;

/// Most processes that are written down.
const MOST: usize = 512;

/// Most threads of one process.
const THREADS: usize = 1024;

/// Lines of `/proc/PID/status` that are told under their own names (proc_pid_status(5)).
pub(crate) const STATUS: [&str; 16] = [
    "State",
    "Uid",
    "Gid",
    "Groups",
    "VmPeak",
    "VmSize",
    "VmLck",
    "VmPin",
    "VmRSS",
    "HugetlbPages",
    "Threads",
    "CapEff",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed_list",
    "Mems_allowed_list",
];

/// Files of a control group that bound what a VM may use; of version 2 first, then of version 1
/// (`Documentation/admin-guide/cgroup-v2.rst`, `cgroup-v1/`).
pub(crate) const LIMITS: [&str; 22] = [
    "cpu.max",
    "cpu.weight",
    "cpu.stat",
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "cpuset.mems",
    "memory.current",
    "memory.max",
    "memory.high",
    "memory.swap.max",
    "memory.events",
    "io.max",
    "pids.max",
    "hugetlb.2MB.max",
    "hugetlb.1GB.max",
    "cgroup.type",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.shares",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "devices.list",
];

/// Most levels of control groups above a process that are looked at: a limit may stand on any of them.
const LEVELS: usize = 8;

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| {
        let mine = std::process::id();
        let all = running();
        let wanted = all.iter().filter(|process| process.pid != mine && is_vmm_or_helper(&process.name));
        let wanted: Vec<u32> = wanted.map(|process| process.pid).take(MOST).collect();
        let census = if wanted.is_empty() { Census::default() } else { examine(&wanted) };
        list(Path::new("/proc"), Path::new("/sys/fs/cgroup"), &wanted, &census).into_bytes()
    });
    collector.push("vmm-details".to_owned(), Some(Kind::new("vmm_details")), content);
}

/// By the first 15 bytes of the program's name, which everybody may read.
fn is_vmm_or_helper(name: &str) -> bool {
    let starts = ["qemu-system-", "qemu-kvm", "cloud-hyperviso", "firecracker", "virtiofsd", "swtpm"];
    starts.iter().any(|start| name.starts_with(start)) || name == "kvm"
}

fn list(proc: &Path, cgroups: &Path, pids: &[u32], census: &Census) -> String {
    let mut users = Names::default();
    let mut text = String::new();
    for pid in pids {
        one(proc, cgroups, *pid, census, &mut users, &mut text);
    }
    if text.is_empty() {
        text.push_str("none\n");
    }
    text
}

fn one(proc: &Path, cgroups: &Path, pid: u32, census: &Census, users: &mut Names, text: &mut String) {
    let folder = proc.join(pid.to_string());
    let mut tell = |fact: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "pid {pid} {fact} {value}");
    };
    if let Some(name) = value(&folder.join("comm")) {
        tell("name", &name);
    }
    if let Some(program) = census.programs.get(&pid) {
        tell("program", program);
    }
    if let Some(user) = user_of(pid) {
        tell("user", &users.user(user));
    }
    if let Ok(argv) = read_words(pid) {
        tell("command", &joined(&argv));
    }
    // Escaped, so that a line feed is visible.
    let status = value(&folder.join("status")).unwrap_or_default();
    for (key, value) in status.split("\\x0a").filter_map(|line| line.split_once(':')) {
        if STATUS.contains(&key) {
            let words = value.replace("\\x09", " ");
            tell(key, &words.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    for (fact, file) in [("oom_score_adj", "oom_score_adj"), ("label", "attr/current")] {
        if let Some(value) = value(&folder.join(file)).filter(|value| !value.is_empty()) {
            tell(fact, value.trim_end_matches("\\x00"));
        }
    }
    let limits = value(&folder.join("limits")).unwrap_or_default();
    for line in limits.split("\\x0a").skip(1) {
        tell("limit", &line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let groups = value(&folder.join("cgroup")).unwrap_or_default();
    for line in groups.split("\\x0a").filter(|line| !line.is_empty()) {
        tell("cgroup", line);
        for (path, value) in limits_of(cgroups, line) {
            tell("cgroup-limit", &format!("{path} {value}"));
        }
    }
    for fact in census.insights.iter().filter(|insight| insight.0 == pid) {
        tell("sees", &fact.1);
    }
    for thread in names(&folder.join("task"), THREADS).unwrap_or_default() {
        if let Some(what) = one_thread(&folder.join("task").join(&thread)) {
            tell("thread", &format!("{thread} {what}"));
        }
    }
}

/// The limits on the way from a process's control group up to the root, of one line of `/proc/PID/cgroup`
/// (cgroups(7)): `0::/machine.slice/x`, `4:memory:/machine/x`.
fn limits_of(root: &Path, line: &str) -> Vec<(String, String)> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    if path.split('/').any(|part| part == "..") {
        // Seen from another control group namespace.
        return Vec::new();
    }
    let base = match controllers {
        "" => root.to_owned(),
        name => root.join(name.trim_start_matches("name=")),
    };
    let mut found = Vec::new();
    let mut path = path.trim_matches('/');
    for _ in 0..LEVELS {
        if path.is_empty() {
            break;
        }
        let folder = base.join(path);
        for file in LIMITS {
            if let Some(value) = value(&folder.join(file)) {
                found.push((format!("/{path}/{file}"), value.replace("\\x0a", "; ")));
            }
        }
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
    found
}

/// Name, CPUs, node set, policy, real-time priority and last CPU of a thread: proc_pid_stat(5), sched(7).
fn one_thread(folder: &Path) -> Option<String> {
    let stat = value(&folder.join("stat"))?;
    // The name stands in parentheses and may hold some.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // Counted from 1 in the manual; the third is the first here.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or("?");
    let policy = match field(41) {
        "0" => "other",
        "1" => "fifo",
        "2" => "rr",
        "3" => "batch",
        "5" => "idle",
        "6" => "deadline",
        other => other,
    };
    let status = value(&folder.join("status"))?;
    let of = |key: &str| {
        let line = status.split("\\x0a").find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map_or("?", |value| value.trim_start_matches("\\x09").trim())
    };
    let name: String = of("Name").chars().map(|letter| if letter == ' ' { '_' } else { letter }).collect();
    Some(format!(
        "{name} cpus {} mems {} policy {policy} rt-priority {} nice {} last-cpu {}",
        of("Cpus_allowed_list"),
        of("Mems_allowed_list"),
        field(40),
        field(19),
        field(39)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_made_up_process() {
        let mut fields = vec!["0"; 50];
        // Counted from 3 in the manual.
        for (number, value) in [(3, "S"), (39, "3"), (40, "40"), (41, "1")] {
            fields[number - 3] = value;
        }
        let stat = format!("4200012 (CPU 0/KVM) {}", fields.join(" "));
        let status = "Name:\tCPU 0/KVM\nCpus_allowed_list:\t2-3\nMems_allowed_list:\t0\n";
        let root = made(&[
            ("proc/4200012/comm", "qemu-system-x86\n"),
            (
                "proc/4200012/status",
                "Name:\tqemu\nState:\tS (sleeping)\nVmLck:\t   2048 kB\nOdd:\t1\nCpus_allowed_list:\t0-7\n",
            ),
            (
                "proc/4200012/limits",
                "Limit                     Soft Limit           Hard Limit           Units\nMax locked memory         65536                65536                bytes\n",
            ),
            ("proc/4200012/cgroup", "4:memory:/machine/web\n0::/machine.slice/web.scope/libvirt/emulator\n"),
            ("proc/4200012/task/4200012/stat", &stat),
            ("proc/4200012/task/4200012/status", status),
            ("cg/machine.slice/web.scope/memory.max", "1073741824\n"),
            ("cg/machine.slice/web.scope/libvirt/emulator/cpu.max", "50000 100000\n"),
            ("cg/memory/machine/web/memory.limit_in_bytes", "42\n"),
        ]);
        let census = Census { insights: vec![(4_200_012, "open /dev/kvm".to_owned())], ..Census::default() };
        let text = list(&root.path().join("proc"), &root.path().join("cg"), &[4_200_012], &census);
        let lines: Vec<&str> =
            text.lines().map(|line| line.strip_prefix("pid 4200012 ").unwrap_or(line)).collect();
        assert_eq!(
            lines,
            [
                "name qemu-system-x86",
                "State S (sleeping)",
                "VmLck 2048 kB",
                "Cpus_allowed_list 0-7",
                "limit Max locked memory 65536 65536 bytes",
                "cgroup 4:memory:/machine/web",
                "cgroup-limit /machine/web/memory.limit_in_bytes 42",
                "cgroup 0::/machine.slice/web.scope/libvirt/emulator",
                "cgroup-limit /machine.slice/web.scope/libvirt/emulator/cpu.max 50000 100000",
                "cgroup-limit /machine.slice/web.scope/memory.max 1073741824",
                "sees open /dev/kvm",
                "thread 4200012 CPU_0/KVM cpus 2-3 mems 0 policy fifo rt-priority 40 nice 0 last-cpu 3",
            ]
        );
        assert_eq!(list(root.path(), root.path(), &[], &Census::default()), "none\n");
    }

    #[test]
    fn a_control_group_of_another_namespace_is_left_alone() {
        assert_eq!(limits_of(Path::new("/"), "0::/../../etc"), []);
        assert_eq!(limits_of(Path::new("/"), "odd"), []);
    }

    #[test]
    fn programs_by_the_first_bytes_of_their_names() {
        for name in
            ["qemu-system-x86", "qemu-kvm", "kvm", "cloud-hyperviso", "firecracker", "virtiofsd", "swtpm"]
        {
            assert!(is_vmm_or_helper(name), "{name}");
        }
        for name in ["qemu-img", "kvm-nx-lpage-re", "kvmtool", "", "sh"] {
            assert!(!is_vmm_or_helper(name), "{name}");
        }
    }
}
