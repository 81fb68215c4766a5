//! What libvirt asks its host for, and what therefore no domain says: the host's processor, the firmware's images, free
//! ports, a card that draws. It is taken from libvirt's own line, so that the comparison is of what both make of it.

use vmwright_formats::View;
use vmwright_formats::qemu_args::{Opts, QemuArgs, QemuCommand};
use vmwright_model::MachineSpec;
use vmwright_model::machine::DisplayKind;

/// Gives a machine what the host of libvirt's line has, where its domain leaves that to the host.
pub(crate) fn tell(spec: &mut MachineSpec, xml: &str, line: &str) {
    let (view, _) = QemuArgs::read(line);
    let Some(command) = view.commands.first() else { return };
    processor(spec, xml, command);
    if xml.contains("<os firmware=") || xml.contains(" template=") {
        firmware(spec, command);
    }
    displays(spec, command);
    if let (Some(vsock), Some(device)) = (&mut spec.vsock, device(command, "vhost-vsock")) {
        vsock.cid = vsock.cid.or_else(|| device("guest-cid")?.parse().ok());
    }
    if let Some(confidential) = &mut spec.confidential {
        let objects = command.options.iter().filter(|option| option.name == "object");
        let object = objects
            .filter(|option| option.opts().get("cbitpos").is_some())
            .map(|option| option.opts())
            .next();
        let number = |key: &str| object.as_ref()?.get(key)?.parse().ok();
        confidential.cbitpos = confidential.cbitpos.or_else(|| number("cbitpos"));
        confidential.reduced_phys_bits =
            confidential.reduced_phys_bits.or_else(|| number("reduced-phys-bits"));
    }
}

fn device<'c>(command: &'c QemuCommand, driver: &str) -> Option<impl Fn(&str) -> Option<String> + use<'c>> {
    let driver = driver.to_owned();
    let mut devices = command.options.iter().filter(|option| option.name == "device");
    let found =
        devices.find(|option| option.opts().get("driver").is_some_and(|name| name.starts_with(&driver)))?;
    Some(move |key: &str| found.opts().get(key).map(str::to_owned))
}

/// Words of `-cpu` that are no features of the host's model.
const OWN: [&str; 12] = [
    "model",
    "tsc-frequency",
    "phys-bits",
    "l3-cache",
    "host-cache-info",
    "vendor",
    "migratable",
    "enforce",
    "kvmclock",
    "kvm",
    "pmu",
    "check",
];

fn processor(spec: &mut MachineSpec, xml: &str, command: &QemuCommand) {
    let Some(option) = command.options.iter().find(|option| option.name == "cpu") else { return };
    let parts = option.opts().parts;
    let model = parts.iter().find(|part| part.0 == "model").and_then(|part| part.1.clone());
    let features = parts.iter().filter(|part| !OWN.contains(&part.0.as_str()) && !part.0.starts_with("hv-"));
    let spelled = |part: &(String, Option<String>)| {
        let on = part.1.as_deref().is_none_or(|state| state == "on");
        format!("{}{}", if on { '+' } else { '-' }, part.0)
    };
    let asked = xml.contains("mode='host-model'")
        || xml.contains("match='minimum'")
        || (xml.contains("<model")
            && !xml.contains("fallback='forbid'")
            && model.as_deref() != Some(&spec.cpu.model));
    if asked && let Some(model) = model {
        spec.cpu.model = model;
        spec.cpu.features = features.map(spelled).collect();
    } else {
        // What is there where the host has it.
        let optional = features.filter(|part| {
            let name = part.0.replace('-', "_");
            [&part.0, &name].iter().any(|name| {
                xml.contains(&format!("name='{name}' policy='optional'"))
                    || xml.contains(&format!("policy='optional' name='{name}'"))
            })
        });
        spec.cpu.features.extend(optional.map(spelled));
    }
}

fn firmware(spec: &mut MachineSpec, command: &QemuCommand) {
    let opts = |name: &str| -> Vec<Opts> {
        command.options.iter().filter(|option| option.name == name).map(|one| one.opts()).collect()
    };
    let node = |name: &str| opts("blockdev").into_iter().find(|one| one.get("node-name") == Some(name));
    let path = |flash: &str| {
        let format = opts("machine").iter().find_map(|machine| machine.get(flash).map(str::to_owned))?;
        let file = node(&format)?.get("file")?.to_owned();
        node(&file)?.get("filename").map(str::to_owned)
    };
    let firmware = &mut spec.firmware;
    if firmware.path.is_none() {
        firmware.path = path("pflash0");
        let bios =
            command.options.iter().find(|option| option.name == "bios").and_then(|one| one.value.clone());
        if let Some(bios) = bios {
            firmware.path = Some(bios);
            firmware.stateless = true;
        }
        let secure = command.options.iter().any(|option| {
            option.name == "global"
                && option.value.as_deref().is_some_and(|value| value.contains("cfi.pflash01"))
        });
        firmware.secure_boot = secure.then_some(true).or(firmware.secure_boot);
    }
    firmware.variables = firmware.variables.take().or_else(|| path("pflash1"));
}

fn displays(spec: &mut MachineSpec, command: &QemuCommand) {
    let spice = command.options.iter().find(|option| option.name == "spice").map(|option| option.opts());
    let vnc = command.options.iter().find(|option| option.name == "vnc").map(|option| option.opts());
    for display in &mut spec.displays {
        match display.kind {
            DisplayKind::Spice => {
                let Some(spice) = &spice else { continue };
                if spice.parts.iter().any(|part| part.0 == "unix") && display.socket.is_none() {
                    display.socket = spice.get("addr").map(str::to_owned);
                }
                let port = |key: &str| spice.get(key)?.parse().ok().filter(|port| *port > 0);
                display.port = display.port.or_else(|| port("port"));
                display.tls_port = display.tls_port.or_else(|| port("tls-port"));
                if display.gl {
                    display.rendernode =
                        display.rendernode.take().or_else(|| spice.get("rendernode").map(str::to_owned));
                }
            }
            DisplayKind::Vnc if display.socket.is_none() => {
                let path = vnc.as_ref().and_then(|opts| opts.get("vnc")?.strip_prefix("unix:"));
                display.socket = path.map(str::to_owned);
            }
            DisplayKind::EglHeadless => {
                let mut nodes = command.options.iter().filter(|option| option.name == "display");
                let node = nodes.find_map(|option| option.opts().get("rendernode").map(str::to_owned));
                display.rendernode = display.rendernode.take().or(node);
            }
            _ => {}
        }
    }
}
