//! What keeps VMs apart by labels is put back where that can be decided, and told where not.

use super::*;
use crate::describe::words;
use crate::lint;
use std::collections::BTreeMap;
use vmwright_formats::edits;
use vmwright_model::Topology;

const CONF: &str =
    "# master\nsecurity_driver = \"none\" # it was in the way\nsecurity_default_confined = 0\n";
const PROFILE: &str = "#include <tunables/global>\n\nprofile libvirt-6a0e flags=(attach_disconnected, complain) {\n  #include <abstractions/libvirt-qemu>\n}\n";
const DOMAIN: &str = "<domain type='kvm'><name>web</name><uuid>6a0e</uuid><seclabel type='none' model='dac'/><seclabel type='none' model='apparmor'/></domain>";

const OFF: &str = "<domain><name>web</name><uuid>6a0e</uuid><seclabel type='none' model='none'/></domain>";

/// A host whose AppArmor is on, and whose libvirt makes no use of it.
fn values() -> BTreeMap<&'static str, &'static str> {
    [
        ("/sys/module/apparmor/parameters/enabled", "Y\n"),
        ("/sys/kernel/security/apparmor/profiles", "nvidia_modprobe (enforce)\nlibvirtd (enforce)\n"),
        ("/etc/libvirt/qemu.conf", CONF),
        ("/etc/libvirt/qemu/web.xml", DOMAIN),
        ("/etc/libvirt/qemu/plain.xml", "<domain><name>plain</name><uuid>b0</uuid></domain>"),
        ("/run/libvirt/qemu/db.xml", "<domstatus/>"),
        ("/run/libvirt/qemu/web.xml", "<domstatus/>"),
        ("services", "libvirtd.service active enabled\nvirtqemud.service inactive disabled\n"),
    ]
    .into()
}

fn hardened(values: &BTreeMap<&str, &str>, boot: &Boot<'_>) -> Result<Plan, IntentError> {
    let plan = harden_host(&Ground { id: "h", topology: &Topology::default(), values }, boot)?;
    assert_eq!(lint(&plan), []);
    Ok(plan)
}

fn does(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| words(&step.action).does).collect()
}

fn leaves(plan: &Plan, part: &str) {
    assert!(plan.left.iter().any(|line| line.contains(part)), "{part}: {:#?}", plan.left);
}

#[test]
fn libvirt_gives_labels_again_and_what_runs_is_named() {
    let plan = hardened(&values(), &tests::debian()).expect("made");
    assert_eq!(
        does(&plan),
        [
            "libvirtd.service: stops it",
            "writes `apparmor` for `none` (`security_driver`) to /etc/libvirt/qemu.conf",
            "writes `1` for `0` (`security_default_confined`) to /etc/libvirt/qemu.conf",
            "libvirtd.service: starts it",
        ]
    );
    let text = plan.steps.iter().try_fold(CONF.to_owned(), |text, step| match &step.action {
        Action::EditSetting { setting, from, to, .. } => {
            edits::set(&text, setting, from.as_deref(), to.as_deref())
        }
        _ => Ok(text),
    });
    let wanted = CONF.replace("none", "apparmor").replace("= 0", "= 1");
    assert_eq!(text.expect("each can be set"), wanted, "the user's remark stays");
    assert_eq!(crate::disruption(&plan), Disruption::ServiceRestart);
    leaves(&plan, "VMs that run on as they are: db, web;");
    leaves(
        &plan,
        "domains without a label, or with one that only complains: web; `vmwright plan harden NAME`",
    );
    // One that was made while there were none would not start any more.
    let mut off = values();
    off.insert("/etc/libvirt/qemu/web.xml", OFF);
    let steps = does(&hardened(&off, &tests::debian()).expect("made"));
    assert!(
        steps[4].contains("domain web") && steps[4].contains("<seclabel type='none' model='none'/>"),
        "{steps:#?}"
    );

    // A daemon that does not run is not started.
    let mut idle = values();
    idle.insert("services", "libvirtd.service inactive enabled\n");
    let plan = hardened(&idle, &tests::debian()).expect("made");
    assert_eq!(plan.steps.len(), 2, "{:?}", does(&plan));
    leaves(&plan, "libvirt's daemon does not run");
}

#[test]
fn what_cannot_be_decided_is_told_and_not_done() {
    // Without a profile of its own libvirt would not start with AppArmor.
    let mut unloaded = values();
    unloaded.insert("/sys/kernel/security/apparmor/profiles", "nvidia_modprobe (enforce)\n");
    let plan = hardened(&unloaded, &tests::debian()).expect("the other setting is left");
    assert!(!does(&plan).iter().any(|step| step.contains("security_driver")), "{:?}", does(&plan));
    leaves(&plan, "no profile of the daemon itself is loaded");
    let mut list = values();
    list.insert("/etc/libvirt/qemu.conf", "security_driver = [ \"none\" ]\n");
    let error = hardened(&list, &tests::debian()).expect_err("nothing is left to do").to_string();
    assert!(error.contains("line 1 is written with something else than one value"), "{error}");
    assert!(
        error.contains("domains without a label, or with one that only complains: web"),
        "what is left to others is told all the same: {error}"
    );
}

#[test]
fn selinux_that_only_complains_is_made_to_enforce() {
    let mut values = values();
    values.insert("/sys/fs/selinux/enforce", "0");
    let plan = hardened(&values, &tests::debian()).expect("made");
    let does = does(&plan);
    assert!(does.iter().any(|step| step.contains("writes `1` to /sys/fs/selinux/enforce")), "{does:?}");
    assert!(does.iter().any(|step| step.contains("writes `selinux` for `none`")), "{does:?}");
    assert!(crate::may_lock_out(&plan), "where nobody gets in any more it is taken back");
    leaves(&plan, "SELINUX=enforcing");
}

#[test]
fn apparmor_is_switched_on_at_boot_where_all_that_it_needs_is_there() {
    let mut values = values();
    values.insert("/sys/module/apparmor/parameters/enabled", "N\n");
    let error = hardened(&values, &tests::debian()).expect_err("there is nothing to do").to_string();
    assert!(error.contains("apparmor_parser is not installed"), "{error}");
    values.extend([
        ("/usr/sbin/apparmor_parser", ""),
        (
            "/etc/apparmor.d/libvirt/TEMPLATE.qemu",
            "profile LIBVIRT_TEMPLATE flags=(attach_disconnected) {\n}\n",
        ),
        ("/etc/apparmor.d/usr.sbin.libvirtd", ""),
    ]);
    let mut boot = tests::debian();
    let plan = hardened(&values, &boot).expect("made");
    let made = does(&plan);
    for part in [
        "adds `apparmor=1` (the kernel's parameter `apparmor` in GRUB_CMDLINE_LINUX_DEFAULT)",
        "adds `security=apparmor` (the kernel's parameter `security`",
        "makes /boot/grub/custom.cfg",
        "apparmor.service: has it started at boot",
    ] {
        assert!(made.iter().any(|step| step.contains(part)), "{part}: {made:#?}");
    }
    assert!(
        !made.iter().any(|step| step.contains("qemu.conf")),
        "libvirt would not start with it before: {made:#?}"
    );
    leaves(&plan, "behind that boot");
    // A list of modules counts alone.
    boot.cmdline = "quiet lsm=landlock,yama";
    let made = does(&hardened(&values, &boot).expect("made"));
    assert!(made.iter().any(|step| step.contains("`lsm=landlock,yama,apparmor`")), "{made:#?}");
    assert!(!made.iter().any(|step| step.contains("security=")), "{made:#?}");
    boot.cmdline = "quiet lsm=landlock,selinux";
    let error = hardened(&values, &boot).expect_err("one of the two").to_string();
    assert!(error.contains("names selinux, beside which AppArmor is not switched on"), "{error}");
}

#[test]
fn a_domain_that_goes_without_gets_its_label_and_its_profile_enforces() {
    let mut values = values();
    values.insert("/etc/apparmor.d/libvirt/libvirt-6a0e", PROFILE);
    let guest = |path: &'static str| {
        let text = "name = \"web\"\n[memory]\nmerge = false\ndump = false\n";
        Guest { name: "web", path, text }
    };
    let made = |values: &BTreeMap<&str, &str>, path: &'static str| {
        harden_vm(&Ground { id: "h", topology: &Topology::default(), values }, &guest(path))
    };
    let plan = made(&values, "/etc/libvirt/qemu/web.xml").expect("made");
    assert_eq!(lint(&plan), []);
    let Action::FileWrite { text, .. } = &plan.steps[0].action else { panic!("{plan:?}") };
    assert_eq!(*text, PROFILE.replace("attach_disconnected, complain", "attach_disconnected"));
    let does = does(&plan);
    assert_eq!(does.len(), 2, "{does:?}");
    assert!(does[1].contains("takes <seclabel type='none' model='apparmor'/> out of"), "{does:?}");
    leaves(&plan, "web runs on as it is");
    // What apparmor_parser(8) makes complain is no text.
    values.insert("/etc/apparmor.d/libvirt/libvirt-6a0e", "profile libvirt-6a0e {\n}\n");
    values.insert("/etc/apparmor.d/force-complain/libvirt-6a0e", "profile libvirt-6a0e {\n}\n");
    leaves(&made(&values, "/etc/libvirt/qemu/web.xml").expect("made"), "/etc/apparmor.d/force-complain/");
    // Users' own libvirts give no labels.
    values.insert("/root/.config/libvirt/qemu/web.xml", DOMAIN);
    let nothing = made(&values, "/root/.config/libvirt/qemu/web.xml");
    assert!(matches!(nothing, Err(IntentError::Nothing(_))), "{nothing:?}");
    for (flags, kept) in [
        (" flags=(complain) {", " {"),
        (" flags=(complain attach_disconnected){", " flags=(attach_disconnected){"),
    ] {
        let of = |flags: &str| format!("profile LIBVIRT_TEMPLATE{flags}\n}}\n");
        let (text, wanted) = (of(flags), of(kept));
        let mut values: BTreeMap<&str, &str> = values.clone();
        values.insert("/etc/apparmor.d/libvirt/TEMPLATE.qemu", &text);
        let plan = hardened(&values, &tests::debian()).expect("made");
        let new = plan.steps.iter().find_map(|step| match &step.action {
            Action::FileWrite { path, text, .. } if path.ends_with("TEMPLATE.qemu") => Some(text),
            _ => None,
        });
        assert_eq!(new, Some(&wanted));
    }
}
