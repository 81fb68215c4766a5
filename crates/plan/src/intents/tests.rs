use super::*;
use crate::{canonical, lint};
use vmwright_formats::View;

const PCI: &str = "\
0000:00:02.0 id 8086:3e92
0000:00:02.0 class 0x030000
0000:00:02.0 boot_vga 1
0000:00:02.0 driver i915
0000:00:02.0 iommu_group 0
0000:01:00.0 class 0x060400
0000:01:00.0 driver pcieport
0000:01:00.0 iommu_group 1
0000:02:00.0 class 0x030000
0000:02:00.0 boot_vga 0
0000:02:00.0 driver nvidia
0000:02:00.0 iommu_group 1
0000:02:00.1 class 0x040300
0000:02:00.1 driver snd_hda_intel
0000:02:00.1 iommu_group 1
0000:03:00.0 class 0x010802
0000:03:00.0 driver nvme
0000:03:00.0 iommu_group 2
0000:03:00.0 nvme nvme0
0000:04:00.0 class 0x020000
0000:04:00.0 driver igb
0000:04:00.0 iommu_group 3
0000:04:00.0 sriov 2 of 7
0000:04:00.0 net eth0
0000:04:10.0 class 0x020000
0000:04:10.0 driver igbvf
0000:04:10.0 iommu_group 4
0000:04:10.0 physfn 0000:04:00.0
0000:05:00.0 class 0x010601
0000:05:00.0 driver ahci
0000:05:00.0 iommu_group 5
0000:06:00.0 class 0x0c0330
0000:06:00.0 driver xhci_hcd
0000:06:00.0 iommu_group -
";

const SPEC: &str = "name = \"win\" # the old one\n";

fn with<R>(pci: &str, use_it: impl FnOnce(&Host<'_>) -> R) -> R {
    with_routes(pci, "default via 192.0.2.1 dev eth0\n", "", use_it)
}

fn with_routes<R>(pci: &str, routes: &str, links: &str, use_it: impl FnOnce(&Host<'_>) -> R) -> R {
    let modules = LsMod::read("Module Size Used by\nkvm 1 0\n").0;
    with_texts(Texts { pci, routes, links, mounts: ROOT }, &debian(), |host| {
        use_it(&Host { modules: Some(&modules), ..*host })
    })
}

const ROOT: &str = "/dev/nvme0n1p2 / ext4 rw 0 0\n";

/// What a host is made of.
#[derive(Default)]
pub(super) struct Texts<'t> {
    pub(super) pci: &'t str,
    pub(super) routes: &'t str,
    pub(super) links: &'t str,
    pub(super) mounts: &'t str,
}

/// A host of these texts, whose kernel has no modules.
pub(super) fn with_texts<R>(texts: Texts<'_>, boot: &Boot<'_>, use_it: impl FnOnce(&Host<'_>) -> R) -> R {
    let (devices, links) = (&PciDevices::read(texts.pci).0, &Links::read(texts.links).0);
    let (mounts, routes) = (&Mounts::read(texts.mounts).0, &IpRoute::read(texts.routes).0);
    use_it(&Host { id: "h", devices, modules: None, mounts, routes, links, boot })
}

const GRUB: &str = "# Read by update-grub\nGRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n";

const CFG: &str = "menuentry 'Debian' {\n\tlinux /vmlinuz quiet\n\tinitrd /initrd.img-6.1.0-18-amd64\n}\n";

/// A host that boots by GRUB and has initramfs-tools.
pub(super) fn debian() -> Boot<'static> {
    Boot {
        kernel: "6.1.0-18-amd64",
        cmdline: "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet intel_iommu=on",
        vendor: Some("GenuineIntel"),
        texts: [
            ("/etc/default/grub", GRUB),
            ("/etc/initramfs-tools/modules", "# one a line\n"),
            ("/boot/grub/grub.cfg", CFG),
        ]
        .into(),
        programs: ["/usr/sbin/update-grub", "/usr/sbin/update-initramfs", "/run/systemd/system"].into(),
    }
}

fn give(pci: &str, device: &str, at_boot: bool) -> Result<Plan, String> {
    let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
    with(pci, |host| passthrough(host, &guest, device, at_boot).map_err(|error| error.to_string()))
}

#[test]
fn a_group_goes_as_a_whole_and_the_bridge_stays() {
    let plan = give(PCI, "02:00.0", false).expect("it can go");
    assert_eq!(lint(&plan), []);
    assert_eq!(canonical(&plan), canonical(&give(PCI, "0000:02:00.0", false).expect("the same")));
    let does: Vec<String> = plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect();
    assert_eq!(does.len(), 4, "{does:?}");
    assert!(does[0].contains("/m/win.toml") && does[1].starts_with("loads module vfio-pci"), "{does:?}");
    assert_eq!(does[2], "makes 0000:02:00.0 driven by vfio-pci, kept for vfio-pci");
    assert_eq!(does[3], "makes 0000:02:00.1 driven by vfio-pci, kept for vfio-pci");
    let Action::FileWrite { text, .. } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert_eq!(text, &format!("{SPEC}\n[[host_device]]\nkind = \"pci\"\ndevice = \"0000:02:00.0\"\n"));
}

#[test]
fn a_domain_that_runs_gets_the_device_behind_its_drivers_change() {
    let guest = Guest { name: "win", path: "/etc/libvirt/qemu/win.xml", text: SPEC };
    let planned = |running, at_boot| {
        with(PCI, |host| {
            passthrough_to_domain(host, &guest, ("qemu:///system", running), "02:00.0", at_boot)
                .expect("it can go")
        })
    };
    let plan = planned(true, true);
    assert_eq!(lint(&plan), []);
    let attach = plan.steps.iter().position(|step| matches!(step.action, Action::DeviceAttach { .. }));
    let bind = plan.steps.iter().rposition(|step| matches!(step.action, Action::DriverBind { .. }));
    assert!(attach > bind, "{plan:?}");
    let words = crate::describe::words(&plan.steps[attach.expect("it is there")].action);
    assert!(words.does.starts_with("plugs device 0000:02:00.0 into win, at once"), "{words:?}");
    assert!(!plan.steps.iter().any(|step| step.subject.name.ends_with("win.xml")), "{plan:?}");
    let later = planned(false, false);
    let off = |step: &Step| matches!(step.action, Action::DeviceAttach { running: false, .. });
    assert!(later.steps.iter().any(off) && lint(&later).is_empty(), "{later:?}");
}

#[test]
fn what_is_kept_at_boot_is_kept_by_address() {
    let plan = give(PCI, "02:00.0", true).expect("it can go");
    assert_eq!(lint(&plan), []);
    let paths: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::FileCreate { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        paths,
        [
            "/etc/modules-load.d/vmwright-vfio.conf",
            "/etc/udev/rules.d/10-vmwright-0000-02-00-0.rules",
            "/etc/udev/rules.d/10-vmwright-0000-02-00-1.rules",
            "/boot/grub/custom.cfg"
        ]
    );
}

const GPU: &str = "\
0000:02:00.0 id 10de:1b80
0000:02:00.0 class 0x030000
0000:02:00.0 driver nouveau
0000:02:00.0 iommu_group 1
0000:03:00.0 id 10de:1b80
0000:03:00.0 class 0x030000
0000:03:00.0 driver nouveau
0000:03:00.0 iommu_group 2
";

fn does(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect()
}

#[test]
fn at_boot_the_loader_and_the_initramfs_know_it() {
    let alone = GPU.split_inclusive('\n').take(4).collect::<String>();
    let plan = give(&alone, "02:00.0", true).expect("it can go");
    assert_eq!(lint(&plan), []);
    let does = does(&plan);
    let place = |text: &str| {
        does.iter().position(|step| step.contains(text)).unwrap_or_else(|| panic!("{text}: {does:#?}"))
    };
    let edit = place(
        "adds `intel_iommu=on` (the kernel's parameter `intel_iommu` in GRUB_CMDLINE_LINUX_DEFAULT) to /etc/default/grub",
    );
    let modules = place("adds `vfio-pci` (module vfio-pci) to /etc/initramfs-tools/modules");
    let grub = place("runs update-grub to make /boot/grub/grub.cfg anew, which holds `intel_iommu=on` then");
    let initramfs =
        place("runs update-initramfs -u -k 6.1.0-18-amd64 to make /boot/initrd.img-6.1.0-18-amd64 anew");
    assert!(
        edit < grub && modules < initramfs && place("/etc/modprobe.d/vmwright-vfio.conf") < initramfs,
        "{does:#?}"
    );
    let options = plan.steps.iter().find_map(|step| match &step.action {
        Action::FileCreate { path, text, .. } if path.contains("modprobe.d") => {
            Some(crate::header::without(text))
        }
        _ => None,
    });
    assert_eq!(options, Some("options vfio-pci ids=10de:1b80\nsoftdep nouveau pre: vfio-pci\n"));
    assert_eq!(canonical(&plan), canonical(&give(&alone, "02:00.0", true).expect("the same")));
}

#[test]
fn dracut_makes_what_the_host_boots() {
    let alone = GPU.split_inclusive('\n').take(4).collect::<String>();
    let devices = PciDevices::read(&alone).0;
    let (mounts, routes, links) = (Mounts::read("").0, IpRoute::read("").0, Links::read("").0);
    let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
    for (debian_has_it, made) in [
        (None, "dracut --force /boot/initramfs-6.1.0-18-amd64.img 6.1.0-18-amd64"),
        (
            Some("/etc/kernel/postinst.d/dracut"),
            "dracut --force /boot/initrd.img-6.1.0-18-amd64 6.1.0-18-amd64",
        ),
    ] {
        let mut boot = debian();
        boot.programs.remove("/usr/sbin/update-initramfs");
        boot.programs.insert("/usr/bin/dracut");
        boot.programs.extend(debian_has_it);
        let host = Host {
            id: "h",
            devices: &devices,
            modules: None,
            mounts: &mounts,
            routes: &routes,
            links: &links,
            boot: &boot,
        };
        let plan = passthrough(&host, &guest, "02:00.0", true).expect("it can go");
        assert_eq!(lint(&plan), []);
        let does = does(&plan);
        assert!(does.iter().any(|step| step.contains(made)), "{made}: {does:#?}");
        // The options of vfio-pci are where it is loaded.
        let items = "install_items+=\" /etc/modprobe.d/vmwright-vfio.conf \"\n";
        assert!(
            plan.steps.iter().any(|step| matches!(&step.action, Action::FileCreate { path, text, .. }
                if path == "/etc/dracut.conf.d/vmwright-vfio.conf" && text.contains(items))),
            "{does:#?}"
        );
    }
}

#[test]
fn a_second_device_joins_what_the_first_plan_wrote() {
    let pci = GPU
        .replace("0000:03:00.0 id 10de:1b80", "0000:03:00.0 id 1af4:1041")
        .replace("2:00.0 driver nouveau", "2:00.0 driver vfio-pci");
    let devices = PciDevices::read(&pci).0;
    let (mounts, routes, links) = (Mounts::read("").0, IpRoute::read("").0, Links::read("").0);
    let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
    let first = "options vfio-pci ids=10de:1b80\nsoftdep nouveau pre: vfio-pci\n# mine\n";
    let mut boot = debian();
    boot.texts.insert("/etc/modprobe.d/vmwright-vfio.conf", first);
    boot.texts.insert("/etc/modules-load.d/vmwright-vfio.conf", "vfio-pci\n");
    boot.texts.insert("/etc/initramfs-tools/modules", "vfio-pci\n");
    boot.texts.insert("/boot/grub/custom.cfg", "menuentry 'As before vmwright' --id vmwright-before {\n}\n");
    let host = Host {
        id: "h",
        devices: &devices,
        modules: None,
        mounts: &mounts,
        routes: &routes,
        links: &links,
        boot: &boot,
    };
    let plan = passthrough(&host, &guest, "03:00.0", true).expect("it can go");
    assert_eq!((lint(&plan), plan.left.len()), (vec![], 0));
    let written = plan.steps.iter().find_map(|step| match &step.action {
        Action::FileWrite { path, text, .. } if path.contains("modprobe.d") => {
            Some(crate::header::without(text))
        }
        _ => None,
    });
    assert_eq!(
        written,
        Some("options vfio-pci ids=10de:1b80,1af4:1041\nsoftdep nouveau pre: vfio-pci\n# mine\n")
    );
    let does = does(&plan);
    assert!(
        !does.iter().any(|step| step.contains("modules-load.d") || step.contains("custom.cfg")),
        "{does:#?}"
    );
    assert!(does.iter().any(|step| step.starts_with("runs update-initramfs")), "{does:#?}");
    let mut with = with_reboot(plan, host.boot, host.mounts);
    assert!(with.left[0].contains("has no entry that GRUB could take"), "{:?}", with.left);
    assert_eq!((lint(&with), with.steps.len()), (vec![], does.len() + 1));
    assert_eq!(crate::disruption(&with), Disruption::HostReboot);
    with.steps.swap(0, does.len());
    assert!(
        lint(&with).iter().any(|error| error.to_string().contains("comes after the restart of the host"))
    );
}

#[test]
fn a_twin_of_the_device_stays_with_the_host() {
    let plan = give(GPU, "02:00.0", true).expect("it can go");
    let does = does(&plan);
    assert!(!does.iter().any(|step| step.contains("modprobe.d") || step.contains("initramfs")), "{does:#?}");
    assert!(does.iter().any(|step| step.contains("10-vmwright-0000-02-00-0.rules")), "{does:#?}");
}

#[test]
fn without_groups_the_iommu_is_switched_on_first() {
    let off = "0000:02:00.0 class 0x030000\n0000:02:00.0 iommu_group -\n";
    assert!(give(off, "02:00.0", false).expect_err("no group").contains("no IOMMU group"));
    let devices = PciDevices::read(off).0;
    let (mounts, routes, links) = (Mounts::read("").0, IpRoute::read("").0, Links::read("").0);
    let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
    let with_boot = |boot: &Boot<'_>| {
        let host = Host {
            id: "h",
            devices: &devices,
            modules: None,
            mounts: &mounts,
            routes: &routes,
            links: &links,
            boot,
        };
        passthrough(&host, &guest, "02:00.0", true)
    };
    let cmdline = "root=/dev/sda1";
    let plan = with_boot(&Boot { cmdline, ..debian() }).expect("it can be switched on");
    assert_eq!(lint(&plan), []);
    assert_eq!(plan.steps.len(), 3, "{:#?}", does(&plan));
    assert!(does(&plan)[1].starts_with("makes /boot/grub/custom.cfg"), "{:#?}", does(&plan));
    assert!(plan.left[0].contains("after a restart of the host"), "{:?}", plan.left);
    let mut own = Boot { cmdline, ..debian() };
    own.texts.insert("/boot/grub/custom.cfg", "# mine\n");
    let plan = with_boot(&own).expect("it can be switched on");
    assert_eq!((plan.steps.len(), plan.left.len()), (2, 2), "what the user wrote stays: {:?}", plan.left);
    // A drop-in that is read later is the place.
    let drop_in = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT console=ttyS0\"\n";
    let mut boot = Boot { cmdline, ..debian() };
    boot.texts.insert("/etc/default/grub.d/50-cloud.cfg", drop_in);
    let said = does(&with_boot(&boot).expect("it can be switched on"));
    assert!(said[0].contains("/etc/default/grub.d/50-cloud.cfg"), "{said:?}");
    // systemd-boot: the running kernel's entry, and what later kernels get.
    let boot = Boot {
        cmdline,
        texts: [
            ("/boot/loader/entries/abc-6.1.0-18-amd64.conf", "title a\noptions ro\n"),
            ("/boot/loader/entries/abc-6.1.0-17-amd64.conf", "title b\noptions ro\n"),
            ("/etc/kernel/cmdline", "ro\n"),
        ]
        .into(),
        programs: std::collections::BTreeSet::new(),
        ..debian()
    };
    let said = does(&with_boot(&boot).expect("it can be switched on"));
    assert_eq!(said.len(), 2, "what is booted is no plain entry: {said:?}");
    assert!(
        said[0].contains("entries/abc-6.1.0-18-amd64.conf") && said[1].contains("/etc/kernel/cmdline"),
        "{said:?}"
    );
    let none = Boot { texts: Default::default(), ..boot.clone() };
    assert_eq!(with_boot(&none), Err(IntentError::NoBootLoader));
    assert!(matches!(
        with_boot(&Boot { vendor: Some("AuthenticAMD"), ..boot }),
        Err(IntentError::NoGroup { .. })
    ));
}

const BLOCK: &str = "# GRUB Environment Block\nsaved_entry=gnulinux-simple-1\n#########\n";

/// A plan that is kept at boot with a restart, on a host that boots so and has its boot loader there.
fn tried(boot: &Boot<'_>, mounts: &str) -> Plan {
    let pci = GPU.split_inclusive('\n').take(4).collect::<String>();
    let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
    with_texts(Texts { pci: &pci, mounts, ..Texts::default() }, boot, |host| {
        let plan = passthrough(host, &guest, "02:00.0", true).expect("it can go");
        let [reboot, awaits] =
            [with_reboot, awaiting_reboot].map(|how| how(plan.clone(), host.boot, host.mounts));
        assert_eq!((lint(&reboot), lint(&awaits)), (vec![], vec![]));
        assert_eq!(awaits.steps.len(), reboot.steps.len(), "the same way back: {:?}", does(&awaits));
        assert!(matches!(awaits.steps.last().map(|step| &step.action), Some(Action::AwaitReboot { .. })));
        assert!(crate::disruption(&awaits) < Disruption::HostReboot, "it restarts nothing itself");
        reboot
    })
}

#[test]
fn what_no_boot_reads_waits_for_none_and_without_systemd_nothing_would_wait() {
    let awaited = |boot: &Boot<'_>, at_boot| {
        let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
        let pci = GPU.split_inclusive('\n').take(4).collect::<String>();
        with_texts(Texts { pci: &pci, mounts: ROOT, ..Texts::default() }, boot, |host| {
            let plan = passthrough(host, &guest, "02:00.0", at_boot).expect("it can go");
            awaiting_reboot(plan, host.boot, host.mounts)
        })
    };
    let waits = |plan: &Plan| plan.steps.iter().any(|step| matches!(step.action, Action::AwaitReboot { .. }));
    assert!(waits(&awaited(&debian(), true)) && !waits(&awaited(&debian(), false)));
    let mut boot = debian();
    boot.programs.remove("/run/systemd/system");
    let plan = awaited(&boot, true);
    assert!(!waits(&plan) && plan.left.iter().any(|line| line.contains("no systemd")), "{:?}", plan.left);
}

#[test]
fn a_repair_that_restarts_the_host_has_a_way_back_where_it_changes_the_boot() {
    let block = BLOCK.trim_end();
    let mut boot = debian();
    boot.texts.insert("/boot/grub/grubenv", block);
    let mounts = Mounts::read("/dev/sda1 / ext4 rw 0 0\n").0;
    let make = Action::Regenerate {
        generator: vmwright_model::plan::Generator::UpdateGrub,
        outputs: vec!["/boot/grub/grub.cfg".into()],
        holds: vec!["intel_iommu=on".into()],
    };
    let of = |actions: Vec<Action>| {
        let steps = actions.into_iter().map(|action| (action, String::new(), Disruption::None)).collect();
        way_back(made("h", None, "a repair".into(), steps), &boot, &mounts)
    };
    let plan = of(vec![make.clone(), Action::Reboot { left: None }]);
    assert_eq!(lint(&plan), []);
    let said = does(&plan);
    assert!(said.iter().any(|step| step.contains("/boot/grub/custom.cfg")), "{said:#?}");
    assert!(said[said.len() - 2].contains("has GRUB boot its entry `0` once"), "{said:#?}");
    assert_eq!(way_back(plan.clone(), &boot, &mounts), plan, "once is enough");
    assert_eq!(of(vec![make]).steps.len(), 1, "it restarts nothing");
    assert_eq!(of(vec![Action::Reboot { left: None }]).steps.len(), 1, "it changes nothing that boots");
}

#[test]
fn what_is_made_for_the_boot_is_tried_once_and_the_old_initramfs_is_kept() {
    let block = BLOCK.trim_end();
    let mut boot = debian();
    boot.texts.insert("/boot/grub/grubenv", block);
    let plain = "/dev/sda1 / ext4 rw 0 0\n";
    let plan = tried(&boot, plain);
    let said = does(&plan);
    let place = |text: &str| {
        said.iter().position(|step| step.contains(text)).unwrap_or_else(|| panic!("{text}: {said:#?}"))
    };
    let copy =
        place("copies /boot/initrd.img-6.1.0-18-amd64 to /boot/vmwright-before-initrd.img-6.1.0-18-amd64");
    let tries = place("has GRUB boot its entry `0` once, and the entry from before from then on");
    assert!(copy < place("runs update-initramfs") && place("runs update-initramfs") < tries, "{said:#?}");
    assert_eq!(place("restarts the host"), said.len() - 1);
    let entry = plan.steps.iter().find_map(|step| match &step.action {
        Action::FileCreate { path, text, .. } if path.ends_with("custom.cfg") => Some(text.as_str()),
        _ => None,
    });
    let entry = entry.expect("it is made");
    assert!(entry.contains("/vmwright-before-initrd.img-6.1.0-18-amd64\n"), "{entry}");
    assert!(entry.contains("set default=vmwright-before"), "{entry}");
    // The entry that GRUB saved, where it boots that one.
    let saved = GRUB.replace("GRUB_DEFAULT=0", "GRUB_DEFAULT=\"saved\"");
    boot.texts.insert("/etc/default/grub", &saved);
    assert!(does(&tried(&boot, plain)).iter().any(|step| step.contains("entry `gnulinux-simple-1` once")));
    // What cannot be tried is told.
    let lvm = tried(&boot, "/dev/mapper/vg-root / ext4 rw 0 0\n");
    assert!(
        lvm.left.iter().any(|line| line.contains("GRUB cannot write to /dev/mapper/vg-root")),
        "{:?}",
        lvm.left
    );
    let trying = BLOCK.trim_end().replace("saved_entry=", "next_entry=");
    boot.texts.insert("/boot/grub/grubenv", &trying);
    let left = tried(&boot, plain).left;
    assert!(left.iter().any(|line| line.contains("somebody tries an entry already")), "{left:?}");
}

#[test]
fn systemd_boot_counts_the_tries_of_an_entry() {
    let entry =
        "title Arch\nlinux /vmlinuz-6.1\ninitrd /initramfs-6.1.0-18-amd64.img\noptions ro intel_iommu=on\n";
    let boot = Boot {
        texts: [("/boot/loader/entries/abc-6.1.0-18-amd64.conf", entry)].into(),
        programs: ["/usr/bin/dracut", "/boot/EFI/systemd/systemd-bootx64.efi", "/run/systemd/system"].into(),
        ..debian()
    };
    let said = does(&tried(&boot, "/dev/sda1 / ext4 rw 0 0\n"));
    for text in [
        "makes /boot/loader/entries/vmwright-before.conf",
        "copies /boot/initramfs-6.1.0-18-amd64.img to /boot/vmwright-before-initramfs-6.1.0-18-amd64.img",
        "has systemd-boot try /boot/loader/entries/abc-6.1.0-18-amd64.conf once",
    ] {
        assert!(said.iter().any(|step| step.contains(text)), "{text}: {said:#?}");
    }
    let other = Boot { programs: ["/usr/bin/dracut", "/run/systemd/system"].into(), ..boot };
    let left = tried(&other, "/dev/sda1 / ext4 rw 0 0\n").left;
    assert!(left.iter().any(|line| line.contains("this boot loader tries no entry once")), "{left:?}");
}

#[test]
fn what_the_host_needs_is_refused_with_the_evidence() {
    for (device, why) in [
        ("00:02.0", "boot_vga is 1"),
        ("03:00.0", "/dev/nvme0n1p2 is mounted on /"),
        ("04:00.0", "eth0 carries the default route, by 192.0.2.1"),
        ("05:00.0", "a disk controller driven by ahci"),
        ("01:00.0", "is a bridge"),
        ("06:00.0", "in no IOMMU group"),
        ("02:00.7", "did you mean 0000:02:00.0 or 0000:02:00.1?"),
        ("nonsense", "there is no PCI function nonsense"),
    ] {
        let said = give(PCI, device, false).expect_err(device);
        assert!(said.contains(why), "{said}");
    }
    // Not only the device itself: what shares its group goes with it.
    let shared = PCI.replace("0000:03:00.0 iommu_group 2", "0000:03:00.0 iommu_group 1");
    assert!(give(&shared, "02:00.0", false).expect_err("shared").contains("/dev/nvme0n1p2 is mounted on /"));
}

#[test]
fn the_card_below_the_hosts_bridge_stays() {
    let guest = Guest { name: "win", path: "/m/win.toml", text: SPEC };
    let links = "eth0 master bond0\nbond0 master br0\nbr0 devtype bridge\n";
    let said = with_routes(PCI, "default via 192.0.2.1 dev br0\n", links, |host| {
        passthrough(host, &guest, "04:00.0", false).expect_err("the host is reached by it").to_string()
    });
    assert!(said.contains("eth0, through bond0 and br0, carries the default route, by 192.0.2.1"), "{said}");
}

#[test]
fn virtual_functions_change_by_way_of_none() {
    let plan = with(PCI, |host| sriov(host, "04:00.0", 4)).expect("it can");
    assert_eq!(lint(&plan), []);
    assert_eq!(plan.steps.len(), 2);
    let said = |device: &str, vfs, pci: &str| {
        with(pci, |host| sriov(host, device, vfs)).expect_err("no").to_string()
    };
    assert!(said("04:00.0", 8, PCI).contains("7 virtual functions at most"));
    assert!(said("04:00.0", 2, PCI).contains("nothing to do"));
    assert!(said("02:00.0", 1, PCI).contains("has no virtual functions"));
    let given = PCI.replace("driver igbvf", "driver vfio-pci");
    assert!(
        said("04:00.0", 0, &given).contains("bound to vfio-pci, and may be in use by a VM: 0000:04:10.0")
    );
}
