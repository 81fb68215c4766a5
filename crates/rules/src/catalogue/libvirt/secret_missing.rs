//! # The secret named for a disk or vTPM is not defined or has no value
//!
//! ## What it is
//! Passwords of Ceph, iSCSI, LUKS and vTPM state are no part of the domain XML: it names a libvirt secret by
//! UUID or usage, and libvirt fetches its value at start. This host's libvirt does not know the secret, knows it
//! without a value, or with another type.
//!
//! Heard as: on the new host the disk of Ceph, LUKS or iSCSI has no secret with this uuid.
//!
//! Known by: secret not found: no secret with matching usage or uuid; ceph or luks disk; virsh secret-set-value; secret
//! has no value after restart, ephemeral; secret-list empty; encrypted volume or RBD disk lost its key after reboot or
//! reinstall; auth username with secret uuid; ephemeral private.
//!
//! ## Why it happens
//! Secrets are kept per host and per instance (system or session) and travel with neither migration nor a copied
//! XML. A new compute node was not given it, an ephemeral one was lost at a reboot, or `secret-define` was not
//! followed by `secret-set-value`.
//!
//! ## Confirm
//! `virsh secret-list` on this host; `virsh dumpxml NAME | grep -A2 '<secret'` shows the UUID or usage; compare.
//!
//! ## Refute
//! The list has the UUID and `virsh secret-get-value` (as root) finds a value.
//!
//! ## Fix
//! Define the secret with the same UUID on every host that may run the VM and set its value. On a migration do
//! so on the target before it begins.
//!
//! ## References
//! libvirt `docs/formatsecret.rst`; `src/secret/secret_driver.c`, `secretConnectLookupByUUID()`;
//! `src/conf/virsecretobj.c`, "does not have a value".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["libvirt", "storage", "security"],
    signs: &[
        Sign::proof("no secret with matching uuid '{secret}'"),
        Sign::proof("no secret with matching usage '{secret}'"),
        Sign::strong("no secret with matching"),
        Sign::proof("Secret not found: rbd no secret matches"),
        Sign::strong("Secret not found"),
        Sign::proof("secret '{secret}' does not have a value"),
        Sign::proof("secret with uuid {secret} is of type"),
        Sign::strong("failed to get secret '{secret}'"),
        Sign::support("secret is private"),
        Sign::strong("could not get the value of the secret for username"),
        Sign::strong("could not find a secret"),
        Sign::strong("malformed TLS secret uuid"),
        Sign::strong("Failed to find a secret storage driver"),
        Sign::proof("No secret with id '{secret}'"),
        Sign::strong("Parameter 'encrypt.key-secret' is required for cipher"),
        Sign::strong("Parameter 'key-secret' is required for cipher"),
        Sign::hint("virSecretGetValue"),
        Sign::hint("<secret type='ceph'"),
        Sign::hint("<secret type='vtpm'"),
        Sign::support("encryption load fail").and(&["rbd"]),
        Sign::strong("CHAP username specified but no password was given"),
        Sign::strong("Failed to set initiator username and password"),
        Sign::strong("Object with id '{id}' is not TLS credentials"),
        Sign::strong("domain master key file doesn't exist"),
        Sign::strong("unable to read domain master key file"),
        Sign::strong("failed to open domain master key file"),
        Sign::strong("does not support passing a passphrase using a file descriptor"),
        Sign::strong("Both secret and the secret header are required"),
        Sign::strong("Unable to read passphrase"),
        Sign::strong("The provided key is too short"),
        Sign::strong("RBD library does not support layered encryption"),
    ],
    words: &["secret", "migrat", "new compute node", "encrypted"],
    tells: "virsh secret-list",
    remedy: "define the secret with the UUID that the domain names and set its value, on every host that may run it",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let heads = |line: &str| line.split_whitespace().eq(["UUID", "Usage"]);
    let Some((list, ..)) = cx.lines_with("UUID").find(|(_, _, line)| heads(line)) else {
        return vec![draft.verdict()];
    };
    for (text, number, line) in cx.lines_with("<secret ") {
        let secret = line.trim().strip_prefix("<secret ").and_then(|rest| rest.split_once("uuid="));
        let Some(uuid) = secret.and_then(|(_, rest)| rest.split(['\'', '"']).nth(1)) else { continue };
        if !list.holds(uuid) {
            let quote = text.quote(number);
            draft = draft
                .because(Strength::Strong, quote, "the list of secrets lacks it")
                .title(format!("the secret {uuid} is not defined on this host"));
        }
    }
    vec![draft.looked().verdict()]
}
