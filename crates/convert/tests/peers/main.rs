//! Compared with what others make of the same machine: libvirt's own pairs of XML and command line.

mod normal;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use vmwright_convert::libvirt;
use vmwright_convert::qemu::{Handles, read, shell, text, write};

/// Least share of pairs that describe the same machine, in percent.
const LEAST: usize = 95;

/// The same for domains that become command lines. It rises with what both translations learn.
const LEAST_FROM_XML: usize = 30;

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
    signed.map(|(fact, count)| format!("{} {fact}", if count > 0 { "theirs" } else { "ours" })).collect()
}

/// Without the devices that differ in their place alone, where the XML says none and libvirt chooses one.
fn placed(found: Vec<String>) -> Vec<String> {
    let mut theirs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut left = Vec::new();
    for difference in &found {
        if let Some(fact) = difference.strip_prefix("theirs ") {
            theirs.entry(normal::placeless(fact)).or_default().push(difference.clone());
        }
    }
    for difference in found.iter().filter(|difference| difference.starts_with("ours ")) {
        let fact = &difference["ours ".len()..];
        let said = fact.contains("addr=") || fact.contains("unit=") || fact.contains("lun=");
        let same = if said { None } else { theirs.get_mut(&normal::placeless(fact)).and_then(Vec::pop) };
        if same.is_none() {
            left.push(difference.clone());
        }
    }
    left.extend(theirs.into_values().flatten());
    left
}

/// The kind of a difference: an option, and of a device its driver.
fn kind(difference: &str) -> String {
    let mut words = difference.split(' ').skip(1);
    let option = words.next().unwrap_or_default();
    match option {
        "device" => {
            format!("device {}", words.next().unwrap_or_default().split('=').next().unwrap_or_default())
        }
        _ => option.to_owned(),
    }
}

/// Shows the kinds, the most frequent first, each with its reason and examples.
fn show(kinds: &BTreeMap<String, Vec<String>>, explained: &[(&str, &str)]) {
    let mut sorted: Vec<_> = kinds.iter().collect();
    sorted.sort_by_key(|(_, found)| std::cmp::Reverse(found.len()));
    for (kind, found) in sorted {
        let why = explained.iter().find(|(known, _)| known == kind).map_or("", |(_, why)| why);
        println!("{:4} {kind}: {why}", found.len());
        for one in found.iter().take(3) {
            println!("       {one}");
        }
    }
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
    let (mut same, mut whole) = (0, 0);
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, line) in &lines {
        let machine = read(line).expect("a command line").spec;
        whole += usize::from(machine.foreign.is_empty());
        let ours = match text(&machine) {
            Ok(written) => normal::facts(&written.text),
            Err(error) => vec![format!("error {error}")],
        };
        let found = differences(&normal::facts(line), &ours);
        same += usize::from(found.is_empty());
        for difference in found {
            kinds.entry(kind(&difference)).or_default().push(format!("{name}: {difference}"));
        }
    }
    let percent = same * 100 / lines.len();
    println!(
        "{same} of {} command lines ({percent} %) are the same machine after reading and writing, \
         {whole} of them in the specification's own words alone",
        lines.len()
    );
    show(&kinds, &EXPLAINED);
    let unexplained = kinds.keys().find(|kind| !EXPLAINED.iter().any(|(known, _)| known == kind));
    assert_eq!(unexplained, None, "a new kind of difference");
    assert!(percent >= LEAST, "{percent} % are the same machine, and not {LEAST} %");
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
    let (mut same, mut all) = (0, 0);
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut alone: BTreeMap<String, usize> = BTreeMap::new();
    for (name, line) in &lines {
        let Some(read) = xml(name).and_then(|xml| libvirt::read(&xml).ok()) else { continue };
        all += 1;
        let program = read.spec.emulator.as_deref().unwrap_or("/usr/bin/qemu-system-x86_64");
        // What libvirt finds in sysfs for a SCSI device, in its tests.
        let scsi = (0..read.spec.host_devices.len()).map(|at| (at, "/dev/sg0".to_owned())).collect();
        let handles = Handles { scsi, ..Handles::by_name() };
        let ours = match write(&read.spec, &handles) {
            Ok(written) => normal::from_xml(normal::facts(&shell(program, &written.arguments))),
            Err(error) => vec![format!("error {error}")],
        };
        let found = placed(differences(&normal::from_xml(normal::facts(line)), &ours));
        same += usize::from(found.is_empty());
        let mut here: Vec<String> = found.iter().map(|difference| kind(difference)).collect();
        here.sort();
        here.dedup();
        if here.len() == 1 {
            *alone.entry(here[0].clone()).or_default() += 1;
        }
        for difference in found {
            kinds.entry(kind(&difference)).or_default().push(format!("{name}: {difference}"));
        }
    }
    let percent = same * 100 / all.max(1);
    println!("{same} of {all} domains ({percent} %) become the machine that libvirt makes of them");
    println!("the only kind of difference, and in how many domains: {alone:?}");
    show(&kinds, &[]);
    assert!(percent >= LEAST_FROM_XML, "{percent} % become the same machine, and not {LEAST_FROM_XML} %");
}
