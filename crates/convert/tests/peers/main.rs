//! Compared with what others make of the same machine: libvirt's own pairs of XML and command line.

mod normal;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use vmwright_convert::qemu::{read, text};

/// Least share of pairs that describe the same machine, in percent.
const LEAST: usize = 95;

/// Kinds of difference that remain when libvirt's line is read and written, and what each is. Another kind is a fault.
const EXPLAINED: [(&str, &str); 5] = [
    ("accel", "the specification knows KVM and TCG, and not the accelerators of other systems"),
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
fn show(kinds: &BTreeMap<String, Vec<String>>) {
    let mut sorted: Vec<_> = kinds.iter().collect();
    sorted.sort_by_key(|(_, found)| std::cmp::Reverse(found.len()));
    for (kind, found) in sorted {
        let why = EXPLAINED.iter().find(|(known, _)| known == kind).map_or("not explained", |(_, why)| why);
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
    show(&kinds);
    let unexplained = kinds.keys().find(|kind| !EXPLAINED.iter().any(|(known, _)| known == kind));
    assert_eq!(unexplained, None, "a new kind of difference");
    assert!(percent >= LEAST, "{percent} % are the same machine, and not {LEAST} %");
}
