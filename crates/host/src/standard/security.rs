//! AppArmor, SELinux, limits and the identities of users.

use vmwright_model::Need;

pub(super) const NEEDS: &[Need] = &[
    Need::File("/etc/group"),
    Need::File("/etc/passwd"),
    Need::File("/etc/security/limits.conf"),
    Need::File("/etc/selinux/config"),
    Need::File("/etc/subgid"),
    Need::File("/etc/subuid"),
    Need::File("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    Need::File("/proc/sys/kernel/dmesg_restrict"),
    Need::File("/proc/sys/kernel/unprivileged_userns_clone"),
    Need::File("/proc/sys/kernel/yama/ptrace_scope"),
    Need::File("/proc/sys/user/max_user_namespaces"),
    Need::File("/sys/fs/selinux/enforce"),
    Need::File("/sys/fs/selinux/policyvers"),
    Need::File("/sys/kernel/security/apparmor/profiles"),
    Need::File("/sys/kernel/security/lockdown"),
    Need::File("/sys/kernel/security/lsm"),
    Need::File("/sys/module/apparmor/parameters/enabled"),
    Need::File("/sys/module/apparmor/parameters/mode"),
    Need::File("/var/log/audit/audit.log"),
    Need::Glob("/etc/apparmor.d/libvirt/*"),
    Need::Glob("/etc/security/limits.d/*.conf"),
];
