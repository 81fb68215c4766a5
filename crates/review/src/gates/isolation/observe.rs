//! Reading the VMM's process and what lies around it.

use super::outward::{self, Outward};
use crate::scope::{Host, Neighbour, Owner, Session};
use vmwright_model::Missing;

/// Kinds of namespaces, as `/proc/PID/ns` names them (namespaces(7)).
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// The most threads, open files, neighbours' files that are looked at.
const MOST: usize = 4096;

/// A thread of the VMM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) name: String,
    /// Mode of seccomp: 0 none, 2 a filter (proc_pid_status(5)); none where it is not told.
    pub(crate) seccomp: Option<u32>,
}

/// A file of somebody else, with whose it is and how each directory above it can be passed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Foreign {
    pub(crate) vm: String,
    pub(crate) path: String,
    pub(crate) owner: Result<Owner, Missing>,
    pub(crate) above: Vec<Result<Owner, Missing>>,
}

/// Kind, the VMM's and that of the host's first process.
pub(crate) type Namespace = (&'static str, Result<String, Missing>, Result<String, Missing>);

/// What was seen.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// None once the VMM has ended.
    pub(crate) pid: Option<u32>,
    pub(crate) status: Result<String, Missing>,
    pub(crate) threads: Result<Vec<Thread>, Missing>,
    /// The command line.
    pub(crate) words: Result<Vec<String>, Missing>,
    pub(crate) namespaces: Vec<Namespace>,
    /// The map of users of the VMM's user namespace.
    pub(crate) uid_map: Result<String, Missing>,
    /// Path of the control group.
    pub(crate) group: Result<String, Missing>,
    pub(crate) limits: Vec<(&'static str, Result<String, Missing>)>,
    pub(crate) label: Result<String, Missing>,
    pub(crate) apparmor: bool,
    pub(crate) selinux: bool,
    pub(crate) ksm: Result<String, Missing>,
    /// Pages of this process that KSM has merged.
    pub(crate) merging: Result<String, Missing>,
    pub(crate) smt: Result<String, Missing>,
    pub(crate) iommu_groups: Result<Vec<String>, Missing>,
    pub(crate) vfio: Vec<(&'static str, Result<String, Missing>)>,
    /// Where the VMM's open files lie.
    pub(crate) open: Result<Vec<String>, Missing>,
    /// The sockets that control this VM, and whose they are.
    pub(crate) controls: Vec<Foreign>,
    /// Files of other VMs.
    pub(crate) foreign: Vec<Foreign>,
    /// What the guest reaches; none where no network leads out of it, or it was not looked at.
    pub(crate) outward: Option<Outward>,
}

impl Observed {
    /// Whether user 0 of the VMM's namespace is not the host's: its rights end with the namespace.
    pub(crate) fn mapped(&self) -> bool {
        self.uid_map.as_ref().is_ok_and(|map| {
            let mut fields = map.split_whitespace();
            fields.next() == Some("0") && fields.next().is_some_and(|outside| outside != "0")
        })
    }
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let host = session.scope.host;
    let neighbours = host.neighbours();
    let files = neighbours
        .into_iter()
        .flat_map(|Neighbour { name, files }| files.into_iter().map(move |path| (name.clone(), path)));
    Observed {
        controls: host.controls().into_iter().map(|path| foreign(host, String::new(), path)).collect(),
        foreign: files.take(MOST).map(|(name, path)| foreign(host, name, path)).collect(),
        outward: outward::observe(session),
        ..of_process(host, session.scope.vmm.process().map(|process| process.pid))
    }
}

/// What holds the VMM of this process, without the files of others around it.
pub(crate) fn of_process(host: &dyn Host, pid: Option<u32>) -> Observed {
    let read = |path: &str| host.file(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let at = |file: &str| format!("/proc/{}/{file}", pid.unwrap_or(0));
    let of_vmm = |file: &str| read(&at(file));
    let group = of_vmm("cgroup").map(|text| {
        // Of version 2 the line begins with `0::` (cgroups(7)).
        text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned()
    });
    let limit = |file| {
        let path = group.as_ref().map(|group| format!("/sys/fs/cgroup{group}/{file}"));
        (file, path.map_err(Clone::clone).and_then(|path| read(&path)))
    };
    let namespace = |kind: &'static str| {
        (kind, host.link(&at(&format!("ns/{kind}"))), host.link(&format!("/proc/1/ns/{kind}")))
    };
    let is = |path: &str, word: &str| read(path).is_ok_and(|text| text.trim() == word);
    Observed {
        pid,
        status: of_vmm("status"),
        threads: threads(host, &at("task")),
        words: of_vmm("cmdline").map(|text| text.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        namespaces: NAMESPACES.into_iter().map(namespace).collect(),
        uid_map: of_vmm("uid_map"),
        limits: ["memory.max", "memory.high"].into_iter().map(limit).collect(),
        label: of_vmm("attr/current"),
        apparmor: is("/sys/module/apparmor/parameters/enabled", "Y"),
        selinux: host.file("/sys/fs/selinux/enforce").is_ok(),
        ksm: read("/sys/kernel/mm/ksm/run"),
        merging: of_vmm("ksm_merging_pages"),
        smt: read("/sys/devices/system/cpu/smt/active"),
        iommu_groups: host.names("/sys/kernel/iommu_groups"),
        vfio: [
            ("vfio.enable_unsafe_noiommu_mode", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"),
            ("vfio_iommu_type1.allow_unsafe_interrupts", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"),
        ]
        .into_iter()
        .map(|(name, path)| (name, read(path)))
        .collect(),
        open: host.names(&at("fd")).map(|numbers| {
            let link = |number: &String| host.link(&at(&format!("fd/{number}"))).ok();
            numbers.iter().take(MOST).filter_map(link).collect()
        }),
        controls: Vec::new(),
        foreign: Vec::new(),
        outward: None,
        group,
    }
}

fn threads(host: &dyn Host, task: &str) -> Result<Vec<Thread>, Missing> {
    let numbers = host.names(task)?;
    let thread = |number: &String| {
        let status = host.file(&format!("{task}/{number}/status")).ok()?;
        let status = String::from_utf8_lossy(&status);
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Some(Thread {
            name: field("Name").unwrap_or_default().trim().to_owned(),
            seccomp: field("Seccomp").and_then(|mode| mode.trim().parse().ok()),
        })
    };
    // A thread that ends meanwhile is none.
    Ok(numbers.iter().take(MOST).filter_map(thread).collect())
}

fn foreign(host: &dyn Host, vm: String, path: String) -> Foreign {
    let above = std::path::Path::new(&path).ancestors().skip(1).map(|above| host.owner(&above.display().to_string()));
    Foreign { above: above.collect(), owner: host.owner(&path), vm, path }
}
