//! Whole runs: applied, stopped, crashed at every boundary, recovered and undone.

use crate::common::{Hooks, Host, Rules, SPEC, chmod, plan, step};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::Ordering;
use vmwright_apply::log::LogError;
use vmwright_apply::recover::Found;
use vmwright_apply::report::StopKind;
use vmwright_apply::{ActionError, ApplyError, Event, Fault, Point, RecoverError, UndoError, recover};
use vmwright_model::{Action, RunEvent, RunState, StepState};

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("read")
}

const PLANNED: &str = "name = \"web\" # the shop\naccelerator = \"tcg\"\n\n[cpu]\nmodel = \"max\"  # fast\n";

#[test]
fn a_plan_is_applied_and_the_run_undone_byte_for_byte() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert!(report.steps.iter().all(|step| step.state == StepState::Applied));
    assert_eq!(read(host.path("web.toml")), PLANNED);
    assert!(host.dir.path().join("machines/web").exists() && !host.dir.path().join("machines/old").exists());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(report.assisted_by, format!("Assisted-By: vmwright ({version} / {})", &report.plan[..12]));
    assert!(host.recover().is_empty());

    // Each step was announced before it was done, and ended after.
    let log = vmwright_apply::log::read(&host.state(), &report.run).expect("read").expect("begun");
    let order: Vec<String> = log
        .events
        .iter()
        .map(|event| match event {
            RunEvent::Began { assisted_by, approved_by, .. } => {
                assert_eq!(assisted_by, &report.assisted_by);
                approved_by.clone()
            }
            RunEvent::Intent { step, .. } => format!("intent {step}"),
            RunEvent::Done { step } => format!("done {step}"),
            other => format!("{other:?}"),
        })
        .collect();
    let steps = (0..7).flat_map(|step| [format!("intent {step}"), format!("done {step}")]);
    let expected: Vec<String> = ["ana@example".to_owned()]
        .into_iter()
        .chain(steps)
        .chain(["Ended { state: Applied }".to_owned()])
        .collect();
    assert_eq!(order, expected);

    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.state, RunState::Undone, "{undone:?}");
    assert_eq!(host.look(), before);
    assert!(read(&undone.log).contains("the run's own approval by ana@example"));
    assert!(matches!(host.undo(&report.run, &mut Hooks::default()), Err(UndoError::Nothing(_))));
}

/// Every boundary of a plan's run.
fn points(steps: usize) -> Vec<Point> {
    let step = |at| {
        [
            Point::BeforeIntent(at),
            Point::AfterIntent(at),
            Point::AfterDo(at),
            Point::AfterVerify(at),
            Point::AfterDone(at),
        ]
    };
    (0..steps).flat_map(step).chain([Point::BeforeEnd]).collect()
}

#[test]
fn a_crash_at_every_boundary_is_seen_as_it_is_and_can_be_undone() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    for point in points(plan.steps.len()) {
        let error = host.apply(&plan, &approved, &mut Hooks::crash_at(point)).expect_err("it crashes");
        let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };

        // Nothing new is begun while nobody knows what this run left.
        let again = host.apply(&plan, &approved, &mut Hooks::default());
        assert!(matches!(again, Err(ApplyError::Unresolved(unresolved)) if unresolved == run), "{point:?}");

        let crashed = host.look();
        let found = host.recover();
        assert_eq!(host.look(), crashed, "looking changes nothing");
        assert_eq!(found.len(), 1, "{point:?}");
        assert_eq!((found[0].run.as_str(), found[0].undo_possible), (run.as_str(), true), "{point:?}");
        let seen: Vec<(StepState, &Found)> =
            found[0].steps.iter().map(|step| (step.logged.clone(), &step.found)).collect();
        let (begun, last) = match point {
            Point::BeforeIntent(at) => (at, None),
            Point::AfterIntent(at) => (at + 1, Some((StepState::OutcomeUnknown, Found::Before))),
            Point::AfterDo(at) | Point::AfterVerify(at) => {
                (at + 1, Some((StepState::OutcomeUnknown, Found::After)))
            }
            Point::AfterDone(at) => (at + 1, None),
            _ => (plan.steps.len(), None),
        };
        assert_eq!(seen.len(), begun, "{point:?}");
        for (at, (logged, found)) in seen.iter().enumerate() {
            match &last {
                Some((expected, really)) if at + 1 == begun => {
                    assert_eq!((logged, *found), (expected, really), "{point:?}");
                }
                _ => {
                    assert_eq!((logged, *found), (&StepState::Applied, &Found::After), "{point:?} step {at}")
                }
            }
        }

        let undone = host.undo(&run, &mut Hooks::default()).expect("begun");
        assert_eq!(undone.state, RunState::Undone, "{point:?}: {undone:?}");
        assert_eq!(host.look(), before, "{point:?}");
        assert!(host.recover().is_empty(), "{point:?}");
    }
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied);
}

#[test]
fn a_crash_while_undoing_is_undone_the_next_time() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    for at in 0..plan.steps.len() {
        for point in [Point::AfterUndoIntent(at), Point::AfterUndo(at)] {
            let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
            let error = host.undo(&run, &mut Hooks::crash_at(point)).expect_err("it crashes");
            assert!(matches!(error, UndoError::Injected { .. }), "{error}");
            assert_eq!(host.recover().len(), 1, "{point:?}");
            assert_eq!(
                host.undo(&run, &mut Hooks::default()).expect("begun").state,
                RunState::Undone,
                "{point:?}"
            );
            assert_eq!(host.look(), before, "{point:?}");
        }
    }
    // The same while a run that stopped takes itself back.
    let mut hooks = Hooks::crash_at(Point::AfterUndo(2));
    hooks.rules = Rules { firing: vec!["cpu/model"] };
    let error = host.apply(&plan, &approved, &mut hooks).expect_err("it crashes");
    let ApplyError::Injected { run, .. } = error else { panic!("{error}") };
    assert_eq!(host.undo(&run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

#[test]
fn a_killed_process_leaves_nothing_that_cannot_be_found_and_undone() {
    let name = "executor::a_killed_process_leaves_nothing_that_cannot_be_found_and_undone";
    if let Some(place) = std::env::var_os("VMWRIGHT_TEST_PLACE") {
        let kill_at: usize = std::env::var("VMWRIGHT_TEST_KILL").expect("set").parse().expect("a number");
        let host = Host::opened(Path::new(&place));
        let plan = host.plan();
        let approved = host.approver.approve(&plan);
        let seen = Cell::new(0);
        let mut hooks = Hooks::fault(|_| {
            seen.set(seen.get() + 1);
            if seen.get() == kill_at {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("it is ours");
            }
            Fault::None
        });
        host.apply(&plan, &approved, &mut hooks).expect("begun");
        return;
    }
    let host = Host::new();
    let before = host.look();
    for kill_at in [1, 2, 3, 9, 13, 18, 23, 28, 33, 36] {
        let status = std::process::Command::new(std::env::current_exe().expect("a program"))
            .args([name, "--exact"])
            .env("VMWRIGHT_TEST_PLACE", host.dir.path())
            .env("VMWRIGHT_TEST_KILL", kill_at.to_string())
            .output()
            .expect("run")
            .status;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{kill_at}");
        let found = host.recover();
        assert_eq!(found.len(), 1, "{kill_at}: the lock went with the process, the log stayed");
        assert_eq!(host.undo(&found[0].run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
        assert_eq!(host.look(), before, "{kill_at}");
    }
}

#[test]
fn drift_before_the_first_step_changes_nothing_and_names_the_step() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    std::fs::write(host.path("web.toml"), SPEC.replace("count = 2", "count = 3")).expect("written");
    let before = host.look();
    let error = host.apply(&plan, &approved, &mut Hooks::default()).expect_err("it drifted");
    let ApplyError::Expect { step: 5, source } = error else { panic!("{error}") };
    let drift = format!("`cpu.count` in {} is 3; expected 2", host.path("web.toml"));
    assert_eq!(source.to_string(), drift);
    assert_eq!(host.look(), before);
    assert!(vmwright_apply::log::runs(&host.state()).expect("listed").is_empty(), "no run was begun");
}

#[test]
fn drift_between_two_steps_stops_and_takes_back() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let disk = host.dir.path().join("srv/images/disk");
    let mut hooks = Hooks::progress(|event| {
        if matches!(event, Event::Doing { step: 3, .. }) {
            chmod(&disk, 0o666);
        }
    });
    let before = host.look();
    let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
    assert_eq!(report.state, RunState::Undone);
    let stop = report.stopped.expect("stopped");
    assert_eq!((stop.step, stop.kind), (3, StopKind::Drift));
    assert_eq!(stop.why, format!("the mode of {} is 0666; expected 0600", disk.display()));
    let states: Vec<StepState> = report.steps.into_iter().map(|step| step.state).collect();
    assert_eq!(states[..3], [StepState::Undone, StepState::Undone, StepState::Planned]);
    // Somebody else's change stays; everything of ours is back.
    chmod(&disk, 0o600);
    assert_eq!(host.look(), before);
}

#[test]
fn a_rule_that_still_fires_takes_everything_back() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let mut hooks = Hooks { rules: Rules { firing: vec!["cpu/model"] }, ..Hooks::default() };
    let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
    let stop = report.stopped.expect("stopped");
    assert_eq!((report.state, stop.step, stop.kind), (RunState::Undone, 4, StopKind::NotSettled));
    assert_eq!(stop.why, "cpu/model still fires");
    assert_eq!(host.look(), before);
}

#[test]
fn a_machine_that_does_not_start_takes_everything_back() {
    let host = Host::new();
    std::fs::write(host.path("machines/web.broken"), "").expect("written");
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let report = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun");
    let stop = report.stopped.expect("stopped");
    assert_eq!((report.state, stop.step, stop.kind), (RunState::Undone, 7, StopKind::Failed));
    assert_eq!(stop.why, "machine web: it does not start");
    assert_eq!(host.look(), before);
}

#[test]
fn an_interruption_between_steps_takes_everything_back() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let hooks = Hooks::default();
    hooks.interrupted.store(true, Ordering::SeqCst);
    let mut hooks = hooks;
    assert!(matches!(host.apply(&plan, &approved, &mut hooks), Err(ApplyError::Interrupted)));
    assert_eq!(host.look(), before);

    for at in 1..plan.steps.len() {
        let flag = std::sync::atomic::AtomicBool::new(false);
        let machines = host.machines();
        let state = host.state();
        let mut progress = |event: Event| {
            if event == (Event::Done { step: at }) {
                flag.store(true, Ordering::SeqCst);
            }
        };
        let mut context = vmwright_apply::Context {
            state: &state,
            host_id: crate::common::HOST,
            machines: &machines,
            system: &host.system(),
            net: None,
            check: &Rules::default(),
            progress: &mut progress,
            fault: None,
            interrupted: &flag,
        };
        let report = vmwright_apply::apply(&plan, &approved, &mut context).expect("begun");
        let stop = report.stopped.expect("stopped");
        assert_eq!((report.state, stop.step, stop.kind), (RunState::Undone, at + 1, StopKind::Interrupted));
        assert_eq!(host.look(), before, "{at}");
    }
}

#[test]
fn what_cannot_be_taken_back_is_named_and_the_rest_is_taken_back() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    std::fs::write(host.path("machines/web.stuck"), "").expect("written");
    let before = host.look();
    let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
    std::fs::write(host.path("web.toml"), "name = \"mine\"\n").expect("written");
    let report = host.undo(&run, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::UndoIncomplete);
    let left: Vec<usize> = report.not_undone.iter().map(|left| left.step).collect();
    assert_eq!(left, [4, 5, 6, 7]);
    assert_eq!(report.not_undone[3].what, "stops web");
    assert_eq!(report.not_undone[3].why, "machine web: it does not stop");
    assert!(
        report.not_undone[0].why.contains("web.toml is another, with SHA-256"),
        "{:?}",
        report.not_undone[0]
    );
    assert_eq!(read(host.path("web.toml")), "name = \"mine\"\n", "what somebody wrote since is not lost");
    assert!(host.dir.path().join("machines/old").exists(), "the other steps are taken back");

    // It can be tried again when the obstacle is gone; what is done is not done twice.
    std::fs::write(host.path("web.toml"), PLANNED).expect("written");
    std::fs::remove_file(host.path("machines/web.stuck")).expect("removed");
    let report = host.undo(&run, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    std::fs::write(host.path("machines/web.stuck"), "").expect("written");
    assert_eq!(host.look(), before);
}

#[test]
fn a_full_disk_under_the_log_stops_before_doing() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    for at in 0..plan.steps.len() {
        let mut hooks =
            Hooks::fault(|point| if point == Point::BeforeIntent(at) { Fault::LogFull } else { Fault::None });
        let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
        let stop = report.stopped.clone().expect("stopped");
        assert_eq!((report.state, stop.step, stop.kind), (RunState::Undone, at + 1, StopKind::Log));
        assert_eq!(report.steps[at].state, StepState::Planned, "not even begun");
        assert!(report.log_incomplete.is_some());
        assert_eq!(host.look(), before, "{at}");
        // The log could not say that it ended, so recovery finds that everything is as before.
        let found = host.recover();
        assert!(found[0].steps.iter().all(|step| step.found == Found::Before), "{at}: {found:?}");
        assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_old_approval_hold_again() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let before = host.look();
    // As seen after the clock went back an hour: what was signed lies in the future.
    let file = std::fs::read_dir(host.state().join("approvals"))
        .expect("listed")
        .next()
        .expect("one")
        .expect("one")
        .path();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    std::fs::File::open(&file).expect("there").set_modified(later).expect("ours");
    let error = host.apply(&plan, &approved, &mut Hooks::default()).expect_err("the clock went back");
    assert!(matches!(&error, ApplyError::ClockBack { seconds, .. } if *seconds > 3000), "{error}");
    assert!(error.to_string().contains(file.to_str().expect("UTF-8")), "{error}");
    assert_eq!(host.look(), before);
    std::fs::File::open(&file).expect("there").set_modified(std::time::SystemTime::now()).expect("ours");
    assert_eq!(host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").state, RunState::Applied);
}

#[test]
fn two_at_once_are_one() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let tried = Cell::new(0);
    let mut hooks = Hooks::progress(|event| {
        if matches!(event, Event::Done { .. }) {
            let second = host.apply(&plan, &approved, &mut Hooks::default());
            assert!(matches!(second, Err(ApplyError::Log(LogError::Locked(_)))), "{second:?}");
            let look = host.context(&mut Hooks::default(), |context| recover(context));
            assert!(matches!(look, Err(RecoverError::Log(LogError::Locked(_)))), "{look:?}");
            tried.set(tried.get() + 1);
        }
    });
    assert_eq!(host.apply(&plan, &approved, &mut hooks).expect("begun").state, RunState::Applied);
    assert_eq!(tried.get(), 7);
}

#[test]
fn an_approval_covers_its_own_plan_host_and_ceiling_only() {
    let host = Host::new();
    let before = host.look();
    let plan_a = host.plan();
    let approved = host.approver.approve(&plan_a);
    let mut other = plan_a.clone();
    other.title.push('!');
    let error = host.apply(&other, &approved, &mut Hooks::default()).expect_err("another plan");
    assert_eq!(error.to_string(), format!("the approval is for plan {}", vmwright_plan::plan_id(&plan_a)));
    let mut hooks = Hooks { host_id: "host-2", ..Hooks::default() };
    assert!(matches!(host.apply(&plan_a, &approved, &mut hooks), Err(ApplyError::OtherHost { .. })));
    let mut wrong = plan_a.clone();
    wrong.steps[0].disruption = vmwright_model::Disruption::None;
    let approved = host.approver.approve(&wrong);
    assert!(matches!(host.apply(&wrong, &approved, &mut Hooks::default()), Err(ApplyError::Lint(_))));
    assert_eq!(host.look(), before);
}

#[test]
fn a_run_of_another_host_is_not_undone_here() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
    let applied = host.look();
    let mut hooks = Hooks { host_id: "host-2", ..Hooks::default() };
    assert!(matches!(host.undo(&run, &mut hooks), Err(UndoError::OtherHost { .. })));
    assert_eq!(host.look(), applied);
}

#[test]
fn a_torn_line_is_tolerated_and_a_cut_in_the_middle_is_named() {
    let host = Host::new();
    let before = host.look();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let ApplyError::Injected { run, .. } =
        host.apply(&plan, &approved, &mut Hooks::crash_at(Point::AfterDone(3))).expect_err("it crashes")
    else {
        panic!("a crash was asked for")
    };
    let log = host.state().join("runs").join(format!("{run}.jsonl"));
    let whole = read(&log);
    std::fs::write(&log, &whole[..whole.len() - 10]).expect("written");
    let found = host.recover();
    assert!(found[0].torn.as_ref().is_some_and(|torn| torn.contains("line 9")), "{:?}", found[0].torn);
    assert_eq!(
        (&found[0].steps[3].logged, &found[0].steps[3].found),
        (&StepState::OutcomeUnknown, &Found::After)
    );

    let cut = whole.replacen("\"event\":\"done\",\"step\":1", "\"event\":\"do", 1);
    assert_ne!(cut, whole);
    std::fs::write(&log, &cut).expect("written");
    let error = host.undo(&run, &mut Hooks::default()).expect_err("nobody knows");
    assert!(matches!(error, UndoError::Log(LogError::Line { line: 5, .. })), "{error}");
    assert!(matches!(
        host.apply(&plan, &approved, &mut Hooks::default()),
        Err(ApplyError::Log(LogError::Line { line: 5, .. }))
    ));

    std::fs::write(&log, &whole[..whole.len() - 10]).expect("written");
    let report = host.undo(&run, &mut Hooks::default()).expect("begun");
    assert!(report.torn.is_some());
    assert_eq!((report.state, host.look()), (RunState::Undone, before));
}

#[test]
fn neither_before_nor_after_is_an_unknown_outcome() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let error =
        host.apply(&plan, &approved, &mut Hooks::crash_at(Point::AfterDo(2))).expect_err("it crashes");
    let ApplyError::Injected { run, .. } = error else { panic!("{error}") };
    let disk = host.dir.path().join("srv/images/disk");
    chmod(&disk, 0o604);
    let found = host.recover();
    assert!(!found[0].undo_possible);
    let Found::OutcomeUnknown(why) = &found[0].steps[2].found else { panic!("{found:?}") };
    let path = disk.display();
    assert_eq!(
        *why,
        format!("the mode of {path} is 0604; expected 0600; and the mode of {path} is 0604; expected 0640")
    );
    let report = host.undo(&run, &mut Hooks::default()).expect("begun");
    assert_eq!((report.state, report.not_undone.len()), (RunState::UndoIncomplete, 1));
    assert_eq!(report.steps[2].state, StepState::OutcomeUnknown);
    // The run has an end now, with what is left in its log, so work can go on.
    assert!(host.recover().is_empty());
}

#[test]
fn a_link_in_the_place_of_a_target_is_refused() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    std::fs::write(host.path("victim"), SPEC).expect("written");
    std::fs::remove_file(host.path("web.toml")).expect("removed");
    std::os::unix::fs::symlink(host.path("victim"), host.path("web.toml")).expect("linked");
    let before = host.look();
    let error = host.apply(&plan, &approved, &mut Hooks::default()).expect_err("a link");
    assert!(matches!(error, ApplyError::Expect { step: 4, source: ActionError::Symlink { .. } }), "{error}");

    // The same for a directory on the way, slipped in while the run goes on.
    std::fs::remove_file(host.path("web.toml")).expect("removed");
    std::fs::rename(host.path("victim"), host.path("web.toml")).expect("renamed");
    let mut hooks = Hooks::progress(|event| {
        if matches!(event, Event::Doing { step: 3, .. }) {
            std::fs::rename(host.path("srv/images"), host.path("srv/real")).expect("renamed");
            std::os::unix::fs::symlink("real", host.path("srv/images")).expect("linked");
        }
    });
    let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
    assert_eq!(
        report.state,
        RunState::UndoIncomplete,
        "step 2's directory is elsewhere now, and that is said"
    );
    assert!(report.not_undone[0].why.contains("symbolic link"), "{report:?}");
    assert_eq!(host.look().get(&host.path("victim")), None);
    assert_ne!(host.look(), before);
    assert_eq!(
        std::fs::metadata(host.path("srv/real/disk")).map(|found| found.len()).expect("there"),
        4,
        "the disk was not touched"
    );
}

#[test]
fn a_target_that_vanishes_stops_the_run_and_is_named() {
    let mode = |host: &Host, name: &str| Action::FileMode { path: host.path(name), from: 0o644, to: 0o640 };
    let made = || {
        let host = Host::new();
        for name in ["srv/first", "srv/second"] {
            std::fs::write(host.path(name), name).expect("written");
            chmod(&host.dir.path().join(name), 0o644);
        }
        let both = plan(vec![step(mode(&host, "srv/first"), None), step(mode(&host, "srv/second"), None)]);
        let approved = host.approver.approve(&both);
        (host, both, approved)
    };
    // Since the plan was made: seen before the first step.
    let (host, both, approved) = made();
    std::fs::remove_file(host.path("srv/second")).expect("there");
    let before = host.look();
    let error = host.apply(&both, &approved, &mut Hooks::default()).expect_err("it is gone");
    assert!(
        matches!(&error, ApplyError::Expect { step: 2, source: ActionError::Gone(what) }
        if *what == host.path("srv/second")),
        "{error}"
    );
    assert_eq!(host.look(), before);
    // Behind the first step, and after its own: what can be taken back is, and what is gone is named.
    for (point, state, not_undone) in
        [(Point::AfterDone(0), RunState::Undone, 0), (Point::AfterDo(1), RunState::UndoIncomplete, 1)]
    {
        let (host, both, approved) = made();
        let mut before = host.look();
        let gone = host.path("srv/second");
        let mut hooks = Hooks::fault(|now| {
            if now == point {
                std::fs::remove_file(&gone).expect("there");
            }
            Fault::None
        });
        let report = host.apply(&both, &approved, &mut hooks).expect("begun");
        drop(hooks);
        assert_eq!((report.state, report.not_undone.len()), (state, not_undone), "{report:?}");
        let stop = report.stopped.as_ref().expect("stopped");
        assert!(stop.step == 2 && stop.why.contains(&gone), "{stop:?}");
        assert!(
            report.not_undone.iter().all(|left| left.step == 2 && left.why.contains(&gone)),
            "{report:?}"
        );
        before.remove(&gone);
        assert_eq!(host.look(), before, "{point:?}");
    }
}

#[test]
fn a_state_directory_that_others_may_write_to_is_not_relied_on() {
    let host = Host::new();
    let plan = host.plan();
    let approved = host.approver.approve(&plan);
    let run = host.apply(&plan, &approved, &mut Hooks::default()).expect("begun").run;
    chmod(&host.state(), 0o777);
    assert!(matches!(host.apply(&plan, &approved, &mut Hooks::default()), Err(ApplyError::State(_))));
    assert!(matches!(host.undo(&run, &mut Hooks::default()), Err(UndoError::State(_))));
    chmod(&host.state(), 0o700);
    chmod(&host.state().join("runs"), 0o770);
    assert!(matches!(host.undo(&run, &mut Hooks::default()), Err(UndoError::State(_))));
}

#[test]
fn the_undo_of_a_run_is_a_plan_of_its_own_too() {
    let host = Host::new();
    let before = host.look();
    let forward = host.plan();
    let approved = host.approver.approve(&forward);
    let run = host.apply(&forward, &approved, &mut Hooks::default()).expect("begun").run;
    let applied = host.look();
    let log = vmwright_apply::log::read(&host.state(), &run).expect("read").expect("begun");
    let done: Vec<_> = log
        .events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Intent { step, undo } => Some((forward.steps[*step].clone(), undo.clone())),
            _ => None,
        })
        .collect();
    let back = vmwright_plan::undo(&forward, &done);
    assert_eq!(vmwright_plan::lint(&back), []);
    let report = host.apply(&back, &host.approver.approve(&back), &mut Hooks::default()).expect("begun");
    assert_eq!((report.state, host.look()), (RunState::Applied, before));
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), applied, "and the undo's undo is the plan again");
}

#[test]
fn a_plan_of_many_steps_stays_quick() {
    let host = Host::new();
    let steps = (0..300)
        .map(|n| {
            let name = format!("srv/f{n}");
            std::fs::write(host.path(&name), "").expect("written");
            chmod(&host.dir.path().join(&name), 0o600);
            step(Action::FileMode { path: host.path(&name), from: 0o600, to: 0o640 }, None)
        })
        .collect();
    let plan = plan(steps);
    let report = host.apply(&plan, &host.approver.approve(&plan), &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied);
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
}

#[test]
fn a_machine_that_moved_is_not_taken_back_and_one_that_did_not_goes_on() {
    let host = Host::new();
    let before = host.look();
    let move_to = |to: &str| {
        plan(vec![
            step(Action::FileMode { path: host.path("srv/images"), from: 0o700, to: 0o711 }, None),
            step(Action::MachineMigrate { machine: "old".into(), to: to.into() }, None),
        ])
    };
    let fails = move_to("unix:/nobody");
    let report = host.apply(&fails, &host.approver.approve(&fails), &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    assert_eq!(host.look(), before, "it runs here as before");
    let moves = move_to("tcp:hv2:49152");
    let report = host.apply(&moves, &host.approver.approve(&moves), &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.state, RunState::UndoIncomplete);
    assert_eq!(undone.not_undone[0].why, "machine old has moved to tcp:hv2:49152: send it back from there");
    // It came back by itself: the rest is taken back too.
    std::fs::write(host.path("machines/old"), "").expect("written");
    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

#[test]
fn a_machine_that_has_moved_as_its_limit_allows_leaves_a_complete_run() {
    let limit = |from, to| {
        let value = vmwright_model::plan::QmpValue::MigrationBandwidth;
        plan(vec![step(Action::Qmp { machine: "web".into(), value, from, to }, None)])
    };
    let host = Host::new();
    std::fs::write(host.path("machines/web.moves"), "tcp:hv2:4444").expect("written");
    let plan = limit(0, 500);
    let approved = host.approver.approve(&plan);
    let mut told = Vec::new();
    let mut hooks = Hooks { progress: Some(Box::new(|event| told.push(event))), ..Hooks::default() };
    let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
    drop(hooks);
    assert_eq!((report.state, &report.stopped), (RunState::Applied, &None));
    let remark = report.steps[0].remark.clone().expect("it is said what is so");
    assert!(remark.starts_with("machine web went to tcp:hv2:4444 meanwhile"), "{remark}");
    assert!(told.contains(&Event::Remark { step: 1, what: remark.clone() }), "{told:?}");
    // Nothing of it is left to be taken back.
    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!((undone.state, undone.not_undone.len()), (RunState::Undone, 0));
    assert_eq!(undone.steps[0].remark.as_ref(), Some(&remark));

    // A QEMU that is gone for another reason leaves it open.
    let host = Host::new();
    let approved = host.approver.approve(&plan);
    let gone = host.path("machines/web.value");
    let lose = |point: Point| {
        if point == Point::AfterDo(0) {
            std::fs::remove_file(&gone).expect("there");
        }
        Fault::None
    };
    let mut hooks = Hooks { fault: Some(Box::new(lose)), ..Hooks::default() };
    let report = host.apply(&plan, &approved, &mut hooks).expect("begun");
    assert_eq!(report.state, RunState::UndoIncomplete, "{report:?}");
}
