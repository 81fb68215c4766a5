//! Processors: number, model, topology, and where they run.

use super::port::{Port, TEXT};
use vmwright_formats::machine_spec::{check, parse_cpu_list};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Cpu, Limits, Pin, Pinning, Policy, Topology};

pub(super) fn number(port: &mut Port<'_>, cpu: &mut Cpu) {
    port.child("vcpu", |port| {
        let (mut most, mut count) = (Some(cpu.max.unwrap_or(cpu.count)), cpu.max.map(|_| cpu.count));
        if port.reading() {
            (most, count) = (None, None);
        }
        port.put("placement", "static");
        port.text("cpuset", "cpu-list", &mut cpu.pinning.all);
        port.number("current", 1..=4096, &mut count);
        port.number(TEXT, 1..=4096, &mut most);
        if port.reading() {
            let most = most.unwrap_or(1);
            cpu.count = count.unwrap_or(most).min(most);
            cpu.max = count.filter(|count| *count <= most).map(|_| most);
        }
    });
    port.child("iothreads", |port| port.number(TEXT, 0..=256, &mut cpu.pinning.iothreads));
}

pub(super) fn tuning(port: &mut Port<'_>, pinning: &mut Pinning, limits: &mut Limits) {
    port.child("cputune", |port| {
        port.child("shares", |port| port.number(TEXT, 1..=10_000, &mut limits.cpu_weight));
        time(port, "period", "quota", &mut limits.vcpu_percent);
        time(port, "emulator_period", "emulator_quota", &mut limits.emulator_percent);
        pins(port, "vcpupin", "vcpu", &mut pinning.vcpus);
        port.child("emulatorpin", |port| port.text("cpuset", "cpu-list", &mut pinning.emulator));
        pins(port, "iothreadpin", "iothread", &mut pinning.iothread_pins);
        schedules(port, "vcpusched", "vcpus", &mut pinning.vcpus);
        schedules(port, "iothreadsched", "iothreads", &mut pinning.iothread_pins);
    });
}

/// libvirt says how many microseconds of which period, the specification how many percent.
fn time(port: &mut Port<'_>, period: &str, quota: &str, percent: &mut Option<u32>) {
    let mut per = Some(100_000_u64).filter(|_| port.reading() || percent.is_some());
    port.child(period, |port| port.number(TEXT, 1..=u64::from(u32::MAX), &mut per));
    let per = per.unwrap_or(100_000);
    port.child(quota, |port| {
        let mut some = percent.map(|percent| u64::from(percent) * 1000);
        port.number(TEXT, 1..=u64::from(u32::MAX), &mut some);
        if port.reading() {
            let hundredfold = some.map(|quota| quota * 100);
            let exact = hundredfold.filter(|quota| quota.is_multiple_of(per)).map(|quota| quota / per);
            *percent = exact
                .and_then(|percent| u32::try_from(percent).ok())
                .filter(|one| (1..=10_000).contains(one));
        }
    });
}

fn pin() -> Pin {
    Pin { threads: String::new(), cpus: None, scheduler: None, priority: None }
}

/// libvirt pins threads one by one.
fn pins(port: &mut Port<'_>, name: &str, number: &str, pins: &mut Vec<Pin>) {
    let mut single: Vec<Pin> = Vec::new();
    if !port.reading() {
        for pin in pins.iter().filter(|pin| pin.cpus.is_some()) {
            for thread in parse_cpu_list(&pin.threads).unwrap_or_default().into_iter().flatten() {
                single.push(Pin { threads: thread.to_string(), ..pin.clone() });
            }
        }
    }
    port.list(name, &mut single, pin, |port, pin| {
        port.string(number, "cpu-list", &mut pin.threads);
        port.text("cpuset", "cpu-list", &mut pin.cpus);
        !pin.threads.is_empty() && pin.cpus.is_some()
    });
    if port.reading() {
        pins.append(&mut single);
    }
}

fn schedules(port: &mut Port<'_>, name: &str, number: &str, pins: &mut Vec<Pin>) {
    let mut some: Vec<Pin> = Vec::new();
    if !port.reading() {
        some.extend(pins.iter().filter(|pin| pin.scheduler.is_some()).cloned());
    }
    port.list(name, &mut some, pin, |port, pin| {
        port.string(number, "cpu-list", &mut pin.threads);
        port.same("scheduler", &mut pin.scheduler);
        port.number("priority", 1..=99, &mut pin.priority);
        !pin.threads.is_empty() && pin.scheduler.is_some()
    });
    if port.reading() {
        pins.append(&mut some);
    }
}

/// Features that libvirt spells otherwise than QEMU.
const NAMES: [(&str, &str); 1] = [("pclmuldq", "pclmulqdq")];

/// The model of a machine whose text names none.
const USUAL: &str = "default";

pub(super) fn model(port: &mut Port<'_>, spec: &mut MachineSpec) {
    if port.reading() {
        spec.cpu.model = USUAL.to_owned();
    }
    let cpu = &mut spec.cpu;
    let numa = &mut spec.numa;
    port.child("cpu", |port| {
        if port.reading() {
            cpu.model = match port.raw("mode").as_deref() {
                Some("host-passthrough" | "host-model") => "host".to_owned(),
                Some("maximum") => "max".to_owned(),
                _ => {
                    let named = port.node().child("model").map(|model| model.text());
                    named.filter(|name| check("word", name).is_ok()).unwrap_or_else(|| USUAL.to_owned())
                }
            };
        } else {
            match cpu.model.as_str() {
                "host" => port.put("mode", "host-passthrough"),
                "max" => port.put("mode", "maximum"),
                USUAL => {}
                model => {
                    let model = model.to_owned();
                    port.put("mode", "custom");
                    port.put("match", "exact");
                    port.child("model", |port| port.put(TEXT, model));
                }
            }
        }
        port.on_off("migratable", &mut cpu.migratable);
        port.or_default(&mut cpu.policy, |port, policy| {
            port.word("check", &[("full", Policy::Strict)], policy)
        });
        port.option("topology", &mut cpu.topology, Topology::default, |port, topology| {
            // libvirt demands these three.
            if !port.reading() {
                for number in [&mut topology.sockets, &mut topology.cores, &mut topology.threads] {
                    *number = number.or(Some(1));
                }
            }
            port.number("sockets", 1..=4096, &mut topology.sockets);
            port.number("dies", 1..=4096, &mut topology.dies);
            port.number("clusters", 1..=4096, &mut topology.clusters);
            port.number("cores", 1..=4096, &mut topology.cores);
            port.number("threads", 1..=4096, &mut topology.threads);
        });
        port.child("maxphysaddr", |port| {
            if cpu.physical_bits.is_some() {
                port.put("mode", "emulate");
            }
            port.number("bits", 32..=64, &mut cpu.physical_bits);
        });
        port.list("feature", &mut cpu.features, String::new, |port, feature| {
            if port.reading() {
                let sign = match port.raw("policy").as_deref() {
                    None | Some("require" | "force") => '+',
                    Some("disable" | "forbid") => '-',
                    // What is there where the host has it is not said by a specification.
                    Some(_) => return false,
                };
                let name = port.raw("name").unwrap_or_default();
                let spelled =
                    NAMES.iter().find(|known| known.0 == name).map_or(name.as_str(), |known| known.1);
                *feature = format!("{sign}{spelled}");
                return check("cpu-feature", feature).is_ok();
            }
            port.put("policy", if feature.starts_with('-') { "disable" } else { "require" });
            let name = feature.trim_start_matches(['+', '-']);
            port.put("name", NAMES.iter().find(|known| known.1 == name).map_or(name, |known| known.0));
            true
        });
        super::memory::numa(port, numa);
    });
}
