//! Processors.

use crate::json::Port;
use serde_json::{Value, json};
use vmwright_formats::machine_spec::parse_cpu_list;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Pin, Topology};

/// Bits of a physical address at most where nothing is said (`DEFAULT_MAX_PHYS_BITS`).
const PHYSICAL_BITS: u32 = 46;

/// Most CPUs in a list (`CONFIG_NR_CPUS` of Linux with the largest configuration).
const CPUS_MAX: usize = 8192;

pub(super) fn cpus(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let even = !port.reading();
    port.child_if("cpus", even, |port| {
        let mut count = Some(spec.cpu.count);
        port.number("boot_vcpus", 1..=4096, &mut count);
        spec.cpu.count = count.unwrap_or(1);
        let mut max = Some(spec.cpu.max.unwrap_or(spec.cpu.count));
        port.number("max_vcpus", 1..=4096, &mut max);
        spec.cpu.max = max.filter(|max| *max > spec.cpu.count);
        port.option("topology", &mut spec.cpu.topology, Topology::default, topology);
        if port.raw("max_phys_bits").is_none_or(|bits| bits != PHYSICAL_BITS) {
            port.number("max_phys_bits", 32..=64, &mut spec.cpu.physical_bits);
        }
        port.implied("max_phys_bits", PHYSICAL_BITS);
        affinity(port, spec);
        hyperv(port, spec);
        port.implied("features", json!({ "amx": false }));
        port.implied("nested", true);
        port.implied("core_scheduling", "Vm");
        port.implied("profile", "Host");
    });
}

/// All four numbers, as Cloud Hypervisor demands them.
fn topology(port: &mut Port<'_>, topology: &mut Topology) -> bool {
    let fields = [
        ("threads_per_core", &mut topology.threads),
        ("cores_per_die", &mut topology.cores),
        ("dies_per_package", &mut topology.dies),
        ("packages", &mut topology.sockets),
    ];
    for (key, field) in fields {
        *field = field.or(Some(1));
        port.number(key, 1..=4096, field);
    }
    true
}

/// Host CPUs of single virtual CPUs.
fn affinity(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let pinning = &mut spec.cpu.pinning;
    if let Some(Value::Array(pins)) = port.raw("affinity") {
        let read: Option<Vec<Pin>> = pins.iter().map(pin).collect();
        match read {
            Some(pins) => pinning.vcpus = pins,
            None => port.tell("affinity", "a virtual CPU is named without host CPUs that there can be"),
        }
        return;
    }
    let mut pins = Vec::new();
    for pin in &pinning.vcpus {
        let threads = cpu_numbers(&pin.threads).unwrap_or_default();
        let cpus = pin.cpus.as_deref().and_then(cpu_numbers).unwrap_or_default();
        for thread in threads {
            if !cpus.is_empty() {
                pins.push(json!({ "vcpu": thread, "host_cpus": cpus }));
            }
        }
    }
    if !pins.is_empty() {
        port.put("affinity", pins);
    }
}

fn pin(pin: &Value) -> Option<Pin> {
    let cpus: Vec<u64> =
        pin.get("host_cpus")?.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
    let threads = pin.get("vcpu")?.as_u64()?.to_string();
    let cpus = cpu_list(&cpus)?;
    let known = pin.as_object()?.len() == 2;
    known.then_some(Pin { threads, cpus: Some(cpus), scheduler: None, priority: None })
}

/// Numbers as a list with ranges; none where there are none, or one is no CPU's.
pub(super) fn cpu_list(cpus: &[u64]) -> Option<String> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => runs.push((*cpu, *cpu)),
        }
    }
    let one =
        |(first, last): (u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let text = runs.into_iter().map(one).collect::<Vec<_>>().join(",");
    let same = cpu_numbers(&text)?.into_iter().map(u64::from).eq(cpus.iter().copied());
    same.then_some(text)
}

/// The numbers of a list with ranges; none where there are more than any machine has CPUs.
pub(super) fn cpu_numbers(text: &str) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = parse_cpu_list(text).ok()?.into_iter().flatten().take(CPUS_MAX + 1).collect();
    (numbers.len() <= CPUS_MAX).then_some(numbers)
}

fn hyperv(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let mut on = spec.hyperv.passthrough || !spec.hyperv.features.is_empty();
    port.flag("kvm_hyperv", &mut on);
    if port.reading() && on {
        spec.hyperv.passthrough = true;
        port.tell("kvm_hyperv", "a fixed set of enlightenments is read as all that KVM has");
    }
}
