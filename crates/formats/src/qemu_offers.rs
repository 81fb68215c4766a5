//! What a QEMU offers to VMs: its list of machine types (`qemu-system-x86_64 -machine help`), and what libvirt found
//! out about it (`virsh capabilities`, `virsh domcapabilities`, `/var/cache/libvirt/qemu/capabilities/*.xml`).

use crate::xml::{Document, Element};
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// A CPU model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedCpu {
    /// Its name, `Skylake-Server-IBRS`.
    pub name: Spanned<String>,
    /// Whether the host's processor has all of it; none where it is not said.
    pub usable: Option<bool>,
    /// Features of it that the host lacks.
    pub blockers: Vec<String>,
}

/// What a QEMU offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuOffers {
    /// Its version: major, minor, micro.
    pub version: Option<Spanned<[u32; 3]>>,
    /// Machine types and their aliases, by mention.
    pub machines: Vec<Spanned<String>>,
    /// Whether `machines` are all that there are; `virsh domcapabilities` speaks of one alone.
    pub all_machines: bool,
    /// CPU models; empty where the text has none.
    pub cpus: Vec<OfferedCpu>,
    /// The UUID by which libvirt tells this host from others.
    pub host_uuid: Option<Spanned<String>>,
    /// The most processors that a VM of the machine in question may have.
    pub max_vcpus: Option<Spanned<u64>>,
    /// What `virsh domcapabilities` says of its `<features>`: `sev`, `tdx`, `sgx`, `hyperv`.
    pub features: Vec<Spanned<(String, bool)>>,
}

impl QemuOffers {
    /// Whether there is a machine type or alias of this name; none where the list is not whole and lacks it.
    #[must_use]
    pub fn has_machine(&self, name: &str) -> Option<bool> {
        let has = self.machines.iter().any(|machine| machine.value == name);
        (has || self.all_machines && !self.machines.is_empty()).then_some(has)
    }

    /// Whether a feature is supported; none where that is not said.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<Spanned<bool>> {
        let found = self.features.iter().find(|feature| feature.value.0 == name)?;
        Some(Spanned::new(found.value.1, found.line))
    }

    /// A CPU model by its name.
    #[must_use]
    pub fn cpu(&self, name: &str) -> Option<&OfferedCpu> {
        self.cpus.iter().find(|cpu| cpu.name.value == name)
    }
}

/// The line before QEMU's list of machine types.
const HEADING: &str = "Supported machines are:";

impl View for QemuOffers {
    const KIND: Kind = Kind::new("qemu_offers");
    const SUREST: u8 = 96;
    const MARKS: &[&str] = &["<qemuCaps>", "<domainCapabilities>", "<capabilities>", HEADING];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        if let Some((heading, _)) = lines(text).find(|(_, line)| line.trim() == HEADING) {
            return (help(text, heading), Vec::new());
        }
        let (document, issues) = Document::read(text);
        let mut view = Self::default();
        for element in document.roots() {
            match element.name() {
                "qemuCaps" => cache(element, &mut view),
                "domainCapabilities" => domain(element, &mut view),
                "capabilities" => host(element, &mut view),
                _ => {}
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let roots = ["<qemuCaps>", "<domainCapabilities>", "<capabilities>"];
        if roots.iter().any(|root| head.lines().any(|line| line.trim_start().starts_with(root))) {
            return 96;
        }
        if head.lines().any(|line| line.trim() == HEADING) { 90 } else { 0 }
    }
}

/// `pc-q35-10.0         Standard PC (Q35 + ICH9, 2009) (alias of q35)`.
fn help(text: &str, heading: u32) -> QemuOffers {
    let names = lines(text).filter(|(number, _)| *number > heading).filter_map(|(number, line)| {
        let name = line.split_once(' ')?.0;
        (!name.is_empty()).then(|| Spanned::new(name.to_owned(), number))
    });
    QemuOffers { machines: names.collect(), all_machines: true, ..QemuOffers::default() }
}

fn cache(root: Element<'_>, view: &mut QemuOffers) {
    view.all_machines = true;
    for element in root.children() {
        match element.name() {
            "version" => {
                let number = element.text().and_then(|text| text.value.parse::<u32>().ok());
                // As libvirt writes versions everywhere: major * 1,000,000 + minor * 1,000 + micro.
                view.version =
                    number.map(|n| Spanned::new([n / 1_000_000, n / 1000 % 1000, n % 1000], element.line()));
            }
            "machine" => {
                view.machines.extend(element.attr("name"));
                view.machines.extend(element.attr("alias"));
            }
            "cpu" => view.cpus.extend(element.attr("name").map(|name| OfferedCpu {
                name,
                usable: usable(element),
                blockers: element.all("blocker").filter_map(|one| Some(one.attr("name")?.value)).collect(),
            })),
            _ => {}
        }
    }
}

fn domain(root: Element<'_>, view: &mut QemuOffers) {
    view.machines.extend(root.child_text("machine"));
    let most = root.child("vcpu").and_then(|vcpu| vcpu.attribute("max"));
    view.max_vcpus = most.and_then(|most| Some(Spanned::new(most.value.parse().ok()?, most.line)));
    let features = root.child("features").into_iter().flat_map(Element::children);
    view.features.extend(features.filter_map(|feature| {
        let supported = feature.attribute("supported")?;
        Some(Spanned::new((feature.name().to_owned(), supported.value == "yes"), supported.line))
    }));
    let modes = root.child("cpu").into_iter().flat_map(|cpu| cpu.all("mode"));
    let custom = modes.filter(|mode| mode.attribute("name").is_some_and(|name| name.value == "custom"));
    for element in custom.flat_map(Element::children) {
        match element.name() {
            "model" => view.cpus.extend(element.text().map(|name| OfferedCpu {
                name: Spanned::new(name.value.to_owned(), name.line),
                usable: usable(element),
                blockers: Vec::new(),
            })),
            "blockers" => {
                let model = element.attribute("model").map_or("", |model| model.value);
                if let Some(cpu) = view.cpus.iter_mut().find(|cpu| cpu.name.value == model) {
                    cpu.blockers
                        .extend(element.all("feature").filter_map(|one| Some(one.attr("name")?.value)));
                }
            }
            _ => {}
        }
    }
}

fn host(root: Element<'_>, view: &mut QemuOffers) {
    view.host_uuid = root.child("host").and_then(|host| host.child_text("uuid"));
    for arch in root.all("guest").flat_map(|guest| guest.all("arch").collect::<Vec<_>>()) {
        for element in arch.children().flat_map(|child| std::iter::once(child).chain(child.all("machine"))) {
            if element.name() == "machine" {
                let name = element.text();
                view.machines.extend(name.map(|name| Spanned::new(name.value.to_owned(), name.line)));
                view.all_machines = true;
            }
        }
    }
}

fn usable(element: Element<'_>) -> Option<bool> {
    match element.attribute("usable")?.value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise;

    #[test]
    fn the_list_of_qemu_10() {
        let text = "Supported machines are:\nmicrovm              microvm (i386)\npc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-10.0)\npc-i440fx-10.0       Standard PC (i440FX + PIIX, 1996) (default)\nnone                 empty machine\n";
        assert_eq!(recognise("x", text), QemuOffers::KIND);
        let (view, _) = QemuOffers::read(text);
        assert_eq!(view.machines[2], Spanned::new("pc-i440fx-10.0".to_owned(), 4));
        assert_eq!((view.has_machine("pc"), view.has_machine("pc-q35-11.0")), (Some(true), Some(false)));
    }

    #[test]
    fn the_cache_of_libvirt() {
        let text = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n<qemuCaps>\n  <emulator>/usr/bin/qemu-system-x86_64</emulator>\n  <version>7002004</version>\n  <arch>x86_64</arch>\n  <cpu type='kvm' name='EPYC-Milan' typename='EPYC-Milan-x86_64-cpu' usable='no'>\n    <blocker name='pcid'/>\n    <blocker name='erms'/>\n  </cpu>\n  <cpu type='kvm' name='qemu64' usable='yes'/>\n  <machine type='kvm' name='pc-q35-7.2' alias='q35' maxCpus='288'/>\n</qemuCaps>\n";
        assert_eq!(recognise("0123.xml", text), QemuOffers::KIND);
        let (view, _) = QemuOffers::read(text);
        assert_eq!(view.version, Some(Spanned::new([7, 2, 4], 7)));
        let milan = view.cpu("EPYC-Milan").unwrap();
        assert_eq!((milan.usable, milan.blockers.join(" ")), (Some(false), "pcid erms".to_owned()));
        assert_eq!((view.has_machine("q35"), view.has_machine("pc-q35-8.0")), (Some(true), Some(false)));
    }

    #[test]
    fn what_virsh_says() {
        let text = "<domainCapabilities>\n  <path>/usr/bin/qemu-system-x86_64</path>\n  <domain>kvm</domain>\n  <machine>pc-q35-8.2</machine>\n  <arch>x86_64</arch>\n  <vcpu max='288'/>\n  <cpu>\n    <mode name='host-passthrough' supported='yes'/>\n    <mode name='custom' supported='yes'>\n      <model usable='yes' vendor='unknown'>qemu64</model>\n      <model usable='no' vendor='Intel'>Icelake-Server</model>\n      <blockers model='Icelake-Server'>\n        <feature name='avx512f'/>\n      </blockers>\n    </mode>\n  </cpu>\n  <features>\n    <sev supported='no'/>\n  </features>\n</domainCapabilities>\n";
        assert_eq!(recognise("domcaps.xml", text), QemuOffers::KIND);
        let (view, _) = QemuOffers::read(text);
        assert_eq!((view.has_machine("pc-q35-8.2"), view.has_machine("pc-q35-8.1")), (Some(true), None));
        assert_eq!(view.cpu("Icelake-Server").unwrap().blockers, ["avx512f"]);
        assert_eq!(view.max_vcpus, Some(Spanned::new(288, 6)));
        assert_eq!((view.feature("sev"), view.feature("tdx")), (Some(Spanned::new(false, 18)), None));
        let text = "<capabilities>\n  <host>\n    <uuid>0</uuid>\n  </host>\n  <guest>\n    <os_type>hvm</os_type>\n    <arch name='x86_64'>\n      <machine maxCpus='255'>pc-i440fx-9.2</machine>\n      <domain type='kvm'/>\n    </arch>\n  </guest>\n</capabilities>\n";
        assert_eq!(recognise("caps.txt", text), QemuOffers::KIND);
        let (view, _) = QemuOffers::read(text);
        assert_eq!(view.has_machine("pc-i440fx-9.2"), Some(true));
        assert_eq!(view.host_uuid, Some(Spanned::new("0".to_owned(), 3)));
    }

    #[test]
    fn any_text_is_survived() {
        for text in ["", "Supported machines are:", "<qemuCaps>", "<capabilities>\r\n<guest><arch>", "\0"] {
            let _ = QemuOffers::read(text);
        }
    }
}
