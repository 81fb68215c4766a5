//! libvirt's domain XML (formatdomain.html): `virsh dumpxml`, files of `/etc/libvirt/qemu`, and fragments of three
//! lines as people paste them.

mod devices;
mod platform;

use crate::xml::{Document, Element, owned};
use crate::{PciAddress, View};
pub use devices::{
    Controller, Devices, Disk, Filesystem, Graphics, HostDevice, Interface, Memballoon, Other, Serial, Shmem,
    Tpm, Video,
};
pub use platform::{
    Clock, Cpu, CpuFeature, CpuTune, LaunchSecurity, MemoryBacking, NumaCell, NumaTune, Os, Pin, Timer,
    Topology, Vcpu,
};
use vmwright_model::{Issue, Kind, Spanned};

/// A value that may be absent, with its line.
pub type Text = Option<Spanned<String>>;

/// Elements that a pasted fragment may begin with. None of them is a word of HTML or of another XML dialect of
/// this trade that is met as often.
const DEVICES: &[&str] = &[
    "audio",
    "channel",
    "console",
    "controller",
    "crypto",
    "disk",
    "emulator",
    "filesystem",
    "graphics",
    "hostdev",
    "hub",
    "input",
    "interface",
    "iommu",
    "lease",
    "memballoon",
    "nvram",
    "panic",
    "parallel",
    "pstore",
    "redirdev",
    "rng",
    "serial",
    "shmem",
    "smartcard",
    "sound",
    "tpm",
    "video",
    "vsock",
    "watchdog",
];
const PARTS: &[&str] = &[
    "blkiotune",
    "clock",
    "cpu",
    "cputune",
    "currentMemory",
    "devices",
    "features",
    "iothreads",
    "launchSecurity",
    "maxMemory",
    "memory",
    "memoryBacking",
    "memtune",
    "numatune",
    "os",
    "pm",
    "qemu:commandline",
    "resource",
    "seclabel",
    "sysinfo",
    "vcpu",
];
/// Elements that stand one level deeper, and what they belong in. Names that several elements share are left out.
const INNER: &[(&str, &str)] = &[
    ("bootmenu", "os"),
    ("cmdline", "os"),
    ("emulatorpin", "cputune"),
    ("feature", "cpu"),
    ("hugepages", "memoryBacking"),
    ("hyperv", "features"),
    ("ioapic", "features"),
    ("iothreadpin", "cputune"),
    ("initrd", "os"),
    ("kernel", "os"),
    ("kvm", "features"),
    ("loader", "os"),
    ("nosharepages", "memoryBacking"),
    ("nvram", "os"),
    ("smm", "features"),
    ("timer", "clock"),
    ("topology", "cpu"),
    ("vcpupin", "cputune"),
];

/// The domains of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainXml {
    /// One for each `<domain>`; the fragments of a text without any make one together.
    pub domains: Vec<Domain>,
    /// Every element, for what the typed part does not name.
    pub document: Document,
}

/// One domain. What a fragment does not have is absent or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domain {
    /// Line of `<domain>`; 0 for fragments.
    pub line: u32,
    /// Whether it was put together from fragments: absence then proves nothing.
    pub fragment: bool,
    /// `kvm`, `qemu`, `hvf`, `xen`.
    pub domain_type: Text,
    /// Name.
    pub name: Text,
    /// UUID.
    pub uuid: Text,
    /// Memory, in bytes.
    pub memory: Option<Spanned<u64>>,
    /// What the balloon is set to, in bytes.
    pub current_memory: Option<Spanned<u64>>,
    /// Limit of memory hotplug, in bytes.
    pub max_memory: Option<Spanned<u64>>,
    /// Virtual CPUs.
    pub vcpu: Option<Vcpu>,
    /// Number of I/O threads.
    pub iothreads: Option<Spanned<u64>>,
    /// Boot and firmware.
    pub os: Os,
    /// Names of `<features>`, with their line; those with `state='off'` are left out.
    pub features: Vec<Spanned<String>>,
    /// CPU.
    pub cpu: Option<Cpu>,
    /// Pinning.
    pub cputune: CpuTune,
    /// Where guest memory comes from.
    pub memory_backing: MemoryBacking,
    /// NUMA policy on the host.
    pub numatune: Option<NumaTune>,
    /// Clock and timers.
    pub clock: Clock,
    /// Hard limit of memory, `<memtune><hard_limit>`, in bytes.
    pub hard_limit: Option<Spanned<u64>>,
    /// Devices.
    pub devices: Devices,
    /// Confidential computing.
    pub launch_security: Option<LaunchSecurity>,
    /// Arguments handed to QEMU raw, `<qemu:arg value=...>`.
    pub qemu_args: Vec<Spanned<String>>,
    /// Security labels: model and type.
    pub seclabels: Vec<(Text, Text)>,
}

impl DomainXml {
    /// The only or first domain.
    #[must_use]
    pub fn first(&self) -> Option<&Domain> {
        self.domains.first()
    }

    /// Whether any domain or fragment has an element at a path such as `devices/disk/source`.
    #[must_use]
    pub fn has_element(&self, path: &str) -> bool {
        self.element(path).is_some()
    }

    /// An attribute of the first element at a path that has it.
    #[must_use]
    pub fn attribute(&self, path: &str, name: &str) -> Option<Spanned<&str>> {
        self.elements(path).into_iter().find_map(|element| element.attribute(name))
    }

    /// The first element at a path.
    #[must_use]
    pub fn element(&self, path: &str) -> Option<Element<'_>> {
        self.elements(path).into_iter().next()
    }

    /// Every element at a path below `<domain>`, in the order of the text. A fragment stands where it belongs:
    /// `<disk>` alone is found at `devices/disk`.
    #[must_use]
    pub fn elements(&self, path: &str) -> Vec<Element<'_>> {
        scopes(&self.document).iter().flat_map(|scope| scope.find(path)).collect()
    }
}

impl View for DomainXml {
    const KIND: Kind = Kind::new("domain_xml");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &["<"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (document, mut issues) = Document::read(text);
        let domains: Vec<Domain> = scopes(&document).iter().map(Domain::read).collect();
        if domains.is_empty() {
            issues.push(Issue::new(0, "no domain and no part of one was found"));
        }
        (Self { domains, document }, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (mut tags, mut others, mut known) = (0, 0, false);
        for line in head.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Some(tag) = line.strip_prefix('<') else {
                others += 1;
                continue;
            };
            tags += 1;
            let end = tag.find(|letter: char| letter.is_whitespace() || matches!(letter, '>' | '/'));
            let tag = &tag[..end.unwrap_or(tag.len())];
            if tag == "domain"
                && (line.contains("type=") || head.contains("<devices>") || head.contains("<os"))
            {
                return 95;
            }
            // These have parts of the same names.
            if matches!(
                tag,
                "domainCapabilities" | "capabilities" | "network" | "pool" | "volume" | "device" | "html"
            ) {
                return 0;
            }
            known |=
                DEVICES.contains(&tag) || PARTS.contains(&tag) || INNER.iter().any(|inner| inner.0 == tag);
        }
        match (known, name.ends_with(".xml")) {
            (true, true) => 90,
            (true, false) if tags >= others => 85,
            (true, false) => 45,
            (false, true) => 20,
            (false, false) => 0,
        }
    }
}

/// The elements that make one domain.
struct Scope<'a> {
    line: u32,
    domain: Option<Element<'a>>,
    /// Children of `<domain>`, or the fragments.
    parts: Vec<Element<'a>>,
}

/// Every domain of a document; without any, its fragments as one.
fn scopes(document: &Document) -> Vec<Scope<'_>> {
    let domains: Vec<Scope> = document
        .elements()
        // `virsh edit <domain>` in the prose around opens an element that nothing closes; what it swallows
        // is not its own.
        .filter(|element| {
            element.name() == "domain" && !element.children().any(|child| child.name() == "domain")
        })
        .filter(|element| element.attributes().next().is_some() || element.children().next().is_some())
        // `<domain>0x0000</domain>` is a part of a device of `virsh nodedev-dumpxml`.
        .filter(|element| element.text().is_none() || element.children().next().is_some())
        .map(|domain| Scope { line: domain.line(), domain: Some(domain), parts: domain.children().collect() })
        .collect();
    if !domains.is_empty() {
        return domains;
    }
    let known = |name: &str| {
        DEVICES.contains(&name) || PARTS.contains(&name) || INNER.iter().any(|inner| inner.0 == name)
    };
    let parts: Vec<Element> = document
        .elements()
        // The outermost known elements: what is around them is not XML, or not a domain's.
        .filter(|element| {
            known(element.name()) && !element.parent().is_some_and(|parent| inside_known(parent, known))
        })
        .collect();
    if parts.is_empty() { Vec::new() } else { vec![Scope { line: 0, domain: None, parts }] }
}

/// How far up a fragment's ancestors are looked at; a domain is not deeper.
const DEPTH_MAX: usize = 12;

fn inside_known(element: Element, known: impl Fn(&str) -> bool) -> bool {
    std::iter::successors(Some(element), |element| element.parent())
        .take(DEPTH_MAX)
        .any(|element| known(element.name()))
}

impl<'a> Scope<'a> {
    fn find(&self, path: &str) -> Vec<Element<'a>> {
        let path = path.strip_prefix("domain/").unwrap_or(path);
        let mut names = path.split('/');
        let Some(first) = names.next() else { return Vec::new() };
        let mut found: Vec<Element> =
            self.parts.iter().copied().filter(|part| part.name() == first).collect();
        for name in names.clone() {
            found = found.into_iter().flat_map(|element| element.all(name).collect::<Vec<_>>()).collect();
        }
        if self.domain.is_some() {
            return found;
        }
        // A fragment of a device or of an inner element stands without its parent.
        if let Some(second) = names.next() {
            let belongs =
                (first == "devices" && DEVICES.contains(&second)) || INNER.contains(&(second, first));
            if belongs {
                let mut loose: Vec<Element> =
                    self.parts.iter().copied().filter(|part| part.name() == second).collect();
                for name in names {
                    loose =
                        loose.into_iter().flat_map(|element| element.all(name).collect::<Vec<_>>()).collect();
                }
                found.extend(loose);
            }
        }
        found
    }

    fn one(&self, path: &str) -> Option<Element<'a>> {
        self.find(path).into_iter().next()
    }

    fn text(&self, path: &str) -> Text {
        self.one(path)?.text().map(owned)
    }

    fn attr(&self, path: &str, name: &str) -> Text {
        self.find(path).into_iter().find_map(|element| element.attr(name))
    }

    /// Children of `<devices>`, or loose devices.
    fn devices(&self) -> Vec<Element<'a>> {
        let mut devices: Vec<Element> =
            self.find("devices").into_iter().flat_map(Element::children).collect();
        if self.domain.is_none() {
            devices.extend(self.parts.iter().copied().filter(|part| DEVICES.contains(&part.name())));
        }
        devices
    }
}

impl Domain {
    fn read(scope: &Scope) -> Self {
        let features = scope.find("features").into_iter().flat_map(Element::children);
        let on = |element: &Element| element.attribute("state").is_none_or(|state| state.value != "off");
        // `<name>` and `<uuid>` are names of many elements: they are the domain's only in a domain.
        let own = |path: &str| scope.domain.and_then(|domain| domain.child_text(path));
        Self {
            line: scope.line,
            fragment: scope.domain.is_none(),
            domain_type: scope.domain.and_then(|domain| domain.attr("type")),
            name: own("name"),
            uuid: own("uuid"),
            memory: scope.one("memory").and_then(bytes),
            current_memory: scope.one("currentMemory").and_then(bytes),
            max_memory: scope.one("maxMemory").and_then(bytes),
            vcpu: scope.one("vcpu").map(Vcpu::read),
            iothreads: scope.one("iothreads").and_then(number_in),
            os: Os::read(scope),
            features: features
                .filter(on)
                .map(|element| Spanned::new(element.name().to_owned(), element.line()))
                .collect(),
            cpu: Cpu::read(scope),
            cputune: CpuTune::read(scope),
            memory_backing: MemoryBacking::read(scope),
            numatune: scope.one("numatune/memory").map(NumaTune::read),
            clock: Clock::read(scope),
            hard_limit: scope.one("memtune/hard_limit").and_then(bytes),
            devices: Devices::read(&scope.devices()),
            launch_security: scope.one("launchSecurity").map(LaunchSecurity::read),
            qemu_args: scope
                .find("qemu:commandline/qemu:arg")
                .into_iter()
                .filter_map(|argument| argument.attr("value"))
                .collect(),
            seclabels: scope
                .find("seclabel")
                .into_iter()
                .map(|label| (label.attr("model"), label.attr("type")))
                .collect(),
        }
    }

    /// Whether a feature of `<features>` is there and on: `acpi`, `smm`, `hyperv`, `ioapic`.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<u32> {
        self.features.iter().find(|feature| feature.value == name).map(|feature| feature.line)
    }

    /// Whether the domain hands raw arguments to QEMU that contain a text.
    #[must_use]
    pub fn qemu_arg(&self, part: &str) -> Option<&Spanned<String>> {
        self.qemu_args.iter().find(|argument| argument.value.contains(part))
    }
}

/// The text of an element as a whole number.
fn number_in(element: Element) -> Option<Spanned<u64>> {
    let text = element.text()?;
    Some(Spanned::new(text.value.parse().ok()?, text.line))
}

fn number(text: Text) -> Option<Spanned<u64>> {
    let text = text?;
    let value = match text.value.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => text.value.parse().ok()?,
    };
    Some(Spanned::new(value, text.line))
}

/// A size with the attribute `unit` (formatdomain.html, "Memory Allocation"); KiB where absent.
fn bytes(element: Element) -> Option<Spanned<u64>> {
    let text = element.text()?;
    scaled(text.value, element.attribute("unit").map_or("KiB", |unit| unit.value))
        .map(|bytes| Spanned::new(bytes, text.line))
}

fn scaled(number: &str, unit: &str) -> Option<u64> {
    let factor: u64 = match unit {
        "b" | "bytes" => 1,
        "KB" => 1000,
        "k" | "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A PCI address from an element's attributes, with the element's line.
fn pci(element: Element) -> Option<Spanned<PciAddress>> {
    let part = |name: &str| element.attribute(name).map_or("0", |value| value.value);
    element.attribute("bus")?;
    let address = PciAddress::from_parts(part("domain"), part("bus"), part("slot"), part("function"))?;
    Some(Spanned::new(address, element.line()))
}

/// `yes` and `on` as truth.
fn truth(text: &Text) -> bool {
    text.as_ref().is_some_and(|text| matches!(text.value.as_str(), "yes" | "on"))
}

#[cfg(test)]
mod tests;
