//! Record `kernel-config`: the options of the running kernel's configuration that say something of virtualization.
//! One that is not set is written `=n`: `is not set` is how people quote what their guest lacks.

use crate::live::Collector;
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use vmwright_model::{Kind, Missing};

/// Largest configuration, unpacked, in bytes; distributions' have 300 KiB.
const MOST: u64 = 4 * 1024 * 1024;

/// How the names of options begin.
pub(crate) const OPTIONS: [&str; 66] = [
    "AMD_IOMMU",
    "AMD_MEM_ENCRYPT",
    "BALLOON",
    "BLK_DEV_DM",
    "BLK_DEV_NBD",
    "BLK_DEV_RBD",
    "BRIDGE",
    "CEPH",
    "CGROUP",
    "CPUSETS",
    "CPU_MITIGATIONS",
    "CRYPTO_DEV_CCP",
    "CRYPTO_DEV_SP_PSP",
    "DM_THIN",
    "DM_SNAPSHOT",
    "DRM_SIMPLEDRM",
    "FB_EFI",
    "FB_SIMPLE",
    "FB_VESA",
    "FUSE",
    "GENERIC_IRQ",
    "HAVE_KVM",
    "HUGETLB",
    "HYPERVISOR_GUEST",
    "HZ=",
    "HZ_",
    "INTEL_IOMMU",
    "INTEL_TDX",
    "IOMMU",
    "IO_STRICT_DEVMEM",
    "IO_URING",
    "IRQ_BYPASS",
    "IRQ_REMAP",
    "KSM",
    "KVM",
    "LSM",
    "MACVTAP",
    "MACVLAN",
    "MEMCG",
    "MITIGATION_",
    "MODULE_SIG",
    "NETFILTER_XT_TARGET_CHECKSUM",
    "NF_TABLES",
    "NO_HZ",
    "NUMA",
    "OPENVSWITCH",
    "PARAVIRT",
    "PCI_ATS",
    "PCI_IOV",
    "PCI_PASID",
    "PREEMPT",
    "RCU_NOCB",
    "SECCOMP",
    "SECURITY_APPARMOR",
    "SECURITY_SELINUX",
    "STRICT_DEVMEM",
    "SYSFB",
    "TAP",
    "TDX_GUEST",
    "TRANSPARENT_HUGEPAGE",
    "TUN",
    "USERFAULTFD",
    "VFIO",
    "VHOST",
    "VIRTIO",
    "VSOCKETS",
];

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        list(Path::new("/"), release.trim())
    });
    let content = content.and_then(|content| content).map(String::into_bytes);
    collector.push("kernel-config".to_owned(), Some(Kind::new("kernel_config")), content);
}

/// From where kernels and distributions leave it, the running kernel's own word first.
fn list(root: &Path, release: &str) -> Result<String, Missing> {
    let own = File::open(root.join("proc/config.gz"));
    let plain = release.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+~".contains(&byte));
    let mut denied = false;
    if let Ok(file) = own {
        return Ok(picked(GzDecoder::new(file)));
    }
    let places = [format!("boot/config-{release}"), format!("lib/modules/{release}/config")];
    for path in places.iter().map(|place| root.join(place)).filter(|_| plain && !release.is_empty()) {
        match opened(&path) {
            Ok(file) => return Ok(picked(file)),
            Err(error) => denied |= error == Missing::Denied,
        }
    }
    Err(if denied { Missing::Denied } else { Missing::Absent })
}

fn opened(path: &PathBuf) -> Result<File, Missing> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => Missing::Denied,
        _ => Missing::Absent,
    };
    // Looked at before it is opened: it is a file, or nothing that is read.
    match std::fs::metadata(path).map_err(failed)?.is_file() {
        true => File::open(path).map_err(failed),
        false => Err(Missing::NotRegular),
    }
}

fn picked(config: impl Read) -> String {
    let mut text = String::new();
    for line in BufReader::new(config.take(MOST)).lines().map_while(Result::ok) {
        let unset = line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set"));
        let option = unset.unwrap_or(&line);
        let of_virtualization = |name: &str| OPTIONS.iter().any(|start| name.starts_with(start));
        if option.strip_prefix("CONFIG_").is_some_and(of_virtualization) {
            text.push_str(option);
            text.push_str(if unset.is_some() { "=n\n" } else { "\n" });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_virtualization_alone() {
        let root = tempfile::tempdir().unwrap();
        let config = "# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_KVM=m\n# CONFIG_KVM_XEN is not set\nCONFIG_SND=m\nCONFIG_HZ=250\n";
        std::fs::create_dir_all(root.path().join("boot")).unwrap();
        std::fs::write(root.path().join("boot/config-6.1.0-x"), config).unwrap();
        let expected = "CONFIG_KVM=m\nCONFIG_KVM_XEN=n\nCONFIG_HZ=250\n";
        assert_eq!(list(root.path(), "6.1.0-x").unwrap(), expected);
        assert_eq!(list(root.path(), "6.2"), Err(Missing::Absent));
        assert_eq!(list(root.path(), "../boot/config-6.1.0-x"), Err(Missing::Absent));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, config.as_bytes()).unwrap();
        std::fs::create_dir_all(root.path().join("proc")).unwrap();
        std::fs::write(root.path().join("proc/config.gz"), packed.finish().unwrap()).unwrap();
        assert_eq!(list(root.path(), "").unwrap(), expected);
    }
}
