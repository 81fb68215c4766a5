//! Tests of the domain XML view.

use super::*;

const FULL: &str = r#"<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>win11</name>
  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
  <memory unit='GiB'>16</memory>
  <currentMemory>8388608</currentMemory>
  <memoryBacking>
    <hugepages><page size='1' unit='G' nodeset='0'/></hugepages>
    <locked/>
    <access mode='shared'/>
  </memoryBacking>
  <vcpu placement='static' cpuset='0-7' current='4'>8</vcpu>
  <iothreads>1</iothreads>
  <cputune>
    <vcpupin vcpu='0' cpuset='2'/>
    <emulatorpin cpuset='0-1'/>
    <iothreadpin iothread='1' cpuset='1'/>
  </cputune>
  <numatune><memory mode='strict' nodeset='0'/></numatune>
  <os firmware='efi'>
    <type arch='x86_64' machine='pc-q35-8.2'>hvm</type>
    <firmware><feature enabled='yes' name='secure-boot'/></firmware>
    <loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.ms.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS.ms.fd'>/var/lib/libvirt/qemu/nvram/win11_VARS.fd</nvram>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <smm state='off'/>
    <hyperv mode='custom'><relaxed state='on'/></hyperv>
  </features>
  <cpu mode='host-passthrough' check='none' migratable='on'>
    <topology sockets='1' dies='1' cores='4' threads='2'/>
    <feature policy='disable' name='hypervisor'/>
    <numa><cell id='0' cpus='0-7' memory='16' unit='GiB'/></numa>
  </cpu>
  <clock offset='localtime'><timer name='hpet' present='no'/></clock>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap' queues='4'/>
      <source file='/var/lib/libvirt/images/win11.qcow2'/>
      <backingStore type='file'><source file='/base.qcow2'/><backingStore/></backingStore>
      <target dev='vda' bus='virtio'/>
      <boot order='1'/>
    </disk>
    <disk type='network' device='disk'>
      <source protocol='rbd' name='pool/img'><auth username='u'><secret type='ceph' uuid='s'/></auth></source>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:aa:bb:cc'/>
      <source bridge='ovsbr0'/>
      <virtualport type='openvswitch'/>
      <model type='virtio'/>
      <driver name='vhost' queues='8'/>
      <mtu size='9000'/>
    </interface>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/></source>
      <rom file='/roms/gpu.rom'/>
      <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0' multifunction='on'/>
    </hostdev>
    <hostdev mode='subsystem' type='mdev' model='vfio-pci'>
      <source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source>
    </hostdev>
    <filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='share'/></filesystem>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <memballoon model='virtio' freePageReporting='on'/>
    <video><model type='virtio'><acceleration accel3d='yes'/></model></video>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <shmem name='looking-glass'><model type='ivshmem-plain'/><size unit='M'>32</size></shmem>
    <vsock model='virtio'><cid auto='no' address='3'/></vsock>
    <iommu model='intel'><driver intremap='on'/></iommu>
  </devices>
  <launchSecurity type='sev'><policy>0x0003</policy></launchSecurity>
  <qemu:commandline>
    <qemu:arg value='-cpu'/>
    <qemu:arg value='host,-hypervisor'/>
  </qemu:commandline>
</domain>
"#;

/// The line of FULL on which a text first stands.
fn at(part: &str) -> u32 {
    let (number, _) = crate::lines::lines(FULL).find(|(_, line)| line.contains(part)).expect("it is in FULL");
    number
}

fn value(text: &Text) -> Option<&str> {
    text.as_ref().map(|text| text.value.as_str())
}

#[test]
fn a_whole_domain() {
    let (view, issues) = DomainXml::read(FULL);
    assert_eq!(issues, []);
    assert_eq!(view.domains.len(), 1);
    let domain = &view.domains[0];
    assert_eq!((value(&domain.name), value(&domain.domain_type)), (Some("win11"), Some("kvm")));
    assert_eq!(domain.memory, Some(Spanned::new(16 << 30, at("<memory unit"))));
    assert_eq!(domain.current_memory, Some(Spanned::new(8 << 30, at("<currentMemory"))));
    let vcpu = domain.vcpu.as_ref().expect("it is there");
    assert_eq!(
        (vcpu.count.as_ref().map(|n| n.value), vcpu.current.as_ref().map(|n| n.value)),
        (Some(8), Some(4))
    );
    assert_eq!(domain.memory_backing.pages[0].0, Spanned::new(1 << 30, at("<page size")));
    assert_eq!(
        (domain.memory_backing.locked, value(&domain.memory_backing.access)),
        (Some(at("<locked")), Some("shared"))
    );
    assert_eq!(domain.cputune.vcpus[0], Pin { line: at("<vcpupin"), id: Some(0), cpuset: "2".into() });
    assert_eq!(domain.cputune.emulator.as_ref().map(|pin| pin.line), Some(at("<emulatorpin")));
    assert_eq!(domain.numatune.as_ref().and_then(|tune| value(&tune.mode)), Some("strict"));
    let os = &domain.os;
    assert_eq!((value(&os.firmware), value(&os.machine)), (Some("efi"), Some("pc-q35-8.2")));
    assert_eq!((value(&os.loader_type), value(&os.loader_secure)), (Some("pflash"), Some("yes")));
    assert!(value(&os.nvram_template).is_some_and(|path| path.ends_with("VARS.ms.fd")));
    assert_eq!(os.firmware_features, [(Spanned::new("secure-boot".to_owned(), at("secure-boot")), true)]);
    assert_eq!(
        (domain.feature("acpi"), domain.feature("smm"), domain.feature("hyperv")),
        (Some(at("<acpi")), None, Some(at("<hyperv")))
    );
    let cpu = domain.cpu.as_ref().expect("it is there");
    assert_eq!(cpu.topology.as_ref().and_then(Topology::cpus), Some(8));
    assert_eq!(cpu.feature("hypervisor").map(|feature| feature.policy.as_str()), Some("disable"));
    assert_eq!(cpu.cells[0].memory.as_ref().map(|memory| memory.value), Some(16 << 30));
    assert_eq!(domain.clock.timers[0].name.value, "hpet");
    assert_eq!(domain.qemu_arg("hypervisor").map(|argument| argument.line), Some(at("host,-hypervisor")));
    assert_eq!(domain.launch_security.as_ref().and_then(|sev| value(&sev.policy)), Some("0x0003"));
}

#[test]
fn its_devices() {
    let (view, _) = DomainXml::read(FULL);
    let devices = &view.domains[0].devices;
    let disk = &devices.disks[0];
    assert_eq!(
        (value(&disk.format), value(&disk.bus), value(&disk.io)),
        (Some("qcow2"), Some("virtio"), Some("native"))
    );
    assert_eq!(
        disk.source,
        Some(Spanned::new("/var/lib/libvirt/images/win11.qcow2".to_owned(), at("win11.qcow2")))
    );
    assert_eq!(disk.backing[0].value, "/base.qcow2");
    assert_eq!(disk.queues.as_ref().map(|queues| queues.value), Some(4));
    let network = &devices.disks[1];
    assert_eq!(
        (value(&network.protocol), value(&network.source), value(&network.secret)),
        (Some("rbd"), Some("pool/img"), Some("s"))
    );
    let interface = &devices.interfaces[0];
    assert_eq!(
        (value(&interface.source), value(&interface.virtualport)),
        (Some("ovsbr0"), Some("openvswitch"))
    );
    assert_eq!(
        (interface.mtu.as_ref().map(|mtu| mtu.value), value(&interface.mac)),
        (Some(9000), Some("52:54:00:aa:bb:cc"))
    );
    let hostdev = &devices.hostdevs[0];
    assert_eq!(
        hostdev.address.as_ref().map(|address| address.value.to_string()).as_deref(),
        Some("0000:01:00.1")
    );
    assert_eq!(hostdev.guest_address.as_ref().map(|address| address.value.bus), Some(6));
    assert_eq!((value(&hostdev.managed), value(&hostdev.rom_file)), (Some("yes"), Some("/roms/gpu.rom")));
    assert!(value(&devices.hostdevs[1].mdev).is_some_and(|uuid| uuid.starts_with("c2177883")));
    assert_eq!(value(&devices.filesystems[0].driver), Some("virtiofs"));
    assert_eq!(
        (value(&devices.tpms[0].model), value(&devices.tpms[0].version)),
        (Some("tpm-crb"), Some("2.0"))
    );
    assert_eq!(
        devices.memballoon.as_ref().and_then(|balloon| value(&balloon.free_page_reporting)),
        Some("on")
    );
    assert!(devices.videos[0].accel3d);
    assert_eq!(value(&devices.serials[0].target), Some("org.qemu.guest_agent.0"));
    assert_eq!(devices.shmems[0].size.as_ref().map(|size| size.value), Some(32 << 20));
    assert_eq!(devices.other("vsock").next().and_then(|vsock| value(&vsock.detail)), Some("3"));
    assert_eq!(devices.other("iommu").next().and_then(|iommu| value(&iommu.detail)), Some("on"));
}

#[test]
fn paths() {
    let (view, _) = DomainXml::read(FULL);
    assert!(view.has_element("devices/disk/driver") && view.has_element("domain/features/acpi"));
    assert!(!view.has_element("devices/nothing"));
    assert_eq!(view.attribute("devices/tpm/backend", "type"), Some(Spanned::new("emulator", at("<tpm"))));
    assert_eq!(view.elements("devices/hostdev").len(), 2);
}

#[test]
fn fragments() {
    let (view, issues) = DomainXml::read(
        "I tried this:\n<os firmware='bios'/>\n<cpu mode='host-model'/>\nand then\n<hostdev mode='subsystem' type='pci'>\n<source><address bus='0x0a' slot='0' function='0'/></source></hostdev>\n<loader secure='yes'/>\n<hugepages/>\n<feature policy='require' name='vmx'/>\n",
    );
    assert_eq!(issues, []);
    let domain = &view.domains[0];
    assert!(domain.fragment);
    assert_eq!(value(&domain.os.firmware), Some("bios"));
    assert_eq!(domain.os.loader_secure, Some(Spanned::new("yes".to_owned(), 7)));
    assert_eq!(
        domain.cpu.as_ref().and_then(|cpu| cpu.mode.clone()),
        Some(Spanned::new("host-model".to_owned(), 3))
    );
    assert!(domain.cpu.as_ref().is_some_and(|cpu| cpu.feature("vmx").is_some()));
    assert_eq!(domain.memory_backing.hugepages, Some(8));
    assert_eq!(domain.devices.hostdevs[0].address.as_ref().map(|address| address.value.bus), Some(10));
    assert!(view.has_element("devices/hostdev/source") && view.has_element("os/loader"));
}

#[test]
fn several_domains_and_prose_that_looks_like_one() {
    let text = "$ virsh edit <domain>\n<domain type='kvm'><name>a</name></domain>\n<domain type='qemu'><name>b</name></domain>\n";
    let (view, issues) = DomainXml::read(text);
    let names: Vec<_> = view.domains.iter().map(|domain| value(&domain.name)).collect();
    assert_eq!(names, [Some("a"), Some("b")]);
    assert_eq!(issues, [Issue::new(1, "element `domain` is not closed")]);
}

#[test]
fn a_truncated_domain_keeps_what_was_read() {
    let cut = &FULL[..FULL.find("<target dev='vda'").expect("it is there") + 10];
    let (view, issues) = DomainXml::read(cut);
    assert_eq!(value(&view.domains[0].devices.disks[0].format), Some("qcow2"));
    assert_eq!(issues[0], Issue::new(at("<target dev='vda"), "the text ends inside a tag"));
}

#[test]
fn recognised_by_content() {
    assert_eq!(DomainXml::recognise("x.txt", FULL), 95);
    assert_eq!(DomainXml::recognise("x.txt", "<cpu mode='host-passthrough'/>\n"), 85);
    assert_eq!(DomainXml::recognise("domain.xml", "<x/>\n"), 20);
    assert_eq!(DomainXml::recognise("x", "<html>\n<video>\n"), 0);
    assert_eq!(DomainXml::recognise("x", "<network>\n<name>default</name>\n"), 0);
    assert_eq!(DomainXml::recognise("x", "error: a\nerror: b\nerror: c\nerror: <cpu> is wrong\n"), 0);
}

#[test]
fn nothing_of_a_domain() {
    let (view, issues) = DomainXml::read("hello");
    assert_eq!(view.domains, []);
    assert_eq!(issues.len(), 1);
}
