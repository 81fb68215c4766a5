//! Words of a domain that the specification has not, and QEMU's command line has: `<geometry>` becomes `cyls=`,
//! `<redirdev>` a `usb-redir`. They come from the foreign parts of a machine that was read from libvirt's XML and become
//! foreign parts of QEMU's, in the two forms that its reader and writer know: a whole option, or properties of an item.
//!
//! The domain is made whole again with its foreign parts, and then each file takes the words of its topic out of it.
//! What is left of the foreign parts has no word in QEMU's language either: that is told.

mod character;
mod devices;
mod disk;
mod place;
mod platform;
mod processor;
mod storage;
mod whole;

use crate::libvirt::{self, Node};
use crate::qemu::escape;
use crate::{Effect, Remark};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Foreign, ForeignFormat};

/// A machine with foreign parts of libvirt as one with foreign parts of QEMU, and what of them is lost. None where it
/// has no such parts.
pub(crate) fn into_qemu(spec: &MachineSpec) -> Option<(MachineSpec, Vec<Remark>)> {
    if !spec.foreign.iter().any(|part| part.format == ForeignFormat::Libvirt) {
        return None;
    }
    let mut domain = libvirt::woven(spec);
    let mut crossing = Crossing { spec: spec.clone(), found: Vec::new(), redirection: None };
    crossing.domain(&mut domain);
    let Crossing { mut spec, found, .. } = crossing;
    spec.foreign.retain(|part| part.format != ForeignFormat::Libvirt);
    spec.foreign.extend(found);
    let left = libvirt::foreign_of(&domain);
    let lost =
        left.into_iter().filter(|part| !part.text.starts_with("<?") && !part.text.starts_with("<![CDATA["));
    let remarks = lost.map(|part| Remark {
        effect: Effect::Lost,
        why: format!("qemu has no word for {}", part.text),
        item: part.at,
    });
    Some((spec, remarks.collect()))
}

struct Crossing {
    spec: MachineSpec,
    found: Vec<Foreign>,
    /// What USB devices a guest may get from the client of its screen.
    redirection: Option<String>,
}

/// An element of the domain, and the item of the specification that it is; none where it is none.
struct Element<'a> {
    node: &'a mut Node,
    /// The item's key, `disk.0`; of an element that the specification does not have, a made one.
    item: String,
    /// Its number among those of its name that are items.
    at: usize,
    known: bool,
}

impl Crossing {
    fn domain(&mut self, domain: &mut Node) {
        processor::cross(self, domain);
        platform::cross(self, domain);
        let unknown = libvirt::unread(domain);
        let Some(devices) = domain.children_mut().find(|child| child.name == "devices") else { return };
        self.redirection = devices.child("redirfilter").map(whole::filter);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut said = BTreeSet::new();
        // Without serial ports the first console is one.
        let serial = devices.children().any(|child| child.name == "serial");
        let first_console =
            devices.children().position(|child| child.name == "console").unwrap_or(usize::MAX);
        for (place, node) in devices.children_mut().enumerate() {
            let known = !unknown.contains(&place);
            let count = counts.entry(format!("{}{known}", node.name)).or_default();
            let at = *count;
            *count += 1;
            let key = match node.name.as_str() {
                "interface" => "network",
                "hostdev" => "host_device",
                "filesystem" => "share",
                "graphics" => "display",
                "memory" => "memory.device",
                "memballoon" => "balloon",
                other => other,
            };
            let virtio = get(node, "target@type").is_some_and(|kind| kind != "serial");
            let item = match key {
                "console" if !serial && !virtio && place == first_console => "serial.0".to_owned(),
                "balloon" | "vsock" | "tpm" => key.to_owned(),
                _ if known => format!("{key}.{at}"),
                _ => format!("{key}-{at}"),
            };
            let mut element = Element { node, item, at, known };
            if self.device(&mut element) {
                said.insert(place);
            }
        }
        let mut place = 0;
        devices.content.retain(|one| {
            let element = matches!(one, libvirt::Content::Element(_));
            place += usize::from(element);
            !(element && said.contains(&(place - 1)))
        });
    }

    /// Takes the words of a device. True where all of an element that is no item was said.
    fn device(&mut self, element: &mut Element<'_>) -> bool {
        if !element.known {
            return whole::cross(self, element);
        }
        match element.node.name.as_str() {
            "disk" => disk::cross(self, element),
            "serial" | "parallel" | "console" | "channel" => character::cross(self, element),
            _ => devices::cross(self, element),
        }
        false
    }

    /// Adds a property to an item.
    fn property(&mut self, item: &str, key: &str, value: impl AsRef<str>) {
        self.properties(item, format!("{key}={}", escape(value.as_ref())));
    }

    /// Adds properties that are spelled already.
    fn properties(&mut self, item: &str, text: String) {
        self.found.push(Foreign { format: ForeignFormat::Qemu, at: item.to_owned(), text });
    }

    /// Adds a whole option.
    fn option(&mut self, option: &str, value: impl Into<String>) {
        self.properties(option, value.into());
    }

    /// Takes each word of a table that an element says, and adds the property that it becomes.
    fn words(&mut self, node: &mut Node, item: &str, table: &[Word]) {
        for word in table {
            if let Some(value) = take_if(node, word.path, |text| (word.spelled)(text).is_some())
                .and_then(|text| (word.spelled)(&text))
            {
                self.property(item, word.property, value);
            }
        }
    }
}

/// A word of libvirt and the property that it becomes.
struct Word {
    /// Where it stands: `driver@ats`, an attribute of a child; `vendor`, the text of a child.
    path: &'static str,
    property: &'static str,
    /// The property's value; none where this one is not QEMU's.
    spelled: fn(&str) -> Option<String>,
}

const fn word(path: &'static str, property: &'static str) -> Word {
    Word { path, property, spelled: |text| Some(text.to_owned()) }
}

const fn switch(path: &'static str, property: &'static str) -> Word {
    Word { path, property, spelled: on_off }
}

fn on_off(text: &str) -> Option<String> {
    match text {
        "on" | "yes" => Some("on".to_owned()),
        "off" | "no" => Some("off".to_owned()),
        _ => None,
    }
}

/// The element and, behind `@`, the attribute that a path names.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('@') {
        Some((above, attribute)) => (above, Some(attribute)),
        None => (path, None),
    }
}

fn enter<'n>(node: &'n mut Node, path: &str) -> Option<&'n mut Node> {
    let mut node = node;
    for step in path.split('/').filter(|step| !step.is_empty()) {
        node = node.children_mut().find(|child| child.name == step)?;
    }
    Some(node)
}

/// What stands at a path.
fn get(node: &Node, path: &str) -> Option<String> {
    let (above, attribute) = split(path);
    let mut node = node;
    for step in above.split('/').filter(|step| !step.is_empty()) {
        node = node.child(step)?;
    }
    match attribute {
        Some(name) => node.attribute(name).map(ToOwned::to_owned),
        None => Some(node.text()).filter(|text| !text.is_empty()),
    }
}

/// Whether there is an element at a path.
fn has(node: &Node, path: &str) -> bool {
    let mut node = node;
    for step in path.split('/') {
        let Some(child) = node.child(step) else { return false };
        node = child;
    }
    true
}

/// Takes what stands at a path.
fn take(node: &mut Node, path: &str) -> Option<String> {
    take_if(node, path, |_| true)
}

/// Takes what stands at a path where it fits.
fn take_if(node: &mut Node, path: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let value = get(node, path).filter(|value| fits(value))?;
    let (above, attribute) = split(path);
    let node = enter(node, above)?;
    match attribute {
        Some(name) => node.attributes.retain(|(own, _)| own != name),
        None => node.content.retain(|one| !matches!(one, libvirt::Content::Text(_))),
    }
    Some(value)
}

/// Takes a child and all in it.
fn take_child(node: &mut Node, name: &str) -> Option<Node> {
    let at = node
        .content
        .iter()
        .position(|one| matches!(one, libvirt::Content::Element(child) if child.name == name))?;
    match node.content.remove(at) {
        libvirt::Content::Element(child) => Some(child),
        libvirt::Content::Text(_) => None,
    }
}

/// What every virtio device may say of the way to the host.
const VIRTIO: [Word; 2] = [switch("driver@ats", "ats"), switch("driver@page_per_vq", "page-per-vq")];
