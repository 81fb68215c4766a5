//! A guest that heeds that it is one of several which go on from one state: where its kernel was given the word
//! `vmwright.renews`, its cards take MAC addresses and addresses of chance then, so that it can run beside the others.
//!
//! The kernel says so in its log, once its generation id has changed (`add_vmfork_randomness()` of its
//! `drivers/char/random.c`), and gives random numbers anew before that.

use super::netlink::{self, Address};
use super::{complain, network, say};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::thread;

/// What the kernel says.
const FORKED: &str = "due to virtual machine fork";

/// Most bytes of a record of the kernel's log (`CONSOLE_EXT_LOG_MAX` of its `kernel/printk`).
const RECORD: usize = 8192;

/// Begins to listen to the kernel, where it was told to.
pub(super) fn start() {
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if cmdline.split_whitespace().any(|word| word == "vmwright.renews") {
        thread::spawn(|| {
            if let Err(error) = listen() {
                complain(format_args!("/dev/kmsg: {error}"));
            }
        });
    }
}

fn listen() -> std::io::Result<()> {
    let mut log = File::open("/dev/kmsg")?;
    log.seek(SeekFrom::End(0))?;
    let mut record = [0; RECORD];
    loop {
        match log.read(&mut record) {
            Ok(count) if String::from_utf8_lossy(&record[..count]).contains(FORKED) => {
                if let Err(error) = renew() {
                    complain(format_args!("renewing the cards: {error}"));
                }
            }
            Ok(_) => {}
            // The log went on faster than it was read.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives each card a MAC address and addresses of chance.
fn renew() -> std::io::Result<()> {
    for name in network::pci_order() {
        let interface = network::index(&name)?;
        let chance = random()?;
        // Locally administered, and of one station (IEEE 802).
        netlink::set_mac(interface, [0x52, 0x54, chance[0], chance[1], chance[2], chance[3]])?;
        for address in netlink::addresses()?.into_iter().filter(|one| one.interface == interface) {
            if let IpAddr::V6(ip) = address.ip
                && ip.is_unicast_link_local()
            {
                continue;
            }
            let ip = another(address.ip, address.prefix, u128::from_ne_bytes(random()?));
            netlink::remove(address)?;
            netlink::add(Address { ip, ..address })?;
            say(format_args!("{name} {ip}/{} anew", address.prefix));
        }
    }
    Ok(())
}

fn random() -> std::io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// An address of the same network that chance decides, neither the network's own nor that of all in it.
fn another(ip: IpAddr, prefix: u8, chance: u128) -> IpAddr {
    let (bits, length) = match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let hosts = match length - u32::from(prefix).min(length) {
        128 => u128::MAX,
        bits => (1 << bits) - 1,
    };
    // A network of one or two has no other.
    let host = if hosts < 3 { bits & hosts } else { 1 + chance % (hosts - 1) };
    let chosen = bits & !hosts | host;
    match ip {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(chosen).unwrap_or_default().into()),
        IpAddr::V6(_) => IpAddr::V6(chosen.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_in_the_network() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(another(ip("10.214.79.2"), 24, 0), ip("10.214.79.1"));
        assert_eq!(another(ip("10.214.79.2"), 24, 253), ip("10.214.79.254"));
        assert_eq!(another(ip("10.214.79.2"), 24, 254), ip("10.214.79.1"));
        assert_eq!(another(ip("10.214.79.2"), 32, 7), ip("10.214.79.2"));
        assert_eq!(another(ip("10.214.79.2"), 0, 7), ip("0.0.0.8"));
        assert_eq!(another(ip("fd00::2"), 64, 0x1234), ip("fd00::1235"));
        assert_eq!(another(ip("fd00::2"), 0, 0x1234), ip("::1235"));
    }
}
