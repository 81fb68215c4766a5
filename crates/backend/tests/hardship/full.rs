//! A disk that is full while snapshots and clones are made.

use crate::has;
use std::path::{Path, PathBuf};
use std::process::Command;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::{Answer, Request, Stored, Unwatched, chain, perform, snapshots, store};

/// A file system of a few MiB.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Result<Self, String> {
        std::fs::create_dir(&at).map_err(|error| error.to_string())?;
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(&at).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(Self(at))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// Takes all that is left but so many bytes.
    fn fill_but(&self, left: u64) {
        let stat = rustix::fs::statvfs(&self.0).expect("mounted");
        let free = (stat.f_bavail * stat.f_frsize).saturating_sub(left);
        std::fs::write(self.0.join("ballast"), vec![b'x'; usize::try_from(free).expect("small")])
            .expect("there was room");
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("there");
    }

    /// All files but the lock, which stays where it once was.
    fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable").flatten() {
                if entry.file_type().expect("known").is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name() != "lock" {
                    all.push(entry.path().display().to_string());
                }
            }
        }
        all.sort();
        all
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_snapshots_and_clones_and_nothing_is_lost() {
    const TEST: &str = "a_full_disk_stops_snapshots_and_clones_and_nothing_is_lost";
    if !has(TEST, "qemu-img") {
        return;
    }
    let place = tempfile::Builder::new().prefix("vmh").tempdir().expect("a temporary directory");
    let small = match Small::mount(place.path().join("small")) {
        Ok(small) => small,
        Err(why) => return eprintln!("SKIPPED {TEST}: no small file system: {why}"),
    };
    for format in ["qcow2", "raw"] {
        let raw = place.path().join("content.raw");
        let content: Vec<u8> =
            (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(&raw, &content).expect("written");
        let image = small.0.join(format!("disk.{format}"));
        let path = image.to_str().expect("text");
        crate::rig::image(&["convert", "-f", "raw", "-O", format, raw.to_str().expect("text"), path]);
        let spec = place.path().join("full.toml");
        let name = format!("full-{format}");
        let text =
            format!("name = '{name}'\naccelerator = 'tcg'\n[[disk]]\npath = '{path}'\nformat = '{format}'\n");
        std::fs::write(&spec, text).expect("written");
        // The state directory is on the full disk as well.
        let machine = store::create(&small.0.join("state"), &spec).expect("there is room");
        let before = std::fs::read_to_string(machine.file("machine.toml")).expect("there");
        let ask = |request| perform(&Qemu::default(), &open(&machine), request, &mut Unwatched);
        let mut refused = 0;
        for left in [0, 4 << 10, 16 << 10, 68 << 10, 132 << 10, 200 << 10] {
            small.fill_but(left);
            let files = small.files();
            for request in
                [Request::Snapshot { name: format!("s{left}") }, Request::Clone { name: format!("c{left}") }]
            {
                let asked = format!("{request:?} with {left} bytes left");
                match ask(request) {
                    Err(error) => {
                        refused += 1;
                        assert_eq!(small.files(), files, "{asked}: {}", chain(&error));
                        same(&open(&machine), &before, &asked);
                    }
                    // It was enough.
                    Ok(_) => break,
                }
            }
            holds(&open(&machine), &content);
            small.empty();
            if small.files().len() != files.len() - 1 {
                break;
            }
        }
        eprintln!("{format}: {refused} refusals");
        assert!(refused >= 2, "the disk was full");
        // Where there is room both work, and what was there is there.
        ask(Request::Snapshot { name: "after".to_owned() }).expect("there is room");
        assert!(snapshots(&open(&machine)).contains(&"after".to_owned()));
        let Ok(Answer::Cloned(clone)) = ask(Request::Clone { name: "twin".to_owned() }) else {
            panic!("there is room")
        };
        holds(&clone, &content);
        holds(&open(&machine), &content);
        for name in ["twin", &name] {
            store::delete(&machine.state, name).expect("nothing runs");
        }
        for file in small.files() {
            std::fs::remove_file(file).expect("there");
        }
    }
}

fn open(machine: &Stored) -> Stored {
    store::open(&machine.state, &machine.name).expect("there")
}

/// The specification is what it was, and the image has no snapshot that nobody knows.
fn same(machine: &Stored, before: &str, asked: &str) {
    let now = std::fs::read_to_string(machine.file("machine.toml")).expect("there");
    assert_eq!(now, before, "{asked}");
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let listed = Command::new("qemu-img").args(["snapshot", "-l", &disk]).output().expect("it is installed");
    let known = snapshots(machine).len();
    let inside = String::from_utf8_lossy(&listed.stdout).lines().skip(2).count();
    assert!(inside <= known, "{asked}: {}", String::from_utf8_lossy(&listed.stdout));
}

/// The machine's disk holds these bytes, and its image is whole.
fn holds(machine: &Stored, content: &[u8]) {
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    if disk.ends_with(".qcow2") {
        crate::rig::image(&["check", "-q", &disk]);
    }
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    crate::rig::image(&["convert", "-O", "raw", &disk, out.path().to_str().expect("text")]);
    assert!(std::fs::read(Path::new(out.path())).expect("there") == content, "{disk}");
}
