//! Disk images made of others, by the real `qemu-img`: copied, built upon, moved to another base, and taken back.

use crate::common::{Hooks, Host, plan, step};
use crate::images::{MIB, content, has_qemu_img, make, write};
use proptest::prelude::*;
use std::path::Path;
use vmwright_apply::{ApplyError, Point};
use vmwright_model::machine::DiskFormat;
use vmwright_model::plan::{Base, ImageFormat};
use vmwright_model::{Action, Plan, RunState};

/// A host with a base image in which something is written.
fn with_base(format: ImageFormat) -> (Host, Base) {
    let host = Host::new();
    let path = host.path("srv/base.img");
    make(&path, format, 4 * MIB);
    write(&path, format, MIB);
    let format = if format == ImageFormat::Raw { DiskFormat::Raw } else { DiskFormat::Qcow2 };
    (host, Base { path, format })
}

fn copied_and_grown(host: &Host, from: &Base, format: ImageFormat) -> Plan {
    let path = host.path("srv/made/new.img");
    let folder = Action::DirectoryCreate { path: host.path("srv/made"), mode: 0o711 };
    let copy = Action::ImageCopy { path: path.clone(), format, from: from.clone(), size: 4 * MIB };
    let grow = Action::ImageResize { path, format, from: 4 * MIB, to: 8 * MIB };
    plan(vec![step(folder, None), step(copy, None), step(grow, None)])
}

fn built_upon(host: &Host, base: &Base) -> Plan {
    let path = host.path("srv/new.qcow2");
    plan(vec![step(Action::ImageOverlay { path, base: base.clone(), size: 8 * MIB }, None)])
}

/// Applied and taken back, and a crash at every boundary: each time all is as before.
fn comes_back(host: &Host, plan: &Plan) {
    assert_eq!(vmwright_plan::lint(plan), []);
    let before = host.look();
    let approved = host.approver.approve(plan);
    let report = host.apply(plan, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
    for at in 0..plan.steps.len() {
        for point in [Point::AfterIntent(at), Point::AfterDo(at), Point::AfterDone(at)] {
            let error = host.apply(plan, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
            let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };
            assert!(host.recover()[0].undo_possible, "{point:?}");
            assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
            assert_eq!(host.look(), before, "{point:?}");
        }
    }
}

#[test]
fn an_image_is_copied_grown_and_taken_back() {
    if !has_qemu_img("an_image_is_copied_grown_and_taken_back") {
        return;
    }
    for (theirs, own) in [(ImageFormat::Raw, ImageFormat::Qcow2), (ImageFormat::Qcow2, ImageFormat::Raw)] {
        let (host, base) = with_base(theirs);
        comes_back(&host, &copied_and_grown(&host, &base, own));
        // What was copied is there, byte for byte, and takes no more room than it needs.
        let plan = plan(vec![copied_and_grown(&host, &base, own).steps.remove(0), {
            let path = host.path("srv/made/new.img");
            step(Action::ImageCopy { path, format: own, from: base.clone(), size: 4 * MIB }, None)
        }]);
        let approved = host.approver.approve(&plan);
        let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
        let path = host.path("srv/made/new.img");
        assert_eq!(content(&host, &path, own), content(&host, &base.path, theirs));
        let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&path).expect("there"));
        assert!(blocks * 512 < 2 * MIB, "{blocks}");
        // What a guest wrote is not taken away.
        write(&path, own, 2 * MIB);
        let report = host.undo(&run, &mut Hooks::default()).expect("begun");
        assert_eq!((report.state, report.not_undone.len()), (RunState::UndoIncomplete, 2), "{report:?}");
        assert!(report.not_undone[1].why.contains("Content mismatch at offset 2097152"), "{report:?}");
        assert!(Path::new(&path).exists());
    }
}

#[test]
fn an_image_builds_upon_another_until_something_is_written() {
    if !has_qemu_img("an_image_builds_upon_another_until_something_is_written") {
        return;
    }
    for format in [ImageFormat::Raw, ImageFormat::Qcow2] {
        let (host, base) = with_base(format);
        let plan = built_upon(&host, &base);
        comes_back(&host, &plan);
        let approved = host.approver.approve(&plan);
        let path = host.path("srv/new.qcow2");
        for zeros in [false, true] {
            let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
            match zeros {
                // They hide what the base has there.
                true => crate::images::io(&path, ImageFormat::Qcow2, &format!("write -z {MIB} 64k")),
                false => write(&path, ImageFormat::Qcow2, MIB),
            }
            let report = host.undo(&run, &mut Hooks::default()).expect("begun");
            assert_eq!(report.state, RunState::UndoIncomplete, "{report:?}");
            assert!(report.not_undone[0].why.contains("something written at byte 1048576"), "{report:?}");
            std::fs::remove_file(&path).expect("there");
        }
        let small = Action::ImageOverlay { path, base, size: 2 * MIB };
        let small = crate::common::plan(vec![step(small, None)]);
        let error = host.apply(&small, &host.approver.approve(&small), &mut Hooks::default());
        let ApplyError::Expect { source, .. } = error.expect_err("too small") else {
            panic!("another error")
        };
        assert!(source.to_string().contains("expected an image of at most 2097152 bytes"), "{source}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_guest_sees_the_same_upon_whatever_base(
        own in 0..64_u64, first in 0..64_u64, second in 0..64_u64, to_nothing: bool, from_nothing: bool,
    ) {
        if !has_qemu_img("a_guest_sees_the_same_upon_whatever_base") || to_nothing && from_nothing {
            return Ok(());
        }
        let host = Host::new();
        let piece = 64 << 10;
        let base = |name: &str, at: u64| {
            let path = host.path(name);
            make(&path, ImageFormat::Qcow2, 4 * MIB);
            write(&path, ImageFormat::Qcow2, at * piece);
            Base { path, format: DiskFormat::Qcow2 }
        };
        let (first, second) = (base("srv/first.qcow2", first), base("srv/second.qcow2", second));
        let path = host.path("srv/top.qcow2");
        let from = (!from_nothing).then_some(first);
        match &from {
            Some(from) => crate::images::img(&["create", "-q", "-f", "qcow2", "-b", &from.path, "-F", "qcow2", &path]),
            None => make(&path, ImageFormat::Qcow2, 4 * MIB),
        }
        write(&path, ImageFormat::Qcow2, own * piece);
        let seen = content(&host, &path, ImageFormat::Qcow2);
        let rebase = Action::ImageRebase { path: path.clone(), from: from.clone(), to: (!to_nothing).then_some(second) };
        let plan = plan(vec![step(rebase, None)]);
        prop_assert_eq!(vmwright_plan::lint(&plan), []);
        let approved = host.approver.approve(&plan);
        let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
        prop_assert_eq!(report.state, RunState::Applied, "{:?}", report);
        prop_assert_eq!(&content(&host, &path, ImageFormat::Qcow2), &seen);
        let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
        prop_assert_eq!(undone.state, RunState::Undone, "{:?}", undone);
        prop_assert_eq!(&content(&host, &path, ImageFormat::Qcow2), &seen);
        for point in [Point::AfterIntent(0), Point::AfterDo(0)] {
            let error = host.apply(&plan, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
            let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };
            prop_assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
            prop_assert_eq!(&content(&host, &path, ImageFormat::Qcow2), &seen);
        }
    }
}
