//! The host that a lab stands for: texts of its snapshot, and what follows from them for a lab. Pure.

use super::stage::{file, image, word};
use vmwright_formats::View;
use vmwright_formats::domain_xml::DomainXml;
use vmwright_formats::ip_route::IpRoute;
use vmwright_formats::links::Links;
use vmwright_model::{Kind, Snapshot};

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
        let record = self.snapshot.records.iter().find(|record| record.source == source)?;
        // What is the end of a text alone would make another file.
        let bytes = record.content.as_ref().ok().filter(|_| record.end_of.is_none())?;
        std::str::from_utf8(bytes).ok()
    }

    fn kind<V: View>(&self, kind: &Kind) -> Option<V> {
        let record = self.snapshot.records.iter().find(|record| record.kind == *kind)?;
        let bytes = record.content.as_ref().ok()?;
        Some(V::read(&String::from_utf8_lossy(bytes)).0)
    }

    /// Version of its kernel.
    pub(super) fn kernel(&self) -> Option<&'s str> {
        self.text("/proc/sys/kernel/osrelease").map(str::trim).filter(|text| !text.is_empty())
    }

    /// A virtual network of libvirt's.
    pub(super) fn network(&self, name: &str) -> Option<&'s str> {
        self.text(&format!("virsh -r net-dumpxml {name}"))
    }

    /// The script that defines a domain of libvirt's in the lab, on empty disks.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn domain(&self, name: &str) -> Result<String, String> {
        let xml = self
            .text(&format!("virsh -r dumpxml {name}"))
            .ok_or_else(|| format!("no domain {name} of the host's libvirt was read"))?;
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
        let routes: IpRoute = self.kind(&IpRoute::KIND)?;
        let links: Links = self.kind(&Links::KIND)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::Record;

    fn host(links: &str, routes: &str) -> Snapshot {
        let records = vec![
            Record::new("links", Links::KIND, links),
            Record::new("ip route show table all", IpRoute::KIND, routes),
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
}
