//! # Source and target are, or look like, the same host
//!
//! ## What it is
//! libvirt refuses to migrate a guest onto its own host, and it knows hosts by their UUID (SMBIOS system UUID,
//! or host_uuid of libvirtd.conf) and name. Two hosts with one UUID are one host to it.
//!
//! Heard as: source and target are taken for one host.
//!
//! Known by: attempt to migrate guest to the same host; identical host uuid, sysinfo, DMI serial of cloned or cheap
//! boards; host_uuid in libvirtd.conf; cloned hypervisors; two nodes with identical identity; system-uuid equal; virsh
//! says same machine although different; dmidecode all zeros or 03000200.
//!
//! ## Why it happens
//! Boards that ship with one default UUID (03000200-0400-0500-0006-000700080009 and the like), nested hosts
//! cloned from one image, a `host_uuid` copied with libvirtd.conf, one machine-id on both hosts (with
//! host_uuid_source), or a URI that in fact leads back to the source.
//!
//! ## Confirm
//! `virsh capabilities | grep -m1 uuid`, `dmidecode -s system-uuid`, `grep host_uuid /etc/libvirt/*.conf`, `cat
//! /etc/machine-id` and `hostname` on both hosts: they must differ.
//!
//! ## Refute
//! UUIDs and names differ, and the URI's address belongs to the other host.
//!
//! ## Fix
//! Give each host its own UUID: `host_uuid = "$(uuidgen)"` in libvirtd.conf (virtqemud.conf with modular
//! daemons), or `host_uuid_source = "machine-id"` with distinct machine-ids, and restart the daemon. For hosts
//! that are VMs set a UUID in each domain.
//!
//! ## References
//! libvirt `src/qemu/qemu_migration_cookie.c` ("Attempt to migrate guest to the same host"),
//! `src/util/viruuid.c`, `libvirtd.conf` (host_uuid); nova `exception.UnableToMigrateToSelf`.

#[path = "preflight/identity.rs"]
pub(crate) mod preflight;

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration"],
    rank: Rank::Specific,
    needs: &[
        Need::File("/etc/libvirt/libvirtd.conf"),
        Need::File("/etc/machine-id"),
        Need::File("/etc/libvirt/virtqemud.conf"),
    ],
    signs: &[
        Sign::proof("Attempt to migrate guest to the same host"),
        Sign::proof("UnableToMigrateToSelf"),
        Sign::proof("Unable to migrate instance * to current host"),
        Sign::strong("target is local node"),
        Sign::strong("Cannot migrate to the host where the server exists"),
        Sign::strong("same system uuid"),
        Sign::strong("same systemUUID"),
        Sign::strong("same product_uuid"),
        Sign::strong("same host uuid"),
        Sign::strong("duplicate host uuid"),
        Sign::strong("03000200-0400-0500-0006-000700080009").and(&["migrati"]),
        Sign::strong("03000200-0400-0500-0006-000700080009").and(&["migrate"]),
        Sign::support("03000200-0400-0500-0006-000700080009"),
        Sign::support("00020003-0004-0005-0006-000700080009"),
        Sign::strong("00020003-0004-0005-0006-000700080009").and(&["migrati"]),
        Sign::strong("00020003-0004-0005-0006-000700080009").and(&["migrate"]),
        Sign::support("4c4c4544-0000-2010-8020-80c04f202020"),
        Sign::support("UUID of the host"),
        Sign::strong("Unable to migrate instance ("),
        Sign::strong("Unable to migrate").and(&["to current host"]),
        Sign::strong("Found multiple sockets for vmi"),
    ],
    words: &["migrat", "same host", "same uuid", "host uuid", "system uuid", "itself", "cloned"],
    tells: "virsh capabilities | grep -m1 uuid on both hosts",
    remedy: "give each host its own host_uuid (libvirtd.conf or virtqemud.conf) and restart the daemon",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // The same UUID of a system in two places: two files, or two lines of one listing of hosts.
    let mut seen: Vec<(String, &str, u32)> = Vec::new();
    let words = ["uuid", "UUID", "Uuid"];
    let is_file = |source: &str| source.contains("product_uuid");
    let files = cx.texts_named(is_file);
    let files = files.flat_map(|text| text.lines().map(move |(number, line)| (text, number, line)));
    let notes = cx.lines_with(words).filter(|(text, ..)| !is_file(text.source));
    for (text, number, line) in files.chain(notes) {
        let lower = line.to_ascii_lowercase();
        let names = ["host_uuid", "systemuuid", "system-uuid", "system uuid", "product_uuid"];
        if !names.iter().any(|name| lower.contains(name)) && !is_file(text.source) {
            continue;
        }
        let Some(uuid) = lower.split(|c: char| !c.is_ascii_hexdigit() && c != '-').find(|word| is_uuid(word))
        else {
            continue;
        };
        if let Some((_, source, line)) = seen.iter().find(|(known, ..)| known == uuid)
            && (*source != text.source || *line != number)
        {
            draft = draft
                .because(Strength::Strong, text.quote(number), "another host has the same UUID")
                .title(format!("two hosts have the UUID {uuid}"));
            break;
        }
        if seen.len() < 256 {
            seen.push((uuid.to_owned(), text.source, number));
        }
    }
    vec![draft.verdict()]
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23))
}
