//! # The target's name resolves wrongly, or to localhost
//!
//! ## What it is
//! The target tells the source under which name it can be reached for the data, and that is its own host name.
//! If it resolves to a loopback address there, or not at all on the source, the data has no way.
//!
//! Heard as: migration by IP address or to a name that resolves to localhost or to nothing fails; with /etc/hosts
//! entries it works.
//!
//! Known by: tries localhost or 127.0.1.1; hostname resolved to localhost, but migration requires an FQDN; name not
//! known on the target; wrong interface in /etc/hosts; Temporary failure in name resolution; target answers with its
//! short name or loopback; migrateuri with address helps; resolver, DNS search domain; 127.0.0.1 used; listening on
//! wrong network.
//!
//! ## Why it happens
//! `/etc/hosts` of the target gives its own name to 127.0.1.1 or ::1 (the installers of Debian and Ubuntu do
//! so), the host name is `localhost.localdomain`, DNS lacks a host or answers with the address of another
//! network, two hosts have one name.
//!
//! ## Confirm
//! On the target `getent hosts $(hostname -f)`, on the source `getent hosts TARGET`: one address of the
//! migration network, the same on both. `virsh hostname` on the target says what it will be called.
//!
//! ## Refute
//! Both answers are the same routable address; then the connection itself is refused or blocked.
//!
//! ## Fix
//! Take the host's name out of the loopback lines of /etc/hosts and give it its address, or put it into DNS; or
//! name the data's address by hand: `virsh migrate ... --migrateuri tcp://ADDRESS`, or `migration_host` in the
//! target's qemu.conf.
//!
//! ## References
//! libvirt `src/qemu/qemu_migration.c` (qemuMigrationDstPrepareDirect), `src/util/virutil.c` (virGetHostname),
//! `docs/migration.rst`; QEMU `util/qemu-sockets.c`.

#[path = "preflight/names.rs"]
mod preflight;

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration", "network"],
    needs: &[Need::File("/etc/hosts"), Need::File("/proc/sys/kernel/hostname")],
    signs: &[
        Sign::proof("hostname on destination resolved to localhost"),
        Sign::proof("resolved to localhost, but migration requires an FQDN"),
        Sign::proof("unable to connect to server at 'localhost{rest}:49{port}'"),
        Sign::proof("unable to connect to server at '127.{rest}:49{port}'"),
        Sign::strong("Unable to resolve address '{host}' service '{port}'"),
        Sign::strong("address resolution failed for {host}:"),
        Sign::strong("Cannot resolve {host} address:"),
        Sign::strong("Could not resolve hostname").and(&["migrati"]),
        Sign::strong("Could not resolve hostname").and(&["migrate"]),
        Sign::strong("Could not resolve hostname").and(&["qemu+ssh"]),
        Sign::strong("Name or service not known").and(&["migrati"]),
        Sign::strong("Name or service not known").and(&["migrate"]),
        Sign::strong("Temporary failure in name resolution").and(&["migrati"]),
        Sign::strong("Temporary failure in name resolution").and(&["migrate"]),
        Sign::strong("No address associated with hostname").and(&["migrati"]),
        Sign::strong("No address associated with hostname").and(&["migrate"]),
        Sign::strong("nodename nor servname provided").and(&["migrati"]),
        Sign::strong("nodename nor servname provided").and(&["migrate"]),
        Sign::support("could not rdma_getaddrinfo address"),
        Sign::support("could not resolve address"),
        Sign::strong("missing host in migration URI"),
        Sign::strong("URI with tcp scheme did not provide a server part"),
        Sign::support("localhost.localdomain").and(&["migrati"]),
        Sign::support("localhost.localdomain").and(&["migrate"]),
        // CloudStack, LibvirtMigrateCommandWrapper.
        Sign::strong("Provided libvirt destination ip is invalid"),
        Sign::strong("unable to detect remote migration address"),
        Sign::support("host isn't capable of IPv6"),
        Sign::strong("failed to get an ip address of type"),
        Sign::support("no migration IP"),
        // What a complaint makes of a configuration.
        Sign::strong("127.0.1.1 ").said(&["migrat"]),
        Sign::strong("migration_host must not be the address of the local machine"),
        Sign::strong("migration_address must not be the address of the local machine"),
        Sign::strong("no hostname found for domain"),
        Sign::hint(SAME),
    ],
    words: &["migrat", "hostname", "fqdn", "localhost", "resolve", "/etc/hosts", "dns"],
    explains: &["migration/daemon-not-listening", "migration/port-blocked", "migration/same-host"],
    tells: "getent hosts NAME on both hosts",
    remedy: "let the target's name resolve to its migration address on both hosts, or give --migrateuri tcp://ADDRESS",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let mut hosts = cx.texts_named(|source| source.rsplit(['/', '-', '_']).next().is_some_and(named_hosts));
    if let Some(text) = hosts.next().filter(|_| cx.stands("migrat")) {
        // A loopback address with a name that is not the loopback's own.
        let own = |name: &str| {
            name.starts_with("localhost") || name.starts_with("ip6-") || name.starts_with("loopback")
        };
        let wrong = text.lines().find(|(_, line)| {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let loopback =
                words.next().is_some_and(|address| address.starts_with("127.") || address == "::1");
            loopback && words.any(|name| !own(name))
        });
        if let Some((number, line)) = wrong {
            // The host that answered is the one that asked: its name led back here.
            let same = cx.hits(SAME).iter().filter_map(|hit| hit.get("host"));
            let led = same.into_iter().any(|host| line.split_whitespace().any(|name| name == host));
            draft = draft.because(
                if led { Strength::Proof } else { Strength::Support },
                text.quote(number),
                "a host's name stands for a loopback address",
            );
        }
    }
    vec![draft.verdict()]
}

/// libvirt names the host by its name or its UUID.
const SAME: &str = "Attempt to migrate guest to the same host {host}";

fn named_hosts(name: &str) -> bool {
    matches!(name, "hosts" | "hosts.txt")
}
