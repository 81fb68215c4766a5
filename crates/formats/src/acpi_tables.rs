//! The firmware's tables about the IOMMU, DMAR of Intel and IVRS of AMD, as `acpidump` writes bytes:
//!
//! ```text
//! DMAR @ 0x0000000000000000
//!   0000: 44 4D 41 52 50 00 00 00 01 9B 42 4F 43 48 53 20  DMARP.....BOCHS
//! ```

mod dmar;
mod ivrs;

use crate::lines::{lines, share};
use crate::{PciAddress, View};
pub use dmar::{Dmar, Reserved, Unit};
pub use ivrs::{Ivrs, Memory};
use vmwright_model::{Issue, Kind};

/// Bytes of the header that every table has (ACPI specification 6.5, 5.2.6).
const HEADER: usize = 36;

/// Largest table that is read, in bytes. Those of large servers have some 10 KiB.
const LARGEST: usize = 1 << 20;

/// A device that a table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Line on which its entry begins.
    pub line: u32,
    /// Its address; none where it lies behind bridges, whose buses the table does not tell.
    pub address: Option<PciAddress>,
}

/// What the tables of a text say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcpiTables {
    /// Intel's.
    pub dmar: Option<Dmar>,
    /// AMD's.
    pub ivrs: Option<Ivrs>,
}

/// A table's bytes, and the line of each sixteen.
struct Table {
    name: String,
    line: u32,
    bytes: Vec<u8>,
    /// Offset of a line's first byte, and the line.
    places: Vec<(usize, u32)>,
}

impl Table {
    /// The line of the byte at an offset.
    fn line(&self, offset: usize) -> u32 {
        let at = self.places.partition_point(|(start, _)| *start <= offset);
        at.checked_sub(1).and_then(|at| self.places.get(at)).map_or(self.line, |place| place.1)
    }

    fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    fn u64(&self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl View for AcpiTables {
    const KIND: Kind = Kind::new("acpi_tables");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &[" @ 0x"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (tables, mut issues) = tables(text);
        let mut view = Self::default();
        for table in &tables {
            let whole = table.u32(4).is_some_and(|length| length as usize == table.bytes.len());
            let sum = table.bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            if table.bytes.get(..4) != Some(table.name.as_bytes()) {
                issues
                    .push(Issue::new(table.line, "the bytes are not of the table that is named above them"));
                continue;
            }
            if !whole {
                issues.push(Issue::new(table.line, "the table is not whole"));
            } else if sum != 0 {
                issues.push(Issue::new(table.line, "the table's checksum is wrong"));
            }
            match table.name.as_str() {
                "DMAR" => view.dmar = Some(dmar::read(table, &mut issues)),
                "IVRS" => view.ivrs = Some(ivrs::read(table, &mut issues)),
                // Of acpidump without a name come all tables.
                _ => {}
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let first = head.lines().find(|line| !line.trim().is_empty());
        let (hits, all) = share(head, |line| row(line).is_some() || name(line).is_some());
        if first.is_some_and(|line| name(line).is_some()) && hits * 3 >= all * 2 { 95 } else { 0 }
    }
}

/// The tables of a text. A row out of its order ends what is known of a table.
fn tables(text: &str) -> (Vec<Table>, Vec<Issue>) {
    let (mut tables, mut issues): (Vec<Table>, Vec<Issue>) = (Vec::new(), Vec::new());
    for (number, line) in lines(text) {
        if line.trim().is_empty() {
            continue;
        }
        if let Some(name) = name(line) {
            tables.push(Table { name: name.to_owned(), line: number, bytes: Vec::new(), places: Vec::new() });
            continue;
        }
        match (row(line), tables.last_mut()) {
            (Some((offset, bytes)), Some(table))
                if offset == table.bytes.len() && table.bytes.len() + bytes.len() <= LARGEST =>
            {
                table.places.push((offset, number));
                table.bytes.extend(bytes);
            }
            _ => issues.push(Issue::new(number, "not a row of a table's bytes")),
        }
    }
    (tables, issues)
}

/// `DMAR @ 0x00000000BFFE2123`.
fn name(line: &str) -> Option<&str> {
    let (name, address) = line.trim_end().split_once(" @ 0x")?;
    let fits = name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (fits && !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

/// `  0010: 42 58 50 43  BXPC`: the offset and at most 16 bytes.
fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (offset, rest) = line.trim_start().split_once(": ")?;
    let fits = (4..=8).contains(&offset.len()) && offset.bytes().all(|byte| byte.is_ascii_hexdigit());
    let offset = fits.then(|| usize::from_str_radix(offset, 16).ok())??;
    let mut bytes = Vec::with_capacity(16);
    // Two blanks end the bytes; what follows shows them as letters.
    for word in rest.split(' ').take(16) {
        let Some(byte) = (word.len() == 2).then(|| u8::from_str_radix(word, 16).ok()).flatten() else {
            break;
        };
        bytes.push(byte);
    }
    (!bytes.is_empty()).then_some((offset, bytes))
}

/// The structures that follow each other from `from` on: offset, type and length of each. What has no length that leads
/// on ends the walk.
fn walk(
    table: &Table,
    from: usize,
    until: usize,
    head: impl Fn(usize) -> Option<(u16, usize)>,
    issues: &mut Vec<Issue>,
) -> Vec<(usize, u16, usize)> {
    let until = until.min(table.bytes.len());
    let mut found = Vec::new();
    let mut at = from;
    while at < until {
        match head(at).filter(|(_, length)| *length > 0 && *length <= until - at) {
            Some((kind, length)) => {
                found.push((at, kind, length));
                at += length;
            }
            None => {
                issues.push(Issue::new(table.line(at), "a structure does not fit into the table"));
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_names() {
        assert_eq!(name("DMAR @ 0x0000000000000000"), Some("DMAR"));
        assert_eq!((name("dmar @ 0x0"), name("DMAR @ 0xzz"), name("DMAR @ 0x")), (None, None, None));
        assert_eq!(row("  0010: 42 58  BX"), Some((16, vec![0x42, 0x58])));
        assert_eq!((row("0010: zz"), row("10: 42"), row("0010:42")), (None, None, None));
        let (_, issues) = AcpiTables::read("DMAR @ 0x0\n  0010: 44\n  0000: 44 4D 41 53\n");
        assert_eq!(issues.len(), 2, "a row out of its order, another table's bytes: {issues:?}");
        let (view, issues) = AcpiTables::read("DMAR @ 0x0\n  0000: 44 4D 41 52\n");
        assert_eq!((view.dmar.is_some(), issues.len()), (true, 1), "cut off: {issues:?}");
    }
}
