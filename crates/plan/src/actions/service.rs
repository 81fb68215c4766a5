//! Services of systemd.

use super::{Facts, Fault, Phase, change, quoted, toggled};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::plan::ServiceState;
use vmwright_model::{Action, Disruption};

/// See [`Action::Service`].
pub(super) struct Service<'a> {
    pub(super) unit: &'a str,
    pub(super) from: ServiceState,
    pub(super) to: ServiceState,
}

impl Facts for Service<'_> {
    fn target(&self) -> Target {
        Target::Service(self.unit.to_owned())
    }

    fn words(&self) -> Words {
        toggled(self.unit, (self.from, self.to), told, "at boot")
    }

    fn phase(&self) -> Phase {
        if self.from.active && !self.to.active { Phase::ServiceStop } else { Phase::ServiceStart }
    }

    fn least_disruption(&self) -> Disruption {
        if self.from.active && !self.to.active { Disruption::ServiceRestart } else { Disruption::None }
    }

    fn may_lock_out(&self) -> bool {
        // What carries a login, an address or a packet filter.
        const NETWORK: [&str; 20] = [
            "ssh",
            "dropbear",
            "systemd-logind",
            "sssd",
            "NetworkManager",
            "systemd-networkd",
            "systemd-resolved",
            "networking",
            "network",
            "openvswitch",
            "ovs-",
            "firewalld",
            "nftables",
            "iptables",
            "ip6tables",
            "netfilter-persistent",
            "ufw",
            "wpa_supplicant",
            "dhcpcd",
            "wg-quick",
        ];
        NETWORK.iter().any(|name| self.unit.starts_with(name))
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Service { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        // `systemd.unit(5)`: letters, digits and `:-_.\@`, at most 255 of them, with a type.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        let typed = [".service", ".socket", ".timer"].iter().any(|kind| self.unit.ends_with(kind));
        if !typed || self.unit.len() > 255 || self.unit.starts_with('-') || !self.unit.bytes().all(fits) {
            faults.push(Fault::Value(format!("{} is not a unit like `libvirtd.service`", quoted(self.unit))));
        }
        faults
    }
}

fn told(state: ServiceState) -> &'static str {
    match (state.active, state.enabled) {
        (true, true) => "running, and started at boot",
        (true, false) => "running, and not started at boot",
        (false, true) => "stopped, and started at boot",
        (false, false) => "stopped, and not started at boot",
    }
}
