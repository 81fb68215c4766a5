//! Processors: model, features, topology, threads for input and output.

use super::super::argument::{Value, on_off};
use super::Line;
use vmwright_model::machine::Policy;

pub(super) fn cpu(line: &mut Line<'_>) {
    let spec = line.spec;
    let (cpu, hyperv) = (&spec.cpu, &spec.hyperv);
    // What QEMU takes where no `-cpu` is given; on other architectures that is the machine type's affair.
    let model = match (cpu.model.as_str(), spec.arch.as_str()) {
        ("default", "x86_64") => "qemu64",
        // The program decides: the one for 64 bits runs guests of 32.
        ("default", "i686") if spec.emulator.as_deref().is_some_and(|path| path.ends_with("x86_64")) => {
            "qemu64"
        }
        ("default", "i686" | "i386") => "qemu32",
        (model, _) => model,
    };
    let mut value = Value::new(model);
    for feature in &cpu.features {
        let (name, wanted) = match feature.strip_prefix('-') {
            Some(name) => (name, false),
            None => (feature.strip_prefix('+').unwrap_or(feature), true),
        };
        value.push(name, on_off(wanted));
    }
    value = value.switch("migratable", cpu.migratable).on("enforce", cpu.policy == Policy::Strict);
    value = value.maybe("phys-bits", cpu.physical_bits).switch("pmu", spec.features.pmu);
    if hyperv.hide_kvm {
        value.push("kvm", "off");
    }
    value = value.on("hv-passthrough", hyperv.passthrough);
    for feature in &hyperv.features {
        value.push(&format!("hv-{feature}"), "on");
    }
    value = value.maybe("hv-spinlocks", hyperv.spinlocks.map(|tries| format!("{tries:#x}")));
    value = value.maybe("hv-vendor-id", hyperv.vendor_id.as_ref());
    if spec.panics.iter().any(|panic| panic.model.as_deref() == Some("hyperv")) {
        value.push("hv-crash", "on");
    }
    for timer in &spec.clock.timers {
        match (timer.name.as_str(), timer.present) {
            ("kvmclock", Some(present)) => value.push("kvmclock", on_off(present)),
            ("hypervclock", Some(true)) if !hyperv.features.iter().any(|feature| feature == "time") => {
                value.push("hv-time", "on");
            }
            _ => {}
        }
        if timer.name == "tsc" {
            value = value.maybe("tsc-frequency", timer.frequency);
        }
    }
    let value = value.raw(&line.extra("cpu"));
    if model != "default" {
        line.push("-cpu", value, "CPU model and features");
    }
    let mut value = Value::bare().with("cpus", cpu.count);
    if let Some(max) = cpu.max.filter(|max| *max != cpu.count) {
        value.push("maxcpus", max);
    }
    if let Some(topology) = &cpu.topology {
        value = value
            .maybe("sockets", topology.sockets)
            .maybe("dies", topology.dies)
            .maybe("clusters", topology.clusters)
            .maybe("cores", topology.cores)
            .maybe("threads", topology.threads);
    }
    let value = value.raw(&line.extra("smp"));
    line.push("-smp", value, "virtual CPUs");
}

/// Threads for disks, numbered from 1.
pub(super) fn iothreads(line: &mut Line<'_>) {
    let spec = line.spec;
    let disks = spec.disks.iter().filter_map(|disk| disk.iothread);
    let controllers = spec.controllers.iter().filter_map(|controller| controller.iothread);
    // A device that names a thread needs it, whether or not the number of threads says so.
    let needed = disks.chain(controllers).max().unwrap_or(0);
    let count = spec.cpu.pinning.iothreads.unwrap_or(0).max(needed);
    for number in 1..=count.min(256) {
        let value = Value::new("iothread").with("id", format!("iothread{number}"));
        let value = value.raw(&line.extra(&format!("cpu.pinning.iothread.{number}")));
        line.push("-object", value, "a thread that serves disks, so that the guest's CPUs do not");
    }
}
