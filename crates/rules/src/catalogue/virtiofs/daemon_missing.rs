//! # virtiofsd is not installed, not found, or takes other options
//!
//! ## What it is
//! virtio-fs needs the program virtiofsd on the host. It was part of QEMU up to 7.2 (C, `-o` options) and is a
//! project of its own since (Rust, `--shared-dir`, `--cache`). It is missing, lies elsewhere, or is called with
//! the options of the other generation.
//!
//! Heard as: no virtiofsd is found; path or package.
//!
//! Known by: unable to find a satisfying virtiofsd; /usr/libexec/virtiofsd not found; removed from QEMU 8; Rust version
//! options -o; vhost-user binary; package virtiofsd.
//!
//! ## Why it happens
//! QEMU 8.0 dropped its copy and the new package (`virtiofsd`) was not installed; Debian 12 has none at all; the
//! path in `<binary path=...>` or in a unit is the old one (`/usr/lib/qemu/virtiofsd`); a script still passes
//! `-o source=... -o cache=always`.
//!
//! ## Confirm
//! `ls /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd /usr/lib/virtiofsd`; `ls /usr/share/qemu/vhost-user`;
//! `virtiofsd --version`.
//!
//! ## Refute
//! The program runs with `--version`, a descriptor names its path, and it takes the options it is given.
//!
//! ## Fix
//! Install the package `virtiofsd`, correct the path, and translate the options: `-o source=DIR` becomes
//! `--shared-dir DIR`, `-o cache=X` becomes `--cache X`, `--socket-path` stays.
//!
//! ## References
//! QEMU `docs/about/removed-features.rst` (C virtiofsd, 8.0); libvirt `src/qemu/qemu_vhost_user.c`,
//! `qemuVhostUserFillDomainFS()`; virtiofsd `README.md`.

use crate::prelude::*;

/// What shows that a message is about virtiofsd.
const FSD: &[&str] = &["virtiofsd"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["virtiofs", "install"],
    needs: &[
        Need::Exists("/usr/libexec/virtiofsd"),
        Need::Exists("/usr/lib/qemu/virtiofsd"),
        Need::Exists("/usr/lib/virtiofsd"),
        Need::Glob("/usr/share/qemu/vhost-user/*.json"),
    ],
    signs: &[
        Sign::proof("Unable to find a satisfying virtiofsd"),
        Sign::proof("virtiofsd binary '{path}' is not executable"),
        Sign::proof("exec: \"*virtiofsd\": executable file not found"),
        Sign::proof("exec: \"*virtiofsd\": stat *: no such file or directory"),
        Sign::proof("fork/exec *virtiofsd: no such file or directory"),
        Sign::proof("cannot execute binary *virtiofsd: No such file or directory"),
        Sign::proof("virtiofsd: command not found"),
        Sign::proof("virtiofsd: No such file or directory"),
        Sign::proof("virtiofsd: not found"),
        Sign::proof("No such file or directory: '*virtiofsd'"),
        Sign::strong("Unable to locate package virtiofsd"),
        Sign::strong("virtiofsd* not found"),
        Sign::strong("virtiofsd* does not exist"),
        Sign::strong("failed to find virtiofsd"),
        Sign::strong("Failed to connect to '*virtiofs*': No such file or directory"),
        Sign::strong("Failed to connect to '*vhostqemu*': No such file or directory"),
        Sign::strong("Failed to connect to '*vhost-fs*': No such file or directory"),
        Sign::support("Failed to connect to '*vfs*': No such file or directory"),
        Sign::strong("error: unexpected argument '*' found").and(FSD),
        Sign::strong("error: Found argument '*' which wasn't expected").and(FSD),
        Sign::strong("virtiofsd: unrecognized option"),
        Sign::strong("virtiofsd: invalid option"),
        Sign::strong("fuse: unknown option(s)"),
        Sign::strong("locking options are not supported by this virtiofsd"),
        Sign::strong("virtiofs is not supported with this QEMU binary"),
        Sign::strong("'vhost-user-fs-pci' is not a valid device model name"),
        Sign::strong("missing \"--shared-dir\" or \"-o source\" option"),
        Sign::support("Use of deprecated option format '-o'").and(&["error: "]),
        Sign::strong("the virtiofs export directory '*' does not exist"),
        Sign::strong("Could not start 'virtiofsd'"),
        Sign::support("CreateVirtioFs("),
        // What is asked of package managers and shells.
        Sign::strong("package virtiofsd is not installed"),
        Sign::strong("no packages found matching virtiofsd"),
        Sign::strong("no virtiofsd in ("),
        Sign::strong("virtiofsd is not installed"),
        Sign::strong("cannot access '/usr/libexec/virtiofsd'"),
        Sign::strong("cannot access '/usr/lib/virtiofsd'"),
        Sign::strong("virtiofsd not installed"),
        Sign::strong("vhost socket bind:"),
        Sign::strong("vhost socket: unable to find group"),
        Sign::strong("fuse: missing --socket-path or --fd option"),
        Sign::strong("fuse: --socket-path and --fd cannot be given together"),
        Sign::strong("source is not a directory").and(&["virtiofsd"]),
        Sign::strong("fuse: unsupported protocol version"),
        Sign::strong("Unable to use virtio-fs for device, using 9p as a fallback")
            .unless(&["Stateful migration unsupported"]),
        Sign::strong("Failed to setup virtiofsd for device"),
        Sign::strong("Failed to start virtiofsd"),
        Sign::strong("exec: \"virtiofsd\": executable file not found"),
        Sign::strong("virtiofsd: command not found"),
        Sign::strong("does not exist or is not a directory").and(&["virtiofsd"]),
        Sign::strong("Couldn't resolve the group name specified for the socket path"),
        Sign::strong("Couldn't set up the group for the socket path"),
        Sign::strong("Use of deprecated flag '-f': This flag has no effect"),
        Sign::strong("use of deprecated parameter '--socket'"),
        Sign::strong("Invalid compat argument '-o"),
        Sign::strong("The tag may not be empty or longer than"),
        Sign::strong("can't disable {cap} when using --inode-file-handles"),
        Sign::strong("Unsupported fuse protocol version"),
        Sign::support("Error creating listener"),
    ],
    words: &["virtiofsd", "virtiofs", "after upgrad", "-o source", "not found"],
    explains: &["vhost-user/socket-missing", "libvirt/tool-missing"],
    tells: "ls /usr/libexec/virtiofsd /usr/share/qemu/vhost-user",
    remedy: "install virtiofsd, correct its path, and give it the options of its generation",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Where distributions put it.
const PLACES: [&str; 3] = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if PLACES.iter().all(|place| matches!(cx.file(place), Found::Absent)) {
        let wanted = ["type='virtiofs'", "type=\"virtiofs\""];
        for text in cx.texts_with(wanted) {
            let quote = text.lines_with(wanted).next().and_then(|(number, _)| text.quote(number));
            draft = draft.because(Strength::Strong, quote, "virtiofsd is in none of its usual places");
        }
    }
    vec![draft.verdict()]
}
