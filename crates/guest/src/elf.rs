//! As much of ELF64 as is needed: the section `.modinfo` of a kernel module, and whether a program is static.
//! Offsets are those of `<elf.h>`. Every read is checked against the end of the file.

/// Why a file is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ElfError {
    #[error("not a 64-bit little-endian ELF file")]
    NotElf,
    #[error("cut off or damaged: {0} lies outside the file")]
    Outside(&'static str),
    #[error("has no section .modinfo")]
    NoModinfo,
}

/// An ELF64 file.
pub(crate) struct Elf<'a> {
    bytes: &'a [u8],
}

impl<'a> Elf<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, ElfError> {
        // EI_CLASS 2 is 64 bit, EI_DATA 1 is little-endian.
        if bytes.len() < 64 || !bytes.starts_with(b"\x7fELF\x02\x01") {
            Err(ElfError::NotElf)
        } else {
            Ok(Self { bytes })
        }
    }

    /// `e_machine`; 62 is x86-64.
    pub(crate) fn machine(&self) -> u16 {
        u16::from_le_bytes([self.bytes[18], self.bytes[19]])
    }

    /// Whether the program asks for a dynamic loader (a program header of type `PT_INTERP`).
    pub(crate) fn has_interpreter(&self) -> Result<bool, ElfError> {
        const PT_INTERP: u64 = 3;
        let table = self.number(32, 8, "program headers")?;
        let size = self.number(54, 2, "program headers")?;
        let count = self.number(56, 2, "program headers")?;
        for index in 0..count {
            if self.number(table.saturating_add(index * size), 4, "program headers")? == PT_INTERP {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The `name=value` strings of `.modinfo`, in their order. Values that are not UTF-8 are left out.
    pub(crate) fn modinfo(&self) -> Result<impl Iterator<Item = (&'a str, &'a str)>, ElfError> {
        let section = self.section(b".modinfo")?.ok_or(ElfError::NoModinfo)?;
        Ok(section
            .split(|&byte| byte == 0)
            .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('=')))
    }

    fn section(&self, name: &[u8]) -> Result<Option<&'a [u8]>, ElfError> {
        const HEADERS: &str = "section headers";
        let table = self.number(40, 8, HEADERS)?;
        let size = self.number(58, 2, HEADERS)?;
        let count = self.number(60, 2, HEADERS)?;
        let names = self.number(62, 2, HEADERS)?;
        let content = |index: u64| {
            let header = table.saturating_add(index * size);
            let offset = self.number(header.saturating_add(24), 8, HEADERS)?;
            let length = self.number(header.saturating_add(32), 8, HEADERS)?;
            self.slice(offset, length, "section")
        };
        let strings = content(names)?;
        for index in 0..count {
            let at = usize::try_from(self.number(table.saturating_add(index * size), 4, HEADERS)?)
                .unwrap_or(usize::MAX);
            let found = strings.get(at..).unwrap_or_default().split(|&byte| byte == 0).next();
            if found == Some(name) {
                return content(index).map(Some);
            }
        }
        Ok(None)
    }

    fn slice(&self, offset: u64, length: u64, what: &'static str) -> Result<&'a [u8], ElfError> {
        let start = usize::try_from(offset).map_err(|_| ElfError::Outside(what))?;
        let length = usize::try_from(length).map_err(|_| ElfError::Outside(what))?;
        let end = start.checked_add(length).ok_or(ElfError::Outside(what))?;
        self.bytes.get(start..end).ok_or(ElfError::Outside(what))
    }

    fn number(&self, offset: u64, size: u64, what: &'static str) -> Result<u64, ElfError> {
        let mut number = [0; 8];
        let bytes = self.slice(offset, size, what)?;
        number[..bytes.len()].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A module with nothing but a name table and `.modinfo`.
    pub(crate) fn module(modinfo: &[u8]) -> Vec<u8> {
        let strings = b"\0.modinfo\0";
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = 62;
        let strings_at = file.len() as u64;
        file.extend_from_slice(strings);
        let modinfo_at = file.len() as u64;
        file.extend_from_slice(modinfo);
        let table = file.len() as u64;
        for (name, offset, length) in [(0_u32, strings_at, strings.len()), (1, modinfo_at, modinfo.len())] {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&offset.to_le_bytes());
            header[32..40].copy_from_slice(&(length as u64).to_le_bytes());
            file.extend_from_slice(&header);
        }
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[58] = 64; // e_shentsize
        file[60] = 2; // e_shnum
        file
    }

    #[test]
    fn modinfo_is_read() {
        let file = module(b"license=GPL\0depends=virtio,virtio_ring\0odd\0");
        let found: Vec<_> = Elf::new(&file).unwrap().modinfo().unwrap().collect();
        assert_eq!(found, [("license", "GPL"), ("depends", "virtio,virtio_ring")]);
    }

    #[test]
    fn no_cut_or_flipped_byte_panics() {
        let file = module(b"license=GPL\0depends=virtio\0");
        // The last 24 bytes are fields of a section header that are not read.
        for end in 0..file.len() - 24 {
            if let Ok(elf) = Elf::new(&file[..end]) {
                assert!(elf.modinfo().is_err());
            }
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] = 0xff;
            if let Ok(elf) = Elf::new(&damaged) {
                let _ = elf.modinfo().map(Iterator::count);
                let _ = elf.has_interpreter();
            }
        }
    }

    #[test]
    fn this_test_itself_is_x86_and_needs_a_loader() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::new(&own).unwrap();
        assert_eq!(elf.machine(), 62);
        assert_eq!(elf.has_interpreter(), Ok(true));
    }
}
