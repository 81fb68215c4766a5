use super::super::handles::Becomes;
use super::super::words;
use super::*;
use vmwright_formats::{View, machine_spec::MachineSpecView};

fn spec(text: &str) -> MachineSpec {
    let (view, issues) = MachineSpecView::read(text);
    assert_eq!(issues, []);
    view.spec.expect("no issues")
}

fn line(spec: &MachineSpec) -> String {
    let arguments = write(spec, &Handles::to_show(spec)).expect("a good specification").arguments;
    let words = words(&arguments).into_iter().map(|word| word.into_string().expect("text"));
    words.collect::<Vec<_>>().join(" ").replace(" -", "\n-")
}

#[test]
fn the_smallest_machine() {
    let expected = "\
-name guest=tiny,process=vmw-tiny
-no-user-config
-nodefaults
-display none
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-machine q35,accel=kvm,graphics=off
-cpu max
-smp cpus=1
-m size=256M
-add-fd set=1,fd=3,opaque=serial.log
-chardev file,id=serial0,path=/dev/fdset/1,append=on
-serial chardev:serial0
-chardev socket,id=qmp,fd=4,server=on,wait=off
-mon chardev=qmp,mode=control
-chardev socket,id=query-000000000000,fd=6,server=on,wait=off
-mon chardev=query-000000000000,mode=control
-device virtio-serial-pci,id=serial1
-chardev socket,id=agent,fd=5,server=on,wait=off
-device virtserialport,bus=serial1.0,chardev=agent,name=org.qemu.guest_agent.0
-device virtio-rng-pci";
    assert_eq!(line(&spec("name = 'tiny'\n")), expected);
}

#[test]
fn who_becomes_another_user_is_not_denied_to() {
    let spec = spec("name = 'tiny'\n");
    let told = |by_runas| {
        let becomes = Some(Becomes { id: 1_900_000_000, by_runas });
        let handles = Handles { becomes, ..Handles::to_show(&spec) };
        let arguments = write(&spec, &handles).expect("a good specification").arguments;
        words(&arguments).into_iter().map(|word| word.into_string().expect("text")).collect::<Vec<_>>()
    };
    let sandbox = "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny";
    for (by_runas, option, value) in
        [(true, "-runas", "1900000000:1900000000"), (false, "-run-with", "user=1900000000:1900000000")]
    {
        let words = told(by_runas);
        assert!(words.windows(4).any(|four| four == ["-sandbox", sandbox, option, value]), "{words:?}");
    }
}

#[test]
fn everything_at_once() {
    let spec = spec(
        "name = 'full'\nmachine = 'pc-q35-7.2'\naccelerator = 'tcg'\nagent = false\n\
         [cpu]\ncount = 2\nmodel = 'qemu64'\nfeatures = ['+sse4.2', '-vmx']\n\
         [memory]\nsize = '1GiB'\nhugepages = true\n\
         [boot]\nkernel = '/k'\ninitrd = '/i'\ncmdline = 'console=ttyS0 a,b'\n[firmware]\npath = '/fw,1.fd'\n\
         [[disk]]\npath = '/a,b.qcow2'\nformat = 'qcow2'\n[[disk]]\npath = '/dev/vg/x'\nformat = 'raw'\nreadonly = true\n\
         [[network]]\nkind = 'bridge'\nbridge = 'br0'\nmac = '52:54:00:00:00:01'\n\
         [[network]]\nkind = 'user'\n[[network]]\nkind = 'bridge'\nbridge = 'br1'\n",
    );
    let line = line(&spec);
    for part in [
        "-machine pc-q35-7.2,accel=tcg,graphics=off,memory-backend=ram,pflash0=firmware\n",
        "-cpu qemu64,sse4.2=on,vmx=off\n",
        "-smp cpus=2\n",
        "-object memory-backend-memfd,id=ram,size=1073741824,hugetlb=on,prealloc=on\n",
        "-m size=1024M\n",
        "-blockdev driver=file,node-name=firmware-file,read-only=on,filename=/fw,,1.fd\n",
        "-kernel /k\n-initrd /i\n-append console=ttyS0 a,b\n",
        "-blockdev driver=file,node-name=disk0-file,read-only=off,discard=unmap,filename=/a,,b.qcow2\n",
        "-blockdev driver=qcow2,node-name=disk0,read-only=off,discard=unmap,file=disk0-file\n",
        "-device virtio-blk-pci,drive=disk0,bootindex=1\n",
        "-blockdev driver=host_device,node-name=disk1-file,read-only=on,discard=unmap,filename=/dev/vg/x\n",
        "-device virtio-blk-pci,drive=disk1,bootindex=2\n",
        "-netdev tap,id=net0,fd=7\n-device virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,romfile=\n",
        "-netdev user,id=net1\n",
        "-netdev tap,id=net2,fd=8\n",
    ] {
        assert!(format!("{line}\n").contains(part), "{part:?} is not in\n{line}");
    }
    assert!(!line.contains("guest_agent"), "{line}");
}

#[test]
fn microvm_has_no_pci() {
    let line = line(&spec("name = 'm'\nmachine = 'microvm'\n[[network]]\nkind = 'user'\n"));
    assert!(line.contains("-device virtio-net-device,netdev=net0,mac=") && !line.contains("pci"), "{line}");
}

#[test]
fn what_cannot_be_said_is_refused() {
    let good = spec("name = 'a'\n[[network]]\nkind = 'bridge'\nbridge = 'b'\n");
    let none = Handles { taps: Default::default(), ..Handles::to_show(&good) };
    assert_eq!(write(&good, &none), Err(ArgvError::NoTap(0)));
    let mut bad = good.clone();
    bad.boot.kernel = Some("/a\n-daemonize".to_owned());
    assert_eq!(write(&bad, &Handles::to_show(&bad)), Err(ArgvError::Control("-kernel".to_owned())));
    bad = good.clone();
    bad.memory.size = "lots".to_owned();
    assert!(matches!(write(&bad, &Handles::to_show(&bad)), Err(ArgvError::Size(..))));
    bad = good;
    bad.cpu.model = "max,host-phys-bits=on".to_owned();
    assert!(line(&bad).contains("-cpu max,,host-phys-bits=on\n"), "no option can be smuggled in");
}

#[test]
fn every_argument_says_why() {
    let spec = spec("name = 'a'\n[[network]]\nkind = 'user'\n[[disk]]\npath='/d'\nformat='raw'\n");
    for argument in write(&spec, &Handles::to_show(&spec)).expect("good").arguments {
        assert!(argument.option.starts_with('-') && argument.why.len() > 5, "{argument:?}");
    }
}
