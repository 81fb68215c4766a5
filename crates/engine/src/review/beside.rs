//! A second guest beside the one under review, on the same networks: what is otherwise about its machine.

use super::twin::Twin;
use crate::error::chain;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use vmwright_backend::qemu::argv::mac;
use vmwright_backend::store::Stored;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{DiskFormat, Network, Seed};

/// The most that is copied of a disk, in bytes of the host's storage.
const COPIED: u64 = 8 << 30;

/// How many addresses are tried until one is free.
const TRIED: u32 = 64;

/// How long a neighbour may take to answer the question for its address.
const ARP: Duration = Duration::from_millis(300);

/// The machine beside `here`, whose guest stands still, since its disks are copied.
pub(super) fn make(here: &Stored, addresses: &[Option<(String, String)>]) -> Result<Twin, String> {
    Twin::make(here, "beside", |spec, place| changed(spec, place, addresses))
}

/// For each network of a machine the address that its specification says, without its prefix, and a free one of the same
/// network; none where it says none.
pub(super) fn addresses(spec: &MachineSpec) -> Result<Vec<Option<(String, String)>>, String> {
    // A clone of an installed system asks its DHCP server as the same client.
    if !spec.disks.is_empty() && spec.networks.iter().any(|one| one.kind.leads_in() && one.address.is_none())
    {
        return Err("the specification says no address for a network, and a copy of the guest may be given the same one".to_owned());
    }
    let mut taken: Vec<IpAddr> = spec
        .networks
        .iter()
        .flat_map(|network| [&network.address, &network.host_address])
        .filter_map(|address| parts(address.as_deref()?).map(|(ip, _)| ip))
        .collect();
    let mut all = Vec::new();
    for network in &spec.networks {
        let Some(address) = network.address.as_deref().filter(|_| network.kind.leads_in()) else {
            all.push(None);
            continue;
        };
        let Some((IpAddr::V4(ip), prefix)) = parts(address) else {
            return Err(format!("whether an address beside {address} is free can only be told of IPv4"));
        };
        let free = free(ip, prefix, &taken)?;
        taken.push(free.into());
        all.push(Some((ip.to_string(), free.to_string())));
    }
    Ok(all)
}

fn parts(address: &str) -> Option<(IpAddr, u32)> {
    let (ip, prefix) = address.split_once('/')?;
    Some((ip.parse().ok()?, prefix.parse().ok()?))
}

/// An address of the network of `ip` that nobody has.
fn free(ip: Ipv4Addr, prefix: u32, taken: &[IpAddr]) -> Result<Ipv4Addr, String> {
    let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
    let network = u32::from(ip) & !host;
    let candidates = (1..host)
        .map(|step| network | (((u32::from(ip) & host) + step) % host.max(1)))
        .filter(|one| one & host != 0)
        .map(Ipv4Addr::from)
        .filter(|one| !taken.contains(&IpAddr::V4(*one)));
    for candidate in candidates.take(TRIED as usize) {
        if !answers(candidate, network, !host)? {
            return Ok(candidate);
        }
    }
    Err(format!("no address beside {ip}/{prefix} is free"))
}

/// Whether somebody on the link has an address: the host's kernel asks before it sends there.
fn answers(ip: Ipv4Addr, network: u32, mask: u32) -> Result<bool, String> {
    let asked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((ip, 7))?;
        socket.send(&[0])?;
        socket.local_addr()
    });
    let own = asked.map_err(|error| format!("whether {ip} is free: {error}"))?.ip();
    let linked = matches!(own, IpAddr::V4(own) if u32::from(own) & mask == network);
    if !linked {
        return Err(format!(
            "the host has no address in the network of {ip}, so that a free one cannot be told"
        ));
    }
    thread::sleep(ARP);
    let table = fs::read_to_string("/proc/net/arp").map_err(|error| format!("/proc/net/arp: {error}"))?;
    Ok(is_known(&table, ip))
}

/// Whether the kernel knows who has an address: the third column has flag 2 (`ATF_COM` of `linux/if_arp.h`).
fn is_known(table: &str, ip: Ipv4Addr) -> bool {
    let ip = ip.to_string();
    table.lines().any(|line| {
        let mut words = line.split_whitespace();
        let flags = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0);
        words.next() == Some(&*ip) && words.nth(1).is_some_and(|text| flags(text) & 2 != 0)
    })
}

/// Makes a specification that of a second machine, whose own files lie in `place`.
pub(super) fn changed(
    spec: &mut MachineSpec,
    place: &Path,
    addresses: &[Option<(String, String)>],
) -> Result<(), String> {
    // Identity is made of the name, and cloud-init begins anew with another one.
    let short: String = spec.name.chars().take(62).collect();
    spec.name = format!("{short}-2");
    spec.uuid = None;
    for (at, network) in spec.networks.iter_mut().enumerate() {
        let own = Network { mac: None, ..network.clone() };
        network.mac = Some(mac(&spec.name, at, &own));
        network.tap = None;
    }
    for (at, moved) in addresses.iter().enumerate() {
        let Some((old, new)) = moved else { continue };
        let mut told = replace_word(&mut spec.boot.cmdline, old, new);
        if let Some(seed) = &mut spec.seed {
            told |= reseed(seed, place, old, new)?;
        }
        if !told {
            return Err(format!(
                "the guest is told its address {old} neither by the kernel's command line nor by its seed: a second one would have the same"
            ));
        }
        let address = spec.networks[at].address.take();
        spec.networks[at].address = address.map(|address| address.replace(old, new));
    }
    copies(spec, place)
}

/// Puts a new address in the place of each that is whole, and says whether there was one.
fn replace_word(text: &mut String, old: &str, new: &str) -> bool {
    let mut out = String::new();
    let mut rest = text.as_str();
    let mut found = false;
    while let Some(at) = rest.find(old) {
        let (before, after) = (&rest[..at], &rest[at + old.len()..]);
        let part = |letter: char| letter.is_ascii_digit() || letter == '.';
        let whole = !before.ends_with(part) && !after.starts_with(|letter: char| letter.is_ascii_digit());
        found |= whole;
        out.push_str(before);
        out.push_str(if whole { new } else { old });
        rest = after;
    }
    out.push_str(rest);
    *text = out;
    found
}

/// Gives a seed copies of its files with the new address.
fn reseed(seed: &mut Seed, place: &Path, old: &str, new: &str) -> Result<bool, String> {
    let mut found = false;
    // What names the instance is made of the machine's name.
    seed.meta_data = None;
    for (name, path) in [("network-config", &mut seed.network_config), ("user-data", &mut seed.user_data)] {
        let Some(path) = path else { continue };
        let mut text = fs::read_to_string(&*path).map_err(|error| format!("{path}: {error}"))?;
        found |= replace_word(&mut text, old, new);
        let copy = place.join(name);
        fs::write(&copy, text).map_err(|error| format!("{}: {error}", copy.display()))?;
        *path = copy.display().to_string();
    }
    Ok(found)
}

/// Copies of the disks that the guest writes.
fn copies(spec: &mut MachineSpec, place: &Path) -> Result<(), String> {
    for (number, disk) in spec.disks.iter_mut().enumerate().filter(|(_, disk)| !disk.readonly) {
        let format = match disk.format {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
            _ => return Err(format!("disk {number} is no image that is copied")),
        };
        let path = disk.path.clone().ok_or_else(|| format!("disk {number} is no image under a path"))?;
        if spec.process.user.as_deref().is_some_and(|user| user != "root") {
            return Err("its VMM runs as another user, who cannot reach throw-away disks".to_owned());
        }
        small_enough(number, Path::new(&path))?;
        let to = place.join(format!("disk{number}.qcow2"));
        copy(Path::new(&path), format, &to)?;
        disk.path = Some(to.display().to_string());
        (disk.format, disk.backing, disk.backing_format) = (DiskFormat::Qcow2, None, None);
    }
    Ok(())
}

/// Whether an image may be copied: there is a limit to what a gate writes.
pub(super) fn small_enough(number: usize, path: &Path) -> Result<(), String> {
    let meta = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let stored = std::os::unix::fs::MetadataExt::blocks(&meta) * 512;
    if !meta.is_file() || stored > COPIED {
        return Err(format!("disk {number} is no image of at most {} GiB, and is not copied", COPIED >> 30));
    }
    Ok(())
}

/// Copies the image of a VM that stands still.
pub(super) fn copy(path: &Path, format: &str, to: &Path) -> Result<(), String> {
    let made = Command::new("qemu-img")
        // The VM that has it stands still, and has written all that it held back.
        .args(["convert", "-q", "-U", "-f", format, "-O", "qcow2"])
        .args([path, to])
        .output()
        .map_err(|error| format!("qemu-img: {}", chain(&error)))?;
    if made.status.success() {
        return Ok(());
    }
    Err(format!("qemu-img: {}", String::from_utf8_lossy(&made.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_moved_where_it_is_whole() {
        let mut text = "vmwright.net0=10.0.0.2/24 x=10.0.0.21 y=110.0.0.2 ip=10.0.0.2::10.0.0.1".to_owned();
        assert!(replace_word(&mut text, "10.0.0.2", "10.0.0.9"));
        assert_eq!(text, "vmwright.net0=10.0.0.9/24 x=10.0.0.21 y=110.0.0.2 ip=10.0.0.9::10.0.0.1");
        assert!(!replace_word(&mut text, "10.0.0.3", "10.0.0.9"));
    }

    #[test]
    fn who_answers_is_known() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     10.0.0.2         0x1         0x2         52:54:00:00:00:01     *        br0\n\
                     10.0.0.3         0x1         0x0         00:00:00:00:00:00     *        br0\n";
        assert!(is_known(table, Ipv4Addr::new(10, 0, 0, 2)));
        assert!(!is_known(table, Ipv4Addr::new(10, 0, 0, 3)));
        assert!(!is_known(table, Ipv4Addr::new(10, 0, 0, 4)));
    }

    #[test]
    fn a_copy_that_would_have_the_same_address_is_not_made() {
        let mut spec = MachineSpec::named("web");
        let network = Network::of(vmwright_model::machine::NetworkKind::Bridge);
        spec.networks = vec![Network { address: Some("10.0.0.2/24".to_owned()), ..network.clone() }];
        let moved = [Some(("10.0.0.2".to_owned(), "10.0.0.3".to_owned()))];
        let told =
            changed(&mut spec.clone(), Path::new("/nowhere"), &moved).expect_err("nobody tells the guest");
        assert!(told.contains("neither by the kernel's command line nor by its seed"), "{told}");
        spec.boot.cmdline = "vmwright.net0=10.0.0.2/24".to_owned();
        changed(&mut spec, Path::new("/nowhere"), &moved).expect("it is told");
        assert_eq!(spec.networks[0].address.as_deref(), Some("10.0.0.3/24"));
        assert_eq!(spec.boot.cmdline, "vmwright.net0=10.0.0.3/24");
        // An installed system whose address somebody else gives.
        spec.networks = vec![network];
        spec.disks = vec![vmwright_model::machine::Disk::at("/a", DiskFormat::Raw)];
        assert!(addresses(&spec).is_err());
    }
}
