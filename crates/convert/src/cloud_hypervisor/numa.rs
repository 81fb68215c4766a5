//! NUMA nodes, each with a memory zone of its own.

use super::cpus::{cpu_list, cpu_numbers};
use crate::json::{Port, size_text};
use serde_json::{Value, json};
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Distance, MemoryMode, NumaCell, NumaPolicy};

pub(super) fn numa(port: &mut Port<'_>, spec: &mut MachineSpec) {
    if port.reading() {
        let zones = port.raw("memory").and_then(|memory| memory.get("zones")).and_then(Value::as_array);
        let nodes = port.raw("numa").and_then(Value::as_array);
        if let (Some(zones), Some(nodes)) = (zones, nodes) {
            match nodes.iter().enumerate().map(|(at, node)| cell(at, node, zones)).collect::<Option<Vec<_>>>()
            {
                Some(cells) if cells.len() == zones.len() => spec.numa = cells,
                _ => port.tell("numa", "its nodes and zones are not one for one, and are kept as they are"),
            }
        }
        return;
    }
    if spec.numa.is_empty() {
        return;
    }
    let zones: Vec<Value> = spec.numa.iter().enumerate().map(|(at, cell)| zone(at, cell)).collect();
    port.child_if("memory", true, |port| port.put("zones", zones));
    let nodes: Vec<Value> = spec.numa.iter().enumerate().map(|(at, cell)| node(at, cell)).collect();
    port.put("numa", nodes);
}

/// A node whose zone is its own, and in which nothing stands that a cell does not say.
fn cell(at: usize, node: &Value, zones: &[Value]) -> Option<NumaCell> {
    let known = |value: &Value, keys: &[&str]| {
        value.as_object().is_some_and(|members| members.keys().all(|key| keys.contains(&key.as_str())))
    };
    if !known(node, &["guest_numa_id", "cpus", "distances", "memory_zones"]) || node["guest_numa_id"] != at {
        return None;
    }
    let [name] = node.get("memory_zones")?.as_array()?.as_slice() else { return None };
    let zone = zones.iter().find(|zone| zone.get("id") == Some(name))?;
    if zone["id"] != format!("mem{at}")
        || !known(zone, &["id", "size", "shared", "hugepages", "hugepage_size", "host_numa_node"])
    {
        return None;
    }
    let cpus = match node.get("cpus").filter(|cpus| !cpus.is_null()) {
        Some(cpus) => {
            let cpus: Vec<u64> = cpus.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
            Some(cpu_list(&cpus)?)
        }
        None => None,
    };
    let distance = |one: &Value| {
        let to = u32::try_from(one.get("destination")?.as_u64()?).ok().filter(|to| *to < 128)?;
        let value =
            u32::try_from(one.get("distance")?.as_u64()?).ok().filter(|value| (10..=255).contains(value))?;
        Some(Distance { to, value })
    };
    let distances = node.get("distances").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let huge = zone["hugepages"] == true;
    let hugepage_size = zone["hugepage_size"].as_u64().filter(|_| huge).and_then(size_text);
    // The specification says a node's huge pages by their size.
    if huge && hugepage_size.is_none() {
        return None;
    }
    let policy = zone["host_numa_node"]
        .as_u64()
        .map(|node| NumaPolicy { mode: MemoryMode::Strict, nodes: node.to_string() });
    Some(NumaCell {
        cpus,
        memory: size_text(zone.get("size")?.as_u64()?)?,
        shared: zone["shared"].as_bool(),
        hugepage_size,
        policy,
        distances: distances.iter().map(distance).collect::<Option<_>>()?,
    })
}

fn zone(at: usize, cell: &NumaCell) -> Value {
    let mut zone = json!({ "id": format!("mem{at}"), "size": parse_size(&cell.memory).unwrap_or(0) });
    if let Some(shared) = cell.shared {
        zone["shared"] = shared.into();
    }
    if let Some(Ok(size)) = cell.hugepage_size.as_deref().map(parse_size) {
        zone["hugepages"] = true.into();
        zone["hugepage_size"] = size.into();
    }
    // A zone comes from one node.
    if let Some(node) = cell.policy.as_ref().and_then(|policy| policy.nodes.parse::<u32>().ok()) {
        zone["host_numa_node"] = node.into();
    }
    zone
}

fn node(at: usize, cell: &NumaCell) -> Value {
    let mut node = json!({ "guest_numa_id": at, "memory_zones": [format!("mem{at}")] });
    if let Some(cpus) = cell.cpus.as_deref().and_then(cpu_numbers) {
        node["cpus"] = cpus.into();
    }
    if !cell.distances.is_empty() {
        let distance = |one: &Distance| json!({ "destination": one.to, "distance": one.value });
        node["distances"] = cell.distances.iter().map(distance).collect();
    }
    node
}
