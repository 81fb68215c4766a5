//! Records `acpidump -n DMAR` and `acpidump -n IVRS`: the firmware's tables about the IOMMU, byte for byte, as acpidump
//! lays them out. The kernel lets root alone read them.

use crate::file;
use crate::live::Collector;
use std::fmt::Write as _;
use std::path::PathBuf;
use vmwright_model::{Kind, Missing};

/// Where the kernel shows the tables (`Documentation/ABI/testing/sysfs-firmware-acpi`).
pub(crate) const FOLDER: &str = "/sys/firmware/acpi/tables";

/// Intel's table and AMD's.
pub(crate) const TABLES: [&str; 2] = ["DMAR", "IVRS"];

/// Largest table that is read, in bytes. Those of large servers have some 10 KiB.
const MOST: usize = 1 << 20;

pub(super) fn run(collector: &mut Collector<'_>) {
    for table in TABLES {
        let path = PathBuf::from(FOLDER).join(table);
        let bytes = collector.within(move || file::read_head(&path, MOST)).and_then(|bytes| bytes);
        let content = bytes.and_then(|bytes| match bytes.len() {
            MOST => Err(Missing::TooLarge(MOST as u64)),
            _ => Ok(dump(table, &bytes).into_bytes()),
        });
        collector.push(format!("acpidump -n {table}"), Some(Kind::new("acpi_tables")), content);
    }
}

/// acpidump writes an address of zero for a table that it has from sysfs.
fn dump(table: &str, bytes: &[u8]) -> String {
    let mut text = format!("{table} @ 0x0000000000000000\n");
    for (at, row) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02X}")).collect();
        let letter =
            |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let letters: String = row.iter().map(letter).collect();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {:04X}: {:<48} {letters}", at * 16, hex.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::{AcpiTables, View};

    #[test]
    fn a_dump_is_read_again() {
        assert_eq!(
            dump("DMAR", b"DMAR\x01\xff 3456789abcdefg"),
            "DMAR @ 0x0000000000000000\n  \
             0000: 44 4D 41 52 01 FF 20 33 34 35 36 37 38 39 61 62  DMAR.. 3456789ab\n  \
             0010: 63 64 65 66 67                                   cdefg\n"
        );
    }

    #[test]
    fn a_table_of_this_host_is_whole() {
        // Every PC has one; those of the IOMMU are as long and summed in the same way.
        match file::read_head(&PathBuf::from(FOLDER).join("APIC"), MOST) {
            Ok(bytes) => assert_eq!(AcpiTables::read(&dump("APIC", &bytes)).1, []),
            Err(why) => eprintln!("SKIPPED a_table_of_this_host_is_whole: {why}"),
        }
    }
}
