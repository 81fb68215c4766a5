//! An archive of records, whatever packs it.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use std::path::PathBuf;
use std::time::Duration;
use vmwright_host::{CollectError, Limits, Root, Subject, collect};
use vmwright_model::Snapshot;

/// Small bounds, so that each input takes little and each bound is met.
fn limits() -> Limits {
    Limits {
        record: 64 << 10,
        records: 64,
        members: 1000,
        unpacked: 4 << 20,
        matches: 64,
        total: 1 << 20,
        total_time: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// Reads an archive that lies in memory.
pub(super) fn read(bytes: &[u8]) -> Result<Snapshot, CollectError> {
    let file: OwnedFd = memfd_create("archive", MemfdFlags::CLOEXEC).unwrap();
    let mut left = bytes;
    while !left.is_empty() {
        let written = rustix::io::write(&file, left).unwrap();
        left = &left[written..];
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let subject = Subject { vm: None, state: "/nonexistent".into() };
    collect(&Root::Archive(path), &vmwright_rules::needs(), &subject, &limits())
}

pub(super) fn run(bytes: &[u8]) {
    let Ok(snapshot) = read(bytes) else { return };
    assert!(snapshot.records.is_sorted_by(|a, b| a.source < b.source), "sources stand once, in order");
    for record in &snapshot.records {
        assert!(!record.source.contains(char::is_control), "{:?}", record.source);
        assert!(record.content.as_ref().map_or(0, Vec::len) <= 64 << 10, "{}", record.source);
    }
    if !snapshot.live {
        let kept: usize = snapshot.records.iter().map(|record| record.content.as_ref().map_or(0, Vec::len)).sum();
        assert!(kept <= 1 << 20, "{kept} bytes were kept");
    }
}

/// A tar file of these members; a target that begins with `-> ` makes a link.
pub(super) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        if let Some(target) = content.strip_prefix(b"-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, super::text(target).as_ref()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, *content).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let long = format!("a/{}", "x".repeat(150));
    vec![
        tar(&[("logs/qemu.log", b"qemu-system-x86_64: oops\n"), ("logs/up", b"-> ../../etc/passwd"), (&long, b"x")]),
        tar(&[
            ("sosreport-x/sos_commands/pci/lspci_-nnvv", b"00:00.0 Host bridge [0600]: x [8086:29c0]\n"),
            ("sosreport-x/proc/cmdline", b"root=/dev/vda1\n"),
            ("sosreport-x/sys/bus/pci/devices/0000:00:02.0", b"-> ../../../devices/0000:00:02.0"),
        ]),
        // What `printf x | gzip`, `xz` and `zstd` begin with.
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(),
        b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46".to_vec(),
        b"\x28\xb5\x2f\xfd\x04\x58\x09\0\0x".to_vec(),
    ]
}
