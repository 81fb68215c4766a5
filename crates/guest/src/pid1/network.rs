//! Addresses from the kernel command line, and what interfaces there are.

use super::{complain, netlink, say, sysfs};
use serde_json::{Value, json};
use std::fs;
use std::net::IpAddr;

/// Brings every interface up and gives the Nth, in the order of PCI addresses and from 0, the address of the
/// parameter `vmwright.netN=ADDRESS/PREFIX`.
pub(super) fn configure() {
    let wanted = parameters(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    let interfaces = pci_order();
    for name in interfaces.iter().map(String::as_str).chain(["lo"]) {
        if let Err(error) = index(name).and_then(netlink::set_up) {
            complain(format_args!("{name}: {error}"));
        }
    }
    for (number, address) in wanted {
        let Some((ip, prefix)) = address.as_deref().and_then(parse) else {
            complain(format_args!("vmwright.net{number}: not ADDRESS/PREFIX"));
            continue;
        };
        let Some(name) = interfaces.get(number) else {
            complain(format_args!("vmwright.net{number}: there are {} interfaces", interfaces.len()));
            continue;
        };
        match index(name).and_then(|interface| netlink::add(netlink::Address { interface, ip, prefix })) {
            Ok(()) => say(format_args!("{name} {ip}/{prefix}")),
            Err(error) => complain(format_args!("{name} {ip}/{prefix}: {error}")),
        }
    }
}

/// Interfaces that are devices, by PCI address.
pub(super) fn pci_order() -> Vec<String> {
    let device = |name: &str| format!("/sys/class/net/{name}/device");
    let mut names: Vec<String> = sysfs::names("/sys/class/net")
        .into_iter()
        .filter(|name| fs::exists(device(name)).unwrap_or(false))
        .collect();
    names.sort_by_key(|name| (sysfs::pci_of(device(name)), name.clone()));
    names
}

pub(super) fn index(name: &str) -> std::io::Result<u32> {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?;
    text.trim().parse().map_err(|_| std::io::ErrorKind::InvalidData.into())
}

/// Number and value of each `vmwright.netN=`.
fn parameters(cmdline: &str) -> Vec<(usize, Option<String>)> {
    let parameter = |word: &str| {
        let (number, value) = word.strip_prefix("vmwright.net")?.split_once('=')?;
        Some((number.parse().ok()?, Some(value.to_owned()).filter(|value| !value.is_empty())))
    };
    cmdline.split_whitespace().filter_map(parameter).collect()
}

fn parse(address: &str) -> Option<(IpAddr, u8)> {
    let (ip, prefix) = address.split_once('/')?;
    let (ip, prefix): (IpAddr, u8) = (ip.parse().ok()?, prefix.parse().ok()?);
    (prefix <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, prefix))
}

/// The answer to `guest-network-get-interfaces`.
pub(super) fn interfaces() -> Result<Value, String> {
    let addresses = netlink::addresses().map_err(|error| format!("listing addresses: {error}"))?;
    let describe = |name: &String| {
        let number = index(name).ok()?;
        let own: Vec<Value> = addresses
            .iter()
            .filter(|address| address.interface == number)
            .map(|address| {
                json!({
                    "ip-address": address.ip.to_string(),
                    "ip-address-type": if address.ip.is_ipv4() { "ipv4" } else { "ipv6" },
                    "prefix": address.prefix,
                })
            })
            .collect();
        let mut entry = json!({ "name": name, "ip-addresses": own, "statistics": statistics(name) });
        if let Some(mac) = sysfs::value(format!("/sys/class/net/{name}/address")) {
            entry["hardware-address"] = mac.into();
        }
        Some(entry)
    };
    Ok(sysfs::names("/sys/class/net").iter().filter_map(describe).collect())
}

fn statistics(name: &str) -> Value {
    let counter = |counter: &str| {
        let text = sysfs::value(format!("/sys/class/net/{name}/statistics/{}", counter.replace('-', "_")))?;
        Some((counter.to_owned(), Value::from(text.parse::<u64>().ok()?)))
    };
    let counters = [
        "rx-bytes",
        "rx-packets",
        "rx-errors",
        "rx-dropped",
        "tx-bytes",
        "tx-packets",
        "tx-errors",
        "tx-dropped",
    ]
    .map(counter);
    // The schema has "errs" where sysfs has "errors".
    Value::Object(
        counters.into_iter().flatten().map(|(name, value)| (name.replace("errors", "errs"), value)).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_command_line() {
        let found = parameters(
            "quiet vmwright.net0=10.213.0.2/24 vmwright.net12=fd00::2/64 vmwright.netx=1 vmwright.net1= x",
        );
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found, [(0, text("10.213.0.2/24")), (12, text("fd00::2/64")), (1, None)]);
    }

    #[test]
    fn addresses_need_a_fitting_prefix() {
        assert_eq!(parse("10.213.0.2/24"), Some(("10.213.0.2".parse().unwrap(), 24)));
        assert_eq!(parse("fd00::2/64"), Some(("fd00::2".parse().unwrap(), 64)));
        for wrong in ["10.213.0.2", "10.213.0.2/33", "10.213.0/24", "/24", "fd00::2/129", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let answer = interfaces().unwrap();
        let lo = answer.as_array().unwrap().iter().find(|entry| entry["name"] == "lo").unwrap();
        assert_eq!(lo["hardware-address"], "00:00:00:00:00:00");
        assert!(
            lo["ip-addresses"]
                .as_array()
                .unwrap()
                .iter()
                .any(|ip| ip["ip-address"] == "127.0.0.1" && ip["prefix"] == 8)
        );
        assert!(lo["statistics"]["rx-errs"].is_u64());
    }
}
