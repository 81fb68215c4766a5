//! DMAR: Intel Virtualization Technology for Directed I/O, architecture specification, revision 4.1, chapter 8.

use super::{HEADER, Named, Table, walk};
use crate::PciAddress;
use vmwright_model::{Issue, Spanned};

/// What the table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dmar {
    /// Bits of a physical address that DMA can reach (8.1, Host Address Width, which is one less).
    pub address_bits: Option<Spanned<u8>>,
    /// Whether the platform supports interrupt remapping (8.1, INTR_REMAP).
    pub interrupt_remapping: Option<Spanned<bool>>,
    /// Whether the firmware asks that x2APIC be left off (8.1, X2APIC_OPT_OUT).
    pub x2apic_opt_out: Option<Spanned<bool>>,
    /// Whether the firmware asks for protection against DMA before the system has started (8.1,
    /// DMA_CTRL_PLATFORM_OPT_IN_FLAG).
    pub dma_control_opt_in: Option<Spanned<bool>>,
    /// Remapping units (8.3).
    pub units: Vec<Unit>,
    /// Memory that firmware keeps for devices (8.4).
    pub reserved: Vec<Reserved>,
    /// Root ports behind which devices may translate addresses themselves (8.5, ATSR).
    pub ats_ports: Vec<Named>,
}

/// A remapping unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Line on which it begins.
    pub line: u32,
    /// PCI segment.
    pub segment: u16,
    /// Address of its registers.
    pub registers: u64,
    /// Whether it has every device of its segment that no other unit names.
    pub includes_all: bool,
    /// Devices that it names.
    pub devices: Vec<Named>,
}

/// Memory that firmware keeps for devices: a device of it cannot be given to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// Line on which it begins.
    pub line: u32,
    /// First and last byte.
    pub range: (u64, u64),
    /// For whom.
    pub devices: Vec<Named>,
}

pub(super) fn read(table: &Table, issues: &mut Vec<Issue>) -> Dmar {
    let flag =
        |bit: u8| table.u8(HEADER + 1).map(|flags| Spanned::new(flags & bit != 0, table.line(HEADER + 1)));
    let mut view = Dmar {
        address_bits: table.u8(HEADER).map(|width| Spanned::new(width.saturating_add(1), table.line(HEADER))),
        interrupt_remapping: flag(1),
        x2apic_opt_out: flag(2),
        dma_control_opt_in: flag(4),
        ..Dmar::default()
    };
    // Ten bytes are reserved behind width and flags.
    let head = |at: usize| Some((table.u16(at)?, usize::from(table.u16(at + 2)?)));
    for (at, kind, length) in walk(table, HEADER + 12, table.bytes.len(), head, issues) {
        let line = table.line(at);
        let end = at + length;
        let short = || Issue::new(line, "a structure is shorter than its kind");
        match kind {
            // DRHD.
            0 => match (table.u8(at + 4), table.u16(at + 6), table.u64(at + 8)) {
                (Some(flags), Some(segment), Some(registers)) if length >= 16 => {
                    let devices = scope(table, segment, at + 16, end, issues);
                    view.units.push(Unit { line, segment, registers, includes_all: flags & 1 != 0, devices });
                }
                _ => issues.push(short()),
            },
            // RMRR.
            1 => match (table.u16(at + 6), table.u64(at + 8), table.u64(at + 16)) {
                (Some(segment), Some(first), Some(last)) if length >= 24 => {
                    let devices = scope(table, segment, at + 24, end, issues);
                    view.reserved.push(Reserved { line, range: (first, last), devices });
                }
                _ => issues.push(short()),
            },
            // ATSR.
            2 => match table.u16(at + 6) {
                Some(segment) if length >= 8 => {
                    view.ats_ports.extend(scope(table, segment, at + 8, end, issues));
                }
                _ => issues.push(short()),
            },
            // RHSA, ANDD, SATC, SIDP, and what comes later.
            _ => {}
        }
    }
    view
}

/// The PCI devices of a device scope (8.3.1): type 1 is a function, 2 a bridge with all behind it. IOAPICs, HPETs and
/// devices of the namespace are left out.
fn scope(table: &Table, segment: u16, from: usize, until: usize, issues: &mut Vec<Issue>) -> Vec<Named> {
    let head = |at: usize| Some((u16::from(table.u8(at)?), usize::from(table.u8(at + 1)?)));
    let mut found = Vec::new();
    for (at, kind, length) in walk(table, from, until, head, issues) {
        if !matches!(kind, 1 | 2) {
            continue;
        }
        // Bus, then device and function of each step; what is behind a bridge lies on a bus that only it knows.
        let step = (table.u8(at + 5), table.u8(at + 6), table.u8(at + 7));
        let address = match step {
            (Some(bus), Some(slot), Some(function)) if length == 8 && slot < 32 && function < 8 => {
                Some(PciAddress { domain: segment.into(), bus, slot, function })
            }
            _ => None,
        };
        found.push(Named { line: table.line(at), address });
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::{AcpiTables, View};

    #[test]
    fn a_table_that_qemu_made() {
        let (view, issues) = AcpiTables::read(include_str!("../../tests/samples/acpi_tables.txt"));
        assert_eq!(issues, []);
        let dmar = view.dmar.unwrap();
        // `-device intel-iommu,intremap=on,aw-bits=48`.
        assert_eq!(dmar.address_bits.as_ref().map(|bits| (bits.value, bits.line)), Some((48, 4)));
        assert_eq!(dmar.interrupt_remapping.as_ref().map(|on| on.value), Some(true));
        assert_eq!(dmar.x2apic_opt_out.as_ref().map(|on| on.value), Some(false));
        assert_eq!(dmar.units[0].registers, 0xfed9_0000);
    }

    #[test]
    fn memory_that_firmware_keeps() {
        // By the specification: width 39 bits, no interrupt remapping, x2APIC opt-out; one RMRR for 00:14.0 and for a device
        // behind a bridge.
        let mut bytes = b"DMAR".to_vec();
        let scope = [1, 8, 0, 0, 0, 0, 0x14, 0, 1, 10, 0, 0, 0, 0x1c, 0, 0, 0, 0];
        let rmrr_length = 24 + scope.len() as u16;
        bytes.extend(u32::from(48 + rmrr_length).to_le_bytes());
        bytes.resize(36, 0);
        bytes.extend([38, 2]);
        bytes.resize(48, 0);
        bytes.extend(1_u16.to_le_bytes());
        bytes.extend(rmrr_length.to_le_bytes());
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(0xdd00_0000_u64.to_le_bytes());
        bytes.extend(0xdd0f_ffff_u64.to_le_bytes());
        bytes.extend(scope);
        bytes[9] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
        let rows = bytes.chunks(16).enumerate().map(|(at, row)| {
            let row: Vec<String> = row.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("  {:04X}: {}  ....\n", at * 16, row.join(" "))
        });
        let text = format!("DMAR @ 0x0000000000000000\n{}", rows.collect::<String>());
        let (view, issues) = AcpiTables::read(&text);
        assert_eq!(issues, [], "{text}");
        let dmar = view.dmar.unwrap();
        assert_eq!(dmar.address_bits.map(|bits| bits.value), Some(39));
        assert_eq!(dmar.interrupt_remapping.map(|on| on.value), Some(false));
        assert_eq!(dmar.x2apic_opt_out.map(|on| on.value), Some(true));
        let reserved = &dmar.reserved[0];
        assert_eq!((reserved.line, reserved.range), (5, (0xdd00_0000, 0xdd0f_ffff)));
        let addresses: Vec<_> =
            reserved.devices.iter().map(|one| one.address.map(|at| at.to_string())).collect();
        assert_eq!(addresses, [Some("0000:00:14.0".to_owned()), None]);
    }
}
