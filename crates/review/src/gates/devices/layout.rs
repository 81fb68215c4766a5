//! How the guest sees its processors arranged, its memory's nodes, the queues of its network cards and its source of
//! random numbers, against the specification.

use super::Gate;
use super::observe::{Observed, read};
use crate::gates::component;
use crate::quote;
use crate::scope::Session;
use std::collections::BTreeMap;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Topology;

/// The most processors that are asked for their place.
const MOST: u32 = 512;

/// What was seen, of that which the specification says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layout {
    /// Socket and core of each processor.
    pub(crate) processors: Option<Result<Vec<(u32, u32)>, String>>,
    /// The nodes of memory that are there: `0-1`.
    pub(crate) nodes: Option<Result<String, String>>,
    /// By interface of the guest: how many pairs of queues it has of those that were asked for.
    pub(crate) queues: BTreeMap<String, u32>,
    /// Where the kernel takes its random numbers from.
    pub(crate) random: Option<Result<String, String>>,
}

pub(super) fn observe(session: &Session<'_>, interfaces: &[String]) -> Layout {
    let spec = session.scope.spec;
    let place = |number: u32| {
        let of = |file: &str| {
            let path = format!("/sys/devices/system/cpu/cpu{number}/topology/{file}");
            let text = read(session, &path)?;
            text.trim().parse::<u32>().map_err(|_| format!("{path} is no number"))
        };
        Ok((of("physical_package_id")?, of("core_id")?))
    };
    let processors = || (0..spec.cpu.count.min(MOST)).map(place).collect::<Result<Vec<_>, String>>();
    let trimmed = |path: &str| read(session, path).map(|text| text.trim().to_owned());
    let most = spec.networks.iter().filter_map(|network| network.queues).max().unwrap_or(0);
    let queues = |name: &String| {
        // The agent lists no directory; each queue has a file that can be read.
        let has = |number: &u32| {
            component(name).is_some_and(|name| read(session, &format!("/sys/class/net/{name}/queues/rx-{number}/rps_cpus")).is_ok())
        };
        (name.clone(), (0..most).take_while(has).count() as u32)
    };
    Layout {
        processors: spec.cpu.topology.as_ref().map(|_| processors()),
        nodes: (!spec.numa.is_empty()).then(|| trimmed("/sys/devices/system/node/online")),
        queues: if most > 1 { interfaces.iter().map(queues).collect() } else { BTreeMap::new() },
        random: Some(trimmed("/sys/class/misc/hw_random/rng_current")),
    }
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    if let Some(topology) = &spec.cpu.topology {
        gate.aspects.about("topology");
        arrangement(seen, topology, spec.cpu.count, gate);
    }
    if !spec.numa.is_empty() {
        gate.aspects.about("nodes");
        nodes(seen, spec.numa.len(), gate);
    }
    for (index, network) in spec.networks.iter().enumerate() {
        let Some(wanted) = network.queues.filter(|queues| *queues > 1) else { continue };
        gate.aspects.about("queues");
        let mac = crate::interfaces::expected_mac(network, index, &seen.vmm_macs);
        let own = seen.interfaces.as_ref().ok().and_then(|all| all.iter().find(|(one, _)| one.mac.is_some() && one.mac == mac));
        // That it is not there is said with the network.
        let Some((own, _)) = own else { continue };
        let found = seen.layout.queues.get(&own.name).copied().unwrap_or(0);
        // A guest with fewer processors than queues uses as many as it has processors.
        gate.aspects.expect(found >= wanted.min(spec.cpu.count), || {
            format!("network {index}: {} has {found} pairs of queues, the specification says {wanted}", quote::line(&own.name))
        });
        gate.row(&format!("queues of network {index}"), &wanted.to_string(), "", &found.to_string());
    }
    random(seen, gate);
}

/// Sockets, cores and threads as the guest's kernel counts them.
fn arrangement(seen: &Observed, wanted: &Topology, count: u32, gate: &mut Gate) {
    let Some(answer) = &seen.layout.processors else { return };
    let Some(places) = gate.of_guest("places of processors", answer) else { return };
    let places = places.clone();
    let distinct = |places: Vec<(u32, u32)>| {
        let mut places = places;
        places.sort_unstable();
        places.dedup();
        places.len() as u32
    };
    let sockets = distinct(places.iter().map(|(socket, _)| (*socket, 0)).collect());
    let cores = distinct(places.clone()).max(1);
    let threads = count.min(MOST) / cores;
    let cores_in_socket = cores / sockets.max(1);
    let told = format!("{sockets} sockets of {cores_in_socket} cores of {threads} threads");
    // Dies and clusters hold cores: what a socket has of them in all is what counts.
    let of_socket = wanted.cores.map(|cores| cores * wanted.dies.unwrap_or(1) * wanted.clusters.unwrap_or(1));
    let parts = [("sockets", wanted.sockets, sockets), ("cores in a socket", of_socket, cores_in_socket), ("threads in a core", wanted.threads, threads)];
    for (what, wanted, found) in parts {
        if let Some(wanted) = wanted {
            gate.aspects.expect(wanted == found, || format!("the guest sees {found} {what}, the specification says {wanted}"));
        }
    }
    let say = |part: Option<u32>| part.map_or_else(|| "any".to_owned(), |part| part.to_string());
    let specified = format!("{} sockets of {} cores of {} threads", say(wanted.sockets), say(of_socket), say(wanted.threads));
    gate.row("arrangement of processors", &specified, "", &told);
}

fn nodes(seen: &Observed, wanted: usize, gate: &mut Gate) {
    let Some(answer) = &seen.layout.nodes else { return };
    let Some(online) = gate.of_guest("nodes of memory", answer).cloned() else { return };
    let count = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(to.parse::<u32>().ok()?.checked_sub(from.parse().ok()?)? as usize + 1)
    };
    let found: Option<usize> = online.split(',').map(count).sum();
    match found {
        Some(found) => gate.aspects.expect(found == wanted, || format!("the guest sees {found} nodes of memory, the specification says {wanted}")),
        None => gate.aspects.unknown(format!("nodes of memory: `{}` is no list", quote::line(&online))),
    }
    gate.row("nodes of memory", &wanted.to_string(), "", &online);
}

/// Whether the kernel uses the source of random numbers that the VMM gave it.
fn random(seen: &Observed, gate: &mut Gate) {
    /// Type of the entropy device (virtio 1.2, section 5).
    const ENTROPY: u32 = 4;
    let given = seen.virtio_vmm.as_ref().is_ok_and(|kinds| kinds.contains(&ENTROPY));
    let Some(Ok(current)) = seen.layout.random.as_ref().filter(|_| given) else { return };
    gate.aspects.about("random numbers").expect(current.starts_with("virtio_rng"), || {
        format!("the guest's kernel takes random numbers from `{}`, and not from the VMM's source", quote::line(current))
    });
    gate.row("random numbers", "", "virtio", current);
}
