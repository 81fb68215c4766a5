use super::super::text;
use super::*;
use vmwright_model::machine::{Cache, DiskBus, DiskFormat, InputKind, NetworkKind, NetworkModel};

fn machine(line: &str) -> MachineSpec {
    read(line).expect("a command line").spec
}

#[test]
fn both_spellings_are_one_machine() {
    let older = machine(
        "qemu-system-x86_64 -nodefaults -M q35,accel=kvm -m 2G -smp 4 \
         -drive file=/a,,b.qcow2,format=qcow2,if=none,id=d,cache=none,aio=native -device virtio-blk-pci,drive=d,bootindex=1 \
         -netdev tap,ifname=tap7,script=no,downscript=no,id=n -device virtio-net-pci,netdev=n,mac=52:54:00:00:00:01",
    );
    let newer = machine(
        r#"qemu-system-x86_64 -nodefaults -machine type=q35 -accel kvm -m size=2048M -smp cpus=4
 -blockdev '{"driver":"file","filename":"/a,b.qcow2","node-name":"f","aio":"native","cache":{"direct":true,"no-flush":false}}'
 -blockdev driver=qcow2,node-name=d,file=f,cache.direct=on,cache.no-flush=off
 -device '{"driver":"virtio-blk-pci","drive":"d","bootindex":1}'
 -netdev '{"type":"tap","ifname":"tap7","script":"no","downscript":"no","id":"n"}'
 -device '{"driver":"virtio-net-pci","netdev":"n","mac":"52:54:00:00:00:01"}'"#,
    );
    assert_eq!(older, newer);
    assert_eq!(older.foreign, []);
    let disk = &older.disks[0];
    assert_eq!(
        (disk.path.as_deref(), disk.format, disk.cache),
        (Some("/a,b.qcow2"), DiskFormat::Qcow2, Some(Cache::None))
    );
    assert_eq!((older.networks[0].kind, older.networks[0].tap.as_deref()), (NetworkKind::Tap, Some("tap7")));
}

#[test]
fn what_is_not_understood_is_kept_and_written_back() {
    let line = "qemu-system-x86_64 -nodefaults -fw_cfg name=opt/x,string=y -object rng-egd,id=r,chardev=c \
                -chardev socket,id=c,path=/s -device virtio-rng-pci,rng=r -device virtio-balloon-pci,ats=on -global a.b=c";
    let spec = machine(line);
    let kept: Vec<(&str, &str)> =
        spec.foreign.iter().map(|part| (part.at.as_str(), part.text.as_str())).collect();
    assert_eq!(
        kept,
        [
            ("-fw_cfg", "name=opt/x,string=y"),
            ("-device", "virtio-rng-pci,rng=r"),
            ("balloon", "ats=on"),
            ("-global", "a.b=c"),
            ("-object", "rng-egd,id=r,chardev=c"),
            ("-chardev", "socket,id=c,path=/s"),
        ]
    );
    let written = text(&spec).expect("a line").text;
    for (at, text) in kept {
        let part = if at.starts_with('-') { format!("{at} {text}") } else { text.to_owned() };
        assert!(written.contains(&part), "{part} is not in {written}");
    }
    // Backends come before what refers to them.
    assert!(written.find("rng-egd") < written.find("virtio-rng-pci"));
}

#[test]
fn a_short_line_means_what_qemu_adds_to_it() {
    let found = read(
        "$ qemu-system-x86_64 -enable-kvm -m 512 -hda disk.qcow2 -cdrom /x.iso -nographic -usbdevice tablet",
    )
    .expect("a line");
    let spec = found.spec;
    assert_eq!((spec.memory.size.as_str(), spec.machine.as_str()), ("512MiB", "pc"));
    assert_eq!((spec.disks[0].bus, spec.disks[0].format), (Some(DiskBus::Ide), DiskFormat::Qcow2));
    assert!(spec.disks[1].readonly);
    assert_eq!(
        (spec.networks[0].kind, spec.networks[0].model),
        (NetworkKind::User, Some(NetworkModel::E1000))
    );
    assert_eq!(spec.inputs[0].kind, InputKind::Tablet);
    assert!(found.remarks.iter().any(|remark| remark.item == "-nodefaults"), "{:?}", found.remarks);
}

#[test]
fn nodes_that_refer_to_themselves_end() {
    let spec = machine(
        "qemu-system-x86_64 -nodefaults -blockdev driver=qcow2,node-name=a,file=b,backing=a -blockdev driver=file,node-name=b,filename=/b \
         -device virtio-blk-pci,drive=a -blockdev driver=raw,node-name=c,file=c -device virtio-blk-pci,drive=c",
    );
    assert_eq!(spec.disks, []);
    assert_eq!(spec.foreign.len(), 5);
}

#[test]
fn a_name_that_a_machine_cannot_have_is_said() {
    let found = read("qemu-system-x86_64 -name 'guest=a b/c,debug-threads=on'").expect("a line");
    assert_eq!(found.spec.name, "a-b-c");
    assert_eq!(found.remarks[0].item, "name");
    assert!(read("hello world").is_err());
}
