//! What is no file of a host: a made-up one that behaves as the kernel and systemd do, and what both must have in
//! common.

use crate::common::{Hooks, Host, again_in, is_child, plan, step};
use proptest::prelude::*;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use vmwright_apply::recover::Found;
use vmwright_apply::system::{Ran, RunError};
use vmwright_apply::{ApplyError, Live, Point, System};
use vmwright_model::plan::{Binding, ServiceState};
use vmwright_model::{Action, Plan, RunState};

/// A host whose kernel is files below a directory, so that several processes can look at it.
pub(crate) struct MadeUp(pub(crate) PathBuf);

/// How many huge pages fit into it.
const ROOM: u64 = 512;

/// Its one device.
const DEVICE: &str = "0000:01:00.0";

impl MadeUp {
    pub(crate) fn make(dir: &Path) -> Self {
        let made = Self(dir.to_owned());
        for (path, text) in [
            ("/sys/kernel/mm/ksm/run", "1\n"),
            ("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
            ("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
            ("/sys/module/kvm/parameters/halt_poll_ns", "200000\n"),
            ("/sys/bus/pci/devices/0000:01:00.0/driver_override", "(null)\n"),
            ("/sys/bus/pci/devices/0000:01:00.0/driver", "nvme"),
            ("/proc/sys/net/ipv4/ip_forward", "0\n"),
            ("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
            ("/proc/irq/24/smp_affinity_list", "0-7\n"),
            ("/proc/modules", "kvm 1 1 kvm_amd, Live 0x0\nnvme 1 1 - Live 0x0\npcspkr 1 0 - Live 0x0\n"),
            ("/units/libvirtd.service", "active enabled"),
            ("/networks/default", "no yes"),
            ("/volumes", ""),
            ("/rbd/web", ""),
            ("/proc/sys/kernel/random/boot_id", "11111111-2222\n"),
            ("/proc/cmdline", "BOOT_IMAGE=/vmlinuz ro quiet\n"),
        ] {
            made.put(path, text);
        }
        fs::create_dir_all(made.at("/units.d")).expect("made");
        fs::create_dir_all(made.at("/ovs")).expect("made");
        fs::create_dir_all(made.at("/ovs-bridges")).expect("made");
        made
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().expect("below the directory")).expect("made");
        fs::write(at, text).expect("written");
    }

    pub(crate) fn read_plain(&self, path: &str) -> String {
        self.get(path).unwrap_or_default()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).expect("there");
    }

    fn get(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.at(path))
    }

    /// Snapshots of the image `vms/web`, a line each: its name, and whether it is protected. As Ceph 16 does it, by its
    /// sources (`src/tools/rbd/action/Snap.cc`, `src/librbd/Operations.cc`): the list has `protected` as a word; a name
    /// that is there is EEXIST, and one that is not ENOENT; to protect twice, to release what is not protected and to
    /// remove what is protected are refused; a difference of nothing is an empty list.
    fn rbd(&self, args: &[&str]) -> Result<Ran, RunError> {
        let good = |output: String| Ok(Ran { success: true, output, complaint: String::new() });
        let bad = |complaint: &str| Ok(Ran { complaint: complaint.to_owned(), ..Ran::default() });
        let text = self.get("/rbd/web").expect("kept");
        let mut all: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        match args {
            ["snap", "ls", "--format", "json", "vms/web"] => {
                let one = |(at, (name, protected)): (usize, &(&str, &str))| {
                    format!(
                        r#"{{"id":{},"name":"{name}","size":1073741824,"protected":"{protected}","timestamp":"Thu Jan  1 00:00:00 1970"}}"#,
                        at + 4
                    )
                };
                good(format!("[{}]", all.iter().enumerate().map(one).collect::<Vec<_>>().join(",")))
            }
            ["diff", "--format", "json", "--from-snap", _, "vms/web"] => {
                let written = self.get("/rbd/written").is_ok();
                good(
                    if written { r#"[{"offset":0,"length":4096,"exists":"true"}]"# } else { "[]" }.to_owned(),
                )
            }
            ["snap", verb, name] => {
                let name = name.strip_prefix("vms/web@").expect("of the one image");
                let at = all.iter().position(|(own, _)| *own == name);
                match (*verb, at.map(|at| (at, all[at].1))) {
                    ("create", Some(_)) => return bad("rbd: failed to create snapshot: (17) File exists"),
                    ("create", None) => all.push((name, "false")),
                    (_, None) => return bad("rbd: failed: (2) No such file or directory"),
                    ("protect", Some((at, "false"))) => all[at].1 = "true",
                    ("unprotect", Some((at, "true"))) => all[at].1 = "false",
                    ("rm", Some((at, "false"))) => drop(all.remove(at)),
                    ("unprotect", Some(_)) => {
                        return bad("rbd: unprotecting snap failed: (22) Invalid argument");
                    }
                    _ => return bad("rbd: failed: (16) Device or resource busy"),
                }
                self.put(
                    "/rbd/web",
                    &all.iter().map(|(name, word)| format!("{name} {word}\n")).collect::<String>(),
                );
                good(String::new())
            }
            _ => bad("rbd: unknown"),
        }
    }

    fn override_of(&self) -> Option<String> {
        let text = self.get(&format!("/sys/bus/pci/devices/{DEVICE}/driver_override")).expect("there");
        Some(text.trim().to_owned()).filter(|text| text != "(null)")
    }
}

impl System for MadeUp {
    fn holder(&self, device: &str) -> io::Result<Option<String>> {
        Ok(self.get(&format!("/sys/bus/pci/devices/{device}/holder")).ok())
    }

    fn read(&self, path: &str) -> io::Result<String> {
        self.get(path)
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        let driver = format!("/sys/bus/pci/devices/{DEVICE}/driver");
        if let Some(name) =
            path.strip_prefix("/sys/bus/pci/drivers/").and_then(|rest| rest.strip_suffix("/bind"))
        {
            // `bind_store` in drivers/base/bus.c: only a free device, and one that the driver may have.
            let busy = self.get(&driver).is_ok();
            let fits = self.override_of().map_or(name == "nvme", |only| only == name);
            if value != DEVICE || busy || !fits {
                return Err(io::Error::from_raw_os_error(19));
            }
            self.put(&driver, name);
            return Ok(());
        }
        if path == format!("{driver}/unbind") {
            assert!(self.holder(DEVICE)?.is_none(), "the kernel would wait here for good");
            return fs::remove_file(self.at(&driver));
        }
        let shown = if path.ends_with("nr_hugepages") {
            let asked: u64 = value.parse().map_err(|_| io::Error::from_raw_os_error(22))?;
            format!("{}\n", asked.min(ROOM))
        } else if path.ends_with("transparent_hugepage/enabled") {
            let choice = ["always", "madvise", "never"].map(|word| match word == value {
                true => format!("[{word}]"),
                false => word.to_owned(),
            });
            format!("{}\n", choice.join(" "))
        } else if path.ends_with("driver_override") && value.trim().is_empty() {
            "(null)\n".to_owned()
        } else {
            format!("{}\n", value.trim())
        };
        if !self.at(path).exists() {
            return Err(ErrorKind::NotFound.into());
        }
        self.put(path, &shown);
        Ok(())
    }

    fn link(&self, path: &str) -> io::Result<String> {
        self.get(path)
    }

    fn units(&self) -> Option<PathBuf> {
        Some(self.at("/units.d"))
    }

    fn run(&self, program: &'static str, args: &[&str]) -> Result<Ran, RunError> {
        let good = |output: String| Ok(Ran { success: true, output, complaint: String::new() });
        let bad = |complaint: &str| Ok(Ran { complaint: complaint.to_owned(), ..Ran::default() });
        let modules = self.get("/proc/modules").expect("there");
        match (program, args) {
            ("modprobe", ["-r", "--", name]) => {
                let name = name.replace('-', "_");
                let kept = modules.lines().filter(|line| !line.starts_with(&format!("{name} ")));
                self.put("/proc/modules", &kept.map(|line| format!("{line}\n")).collect::<String>());
                let _ = fs::remove_dir_all(self.at(&format!("/sys/module/{name}")));
                good(String::new())
            }
            ("modprobe", ["--", "absent", ..]) => bad("modprobe: FATAL: Module absent not found"),
            ("modprobe", ["--", name, parameters @ ..]) => {
                let name = name.replace('-', "_");
                // The kernel shows the newest first. That is no state that anybody could put back.
                let own = format!("{name} 1 0 - Live 0x0");
                let mut lines: Vec<&str> = modules.lines().chain([own.as_str()]).collect();
                lines.sort_unstable();
                self.put("/proc/modules", &(lines.join("\n") + "\n"));
                for (key, value) in parameters.iter().filter_map(|parameter| parameter.split_once('=')) {
                    self.put(&format!("/sys/module/{name}/parameters/{key}"), &format!("{value}\n"));
                }
                good(String::new())
            }
            // As the real one: what the kernel is given is made of what people edit.
            ("update-grub", []) => {
                let above = self.0.parent().expect("below the host");
                let settings = fs::read_to_string(above.join("etc/default/grub")).expect("there");
                let value =
                    settings.lines().find_map(|line| line.strip_prefix("GRUB_CMDLINE_LINUX_DEFAULT="));
                let value = value.unwrap_or("\"\"").trim_matches('"');
                let text = format!("menuentry 'Linux' {{\n\tlinux /vmlinuz root=/dev/sda1 ro {value}\n}}\n");
                fs::write(above.join("boot/grub/grub.cfg"), text).expect("written");
                good(String::new())
            }
            ("systemctl", ["show", _, "--", unit]) => match self.get(&format!("/units/{unit}")) {
                Err(_) => good("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n".to_owned()),
                Ok(text) => {
                    let (active, enabled) = text.split_once(' ').expect("two words");
                    good(format!("LoadState=loaded\nActiveState={active}\nUnitFileState={enabled}\n"))
                }
            },
            ("systemctl", ["daemon-reload"]) => good(String::new()),
            ("systemctl", ["reboot"]) => {
                self.put("/rebooted", "1");
                good(String::new())
            }
            ("systemctl", [_, "--", unit]) if unit.starts_with("vmwright-after-") => good(String::new()),
            ("systemctl", [verb, "--", unit]) => {
                let text = self.get(&format!("/units/{unit}")).expect("there");
                let (active, enabled) = text.split_once(' ').expect("two words");
                let text = match *verb {
                    "start" => format!("active {enabled}"),
                    "stop" => format!("inactive {enabled}"),
                    "enable" => format!("{active} enabled"),
                    _ => format!("{active} disabled"),
                };
                self.put(&format!("/units/{unit}"), &text);
                good(String::new())
            }
            ("ovs-vsctl", ["--timeout=20", words @ ..]) => match words {
                ["br-exists", "ovs0"] => good(String::new()),
                ["--if-exists", "get", "Bridge", bridge, what] => {
                    let Ok(mark) = self.get(&format!("/ovs-bridges/{bridge}")) else {
                        return good(String::new());
                    };
                    good(format!("{}\n", if *what == "name" { *bridge } else { &mark }))
                }
                ["add-br", bridge, "--", "set", "Bridge", _, mark] => {
                    self.put(&format!("/ovs-bridges/{bridge}"), mark.split_once('=').expect("a mark").1);
                    good(String::new())
                }
                ["del-br", bridge] => {
                    self.remove(&format!("/ovs-bridges/{bridge}"));
                    good(String::new())
                }
                ["list-ports", _] => good(String::new()),
                ["--if-exists", "get", "Port", port, what] => {
                    let Ok(text) = self.get(&format!("/ovs/{port}")) else { return good(String::new()) };
                    let (tag, mark) = text.split_once(' ').expect("two words");
                    good(format!("{}\n", if *what == "tag" { tag } else { mark }))
                }
                ["--if-exists", "get", "Interface", _, "ofport"] => good("65534\n".to_owned()),
                ["--if-exists", "get", "Interface", ..] => good("\"\"\n".to_owned()),
                ["port-to-br", _] => good("ovs0\n".to_owned()),
                ["add-port", "ovs0", port, tag, "--", "set", "Port", _, mark] => {
                    let (tag, mark) =
                        (tag.trim_start_matches("tag="), mark.split_once('=').expect("a mark").1);
                    self.put(&format!("/ovs/{port}"), &format!("{tag} {mark}"));
                    good(String::new())
                }
                ["del-port", port] => {
                    self.remove(&format!("/ovs/{port}"));
                    good(String::new())
                }
                _ => bad("ovs-vsctl: unknown"),
            },
            ("lvs", [.., "lv_active", "vg0/data"]) => {
                good(format!("  {}\n", self.get("/volumes").expect("kept")))
            }
            ("lvchange", ["--activate", to, "vg0/data"]) => {
                self.put("/volumes", if *to == "y" { "active" } else { "" });
                good(String::new())
            }
            ("virsh", ["-q", "-c", "qemu:///system", verb, words @ ..]) => {
                let network = format!("/networks/{}", words.last().expect("a name"));
                let Ok(text) = self.get(&network) else { return bad("error: failed to get network") };
                let (active, enabled) = text.split_once(' ').expect("two words");
                let text = match (*verb, words[0]) {
                    ("net-info", _) => {
                        let said = format!("Name:           default\nActive:         {active}\n");
                        return good(format!("{said}Persistent:     yes\nAutostart:      {enabled}\n"));
                    }
                    ("net-autostart", "--disable") => format!("{active} no"),
                    ("net-autostart", _) => format!("{active} yes"),
                    ("net-start", _) => format!("yes {enabled}"),
                    _ => format!("no {enabled}"),
                };
                self.put(&network, &text);
                good(String::new())
            }
            ("rbd", _) => self.rbd(args),
            // Images are files, and files are real.
            ("qemu-img", _) => Live.run(program, args),
            _ => Err(RunError::Absent(program)),
        }
    }
}

pub(crate) fn binding(driver: Option<&str>, only: Option<&str>) -> Binding {
    Binding { driver: driver.map(str::to_owned), only: only.map(str::to_owned) }
}

fn sysfs(path: &str, from: &str, to: &str) -> Action {
    Action::Sysfs { path: path.into(), from: from.into(), to: to.into() }
}

fn sysctl(from: &str, to: &str) -> Action {
    Action::Sysctl { key: "net/ipv4/ip_forward".into(), from: from.into(), to: to.into() }
}

fn pages(node: Option<u32>, from: u64, to: u64) -> Action {
    Action::HugePages { node, size_kib: 2048, from, to }
}

/// A GPU-like device to a guest, with all that goes with it: files, modules, values, driver, service.
fn passthrough(host: &Host) -> Plan {
    let state = |active, enabled| ServiceState { active, enabled };
    let unit = "libvirtd.service";
    let text = "options vfio-pci ids=144d:a808\n";
    plan(
        [
            Action::Service { unit: unit.into(), from: state(true, true), to: state(false, false) },
            Action::FileCreate { path: host.path("srv/vfio.conf"), text: text.into(), mode: 0o644 },
            Action::ModuleLoad { module: "vfio-pci".into(), parameters: vec!["disable_idle_d3=1".into()] },
            sysctl("0", "1"),
            sysfs("/sys/kernel/mm/ksm/run", "1", "0"),
            sysfs("/sys/kernel/mm/transparent_hugepage/enabled", "madvise", "never"),
            pages(None, 0, 256),
            pages(Some(0), 0, 128),
            to_vfio_pci(),
            Action::Service { unit: unit.into(), from: state(false, false), to: state(true, true) },
        ]
        .map(|action| step(action, None))
        .to_vec(),
    )
}

/// The device from its own driver to vfio-pci.
fn to_vfio_pci() -> Action {
    Action::DriverBind {
        device: DEVICE.into(),
        from: binding(Some("nvme"), None),
        to: binding(Some("vfio-pci"), Some("vfio-pci")),
    }
}

#[test]
fn a_device_changes_hands_and_comes_back() {
    let host = Host::new();
    let before = host.look();
    let mut plan = passthrough(&host);
    // The node's pages are a part of the host's: two steps on one thing are lint's, and its test's, to refuse.
    plan.steps.remove(7);
    assert_eq!(vmwright_plan::lint(&plan), []);
    let approved = host.approver.approve(&plan);
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert_eq!(
        host.system().link(&format!("/sys/bus/pci/devices/{DEVICE}/driver")).expect("bound"),
        "vfio-pci"
    );
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

/// A guest that does not let go of what is unplugged has it open still.
#[test]
fn a_device_that_somebody_holds_is_not_taken_away_and_nobody_waits_for_it() {
    let host = Host::new();
    let before = host.look();
    let plan = plan(vec![step(to_vfio_pci(), None)]);
    let approved = host.approver.approve(&plan);
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    let holder = format!("/sys/bus/pci/devices/{DEVICE}/holder");
    host.system().put(&holder, "qemu-system-x86 (pid 7)");
    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.state, RunState::UndoIncomplete, "{undone:?}");
    let told = format!("{undone:?}");
    assert!(told.contains("in use by qemu-system-x86 (pid 7)"), "{told}");
    host.system().remove(&holder);
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

#[test]
fn a_crash_at_every_boundary_leaves_nothing_that_cannot_be_undone() {
    let host = Host::new();
    let before = host.look();
    let mut plan = passthrough(&host);
    plan.steps.remove(7);
    let approved = host.approver.approve(&plan);
    for at in 0..plan.steps.len() {
        for point in
            [Point::AfterIntent(at), Point::AfterDo(at), Point::AfterVerify(at), Point::AfterDone(at)]
        {
            let error = host.apply(&plan, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
            let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };
            let found = host.recover();
            assert!(found[0].undo_possible, "{point:?}: {found:?}");
            let undone = host.undo(&run, &mut Hooks::default()).expect("begun");
            assert_eq!(undone.state, RunState::Undone, "{point:?}: {undone:?}");
            assert_eq!(host.look(), before, "{point:?}");
        }
    }
}

#[test]
fn a_binding_that_was_cut_off_half_way_is_seen_and_undone() {
    for (driver, only) in [(Some("nvme"), "vfio-pci\n"), (None, "vfio-pci\n")] {
        let host = Host::new();
        let system = host.system();
        let before = host.look();
        let plan = plan(vec![step(to_vfio_pci(), None)]);
        let approved = host.approver.approve(&plan);
        let crash = &mut Hooks::crash_at(Point::AfterIntent(0));
        let ApplyError::Injected { run, .. } = host.apply(&plan, &approved, crash).expect_err("it crashes")
        else {
            panic!("another error");
        };
        let at = format!("/sys/bus/pci/devices/{DEVICE}");
        system.put(&format!("{at}/driver_override"), only);
        if driver.is_none() {
            system.write(&format!("{at}/driver/unbind"), DEVICE).expect("free");
        }
        let found = host.recover();
        assert!(
            matches!(&found[0].steps[0].found, Found::OutcomeUnknown(why) if why.contains("half done")),
            "{found:?}"
        );
        assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
        assert_eq!(host.look(), before);
    }
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_stays() {
    let gone = |what: &str| format!("{what} does not exist");
    let state = |active, enabled| ServiceState { active, enabled };
    for (action, why) in [
        (pages(None, 0, 1000), "is 512 where 1000 were asked for".to_owned()),
        (
            Action::ModuleLoad { module: "absent".into(), parameters: vec![] },
            "Module absent not found".to_owned(),
        ),
        (
            Action::ModuleUnload { module: "kvm".into(), parameters: vec![] },
            "module kvm is used by 1 (kvm_amd); expected used by nothing".to_owned(),
        ),
        (sysfs("/sys/kernel/mm/ksm/no", "1", "0"), gone("/sys/kernel/mm/ksm/no")),
        (sysctl("1", "0"), "is `0`; expected `1`".to_owned()),
        (
            Action::Service { unit: "no.service".into(), from: state(true, true), to: state(false, true) },
            gone("unit no.service"),
        ),
        (
            Action::DriverBind {
                device: DEVICE.into(),
                from: binding(Some("nvme"), None),
                to: binding(Some("vfio-pci"), None),
            },
            "No such device".to_owned(),
        ),
    ] {
        let host = Host::new();
        let before = host.look();
        let plan = plan(vec![step(action, None)]);
        let approved = host.approver.approve(&plan);
        let said = match host.apply(&plan, &approved, &mut Hooks::default()) {
            Err(ApplyError::Expect { source, .. }) => source.chain(),
            Err(error) => error.to_string(),
            Ok(report) => {
                assert_eq!(report.state, RunState::Undone, "{report:?}");
                report.stopped.expect("stopped").why
            }
        };
        assert!(said.contains(&why), "{said}");
        assert_eq!(host.look(), before, "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_undone_is_as_it_was(
        ksm in 0..3_u8, to in 0..3_u8, forward: bool, had in 0..=ROOM, wanted in 0..=ROOM,
        enabled: bool, active: bool, on: bool, run: bool, bound: bool, text in "[ -~]{0,40}",
    ) {
        let host = Host::new();
        let system = host.system();
        system.put("/sys/kernel/mm/ksm/run", &format!("{ksm}\n"));
        let bit = |set: bool| if set { "1" } else { "0" };
        system.put("/proc/sys/net/ipv4/ip_forward", &format!("{}\n", bit(forward)));
        system.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", &format!("{had}\n"));
        let words = (if active { "active" } else { "inactive" }, if enabled { "enabled" } else { "disabled" });
        system.put("/units/libvirtd.service", &format!("{} {}", words.0, words.1));
        if !bound {
            system.write(&format!("/sys/bus/pci/devices/{DEVICE}/driver/unbind"), DEVICE).expect("free");
        }
        let unit = Action::Service {
            unit: "libvirtd.service".into(),
            from: ServiceState { active, enabled },
            to: ServiceState { active: on, enabled: run },
        };
        let device = Action::DriverBind {
            device: DEVICE.into(),
            from: binding(bound.then_some("nvme"), None),
            to: binding(Some("vfio-pci"), Some("vfio-pci")),
        };
        let file = Action::FileCreate { path: host.path("srv/new"), text, mode: 0o600 };
        let actions = [
            sysfs("/sys/kernel/mm/ksm/run", &ksm.to_string(), &to.to_string()),
            sysctl(bit(forward), bit(!forward)),
            pages(None, had, wanted),
            unit,
            device,
            file,
        ];
        let changes = |action: &Action| vmwright_plan::lint(&plan(vec![step(action.clone(), None)])).is_empty();
        let steps: Vec<_> = actions.into_iter().filter(changes).map(|action| step(action, None)).collect();
        let before = host.look();
        let plan = plan(steps);
        let approved = host.approver.approve(&plan);
        let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
        prop_assert_eq!(report.state, RunState::Applied, "{:?}", report);
        let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
        prop_assert_eq!(undone.state, RunState::Undone, "{:?}", undone);
        prop_assert_eq!(host.look(), before);
    }
}

/// What the made-up host and the real kernel must have in common.
fn same(system: &dyn System) {
    let key = "/proc/sys/net/ipv4/ip_forward";
    let found = system.read(key).expect("a value");
    assert!(matches!(&*found, "0\n" | "1\n"), "{found:?}");
    system.write(key, "1").expect("ours");
    assert_eq!(system.read(key).expect("a value"), "1\n");
    system.write(key, "0").expect("ours");
    assert_eq!(system.read(key).expect("a value"), "0\n");
    assert_eq!(system.read("/proc/sys/net/ipv4/no").expect_err("absent").kind(), ErrorKind::NotFound);
    assert_eq!(system.write("/proc/sys/net/ipv4/no", "1").expect_err("absent").kind(), ErrorKind::NotFound);
    let device = "/sys/bus/pci/devices/ffff:ff:1f.7/driver";
    assert_eq!(system.link(device).expect_err("absent").kind(), ErrorKind::NotFound);
    let words = system.read("/proc/sys/net/ipv4/tcp_rmem").expect("a value");
    assert_eq!(words.split_whitespace().count(), 3, "{words:?}");
    assert!(matches!(system.run("no-such-program", &[]), Err(RunError::Absent("no-such-program"))));
}

#[test]
fn the_kernel_and_the_made_up_host_answer_alike() {
    let name = "system::the_kernel_and_the_made_up_host_answer_alike";
    if is_child() {
        same(&Live);
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    same(&MadeUp::make(&dir.path().join("system")));
    // In a network namespace of its own the parameters of the network are its own too.
    if let Err(why) = again_in(&["--net"], name) {
        eprintln!("SKIPPED the kernel's half of {name}: no network namespace ({why})");
    }
}

#[test]
fn no_path_leads_out_of_the_kernels_files() {
    for path in ["/etc/passwd", "/sys/../etc/passwd", "/proc/self/root/etc/passwd", "/proc/self/exe"] {
        assert!(Live.read(path).is_err(), "{path}");
        assert!(Live.write(path, "").is_err(), "{path}");
    }
}

/// A process that has a file open until it is ended.
struct Holding(std::process::Child);

impl Holding {
    fn new(file: &Path) -> Self {
        fs::create_dir_all(file.parent().expect("below a folder")).expect("made");
        fs::write(file, "").expect("written");
        let file = fs::File::open(file).expect("there");
        Self(std::process::Command::new("sleep").arg("600").stdin(file).spawn().expect("begun"))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it ends");
    }
}

/// Who has a device open, as `/proc` tells it of real processes: by the group's node, by the device's own, and by one in a
/// jail. The nodes are plain files, which only their paths tell from the kernel's.
#[test]
fn whoever_has_a_device_open_is_found() {
    let name = "system::whoever_has_a_device_open_is_found";
    if !is_child() {
        if let Err(why) = again_in(&["--mount", "--propagation", "private"], name) {
            eprintln!("SKIPPED {name}: no mount namespace ({why})");
        }
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    for place in ["/sys", "/dev"] {
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "none", place]).status();
        assert!(mounted.expect("run").success(), "{place}");
    }
    let device = Path::new("/sys/bus/pci/devices").join(DEVICE);
    fs::create_dir_all(device.join("vfio-dev/vfio3")).expect("made");
    std::os::unix::fs::symlink("../../../../kernel/iommu_groups/7", device.join("iommu_group"))
        .expect("linked");
    let holder = || Live.holder(DEVICE).expect("the processes are listed");
    let told = |holding: &Holding| Some(format!("sleep (pid {})", holding.0.id()));
    assert_eq!(holder(), None);
    for file in [
        PathBuf::from("/dev/vfio/7"),
        PathBuf::from("/dev/vfio/devices/vfio3"),
        dir.path().join("jail/root/dev/vfio/7"),
    ] {
        let holding = Holding::new(&file);
        assert_eq!(holder(), told(&holding), "{}", file.display());
        drop(holding);
        assert_eq!(holder(), None, "{}", file.display());
    }
    // Other devices' nodes, and VFIO's own, which every user of VFIO has open.
    for file in ["/dev/vfio/17", "/dev/vfio/devices/vfio30", "/dev/vfio/vfio", "/dev/vfio/7/7"] {
        let (file, group) = (Path::new(file), Path::new("/dev/vfio/7"));
        if group.is_file() {
            fs::remove_file(group).expect("there");
        }
        let _holding = Holding::new(file);
        assert_eq!(holder(), None, "{}", file.display());
    }
    // Without an IOMMU group there is nothing to hold it by but its own node.
    fs::remove_file(device.join("iommu_group")).expect("there");
    assert_eq!(holder(), None);
    let own = Holding::new(Path::new("/dev/vfio/devices/vfio3"));
    assert_eq!(holder(), told(&own));
}
