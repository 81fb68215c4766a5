//! XML of libvirt that describes neither a domain nor an emulator: networks (`net-dumpxml`), pools and volumes
//! (`pool-dumpxml`, `vol-dumpxml`), devices of the host (`nodedev-dumpxml`), and the status that libvirt keeps of
//! running domains and networks (`/run/libvirt`).

use crate::View;
use crate::xml::{Document, Element};
use vmwright_model::{Issue, Kind, Spanned};

/// Elements that such a text is about.
const ROOTS: [&str; 6] = ["domstatus", "network", "networkstatus", "pool", "volume", "device"];

/// The elements of a text, and what rules ask for most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibvirtXml {
    /// Every element.
    pub document: Document,
}

/// A network of libvirt (formatnetwork.html).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Line of `<network>`.
    pub line: u32,
    /// Its name.
    pub name: Option<Spanned<String>>,
    /// `nat`, `route`, `open`, `bridge`, `hostdev`, `passthrough`; `isolated` without `<forward>`.
    pub forward: Spanned<String>,
    /// Its bridge.
    pub bridge: Option<Spanned<String>>,
    /// Its addresses: address, with netmask or prefix.
    pub addresses: Vec<(Spanned<String>, Option<Spanned<String>>)>,
    /// Whether it hands out addresses, and where that stands.
    pub dhcp: Option<u32>,
}

impl LibvirtXml {
    /// The elements of one of the roots, wherever they stand.
    pub fn of<'a>(&'a self, root: &'a str) -> impl Iterator<Item = Element<'a>> {
        self.document.elements().filter(move |element| element.name() == root)
    }

    /// The first element at a path below the first element of a root: `target/path`.
    #[must_use]
    pub fn at<'a>(&'a self, root: &'a str, path: &str) -> Option<Element<'a>> {
        path.split('/').try_fold(self.of(root).next()?, |element, name| element.child(name))
    }

    /// The networks.
    #[must_use]
    pub fn networks(&self) -> Vec<Network> {
        let of_network =
            |element: &Element<'_>| element.child("name").is_some() || element.child("bridge").is_some();
        self.of("network").filter(of_network).map(network).collect()
    }
}

fn network(element: Element<'_>) -> Network {
    let isolated = || Spanned::new("isolated".to_owned(), element.line());
    let forward = element.child("forward").map(|forward| {
        // Without a mode libvirt takes NAT.
        forward.attr("mode").unwrap_or_else(|| Spanned::new("nat".to_owned(), forward.line()))
    });
    let address =
        |ip: Element<'_>| Some((ip.attr("address")?, ip.attr("netmask").or_else(|| ip.attr("prefix"))));
    Network {
        line: element.line(),
        name: element.child_text("name"),
        forward: forward.unwrap_or_else(isolated),
        bridge: element.child_attr("bridge", "name"),
        addresses: element.all("ip").filter_map(address).collect(),
        dhcp: element.all("ip").find_map(|ip| ip.child("dhcp")).map(Element::line),
    }
}

impl View for LibvirtXml {
    const KIND: Kind = Kind::new("libvirt_xml");
    const SUREST: u8 = 97;
    const MARKS: &[&str] = &["<domstatus", "<network", "<pool", "<volume", "<device"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (document, mut issues) = Document::read(text);
        if !document.elements().any(|element| ROOTS.contains(&element.name())) {
            issues.push(Issue::new(0, "no network, pool, volume, device or status was found"));
        }
        (Self { document }, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let first = head
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with('<') && !line.starts_with("<?") && !line.starts_with("<!"));
        let Some(tag) = first.and_then(|line| line.strip_prefix('<')) else { return 0 };
        let end = tag
            .find(|letter: char| letter.is_whitespace() || matches!(letter, '>' | '/'))
            .unwrap_or(tag.len());
        let has = |words: &[&str]| words.iter().any(|word| head.contains(word));
        match &tag[..end] {
            // A domain's status holds the whole domain: its own element must win.
            "domstatus" | "networkstatus" => 97,
            "network" if has(&["<bridge ", "<forward", "<ip ", "<uuid>"]) => 93,
            "pool" if has(&["<target>", "<source>", "<capacity"]) => 93,
            "volume" if has(&["<capacity", "<key>", "<target>"]) => 93,
            "device" if has(&["<capability ", "<driver>"]) => 93,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let (view, issues) = LibvirtXml::read(include_str!("../tests/samples/libvirt_xml.txt"));
        assert_eq!(issues, []);
        let networks = view.networks();
        let network = &networks[0];
        assert_eq!(network.name.as_ref().map(|name| (name.line, name.value.as_str())), Some((2, "lab")));
        assert_eq!((network.forward.value.as_str(), network.dhcp), ("nat", Some(12)));
        assert_eq!(network.bridge.as_ref().map(|bridge| bridge.value.as_str()), Some("virbr7"));
        assert_eq!(network.addresses[0].0.value, "192.0.2.1");
        assert_eq!(
            LibvirtXml::read("<network><name>x</name></network>").0.networks()[0].forward.value,
            "isolated"
        );
    }

    #[test]
    fn other_texts() {
        for (text, sure) in [
            ("<domstatus state='running' pid='7'>\n<domain type='kvm'>\n</domain>\n</domstatus>\n", 97),
            ("<domain type='kvm'>\n<devices/>\n</domain>\n", 0),
            ("<network>\n", 0),
            ("<device>\n<name>pci_0000_01_00_0</name>\n<capability type='pci'>\n", 93),
            ("hello\n", 0),
        ] {
            assert_eq!(LibvirtXml::recognise("x", text), sure, "{text}");
        }
    }
}
