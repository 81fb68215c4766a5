//! Versions of a VMM, its firmware or tools that a complaint compares.

use crate::catalogue::kvm::host_kernel_bug::{Judged, judged};

/// Names by which people call them, in lower case.
const PROGRAMS: [&str; 23] = [
    "qemu",
    "libvirt",
    "ovmf",
    "edk2",
    "firecracker",
    "cloud-hypervisor",
    "cloud hypervisor",
    "swtpm",
    "libtpms",
    "virtiofsd",
    "virtio-win",
    "seabios",
    "kata",
    "kubevirt",
    "hypervisor-fw",
    "hypervisor-firmware",
    "virt-manager",
    "virt-launcher",
    "vmm",
    "driver version",
    "openvswitch",
    "open vswitch",
    "dpdk",
];

/// Whether a complaint tells of a version under which it goes wrong, and of another under which it does not. A version
/// belongs to the program that was named last in its sentence, and to none where that is a kernel or nothing.
pub(super) fn told_apart(complaint: &str) -> bool {
    let text = complaint.to_ascii_lowercase();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for sentence in text.split([';', '\n']).flat_map(|part| part.split(". ")) {
        let (mut ours, mut open) = (false, Vec::new());
        for clause in sentence.split([',', ':']) {
            let kernel = clause.contains("kernel") || clause.contains("linux ");
            ours = !kernel && (ours || PROGRAMS.iter().any(|name| clause.contains(name)));
            if !ours {
                continue;
            }
            let mut named: Vec<&str> = versions(clause).collect();
            let Some(said) = judged(clause) else {
                open.append(&mut named);
                continue;
            };
            if named.len() > 1 && clause.contains("from ") && clause.contains(" to ") {
                good.push(named.remove(0));
            }
            let list = if said == Judged::Well { &mut good } else { &mut bad };
            list.append(&mut open);
            list.append(&mut named);
        }
    }
    good.iter().any(|one| bad.iter().any(|other| other != one))
}

/// The words of a clause that are versions: numbers with one dot between them at least, and what a package adds.
fn versions(clause: &str) -> impl Iterator<Item = &str> {
    let bare = |word| str::trim_matches(word, |letter: char| "().,:".contains(letter));
    clause.split_whitespace().map(bare).filter(|word| {
        let word = word.trim_start_matches('v');
        let word = word.split_once(':').map_or(word, |(_, rest)| rest);
        let mut parts = word.split(['-', '+', '~']).next().unwrap_or_default().split('.');
        let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.all(number)
    })
}

#[cfg(test)]
mod tests {
    use super::told_apart;

    #[test]
    fn two_versions_of_a_program_are_told_apart() {
        for told in [
            "pve-qemu-kvm 7.1.0-4 upgrade: guests with SATA disks hang, with 7.0.0-4 they are fine",
            "With QEMU 8.0.2 it crashes, 7.2 works.",
            "After we updated libvirt from 8.0 to 8.5 the daemon dies.",
            "virtio-win 0.1.189 crashes under load, 0.1.185 is fine",
        ] {
            assert!(told_apart(told), "{told}");
        }
        for not in [
            "QEMU 7.2 crashes. The kernel is 6.1.0 and works.",
            "The VM does not start with QEMU 8.2.2.",
            "The host 10.0.0.1 works, 10.0.0.2 fails.",
            "I have QEMU 7.2 and libvirt 9.0, and it fails.",
        ] {
            assert!(!told_apart(not), "{not}");
        }
    }
}
