//! # The user may not use libvirt's socket
//!
//! ## What it is
//! The daemon runs and its socket exists, but the caller is refused: by the socket's group and mode, or by
//! polkit, which decides for `org.libvirt.unix.manage` and `org.libvirt.unix.monitor`.
//!
//! Heard as: asks for a password each time; ansible, terraform or my user cannot connect without sudo.
//!
//! Known by: authentication unavailable: no polkit agent; permission denied on libvirt-sock; user not in libvirt group;
//! access denied by policy; virt-manager asks for password; polkit agent, password prompt each time; read-only
//! connection works; unix_sock_group; usermod -aG libvirt, log in again; access denied org.libvirt.unix.manage.
//!
//! ## Why it happens
//! The user is not in the group that owns the socket (`libvirt`, on old systems `libvirtd`), or was added and
//! has not logged in again. Over SSH, in a service or in a container there is no polkit agent that could ask for
//! a password. Or the connection is read-only and a command would change something.
//!
//! ## Confirm
//! `ls -l /run/libvirt/libvirt-sock /run/libvirt/virtqemud-sock`, `id`, `getent group libvirt`,
//! `grep -E '^(unix_sock|auth_unix)' /etc/libvirt/libvirtd.conf /etc/libvirt/virtqemud.conf`.
//!
//! ## Refute
//! `virsh -c qemu:///system list` works for this user, or the socket does not exist at all.
//!
//! ## Fix
//! Add the user to the socket's group and log in again, or write a polkit rule for the action. Membership
//! equals root on the host: for people who need only their own VMs `qemu:///session` is the safer way.
//!
//! ## References
//! libvirt `docs/auth.rst`, `docs/aclpolkit.rst`; `src/util/virpolkit.c`, `virPolkitCheckAuth()`;
//! `src/rpc/virnetsocket.c`, `virNetSocketNewConnectUNIX()`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["libvirt", "permission"],
    needs: &[Need::Probe(Probe::DeviceNodes), Need::File("/etc/libvirt/libvirtd.conf")],
    signs: &[
        Sign::proof("Failed to connect socket to '*libvirt*': Permission denied"),
        Sign::proof("Failed to connect socket to '*libvirt*': Operation not permitted"),
        Sign::proof("unable to connect to '*libvirt*': Permission denied"),
        Sign::proof("dial unix *libvirt*sock: connect: permission denied"),
        Sign::proof("no polkit agent available to authenticate action '*org.libvirt*'"),
        Sign::proof("no polkit agent available to authenticate action"),
        Sign::strong("polkit text authentication agent unavailable"),
        Sign::strong("authentication unavailable: no agent is available to authenticate"),
        Sign::strong("Authorization requires authentication but no agent is available"),
        Sign::proof("authentication failed: polkit: polkit"),
        Sign::strong("authentication failed: access denied by policy"),
        Sign::strong("authentication failed: Authorization requires authentication"),
        Sign::strong("access denied: '*' denied access"),
        Sign::support("user cancelled authentication process"),
        Sign::support("error from service: CheckAuthorization"),
        Sign::strong("operation forbidden: read only access prevents"),
        Sign::strong("operation * forbidden for read only access"),
        Sign::strong("nc: unix connect failed: Permission denied"),
        Sign::strong("*/libvirt-sock: Permission denied"),
        Sign::strong("*/virtqemud-sock: Permission denied"),
        Sign::hint("org.libvirt.unix.manage"),
        Sign::support("Cannot create user runtime directory '*libvirt': Permission denied"),
        Sign::hint("org.libvirt.unix.monitor"),
        Sign::strong("Failed to connect socket to '*libvirt*': No such file or directory").against(),
        // sshd forbids the forwarding of sockets.
        Sign::strong("Received request to connect to path *libvirt*, but the request was denied"),
        Sign::strong("ssh: rejected: administratively prohibited").and(&["libvirt"]),
        Sign::strong("Connection not permitted for uid"),
        Sign::support("Cannot set group when not running as root").and(&["libvirt"]),
        Sign::support("root libvirt").said(&["password", "sudo", "permission"]).or_near(),
        Sign::strong("authentication failed: authentication failed"),
        Sign::strong("authentication failed: Failed to start SASL negotiation"),
        Sign::strong("authentication failed: Failed to step SASL negotiation"),
        Sign::strong("no agent is available to authenticate"),
        Sign::support("Please enter your authentication name"),
        Sign::strong("SSH HOST KEY VERIFICATION FAILED"),
        Sign::strong("failed to validate SSH host key"),
        Sign::support("SSH host key for '{host}'"),
        Sign::support("Failed to authenticate as 'none'"),
        Sign::support("failed to authenticate using agent"),
        Sign::support("SSH session handshake failed"),
        Sign::support("keyboard interactive authentication failed"),
        Sign::strong("not allowed by ACL").and(&["SASL"]),
        Sign::support("Cannot create user runtime directory"),
        Sign::strong("authentication required").and(&["libvirt"]),
        Sign::strong("Client's username is not on the list of allowed clients"),
        Sign::strong("no client username was found"),
        Sign::strong("no SASL mechanisms are available"),
        Sign::strong("Polkit auth attempted, even though polkit is not available"),
        Sign::strong("No identity information available for client"),
        Sign::strong("Failed to start SASL negotiation"),
        Sign::strong("Failed to step SASL negotiation"),
        Sign::strong("Client socket identity not available"),
        Sign::proof("libvirt group membership check failed"),
        Sign::strong("PR_KVM_USER_PERMISSION"),
    ],
    words: &[
        "libvirt group",
        "not connected",
        "unable to connect",
        "permission",
        "connect to libvirt",
        "polkit",
        "without sudo",
        "as root it works",
        "normal user",
        "password",
    ],
    explains: &["libvirt/daemon-not-running", "libvirt/session-vs-system"],
    tells: "ls -l /run/libvirt/libvirt-sock; id",
    remedy: "put the user into the group that owns the socket and log in again, or allow the action in polkit",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// What people say who do not get through to libvirt.
const SHUT: &[&str] = &["not connected", "unable to connect", "permission", "password", "connect to libvirt"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if cx.asked(SHUT) {
        let mine = groups(cx).filter(|(_, line)| !line.contains("libvirt") && !line.contains("uid=0("));
        let quote = mine.map(|(quote, _)| quote).next().flatten();
        draft = draft.because(Strength::Support, quote, "the user is in no group of libvirt's");
    }
    vec![draft.verdict()]
}

/// What `id` and `groups` printed, of users who are in groups of their own choice.
fn groups<'r>(cx: &'r Context<'_>) -> impl Iterator<Item = (Option<Evidence>, &'r str)> {
    let of_id = cx.lines_with("groups=").map(|(text, number, line)| (text.quote(number), line));
    let of_groups = cx.texts_with("groups").flat_map(|text| {
        let behind = |number: u32| text.lines().find(move |(other, _)| *other == number + 1);
        let asked = text.lines_with("groups").filter(|(_, line)| line.trim_end().ends_with("$ groups"));
        asked.filter_map(move |(number, _)| behind(number)).map(|(number, line)| (text.quote(number), line))
    });
    of_id.chain(of_groups)
}
