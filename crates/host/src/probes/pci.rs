//! Record `pci-devices`: what sysfs tells of each PCI function, one fact a line, `<address> <fact> <value>`.
//!
//! Configuration space is not read: it wakes a sleeping device. Neither is the link of a device that sleeps.

use super::attribute::{link, names, value};
use crate::live::Collector;
use std::fmt::Write as _;
use std::path::Path;
use vmwright_model::{Kind, Missing};

/// Most functions that are written down; an SR-IOV host has some thousands.
const MOST: usize = 4096;

/// Most entries of one device's folder.
const ENTRIES: usize = 1024;

/// Attributes that are told as they are, under their own names (`Documentation/ABI/testing/sysfs-bus-pci`).
const PLAIN: [&str; 10] = [
    "class",
    "revision",
    "numa_node",
    "enable",
    "power_state",
    "boot_vga",
    "d3cold_allowed",
    "msi_bus",
    "sriov_drivers_autoprobe",
    "local_cpulist",
];

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(Path::new("/sys/bus/pci/devices"))).and_then(|list| list);
    collector.push("pci-devices".to_owned(), Some(Kind::new("pci_devices")), content.map(String::into_bytes));
}

fn list(folder: &Path) -> Result<String, Missing> {
    let mut text = String::new();
    for address in names(folder, MOST)? {
        device(&folder.join(&address), &address, &mut text);
    }
    if text.is_empty() {
        text.push_str("none\n");
    }
    Ok(text)
}

fn device(folder: &Path, address: &str, text: &mut String) {
    // Listed once, so that what is not there costs nothing.
    let Ok(there) = names(folder, ENTRIES) else { return };
    let has = |name: &str| there.binary_search_by(|other| other.as_str().cmp(name)).is_ok();
    let of = |name: &str| if has(name) { value(&folder.join(name)) } else { None };
    let to = |name: &str| if has(name) { link(&folder.join(name)) } else { None };
    let mut tell = |fact: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{address} {fact} {value}");
    };
    let id = |vendor: &str, device: &str| {
        let hex = |name| Some(of(name)?.trim_start_matches("0x").to_owned());
        Some(format!("{}:{}", hex(vendor)?, hex(device)?))
    };
    for (fact, id) in
        [("id", id("vendor", "device")), ("subsystem", id("subsystem_vendor", "subsystem_device"))]
    {
        if let Some(id) = id {
            tell(fact, &id);
        }
    }
    for name in PLAIN {
        if let Some(value) = of(name) {
            tell(name, &value);
        }
    }
    tell("driver", to("driver").as_deref().unwrap_or("-"));
    // The kernel writes `(null)` where nothing is set.
    if let Some(driver) = of("driver_override").filter(|driver| driver != "(null)" && !driver.is_empty()) {
        tell("driver_override", &driver);
    }
    tell("iommu_group", to("iommu_group").as_deref().unwrap_or("-"));
    for (fact, name) in [("iommu", "iommu"), ("physfn", "physfn")] {
        if let Some(target) = to(name) {
            tell(fact, &target);
        }
    }
    if let Some(parent) = parent(folder) {
        tell("parent", &parent);
    }
    // Empty: no reset at all. Kernels before 5.15 have no such file, but `reset` where any reset works.
    match of("reset_method") {
        Some(methods) => tell("reset_method", if methods.is_empty() { "-" } else { &methods }),
        None if has("reset") => tell("reset", "yes"),
        None => {}
    }
    for line in of("resource").iter().flat_map(|lines| resources(lines)) {
        let (fact, value) = line;
        tell(&fact, &value);
    }
    if has("rom")
        && let Ok(rom) = folder.join("rom").symlink_metadata()
    {
        tell("rom", &format!("{} bytes", rom.len()));
    }
    if let (Some(now), Some(most)) = (of("sriov_numvfs"), of("sriov_totalvfs")) {
        tell("sriov", &format!("{now} of {most}"));
    }
    let sleeps = value(&folder.join("power/runtime_status"));
    if let Some(status) = &sleeps {
        tell("runtime", status);
    }
    if sleeps.as_deref() != Some("suspended")
        && let (Some(speed), Some(width)) = (of("current_link_speed"), of("current_link_width"))
        && let (Some(most_speed), Some(most_width)) = (of("max_link_speed"), of("max_link_width"))
        && width != "0"
    {
        tell("link", &format!("{speed} x{width} of {most_speed} x{most_width}"));
    }
    for (fact, name) in [
        ("net", "net"),
        ("drm", "drm"),
        ("graphics", "graphics"),
        ("vfio_dev", "vfio-dev"),
        ("nvme", "nvme"),
        ("mdev", "mdev_supported_types"),
    ] {
        if has(name) {
            for child in names(&folder.join(name), ENTRIES).unwrap_or_default() {
                tell(fact, &child);
            }
        }
    }
}

/// The bridge above a function: sysfs nests the folders so.
fn parent(folder: &Path) -> Option<String> {
    let target = std::fs::read_link(folder).ok()?;
    let above = target.parent()?.file_name()?.to_str()?;
    let is_address = above.len() >= 12 && above.contains('.') && above.matches(':').count() == 2;
    is_address.then(|| above.to_owned())
}

/// The lines of `resource`: first byte, last byte and flags of each BAR (0 to 5), of the expansion ROM (6), and of
/// what lies behind: the BARs of virtual functions, or a bridge's windows (`include/linux/pci.h`).
fn resources(text: &str) -> Vec<(String, String)> {
    /// `include/linux/ioport.h`.
    const IO: u64 = 0x100;
    const PREFETCH: u64 = 0x2000;
    const WIDE: u64 = 0x10_0000;
    const UNSET: u64 = 0x2000_0000;
    let number = |word: Option<&str>| u64::from_str_radix(word?.trim_start_matches("0x"), 16).ok();
    // `escape` has made line feeds visible.
    let lines = text.split("\\x0a").enumerate().filter_map(|(index, line)| {
        let mut words = line.split_whitespace();
        let (start, end, flags) = (number(words.next())?, number(words.next())?, number(words.next())?);
        if flags == 0 {
            return None;
        }
        let what = match index {
            0..=5 => format!("bar {index}"),
            6 => "bar rom".to_owned(),
            _ => format!("window {}", index - 7),
        };
        let kind = match (flags & IO != 0, flags & WIDE != 0) {
            (true, _) => "io",
            (false, true) => "mem64",
            (false, false) => "mem",
        };
        let place = if flags & UNSET != 0 || end == 0 {
            "unassigned".to_owned()
        } else {
            format!("{start:#x}-{end:#x}")
        };
        let prefetch = if flags & PREFETCH != 0 { " prefetch" } else { "" };
        Some((what, format!("{place} {kind}{prefetch}")))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn made(files: &[(&str, &str)], links: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for (path, target) in links {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        root
    }

    #[test]
    fn facts_of_a_made_up_device() {
        let gpu = "devices/pci0000:00/0000:00:01.0/0000:01:00.0";
        let at = |name: &str| format!("{gpu}/{name}");
        let root = made(
            &[
                (&at("vendor"), "0x10de\n"),
                (&at("device"), "0x1b80\n"),
                (&at("class"), "0x030000\n"),
                (&at("driver_override"), "(null)\n"),
                (&at("reset_method"), "\n"),
                (
                    &at("resource"),
                    "0x00000000f6000000 0x00000000f6ffffff 0x0000000000040200\n0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n0x0 0x0 0x0\n0x0000000000000000 0x0000000001ffffff 0x000000002014220c\n",
                ),
                (&at("sriov_numvfs"), "2\n"),
                (&at("sriov_totalvfs"), "7\n"),
                (&at("current_link_speed"), "8.0 GT/s PCIe\n"),
                (&at("current_link_width"), "16\n"),
                (&at("max_link_speed"), "16.0 GT/s PCIe\n"),
                (&at("max_link_width"), "16\n"),
                (&at("power/runtime_status"), "active\n"),
                (&at("rom"), "1234"),
                (&at("net/eth\u{1b}0/mtu"), "1"),
                (&at("net/eth1/mtu"), "1"),
            ],
            &[
                ("bus/0000:01:00.0", &format!("../{gpu}")),
                (&at("driver"), "../../../bus/pci/drivers/nouveau"),
                (&at("iommu_group"), "../../../kernel/iommu_groups/1"),
            ],
        );
        let text = list(&root.path().join("bus")).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("0000:01:00.0 ").unwrap()).collect();
        assert_eq!(
            lines,
            [
                "id 10de:1b80",
                "class 0x030000",
                "driver nouveau",
                "iommu_group 1",
                "parent 0000:00:01.0",
                "reset_method -",
                "bar 0 0xf6000000-0xf6ffffff mem",
                "bar 1 0xe0000000-0xefffffff mem64 prefetch",
                "bar 3 unassigned mem64 prefetch",
                "rom 4 bytes",
                "sriov 2 of 7",
                "runtime active",
                "link 8.0 GT/s PCIe x16 of 16.0 GT/s PCIe x16",
                "net eth1",
            ]
        );
    }

    #[test]
    fn a_sleeping_device_is_not_asked_for_its_link() {
        let root = made(
            &[
                ("0000:02:00.0/current_link_speed", "8.0 GT/s PCIe\n"),
                ("0000:02:00.0/current_link_width", "4\n"),
                ("0000:02:00.0/max_link_speed", "8.0 GT/s PCIe\n"),
                ("0000:02:00.0/max_link_width", "4\n"),
                ("0000:02:00.0/power/runtime_status", "suspended\n"),
            ],
            &[],
        );
        let text = list(root.path()).unwrap();
        assert!(text.contains("runtime suspended") && !text.contains("link"), "{text}");
        assert_eq!(list(&root.path().join("none")), Err(Missing::Absent));
    }

    #[test]
    fn the_live_host_has_its_devices() {
        match list(Path::new("/sys/bus/pci/devices")) {
            Ok(text) if text != "none\n" => assert!(text.contains(" class 0x"), "{text}"),
            other => eprintln!("SKIPPED the_live_host_has_its_devices: no PCI here: {other:?}"),
        }
    }
}
