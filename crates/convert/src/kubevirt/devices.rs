//! Devices that are there unless switched off, and small ones.

use crate::json::Port;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Balloon, Display, DisplayKind, Input, InputBus, InputKind, Panic, Rng, Sound, Tpm, Video, Vsock,
    Watchdog, WatchdogAction,
};

/// Graphics card of a machine that names none (`configureAMD64VideoDevice`).
pub(super) const CARD: &str = "vga";

/// The screen that a machine has.
pub(super) fn screen() -> Display {
    Display::of(DisplayKind::Vnc)
}

pub(super) fn devices(port: &mut Port<'_>, spec: &mut MachineSpec) {
    attached(port, "autoattachSerialConsole", &mut spec.serials);
    screens(port, spec);
    let mut balloon = spec.balloon.is_some();
    port.switch("autoattachMemBalloon", &mut balloon, true);
    if !balloon {
        spec.balloon = None;
    } else if spec.balloon.is_none() {
        spec.balloon = Some(Balloon::default());
    }
    let mut vsock = spec.vsock.is_some();
    port.flag("autoattachVSOCK", &mut vsock);
    if port.reading() && vsock {
        spec.vsock = Some(Vsock::default());
    }
    let mut rng = spec.rngs.first().cloned();
    port.option("rng", &mut rng, Rng::default, |_, _| true);
    if port.reading() {
        spec.rngs.extend(rng);
    }
    tpm(port, &mut spec.tpm);
    watchdog(port, spec);
    let mut sound = spec.sounds.first().cloned();
    port.option(
        "sound",
        &mut sound,
        || Sound { model: "ich9".to_owned(), address: None },
        |port, sound| {
            port.put("name", "sound");
            let mut model = Some(sound.model.clone()).filter(|_| !port.reading());
            port.text("model", "word", &mut model);
            port.implied("model", "ich9");
            sound.model = model.unwrap_or_else(|| "ich9".to_owned());
            true
        },
    );
    if port.reading() {
        spec.sounds.extend(sound);
    }
    inputs(port, &mut spec.inputs);
    port.list("panicDevices", "/panic", &mut spec.panics, Panic::default, |port, panic| {
        port.text("model", "word", &mut panic.model);
        true
    });
}

/// What is there unless it is switched off.
fn attached<T>(port: &mut Port<'_>, key: &str, own: &mut Vec<T>) {
    let mut on = !own.is_empty();
    port.switch(key, &mut on, true);
    if !on {
        own.clear();
    }
}

fn screens(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let mut on = !spec.displays.is_empty();
    port.switch("autoattachGraphicsDevice", &mut on, true);
    if !on {
        spec.displays.clear();
        if port.reading() {
            spec.videos.clear();
        }
        return;
    }
    let usual = || CARD.to_owned();
    port.child("video", |port| {
        let mut card = spec.videos.first().map(|card| card.model.clone()).filter(|card| *card != CARD);
        port.text("type", "word", &mut card);
        if port.reading() {
            spec.videos = vec![Video::of(card.unwrap_or_else(usual))];
        }
    });
}

fn tpm(port: &mut Port<'_>, tpm: &mut Option<Tpm>) {
    port.option("tpm", tpm, Tpm::default, |port, tpm| {
        port.truth("persistent", &mut tpm.persistent);
        port.implied("enabled", true);
        port.raw("enabled").is_none_or(|on| on == true)
    });
}

/// One at most.
fn watchdog(port: &mut Port<'_>, spec: &mut MachineSpec) {
    const ACTIONS: [(&str, WatchdogAction); 3] = [
        ("reset", WatchdogAction::Reset),
        ("shutdown", WatchdogAction::Shutdown),
        ("poweroff", WatchdogAction::Poweroff),
    ];
    let mut own = spec.watchdogs.first().cloned();
    let new = || Watchdog { model: String::new(), action: WatchdogAction::Reset, address: None };
    port.option("watchdog", &mut own, new, |port, watchdog| {
        port.put("name", "watchdog");
        let models = ["i6300esb", "diag288"];
        if port.reading() {
            let Some(model) = models.iter().find(|model| port.raw(model).is_some()) else { return false };
            watchdog.model = (*model).to_owned();
        }
        let Some(key) = models.iter().find(|model| **model == watchdog.model) else { return false };
        port.child_if(key, true, |port| {
            let mut action =
                (port.reading() || watchdog.action != WatchdogAction::Reset).then_some(watchdog.action);
            port.word("action", &ACTIONS, &mut action);
            port.implied("action", "reset");
            watchdog.action = action.unwrap_or_default();
        });
        true
    });
    if port.reading() {
        spec.watchdogs.extend(own);
    }
}

fn inputs(port: &mut Port<'_>, inputs: &mut Vec<Input>) {
    const KINDS: [(&str, InputKind); 2] = [("tablet", InputKind::Tablet), ("keyboard", InputKind::Keyboard)];
    let new = || Input { kind: InputKind::Tablet, bus: Some(InputBus::Usb), device: None, address: None };
    let mut number = 0;
    port.list("inputs", "/input", inputs, new, |port, input| {
        if !port.reading() && !KINDS.iter().any(|(_, kind)| *kind == input.kind) {
            return false;
        }
        port.put("name", format!("input{number}"));
        number += 1;
        let mut kind = Some(input.kind);
        port.word("type", &KINDS, &mut kind);
        input.kind = kind.unwrap_or(InputKind::Tablet);
        let mut bus = input.bus.filter(|bus| port.reading() || *bus != InputBus::Usb);
        port.word("bus", &[("virtio", InputBus::Virtio), ("usb", InputBus::Usb)], &mut bus);
        port.implied("bus", "usb");
        input.bus = bus.or(Some(InputBus::Usb));
        true
    });
}
