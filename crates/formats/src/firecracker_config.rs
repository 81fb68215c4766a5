//! Firecracker's configuration file: `--config-file`, and the answer to `GET /vm/config` (Firecracker
//! `src/firecracker/swagger/firecracker.yaml`, `src/vmm/src/resources.rs`).

use crate::View;
use crate::json::Json;
use vmwright_model::{Issue, Kind, Spanned};

/// A disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirecrackerDrive {
    /// Its id.
    pub id: Option<Spanned<String>>,
    /// The file behind it; none for a vhost-user disk.
    pub path: Option<Spanned<String>>,
    /// Whether the guest's root lies on it.
    pub is_root: Option<Spanned<bool>>,
    /// Whether the guest may only read it.
    pub read_only: Option<Spanned<bool>>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirecrackerInterface {
    /// Its id.
    pub id: Option<Spanned<String>>,
    /// The host's tap device.
    pub tap: Option<Spanned<String>>,
    /// The guest's address.
    pub mac: Option<Spanned<String>>,
}

/// One microVM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirecrackerConfig {
    /// The kernel.
    pub kernel: Option<Spanned<String>>,
    /// The initramfs.
    pub initrd: Option<Spanned<String>>,
    /// The kernel's command line; Firecracker's default where absent.
    pub boot_args: Option<Spanned<String>>,
    /// Processors, 1 to 32.
    pub vcpus: Option<Spanned<u64>>,
    /// Memory in MiB.
    pub memory_mib: Option<Spanned<u64>>,
    /// Whether two vCPUs share a core.
    pub smt: Option<Spanned<bool>>,
    /// A static CPU template: `T2`, `T2S`, `T2CL`, `T2A`, `C3`, `V1N1`, `None`.
    pub cpu_template: Option<Spanned<String>>,
    /// `None` or `2M`.
    pub huge_pages: Option<Spanned<String>>,
    /// Disks.
    pub drives: Vec<FirecrackerDrive>,
    /// Network interfaces.
    pub interfaces: Vec<FirecrackerInterface>,
    /// The guest's context id.
    pub vsock_cid: Option<Spanned<u64>>,
    /// The socket on the host behind the guest's vsock.
    pub vsock_socket: Option<Spanned<String>>,
}

impl View for FirecrackerConfig {
    const KIND: Kind = Kind::new("firecracker_config");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["\"kernel_image_path\"", "\"machine-config\"", "\"boot-source\""];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let json = match Json::read(text) {
            Ok(json) => json,
            Err(issue) => return (Self::default(), vec![issue]),
        };
        let whole = json.members();
        let part = |key: &str| whole.get(key).map(Json::members).unwrap_or_default();
        let (boot, machine, vsock) = (part("boot-source"), part("machine-config"), part("vsock"));
        let text = |part: &std::collections::BTreeMap<String, Json<'_>>, key: &str| part.get(key)?.text();
        let list = |key: &str| whole.get(key).map(Json::items).unwrap_or_default();
        let view = Self {
            kernel: text(&boot, "kernel_image_path"),
            initrd: text(&boot, "initrd_path"),
            boot_args: text(&boot, "boot_args"),
            vcpus: machine.get("vcpu_count").and_then(Json::number),
            memory_mib: machine.get("mem_size_mib").and_then(Json::number),
            // `ht_enabled` before Firecracker 1.0.
            smt: machine.get("smt").or(machine.get("ht_enabled")).and_then(Json::truth),
            cpu_template: text(&machine, "cpu_template"),
            huge_pages: text(&machine, "huge_pages"),
            drives: list("drives")
                .iter()
                .map(Json::members)
                .map(|drive| FirecrackerDrive {
                    id: text(&drive, "drive_id"),
                    path: text(&drive, "path_on_host"),
                    is_root: drive.get("is_root_device").and_then(Json::truth),
                    read_only: drive.get("is_read_only").and_then(Json::truth),
                })
                .collect(),
            interfaces: list("network-interfaces")
                .iter()
                .map(Json::members)
                .map(|card| FirecrackerInterface {
                    id: text(&card, "iface_id"),
                    tap: text(&card, "host_dev_name"),
                    mac: text(&card, "guest_mac"),
                })
                .collect(),
            vsock_cid: vsock.get("guest_cid").and_then(Json::number),
            vsock_socket: text(&vsock, "uds_path"),
        };
        let issues = match view.kernel {
            Some(_) => Vec::new(),
            None => vec![Issue::new(0, "no kernel is named: `boot-source` has no `kernel_image_path`")],
        };
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let own = ["\"kernel_image_path\"", "\"machine-config\"", "\"boot-source\""];
        let hits = own.iter().filter(|key| head.contains(**key)).count();
        if head.trim_start().starts_with('{') && hits >= 2 { 94 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration() {
        let (view, issues) = FirecrackerConfig::read(include_str!("../tests/samples/firecracker_config.txt"));
        assert_eq!(issues, []);
        let at = |text: &Option<Spanned<String>>| text.as_ref().map(|text| (text.value.clone(), text.line));
        assert_eq!(at(&view.kernel), Some(("/srv/fc/vmlinux-6.1".to_owned(), 3)));
        assert_eq!(at(&view.boot_args), Some(("console=ttyS0 reboot=k panic=1 pci=off".to_owned(), 4)));
        assert_eq!((view.vcpus.map(|n| n.value), view.memory_mib.map(|n| n.value)), (Some(2), Some(1024)));
        assert_eq!(view.drives[0].is_root.as_ref().map(|root| root.value), Some(true));
        assert_eq!(at(&view.interfaces[0].tap), Some(("tap0".to_owned(), 26)));
        assert_eq!(view.vsock_cid.map(|cid| cid.value), Some(3));
        assert_eq!(FirecrackerConfig::read("{\"boot-source\": {}}").1.len(), 1);
        assert_eq!(FirecrackerConfig::read("{\"drives\": 7, \"vsock\": []").1.len(), 1);
        assert_eq!(FirecrackerConfig::recognise("vm.json", "{\"machine-config\": {}}"), 0);
    }
}
