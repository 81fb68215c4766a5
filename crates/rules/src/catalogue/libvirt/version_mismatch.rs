//! # Versions of libvirt and QEMU, or of client and daemon, do not fit
//!
//! ## What it is
//! libvirt writes QEMU's command line and speaks QMP; a client speaks libvirt's protocol with the daemon. Each
//! pair knows only what existed when it was built. One side too old or too new, and a command, an option or a
//! symbol is unknown to the other.
//!
//! Heard as: after an update of only one of libvirt and QEMU or with an old client an option is not understood.
//!
//! Known by: unsupported configuration: this QEMU binary or libvirt does not support; unknown procedure; client newer
//! than server; after partial upgrade; capability missing; version libvirt required; after dist-upgrade or backport
//! domain does not start; binary from source mixed with packages; symbol lookup error; option removed upstream; not
//! supported by this QEMU binary; API unknown.
//!
//! ## Why it happens
//! One package was upgraded or built from source and the other was not; two copies of libvirt are installed
//! (`/usr/local/lib` before `/usr/lib`); QEMU removed an option that an old libvirt still passes; the daemon was
//! not restarted after an upgrade; a distribution's kernel dropped an interface that an old libvirt needs.
//!
//! ## Confirm
//! `virsh version --daemon`, `qemu-system-x86_64 --version`, `ldd $(command -v virsh)`,
//! `apt list --installed 'libvirt*'` or `rpm -qa 'libvirt*'`: the versions differ or come from two sources.
//!
//! ## Refute
//! All libvirt packages have one version, the daemon was restarted after it, and QEMU is from the same release
//! of the distribution.
//!
//! ## Fix
//! Bring both sides from one source and one release, remove the copy below `/usr/local`, restart the daemon.
//! `virsh domcapabilities` reads QEMU's abilities again after a change of the binary.
//!
//! ## References
//! libvirt `docs/platforms.rst`, `docs/drvqemu.rst`; `src/qemu/qemu_capabilities.c`;
//! `src/rpc/virnetserverprogram.c`, "unknown procedure".

use crate::catalogue::vmm::known_bug::programs::{Program, version_of};
use crate::prelude::*;
use vmwright_formats::changes::libvirt_changes;

pub const RULE: Rule = Rule {
    tags: &["libvirt", "upgrade"],
    signs: &[
        // Vagrant, of a provider older than the setting.
        Sign::strong("The following settings shouldn't exist").and(&["ibvirt"]),
        Sign::strong("unknown procedure: {number}"),
        Sign::strong("Cannot find program {program} version {version}"),
        Sign::strong("unsupported flags (0x{flags}) in function"),
        Sign::proof("version `LIBVIRT_* not found"),
        Sign::proof("version 'LIBVIRT_* not found"),
        Sign::strong("undefined symbol: vir").and(&["libvirt"]),
        Sign::strong("has no attribute 'VIR_"),
        Sign::strong("argument unsupported: parameter '{name}' not supported"),
        Sign::strong("QEMU version >= * is required"),
        Sign::strong("minimum QEMU version"),
        Sign::strong("QEMU version is too old"),
        Sign::strong("Failed to load module '*libvirt*.so'"),
        Sign::strong("The -accel and \"-machine accel=\" options are incompatible"),
        Sign::strong("unsupported_libvirt_version"),
        Sign::strong("Unsupported libVirt version"),
        Sign::strong("requires libvirt >="),
        Sign::strong("libvirt * is too old"),
        Sign::strong("cannot parse * version number in"),
        Sign::strong("Failed to start QEMU binary * for probing"),
        Sign::support("Failed to probe QEMU binary"),
        Sign::strong("internal error: unable to execute QEMU command '*': The command * has not been found"),
        Sign::strong("unable to execute QEMU command '*': Parameter '*' is unexpected"),
        Sign::strong("QEMU / QMP failed: *unrecognized option"),
        Sign::support("monitor: *: invalid option").and(&["libvirt"]),
        Sign::support("unable to map * QEMU * capabilit"),
        Sign::strong("QMP query-* does not work with this QEMU"),
        Sign::hint("is not supported with this QEMU binary"),
        Sign::hint("not supported by this QEMU binary"),
        Sign::hint("this QEMU does not support"),
        Sign::support("this function is not supported by the connection driver: vir"),
        // A cgroup backend without that call: libvirt older than the host's cgroup version.
        Sign::strong("operation '{call}' not supported").and(&["libvirt"]),
        Sign::support("Operation not supported: operation '{call}' not supported"),
        // Old libvirt writes cpuset.memory_migrate, which newer kernels and cgroup v2 refuse.
        Sign::strong("cpuset.memory_migrate*: "),
        Sign::support("virCgroupSetCpusetMemoryMigrate"),
        // Options that an older libvirt gives and a newer QEMU has dropped (5.2, 7.2, 8.2, 9.0).
        Sign::strong("-realtime: invalid option"),
        Sign::strong("-no-hpet: invalid option"),
        Sign::strong("-no-acpi: invalid option"),
        Sign::strong("-enable-fips: invalid option"),
        Sign::strong("-no-kvm: invalid option").and(&["libvirt"]),
        Sign::strong("Invalid parameter 'nowait'"),
        Sign::strong("Invalid parameter 'x-pci-hole64-fix'"),
        Sign::strong("Failed to open module: *undefined symbol"),
        Sign::strong("Only modules from the same build can be loaded"),
        Sign::strong("program mismatch (actual "),
        Sign::strong("version mismatch (actual "),
        Sign::strong("libssh2 transport support was not enabled"),
        Sign::strong("libssh transport support was not enabled"),
        Sign::strong("Unable to decode message length"),
        Sign::strong("Unable to decode message header"),
        Sign::strong("version mismatch in event (actual"),
        Sign::strong("program mismatch in event"),
        Sign::strong("are not supported by this daemon or QEMU"),
        Sign::strong("qemu-img: unrecognized option"),
        Sign::strong("qemu-nbd: unrecognized option"),
        Sign::support("is too old, {v} or later required").and(&["QEMU"]),
    ],
    words: &["after upgrad", "after updat", "compiled", "newer qemu", "backports", "version"],
    tells: "virsh version --daemon; qemu-system-x86_64 --version",
    remedy: "install libvirt, its client libraries and QEMU from one release, and restart the daemon",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    ..Rule::NEW
};

/// `virsh version`: the library it was compiled against, the one it uses, and the daemon's own.
const SAYS: [&str; 3] = ["Compiled against library:", "Using library:", "Running against daemon:"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with(SAYS) {
        let mut first: Option<(&str, &str)> = None;
        for (number, line) in text.lines_with(SAYS) {
            let Some(label) = SAYS.iter().find(|label| line.trim_start().starts_with(**label)) else {
                continue;
            };
            let version = line.split_whitespace().last().unwrap_or("");
            match first {
                Some((other, said)) if other != version => {
                    let shows = format!("{said} {other}, but {label} {version}");
                    let quote = text.quote(number);
                    draft = draft.because(Strength::Support, quote, &shows);
                    break;
                }
                Some(_) => {}
                None => first = Some((version, label)),
            }
        }
    }
    if let (Some((libvirt, ours)), Some((qemu, theirs))) =
        (version_of(cx, Program::Libvirt), version_of(cx, Program::Qemu))
    {
        // `qemu-6.2`: what a libvirt asks of QEMU at least.
        let asked = libvirt_changes().iter().rev().filter(|change| libvirt.at_least(&change.version));
        // What two texts name may be of two hosts.
        let one_place = ours.as_ref().map(|one| &one.source) == theirs.as_ref().map(|one| &one.source);
        let least = asked.filter(|_| one_place).filter_map(|change| change.name.strip_prefix("qemu-")).next();
        let least = least.and_then(vmwright_formats::environment::Version::parse);
        if let Some(least) = least.filter(|least| !qemu.at_least(&least.numbers)) {
            draft = draft
                .because(Strength::Strong, theirs, "older than this libvirt can use")
                .because(Strength::Support, ours, "this libvirt")
                .title(format!(
                    "libvirt {} needs QEMU {} or newer; this is {}",
                    libvirt.text, least.text, qemu.text
                ));
        }
    }
    vec![draft.verdict()]
}
