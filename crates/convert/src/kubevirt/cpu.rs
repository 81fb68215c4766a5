//! Processors.

use super::quantity::count;
use crate::json::Port;
use serde_json::Value;
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Cpu, Topology};

pub(super) fn cpu(port: &mut Port<'_>, spec: &mut MachineSpec) {
    // A machine that says no number has as many as are asked of the node.
    let asked = port.raw("resources").and_then(|resources| {
        let cpus = |of: &str| resources.get(of)?.get("cpu").and_then(count);
        cpus("requests").or_else(|| cpus("limits"))
    });
    if port.reading() {
        spec.cpu.count = asked.unwrap_or(1);
    }
    port.child("cpu", |port| {
        topology(port, &mut spec.cpu);
        model(port, &mut spec.cpu);
        port.list("features", "/cpu/features", &mut spec.cpu.features, String::new, feature);
    });
}

/// KubeVirt counts by sockets, cores and threads, and only sockets come while the machine runs. A number of cores alone
/// is a number of processors.
fn topology(port: &mut Port<'_>, cpu: &mut Cpu) {
    let (mut own, mut most) = if port.reading() { Default::default() } else { arranged(cpu) };
    port.number("sockets", 1..=4096, &mut own.sockets);
    port.number("cores", 1..=4096, &mut own.cores);
    port.number("threads", 1..=4096, &mut own.threads);
    port.number("maxSockets", 1..=4096, &mut most);
    let said = [own.sockets, own.cores, own.threads];
    if !port.reading() || said.iter().all(Option::is_none) {
        return;
    }
    let Some(count) = product(&own) else {
        return port.tell("cores", "there are more processors than a machine can have");
    };
    let whole = Topology { sockets: most.or(own.sockets), ..own };
    cpu.count = count;
    cpu.max = product(&whole).filter(|max| *max > count);
    cpu.topology = match (cpu.max, said) {
        (None, [None, Some(_), None]) => None,
        (None, _) => Some(Topology { sockets: said[0], ..whole }),
        (Some(_), _) => Some(whole),
    };
}

/// How processors are arranged that are written, and how many sockets there can be.
fn arranged(cpu: &Cpu) -> (Topology, Option<u32>) {
    let most = cpu.max.unwrap_or(cpu.count);
    let growing = most > cpu.count;
    let mut own = match &cpu.topology {
        Some(own) if product(own) == Some(most) => own.clone(),
        _ if growing => Topology { sockets: Some(most), ..Topology::default() },
        _ => Topology { cores: (most > 1).then_some(most), ..Topology::default() },
    };
    let all = own.sockets.unwrap_or(1);
    let each = (most / all).max(1);
    if !growing || !cpu.count.is_multiple_of(each) {
        return (own, None);
    }
    own.sockets = Some(cpu.count / each);
    (own, Some(all))
}

/// Processors of an arrangement; none where they are more than a machine can have.
fn product(own: &Topology) -> Option<u32> {
    let numbers = [own.sockets, own.cores, own.threads].map(|number| u64::from(number.unwrap_or(1)));
    u32::try_from(numbers.into_iter().product::<u64>()).ok().filter(|count| *count <= 4096)
}

fn model(port: &mut Port<'_>, cpu: &mut Cpu) {
    const KEY: &str = "model";
    if !port.reading() {
        match cpu.model.as_str() {
            "default" => {}
            "host" => port.put(KEY, "host-passthrough"),
            model => port.put(KEY, model.to_owned()),
        }
        return;
    }
    match port.raw(KEY) {
        None => {}
        Some(Value::String(model)) if model == "host-passthrough" || model.is_empty() => {}
        Some(Value::String(model)) if model == "host-model" => {
            port.tell(KEY, "a model near the host's own, which can move, is read as the host's own");
        }
        Some(Value::String(model)) if check("word", model).is_ok() => cpu.model.clone_from(model),
        Some(other) => port.tell(KEY, format!("{} is no model", crate::json::short(other))),
    }
}

fn feature(port: &mut Port<'_>, feature: &mut String) -> bool {
    if !port.reading() {
        port.put("name", feature.trim_start_matches(['+', '-']));
        port.put("policy", if feature.starts_with('-') { "disable" } else { "require" });
        return true;
    }
    let sign = match port.raw("policy").and_then(Value::as_str) {
        None | Some("" | "require" | "force") => '+',
        Some("disable" | "forbid") => '-',
        // What is there where the host has it a specification does not say.
        Some(_) => return false,
    };
    let name = port.raw("name").and_then(Value::as_str).unwrap_or_default();
    *feature = format!("{sign}{name}");
    check("cpu-feature", feature).is_ok()
}
