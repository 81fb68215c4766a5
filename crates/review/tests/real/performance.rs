//! Performance: what is demanded of a real guest, and a disk that is held back. Utilisation: memory that is.

use crate::live::{failure, gate, spec};
use crate::support::{Options, Vm, parts};
use serde_json::json;
use std::fs::File;
use std::time::{Duration, Instant};
use vmwright_model::machine::{Disk, DiskFormat, HostDevice, HostDeviceKind};
use vmwright_model::{GateOutcome, Review};

fn review(vm: &Vm, spec: &vmwright_model::MachineSpec, baseline: Option<&Review>) -> Review {
    crate::live::review_against(vm, spec, &["performance"], None, baseline)
}

#[test]
fn a_disk_and_memory_that_are_held_back_are_noticed() {
    let Some(parts) = parts("a_disk_and_memory_that_are_held_back_are_noticed") else { return };
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
        "-device",
        "virtio-balloon-pci",
    ]
    .map(str::to_owned);
    let options = Options { memory: 512, more: [&limits[..], &device[..]].concat(), ..Options::default() };
    let mut vm = Vm::start(parts, &options);
    wanted.memory.size = "512MiB".to_owned();
    // This machine has what the guest has not touched yet; and it is said to have nothing left.
    let promised = |vm: &Vm| crate::live::review(vm, &wanted, &["utilisation"], None);
    assert_eq!(gate(&promised(&vm), "utilisation").outcome, GateOutcome::Pass);
    vm.host_files.push(("/proc/meminfo".to_owned(), "MemAvailable: 0 kB\n".to_owned()));
    let why = failure(&promised(&vm), "utilisation").to_owned();
    assert!(why.contains("MiB that it has not touched yet, and the host has 0 MiB left"), "{why}");
    vm.host_files.clear();
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
    // Nor may a write be demanded of a disk that is not free: that is not known.
    wanted.review.disk_write_mib_s = Some(1);
    let held = review(&vm, &wanted, Some(&before));
    let writes = gate(&held, "performance").checks.iter().find(|check| check.name == "disk writes").unwrap();
    assert!(
        writes.outcome.why().contains("gives no disk free") && writes.outcome.word() == "unknown",
        "{writes:?}"
    );
    let why = failure(&held, "performance");
    assert!(why.contains("disk reads: the median lies between"), "{why}");
    assert!(why.contains("disk reads: -") && why.contains("against the review of"), "{why}");

    // The same guest, from which memory is taken that its specification gives.
    let given = || crate::live::review(&vm, &wanted, &["utilisation"], None);
    let huge = vmwright_model::machine::Memory { hugepages: true, ..wanted.memory.clone() };
    let huge = vmwright_model::MachineSpec { memory: huge, ..wanted.clone() };
    let ordinary = crate::live::review(&vm, &huge, &["utilisation"], None);
    let why = "0 MiB of the VMM are in huge pages, the specification says all of the guest's 512 MiB";
    assert_eq!(failure(&ordinary, "utilisation"), why);
    vm.qmp("balloon", json!({ "value": 480 << 20 })).unwrap();
    let left = || vm.qmp("query-balloon", json!({})).unwrap()["actual"].as_u64().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while left() > 480 << 20 {
        assert!(Instant::now() < end, "the guest gives nothing back");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(failure(&given(), "utilisation"), "a balloon holds 32 MiB of 512 MiB back from the guest");
}

#[test]
fn a_failure_names_the_interrupts_that_share_a_processor_with_the_guest() {
    let test = "a_failure_names_the_interrupts_that_share_a_processor_with_the_guest";
    let Some(parts) = parts(test) else { return };
    let more = ["-name", "reviewed,debug-threads=on"].map(str::to_owned).to_vec();
    let mut vm = Vm::start(parts, &Options { memory: 192, more, ..Options::default() });
    vm.wait_for("vmwright-guest: agent ", Duration::from_secs(120));
    let is_vcpu = |thread: &std::path::PathBuf| {
        std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("ALL CPUs/TCG"))
    };
    let threads = std::fs::read_dir(format!("/proc/{}/task", vm.pid())).unwrap();
    let thread = threads.map(|thread| thread.unwrap().path()).find(is_vcpu).unwrap();
    let thread = thread.file_name().unwrap().to_str().unwrap();
    let pinned = std::process::Command::new("taskset").args(["-p", "-c", "0", thread]).output().unwrap();
    if !pinned.status.success() {
        eprintln!("SKIPPED {test}: taskset: {}", String::from_utf8_lossy(&pinned.stderr).trim());
        return;
    }
    // This machine may have no device to give away: it is said to have one, whose interrupt is sent somewhere.
    let mut wanted = spec();
    wanted.host_devices = vec![HostDevice::of(HostDeviceKind::Pci, "0000:41:00.0")];
    wanted.review.memory_mib_s = Some(1_000_000);
    let mut evidence = |to: &str| {
        let text = "           CPU0       CPU1\n 55:   7   8  IR-PCI-MSI-0000:41:00.0    0-edge      vfio-msix[0](0000:41:00.0)\n";
        vm.host_files = vec![
            ("/proc/interrupts".to_owned(), text.to_owned()),
            ("/proc/irq/55/effective_affinity_list".to_owned(), format!("{to}\n")),
            ("/sys/devices/system/cpu/online".to_owned(), "0-1\n".to_owned()),
        ];
        let review = review(&vm, &wanted, None);
        assert!(failure(&review, "performance").contains("memory: the median lies between"));
        let gate = gate(&review, "performance");
        assert!(gate.tables.iter().any(|table| table.title == "Beside the virtual processors"));
        gate.evidence.join("\n")
    };
    let shared = evidence("0");
    assert!(
        shared.contains(
            "interrupt 55 (vfio-msix[0](0000:41:00.0)) is served on processor 0, where the VM's ALL CPUs/TCG"
        ),
        "{shared}"
    );
    assert_eq!(evidence("1"), "");
}

#[test]
fn memory_in_huge_pages_is_seen() {
    let test = "memory_in_huge_pages_is_seen";
    let Some(parts) = parts(test) else { return };
    let free = std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    let free: u32 = free.unwrap_or_default().trim().parse().unwrap_or(0);
    if free < 96 {
        eprintln!("SKIPPED {test}: this machine has {free} huge pages of 2 MiB left, and 96 are needed");
        return;
    }
    let words = ["-object", "memory-backend-memfd,id=huge,size=192M,hugetlb=on,hugetlbsize=2M"];
    let words = words.into_iter().chain(["-machine", "memory-backend=huge"]).map(str::to_owned);
    let vm = Vm::start(parts, &Options { memory: 192, more: words.collect(), ..Options::default() });
    let mut wanted = spec();
    wanted.memory.size = "192MiB".to_owned();
    wanted.memory.hugepages = true;
    wanted.memory.hugepage_size = Some("2MiB".to_owned());
    let given = crate::live::review(&vm, &wanted, &["utilisation"], None);
    let checks = &gate(&given, "utilisation").checks;
    assert_eq!(checks.iter().find(|check| check.name == "huge pages").unwrap().outcome, GateOutcome::Pass);
    wanted.memory.hugepage_size = Some("1GiB".to_owned());
    let other = crate::live::review(&vm, &wanted, &["utilisation"], None);
    assert!(failure(&other, "utilisation").starts_with("0 MiB of the VMM are in huge pages of 1024 MiB"));
}
