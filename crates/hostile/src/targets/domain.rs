//! A domain of libvirt, read as a machine and written again, as XML and as a command line of QEMU: what was written is
//! a domain and a command line too.

use super::text;
use vmwright_convert::{libvirt, qemu};

pub(super) fn run(bytes: &[u8]) {
    let Ok(read) = libvirt::read(&text(bytes)) else { return };
    let written = libvirt::write(&read.spec);
    assert!(libvirt::read(&written.text).is_ok(), "{:?}", written.text);
    if let Ok(line) = qemu::text(&read.spec) {
        assert!(qemu::read(&line.text).is_ok(), "{:?}", line.text);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> =
        crate::samples().into_iter().filter(|(kind, _)| kind == "domain_xml").map(|(_, text)| text).collect();
    seeds.push(
        b"<domain type='kvm'><name>x</name><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>\
          <disk type='nvme' device='disk'><source type='pci' namespace='1'><address domain='0' bus='1' slot='0' \
          function='0'/></source><target dev='vda' bus='virtio'/></disk><interface type='udp'><source address='a' \
          port='1'/><mac address='52:54:00:00:00:01'/></interface><redirdev bus='usb' type='spicevmc'/><hub \
          type='usb'/><shmem name='a'><size unit='M'>4</size></shmem><console type='pty'/></devices></domain>"
            .to_vec(),
    );
    seeds
}
