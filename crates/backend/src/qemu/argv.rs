//! QEMU's command line for a machine that this backend starts. The line itself is made in `vmwright_convert::qemu`;
//! here is decided what this backend cannot start, because a part of the machine would silently be missing.

use crate::sayable::refuse;
use crate::{StartError, Stored};
use vmwright_convert::{Effect, Remark};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{BootDevice, Disk, DiskDevice, Limits, NetworkKind, Pinning, Requirements};

pub use vmwright_convert::qemu::{AGENT_PORT, Argument, ArgvError, Becomes, Handles, mac, words};

/// The handles to show a machine's line with: those that a start would open, and who its QEMU would become.
#[must_use]
pub fn to_show(machine: &Stored) -> Handles {
    let becomes = super::reach::becomes(machine).ok().flatten();
    let becomes = becomes.map(|id| Becomes { id, by_runas: false });
    Handles { becomes, ..Handles::to_show(&machine.spec) }
}

/// The command line of a machine, without the program.
///
/// # Errors
/// [`StartError::Argv`]; [`StartError::Unsayable`] where the line would say less than the specification, with every
/// item that QEMU is not told and this backend does not do otherwise.
pub fn argv(spec: &MachineSpec, handles: &Handles) -> Result<Vec<Argument>, StartError> {
    let mut beyond = unmade(spec);
    // Without it there is no line at all, and none of the reasons below.
    refuse(super::NAME, &beyond, &[])?;
    let line = vmwright_convert::qemu::write(&alone(spec), handles)?;
    beyond.extend(line.remarks);
    beyond.extend(line.unsaid.into_iter().filter(|remark| !is_name(remark)));
    refuse(super::NAME, &beyond, &[])?;
    Ok(line.arguments)
}

/// A machine without what is no affair of the command line: text for people, what this backend does beside it, and what
/// others do.
fn alone(spec: &MachineSpec) -> MachineSpec {
    let mut spec = spec.clone();
    (spec.title, spec.description) = (None, None);
    // What is demanded of a VM makes none.
    spec.review = Requirements::default();
    // Threads are placed and limited once they run (`placement.rs`, `cgroup.rs`).
    spec.cpu.pinning = Pinning { iothreads: spec.cpu.pinning.iothreads, ..Pinning::default() };
    spec.limits = Limits::default();
    // QEMU is started as this user (`launch.rs`).
    (spec.process.user, spec.process.group) = (None, None);
    // It is as if it were not said; the jail is Firecracker's alone.
    spec.process.jailer = spec.process.jailer.filter(|jailer| *jailer);
    for network in &mut spec.networks {
        // Addresses are given by a seed or by hand, and by a plan; REVIEW looks for them.
        (network.address, network.host_address) = (None, None);
        if network.kind == NetworkKind::Bridge {
            // The tap is made so (`tap.rs`).
            network.isolated = None;
        }
    }
    // What is not there is not booted from.
    let there: Vec<BootDevice> = spec.boot.order.iter().copied().filter(|kind| has(&spec, *kind)).collect();
    spec.boot.order = there;
    spec
}

/// Whether it is the name by which people call a disk, which the guest does not see.
fn is_name(remark: &Remark) -> bool {
    remark
        .item
        .strip_prefix("disk.")
        .is_some_and(|key| key.ends_with(".target") && key.matches('.').count() == 1)
}

/// Whether a machine has a device of a kind to boot from.
fn has(spec: &MachineSpec, kind: BootDevice) -> bool {
    let disk = |wanted: fn(&DiskDevice) -> bool| spec.disks.iter().any(|disk: &Disk| wanted(&disk.device));
    match kind {
        BootDevice::Disk => disk(|device| matches!(device, DiskDevice::Disk | DiskDevice::Lun)),
        BootDevice::Cdrom => disk(|device| *device == DiskDevice::Cdrom),
        BootDevice::Floppy => disk(|device| *device == DiskDevice::Floppy),
        BootDevice::Network => !spec.networks.is_empty(),
    }
}

/// What the command line could say, and this backend does not make for it.
fn unmade(spec: &MachineSpec) -> Vec<Remark> {
    let networks = spec.networks.iter().enumerate().filter_map(|(at, network)| {
        let on = match network.kind {
            NetworkKind::Ovs => "an Open vSwitch bridge",
            NetworkKind::Macvtap => "a macvtap",
            NetworkKind::Libvirt => "a network of libvirt",
            _ => return None,
        };
        let why = format!("this backend makes no tap on {on}: make one, and name it with `kind = \"tap\"`");
        Some(Remark { effect: Effect::Lost, item: format!("network.{at}.kind"), why })
    });
    networks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::machine::{Network, Reaction};

    fn told(spec: &MachineSpec) -> String {
        argv(spec, &Handles::to_show(spec)).expect_err("refused").to_string()
    }

    #[test]
    fn a_machine_that_would_lack_a_part_is_refused() {
        let mut spec = MachineSpec::named("a");
        spec.title = Some("for people".to_owned());
        spec.limits.cpu_weight = Some(50);
        spec.process.jailer = Some(false);
        spec.boot.order = vec![BootDevice::Cdrom];
        assert!(argv(&spec, &Handles::to_show(&spec)).is_ok());
        spec.process.jailer = Some(true);
        spec.lifecycle.on_crash = Some(Reaction::CoredumpDestroy);
        spec.lifecycle.on_poweroff = Some(Reaction::Restart);
        spec.memory.hugepage_size = Some("2MiB".to_owned());
        let told = told(&spec);
        for item in
            ["process.jailer: ", "lifecycle.on_crash: ", "lifecycle.on_poweroff: ", "memory.hugepage_size: "]
        {
            assert!(told.contains(item), "{told}");
        }
    }

    #[test]
    fn a_network_for_which_no_tap_is_made_is_refused_before_the_start() {
        let mut spec = MachineSpec::named("a");
        spec.networks = vec![Network { bridge: Some("br0".to_owned()), ..Network::of(NetworkKind::Ovs) }];
        assert!(told(&spec).contains("network.0.kind: this backend makes no tap on an Open vSwitch bridge"));
    }

    #[test]
    fn a_bridge_gives_each_pair_of_queues_an_end_of_the_tap() {
        let mut spec = MachineSpec::named("a");
        let network = Network { bridge: Some("br0".to_owned()), ..Network::of(NetworkKind::Bridge) };
        spec.networks = vec![Network { queues: Some(2), ..network.clone() }, network];
        let line = argv(&spec, &Handles::to_show(&spec)).expect("sayable");
        let taps: Vec<&str> = line
            .iter()
            .filter(|argument| argument.option == "-netdev")
            .filter_map(|argument| argument.value.as_deref())
            .collect();
        assert_eq!(taps, ["tap,id=net0,fds=7:8", "tap,id=net1,fd=9"]);
    }
}
