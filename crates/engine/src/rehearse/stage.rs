//! The state that a step expects to find, made in a lab: one script an action, or why there is none. Pure.
//!
//! What cannot be made here is no fault of the plan: its step is left out, and told as not rehearsed.

use super::host::Host;
use vmwright_formats::edits;
use vmwright_model::Action;
use vmwright_model::plan::{Base, Generator, ServiceState, Trial};

/// What every script begins with.
pub(super) const HEAD: &str = "set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
sorry() { echo \"$1\" >&2; exit 9; }
# A value of the kernel: $1 the file, $2 what it has to say.
value() {
    test -e \"$1\" || sorry \"the lab has no $1\"
    said() { tr '\\n\\t' '  ' <\"$1\" | sed 's/  */ /g; s/ $//'; }
    case \" $(said \"$1\") \" in *\"[$2]\"*|\" $2 \") return 0 ;; esac
    printf %s \"$2\" >\"$1\" 2>/dev/null || true
    case \" $(said \"$1\") \" in *\"[$2]\"*|\" $2 \") return 0 ;; esac
    sorry \"$1 is $(said \"$1\") in the lab, and cannot be $2 there\"
}
# A bridge of the kernel.
bridge() { ip link show \"$1\" >/dev/null 2>&1 || ip link add \"$1\" type bridge; ip link set \"$1\" up; }
";

/// Where the folder of GRUB's defaults has what the lab itself needs: it is read last, and the host's own files stay as
/// they are. Its kernel's two checks of clocks are too slow for an emulated machine.
pub(super) const LAB_GRUB: &str = "/etc/default/grub.d/zz-lab.cfg";

/// The text of [`LAB_GRUB`].
pub(super) const LAB_GRUB_TEXT: &str = "\
# What the lab needs to be seen; no part of the host.
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"
GRUB_DISABLE_OS_PROBER=true
GRUB_CMDLINE_LINUX=\"no_timer_check tsc=reliable intel_iommu=on iommu=pt $GRUB_CMDLINE_LINUX\"
GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT console=ttyS0\"
";

/// A text as one word of a shell.
pub(super) fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Makes a text file with the folders above it.
pub(super) fn file(path: &str, text: &str) -> String {
    format!("{}printf %s {} >{}\n", folder_of(path), word(text), word(path))
}

fn folder_of(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => format!("mkdir -p {}\n", word(folder)),
        _ => String::new(),
    }
}

/// The script that makes what `action` expects. `lab` gives a text file of the lab as it is now.
///
/// # Errors
/// Why that cannot be made in a lab.
pub(super) fn of(
    action: &Action,
    host: &Host<'_>,
    lab: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<String, String> {
    if let Some(why) = cannot(action) {
        return Err(why);
    }
    let gone = |path: &str| Ok(format!("{}rm -f {}\n", folder_of(path), word(path)));
    let unread = |path: &str| Err(format!("{path} of the host was not read"));
    match action {
        Action::EditSetting { path, setting, from, .. } => {
            if let Some(text) = host.text(path) {
                return Ok(file(path, text));
            }
            let Some(text) = lab(path) else { return unread(path) };
            let now = edits::get(&text, setting).map_err(|error| format!("{path} of the lab: {error}"))?;
            let text = edits::set(&text, setting, now.as_deref(), from.as_deref());
            text.map(|text| file(path, &text)).map_err(|error| format!("{path} of the lab: {error}"))
        }
        Action::EditSpec { path, .. } | Action::FileWrite { path, .. } | Action::FileRemove { path, .. } => {
            host.text(path).map_or_else(|| unread(path), |text| Ok(file(path, text)))
        }
        Action::FileCreate { path, .. } => gone(path),
        Action::FileCopy { path, from } => Ok(format!(
            "test -f {0} || sorry \"the lab has no \"{0}\n{1}rm -f {2}\n",
            word(from),
            folder_of(path),
            word(path)
        )),
        Action::FileMode { path, from, .. } => {
            Ok(format!("{}chmod {from:o} {}\n", stub(path, host), word(path)))
        }
        Action::FileOwner { path, from, .. } => {
            Ok(format!("{}chown {}:{} {}\n", stub(path, host), from.user, from.group, word(path)))
        }
        Action::DirectoryCreate { path, .. } => {
            Ok(format!("{}if test -d {1}; then rmdir {1}; fi\n", folder_of(path), word(path)))
        }
        Action::BridgeAdd { name, .. } => Ok(format!(
            // The lab's own bridge is none of the host's.
            "rm -f /etc/systemd/network/10-{0}.netdev /etc/systemd/network/10-{0}.network\nip link delete {1} 2>/dev/null || true\n",
            plain(name)?,
            word(name)
        )),
        Action::TapAdd { name, bridge, .. } => {
            let bridge = bridge.as_ref().map_or(String::new(), |bridge| format!("bridge {}\n", word(bridge)));
            Ok(format!("{bridge}ip link delete {} 2>/dev/null || true\n", word(name)))
        }
        Action::OvsBridgeAdd { bridge } => Ok(format!("ovs-vsctl --if-exists del-br {}\n", word(bridge))),
        Action::OvsPort { port, from, to } => Ok(ovs_port(port, from.as_ref(), to.as_ref())),
        Action::ImageCreate { path, .. } => gone(path),
        Action::ImageResize { path, format, from, .. } => Ok(image(path, format.name(), *from, None)),
        Action::ImageCopy { path, from, size, .. } => {
            Ok(format!("{}{}", image(&from.path, from.format_name(), *size, None), gone(path)?))
        }
        Action::ImageOverlay { path, base, size } => {
            Ok(format!("{}{}", image(&base.path, base.format_name(), *size, None), gone(path)?))
        }
        Action::ImageRebase { path, from, to } => {
            let bases =
                from.iter().chain(to).map(|base| image(&base.path, base.format_name(), 1 << 30, None));
            Ok(format!("{}{}", bases.collect::<String>(), image(path, "qcow2", 1 << 30, from.as_ref())))
        }
        Action::Sysfs { path, from, .. } => Ok(format!("value {} {}\n", word(path), word(from))),
        Action::Sysctl { key, from, .. } => {
            Ok(format!("value {} {}\n", word(&format!("/proc/sys/{key}")), word(from)))
        }
        Action::IrqAffinity { .. } => Err("the lab has interrupts of its own".to_owned()),
        Action::HugePages { node, size_kib, from, .. } => {
            let above = match node {
                Some(node) => format!("/sys/devices/system/node/node{node}"),
                None => "/sys/kernel/mm".to_owned(),
            };
            Ok(format!("value {above}/hugepages/hugepages-{size_kib}kB/nr_hugepages {from}\n"))
        }
        Action::ModuleLoad { module, .. } => Ok(format!(
            "modinfo {0} >/dev/null 2>&1 || sorry \"the lab's kernel has no module \"{0}\nmodprobe -r {0} || sorry \"module \"{0}\" is in use in the lab\"\n",
            word(module)
        )),
        Action::ModuleUnload { module, .. } => Ok(format!(
            "modprobe {0} || sorry \"module \"{0}\" cannot be loaded in the lab\"\n",
            word(module)
        )),
        Action::Regenerate { generator, outputs, .. } => generated(generator, outputs),
        Action::BootTrial { trial: Trial::Grub { environment, .. } } => Ok(format!(
            "test -f {0} || sorry \"the lab has no \"{0}\ngrub-editenv {0} unset next_entry\ngrub-editenv {0} unset vmwright_trial\n",
            word(environment)
        )),
        Action::Service { unit, from, .. } => Ok(service(unit, *from)),
        Action::VirtualNetwork { network, from, .. } => Ok(virtual_network(network, *from, host)),
        Action::LogicalVolume { volume, from, .. } => logical_volume(volume, *from),
        Action::EditDomain { connection, domain, .. } => {
            if connection != "qemu:///system" {
                return Err(format!("the lab has no libvirt of {connection}"));
            }
            host.domain(domain)
        }
        Action::MachineStart { machine } | Action::MachineStop { machine } => {
            let running = matches!(action, Action::MachineStop { .. });
            let define = host.domain(machine)?;
            let name = word(machine);
            let to = if running {
                format!("virsh -q start {name} || sorry \"domain \"{name}\" does not start in the lab\"\n")
            } else {
                format!("virsh -q destroy {name} 2>/dev/null || true\n")
            };
            Ok(format!("{define}{to}"))
        }
        // What is left cannot be made, and was refused above.
        _ => Ok(String::new()),
    }
}

/// Why an action can be tried in no lab, whatever the host has; none where it can.
pub(super) fn cannot(action: &Action) -> Option<String> {
    match action {
        Action::DriverBind { device, .. } => Some(format!("the lab has no device that stands for {device}")),
        Action::FileAcl { .. } => Some("the lab has no program for access control lists".to_owned()),
        Action::FileLabel { .. } => Some("the lab has no SELinux".to_owned()),
        Action::MachineMigrate { to, .. } => Some(format!("a lab does not reach {to}")),
        Action::DeviceAttach { domain, .. } | Action::DeviceDetach { domain, .. } => {
            Some(format!("the lab has neither the guest of {domain} nor what the device stands on"))
        }
        Action::Qmp { machine, .. } => Some(format!("the lab does not run {machine}")),
        Action::RbdSnapshot { image, .. } => Some(format!("a lab does not reach the pool of {image}")),
        Action::BootTrial { trial: Trial::Counted { .. } } => {
            Some("the lab boots with GRUB, and not with systemd-boot".to_owned())
        }
        Action::UplinkAdd { uplink } => {
            Some(format!("it moves the addresses of the host's {}, and the lab has its own", uplink.card))
        }
        Action::EditSetting { path, .. }
        | Action::FileCreate { path, .. }
        | Action::FileWrite { path, .. }
            if ["/etc/network/", "/etc/netplan/", "/etc/NetworkManager/", "/etc/cloud/"]
                .iter()
                .any(|folder| path.starts_with(folder)) =>
        {
            Some("the lab's network is set up by systemd-networkd, which does not read it".to_owned())
        }
        Action::OvsPort { from: Some(_), to: None, .. }
        | Action::UplinkRemove { .. }
        | Action::BridgeRemove { .. }
        | Action::TapRemove { .. }
        | Action::OvsBridgeRemove { .. }
        | Action::ImageRemove { .. }
        | Action::ImageCopyRemove { .. }
        | Action::ImageOverlayRemove { .. }
        | Action::DirectoryRemove { .. }
        | Action::FileCopyRemove { .. }
        | Action::BootTrialEnd { .. }
        | Action::Restore { .. }
        | Action::MachineDelete { .. }
        | Action::MachineReturn { .. }
        | Action::Reboot { left: Some(_) }
        | Action::AwaitReboot { left: Some(_) } => {
            Some("it takes back what an earlier run did, which the lab has not seen".to_owned())
        }
        _ => None,
    }
}

/// A name that becomes a part of a path.
fn plain(name: &str) -> Result<&str, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && !name.starts_with('.') && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(format!("`{}` is no name that the lab can give", name.escape_debug()))
}

/// A file or folder whose access alone matters: with the host's content where that was read.
fn stub(path: &str, host: &Host<'_>) -> String {
    match host.text(path) {
        Some(text) => file(path, text),
        None => format!("test -e {0} || {{\n{1}: >{0}\n}}\n", word(path), folder_of(path)),
    }
}

/// An image of this size; its content stands for no other.
pub(super) fn image(path: &str, format: &str, size: u64, base: Option<&Base>) -> String {
    let base =
        base.map_or(String::new(), |base| format!("-b {} -F {} ", word(&base.path), base.format_name()));
    format!("{}rm -f {1}\nqemu-img create -q -f {format} {base}{1} {size}\n", folder_of(path), word(path))
}

fn ovs_port(
    port: &str,
    from: Option<&vmwright_model::plan::OvsPort>,
    to: Option<&vmwright_model::plan::OvsPort>,
) -> String {
    let mut script = String::new();
    for bridge in from.iter().chain(&to).map(|state| word(&state.bridge)) {
        script.push_str(&format!("ovs-vsctl --may-exist add-br {bridge}\nip link set {bridge} up\n"));
    }
    let name = word(port);
    script.push_str(&format!("ovs-vsctl --if-exists del-port {name}\n"));
    let internal = from.or(to).is_some_and(|state| state.internal);
    if !internal {
        script.push_str(&format!("ip link show {name} >/dev/null 2>&1 || ip link add {name} type dummy\n"));
    }
    match from {
        None => script,
        Some(state) => {
            let tag = state.tag.map_or(String::new(), |tag| format!(" tag={tag}"));
            let kind =
                if internal { format!(" -- set interface {name} type=internal") } else { String::new() };
            format!("{script}ovs-vsctl add-port {} {name}{tag}{kind}\n", word(&state.bridge))
        }
    }
}

/// The lab is a Debian: its programs make what Debian's make, where Debian has it.
fn generated(generator: &Generator, outputs: &[String]) -> Result<String, String> {
    let known = match generator {
        Generator::UpdateGrub => Some("update-grub"),
        Generator::GrubMkconfig => Some("grub-mkconfig"),
        Generator::UpdateInitramfs { .. } => Some("update-initramfs"),
        Generator::Grub2Mkconfig | Generator::Dracut { .. } | Generator::KernelInstall { .. } => None,
    };
    let Some(program) = known else {
        return Err("the lab is a Debian, which makes its files for the boot with other programs".to_owned());
    };
    let there: String = outputs
        .iter()
        .map(|path| format!("test -f {0} || sorry \"the lab does not boot with \"{0}\n", word(path)))
        .collect();
    Ok(format!("command -v {program} >/dev/null || sorry \"the lab has no {program}\"\n{there}"))
}

fn service(unit: &str, from: ServiceState) -> String {
    let name = word(unit);
    let enabled = if from.enabled { "enable" } else { "disable" };
    let (active, told) = if from.active { ("start", "active") } else { ("stop", "inactive") };
    format!(
        "systemctl cat -- {name} >/dev/null 2>&1 || sorry \"the lab has no service \"{name}\n\
         systemctl -q {enabled} -- {name} 2>/dev/null || true\nsystemctl {active} -- {name} || true\n\
         systemctl reset-failed -- {name} 2>/dev/null || true\n\
         test \"$(systemctl is-active -- {name} || true)\" = {told} || sorry {name}\" cannot be {told} in the lab\"\n"
    )
}

fn virtual_network(network: &str, from: ServiceState, host: &Host<'_>) -> String {
    let name = word(network);
    let define = match host.network(network) {
        Some(xml) => format!(
            "virsh -q net-info {name} >/dev/null 2>&1 || {{ {} virsh -q net-define /root/network.xml; }}\n",
            file("/root/network.xml", xml).replace('\n', "\n ")
        ),
        None => String::new(),
    };
    let active = if from.active { "net-start" } else { "net-destroy" };
    let auto = if from.enabled { "net-autostart" } else { "net-autostart --disable" };
    format!(
        "{define}virsh -q net-info {name} >/dev/null 2>&1 || sorry \"the lab's libvirt has no network \"{name}\n\
         virsh -q {active} {name} 2>/dev/null || true\nvirsh -q {auto} {name}\n"
    )
}

/// Where the lab has no group of that name, one on a file of its own.
fn logical_volume(volume: &str, from: bool) -> Result<String, String> {
    let Some((group, name)) = volume.split_once('/') else {
        return Err(format!("`{}` is no volume of a group", volume.escape_debug()));
    };
    let (group, name) = (plain(group)?, plain(name)?);
    let to = if from { "-ay" } else { "-an" };
    Ok(format!(
        "vgs {group} >/dev/null 2>&1 || {{\n truncate -s 256M /var/lib/{group}.pv\n disk=$(losetup --find --show /var/lib/{group}.pv)\n vgcreate -q {group} \"$disk\" >/dev/null\n}}\n\
         lvs {group}/{name} >/dev/null 2>&1 || lvcreate -q -y -L 16M -n {name} {group} >/dev/null\nlvchange -q {to} {group}/{name}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use vmwright_model::plan::Setting;
    use vmwright_model::{Kind, Record, Snapshot};

    fn snapshot(texts: &[(&str, &str)]) -> Snapshot {
        let records = texts.iter().map(|(path, text)| Record::new(*path, Kind::TEXT, *text)).collect();
        Snapshot { records, ..Snapshot::default() }
    }

    /// Whether a shell can read it; it is not run.
    fn reads(script: &str) {
        let mut child = Command::new("sh");
        let done = child.args(["-n", "-c", &format!("{HEAD}{script}")]).output().expect("a shell");
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn a_file_has_the_hosts_text_else_the_labs_with_the_setting() {
        let read = snapshot(&[("/etc/a.conf", "it's\n")]);
        let host = Host::of(&read);
        let setting = || Setting::Module { module: "vfio".into() };
        let edit = |path: &str, from: Option<&str>| Action::EditSetting {
            path: path.into(),
            setting: setting(),
            from: from.map(str::to_owned),
            to: None,
        };
        let script = of(&edit("/etc/a.conf", None), &host, &mut |_| None).expect("it was read");
        assert_eq!(script, "mkdir -p '/etc'\nprintf %s 'it'\\''s\n' >'/etc/a.conf'\n");
        reads(&script);
        let script =
            of(&edit("/etc/b", Some("vfio")), &host, &mut |_| Some("kvm\n".into())).expect("it is there");
        assert!(script.contains("'kvm\nvfio\n'"), "{script}");
        let why = of(&edit("/etc/b", None), &host, &mut |_| None).expect_err("nowhere");
        assert_eq!(why, "/etc/b of the host was not read");
    }

    #[test]
    fn what_can_be_made_is_a_script_and_what_cannot_says_why() {
        let read = snapshot(&[]);
        let host = Host::of(&read);
        let state = |active| ServiceState { active, enabled: true };
        let port = |bridge: &str| vmwright_model::plan::OvsPort {
            bridge: bridge.into(),
            tag: Some(7),
            internal: false,
        };
        let good = [
            Action::FileCreate { path: "/etc/x".into(), text: String::new(), mode: 0o644 },
            Action::FileMode { path: "/a/it's".into(), from: 0o600, to: 0o640 },
            Action::BridgeAdd { name: "br0".into(), address: None },
            Action::TapAdd { name: "t0".into(), user: 0, bridge: Some("br0".into()) },
            Action::OvsPort { port: "eth0".into(), from: None, to: Some(port("ovs0")) },
            Action::OvsPort { port: "eth0".into(), from: Some(port("ovs0")), to: Some(port("ovs1")) },
            Action::Sysctl { key: "net/ipv4/ip_forward".into(), from: "0".into(), to: "1".into() },
            Action::HugePages { node: Some(1), size_kib: 2048, from: 0, to: 8 },
            Action::ModuleLoad { module: "vfio-pci".into(), parameters: Vec::new() },
            Action::Regenerate {
                generator: Generator::UpdateGrub,
                outputs: vec!["/boot/grub/grub.cfg".into()],
                holds: Vec::new(),
            },
            Action::Service { unit: "libvirtd.service".into(), from: state(true), to: state(false) },
            Action::VirtualNetwork { network: "default".into(), from: state(false), to: state(true) },
            Action::LogicalVolume { volume: "vg9/data".into(), from: false, to: true },
        ];
        for action in &good {
            let script = of(action, &host, &mut |_| None).unwrap_or_else(|why| panic!("{action:?}: {why}"));
            reads(&script);
        }
        for (action, why) in [
            (
                Action::FileCreate {
                    path: "/etc/netplan/90-a.yaml".into(),
                    text: String::new(),
                    mode: 0o600,
                },
                "systemd-networkd",
            ),
            (Action::FileRemove { path: "/etc/x".into(), from_sha256: String::new() }, "was not read"),
            (
                Action::DriverBind {
                    device: "0000:01:00.0".into(),
                    from: Default::default(),
                    to: Default::default(),
                },
                "stands for 0000:01:00.0",
            ),
            (Action::MachineStart { machine: "web".into() }, "web"),
            (
                Action::Regenerate {
                    generator: Generator::Dracut { kernel: "6".into() },
                    outputs: Vec::new(),
                    holds: Vec::new(),
                },
                "Debian",
            ),
            (Action::LogicalVolume { volume: "../x/y".into(), from: false, to: true }, "no name"),
        ] {
            let said = of(&action, &host, &mut |_| None).expect_err("it cannot be made");
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_value_is_made_or_said_to_differ() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("value");
        std::fs::write(&path, "always [madvise] never\n").expect("written");
        let run = |wanted: &str| {
            let script = format!("{HEAD}value {} {}\n", word(path.to_str().expect("UTF-8")), word(wanted));
            let done = Command::new("sh").args(["-c", &script]).output().expect("a shell");
            (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
        };
        assert_eq!(run("madvise"), (Some(0), String::new()));
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "always [madvise] never\n", "it was so");
        assert_eq!(run("12"), (Some(0), String::new()));
        std::fs::remove_file(&path).expect("there");
        let (status, said) = run("1");
        assert!(status == Some(9) && said.contains("the lab has no"), "{said}");
    }
}
