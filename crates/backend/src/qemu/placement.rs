//! Where QEMU's threads run: they are found by its monitor and by the kernel, and pinned one by one.

use super::qmp::{Qmp, QmpError};
use crate::cgroup::Group;
use crate::{Running, StartError};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io;
use vmwright_formats::machine_spec::parse_cpu_list;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Pin, Pinning, Scheduler};

/// Why threads are not where they should be.
pub(super) enum Unplaced {
    Monitor(QmpError),
    Start(StartError),
}

impl From<QmpError> for Unplaced {
    fn from(error: QmpError) -> Self {
        Self::Monitor(error)
    }
}

/// Pins the threads of a VMM that runs, gives them their scheduling classes and their shares of processor time.
pub(super) fn place(
    qmp: &mut Qmp,
    spec: &MachineSpec,
    running: &Running,
    group: Option<&Group>,
) -> Result<(), Unplaced> {
    let pinning = &spec.cpu.pinning;
    let limits = &spec.limits;
    let divided = group.filter(|_| limits.vcpu_percent.is_some() || limits.emulator_percent.is_some());
    if !placed(pinning) && divided.is_none() {
        return Ok(());
    }
    let vcpus = threads(&qmp.execute("query-cpus-fast", None)?, |cpu| cpu["cpu-index"].as_u64());
    let number = |id: &str| id.strip_prefix("iothread")?.parse::<u64>().ok();
    let iothreads = threads(&qmp.execute("query-iothreads", None)?, |one| number(one["id"].as_str()?));
    if let Some(group) = divided {
        let each: Vec<(String, i32)> =
            vcpus.iter().map(|(number, thread)| (format!("vcpu{number}"), *thread)).collect();
        let fail = |source: crate::cgroup::CgroupError| Unplaced::Start(source.into());
        group.divide(limits, running.process.pid, &each).map_err(fail)?;
    }
    // First those that others are made of: a new thread runs where its maker does.
    if let Some(cpus) = &pinning.emulator {
        let special: Vec<i32> = vcpus.iter().chain(&iothreads).map(|(_, thread)| *thread).collect();
        for thread in own_threads(running.process.pid).map_err(|source| failed("emulator", cpus, source))? {
            if !special.contains(&thread) {
                pin("emulator", thread, cpus)?;
            }
        }
    }
    if let Some(cpus) = &pinning.all {
        for (_, thread) in &vcpus {
            pin("all", *thread, cpus)?;
        }
    }
    each("vcpu", &pinning.vcpus, &vcpus)?;
    each("iothread", &pinning.iothread_pins, &iothreads)
}

fn placed(pinning: &Pinning) -> bool {
    pinning.all.is_some()
        || pinning.emulator.is_some()
        || !pinning.vcpus.is_empty()
        || !pinning.iothread_pins.is_empty()
}

/// Numbers and threads of a monitor's list.
fn threads(list: &serde_json::Value, number: impl Fn(&serde_json::Value) -> Option<u64>) -> Vec<(u64, i32)> {
    let one = |item: &serde_json::Value| {
        Some((number(item)?, i32::try_from(item["thread-id"].as_i64()?).ok().filter(|thread| *thread > 0)?))
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
}

fn own_threads(pid: i32) -> io::Result<Vec<i32>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn each(what: &str, pins: &[Pin], threads: &[(u64, i32)]) -> Result<(), Unplaced> {
    for (at, one) in pins.iter().enumerate() {
        let key = format!("{what}.{at}");
        let wanted = parse_cpu_list(&one.threads).map_err(|why| failed(&key, &one.threads, invalid(why)))?;
        for number in wanted.into_iter().flatten() {
            let Some((_, thread)) = threads.iter().find(|(own, _)| *own == u64::from(number)) else {
                let why = invalid(format!("the machine has no {what} {number}"));
                return Err(failed(&key, &one.threads, why));
            };
            if let Some(cpus) = &one.cpus {
                pin(&key, *thread, cpus)?;
            }
            if let Some(scheduler) = one.scheduler {
                schedule(*thread, scheduler, one.priority)
                    .map_err(|source| failed(&format!("{key}.scheduler"), &one.threads, source))?;
            }
        }
    }
    Ok(())
}

fn pin(key: &str, thread: i32, cpus: &str) -> Result<(), Unplaced> {
    let fail = |source| failed(key, cpus, source);
    let mut set = CpuSet::new();
    for cpu in parse_cpu_list(cpus).map_err(|why| fail(invalid(why)))?.into_iter().flatten() {
        let cpu = cpu as usize;
        if cpu >= CpuSet::MAX_CPU {
            return Err(fail(invalid(format!("host CPU {cpu} is beyond {}", CpuSet::MAX_CPU - 1))));
        }
        set.set(cpu);
    }
    match sched_setaffinity(Pid::from_raw(thread), &set) {
        // A thread of the emulator that has just ended needs no place.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(rustix::io::Errno::INVAL) => {
            Err(fail(invalid("this host has none of these CPUs, or may not use them".to_owned())))
        }
        Err(errno) => Err(fail(errno.into())),
    }
}

fn schedule(thread: i32, scheduler: Scheduler, priority: Option<u32>) -> io::Result<()> {
    let policy = match scheduler {
        Scheduler::Batch => libc::SCHED_BATCH,
        Scheduler::Idle => libc::SCHED_IDLE,
        Scheduler::Fifo => libc::SCHED_FIFO,
        Scheduler::Rr => libc::SCHED_RR,
    };
    let real_time = matches!(scheduler, Scheduler::Fifo | Scheduler::Rr);
    let priority = priority.unwrap_or(1).min(99);
    let priority = if real_time { libc::c_int::try_from(priority).unwrap_or(1) } else { 0 };
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: a system call on plain values; the structure lives until it returns.
    if unsafe { libc::sched_setscheduler(thread, policy, &raw const parameter) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn failed(key: &str, value: &str, source: io::Error) -> Unplaced {
    Unplaced::Start(StartError::Placement {
        key: format!("cpu.pinning.{key}"),
        value: value.to_owned(),
        source,
    })
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
