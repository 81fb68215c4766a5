//! Disk images, made and changed by the real `qemu-img`, and taken back.

use crate::common::{Hooks, Host, plan, step};
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;
use vmwright_apply::{ApplyError, Point};
use vmwright_model::plan::ImageFormat;
use vmwright_model::{Action, Plan, RunState};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn has_qemu_img(test: &str) -> bool {
    let there = ["/usr/bin/qemu-img", "/bin/qemu-img"].iter().any(|path| Path::new(path).exists());
    if !there {
        eprintln!("SKIPPED {test}: qemu-img is not installed");
    }
    there
}

fn made_and_grown(host: &Host, format: ImageFormat) -> Plan {
    let path = host.path("srv/new.img");
    let create = Action::ImageCreate { path: path.clone(), format, size: 4 * MIB };
    let grow = Action::ImageResize { path, format, from: 4 * MIB, to: 8 * MIB };
    plan(vec![step(create, None), step(grow, None)])
}

/// Has `qemu-io` do something to an image.
pub(crate) fn io(path: &str, format: ImageFormat, command: &str) {
    let output = Command::new("qemu-io")
        .args(["-f", format.name(), "-c", command, path])
        .output()
        .expect("qemu-io is there");
    assert!(output.status.success(), "{output:?}");
}

/// Runs `qemu-img`.
pub(crate) fn img(args: &[&str]) {
    let output = Command::new("qemu-img").args(args).output().expect("qemu-img is there");
    assert!(output.status.success(), "{args:?}: {output:?}");
}

pub(crate) fn make(path: &str, format: ImageFormat, size: u64) {
    img(&["create", "-q", "-f", format.name(), path, &size.to_string()]);
}

pub(crate) fn write(path: &str, format: ImageFormat, offset: u64) {
    io(path, format, &format!("write -P 7 {offset} 64k"));
}

/// What a guest sees.
pub(crate) fn content(host: &Host, path: &str, format: ImageFormat) -> Vec<u8> {
    let raw = host.path("srv/raw");
    img(&["convert", "-f", format.name(), "-O", "raw", path, &raw]);
    let bytes = std::fs::read(&raw).expect("read");
    std::fs::remove_file(&raw).expect("removed");
    bytes
}

#[test]
fn an_image_is_made_grown_and_taken_back() {
    if !has_qemu_img("an_image_is_made_grown_and_taken_back") {
        return;
    }
    for format in [ImageFormat::Raw, ImageFormat::Qcow2] {
        let host = Host::new();
        let before = host.look();
        let plan = made_and_grown(&host, format);
        assert_eq!(vmwright_plan::lint(&plan), []);
        let approved = host.approver.approve(&plan);
        let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
        assert_eq!(report.state, RunState::Applied, "{report:?}");
        assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
        assert_eq!(host.look(), before, "{format:?}");
        // A crash at every boundary.
        for at in 0..2 {
            for point in [Point::AfterIntent(at), Point::AfterDo(at), Point::AfterDone(at)] {
                let error =
                    host.apply(&plan, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
                let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };
                assert!(host.recover()[0].undo_possible, "{point:?}");
                assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
                assert_eq!(host.look(), before, "{format:?} {point:?}");
            }
        }
    }
}

#[test]
fn what_a_guest_wrote_is_never_taken_away() {
    if !has_qemu_img("what_a_guest_wrote_is_never_taken_away") || !Path::new("/usr/bin/qemu-io").exists() {
        eprintln!("SKIPPED what_a_guest_wrote_is_never_taken_away: qemu-io is not installed");
        return;
    }
    for format in [ImageFormat::Raw, ImageFormat::Qcow2] {
        let host = Host::new();
        let path = host.path("srv/new.img");
        let plan = made_and_grown(&host, format);
        let approved = host.approver.approve(&plan);
        let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
        write(&path, format, 6 * MIB);
        let report = host.undo(&run, &mut Hooks::default()).expect("begun");
        assert_eq!((report.state, report.not_undone.len()), (RunState::UndoIncomplete, 2), "{report:?}");
        assert!(report.not_undone[1].why.contains("something written at byte 6291456"), "{report:?}");
        assert!(Path::new(&path).exists());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_size_comes_back_with_every_byte(from in 1..64_u64, to in 1..64_u64, qcow2: bool, at in 0..64_u64) {
        if !has_qemu_img("a_size_comes_back_with_every_byte") || !Path::new("/usr/bin/qemu-io").exists() {
            return Ok(());
        }
        let format = if qcow2 { ImageFormat::Qcow2 } else { ImageFormat::Raw };
        let (from, to) = (from * (64 << 10), to * (64 << 10));
        prop_assume!(from != to);
        let host = Host::new();
        let path = host.path("srv/disk.img");
        make(&path, format, from);
        let offset = at * (64 << 10) % from;
        write(&path, format, offset);
        let before = content(&host, &path, format);
        let resize = plan(vec![step(Action::ImageResize { path: path.clone(), format, from, to }, None)]);
        let approved = host.approver.approve(&resize);
        match host.apply(&resize, &approved, &mut Hooks::default()) {
            // Something lies behind the new end.
            Err(ApplyError::Expect { .. }) => prop_assert!(offset + (64 << 10) > to),
            Err(error) => prop_assert!(false, "{}", error),
            Ok(report) => {
                prop_assert_eq!(report.state, RunState::Applied, "{:?}", report);
                let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
                prop_assert_eq!(undone.state, RunState::Undone, "{:?}", undone);
            }
        }
        prop_assert_eq!(content(&host, &path, format), before);
    }
}
