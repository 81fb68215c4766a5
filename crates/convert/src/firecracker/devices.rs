//! Balloon, vsock, randomness, serial port, memory that comes later.

use super::MIB;
use crate::json::Port;
use vmwright_model::machine::{Balloon, Character, Endpoint, MemoryDevice, MemoryDeviceKind, Rng, Vsock};

pub(super) fn balloon(port: &mut Port<'_>, balloon: &mut Option<Balloon>) {
    port.option("balloon", balloon, Balloon::default, |port, balloon| {
        // Nothing has size zero in the specification; Firecracker demands the number.
        if port.reading() || balloon.size.is_some() {
            if port.raw("amount_mib").is_none_or(|amount| amount != 0) {
                port.size("amount_mib", MIB, &mut balloon.size);
            }
        } else {
            port.put("amount_mib", 0);
        }
        let mut deflate = Some(balloon.deflate_on_oom);
        port.truth("deflate_on_oom", &mut deflate);
        balloon.deflate_on_oom = deflate.unwrap_or(false);
        if port.raw("stats_polling_interval_s").is_none_or(|interval| interval != 0) {
            port.number("stats_polling_interval_s", 1..=65535, &mut balloon.statistics);
        }
        port.implied("stats_polling_interval_s", 0);
        port.implied("free_page_hinting", false);
        port.flag("free_page_reporting", &mut balloon.free_page_reporting);
        true
    });
}

pub(super) fn vsock(port: &mut Port<'_>, vsock: &mut Option<Vsock>) {
    port.option("vsock", vsock, Vsock::default, |port, vsock| {
        // Firecracker demands a number where others choose a free one.
        if !port.reading() {
            vsock.cid = vsock.cid.or(Some(3));
        }
        port.number("guest_cid", 3..=u32::MAX - 1, &mut vsock.cid);
        port.text("uds_path", "socket-path", &mut vsock.socket);
        vsock.cid.is_some() && vsock.socket.is_some()
    });
}

/// One source of randomness at most.
pub(super) fn entropy(port: &mut Port<'_>, rngs: &mut Vec<Rng>) {
    let mut first = rngs.first().cloned();
    port.option("entropy", &mut first, Rng::default, |port, rng| {
        if port.reading() || rng.bytes.is_some() {
            port.child("rate_limiter", |port| {
                port.child("bandwidth", |port| {
                    rng.period = rng.period.or(Some(1000));
                    port.number("size", 1..=u64::MAX >> 1, &mut rng.bytes);
                    port.number("refill_time", 1..=u64::MAX >> 1, &mut rng.period);
                });
            });
        }
        true
    });
    if port.reading() {
        rngs.extend(first);
    }
}

/// One serial port, on Firecracker's own standard output, which is the machine's log, or in a file.
pub(super) fn serial(port: &mut Port<'_>, serials: &mut [Character]) {
    let Some(first) = serials.first_mut() else { return };
    if port.reading() || first.to == Endpoint::File {
        port.child("serial", |port| {
            port.text("serial_out_path", "path", &mut first.path);
            if port.reading() && first.path.is_some() {
                first.to = Endpoint::File;
            }
        });
    }
}

/// One device of memory that comes and goes in blocks.
pub(super) fn memory(port: &mut Port<'_>, devices: &mut Vec<MemoryDevice>) {
    let chosen = devices.iter().position(|device| device.kind == MemoryDeviceKind::VirtioMem);
    for at in (0..devices.len()).filter(|at| Some(*at) != chosen) {
        port.leave_out("/memory/device", at);
    }
    let mut first = chosen.map(|at| devices[at].clone());
    port.option(
        "memory-hotplug",
        &mut first,
        || device(String::new()),
        |port, device| {
            let mut size = Some(device.size.clone()).filter(|size| !size.is_empty());
            port.size("total_size_mib", MIB, &mut size);
            let is_said = size.is_some();
            device.size = size.unwrap_or_default();
            port.size("block_size_mib", MIB, &mut device.block);
            port.implied("block_size_mib", 2);
            port.implied("slot_size_mib", 128);
            is_said
        },
    );
    if port.reading() {
        devices.extend(first);
    }
}

fn device(size: String) -> MemoryDevice {
    let kind = MemoryDeviceKind::VirtioMem;
    MemoryDevice { kind, size, node: None, path: None, block: None, requested: None }
}
