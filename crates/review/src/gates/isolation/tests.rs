use super::observe::Foreign;
use super::outward::{Outward, Tried};
use super::reach::may_open;
use super::*;
use crate::gates::tests_support::spec;
use crate::scope::Owner;
use vmwright_model::GateOutcome;
use vmwright_model::machine::{HostDevice, HostDeviceKind};

const STATUS: &str = "Name:\tqemu-system-x86\nUid:\t64055\t64055\t64055\t64055\nGid:\t64055\t64055\t64055\t64055\nGroups:\t104 \n\
                      CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";

fn held() -> Observed {
    let none = || Err(Missing::Absent);
    let thread = |name: &str| Thread { name: name.to_owned(), seccomp: Some(2) };
    let words = ["qemu-system-x86_64", "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];
    Observed {
        pid: Some(77),
        status: Ok(STATUS.to_owned()),
        threads: Ok(vec![thread("qemu-system-x86"), thread("CPU 0/TCG")]),
        words: Ok(words.map(str::to_owned).to_vec()),
        namespaces: vec![("mnt", Ok("mnt:[1]".to_owned()), Ok("mnt:[1]".to_owned()))],
        uid_map: Ok("         0          0 4294967295\n".to_owned()),
        group: Ok("/machine/a".to_owned()),
        limits: vec![("memory.max", Ok("max\n".to_owned()))],
        label: none(),
        apparmor: false,
        selinux: false,
        ksm: Ok("0\n".to_owned()),
        merging: none(),
        smt: Ok("1\n".to_owned()),
        iommu_groups: Err(Missing::Absent),
        vfio: Vec::new(),
        open: Ok(vec!["/images/a.raw".to_owned()]),
        controls: vec![file("", "/run/a/qmp", (0, 0, 0o140_600), 0o755)],
        foreign: vec![file("b", "/images/b.raw", (0, 0, 0o100_600), 0o755)],
        outward: Some(outward(Ok(Err("timed out".to_owned())))),
    }
}

/// One service of the host that was tried from the guest.
fn outward(reached: Result<Result<(), String>, String>) -> Outward {
    let tried = Tried { what: "libvirt's daemon".to_owned(), to: "10.0.2.2:16509".to_owned(), reached };
    Outward { silent: None, dark: None, tried: vec![tried], left: 0 }
}

fn file(vm: &str, path: &str, (uid, gid, mode): (u32, u32, u32), above: u32) -> Foreign {
    Foreign {
        vm: vm.to_owned(),
        path: path.to_owned(),
        owner: Ok(Owner { uid, gid, mode }),
        above: vec![Ok(Owner { uid: 0, gid: 0, mode: 0o040_000 | above })],
    }
}

fn failure(seen: &Observed, spec: &MachineSpec) -> String {
    match judge(seen, spec).outcome {
        GateOutcome::Fail(why) => why,
        other => panic!("{other:?} is no failure"),
    }
}

#[test]
fn a_vmm_that_is_held_in_every_way_passes() {
    let judged = judge(&held(), &spec());
    assert_eq!(judged.outcome, GateOutcome::Pass);
    let of = |name: &str| judged.checks.iter().find(|check| check.name == name).unwrap().outcome.word();
    for name in ["user", "capabilities", "seccomp", "sandbox", "controls", "other VMs", "merging", "listeners"] {
        assert_eq!(of(name), "pass", "{name}");
    }
    assert_eq!((of("iommu"), of("label")), ("not applicable", "not applicable"));
}

#[test]
fn root_and_capabilities_fail_unless_they_end_with_a_namespace() {
    let mut seen = held();
    let root = STATUS.replace("64055", "0").replace("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff");
    seen.status = Ok(root);
    let why = failure(&seen, &spec());
    assert!(why.contains("runs as root") && why.contains("CAP_SYS_ADMIN") && why.contains("may open files of vm b"), "{why}");
    seen.uid_map = Ok("0 100000 65536\n".to_owned());
    seen.foreign.clear();
    assert_eq!(judge(&seen, &spec()).outcome, GateOutcome::Pass);
}

#[test]
fn each_thread_counts_for_seccomp_and_each_part_for_the_sandbox() {
    let mut seen = held();
    if let Ok(threads) = &mut seen.threads {
        threads[1].seccomp = Some(0);
    }
    assert_eq!(failure(&seen, &spec()), "1 of 2 threads of the VMM are not held by seccomp: CPU 0/TCG");
    seen.threads = Ok(vec![Thread { name: "a".to_owned(), seccomp: Some(0) }]);
    assert!(failure(&seen, &spec()).starts_with("no thread of the VMM is held by seccomp"));
    let mut seen = held();
    seen.words = Ok(vec!["/usr/bin/qemu".to_owned()]);
    assert_eq!(failure(&seen, &spec()), "QEMU was started without -sandbox");
    seen.words = Ok(["qemu", "-sandbox", "on,obsolete=deny,spawn=allow"].map(str::to_owned).to_vec());
    assert_eq!(failure(&seen, &spec()), "-sandbox leaves elevateprivileges, spawn, resourcecontrol allowed");
    // Who becomes another user by itself needs its right to; the kernel then denies it any further one.
    let becomes = ["qemu", "-sandbox", "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny"];
    let with = |more: &[&str]| Ok([&becomes, more].concat().into_iter().map(str::to_owned).collect());
    seen.words = with(&["-run-with", "user=1900000000:1900000000"]);
    assert_eq!(judge(&seen, &spec()).outcome, GateOutcome::Pass);
    seen.status = Ok(STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"));
    assert_eq!(failure(&seen, &spec()), "-sandbox leaves elevateprivileges allowed");
    (seen.status, seen.words) = (Ok(STATUS.to_owned()), with(&[]));
    assert_eq!(failure(&seen, &spec()), "-sandbox leaves elevateprivileges allowed");
    seen.words = Err(Missing::Denied);
    assert!(matches!(judge(&seen, &spec()).outcome, GateOutcome::Unknown(_)));
}

#[test]
fn reach_is_decided_as_the_kernel_does() {
    let who = |uid, gid| Credentials { uid, gid, ..Credentials::default() };
    let theirs = file("b", "/x", (7, 8, 0o100_640), 0o711);
    assert_eq!(may_open(&who(7, 1), &theirs, 4), Some(true));
    assert_eq!(may_open(&who(9, 8), &theirs, 4), Some(true), "by its group");
    assert_eq!(may_open(&who(9, 8), &theirs, 2), Some(false));
    assert_eq!(may_open(&who(9, 9), &theirs, 4), Some(false));
    assert_eq!(may_open(&who(7, 1), &file("b", "/x", (7, 8, 0o100_640), 0o700), 4), Some(false), "no way there");
    // The owner's class decides for the owner, even where others have more.
    assert_eq!(may_open(&who(7, 1), &file("b", "/x", (7, 8, 0o100_044), 0o711), 4), Some(false));
    let mut dark = theirs;
    dark.owner = Err(Missing::Denied);
    assert_eq!(may_open(&who(7, 1), &dark, 4), None);
}

#[test]
fn other_vms_files_and_open_controls_fail() {
    let mut seen = held();
    seen.foreign = vec![file("b", "/images/b.raw", (64055, 0, 0o100_600), 0o755)];
    assert!(failure(&seen, &spec()).contains("may open files of vm b (`/images/b.raw`)"));
    // A label that confines keeps it from them.
    seen.apparmor = true;
    seen.label = Ok("libvirt-1-2 (enforce)\n".to_owned());
    assert_eq!(judge(&seen, &spec()).outcome, GateOutcome::Pass);
    seen.label = Ok("libvirt-1-2 (complain)\n".to_owned());
    assert!(failure(&seen, &spec()).contains("only complains"));
    let mut seen = held();
    seen.open = Ok(vec!["/images/b.raw".to_owned()]);
    assert!(failure(&seen, &spec()).contains("which belongs to another VM"));
    let mut seen = held();
    seen.controls = vec![file("", "/run/qmp", (0, 0, 0o140_777), 0o755)];
    assert_eq!(failure(&seen, &spec()), "any user of this host may control the VM by `/run/qmp`");
}

#[test]
fn merging_listeners_and_assigned_devices() {
    let mut seen = held();
    (seen.ksm, seen.merging) = (Ok("1\n".to_owned()), Ok("12\n".to_owned()));
    assert!(failure(&seen, &spec()).contains("KSM has merged 12 pages"));
    let mut asked = spec();
    asked.memory.merge = Some(true);
    assert_eq!(judge(&seen, &asked).outcome, GateOutcome::Pass);
    let listens = |option: &str, value: &str| {
        let mut seen = held();
        if let Ok(words) = &mut seen.words {
            words.extend([option.to_owned(), value.to_owned()]);
        }
        matches!(judge(&seen, &spec()).outcome, GateOutcome::Fail(_))
    };
    assert!(listens("-vnc", "0.0.0.0:1") && listens("-vnc", ":1") && listens("-qmp", "tcp:0.0.0.0:4444,server"));
    assert!(listens("-chardev", "socket,id=m,host=0.0.0.0,port=4444,server=on"));
    assert!(!listens("-vnc", "127.0.0.1:1") && !listens("-qmp", "unix:/run/qmp,server") && !listens("-vnc", "none"));
    assert!(!listens("-chardev", "socket,id=m,path=/run/x,server=on"));
    let mut assigned = spec();
    assigned.host_devices = vec![HostDevice::of(HostDeviceKind::Pci, "0000:01:00.0")];
    assert!(failure(&held(), &assigned).contains("no IOMMU"));
}

#[test]
fn a_limit_that_is_not_in_force_fails() {
    let mut limited = spec();
    limited.limits.memory = Some("1GiB".to_owned());
    assert!(failure(&held(), &limited).contains("memory.max of the VMM's control group is `max`"));
    let mut seen = held();
    seen.limits = vec![("memory.max", Ok("1073741824\n".to_owned()))];
    assert_eq!(judge(&seen, &limited).outcome, GateOutcome::Pass);
    let mut jailed = spec();
    jailed.process.jailer = Some(true);
    assert!(failure(&held(), &jailed).contains("shares the host's namespace `mnt`"));
}

#[test]
fn what_the_guest_reaches_of_the_host_fails_and_what_was_not_tried_is_not_passed() {
    let after = |outward: Option<Outward>, reach: &[&str]| {
        let mut asked = spec();
        asked.review.reach = reach.iter().map(|&to| to.to_owned()).collect();
        judge(&Observed { outward, ..held() }, &asked).outcome
    };
    let reached = || Some(outward(Ok(Ok(()))));
    assert_eq!(
        after(reached(), &[]),
        GateOutcome::Fail("the guest reaches libvirt's daemon at 10.0.2.2:16509".to_owned())
    );
    assert_eq!(after(reached(), &["10.0.2.2:16509"]), GateOutcome::Pass, "as the specification wants");
    assert_eq!(after(None, &[]), GateOutcome::Pass, "no network");
    let good = || outward(Ok(Err("timed out".to_owned())));
    for dark in [
        outward(Err("it has no bash".to_owned())),
        Outward { silent: Some("the guest does not answer".to_owned()), ..good() },
        Outward { dark: Some(Missing::Absent), ..good() },
        Outward { left: 3, ..good() },
    ] {
        assert_eq!(after(Some(dark), &[]).word(), "unknown");
    }
}
