//! Kernel and command line.

use super::drives::Root;
use crate::json::Port;
use crate::libvirt::disks::letters;
use vmwright_model::MachineSpec;

/// The command line that Firecracker gives a kernel where the configuration has none (`DEFAULT_KERNEL_CMDLINE`).
const USUAL: &str =
    "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce";

pub(super) fn source(port: &mut Port<'_>, spec: &mut MachineSpec) {
    if port.reading() {
        let root = Root::read(port);
        port.child("boot-source", |port| {
            files(port, spec);
            let mut own = None;
            port.text("boot_args", "line", &mut own);
            spec.boot.cmdline = own.unwrap_or_else(|| USUAL.to_owned());
        });
        if let Some(root) = root {
            let blank = if spec.boot.cmdline.is_empty() { "" } else { " " };
            spec.boot.cmdline = format!("{}{blank}{}", spec.boot.cmdline, root.words());
        }
        return;
    }
    let cmdline = match root(spec) {
        Some(root) => root.without(&spec.boot.cmdline).unwrap_or_default().to_owned(),
        None => spec.boot.cmdline.clone(),
    };
    if spec.boot.kernel.is_none() && cmdline.is_empty() {
        return;
    }
    port.child("boot-source", |port| {
        files(port, spec);
        if cmdline != USUAL {
            port.put("boot_args", cmdline.clone());
        }
        port.implied("boot_args", USUAL);
    });
}

fn files(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.text("kernel_image_path", "path", &mut spec.boot.kernel);
    port.text("initrd_path", "path", &mut spec.boot.initrd);
}

/// The root device of a machine that is written: the disk that is booted first, where the kernel's command line says
/// what Firecracker would add for it.
pub(super) fn root(spec: &MachineSpec) -> Option<Root> {
    let mut first = spec.disks.iter().enumerate().filter(|(_, disk)| disk.boot_order == Some(1));
    let (at, disk) = first.next().filter(|_| first.next().is_none())?;
    let (_, said) = spec.boot.cmdline.rsplit_once("root=PARTUUID=").unwrap_or_default();
    let partition = said.split_whitespace().next().map(str::to_owned);
    let roots = [
        Root { at, readonly: disk.readonly, partition },
        Root { at, readonly: disk.readonly, partition: None },
    ];
    roots.into_iter().find(|root| root.without(&spec.boot.cmdline).is_some())
}

impl Root {
    /// What Firecracker adds to the kernel's command line (`append_root_device_cmdline`). It names the first disk,
    /// because it moves the root device there; here the disks stay in their order.
    fn words(&self) -> String {
        let mode = if self.readonly { "ro" } else { "rw" };
        match &self.partition {
            Some(partition) => format!("root=PARTUUID={partition} {mode}"),
            None => format!("root=/dev/vd{} {mode}", letters(u32::try_from(self.at).unwrap_or(u32::MAX))),
        }
    }

    /// A command line before Firecracker has added to it; none where it does not end with that.
    fn without<'c>(&self, cmdline: &'c str) -> Option<&'c str> {
        let before = cmdline.strip_suffix(&self.words())?;
        if before.is_empty() {
            Some(before)
        } else {
            before.strip_suffix(' ').filter(|before| !before.is_empty())
        }
    }
}
