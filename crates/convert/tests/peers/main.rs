//! Compared with what others make of the same machine: libvirt's own pairs of XML and command line.

mod corpus;
mod from_xml;
mod host;
mod normal;
mod report;
mod source;
mod virt_install;

use report::Report;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use vmwright_convert::libvirt;
use vmwright_convert::qemu::{Handles, read, shell, text, write};

/// Least share of pairs that describe the same machine, in tenths of a percent.
const LEAST: usize = 980;

/// The same for domains that become command lines.
const LEAST_FROM_XML: usize = 955;

/// Kinds of difference that remain when libvirt's line is read and written, and what each is. Another kind is a fault.
const EXPLAINED: [(&str, &str); 6] = [
    ("accel", "the specification knows KVM and TCG, and not the accelerators of other systems"),
    ("device pcie-root-port", "QEMU refuses functions beside a first one that does not say so: ours says so"),
    ("device ide-hd", "a word behind an option that QEMU does not know is a disk image to the reader"),
    ("device ide-cd", "whether a path outside /dev is a block device or a file, only its host knows"),
    ("numa", "a file of a directory that the specification does not name becomes memory without a file"),
    (
        "object",
        "threads for disks are counted: where numbers are left out, there are threads that serve nothing",
    ),
];

/// Kinds of difference that remain between libvirt's line and what a domain becomes here.
const LEFT: [(&str, &str); 15] = [
    ("error", "a volume of a storage pool: where it lies only libvirt knows"),
    (
        "device vhost-user-vga",
        "libvirt leaves out what the domain says of ats, packed and iommu; QEMU has them",
    ),
    ("numa", "memory that is taken at start without a word of its kind; tables of bandwidths (hmat)"),
    ("rtc", "the time of the guest's clock follows from the moment of its start"),
    ("cpu", "QEMU of that pair lacks caches as a property; a feature that libvirt knows as removed"),
    ("accel", "the specification knows KVM and TCG, and not the accelerators of other systems"),
    ("device vmgenid", "a number that libvirt draws"),
    ("unknown", "libvirt's namespace for QEMU's words under a prefix that is declared on the element itself"),
    ("device virtserialport", "a socket that an older libvirt has made gets a new name"),
    ("smp", "processors that libvirt plugs in after the start are there at once"),
    ("device spapr-vscsi", "a controller of another architecture"),
    ("device virtio-9p-pci", "a driver that QEMU has had no more since 4.0"),
    ("device pc-dimm", "libvirt takes a file for a module whose content may be thrown away"),
    ("global", "QEMU of that pair lacks a property of its board"),
    (
        "device virtio-blk-pci",
        "a disk that is forgotten at the end is plugged in later; parts of images within parts",
    ),
];

/// The x86 command lines of libvirt's tests, by name.
fn lines() -> Result<Vec<(String, String)>, String> {
    let folder = source::libvirt_tests()?.join("qemuxml2argvdata");
    let told = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut lines = Vec::new();
    for entry in fs::read_dir(&folder).map_err(told)? {
        let path: PathBuf = entry.map_err(told)?.path();
        if path.extension().is_some_and(|end| end == "args") {
            let text = fs::read_to_string(&path).map_err(told)?;
            if ["qemu-system-x86_64", "qemu-system-i386"].iter().any(|program| text.contains(program)) {
                lines.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), text));
            }
        }
    }
    lines.sort();
    Ok(lines)
}

/// What each of two sorted lists has and the other has not.
fn differences(theirs: &[String], ours: &[String]) -> Vec<String> {
    let mut count: BTreeMap<&str, i32> = BTreeMap::new();
    for fact in theirs {
        *count.entry(fact).or_default() += 1;
    }
    for fact in ours {
        *count.entry(fact).or_default() -= 1;
    }
    let signed = count.into_iter().filter(|(_, count)| *count != 0);
    let told = signed.flat_map(|(fact, count)| {
        let one = format!("{} {fact}", if count > 0 { "theirs" } else { "ours" });
        std::iter::repeat_n(one, usize::try_from(count.unsigned_abs()).unwrap_or(1))
    });
    told.collect()
}

/// What libvirt adds so that devices have a place: ports, bridges, hubs, controllers of ports.
const PLACES: [&str; 6] = [
    "pcie-root-port ",
    "i82801b11-bridge ",
    "pci-bridge ",
    "usb-hub ",
    "virtio-serial-pci ",
    "pcie-pci-bridge ",
];

/// Without the devices that differ in their place alone, where the XML says none and libvirt chooses one.
fn placed(found: Vec<String>) -> Vec<String> {
    let (mut theirs, ours): (Vec<String>, Vec<String>) =
        found.into_iter().partition(|difference| difference.starts_with("theirs "));
    let mut left = Vec::new();
    for difference in ours {
        let fact = &difference["ours ".len()..];
        let said = ["addr=", "unit=", "lun="]
            .iter()
            .any(|key| [" ", ","].iter().any(|before| fact.contains(&format!("{before}{key}"))));
        let fits = |one: &String| {
            let one = &one["theirs ".len()..];
            from_xml::opened(one, fact)
                // Its bus is one whose own place is not said.
                || (fact.contains("@]") && from_xml::opened(&from_xml::busless(one), &from_xml::busless(fact)))
                || (!said && from_xml::opened(&from_xml::placeless(one), &from_xml::placeless(fact)))
        };
        match theirs.iter().position(fits) {
            Some(at) => drop(theirs.swap_remove(at)),
            None => left.push(difference),
        }
    }
    // Where devices lack places, what holds them may be libvirt's own choice too.
    let place = |one: &String| PLACES.iter().any(|name| one.starts_with(&format!("theirs device {name}")));
    if left.iter().all(|one| !one.starts_with("ours device")) {
        theirs.retain(|one| !place(one));
    }
    left.extend(theirs);
    left
}

#[test]
fn a_command_line_of_libvirt_is_read_and_written_as_the_same_machine() {
    let lines = match lines() {
        Ok(lines) => lines,
        Err(reason) => {
            println!("SKIPPED a_command_line_of_libvirt_is_read_and_written_as_the_same_machine: {reason}");
            return;
        }
    };
    let mut whole = 0;
    let mut report = Report::default();
    for (name, line) in &lines {
        let machine = read(line).expect("a command line").spec;
        whole += usize::from(machine.foreign.is_empty());
        let ours = match text(&machine) {
            Ok(written) => normal::facts(&written.text),
            Err(error) => vec![format!("error {error}")],
        };
        report.add(name, differences(&normal::facts(line), &ours));
    }
    println!(
        "{} of {} command lines are the same machine after reading and writing, {whole} of them in the \
         specification's own words alone",
        report.same(),
        report.all()
    );
    report.show(&source::below_target("argv-differences.txt"), &EXPLAINED);
    let kinds = report.kinds();
    let unexplained = kinds.iter().find(|kind| !EXPLAINED.iter().any(|(known, _)| known == kind));
    assert_eq!(unexplained, None, "a new kind of difference");
    assert!(report.per_mille() >= LEAST, "{} ‰ are the same machine, and not {LEAST} ‰", report.per_mille());
}

/// The XML that belongs to a command line: as libvirt writes it back with all that it adds, else as it stands.
fn xml(name: &str) -> Option<String> {
    let tests = source::libvirt_tests().ok()?;
    let plain = name.split_once(".x86_64").map_or(name, |(plain, _)| plain);
    let places = [
        tests.join(format!("qemuxml2xmloutdata/{name}.xml")),
        tests.join(format!("qemuxml2xmloutdata/{plain}.xml")),
        tests.join(format!("qemuxml2argvdata/{plain}.xml")),
    ];
    places.iter().find_map(|path| fs::read_to_string(path).ok())
}

#[test]
fn a_domain_of_libvirt_becomes_the_machine_that_libvirt_makes_of_it() {
    let lines = match lines() {
        Ok(lines) => lines,
        Err(reason) => {
            println!("SKIPPED a_domain_of_libvirt_becomes_the_machine_that_libvirt_makes_of_it: {reason}");
            return;
        }
    };
    let mut report = Report::default();
    for (name, line) in &lines {
        let Some(xml) = xml(name) else { continue };
        let Ok(mut read) = libvirt::read(&xml) else { continue };
        host::tell(&mut read.spec, &xml, line);
        let program = read.spec.emulator.as_deref().unwrap_or("/usr/bin/qemu-system-x86_64");
        // What libvirt finds in sysfs for a SCSI device, in its tests.
        let scsi = (0..read.spec.host_devices.len()).map(|at| (at, "/dev/sg0".to_owned())).collect();
        let made = |item: &str, name: &str| (item.to_owned(), format!("/tmp/lib/domain--1-x/{name}"));
        let secrets = [made("confidential.dh_cert", "dh_cert"), made("confidential.session", "session")];
        let handles = Handles { scsi, secrets: secrets.into_iter().collect(), ..Handles::by_name() };
        let old = !name.contains(".x86_64-");
        let facts = |line: &str| from_xml::from_xml(normal::facts(line), old);
        let ours = match write(&read.spec, &handles) {
            Ok(written) => facts(&shell(program, &written.arguments)),
            Err(error) => vec![format!("error {error}")],
        };
        report.add(name, placed(differences(&facts(line), &ours)));
    }
    println!("{} of {} domains become the machine that libvirt makes of them", report.same(), report.all());
    report.show(&source::below_target("domain-differences.txt"), &LEFT);
    let reached = report.per_mille();
    assert!(reached >= LEAST_FROM_XML, "{reached} ‰ become the same machine, and not {LEAST_FROM_XML} ‰");
}
