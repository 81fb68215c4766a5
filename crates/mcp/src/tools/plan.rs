use super::{Call, KEEPS, Tool, perform, preview};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{AttachDevice, DiskWish, Intent, NetworkWish, NewDisk, Operation, Technology, TuneFor};

const INTENTS: &[&str] = &[
    "fix",
    "create",
    "passthrough",
    "sriov",
    "network",
    "storage",
    "attach",
    "detach",
    "confidential",
    "migrate",
    "upgrade-check",
    "tune",
    "harden",
    "preview",
];

pub(crate) const TOOL: Tool = Tool {
    name: "plan",
    title: "Make a plan",
    says: "A plan for what is wanted, kept in vmwright's state and carried out by nobody: settle the findings (fix), create \
           a VM, give a PCI device to it (passthrough), make virtual functions (sriov), change the host's network, change a disk (storage), plug a device into a VM of libvirt's (attach, detach), keep memory \
           from the host (confidential), move a VM (migrate), see what an upgrade breaks, tune, harden. `preview` shows one again. A person approves \
           it with 'vmwright approve'.",
    hints: KEEPS,
    parameters: &[
        Parameter::required("intent", Takes::Word(INTENTS), "what is wanted"),
        Parameter::optional("vm", Takes::Text, "name of the VM"),
        Parameter::optional("plan", Takes::Text, "preview: its id"),
        Parameter::optional(
            "device",
            Takes::Text,
            "passthrough, sriov: PCI address; detach: vdb, or a MAC address",
        ),
        Parameter::optional("at_boot", Takes::Flag, "passthrough: also after the next boot"),
        Parameter::optional(
            "reboot",
            Takes::Flag,
            "passthrough, confidential, network with `uplink`: restart the host at the end",
        ),
        Parameter::optional("vfs", Takes::Number(0, 65_535), "sriov: how many"),
        Parameter::optional(
            "interface",
            Takes::Text,
            "network; without it bridged frames pass by the firewall",
        ),
        Parameter::optional("mtu", Takes::Number(68, 65_535), "network"),
        Parameter::optional(
            "bridge",
            Takes::Text,
            "network: of Open vSwitch, which the interface is a port of; with `uplink` a Linux bridge to make",
        ),
        Parameter::optional("uplink", Takes::Text, "network: the host's card that `bridge` reaches out by"),
        Parameter::optional("vlan", Takes::Number(1, 4094), "network, with `bridge`; all VLANs without"),
        Parameter::optional("for", Takes::Word(&["latency", "throughput", "density"]), "tune"),
        Parameter::optional("spec", Takes::Text, "create: path of the specification"),
        Parameter::optional("backend", Takes::Text, "create"),
        Parameter::optional("sizes", Takes::Texts, "create: 20GiB, or 2=20GiB for the second disk"),
        Parameter::optional("copies", Takes::Texts, "create: images, in the same way"),
        Parameter::optional("start", Takes::Flag, "create"),
        Parameter::optional("complaint", Takes::Text, "fix: what the user says"),
        Parameter::optional("disk", Takes::Number(1, 10_000), "storage: from 1 [1]"),
        Parameter::optional(
            "wish",
            Takes::Word(&["grow", "flatten", "rebase", "trim", "limit", "snapshot"]),
            "storage",
        ),
        Parameter::optional("size", Takes::Text, "storage: grow to, or limit to in a second"),
        Parameter::optional("requests", Takes::Number(0, 1_000_000_000), "storage, limit: in a second"),
        Parameter::optional("name", Takes::Text, "storage, snapshot: of an image in a Ceph pool"),
        Parameter::optional("path", Takes::Text, "attach: a disk; else `bridge` or `network`"),
        Parameter::optional("format", Takes::Word(&["raw", "qcow2"]), "attach, disk [raw]"),
        Parameter::optional("bus", Takes::Word(&["virtio", "scsi", "sata", "usb"]), "attach, disk [virtio]"),
        Parameter::optional("readonly", Takes::Flag, "attach, disk"),
        Parameter::optional("network", Takes::Text, "attach: of libvirt"),
        Parameter::optional("mac", Takes::Text, "attach, interface"),
        Parameter::optional("base", Takes::Text, "storage, rebase: path of the image"),
        Parameter::optional("by", Takes::Word(&["sev", "sev-es", "sev-snp", "tdx"]), "confidential"),
        Parameter::optional("to", Takes::Text, "migrate: tcp:host:port, unix:/path, file:/path, libvirt:URI"),
        Parameter::optional("against", Takes::Text, "migrate: capture of the other host"),
        Parameter::optional("bandwidth", Takes::Text, "migrate: 1GiB in a second"),
        Parameter::optional(
            "downtime",
            Takes::Number(0, 2_000_000),
            "migrate: ms that the guest may stand still",
        ),
        Parameter::optional("qemu", Takes::Text, "upgrade-check: version"),
        Parameter::optional("libvirt", Takes::Text, "upgrade-check: version"),
    ],
    gives: &[("id", "string"), ("plan", "object"), ("preview", "object"), ("breaks", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let needed = |name: &str| given.text(name).ok_or_else(|| format!("`{name}` is needed for this intent"));
    let disks = |name: &str| -> Result<Vec<NewDisk>, String> {
        let read = |text: &String| NewDisk::read(text).map_err(|why| format!("`{name}`: {why}"));
        given.texts(name).iter().map(read).collect()
    };
    if given.words("intent") == "preview" {
        needed("plan")?;
        return preview::call(given, standing);
    }
    let (vm, reboot) = (given.text("vm"), given.flag("reboot"));
    let intent = match given.words("intent").as_str() {
        "fix" => Intent::Fix { vm, complaint: given.text("complaint").unwrap_or_default() },
        "create" => Intent::Create {
            spec: needed("spec")?.into(),
            backend: given.text("backend"),
            sizes: disks("sizes")?,
            copies: disks("copies")?,
            start: given.flag("start"),
        },
        "passthrough" => {
            let at_boot = given.flag("at_boot");
            if reboot && !at_boot {
                return Err("`reboot` goes with `at_boot`".to_owned());
            }
            Intent::Passthrough { vm: needed("vm")?, device: needed("device")?, at_boot, reboot }
        }
        "sriov" => {
            let vfs = given.number("vfs").and_then(|vfs| u32::try_from(vfs).ok());
            Intent::Sriov { device: needed("device")?, vfs: vfs.ok_or("`vfs` is needed for this intent")? }
        }
        "network" => {
            let bytes = given.number("mtu").and_then(|bytes| u32::try_from(bytes).ok());
            let vlan = given.number("vlan").and_then(|vlan| u16::try_from(vlan).ok());
            let wish = match (given.text("interface"), bytes) {
                (None, None) if given.text("uplink").is_some() => {
                    NetworkWish::Bridge { bridge: needed("bridge")?, uplink: needed("uplink")?, reboot }
                }
                (Some(port), None) if given.text("bridge").is_some() => {
                    NetworkWish::OvsPort { port, bridge: needed("bridge")?, vlan }
                }
                (Some(interface), Some(bytes)) => NetworkWish::Mtu { interface, bytes },
                (None, None) => NetworkWish::BridgeFilterOff,
                _ => return Err("`interface` goes with `mtu`, or with `bridge`".to_owned()),
            };
            Intent::Network { wish }
        }
        "storage" => {
            let wish = match needed("wish")?.as_str() {
                "grow" => DiskWish::Grow { size: needed("size")? },
                "rebase" => DiskWish::Rebase { base: needed("base")?.into() },
                "flatten" => DiskWish::Flatten,
                "limit" => DiskWish::Limit { bytes: given.text("size"), requests: given.number("requests") },
                "snapshot" => DiskWish::Snapshot { name: needed("name")? },
                _ => DiskWish::Trim,
            };
            let disk = given.number("disk").and_then(|disk| usize::try_from(disk).ok()).unwrap_or(1);
            Intent::Storage { vm: needed("vm")?, disk, wish }
        }
        "confidential" => {
            let technology = match needed("by")?.as_str() {
                "sev" => Technology::Sev,
                "sev-es" => Technology::SevEs,
                "sev-snp" => Technology::SevSnp,
                _ => Technology::Tdx,
            };
            Intent::Confidential { vm, technology, reboot }
        }
        "attach" => {
            let word = |name, usual: &str| given.text(name).unwrap_or_else(|| usual.to_owned());
            let (mac, readonly) = (given.text("mac"), given.flag("readonly"));
            let device = match (given.text("path"), given.text("bridge"), given.text("network")) {
                (Some(path), None, None) => AttachDevice::Disk {
                    path: path.into(),
                    format: word("format", "raw"),
                    bus: word("bus", "virtio"),
                    readonly,
                },
                (None, Some(bridge), None) => AttachDevice::Bridge { bridge, mac },
                (None, None, Some(network)) => AttachDevice::Network { network, mac },
                _ => return Err("one of `path`, `bridge` and `network` says what is plugged in".to_owned()),
            };
            Intent::Attach { vm: needed("vm")?, device }
        }
        "detach" => Intent::Detach { vm: needed("vm")?, device: needed("device")? },
        "migrate" => Intent::Migrate {
            vm: needed("vm")?,
            to: needed("to")?,
            against: needed("against")?.into(),
            bandwidth: given.text("bandwidth"),
            downtime: given.number("downtime"),
        },
        "upgrade-check" => {
            let (qemu, libvirt) = (given.text("qemu"), given.text("libvirt"));
            if qemu.is_none() && libvirt.is_none() {
                return Err("`qemu` or `libvirt` names the version that is asked about".to_owned());
            }
            Intent::UpgradeCheck { qemu, libvirt }
        }
        "tune" => {
            let goal = match needed("for")?.as_str() {
                "latency" => TuneFor::Latency,
                "throughput" => TuneFor::Throughput,
                _ => TuneFor::Density,
            };
            Intent::Tune { vm: needed("vm")?, goal }
        }
        _ => Intent::Harden { vm },
    };
    perform(Operation::Plan { intent })
}
