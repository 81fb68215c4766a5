//! Where QEMU's threads run, and what they may take, as the kernel tells it.

use crate::rig::{LONG, Place, processes, text};
use std::path::{Path, PathBuf};
use vmwright_backend::qemu::Qemu;
use vmwright_backend::{Backend, CgroupError, StartError, State, Stop, chain};

fn qemu(test: &str) -> Option<Qemu> {
    if let Err(error) = Qemu::default().program() {
        eprintln!("SKIPPED {test}: {error}");
        return None;
    }
    Some(Qemu::default().with_patience(LONG))
}

/// The numbers of a process's threads.
fn threads(pid: i32) -> Vec<i32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Host CPUs of a thread (`Cpus_allowed_list` of proc_pid_status(5)).
fn allowed(pid: i32, thread: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.expect("the kernel tells it").trim().to_owned()
}

/// Scheduling class of a thread: field 41 of proc_pid_stat(5), 39 behind the name.
fn class(pid: i32, thread: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).expect("it runs");
    let fields = stat.rsplit(')').next().expect("a name").split_whitespace();
    fields.skip(38).map(ToOwned::to_owned).next().expect("the kernel tells it")
}

#[test]
fn each_thread_runs_where_the_specification_says() {
    const TEST: &str = "each_thread_runs_where_the_specification_says";
    let Some(qemu) = qemu(TEST) else { return };
    if allowed(std::process::id().cast_signed(), std::process::id().cast_signed()) == "0" {
        return eprintln!("SKIPPED {TEST}: this process may use one CPU alone");
    }
    let place = Place::new();
    let machine = place.machine(
        "[cpu]\ncount = 2\n[cpu.pinning]\nemulator = '0'\niothreads = 1\n\
         [[cpu.pinning.vcpu]]\nthreads = '0'\ncpus = '0'\nscheduler = 'batch'\n\
         [[cpu.pinning.vcpu]]\nthreads = '1'\ncpus = '1'\n\
         [[cpu.pinning.iothread]]\nthreads = '1'\ncpus = '1'\n",
    );
    let running = qemu.start(&machine).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let pid = running.process.pid;
    let mut monitor = qemu.monitor(&machine).expect("it runs");
    let mut list = |command: &str| -> Vec<i32> {
        let told = monitor.execute(command, None).expect("told");
        let threads = told.as_array().expect("a list").iter().map(|one| one["thread-id"].as_i64());
        threads.map(|thread| i32::try_from(thread.expect("a number")).expect("small")).collect()
    };
    let (vcpus, iothreads) = (list("query-cpus-fast"), list("query-iothreads"));
    drop(monitor);
    let of = |threads: &[i32]| threads.iter().map(|thread| allowed(pid, *thread)).collect::<Vec<_>>();
    assert_eq!(of(&vcpus), ["0", "1"]);
    assert_eq!(of(&iothreads), ["1"]);
    // SCHED_BATCH is 3, the usual class 0.
    assert_eq!((class(pid, vcpus[0]), class(pid, vcpus[1])), ("3".to_owned(), "0".to_owned()));
    for thread in threads(pid).iter().filter(|one| !vcpus.contains(one) && !iothreads.contains(one)) {
        assert_eq!(allowed(pid, *thread), "0", "thread {thread}, which is none of the guest's");
    }
    qemu.stop(&machine, Stop::Force).expect("it runs");
    // What the host does not have is named, and nothing is left.
    let wrong = place.machine("[cpu.pinning]\nall = '1000'\n");
    let told = chain(&qemu.start(&wrong).expect_err("it cannot be"));
    assert!(told.contains("`cpu.pinning.all` (`1000`): this host has none of these CPUs"), "{told}");
    assert_eq!(qemu.look(&wrong).expect("told").state, State::Failed);
    assert!(processes(&wrong.name).is_empty());
    place.assert_nothing_left(&[]);
}

#[test]
fn a_machine_that_root_starts_is_in_a_group_of_its_own_without_limits_too() {
    const TEST: &str = "a_machine_that_root_starts_is_in_a_group_of_its_own_without_limits_too";
    let Some(qemu) = qemu(TEST) else { return };
    let place = Place::new();
    let machine = place.machine("");
    let running = qemu.start(&machine).expect("it starts with a group or without");
    let told = std::fs::read_to_string(format!("/proc/{}/cgroup", running.process.pid)).expect("it runs");
    let own = told.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
    let group = machine.process().expect("readable").expect("written").cgroup;
    qemu.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
    let Some(group) = group else {
        assert!(!own.contains(&machine.name), "{own}");
        return eprintln!("SKIPPED {TEST}: not root, or no control group can be made here");
    };
    assert!(
        rustix::process::geteuid().is_root() && group.ends_with(&own) && own.contains(&machine.name),
        "{own}"
    );
    assert!(!group.exists(), "it goes with the machine");
}

#[test]
fn a_machine_with_limits_is_in_a_group_of_its_own() {
    const TEST: &str = "a_machine_with_limits_is_in_a_group_of_its_own";
    let Some(qemu) = qemu(TEST) else { return };
    let place = Place::new();
    let machine = place
        .machine("[limits]\ncpu_weight = 50\nvcpu_percent = 80\nemulator_percent = 50\nmemory = '1GiB'\n");
    let running = match qemu.start(&machine) {
        Ok(running) => running,
        // Said before anything runs.
        Err(StartError::Cgroup(
            why @ (CgroupError::None | CgroupError::NoController { .. } | CgroupError::NotDelegated),
        )) => {
            assert_eq!(qemu.look(&machine).expect("told").state, State::Failed);
            assert_eq!(text(&machine, "qemu.log"), format!("vmwright: {}\n", chain(&why)));
            place.assert_nothing_left(&[]);
            return eprintln!("SKIPPED {TEST}: {why}");
        }
        Err(error) => panic!("{}", chain(&error)),
    };
    let record = machine.process().expect("readable").expect("written");
    let group: PathBuf = record.cgroup.expect("it has one");
    let pid = running.process.pid;
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let own = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).expect("version 2");
    assert!(
        group.ends_with(Path::new(own).components().next().expect("a group").as_os_str())
            || own.contains(&machine.name)
    );
    let file = |name: &str| std::fs::read_to_string(group.join(name)).expect("there").trim().to_owned();
    assert_eq!((file("memory.max"), file("cpu.weight")), ((1_u64 << 30).to_string(), "50".to_owned()));
    assert_eq!(
        (file("vcpu0/cpu.max"), file("emulator/cpu.max")),
        ("80000 100000".to_owned(), "50000 100000".to_owned())
    );
    assert_eq!(file("vcpu0/cgroup.threads").lines().count(), 1);
    assert!(file("emulator/cgroup.threads").lines().any(|line| line == pid.to_string()));
    qemu.stop(&machine, Stop::Force).expect("it runs");
    assert!(!group.exists(), "it goes with the machine");
    place.assert_nothing_left(&[]);
}
