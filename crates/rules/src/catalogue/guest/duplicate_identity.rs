//! # Cloned guests share a machine-id, host key, MAC or DHCP identity
//!
//! ## What it is
//! A copied image carries the identity of its original: /etc/machine-id, SSH host keys, DHCP client id (made
//! from the machine-id), iSCSI initiator name, Windows SID, UUIDs of file systems. Two such guests are one to
//! DHCP servers, cluster software and monitoring.
//!
//! Heard as: clones of a template get the same IP address or host key; machine-id.
//!
//! Known by: all clones get one DHCP address; template not sysprepped or without virt-sysprep; same machine-id, same
//! SID, same ssh host keys; cloned from golden image; addresses alternate; DHCP client id, DUID; dbus machine-id; ssh
//! warns of changed key; AD trust lost.
//!
//! ## Why it happens
//! The disk was copied, or a template was booted once before cloning, without `virt-sysprep` or cloud-init's
//! clean; a snapshot was restored beside its original; cloud-init saw the same instance-id.
//!
//! ## Confirm
//! `cat /etc/machine-id`, `ssh-keyscan HOST`, `ip link`, `cat /sys/class/dmi/id/product_uuid` in both guests;
//! `virsh net-dhcp-leases NETWORK` (client ids) on the host.
//!
//! ## Refute
//! All of these differ between the guests.
//!
//! ## Fix
//! Prepare templates with `virt-sysprep -d NAME` (or empty /etc/machine-id, remove /etc/ssh/ssh_host_*,
//! `cloud-init clean --machine-id`); in running clones remove both, run `systemd-machine-id-setup` and
//! `ssh-keygen -A`, and restart. Clone with `virt-clone`, which makes a new MAC and UUID.
//!
//! ## References
//! `machine-id(5)`, "First boot semantics"; `systemd.network(5)`, ClientIdentifier; libguestfs
//! `virt-sysprep(1)`; RFC 4361 (DUID-based client identifiers).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["guest", "clone", "network"],
    signs: &[
        Sign::strong("same machine-id"),
        Sign::strong("same machine id"),
        Sign::strong("duplicate machine-id"),
        Sign::strong("identical machine-id"),
        Sign::strong("IPv6 duplicate address"),
        Sign::strong("duplicate address detected"),
        Sign::strong("Address conflict detected"),
        Sign::support("IP address conflict"),
        Sign::support("is already in use by host with"),
        Sign::strong("DHCPDECLINE").and(&["clone"]),
        Sign::support("because it is leased to"),
        Sign::strong("same IP").and(&["clone"]),
        Sign::strong("same ip").and(&["template"]),
        Sign::strong("same ip address").and(&["cloned"]),
        Sign::strong("share ips").and(&["template"]),
        Sign::strong("share the same ip").and(&["clone"]),
        Sign::strong("given the same ip").and(&["template"]),
        Sign::strong("same hostname").and(&["clone"]),
        Sign::support("machine-id").and(&["clone"]),
        Sign::support("machine-id").and(&["template"]),
        Sign::support("machine-id").and(&["same IP"]),
        Sign::support("duplicate IP address"),
        Sign::strong("duplicate hostname"),
        Sign::strong("nodes with duplicate"),
        Sign::strong("Node password rejected, duplicate hostname"),
        Sign::strong("same product_uuid"),
        Sign::support("REMOTE HOST IDENTIFICATION HAS CHANGED"),
        Sign::support("same host key"),
        Sign::strong("is using the same DUID"),
        Sign::support("duplicate PV").and(&["clone"]),
        Sign::support("Filesystem has duplicate UUID"),
        Sign::support("machine-id")
            .said(&["same ip", "same address", "clone", "template", "copies"])
            .or_near(),
    ],
    words: &["clone", "same ip", "template", "machine-id", "duplicate", "copied", "both vms", "same address"],
    explains: &["network/mac-duplicate", "network/guest-address-missing"],
    tells: "cat /etc/machine-id in each clone; virsh net-dhcp-leases NETWORK",
    remedy: "give each clone its own machine-id and host keys (virt-sysprep on the template) and restart it",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // `cat /etc/machine-id` of several guests: 32 hexadecimal digits, `machine-id(5)`.
    let mut ids: Vec<(&str, &str, u32)> = Vec::new();
    // Client ids of `virsh net-dhcp-leases` with the MAC of their line.
    let mut leases: Vec<(&str, &str)> = Vec::new();
    let words = ["machine-id", "Machine ID", " ff:", "ipv4"];
    let is_file = |source: &str| source.contains("machine-id");
    let notes = cx.texts_with(words).filter(|text| !is_file(text.source));
    // In notes only lines with one of the words say anything.
    let telling = ["machine-id", "Machine ID", "ff:", "ipv4"];
    let of_files = cx.texts_named(is_file).map(|text| (text, text.lines().collect::<Vec<_>>()));
    let of_notes = notes.map(|text| (text, text.lines_with(telling).collect()));
    for (text, lines) in of_files.chain(of_notes) {
        for (number, line) in lines.into_iter().take_while(|(number, _)| *number <= 5_000) {
            let id = line.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_machine_id(word));
            let named = is_file(text.source) || line.contains("machine-id") || line.contains("Machine ID");
            if let Some(id) = id.filter(|_| named && ids.len() < 256) {
                if ids
                    .iter()
                    .any(|(known, source, at)| *known == id && (*source != text.source || *at != number))
                {
                    draft = draft.because(
                        Strength::Strong,
                        text.quote(number),
                        "another guest has the same machine-id",
                    );
                }
                ids.push((id, text.source, number));
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let mac = words.iter().find(|word| word.len() == 17 && word.matches(':').count() == 5);
            let client = words.last().filter(|word| word.starts_with("ff:") && word.len() > 20);
            if let (Some(mac), Some(client)) = (mac, client)
                && leases.len() < 1024
            {
                if leases.iter().any(|(known, other)| known == client && other != mac) {
                    draft = draft.because(
                        Strength::Strong,
                        text.quote(number),
                        "two MACs share one DHCP client id",
                    );
                }
                leases.push((client, mac));
            }
            // The same address given to two MACs, in the table of `virsh net-dhcp-leases`.
            let address = words.iter().position(|word| *word == "ipv4").and_then(|at| words.get(at + 1));
            if let (Some(mac), Some(address)) = (mac, address)
                && leases.len() < 1024
            {
                if leases.iter().any(|(known, other)| known == address && other != mac) {
                    draft = draft.because(
                        Strength::Strong,
                        text.quote(number),
                        "two MACs were given one address",
                    );
                }
                leases.push((address, mac));
            }
        }
    }
    vec![draft.verdict()]
}

fn is_machine_id(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}
