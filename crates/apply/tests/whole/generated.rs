//! What undoes gives back what was: plans of generated steps on hosts in generated states, with every kind of action that
//! the made-up host has. What needs the kernel itself has tests of its own (`uplinks`, `namespaces`, `images`).

use crate::common::{Hooks, Host, chmod, plan, step};
use crate::system::binding;
use proptest::prelude::*;
use proptest::sample::subsequence;
use vmwright_model::machine::DiskFormat;
use vmwright_model::plan::{
    Base, DomainEdit, Generator, ImageFormat, OvsPort, Owner, QmpValue, RbdSnapshot, ServiceState, Setting,
    Trial,
};
use vmwright_model::{Action, RunState};
use vmwright_plan::canonical::sha256;

/// What a host and a plan are made of.
#[derive(Debug, Clone)]
struct Made {
    /// Contents before and after.
    texts: (String, String),
    /// Permission bits before and after.
    modes: (u32, u32),
    /// Values before and after, which differ.
    numbers: (u64, u64),
    /// Whether what can be on is on, before and after.
    states: (ServiceState, ServiceState),
    tag: Option<u16>,
    /// A name of a file, of any characters that one can have.
    name: String,
    /// Which of the steps there are, by number, in the order of their kinds.
    steps: Vec<usize>,
}

/// How many kinds of steps [`steps`] knows.
const KINDS: usize = 41;

fn made() -> impl Strategy<Value = Made> {
    let text = "[ -~\\n\u{e4}\u{20ac}]{0,200}";
    let mode = prop::sample::select(vec![0o600_u32, 0o640, 0o644, 0o700, 0o711, 0o755, 0o400]);
    let state =
        || (any::<bool>(), any::<bool>()).prop_map(|(active, enabled)| ServiceState { active, enabled });
    let different = (0..400_u64, 1..100_u64).prop_map(|(from, more)| (from, from + more));
    let all: Vec<usize> = (0..KINDS).collect();
    (
        (text, text),
        (mode.clone(), mode),
        different,
        (state(), state()),
        prop::option::of(1..=4094_u16),
        "[a-z][a-zA-Z0-9 ._=#\u{e4}-]{0,24}[a-z]",
        subsequence(all, 1..=KINDS),
    )
        .prop_filter("a step changes something", |(texts, modes, _, states, ..)| {
            texts.0 != texts.1 && modes.0 != modes.1 && states.0 != states.1
        })
        .prop_map(|(texts, modes, numbers, states, tag, name, steps)| Made {
            texts,
            modes,
            numbers,
            states,
            tag,
            name,
            steps,
        })
}

/// Puts the host into the state, and gives a step of each kind in it.
fn steps(host: &Host, made: &Made) -> Vec<Action> {
    let Made { texts, modes, numbers, states, tag, name, .. } = made;
    let (system, path) = (host.system(), |below: &str| host.path(below));
    let file = |below: &str, text: &str| {
        std::fs::write(path(below), text).expect("written");
        chmod(&host.dir.path().join(below), modes.0 | 0o600);
        path(below)
    };
    let word = |flag: bool, yes: &str, no: &str| if flag { yes.to_owned() } else { no.to_owned() };
    let ServiceState { active, enabled } = states.0;
    let unit = format!("{} {}", word(active, "active", "inactive"), word(enabled, "enabled", "disabled"));
    system.put("/units/libvirtd.service", &unit);
    system.put("/networks/default", &format!("{} {}", word(active, "yes", "no"), word(enabled, "yes", "no")));
    system.put("/volumes", &word(active, "active", ""));
    system.put("/proc/sys/net/ipv4/ip_forward", &format!("{}\n", numbers.0));
    system.put("/sys/module/kvm/parameters/halt_poll_ns", &format!("{}\n", numbers.0));
    system.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", &format!("{}\n", numbers.0));
    system.put("/proc/irq/24/smp_affinity_list", &format!("0-{}\n", numbers.0 % 32 + 1));
    let (written, removed) = (file("srv/written", &texts.0), file("srv/removed", &texts.0));
    let moded = file("srv/moded", "");
    chmod(&host.dir.path().join("srv/moded"), modes.0);
    let (owned, copied) = (file("srv/owned", ""), file("srv/copied", &texts.0));
    std::fs::create_dir(path("srv/empty")).expect("made");
    chmod(&host.dir.path().join("srv/empty"), modes.0 | 0o700);
    let me = Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() };
    // Only root gives a file away; anybody else gives it to whom it belongs to, which is no change, and is left out.
    let other = if me.user == 0 { Owner { user: 4242, group: 4243 } } else { me };
    let size = (numbers.0 + 1) << 16;
    let image =
        |below: &str, format: ImageFormat, size| Action::ImageCreate { path: path(below), format, size };
    let base = Base { path: path("srv/base.qcow2"), format: DiskFormat::Qcow2 };
    let mut all = vec![
        Action::Service { unit: "libvirtd.service".into(), from: states.0, to: states.1 },
        Action::VirtualNetwork { network: "default".into(), from: states.0, to: states.1 },
        Action::FileMode { path: moded, from: modes.0, to: modes.1 },
        Action::FileOwner { path: owned, from: me, to: other },
        Action::DirectoryCreate { path: path(&format!("srv/{name}")), mode: modes.1 | 0o700 },
        Action::DirectoryRemove { path: path("srv/empty"), mode: modes.0 | 0o700 },
        Action::FileCreate {
            path: path(&format!("srv/images/{name}")),
            text: texts.1.clone(),
            mode: modes.1,
        },
        Action::FileWrite { path: written, from_sha256: sha256(texts.0.as_bytes()), text: texts.1.clone() },
        Action::FileRemove { path: removed, from_sha256: sha256(texts.0.as_bytes()) },
        Action::FileCopy { path: path(&format!("boot/{name}")), from: copied },
        Action::EditSpec {
            path: path("web.toml"),
            key: "cpu.count".into(),
            from: Some("2".into()),
            to: Some((numbers.1 + 3).to_string()),
        },
        Action::EditSetting {
            path: path("etc/default/grub"),
            setting: Setting::GrubParameter {
                variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(),
                parameter: "hugepages".into(),
            },
            from: None,
            to: Some(format!("hugepages={}", numbers.1)),
        },
        image("srv/empty.raw", ImageFormat::Raw, size),
        image("srv/base.qcow2", ImageFormat::Qcow2, size),
        Action::ImageOverlay { path: path("srv/top.qcow2"), base, size: size * 2 },
        Action::OvsBridgeAdd { bridge: "ovs1".into() },
        Action::OvsPort {
            port: "vnet1".into(),
            from: None,
            to: Some(OvsPort { bridge: "ovs0".into(), tag: Some(tag.unwrap_or(7)), internal: false }),
        },
        Action::ModuleLoad {
            module: "vfio-pci".into(),
            parameters: vec![format!("ids={:04x}:1", numbers.0)],
        },
        Action::Sysctl {
            key: "net/ipv4/ip_forward".into(),
            from: numbers.0.to_string(),
            to: numbers.1.to_string(),
        },
        Action::Sysfs {
            path: "/sys/module/kvm/parameters/halt_poll_ns".into(),
            from: numbers.0.to_string(),
            to: numbers.1.to_string(),
        },
        Action::HugePages { node: None, size_kib: 2048, from: numbers.0, to: numbers.1 },
        Action::DriverBind {
            device: "0000:01:00.0".into(),
            from: binding(Some("nvme"), None),
            to: binding(Some("vfio-pci"), Some("vfio-pci")),
        },
        Action::EditDomain {
            connection: "qemu:///system".into(),
            domain: "theirs".into(),
            edits: vec![DomainEdit::Attribute {
                path: "vcpu[1]".into(),
                name: "placement".into(),
                from: Some("static".into()),
                to: tag.map(|tag| tag.to_string()),
            }],
        },
        Action::LogicalVolume { volume: "vg0/data".into(), from: active, to: !active },
        plugged(host, (active, enabled), numbers.0),
        Action::Qmp {
            machine: "web".into(),
            value: QmpValue::DiskBytes { disk: 0 },
            from: numbers.0,
            to: numbers.1,
        },
        kept_in_pool(host, *numbers),
        Action::ModuleUnload { module: "pcspkr".into(), parameters: Vec::new() },
        Action::Regenerate {
            generator: Generator::UpdateGrub,
            outputs: vec![path("boot/grub/grub.cfg")],
            holds: vec![format!("hugepages={}", numbers.1)],
        },
    ];
    all.extend(edited(host, made));
    let (from, to) = (format!("0-{}", numbers.0 % 32 + 1), format!("{}", numbers.1 % 32 + 40));
    all.push(Action::IrqAffinity { irq: Some(24), from, to });
    let source = Base { path: path("srv/source.raw"), format: DiskFormat::Raw };
    std::fs::write(path("srv/source.raw"), texts.0.repeat(700)).expect("written");
    let grown = std::fs::File::options().append(true).open(path("srv/source.raw")).expect("there");
    grown.set_len(size).expect("ours");
    let sized = std::fs::File::create(path("srv/sized.raw")).expect("made");
    sized.set_len(size).expect("ours");
    all.push(Action::ImageCopy {
        path: path("srv/copy.qcow2"),
        format: ImageFormat::Qcow2,
        from: source,
        size,
    });
    let (from, to) = (size, size + (numbers.1 << 16));
    all.push(Action::ImageResize { path: path("srv/sized.raw"), format: ImageFormat::Raw, from, to });
    let (machine, text) = (format!("m{}", numbers.0), texts.1.clone());
    all.push(Action::MachineCreate { machine: format!("new-{machine}"), backend: "qemu".into(), text });
    // What starts comes last in a plan.
    all.push(match active {
        true => Action::MachineStop { machine: machine.clone() },
        false => Action::MachineStart { machine: machine.clone() },
    });
    if active {
        std::fs::write(path(&format!("machines/{machine}")), "").expect("written");
    }
    std::fs::write(path("machines/web.value"), numbers.0.to_string()).expect("written");
    assert_eq!(all.len(), KINDS);
    if me == other {
        all[3] = Action::MachineStop { machine: "old".into() };
    }
    all
}

/// Settings of every kind but GRUB's, in files with lines and remarks of the user's: each comes, goes or changes.
fn edited(host: &Host, made: &Made) -> Vec<Action> {
    let (numbers, name) = (made.numbers, &made.name);
    let at = |kind: usize| usize::try_from(numbers.0).expect("small") + kind;
    let remark = format!("# {name}\n");
    let all = [
        (
            "title a\noptions root=/dev/sda1 ro",
            " iommu=",
            "\n",
            Setting::EntryParameter { parameter: "iommu".into() },
        ),
        ("root=/dev/sda1 ro", " iommu=", "\n", Setting::CmdlineParameter { parameter: "iommu".into() }),
        (
            "options kvm_intel",
            " nested=",
            " # not mine\n",
            Setting::ModuleOption { module: "kvm_intel".into(), option: "nested".into() },
        ),
        ("vhost_net\n", "vfio", "\n", Setting::Module { module: "vfio".into() }),
        (
            "compress=zstd\nadd_drivers+=\" nvme ",
            "vfio",
            " \"\n",
            Setting::DracutWord { list: "add_drivers".into(), word: "vfio".into() },
        ),
        (
            "vm.overcommit_memory = 1\n",
            "vm.swappiness = ",
            "\n",
            Setting::Sysctl { key: "vm.swappiness".into() },
        ),
        (
            "# security_driver = \"selinux\"\n",
            "security_driver = \"",
            "\" # not mine\n",
            Setting::LibvirtOption { option: "security_driver".into() },
        ),
    ];
    let edit = |(kind, (before, own, behind, setting)): (usize, (&str, &str, &str, Setting))| {
        let path = host.path(&format!("etc/edited-{kind}"));
        // A kernel's parameters have one line and no remarks.
        let remark = if matches!(setting, Setting::CmdlineParameter { .. }) { "" } else { &remark };
        let value = |number: u64| match setting {
            Setting::Module { .. } | Setting::DracutWord { .. } => "vfio".to_owned(),
            Setting::Sysctl { .. } | Setting::LibvirtOption { .. } => number.to_string(),
            _ => format!("{}{number}", own.trim_start()),
        };
        let lone = matches!(setting, Setting::Module { .. } | Setting::DracutWord { .. });
        // There with one value, there with another, or not there.
        let states = [None, Some(value(numbers.0)), Some(value(numbers.1)).filter(|_| !lone)];
        let from = states[at(kind) % if lone { 2 } else { 3 }].clone();
        let to = states.into_iter().find(|state| *state != from).expect("another");
        let there = match (&from, &setting) {
            (None, _) => String::new(),
            (Some(_), Setting::Module { .. } | Setting::DracutWord { .. }) => own.to_owned(),
            (Some(from), Setting::Sysctl { .. } | Setting::LibvirtOption { .. }) => format!("{own}{from}"),
            (Some(from), _) => format!(" {from}"),
        };
        std::fs::write(&path, format!("{remark}{before}{there}{behind}")).expect("written");
        Action::EditSetting { path, setting, from, to }
    };
    all.into_iter().enumerate().map(edit).collect()
}

/// A device that comes into a domain beside others, or goes.
fn plugged(host: &Host, (running, away): (bool, bool), number: u64) -> Action {
    let device = |target: &str| format!("<disk><source file='/{number}'/><target dev='{target}'/></disk>");
    let (own, mut there) = (device("vdb"), vec![device("vda")]);
    there.extend(away.then(|| own.clone()));
    let text = there.iter().map(|line| format!("{line}\n")).collect::<String>();
    std::fs::write(host.path("machines/theirs.kept"), &text).expect("written");
    std::fs::write(host.path("machines/theirs.live"), if running { &text } else { "" }).expect("written");
    if running {
        std::fs::write(host.path("machines/theirs"), "").expect("written");
    }
    let (connection, domain) = ("qemu:///system".to_owned(), "theirs".to_owned());
    match away {
        true => Action::DeviceDetach { connection, domain, device: own, running },
        false => Action::DeviceAttach { connection, domain, device: own, running },
    }
}

/// A snapshot that changes from one state to another beside one of somebody else's.
fn kept_in_pool(host: &Host, (first, second): (u64, u64)) -> Action {
    let states = [RbdSnapshot::Absent, RbdSnapshot::There, RbdSnapshot::Protected];
    let at = usize::try_from(first % 3).expect("small");
    let to = (at + 1 + usize::try_from(second % 2).expect("small")) % 3;
    let own = ["", "before false\n", "before true\n"][at];
    host.system().put("/rbd/web", &format!("theirs true\n{own}"));
    let (image, snapshot) = ("vms/web".to_owned(), "before".to_owned());
    Action::RbdSnapshot { image, snapshot, from: states[at], to: states[to] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_undone_is_as_it_was(made in made()) {
        let host = Host::below(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory"));
        let all = steps(&host, &made);
        // An overlay without its base is another plan's.
        // So is what the boot loader's file is made of.
        let chosen = |at: &usize| {
            made.steps.contains(at)
                || *at == 13 && made.steps.contains(&14)
                || *at == 11 && made.steps.contains(&28)
        };
        let wanted = (0..KINDS).filter(chosen).map(|at| step(all[at].clone(), None)).collect();
        let (wanted, before) = (plan(wanted), host.look());
        let approved = host.approver.approve(&wanted);
        let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
        prop_assert_eq!(report.state, RunState::Applied, "{:?}", report);
        prop_assert_ne!(&host.look(), &before);
        let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
        prop_assert_eq!(undone.state, RunState::Undone, "{:?}", undone);
        prop_assert_eq!(host.look(), before);
    }
}

#[test]
fn a_device_that_stops_half_way_is_taken_back_whole() {
    for (away, number) in [(false, 1), (true, 2)] {
        let host = Host::new();
        let action = plugged(&host, (true, away), number);
        std::fs::write(host.path("machines/theirs.busy"), "").expect("written");
        let (wanted, mut before) = (plan(vec![step(action, None)]), host.look());
        before.remove(&host.path("machines/theirs.busy"));
        let approved = host.approver.approve(&wanted);
        let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
        assert_eq!(report.state, RunState::Undone, "{report:?}");
        assert_eq!(host.look(), before, "{away}");
    }
}

#[test]
fn a_snapshot_goes_only_where_it_can_be_made_again_and_a_made_one_always() {
    let host = Host::new();
    let step_of = |from, to| {
        let (image, snapshot) = ("vms/web".to_owned(), "before".to_owned());
        plan(vec![step(Action::RbdSnapshot { image, snapshot, from, to }, None)])
    };
    let make = step_of(RbdSnapshot::Absent, RbdSnapshot::Protected);
    let before = host.look();
    let made = host.apply(&make, &host.approver.approve(&make), &mut Hooks::default()).expect("begun");
    assert_eq!(made.state, RunState::Applied, "{made:?}");
    // The guest writes on.
    host.system().put("/rbd/written", "");
    let remove = step_of(RbdSnapshot::Protected, RbdSnapshot::Absent);
    let refused = host.apply(&remove, &host.approver.approve(&remove), &mut Hooks::default());
    let why = format!("{:?}", refused.expect_err("its content could not be made again"));
    assert!(why.contains("what was written to vms/web since"), "{why}");
    assert_eq!(host.undo(&made.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    host.system().remove("/rbd/written");
    assert_eq!(host.look(), before);
}

/// Where the property `undo(do(x)) = x` of an action is tested. Whoever adds an action adds it here: the compiler asks.
fn proven(action: &Action) -> (&'static str, &'static str) {
    let here = (include_str!("generated.rs"), "fn what_is_undone_is_as_it_was(");
    let links = (include_str!("generated_links.rs"), "fn links_are_undone_as_they_were(");
    match action {
        Action::FileAcl { .. } => {
            (include_str!("../../src/actions/file_acl.rs"), "fn who_may_access_a_file_comes_back(")
        }
        Action::FileLabel { .. } => {
            (include_str!("../../src/actions/file_label.rs"), "fn a_label_comes_back(")
        }
        Action::BootTrial { .. } | Action::BootTrialEnd { .. } => (
            include_str!("../../src/actions/boot_trial.rs"),
            "fn an_environment_block_comes_back_byte_for_byte(",
        ),
        Action::ImageRebase { .. } => {
            (include_str!("based_images.rs"), "fn a_guest_sees_the_same_upon_whatever_base(")
        }
        Action::BridgeAdd { .. }
        | Action::BridgeRemove { .. }
        | Action::TapAdd { .. }
        | Action::TapRemove { .. }
        | Action::UplinkAdd { .. }
        | Action::UplinkRemove { .. } => links,
        // A host that was restarted is as it was when it was restarted again, and a machine that left is asked back.
        Action::Reboot { .. } => {
            (include_str!("reboot.rs"), "fn what_the_boot_did_not_settle_is_taken_back(")
        }
        Action::AwaitReboot { .. } => (
            include_str!("reboot.rs"),
            "fn what_waits_for_a_restart_may_stay_untried_or_be_undone_before_it(",
        ),
        Action::MachineMigrate { .. } | Action::MachineReturn { .. } => (
            include_str!("executor.rs"),
            "fn a_machine_that_moved_is_not_taken_back_and_one_that_did_not_goes_on(",
        ),
        // Those that a plan has, and those that take them back.
        Action::EditSpec { .. }
        | Action::EditSetting { .. }
        | Action::FileMode { .. }
        | Action::FileOwner { .. }
        | Action::FileWrite { .. }
        | Action::FileCreate { .. }
        | Action::FileRemove { .. }
        | Action::FileCopy { .. }
        | Action::FileCopyRemove { .. }
        | Action::DirectoryCreate { .. }
        | Action::DirectoryRemove { .. }
        | Action::OvsBridgeAdd { .. }
        | Action::OvsBridgeRemove { .. }
        | Action::OvsPort { .. }
        | Action::ImageCreate { .. }
        | Action::ImageRemove { .. }
        | Action::ImageResize { .. }
        | Action::ImageCopy { .. }
        | Action::ImageCopyRemove { .. }
        | Action::ImageOverlay { .. }
        | Action::ImageOverlayRemove { .. }
        | Action::Sysfs { .. }
        | Action::Sysctl { .. }
        | Action::HugePages { .. }
        | Action::IrqAffinity { .. }
        | Action::DriverBind { .. }
        | Action::ModuleLoad { .. }
        | Action::ModuleUnload { .. }
        | Action::Regenerate { .. }
        | Action::Restore { .. }
        | Action::Service { .. }
        | Action::VirtualNetwork { .. }
        | Action::LogicalVolume { .. }
        | Action::MachineCreate { .. }
        | Action::MachineDelete { .. }
        | Action::EditDomain { .. }
        | Action::DeviceAttach { .. }
        | Action::DeviceDetach { .. }
        | Action::Qmp { .. }
        | Action::RbdSnapshot { .. }
        | Action::MachineStart { .. }
        | Action::MachineStop { .. } => here,
    }
}

#[test]
fn every_action_has_its_property() {
    let host = Host::new();
    let made = Made {
        texts: ("a".into(), "b".into()),
        modes: (0o600, 0o640),
        numbers: (1, 2),
        states: (
            ServiceState { active: true, enabled: false },
            ServiceState { active: false, enabled: false },
        ),
        tag: None,
        name: "a b".into(),
        steps: Vec::new(),
    };
    let mut all = steps(&host, &made);
    all.extend([
        Action::FileAcl { path: "/a".into(), from: String::new(), to: String::new() },
        Action::FileLabel { path: "/a".into(), from: None, to: None },
        Action::BootTrial { trial: Trial::Counted { entry: "/a".into() } },
        Action::ImageRebase { path: "/a".into(), from: None, to: None },
        Action::BridgeAdd { name: "br0".into(), address: None },
        Action::Reboot { left: None },
        Action::AwaitReboot { left: None },
        Action::MachineMigrate { machine: "m".into(), to: "tcp:h:1".into() },
    ]);
    for action in all {
        let (text, test) = proven(&action);
        assert!(text.contains(test), "{action:?} has no {test}");
    }
}
