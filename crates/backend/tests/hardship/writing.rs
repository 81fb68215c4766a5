//! A guest that writes to its disk all the time, one block after the other, each on the disk before the next: whatever
//! was kept at some moment shows two generations of blocks and one place where they meet.

use crate::rig::{Site, ask, boot, image, qemu};
use crate::rounds;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vmwright_backend::request::Exec;
use vmwright_backend::{Answer, Backend as _, Request, Stop, Stored, store};
use vmwright_guest::{BLOCK, generations};

/// Blocks of one generation: half a MiB.
const BLOCKS: u64 = 128;

#[test]
fn what_is_kept_while_a_guest_writes_is_of_one_moment() {
    const TEST: &str = "what_is_kept_while_a_guest_writes_is_of_one_moment";
    let Some(site) = Site::new(TEST) else { return };
    let disk = site.path("disk.qcow2");
    image(&["create", "-q", "-f", "qcow2", disk.to_str().expect("text"), "1M"]);
    let table = format!("[[disk]]\npath = '{}'\nformat = 'qcow2'\n", disk.display());
    let machine = site.machine("host", "writer", &table);
    boot(&qemu(), &machine);
    let last = 4 * rounds(2);
    let snapshots = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&machine, 1, last));
        let mut kept = Vec::new();
        while !writer.is_finished() && (kept.len() as u64) < rounds(3) {
            std::thread::sleep(Duration::from_millis(300));
            let name = format!("s{}", kept.len());
            ask(&machine, Request::Snapshot { name: name.clone() }).expect("it is kept");
            kept.push(name);
        }
        match writer.join().expect("no panic") {
            Ok(Answer::Executed(done)) => assert_eq!(done.status, Some(0), "{done:?}"),
            other => panic!("{other:?}"),
        }
        kept
    });
    qemu().stop(&machine, Stop::Force).expect("it runs");
    sound_though_killed(disk.to_str().expect("text"));
    let mut newest = 0;
    for name in &snapshots {
        let found = content(&site, &disk, Some(name));
        eprintln!(
            "{name}: generation {} at the first block, {} at the last",
            found[0],
            found[found.len() - 1]
        );
        assert!(found[0] >= newest, "{name}: time went back");
        newest = found[0];
    }
    assert!(newest > 0, "a snapshot was made while the guest wrote");
    assert_eq!(content(&site, &disk, None), vec![last; usize::try_from(BLOCKS).expect("small")]);
    // A clone has what was there; both sides go on, and neither's blocks come into the other's.
    let Ok(Answer::Cloned(clone)) = ask(&machine, Request::Clone { name: "reader".to_owned() }) else {
        panic!("it clones")
    };
    let machine = store::open(&machine.state, &machine.name).expect("there");
    let own = |machine: &Stored| machine.spec.disks[0].path.clone().expect("a path");
    // QEMU killed in the middle of a write: what was on the disk is.
    boot(&qemu(), &machine);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&machine, last + 1, last + 1000));
        std::thread::sleep(Duration::from_millis(700));
        qemu().stop(&machine, Stop::Force).expect("it runs");
        writer.join().expect("no panic").expect_err("its machine is gone");
    });
    sound_though_killed(&own(&machine));
    let found = content(&site, Path::new(&own(&machine)), None);
    eprintln!("killed: generation {} at the first block, {} at the last", found[0], found[found.len() - 1]);
    assert!(found[found.len() - 1] >= last);
    let still = content(&site, Path::new(&own(&clone)), None);
    assert_eq!(still, vec![last; usize::try_from(BLOCKS).expect("small")], "the clone has what it had");
    store::delete(&clone.state, &clone.name).expect("nothing runs");
}

/// Checks an image whose VMM was killed: a cluster that nothing refers to any more may be left then, which costs room and no
/// data, and for which `qemu-img check` has an exit status of its own.
fn sound_though_killed(path: &str) {
    let output = Command::new("qemu-img").args(["check", "-q", path]).output();
    let output = output.expect("it is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{path}: {}: {said}", output.status);
}

fn write(machine: &Stored, first: u64, last: u64) -> Result<Answer, vmwright_backend::ControlError> {
    let words = ["write", "/dev/vda", &BLOCKS.to_string(), &first.to_string(), &last.to_string()]
        .map(ToOwned::to_owned)
        .to_vec();
    ask(
        machine,
        Request::Exec(Exec { program: "/init".to_owned(), arguments: words, limit: 600, ..Exec::default() }),
    )
}

/// The generations on an image, or in a snapshot inside it.
fn content(site: &Site, disk: &Path, snapshot: Option<&str>) -> Vec<u64> {
    let out = site.path("out.raw");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let (disk, to) = (text(disk), text(&out));
    let mut words = vec!["convert", "-f", "qcow2", "-O", "raw"];
    words.extend(snapshot.iter().flat_map(|name| ["-l", *name]));
    words.extend([disk.as_str(), to.as_str()]);
    image(&words);
    let bytes = std::fs::read(&out).expect("there");
    assert!(bytes.len() as u64 >= BLOCKS * BLOCK as u64);
    generations(&bytes, BLOCKS)
        .unwrap_or_else(|at| panic!("{snapshot:?}: block {at} is torn or of another time"))
}
