//! What the caller has opened for QEMU.

use std::collections::BTreeMap;
use vmwright_model::MachineSpec;
use vmwright_model::machine::NetworkKind;

/// Number of an open file, as the kernel counts it (`std::os::fd::RawFd`): this crate opens none.
pub type Descriptor = i32;

/// Numbers of the open files that QEMU inherits, and sockets of the helpers that were started for the machine.
/// What is absent is written by name: a tap by its interface, a serial log and a monitor not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handles {
    /// The serial log, open for appending.
    pub serial: Option<Descriptor>,
    /// The monitor's listening socket.
    pub qmp: Option<Descriptor>,
    /// The listening socket of the monitor for analyses, and the name of the directory that it lies in.
    pub queries: Option<(Descriptor, String)>,
    /// The agent's listening socket; used where the machine has an agent.
    pub agent: Option<Descriptor>,
    /// Taps of a network by its place in the specification: one for each pair of queues.
    pub taps: BTreeMap<usize, Vec<Descriptor>>,
    /// `/dev/vhost-net`, opened once for each of those.
    pub vhosts: BTreeMap<usize, Vec<Descriptor>>,
    /// Socket of the switch or passt of a network, by its place.
    pub networks: BTreeMap<usize, String>,
    /// Socket of the virtiofsd of a share, by its place.
    pub shares: BTreeMap<usize, String>,
    /// Socket of the machine's swtpm.
    pub tpm: Option<String>,
    /// Files that hold the content of secrets, by the name that the specification gives them.
    pub secrets: BTreeMap<String, String>,
    /// Generic SCSI device (`/dev/sg0`) of a host device, by its place.
    pub scsi: BTreeMap<usize, String>,
    /// Who QEMU becomes by itself, once it has opened everything and before its guest runs.
    pub becomes: Option<Becomes>,
}

/// The user and the group of one number that QEMU becomes, and in which words it is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Becomes {
    /// The number.
    pub id: u32,
    /// Whether by `-runas`, which QEMU 10.0 has no more; else by `-run-with user=`, which QEMU has since 9.1.
    pub by_runas: bool,
}

impl Handles {
    /// None: everything is written by name.
    #[must_use]
    pub fn by_name() -> Self {
        Self::default()
    }

    /// Whether a VMM is started with them: what is then missing is an error.
    #[must_use]
    pub fn to_run(&self) -> bool {
        self.qmp.is_some()
    }

    /// The numbers to show where none are open: 3 to 6, and taps from 7.
    #[must_use]
    pub fn to_show(spec: &MachineSpec) -> Self {
        let mut numbers = 7..;
        let opened = spec.networks.iter().enumerate().filter(|(_, network)| is_opened(network.kind));
        let taps = opened.map(|(at, network)| {
            let queues = network.queues.map_or(1, |queues| queues as usize);
            (at, numbers.by_ref().take(queues).collect())
        });
        let taps = taps.collect();
        let queries = Some((6, "0".repeat(12)));
        Self { serial: Some(3), qmp: Some(4), queries, agent: Some(5), taps, ..Self::default() }
    }
}

/// Kinds of networks whose taps are opened for QEMU.
fn is_opened(kind: NetworkKind) -> bool {
    matches!(kind, NetworkKind::Bridge | NetworkKind::Ovs | NetworkKind::Macvtap)
}
