//! A device plugged into a domain of libvirt's, or unplugged: at once where it runs, and from its next start.

use super::create::{Lies, Taken, Thing};
use super::{IntentError, made};
use crate::canonical::sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use vmwright_formats::xml::{Document, Element};
use vmwright_model::{Action, Disruption, Plan};

/// A domain as it was read.
#[derive(Debug, Clone, Copy)]
pub struct PlugSite<'d> {
    /// The host's id.
    pub id: &'d str,
    /// libvirt's URI.
    pub connection: &'d str,
    /// Name of the domain.
    pub domain: &'d str,
    /// What it is started from next.
    pub kept: &'d str,
    /// As it runs, where that was read besides.
    pub live: &'d [&'d str],
    /// Whether it runs.
    pub running: bool,
    /// What VMs of this host have, this one among them.
    pub taken: &'d [Taken],
}

/// A device that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum AttachDevice {
    /// A disk image or block device of the host.
    Disk {
        /// Its absolute path.
        path: PathBuf,
        /// `raw` or `qcow2`. Never guessed: a guest that writes a header into a raw image could name any file.
        format: String,
        /// `virtio`, `scsi`, `sata` or `usb`.
        bus: String,
        /// The guest may not write.
        readonly: bool,
    },
    /// An interface on a bridge of the host.
    Bridge {
        /// The bridge.
        bridge: String,
        /// Its MAC address; made of the names where absent.
        mac: Option<String>,
    },
    /// An interface in a virtual network of libvirt's.
    Network {
        /// The network.
        network: String,
        /// Its MAC address; made of the names where absent.
        mac: Option<String>,
    },
}

/// What was found where a disk is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What lies there.
    pub lies: Lies,
    /// The image that its own header says it builds upon.
    pub base: Option<String>,
}

/// The plan that plugs a device in.
///
/// # Errors
/// [`IntentError::Cannot`]: what is to be plugged in is not there, is of another format than it was called, or another VM has
/// it.
pub fn attach(site: &PlugSite<'_>, wish: &AttachDevice, source: &Source) -> Result<Plan, IntentError> {
    let (device, name) = match wish {
        AttachDevice::Disk { path, format, bus, readonly } => {
            disk(site, &path.to_string_lossy(), &source.lies, format, bus, *readonly)?
        }
        AttachDevice::Bridge { bridge, mac } => card(site, "bridge", bridge, mac.as_deref())?,
        AttachDevice::Network { network, mac } => card(site, "network", network, mac.as_deref())?,
    };
    let (connection, domain) = (site.connection.to_owned(), site.domain.to_owned());
    let action = Action::DeviceAttach { connection, domain, device, running: site.running };
    let why = format!("{} has {name}", site.domain);
    let mut plan = plan(site, format!("plug {name} into vm {}", site.domain), action, why);
    plan.left.push(
        "what libvirt adds for it besides, such as a controller where there is none, stays when it is unplugged"
            .to_owned(),
    );
    if let (AttachDevice::Disk { path, .. }, Some(base)) = (wish, &source.base) {
        plan.left.push(format!(
            "the header of {} names {base} as what it builds upon: the guest reads all of that too, whoever wrote the header",
            path.display()
        ));
    }
    Ok(plan)
}

/// The plan that unplugs the device that is known by `name`: the target of a disk, or the MAC address of an interface.
///
/// # Errors
/// [`IntentError::Cannot`]: there is no such device, or it is the disk that the domain boots from.
pub fn detach(site: &PlugSite<'_>, name: &str) -> Result<Plan, IntentError> {
    let cannot = |why: String| Err(IntentError::Cannot(why));
    let (document, _) = Document::read(site.kept);
    let devices: Vec<(Element<'_>, String)> = known(&document).collect();
    let Some((_, key)) = devices.iter().find(|(_, key)| key.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = devices.iter().map(|(_, key)| key.as_str()).collect();
        return cannot(format!(
            "{} has no device {name} at its next start; it has {}",
            site.domain,
            names.join(", ")
        ));
    };
    let first = devices.iter().find(|(device, _)| device.name() == "disk");
    if first.is_some_and(|(_, first)| first == key) {
        return cannot(format!("{key} is the first disk of {}: its guest does not run without", site.domain));
    }
    let texts = texts(site.kept);
    let device =
        texts.into_iter().find(|text| crate::device_name(text).is_some_and(|own| own.ends_with(key)));
    let Some(device) = device else {
        return cannot(format!("how {key} stands in the domain could not be told"));
    };
    let (connection, domain) = (site.connection.to_owned(), site.domain.to_owned());
    let action = Action::DeviceDetach { connection, domain, device, running: site.running };
    let why = format!("{} has {key} no more", site.domain);
    let mut plan = plan(site, format!("unplug {key} from vm {}", site.domain), action, why);
    if site.running {
        plan.left.push(
            "a guest that does not let go of it within a minute keeps it, and the run is taken back"
                .to_owned(),
        );
    }
    Ok(plan)
}

fn plan(site: &PlugSite<'_>, title: String, action: Action, why: String) -> Plan {
    made(site.id, Some(site.domain), title, vec![(action, why, Disruption::None)])
}

/// Devices with what they are known by: disks and interfaces.
fn known(document: &Document) -> impl Iterator<Item = (Element<'_>, String)> {
    document.elements().filter_map(|element| {
        let key = match element.name() {
            "disk" => element.child_attr("target", "dev")?.value,
            "interface" => element.child_attr("mac", "address")?.value.to_lowercase(),
            _ => return None,
        };
        Some((element, key))
    })
}

/// The elements of disks and interfaces on a line each, without what libvirt numbers anew.
fn texts(xml: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["disk", "interface"] {
        let (open, close) = (format!("<{name} "), format!("</{name}>"));
        let mut rest = xml;
        while let Some(start) = rest.find(&open) {
            let Some(end) = rest[start..].find(&close).map(|end| start + end + close.len()) else { break };
            let lines = rest[start..end].lines().map(str::trim).filter(|line| !line.is_empty());
            found.push(lines.collect::<Vec<_>>().concat());
            rest = &rest[end..];
        }
    }
    found
}

fn disk(
    site: &PlugSite<'_>,
    path: &str,
    lies: &Lies,
    format: &str,
    bus: &str,
    readonly: bool,
) -> Result<(String, String), IntentError> {
    let cannot = |why: String| Err(IntentError::Cannot(why));
    let (kind, attribute) = match lies {
        Lies::Image { format: found, .. } if format == "qcow2" && found != format => {
            return cannot(format!("{path} is no qcow2 image, but {found}"));
        }
        Lies::Image { format: found, .. } if format == "raw" && found != "raw" => {
            return cannot(format!(
                "{path} begins as {found} and was called raw: either its guest would see a header in place of its data, or a guest wrote that header, so that whoever opens it as {found} reads the files of the host that it names"
            ));
        }
        Lies::Image { .. } => ("file", "file"),
        Lies::Device => ("block", "dev"),
        Lies::Nothing => return cannot(format!("{path} does not exist")),
        Lies::Directory => return cannot(format!("{path} is a directory")),
        Lies::Other(what) => return cannot(format!("{path}: {what}")),
    };
    let other = site.taken.iter().find(|taken| matches!(&taken.what, Thing::Disk(own) if own == path));
    if let Some(other) = other {
        return cannot(format!("{path} is a disk of {}, which writes to it", other.by));
    }
    let front = if bus == "virtio" { "vd" } else { "sd" };
    let texts: Vec<Document> =
        site.live.iter().copied().chain([site.kept]).map(|xml| Document::read(xml).0).collect();
    let targets: BTreeSet<String> =
        texts.iter().flat_map(|document| known(document).map(|(_, key)| key)).collect();
    let free = (b'a'..=b'z').map(|letter| format!("{front}{}", char::from(letter)));
    let Some(target) = free.into_iter().find(|target| !targets.contains(target)) else {
        return cannot(format!("{} has 26 disks on {bus}", site.domain));
    };
    let readonly = if readonly { "<readonly/>" } else { "" };
    let path = escaped(path);
    let device = format!(
        "<disk type='{kind}' device='disk'><driver name='qemu' type='{format}'/><source {attribute}='{path}'/><target dev='{target}' bus='{bus}'/>{readonly}</disk>"
    );
    Ok((device, format!("disk {target}")))
}

fn card(
    site: &PlugSite<'_>,
    kind: &str,
    leads: &str,
    mac: Option<&str>,
) -> Result<(String, String), IntentError> {
    let holder = |mac: &str| {
        let own = |taken: &&Taken| matches!(&taken.what, Thing::Mac(own) if own == mac);
        site.taken.iter().find(own).map(|taken| taken.by.clone())
    };
    let mac = match mac.map(str::to_lowercase) {
        Some(mac) => match holder(&mac) {
            Some(by) => return Err(IntentError::Cannot(format!("{by} has the hardware address {mac}"))),
            None => mac,
        },
        // QEMU's own range; the same names give the same address.
        None => (0_u32..)
            .map(|at| sha256(format!("{}/{kind}/{leads}/{at}", site.domain).as_bytes()))
            .map(|hash| format!("52:54:00:{}:{}:{}", &hash[..2], &hash[2..4], &hash[4..6]))
            .find(|mac| holder(mac).is_none())
            .ok_or_else(|| IntentError::Cannot("all hardware addresses are taken".to_owned()))?,
    };
    let leads = escaped(leads);
    let device = format!(
        "<interface type='{kind}'><mac address='{mac}'/><source {kind}='{leads}'/><model type='virtio'/></interface>"
    );
    Ok((device, format!("interface {mac}")))
}

/// A text as the value of an attribute.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, lint};

    const KEPT: &str = "<domain type='qemu'>\n  <name>web</name>\n  <devices>\n    <disk type='file' device='disk'>\n      <source file='/srv/root.qcow2'/>\n      <target dev='vda' bus='virtio'/>\n    </disk>\n    <disk type='file' device='disk'>\n      <source file='/srv/data.raw'/>\n      <target dev='sda' bus='usb'/>\n    </disk>\n    <interface type='bridge'>\n      <mac address='52:54:00:00:00:01'/>\n      <source bridge='br0'/>\n    </interface>\n  </devices>\n</domain>\n";

    const NOTHING: Source = Source { lies: Lies::Nothing, base: None };

    fn site<'d>(running: bool, live: &'d [&'d str], taken: &'d [Taken]) -> PlugSite<'d> {
        PlugSite { id: "h", connection: "qemu:///system", domain: "web", kept: KEPT, live, running, taken }
    }

    fn image(format: &str) -> AttachDevice {
        let bus = "virtio".to_owned();
        AttachDevice::Disk { path: "/srv/d&'.qcow2".into(), format: format.into(), bus, readonly: false }
    }

    fn found(format: &str) -> Source {
        Source { lies: Lies::Image { format: format.into(), size: None }, base: None }
    }

    #[test]
    fn a_device_gets_a_name_that_nobody_has() {
        let live = ["<domain><devices><disk><target dev='vdb'/></disk></devices></domain>"];
        let plan = attach(&site(true, &live, &[]), &image("qcow2"), &found("qcow2")).expect("it can");
        assert_eq!(lint(&plan), []);
        assert_eq!(
            canonical(&plan),
            canonical(&attach(&site(true, &live, &[]), &image("qcow2"), &found("qcow2")).expect("the same"))
        );
        let does = crate::describe::words(&plan.steps[0].action);
        assert!(
            does.does.starts_with("plugs disk vdc into web, at once and from its next start"),
            "{does:?}"
        );
        assert!(does.does.contains("<source file='/srv/d&amp;&apos;.qcow2'/>"), "{does:?}");
        let network = AttachDevice::Network { network: "default".into(), mac: None };
        let plan = attach(&site(false, &[], &[]), &network, &NOTHING).expect("it can");
        let Action::DeviceAttach { device, running: false, .. } = &plan.steps[0].action else {
            panic!("{plan:?}")
        };
        let mac = crate::device_name(device).expect("it has one").replace("interface ", "");
        let taken = [Taken { what: Thing::Mac(mac.clone()), by: "vm db".into() }];
        let other = attach(&site(false, &[], &taken), &network, &NOTHING).expect("there are more");
        assert_ne!(other, plan);
        let theirs = AttachDevice::Bridge { bridge: "br0".into(), mac: Some(mac.to_uppercase()) };
        let said = attach(&site(false, &[], &taken), &theirs, &NOTHING).expect_err("taken").to_string();
        assert!(said.contains("vm db has the hardware address"), "{said}");
    }

    #[test]
    fn what_is_not_there_or_another_vms_is_not_plugged_in() {
        let said = |format: &str, source: &Source, taken: &[Taken]| {
            attach(&site(true, &[], taken), &image(format), source)
                .map(|_| ())
                .expect_err("it cannot")
                .to_string()
        };
        assert!(said("qcow2", &NOTHING, &[]).contains("does not exist"));
        assert!(said("qcow2", &found("raw"), &[]).contains("is no qcow2 image, but raw"));
        let taken = [Taken { what: Thing::Disk("/srv/d&'.qcow2".into()), by: "vm db".into() }];
        assert!(said("qcow2", &found("qcow2"), &taken).contains("is a disk of vm db"));
        // A header that somebody does not know of is the guest's, or makes the guest see what it should not.
        let header = said("raw", &found("qcow2"), &[]);
        assert!(header.contains("begins as qcow2 and was called raw"), "{header}");
    }

    #[test]
    fn what_an_image_builds_upon_is_told() {
        let site = site(true, &[], &[]);
        let left = |source: &Source| attach(&site, &image("qcow2"), source).expect("it can").left;
        let plain = left(&found("qcow2"));
        let built = left(&Source { base: Some("/srv/base.raw".into()), ..found("qcow2") });
        assert_eq!(built.len(), plain.len() + 1);
        assert!(
            built.last().expect("one more").contains("names /srv/base.raw as what it builds upon"),
            "{built:?}"
        );
    }

    #[test]
    fn a_device_goes_as_it_stands_and_the_first_disk_stays() {
        let plan = detach(&site(true, &[], &[]), "sda").expect("it can");
        assert_eq!(lint(&plan), []);
        let Action::DeviceDetach { device, .. } = &plan.steps[0].action else { panic!("{plan:?}") };
        assert_eq!(
            device,
            "<disk type='file' device='disk'><source file='/srv/data.raw'/><target dev='sda' bus='usb'/></disk>"
        );
        assert!(plan.steps[0].disruption > Disruption::None, "the guest may use it");
        assert!(detach(&site(false, &[], &[]), "52:54:00:00:00:01").is_ok());
        let said = |name: &str| detach(&site(true, &[], &[]), name).expect_err("it cannot").to_string();
        assert!(said("vda").contains("is the first disk of web"));
        assert!(said("vdq").contains("it has vda, sda, 52:54:00:00:00:01"));
    }
}
