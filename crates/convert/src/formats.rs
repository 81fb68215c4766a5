//! The table of formats: how each is told from others, read and written. A format is a module of its own; its line
//! here is all that the rest of the program knows of it.

use crate::{
    Effect, Format, Read, ReadError, Remark, Written, cloud_hypervisor, firecracker, kubevirt, libvirt, qemu,
    toml,
};
use thiserror::Error;
use vmwright_formats::machine_spec::WriteError;
use vmwright_formats::{MachineSpecView, View};
use vmwright_model::MachineSpec;
use vmwright_model::machine::ForeignFormat;

type Reader = fn(&str) -> Result<Read, ReadError>;
type Writer = fn(&MachineSpec) -> Result<Written, ConvertError>;

/// Why a text was not translated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConvertError {
    /// No format that can be read is recognised.
    #[error("the text is in none of the formats that describe a machine: {}", names(Format::reader))]
    Unrecognised,
    /// The format cannot be read.
    #[error("{} cannot be read yet, only {}", .0.name(), names(Format::reader))]
    Unread(Format),
    /// The format cannot be written.
    #[error("{} cannot be written yet, only {}", .0.name(), names(Format::writer))]
    Unwritten(Format),
    /// The text is wrong.
    #[error(transparent)]
    Read(ReadError),
    /// The machine has no such text.
    #[error(transparent)]
    Write(WriteError),
    /// The machine has no command line.
    #[error(transparent)]
    Argv(qemu::ArgvError),
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Toml,
        Self::Libvirt,
        Self::Qemu,
        Self::Firecracker,
        Self::CloudHypervisor,
        Self::CloudHypervisorArgs,
        Self::Kubevirt,
    ];

    /// As the user types it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Libvirt => "libvirt",
            Self::Qemu => "qemu",
            Self::Firecracker => "firecracker",
            Self::CloudHypervisor => "cloud-hypervisor",
            Self::CloudHypervisorArgs => "cloud-hypervisor-args",
            Self::Kubevirt => "kubevirt",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format of a text, by what stands in it and by the name of its file.
    #[must_use]
    pub fn recognise(name: &str, text: &str) -> Option<Self> {
        let head = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if head.starts_with('<') {
            return Some(Self::Libvirt);
        }
        if head.starts_with('{') {
            if head.contains("kubevirt.io/") {
                return Some(Self::Kubevirt);
            }
            let own = ["\"boot-source\"", "\"machine-config\""];
            return Some(if own.iter().any(|key| head.contains(key)) {
                Self::Firecracker
            } else {
                Self::CloudHypervisor
            });
        }
        // Objects of a list are indented, and their first key has a dash.
        let is_machine = |line: &str| {
            let line = line.trim_start_matches([' ', '-']);
            line.strip_prefix("kind:")
                .is_some_and(|kind| kind.trim_start_matches([' ', '"', '\'']).starts_with("VirtualMachine"))
        };
        if head.lines().any(is_machine) {
            return Some(Self::Kubevirt);
        }
        let first = head.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
        if first.contains("cloud-hypervisor") {
            return Some(Self::CloudHypervisorArgs);
        }
        if first.contains("qemu-system") || first.ends_with("qemu-kvm") || first.starts_with('-') {
            return Some(Self::Qemu);
        }
        (MachineSpecView::recognise(name, text) > 0 || head.lines().any(|line| line.starts_with("name")))
            .then_some(Self::Toml)
    }

    fn reader(self) -> Option<Reader> {
        match self {
            Self::Toml => Some(toml::read),
            Self::Libvirt => Some(libvirt::read),
            Self::Qemu => Some(qemu::read),
            Self::Firecracker => Some(firecracker::read),
            Self::CloudHypervisor => Some(cloud_hypervisor::read),
            Self::CloudHypervisorArgs => Some(cloud_hypervisor::args::read),
            Self::Kubevirt => Some(kubevirt::read),
        }
    }

    fn writer(self) -> Option<Writer> {
        match self {
            Self::Toml => Some(|spec| toml::write(spec).map_err(ConvertError::Write)),
            Self::Libvirt => Some(|spec| Ok(libvirt::write(spec))),
            Self::Qemu => Some(|spec| qemu::text(spec).map_err(ConvertError::Argv)),
            Self::Firecracker => Some(|spec| Ok(firecracker::write(spec))),
            Self::CloudHypervisor => Some(|spec| Ok(cloud_hypervisor::write(spec))),
            Self::CloudHypervisorArgs => Some(|spec| Ok(cloud_hypervisor::args::write(spec))),
            Self::Kubevirt => Some(|spec| Ok(kubevirt::write(spec))),
        }
    }

    /// Whose foreign parts it writes back; TOML keeps all.
    fn own(self, part: ForeignFormat) -> bool {
        match self {
            Self::Toml => true,
            Self::Libvirt => part == ForeignFormat::Libvirt,
            Self::Qemu => part == ForeignFormat::Qemu,
            Self::Firecracker => part == ForeignFormat::Firecracker,
            Self::CloudHypervisor | Self::CloudHypervisorArgs => part == ForeignFormat::CloudHypervisor,
            Self::Kubevirt => part == ForeignFormat::Kubevirt,
        }
    }
}

/// Most remarks in which a part is looked for: as many unknown keys as are told.
const READ_TOLD: usize = 100;

fn names<T>(of: fn(Format) -> Option<T>) -> String {
    let known: Vec<&str> =
        Format::ALL.into_iter().filter(|one| of(*one).is_some()).map(Format::name).collect();
    known.join(", ")
}

/// Translates a text. Remarks of reading stand before those of writing.
///
/// # Errors
/// [`ConvertError`].
pub fn convert(from: Format, to: Format, text: &str) -> Result<Written, ConvertError> {
    let read = from.reader().ok_or(ConvertError::Unread(from))?;
    let write = to.writer().ok_or(ConvertError::Unwritten(to))?;
    let Read { spec, mut remarks } = read(text).map_err(ConvertError::Read)?;
    let mut written = write(&spec)?;
    // What was read otherwise than it was said is written back as it was.
    remarks.retain(|remark| from != to || remark.effect != Effect::Approximated);
    remarks.append(&mut written.remarks);
    for part in spec.foreign.iter().filter(|part| !to.own(part.format)) {
        // That something is spelled otherwise is no loss where nothing is spelled like this at all.
        if part.text.starts_with("<?") || part.text.starts_with("<![CDATA[") {
            continue;
        }
        // The writer has told what of these it has no word for.
        if to == Format::Qemu && part.format == ForeignFormat::Libvirt {
            continue;
        }
        // Nobody has a word for what the format itself has not.
        if remarks.iter().take(READ_TOLD).any(|told| told.effect == Effect::Lost && told.item == part.at) {
            continue;
        }
        remarks.push(Remark {
            effect: Effect::Lost,
            item: part.at.clone(),
            why: format!("{} has no word for {}", to.name(), part.text),
        });
    }
    if from == Format::Kubevirt {
        kubevirt::place(text, &mut remarks);
    }
    Ok(Written { remarks, ..written })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_what_stands_in_them() {
        for (text, format) in [
            ("<domain type='kvm'/>", Some(Format::Libvirt)),
            ("<?xml version='1.0'?>\n<domain/>", Some(Format::Libvirt)),
            ("# a\nname = 'x'\n", Some(Format::Toml)),
            ("LC_ALL=C /usr/bin/qemu-system-x86_64 -m 1G", Some(Format::Qemu)),
            ("-M q35 -m 1G", Some(Format::Qemu)),
            ("cloud-hypervisor --cpus boot=1", Some(Format::CloudHypervisorArgs)),
            ("{ \"boot-source\": {} }", Some(Format::Firecracker)),
            ("{ \"payload\": {} }", Some(Format::CloudHypervisor)),
            ("apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n", Some(Format::Kubevirt)),
            ("kind: List\nitems:\n- kind: \"VirtualMachineInstance\"\n", Some(Format::Kubevirt)),
            ("{ \"apiVersion\": \"kubevirt.io/v1\" }", Some(Format::Kubevirt)),
            ("hello", None),
        ] {
            assert_eq!(Format::recognise("x", text), format, "{text}");
        }
        assert!(Format::ALL.into_iter().all(|format| Format::named(format.name()) == Some(format)));
    }

    #[test]
    fn what_toml_says_is_said_in_xml_and_back() {
        let toml = "name = 'web'\nbare = true\n[[disk]]\npath = '/srv/web.qcow2'\nformat = 'qcow2'\n";
        let xml = convert(Format::Toml, Format::Libvirt, toml).expect("a machine");
        assert_eq!(
            xml.remarks.iter().filter(|one| one.effect != Effect::Defaulted).count(),
            0,
            "{:?}",
            xml.remarks
        );
        let back = convert(Format::Libvirt, Format::Toml, &xml.text).expect("a domain");
        assert!(back.text.contains("path = \"/srv/web.qcow2\""), "{}", back.text);
        assert!(convert(Format::Toml, Format::Libvirt, "name = 1").is_err());
    }
}
