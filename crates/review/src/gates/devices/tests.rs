use super::assigned::{Assigned, Function, InGuest};
use super::layout::Layout;
use super::observe::{Block, block};
use super::peripherals::Peripherals;
use super::shares::{Mount, Passed, Seen};
use super::socket::Call;
use super::virtio::GuestVirtio;
use super::*;
use crate::gates::tests_support::{network, spec};
use crate::interfaces::Interface;
use vmwright_model::GateOutcome;
use vmwright_model::machine::{
    Disk, DiskFormat, HostDevice, HostDeviceKind, NetworkKind, NumaCell, Topology, Video,
};

const MAC: &str = "52:54:00:00:00:01";

fn machine() -> MachineSpec {
    let mut spec = spec();
    spec.cpu.count = 2;
    let disk = |path: &str, readonly| Disk { readonly, ..Disk::at(path, DiskFormat::Raw) };
    spec.disks = vec![disk("/a.img", false), disk("/b.img", true)];
    spec.networks = vec![network(NetworkKind::User, None, Some(MAC))];
    spec
}

fn guest_disk(name: &str, size: u64, readonly: bool) -> GuestDisk {
    GuestDisk { name: name.to_owned(), driver: Ok("virtio_blk".to_owned()), size: Ok(size), readonly: Ok(readonly) }
}

fn good() -> Observed {
    let interface = Interface { name: "eth0".to_owned(), mac: Some(MAC.to_owned()), addresses: Vec::new() };
    let driver = |kind, driver: &str| GuestVirtio { kind, driver: Some(driver.to_owned()) };
    Observed {
        agent: Ok(()),
        vcpus_vmm: Ok(2),
        vcpus_guest: Ok(2),
        memory_vmm: Ok(256 << 20),
        memory_guest: Ok(215 << 20),
        blocks: Ok(vec![
            Block { file: "/a.img".to_owned(), size: 1 << 20 },
            Block { file: "/b.img".to_owned(), size: 1 << 20 },
        ]),
        disks: Ok(vec![guest_disk("vda", 1 << 20, true), guest_disk("vdb", 1 << 20, false)]),
        vmm_macs: Ok(vec![MAC.to_owned()]),
        interfaces: Ok(vec![(interface, Ok("virtio_net".to_owned()))]),
        virtio_vmm: Ok(vec![1, 2, 2, 4]),
        virtio_guest: Ok(vec![
            driver(1, "virtio_net"),
            driver(2, "virtio_blk"),
            driver(2, "virtio_blk"),
            driver(4, "virtio_rng"),
        ]),
        layout: Layout { random: Some(Ok("virtio_rng.0".to_owned())), ..Layout::default() },
        shares: None,
        call: None,
        peripherals: Peripherals::default(),
        assigned: Assigned::default(),
        evidence: Vec::new(),
    }
}

/// A node of memory alone.
fn node() -> NumaCell {
    NumaCell {
        cpus: None,
        memory: "128MiB".to_owned(),
        shared: None,
        hugepage_size: None,
        policy: None,
        distances: Vec::new(),
    }
}

#[test]
fn arrangement_nodes_queues_and_random_numbers() {
    let mut spec = machine();
    spec.cpu.topology = Some(Topology { sockets: Some(1), cores: Some(1), threads: Some(2), ..Topology::default() });
    spec.numa = vec![node(); 2];
    spec.networks[0].queues = Some(2);
    let mut seen = good();
    seen.layout.processors = Some(Ok(vec![(0, 0), (0, 0)]));
    seen.layout.nodes = Some(Ok("0-1".to_owned()));
    seen.layout.queues = [("eth0".to_owned(), 2)].into();
    assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
    seen.layout.processors = Some(Ok(vec![(0, 0), (1, 0)]));
    seen.layout.nodes = Some(Ok("0".to_owned()));
    seen.layout.queues.clear();
    seen.layout.random = Some(Ok("tpm-rng-0".to_owned()));
    let why = judge(&seen, &spec).outcome.why().to_owned();
    for part in [
        "the guest sees 2 sockets, the specification says 1",
        "the guest sees 1 threads in a core, the specification says 2",
        "the guest sees 1 nodes of memory, the specification says 2",
        "eth0 has 0 pairs of queues, the specification says 2",
        "takes random numbers from `tpm-rng-0`",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

/// The verdict after one change.
fn after(change: impl FnOnce(&mut Observed)) -> String {
    let mut seen = good();
    change(&mut seen);
    format!("{:?}", judge(&seen, &machine()).outcome)
}

#[test]
fn everything_in_its_place_passes() {
    let judged = judge(&good(), &machine());
    assert_eq!(judged.outcome, GateOutcome::Pass, "{judged:?}");
    let row = |device: &str| judged.tables[0].rows.iter().find(|row| row[0] == device).unwrap().clone();
    assert_eq!(row("disk 0"), ["disk 0", "/a.img", "1048576 bytes", "vdb (virtio_blk)"], "the writable one");
    assert_eq!(row("network 0")[3], "eth0 (virtio_net)");
    assert_eq!(row("virtio entropy source"), ["virtio entropy source", "", "1", "1 (virtio_rng)"]);
}

#[test]
fn each_thing_that_differs_fails_by_name() {
    type Change = fn(&mut Observed);
    let cases: [(&str, Change); 9] = [
        ("the guest has 1 processors, the specification says 2", |seen| seen.vcpus_guest = Ok(1)),
        ("the VMM has 1 processors", |seen| seen.vcpus_vmm = Ok(1)),
        ("the guest has 100 MiB of memory, of 256MiB it should have 184 MiB at least", |seen| seen.memory_guest = Ok(100 << 20)),
        ("the VMM gives 512 MiB of memory", |seen| seen.memory_vmm = Ok(512 << 20)),
        ("disk 1: the VMM has no disk /b.img", |seen| seen.blocks.as_mut().unwrap().truncate(1)),
        ("disk 1: the guest has no read-only disk of 1048576 bytes, but no other disk", |seen| {
            seen.disks = Ok(vec![guest_disk("vda", 1 << 20, false)]);
        }),
        ("disk 0: the guest has no writable disk of 1048576 bytes, but vda (1048576 bytes, read-only), vdb (512 bytes)", |seen| {
            seen.disks = Ok(vec![guest_disk("vda", 1 << 20, true), guest_disk("vdb", 512, false)]);
        }),
        ("network 0: the guest has no interface with MAC address", |seen| seen.interfaces = Ok(Vec::new())),
        ("virtio entropy source: 1 of 1 have no driver in the guest", |seen| seen.virtio_guest.as_mut().unwrap()[3].driver = None),
    ];
    for (expected, change) in cases {
        let found = after(change);
        assert!(found.starts_with("Fail") && found.contains(expected), "{expected}: {found}");
    }
    let found = after(|seen| drop(seen.virtio_guest.as_mut().unwrap().pop()));
    assert!(found.contains("virtio entropy source: the VMM has 1, the guest sees 0"), "{found}");
}

#[test]
fn what_could_not_be_seen_is_unknown() {
    let dark = || Err("the guest's agent refused: no such command".to_owned());
    for found in [
        after(|seen| seen.vcpus_guest = dark().map(|()| 0)),
        after(|seen| seen.disks = dark().map(|()| Vec::new())),
        after(|seen| seen.disks.as_mut().unwrap()[0].driver = dark().map(|()| String::new())),
        after(|seen| seen.disks.as_mut().unwrap()[0].size = dark().map(|()| 0)),
        after(|seen| seen.virtio_guest = dark().map(|()| Vec::new())),
        after(|seen| seen.blocks = Err("query-block: broken pipe".to_owned())),
        after(|seen| seen.memory_vmm = Err("query-memory-size-summary: broken pipe".to_owned())),
    ] {
        assert!(found.starts_with("Unknown"), "{found}");
    }
}

#[test]
fn without_an_agent_that_is_said_once_and_the_vmm_is_still_judged() {
    let silence = "the guest's agent does not answer: closed";
    let change = |seen: &mut Observed| {
        seen.agent = Err(silence.to_owned());
        seen.vcpus_guest = Err(silence.to_owned());
        seen.memory_guest = Err(silence.to_owned());
        seen.disks = Err(silence.to_owned());
        seen.interfaces = Err(silence.to_owned());
        seen.virtio_guest = Err(silence.to_owned());
    };
    assert_eq!(after(change), format!("Unknown({silence:?})"));
    let found = after(|seen| {
        change(seen);
        seen.vcpus_vmm = Ok(1);
    });
    assert!(found.starts_with("Fail(\"the VMM has 1 processors"), "{found}");
}

#[test]
fn shared_directories_and_the_socket() {
    use vmwright_model::machine::Vsock;
    let mut spec = machine();
    let share = |driver: &str| serde_json::json!({ "path": "/srv/x", "tag": "x", "driver": driver });
    spec.shares = vec![serde_json::from_value(share("9p")).expect("a share")];
    spec.vsock = Some(Vsock::default());
    let mut seen = good();
    let why = judge(&seen, &spec).outcome.why().to_owned();
    assert!(why.contains("9p: the VMM has 0, the specification says 1"), "{why}");
    assert!(why.contains("vsock: the VMM has 0, the specification says 1"), "{why}");
    seen.virtio_vmm = Ok(vec![1, 2, 2, 4, 9, 19]);
    let with = |kind, driver: Option<&str>| GuestVirtio { kind, driver: driver.map(str::to_owned) };
    let guest = seen.virtio_guest.as_mut().expect("devices");
    guest.extend([with(9, Some("9pnet_virtio")), with(19, None)]);
    let whole = || Seen {
        mount: Some(Mount { place: "/mnt/x".to_owned(), readonly: false }),
        lost: None,
        bytes: Ok(Passed { there: Ok(Ok(true)), back: Some(Ok(Ok(true))) }),
    };
    seen.shares = Some(Ok(vec![whole()]));
    let why = judge(&seen, &spec).outcome.why().to_owned();
    assert!(why.contains("virtio socket: 1 of 1 have no driver in the guest"), "{why}");
    spec.vsock = None;
    seen.virtio_vmm = Ok(vec![1, 2, 2, 4, 9]);
    assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
    let told = |change: fn(&mut Seen, &mut MachineSpec)| {
        let (mut one, mut spec) = (whole(), spec.clone());
        change(&mut one, &mut spec);
        let mut seen = Observed { shares: Some(Ok(vec![one])), ..good() };
        seen.virtio_vmm = Ok(vec![1, 2, 2, 4, 9]);
        seen.virtio_guest.as_mut().expect("devices").push(with(9, Some("9pnet_virtio")));
        format!("{:?}", judge(&seen, &spec).outcome)
    };
    assert_eq!(told(|_, _| ()), "Pass");
    assert!(told(|one, _| one.mount = None).starts_with("Unknown(\"the guest has not mounted `x`"));
    assert!(told(|one, _| one.mount.as_mut().unwrap().readonly = true).starts_with("Fail(\"the guest has mounted `x` read-only"));
    assert!(told(|one, _| one.lost = Some("/s".to_owned())).contains("lost the daemon behind `/s`"));
    assert!(told(|one, _| one.bytes = Err("no exercise".to_owned())).starts_with("Unknown("));
    assert!(told(|one, _| there(one, Ok(Ok(false)))).contains("reads other bytes"));
    assert!(told(|one, _| there(one, Ok(Err("EIO".to_owned())))).contains("has laid there: EIO"));
    assert!(told(|one, _| there(one, Err("deaf".to_owned()))).starts_with("Unknown("));
    assert!(told(|one, _| back(one, Ok(Ok(false)))).contains("finds other bytes than the guest wrote"));
    assert!(told(|one, _| back(one, Ok(Err("EROFS".to_owned())))).contains("cannot write there: EROFS"));
    // What only may be read has to refuse.
    let mut only = |change: fn(&mut Seen)| {
        spec.shares[0].readonly = true;
        let mut one = whole();
        change(&mut one);
        let mut seen = Observed { shares: Some(Ok(vec![one])), ..good() };
        seen.virtio_vmm = Ok(vec![1, 2, 2, 4, 9]);
        seen.virtio_guest.as_mut().expect("devices").push(with(9, Some("9pnet_virtio")));
        format!("{:?}", judge(&seen, &spec).outcome)
    };
    assert!(only(|_| ()).contains("the guest writes there, the specification says that it may only read"));
    assert_eq!(only(|one| back(one, Ok(Err("EROFS".to_owned())))), "Pass");
}

type Tried = Result<Result<bool, String>, String>;

fn there(one: &mut Seen, tried: Tried) {
    one.bytes = Ok(Passed { there: tried, back: None });
}

fn back(one: &mut Seen, tried: Tried) {
    one.bytes = Ok(Passed { there: Ok(Ok(true)), back: Some(tried) });
}

/// A machine that a graphics card of the host was given to.
fn given() -> (Observed, MachineSpec) {
    let (mut seen, mut spec) = (good(), machine());
    spec.host_devices = vec![HostDevice::of(HostDeviceKind::Pci, "0000:41:00.0")];
    let id = (0x10de, 0x2236);
    let function = Function { address: "0000:01:00.0".to_owned(), id, class: 0x0302 };
    let in_guest = InGuest { id: Some(id), driver: Some("nvidia".to_owned()), shown: Some("DRM card1".to_owned()) };
    seen.assigned = Assigned {
        wanted: vec![("0000:41:00.0".to_owned(), Ok(id))],
        functions: Some(Ok(vec![(function, Ok(in_guest))])),
    };
    (seen, spec)
}

#[test]
fn a_device_of_the_host_has_a_driver_and_a_graphics_card_is_up() {
    let (seen, spec) = given();
    let judged = judge(&seen, &spec);
    assert_eq!(judged.outcome, GateOutcome::Pass);
    assert!(judged.checks.iter().any(|check| check.name == "host devices"));
    let row = judged.tables[0].rows.iter().find(|row| row[0] == "host device 0000:41:00.0 (10de:2236)").expect("a row");
    assert_eq!(row[1..], ["0000:41:00.0", "0000:01:00.0", "nvidia, DRM card1"]);
    let told = |change: fn(&mut Assigned, &mut InGuest)| {
        let (mut seen, spec) = given();
        let mut functions = seen.assigned.functions.take().expect("functions").expect("an answer");
        let mut own = functions[0].1.clone().expect("seen");
        change(&mut seen.assigned, &mut own);
        functions[0].1 = Ok(own);
        seen.assigned.functions = Some(Ok(functions));
        format!("{:?}", judge(&seen, &spec).outcome)
    };
    assert!(told(|_, own| own.driver = None).starts_with("Fail(\"host device 0000:41:00.0 (10de:2236): no driver of the guest took it"));
    assert!(told(|_, own| own.id = None).contains("the guest does not see it at 0000:01:00.0"));
    assert!(told(|_, own| own.shown = None).starts_with("Unknown(\"host device 0000:41:00.0 (10de:2236): nvidia took it, and neither DRM"));
    assert!(told(|all, _| all.wanted[0].1 = Ok((0x10de, 1))).contains("(10de:0001): the VMM has no such device"));
    assert!(told(|all, _| all.wanted[0].1 = Err("not root".to_owned())).starts_with("Unknown("));
}

#[test]
fn an_emulated_graphics_card_needs_no_driver_and_passes_nothing_without() {
    let (mut seen, mut spec) = given();
    spec.host_devices.clear();
    spec.videos = vec![serde_json::from_value::<Video>(serde_json::json!({ "model": "vga" })).expect("a card")];
    seen.assigned.wanted.clear();
    assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
    if let Some(Ok(functions)) = &mut seen.assigned.functions {
        functions[0].1 = Ok(InGuest { id: Some((0x10de, 0x2236)), driver: None, shown: None });
    }
    let judged = judge(&seen, &spec);
    let check = judged.checks.iter().find(|check| check.name == "graphics").expect("it is judged");
    assert_eq!((judged.outcome, check.outcome.word()), (GateOutcome::Pass, "not applicable"));
}

#[test]
fn a_call_by_vsock() {
    use crate::scope::Undone;
    use vmwright_model::machine::Vsock;
    let told = |came, guest| {
        let mut spec = machine();
        spec.vsock = Some(Vsock::default());
        let mut seen = Observed { call: Some(Ok(Call { came, guest })), ..good() };
        seen.virtio_vmm = Ok(vec![1, 2, 2, 4, 19]);
        let driver = Some("vmw_vsock_virtio_transport".to_owned());
        seen.virtio_guest.as_mut().unwrap().push(GuestVirtio { kind: 19, driver });
        format!("{:?}", judge(&seen, &spec).outcome)
    };
    let no = |why: &str| Ok(Err(why.to_owned()));
    assert_eq!(told(Ok(Some(Ok(()))), Ok(Ok(()))), "Pass");
    assert!(told(Ok(Some(Err(7))), Ok(Ok(()))).starts_with("Fail(\"vsock: of the bytes that the host sent, 7 came back"));
    assert!(told(Ok(None), no("No such device")).starts_with("Fail(\"vsock: the guest cannot call its host: No such device"));
    assert!(told(Ok(None), Ok(Ok(()))).contains("the host heard nobody"));
    assert!(told(Err(Undone::Failed("it broke".to_owned())), no("it broke")).starts_with("Fail("));
    assert!(told(Ok(None), Err("neither python3 nor socat".to_owned())).starts_with("Unknown(\"vsock: no bytes were sent: neither"));
    assert!(told(Err(Undone::Cannot("no vsock".to_owned())), no("x")).starts_with("Unknown(\"vsock: no bytes were sent: no vsock"));
}

#[test]
fn a_disk_with_limits_has_the_file_below_them() {
    let named = |file: &str| {
        let entry = serde_json::json!({ "inserted": { "file": file, "image": { "virtual-size": 4096 } } });
        block(&entry).map(|block| block.file)
    };
    // As QEMU 10.0 names such a node.
    let limited = r#"json:{"throttle-group": "g", "driver": "throttle", "file": {"driver": "raw", "file": {"driver": "file", "filename": "/a"}}}"#;
    assert_eq!(named(limited).as_deref(), Some("/a"));
    for other in ["/a", "json:{", r#"json:{"driver": "rbd"}"#] {
        assert_eq!(named(other).as_deref(), Some(other));
    }
}

/// A machine with a sound card, a watchdog, and a tablet on USB.
fn furnished() -> (Peripherals, MachineSpec) {
    let mut spec = machine();
    let value = |model: &str| serde_json::json!({ "model": model });
    spec.sounds = vec![serde_json::from_value(value("ich9")).unwrap()];
    spec.watchdogs = vec![serde_json::from_value(value("i6300esb")).unwrap()];
    spec.inputs = vec![serde_json::from_value(serde_json::json!({ "kind": "tablet" })).unwrap()];
    let function = |slot: u64, id, class, driver: &str| {
        let function = Function { address: format!("0000:00:{slot:02x}.0"), id, class };
        (function, Ok(InGuest { id: Some(id), driver: Some(driver.to_owned()), shown: None }))
    };
    let functions = vec![
        function(1, (0x8086, 0x293e), 0x0403, "snd_hda_intel"),
        function(2, (0x8086, 0x25ab), 0x0880, "i6300ESB timer"),
        function(3, (0x1b36, 0x000d), 0x0c03, "xhci_hcd"),
    ];
    let seen = Peripherals {
        functions: Some(Ok(functions)),
        cards: Some(1),
        watchdogs: Some(vec!["Software Watchdog".to_owned(), "i6300ESB timer".to_owned()]),
        usb: Some(vec![((0x0627, 1), Some("usbhid".to_owned()))]),
    };
    (seen, spec)
}

#[test]
fn sound_cards_watchdogs_and_usb_have_their_drivers() {
    let judged = |change: fn(&mut Peripherals)| {
        let (mut peripherals, spec) = furnished();
        change(&mut peripherals);
        judge(&Observed { peripherals, ..good() }, &spec)
    };
    let told = |change| format!("{:?}", judged(change).outcome);
    let whole = judged(|_| ());
    assert_eq!(whole.outcome, GateOutcome::Pass, "{whole:?}");
    let names: Vec<&str> = whole.checks.iter().map(|check| check.name.as_str()).collect();
    assert!(["sound", "watchdog", "USB"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(told(|seen| seen.cards = Some(0)).contains("has 0 sound cards, the specification says 1"));
    assert!(told(|seen| bare(seen, 0)).contains("sound card ich9: no driver of the guest took it"));
    assert!(told(|seen| bare(seen, 1)).contains("watchdog i6300esb: no driver of the guest took it"));
    assert!(told(|seen| bare(seen, 2)).contains("USB controller 1b36:000d: no driver of the guest took it"));
    // The kernel's own is no device of the VM.
    let software = told(|seen| drop(seen.watchdogs.as_mut().unwrap().pop()));
    assert!(software.contains("is its `i6300ESB timer`; it has Software Watchdog"), "{software}");
    assert!(told(|seen| seen.usb = Some(Vec::new())).contains("USB tablet (0627:0001): the guest sees no such device"));
    assert!(told(|seen| seen.usb.as_mut().unwrap()[0].1 = None).contains("USB tablet: no driver of the guest took it"));
    assert!(told(|seen| seen.functions = Some(Ok(Vec::new()))).contains("sound card ich9: the VMM has no 8086:293e"));
    assert!(told(|seen| seen.functions = Some(Err("broken pipe".to_owned()))).starts_with("Unknown("));
}

/// Takes a function its driver.
fn bare(seen: &mut Peripherals, at: usize) {
    if let Some(Ok(all)) = &mut seen.functions {
        all[at].1.as_mut().unwrap().driver = None;
    }
}
