//! # The cephx key, secret or capabilities are wrong or missing
//!
//! ## What it is
//! A Ceph client proves who it is with a key and may do what its capabilities allow. QEMU gets the key from a
//! keyring below /etc/ceph or from a libvirt secret. Without a valid key the connection is refused; with too few
//! capabilities a pool, image or lock operation is.
//!
//! Heard as: the image cannot be opened on the new host or after the key was changed; operation not permitted from
//! rbd; keyring or user.
//!
//! Known by: error connecting: operation not permitted; missing keyring; client.libvirt has no caps on the pool; rbd:
//! couldn't connect to the cluster; secret value is not the key, wrong base64.
//!
//! ## Why it happens
//! No keyring for that user, or not readable for QEMU's user; a key that was changed on the cluster but not in
//! the secret; `id=` absent, so that `client.admin` is tried; capabilities without `profile rbd`, or for another
//! pool or namespace; clocks more than some minutes apart, so tickets are not accepted.
//!
//! ## Confirm
//! `rbd --id USER -k KEYRING ls POOL` on the host; on the cluster `ceph auth get client.USER`; compare with
//! `virsh secret-get-value UUID`; `chronyc tracking`.
//!
//! ## Refute
//! That command lists the images. A secret that libvirt does not have at all is libvirt/secret-missing; a timeout
//! is the monitors' network.
//!
//! ## Fix
//! `ceph auth get-or-create client.USER mon 'profile rbd' osd 'profile rbd pool=POOL'`, put that key into the
//! keyring or with `virsh secret-set-value` into the secret, and give QEMU's user read permission.
//!
//! ## References
//! Ceph "CephX config reference", "User management"; `src/auth/cephx/`, `src/mon/MonClient.cc`; QEMU `block/rbd.c`,
//! `qemu_rbd_set_auth()`; libvirt "secret XML" (usage ceph); Linux `net/ceph/auth_x.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage", "security"],
    needs: &[Need::File("/etc/ceph/ceph.conf")],
    signs: &[
        Sign::proof("monclient: authenticate NOTE: no keyring found; disabled cephx authentication"),
        Sign::strong("unable to find a keyring on"),
        Sign::proof("handle_auth_bad_method server allowed_methods"),
        Sign::strong("ERROR: missing keyring, cannot use cephx for authentication"),
        Sign::strong("librados: client.{user} initialization error (2)"),
        Sign::strong("librados: client.{user} authentication error (1)"),
        Sign::strong("librados: client.{user} authentication error (13)"),
        Sign::support("librados: client.{user} authentication error").unless(&["(110) Connection timed out"]),
        Sign::strong("error connecting: Operation not permitted").unless(&["tuntap"]),
        Sign::strong("error connecting: Permission denied").and(&["rbd"]),
        Sign::support("error connecting: Invalid argument").and(&["rbd"]),
        Sign::strong("error connecting: No such file or directory").and(&["rbd"]),
        Sign::strong("error connecting: Operation not supported").and(&["rbd"]),
        Sign::strong("RADOS permission error (error connecting to the cluster)"),
        Sign::strong("RADOS permission denied (error connecting to the cluster)"),
        Sign::strong("RADOS object not found (error connecting to the cluster)"),
        Sign::strong("error opening pool {pool}: Operation not permitted"),
        Sign::strong("error reading header from {image}: Operation not permitted"),
        Sign::support("error reading header from {image}: Permission denied"),
        Sign::strong("no secret set (for auth_x protocol)"),
        Sign::strong("auth protocol '{protocol}' mauth authentication failed"),
        Sign::strong("auth protocol '{protocol}' msgr authentication failed"),
        Sign::support("auth method 'x' error -1"),
        Sign::support("auth method 'x' error -13"),
        Sign::strong("failed to decode CephX"),
        Sign::strong("cephx: verify_authorizer"),
        Sign::strong("cephx server client.{user}: unexpected key"),
        Sign::strong("cephx server client.{user}:*handle_request failed to decode"),
        Sign::strong("Could not set 'key'"),
        Sign::support("Could not set 'auth_client_required'"),
        Sign::strong("auth: could not find secret_id"),
        Sign::strong("rbd: couldn't connect to the cluster").unless(&["timed out"]),
        Sign::support("failed to connect to the RADOS monitor on: {monitor}: Operation not permitted"),
        Sign::support("failed to set RADOS option: key"),
        Sign::support("couldn't connect to cluster: (1) Operation not permitted"),
        Sign::support("Using cephx authorization").and(&["Operation not permitted"]),
        Sign::hint("keyring").and(&["ceph"]),
        // go-ceph: ceph-csi, Incus, LXD, CloudStack.
        Sign::strong("rados: ret=-1, Operation not permitted"),
        Sign::strong("rados: ret=-13, Permission denied"),
        Sign::strong("rados: ret=-22, Invalid argument").and(&["connect"]),
        Sign::support("error connecting: Operation not permitted").and(&["rbd"]),
        Sign::support("error connecting: Permission denied").and(&["rbd"]),
        Sign::strong("Not a proper {x} authentication file"),
        Sign::strong("error connecting to the cluster").and(&["ObjectNotFound"]),
        Sign::strong("RADOS permission denied"),
        Sign::strong("libceph: auth protocol '{protocol}' not allowed"),
        Sign::strong("libceph: auth method '{method}' error"),
        Sign::support("authorizer reply too big"),
        Sign::strong(": failed to authenticate server"),
        Sign::strong("cephx: verify_reply couldn't decrypt"),
        Sign::strong("cephx client: could not set rotating key"),
        Sign::strong("cephx: verify_authorizer could not decrypt"),
        Sign::strong("unexpected key: req.key="),
        Sign::strong("error opening pool '{pool}': (1)"),
        Sign::strong("error opening pool '{pool}': (13)"),
        Sign::strong("librbd*: (1) Operation not permitted").unless(&["lock owner"]),
        Sign::strong("librbd*: (13) Permission denied").unless(&["lock owner"]),
        Sign::strong("librados: {client} initialization error (1)"),
        Sign::strong("librados: {client} authentication error"),
        Sign::strong("handle_auth_bad_method"),
        Sign::strong("rados: ret=-22, Invalid argument: missing keyring"),
        Sign::strong("failed to decode key"),
        Sign::strong("failed to decode keyring"),
        // Without `profile rbd` a client may not fence a dead one that holds the image.
        Sign::strong("caps mon = \"allow r\"").and(&["exclusive lock"]),
        Sign::strong("mon *allow r\"").and(&["exclusive lock"]),
    ],
    words: &["cephx", "keyring", "ceph auth", "secret", "rbd", "client."],
    tells: "rbd --id USER ls POOL",
    remedy: "give the client the cluster's current key (keyring or libvirt secret) with 'profile rbd' on its pool",
    rank: Rank::Specific,
    ..Rule::NEW
};
