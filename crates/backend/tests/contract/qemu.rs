//! What only QEMU can do: its own words in the log, users, bridges, sockets, and what executes guest code.

use crate::guest;
use crate::rig::{LONG, Place, eventually, processes, rustix_pid, text};
use rustix::process::{Signal, kill_process};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::qemu::agent::AgentError;
use vmwright_backend::request::{Limit, Limited};
use vmwright_backend::{
    Backend, ControlError, Ended, Request, StartError, State, Stop, Stored, Unwatched, fake::Fake, perform,
};
use vmwright_model::machine::Accelerator;

/// QEMU, or the reason why a test does not run.
fn qemu(test: &str) -> Option<Qemu> {
    match Qemu::default().program() {
        Ok(_) => Some(Qemu::default().with_patience(LONG)),
        Err(error) => {
            eprintln!("SKIPPED {test}: {error}");
            None
        }
    }
}

/// The same, for what only root can do.
fn qemu_as_root(test: &str) -> Option<Qemu> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED {test}: not root");
        return None;
    }
    qemu(test)
}

fn state(qemu: &Qemu, machine: &Stored) -> State {
    qemu.look(machine).expect("it can be told").state
}

fn start(qemu: &Qemu, machine: &Stored) -> vmwright_backend::Running {
    qemu.start(machine).unwrap_or_else(|error| panic!("{error:?}; log: {}", text(machine, "qemu.log")))
}

fn kill(qemu: &Qemu, machine: &Stored) {
    assert_eq!(qemu.stop(machine, Stop::Force).expect("it runs"), Ended::Killed);
}

/// The words of a start that QEMU refuses; they are in the error and in the log.
fn refusal(qemu: &Qemu, machine: &Stored) -> String {
    match qemu.start(machine) {
        Err(StartError::Exited { said, status }) => {
            assert!(!status.success(), "{status}");
            assert_eq!(text(machine, "qemu.log").trim_end(), said);
            assert_eq!(state(qemu, machine), State::Failed);
            said
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_locked_disk_is_told_by_qemu() {
    let Some(qemu) = qemu("a_locked_disk_is_told_by_qemu") else { return };
    let place = Place::new();
    let disk = place.disk();
    let (holder, other) = (place.machine_on(&disk, ""), place.machine_on(&disk, ""));
    start(&qemu, &holder);
    let said = refusal(&qemu, &other);
    assert!(said.contains("Failed to get \"write\" lock"), "{said}");
    assert!(said.contains(disk.to_str().expect("text")), "{said}");
    place.assert_nothing_left(&[&holder]);
    kill(&qemu, &holder);
    start(&qemu, &other);
    kill(&qemu, &other);
    place.assert_nothing_left(&[]);
}

#[test]
fn bad_words_are_told_by_qemu() {
    let Some(qemu) = qemu("bad_words_are_told_by_qemu") else { return };
    let place = Place::new();
    for (more, words) in [
        ("cpu.model = 'no-such-model'\n", "unable to find CPU model 'no-such-model'"),
        ("machine = 'no-such-machine'\n", "unsupported machine type"),
        ("cpu.features = ['+no-such-feature']\n", "no-such-feature"),
        ("boot.kernel = '/no/such/kernel'\n", "/no/such/kernel"),
        ("firmware.path = '/no/such/firmware'\n", "/no/such/firmware"),
    ] {
        let machine = place.machine(more);
        let said = refusal(&qemu, &machine);
        assert!(said.contains(words), "{more}: {said}");
        place.assert_nothing_left(&[]);
    }
}

#[test]
fn every_kind_of_machine_is_understood_by_qemu() {
    let Some(qemu) = qemu("every_kind_of_machine_is_understood_by_qemu") else { return };
    let place = Place::new();
    // Flash is made of whole sectors; what is in it does not matter here.
    let firmware = place.directory.path().join("odd, name.fd");
    std::fs::write(&firmware, vec![0; 128 << 10]).expect("written");
    let more_disk =
        format!("[[disk]]\npath = '{}'\nformat = 'raw'\nreadonly = true\n", place.disk().display());
    for more in [
        "machine = 'microvm'\n[[network]]\nkind = 'user'\n",
        "machine = 'pc'\nagent = false\n",
        "cpu.count = 2\ncpu.model = 'qemu64'\ncpu.features = ['+sse4.2', '-vme']\n",
        &format!("firmware.path = '{}'\n", firmware.display()),
        &more_disk,
    ] {
        let machine = place.machine(more);
        start(&qemu, &machine);
        assert_eq!(state(&qemu, &machine), State::Running, "{more}");
        kill(&qemu, &machine);
    }
    let huge = place.machine("memory.hugepages = true\n");
    let free = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    if free.trim() == "0" {
        let said = refusal(&qemu, &huge);
        assert!(said.contains("Cannot allocate memory") || said.contains("hugetlb"), "{said}");
    } else {
        eprintln!(
            "SKIPPED the part of every_kind_of_machine_is_understood_by_qemu without huge pages: there are some"
        );
    }
    place.assert_nothing_left(&[]);
}

#[test]
fn a_machine_runs_as_its_user_with_nothing_of_ours() {
    let Some(qemu) = qemu_as_root("a_machine_runs_as_its_user_with_nothing_of_ours") else { return };
    let place = Place::new();
    // The state directory stays closed to the user: what QEMU needs of it, it inherits.
    std::fs::set_permissions(place.directory.path(), PermissionsExt::from_mode(0o711)).expect("set");
    let disk = place.disk();
    let account = nobody();
    std::os::unix::fs::chown(&disk, Some(account), None).expect("root may");
    let machine = place.machine_on(&disk, "process.user = 'nobody'\n");
    let running = start(&qemu, &machine);
    assert_eq!(running.user.as_deref(), Some("nobody"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.process.pid)).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), vec![account.to_string(); 4]);
    assert!(!field("Groups:").contains(&"0".to_owned()), "{status}");
    assert_eq!(field("CapEff:"), ["0000000000000000"]);
    // Seccomp: 2 is a filter (proc_pid_status(5)).
    assert_eq!(field("Seccomp:"), ["2"]);
    assert_eq!(state(&qemu, &machine), State::Running);
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    assert_eq!(qemu.stop(&machine, Stop::Orderly(LONG)).expect("it runs"), Ended::ByItself);
    assert_eq!(text(&machine, "qemu.log"), "", "an orderly end is a quiet one");
    place.assert_nothing_left(&[]);
}

#[test]
fn a_seed_is_a_disk_of_the_guest_s() {
    const TEST: &str = "a_seed_is_a_disk_of_the_guest_s";
    let Some(qemu) = qemu(TEST) else { return };
    let place = Place::new();
    let data = place.disk().with_extension("user-data");
    std::fs::write(&data, "#cloud-config\n").expect("written");
    let seed = format!("[seed]\nuser_data = '{}'\n", data.display());
    // Also where QEMU is another user, to whom the machine's directory is closed.
    let users =
        if rustix::process::geteuid().is_root() { &["", "[process]\nuser = 'nobody'\n"][..] } else { &[""] };
    for user in users {
        let disk = place.disk();
        std::fs::set_permissions(place.directory.path(), PermissionsExt::from_mode(0o755)).expect("set");
        std::fs::set_permissions(&disk, PermissionsExt::from_mode(0o666)).expect("set");
        let machine = place.machine_on(&disk, &format!("accelerator = 'tcg'\n{seed}{user}"));
        start(&qemu, &machine);
        let blocks = qemu.monitor(&machine).expect("it runs").execute("query-block", None).expect("told");
        let sizes: Vec<u64> = blocks
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|block| block["inserted"]["image"]["virtual-size"].as_u64())
            .collect();
        let made = std::fs::read(machine.file("seed.iso")).expect("made");
        assert!(sizes.contains(&(made.len() as u64)), "{sizes:?}");
        let has = |text: &[u8]| made.windows(text.len()).any(|part| part == text);
        assert!(has(b"#cloud-config\n") && has(machine.name.as_bytes()));
        kill(&qemu, &machine);
    }
    // A file that is not there is named before anything runs.
    let lost = place.machine("accelerator = 'tcg'\n[seed]\nuser_data = '/no/such/file'\n");
    let told = vmwright_backend::chain(&qemu.start(&lost).expect_err("it cannot be read"));
    assert!(told.contains("`/no/such/file` for the seed"), "{told}");
    place.assert_nothing_left(&[]);
}

#[test]
fn a_limit_of_a_disk_changes_while_the_guest_runs() {
    let Some(qemu) = qemu("a_limit_of_a_disk_changes_while_the_guest_runs") else { return };
    let place = Place::new();
    let plain = place.machine("");
    let own = place.disk();
    let limits = "disk = [{ path = 'DISK', format = 'raw', limits = { read_bytes = 1000000 } }]\n";
    let spec = place.directory.path().join("limited.toml");
    let text = format!("name = 'limited'\nmemory.size = '32MiB'\naccelerator = 'tcg'\n{limits}");
    std::fs::write(&spec, text.replace("DISK", &own.display().to_string())).expect("written");
    let limited = vmwright_backend::store::create(&place.state, &spec).expect("a good specification");
    for machine in [&plain, &limited] {
        start(&qemu, machine);
        let ask = |device, bytes, operations| {
            perform(&qemu, machine, Request::Limit(Limit { device, bytes, operations }), &mut Unwatched)
        };
        let disk = || Limited::Disk("0".to_owned());
        ask(disk(), Some(1 << 20), None)
            .unwrap_or_else(|error| panic!("{}", vmwright_backend::chain(&error)));
        ask(disk(), None, Some(500)).expect("it runs");
        let mut monitor = qemu.monitor(machine).expect("it runs");
        let (bytes, operations) = if machine.name == "limited" {
            let place = serde_json::json!({ "path": "/objects/limits0", "property": "limits" });
            let limits = monitor.execute("qom-get", Some(place)).expect("told");
            assert_eq!(limits["bps-read"], 0, "the limit of one direction has gone: {limits}");
            (limits["bps-total"].clone(), limits["iops-total"].clone())
        } else {
            let block = monitor.execute("query-block", None).expect("told")[0]["inserted"].clone();
            (block["bps"].clone(), block["iops"].clone())
        };
        assert_eq!((bytes, operations), ((1 << 20).into(), 500.into()));
        drop(monitor);
        assert!(
            ask(Limited::Network(0), Some(1), None).is_err()
                && ask(Limited::Disk("9".to_owned()), Some(1), None).is_err()
        );
        kill(&qemu, machine);
    }
    vmwright_backend::store::delete(&place.state, "limited").expect("it is stopped");
    place.assert_nothing_left(&[]);
}

#[test]
fn a_directory_that_the_user_cannot_traverse_is_told_by_qemu() {
    let Some(qemu) = qemu_as_root("a_directory_that_the_user_cannot_traverse_is_told_by_qemu") else {
        return;
    };
    let place = Place::new();
    std::fs::set_permissions(place.directory.path(), PermissionsExt::from_mode(0o700)).expect("set");
    let disk = place.disk();
    std::os::unix::fs::chown(&disk, Some(nobody()), None).expect("root may");
    let machine = place.machine_on(&disk, "process.user = 'nobody'\n");
    let said = refusal(&qemu, &machine);
    assert!(said.contains(&format!("Could not open '{}': Permission denied", disk.display())), "{said}");
    place.assert_nothing_left(&[]);
    std::fs::set_permissions(place.directory.path(), PermissionsExt::from_mode(0o711)).expect("set");
    start(&qemu, &machine);
    kill(&qemu, &machine);
    place.assert_nothing_left(&[]);
}

fn nobody() -> u32 {
    let passwd = std::fs::read_to_string("/etc/passwd").expect("readable");
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).expect("every system has it");
    line.split(':').nth(2).expect("a field").parse().expect("a number")
}

/// A bridge for one test.
struct Bridge(String);

impl Bridge {
    fn make() -> Result<Self, String> {
        let name = format!("vmwt{}", std::process::id());
        let made = Command::new("ip").args(["link", "add", &name, "type", "bridge"]).output();
        match made {
            Ok(output) if output.status.success() => Ok(Self(name)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("cannot run ip: {error}")),
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).status();
    }
}

#[test]
fn a_tap_is_a_port_of_its_bridge_and_goes_with_the_machine() {
    const TEST: &str = "a_tap_is_a_port_of_its_bridge_and_goes_with_the_machine";
    let Some(qemu) = qemu_as_root(TEST) else { return };
    if !Path::new("/dev/net/tun").exists() {
        return eprintln!("SKIPPED {TEST}: no /dev/net/tun");
    }
    let bridge = match Bridge::make() {
        Ok(bridge) => bridge,
        Err(why) => return eprintln!("SKIPPED {TEST}: no bridge can be made: {why}"),
    };
    let place = Place::new();
    let network = format!("[[network]]\nkind = 'bridge'\nbridge = '{}'\n", bridge.0);
    let machine = place.machine(&format!("{network}{network}[[network]]\nkind = 'user'\n"));
    for how in [Stop::Force, Stop::Orderly(LONG)] {
        let running = start(&qemu, &machine);
        assert_eq!(running.taps.len(), 2);
        for tap in &running.taps {
            let class = Path::new("/sys/class/net").join(tap);
            let master = class.join("master").canonicalize().expect("it is a port");
            assert!(master.ends_with(&bridge.0), "{}", master.display());
            let flags = std::fs::read_to_string(class.join("flags")).expect("readable");
            let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).expect("hexadecimal");
            // IFF_UP of linux/if.h.
            assert_eq!(flags & 1, 1, "{tap} is up");
        }
        if how != Stop::Force {
            eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
        }
        qemu.stop(&machine, how).expect("it runs");
        place.assert_nothing_left(&[]);
    }
    let named = format!("vmwn{}", std::process::id());
    let many = place.machine(&format!("{network}tap = '{named}'\nqueues = 2\nisolated = true\n"));
    let running = start(&qemu, &many);
    assert_eq!(running.taps, [named.as_str()], "by the name that the specification says");
    // QEMU lays the second pair of queues aside until its guest asks for it, and keeps it open.
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.process.pid)).expect("it runs").flatten();
    let ends = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.ends_with("dev/net/tun")));
    assert_eq!(ends.count(), 2);
    let port = std::fs::read_to_string(format!("/sys/class/net/{named}/brport/isolated")).expect("a port");
    assert_eq!(port.trim(), "1");
    let told = vmwright_backend::chain(
        &qemu.start(&place.machine(&format!("{network}tap = '{named}'\n"))).expect_err("taken"),
    );
    assert!(told.contains("make a tap of a name that is taken"), "{told}");
    qemu.stop(&many, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
    // kill -9 from outside takes the taps as well.
    let running = start(&qemu, &machine);
    kill_process(rustix_pid(running.process.pid), Signal::KILL).expect("it runs");
    eventually("its end is seen", || state(&qemu, &machine) == State::Gone);
    assert!(running.taps.iter().all(|tap| !Path::new("/sys/class/net").join(tap).exists()));
    // A failed start leaves no tap.
    let bad = place.machine(&format!("cpu.model = 'no-such-model'\n{network}"));
    let before = taps();
    refusal(&qemu, &bad);
    assert_eq!(taps(), before);
}

fn taps() -> Vec<String> {
    let all = std::fs::read_dir("/sys/class/net").expect("readable");
    let names = all.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let mut taps: Vec<String> = names.filter(|name| name.starts_with("vmwtap")).collect();
    taps.sort();
    taps
}

#[test]
fn a_vmm_that_ends_by_itself_is_quoted() {
    let Some(qemu) = qemu("a_vmm_that_ends_by_itself_is_quoted") else { return };
    let place = Place::new();
    let machine = place.machine("");
    let running = start(&qemu, &machine);
    let mut log = std::fs::OpenOptions::new().append(true).open(machine.file("qemu.log")).expect("there");
    writeln!(log, "qemu-system-x86_64: Assertion `fits' failed.").expect("written");
    kill_process(rustix_pid(running.process.pid), Signal::ABORT).expect("it runs");
    eventually("its end is seen", || state(&qemu, &machine) == State::Gone);
    let condition = qemu.look(&machine).expect("it can be told");
    assert!(condition.why.ends_with("said: qemu-system-x86_64: Assertion `fits' failed."), "{condition:?}");
}

#[test]
fn a_guest_that_powers_off_is_gone_in_order_and_a_deaf_one_is_quit() {
    let Some(qemu) = qemu("a_guest_that_powers_off_is_gone_in_order_and_a_deaf_one_is_quit") else { return };
    let place = Place::new();
    let machine = place.machine("");
    start(&qemu, &machine);
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    qemu.monitor(&machine).expect("it runs").execute("system_powerdown", None).expect("taken");
    eventually("its end is seen", || state(&qemu, &machine) == State::Gone);
    let condition = qemu.look(&machine).expect("it can be told");
    assert!(condition.why.contains("ended in order"), "{condition:?}");
    assert!(processes(&machine.name).is_empty());

    let empty = place.directory.path().join("empty.raw");
    std::fs::write(&empty, [0; 4096]).expect("written");
    let deaf = place.machine_on(&empty, "agent = false\n");
    start(&qemu, &deaf);
    assert!(matches!(qemu.agent(&deaf, LONG), Err(ControlError::NoAgent(_))));
    let ended = qemu.stop(&deaf, Stop::Orderly(Duration::from_millis(500))).expect("it runs");
    assert_eq!(ended, Ended::Quit);
    start(&qemu, &machine);
    kill(&qemu, &machine);
    place.assert_nothing_left(&[]);
}

#[test]
fn a_stopped_vmm_is_stuck_and_can_be_killed() {
    let Some(qemu) = qemu("a_stopped_vmm_is_stuck_and_can_be_killed") else { return };
    let place = Place::new();
    let machine = place.machine("");
    let running = start(&qemu, &machine);
    kill_process(rustix_pid(running.process.pid), Signal::STOP).expect("it runs");
    eventually("it is seen", || state(&qemu, &machine) == State::Stuck);
    assert!(matches!(
        perform(&qemu, &machine, Request::Pause, &mut Unwatched),
        Err(ControlError::Illegal(_))
    ));
    assert!(matches!(qemu.monitor(&machine), Err(ControlError::Illegal(_))));
    kill(&qemu, &machine);
    assert_eq!(state(&qemu, &machine), State::Defined);
    place.assert_nothing_left(&[]);
}

#[test]
fn a_program_that_is_no_vmm_is_told_apart() {
    let place = Place::new();
    let machine = place.machine("");
    let program = |text: &str| {
        let path = place.directory.path().join("vmm");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
        Qemu::default().with_program(path).with_patience(Duration::from_secs(2))
    };
    match program("echo to stdout; echo to stderr >&2; exit 7").start(&machine) {
        Err(StartError::Exited { status, said }) => {
            assert_eq!((status.code(), said.as_str()), (Some(7), "to stdout\nto stderr"));
        }
        other => panic!("{other:?}"),
    }
    // Does not end, and its sockets are closed or stay silent.
    for script in ["exec sleep 3000", "echo hm; for f in /proc/$$/fd/*; do :; done; exec sleep 3000"] {
        match program(script).start(&machine) {
            Err(StartError::NotReady { after, .. }) => assert_eq!(after, Duration::from_secs(2)),
            other => panic!("{other:?}"),
        }
        let log = text(&machine, "qemu.log");
        assert!(log.contains("vmwright: the virtual machine monitor was not ready after 2 s"), "{log}");
    }
    match Qemu::default().with_program("/no/such/program".into()).start(&machine) {
        Err(StartError::Launch { program, .. }) => assert_eq!(program, Path::new("/no/such/program")),
        other => panic!("{other:?}"),
    }
    let log = text(&machine, "qemu.log");
    assert_eq!(log, "vmwright: cannot run `/no/such/program`: No such file or directory (os error 2)\n");
    place.assert_nothing_left(&[]);
}

#[test]
fn the_files_of_a_machine_are_private_and_its_sockets_too() {
    let Some(qemu) = qemu("the_files_of_a_machine_are_private_and_its_sockets_too") else { return };
    let place = Place::new();
    let machine = place.machine("");
    let running = start(&qemu, &machine);
    let mode = |path: &Path| path.metadata().expect("there").mode() & 0o777;
    for file in ["machine.toml", "argv", "qemu.log", "serial.log", "process.json", "lock"] {
        assert_eq!(mode(&machine.file(file)) & 0o077, 0, "{file}");
    }
    assert_eq!(mode(running.qmp.as_deref().expect("a monitor").parent().expect("a directory")), 0o700);
    let words: Vec<String> = text(&machine, "argv").lines().map(str::to_owned).collect();
    let command = std::fs::read(format!("/proc/{}/cmdline", running.process.pid)).expect("it runs");
    let command = String::from_utf8(command).expect("text");
    assert_eq!(words, command.trim_end_matches('\0').split('\0').collect::<Vec<_>>(), "one argument a line");
    // Standard streams, log, sockets; nothing else of ours, such as the lock.
    for entry in std::fs::read_dir(format!("/proc/{}/fd", running.process.pid)).expect("readable").flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        assert!(!target.ends_with("lock") && !target.ends_with("process.json"), "{}", target.display());
    }
    // No agent runs in this guest.
    let silent = qemu.agent(&machine, Duration::from_millis(300)).expect_err("nobody there");
    let ControlError::Agent { source: AgentError::Silent { .. }, .. } = silent else { panic!("{silent:?}") };
    kill(&qemu, &machine);
    place.assert_nothing_left(&[]);
}

#[test]
fn each_vmm_that_root_starts_is_a_user_of_its_own() {
    let Some(qemu) = qemu_as_root("each_vmm_that_root_starts_is_a_user_of_its_own") else { return };
    let place = Place::new();
    // Disks that root alone may open, below a directory that root alone may enter.
    let closed = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    closed(place.directory.path(), 0o700);
    let mut users = Vec::new();
    for _ in 0..2 {
        let disk = place.disk();
        closed(&disk, 0o600);
        let machine = place.machine_on(&disk, "");
        let running = start(&qemu, &machine);
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", running.process.pid)).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it has the line");
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let user = running.user.clone().expect("not root");
        assert!(user != "0" && field("Uid:").iter().all(|id| *id == user), "{status}");
        assert_eq!((field("Gid:"), field("Groups:")), (field("Uid:"), vec![user.clone()]));
        assert_eq!((field("CapPrm:"), field("NoNewPrivs:")), (vec!["0".repeat(16)], vec!["1".to_owned()]));
        eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
        users.push(user);
        kill(&qemu, &machine);
    }
    assert_ne!(users[0], users[1]);
    // Root it is where the specification says so, and where it has to be: that is told.
    let share = format!(
        "[[share]]\npath = '{}'\ntag = 'data'\ndriver = '9p'\nsecurity_model = 'none'\n",
        place.directory.path().display()
    );
    for (more, why) in
        [("process.user = 'root'\n", ""), (share.as_str(), "QEMU stays root: it serves 9p itself")]
    {
        let machine = place.machine(more);
        let told = qemu.stays_root(&machine).unwrap_or_default();
        assert!(told.starts_with(why) && told.is_empty() == why.is_empty(), "{told}");
        let running = start(&qemu, &machine);
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", running.process.pid)).expect("it runs");
        assert!(status.contains("\nUid:\t0\t0\t0\t0\n") && running.user.is_none(), "{status}");
        kill(&qemu, &machine);
    }
    place.assert_nothing_left(&[]);
}

#[test]
fn a_machine_of_another_backend_is_left_alone() {
    let Some(qemu) = qemu("a_machine_of_another_backend_is_left_alone") else { return };
    let place = Place::new();
    let machine = place.machine("");
    Fake::default().start(&machine).expect("a good machine");
    assert!(matches!(qemu.look(&machine), Err(ControlError::OtherBackend { .. })));
    assert!(matches!(qemu.start(&machine), Err(StartError::Illegal(_))));
    assert!(matches!(qemu.stop(&machine, Stop::Force), Err(ControlError::OtherBackend { .. })));
    Fake::default().stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

#[test]
fn kvm_is_used_where_it_is_asked_for_and_never_replaced() {
    const TEST: &str = "kvm_is_used_where_it_is_asked_for_and_never_replaced";
    let Some(qemu) = qemu(TEST) else { return };
    let place = Place::new();
    let tcg = place.machine("");
    assert_eq!(start(&qemu, &tcg).accelerator, Accelerator::Tcg);
    kill(&qemu, &tcg);
    // A paravirtual KVM lacks the register behind this feature and fails on it; real mode code runs on any.
    let machine = place.machine("accelerator = 'kvm'\ncpu.features = ['-arch-capabilities']\n");
    let usable = std::fs::File::options().read(true).write(true).open("/dev/kvm");
    match (qemu.start(&machine), usable) {
        (Ok(running), Ok(_)) => {
            assert_eq!(running.accelerator, Accelerator::Kvm);
            eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
            kill(&qemu, &machine);
        }
        (Err(StartError::Exited { said, .. }), Err(why)) => {
            assert!(said.contains("Could not access KVM kernel module"), "{said}");
            eprintln!("SKIPPED the part of {TEST} that runs on KVM: /dev/kvm: {why}");
        }
        other => panic!("{other:?}"),
    }
    place.assert_nothing_left(&[]);
}
