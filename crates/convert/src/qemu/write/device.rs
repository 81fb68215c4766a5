//! Small devices.

use super::super::argument::Value;
use super::{Line, place};
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::machine::{InputBus, InputKind, ShareDriver, WatchdogAction};

pub(super) fn rngs(line: &mut Line<'_>) {
    let spec = line.spec;
    if spec.rngs.is_empty() && !spec.bare {
        let value = Value::new(line.virtio("virtio-rng"));
        line.push("-device", value, "randomness for the guest, so that it boots without waiting for some");
    }
    for (at, rng) in spec.rngs.iter().enumerate() {
        let item = format!("rng.{at}");
        let path = rng.path.as_deref().unwrap_or("/dev/urandom");
        let object = Value::new("rng-random").with("id", format!("rng{at}")).with("filename", path);
        line.push("-object", object, "where randomness comes from");
        let value = Value::new(line.virtio("virtio-rng")).with("rng", format!("rng{at}"));
        let mut value = value.maybe("max-bytes", rng.bytes);
        if rng.bytes.is_some() || rng.period.is_some() {
            // A second, where the specification says how much and not how often.
            value.push("period", rng.period.unwrap_or(1000));
        }
        let value = place::pci(line, rng.address.as_ref(), value);
        line.device(&item, value, "randomness for the guest");
    }
}

pub(super) fn shares(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, share) in spec.shares.iter().enumerate() {
        let item = format!("share.{at}");
        let id = format!("share{at}");
        let value = match share.driver {
            ShareDriver::VirtioFs => {
                let socket = line.handles.shares.get(&at).or(share.socket.as_ref()).cloned();
                if socket.is_none() {
                    line.lost(
                        format!("{item}.path"),
                        "no virtiofsd runs for the directory yet: start one, and name its socket",
                    );
                }
                if !spec.memory.shared && spec.numa.iter().all(|cell| cell.shared != Some(true)) {
                    line.lost(
                        format!("{item}.driver"),
                        "virtiofsd reads the guest's memory: `memory.shared` has to be true",
                    );
                }
                let socket = socket.unwrap_or_else(|| format!("/run/virtiofsd-{id}.sock"));
                let chardev = Value::new("socket").with("id", &id).with("path", socket);
                let chardev = chardev.raw(&line.extra(&format!("{item}.chardev")));
                line.push("-chardev", chardev, "the socket of virtiofsd");
                if share.readonly {
                    line.lost(format!("{item}.readonly"), "virtiofsd decides what may be written");
                }
                Value::new(line.virtio("vhost-user-fs"))
                    .with("chardev", &id)
                    .with("tag", &share.tag)
                    .maybe("queue-size", share.queue_size)
            }
            ShareDriver::NineP => {
                let model = share.security_model.as_deref().unwrap_or(if spec.bare {
                    "passthrough"
                } else {
                    "mapped-xattr"
                });
                let fsdev = Value::new("local")
                    .with("security_model", model)
                    .with("id", &id)
                    .with("path", share.path.as_deref().unwrap_or_default())
                    .on("readonly", share.readonly)
                    .raw(&line.extra(&format!("{item}.backend")));
                line.push("-fsdev", fsdev, "a directory of the host, served by QEMU itself");
                Value::new(line.virtio("virtio-9p")).with("fsdev", &id).with("mount_tag", &share.tag)
            }
        };
        let value = place::pci(line, share.address.as_ref(), value);
        line.device(&item, value, "a directory of the host in the guest");
    }
}

pub(super) fn vsock(line: &mut Line<'_>) {
    let Some(vsock) = &line.spec.vsock else { return };
    if vsock.cid.is_none() {
        line.remark(
            crate::Effect::Defaulted,
            "vsock.cid",
            "3, the first that a guest can have; no two guests may have the same",
        );
    }
    let value = Value::new(line.virtio("vhost-vsock")).with("guest-cid", vsock.cid.unwrap_or(3));
    let value = place::pci(line, vsock.address.as_ref(), value);
    line.device("vsock", value, "sockets between host and guest without a network");
}

pub(super) fn inputs(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, input) in spec.inputs.iter().enumerate() {
        let item = format!("input.{at}");
        let evdev = input.device.as_deref().unwrap_or_default();
        let name = match input.kind {
            InputKind::Mouse => "mouse",
            InputKind::Tablet => "tablet",
            InputKind::Keyboard => "keyboard",
            InputKind::Passthrough => {
                let value = Value::new(line.virtio("virtio-input-host")).with("evdev", evdev);
                let value = place::pci(line, input.address.as_ref(), value);
                line.device(&item, value, "an input device of the host, for the guest alone");
                continue;
            }
            InputKind::Evdev => {
                let value = Value::new("input-linux").with("id", format!("input{at}")).with("evdev", evdev);
                let value = value.raw(&line.extra(&item));
                line.push("-object", value, "an input device that host and guest share");
                continue;
            }
        };
        match input.bus.unwrap_or(InputBus::Usb) {
            // Every PC has both.
            InputBus::Ps2 => {}
            InputBus::Virtio => {
                let value = Value::new(line.virtio(&format!("virtio-{name}")));
                let value = place::pci(line, input.address.as_ref(), value);
                line.device(&item, value, "an input device");
            }
            InputBus::Usb => {
                let name = if input.kind == InputKind::Keyboard { "kbd" } else { name };
                let value = place::usb(input.address.as_ref(), Value::new(format!("usb-{name}")));
                line.device(&item, value, "an input device");
            }
        }
    }
}

pub(super) fn balloon(line: &mut Line<'_>) {
    let Some(balloon) = &line.spec.balloon else { return };
    let value = Value::new(line.virtio("virtio-balloon"))
        .with("id", "balloon0")
        .on("deflate-on-oom", balloon.deflate_on_oom)
        .on("free-page-reporting", balloon.free_page_reporting);
    let value = place::pci(line, balloon.address.as_ref(), value);
    line.device("balloon", value, "memory that the host can ask back");
    let full = parse_size(&line.spec.memory.size).ok();
    if balloon.size.as_deref().is_some_and(|size| parse_size(size).ok() != full) {
        line.lost("balloon.size", "a balloon is filled over the monitor");
    }
    if balloon.statistics.is_some() {
        line.lost("balloon.statistics", "statistics are asked for over the monitor");
    }
}

pub(super) fn watchdogs(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, watchdog) in spec.watchdogs.iter().enumerate() {
        if watchdog.model == "itco" {
            line.push("-global", "ICH9-LPC.noreboot=off", "the board's own watchdog acts");
            continue;
        }
        let value = Value::new(&watchdog.model);
        let value = if watchdog.model == "ib700" {
            value
        } else {
            place::pci(line, watchdog.address.as_ref(), value)
        };
        line.device(&format!("watchdog.{at}"), value, "a clock that acts when the guest stops feeding it");
    }
    let action = match spec.watchdogs.first().map(|watchdog| watchdog.action) {
        None | Some(WatchdogAction::Reset) => return,
        Some(WatchdogAction::Shutdown) => "shutdown",
        Some(WatchdogAction::Poweroff) => "poweroff",
        Some(WatchdogAction::Pause) => "pause",
        Some(WatchdogAction::None) => "none",
        Some(WatchdogAction::InjectNmi) => "inject-nmi",
        Some(WatchdogAction::Dump) => {
            line.remark(
                crate::Effect::Approximated,
                "watchdog.0.action",
                "QEMU pauses the guest; the dump is made from outside",
            );
            "pause"
        }
    };
    line.push("-action", format!("watchdog={action}"), "what it does then");
}

pub(super) fn panics(line: &mut Line<'_>) {
    let spec = line.spec;
    if spec.features.vmcoreinfo == Some(true) {
        line.device("vmcoreinfo", Value::new("vmcoreinfo"), "where the guest's crash information is");
    }
    for (at, panic) in spec.panics.iter().enumerate() {
        let item = format!("panic.{at}");
        match panic.model.as_deref() {
            // A CPU feature: it is written with the CPU.
            Some("hyperv") => {}
            Some("pvpanic") => {
                let value = place::pci(line, panic.address.as_ref(), Value::new("pvpanic-pci"));
                line.device(&item, value, "how the guest tells that it crashed");
            }
            Some("isa") | None => {
                line.device(&item, Value::new("pvpanic"), "how the guest tells that it crashed")
            }
            Some(other) => line.lost(item, format!("`{other}` is part of the machine type")),
        }
    }
}
