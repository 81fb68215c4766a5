//! Linux bridges, through iproute2's `ip`.
//!
//! `ip` and not netlink by hand: every host with KVM has it, it speaks JSON, it asks the network namespace that
//! the process is in (which `/sys/class/net` does not after `unshare -n`), and what it did a person can take back
//! with the same words. It is run by absolute path and without the caller's environment.

use super::{ActionError, World};
use crate::tool::{ToolError, run, succeed};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_model::plan::UplinkRoute;
use vmwright_plan::canonical::sha256;
use vmwright_plan::lint::parse_address;

/// Where distributions put it.
const IP: [&str; 4] = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"];

/// `ip` answers in milliseconds; a kernel that holds its lock for longer is in trouble.
const LIMIT: Duration = Duration::from_secs(20);

/// An interface as `ip -j -d addr show` tells it. Objects of other interfaces may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    pub(super) ifname: String,
    pub(super) ifindex: u32,
    pub(super) address: String,
    pub(super) master: Option<String>,
    pub(super) flags: Vec<String>,
    pub(super) linkinfo: LinkInfo,
    pub(super) addr_info: Vec<AddrInfo>,
}

/// What kind of interface it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LinkInfo {
    pub(super) info_kind: Option<String>,
}

/// One of its addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AddrInfo {
    local: Option<String>,
    broadcast: Option<String>,
    prefixlen: u8,
    scope: String,
    /// It ends by itself unless it is renewed.
    dynamic: bool,
}

/// A route as `ip -j route show` tells it.
#[derive(Debug, Deserialize)]
struct RouteInfo {
    dst: String,
    gateway: Option<String>,
    #[serde(default)]
    metric: u32,
    #[serde(default = "boot")]
    protocol: String,
    prefsrc: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
}

/// Who made a route of which iproute2 does not tell it (ip-route(8)).
fn boot() -> String {
    "boot".to_owned()
}

impl Link {
    /// Its addresses, without those that come and go by themselves: IPv6 link-local ones, and what a router or a DHCP
    /// server gave it.
    pub(super) fn addresses(&self) -> Vec<(IpAddr, u8)> {
        let given = self.addr_info.iter().filter(|info| info.scope != "link" && !info.dynamic);
        given.filter_map(|info| Some((info.local.as_ref()?.parse().ok()?, info.prefixlen))).collect()
    }

    /// They as texts, `10.0.0.1/24`.
    pub(super) fn address_texts(&self) -> impl Iterator<Item = String> {
        self.addresses().into_iter().map(|(address, prefix)| format!("{address}/{prefix}"))
    }

    /// The broadcast address that goes with one of them.
    pub(super) fn broadcast_of(&self, address: &str) -> Option<&str> {
        let (local, _) = address.split_once('/')?;
        let info = self.addr_info.iter().find(|info| info.local.as_deref() == Some(local))?;
        info.broadcast.as_deref()
    }

    /// The first address that ends by itself, if any.
    pub(super) fn leased(&self) -> Option<&str> {
        self.addr_info.iter().find(|info| info.dynamic)?.local.as_deref()
    }

    pub(super) fn is_bridge(&self) -> bool {
        self.linkinfo.info_kind.as_deref() == Some("bridge")
    }

    pub(super) fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }
}

/// Every interface of the network namespace.
pub(super) fn links() -> Result<Vec<Link>, ActionError> {
    let program = program()?;
    let answer = succeed(&program, &["-j", "-d", "addr", "show"], LIMIT)?;
    serde_json::from_slice(&answer)
        .map_err(|error| ToolError::Answer { program, why: error.to_string() }.into())
}

/// Runs `ip` with arguments that change something.
pub(super) fn ip(args: &[&str]) -> Result<(), ActionError> {
    succeed(&program()?, args, LIMIT).map(|_| ()).map_err(ActionError::from)
}

/// Runs orders for `ip`, one a line, in one process: what a host is reached by is away for no longer than that takes.
/// Nothing is run behind one that fails.
pub(super) fn ip_batch(orders: &str) -> Result<(), ActionError> {
    let program = program()?;
    let said = run(&program, &["-batch", "-"].map(OsStr::new), orders.as_bytes(), LIMIT)?;
    if !said.status.success() {
        let complaint = said.complaint();
        return Err(ToolError::Failed { program, status: said.status, said: complaint }.into());
    }
    Ok(())
}

/// The routes of the main table through an interface, without those that come and go by themselves.
pub(super) fn routes(interface: &str) -> Result<BTreeSet<UplinkRoute>, ActionError> {
    let program = program()?;
    let mut found = BTreeSet::new();
    for (family, all) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
        let answer = succeed(&program, &["-j", family, "route", "show", "dev", interface], LIMIT)?;
        // Where there are none, it may say nothing at all.
        if answer.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let routes: Vec<RouteInfo> = serde_json::from_slice(&answer)
            .map_err(|error| ToolError::Answer { program: program.clone(), why: error.to_string() })?;
        found.extend(routes.into_iter().filter(|route| route.protocol != "kernel").map(|route| {
            UplinkRoute {
                to: match route.dst.as_str() {
                    "default" => all.to_owned(),
                    // A single host is told without its length.
                    host if !host.contains('/') => {
                        format!("{host}/{}", if family == "-4" { 32 } else { 128 })
                    }
                    network => network.to_owned(),
                },
                via: route.gateway,
                metric: route.metric,
                proto: route.protocol,
                src: route.prefsrc,
                onlink: route.flags.iter().any(|flag| flag == "onlink"),
            }
        }));
    }
    Ok(found)
}

/// The hardware address that vmwright gives the bridge `name` on this host. It says later whether a bridge is
/// the one that vmwright made, and it stays the same when ports come and go, which the kernel's choice does not.
pub(super) fn hardware_address(world: &World<'_>, name: &str) -> String {
    let digest = sha256(format!("vmwright bridge\0{}\0{name}", world.host_id).as_bytes());
    let mut bytes = [0_u8; 6];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digest[at..at + 2], 16).expect("a digest is hexadecimal");
    }
    // Locally administered, and of one interface: IEEE 802, bits 1 and 0 of the first byte.
    bytes[0] = (bytes[0] & 0xfc) | 0x02;
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// A bridge's address as the plan gives it.
pub(super) fn address(text: &str) -> Result<(IpAddr, u8), ActionError> {
    parse_address(text).ok_or_else(|| ActionError::Drift {
        what: format!("`{text}`"),
        expected: "an address with prefix length".to_owned(),
        found: "something else".to_owned(),
    })
}

fn program() -> Result<PathBuf, ActionError> {
    IP.iter()
        .map(Path::new)
        .find(|path| path.exists())
        .map(Path::to_owned)
        .ok_or(ActionError::NoTool("iproute2's ip"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_ip_is_read() {
        let answer = r#"[{},{"ifindex":7,"ifname":"br0","flags":["NO-CARRIER","BROADCAST","MULTICAST","UP"],
            "operstate":"DOWN","link_type":"ether","address":"02:00:00:00:00:01",
            "linkinfo":{"info_kind":"bridge","info_data":{"stp_state":0}},
            "addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":24,"scope":"global","label":"br0"},
            {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]},
            {"ifname":"tap0","master":"br0","linkinfo":{"info_kind":"tun"}}]"#;
        let links: Vec<Link> = serde_json::from_str(answer).expect("it is what ip prints");
        assert!(links[1].is_bridge() && links[1].is_up() && !links[2].is_bridge());
        assert_eq!(links[1].addresses(), [parse_address("10.0.0.1/24").expect("an address")]);
        assert_eq!(links[2].master.as_deref(), Some("br0"));
    }
}
