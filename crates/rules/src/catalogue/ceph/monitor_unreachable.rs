//! # The monitors cannot be reached, or the configuration names the wrong ones
//!
//! ## What it is
//! A client asks a monitor for the cluster's map before anything else. If none of the addresses in `mon_host` (or
//! the disk's `<host>` elements) answers, QEMU waits for minutes in "error connecting: Connection timed out" and
//! libvirt seems to hang.
//!
//! Heard as: rbd commands and starts of VMs with RBD disks time out or hang on one host; monitors do not answer
//! ping; wrong addresses in ceph.conf.
//!
//! Known by: rbd command hangs, connect timed out on port 6789 or 3300; monclient hunting; mon_host wrong in ceph.conf;
//! firewall to the storage network.
//!
//! ## Why it happens
//! The monitors moved and ceph.conf or the VM's definition still has the old addresses; ports 3300 (msgr2) or
//! 6789 (msgr1) are closed; the storage network or VLAN is down, or has an MTU that large messages do not pass;
//! no ceph.conf, or one that QEMU's user cannot read; DNS SRV records are missing.
//!
//! ## Confirm
//! `grep mon_host /etc/ceph/ceph.conf`; `virsh dumpxml VM | grep -A3 "protocol='rbd'"`; `nc -zv <monitor> 3300` and
//! `6789` from the host; `ceph -s --connect-timeout 10`; `ping -M do -s 8972 <monitor>` with jumbo frames.
//!
//! ## Refute
//! `ceph -s` answers on this host with the same configuration and user.
//!
//! ## Fix
//! Correct the addresses (`ceph config generate-minimal-conf` prints them), open the ports, repair the network;
//! running VMs learn new monitors by themselves, stored definitions do not.
//!
//! ## References
//! Ceph "Monitor config reference", "Looking up monitors through DNS"; `src/mon/MonClient.cc`; QEMU `block/rbd.c`,
//! `qemu_rbd_connect()`; libvirt `src/storage/storage_backend_rbd.c`; Linux `net/ceph/mon_client.c`.

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["storage", "network"],
    needs: &[Need::File("/etc/ceph/ceph.conf")],
    signs: &[
        Sign::strong("monclient(hunting): authenticate timed out after"),
        Sign::strong("monclient: authenticate timed out"),
        Sign::strong("authentication error (110) Connection timed out"),
        Sign::strong("error connecting: Connection timed out").and(&["rbd"]),
        Sign::support("error connecting: Connection timed out"),
        Sign::strong("RADOS timed out (error connecting to the cluster)"),
        Sign::strong("error connecting to the cluster: errno ETIMEDOUT"),
        Sign::strong("failed to connect to the RADOS monitor on: {monitor}: Connection timed out"),
        Sign::support("failed to connect to the RADOS monitor on"),
        Sign::strong("failed to connect to the RADOS cluster: Connection timed out"),
        Sign::strong("unable to get monitor info from DNS SRV with service name"),
        Sign::strong("no monitors specified to connect to"),
        Sign::strong("failed for service _ceph-mon._tcp"),
        Sign::strong("no monitor address(es) provided"),
        Sign::strong("session lost, hunting for new mon"),
        Sign::support("hunting for new mon"),
        Sign::strong("libceph: mon{number} *socket closed (con state CONNECTING)"),
        Sign::support("libceph: mon{number} *socket closed"),
        Sign::support("libceph: mon{number} *socket error"),
        Sign::support("libceph: mon{number} *connect error"),
        Sign::strong("libceph: connect *error -101"),
        Sign::strong("libceph: connect *error -113"),
        Sign::strong("libceph: resolve '{name}' (ret="),
        Sign::strong("error reading conf file"),
        Sign::strong("did not load config file, using default settings"),
        Sign::strong("error calling conf_read_file"),
        Sign::strong("can't open ceph.conf"),
        Sign::strong("unable to read ceph.conf"),
        Sign::support("failed to fetch mon config"),
        Sign::support("rbd: couldn't connect to the cluster").and(&["timed out"]),
        Sign::support("failed to set RADOS option: mon_host"),
        Sign::support("problem decoding monmap"),
        Sign::support("bad fsid, had"),
        Sign::support("couldn't connect to cluster: (110) Connection timed out"),
        // librados before 13.
        Sign::strong("parse_file: cannot open /etc/ceph/"),
        Sign::support("Errors while parsing config file!"),
        // ceph-csi, rook.
        Sign::support("Timeout waiting for process rbd to return"),
        Sign::strong("failed to get connection: connecting failed: rados: ret=-110"),
        Sign::strong("rados: ret=-110, Connection timed out"),
        Sign::support("no matching ceph monitor"),
        Sign::strong("error connecting: Operation not supported"),
        Sign::strong("error connecting: No such file"),
        Sign::support("wrong peer, want"),
        Sign::support("connect to {peer} got bad banner"),
        Sign::strong("libceph: connect {address} error"),
        Sign::strong("get_monmap_and_config failed to get config"),
        Sign::strong("get_monmap_and_config cannot identify monitors to contact"),
        Sign::strong("server name not found: {name} (Name or service not known)").and(&["ceph"]),
        Sign::strong("server name not found: {name} (Name or service not known)").and(&["rbd"]),
        Sign::strong("unable to parse addrs in '"),
        Sign::support("rados: ret=-2, No such file or directory"),
        Sign::support("rados: ret=-3, No such process"),
        Sign::strong("libceph: mon{n} {address} session lost, hunting for new mon"),
    ],
    words: &["mon_host", "monitor", "ceph.conf", "6789", "3300", "ceph", "rbd"],
    tells: "/etc/ceph/ceph.conf",
    remedy: "name the monitors that exist now in ceph.conf or the VM's definition, and open their ports 3300 and 6789",
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// A definition whose monitors are all unknown to the host's ceph.conf names yesterday's cluster.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Found::Text(conf) = cx.file("/etc/ceph/ceph.conf") else { return vec![draft.verdict()] };
    let mon_host = conf.lines().find(|(_, line)| {
        let key = line.trim_start();
        key.starts_with("mon_host") || key.starts_with("mon host")
    });
    for xml in cx.all::<DomainXml>() {
        let rbd = xml
            .elements("devices/disk/source")
            .into_iter()
            .filter(|source| source.attribute("protocol").is_some_and(|protocol| protocol.value == "rbd"));
        let hosts: Vec<Spanned<String>> = rbd
            .flat_map(|source| source.children().filter(|child| child.name() == "host"))
            .filter_map(|host| {
                host.attribute("name").map(|name| Spanned::new(name.value.to_owned(), name.line))
            })
            .collect();
        let (Some((number, line)), Some(first)) = (mon_host, hosts.first()) else { continue };
        draft = draft.looked();
        // Only addresses can be compared: a name may resolve to any of them.
        let foreign = |host: &Spanned<String>| {
            host.value.starts_with(|c: char| c.is_ascii_digit()) && !line.contains(host.value.as_str())
        };
        if hosts.iter().all(foreign) && line.contains(|c: char| c.is_ascii_digit()) {
            draft = draft
                .because(Strength::Support, xml.quote(first.line), "the VM names this monitor")
                .because(Strength::Hint, conf.quote(number), "the host knows these monitors")
                .title(format!(
                    "the VM names the monitor {}, which the host's ceph.conf does not know",
                    first.value
                ));
            break;
        }
    }
    vec![draft.verdict()]
}
