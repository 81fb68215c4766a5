//! Randomness, balloon, shares, vsock, TPM, devices of the host, watchdog and panic device.

use super::{disks, pci};
use crate::json::Port;
use serde_json::json;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Balloon, HostDevice, HostDeviceKind, Panic, Rng, Share, ShareDriver, Tpm, TpmModel, Vsock, Watchdog,
    WatchdogAction,
};

/// Where randomness comes from where nothing is said (`DEFAULT_RNG_SOURCE`).
const RANDOM: &str = "/dev/urandom";

/// There is always one.
pub(super) fn rng(port: &mut Port<'_>, rngs: &mut [Rng]) {
    let Some(rng) = rngs.first_mut() else {
        return port.implied("rng", json!({ "src": RANDOM }));
    };
    port.child("rng", |port| {
        pci::device(port, &mut None, &mut rng.address);
        let mut path = rng.path.take().filter(|path| path != RANDOM);
        port.text("src", "path", &mut path);
        rng.path = path.filter(|path| path != RANDOM);
        port.implied("src", RANDOM);
    });
}

pub(super) fn balloon(port: &mut Port<'_>, balloon: &mut Option<Balloon>) {
    port.option("balloon", balloon, Balloon::default, |port, balloon| {
        pci::device(port, &mut None, &mut balloon.address);
        // Nothing has size zero in the specification; Cloud Hypervisor demands the number.
        if !port.reading() && balloon.size.is_none() {
            port.put("size", 0);
        } else if port.raw("size").is_none_or(|size| size != 0) {
            port.size("size", 1, &mut balloon.size);
        }
        port.flag("deflate_on_oom", &mut balloon.deflate_on_oom);
        port.flag("free_page_reporting", &mut balloon.free_page_reporting);
        true
    });
}

/// Directories whose virtiofsd runs already.
pub(super) fn shares(port: &mut Port<'_>, shares: &mut Vec<Share>) {
    let new = || Share {
        path: None,
        tag: String::new(),
        driver: ShareDriver::VirtioFs,
        readonly: false,
        socket: None,
        program: None,
        queue_size: None,
        security_model: None,
        address: None,
    };
    port.list("fs", "/share", shares, new, |port, share| {
        if !port.reading() && (share.driver != ShareDriver::VirtioFs || share.socket.is_none()) {
            return false;
        }
        pci::device(port, &mut None, &mut share.address);
        let mut tag = Some(share.tag.clone()).filter(|tag| !tag.is_empty());
        port.text("tag", "line", &mut tag);
        port.text("socket", "socket-path", &mut share.socket);
        port.implied("num_queues", 1);
        disks::number(port, "queue_size", 1024, 2..=32768, &mut share.queue_size);
        let named = tag.is_some();
        share.tag = tag.unwrap_or_default();
        named && share.socket.is_some()
    });
}

pub(super) fn vsock(port: &mut Port<'_>, vsock: &mut Option<Vsock>) {
    port.option("vsock", vsock, Vsock::default, |port, vsock| {
        pci::device(port, &mut None, &mut vsock.address);
        if !port.reading() {
            // A number is demanded where others choose a free one.
            vsock.cid = vsock.cid.or(Some(3));
        }
        port.number("cid", 3..=u32::MAX - 1, &mut vsock.cid);
        port.text("socket", "socket-path", &mut vsock.socket);
        vsock.cid.is_some() && vsock.socket.is_some()
    });
}

/// A module whose swtpm runs already.
pub(super) fn tpm(port: &mut Port<'_>, tpm: &mut Option<Tpm>) {
    let new = || Tpm { model: Some(TpmModel::Crb), ..Tpm::default() };
    port.option("tpm", tpm, new, |port, tpm| {
        port.text("socket", "socket-path", &mut tpm.socket);
        tpm.socket.is_some()
    });
}

/// Where the kernel shows a PCI device.
const SYSFS: &str = "/sys/bus/pci/devices/";

pub(super) fn host_devices(port: &mut Port<'_>, devices: &mut Vec<HostDevice>) {
    port.list(
        "devices",
        "/host_device",
        devices,
        || HostDevice::of(HostDeviceKind::Pci, ""),
        |port, device| {
            if !port.reading() && device.kind != HostDeviceKind::Pci {
                return false;
            }
            pci::device(port, &mut None, &mut device.address);
            let mut name = Some(device.device.clone()).filter(|name| !name.is_empty());
            port.by(
                "path",
                &mut name,
                |path| {
                    let name = path.as_str()?.strip_prefix(SYSFS)?.trim_end_matches('/');
                    vmwright_formats::machine_spec::check("pci-address", name)
                        .is_ok()
                        .then(|| name.to_owned())
                },
                |name| Some(format!("{SYSFS}{name}").into()),
            );
            port.implied("x_exclude_mmap_bars", json!([]));
            let found = name.is_some();
            device.device = name.unwrap_or_default();
            found
        },
    );
}

/// Devices that are there or not.
pub(super) fn small(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let mut there = spec.watchdogs.iter().any(|watchdog| watchdog.action == WatchdogAction::Reset);
    port.flag("watchdog", &mut there);
    if port.reading() && there {
        spec.watchdogs =
            vec![Watchdog { model: "i6300esb".to_owned(), action: WatchdogAction::Reset, address: None }];
        port.tell(
            "watchdog",
            "a virtio watchdog, which no other has; `i6300esb` does the same for the guest",
        );
    }
    let mut there = !spec.panics.is_empty();
    port.flag("pvpanic", &mut there);
    if port.reading() && there {
        spec.panics = vec![Panic { model: Some("pvpanic".to_owned()), ..Panic::default() }];
    }
}
