//! IVRS: AMD I/O Virtualization Technology (IOMMU) specification, publication 48882, revision 3.09, chapter 5.2.

use super::{HEADER, Named, Table, walk};
use crate::PciAddress;
use vmwright_model::{Issue, Spanned};

/// What the table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ivrs {
    /// Bits of a physical address (5.2.1, IVinfo, PASize).
    pub address_bits: Option<Spanned<u8>>,
    /// IOMMUs by the address of their registers, each once: the table may describe one in several ways (5.2.2, IVHD).
    pub units: Vec<Spanned<u64>>,
    /// IOAPICs whose interrupts are remapped (5.2.2.5, special device of variety 1).
    pub ioapics: Vec<Spanned<u8>>,
    /// Memory that firmware keeps for devices (5.2.3, IVMD).
    pub memory: Vec<Memory>,
}

/// Memory that firmware keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Line on which it begins.
    pub line: u32,
    /// First byte and length.
    pub range: (u64, u64),
    /// For which device; none for all of them or a range.
    pub device: Option<Named>,
    /// Whether DMA to it is left untranslated: it is excluded rather than mapped.
    pub excluded: bool,
}

/// Type of an entry that has a name of its own length (5.2.2.7).
const NAMED_BY_ACPI: u8 = 240;

pub(super) fn read(table: &Table, issues: &mut Vec<Issue>) -> Ivrs {
    let info = table.u32(HEADER);
    let mut view = Ivrs {
        // Bits 14:8.
        address_bits: info.map(|info| Spanned::new((info >> 8 & 0x7f) as u8, table.line(HEADER))),
        ..Ivrs::default()
    };
    // Eight bytes are reserved behind IVinfo.
    let head = |at: usize| Some((u16::from(table.u8(at)?), usize::from(table.u16(at + 2)?)));
    for (at, kind, length) in walk(table, HEADER + 12, table.bytes.len(), head, issues) {
        let line = table.line(at);
        let short = || Issue::new(line, "a block is shorter than its kind");
        match kind {
            // IVHD of three forms; the first has a shorter head.
            0x10 | 0x11 | 0x40 => {
                let entries = if kind == 0x10 { 24 } else { 40 };
                match table.u64(at + 8) {
                    Some(registers) if length >= entries => {
                        if !view.units.iter().any(|unit| unit.value == registers) {
                            view.units.push(Spanned::new(registers, line));
                        }
                        view.ioapics.extend(ioapics(table, at + entries, at + length, issues));
                    }
                    _ => issues.push(short()),
                }
            }
            // IVMD: for all devices, for one, for a range of them.
            0x20..=0x22 => {
                match (table.u8(at + 1), table.u16(at + 4), table.u64(at + 16), table.u64(at + 24)) {
                    (Some(flags), Some(id), Some(first), Some(size)) if length >= 32 => {
                        let address = PciAddress {
                            domain: table.u16(at + 8).unwrap_or(0).into(),
                            bus: (id >> 8) as u8,
                            slot: (id >> 3 & 0x1f) as u8,
                            function: (id & 7) as u8,
                        };
                        let device = (kind == 0x21).then_some(Named { line, address: Some(address) });
                        view.memory.push(Memory {
                            line,
                            range: (first, size),
                            device,
                            excluded: flags & 8 != 0,
                        });
                    }
                    _ => issues.push(short()),
                }
            }
            _ => {}
        }
    }
    view.ioapics.sort_by_key(|ioapic| ioapic.value);
    view.ioapics.dedup_by_key(|ioapic| ioapic.value);
    view
}

/// The IOAPICs among the entries of an IVHD. The two top bits of an entry's type tell its length.
fn ioapics(table: &Table, from: usize, until: usize, issues: &mut Vec<Issue>) -> Vec<Spanned<u8>> {
    let head = |at: usize| {
        let kind = table.u8(at)?;
        let length = match kind {
            NAMED_BY_ACPI => 22 + usize::from(table.u8(at + 21)?),
            other => 4 << (other >> 6),
        };
        Some((u16::from(kind), length))
    };
    let special = walk(table, from, until, head, issues).into_iter().filter(|(_, kind, _)| *kind == 72);
    special
        .filter(|(at, ..)| table.u8(at + 7) == Some(1))
        .filter_map(|(at, ..)| Some(Spanned::new(table.u8(at + 4)?, table.line(at))))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{AcpiTables, View};

    #[test]
    fn a_table_that_qemu_made() {
        let (view, issues) = AcpiTables::read(include_str!("../../tests/samples/acpi_tables.txt"));
        assert_eq!(issues, []);
        let ivrs = view.ivrs.unwrap();
        // `-device amd-iommu`, whose registers lie where QEMU puts them.
        assert_eq!(ivrs.units.iter().map(|unit| unit.value).collect::<Vec<_>>(), [0xfed8_0000]);
        assert_eq!(ivrs.ioapics.len(), 1, "QEMU names its IOAPIC");
        assert_eq!(ivrs.memory, []);
    }
}
