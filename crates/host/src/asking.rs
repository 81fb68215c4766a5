//! Commands that ask: the kernel's network, its firewall, libvirt, Open vSwitch. Each needs a socket that could also
//! carry a change, which the lock of ANALYSIS refuses to this process. So they run in the [messenger], and what
//! keeps them from changing anything is, for each kind of answerer, another thing:
//!
//! - the network ([`Asks::Network`]): without `CAP_NET_ADMIN` the kernel answers questions and refuses the rest;
//! - libvirt ([`Asks::Libvirt`]): the read-only socket, on which libvirt refuses every change;
//! - the firewall and Open vSwitch: the words of the command alone, which are fixed here and name a reading verb;
//! - the kernel, where it answers this program itself ([`kernel`]): constants, each a request for a list;
//! - QEMU's own monitors ([`qmp`]): no command at all but constants that begin with `query-`, in this program itself.
//!
//! Asking must not have effects of its own either: a daemon that sleeps is not woken, no module is loaded, and libvirt
//! is not asked for capabilities, for which it would start emulators.
//!
//! [messenger]: crate::sandbox::messenger

pub(crate) mod condition;
pub(crate) mod kernel;
pub(crate) mod libvirt;
pub(crate) mod qmp;

use crate::commands;
use crate::sandbox::messenger;
use crate::text::escape;
use condition::Condition;
pub(crate) use kernel::Kernel;
use std::path::Path;
use std::time::Duration;
use vmwright_model::{Missing, Need, Probe};

/// Who is asked, and so what the command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// rtnetlink: links, addresses, routes.
    Network,
    /// nfnetlink, which answers only to those who could also change: nftables, and iptables by way of it.
    Firewall,
    /// The socket option by which iptables' older tables are read.
    LegacyFirewall,
    /// libvirt's read-only socket.
    Libvirt,
    /// The sockets of Open vSwitch.
    OpenVswitch,
    /// The monitor of one QEMU; no command, but a thread.
    Qmp,
}

/// A command that asks.
#[derive(Debug)]
pub struct Asking {
    /// Its words.
    pub words: &'static [&'static str],
    asks: Asks,
    when: Condition,
}

const fn asking(words: &'static [&'static str], asks: Asks, when: Condition) -> Asking {
    Asking { words, asks, when }
}

/// The socket of Open vSwitch's database.
const OVS_SOCKET: &str = "/run/openvswitch/db.sock";

/// Open vSwitch's database and its switch, one of which must run for the other to be of use.
const OVS: Condition = Condition::Daemon(&["ovsdb-server"]);

/// Every command that may ask, by its words. A timeout of its own keeps `ovs-vsctl` from waiting for ever.
pub const ASKING: &[Asking] = &[
    asking(&["bridge", "-d", "link", "show"], Asks::Network, Condition::Always),
    asking(&["bridge", "-d", "vlan", "show"], Asks::Network, Condition::Always),
    asking(&["ip", "-4", "rule", "list"], Asks::Network, Condition::Always),
    asking(&["ip", "-6", "route", "show", "table", "all"], Asks::Network, Condition::Always),
    asking(&["ip", "-d", "address"], Asks::Network, Condition::Always),
    asking(&["ip", "-s", "-d", "link"], Asks::Network, Condition::Always),
    asking(&["ip", "neigh", "show"], Asks::Network, Condition::Always),
    asking(&["ip", "route", "show", "table", "all"], Asks::Network, Condition::Always),
    asking(&["iptables-legacy-save"], Asks::LegacyFirewall, Condition::LegacyTables),
    asking(&["iptables-nft-save"], Asks::Firewall, Condition::Module("nf_tables")),
    asking(&["nft", "list", "ruleset"], Asks::Firewall, Condition::Module("nf_tables")),
    asking(&["ovs-vsctl", "--timeout=5", "show"], Asks::OpenVswitch, OVS),
    asking(&["ovs-vsctl", "--timeout=5", "list", "interface"], Asks::OpenVswitch, OVS),
];

/// Every socket that is connected to, where it is there, beside the monitors of [`qmp`].
pub(crate) const SOCKETS: [&str; 3] = [libvirt::SOCKETS[0], libvirt::SOCKETS[1], OVS_SOCKET];

impl Asking {
    /// When the question has no effect of its own, as a command of a POSIX shell.
    pub(crate) fn shell_condition(&self) -> String {
        self.when.shell()
    }
}

/// Something to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// One of [`ASKING`], by its place there.
    Command(usize),
    /// libvirt for its domains, networks and pools.
    Libvirt,
    /// QEMU's monitors.
    Qmp,
}

/// The name of a source, and its text or why there is none.
pub(crate) type Answer = (String, Result<Vec<u8>, Missing>);

/// What one errand may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) time: Duration,
    pub(crate) bytes: u64,
}

impl Errand {
    /// The errand that serves a need; none where the need asks nobody.
    pub(crate) fn of(need: Need) -> Option<Self> {
        match need {
            Need::Command(words) => {
                ASKING.iter().position(|asking| asking.words == words).map(Errand::Command)
            }
            Need::Probe(Probe::Libvirt) => Some(Errand::Libvirt),
            Need::Probe(Probe::Qmp) => Some(Errand::Qmp),
            _ => None,
        }
    }

    /// The errand's number between the processes.
    pub(crate) fn number(self) -> u32 {
        // The table has a dozen rows.
        match self {
            Errand::Libvirt => 0,
            Errand::Qmp => 1,
            Errand::Command(at) => u32::try_from(at + 2).unwrap_or(u32::MAX),
        }
    }

    /// The errand of a number.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number as usize {
            0 => Some(Errand::Libvirt),
            1 => Some(Errand::Qmp),
            at => ASKING.get(at - 2).map(|_| Errand::Command(at - 2)),
        }
    }

    /// Runs it, in this process.
    pub(crate) fn run(self, bounds: Bounds) -> Vec<Answer> {
        match self {
            Errand::Libvirt => libvirt::ask(bounds),
            Errand::Qmp => qmp::ask(bounds),
            Errand::Command(at) => {
                let Asking { words, asks, when } = &ASKING[at];
                // Before all processes are looked at for its daemon: most hosts lack some of these programs.
                let ready = commands::installed(words[0]).and_then(|()| when.holds(Path::new("/")));
                let content = ready.and_then(|()| commands::ask(words, *asks, bounds.time, bounds.bytes));
                vec![(words.join(" "), content)]
            }
        }
    }

    /// Whether the kernel itself may have the answer, so that no program need be started.
    pub(crate) fn is_for_kernel(self) -> bool {
        matches!(self, Errand::Command(at) if kernel::knows(ASKING[at].words))
    }

    /// What can be said at once, because the kernel has the answer or there is no such program; none where a program or
    /// a daemon must be asked.
    pub(crate) fn at_once(self, kernel: &mut Kernel, bounds: Bounds) -> Option<Vec<Answer>> {
        let Errand::Command(at) = self else { return None };
        let Asking { words, when, .. } = &ASKING[at];
        let content = match commands::installed(words[0]) {
            Err(why) => Err(why),
            Ok(()) if kernel::knows(words) => {
                when.holds(Path::new("/")).ok()?;
                kernel.answer(words)?.map(String::into_bytes)
            }
            Ok(()) => return None,
        };
        let fits = content.as_ref().map_or(true, |said| said.len() as u64 <= bounds.bytes);
        fits.then(|| vec![(words.join(" "), content)])
    }

    /// What of an errand cannot be told, under its name.
    pub(crate) fn failed(self, why: Missing) -> Vec<Answer> {
        let name = match self {
            Errand::Libvirt => libvirt::NAME.to_owned(),
            Errand::Qmp => qmp::NAME.to_owned(),
            Errand::Command(at) => ASKING[at].words.join(" "),
        };
        vec![(name, Err(why))]
    }
}

/// Sends the errands off: they run while this process goes on reading.
pub(crate) fn send(errands: Vec<Errand>, bounds: Bounds) -> messenger::Sent {
    messenger::send(errands, bounds)
}

/// A command as a plan of reading names it, with the socket that it connects to.
pub(crate) fn planned(words: &[&str]) -> String {
    let asks = ASKING.iter().find(|asking| asking.words == words).map(|asking| asking.asks);
    match asks {
        Some(Asks::OpenVswitch) => format!("command: {} (asks {OVS_SOCKET})", words.join(" ")),
        _ => format!("command: {}", words.join(" ")),
    }
}

/// A name from a tool's output as a part of a source's name.
fn named(words: &str, name: &str) -> String {
    format!("{words} {}", escape(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `words` say when they are run as a command of this kind; `None` where the program is not here.
    fn try_as(asks: Asks, words: &[&str]) -> Option<Result<String, Missing>> {
        let said = commands::ask(words, asks, Duration::from_secs(10), 1 << 20);
        if said == Err(Missing::Absent) {
            eprintln!("SKIPPED confinement of `{}`: it is not installed", words[0]);
            return None;
        }
        Some(said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    #[test]
    fn the_network_tells_and_does_not_change() {
        let links = try_as(Asks::Network, &["ip", "-d", "address"]).map(Result::unwrap);
        assert!(links.is_none_or(|links| links.contains("lo: <")), "ip answers");
        let add = try_as(Asks::Network, &["ip", "link", "add", "vmwright-t0", "type", "bridge"]);
        assert!(add.is_none_or(|said| said == Err(Missing::Denied)), "a link was added");
        assert!(!Path::new("/sys/class/net/vmwright-t0").exists());
        // The firewall's own netlink is another one.
        let nft = try_as(Asks::Network, &["nft", "list", "ruleset"]);
        assert!(nft.is_none_or(|said| said.is_err()));
    }

    #[test]
    fn each_kind_reaches_nobody_elses_socket() {
        for asks in [Asks::Network, Asks::Firewall, Asks::LegacyFirewall] {
            let said = try_as(asks, &["virsh", "-r", "-c", "qemu:///system", "version"]);
            assert!(said.is_none_or(|said| said.is_err()), "{asks:?} reaches libvirt");
        }
        for asks in [Asks::Libvirt, Asks::OpenVswitch, Asks::LegacyFirewall] {
            let said = try_as(asks, &["ip", "-d", "address"]);
            assert!(said.is_none_or(|said| said.is_err()), "{asks:?} reaches the network");
        }
    }

    #[test]
    fn older_tables_cannot_be_replaced() {
        let said = try_as(Asks::LegacyFirewall, &["iptables-legacy", "-N", "VMWRIGHT-T"]);
        assert!(said.is_none_or(|said| said.is_err()));
        if let Some(Ok(rules)) = try_as(Asks::LegacyFirewall, &["iptables-legacy-save"]) {
            assert!(!rules.contains("VMWRIGHT-T"), "{rules}");
        }
    }

    #[test]
    fn numbers_go_both_ways() {
        for errand in (0..ASKING.len()).map(Errand::Command).chain([Errand::Libvirt, Errand::Qmp]) {
            assert_eq!(Errand::from_number(errand.number()), Some(errand));
        }
        assert_eq!(Errand::from_number(ASKING.len() as u32 + 2), None);
        assert_eq!(Errand::of(Need::Command(&["ip", "-d", "address"])), Some(Errand::Command(4)));
        assert_eq!(Errand::of(Need::Command(&["ip", "link", "add"])), None);
    }

    #[test]
    fn a_plan_of_reading_names_every_socket() {
        let needs = crate::standard::needs();
        let subject = crate::Subject { vm: None, state: "/nonexistent".into() };
        let plan = crate::work_list(&crate::Root::Live, &needs, &subject).join("\n");
        for socket in SOCKETS {
            assert!(plan.contains(socket), "{socket}: {plan}");
        }
    }
}
