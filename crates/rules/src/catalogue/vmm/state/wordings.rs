//! The wordings in which VMMs, kernels, package managers and people tell of a bug.

use super::bugs::BUGS;
use crate::Sign;

/// What people say of Windows that stops.
pub(crate) const STOPS: &[&str] =
    &["bsod", "blue screen", "bluescreen", "bugcheck", "bug check", "stop code"];

/// With these the driver is not there, rather than wrong: Windows stops since it finds no disk.
pub(crate) const ABSENT: &[&str] = &[
    "INACCESSIBLE_BOOT_DEVICE",
    "INACCESSIBLE BOOT DEVICE",
    "0x7B",
    "0x0000007B",
    "no driver",
    "not installed",
];

/// Messages by which any VMM or tool says that it broke.
pub(crate) const CRASHES: &[Sign] = &[
    // glibc's assert, in QEMU and its tools, swtpm, virtiofsd in C, dnsmasq, ovs-vswitchd; GLib's g_assert.
    Sign::support(".c:{line}: {function}: Assertion `").unless(NO_BUG),
    Sign::support("qemu*Assertion `{condition}' failed").unless(NO_BUG),
    Sign::support("qemu*: Assertion `").unless(NO_BUG),
    Sign::support("ERROR:*assertion failed").unless(NO_BUG),
    Sign::support("ERROR:*code should not be reached"),
    Sign::support("Bail out! ERROR:").unless(NO_BUG),
    // assert of other C libraries: musl, macOS.
    Sign::support("Assertion failed: *, function {function}, file {file}, line").unless(NO_BUG),
    Sign::support("Assertion failed: * ({file}: {function}: ").unless(NO_BUG),
    // The kernel's report of a fatal signal; the name is cut to 15 characters. vCPU threads have their own.
    Sign::support("qemu-system-{arch}[{pid}]: segfault at"),
    Sign::support("qemu-kvm[{pid}]: segfault at"),
    Sign::support("kvm[{pid}]: segfault at"),
    Sign::support("/KVM[{pid}]: segfault at"),
    Sign::support("traps: qemu-{name}[{pid}] general protection"),
    Sign::support("traps: kvm[{pid}] general protection"),
    Sign::support("/KVM[{pid}] general protection"),
    Sign::support("libvirtd[{pid}]: segfault at"),
    Sign::support("virtqemud[{pid}]: segfault at"),
    Sign::support("virtiofsd[{pid}]: segfault at"),
    Sign::support("swtpm[{pid}]: segfault at"),
    // systemd, systemd-coredump, abrt.
    Sign::support("(qemu-{name}) of user {uid} dumped core"),
    Sign::support("(libvirtd) of user {uid} dumped core"),
    Sign::support("(virtqemud) of user {uid} dumped core"),
    Sign::support("Main process exited, code=dumped, status=11/SEGV"),
    Sign::support("Main process exited, code=dumped, status=6/ABRT"),
    Sign::hint("(core dumped)"),
    // malloc and the stack protector.
    Sign::support("double free or corruption"),
    Sign::support("free(): invalid pointer"),
    Sign::support("malloc(): corrupted"),
    Sign::support("corrupted size vs. prev_size"),
    Sign::support("stack smashing detected"),
    // Rust: Firecracker, Cloud Hypervisor, virtiofsd.
    Sign::support("thread '{name}' panicked at").unless(NO_BUG),
    Sign::support("entered unreachable code"),
    Sign::support("attempt to subtract with overflow"),
    Sign::support("attempt to add with overflow"),
    Sign::support("index out of bounds: the len is"),
    Sign::support("BUG in qemuMonitor"),
    // edk2.
    Sign::support("ASSERT_EFI_ERROR"),
    Sign::support("ASSERT [{module}]"),
    Sign::support("ASSERT *.c("),
    Sign::support("!!!! X64 Exception Type"),
    Sign::support("Synchronous Exception at 0x"),
];

/// Windows stops in a driver of virtio-win.
pub(crate) const DRIVERS: &[Sign] = &[
    Sign::strong("balloon.sys").said(STOPS),
    Sign::strong("netkvm.sys").said(STOPS),
    Sign::strong("viostor.sys").said(STOPS),
    Sign::strong("vioscsi.sys").said(STOPS),
    Sign::strong("viofs.sys").said(STOPS),
    Sign::strong("viogpudo.sys").said(STOPS),
    // The same by the driver's or the library's name: viostor.sys is a miniport of storport.sys, netkvm.sys of ndis.sys.
    Sign::strong("viostor").said(STOPS).unless(ABSENT),
    Sign::strong("vioscsi").said(STOPS).unless(ABSENT),
    Sign::strong("NetKVM").said(STOPS).unless(ABSENT),
    Sign::strong("netkvm").said(STOPS).unless(ABSENT),
    Sign::strong("viofs").said(STOPS).unless(ABSENT),
    Sign::strong("vioser").said(STOPS).unless(ABSENT),
    Sign::strong("viosock").said(STOPS).unless(ABSENT),
    Sign::strong("viogpu").said(STOPS).unless(ABSENT),
    Sign::strong("viomem").said(STOPS).unless(ABSENT),
    Sign::strong("viorng").said(STOPS).unless(ABSENT),
    Sign::strong("qxldod").said(STOPS).unless(ABSENT),
    Sign::strong("virtio-win").said(STOPS).unless(ABSENT),
];

/// What people say of a regression; in the complaint it weighs one strength less.
pub(crate) const REGRESSIONS: &[Sign] = &[
    Sign::strong("after upgrad"),
    Sign::strong("after updat"),
    Sign::strong("since upgrad"),
    Sign::strong("since updat"),
    Sign::strong("after the upgrade"),
    Sign::strong("after the update"),
    Sign::strong("after an upgrade"),
    Sign::strong("after an update"),
    Sign::strong("since the upgrade"),
    Sign::strong("since the update"),
    Sign::strong("after *'s update"),
    Sign::strong("upgraded from"),
    Sign::strong("updated from"),
    Sign::strong("since QEMU"),
    Sign::strong("upgrad*QEMU"),
    Sign::strong("updating QEMU"),
    Sign::strong("upgrad*libvirt"),
    Sign::strong("upgrad*firecracker"),
    Sign::strong("upgrad*cloud-hypervisor"),
    Sign::strong("worked with"),
    Sign::strong("worked in version"),
    Sign::strong("works with version"),
    Sign::strong("works in version"),
    Sign::strong("works with QEMU"),
    Sign::strong("older QEMU"),
    Sign::strong("older version"),
    Sign::strong("previous version"),
    Sign::strong("previous QEMU"),
    Sign::strong("earlier version"),
    Sign::strong("last version that work"),
    Sign::strong("is fixed in"),
    Sign::strong("was fixed in"),
    Sign::strong("with the next version"),
    Sign::strong("with the newer version"),
    Sign::strong("last good version"),
    Sign::strong("first bad commit"),
    Sign::strong("downgrad"),
    Sign::strong("rolling back to"),
    Sign::strong("bisect"),
    Sign::strong("regression"),
];

/// What package managers log of an update (apt, pacman, dnf, dpkg).
pub(crate) const UPDATES: &[Sign] = &[
    Sign::support("Upgrade: *qemu"),
    Sign::support("Upgrade: *libvirt"),
    Sign::support("upgraded qemu"),
    Sign::support("upgraded libvirt"),
    Sign::support("upgraded edk2"),
    Sign::support("Upgraded*qemu-kvm"),
    Sign::support("upgrade qemu-system"),
    Sign::support("upgrade libvirt-daemon"),
];

/// Assertions and panics that other rules know the reason of.
const NO_BUG: &[&str] =
    &["kvm_buf_set_msrs", "kvm_put_msrs", "kvm_get_msrs", "error: failed to set MSR", "Permission denied"];

/// Known bugs of what stands above libvirt, whose version no text tells in a form of its own.
pub(crate) const ABOVE: &[Sign] = &[
    // kubevirt 17124, 17417: since 1.6 the pod of a VM that has a volume of both kinds may not open /dev/vfio.
    Sign::strong("pci backend driver type 'default' is not supported").and(&["virt-launcher", "hot*plug"]),
    Sign::strong("pci backend driver type 'default' is not supported").and(&["Harvester", "hot*plug"]),
];

const COUNT: usize =
    CRASHES.len() + DRIVERS.len() + REGRESSIONS.len() + UPDATES.len() + ABOVE.len() + bug_signs();

const fn bug_signs() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < BUGS.len() {
        count += BUGS[at].signs.len();
        at += 1;
    }
    count
}

/// All of them, and those of the known bugs.
pub(crate) const SIGNS: [Sign; COUNT] = {
    let mut signs = [Sign::hint(""); COUNT];
    let (mut to, mut list) = (0, 0);
    while list < 5 + BUGS.len() {
        let from = match list {
            0 => CRASHES,
            1 => DRIVERS,
            2 => REGRESSIONS,
            3 => UPDATES,
            4 => ABOVE,
            bug => BUGS[bug - 5].signs,
        };
        let mut at = 0;
        while at < from.len() {
            signs[to] = from[at];
            to += 1;
            at += 1;
        }
        list += 1;
    }
    signs
};
