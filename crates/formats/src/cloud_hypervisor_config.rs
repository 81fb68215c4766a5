//! Cloud Hypervisor's configuration as JSON: what `vm.create` takes, and the answer to `vm.info`, which has it inside
//! (Cloud Hypervisor `vmm/src/api/openapi/cloud-hypervisor.yaml`, `vmm/src/vm_config.rs`).

use crate::View;
use crate::json::Json;
use std::collections::BTreeMap;
use vmwright_model::{Issue, Kind, Spanned};

/// A device that another process serves, or that lies on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudHypervisorDevice {
    /// Line on which it begins.
    pub line: u32,
    /// `disk`, `net`, `fs`, `device`, `user-device`, `vdpa`.
    pub class: &'static str,
    /// Its id, where it has one.
    pub id: Option<Spanned<String>>,
    /// A disk's file, a device's place in sysfs, an interface's tap device.
    pub path: Option<Spanned<String>>,
    /// The socket of who serves it.
    pub socket: Option<Spanned<String>>,
    /// Whether a vhost-user process serves it: that needs memory which can be shared.
    pub is_served: bool,
}

/// One VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudHypervisorConfig {
    /// `Created`, `Running`, `Shutdown`, `Paused`, `BreakPoint`: of `vm.info` alone.
    pub state: Option<Spanned<String>>,
    /// vCPUs at the start.
    pub boot_vcpus: Option<Spanned<u64>>,
    /// vCPUs at most.
    pub max_vcpus: Option<Spanned<u64>>,
    /// Memory in bytes.
    pub memory: Option<Spanned<u64>>,
    /// Whether other processes can map it.
    pub shared: Option<Spanned<bool>>,
    /// Whether it is made of huge pages.
    pub huge_pages: Option<Spanned<bool>>,
    /// Whether zones take the place of one memory.
    pub zones: bool,
    /// Kernel.
    pub kernel: Option<Spanned<String>>,
    /// Firmware.
    pub firmware: Option<Spanned<String>>,
    /// The kernel's command line.
    pub cmdline: Option<Spanned<String>>,
    /// Devices.
    pub devices: Vec<CloudHypervisorDevice>,
}

type Members<'t> = BTreeMap<String, Json<'t>>;

fn text(part: &Members<'_>, key: &str) -> Option<Spanned<String>> {
    part.get(key)?.text()
}

fn truth(part: &Members<'_>, key: &str) -> Option<Spanned<bool>> {
    part.get(key)?.truth()
}

impl View for CloudHypervisorConfig {
    const KIND: Kind = Kind::new("cloud_hypervisor_config");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["\"payload\""];

    fn read(source: &str) -> (Self, Vec<Issue>) {
        let json = match Json::read(source) {
            Ok(json) => json,
            Err(issue) => return (Self::default(), vec![issue]),
        };
        let outer = json.members();
        let config = outer.get("config").map_or_else(|| outer.clone(), Json::members);
        let part = |key: &str| config.get(key).map(Json::members).unwrap_or_default();
        let (cpus, memory, payload) = (part("cpus"), part("memory"), part("payload"));
        let mut view = Self {
            state: text(&outer, "state"),
            boot_vcpus: cpus.get("boot_vcpus").and_then(Json::number),
            max_vcpus: cpus.get("max_vcpus").and_then(Json::number),
            memory: memory.get("size").and_then(Json::number),
            shared: truth(&memory, "shared"),
            huge_pages: truth(&memory, "hugepages"),
            zones: memory.get("zones").is_some_and(|zones| !zones.items().is_empty()),
            kernel: text(&payload, "kernel"),
            firmware: text(&payload, "firmware"),
            cmdline: text(&payload, "cmdline"),
            devices: Vec::new(),
        };
        for (key, class) in [
            ("disks", "disk"),
            ("net", "net"),
            ("fs", "fs"),
            ("devices", "device"),
            ("user_devices", "user-device"),
            ("vdpa", "vdpa"),
        ] {
            for item in config.get(key).map(Json::items).unwrap_or_default() {
                let device = item.members();
                let socket = text(&device, "vhost_socket").or_else(|| text(&device, "socket"));
                let served = truth(&device, "vhost_user").is_some_and(|on| on.value);
                view.devices.push(CloudHypervisorDevice {
                    line: item.line(),
                    class,
                    id: text(&device, "id"),
                    path: text(&device, "path").or_else(|| text(&device, "tap")),
                    socket,
                    is_served: served || matches!(class, "fs" | "user-device"),
                });
            }
        }
        let issues = match view.kernel.is_some() || view.firmware.is_some() || payload.contains_key("igvm") {
            true => Vec::new(),
            false => {
                vec![Issue::new(0, "nothing to boot is named: `payload` has neither kernel nor firmware")]
            }
        };
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let all = ["\"payload\"", "\"boot_vcpus\""];
        if head.trim_start().starts_with('{') && all.iter().all(|key| head.contains(key)) { 94 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vm_info_tells() {
        let (view, issues) =
            CloudHypervisorConfig::read(include_str!("../tests/samples/cloud_hypervisor_config.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.state.as_ref().map(|state| state.value.as_str()), Some("Running"));
        assert_eq!((view.boot_vcpus.map(|n| n.value), view.max_vcpus.map(|n| n.value)), (Some(2), Some(4)));
        assert_eq!(view.shared, Some(Spanned::new(true, 11)));
        assert_eq!(view.kernel.map(|kernel| kernel.value), Some("/srv/ch/vmlinux".to_owned()));
        let classes: Vec<_> = view.devices.iter().map(|device| (device.class, device.is_served)).collect();
        assert_eq!(classes, [("disk", false), ("net", false), ("fs", true)]);
        assert_eq!(view.devices[2].socket.as_ref().map(|socket| socket.value.as_str()), Some("/run/fs.sock"));
    }

    #[test]
    fn what_vm_create_takes() {
        let config = "{\"cpus\":{\"boot_vcpus\":4,\"max_vcpus\":2},\"memory\":{\"size\":1073741824},\n\"payload\":{\"firmware\":\"/f\"}}";
        let (view, issues) = CloudHypervisorConfig::read(config);
        assert_eq!((issues, view.firmware), (vec![], Some(Spanned::new("/f".to_owned(), 2))));
        assert_eq!(CloudHypervisorConfig::recognise("x", config), 94);
        assert_eq!(CloudHypervisorConfig::read("{\"config\": 3}").1.len(), 1);
    }
}
