//! A copy of a running domain, for a daemon of its own: its memory in a file, its disks beside it, and the XML from which it
//! goes on there. The domain itself only stands still meanwhile, and its definition is not touched.
//!
//! The copy has the same UUID, name and devices, since libvirt takes no other where a state is restored; its files are others,
//! and its interfaces lead nowhere.

use super::control::{find, unusable};
use super::rpc::Domain;
use super::{Libvirt, LibvirtError};
use crate::{ControlError, Stored};
use roxmltree::{Document, Node};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// How long a memory may take to be written or read.
const STATE: Duration = Duration::from_secs(600);

/// Why a domain has no copy.
#[derive(Debug, Error)]
pub enum CopyError {
    /// Its XML cannot be read.
    #[error("its XML cannot be read: {0}")]
    NotXml(String),
    /// It has something that there is once.
    #[error("it has {0}")]
    Single(String),
}

/// A writable disk of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writable {
    /// The image.
    pub path: String,
    /// Its format, in QEMU's words.
    pub format: String,
}

/// What a copy of a domain takes: the files that it writes to, in the order of its XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its XML as it runs, in the form that another daemon takes.
    live: String,
    /// Its name.
    name: String,
    /// Names of all its disks.
    disks: Vec<String>,
    /// Its disks that are written to.
    pub writable: Vec<Writable>,
    /// The file of its firmware's variables.
    pub variables: Option<String>,
    /// Models of the security labels that it runs under and a copy does not, as `apparmor`.
    pub labels: Vec<String>,
}

impl Copied {
    /// Of a domain's XML as it runs.
    ///
    /// # Errors
    /// [`CopyError`] with the first thing of which there cannot be two.
    pub fn of(live: String) -> Result<Self, CopyError> {
        let document = Document::parse(&live).map_err(|error| CopyError::NotXml(error.to_string()))?;
        let root = document.root_element();
        let single = |what: &str| Err(CopyError::Single(what.to_owned()));
        if child(root, "launchSecurity").is_some() {
            return single("confidential memory, which cannot be read");
        }
        let (mut disks, mut writable) = (Vec::new(), Vec::new());
        for device in children(root, "devices") {
            let name = device.tag_name().name();
            let kind = device.attribute("type").unwrap_or_default();
            match name {
                "disk" => {
                    let target = child(device, "target").and_then(|target| target.attribute("dev"));
                    disks.extend(target.map(str::to_owned));
                    if is_written(device) {
                        writable.push(image(device)?);
                    }
                }
                "interface" if !TAPS.contains(&kind) && kind != "user" => {
                    return single(&format!("an interface of type `{kind}`, whose other end takes one VMM"));
                }
                "serial" | "parallel" | "console" | "channel" if !plain(device) => {
                    return single(&format!("a {name} of type `{kind}`, whose other end takes one VMM"));
                }
                "hostdev" | "redirdev" | "filesystem" | "tpm" | "vsock" | "shmem" | "smartcard" => {
                    return single(&format!("a device `{name}`, whose other end takes one VMM"));
                }
                "memory" if device.attribute("model") != Some("dimm") => {
                    return single("memory that lies in a file");
                }
                _ => {}
            }
        }
        let variables = child(root, "os").and_then(|os| child(os, "nvram"));
        let variables = match variables {
            None => None,
            Some(nvram) if nvram.children().all(|child| child.is_text()) => nvram.text().map(str::to_owned),
            Some(_) => return single("firmware variables that are no plain file"),
        };
        let name = child(root, "name").and_then(|name| name.text()).unwrap_or_default().to_owned();
        let labels = root.children().filter(|node| node.has_tag_name("seclabel") && is_dropped(*node));
        let labels = labels.filter(|node| node.attribute("type") != Some("none"));
        let labels = labels.filter_map(|node| node.attribute("model")).map(str::to_owned).collect();
        Ok(Self { name, disks, writable, variables, labels, live })
    }

    /// The XML of a copy whose own files begin with `prefix`: the disks `prefix-disk0.qcow2` and so on, the firmware's variables
    /// `prefix-nvram`, what its ports write.
    #[must_use]
    pub fn xml(&self, prefix: &str) -> String {
        // It was read as such before.
        let Ok(document) = Document::parse(&self.live) else { return self.live.clone() };
        let root = document.root_element();
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        for node in root.children() {
            match node.tag_name().name() {
                // They need control groups, or a driver that the other daemon is without.
                "cputune" | "blkiotune" | "memtune" | "resource" => {
                    changes.push((node.range(), String::new()))
                }
                "seclabel" if is_dropped(node) => {
                    changes.push((node.range(), String::new()));
                }
                _ => {}
            }
        }
        if let Some(nvram) = child(root, "os").and_then(|os| child(os, "nvram")) {
            changes.extend(nvram.children().map(|text| (text.range(), format!("{prefix}-nvram"))));
        }
        let (mut disk, mut port) = (0, 0);
        for device in children(root, "devices") {
            match device.tag_name().name() {
                "disk" if is_written(device) => {
                    changes.extend(overlaid(device, &format!("{prefix}-disk{disk}.qcow2")));
                    disk += 1;
                }
                "interface" if device.attribute("type") != Some("user") => {
                    changes.push((device.range(), loose(&self.live, device)));
                }
                "graphics" => changes.push((device.range(), String::new())),
                "serial" | "parallel" | "console" | "channel" => {
                    let path = format!("{prefix}-port{port}");
                    changes.extend(elsewhere(device, &path));
                    port += 1;
                }
                _ => {}
            }
        }
        changes.sort_by_key(|(range, _)| range.start);
        let mut text = self.live.clone();
        for (range, new) in changes.into_iter().rev() {
            text.replace_range(range, &new);
        }
        text
    }

    /// What asks libvirt to keep the memory in a file, and nothing of the disks.
    fn snapshot(&self, state: &str) -> String {
        let mut disks = String::new();
        for disk in &self.disks {
            // Writing to a text does not fail.
            let _ = write!(disks, "<disk name='{}' snapshot='no'/>", super::domain::escape(disk));
        }
        format!(
            "<domainsnapshot><name>vmwright-review</name><memory snapshot='external' file='{}'/><disks>{disks}</disks></domainsnapshot>",
            super::domain::escape(state)
        )
    }
}

/// Interfaces that are a tap in the VMM.
const TAPS: [&str; 3] = ["bridge", "network", "ethernet"];

/// What of an interface the guest sees, or its VMM does alone.
const SEEN: [&str; 8] = ["mac", "model", "driver", "alias", "address", "rom", "boot", "mtu"];

fn child<'a, 'input>(of: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    of.children().find(|child| child.has_tag_name(name))
}

fn children<'a, 'input>(of: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    child(of, name).into_iter().flat_map(|found| found.children()).filter(Node::is_element)
}

/// Whether a copy is without this label. Whose the process is stays; what a security driver labels needs the host's daemon.
fn is_dropped(label: Node<'_, '_>) -> bool {
    label.attribute("model") != Some("dac")
}

fn is_written(disk: Node<'_, '_>) -> bool {
    let kind = disk.attribute("device").unwrap_or("disk");
    matches!(kind, "disk" | "lun") && child(disk, "readonly").is_none()
}

fn image(disk: Node<'_, '_>) -> Result<Writable, CopyError> {
    let target = child(disk, "target").and_then(|target| target.attribute("dev")).unwrap_or_default();
    let no = |why: &str| CopyError::Single(format!("disk {target}, which {why}"));
    let source = child(disk, "source").ok_or_else(|| no("has no source"))?;
    let path = source.attribute("file").filter(|_| disk.attribute("type") == Some("file"));
    let path = path.ok_or_else(|| no("is no image file"))?;
    if source.children().any(|child| child.is_element()) || child(disk, "mirror").is_some() {
        return Err(no("is more than an image file"));
    }
    if child(disk, "shareable").is_some() {
        return Err(no("others write to"));
    }
    let format = child(disk, "driver").and_then(|driver| driver.attribute("type")).unwrap_or("raw");
    if !["raw", "qcow2"].contains(&format) {
        return Err(no("is of a format that is not copied"));
    }
    Ok(Writable { path: path.to_owned(), format: format.to_owned() })
}

/// Whether what a port is tied to can be made once more.
fn plain(port: Node<'_, '_>) -> bool {
    match port.attribute("type").unwrap_or_default() {
        "pty" | "file" | "null" => true,
        // libvirt finds a place for the socket of a channel.
        "unix" => {
            port.has_tag_name("channel")
                && child(port, "source").is_none_or(|source| source.attribute("mode") != Some("connect"))
        }
        _ => false,
    }
}

fn overlaid(disk: Node<'_, '_>, path: &str) -> Vec<(Range<usize>, String)> {
    let mut changes = Vec::new();
    for part in disk.children().filter(Node::is_element) {
        match part.tag_name().name() {
            "source" => {
                changes.push((part.range(), format!("<source file='{}'/>", super::domain::escape(path))))
            }
            "backingStore" => changes.push((part.range(), String::new())),
            "driver" => changes
                .extend(part.attribute_node("type").map(|kind| (kind.range_value(), "qcow2".to_owned()))),
            _ => {}
        }
    }
    changes
}

/// An interface whose tap is in no bridge.
fn loose(live: &str, interface: Node<'_, '_>) -> String {
    let parts = interface.children().filter(|part| SEEN.contains(&part.tag_name().name()));
    let parts: String = parts.map(|part| &live[part.range()]).collect();
    format!("<interface type='ethernet'>{parts}</interface>")
}

/// Files of its own for a port.
fn elsewhere(port: Node<'_, '_>, path: &str) -> Vec<(Range<usize>, String)> {
    let mut changes = Vec::new();
    for part in port.children().filter(Node::is_element) {
        match (part.tag_name().name(), port.attribute("type").unwrap_or_default()) {
            ("log", _) => {
                changes.push((part.range(), format!("<log file='{}'/>", super::domain::escape(path))))
            }
            ("source", "file") => {
                changes.push((part.range(), format!("<source path='{}'/>", super::domain::escape(path))));
            }
            ("source", "pty" | "unix") => changes.push((part.range(), String::new())),
            _ => {}
        }
    }
    changes
}

pub(super) fn copied(libvirt: &Libvirt, machine: &Stored) -> Result<Result<Copied, CopyError>, ControlError> {
    let (mut client, domain) = libvirt.client(machine)?;
    let live = client.migratable_xml(&domain).map_err(|source| unusable(&machine.name, source))?;
    Ok(Copied::of(live))
}

pub(super) fn keep(
    libvirt: &Libvirt,
    machine: &Stored,
    copied: &Copied,
    state: &Path,
) -> Result<(), ControlError> {
    let fail = |source| unusable(&machine.name, source);
    let (mut client, domain) = libvirt.client(machine)?;
    client.set_patience(libvirt.patience.max(STATE));
    client.snapshot_unrecorded(&domain, &copied.snapshot(&state.display().to_string())).map_err(fail)
}

/// Lets a copy go on: the domain that a daemon makes of a state.
pub(super) fn go_on(
    libvirt: &Libvirt,
    copied: &Copied,
    state: &str,
    prefix: &str,
) -> Result<Domain, LibvirtError> {
    let mut client = libvirt.connection.connect(libvirt.patience.max(STATE))?;
    client.restore(state, &copied.xml(prefix))?;
    client.domain(&copied.name)
}

pub(super) fn end(libvirt: &Libvirt, machine: &Stored) -> Result<(), ControlError> {
    match find(libvirt, machine)? {
        Some((mut client, domain)) => super::control::end(&mut client, &domain, &machine.name, false),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "<domain type='kvm' id='3'>\n  <name>web</name>\n  <uuid>x</uuid>\n  <cputune><shares>5</shares></cputune>\n  \
        <os><nvram>/var/lib/libvirt/qemu/nvram/web.fd</nvram></os>\n  <devices>\n    \
        <disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='/srv/web.raw' index='1'/><backingStore/><target dev='vda'/></disk>\n    \
        <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/><readonly/></disk>\n    \
        <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default' bridge='virbr0'/><target dev='vnet0'/><model type='virtio'/></interface>\n    \
        <interface type='user'><mac address='52:54:00:00:00:02'/></interface>\n    \
        <serial type='pty'><source path='/dev/pts/3'/><log file='/l' append='on'/></serial>\n    \
        <channel type='unix'><source mode='bind' path='/run/a'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\n    \
        <graphics type='vnc' port='5900'/>\n  </devices>\n  \
        <seclabel type='dynamic' model='apparmor'/>\n  <seclabel type='dynamic' model='dac'/>\n</domain>\n";

    #[test]
    fn a_copy_has_the_same_devices_and_files_of_its_own() {
        let copied = Copied::of(LIVE.to_owned()).expect("it can be copied");
        assert_eq!(copied.writable, [Writable { path: "/srv/web.raw".to_owned(), format: "raw".to_owned() }]);
        assert_eq!(copied.labels, ["apparmor"]);
        assert_eq!(copied.variables.as_deref(), Some("/var/lib/libvirt/qemu/nvram/web.fd"));
        let xml = copied.xml("/p/1");
        for part in [
            "<driver name='qemu' type='qcow2' cache='none'/><source file='/p/1-disk0.qcow2'/><target dev='vda'/>",
            "<source file='/iso'/><target dev='sda'/><readonly/>",
            "<interface type='ethernet'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>",
            "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>",
            "<serial type='pty'><log file='/p/1-port0'/></serial>",
            "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
            "<nvram>/p/1-nvram</nvram>",
            "<seclabel type='dynamic' model='dac'/>",
        ] {
            assert!(xml.contains(part), "no {part} in {xml}");
        }
        for part in ["graphics", "cputune", "apparmor", "virbr0", "/srv/web.raw", "/dev/pts/3"] {
            assert!(!xml.contains(part), "{part} in {xml}");
        }
        let snapshot = copied.snapshot("/p/a'b");
        assert!(snapshot.contains("file='/p/a&apos;b'"), "{snapshot}");
        assert!(
            snapshot.contains("<disk name='vda' snapshot='no'/><disk name='sda' snapshot='no'/>"),
            "{snapshot}"
        );
    }

    #[test]
    fn what_there_is_once_is_named() {
        let told = |old: &str, new: &str| {
            let xml = LIVE.replacen(old, new, 1);
            assert_ne!(xml, LIVE);
            Copied::of(xml).expect_err(new).to_string()
        };
        assert!(told("<graphics type='vnc' port='5900'/>", "<hostdev/>").contains("a device `hostdev`"));
        assert!(told("interface type='network'", "interface type='vhostuser'").contains("`vhostuser`"));
        assert!(told("<serial type='pty'>", "<serial type='tcp'>").contains("a serial of type `tcp`"));
        assert!(
            told("type='file' device='disk'", "type='block' device='disk'")
                .contains("vda, which is no image")
        );
        assert!(told("type='raw'", "type='vmdk'").contains("format that is not copied"));
        assert!(told("<backingStore/>", "<shareable/>").contains("others write to"));
        assert!(matches!(Copied::of("<domain".to_owned()), Err(CopyError::NotXml(_))));
    }
}
