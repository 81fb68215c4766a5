//! `kill -9` of vmwright, and of QEMU, at random moments. vmwright is this test program once more, as another process.

use crate::rig::{eventually, text};
use crate::{Chance, has, rounds};
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::store::{self, StoreError};
use vmwright_backend::{Backend as _, Request, State, Stop, Unwatched, perform};

const WHAT: &str = "VMWRIGHT_TEST_WHAT";
const STATE: &str = "VMWRIGHT_TEST_STATE";
const WORD: &str = "VMWRIGHT_TEST_WORD";
const DELAY: &str = "VMWRIGHT_TEST_DELAY_US";
/// What is cut off.
const OPERATIONS: [&str; 5] = ["create", "start", "snapshot", "clone", "delete"];
/// Longer than any of them takes, in microseconds: it is not cut off.
const UNCUT: u64 = 600_000_000;
/// What the process that dies says once it is through, before the microseconds that it took.
const THROUGH: &str = "at its end after us: ";

#[test]
fn vmwright_killed_at_random_points_loses_no_machine_and_no_image() {
    const TEST: &str = "vmwright_killed_at_random_points_loses_no_machine_and_no_image";
    if !has(TEST, "qemu-img") || Qemu::default().program().is_err() {
        return eprintln!("SKIPPED {TEST}: no QEMU");
    }
    let place = tempfile::Builder::new().prefix("vmh").tempdir().expect("a temporary directory");
    let state = place.path().join("state");
    let spec = |name: &str| {
        let (image, spec) =
            (place.path().join(format!("{name}.qcow2")), place.path().join(format!("{name}.toml")));
        if !image.exists() {
            crate::rig::image(&["create", "-q", "-f", "qcow2", image.to_str().expect("text"), "1M"]);
        }
        let text = format!(
            "name = '{name}'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n[[disk]]\npath = '{}'\nformat = 'qcow2'\n",
            image.display()
        );
        std::fs::write(&spec, text).expect("written");
        spec
    };
    // Names of this process's own: others' machines may have the same ones.
    let own = |word: &str| format!("h{}-{word}", std::process::id());
    let main = own("main");
    store::create(&state, &spec(&main)).expect("a good specification");
    let mut chance = Chance::new(TEST);
    // The first round measures how long each takes here and now, so that the cuts fall into it, and a few behind it.
    let (mut cut, mut takes) = ([0_u32; 5], [0_u64; 5]);
    for round in 0..=rounds(3) {
        for (at, what) in OPERATIONS.into_iter().enumerate() {
            let name = own(&format!("{what}{round}"));
            let word = match what {
                "create" => spec(&name).display().to_string(),
                "start" => main.clone(),
                "delete" => {
                    store::create(&state, &spec(&name)).expect("a good specification");
                    name.clone()
                }
                _ => format!("{main} {name}"),
            };
            let delay = if round == 0 { UNCUT } else { chance.below(takes[at] + takes[at] / 8) };
            match dies(what, &state, &word, Duration::from_micros(delay)) {
                Some(took) => takes[at] = takes[at].max(took),
                None => cut[at] += 1,
            }
            after(what, &state, &main, &name);
            images_are_whole(place.path());
        }
    }
    assert!(takes.iter().all(|took| *took > 0), "{takes:?}");
    eprintln!("cut off before their end: {:?}", OPERATIONS.iter().zip(cut).collect::<Vec<_>>());
    eprintln!("they take, us: {:?}", OPERATIONS.iter().zip(takes).collect::<Vec<_>>());
    // And what went through it all runs.
    let machine = store::open(&state, &main).expect("there");
    Qemu::default().with_patience(crate::rig::LONG).start(&machine).expect("it is whole");
    Qemu::default().stop(&machine, Stop::Force).expect("it runs");
    images_are_whole(place.path());
}

/// What must hold after an operation that was cut off.
fn after(what: &str, state: &Path, main: &str, name: &str) {
    let qemu = Qemu::default().with_patience(crate::rig::LONG);
    let names: Vec<String> = store::list(state).expect("a list").into_iter().map(|one| one.name).collect();
    assert!(names.iter().any(|one| one == main), "{names:?}");
    let once = names.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(once, names.len(), "{names:?}");
    let machine = store::open(state, main).expect("it is whole");
    match what {
        "start" => {
            let mut found = State::Starting;
            eventually("it is one thing or the other", || {
                found = qemu.look(&machine).expect("told").state;
                found != State::Starting && found != State::Stuck
            });
            if found == State::Running {
                assert_eq!(processes(main).len(), 1);
                qemu.stop(&machine, Stop::Force).expect("it runs");
            }
            eventually("no VMM that nobody knows", || processes(main).is_empty());
        }
        // Whole, or not there; and what is there can be deleted.
        "create" | "clone" => match store::open(state, name) {
            Ok(_) => store::delete(state, name).expect("nothing runs"),
            Err(StoreError::NotFound(_)) => {}
            Err(error) => panic!("{what}: {error}"),
        },
        "delete" => match store::open(state, name) {
            Ok(_) => store::delete(state, name).expect("nothing runs"),
            Err(StoreError::NotFound(_)) => assert!(!names.contains(&name.to_owned())),
            Err(error) => panic!("{error}"),
        },
        _ => {}
    }
}

/// Every image, after whatever `qemu-img` is still at work has ended.
fn images_are_whole(place: &Path) {
    for entry in std::fs::read_dir(place).expect("readable").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "qcow2") {
            continue;
        }
        let mut said = String::new();
        eventually("the image can be looked at", || {
            let output =
                Command::new("qemu-img").args(["check", "-q"]).arg(&path).output().expect("it is installed");
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            !said.contains("lock")
        });
        // An overlay that was just begun is no image yet; the specification does not name it.
        let begun = std::fs::metadata(&path).is_ok_and(|meta| meta.len() == 0);
        assert!(said.is_empty() || begun, "{}: {said}", path.display());
    }
}

/// Runs an operation in another process, which is killed after this time; how many microseconds it took, where it came
/// to its end before.
fn dies(what: &str, state: &Path, word: &str, delay: Duration) -> Option<u64> {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", "killed::the_one_that_dies", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(WHAT, what).env(STATE, state).env(WORD, word);
    command.env(DELAY, delay.as_micros().to_string());
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(9), "{said}");
    said.lines().find_map(|line| line.strip_prefix(THROUGH)?.trim().parse().ok())
}

#[test]
#[ignore = "run by the test of a killed vmwright, in a process of its own"]
fn the_one_that_dies() {
    let value = |name: &str| std::env::var(name).expect("set by the test that runs this");
    let (state, word) = (PathBuf::from(value(STATE)), value(WORD));
    let delay = Duration::from_micros(value(DELAY).parse().expect("a number"));
    let began = std::time::Instant::now();
    let die = || kill_process(getpid(), Signal::KILL).expect("we are there");
    std::thread::spawn(move || {
        std::thread::sleep(delay);
        die();
    });
    let (main, other) = word.split_once(' ').unwrap_or((&word, ""));
    let ask = |request| {
        let machine = store::open(&state, main).expect("made before");
        perform(&Qemu::default(), &machine, request, &mut Unwatched).map(drop).expect("it can be");
    };
    match value(WHAT).as_str() {
        "create" => drop(store::create(&state, Path::new(&word)).expect("a good specification")),
        "start" => {
            let machine = store::open(&state, main).expect("made before");
            Qemu::default().start(&machine).expect("a good machine");
        }
        "snapshot" => ask(Request::Snapshot { name: other.to_owned() }),
        "clone" => ask(Request::Clone { name: other.to_owned() }),
        _ => store::delete(&state, main).expect("nothing runs"),
    }
    eprintln!("{THROUGH}{}", began.elapsed().as_micros());
    die();
}

/// QEMU's processes of a machine.
fn processes(name: &str) -> Vec<i32> {
    let mark = format!("guest={name},");
    let entries = std::fs::read_dir("/proc").expect("readable").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    pids.filter(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&mark)
    })
    .collect()
}

/// Among others between the monitor's greeting and the first answer.
#[test]
fn qemu_killed_at_random_points_of_its_start_is_told_and_leaves_nothing() {
    const TEST: &str = "qemu_killed_at_random_points_of_its_start_is_told_and_leaves_nothing";
    if let Err(error) = Qemu::default().program() {
        return eprintln!("SKIPPED {TEST}: {error}");
    }
    let place = tempfile::Builder::new().prefix("vmh").tempdir().expect("a temporary directory");
    let name = format!("h{}-short", std::process::id());
    let spec = place.path().join("short.toml");
    std::fs::write(&spec, format!("name = '{name}'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n"))
        .expect("written");
    let machine = store::create(&place.path().join("state"), &spec).expect("a good specification");
    let qemu = Qemu::default().with_patience(crate::rig::LONG);
    let mut chance = Chance::new(TEST);
    let mut refused = 0;
    for _ in 0..rounds(6) {
        let delay = Duration::from_micros(chance.below(600_000));
        let started = std::thread::scope(|scope| {
            let start = scope.spawn(|| qemu.start(&machine));
            let mut seen = Vec::new();
            while seen.is_empty() && !start.is_finished() {
                seen = processes(&name);
            }
            // It may have come up while the processes were listed without it.
            if seen.is_empty() {
                seen = processes(&name);
            }
            std::thread::sleep(delay);
            for pid in seen {
                let pid = Pid::from_raw(pid).expect("a pid");
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
            start.join().expect("no panic")
        });
        match started {
            Err(_) => {
                refused += 1;
                assert!(!text(&machine, "process.json").is_empty());
                assert_eq!(qemu.look(&machine).expect("told").state, State::Failed);
            }
            Ok(_) => {
                eventually("its end is seen", || qemu.look(&machine).expect("told").state == State::Gone)
            }
        }
        assert!(processes(&name).is_empty());
        let record = machine.process().expect("readable").expect("written");
        // Of a VMM that ran, the next start clears up.
        assert!(started.is_ok() || record.sockets.is_none(), "{record:?}");
    }
    eprintln!("{refused} of {} starts did not get through", rounds(6));
    qemu.start(&machine).expect("nothing is in its way");
    qemu.stop(&machine, Stop::Force).expect("it runs");
}
