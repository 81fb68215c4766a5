//! A machine as a domain of libvirt's. Pure: the same machine gives the same text.
//!
//! The XML itself is made in `vmwright_convert::libvirt`; here a specification is completed first, with what the QEMU
//! backend does without being told: where libvirt would add a device of its own choice, the specification says that
//! there is none. And what would silently be missing is refused.

use super::{NAME, edit};
use crate::StartError;
use crate::account::Account;
use crate::qemu::argv::mac;
use crate::sayable::refuse;
use sha2::{Digest, Sha256};
use std::path::Path;
use thiserror::Error;
use vmwright_formats::machine_spec::{SizeError, parse_size};
use vmwright_formats::xml::Document;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Character, Controller, ControllerKind, Discard, DiskBus, Endpoint, Foreign, ForeignFormat,
    HostDeviceKind, InputBus, Network, NetworkKind, Policy, Requirements,
};

/// Namespace of vmwright's own part of a domain's metadata.
pub(crate) const NAMESPACE: &str = "urn:vmwright:machine:1";

/// Ports of PCI Express that stay free, so that devices can be plugged while the machine runs: libvirt itself leaves
/// one free.
const SPARE_PORTS: usize = 4;

/// Why a specification is no domain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DomainError {
    /// The memory's size is wrong.
    #[error("memory has no usable size")]
    Size(#[source] SizeError),
    /// There is no place for vmwright's own part of the domain's metadata.
    #[error("the domain takes no metadata: {0}")]
    Metadata(String),
    /// A value holds what XML cannot.
    #[error("the value of `{0}` holds a control character")]
    Control(String),
}

/// What the text needs beside the specification.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The specification's own text, kept in the domain's metadata.
    pub(super) text: &'a str,
    /// Where the first serial port's words go.
    pub(super) serial_log: &'a Path,
    /// User of the VMM, where it is not libvirt's choice.
    pub(super) account: Option<&'a Account>,
    /// UUID of the domain that exists; the specification's own goes before.
    pub(super) uuid: Option<&'a str>,
}

/// The domain of a machine.
pub(super) fn xml(spec: &MachineSpec, around: &Around<'_>) -> Result<String, StartError> {
    parse_size(&spec.memory.size).map_err(DomainError::Size)?;
    if let Some(key) = control(spec) {
        return Err(DomainError::Control(key).into());
    }
    let written = vmwright_convert::libvirt::write(&complete(spec, around)?);
    // The guest does not see the names that libvirt gives to disks where it does not take those of the specification.
    let names: Vec<String> = (0..spec.disks.len()).map(|at| format!("disk.{at}.target")).collect();
    refuse(NAME, &written.remarks, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    // It was written as a whole document with a root element, which takes a child.
    let place = if written.text.contains("<metadata>") { "metadata" } else { "" };
    let ours = metadata(around.text);
    let ours = if place.is_empty() { format!("<metadata>{ours}</metadata>") } else { ours };
    Ok(edit::insert(&written.text, place, &ours).map_err(|error| DomainError::Metadata(error.to_string()))?)
}

/// The specification that a domain carries, without blanks around it; none where vmwright did not make the domain.
pub(crate) fn specification(xml: &str) -> Option<String> {
    let (document, _) = Document::read(xml);
    let metadata = document.roots().find(|root| root.name() == "domain")?.child("metadata")?;
    let ours = metadata.children().find(|child| {
        child.attributes().any(|(name, value)| name.starts_with("xmlns") && *value.value == *NAMESPACE)
    })?;
    let text = ours.children().find(|child| child.name().ends_with(":specification"))?;
    Some(text.text().map(|text| text.value.to_owned()).unwrap_or_default())
}

/// What vmwright keeps in a domain: the specification, and whose work it is.
fn metadata(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<vmwright:machine xmlns:vmwright='{NAMESPACE}'>\
         <vmwright:assisted-by>Assisted-By: vmwright ({version} / {short})</vmwright:assisted-by>\
         <vmwright:specification>{}</vmwright:specification></vmwright:machine>",
        escape(text)
    )
}

/// The machine with everything said that the QEMU backend does unasked, in words that the writer has.
fn complete(spec: &MachineSpec, around: &Around<'_>) -> Result<MachineSpec, DomainError> {
    let mut spec = spec.clone();
    let mut kept = Vec::new();
    let mut keep = |at: &str, text: String| {
        kept.push(Foreign { format: ForeignFormat::Libvirt, at: at.to_owned(), text });
    };
    spec.review = Requirements::default();
    spec.uuid = spec.uuid.or_else(|| around.uuid.map(ToOwned::to_owned));
    for (at, network) in spec.networks.iter_mut().enumerate() {
        // Addresses are given by a seed or by hand, and by a plan; REVIEW looks for them.
        (network.address, network.host_address) = (None, None);
        if network.mac.is_none() && network.kind != NetworkKind::Hostdev {
            network.mac = Some(mac(&spec.name, at, network));
        }
    }
    for disk in &mut spec.disks {
        disk.path = disk.host_path();
        disk.lvm = None;
    }
    if let Some(account) = around.account {
        let (uid, gid) = (account.uid, account.gid);
        keep(
            "",
            format!(
                "<seclabel type='static' model='dac' relabel='yes'><label>+{uid}:+{gid}</label></seclabel>"
            ),
        );
        spec.process.user = None;
    }
    if !spec.bare {
        let log = around.serial_log.to_str();
        let log = log.ok_or_else(|| DomainError::Control("the state directory's path".to_owned()))?;
        first_serial(&mut spec, log);
        usual_disks(&mut spec);
        usual_controllers(&mut spec);
        if spec.cpu.policy == Policy::Allow && !["host", "max", "default"].contains(&spec.cpu.model.as_str())
        {
            // QEMU leaves out what the host does not have, and says so; another model it does not take.
            keep("cpu", "check='none'".to_owned());
            keep("cpu/model", "fallback='forbid'".to_owned());
        }
        if spec.firmware.path.is_none() && spec.firmware.kind.is_none() && spec.arch == "x86_64" {
            keep("os", "<bios useserial='yes'/>".to_owned());
        }
        // The firmware does not boot from the network, and need not wait for it.
        for network in spec.networks.iter().filter(|one| !boots(&spec, one)) {
            if let Some(mac) = network.mac.as_ref().filter(|_| network.kind != NetworkKind::Hostdev) {
                keep(&format!("devices/interface[{mac}]"), "<rom enabled='no'/>".to_owned());
            }
        }
    }
    spec.foreign.append(&mut kept);
    Ok(spec)
}

fn boots(spec: &MachineSpec, network: &Network) -> bool {
    network.boot_order.is_some() || spec.boot.order.contains(&vmwright_model::machine::BootDevice::Network)
}

/// What the first serial port says goes to the machine's log.
fn first_serial(spec: &mut MachineSpec, log: &str) {
    if spec.serials.is_empty() {
        spec.serials.push(Character::default());
    }
    let first = spec.serials.iter_mut().find(|serial| serial.to == Endpoint::Log);
    if let Some(serial) = first.filter(|serial| serial.log.is_none()) {
        (serial.to, serial.log) = (Endpoint::Pty, Some(log.to_owned()));
    }
    // The word for other ports that are read by nobody.
    for serial in spec.serials.iter_mut().filter(|serial| serial.to == Endpoint::Log) {
        serial.to = Endpoint::Pty;
    }
}

fn usual_disks(spec: &mut MachineSpec) {
    let ordered = spec.disks.iter().any(|disk| disk.boot_order.is_some())
        || spec.networks.iter().any(|network| network.boot_order.is_some())
        || spec.host_devices.iter().any(|device| device.boot_order.is_some());
    let numbered = !ordered && spec.boot.order.is_empty() && spec.boot.kernel.is_none();
    for (at, disk) in spec.disks.iter_mut().enumerate() {
        disk.discard = disk.discard.or(Some(Discard::Unmap));
        if numbered {
            disk.boot_order = u32::try_from(at + 1).ok();
        }
    }
}

/// No USB where nothing needs it, and free ports of PCI Express.
fn usual_controllers(spec: &mut MachineSpec) {
    let usb = spec.controllers.iter().any(|one| one.kind == ControllerKind::Usb)
        || spec.inputs.iter().any(|input| input.bus == Some(InputBus::Usb))
        || spec.host_devices.iter().any(|device| device.kind == HostDeviceKind::Usb)
        || spec.disks.iter().any(|disk| disk.bus == Some(DiskBus::Usb));
    if !usb {
        spec.controllers.push(controller(ControllerKind::Usb, None, "none"));
    }
    let pcie = spec.machine == "q35" || spec.machine.starts_with("pc-q35-");
    let own: Vec<&Controller> =
        spec.controllers.iter().filter(|one| one.kind == ControllerKind::Pci).collect();
    // Ports that it has for devices to come: libvirt would give them to those that it has.
    let ports = own.iter().all(|one| one.model.as_deref() == Some("pcie-root-port") && one.address.is_none());
    if !pcie || !ports {
        return;
    }
    let spare = if own.is_empty() { SPARE_PORTS } else { 0 };
    // libvirt itself numbers those that have no number.
    let last = own.iter().try_fold(0, |last, one| Some(one.index?.max(last)));
    let virtio = spec.disks.iter().filter(|disk| disk.bus.is_none_or(|bus| bus == DiskBus::Virtio));
    let serial = spec.agent || !spec.channels.is_empty() || !spec.consoles.is_empty();
    let scsi = spec.controllers.iter().filter(|one| one.kind == ControllerKind::Scsi);
    // A device of PCI Express takes a port of its own.
    let devices = virtio.count()
        + spec.networks.len()
        + spec.shares.len()
        + spec.host_devices.len()
        + spec.videos.len()
        + spec.rngs.len().max(1)
        + scsi.count()
        + usize::from(serial)
        + usize::from(spec.balloon.is_some())
        + usize::from(spec.vsock.is_some());
    spec.controllers.push(controller(ControllerKind::Pci, Some(0), "pcie-root"));
    for number in 1..=devices + spare {
        let index = last.zip(u32::try_from(number).ok()).map(|(last, number)| last + number);
        spec.controllers.push(controller(ControllerKind::Pci, index, "pcie-root-port"));
    }
}

fn controller(kind: ControllerKind, index: Option<u32>, model: &str) -> Controller {
    Controller {
        kind,
        index,
        model: Some(model.to_owned()),
        ports: None,
        queues: None,
        iothread: None,
        chassis: None,
        port: None,
        node: None,
        hotplug: None,
        address: None,
    }
}

/// The key of the first value that holds a control character; a description has several lines.
fn control(spec: &MachineSpec) -> Option<String> {
    fn walk(value: &serde_json::Value, key: &str) -> Option<String> {
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        match value {
            serde_json::Value::String(text) => {
                let lines = key == "description" || key.starts_with("foreign.");
                let bad = |letter: char| letter.is_control() && !(lines && matches!(letter, '\n' | '\t'));
                text.chars().any(bad).then(|| key.to_owned())
            }
            serde_json::Value::Array(items) => {
                items.iter().enumerate().find_map(|(at, item)| walk(item, &below(&at.to_string())))
            }
            serde_json::Value::Object(fields) => {
                fields.iter().find_map(|(name, value)| walk(value, &below(name)))
            }
            _ => None,
        }
    }
    walk(&serde_json::to_value(spec).unwrap_or_default(), "")
}

/// `vda`, `vdb`, ... `vdz`, `vdaa`.
pub(super) fn target(mut at: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'a' + u8::try_from(at % 26).unwrap_or(0)));
        if at < 26 {
            break;
        }
        at = at / 26 - 1;
    }
    format!("vd{}", letters.iter().rev().collect::<String>())
}

/// Text as XML has it, also between quotes of either kind.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            // A parser makes a line feed of it.
            '\r' => out.push_str("&#13;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::{View, domain_xml::DomainXml, machine_spec::MachineSpecView};

    pub(super) fn made(text: &str) -> Result<String, StartError> {
        let (view, issues) = MachineSpecView::read(text);
        assert_eq!(issues, []);
        let log = Path::new("/s/serial.log");
        let around = Around { text, serial_log: log, account: None, uuid: None };
        xml(&view.spec.expect("no issues"), &around)
    }

    #[test]
    fn a_machine_is_a_domain_that_our_own_reader_reads() {
        let text = "name = 'full'\naccelerator = 'tcg'\nmachine = 'pc-q35-7.2'\n# <kept> & 'all'\n\
             [cpu]\ncount = 2\nmodel = 'qemu64'\nfeatures = ['+sse4.2', '-vmx']\n[memory]\nsize = '1GiB'\n\
             [[disk]]\npath = \"/a'b&c.qcow2\"\nformat = 'qcow2'\n\
             [[network]]\nkind = 'bridge'\nbridge = 'br0'\n";
        let xml = made(text).expect("good");
        let (view, issues) = DomainXml::read(&xml);
        assert_eq!(issues, []);
        assert!(view.first().is_some());
        assert_eq!(view.attribute("memory", "unit").expect("there").value, "KiB");
        assert!(xml.contains("<memory unit='KiB'>1048576</memory>"), "{xml}");
        assert_eq!(view.attribute("devices/disk/source", "file").expect("there").value, "/a'b&c.qcow2");
        for part in [
            "<feature policy='disable' name='vmx'/>",
            "check='none'",
            "<model fallback='forbid'>qemu64</model>",
            "<rom enabled='no'/>",
            "<log file='/s/serial.log'/>",
            "<boot order='1'/>",
            "<memballoon model='none'/>",
            "<controller type='usb' model='none'/>",
            // A disk, a network, the agent's channel, random numbers; and four to spare.
            "<controller type='pci' index='8' model='pcie-root-port'/>",
        ] {
            assert!(xml.contains(part), "no {part} in {xml}");
        }
        assert!(!xml.contains("index='9'"), "{xml}");
        assert_eq!(specification(&xml).as_deref(), Some(text.trim()), "kept to the letter");
        assert_eq!(specification("<domain type='qemu'><metadata/></domain>"), None);
    }

    #[test]
    fn ports_of_its_own_stay_free() {
        let port = "[[controller]]\nkind = 'pci'\nmodel = 'pcie-root-port'\n";
        let text = format!("name = 'a'\n[[network]]\nkind = 'user'\n{port}index = 1\n{port}index = 2\n");
        // The network, the agent's channel and random numbers have others.
        let own = made(&text).expect("good");
        let ports = |xml: &str| xml.matches("model='pcie-root-port'").count();
        assert!(ports(&own) == 5 && own.contains("index='5'"), "{own}");
        assert_eq!(ports(&made(&text.replace("index = 1\n", "")).expect("good")), 5);
        // Who says where each port lies has them all.
        let all = format!("{port}address.pci = '0000:00:01.0'\n");
        assert_eq!(made(&format!("name = 'a'\n{all}")).map(|xml| ports(&xml)).ok(), Some(1));
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        let beyond = |change: fn(&mut MachineSpec)| {
            let mut spec = MachineSpec::named("a");
            change(&mut spec);
            let around = Around { text: "", serial_log: Path::new("/s"), account: None, uuid: None };
            xml(&spec, &around).expect_err("beyond").to_string()
        };
        let told = beyond(|spec| spec.process.sandbox = Some(false));
        let why = "process: there is no word for {\"sandbox\":false}";
        assert_eq!(told, format!("the backend `libvirt` cannot run this machine as it is described: {why}"));
        assert_eq!(
            beyond(|spec| spec.boot.kernel = Some("/a\nb".to_owned())),
            "the value of `boot.kernel` holds a control character"
        );
    }

    #[test]
    fn disks_have_names_of_their_own() {
        assert_eq!([0, 25, 26, 701, 702].map(target), ["vda", "vdz", "vdaa", "vdzz", "vdaaa"]);
    }
}
