//! A machine's description from one format to another, and what a specification may say.

mod common;

use common::Site;

const XML: &str = "<domain type='kvm'>\n  <name>web</name>\n  <memory unit='MiB'>512</memory>\n  <vcpu>2</vcpu>\n  \
    <os><type arch='x86_64' machine='q35'>hvm</type></os>\n  <devices>\n    <disk type='file' device='disk'>\n      \
    <driver name='qemu' type='qcow2'/>\n      <source file='/srv/web.qcow2'/>\n      \
    <target dev='vda' bus='virtio'/>\n    </disk>\n    <redirdev bus='usb' type='spicevmc'/>\n  </devices>\n</domain>\n";

#[test]
fn libvirt_to_toml_and_back_loses_nothing() {
    let site = Site::new();
    let xml = site.file("web.xml", XML);
    let toml = site.call(&["convert", "--to", "toml", xml.to_str().unwrap()]);
    assert_eq!(toml.status, 0, "{toml:#?}");
    assert!(toml.out.contains("size = \"512MiB\"") && toml.out.contains("redirdev"), "{}", toml.out);
    let file = site.file("web.toml", &toml.out);
    let back = site.call(&["convert", "--to", "libvirt", file.to_str().unwrap()]);
    assert_eq!(back.status, 0, "{back:#?}");
    assert!(back.out.contains("<memory unit='MiB'>512</memory>"), "{}", back.out);
    assert!(back.out.contains("<redirdev bus='usb' type='spicevmc'/>"), "{}", back.out);
}

#[test]
fn what_the_wanted_format_cannot_say_is_told() {
    let site = Site::new();
    // A device that QEMU has a word for, and a lock that is no device of the guest.
    let lease =
        "<redirdev bus='usb' type='spicevmc'/>\n    <lease><key>k</key><target path='/srv/lock'/></lease>";
    let xml = site.file("web.xml", XML.replace("<redirdev bus='usb' type='spicevmc'/>", lease));
    let qemu = site.call(&["convert", "--to", "qemu", xml.to_str().unwrap()]);
    assert_eq!(qemu.status, 1, "{qemu:#?}");
    assert!(qemu.err.contains("lost: devices: qemu has no word for <lease"), "{}", qemu.err);
    assert!(qemu.out.contains("qemu-system-x86_64") && qemu.out.contains("usb-redir,"), "{}", qemu.out);
    let json = site.call(&["convert", "--to", "qemu", "--format", "json", xml.to_str().unwrap()]).json();
    assert!(json.to_string().contains("\"effect\":\"lost\""), "{json}");
}

/// A microVM, and where its kernel's command line is read.
const MICROVM: &str = r#"{
  "boot-source": {"kernel_image_path": "/srv/vmlinux", "boot_args": "console=ttyS0"},
  "drives": [{"drive_id": "rootfs", "path_on_host": "/srv/root.ext4", "is_root_device": true, "is_read_only": false}],
  "machine-config": {"vcpu_count": 2, "mem_size_mib": 512, "cpu_template": "T2"},
  "mmds-config": {"network_interfaces": ["eth0"]}
}"#;

#[test]
fn a_microvm_is_a_machine_like_others() {
    let site = Site::new();
    let json = site.file("vm.json", MICROVM);
    let toml = site.call(&["convert", "--to", "toml", json.to_str().unwrap()]);
    assert_eq!(toml.status, 0, "{toml:#?}");
    assert!(toml.out.contains("cmdline = \"console=ttyS0 root=/dev/vda rw\""), "{}", toml.out);
    let file = site.file("vm.toml", &toml.out);
    let back = site.call(&["convert", "--to", "firecracker", file.to_str().unwrap()]);
    assert_eq!(back.status, 0, "{back:#?}");
    assert_eq!(back.json(), serde_json::from_str::<serde_json::Value>(MICROVM).unwrap());
    let other = site.call(&["convert", "--to", "cloud-hypervisor", json.to_str().unwrap()]);
    assert_eq!(other.status, 1, "{other:#?}");
    assert!(other.err.contains("lost: mmds-config: cloud-hypervisor has no word for"), "{}", other.err);
    assert_eq!(other.json()["payload"]["cmdline"], "console=ttyS0 root=/dev/vda rw");
}

#[test]
fn what_is_no_machine_is_refused_with_its_line() {
    let site = Site::new();
    let broken = site.file("web.xml", "<domain>\n<name>web</nam>\n");
    site.call(&["convert", "--to", "toml", broken.to_str().unwrap()]).fails(2, &["line 2"]);
    let prose = site.file("note.txt", "hello\n");
    site.call(&["convert", "--to", "toml", prose.to_str().unwrap()]).fails(2, &["none of the formats"]);
    let toml = site.file("web.toml", "name = 'web'\nmemroy = 1\n");
    site.call(&["convert", "--to", "libvirt", toml.to_str().unwrap()]).fails(2, &["did you mean `memory`"]);
    site.call(&["convert", "--to", "vmx", toml.to_str().unwrap()]).fails(2, &["no format is called `vmx`"]);
}

#[test]
fn the_schema_and_its_example_are_printed() {
    let site = Site::new();
    let schema: serde_json::Value = serde_json::from_str(&site.call(&["vm", "schema"]).ok().out).unwrap();
    assert_eq!(schema["title"], "MachineSpec");
    let example = site.call(&["vm", "schema", "--example"]).ok().out;
    let file = site.file("example.toml", &example);
    assert_eq!(site.call(&["convert", "--to", "toml", file.to_str().unwrap()]).status, 0);
}
