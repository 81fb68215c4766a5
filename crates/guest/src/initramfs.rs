//! The initramfs of a test guest: a cpio archive in the "newc" format of the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`.

use crate::kernel::Module;
use std::collections::BTreeMap;

/// File type bits of `<linux/stat.h>`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Packs `probe` as `/init` and the modules, in their order, as `/modules/<name>.ko` with `/modules/order`.
///
/// The same input gives the same bytes: times are 0, owner is root, entries are sorted by name. The archive is
/// not compressed, so that a guest under TCG does not spend its first second on unpacking.
#[must_use]
pub fn build(probe: &[u8], modules: &[Module]) -> Vec<u8> {
    let mut entries: BTreeMap<String, Entry<'_>> = BTreeMap::new();
    for directory in ["dev", "modules", "proc", "sys"] {
        entries.insert(directory.to_owned(), Entry::directory());
    }
    // Process 1 gets its standard streams from this node, before devtmpfs is mounted.
    entries.insert("dev/console".to_owned(), Entry::character(5, 1));
    entries.insert("init".to_owned(), Entry::file(0o755, probe));
    let order: String = modules.iter().map(|module| format!("{}.ko\n", module.name)).collect();
    entries.insert("modules/order".to_owned(), Entry::file(0o644, order.as_bytes()));
    for module in modules {
        entries.insert(format!("modules/{}.ko", module.name), Entry::file(0o644, &module.bytes));
    }

    let mut archive =
        Vec::with_capacity(probe.len() + modules.iter().map(|m| m.bytes.len() + 256).sum::<usize>());
    for (inode, (name, entry)) in (1_u32..).zip(&entries) {
        entry.write(&mut archive, inode, name);
    }
    Entry { mode: 0, device: (0, 0), content: &[] }.write(&mut archive, 0, "TRAILER!!!");
    pad(&mut archive, 512);
    archive
}

/// One entry of the archive.
struct Entry<'a> {
    mode: u32,
    device: (u32, u32),
    content: &'a [u8],
}

impl<'a> Entry<'a> {
    fn directory() -> Self {
        Self { mode: DIRECTORY | 0o755, device: (0, 0), content: &[] }
    }

    fn character(major: u32, minor: u32) -> Self {
        Self { mode: CHARACTER_DEVICE | 0o600, device: (major, minor), content: &[] }
    }

    fn file(permissions: u32, content: &'a [u8]) -> Self {
        Self { mode: REGULAR | permissions, device: (0, 0), content }
    }

    fn write(&self, archive: &mut Vec<u8>, inode: u32, name: &str) {
        let links = if self.mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        let fields = [
            inode,
            self.mode,
            0, // uid
            0, // gid
            links,
            0, // mtime
            u32::try_from(self.content.len()).expect("modules are limited to 64 MiB and a probe is smaller"),
            0, // major and minor of the device that holds the file
            0,
            self.device.0,
            self.device.1,
            u32::try_from(name.len() + 1).expect("names are short"),
            0, // checksum, unused in this variant
        ];
        archive.extend_from_slice(b"070701");
        for field in fields {
            archive.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        archive.extend_from_slice(name.as_bytes());
        archive.push(0);
        pad(archive, 4);
        archive.extend_from_slice(self.content);
        pad(archive, 4);
    }
}

fn pad(archive: &mut Vec<u8>, to: usize) {
    archive.resize(archive.len().next_multiple_of(to), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the archive back: name, mode, content.
    fn unpack(archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            assert_eq!(&archive[at..at + 6], b"070701");
            let field = |index: usize| {
                let text = std::str::from_utf8(&archive[at + 6 + index * 8..at + 14 + index * 8]).unwrap();
                u32::from_str_radix(text, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = String::from_utf8(archive[at + 110..at + 110 + name_size - 1].to_vec()).unwrap();
            let start = (at + 110 + name_size).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return found;
            }
            found.push((name, mode, archive[start..start + size].to_vec()));
            at = (start + size).next_multiple_of(4);
        }
    }

    fn modules() -> Vec<Module> {
        vec![
            Module { name: "virtio".to_owned(), bytes: b"first".to_vec() },
            Module { name: "abc".to_owned(), bytes: b"second!".to_vec() },
        ]
    }

    #[test]
    fn everything_is_in_it_and_parents_come_first() {
        let archive = build(b"\x7fELF probe", &modules());
        assert_eq!(archive.len() % 512, 0);
        let entries = unpack(&archive);
        let names: Vec<&str> = entries.iter().map(|entry| entry.0.as_str()).collect();
        assert_eq!(
            names,
            [
                "dev",
                "dev/console",
                "init",
                "modules",
                "modules/abc.ko",
                "modules/order",
                "modules/virtio.ko",
                "proc",
                "sys"
            ]
        );
        let entry = |name: &str| entries.iter().find(|entry| entry.0 == name).unwrap();
        assert_eq!((entry("init").1, entry("init").2.as_slice()), (0o100_755, b"\x7fELF probe".as_slice()));
        // The order of loading is kept although the archive is sorted by name.
        assert_eq!(entry("modules/order").2, b"virtio.ko\nabc.ko\n");
        assert_eq!(entry("dev/console").1, 0o020_600);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        assert_eq!(build(b"probe", &modules()), build(b"probe", &modules()));
    }
}
