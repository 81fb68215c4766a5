//! Processors, their threads, and how much memory they reach.

use super::super::{parse_cpu_list, parse_size};
use super::Book;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, Pin, Scheduler};

pub(super) fn check(book: &mut Book<'_>, spec: &MachineSpec) {
    let cpu = &spec.cpu;
    let most = cpu.max.unwrap_or(cpu.count);
    if most < cpu.count {
        let what = format!("`cpu.max` is {most}, less than `cpu.count`, which is {}", cpu.count);
        book.tell("cpu.max", &["cpu.count", "cpu.max"], what);
    }
    let follows = ["cpu.count", "cpu.max", "machine"];
    if let Some((limit, which)) = vcpu_limit(&spec.machine)
        && most > limit
    {
        let key = if cpu.max.is_some() { "cpu.max" } else { "cpu.count" };
        book.tell(key, &follows, format!("`{key}` is {most}, but {which} has at most {limit} virtual CPUs"));
    }
    if let Some(topology) = &cpu.topology {
        let parts = [topology.sockets, topology.dies, topology.clusters, topology.cores, topology.threads];
        let product: u64 = parts.iter().map(|part| u64::from(part.unwrap_or(1))).fold(1, u64::saturating_mul);
        if product != u64::from(most) {
            let shown: Vec<String> = ["sockets", "dies", "clusters", "cores", "threads"]
                .iter()
                .zip(parts)
                .filter_map(|(name, part)| Some(format!("{} {name}", part?)))
                .collect();
            let key = if cpu.max.is_some() { "cpu.max" } else { "cpu.count" };
            let parts: Vec<String> = ["sockets", "dies", "clusters", "cores", "threads"]
                .iter()
                .map(|name| format!("cpu.topology.{name}"))
                .collect();
            let follows: Vec<&str> = parts.iter().map(String::as_str).chain(follows).collect();
            let what = format!(
                "`cpu.topology` is {} = {product} virtual CPUs, but `{key}` is {most}",
                shown.join(" x ")
            );
            book.tell("cpu.topology", &follows, what);
        }
    }
    pins(book, "cpu.pinning.vcpu", &cpu.pinning.vcpus, 0, most, "cpu.max");
    let iothreads = cpu.pinning.iothreads.unwrap_or(0);
    pins(book, "cpu.pinning.iothread", &cpu.pinning.iothread_pins, 1, iothreads + 1, "cpu.pinning.iothreads");
    let users =
        spec.disks.iter().enumerate().map(|(at, disk)| (format!("disk.{at}.iothread"), disk.iothread));
    let controllers = spec.controllers.iter().enumerate();
    let users = users.chain(controllers.map(|(at, one)| (format!("controller.{at}.iothread"), one.iothread)));
    for (key, number) in users {
        if let Some(number) = number.filter(|number| *number > iothreads) {
            let what = format!("`{key}` is {number}, but `cpu.pinning.iothreads` is {iothreads}");
            book.tell(&key, &["cpu.pinning.iothreads"], what);
        }
    }
    reach(book, spec);
}

/// Pins of threads that are numbered from `first` to before `end`.
fn pins(book: &mut Book<'_>, list: &str, pins: &[Pin], first: u32, end: u32, number: &str) {
    let mut pinned: Vec<(u32, u32, usize)> = Vec::new();
    for (at, pin) in pins.iter().enumerate() {
        let key = format!("{list}.{at}");
        let threads = format!("{key}.threads");
        let follows = [threads.as_str(), number, "cpu.count"];
        for range in parse_cpu_list(&pin.threads).unwrap_or_default() {
            if *range.end() >= end || *range.start() < first {
                let what = match end.checked_sub(1).filter(|last| *last >= first) {
                    Some(last) => {
                        format!("`{threads}` is `{}`; they are numbered {first} to {last}", pin.threads)
                    }
                    None => format!("`{threads}` is `{}`, but `{number}` is 0", pin.threads),
                };
                book.tell(&threads, &follows, what);
                break;
            }
            pinned.extend(pin.cpus.is_some().then_some((*range.start(), *range.end(), at)));
        }
        let real_time = matches!(pin.scheduler, Some(Scheduler::Fifo | Scheduler::Rr));
        if pin.priority.is_some() != real_time {
            let (key, scheduler) = (format!("{key}.priority"), format!("{key}.scheduler"));
            let what = format!("`{key}` belongs to the schedulers `fifo` and `rr`, and they need it");
            book.tell(&key, &[&key, &scheduler], what);
        }
    }
    pinned.sort_unstable();
    for pair in pinned.windows(2) {
        if pair[1].0 <= pair[0].1 && pair[0].2 != pair[1].2 {
            let (key, first) = (format!("{list}.{}.threads", pair[1].2), format!("{list}.{}", pair[0].2));
            book.tell(&key, &[&key], format!("`{key}` pins {}, which `{first}` pins too", pair[1].0));
        }
    }
}

/// As many virtual CPUs as a machine type can have, from `max_cpus` of QEMU's machine classes: i440FX 255, q35 288 to
/// version 8.0, 1024 to 8.2 and 4096 since, microvm 288.
fn vcpu_limit(machine: &str) -> Option<(u32, String)> {
    let named = |limit| Some((limit, format!("machine type `{machine}`")));
    if machine == "isapc" {
        return named(1);
    }
    if machine == "microvm" {
        return named(288);
    }
    if machine == "pc" || machine.starts_with("pc-i440fx") {
        return named(255);
    }
    let version = machine.strip_prefix("pc-q35-")?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let version = (numbers.next()??, numbers.next()??);
    match version {
        (..8, _) | (8, 0) => named(288),
        (8, _) => named(1024),
        _ => named(4096),
    }
}

/// Bits of a physical address where neither specification nor host says more (`TCG_PHYS_ADDR_BITS` of QEMU).
const USUAL_BITS: u32 = 40;

/// Whether the processor reaches the memory. Where it takes over the host's width this is not known here.
fn reach(book: &mut Book<'_>, spec: &MachineSpec) {
    if spec.arch != "x86_64" {
        return;
    }
    let of_host = ["host", "max"].contains(&spec.cpu.model.as_str()) && spec.accelerator == Accelerator::Kvm;
    let bits = match spec.cpu.physical_bits {
        Some(bits) => bits,
        None if of_host => return,
        None => USUAL_BITS,
    };
    let limit = 1_u128 << bits;
    let sizes = [
        ("memory.size", Some(&spec.memory.size)),
        ("memory.hotplug.max", spec.memory.hotplug.as_ref().map(|hotplug| &hotplug.max)),
    ];
    for (key, size) in sizes {
        let Some(bytes) = size.and_then(|size| parse_size(size).ok()) else { continue };
        if u128::from(bytes) > limit {
            let what = format!(
                "`{key}` is `{}`, but a processor with {bits} bits of physical address reaches {}; set \
                 `cpu.physical_bits`, or `cpu.model` to `host`",
                size.map_or("", String::as_str),
                shown(limit)
            );
            book.tell(key, &[key, "cpu.model", "cpu.physical_bits", "accelerator"], what);
        }
    }
}

fn shown(bytes: u128) -> String {
    let units = [(1_u128 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB")];
    let (unit, name) = units.iter().find(|(unit, _)| bytes >= *unit).copied().unwrap_or((1, "bytes"));
    format!("{} {name}", bytes / unit)
}
