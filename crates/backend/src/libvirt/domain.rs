//! A machine as libvirt's domain XML. Pure: the same machine gives the same text.
//!
//! It says what the specification says and no more: where libvirt would add a device of its own choice, the text
//! says that there is none.

use crate::account::Account;
use crate::qemu::argv::{AGENT_PORT, mac};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;
use thiserror::Error;
use vmwright_formats::machine_spec::{SizeError, parse_size};
use vmwright_formats::xml::Document;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, Disk, DiskFormat, Network, NetworkKind};

/// Namespace of vmwright's own part of a domain's metadata.
pub(crate) const NAMESPACE: &str = "urn:vmwright:machine:1";

/// Why a specification is no domain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DomainError {
    /// The memory's size is wrong.
    #[error("memory has no usable size")]
    Size(#[source] SizeError),
    /// The specification says what is not translated.
    #[error("`{0}` cannot be said to libvirt yet")]
    Beyond(String),
    /// A value holds what XML cannot.
    #[error("the value of `{0}` holds a control character")]
    Control(String),
}

/// What the text needs beside the specification.
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
pub(super) fn xml(spec: &MachineSpec, around: &Around<'_>) -> Result<String, DomainError> {
    refuse_what_is_beyond(spec)?;
    let size = parse_size(&spec.memory.size).map_err(DomainError::Size)?;
    let kind = match spec.accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "qemu",
    };
    let mut xml = Xml { text: String::new(), control: None };
    xml.line(0, &format!("<domain type='{kind}'>"));
    xml.element(1, "name", "name", &spec.name);
    if let Some(uuid) = spec.uuid.as_deref().or(around.uuid) {
        xml.element(1, "uuid", "uuid", uuid);
    }
    metadata(&mut xml, around.text);
    xml.line(1, &format!("<memory unit='KiB'>{}</memory>", size.div_ceil(1024)));
    if spec.memory.hugepages {
        xml.line(1, "<memoryBacking><hugepages/></memoryBacking>");
    }
    xml.line(1, &format!("<vcpu>{}</vcpu>", spec.cpu.count));
    os(&mut xml, spec);
    xml.line(1, "<features><acpi/><apic/></features>");
    cpu(&mut xml, spec);
    xml.line(1, "<clock offset='utc'/>");
    xml.line(1, "<devices>");
    if let Some(emulator) = &spec.emulator {
        xml.element(2, "emulator", "emulator", emulator);
    }
    for (at, disk) in spec.disks.iter().enumerate() {
        self::disk(&mut xml, at, disk, spec.boot.kernel.is_none())?;
    }
    for (at, network) in spec.networks.iter().enumerate() {
        self::network(&mut xml, &spec.name, at, network)?;
    }
    let log = around.serial_log.to_str().ok_or_else(|| DomainError::Control("state directory".to_owned()))?;
    let log = xml.escape("state directory", log);
    xml.line(2, &format!("<serial type='pty'><log file='{log}' append='off'/></serial>"));
    if spec.agent {
        xml.line(2, &format!("<channel type='unix'><target type='virtio' name='{AGENT_PORT}'/></channel>"));
    }
    xml.line(2, "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>");
    xml.line(2, "<controller type='usb' model='none'/>");
    xml.line(2, "<memballoon model='none'/>");
    xml.line(1, "</devices>");
    if let Some(account) = around.account {
        let (uid, gid) = (account.uid, account.gid);
        xml.line(
            1,
            &format!(
                "<seclabel type='static' model='dac' relabel='yes'><label>+{uid}:+{gid}</label></seclabel>"
            ),
        );
    }
    xml.line(0, "</domain>");
    match xml.control {
        Some(item) => Err(DomainError::Control(item)),
        None => Ok(xml.text),
    }
}

/// The specification's text that a domain carries, without blanks around it; none where vmwright did not make the
/// domain.
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
fn metadata(xml: &mut Xml, text: &str) {
    let digest = Sha256::digest(text.as_bytes());
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = env!("CARGO_PKG_VERSION");
    xml.line(1, "<metadata>");
    xml.line(2, &format!("<vmwright:machine xmlns:vmwright='{NAMESPACE}'>"));
    xml.line(
        3,
        &format!("<vmwright:assisted-by>Assisted-By: vmwright ({version} / {short})</vmwright:assisted-by>"),
    );
    let text = escape(text);
    xml.line(3, &format!("<vmwright:specification>{text}</vmwright:specification>"));
    xml.line(2, "</vmwright:machine>");
    xml.line(1, "</metadata>");
}

fn os(xml: &mut Xml, spec: &MachineSpec) {
    let (arch, machine) = (xml.escape("arch", &spec.arch), xml.escape("machine", &spec.machine));
    xml.line(1, "<os>");
    xml.line(2, &format!("<type arch='{arch}' machine='{machine}'>hvm</type>"));
    if let Some(firmware) = &spec.firmware.path {
        let path = xml.escape("firmware.path", firmware);
        xml.line(2, &format!("<loader readonly='yes' type='pflash'>{path}</loader>"));
    }
    if let Some(kernel) = &spec.boot.kernel {
        xml.element(2, "kernel", "boot.kernel", kernel);
        if let Some(initrd) = &spec.boot.initrd {
            xml.element(2, "initrd", "boot.initrd", initrd);
        }
        if !spec.boot.cmdline.is_empty() {
            xml.element(2, "cmdline", "boot.cmdline", &spec.boot.cmdline);
        }
    }
    xml.line(2, "<bios useserial='yes'/>");
    xml.line(1, "</os>");
}

fn cpu(xml: &mut Xml, spec: &MachineSpec) {
    let features: Vec<String> = spec
        .cpu
        .features
        .iter()
        .map(|feature| {
            let (name, policy) = match feature.strip_prefix('-') {
                Some(name) => (name, "disable"),
                None => (feature.strip_prefix('+').unwrap_or(feature), "require"),
            };
            let name = xml.escape("cpu.features", name);
            format!("<feature policy='{policy}' name='{name}'/>")
        })
        .collect();
    let (mode, model) = match spec.cpu.model.as_str() {
        "host" => ("mode='host-passthrough' migratable='on'", String::new()),
        "max" => ("mode='maximum'", String::new()),
        model => {
            let model = xml.escape("cpu.model", model);
            ("mode='custom' match='exact' check='none'", format!("<model fallback='forbid'>{model}</model>"))
        }
    };
    xml.line(1, &format!("<cpu {mode}>{model}{}</cpu>", features.concat()));
}

fn disk(xml: &mut Xml, at: usize, disk: &Disk, boots: bool) -> Result<(), DomainError> {
    let item = format!("disk.{at}");
    let path = disk.host_path().ok_or_else(|| DomainError::Beyond(item.clone()))?;
    let (kind, source) = if path.starts_with("/dev/") { ("block", "dev") } else { ("file", "file") };
    let format = match disk.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Qcow2 => "qcow2",
        _ => return Err(DomainError::Beyond(format!("{item}.format"))),
    };
    let path = xml.escape(&format!("{item}.path"), &path);
    xml.line(2, &format!("<disk type='{kind}' device='disk'>"));
    xml.line(3, &format!("<driver name='qemu' type='{format}' discard='unmap'/>"));
    xml.line(3, &format!("<source {source}='{path}'/>"));
    xml.line(3, &format!("<target dev='{}' bus='virtio'/>", target(at)));
    if boots {
        xml.line(3, &format!("<boot order='{}'/>", at + 1));
    }
    if disk.readonly {
        xml.line(3, "<readonly/>");
    }
    xml.line(2, "</disk>");
    Ok(())
}

/// `vda`, `vdb`, ... `vdz`, `vdaa`.
fn target(mut at: usize) -> String {
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

fn network(xml: &mut Xml, machine: &str, at: usize, network: &Network) -> Result<(), DomainError> {
    let item = format!("network.{at}");
    let mac = xml.escape(&format!("{item}.mac"), &mac(machine, at, network));
    match network.kind {
        NetworkKind::User => xml.line(2, "<interface type='user'>"),
        NetworkKind::Bridge => {
            let bridge = network.bridge.as_deref().unwrap_or_default();
            let bridge = xml.escape(&format!("{item}.bridge"), bridge);
            xml.line(2, "<interface type='bridge'>");
            xml.line(3, &format!("<source bridge='{bridge}'/>"));
        }
        _ => return Err(DomainError::Beyond(format!("{item}.kind"))),
    }
    xml.line(3, &format!("<mac address='{mac}'/>"));
    xml.line(3, "<model type='virtio'/>");
    // The firmware does not boot from the network, and need not wait for it.
    xml.line(3, "<rom enabled='no'/>");
    xml.line(2, "</interface>");
    Ok(())
}

/// Everything that the text above says is taken out of a copy; what is left then is beyond it.
fn refuse_what_is_beyond(spec: &MachineSpec) -> Result<(), DomainError> {
    let mut rest = spec.clone();
    let plain = MachineSpec::named(&*spec.name);
    (rest.uuid, rest.emulator) = (None, None);
    (rest.arch, rest.machine) = (plain.arch.clone(), plain.machine.clone());
    (rest.accelerator, rest.agent) = (plain.accelerator, plain.agent);
    (rest.cpu.count, rest.cpu.model, rest.cpu.features) =
        (plain.cpu.count, plain.cpu.model.clone(), plain.cpu.features.clone());
    (rest.memory.size, rest.memory.hugepages) = (plain.memory.size.clone(), plain.memory.hugepages);
    (rest.boot.kernel, rest.boot.initrd, rest.boot.cmdline) = (None, None, String::new());
    rest.firmware.path = None;
    rest.process.user = None;
    for (at, disk) in rest.disks.iter_mut().enumerate() {
        let mut known = Disk::empty(disk.format);
        (known.path, known.lvm, known.readonly) = (disk.path.clone(), disk.lvm.clone(), disk.readonly);
        differing(&format!("disk.{at}"), disk, &known)?;
    }
    for (at, network) in rest.networks.iter_mut().enumerate() {
        let mut known = Network::of(network.kind);
        (known.bridge, known.mac) = (network.bridge.clone(), network.mac.clone());
        (known.host_address, known.address) = (network.host_address.clone(), network.address.clone());
        differing(&format!("network.{at}"), network, &known)?;
    }
    (rest.disks, rest.networks) = (Vec::new(), Vec::new());
    differing("", &rest, &plain)
}

/// Names the first key in which two values differ.
fn differing<T: serde::Serialize>(at: &str, found: &T, known: &T) -> Result<(), DomainError> {
    let (found, known) = (serde_json::to_value(found), serde_json::to_value(known));
    let (Ok(found), Ok(known)) = (found, known) else { return Err(DomainError::Beyond(at.to_owned())) };
    match first_difference(at, &found, &known) {
        Some(key) => Err(DomainError::Beyond(key)),
        None => Ok(()),
    }
}

fn first_difference(at: &str, found: &serde_json::Value, known: &serde_json::Value) -> Option<String> {
    let (Some(fields), Some(others)) = (found.as_object(), known.as_object()) else {
        return (found != known).then(|| at.to_owned());
    };
    let names = fields.keys().chain(others.keys());
    names.into_iter().find_map(|name| {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let null = serde_json::Value::Null;
        first_difference(&key, fields.get(name).unwrap_or(&null), others.get(name).unwrap_or(&null))
    })
}

struct Xml {
    text: String,
    /// The first value that held a control character.
    control: Option<String>,
}

impl Xml {
    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.text, "{:width$}{line}", "", width = depth * 2);
    }

    fn element(&mut self, depth: usize, name: &str, item: &str, value: &str) {
        let value = self.escape(item, value);
        self.line(depth, &format!("<{name}>{value}</{name}>"));
    }

    fn escape(&mut self, item: &str, value: &str) -> String {
        if value.chars().any(char::is_control) && self.control.is_none() {
            self.control = Some(item.to_owned());
        }
        escape(value)
    }
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

    fn made(text: &str) -> Result<String, DomainError> {
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
        assert!(xml.contains("<feature policy='disable' name='vmx'/>"), "{xml}");
        assert_eq!(specification(&xml).as_deref(), Some(text.trim()), "kept to the letter");
        assert_eq!(specification("<domain type='qemu'><metadata/></domain>"), None);
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        let beyond = |change: fn(&mut MachineSpec)| {
            let mut spec = MachineSpec::named("a");
            change(&mut spec);
            let around = Around { text: "", serial_log: Path::new("/s"), account: None, uuid: None };
            xml(&spec, &around).expect_err("beyond").to_string()
        };
        let tpm = |spec: &mut MachineSpec| spec.tpm = Some(vmwright_model::machine::Tpm::default());
        assert_eq!(beyond(tpm), "`tpm` cannot be said to libvirt yet");
        let cached = |spec: &mut MachineSpec| {
            spec.disks.push(Disk::at("/d", DiskFormat::Raw));
            spec.disks[0].cache = Some(vmwright_model::machine::Cache::None);
        };
        assert_eq!(beyond(cached), "`disk.0.cache` cannot be said to libvirt yet");
        assert_eq!(
            beyond(|spec| spec.networks.push(Network::of(NetworkKind::Macvtap))),
            "`network.0.kind` cannot be said to libvirt yet"
        );
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
