//! What needs the kernel's namespaces: full and read-only disks, bridges. Each test runs itself again in its own,
//! so that nothing of the host is touched.

use crate::common::{Hooks, Host, again_in, is_child, plan, step};
use std::path::{Path, PathBuf};
use std::process::Command;
use vmwright_apply::log::LogError;
use vmwright_apply::recover::Found;
use vmwright_apply::report::StopKind;
use vmwright_apply::{ActionError, ApplyError, Event};
use vmwright_apply::{Fault, Point};
use vmwright_model::{Action, RunState};

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("run");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system in memory, for as long as it is held.
struct Tmpfs(PathBuf);

impl Drop for Tmpfs {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().expect("UTF-8")]);
    }
}

/// Mounts a file system of `size` in memory.
fn tmpfs(at: &Path, size: &str) -> Tmpfs {
    crate::common::mkdir(at);
    run(
        "mount",
        &["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "none", at.to_str().expect("UTF-8")],
    );
    Tmpfs(at.to_owned())
}

/// Fills a file system to the last byte.
fn fill(dir: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(dir.join("ballast")).expect("made");
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

const MOUNTS: [&str; 4] = ["--mount", "--propagation", "private", "--fork"];

#[test]
fn a_full_disk_changes_nothing() {
    if !is_child() {
        if let Err(why) = again_in(&MOUNTS, "namespaces::a_full_disk_changes_nothing") {
            eprintln!("SKIPPED a_full_disk_changes_nothing: no mount namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let _mounted = tmpfs(&host.state(), "1m");
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);

    // Full before the beginning: refused, and no half log is left.
    fill(&host.state());
    let error = host.apply(&plan, &approved, &mut Hooks::default()).expect_err("the disk is full");
    assert!(matches!(error, ApplyError::Log(LogError::Io { .. }) | ApplyError::Begin(_)), "{error}");
    assert_eq!(host.look(), before);
    assert!(host.recover().is_empty());

    // Full after the first step: room was set aside, so the run and its log come to their end.
    std::fs::remove_file(host.state().join("ballast")).expect("removed");
    let state = host.state();
    let mut hooks = Hooks::progress(|event| {
        if event == (Event::Done { step: 1 }) {
            fill(&state);
        }
    });
    let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
    assert_eq!((report.state, report.log_incomplete), (RunState::Applied, None));
    std::fs::remove_file(host.state().join("ballast")).expect("removed");
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

#[test]
fn a_full_disk_under_the_target_takes_everything_back() {
    let name = "namespaces::a_full_disk_under_the_target_takes_everything_back";
    if !is_child() {
        if let Err(why) = again_in(&MOUNTS, name) {
            eprintln!("SKIPPED {name}: no mount namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let specs = host.dir.path().join("specs");
    let _mounted = tmpfs(&specs, "64k");
    let path = specs.join("m.toml");
    std::fs::write(&path, crate::common::SPEC).expect("written");
    let path = path.to_str().expect("UTF-8").to_owned();
    let mode = Action::FileMode { path: host.path("srv/images"), from: 0o700, to: 0o711 };
    let edit = Action::EditSpec {
        path: path.clone(),
        key: "cpu.count".into(),
        from: Some("2".into()),
        to: Some("3".into()),
    };
    let plan = plan(vec![step(mode, None), step(edit, None)]);
    let approved = host.approver.approve(&plan);
    fill(&specs);
    let before = host.look();
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    let stop = report.stopped.expect("stopped");
    assert_eq!((report.state, stop.step, stop.kind), (RunState::Undone, 2, StopKind::Failed));
    assert!(stop.why.contains("No space left on device"), "{}", stop.why);
    assert_eq!(host.look(), before, "and no half file lies beside it");

    // Read-only is known before the first step.
    run("mount", &["-o", "remount,ro", specs.to_str().expect("UTF-8")]);
    let error = host.apply(&plan, &approved, &mut Hooks::default()).expect_err("it cannot be written");
    assert!(
        matches!(&error, ApplyError::Expect { step: 2, source: ActionError::ReadOnly(read_only) } if *read_only == path),
        "{error}"
    );
    assert_eq!(host.look(), before);
}

#[test]
fn a_full_boot_partition_is_seen_before_anything_is_made() {
    use vmwright_model::plan::{Generator, Setting};
    let name = "namespaces::a_full_boot_partition_is_seen_before_anything_is_made";
    if !is_child() {
        if let Err(why) = again_in(&MOUNTS, name) {
            eprintln!("SKIPPED {name}: no mount namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let made = std::fs::read(host.path("boot/grub/grub.cfg")).expect("read");
    let _mounted = tmpfs(&host.dir.path().join("boot/grub"), "2m");
    std::fs::write(host.path("boot/grub/grub.cfg"), made).expect("written");
    let setting =
        Setting::GrubParameter { variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(), parameter: "iommu".into() };
    let edit = Action::EditSetting {
        path: host.path("etc/default/grub"),
        setting,
        from: None,
        to: Some("iommu=pt".into()),
    };
    let make = Action::Regenerate {
        generator: Generator::UpdateGrub,
        outputs: vec![host.path("boot/grub/grub.cfg")],
        holds: vec!["iommu=pt".into()],
    };
    let plan = plan(vec![step(edit, None), step(make, None)]);
    let approved = host.approver.approve(&plan);
    fill(&host.dir.path().join("boot/grub"));
    let before = host.look();
    let error = host.apply(&plan, &approved, &mut Hooks::default()).expect_err("there is no room");
    assert!(
        matches!(&error, ApplyError::Expect { step: 2, source: ActionError::NoRoom { free, .. } } if *free < 1 << 20),
        "{error}"
    );
    assert_eq!(host.look(), before);
    // With room it is made, and the old bytes come back.
    std::fs::remove_file(host.path("boot/grub/ballast")).expect("removed");
    let before = host.look();
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

fn interface(name: &str) -> Option<String> {
    let output = Command::new("ip").args(["-d", "addr", "show", "dev", name]).output().expect("run");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn add(name: &str, address: Option<&str>) -> Action {
    Action::BridgeAdd { name: name.into(), address: address.map(Into::into) }
}

#[test]
fn a_bridge_is_made_and_taken_away() {
    let name = "namespaces::a_bridge_is_made_and_taken_away";
    if !is_child() {
        if let Err(why) = again_in(&["--net"], name) {
            eprintln!("SKIPPED {name}: no network namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let both = plan(vec![
        step(add("vmw0", Some("10.213.0.1/24")), None),
        step(add("vmw6", Some("fd00:213::1/64")), None),
    ]);
    let approved = host.approver.approve(&both);
    let report = host.apply(&both, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    let made = interface("vmw0").expect("it was made");
    assert!(
        made.contains("10.213.0.1/24") && made.contains("UP") && made.contains("bridge forward_delay"),
        "{made}"
    );
    assert!(interface("vmw6").expect("it was made").contains("fd00:213::1/64"));

    // What it expects is not so any more.
    let again = host.apply(&both, &approved, &mut Hooks::default()).expect_err("it is there");
    assert!(again.to_string().contains("step 1"), "{again}");
    let taken = plan(vec![step(add("vmw1", Some("10.213.0.1/16")), None)]);
    let error = host.apply(&taken, &host.approver.approve(&taken), &mut Hooks::default()).expect_err("taken");
    let ApplyError::Expect { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "address 10.213.0.1 is taken by interface vmw0; expected free");

    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.state, RunState::Undone, "{undone:?}");
    assert_eq!((interface("vmw0"), interface("vmw6")), (None, None));
}

#[test]
fn a_bridge_that_is_in_use_or_not_ours_is_not_taken_away() {
    let name = "namespaces::a_bridge_that_is_in_use_or_not_ours_is_not_taken_away";
    if !is_child() {
        if let Err(why) = again_in(&["--net"], name) {
            eprintln!("SKIPPED {name}: no network namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let one = plan(vec![step(add("vmw0", Some("10.213.0.1/24")), None)]);
    let approved = host.approver.approve(&one);
    let run_it = || {
        let report = host.apply(&one, &approved, &mut Hooks::default()).expect("begun");
        assert_eq!(report.state, RunState::Applied, "{report:?}");
        report.run
    };
    let why_not = |run: &str| {
        let report = host.undo(run, &mut Hooks::default()).expect("begun");
        assert_eq!(report.state, RunState::UndoIncomplete);
        report.not_undone[0].why.clone()
    };

    let first = run_it();
    run("ip", &["tuntap", "add", "dev", "tap7", "mode", "tap"]);
    run("ip", &["link", "set", "tap7", "master", "vmw0"]);
    assert_eq!(why_not(&first), "bridge vmw0 has the ports tap7; unplug them first");
    run("ip", &["link", "del", "tap7"]);
    run("ip", &["addr", "add", "192.0.2.1/24", "dev", "vmw0"]);
    assert!(why_not(&first).contains("with 192.0.2.1/24 too"));
    run("ip", &["addr", "del", "192.0.2.1/24", "dev", "vmw0"]);
    assert_eq!(host.undo(&first, &mut Hooks::default()).expect("begun").state, RunState::Undone);

    // Somebody took it away and made one of their own.
    let second = run_it();
    run("ip", &["link", "del", "vmw0"]);
    run("ip", &["link", "add", "vmw0", "type", "bridge"]);
    assert!(why_not(&second).contains("the bridge that vmwright made"));
    run("ip", &["link", "del", "vmw0"]);
    let report = host.undo(&second, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Undone, "gone is as before");
}

#[test]
fn a_tap_device_is_plugged_in_and_taken_away() {
    let name = "namespaces::a_tap_device_is_plugged_in_and_taken_away";
    if !is_child() {
        if let Err(why) = again_in(&["--net"], name) {
            eprintln!("SKIPPED {name}: no network namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let tap = |bridge: Option<&str>| Action::TapAdd {
        name: "tap7".into(),
        user: 4242,
        bridge: bridge.map(Into::into),
    };
    let both = plan(vec![step(add("vmw0", None), None), step(tap(Some("vmw0")), None)]);
    assert_eq!(vmwright_plan::lint(&both), []);
    let report = host.apply(&both, &host.approver.approve(&both), &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert!(interface("tap7").expect("it was made").contains("master vmw0"));
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!((interface("tap7"), interface("vmw0")), (None, None));
    let gone = plan(vec![step(tap(Some("vmw0")), None)]);
    let gone =
        host.apply(&gone, &host.approver.approve(&gone), &mut Hooks::default()).expect_err("no bridge");
    assert!(
        matches!(&gone, ApplyError::Expect { source: ActionError::Gone(what), .. } if what == "bridge vmw0"),
        "{gone}"
    );
    run("ip", &["link", "add", "vmw0", "type", "bridge"]);
    let one = plan(vec![step(tap(Some("vmw0")), None)]);
    let approved = host.approver.approve(&one);
    for point in [Point::AfterIntent(0), Point::AfterDo(0), Point::AfterDone(0)] {
        let error = host.apply(&one, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
        let ApplyError::Injected { run: id, .. } = error else { panic!("{error}") };
        if point == Point::AfterDo(0) {
            // Cut off before it was plugged in.
            run("ip", &["link", "set", "tap7", "nomaster"]);
        }
        assert!(host.recover()[0].undo_possible, "{point:?}");
        assert_eq!(
            host.undo(&id, &mut Hooks::default()).expect("begun").state,
            RunState::Undone,
            "{point:?}"
        );
        assert_eq!(interface("tap7"), None, "{point:?}");
    }
    let report = host.apply(&one, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    let made = interface("tap7").expect("it was made");
    assert!(made.contains("master vmw0") && made.contains("UP") && made.contains("user 4242"), "{made}");
    // Somebody moved it.
    run("ip", &["link", "add", "vmw1", "type", "bridge"]);
    run("ip", &["link", "set", "tap7", "master", "vmw1"]);
    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.not_undone[0].why, "interface tap7 is in bridge vmw1; expected in bridge vmw0");
}

/// A real Open vSwitch with data paths in user space instead of the kernel's, and a bridge; behind it the rest of the
/// script runs. Where none is installed, the one that was unpacked for tests is laid over `/usr`.
const SWITCH: &str = r#"
    unpacked=${VMWRIGHT_TEST_PROGRAMS:-/no}
    command -v ovs-vsctl > /dev/null || {
        mount -t overlay none -o "lowerdir=$unpacked/usr:/usr" /usr
        mount -t overlay none -o "lowerdir=$unpacked/lib:/usr/lib" /usr/lib
    }
    mount -t tmpfs none /run
    mkdir -p /run/openvswitch
    schema=$(find /usr/share/openvswitch -name vswitch.ovsschema | head -n 1)
    daemon=$(command -v ovs-vswitchd || echo /usr/lib/openvswitch-switch/ovs-vswitchd)
    ovsdb-tool create /run/conf.db "$schema"
    ovsdb-server --remote=punix:/run/openvswitch/db.sock --unixctl=/run/d.ctl /run/conf.db & database=$!
    for _ in $(seq 100); do [ -S /run/openvswitch/db.sock ] && break; sleep 0.05; done
    ovs-vsctl --no-wait init
    "$daemon" --enable-dummy=system --unixctl=/run/v.ctl unix:/run/openvswitch/db.sock & switch=$!
    trap 'kill $switch $database' EXIT
    ovs-vsctl --timeout=30 add-br ovs0 -- set bridge ovs0 datapath_type=netdev
    ip link add vnet1 type veth peer name vnet2
    "$0" "$1" --exact --nocapture
"#;

#[test]
fn a_port_and_a_bridge_of_open_vswitch_come_and_go() {
    use vmwright_model::plan::OvsPort;
    let name = "namespaces::a_port_and_a_bridge_of_open_vswitch_come_and_go";
    if !is_child() {
        let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
        if !["/", &unpacked].iter().any(|root| Path::new(root).join("usr/bin/ovs-vsctl").exists()) {
            eprintln!("SKIPPED {name}: no Open vSwitch");
            return;
        }
        let output = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private", "bash", "-ec", SWITCH])
            .arg(std::env::current_exe().expect("a program"))
            .arg(name)
            .env("VMWRIGHT_TEST_CHILD", "1")
            .output()
            .expect("run");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !said.contains("running 1 test") {
            eprintln!("SKIPPED {name}: Open vSwitch does not come up here: {said}");
            return;
        }
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let host = Host::new();
    let state = |tag| OvsPort { bridge: "ovs0".into(), tag, internal: false };
    let port =
        |from: Option<OvsPort>, to: Option<OvsPort>| Action::OvsPort { port: "vnet1".into(), from, to };
    let show = || {
        let output = Command::new("ovs-vsctl").arg("show").output().expect("run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let before = show();
    let run_it = |action: Action| {
        let plan = plan(vec![step(action, None)]);
        assert_eq!(vmwright_plan::lint(&plan), []);
        let report = host.apply_live(&plan).expect("begun");
        assert_eq!(report.state, RunState::Applied, "{report:?}");
        report.run
    };
    let made = run_it(port(None, Some(state(Some(7)))));
    assert!(show().contains("Port vnet1\n            tag: 7"), "{}", show());
    let moved = run_it(port(Some(state(Some(7))), Some(state(None))));
    assert!(show().contains("Port vnet1\n            Interface"), "{}", show());
    assert_eq!(host.undo_live(&moved).expect("begun").state, RunState::Undone);
    assert!(show().contains("tag: 7"), "{}", show());
    assert_eq!(host.undo_live(&made).expect("begun").state, RunState::Undone);
    assert_eq!(show(), before);
    // A bridge comes and goes; one with a port, and somebody else's, stay.
    let bridge = || Action::OvsBridgeAdd { bridge: "ovs1".into() };
    let made = run_it(bridge());
    assert!(show().contains("Bridge ovs1"), "{}", show());
    let again = host.apply_live(&plan(vec![step(bridge(), None)])).expect_err("it is there");
    assert!(
        matches!(&again, ApplyError::Expect { source, .. } if source.chain().contains("absent")),
        "{again:?}"
    );
    run("ovs-vsctl", &["--no-wait", "add-port", "ovs1", "vnet9"]);
    let undone = host.undo_live(&made).expect("begun");
    assert_eq!(undone.state, RunState::UndoIncomplete, "{undone:?}");
    assert!(show().contains("Bridge ovs1"), "{}", show());
    run("ovs-vsctl", &["--no-wait", "del-port", "vnet9"]);
    assert_eq!(host.undo_live(&made).expect("begun").state, RunState::Undone);
    assert_eq!(show(), before);
    let others = plan(vec![step(Action::OvsBridgeRemove { bridge: "ovs0".into() }, None)]);
    let error = host.apply_live(&others).expect_err("it is another's");
    assert!(
        matches!(&error, ApplyError::Expect { source, .. } if source.chain().contains("another's")),
        "{error:?}"
    );
    // Somebody else's port, and a bridge that is not there.
    run("ovs-vsctl", &["add-port", "ovs0", "vnet1"]);
    let away = plan(vec![step(port(Some(state(None)), None), None)]);
    let error = host.apply_live(&away).expect_err("it is another's");
    assert!(
        matches!(&error, ApplyError::Expect { source, .. } if source.chain().contains("another's")),
        "{error:?}"
    );
    let nowhere = OvsPort { bridge: "ovs9".into(), ..state(None) };
    let error = host.apply_live(&plan(vec![step(
        Action::OvsPort { port: "vnet2".into(), from: None, to: Some(nowhere) },
        None,
    )]));
    let error = error.expect_err("no bridge");
    assert!(
        matches!(&error, ApplyError::Expect { source: ActionError::Gone(what), .. } if what.contains("ovs9")),
        "{error:?}"
    );
}

#[test]
fn a_crash_in_the_middle_of_making_a_bridge_is_seen_and_undone() {
    let name = "namespaces::a_crash_in_the_middle_of_making_a_bridge_is_seen_and_undone";
    if !is_child() {
        if let Err(why) = again_in(&["--net"], name) {
            eprintln!("SKIPPED {name}: no network namespace ({why})");
        }
        return;
    }
    let host = Host::new();
    let one = plan(vec![step(add("vmw0", Some("10.213.0.1/24")), None)]);
    let approved = host.approver.approve(&one);
    for (point, expected) in [(Point::AfterIntent(0), Found::Before), (Point::AfterDo(0), Found::After)] {
        let error = host.apply(&one, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
        let ApplyError::Injected { run, .. } = error else { panic!("{error}") };
        assert_eq!(host.recover()[0].steps[0].found, expected);
        assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
        assert_eq!(interface("vmw0"), None);
    }
    // Between the bridge and its address.
    let mut hooks = Hooks::fault(|point| match point {
        Point::AfterDo(0) => {
            run("ip", &["addr", "flush", "dev", "vmw0"]);
            Fault::Crash
        }
        _ => Fault::None,
    });
    let error = host.apply(&one, &approved, &mut hooks).expect_err("it crashes");
    let ApplyError::Injected { run, .. } = error else { panic!("{error}") };
    let found = host.recover();
    assert!(
        matches!(&found[0].steps[0].found, Found::OutcomeUnknown(why) if why.contains("half done")),
        "{found:?}"
    );
    assert!(found[0].undo_possible);
    assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(interface("vmw0"), None);
}
