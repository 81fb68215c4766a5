//! Domains as virt-install makes them: of libvirt's test driver, which needs no daemon and no host.

use crate::corpus::come_back;
use std::process::Command;

/// What virt-install is asked for, beside a name and that it only prints.
const ASKED: [&str; 18] = [
    "--memory 512 --disk none --import --osinfo generic",
    "--memory 2048,maxmemory=4096 --vcpus 4,maxvcpus=8,sockets=2,cores=2,threads=2 --disk none --import --osinfo generic",
    "--memory 1024 --disk /tmp/virt-install-test.img,size=1,bus=virtio,cache=none,discard=unmap,serial=a1 --import --osinfo generic",
    "--memory 1024 --disk size=1,pool=default-pool,format=qcow2,bus=scsi,driver.iothread=1 --iothreads 2 --import --osinfo generic",
    "--memory 1024 --disk none --boot loader=/usr/share/OVMF/OVMF_CODE.fd,loader.readonly=yes,loader.type=pflash,nvram=/tmp/v.fd --import --osinfo generic",
    "--memory 1024 --disk none --boot kernel=/boot/vmlinuz,initrd=/boot/initrd,kernel_args=console=ttyS0 --osinfo generic",
    "--memory 1024 --disk none --import --osinfo generic --network bridge=br0,model=virtio,mac=52:54:00:12:34:56,mtu.size=9000 --network network=default,driver.queues=4",
    "--memory 1024 --disk none --import --osinfo generic --network none --graphics none --console pty,target.type=virtio --serial file,path=/tmp/x.log",
    "--memory 1024 --disk none --import --osinfo generic --graphics vnc,port=5999,listen=0.0.0.0,keymap=de --video qxl --sound ich9 --input keyboard,bus=virtio",
    "--memory 1024 --disk none --import --osinfo generic --graphics spice,gl.enable=yes,listen=none --video virtio --channel spicevmc --redirdev usb,type=spicevmc",
    "--memory 1024 --disk none --import --osinfo generic --cpu host-passthrough,cache.mode=passthrough,migratable=on --memorybacking hugepages=on,access.mode=shared",
    "--memory 1024 --disk none --import --osinfo generic --cpu Skylake-Server,+vmx,disable=hle --cputune vcpupin0.vcpu=0,vcpupin0.cpuset=1-2",
    "--memory 1024 --disk none --import --osinfo generic --filesystem /srv,tag,driver.type=virtiofs --memorybacking source.type=memfd,access.mode=shared",
    "--memory 1024 --disk none --import --osinfo generic --idmap uid.start=0,uid.target=1000,uid.count=10 --qemu-commandline=-foo",
    "--memory 1024 --disk none --import --osinfo generic --tpm emulator,model=tpm-crb,version=2.0 --rng /dev/urandom,rate.bytes=1024,rate.period=1000 --watchdog i6300esb,action=poweroff --panic iobase=0x505",
    "--memory 1024 --disk none --import --osinfo generic --memballoon model=virtio,autodeflate=on,stats.period=5 --vsock cid=7 --clock offset=localtime,rtc_tickpolicy=catchup",
    "--memory 1024 --disk none --import --osinfo generic --features acpi=on,apic=on,hyperv.relaxed.state=on,kvm.hidden.state=on,smm.state=on --events on_crash=preserve",
    "--memory 1024 --disk none --import --osinfo generic --numatune 0-1,memory.mode=interleave --blkiotune weight=200 --memtune hard_limit=2097152 --resource partition=/machine/x --seclabel type=dynamic,relabel=yes",
];

#[test]
fn what_virt_install_prints_comes_back_as_it_was() {
    if Command::new("virt-install").arg("--version").output().is_err() {
        println!("SKIPPED what_virt_install_prints_comes_back_as_it_was: no virt-install (package virtinst)");
        return;
    }
    let mut domains = Vec::new();
    for (number, words) in ASKED.iter().enumerate() {
        let output = Command::new("virt-install")
            .args(["--connect", "test:///default", "--name", "x", "--print-xml", "--check", "all=off"])
            .args(words.split(' '))
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("it is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "virt-install {words}: {said}");
        // An installation has a second domain behind the first: that of the second boot.
        let text = String::from_utf8(output.stdout).expect("XML is text");
        let first = text.split_inclusive("</domain>").next().unwrap_or_default();
        domains.push((format!("virt-install {number}"), first.to_owned()));
    }
    come_back(&domains);
}
