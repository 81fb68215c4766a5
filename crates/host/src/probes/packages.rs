//! Record `packages`: what dpkg's database has of the virtualization stack, as `dpkg -l` lays it out. The database of rpm is
//! no text; `rpm -qa` is asked for it.

use crate::live::Collector;
use crate::text::escape;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use vmwright_model::{Kind, Missing};

/// Largest database that is read, in bytes; a full desktop has some 10 MiB.
const MOST: u64 = 64 * 1024 * 1024;

/// Bytes of it that are read at once.
const BUFFER: usize = 64 * 1024;

/// How names of packages of the stack begin: letters, digits and dashes.
pub(crate) const STACK: [&str; 56] = [
    "amd64-microcode",
    "apparmor",
    "bridge-utils",
    "ceph",
    "cloud-hypervisor",
    "cockpit-machines",
    "containerd",
    "dnsmasq",
    "dpdk",
    "driverctl",
    "ebtables",
    "edk2",
    "firecracker",
    "firmware-",
    "intel-microcode",
    "iproute2",
    "ipxe",
    "iptables",
    "kata",
    "kubelet",
    "libc6",
    "libnvidia",
    "librados",
    "librbd",
    "libseccomp",
    "libslirp",
    "libspice",
    "libtpms",
    "libvirt",
    "linux-image",
    "lvm2",
    "microcode",
    "multipath",
    "nftables",
    "numactl",
    "numad",
    "nvidia-",
    "open-iscsi",
    "openvswitch",
    "ovmf",
    "passt",
    "proxmox",
    "pve-",
    "qemu",
    "seabios",
    "selinux-policy",
    "sgabios",
    "swtpm",
    "systemd",
    "tuned",
    "udev",
    "vde2",
    "vendor-reset",
    "virt",
    "vm-",
    "zfs",
];

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(Path::new("/var/lib/dpkg/status")));
    let content = content.and_then(|content| content).map(String::into_bytes);
    collector.push("packages".to_owned(), Some(Kind::new("packages")), content);
}

/// The paragraphs of dpkg's database (deb-control(5), dpkg-query(1)) that are of the stack and more than forgotten.
fn list(path: &Path) -> Result<String, Missing> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Missing::Absent,
        std::io::ErrorKind::PermissionDenied => Missing::Denied,
        _ => Missing::Failed(error.to_string()),
    })?;
    let mut text = String::new();
    let (mut name, mut status, mut version, mut architecture) = <(String, String, String, String)>::default();
    let (mut file, mut line) = (BufReader::with_capacity(BUFFER, file.take(MOST)), Vec::new());
    loop {
        line.clear();
        if !matches!(file.read_until(b'\n', &mut line), Ok(1..)) {
            break;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let of = |field: &[u8]| line.strip_prefix(field).map(|value| escape(value.trim_ascii()));
        if let Some(value) = of(b"Package:") {
            // Nearly all packages are of other things.
            name = if of_stack(&value) { value } else { String::new() };
            (status, version, architecture) = Default::default();
        } else if name.is_empty() {
            continue;
        } else if let Some(value) = of(b"Status:") {
            status = value;
        } else if let Some(value) = of(b"Architecture:") {
            architecture = value;
        } else if let Some(value) = of(b"Version:") {
            version = value;
        } else if line.is_empty() {
            tell(&name, &status, &version, &architecture, &mut text);
            name.clear();
        }
    }
    tell(&name, &status, &version, &architecture, &mut text);
    Ok(text)
}

fn of_stack(name: &str) -> bool {
    STACK.iter().any(|start| name.starts_with(start))
}

fn tell(name: &str, status: &str, version: &str, architecture: &str, text: &mut String) {
    if version.is_empty() || name.is_empty() {
        return;
    }
    // `install ok installed` is `ii`: wanted, then state.
    let mut words = status.split(' ');
    let letter = |word: Option<&str>| word.and_then(|word| word.chars().next()).unwrap_or('?');
    let wanted = match words.next() {
        Some("deinstall") => 'r',
        other => letter(other),
    };
    let state = match words.nth(1) {
        Some("half-installed") => 'H',
        Some("unpacked") => 'U',
        Some("half-configured") => 'F',
        Some("triggers-awaited") => 'W',
        Some("not-installed") => return,
        other => letter(other),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{wanted}{state}  {name} {version} {architecture}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::{Packages, View};

    #[test]
    fn packages_of_the_stack_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let status = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n\n\
                      Package: qemu-system-x86\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:7.2+dfsg-7\nDescription: x\n Version: 9\n\n\
                      Package: ovmf\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 2022.11-6\n\n\
                      Package: swtpm\nStatus: install ok half-configured\nArchitecture: amd64\nVersion: 0.7.1-1\n";
        std::fs::write(file.path(), status).unwrap();
        let text = list(file.path()).unwrap();
        assert_eq!(
            text,
            "ii  qemu-system-x86 1:7.2+dfsg-7 amd64\nrc  ovmf 2022.11-6 all\niF  swtpm 0.7.1-1 amd64\n"
        );
        assert_eq!(Packages::read(&text).1, []);
        assert_eq!(list(Path::new("/nonexistent/status")), Err(Missing::Absent));
    }

    #[test]
    fn this_host_if_it_has_dpkg() {
        match list(Path::new("/var/lib/dpkg/status")) {
            Ok(text) => assert!(text.contains("ii  libc6"), "{text}"),
            Err(why) => eprintln!("SKIPPED this_host_if_it_has_dpkg: {why}"),
        }
    }
}
