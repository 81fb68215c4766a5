//! What has vfio-pci take its devices before the host's drivers do, at the next boot.

use crate::prelude::*;
use vmwright_formats::pci_devices::{PciDevices, PciFacts};
use vmwright_formats::{Links, Mounts};
use vmwright_model::plan::{Generator, Setting};

/// Where it is kept what a plan gave to VMs.
pub(super) const KEPT: &str = "/etc/modprobe.d/vmwright-vfio.conf";
/// The modules that initramfs-tools loads before udev has any other loaded (`initramfs-tools(7)`).
pub(super) const MODULES: &str = "/etc/initramfs-tools/modules";
/// Makes the initramfs anew, on Debian and what comes of it.
pub(super) const MAKE: &str = "/usr/sbin/update-initramfs";
/// Makes it anew on Fedora, RHEL and what comes of it, and where its package has taken the place of initramfs-tools.
pub(super) const DRACUT: &str = "/usr/bin/dracut";
/// What dracut is told there (`dracut.conf(5)`).
pub(super) const DRACUT_KEPT: &str = "/etc/dracut.conf.d/vmwright-vfio.conf";
/// Debian's package of dracut has it, and makes `/boot/initrd.img-KERNEL` with each kernel; elsewhere it is dracut's own
/// `/boot/initramfs-KERNEL.img`.
pub(super) const DEBIAN: &str = "/etc/kernel/postinst.d/dracut";
/// Storage controllers (class 01); of NVMe's (01/08) the disks are known by name.
const STORAGE: u32 = 0x01;
const NVME: u32 = 0x0108;

/// The functions with these ids that a driver of the host's has.
pub(super) fn taken<'c>(devices: &'c PciDevices, ids: &[String]) -> Vec<(&'c PciFacts, &'c str)> {
    let ours = |one: &PciFacts| one.get("id").is_some_and(|id| ids.iter().any(|wanted| wanted == id.value));
    let with = |one: &'c PciFacts| Some((one, one.driver()?.value?));
    let all = devices.devices.iter().filter(|one| ours(one)).filter_map(with);
    all.filter(|(_, driver)| !driver.contains("vfio") && *driver != "pci-stub").collect()
}

/// The steps, on a host with initramfs-tools or dracut. Nothing where ids do not tell the VMs' devices from the host's own, or the
/// host may need one of them: it would miss it at the next boot.
pub(super) fn first(cx: &Context<'_>, ids: &[String]) -> Vec<Action> {
    let (Some(devices), Some(mounts), Some(links)) =
        (cx.one::<PciDevices>(), cx.one::<Mounts>(), cx.one::<Links>())
    else {
        return Vec::new();
    };
    let alone = |id: &String| {
        devices.devices.iter().filter(|one| one.get("id").is_some_and(|own| own.value == id)).count() < 2
    };
    let taken = taken(&devices, ids);
    if taken.is_empty() || !ids.iter().all(alone) || taken.iter().any(|(one, _)| needed(one, &mounts, &links))
    {
        return Vec::new();
    }
    let (Found::Text(kernel), Found::Absent) = (cx.file("/proc/sys/kernel/osrelease"), cx.file(KEPT)) else {
        return Vec::new();
    };
    let Some(made) = initramfs(cx, kernel.as_str().trim()) else { return Vec::new() };
    let mut drivers: Vec<&str> = taken.iter().map(|(_, driver)| *driver).collect();
    drivers.sort_unstable();
    drivers.dedup();
    let order: String = drivers.iter().map(|driver| format!("softdep {driver} pre: vfio-pci\n")).collect();
    let text = format!("# Made by vmwright: these drivers wait until vfio-pci has its devices.\n{order}");
    let mut actions = vec![Action::FileCreate { path: KEPT.to_owned(), text, mode: 0o644 }];
    actions.extend(made);
    actions.push(Action::Reboot { left: None });
    actions
}

/// The steps that have the initramfs load vfio-pci, with the files of modprobe's that it needs there; none where it is not
/// known what makes it.
fn initramfs(cx: &Context<'_>, kernel: &str) -> Option<Vec<Action>> {
    let there = |program: &str| !matches!(cx.file(program), Found::Absent | Found::Unread(_));
    let kernel = kernel.to_owned();
    let (before, generator, output) = if there(MAKE) {
        let Found::Text(listed) = cx.file(MODULES) else { return None };
        let setting = Setting::Module { module: "vfio-pci".to_owned() };
        let known = vmwright_formats::edits::get(listed.as_str(), &setting);
        let (from, to) = (None, Some("vfio-pci".to_owned()));
        let edit = Action::EditSetting { path: MODULES.to_owned(), setting, from, to };
        let output = format!("/boot/initrd.img-{kernel}");
        (
            known.is_ok_and(|found| found.is_none()).then_some(edit),
            Generator::UpdateInitramfs { kernel },
            output,
        )
    } else {
        let (true, Found::Absent) = (there(DRACUT), cx.file(DRACUT_KEPT)) else { return None };
        // Where dracut does not make it for this host alone, it leaves /etc/modprobe.d out.
        let mut items = vec![KEPT];
        let texts = cx.texts_with(["vfio-pci", "vfio_pci"]).map(|text| text.source);
        items.extend(texts.filter(|path| path.starts_with("/etc/modprobe.d/") && !path.contains(' ')));
        let text = format!(
            "# Made by vmwright: vfio-pci comes before other drivers, with what it is told.\nforce_drivers+=\" vfio-pci \"\ninstall_items+=\" {} \"\n",
            items.join(" ")
        );
        let output = match there(DEBIAN) {
            true => format!("/boot/initrd.img-{kernel}"),
            false => format!("/boot/initramfs-{kernel}.img"),
        };
        let file = Action::FileCreate { path: DRACUT_KEPT.to_owned(), text, mode: 0o644 };
        (Some(file), Generator::Dracut { kernel }, output)
    };
    let make = Action::Regenerate { generator, outputs: vec![output], holds: Vec::new() };
    Some(before.into_iter().chain([make]).collect())
}

/// Whether the host shows, stores or sends something with it, or nobody can tell.
fn needed(one: &PciFacts, mounts: &Mounts, links: &Links) -> bool {
    let class = one.class().unwrap_or(0);
    let disks = one.all("nvme").any(|disk| {
        let node = format!("/dev/{}", disk.value);
        mounts.mounts.iter().any(|mount| mount.source.starts_with(&node))
    });
    let up = |name: &str| {
        links.of(name).is_none_or(|link| link.is_up() != Some(false) || link.get("master").is_some())
    };
    one.get("boot_vga").is_some_and(|boot| boot.value == "1")
        || (class >> 16 == STORAGE && class >> 8 != NVME)
        || disks
        || one.all("net").flat_map(|net| net.value.split_whitespace()).any(up)
}
