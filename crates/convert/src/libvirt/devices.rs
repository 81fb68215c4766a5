//! Screens, input, controllers and the small devices.

use super::address;
use super::port::{Port, TEXT};
use vmwright_formats::machine_spec::{check, parse_size};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Controller, ControllerKind, Display, DisplayKind, Input, InputKind, Panic, Rng, Share, ShareDriver,
    Sound, Tpm, TpmModel, Video, Vsock, Watchdog, WatchdogAction,
};

pub(super) fn controllers(port: &mut Port<'_>, controllers: &mut Vec<Controller>) {
    let controller = || Controller::of(ControllerKind::Pci);
    port.list("controller", controllers, controller, |port, controller| {
        let mut kind = (!port.reading()).then_some(controller.kind);
        port.same("type", &mut kind);
        let Some(kind) = kind else { return false };
        controller.kind = kind;
        port.number("index", 0..=1024, &mut controller.index);
        port.text("model", "word", &mut controller.model);
        port.number("ports", 1..=1024, &mut controller.ports);
        port.child("driver", |port| {
            port.number("queues", 1..=1024, &mut controller.queues);
            port.number("iothread", 1..=256, &mut controller.iothread);
        });
        port.child("target", |port| {
            let bridge = controller.model.as_deref() == Some("pci-bridge");
            port.number(if bridge { "chassisNr" } else { "chassis" }, 0..=255, &mut controller.chassis);
            port.hex("port", &mut controller.port, 1);
            port.on_off("hotplug", &mut controller.hotplug);
            port.child("node", |port| port.number(TEXT, 0..=127, &mut controller.node));
        });
        controller.port = controller.port.filter(|number| *number <= 255);
        address::of(port, &mut controller.address);
        true
    });
}

pub(super) fn shares(port: &mut Port<'_>, shares: &mut Vec<Share>) {
    let share = || Share {
        path: None,
        tag: String::new(),
        driver: ShareDriver::NineP,
        readonly: false,
        socket: None,
        program: None,
        queue_size: None,
        security_model: None,
        address: None,
    };
    port.list("filesystem", shares, share, |port, share| {
        port.put("type", "mount");
        if port.raw("type").is_some_and(|kind| kind != "mount") {
            return false;
        }
        port.text("accessmode", "word", &mut share.security_model);
        if !port.reading() && share.driver == ShareDriver::VirtioFs && share.socket.is_none() {
            // The only one that virtiofsd has.
            port.put("accessmode", "passthrough");
        }
        port.child("driver", |port| {
            let drivers = &[("virtiofs", ShareDriver::VirtioFs)];
            let mut driver =
                (!port.reading() && share.driver == ShareDriver::VirtioFs).then_some(share.driver);
            port.word("type", drivers, &mut driver);
            share.driver = driver.unwrap_or(ShareDriver::NineP);
            if share.driver == ShareDriver::VirtioFs {
                port.number("queue", 2..=32768, &mut share.queue_size);
            }
        });
        if port.reading()
            && share.driver == ShareDriver::VirtioFs
            && share.security_model.as_deref() == Some("passthrough")
        {
            share.security_model = None;
        }
        port.child("source", |port| {
            port.text("dir", "path", &mut share.path);
            port.text("socket", "socket-path", &mut share.socket);
        });
        port.child("binary", |port| port.text("path", "path", &mut share.program));
        port.child("target", |port| port.string("dir", "line", &mut share.tag));
        port.present("readonly", &mut share.readonly);
        address::of(port, &mut share.address);
        !port.reading() || (!share.tag.is_empty() && (share.path.is_some() || share.socket.is_some()))
    });
}

pub(super) fn inputs(port: &mut Port<'_>, inputs: &mut Vec<Input>) {
    let input = || Input { kind: InputKind::Mouse, bus: None, device: None, address: None };
    port.list("input", inputs, input, |port, input| {
        let mut kind = (!port.reading()).then_some(input.kind);
        port.same("type", &mut kind);
        let Some(kind) = kind else { return false };
        input.kind = kind;
        port.same("bus", &mut input.bus);
        port.child("source", |port| {
            let name = if kind == InputKind::Evdev { "dev" } else { "evdev" };
            port.text(name, "path", &mut input.device);
        });
        address::of(port, &mut input.address);
        true
    });
}

pub(super) fn displays(port: &mut Port<'_>, displays: &mut Vec<Display>) {
    let display = || Display::of(DisplayKind::Vnc);
    port.list("graphics", displays, display, |port, display| {
        let mut kind = (!port.reading()).then_some(display.kind);
        port.same("type", &mut kind);
        let Some(kind) = kind else { return false };
        display.kind = kind;
        if matches!(kind, DisplayKind::Vnc | DisplayKind::Spice) {
            listen(port, display);
        }
        port.child("gl", |port| {
            port.or_default(&mut display.gl, |port, on| port.word("enable", &[("yes", true)], on));
            port.text("rendernode", "path", &mut display.rendernode);
        });
        true
    });
}

fn listen(port: &mut Port<'_>, display: &mut Display) {
    port.number("port", 1..=65535, &mut display.port);
    port.number("tlsPort", 1..=65535, &mut display.tls_port);
    if display.socket.is_none() {
        port.put("autoport", if display.port.is_none() && display.tls_port.is_none() { "yes" } else { "no" });
    }
    port.text("keymap", "word", &mut display.keymap);
    port.text("listen", "ip", &mut display.listen);
    port.child("listen", |port| {
        if display.listen.is_some() {
            port.put("type", "address");
        } else if display.socket.is_some() {
            port.put("type", "socket");
        }
        port.text("address", "ip", &mut display.listen);
        if port.raw("type").as_deref() == Some("socket") {
            port.text("socket", "socket-path", &mut display.socket);
        }
    });
}

pub(super) fn videos(port: &mut Port<'_>, videos: &mut Vec<Video>) {
    let video = || Video::of("");
    port.list("video", videos, video, |port, video| {
        port.child("model", |port| {
            port.string("type", "word", &mut video.model);
            port.by(
                "vram",
                &mut video.memory,
                |text| super::memory::size_text(text.trim().parse::<u64>().ok()?.checked_mul(1024)?),
                |text| Some((parse_size(text).ok()? >> 10).to_string()),
            );
            port.number("heads", 1..=16, &mut video.heads);
            port.or_default(&mut video.primary, |port, on| port.word("primary", &[("yes", true)], on));
            port.child("acceleration", |port| port.yes_no("accel3d", &mut video.accel3d));
            port.child("resolution", |port| {
                port.number("x", 1..=16384, &mut video.width);
                port.number("y", 1..=16384, &mut video.height);
            });
        });
        port.child("driver", |port| {
            port.or_default(&mut video.vhost_user, |port, on| port.word("name", &[("vhostuser", true)], on));
        });
        address::of(port, &mut video.address);
        check("word", &video.model).is_ok()
    });
}

pub(super) fn sounds(port: &mut Port<'_>, sounds: &mut Vec<Sound>) {
    port.list(
        "sound",
        sounds,
        || Sound { model: String::new(), address: None },
        |port, sound| {
            port.string("model", "word", &mut sound.model);
            address::of(port, &mut sound.address);
            check("word", &sound.model).is_ok()
        },
    );
}

pub(super) fn small(port: &mut Port<'_>, spec: &mut MachineSpec) {
    const ACTIONS: &[(&str, WatchdogAction)] = &[
        ("reset", WatchdogAction::Reset),
        ("shutdown", WatchdogAction::Shutdown),
        ("poweroff", WatchdogAction::Poweroff),
        ("pause", WatchdogAction::Pause),
        ("none", WatchdogAction::None),
        ("dump", WatchdogAction::Dump),
        ("inject-nmi", WatchdogAction::InjectNmi),
    ];
    let watchdog = || Watchdog { model: String::new(), action: WatchdogAction::Reset, address: None };
    port.list("watchdog", &mut spec.watchdogs, watchdog, |port, watchdog| {
        port.string("model", "word", &mut watchdog.model);
        let mut action = (!port.reading()).then_some(watchdog.action);
        port.word("action", ACTIONS, &mut action);
        watchdog.action = action.unwrap_or_default();
        address::of(port, &mut watchdog.address);
        check("word", &watchdog.model).is_ok()
    });
    super::memory::balloon(port, &mut spec.balloon);
    port.list("rng", &mut spec.rngs, Rng::default, rng);
    port.list("panic", &mut spec.panics, Panic::default, |port, panic| {
        port.text("model", "word", &mut panic.model);
        address::of(port, &mut panic.address);
        true
    });
    port.option("vsock", &mut spec.vsock, Vsock::default, |port, vsock| {
        port.put("model", "virtio");
        port.child("cid", |port| {
            let automatic = if vsock.cid.is_some() { "no" } else { "yes" };
            port.put("auto", automatic);
            port.number("address", 3..=4_294_967_294, &mut vsock.cid);
        });
        address::of(port, &mut vsock.address);
    });
}

fn rng(port: &mut Port<'_>, rng: &mut Rng) -> bool {
    port.put("model", "virtio");
    let mut fits = port.raw("model").is_none_or(|model| model.starts_with("virtio"));
    port.child("rate", |port| {
        port.number("bytes", 0..=i64::MAX as u64, &mut rng.bytes);
        port.number("period", 0..=i64::MAX as u64, &mut rng.period);
    });
    port.child("backend", |port| {
        port.put("model", "random");
        fits &= port.raw("model").as_deref() == Some("random");
        // Where the text names none, libvirt's own is an older one than the specification's.
        let mut path =
            rng.path.clone().or_else(|| Some("/dev/urandom".to_owned())).filter(|_| !port.reading());
        port.text(TEXT, "path", &mut path);
        if port.reading() {
            rng.path =
                Some(path.unwrap_or_else(|| "/dev/random".to_owned())).filter(|path| path != "/dev/urandom");
        }
    });
    address::of(port, &mut rng.address);
    fits
}

pub(super) fn tpm(port: &mut Port<'_>, tpm: &mut Option<Tpm>) {
    const MODELS: &[(&str, TpmModel)] =
        &[("tpm-tis", TpmModel::Tis), ("tpm-crb", TpmModel::Crb), ("tpm-spapr", TpmModel::Spapr)];
    port.option("tpm", tpm, Tpm::default, |port, tpm| {
        port.word("model", MODELS, &mut tpm.model);
        port.child("backend", |port| {
            let kind = match (&tpm.device, &tpm.socket) {
                (Some(_), _) => "passthrough",
                (None, Some(_)) => "external",
                (None, None) => "emulator",
            };
            port.put("type", kind);
            port.text("version", "tpm-version", &mut tpm.version);
            port.yes_no("persistent_state", &mut tpm.persistent);
            port.child("encryption", |port| port.text("secret", "uuid", &mut tpm.secret));
            port.child("device", |port| port.text("path", "path", &mut tpm.device));
            port.child("source", |port| {
                if tpm.socket.is_some() {
                    port.put("type", "unix");
                    port.put("mode", "connect");
                }
                port.text("path", "socket-path", &mut tpm.socket);
            });
        });
    });
}
