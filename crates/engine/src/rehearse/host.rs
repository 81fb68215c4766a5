//! The host that a lab stands for: texts of its snapshot, and what follows from them for a lab. Pure.

use super::stage::{file, image, word};
use std::borrow::Cow;
use vmwright_formats::View;
use vmwright_formats::domain_xml::DomainXml;
use vmwright_formats::ip_route::IpRoute;
use vmwright_formats::links::Links;
use vmwright_model::Snapshot;

/// What was read of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'s> {
    snapshot: &'s Snapshot,
}

/// How the host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uplink {
    /// The interface that has the address.
    pub(super) top: String,
    /// The card below it, where that is a bridge.
    pub(super) card: String,
    /// What of it a lab has otherwise.
    pub(super) otherwise: Option<String>,
}

impl<'s> Host<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Self {
        Self { snapshot }
    }

    /// A text by its path or command.
    pub(super) fn text(&self, source: &str) -> Option<&'s str> {
        let same = |own: &str| own == source || !self.snapshot.live && on_host(own) == source;
        let record = self.snapshot.records.iter().find(|record| same(&record.source))?;
        // What is the end of a text alone would make another file.
        let bytes = record.content.as_ref().ok().filter(|_| record.end_of.is_none())?;
        std::str::from_utf8(bytes).ok()
    }

    /// The first text of a kind.
    pub(super) fn kind<V: View>(&self) -> Option<V> {
        let record = self.snapshot.records.iter().find(|record| record.kind == V::KIND)?;
        let bytes = record.content.as_ref().ok()?;
        Some(V::read(&String::from_utf8_lossy(bytes)).0)
    }

    /// All texts that were read whole, by path or command.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Cow<'s, str>, &'s str)> {
        self.snapshot.records.iter().filter(|record| record.end_of.is_none()).filter_map(|record| {
            let bytes = record.content.as_ref().ok()?;
            let source = record.source.as_str();
            let source = if self.snapshot.live { Cow::Borrowed(source) } else { on_host(source) };
            Some((source, std::str::from_utf8(bytes).ok()?))
        })
    }

    /// Parameters that its kernel was given, and that mean something for a lab's too.
    pub(super) fn parameters(&self) -> Vec<&'s str> {
        // These name the host's own disks and consoles.
        const OWN: [&str; 14] = [
            "BOOT_IMAGE",
            "root",
            "rootfstype",
            "rootflags",
            "resume",
            "console",
            "initrd",
            "cryptdevice",
            "ro",
            "rw",
            "earlycon",
            "earlyprintk",
            "init",
            "ip",
        ];
        let own = |word: &str| {
            let name = word.split('=').next().unwrap_or(word);
            OWN.contains(&name) || name.starts_with("rd.")
        };
        // A shell reads the file that they are written to.
        let plain =
            |word: &str| word.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'$`\\".contains(&byte));
        let words = self.text("/proc/cmdline").unwrap_or("").split_ascii_whitespace();
        words.filter(|word| !own(word) && plain(word)).collect()
    }

    /// Version of its kernel.
    pub(super) fn kernel(&self) -> Option<&'s str> {
        self.text("/proc/sys/kernel/osrelease").map(str::trim).filter(|text| !text.is_empty())
    }

    /// A virtual network of libvirt's.
    pub(super) fn network(&self, name: &str) -> Option<&'s str> {
        self.text(&format!("virsh -r net-dumpxml {name}"))
    }

    /// The domains of libvirt's, with their definitions; the first one of each name.
    pub(super) fn domains(&self) -> Vec<(String, &'s str)> {
        let mut all: Vec<(String, &str)> = Vec::new();
        for record in self.snapshot.records.iter().filter(|record| record.kind == DomainXml::KIND) {
            let Some(text) = record.content.as_ref().ok().and_then(|bytes| std::str::from_utf8(bytes).ok())
            else {
                continue;
            };
            let view = DomainXml::read(text).0;
            // One alone: a text with several is no definition that libvirt takes.
            let [domain] = view.domains.as_slice() else { continue };
            let Some(name) = domain.name.as_ref().map(|name| name.value.clone()) else { continue };
            if !all.iter().any(|(other, _)| *other == name) {
                all.push((name, text));
            }
        }
        all
    }

    /// The script that defines a domain of libvirt's in the lab, on empty disks.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn domain(&self, name: &str) -> Result<String, String> {
        let found = self.domains().into_iter().find(|(own, _)| own == name);
        let (_, xml) = found.ok_or_else(|| format!("no domain {name} of the host's libvirt was read"))?;
        let (domain, _) = DomainXml::read(xml);
        let mut script = String::new();
        for disk in domain.domains.iter().flat_map(|domain| &domain.devices.disks) {
            let value =
                |text: &vmwright_formats::domain_xml::Text| text.as_ref().map(|text| text.value.clone());
            let (Some(path), kind) = (value(&disk.source), value(&disk.disk_type)) else { continue };
            match kind.as_deref() {
                Some("file") => {
                    let format = value(&disk.format).filter(|format| format == "qcow2");
                    script.push_str(&image(&path, format.as_deref().unwrap_or("raw"), 1 << 30, None));
                }
                Some("block") => {
                    return Err(format!("disk {path} of {name} is a block device of the host's"));
                }
                _ => {}
            }
        }
        script.push_str(&file("/root/domain.xml", xml));
        script.push_str(&format!(
            "virsh -q domstate {0} >/dev/null 2>&1 || virsh -q define /root/domain.xml >/dev/null || sorry \"domain \"{0}\" cannot be defined in the lab\"\n",
            word(name)
        ));
        Ok(script)
    }

    /// How it is reached: by the interface of its best default route.
    pub(super) fn uplink(&self) -> Option<Uplink> {
        let routes: IpRoute = self.kind()?;
        let links: Links = self.kind()?;
        let top = routes.defaults().into_iter().find_map(|route| route.dev.clone())?;
        let link = links.of(&top)?;
        if !link.is_bridge() {
            let kind = link.get("devtype").map(|kind| kind.value.to_owned());
            let otherwise = kind.map(|kind| format!("{top} is a {kind} on the host, and a card in the lab"));
            return Some(Uplink { card: top.clone(), top, otherwise });
        }
        // Ports of VMs come and go: the card is the one that is none.
        let card = links.ports(&top).find(|port| !port.is_tap() && !port.name.starts_with("veth"))?;
        let otherwise = card
            .get("devtype")
            .map(|kind| format!("{} is a {} on the host, and a card in the lab", card.name, kind.value));
        let card = card.name.clone();
        Some(Uplink { top, card, otherwise })
    }
}

/// The path on the host of a text in a folder or archive, which may lie below a folder of the archive's own.
fn on_host(source: &str) -> Cow<'_, str> {
    let tops = ["/etc/", "/proc/", "/sys/"];
    if tops.iter().any(|top| source.starts_with(&top[1..])) {
        return Cow::Owned(format!("/{source}"));
    }
    let at = tops.iter().filter_map(|top| source.find(top)).min();
    Cow::Borrowed(at.map_or(source, |at| &source[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Record};

    fn host(links: &str, routes: &str) -> Snapshot {
        let records = vec![
            Record::new("links", Links::KIND, links),
            Record::new("ip route show table all", IpRoute::KIND, routes),
            Record::new(
                "/proc/cmdline",
                Kind::TEXT,
                "BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet iommu=pt rd.lvm.lv=a/b x=$(y)\n",
            ),
        ];
        Snapshot { records, ..Snapshot::default() }
    }

    #[test]
    fn the_way_to_the_host_is_found_below_its_bridge() {
        let links = "eno1 master br0\nvnet3 master br0\nvnet3 tun_flags 0x1002\nbr0 devtype bridge\nbond0 devtype bond\n";
        let of = |routes: &str| Host::of(&host(links, routes)).uplink();
        let uplink = of("default via 192.0.2.1 dev br0 proto static\n").expect("it is reached");
        assert_eq!((uplink.top.as_str(), uplink.card.as_str(), uplink.otherwise), ("br0", "eno1", None));
        let bond = of("default via 192.0.2.1 dev bond0\n").expect("it is reached");
        assert!(bond.otherwise.is_some_and(|told| told.contains("bond0 is a bond")), "it is told");
        assert_eq!(of("192.0.2.0/24 dev br0\n"), None);
    }

    #[test]
    fn parameters_of_the_hosts_own_disks_stay_with_it() {
        assert_eq!(Host::of(&host("", "")).parameters(), ["quiet", "iommu=pt"]);
    }

    #[test]
    fn texts_of_an_archive_are_found_by_the_hosts_paths() {
        let mut read = host("", "");
        read.records.push(Record::new(
            "sos-hv1/etc/modprobe.d/kvm.conf",
            Kind::TEXT,
            "options kvm nested=1\n",
        ));
        let path = "/etc/modprobe.d/kvm.conf";
        assert_eq!(Host::of(&read).text(path), Some("options kvm nested=1\n"));
        assert!(Host::of(&read).sources().any(|(source, _)| source == path));
        read.records[3].source = "etc/modprobe.d/kvm.conf".into();
        assert!(Host::of(&read).text(path).is_some());
        read.live = true;
        assert_eq!(Host::of(&read).text(path), None, "a live host has its own paths");
    }
}
