//! What cloud-init finds in a guest (`[seed]`): a disk of its `NoCloud` source, which is told by its label. It is made at
//! each start, in the machine's directory, and comes after the disks of the specification.

use crate::StartError;
use crate::store::{SEED, Stored, read_regular, write_atomically};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Disk, DiskFormat, Seed};

/// The label that cloud-init looks for.
const LABEL: &str = "cidata";
/// Most of each of the files, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// Bytes of a sector (ECMA-119, section 6.1.2).
const SECTOR: usize = 2048;
/// Sectors before the first descriptor, which belong to the system.
const SYSTEM: usize = 16;
/// Where the path tables and the only directory lie: behind the descriptor and the end of descriptors.
const PATHS: [usize; 2] = [SYSTEM + 2, SYSTEM + 3];
const DIRECTORY: usize = SYSTEM + 4;

/// A machine's specification with its seed as a disk; as it is where it has none.
#[must_use]
pub fn with_disk(machine: &Stored) -> MachineSpec {
    let mut spec = machine.spec.clone();
    if spec.seed.take().is_some() {
        let path = machine.file(SEED).display().to_string();
        spec.disks.push(Disk { readonly: true, ..Disk::at(&path, DiskFormat::Raw) });
    }
    spec
}

/// Makes the disk, where the machine has a seed.
pub(crate) fn make(machine: &Stored) -> Result<(), StartError> {
    let Some(seed) = &machine.spec.seed else { return Ok(()) };
    let image = image(&files(seed, &machine.name)?);
    let (directory, path) = (machine.directory(), machine.file(SEED));
    // A VMM that runs as another user reads it too. The directory is closed to everybody else.
    let readable = || std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644));
    let written = write_atomically(&directory, SEED, &image).and_then(|()| readable());
    written.map_err(|source| StartError::Write { path: machine.file(SEED), source })
}

/// What a guest finds in a machine's seed, as text.
#[cfg(test)]
pub(crate) fn told(machine: &Stored) -> String {
    format!("{:?}", machine.spec.seed.as_ref().map(|seed| files(seed, &machine.name)))
}

/// The files by the names that cloud-init knows, in the order of a directory.
fn files(seed: &Seed, name: &str) -> Result<Vec<(&'static str, Vec<u8>)>, StartError> {
    let read = |path: &Option<String>| {
        let read = |path: &String| {
            let path = Path::new(path);
            read_regular(path, FILE_MAX).map_err(|source| StartError::Seed { path: path.to_owned(), source })
        };
        path.as_ref().map(read).transpose()
    };
    let own = || format!("instance-id: {name}\nlocal-hostname: {name}\n").into_bytes();
    let mut files = vec![("META-DATA", read(&seed.meta_data)?.unwrap_or_else(own))];
    files.extend(read(&seed.network_config)?.map(|text| ("NETWORK-CONFIG", text)));
    // cloud-init wants one, if only an empty one.
    files.push(("USER-DATA", read(&seed.user_data)?.unwrap_or_default()));
    Ok(files)
}

/// A file system of files (ECMA-119, "ISO 9660"), whose names Linux shows in small letters.
fn image(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut place = DIRECTORY + 1;
    let mut directory =
        [record(DIRECTORY, SECTOR, true, &[0]), record(DIRECTORY, SECTOR, true, &[1])].concat();
    let mut data = Vec::new();
    for (name, bytes) in files {
        directory.extend(record(place, bytes.len(), false, format!("{name}.;1").as_bytes()));
        data.extend_from_slice(bytes);
        data.resize(data.len().next_multiple_of(SECTOR), 0);
        place += bytes.len().div_ceil(SECTOR);
    }
    // One entry: the root, whose name is a zero.
    let path = |place: [u8; 4], parent: [u8; 2]| [&[1, 0][..], &place, &parent, &[0, 0]].concat();
    let paths = [path(le(DIRECTORY), [1, 0]), path(be(DIRECTORY), [0, 1])];
    let sectors = [
        descriptor(place, paths[0].len()),
        [&[255][..], b"CD001", &[1]].concat(),
        paths[0].clone(),
        paths[1].clone(),
        directory,
    ];
    let mut image = vec![0; SYSTEM * SECTOR];
    for sector in sectors {
        image.extend_from_slice(&sector);
        image.resize(image.len().next_multiple_of(SECTOR), 0);
    }
    image.extend(data);
    image
}

/// The primary volume descriptor (section 8.4).
fn descriptor(sectors: usize, paths: usize) -> Vec<u8> {
    let blank = |length: usize| vec![b' '; length];
    let label = format!("{LABEL:32}").into_bytes();
    // Times that are not said (section 8.4.26.1).
    let times = [&[b'0'; 16][..], &[0]].concat().repeat(4);
    [
        [&[1][..], b"CD001", &[1, 0]].concat(),
        blank(32),
        label,
        vec![0; 8],
        both(sectors),
        vec![0; 32],
        [both16(1), both16(1), both16(SECTOR)].concat(),
        both(paths),
        [le(PATHS[0]), [0; 4], be(PATHS[1]), [0; 4]].concat(),
        record(DIRECTORY, SECTOR, true, &[0]),
        blank(4 * 128 + 3 * 37),
        times,
        vec![1],
    ]
    .concat()
}

/// A directory's record of a file or directory (section 9.1).
fn record(place: usize, length: usize, directory: bool, name: &[u8]) -> Vec<u8> {
    let whole = (33 + name.len()).next_multiple_of(2);
    let small = |number: usize| u8::try_from(number).expect("names are shorter than 200 bytes");
    let mut record = vec![small(whole), 0];
    record.extend([both(place), both(length)].concat());
    record.extend([0; 7]);
    record.extend([if directory { 2 } else { 0 }, 0, 0]);
    record.extend(both16(1));
    record.push(small(name.len()));
    record.extend_from_slice(name);
    record.resize(whole, 0);
    record
}

fn number(value: usize) -> u32 {
    u32::try_from(value).expect("three files of 16 MiB at most")
}

fn le(value: usize) -> [u8; 4] {
    number(value).to_le_bytes()
}

fn be(value: usize) -> [u8; 4] {
    number(value).to_be_bytes()
}

/// A number in both byte orders, as the standard has them.
fn both(value: usize) -> Vec<u8> {
    [le(value), be(value)].concat()
}

fn both16(value: usize) -> Vec<u8> {
    let value = u16::try_from(value).expect("it is a sector's size at most");
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_cloud_init_looks_for_is_there() {
        let seed = Seed { user_data: Some("/no/such/file".to_owned()), ..Seed::default() };
        assert!(matches!(files(&seed, "web"), Err(StartError::Seed { .. })));
        let made = files(&Seed::default(), "web").expect("nothing to read");
        assert_eq!(made[0].1, b"instance-id: web\nlocal-hostname: web\n");
        let text = vec![b'x'; 5000];
        let image = image(&[("META-DATA", made[0].1.clone()), ("USER-DATA", text.clone())]);
        assert_eq!(image.len() % SECTOR, 0);
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().expect("four")) as usize;
        assert_eq!(word(SYSTEM * SECTOR + 80) * SECTOR, image.len(), "it says its own size");
        // The fourth record of the directory is the second file.
        let mut at = DIRECTORY * SECTOR;
        for _ in 0..3 {
            at += usize::from(image[at]);
        }
        assert_eq!(&image[at + 33..at + 45], b"USER-DATA.;1");
        let (place, length) = (word(at + 2) * SECTOR, word(at + 10));
        assert_eq!(&image[place..place + length], &text);
    }

    /// What the tools of an ordinary host make of it.
    #[test]
    fn other_programs_read_it() {
        const TEST: &str = "other_programs_read_it";
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("seed.iso");
        let made = image(&[("META-DATA", b"a: b\n".to_vec()), ("USER-DATA", b"#cloud-config\n".to_vec())]);
        std::fs::write(&path, made).expect("written");
        match Command::new("blkid").args(["-p", "-o", "export"]).arg(&path).output() {
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stdout);
                assert!(told.contains("LABEL=cidata") && told.contains("TYPE=iso9660"), "{told}");
            }
            Err(error) => eprintln!("SKIPPED the part of {TEST} with blkid: {error}"),
        }
        let mounted = place.path().join("mounted");
        std::fs::create_dir(&mounted).expect("made");
        let script = "mount -o loop,ro \"$1\" \"$2\" && ls \"$2\" && cat \"$2/user-data\"";
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-c", script, "sh"]).arg(&path).arg(&mounted);
        let output = shell.output().expect("util-linux is there");
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return eprintln!("SKIPPED the part of {TEST} with the kernel: {why}");
        }
        assert_eq!(String::from_utf8_lossy(&output.stdout), "meta-data\nuser-data\n#cloud-config\n");
    }
}
