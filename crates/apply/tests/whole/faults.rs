//! Faults at every boundary of a plan with every kind of action that the made-up host has: afterwards it is exactly as
//! before, exactly as planned, or what differs is named.

use crate::common::{Hooks, Host, chmod, plan, step};
use crate::system::{MadeUp, binding};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vmwright_apply::recover::Found;
use vmwright_apply::system::{Ran, RunError};
use vmwright_apply::{ApplyError, Event, Fault, Point, RunReport, System, apply};
use vmwright_model::plan::{
    DomainEdit, Generator, OvsPort, Owner, QmpValue, RbdSnapshot, ServiceState, Setting,
};
use vmwright_model::{Action, Plan, RunState};
use vmwright_plan::canonical::sha256;

const DEVICE: &str = "0000:01:00.0";
const DISK: &str = "<disk type='file'><source file='/d'/><target dev='vdb'/></disk>";
const OLD: &str = "# the shop's own\nold = 1\n";

/// Everything of a host that a plan may change.
type Look = BTreeMap<String, (u32, u32, Vec<u8>)>;

/// A host in memory, so that hundreds of runs take seconds, with the files that the plan needs.
fn host() -> Host {
    let dir = match tempfile::tempdir_in("/dev/shm") {
        Ok(dir) => dir,
        Err(_) => tempfile::tempdir().expect("a directory"),
    };
    let host = Host::below(dir);
    std::fs::write(host.path("srv/old.conf"), OLD).expect("written");
    std::fs::write(host.path("srv/other.conf"), OLD).expect("written");
    chmod(&host.dir.path().join("srv/old.conf"), 0o644);
    chmod(&host.dir.path().join("srv/other.conf"), 0o600);
    host
}

/// One step of every kind. The bridges are left out, which are no part of a made-up host, and interrupts: behind their step
/// is a look whether the kernel let them move, whose failure undoes nothing.
fn every_kind(host: &Host) -> Plan {
    let me = rustix::process::geteuid();
    let path = |name: &str| host.path(name);
    let state = |active, enabled| ServiceState { active, enabled };
    let own = Owner { user: me.as_raw(), group: rustix::process::getegid().as_raw() };
    let mut actions = vec![
        Action::MachineStop { machine: "old".into() },
        Action::Service { unit: "libvirtd.service".into(), from: state(true, true), to: state(false, false) },
        Action::FileMode { path: path("srv/images"), from: 0o700, to: 0o711 },
        Action::DirectoryCreate { path: path("srv/made"), mode: 0o711 },
        Action::FileCreate { path: path("srv/made/new.conf"), text: "new = 1\n".into(), mode: 0o640 },
        Action::FileWrite {
            path: path("srv/old.conf"),
            from_sha256: sha256(OLD.as_bytes()),
            text: "old = 2\n".into(),
        },
        Action::FileRemove { path: path("srv/other.conf"), from_sha256: sha256(OLD.as_bytes()) },
        Action::EditSpec {
            path: path("web.toml"),
            key: "cpu.model".into(),
            from: Some("\"host\"".into()),
            to: Some("\"max\"".into()),
        },
        Action::EditSetting {
            path: path("etc/default/grub"),
            setting: Setting::GrubParameter {
                variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(),
                parameter: "intel_iommu".into(),
            },
            from: None,
            to: Some("intel_iommu=on".into()),
        },
        Action::Regenerate {
            generator: Generator::UpdateGrub,
            outputs: vec![path("boot/grub/grub.cfg")],
            holds: vec!["intel_iommu=on".into()],
        },
        Action::FileCopy { path: path("boot/before-initrd"), from: path("boot/initrd") },
        Action::OvsBridgeAdd { bridge: "ovs1".into() },
        Action::OvsPort {
            port: "vnet1".into(),
            from: None,
            to: Some(OvsPort { bridge: "ovs0".into(), tag: Some(7), internal: false }),
        },
        Action::ModuleUnload { module: "pcspkr".into(), parameters: vec![] },
        Action::ModuleLoad { module: "vfio-pci".into(), parameters: vec!["disable_idle_d3=1".into()] },
        Action::Sysctl { key: "net/ipv4/ip_forward".into(), from: "0".into(), to: "1".into() },
        Action::Sysfs { path: "/sys/kernel/mm/ksm/run".into(), from: "1".into(), to: "0".into() },
        Action::HugePages { node: None, size_kib: 2048, from: 0, to: 128 },
        Action::DriverBind {
            device: DEVICE.into(),
            from: binding(Some("nvme"), None),
            to: binding(Some("vfio-pci"), Some("vfio-pci")),
        },
        Action::EditDomain {
            connection: "qemu:///system".into(),
            domain: "theirs".into(),
            edits: vec![DomainEdit::Attribute {
                path: "devices[1]/disk[vda]/driver[1]".into(),
                name: "cache".into(),
                from: None,
                to: Some("none".into()),
            }],
        },
        Action::LogicalVolume { volume: "vg0/data".into(), from: false, to: true },
        Action::VirtualNetwork {
            network: "default".into(),
            from: state(false, true),
            to: state(true, false),
        },
        Action::DeviceAttach {
            connection: "qemu:///system".into(),
            domain: "theirs".into(),
            device: DISK.into(),
            running: false,
        },
        Action::Qmp { machine: "web".into(), value: QmpValue::DiskRequests { disk: 0 }, from: 0, to: 500 },
        Action::RbdSnapshot {
            image: "vms/web".into(),
            snapshot: "before".into(),
            from: RbdSnapshot::Absent,
            to: RbdSnapshot::Protected,
        },
        Action::MachineCreate {
            machine: "web".into(),
            backend: "qemu".into(),
            text: "name = \"web\"\n".into(),
        },
        Action::MachineStart { machine: "web".into() },
    ];
    if me.is_root() {
        let to = Owner { user: 4242, ..own };
        actions.insert(3, Action::FileOwner { path: path("srv/images/disk"), from: own, to });
    }
    plan(actions.into_iter().map(|action| step(action, None)).collect())
}

/// What a run left: paths that differ from `from`.
fn differs(from: &Look, now: &Look) -> BTreeSet<String> {
    let paths = from.keys().chain(now.keys());
    paths.filter(|path| from.get(*path) != now.get(*path)).cloned().collect()
}

/// Forgets the runs that ended, so that hundreds do not have to be read each time.
fn forget(host: &Host) {
    std::fs::remove_dir_all(host.state().join("runs")).expect("there");
}

/// That a run which came to an end left everything as before, or as planned.
fn as_before_or_planned(host: &Host, what: &str, before: &Look, planned: &Look, report: &RunReport) {
    let from = if report.state == RunState::Applied { planned } else { before };
    assert_eq!(differs(from, &host.look()), BTreeSet::new(), "{what}: {report:?}");
    assert!(
        matches!(report.state, RunState::Applied | RunState::Undone),
        "{what}: nobody else wrote, so all can be taken back: {report:?}"
    );
}

/// The state that the plan leads to.
fn planned(host: &Host, plan: &Plan) -> Look {
    let approved = host.approver.approve(plan);
    let report = host.apply(plan, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    let look = host.look();
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    forget(host);
    look
}

#[test]
fn the_plan_has_many_kinds_of_actions_and_is_sound() {
    let host = host();
    let plan = every_kind(&host);
    assert_eq!(vmwright_plan::lint(&plan), []);
    let kinds: BTreeSet<_> = plan
        .steps
        .iter()
        .map(|step| std::mem::discriminant(&step.action))
        .map(|kind| format!("{kind:?}"))
        .collect();
    assert!(kinds.len() >= 12 && kinds.len() == plan.steps.len(), "{kinds:?}");
}

#[test]
fn a_crash_at_every_boundary_and_an_undo_that_crashes_too() {
    let host = host();
    let (plan, before) = (every_kind(&host), host.look());
    let approved = host.approver.approve(&plan);
    let mut runs = 0;
    for at in 0..plan.steps.len() {
        let points = [
            Point::BeforeIntent(at),
            Point::AfterIntent(at),
            Point::AfterDo(at),
            Point::AfterVerify(at),
            Point::AfterDone(at),
        ];
        for point in points {
            let error = host.apply(&plan, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
            let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };
            let found = host.recover();
            assert!(found[0].undo_possible, "{point:?}: {found:?}");
            let seen = found[0].steps.iter().map(|step| &step.found);
            assert!(
                seen.clone().all(|found| !matches!(found, Found::OutcomeUnknown(_))),
                "{point:?}: {found:?}"
            );
            // The undo is cut off as well, at a place that moves with the point, and taken up again.
            let again = if at % 2 == 0 { Point::AfterUndoIntent(at / 2) } else { Point::AfterUndo(at / 2) };
            if host.undo(&run, &mut Hooks::crash_at(again)).is_err() {
                assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
            }
            assert_eq!(differs(&before, &host.look()), BTreeSet::new(), "{point:?}");
            runs += 1;
            forget(&host);
        }
    }
    assert!(runs >= 80, "{runs}");
}

#[test]
fn a_killed_process_at_every_step() {
    let name = "faults::a_killed_process_at_every_step";
    if let Some(place) = std::env::var_os("VMWRIGHT_TEST_PLACE") {
        let kill_at: usize = std::env::var("VMWRIGHT_TEST_KILL").expect("set").parse().expect("a number");
        let host = Host::opened(Path::new(&place));
        let plan = every_kind(&host);
        let approved = host.approver.approve(&plan);
        let mut hooks = Hooks::fault(|point| {
            if point == Point::AfterIntent(kill_at)
                || kill_at % 2 == 1 && point == Point::AfterDo(kill_at - 1)
            {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("it is ours");
            }
            Fault::None
        });
        host.apply(&plan, &approved, &mut hooks).expect("begun");
        return;
    }
    let host = host();
    let (plan, before) = (every_kind(&host), host.look());
    for kill_at in 0..plan.steps.len() {
        let status = std::process::Command::new(std::env::current_exe().expect("a program"))
            .args([name, "--exact"])
            .env("VMWRIGHT_TEST_PLACE", host.dir.path())
            .env("VMWRIGHT_TEST_KILL", kill_at.to_string())
            .output()
            .expect("run")
            .status;
        assert_eq!(status.signal(), Some(9), "{kill_at}");
        let found = host.recover();
        assert_eq!(found.len(), 1, "{kill_at}: the lock went with the process, the log stayed");
        assert_eq!(host.undo(&found[0].run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
        assert_eq!(differs(&before, &host.look()), BTreeSet::new(), "{kill_at}");
        forget(&host);
    }
}

/// The made-up host with a kernel, disk or program that fails once.
struct Failing {
    inner: MadeUp,
    calls: Cell<usize>,
    fail_at: usize,
    errno: i32,
    /// Whether it does what it was told before it fails.
    after: bool,
}

impl Failing {
    fn now(&self) -> bool {
        self.calls.set(self.calls.get() + 1);
        self.calls.get() == self.fail_at
    }

    fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

impl System for Failing {
    fn holder(&self, device: &str) -> io::Result<Option<String>> {
        if self.now() { Err(self.error()) } else { self.inner.holder(device) }
    }

    fn read(&self, path: &str) -> io::Result<String> {
        if self.now() { Err(self.error()) } else { self.inner.read(path) }
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        if !self.now() {
            return self.inner.write(path, value);
        }
        if self.after {
            self.inner.write(path, value)?;
        }
        Err(self.error())
    }

    fn link(&self, path: &str) -> io::Result<String> {
        if self.now() { Err(self.error()) } else { self.inner.link(path) }
    }

    fn run(&self, program: &'static str, args: &[&str]) -> Result<Ran, RunError> {
        if !self.now() {
            return self.inner.run(program, args);
        }
        if self.after {
            self.inner.run(program, args)?;
        }
        Ok(Ran { complaint: self.error().to_string(), ..Ran::default() })
    }
}

#[test]
fn a_kernel_or_program_that_fails_at_any_call() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let host = host();
    let (plan, before) = (every_kind(&host), host.look());
    let planned = planned(&host, &plan);
    let approved = host.approver.approve(&plan);
    let run = |fail_at, errno, after| {
        let system = Failing { inner: host.system(), calls: Cell::new(0), fail_at, errno, after };
        let (machines, state) = (host.machines(), host.state());
        let mut context = vmwright_apply::Context {
            state: &state,
            host_id: crate::common::HOST,
            machines: &machines,
            system: &system,
            net: None,
            check: &crate::common::Rules::default(),
            progress: &mut |_| (),
            fault: None,
            interrupted: &AtomicBool::new(false),
        };
        let report = apply(&plan, &approved, &mut context);
        (report, system.calls.get())
    };
    let (report, calls) = run(usize::MAX, EIO, false);
    let applied = report.expect("begun").run;
    assert_eq!(host.undo(&applied, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    forget(&host);
    let mut runs = 0;
    for fail_at in 1..=calls {
        for (errno, after) in [(EIO, false), (ENOSPC, true)] {
            let what = format!("call {fail_at} of {calls}, errno {errno}, after {after}");
            match run(fail_at, errno, after).0 {
                // Before the first step: nothing was done.
                Err(ApplyError::Expect { .. }) => {
                    assert_eq!(differs(&before, &host.look()), BTreeSet::new(), "{what}")
                }
                Err(error) => panic!("{what}: {error}"),
                Ok(report) => {
                    assert_eq!(report.state, RunState::Undone, "{what}: {report:?}");
                    as_before_or_planned(&host, &what, &before, &planned, &report);
                    forget(&host);
                }
            }
            runs += 1;
        }
    }
    assert!(runs >= 60, "{runs}");
}

#[test]
fn a_full_disk_under_the_log_and_an_interruption_at_every_step() {
    let host = host();
    let (plan, before) = (every_kind(&host), host.look());
    let planned = planned(&host, &plan);
    let approved = host.approver.approve(&plan);
    let mut runs = 0;
    for at in 0..plan.steps.len() {
        let mut hooks =
            Hooks::fault(|point| if point == Point::BeforeIntent(at) { Fault::LogFull } else { Fault::None });
        let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
        as_before_or_planned(&host, &format!("log full at {at}"), &before, &planned, &report);
        forget(&host);
        // Before, in and after the step, as a handler of SIGINT does it.
        for moment in 0..3 {
            let flag = AtomicBool::new(false);
            let (machines, state) = (host.machines(), host.state());
            let set = || flag.store(true, Ordering::SeqCst);
            let mut progress = |event: Event| match event {
                Event::Doing { step, .. } if moment == 0 && step == at + 1 => set(),
                Event::Done { step } if moment == 2 && step == at + 1 => set(),
                _ => {}
            };
            let mut fault = |point: Point| {
                if moment == 1 && point == Point::AfterDo(at) {
                    set();
                }
                Fault::None
            };
            let mut context = vmwright_apply::Context {
                state: &state,
                host_id: crate::common::HOST,
                machines: &machines,
                system: &host.system(),
                net: None,
                check: &crate::common::Rules::default(),
                progress: &mut progress,
                fault: Some(&mut fault),
                interrupted: &flag,
            };
            let report = apply(&plan, &approved, &mut context).expect("begun");
            let what = format!("interrupted at {at}, moment {moment}");
            // A step that was begun comes to its end; after the last one there is nothing left to stop.
            let last = at + 1 == plan.steps.len();
            assert_eq!(report.state == RunState::Applied, last, "{what}: {report:?}");
            as_before_or_planned(&host, &what, &before, &planned, &report);
            if last {
                host.undo(&report.run, &mut Hooks::default()).expect("begun");
            }
            forget(&host);
            runs += 2;
        }
    }
    assert!(runs >= 90, "{runs}");
}

/// Somebody else changes what a step is about. Gives the paths that they touched.
fn meddle(host: &Host, action: &Action) -> Vec<String> {
    let system = host.system();
    let at = |path: &str| vec![format!("{}/system{path}", host.dir.path().display())];
    let content_of = |path: &str, text: &str| {
        std::fs::write(path, text).expect("written");
        vec![path.to_owned()]
    };
    let content = |path: &str| content_of(path, "theirs\n");
    let value = |path: &str, text: &str| {
        system.put(path, text);
        at(path)
    };
    match action {
        Action::FileMode { path, .. } => {
            chmod(Path::new(path), 0o705);
            vec![path.clone()]
        }
        Action::FileOwner { path, .. } => {
            std::os::unix::fs::chown(path, Some(77), None).expect("root may");
            vec![path.clone()]
        }
        Action::FileCreate { path, .. } => {
            let mut touched = content(path);
            // The directory that the plan made stays with what they wrote into it.
            touched.extend(Path::new(path).parent().map(|above| above.display().to_string()));
            touched
        }
        Action::FileWrite { path, .. }
        | Action::FileCopy { path, .. }
        | Action::FileRemove { path, .. }
        | Action::EditSpec { path, .. }
        | Action::EditSetting { path, .. } => content(path),
        Action::Regenerate { outputs, .. } => content(&outputs[0]),
        Action::Sysctl { .. } => value("/proc/sys/net/ipv4/ip_forward", "7\n"),
        Action::Sysfs { path, .. } => value(path, "7\n"),
        Action::HugePages { .. } => value("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "7\n"),
        Action::IrqAffinity { .. } => value("/proc/irq/24/smp_affinity_list", "7\n"),
        Action::DriverBind { .. } => {
            let above = format!("/sys/bus/pci/devices/{DEVICE}");
            let mut touched = value(&format!("{above}/driver_override"), "other\n");
            // What else belongs to the binding.
            touched.extend(at(&format!("{above}/driver")));
            touched
        }
        Action::Service { .. } => value("/units/libvirtd.service", "active disabled"),
        // Somebody has done it already, or undone it.
        Action::LogicalVolume { .. } => {
            let now = system.read("/volumes").expect("there");
            value("/volumes", if now == "active" { "" } else { "active" })
        }
        Action::VirtualNetwork { .. } => value("/networks/default", "yes yes"),
        Action::ModuleLoad { module, .. } | Action::ModuleUnload { module, .. } => {
            let name = module.replace('-', "_");
            let text = system.read("/proc/modules").expect("there");
            let (own, others): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.starts_with(&format!("{name} ")));
            let mut lines: Vec<String> = others.into_iter().map(str::to_owned).collect();
            if own.is_empty() {
                lines.push(format!("{name} 1 0 - Live 0x0"));
                lines.sort_unstable();
            }
            let mut touched = value("/proc/modules", &(lines.join("\n") + "\n"));
            touched.extend(at(&format!("/sys/module/{name}/parameters/disable_idle_d3")));
            touched.extend(at(&format!("/sys/module/{name}/parameters")));
            touched.extend(at(&format!("/sys/module/{name}")));
            touched
        }
        Action::DirectoryCreate { path, .. } => {
            // Theirs where there is none, else opened by them.
            let _ = std::fs::create_dir(path);
            chmod(Path::new(path), 0o705);
            vec![path.clone()]
        }
        Action::MachineCreate { machine, .. } => {
            let mut touched = content(&host.path(&format!("machines/{machine}.record")));
            // A bridge that the machine which stays may use stays too, and that is said.
            touched.extend(at("/ovs-bridges/ovs1"));
            touched
        }
        Action::OvsBridgeAdd { bridge } => value(&format!("/ovs-bridges/{bridge}"), "theirs"),
        Action::OvsPort { port, .. } => value(&format!("/ovs/{port}"), "9 theirs"),
        Action::EditDomain { domain, .. } => {
            let path = host.path(&format!("machines/{domain}.domain"));
            std::fs::write(&path, "devices[1]/disk[vda]/driver[1]/@cache=unsafe\n").expect("written");
            vec![path]
        }
        Action::DeviceAttach { domain, .. } => {
            let path = host.path(&format!("machines/{domain}.kept"));
            std::fs::write(&path, DISK.replace("'/d'", "'/theirs'") + "\n").expect("written");
            vec![path]
        }
        Action::Qmp { machine, .. } => content_of(&host.path(&format!("machines/{machine}.value")), "7"),
        // Somebody has done it already, or undone it.
        Action::RbdSnapshot { .. } => {
            let now = system.read("/rbd/web").expect("there");
            value("/rbd/web", if now.is_empty() { "before true\n" } else { "" })
        }
        Action::MachineStart { machine } | Action::MachineStop { machine } => {
            let path = host.path(&format!("machines/{machine}"));
            if std::fs::remove_file(&path).is_err() {
                std::fs::write(&path, "").expect("written");
            }
            vec![path]
        }
        Action::BridgeAdd { .. }
        | Action::BridgeRemove { .. }
        | Action::OvsBridgeRemove { .. }
        | Action::UplinkAdd { .. }
        | Action::UplinkRemove { .. }
        | Action::TapAdd { .. }
        | Action::TapRemove { .. }
        | Action::ImageCreate { .. }
        | Action::ImageRemove { .. }
        | Action::ImageResize { .. }
        | Action::ImageCopy { .. }
        | Action::ImageCopyRemove { .. }
        | Action::ImageOverlay { .. }
        | Action::ImageOverlayRemove { .. }
        | Action::ImageRebase { .. }
        | Action::DirectoryRemove { .. }
        | Action::DeviceDetach { .. }
        | Action::MachineDelete { .. }
        | Action::Reboot { .. }
        | Action::AwaitReboot { .. }
        | Action::MachineMigrate { .. }
        | Action::MachineReturn { .. }
        | Action::FileCopyRemove { .. }
        | Action::FileAcl { .. }
        | Action::FileLabel { .. }
        | Action::BootTrial { .. }
        | Action::BootTrialEnd { .. }
        | Action::Restore { .. } => {
            unreachable!("not in this plan")
        }
    }
}

#[test]
fn another_writer_at_every_step_loses_nothing_and_is_named() {
    let mut runs = 0;
    let relative = |host: &Host, look: Look| -> Look {
        let above = host.dir.path().display().to_string();
        let short = look.into_iter().map(|(path, found)| (path.replacen(&above, "", 1), found));
        // Each host has an approver of its own.
        short.filter(|(path, _)| !path.starts_with("/key") && !path.starts_with("/config")).collect()
    };
    let (steps, as_planned) = {
        let host = host();
        let plan = every_kind(&host);
        (plan.steps.len(), relative(&host, planned(&host, &plan)))
    };
    for at in 0..steps {
        for moment in 0..4 {
            // Each on a host of its own: what the other wrote stays.
            let host = host();
            let (plan, before) = (every_kind(&host), host.look());
            let approved = host.approver.approve(&plan);
            let action = plan.steps[at].action.clone();
            let touched = std::cell::RefCell::new(Vec::new());
            let theirs = std::cell::RefCell::new(Look::new());
            let write = || {
                *touched.borrow_mut() = meddle(&host, &action);
                *theirs.borrow_mut() = host.look();
            };
            let mut hooks = Hooks::fault(|point| {
                let wanted = [
                    Point::BeforeIntent(at),
                    Point::AfterIntent(at),
                    Point::AfterDo(at),
                    Point::AfterVerify(at),
                ];
                if point == wanted[moment] {
                    write();
                }
                Fault::None
            });
            let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
            drop(hooks);
            let what = format!("step {} ({action:?}), moment {moment}: {report:?}", at + 1);
            let touched = touched.into_inner();
            assert!(!touched.is_empty(), "{what}");
            if report.state == RunState::Applied {
                // They wrote after the last look, or a state on the way to the plan's own.
                let now = relative(&host, host.look());
                assert!(moment == 3 || differs(&as_planned, &now).is_empty(), "{what}");
            } else {
                assert!(report.stopped.is_some(), "{what}");
                let now = host.look();
                let left = differs(&before, &now);
                assert!(left.iter().all(|path| touched.contains(path)), "{left:?} of {touched:?} {what}");
                for path in left.iter().filter(|path| touched[0] == **path) {
                    // What they wrote is still there, to the byte, and somebody is told.
                    assert_eq!(now.get(path), theirs.borrow().get(path), "{path}: {what}");
                    let named = report.stopped.as_ref().is_some_and(|stop| stop.step == at + 1)
                        || report.not_undone.iter().any(|left| left.step == at + 1);
                    assert!(named, "{path} is not named: {what}");
                }
            }
            runs += 1;
        }
    }
    assert!(runs >= 60, "{runs}");
}
