//! Performance: what is demanded of a real guest, and a disk that is held back.

use crate::live::{failure, gate, spec};
use crate::support::{Options, Vm, parts};
use serde_json::json;
use std::fs::File;
use vmwright_model::machine::{Disk, DiskFormat};
use vmwright_model::{GateOutcome, Review};

fn review(vm: &Vm, spec: &vmwright_model::MachineSpec, baseline: Option<&Review>) -> Review {
    crate::live::review_against(vm, spec, &["performance"], None, baseline)
}

#[test]
fn a_disk_that_is_held_back_is_noticed() {
    let Some(parts) = parts("a_disk_that_is_held_back_is_noticed") else { return };
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("disk.img");
    File::create(&path).unwrap().set_len(32 << 20).unwrap();
    let mut wanted = spec();
    wanted.disks = vec![Disk::at(path.to_str().unwrap(), DiskFormat::Raw)];
    let limits = ["-object", "throttle-group,id=slow"].map(str::to_owned);
    let device = [
        "-blockdev",
        &format!("driver=file,node-name=f,filename={}", path.display()),
        "-blockdev",
        "driver=throttle,node-name=t,throttle-group=slow,file=f",
        "-device",
        "virtio-blk-pci,drive=t",
    ]
    .map(str::to_owned);
    let options = Options { memory: 192, more: [&limits[..], &device[..]].concat(), ..Options::default() };
    let vm = Vm::start(parts, &options);
    let before = review(&vm, &wanted, None);
    // Nothing is demanded: nothing passes for it.
    assert!(matches!(gate(&before, "performance").outcome, GateOutcome::NotApplicable(_)));
    let figure =
        gate(&before, "performance").measurements.iter().find(|one| one.name == "disk reads").unwrap();
    assert_eq!(figure.samples.len(), 12);
    let (low, high) = figure.interval.unwrap();
    assert!(low <= figure.value && figure.value <= high && low > 0.0);

    // Four MiB a second is what even a busy machine reads; 0.7 is less, whatever the throttle lets through at first.
    wanted.review.disk_read_mib_s = Some(4);
    let good = review(&vm, &wanted, None);
    assert_eq!(gate(&good, "performance").outcome, GateOutcome::Pass);
    let slow = json!({ "path": "/objects/slow", "property": "limits", "value": { "bps-read": 700_000, "bps-read-max": 700_000 } });
    vm.qmp("qom-set", slow).unwrap();
    let held = review(&vm, &wanted, Some(&before));
    let why = failure(&held, "performance");
    assert!(why.contains("disk reads: the median lies between"), "{why}");
    assert!(why.contains("disk reads: -") && why.contains("against the review of"), "{why}");
}
