//! What Firecracker alone has: a console on its own streams, snapshots of raw images, a balloon, and machines that it
//! cannot be told.

use crate::guest;
use crate::rig::{self, LONG, Place, Rig, eventually, text};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use vmwright_backend::http::Api;
use vmwright_backend::request::{Limit, Limited, Metadata, Resize};
use vmwright_backend::{
    Answer, Backend as _, ControlError, Request, StartError, State, Stop, Stored, chain, snapshots,
};

fn state(rig: &Rig, machine: &Stored) -> State {
    rig.backend.look(machine).expect("it can be told").state
}

fn started(rig: &Rig, place: &Place, more: &str) -> Stored {
    let machine = place.machine(more);
    rig.backend
        .start(&machine)
        .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    machine
}

#[test]
fn a_snapshot_brings_memory_and_disks_back() {
    let Some(rig) = rig::firecracker("a_snapshot_brings_memory_and_disks_back") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "");
    rig.ask(&machine, Request::Snapshot { name: "one".to_owned() }).expect("it runs");
    assert_eq!((state(&rig, &machine), snapshots(&machine)), (State::Running, vec!["one".to_owned()]));
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let before = std::fs::read(&disk).expect("there");
    std::fs::write(&disk, vec![7; before.len()]).expect("written");
    let first = machine.process().expect("readable").expect("written").running.expect("a process");
    rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it runs");
    assert_eq!(state(&rig, &machine), State::Running);
    let second = machine.process().expect("readable").expect("written").running.expect("a process");
    assert_ne!(first.process, second.process);
    assert_eq!(std::fs::read(&disk).expect("there"), before);
    // The guest that goes on waits where it waited: it hears the same key.
    assert_eq!(
        rig.backend.stop(&machine, Stop::Orderly(LONG)).expect("it runs"),
        vmwright_backend::Ended::ByItself
    );
    // Without a guest the disks go back alone.
    std::fs::write(&disk, vec![7; before.len()]).expect("written");
    rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it is there");
    assert_eq!(std::fs::read(&disk).expect("there"), before);
    assert_eq!(state(&rig, &machine), State::Defined);
}

#[test]
fn a_balloon_and_a_disk_change_their_size() {
    let Some(rig) = rig::firecracker("a_balloon_and_a_disk_change_their_size") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "[balloon]\ndeflate_on_oom = true\n");
    let memory = |bytes| rig.ask(&machine, Request::Resize(Resize::Memory { bytes }));
    // A guest without a driver for it keeps what it has: Firecracker may say so.
    match memory(24 << 20) {
        Ok(answer) => assert_eq!(answer, Answer::Resized(24 << 20)),
        Err(ControlError::Api { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    assert!(memory(64 << 20).is_err(), "more than it has");
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let grown = rig.ask(&machine, Request::Resize(Resize::Disk { disk: "0".to_owned(), bytes: 2 << 20 }));
    assert_eq!(grown.expect("it runs"), Answer::Resized(2 << 20));
    assert_eq!(std::fs::metadata(&disk).expect("there").len(), 2 << 20);
    assert!(rig.ask(&machine, Request::Resize(Resize::Disk { disk: "vda".to_owned(), bytes: 1 })).is_err());
    assert!(rig.ask(&machine, Request::Resize(Resize::Cpus { count: 2 })).is_err());
    let Answer::Statistics(counts) = rig.ask(&machine, Request::Stats).expect("it runs") else {
        panic!("counts")
    };
    assert!(counts.resident > 0 && counts.process_ns > 0, "{counts:?}");
    assert_eq!(counts.cpus.len(), 1, "{counts:?}");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

/// A snapshot after the first one is built on it: what the guest has not written since is copied while it runs.
#[test]
fn a_second_snapshot_is_built_on_the_first() {
    let Some(rig) = rig::firecracker("a_second_snapshot_is_built_on_the_first") else { return };
    let place = Place::of(&rig);
    let counted =
        "[[foreign]]\nformat = 'firecracker'\nat = 'machine-config/track_dirty_pages'\ntext = 'true'\n";
    let machine = started(&rig, &place, counted);
    let snapshot = |name: &str| rig.ask(&machine, Request::Snapshot { name: name.to_owned() });
    let file = |name: &str| machine.directory().join("snapshots").join(name);
    let log = || text(&machine, "vmm.log");
    let kinds =
        || log().matches("\"snapshot_type\": String(\"Diff\")").count() + log().matches("Diff").count();
    snapshot("one").expect("it runs");
    let plain = kinds();
    snapshot("two").expect("it runs");
    snapshot("three").expect("it runs");
    let [one, two, three] =
        ["one", "two", "three"].map(|name| std::fs::read(file(&format!("{name}.memory"))));
    let (one, two, three) = (one.expect("there"), two.expect("there"), three.expect("there"));
    assert_eq!((one.len(), two.len()), (32 << 20, 32 << 20));
    // The guest halts: it writes next to nothing.
    let differ = |a: &[u8], b: &[u8]| a.chunks(4096).zip(b.chunks(4096)).filter(|(a, b)| a != b).count();
    assert!(
        differ(&one, &two) < 64 && differ(&two, &three) < 64,
        "{} {}",
        differ(&one, &two),
        differ(&two, &three)
    );
    assert!(
        one.iter().any(|byte| *byte != 0) && two.windows(11).any(|bytes| bytes == guest::READY.as_bytes())
    );
    assert!(plain == 0 && kinds() > 0, "{}", log());
    // The second is as good as a whole one.
    rig.ask(&machine, Request::Restore { name: "two".to_owned() }).expect("it runs");
    assert_eq!(state(&rig, &machine), State::Running);
    // Also in the process that goes on from it.
    snapshot("four").expect("it runs");
    rig.ask(&machine, Request::Restore { name: "four".to_owned() }).expect("it runs");
    assert_eq!(
        rig.backend.stop(&machine, Stop::Orderly(LONG)).expect("it runs"),
        vmwright_backend::Ended::ByItself
    );
}

#[test]
fn limits_change_while_the_guest_runs() {
    let Some(rig) = rig::firecracker("limits_change_while_the_guest_runs") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "");
    let limit =
        |device, bytes, operations| rig.ask(&machine, Request::Limit(Limit { device, bytes, operations }));
    let disk = || Limited::Disk("0".to_owned());
    let api = api(&machine);
    let limiter = || api.get("/vm/config").expect("told")["drives"][0]["rate_limiter"].clone();
    assert_eq!(limit(disk(), Some(1 << 20), Some(500)).expect("it runs"), Answer::Done);
    assert_eq!(
        (&limiter()["bandwidth"]["size"], &limiter()["ops"]["size"]),
        (&(1 << 20).into(), &500.into())
    );
    // What is not named stays; nothing takes a limit away.
    limit(disk(), None, Some(0)).expect("it runs");
    assert_eq!(
        (&limiter()["bandwidth"]["size"], &limiter()["ops"]),
        (&(1 << 20).into(), &serde_json::Value::Null)
    );
    for (device, words) in
        [(Limited::Disk("9".to_owned()), "no disk `9`"), (Limited::Network(0), "no network interface 0")]
    {
        let told = limit(device, Some(1), None).expect_err("there is none").to_string();
        assert!(told.contains(words), "{told}");
    }
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
}

/// Firecracker's own API beside vmwright.
fn api(machine: &Stored) -> Api {
    let running = machine.process().expect("readable").expect("written").running.expect("a process");
    Api::at(&running.qmp.expect("an API"), LONG)
}

#[test]
fn a_template_of_the_processor_is_taken() {
    let Some(rig) = rig::firecracker("a_template_of_the_processor_is_taken") else { return };
    let place = Place::of(&rig);
    let template =
        |text: &str| format!("[[foreign]]\nformat = 'firecracker'\nat = 'cpu-config'\ntext = '{text}'\n");
    // Bit 28 of ECX in leaf 1 says whether there is AVX.
    let good = template(
        "{\"cpuid_modifiers\": [{\"leaf\": \"0x1\", \"subleaf\": \"0x0\", \"flags\": 0, \"modifiers\": [{\"register\": \
         \"ecx\", \"bitmap\": \"0bxxx0xxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]}]}",
    );
    let machine = started(&rig, &place, &good);
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    let bad = place.machine(&template("{\"cpuid_modifiers\": 7}"));
    match rig.backend.start(&bad) {
        Err(StartError::Exited { said, .. }) => {
            assert!(said.contains("CpuTemplate"), "{said}")
        }
        other => panic!("{other:?}"),
    }
    place.assert_nothing_left(&[]);
}

/// What a process shares with its host: the device and number of a namespace.
fn namespace(pid: &str, kind: &str) -> std::path::PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("readable by root")
}

#[test]
fn each_one_that_root_starts_is_a_user_of_its_own() {
    const TEST: &str = "each_one_that_root_starts_is_a_user_of_its_own";
    let Some(rig) = rig::firecracker(TEST) else { return };
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED {TEST}: needs root");
    }
    let place = Place::of(&rig);
    let closed = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("set");
    };
    // Disks that root alone may open, below a directory that root alone may enter.
    closed(place.directory.path(), 0o700);
    let mut users = Vec::new();
    for _ in 0..2 {
        let disk = place.disk();
        closed(&disk, 0o600);
        let machine = place.machine_on(&disk, "seed = {}\nagent = false\n[vsock]\n");
        if let Some(why) = rig.backend.stays_root(&machine) {
            assert!(why.contains("lends no file"), "{why}");
            return eprintln!("SKIPPED {TEST}: {why}");
        }
        let running = rig.backend.start(&machine);
        let running =
            running.unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
        eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
        let pid = running.process.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it has the line");
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let user = running.user.clone().expect("not root");
        assert!(user != "0" && field("Uid:").iter().all(|id| *id == user), "{status}");
        assert_eq!((field("Gid:"), field("Groups:")), (field("Uid:"), vec![user.clone()]));
        assert_eq!((field("CapEff:"), field("NoNewPrivs:")), (vec!["0".repeat(16)], vec!["1".to_owned()]));
        // Of what is closed to it, it sees its own alone; the host sees none of its mounts.
        let inside = |path: &std::path::Path| {
            let path = format!("/proc/{pid}/root{}", path.display());
            let names = std::fs::read_dir(path).expect("readable by root");
            let mut names: Vec<_> = names.map(|entry| entry.expect("readable").file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(inside(&place.state.join("machines")), [machine.name.as_str()]);
        assert!(
            !inside(&machine.directory()).iter().any(|name| name == "machine.toml" || name == "process.json")
        );
        assert!(
            inside(place.directory.path())
                .iter()
                .filter(|name| name.to_string_lossy().contains("disk"))
                .count()
                == 1
        );
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
        assert!(!mounts.contains(place.state.to_str().expect("text")), "{mounts}");
        assert!(machine.file("vsock").exists(), "the link leads to its socket");
        // Who analyses the host reads what a VMM names where it is its own.
        for name in ["vmm.json", "vmm.log"] {
            let file = std::fs::metadata(machine.file(name)).expect("there");
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&file).to_string(), user, "{name}");
        }
        // What it opens anew, and what it makes.
        let grown = rig.ask(&machine, Request::Resize(Resize::Disk { disk: "0".to_owned(), bytes: 2 << 20 }));
        assert_eq!(grown.expect("it runs"), Answer::Resized(2 << 20));
        rig.ask(&machine, Request::Snapshot { name: "one".to_owned() }).expect("it runs");
        rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it runs");
        let again = machine.process().expect("readable").expect("written").running.expect("a process");
        assert!(again.user == Some(user.clone()) && again.process != running.process, "{again:?}");
        let file = std::fs::metadata(&disk).expect("there");
        assert_eq!(
            (std::os::unix::fs::MetadataExt::uid(&file), file.permissions().mode() & 0o777),
            (0, 0o600)
        );
        assert_eq!(
            rig.backend.stop(&machine, Stop::Orderly(LONG)).expect("it runs"),
            vmwright_backend::Ended::ByItself
        );
        std::fs::remove_dir_all(machine.directory().join("snapshots")).expect("there");
        users.push(user);
    }
    assert_ne!(users[0], users[1]);
    // What another user could not open it opens as root, and says so.
    let machine = place.machine("agent = false\n[vsock]\nsocket = '/run/vmwright-test-vsock'\n");
    let why = rig.backend.stays_root(&machine).expect("it has to");
    assert_eq!(why, "Firecracker stays root: `vsock.socket` lies where another user may make none");
    let running = rig.backend.start(&machine).expect("it runs");
    assert_eq!((running.user, running.stays_root), (None, Some(why)));
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

#[test]
fn in_its_jailer_it_has_a_root_a_user_and_namespaces_of_its_own() {
    const TEST: &str = "in_its_jailer_it_has_a_root_a_user_and_namespaces_of_its_own";
    let Some(rig) = rig::firecracker(TEST) else { return };
    let place = Place::of(&rig);
    let jailed = "seed = {}\n[process]\njailer = true\nuser = 'nobody'\n";
    let machine = place.machine(jailed);
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    std::fs::set_permissions(&disk, PermissionsExt::from_mode(0o666)).expect("set");
    match rig.backend.start(&machine) {
        Ok(_) => {}
        Err(error @ (StartError::NoProgram { .. } | StartError::Jail(_))) => {
            place.assert_nothing_left(&[]);
            return println!("SKIPPED {TEST}: {error}");
        }
        Err(error) => panic!("{error:?}; log: {}", text(&machine, "qemu.log")),
    }
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    let process = || {
        let record = machine.process().expect("readable").expect("written");
        record.running.expect("a process").process.pid.to_string()
    };
    let pid = process();
    for kind in ["mnt", "pid"] {
        assert_ne!(namespace(&pid, kind), namespace("self", kind), "{kind}");
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).expect(name).trim().to_owned();
    assert_eq!(field("Uid:").split_whitespace().next(), Some("65534"));
    assert_eq!(
        (field("NSpid:").split_whitespace().last(), field("CapEff:").as_str()),
        (Some("1"), "0000000000000000")
    );
    let root = std::path::PathBuf::from(format!("/proc/{pid}/root"));
    let mut seen: Vec<String> = std::fs::read_dir(&root)
        .expect("readable by root")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    seen.sort();
    let expected = [
        "api",
        "dev",
        "disk0",
        "disk1",
        "firecracker",
        "firecracker.pid",
        "kernel",
        "run",
        "vmm.json",
        "vmm.log",
    ];
    assert_eq!(seen, expected, "and nothing of the host");
    // The host sees no mount, and another user no jail.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    assert!(!mounts.contains(place.state.to_str().expect("text")), "{mounts}");

    assert_eq!(state(&rig, &machine), State::Running);
    rig.ask(&machine, Request::Pause).expect("it runs");
    assert_eq!(state(&rig, &machine), State::Paused);
    rig.ask(&machine, Request::Resume).expect("it stands");
    rig.ask(&machine, Request::Snapshot { name: "one".to_owned() }).expect("it runs");
    let grown = rig.ask(&machine, Request::Resize(Resize::Disk { disk: "0".to_owned(), bytes: 2 << 20 }));
    assert_eq!(grown.expect("it runs"), Answer::Resized(2 << 20));
    rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it runs");
    assert_ne!(process(), pid);
    assert_eq!(std::fs::metadata(&disk).expect("there").len(), 1 << 20, "the disk went back too");
    // The guest hears its key through the console's pipe and the API in the jail.
    assert_eq!(
        rig.backend.stop(&machine, Stop::Orderly(LONG)).expect("it runs"),
        vmwright_backend::Ended::ByItself
    );
    // One that hears nothing is ended all the same.
    place.hears.set(false);
    let deaf = place.machine(jailed);
    let deaf_disk = deaf.spec.disks[0].path.clone().expect("a path");
    std::fs::set_permissions(&deaf_disk, PermissionsExt::from_mode(0o666)).expect("set");
    rig.backend.start(&deaf).expect("it runs");
    let ended = rig.backend.stop(&deaf, Stop::Orderly(std::time::Duration::from_millis(300)));
    assert_eq!(ended.expect("it runs"), vmwright_backend::Ended::Quit);
    std::fs::remove_dir_all(machine.directory().join("snapshots")).expect("there");
    place.assert_nothing_left(&[]);
    assert!(std::path::Path::new(&disk).exists() && std::path::Path::new(&deaf_disk).exists());
}

#[test]
fn a_jail_without_a_user_or_with_a_program_that_needs_libraries_is_refused() {
    let place = Place::new();
    let kernel = "accelerator = 'kvm'\nboot.kernel = '/etc/hostname'\n";
    let root = rustix::process::geteuid().is_root();
    let told = |more: &str, program: &std::path::Path| {
        let machine = place.machine(&format!("{kernel}[process]\njailer = true\n{more}"));
        let backend = vmwright_backend::firecracker::Firecracker::default().with_program(program.to_owned());
        backend.start(&machine).expect_err("it cannot be").to_string()
    };
    let directory = place.directory.path();
    for name in ["firecracker", "jailer"] {
        std::fs::copy("/bin/cat", directory.join(name)).expect("copied");
    }
    let program = directory.join("firecracker");
    if !root {
        return assert!(told("", &program).contains("only root"));
    }
    assert!(told("", &program).contains("needs `process.user`"));
    assert!(told("user = 'root'\n", &program).contains("needs `process.user`"));
    let words = told("user = 'nobody'\n", &program);
    assert!(words.contains("linked statically"), "{words}");
    let no_jailer = directory.join("other");
    std::fs::create_dir(&no_jailer).expect("made");
    std::fs::copy(&program, no_jailer.join("firecracker")).expect("copied");
    place.assert_nothing_left(&[]);
}

/// A tap of the host, which goes with the test.
struct Tap(String);

impl Tap {
    fn make() -> Result<Self, String> {
        let name = format!("vmwt{}", std::process::id());
        let words = ["tuntap", "add", "dev", &name, "mode", "tap"];
        let output = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(Self(name)) } else { Err(told) }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).status();
    }
}

#[test]
fn words_of_its_own_reach_it_and_its_metadata_service_has_the_data() {
    const TEST: &str = "words_of_its_own_reach_it_and_its_metadata_service_has_the_data";
    let Some(rig) = rig::firecracker(TEST) else { return };
    let tap = match Tap::make() {
        Ok(tap) => tap,
        Err(why) => return println!("SKIPPED {TEST}: no tap can be made: {why}"),
    };
    let place = Place::of(&rig);
    let data = place.disk().with_extension("json");
    std::fs::write(&data, r#"{"latest": {"meta-data": {"role": "web"}}}"#).expect("written");
    let more = format!(
        "[process]\nsandbox = true\narguments = ['--metadata', '{}']\n[[network]]\nkind = 'tap'\ntap = '{}'\n\
         [[foreign]]\nformat = 'firecracker'\nat = 'mmds-config'\ntext = '{{\"network_interfaces\": [\"eth0\"]}}'\n",
        data.display(),
        tap.0
    );
    let machine = started(&rig, &place, &more);
    let metadata = |change| match rig.ask(&machine, Request::Metadata(change)).expect("it runs") {
        Answer::Metadata(data) => data,
        other => panic!("{other:?}"),
    };
    assert_eq!(metadata(None)["latest"]["meta-data"]["role"], "web");
    // Changed while the guest runs: merged, and as a whole.
    let data = serde_json::json!({ "latest": { "meta-data": { "zone": "b" } } });
    let merged = metadata(Some(Metadata { data: data.clone(), merge: true }));
    assert_eq!(
        (&merged["latest"]["meta-data"]["role"], &merged["latest"]["meta-data"]["zone"]),
        (&"web".into(), &"b".into())
    );
    assert_eq!(metadata(Some(Metadata { data: data.clone(), merge: false })), data);
    let network = Limit { device: Limited::Network(0), bytes: Some(1 << 20), operations: None };
    assert_eq!(rig.ask(&machine, Request::Limit(network)).expect("it runs"), Answer::Done);
    let interface = &api(&machine).get("/vm/config").expect("told")["network-interfaces"][0];
    assert_eq!(interface["rx_rate_limiter"]["bandwidth"]["size"], 1 << 20, "{interface}");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

/// A block device of the host on a file, which goes with the test.
struct Loop(std::path::PathBuf);

impl Loop {
    fn on(image: &std::path::Path) -> Result<Self, String> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(image).output();
        let output = output.map_err(|error| format!("losetup: {error}"))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(Self(said(&output.stdout).into()))
        } else {
            Err(said(&output.stderr))
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[test]
fn a_user_of_its_own_has_its_tap_and_its_block_device() {
    const TEST: &str = "a_user_of_its_own_has_its_tap_and_its_block_device";
    let Some(rig) = rig::firecracker(TEST) else { return };
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED {TEST}: needs root");
    }
    let place = Place::of(&rig);
    let made = Tap::make().and_then(|tap| Ok((tap, Loop::on(&place.disk())?)));
    let (tap, device) = match made {
        Ok(made) => made,
        Err(why) => return eprintln!("SKIPPED {TEST}: {why}"),
    };
    let more = format!("agent = false\n[[network]]\nkind = 'tap'\ntap = '{}'\n", tap.0);
    let machine = place.machine_on(&device.0, &more);
    if let Some(why) = rig.backend.stays_root(&machine) {
        assert!(why.contains("lends no file") || why.contains("CAP_MKNOD"), "{why}");
        return eprintln!("SKIPPED {TEST}: {why}");
    }
    let running = rig.backend.start(&machine);
    let running = running.unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    assert!(running.user.is_some() && running.stays_root.is_none(), "{running:?}");
    // It has both open: the tap by its own device, and the block device that is the host's.
    let number = |path: &std::path::Path| {
        std::fs::metadata(path).map(|file| std::os::unix::fs::MetadataExt::rdev(&file)).unwrap_or_default()
    };
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.process.pid)).expect("it runs");
    let open: Vec<u64> = open.map(|one| number(&one.expect("readable").path())).collect();
    for device in [device.0.as_path(), "/dev/net/tun".as_ref()] {
        assert!(open.contains(&number(device)), "{}: {open:?}", device.display());
    }
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

#[test]
fn its_console_shows_what_the_guest_said() {
    let Some(rig) = rig::firecracker("its_console_shows_what_the_guest_said") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "");
    let (input, typed) = std::io::pipe().expect("a pipe");
    let (mut shown, output) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut &typed, b"x\x1d").expect("written");
    rig.ask(&machine, Request::Console { input: input.into(), output: output.into(), way_out: 0x1d })
        .expect("it runs");
    let mut said = String::new();
    shown.read_to_string(&mut said).expect("text");
    assert!(said.contains(guest::READY), "{said:?}");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
}

#[test]
fn a_machine_that_it_cannot_be_told_is_refused_item_by_item() {
    let place = Place::new();
    let backend = vmwright_backend::firecracker::Firecracker::default();
    let machine = place.machine("accelerator = 'kvm'\nboot.kernel = '/k'\n[[video]]\nmodel = 'virtio'\n[[disk]]\npath = '/a'\nformat = 'qcow2'\n");
    match backend.start(&machine) {
        Err(StartError::Unsayable { items, .. }) => {
            assert!(items.iter().any(|item| item.starts_with("disk.0.format: ")), "{items:?}");
            assert!(items.iter().any(|item| item.starts_with("video")), "{items:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(backend.look(&machine).expect("it can be told").state, State::Failed);
    place.assert_nothing_left(&[]);
}

#[test]
fn two_machines_write_to_no_image_that_one_of_them_does_not_lock() {
    let Some(rig) = rig::firecracker("two_machines_write_to_no_image_that_one_of_them_does_not_lock") else {
        return;
    };
    let place = Place::of(&rig);
    let own = tempfile::tempdir().expect("a temporary directory");
    let (image, link) = (own.path().join("image"), own.path().join("link"));
    std::fs::write(&image, vec![0; 1 << 20]).expect("written");
    std::os::unix::fs::symlink(&image, &link).expect("linked");
    let disk = |path: &std::path::Path, more: &str| {
        format!("vsock.cid = 7\n[[disk]]\npath = '{}'\nformat = 'raw'\n{more}", path.display())
    };
    let start = |machine: &Stored| {
        rig.backend
            .start(machine)
            .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(machine, "qemu.log")))
    };
    let kill = |machine: &Stored| {
        rig.backend.stop(machine, Stop::Force).expect("it runs");
    };
    let one = place.machine(&disk(&image, ""));
    for other in [disk(&link, ""), disk(&link, "readonly = true\n")] {
        let two = place.machine(&other);
        for (first, second) in [(&one, &two), (&two, &one)] {
            start(first);
            let told = chain(&rig.backend.start(second).expect_err("the other one has it"));
            let path = second.spec.disks[0].path.as_deref().expect("a path");
            assert_eq!(told, format!("machine `{}` runs and has the disk `{path}` too", first.name));
            kill(first);
        }
        start(&two);
        kill(&two);
    }
    // Both only read; a context id is of one VMM alone.
    let both = [&image, &link].map(|path| place.machine(&disk(path, "readonly = true\n")));
    both.iter().for_each(|machine| drop(start(machine)));
    both.iter().for_each(kill);
    place.assert_nothing_left(&[]);
}
