//! Firmware, and a kernel in an image.

use super::claims::{KERNEL, keep, take};
use crate::json::Port;
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::FirmwareKind;

pub(super) fn firmware(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.child("firmware", |port| {
        port.text("uuid", "uuid", &mut spec.uuid);
        port.child("bootloader", |port| loader(port, spec));
        port.child("kernelBoot", |port| kernel(port, spec));
    });
}

fn loader(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let firmware = &mut spec.firmware;
    let mut bios = (firmware.kind == Some(FirmwareKind::Bios)).then_some(());
    port.option("bios", &mut bios, || (), |_, ()| true);
    let mut efi =
        (firmware.kind == Some(FirmwareKind::Uefi)).then_some(firmware.secure_boot.unwrap_or(false));
    port.option(
        "efi",
        &mut efi,
        || true,
        |port, secure| {
            // Where nothing is said only signed code is started.
            port.switch("secureBoot", secure, true);
            true
        },
    );
    if port.reading() {
        firmware.secure_boot = efi;
        firmware.kind = efi.map(|_| FirmwareKind::Uefi).or(bios.map(|()| FirmwareKind::Bios));
    }
}

/// KubeVirt takes kernel and initramfs out of an image alone.
fn kernel(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let mut image = take(spec, KERNEL).map(|part| part.text.clone());
    if !port.reading() && image.is_none() {
        return;
    }
    port.child("container", |port| {
        port.by(
            "image",
            &mut image,
            |value| value.as_str().map(str::to_owned),
            |image| Some(image.as_str().into()),
        );
        if port.reading() && image.is_none() {
            return;
        }
        port.text("kernelPath", "path", &mut spec.boot.kernel);
        port.text("initrdPath", "path", &mut spec.boot.initrd);
        if port.raw("kernelPath").is_some_and(Value::is_string) {
            port.tell("kernelPath", "it is a path within an image that the cluster unpacks");
        }
    });
    let mut cmdline = Some(spec.boot.cmdline.clone()).filter(|cmdline| !cmdline.is_empty());
    if image.is_some() {
        port.text("kernelArgs", "line", &mut cmdline);
        spec.boot.cmdline = cmdline.unwrap_or_default();
    }
    if let Some(image) = image.filter(|_| port.reading()) {
        keep(spec, KERNEL, image);
    }
}
