//! # The domain XML violates the schema, or names something libvirt does not know
//!
//! ## What it is
//! libvirt cannot read the definition: it is not well-formed, an element stands where the schema has none, or an
//! attribute has a value that libvirt does not know. Nothing was started.
//!
//! Heard as: libvirt does not accept the edited XML; element or attribute is rejected by the schema.
//!
//! Known by: XML error; element not expected, extra element in interleave; unknown attribute; virt-xml-validate;
//! malformed; virsh edit refused; unsupported value.
//!
//! ## Why it happens
//! Editing by hand or by template; XML of a newer libvirt on an older one; `qemu:commandline` without its namespace; a tool
//! that writes an empty attribute.
//!
//! ## Confirm
//! `virt-xml-validate FILE domain` (read-only) names the element; libvirt's schema is
//! `/usr/share/libvirt/schemas/domain.rng`.
//!
//! ## Refute
//! The file validates: a refused combination is `machine/config-conflict`, a missing ability
//! `machine/device-model-unsupported`.
//!
//! ## Fix
//! Correct the element at the line that the message names, or take it out where this libvirt is older than it.
//!
//! ## References
//! libvirt `src/util/virxml.c` (validation, attributes), `src/conf/domain_conf.c`, `src/conf/schemas/domaincommon.rng`,
//! formatdomain; libxml2 `parser.c`.

use crate::prelude::*;
use vmwright_formats::DomainXml;

/// libvirt's word for a VLAN tag at a connection that carries none (`src/conf/domain_validate.c`): which ones do has
/// changed with its versions, so that the definition alone proves nothing.
const VLAN: &str = "interface {x} - vlan tag not supported for this connection type";

pub const RULE: Rule = Rule {
    tags: &["machine", "libvirt"],
    signs: &[
        Sign::proof("XML document failed to validate against schema"),
        Sign::proof("Unable to validate doc against"),
        // libvirt `src/util/virerror.c`: what the XML leaves out.
        Sign::strong("missing target information for device"),
        Sign::strong("missing source information for device"),
        Sign::strong("missing name information in"),
        Sign::strong("missing operating system information for"),
        Sign::strong("missing devices information for"),
        Sign::strong("missing root device information in"),
        Sign::strong("failed to validate content"),
        Sign::strong("Extra element {element} in interleave"),
        Sign::strong("Invalid sequence in interleave"),
        Sign::strong("Expecting an element {element}, got nothing"),
        Sign::strong("Expecting element {element}, got"),
        Sign::strong("fails to validate"),
        Sign::proof("(domain_definition):{line}:"),
        Sign::proof("(device_definition):{line}:"),
        Sign::strong("Opening and ending tag mismatch"),
        Sign::strong("Start tag expected, '<' not found"),
        Sign::strong("xmlParseEntityRef"),
        Sign::strong("Premature end of data in tag"),
        Sign::strong("failed to parse xml document"),
        Sign::strong("expecting root element of"),
        Sign::proof("Invalid value for attribute '{attribute}' in element"),
        Sign::proof("Missing required attribute '{attribute}' in element"),
        Sign::strong("XML error: missing"),
        Sign::strong("XML error: unknown"),
        Sign::strong("XML error: Invalid"),
        Sign::strong("XML error: unexpected"),
        Sign::strong("missing element or attribute"),
        Sign::strong("for element or attribute '"),
        Sign::support("XML error: ").unless(&[
            "XML error: Attempted double use",
            "XML error: No PCI",
            "XML error: The ",
        ]),
        Sign::support("unsupported configuration: unknown"),
        Sign::support("unknown address type"),
        Sign::strong("invalid domain type"),
        Sign::strong("unexpected domain type"),
        Sign::strong("unknown disk device"),
        Sign::strong("internal error: Unknown source mode '"),
        Sign::strong("storage format is not directly supported by QEMU, use '"),
        Sign::strong("unknown interface type"),
        Sign::strong("unsupported timer type"),
        Sign::strong("invalid disk target '"),
        Sign::support("has to be a power of two"),
        Sign::strong("must be specified for scsi hostdev source"),
        Sign::strong("Missing required address in <ip>"),
        Sign::strong("Only PCI device addresses with function=0 are supported"),
        Sign::strong("Multiple <model> elements in controller definition not allowed"),
        Sign::strong("only one TPM backend is supported"),
        Sign::strong("a maximum of two TPM devices is supported"),
        Sign::strong("only a single TPM non-proxy device is supported"),
        Sign::strong("an os <type> must be specified"),
        Sign::strong("Invalid PCI address {x}. Only PCI domain 0 is available"),
        Sign::strong("Invalid PCI address {x}. slot must be"),
        Sign::strong("Invalid PCI address {x}. function must be"),
        Sign::strong("Invalid harddisk device name"),
        Sign::strong("Invalid bus type '{x}' for disk"),
        Sign::strong("Memory size must be specified via <memory>"),
        Sign::strong("both maximum memory size and memory slot count must be specified"),
        Sign::strong("maximum memory size must be equal or greater than the actual memory size"),
        Sign::strong("hugepage size can't be zero"),
        Sign::strong("HyperV spinlock retry count must be at least 4095"),
        Sign::strong("guest CIDs must be >= 3"),
        Sign::strong("must use 'pci' or 'unassigned' address type"),
        Sign::strong("path is required for model"),
        Sign::strong("shmem size must be a power of two"),
        Sign::strong("Domain requires at least 1 vCPU"),
        Sign::strong("invalid value for boot menu timeout"),
        Sign::strong(
            "cannot use feature-based firmware autoselection when firmware autoselection is disabled",
        ),
        Sign::strong("no loader path specified and firmware auto selection disabled"),
        Sign::strong("value for 'vgamem' must be"),
        Sign::strong("value for 'vram' must be"),
        Sign::strong("label overrides require relabeling to be enabled"),
        Sign::strong("Missing <source> element in hostdev device"),
        Sign::strong("Overlapping vcpus in resctrls"),
        Sign::strong("virtio disk cannot have an address of type"),
        Sign::strong("teaming transient interface must be type='hostdev'"),
        Sign::strong("unknown driver format value"),
        Sign::strong("the QEMU binary does not support the ISA panic device"),
        Sign::strong("USB bus {n} requested but no controller with that index is present"),
        Sign::strong("requested USB port {p} not present on USB bus"),
        Sign::strong(VLAN),
        Sign::strong("disk device='lun' is not supported for"),
        Sign::strong("disk device 'lun' must use 'raw' format"),
        Sign::strong("is unrecognized, requires build"),
    ],
    words: &["virsh define", "virsh edit", "domain xml", "schema", "failed to define", "template"],
    tells: "virt-xml-validate FILE domain",
    remedy: "correct or take out the element that the message names",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for xml in cx.all::<DomainXml>() {
        // libvirt drops raw arguments without their namespace in silence, or refuses them under validation.
        let raw = xml.element("qemu:commandline");
        let declared = xml.document.roots().any(|root| root.attribute("xmlns:qemu").is_some());
        let whole = xml.domains.iter().any(|domain| !domain.fragment);
        let line = raw.filter(|_| whole && !declared).map(|raw| raw.line());
        let shows = "the namespace xmlns:qemu is not declared at the domain";
        draft = draft.because(Strength::Strong, line.and_then(|line| xml.quote(line)), shows);
        let refused = xml.domains.iter().filter(|_| cx.stands(VLAN)).find_map(|domain| {
            let tagged = domain.devices.interfaces.iter().find_map(|one| {
                let switch = one.virtualport.is_some()
                    || one.interface_type.as_ref().is_some_and(|kind| kind.value == "hostdev");
                one.vlans.first().filter(|_| !switch)
            })?;
            Some((domain, tagged))
        });
        if let Some((domain, tagged)) = refused {
            let shows = "its network is not connected to what carries VLAN tags";
            draft = draft.because(Strength::Strong, xml.quote(tagged.line), shows);
            if let Some(name) = &domain.name {
                draft = draft
                    .title(format!("{} has VLAN tags on a connection that carries none", name.value))
                    .about(Subject::new(SubjectKind::Vm, name.value.clone()));
            }
        }
    }
    vec![draft.verdict()]
}
