//! The process, and the machine type with what belongs to it as a whole.

use super::super::argument::{Value, escape, on_off};
use super::super::handles::Becomes;
use super::{ArgvError, Line, memory};
use vmwright_model::machine::{Accelerator, MemoryDeviceKind, Reaction};

pub(super) fn process(line: &mut Line<'_>) {
    let spec = line.spec;
    let name = escape(&spec.name);
    line.push("-name", format!("guest={name},process=vmw-{name}"), "the machine's name, also in ps and top");
    line.switch("-no-user-config", "nothing from configuration files: the same machine everywhere");
    line.switch("-nodefaults", "no device that is not written here");
    if spec.displays.is_empty() {
        line.push("-display", "none", "no window; the console is the serial port");
    }
    if spec.process.sandbox.unwrap_or(true) {
        // Who is to become another user cannot be denied to; behind it there are no rights to gain, `spawn` denies
        // programs that have them.
        let gain = if line.handles.becomes.is_some() { "allow" } else { "deny" };
        line.push(
            "-sandbox",
            format!("on,obsolete=deny,elevateprivileges={gain},spawn=deny,resourcecontrol=deny"),
            "seccomp: a guest that breaks out cannot start programs or gain rights",
        );
    }
    if let Some(Becomes { id, by_runas }) = line.handles.becomes {
        let why = "root has opened all that it needs; before the guest runs it becomes a user that is this machine's alone";
        match by_runas {
            true => line.push("-runas", format!("{id}:{id}"), why),
            false => line.push("-run-with", format!("user={id}:{id}"), why),
        }
    }
    if let Some(uuid) = &spec.uuid {
        line.push("-uuid", escape(uuid), "the identity that the guest sees in its firmware tables");
    }
    match spec.lifecycle.on_reboot {
        Some(Reaction::Destroy) => line.switch("-no-reboot", "a reboot of the guest ends the machine"),
        Some(Reaction::Preserve) => line.push(
            "-action",
            "reboot=shutdown,shutdown=pause",
            "a reboot of the guest stops it for a look",
        ),
        Some(Reaction::CoredumpDestroy | Reaction::CoredumpRestart | Reaction::RenameRestart) => {
            line.lost("lifecycle.on_reboot", "QEMU starts the guest again or ends");
        }
        Some(Reaction::Restart) | None => {}
    }
    match spec.lifecycle.on_crash {
        Some(Reaction::Preserve) => {
            line.push("-action", "panic=pause", "a crashed guest stays as it is, for a look")
        }
        Some(
            Reaction::Restart
            | Reaction::RenameRestart
            | Reaction::CoredumpDestroy
            | Reaction::CoredumpRestart,
        ) => {
            line.lost("lifecycle.on_crash", "QEMU ends or pauses; what follows is done from outside");
        }
        Some(Reaction::Destroy) | None => {}
    }
    for (said, item) in [(&spec.title, "title"), (&spec.description, "description")] {
        if said.is_some() {
            line.lost(item, "text for people, which QEMU has no place for");
        }
    }
}

pub(super) fn machine(line: &mut Line<'_>) -> Result<(), ArgvError> {
    let spec = line.spec;
    let accelerator = match spec.accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    };
    let tuning = line.extra("accel");
    let mut value = Value::new(&spec.machine);
    if tuning.is_empty() {
        value.push("accel", accelerator);
    }
    if !spec.bare && spec.videos.is_empty() {
        value.push("graphics", "off");
    }
    if memory::one_backend(spec) {
        value.push("memory-backend", "ram");
    }
    if spec.firmware.path.is_some() && !spec.firmware.stateless {
        value.push("pflash0", "firmware");
        if spec.firmware.variables.is_some() {
            value.push("pflash1", "variables");
        }
    }
    // The variables of a secure boot may be written from system management mode alone.
    let secure = (spec.firmware.secure_boot == Some(true)).then_some(true);
    value = value.switch("smm", secure.or(spec.features.smm)).switch("vmport", spec.features.vmport);
    value = value
        .maybe("kernel-irqchip", spec.features.split_irqchip.map(|split| if split { "split" } else { "on" }));
    value = value.maybe("gic-version", spec.features.gic.as_ref());
    if let Some(acpi) = spec.acpi {
        value.push("acpi", on_off(acpi));
    }
    if let Some(hpet) =
        spec.clock.timers.iter().find(|timer| timer.name == "hpet").and_then(|timer| timer.present)
    {
        value.push("hpet", on_off(hpet));
    }
    if let Some(merge) = spec.memory.merge {
        value.push("mem-merge", on_off(merge));
    }
    if let Some(dump) = spec.memory.dump {
        value.push("dump-guest-core", on_off(dump));
    }
    if spec.memory.devices.iter().any(|device| device.kind == MemoryDeviceKind::Nvdimm) {
        value.push("nvdimm", "on");
    }
    if spec.sounds.iter().any(|sound| sound.model == "pcspk") {
        value.push("pcspk-audiodev", "audio1");
    }
    if spec.confidential.is_some() {
        value.push("confidential-guest-support", "confidential");
    }
    let value = value.raw(&line.extra("machine"));
    line.push(
        "-machine",
        value,
        "machine type; one accelerator and no second choice, so that KVM never becomes TCG unseen; \
         the firmware speaks on the serial port",
    );
    if !tuning.is_empty() {
        line.push("-accel", Value::new(accelerator).raw(&tuning), "what executes guest code, and how");
    }
    if spec.firmware.secure_boot == Some(true) {
        line.push(
            "-global",
            "driver=cfi.pflash01,property=secure,value=on",
            "the guest's kernel cannot change the firmware's variables past its checks",
        );
    }
    Ok(())
}
