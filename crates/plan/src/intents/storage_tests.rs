use super::tests::{Texts, debian, with_texts};
use super::*;
use crate::{canonical, lint};
use std::collections::BTreeMap;
use vmwright_model::machine::Technology;

const SPEC: &str = "name = \"web\"\n[[disk]]\npath = \"/srv/web.qcow2\"\nformat = \"qcow2\"\n\
                    backing = \"/srv/base.qcow2\"\nbacking_format = \"qcow2\"\n\
                    [[disk]]\npath = \"/srv/data.raw\"\nformat = \"raw\"\n";

const GIB: u64 = 1 << 30;

/// What is planned for a disk of `web`, in words.
fn disk(
    number: usize,
    base: Option<(&str, &str)>,
    running: bool,
    wish: &StorageWish,
) -> Result<Vec<String>, String> {
    let format = if number == 1 { "qcow2" } else { "raw" };
    let lies = Lies::Image { format: format.into(), size: Some(GIB) };
    let new = Lies::Image { format: "qcow2".into(), size: Some(GIB) };
    let guest = Guest { name: "web", path: "/m/web.toml", text: SPEC };
    let found = Found { guest, number, lies: &lies, base, new: Some(&new), running, monitored: true };
    let plan = storage("h", &found, wish).map_err(|error| error.to_string())?;
    assert_eq!(lint(&plan), []);
    assert_eq!(canonical(&plan), canonical(&storage("h", &found, wish).expect("the same")));
    Ok(plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect())
}

#[test]
fn a_chain_becomes_flat_and_the_specification_stays_true() {
    let base = Some(("/srv/base.qcow2", "qcow2"));
    assert_eq!(
        disk(1, base, true, &StorageWish::Flatten).expect("it can"),
        [
            "stops web",
            "lets /srv/web.qcow2 build upon nothing; what a guest sees of it stays, byte for byte",
            "removes `backing` from /m/web.toml".replace("`backing`", "`disk.0.backing`").as_str(),
            "removes `disk.0.backing_format` from /m/web.toml",
            "starts web",
        ]
    );
    let moved = disk(1, base, false, &StorageWish::Rebase("/srv/new.qcow2".into())).expect("it can");
    assert_eq!(moved.len(), 2, "the format is the same: {moved:?}");
    assert!(moved[1].contains("/srv/new.qcow2"), "{moved:?}");
    assert!(disk(1, None, false, &StorageWish::Flatten).expect_err("flat").contains("builds upon nothing"));
    assert!(disk(2, None, false, &StorageWish::Flatten).expect_err("raw").contains("is no qcow2 image"));
}

#[test]
fn a_disk_grows_and_never_shrinks() {
    let grown = disk(2, None, false, &StorageWish::Grow(2 * GIB)).expect("it can");
    assert_eq!(grown, ["gives /srv/data.raw 2147483648 bytes"]);
    for (to, why) in
        [(GIB, "has 1073741824 bytes"), (512, "becomes no smaller"), (GIB + 1, "a multiple of 512")]
    {
        let said = disk(2, None, false, &StorageWish::Grow(to)).expect_err("it cannot");
        assert!(said.contains(why), "{said}");
    }
    let upon = disk(1, Some(("/srv/base.qcow2", "qcow2")), false, &StorageWish::Grow(2 * GIB));
    assert!(upon.expect_err("it has a base").contains("flatten it first"));
    assert!(
        disk(3, None, false, &StorageWish::Trim).expect_err("none").contains("web has no disk 3: it has 2")
    );
    assert_eq!(disk(1, None, true, &StorageWish::Trim).expect("it can").len(), 2);
}

#[test]
fn a_limit_holds_at_once_and_from_the_next_start() {
    let both = StorageWish::Limit { bytes: Some(1 << 20), requests: Some(500) };
    let limited = disk(2, None, true, &both).expect("it can");
    assert_eq!(
        limited,
        [
            "gives the running web 1048576 bytes a second of disk 2, until it ends",
            "gives the running web 500 requests a second of disk 2, until it ends",
            "writes `disk.1.limits.bytes = 1048576` to /m/web.toml",
            "writes `disk.1.limits.iops = 500` to /m/web.toml",
        ]
    );
    assert_eq!(disk(2, None, false, &both).expect("it can").len(), 2, "nothing runs");
    let none = StorageWish::Limit { bytes: Some(0), requests: None };
    assert!(disk(2, None, true, &none).expect_err("none").contains("is so already"));
}

#[test]
fn a_limit_goes_and_one_of_a_single_direction_is_left_to_a_person() {
    let planned = |limits: &str| {
        let spec = format!("{SPEC}limits = {limits}\n");
        let guest = Guest { name: "web", path: "/m/web.toml", text: &spec };
        let (number, lies) = (2, &Lies::Nothing);
        let found = Found { guest, number, lies, base: None, new: None, running: true, monitored: true };
        let wish = StorageWish::Limit { bytes: Some(0), requests: None };
        let plan = storage("h", &found, &wish).map_err(|error| error.to_string())?;
        assert_eq!(lint(&plan), []);
        Ok::<_, String>(
            plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        planned("{ bytes = 9000 }").expect("it can"),
        [
            "gives the running web no limit of bytes a second of disk 2, until it ends",
            "removes `disk.1.limits.bytes` from /m/web.toml",
        ]
    );
    for other in
        ["{ bytes = 9000, read_bytes = 5 }", "{ bytes = 9000, bytes_burst = 10000, burst_seconds = 1 }"]
    {
        assert!(
            planned(other).expect_err("a person").contains("of a single direction or of bursts"),
            "{other}"
        );
    }
}

#[test]
fn an_image_in_a_pool_is_kept_and_no_other() {
    let spec = "name = \"web\"\n[[disk]]\nformat = \"raw\"\nrbd = { pool = \"vms\", image = \"web\" }\n";
    let planned = |spec: &str| {
        let guest = Guest { name: "web", path: "/m/web.toml", text: spec };
        let (number, lies) = (1, &Lies::Nothing);
        let found = Found { guest, number, lies, base: None, new: None, running: true, monitored: true };
        storage("h", &found, &StorageWish::Snapshot("before".into())).map_err(|error| error.to_string())
    };
    let plan = planned(spec).expect("it can");
    assert_eq!(lint(&plan), []);
    let words = crate::describe::words(&plan.steps[0].action);
    assert_eq!(words.does, "leaves snapshot vms/web@before, protected from removal");
    assert_eq!(plan.steps.len(), 1, "the guest runs on: {plan:?}");
    assert!(plan.left[0].contains("as after a loss of power"), "{:?}", plan.left);
    let said = planned(&spec.replace("image = \"web\"", "image = \"web\", user = \"vm\"")).expect_err("no");
    assert!(said.contains("a user, monitors or a configuration of its own"), "{said}");
    assert!(planned(SPEC).expect_err("no").contains("is no image in a Ceph pool"));
}

/// What is planned for a technology, in words, and what is left.
fn confide(
    vendor: &'static str,
    cmdline: &'static str,
    values: &[(&'static str, &'static str)],
    technology: Technology,
    guest: bool,
) -> Result<(Vec<String>, Vec<String>), String> {
    let boot = Boot { vendor: Some(vendor), cmdline, ..debian() };
    let values: BTreeMap<&str, &str> = values.iter().copied().collect();
    let web = Guest { name: "web", path: "/m/web.toml", text: "name = \"web\"\n" };
    let plan = with_texts(Texts::default(), &boot, |host| {
        confidential(host, &values, technology, guest.then_some(&web)).map_err(|error| error.to_string())
    })?;
    assert_eq!(lint(&plan), []);
    let does = plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect();
    Ok((does, plan.left))
}

const AMD: &str = "AuthenticAMD";
const OFF: &[(&str, &str)] = &[
    ("/sys/module/kvm_amd/parameters/sev", "Y\n"),
    ("/sys/module/kvm_amd/parameters/sev_es", "N\n"),
    ("/sys/module/kvm_amd/parameters/sev_snp", "N\n"),
];

#[test]
fn the_hosts_switches_are_written_once_and_made_once() {
    let (does, left) = confide(AMD, "ro iommu=pt", OFF, Technology::SevSnp, true).expect("it can");
    for word in ["`kvm_amd.sev_es=1`", "`kvm_amd.sev_snp=1`", "`iommu=nopt`"] {
        assert!(does.iter().any(|step| step.starts_with("adds") && step.contains(word)), "{word}: {does:#?}");
    }
    assert!(!does.iter().any(|step| step.starts_with("adds") && step.contains("kvm_amd.sev=1")), "it is on");
    assert_eq!(does.iter().filter(|step| step.starts_with("runs update-grub")).count(), 1, "{does:#?}");
    assert!(does.iter().any(|step| step.contains("confidential.technology = \"sev-snp\"")), "{does:#?}");
    assert!(left[0].contains("holds from the next boot"), "{left:?}");
    let (does, _) = confide(
        "GenuineIntel",
        "ro",
        &[("/sys/module/kvm_intel/parameters/tdx", "N\n"), ("/sys/power/disk", "[platform] shutdown\n")],
        Technology::Tdx,
        false,
    )
    .expect("it can");
    assert!(does.iter().any(|step| step.contains("`nohibernate`")), "{does:#?}");
}

#[test]
fn what_the_processor_or_the_kernel_cannot_is_told() {
    let said = |vendor, cmdline, values: &[(&'static str, &'static str)], technology| {
        confide(vendor, cmdline, values, technology, false).expect_err("it cannot")
    };
    assert!(said("GenuineIntel", "", OFF, Technology::Sev).contains("SEV is of processors of AMD"));
    assert!(
        said(AMD, "", &[], Technology::Sev).contains("this kernel has no /sys/module/kvm_amd/parameters/sev")
    );
    let asked = said(AMD, "kvm_amd.sev_es=1", OFF, Technology::SevEs);
    assert!(asked.contains("was given `kvm_amd.sev_es=1`, and"), "{asked}");
    assert!(said(AMD, "", OFF, Technology::Sev).contains("the host: SEV is on"));
}
