//! What has no measure: logs of a gigabyte, thousands of VMs.

use crate::common::Site;
use crate::{bounded, own_host, unread};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

const GIB: u64 = 1 << 30;

/// A log of ordinary lines.
fn log(path: &Path, bytes: u64, last: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let line =
        "2030-01-01 00:00:00.000+0000: 7: info : nothing happened on fd 12, and again nothing\n".repeat(1000);
    let mut file = BufWriter::new(File::create(path).unwrap());
    for _ in 0..bytes / line.len() as u64 + 1 {
        file.write_all(line.as_bytes()).unwrap();
    }
    file.write_all(last.as_bytes()).unwrap();
    file.flush().unwrap();
}

/// The last line of a log.
const LAST: &str = "qemu-system-x86_64: -drive file=a: Failed to get \"write\" lock\n";

#[test]
fn of_a_log_of_a_gibibyte_the_newest_lines_are_read() {
    let site = Site::new();
    log(&site.path("logs/qemu.log"), GIB, LAST);
    File::create(site.path("logs/sparse.log")).unwrap().set_len(GIB).unwrap();
    let folder = site.path("logs");
    let (done, took) =
        bounded(site.command(&["analyze", "--from", folder.to_str().unwrap(), "--format", "json"]), || ());
    println!("a folder with it: {took:?}");
    assert_eq!(done.json()["causes"][0]["rule"], "storage/image-locked", "{done:#?}");
    assert!(unread(&done, "qemu.log").starts_with("only the last 64.0 MiB of 1.0 GiB"), "{done:#?}");
    assert_eq!(unread(&done, "sparse.log"), "not text");

    site.machine("web", "").ok();
    fs::rename(site.path("logs/qemu.log"), site.path("state/machines/web/qemu.log")).unwrap();
    let (done, took) = bounded(site.command(&["analyze", "--vm", "web", "--format", "json"]), || ());
    println!("a VM's own: {took:?}");
    assert!(unread(&done, "machines/web/qemu.log").starts_with("only the last 64.0 MiB of"), "{done:#?}");
    assert!(done.json()["causes"].to_string().contains("storage/image-locked"), "{done:#?}");
}

#[test]
fn a_log_as_large_as_is_read_is_gone_through() {
    let site = Site::new();
    let path = site.path("logs/qemu.log");
    log(&path, 30 << 20, LAST);
    let folder = site.path("logs");
    let (done, took) =
        bounded(site.command(&["analyze", "--from", folder.to_str().unwrap(), "--format", "json"]), || ());
    println!("{took:?}");
    assert_eq!(done.json()["causes"][0]["rule"], "storage/image-locked", "{done:#?}");
}

/// Domains as libvirt keeps them, and a machine of ours for each.
fn four_thousand(site: &Site) {
    for number in 0..4000 {
        let name = format!("vm{number:04}");
        let xml = format!(
            "<domain type='kvm'>\n  <name>{name}</name>\n  <memory unit='KiB'>1048576</memory>\n  <vcpu>2</vcpu>\n  \
             <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n  <cpu mode='host-model'/>\n  <devices>\n    \
             <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/{name}.qcow2'/>\
             <target dev='vda' bus='virtio'/></disk>\n    <interface type='network'><source network='default'/>\
             <model type='virtio'/></interface>\n  </devices>\n</domain>\n"
        );
        site.file(&format!("domains/{name}.xml"), xml);
        let spec = format!("name = {name:?}\n[memory]\nsize = \"64MiB\"\n");
        site.file(&format!("state/machines/{name}/machine.toml"), spec);
    }
}

#[test]
fn four_thousand_vms_are_read_in_bounded_time() {
    let site = Site::new();
    four_thousand(&site);
    let (done, took) = bounded(site.command(&["vm", "list", "--format", "json"]), || ());
    println!("list: {took:?}");
    assert_eq!(done.json()["machines"].as_array().unwrap().len(), 4000);
    let (done, took) = bounded(site.command(&["analyze", "--vm", "vm3999", "--format", "json"]), || ());
    println!("one of them: {took:?}");
    assert!([0, 1, 3].contains(&done.status), "{done:#?}");
    let (done, took) = bounded(site.command(&["analyze", "--vm", "vm4000"]), || ());
    println!("none of them: {took:?}");
    done.fails(2, &["vm4000"]);
    // None of them ever ran: what ends the test need not stop one after the other, which takes minutes.
    fs::remove_dir_all(site.path("state/machines")).unwrap();
    let folder = site.path("domains");
    let (done, took) =
        bounded(site.command(&["analyze", "--from", folder.to_str().unwrap(), "--format", "json"]), || ());
    println!("a folder of their domains: {took:?}");
    assert!([0, 1, 3].contains(&done.status), "{done:#?}");

    let script = r#"
        mkdir -p /etc/libvirt
        mount -t tmpfs none /etc/libvirt
        mkdir /etc/libvirt/qemu
        mount --bind "$SITE/domains" /etc/libvirt/qemu
        "$VMWRIGHT" capture -o "$SITE/a.tar.gz"
    "#;
    let Some(command) = own_host("four_thousand_vms_are_read_in_bounded_time", &site, script) else { return };
    let (done, took) = bounded(command, || ());
    println!("a capture of a host that has them: {took:?}");
    assert!([0, 1, 3].contains(&done.status), "{done:#?}");
    let archive = site.path("a.tar.gz");
    let (done, took) =
        bounded(site.command(&["analyze", "--from", archive.to_str().unwrap(), "--format", "json"]), || ());
    println!("what it says: {took:?}");
    assert!([0, 1, 3].contains(&done.status), "{done:#?}");
}
