//! How time grows with a hostile text: what reads in linear time takes ten times as long for ten times the text.

use crate::shapes::{Shape, general, of_kind};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use vmwright_formats::xml::Document;
use vmwright_formats::{issues, kinds, recognise};
use vmwright_host::redact::{anonymous, redact};
use vmwright_model::{Kind, Record, Snapshot};

/// One thing that reads texts, and the shapes that it has to bear.
pub struct Reader {
    /// What it is: `view qemu_log`, `signs`, `redaction`.
    pub name: String,
    /// What is hostile to it.
    pub shapes: Vec<Shape>,
    read: Box<dyn Fn(&str)>,
}

/// Everything that is measured.
#[must_use]
pub fn readers() -> Vec<Reader> {
    let reader = |name: String, shapes, read: Box<dyn Fn(&str)>| Reader { name, shapes, read };
    let mut readers = Vec::new();
    for kind in kinds() {
        let shapes = general().into_iter().chain(of_kind(&kind.0)).collect();
        let name = format!("view {kind}");
        readers.push(reader(name, shapes, Box::new(move |text| drop(issues(&kind, text)))));
    }
    readers.push(reader("xml".to_owned(), general(), Box::new(|text| drop(Document::read(text)))));
    readers.push(reader(
        "a line of QEMU".to_owned(),
        options(),
        Box::new(|text| {
            if let Ok(read) = vmwright_convert::qemu::read(text) {
                drop(vmwright_convert::qemu::text(&read.spec));
            }
        }),
    ));
    readers.push(reader(
        "settings".to_owned(),
        settings(),
        Box::new(|text| {
            for (setting, to) in crate::targets::settings() {
                let from = vmwright_formats::edits::get(text, &setting).ok().flatten();
                drop(vmwright_formats::edits::set(text, &setting, from.as_deref(), Some(to)));
            }
        }),
    ));
    readers.push(reader(
        "a block of GRUB's".to_owned(),
        general(),
        Box::new(|text| {
            let block = format!("# GRUB Environment Block\n{text}\n{}", "#".repeat(64));
            drop(vmwright_formats::grub_environment::set(&block, "next_entry", Some("0")));
        }),
    ));
    readers.push(reader(
        "a list of access".to_owned(),
        general(),
        Box::new(|text| drop(vmwright_formats::acl::Acl::read(&text.replace('\n', ",")))),
    ));
    readers.push(reader(
        "a model's events".to_owned(),
        general(),
        Box::new(|text| {
            let mut events = vmwright_formats::event_stream::Events::default();
            drop(events.take(text.as_bytes()));
        }),
    ));
    readers.push(reader(
        "word vectors".to_owned(),
        general(),
        Box::new(|text| drop(vmwright_formats::word_vectors::WordVectors::read(text))),
    ));
    readers.push(reader(
        "a microVM's JSON".to_owned(),
        documents(),
        Box::new(|text| {
            let text = format!("{text}{{}}]}}");
            if let Ok(read) = vmwright_convert::firecracker::read(&text) {
                drop(vmwright_convert::firecracker::write(&read.spec));
            }
            if let Ok(read) = vmwright_convert::cloud_hypervisor::read(&text) {
                drop(vmwright_convert::cloud_hypervisor::write(&read.spec));
            }
        }),
    ));
    readers.push(reader(
        "KubeVirt's YAML".to_owned(),
        objects(),
        Box::new(|text| {
            if let Ok(read) = vmwright_convert::kubevirt::read(text) {
                drop(vmwright_convert::kubevirt::write(&read.spec));
            }
        }),
    ));
    readers.push(reader(
        "a domain of libvirt".to_owned(),
        devices(),
        Box::new(|text| {
            if let Ok(read) = vmwright_convert::libvirt::read(&format!("{text}</devices></domain>")) {
                drop(vmwright_convert::libvirt::write(&read.spec));
                drop(vmwright_convert::qemu::text(&read.spec));
            }
        }),
    ));
    readers.push(reader("recognition".to_owned(), general(), Box::new(|text| drop(recognise("x", text)))));
    readers.push(reader(
        "signs".to_owned(),
        signs(),
        Box::new(|text| {
            let snapshot = snapshot(text);
            drop(vmwright_rules::Reading::new(&snapshot, ""));
        }),
    ));
    readers.push(reader(
        "rules".to_owned(),
        general(),
        Box::new(|text| {
            drop(vmwright_rules::diagnose(&snapshot(text), "", &|_| true));
        }),
    ));
    readers.push(reader(
        "redaction".to_owned(),
        secrets(),
        Box::new(|text| drop(redact(&mut snapshot(text)))),
    ));
    readers.push(reader(
        "other names".to_owned(),
        general(),
        Box::new(|text| {
            let names =
                anonymous::Names { hosts: vec!["canaryhost".to_owned()], ..anonymous::Names::default() };
            anonymous::Anonymizer::new(&names).unwrap().apply(&mut snapshot(text));
        }),
    ));
    readers
}

fn snapshot(text: &str) -> Snapshot {
    Snapshot { records: vec![Record::new("x.log", Kind::TEXT, text)], ..Snapshot::default() }
}

/// Options of QEMU again and again: many devices, many parts of one, many that refer to each other.
fn options() -> Vec<Shape> {
    let mut shapes = general();
    shapes.extend(of_kind("qemu_args"));
    for piece in [
        "-device lsi -device scsi-hd,drive=x,bus=scsi0.0,scsi-id=1 ",
        "-device ide-cd -device virtio-blk-pci,serial=a,foo=bar ",
        "-drive if=virtio,file=/a,format=raw -drive file=/b,throttling.bps-total=9,throttling.group=g ",
        "-blockdev driver=raw,node-name=a,file=b,backing=a -device virtio-blk-pci,drive=a ",
        "-device pcie-root-port -device isa-serial,chardev=a -chardev null,id=a ",
        "-object iothread,id=iothread9 -object memory-backend-ram,id=m,size=1M -numa node,memdev=m ",
        "-net nic -net user -nic user,hostfwd=tcp::1-:2 -device intel-hda -device hda-duplex,bus=x.0 ",
    ] {
        shapes.push(Shape::new(piece, "qemu-system-x86_64 ", piece));
    }
    for piece in ["+a,", "cpus=1,", "hostfwd=tcp::1-:2,", "server.0.host=a,", "k=v,"] {
        shapes.push(Shape::new(piece, "qemu-system-x86_64 -cpu a,", piece));
        shapes.push(Shape::new(piece, "qemu-system-x86_64 -numa node,", piece));
        shapes.push(Shape::new(piece, "qemu-system-x86_64 -nic user,", piece));
        shapes.push(Shape::new(piece, "qemu-system-x86_64 -device virtio-blk-pci,", piece));
    }
    shapes
}

/// Elements of lists again and again: known and unknown, with one name and without.
fn documents() -> Vec<Shape> {
    let mut shapes = general();
    for (list, piece) in [
        ("drives", "{\"drive_id\":\"a\",\"path_on_host\":\"/a\",\"cache_type\":\"Unsafe\"},"),
        ("drives", "{\"drive_id\":\"a\"},"),
        ("drives", "{\"path_on_host\":\"/a\",\"is_root_device\":true,\"x\":{}},"),
        ("network-interfaces", "{\"iface_id\":\"a\",\"host_dev_name\":\"t\"},"),
        ("disks", "{\"id\":\"a\",\"path\":\"/a\",\"direct\":false},"),
        ("disks", "{\"id\":7},"),
        ("net", "{\"num_queues\":2},"),
        ("devices", "{\"path\":\"/sys/bus/pci/devices/0000:01:00.0/\"},"),
    ] {
        shapes.push(Shape::new(piece, &format!("{{\"boot-source\":{{}},\"cpus\":{{}},\"{list}\":["), piece));
    }
    shapes
}

/// Elements of KubeVirt's lists again and again, with a disk behind them and without, and aliases of aliases.
fn objects() -> Vec<Shape> {
    const HEAD: &str = "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nspec:\n";
    const LISTS: &str =
        "  volumes: [{name: a, emptyDisk: {}}]\n  networks: [{name: a, pod: {}}]\n  domain:\n    devices:\n";
    let mut shapes = general();
    for (above, piece) in [
        ("  volumes:\n", "  - {name: a, emptyDisk: {}}\n"),
        ("  volumes:\n", "  - {emptyDisk: {}}\n"),
        ("  networks:\n", "  - {name: a, pod: {}}\n"),
        ("  unknown:\n", "  - {a: b}\n"),
        ("  x: &a [a]\n  y:\n", "  - *a\n"),
    ] {
        shapes.push(Shape::new(piece, &format!("{HEAD}{above}"), piece));
    }
    for (list, piece) in [
        ("disks", "      - {name: a, disk: {}}\n"),
        ("disks", "      - {name: b, cdrom: {}}\n"),
        ("disks", "      - {name: b, x: null}\n"),
        ("interfaces", "      - {name: a, masquerade: {}}\n"),
        ("filesystems", "      - {name: a, virtiofs: {}}\n"),
        ("inputs", "      - {bus: usb}\n"),
    ] {
        shapes.push(Shape::new(piece, &format!("{HEAD}{LISTS}      {list}:\n"), piece));
    }
    shapes
}

/// Devices of a domain again and again: those that the specification has, those that it has not, and parts of them.
fn devices() -> Vec<Shape> {
    const HEAD: &str =
        "<domain type='kvm'><name>x</name><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>";
    let pieces = [
        "<disk type='file'><source file='/a'/><target dev='sda' bus='scsi'/><alias name='ua-a'/></disk>",
        "<disk type='file'><driver ioeventfd='on'/><source file='/a'/><target dev='vda' bus='virtio'/></disk>",
        "<disk type='nvme'><source namespace='1'><address slot='0'/></source><target dev='vda' bus='virtio'/></disk>",
        "<interface type='bridge'><source bridge='a'/><rom bar='off'/><alias name='a'/></interface>",
        "<interface type='udp'><source address='a' port='1'/></interface>",
        "<redirdev bus='usb' type='spicevmc'/>",
        "<redirdev bus='usb' type='spicevmc'/><disk type='file'><source file='/a' index='1'/></disk>",
        "<controller type='scsi'><alias name='a'/></controller>",
        "<channel type='unix'><target type='virtio' name='a'/><address type='virtio-serial' controller='7'/></channel>",
        "<serial type='pty'><protocol type='telnet'/></serial>",
        "<console type='pty'/>",
        "<memory model='nvdimm'><target><size>1</size></target></memory>",
        "<unknown/>",
        "<hostdev type='pci'><source><address slot='1'/></source><alias name='b'/></hostdev>",
    ];
    pieces.into_iter().map(|piece| Shape::new(piece, HEAD, piece)).collect()
}

/// Messages that almost stand there: each pattern's parts again and again, without its end.
fn signs() -> Vec<Shape> {
    let patterns = vmwright_rules::CATALOGUE.iter().flat_map(|entry| entry.rule.signs).map(|sign| sign.text);
    let mut shapes = general();
    for pattern in patterns.filter(|pattern| pattern.contains(['*', '{'])) {
        let cut = pattern.rfind(['*', '}']).unwrap_or(0);
        let near = pattern[..cut].replace('*', " ").replace(['{', '\\'], "");
        if !near.is_empty() {
            shapes.push(Shape::near(pattern, &near));
        }
    }
    shapes
}

/// Beginnings of what redaction looks for.
/// Files that people edit.
fn settings() -> Vec<Shape> {
    let mut shapes = general();
    for piece in [
        "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=on ",
        "GRUB_CMDLINE_LINUX_DEFAULT=iommu\n",
        "force_drivers+=\" vfio-pci \"\n",
        "options vfio-pci ids=1:2 \\\n",
        "options iommu=on iommu=on\n",
        "vm.nr_hugepages = 1\n",
        "if x; then A='b' \\\n",
        "`$(${",
        "a\"'\\",
    ] {
        shapes.push(Shape::new(piece, "", piece));
        shapes.push(Shape::new(format!("quoted {piece}"), "GRUB_CMDLINE_LINUX_DEFAULT=\"", piece));
    }
    shapes
}

fn secrets() -> Vec<Shape> {
    let mut shapes = general();
    for piece in [
        "-----BEGIN PRIVATE KEY-----",
        "secret,",
        "secret,a,",
        "http://a:",
        "kind: Secret\ndata:\n a: ",
        "{\"data\":\"",
        "\"qom-type\":\"secret\"",
        "<secret ><value>",
        "<secret >",
        "chpasswd:\n list:\n",
        "chpasswd: {",
        "passwd = '",
        "password: \"",
        "secret-set-value a --base64 ",
        "secret-get-value\n",
        "authorization: ",
        "bearer ",
        "token=\"",
        "eyJaaaaaaaa.",
        "AQ",
        "$6$",
        "netroot=iscsi:a:",
        "systemd.set_credential=a",
        "-u a:",
        "set_password vnc ",
        "machine a login b password ",
        "-----BEGIN ",
        "a_token: ",
    ] {
        shapes.push(Shape::near(piece, piece));
    }
    shapes
}

/// How long one reading takes at a size and at ten times that size.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// Processor time for the small text.
    pub small: Duration,
    /// Processor time for the one that is ten times as large.
    pub large: Duration,
}

impl Growth {
    /// How many times as long the large one takes. A small text that takes no time worth measuring counts as `floor`.
    #[must_use]
    pub fn ratio(&self, floor: Duration) -> f64 {
        self.large.as_secs_f64() / self.small.max(floor).as_secs_f64()
    }
}

impl Reader {
    /// Reads a shape at `size` bytes and at ten times that; the better of `times` runs counts, since whatever else
    /// the machine does only adds.
    #[must_use]
    pub fn growth(&self, shape: &Shape, size: usize, times: usize) -> Growth {
        let (small, large) = (shape.text(size), shape.text(10 * size));
        let best = |text: &str| (0..times.max(1)).map(|_| self.time(text)).min().unwrap_or_default();
        Growth { small: best(&small), large: best(&large) }
    }

    /// Processor time of this thread for one reading.
    #[must_use]
    pub fn time(&self, text: &str) -> Duration {
        let began = processor_time();
        (self.read)(text);
        processor_time().saturating_sub(began)
    }
}

/// Processor time of this thread: what other processes do does not count, as it would in wall time.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}
