//! What of the host's control the guest reaches over its networks, tried from within it: a cloud's metadata service, which answers
//! whoever asks from the host's own address; libvirt's daemon; and every socket at which a VMM or a helper of one listens, which
//! may be a monitor, a display or an export of a disk, of this VM or of another. What listens for the loopback alone is tried where a
//! network in user space leads there. What a mere connection would disturb is not tried, and not passed: QEMU stops its guest for a
//! debugger, and takes the first to come for the guest that it waits for.

use super::observe::Observed;
use super::Gate;
use crate::interfaces;
use crate::quote;
use crate::scope::{Host, Session};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;
use vmwright_model::machine::{Network, NetworkKind};
use vmwright_model::{MachineSpec, Missing};

/// Metadata services of clouds: the address of all of them, and Amazon's in IPv6.
const METADATA: [&str; 2] = ["169.254.169.254:80", "[fd00:ec2::254]:80"];

/// Ports of control, whoever listens there: libvirt's (`libvirtd.conf`, `tcp_port` and `tls_port`) and the IANA's for NBD.
const PORTS: [(u16, &str); 3] = [(16509, "libvirt's daemon"), (16514, "libvirt's daemon by TLS"), (10809, "an NBD server")];

/// Beginnings of the names of those whose sockets are control, as the kernel cuts them (proc_pid_comm(5)).
const PROGRAMS: [&str; 9] =
    ["qemu-", "firecracker", "cloud-hyperviso", "libvirtd", "virtqemud", "virtproxyd", "virtiofsd", "swtpm", "nbd-server"];

/// Where a guest finds the host's loopback in QEMU's network in user space (libslirp's `vhost` and `vhost6`).
const SLIRP: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2)), IpAddr::V6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 2))];

/// How long each may take: what is there is one link away.
const LIMIT: Duration = Duration::from_secs(1);

/// The most that are tried, and processes that are looked at.
const MOST: usize = 24;
const PROCESSES: usize = 65_536;

/// A service that was tried. Within what came of it why it was not reached; outside of it why it was not tried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tried {
    pub(crate) what: String,
    pub(crate) to: String,
    pub(crate) reached: Result<Result<(), String>, String>,
}

/// What was seen from the guest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outward {
    /// Why nothing can be tried.
    pub(crate) silent: Option<String>,
    /// Why it is not known what listens on the host.
    pub(crate) dark: Option<Missing>,
    pub(crate) tried: Vec<Tried>,
    /// How many more there were.
    pub(crate) left: usize,
}

/// Tries; none where no network leads out of the guest.
pub(super) fn observe(session: &Session<'_>) -> Option<Outward> {
    let networks = &session.scope.spec.networks;
    if networks.iter().all(|network| network.kind == NetworkKind::None) {
        return None;
    }
    let mut seen = Outward { silent: session.waited.agent.as_ref().err().cloned(), dark: None, tried: Vec::new(), left: 0 };
    if seen.silent.is_some() {
        return Some(seen);
    }
    let mut services: Vec<(Listener, String)> = METADATA.map(|to| (Listener::named("a metadata service"), to.to_owned())).to_vec();
    match listeners(session) {
        Ok(listeners) => {
            let ways = ways(session);
            for (at, listener) in listeners {
                services.extend(ways_to(at, &ways).into_iter().map(|to| (listener.clone(), to.to_string())));
            }
        }
        Err(why) => seen.dark = Some(why),
    }
    seen.left = services.len().saturating_sub(MOST);
    services.truncate(MOST);
    let tried = |(Listener { what, disturbed }, to): (Listener, String)| {
        let reached = disturbed.map_or_else(|| session.reach_within(&to, LIMIT), |why| Err(why.to_owned()));
        Tried { what, to, reached }
    };
    seen.tried = services.into_iter().map(tried).collect();
    Some(seen)
}

/// Who listens, and why it is not tried whether the guest reaches that.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listener {
    what: String,
    disturbed: Option<&'static str>,
}

impl Listener {
    fn named(what: &str) -> Self {
        Self { what: what.to_owned(), disturbed: None }
    }
}

/// What listens on the host for TCP and is control, and who it is.
fn listeners(session: &Session<'_>) -> Result<Vec<(SocketAddr, Listener)>, Missing> {
    let mut all = listening(&session.host_file("/proc/net/tcp")?);
    // A kernel without IPv6 has none of these.
    all.extend(listening(&session.host_file("/proc/net/tcp6").unwrap_or_default()));
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let processes = processes(session.scope.host, session.scope.vmm.process().map(|process| process.pid));
    let own = session.scope.spec.networks.iter().flat_map(|network| &network.forwards);
    let own: Vec<u32> = own.map(|forward| forward.host).collect();
    let control = |(at, inode): (SocketAddr, u64)| {
        let port = at.port();
        if let Some((_, what)) = PORTS.iter().find(|(known, _)| *known == port) {
            return Some((at, Listener::named(what)));
        }
        let of = processes.iter().find(|process| process.sockets.contains(&inode))?;
        // A port that leads into a guest is that guest's.
        let leads_in = of.own && own.contains(&port.into()) || of.forwards(port);
        (!leads_in).then(|| (at, Listener { what: of.called(), disturbed: of.disturbed(port) }))
    };
    Ok(all.into_iter().filter_map(control).collect())
}

/// A VMM or a helper of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Process {
    pid: u32,
    comm: String,
    /// Whether it runs the VM under review.
    own: bool,
    /// Its command line.
    words: Vec<String>,
    /// Numbers of its sockets.
    sockets: BTreeSet<u64>,
}

impl Process {
    fn called(&self) -> String {
        if self.own { "this VM's VMM".to_owned() } else { format!("{} (process {})", self.comm, self.pid) }
    }

    /// Whether the port is one of the host that leads into a guest (QEMU's `hostfwd=tcp:127.0.0.1:2222-:22`).
    fn forwards(&self, port: u16) -> bool {
        let end = format!(":{port}-");
        self.words.iter().any(|word| word.contains("hostfwd") && word.contains(&end))
    }

    /// What a connection to this port would disturb (qemu(1), `-gdb` and `-s`, `-incoming`).
    fn disturbed(&self, port: u16) -> Option<&'static str> {
        let mut debuggers = self.words.windows(2).filter(|pair| pair[0] == "-gdb").map(|pair| pair[1].as_str());
        let end = format!(":{port}");
        let debugger = debuggers.any(|place| place.split(',').next().is_some_and(|place| place.ends_with(&end)))
            || port == 1234 && self.words.iter().any(|word| word == "-s");
        if debugger {
            return Some("it listens for a debugger, for which QEMU would stop its guest");
        }
        let waits = !self.own && self.words.iter().any(|word| word == "-incoming");
        waits.then_some("it was started to take over a guest, and may take the connection for that")
    }
}

/// Sockets that listen, with their numbers, in a table like `/proc/net/tcp` (proc_pid_net(5)): state 0A.
fn listening(table: &str) -> Vec<(SocketAddr, u64)> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let (ip, port) = local.split_once(':')?;
        (*state == "0A").then_some(())?;
        Some((SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?), inode.parse().ok()?))
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// An address as the kernel writes it: words of four bytes in the machine's own order, which is the small end first here.
fn address(text: &str) -> Option<IpAddr> {
    let bytes: Vec<u8> = (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()).collect::<Option<_>>()?;
    let turned: Vec<u8> = bytes.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
    match turned.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(turned).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(turned).ok()?).to_canonical()),
        _ => None,
    }
}

/// The VMMs of this host and those that help them, as far as they may be looked at.
fn processes(host: &dyn Host, own: Option<u32>) -> Vec<Process> {
    let text = |path: &str| host.file(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let one = |pid: u32| {
        let comm = text(&format!("/proc/{pid}/comm")).trim().to_owned();
        let own = own == Some(pid);
        if !own && comm != "kvm" && !PROGRAMS.iter().any(|name| comm.starts_with(name)) {
            return None;
        }
        let words = text(&format!("/proc/{pid}/cmdline")).split('\0').map(str::to_owned).collect();
        let numbers = host.names(&format!("/proc/{pid}/fd")).unwrap_or_default();
        let socket = |number: &String| {
            let link = host.link(&format!("/proc/{pid}/fd/{number}")).ok()?;
            link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        };
        Some(Process { pid, comm, own, words, sockets: numbers.iter().filter_map(socket).collect() })
    };
    let numbers = host.names("/proc").unwrap_or_default();
    numbers.iter().filter_map(|name| name.parse().ok()).take(PROCESSES).filter_map(one).collect()
}

/// An address at which the guest finds the host, and whether the host's loopback is behind it.
type Way = (IpAddr, bool);

fn ways(session: &Session<'_>) -> Vec<Way> {
    let interfaces = interfaces::of_guest(session).unwrap_or_default();
    let macs = interfaces::macs_of_vmm(session);
    let mut ways: Vec<Way> = Vec::new();
    for (index, network) in session.scope.spec.networks.iter().enumerate() {
        match network.kind {
            NetworkKind::None => {}
            NetworkKind::User => ways.extend(SLIRP.map(|ip| (ip, true))),
            NetworkKind::Passt => ways.extend(gateway(session).map(|ip| (ip, true))),
            _ => {
                let mac = interfaces::expected_mac(network, index, &macs);
                let own = interfaces::find(&interfaces, mac.as_deref()).and_then(interfaces::Interface::reachable);
                let guest = interfaces::specified(network).map(|(ip, _)| ip).or(own);
                let told = stated(network).or_else(|| session.scope.host.source(guest?));
                ways.extend(told.into_iter().chain(gateway(session)).map(|ip| (ip, false)));
            }
        }
    }
    ways.sort();
    ways.dedup();
    ways
}

/// The host's address on the network, as the specification states it.
fn stated(network: &Network) -> Option<IpAddr> {
    network.host_address.as_deref()?.split('/').next()?.parse().ok()
}

/// The guest's way to everywhere else: the destination of all zeros in its table of routes (proc_pid_net(5)).
fn gateway(session: &Session<'_>) -> Option<IpAddr> {
    let table = session.guest_file("/proc/net/route", 16 << 10).ok()?;
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&"00000000")).then(|| address(words.get(2)?)).flatten().filter(|ip| !ip.is_unspecified())
    })
}

/// By which addresses what listens there may be reached.
fn ways_to(at: SocketAddr, ways: &[Way]) -> Vec<SocketAddr> {
    let ip = at.ip();
    // A socket for all addresses of IPv6 takes IPv4 as well.
    let both = ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let fits = |(way, to_loopback): &&Way| {
        (way.is_ipv4() == ip.is_ipv4() || both) && (ip.is_unspecified() || ip.is_loopback() && *to_loopback || *way == ip)
    };
    let mut all: Vec<SocketAddr> = ways.iter().filter(fits).map(|(way, _)| SocketAddr::new(*way, at.port())).collect();
    if !ip.is_unspecified() && !ip.is_loopback() && !all.contains(&at) {
        all.push(at);
    }
    all
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.aspects.about("from the guest");
    let Some(seen) = &seen.outward else { return gate.aspects.none("no network leads out of the guest") };
    if let Some(why) = &seen.silent {
        return gate.aspects.unknown(format!("what of the host the guest reaches was not tried: {}", quote::line(why)));
    }
    if let Some(why) = &seen.dark {
        gate.aspects.unknown(format!("what listens on the host, and so what the guest may reach: /proc/net/tcp: {why}"));
    }
    for Tried { what, to, reached } in &seen.tried {
        let wanted = spec.review.reach.contains(to);
        let found = match reached {
            Ok(Ok(())) if wanted => "reached, as the specification wants".to_owned(),
            Ok(Ok(())) => "reached".to_owned(),
            Ok(Err(why)) => format!("not reached: {why}"),
            Err(why) => format!("not tried: {why}"),
        };
        gate.row(&format!("from the guest: {what} at {to}"), &found);
        match reached {
            Ok(Ok(())) => gate.aspects.expect(wanted, || format!("the guest reaches {} at {to}", quote::line(what))),
            Ok(Err(_)) => gate.aspects.pass(),
            Err(why) => gate.aspects.unknown(format!("whether the guest reaches {} at {to}: {}", quote::line(what), quote::line(why))),
        }
    }
    if seen.left > 0 {
        gate.aspects.unknown(format!("{} more services of the host were not tried from the guest", seen.left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:170C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 x 100 0 0 10 0\n   \
             1: 0100007F:170C 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 x 100 0 0 10 0\n";
        assert_eq!(listening(table), [("127.0.0.1:5900".parse().expect("an address"), 4242)]);
        let ips = ["00000000000000000000000001000000", "00000000000000000000000000000000", "0000000000000000FFFF00000100007F"];
        assert_eq!(ips.map(address), ["::1", "::", "127.0.0.1"].map(|ip| ip.parse().ok()));
        assert_eq!((address("0100"), address("zz00007F"), address("é100007")), (None, None, None));
    }

    #[test]
    fn what_leads_into_a_guest_or_would_be_disturbed_is_known_by_its_command_line() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        let of = |line: &str| Process { words: words(line), ..Process::default() };
        let forwards = of("qemu -netdev user,id=a,hostfwd=tcp:127.0.0.1:2222-:22 -vnc 127.0.0.1:1");
        assert!(forwards.forwards(2222) && !forwards.forwards(222) && !forwards.forwards(5901));
        let debugged = of("qemu -gdb tcp:127.0.0.1:4444,server=on -s");
        assert!(debugged.disturbed(4444).is_some() && debugged.disturbed(1234).is_some());
        assert_eq!((debugged.disturbed(444), debugged.disturbed(5901)), (None, None));
        let waits = of("qemu -incoming defer");
        assert!(waits.disturbed(49152).is_some());
        assert_eq!(Process { own: true, ..waits }.disturbed(49152), None, "it runs");
    }

    #[test]
    fn what_listens_is_tried_where_a_way_leads_there() {
        let way = |ip: &str, loopback| (ip.parse::<IpAddr>().expect("an address"), loopback);
        let ways = [way("10.0.2.2", true), way("fec0::2", true), way("192.0.2.1", false)];
        let to = |at: &str| -> Vec<String> {
            ways_to(at.parse().expect("an address"), &ways).iter().map(ToString::to_string).collect()
        };
        assert_eq!(to("127.0.0.1:5900"), ["10.0.2.2:5900"]);
        assert_eq!(to("[::1]:5900"), ["[fec0::2]:5900"]);
        assert_eq!(to("0.0.0.0:16509"), ["10.0.2.2:16509", "192.0.2.1:16509"]);
        assert_eq!(to("[::]:1"), ["10.0.2.2:1", "[fec0::2]:1", "192.0.2.1:1"]);
        assert_eq!(to("192.0.2.1:1"), ["192.0.2.1:1"]);
        assert_eq!(to("198.51.100.7:1"), ["198.51.100.7:1"], "by the way that packets take");
    }
}
