//! A run that restarts its host: it stops there, goes on behind it, or is taken back.

use crate::common::{Hooks, Host, Rules, plan, step};
use std::path::PathBuf;
use vmwright_apply::{
    ApplyError, Net, Point, ResumeError, Waiting, keep_untried, net, resume_run, revert_run,
};
use vmwright_formats::grub_environment;
use vmwright_model::plan::{Generator, Setting, Trial};
use vmwright_model::{Action, Plan, RunState, StepState};

/// Guards that are never started: the test is them.
struct Told(u64);

impl Net for Told {
    fn seconds(&self) -> u64 {
        self.0
    }

    fn spread(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn after_boot(&self, run: &str) -> Result<Waiting, String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(Waiting {
            report: words(&["/usr/bin/vmwright", "recover"]),
            guard: words(&["/usr/bin/vmwright", "revert", run]),
            environment: vec![("VMWRIGHT_CONFIG".into(), "/etc/vmwright".into())],
        })
    }
}

fn with_reboot(host: &Host) -> Plan {
    that_ends(host, Action::Reboot { left: None })
}

fn that_ends(host: &Host, last: Action) -> Plan {
    let setting = Setting::GrubParameter {
        variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(),
        parameter: "intel_iommu".into(),
    };
    let edit = Action::EditSetting {
        path: host.path("etc/default/grub"),
        setting,
        from: None,
        to: Some("intel_iommu=on".into()),
    };
    let make = Action::Regenerate {
        generator: Generator::UpdateGrub,
        outputs: vec![host.path("boot/grub/grub.cfg")],
        holds: vec!["intel_iommu=on".into()],
    };
    let ksm = Action::Sysfs { path: "/sys/kernel/mm/ksm/run".into(), from: "1".into(), to: "0".into() };
    plan(vec![
        step(edit, None),
        step(make, None),
        step(Action::BootTrial { trial: trial(host) }, None),
        step(ksm, None),
        step(last, Some("iommu/disabled")),
    ])
}

fn trial(host: &Host) -> Trial {
    Trial::Grub { environment: host.path("boot/grub/grubenv"), entry: "0".into() }
}

/// Variables of GRUB's that a trial sets.
fn tries(host: &Host) -> [Option<String>; 2] {
    let block = std::fs::read_to_string(host.path("boot/grub/grubenv")).expect("there");
    ["next_entry", "vmwright_trial"].map(|name| grub_environment::get(&block, name).map(str::to_owned))
}

fn hooks(net: &Told) -> Hooks<'_> {
    Hooks { net: Some(net), ..Hooks::default() }
}

/// The unit that waits for a run.
fn unit(host: &Host, run: &str) -> PathBuf {
    host.dir.path().join("system/units.d").join(format!("vmwright-after-{run}.service"))
}

/// As if the host had been restarted: the boot that the run left is another one, and the kernel is as at first.
fn restarted(host: &Host, run: &str) {
    let log = host.state().join("runs").join(format!("{run}.jsonl"));
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("there");
    let text = std::fs::read_to_string(&log).expect("there");
    std::fs::write(&log, text.replace(boot.trim(), "00000000-another")).expect("written");
    host.system().put("/sys/kernel/mm/ksm/run", "1\n");
    // GRUB takes the entry out as it boots it.
    let block = host.path("boot/grub/grubenv");
    let text = std::fs::read_to_string(&block).expect("there");
    let text = grub_environment::set(&text, "next_entry", None).expect("it is a block");
    std::fs::write(&block, text).expect("written");
}

/// A run that stands before its restart.
fn before_restart(host: &Host, net: &Told) -> (Plan, String) {
    let plan = with_reboot(host);
    assert_eq!(vmwright_plan::lint(&plan), []);
    let approved = host.approver.approve(&plan);
    let report = host.apply(&plan, &approved, &mut hooks(net)).expect("begun");
    assert_eq!(report.state, RunState::Rebooting, "{report:?}");
    assert_eq!(host.system().read_plain("/rebooted"), "1", "the host was told to restart");
    assert_eq!(tries(host), [Some("0".to_owned()), Some("1".to_owned())]);
    (plan, report.run)
}

#[test]
fn a_run_goes_on_behind_the_restart() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let (plan, run) = before_restart(&host, &net);
    let text = std::fs::read_to_string(unit(&host, &run)).expect("the unit is there");
    assert!(text.contains(&format!("\"revert\" \"{run}\"")), "{text}");
    // Nothing else is begun meanwhile, and it does not go on before the restart.
    let again = host.apply(&plan, &host.approver.approve(&plan), &mut hooks(&net)).expect_err("it waits");
    assert!(matches!(&again, ApplyError::Restarting(waits) if *waits == run), "{again}");
    let resume = |rules: Rules| {
        let mut hooks = Hooks { rules, ..hooks(&net) };
        host.context(&mut hooks, |context| resume_run(&run, &plan, context))
    };
    let early = resume(Rules::default()).expect_err("not yet");
    assert!(matches!(early, ResumeError::NotRestarted(_)), "{early}");
    restarted(&host, &run);
    let left = net::awaiting(&host.state(), &run).expect("read").expect("it waits");
    assert_eq!((left.restarted, left.applied), (Some(true), false));
    let report = resume(Rules::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert!(report.steps.iter().all(|step| step.state == StepState::Applied), "{report:?}");
    assert!(!unit(&host, &run).exists(), "nothing waits any more");
    assert_eq!(tries(&host), [None, None], "it boots like this from now on");
    assert!(matches!(resume(Rules::default()), Err(ResumeError::NotWaiting(_))));
    assert_eq!(net::awaiting(&host.state(), &run).expect("read"), None, "it is confirmed too");
    let undone = host.undo(&run, &mut hooks(&net)).expect("begun");
    assert_eq!(undone.state, RunState::Undone, "{undone:?}");
    host.system().remove("/rebooted");
    assert_eq!(host.look(), before);
}

#[test]
fn what_the_boot_did_not_settle_is_taken_back() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let (plan, run) = before_restart(&host, &net);
    restarted(&host, &run);
    let mut hooks = Hooks { rules: Rules { firing: vec!["iommu/disabled"] }, ..hooks(&net) };
    let report = host.context(&mut hooks, |context| resume_run(&run, &plan, context)).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    assert_eq!(report.stopped.expect("stopped").why, "iommu/disabled still fires");
    assert!(!unit(&host, &run).exists());
    host.system().remove("/rebooted");
    assert_eq!(host.look(), before);
}

#[test]
fn a_host_that_came_up_by_the_entry_from_before_is_told_and_taken_back() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let (plan, run) = before_restart(&host, &net);
    restarted(&host, &run);
    host.system().put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz ro quiet vmwright.before=1\n");
    let report = host.context(&mut hooks(&net), |context| resume_run(&run, &plan, context)).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    let why = report.stopped.expect("stopped").why;
    assert!(why.contains("booted the entry from before"), "{why}");
    assert_eq!(tries(&host), [None, None]);
    host.system().put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz ro quiet\n");
    host.system().remove("/rebooted");
    assert_eq!(host.look(), before);
}

#[test]
fn a_restart_that_nobody_follows_is_taken_back() {
    let (host, net) = (Host::new(), Told(0));
    let before = host.look();
    let (_, run) = before_restart(&host, &net);
    // Before the restart the time does not run.
    let early = host.context(&mut hooks(&net), |context| revert_run(&run, context));
    assert!(early.is_err(), "{early:?}");
    restarted(&host, &run);
    host.system().remove("/rebooted");
    let report = host.context(&mut hooks(&net), |context| revert_run(&run, context)).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    assert_eq!(host.system().read_plain("/rebooted"), "1", "and restarted, so that it is as before");
    assert!(!unit(&host, &run).exists());
    host.system().remove("/rebooted");
    assert_eq!(host.look(), before);
}

/// A run that waits until somebody restarts the host.
fn awaiting(host: &Host, net: &Told) -> (Plan, String) {
    let plan = that_ends(host, Action::AwaitReboot { left: None });
    assert_eq!(vmwright_plan::lint(&plan), []);
    let report = host.apply(&plan, &host.approver.approve(&plan), &mut hooks(net)).expect("begun");
    assert_eq!((report.state, report.confirm_within), (RunState::AwaitingReboot, Some(net.0)));
    assert_eq!(host.system().read_plain("/rebooted"), "", "nothing is restarted");
    assert_eq!(report.steps.last().map(|step| &step.state), Some(&StepState::Planned), "it is to come");
    assert!(unit(host, &report.run).is_file(), "it waits in the next boot");
    assert_eq!(tries(host), [Some("0".to_owned()), Some("1".to_owned())]);
    (plan, report.run)
}

#[test]
fn a_restart_that_somebody_else_does_is_waited_for() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let (plan, run) = awaiting(&host, &net);
    let again = host.apply(&plan, &host.approver.approve(&plan), &mut hooks(&net)).expect_err("it waits");
    assert!(matches!(&again, ApplyError::Restarting(waits) if *waits == run), "{again}");
    restarted(&host, &run);
    let untried = host.context(&mut hooks(&net), |context| keep_untried(&run, &plan, context));
    assert!(matches!(untried, Err(ResumeError::Restarts(_))), "it was restarted: {untried:?}");
    let report = host.context(&mut hooks(&net), |context| resume_run(&run, &plan, context)).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert_eq!(tries(&host), [None, None], "it boots like this from now on");
    assert!(!unit(&host, &run).exists());
    assert_eq!(host.undo(&run, &mut hooks(&net)).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

#[test]
fn what_waits_for_a_restart_is_taken_back_where_nobody_goes_on_and_restarts_nothing() {
    let (host, net) = (Host::new(), Told(0));
    let before = host.look();
    let (_, run) = awaiting(&host, &net);
    let early = host.context(&mut hooks(&net), |context| revert_run(&run, context));
    assert!(early.is_err(), "before the restart the time does not run: {early:?}");
    restarted(&host, &run);
    let report = host.context(&mut hooks(&net), |context| revert_run(&run, context)).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    assert_eq!(host.system().read_plain("/rebooted"), "", "nobody approved that");
    assert!(!unit(&host, &run).exists());
    assert_eq!(host.look(), before);
}

#[test]
fn what_waits_for_a_restart_may_stay_untried_or_be_undone_before_it() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let (plan, run) = awaiting(&host, &net);
    assert_eq!(host.undo(&run, &mut hooks(&net)).expect("begun").state, RunState::Undone);
    assert!(!unit(&host, &run).exists());
    assert_eq!(host.look(), before);
    let (_, run) = awaiting(&host, &net);
    let report = host.context(&mut hooks(&net), |context| keep_untried(&run, &plan, context)).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert_eq!(tries(&host), [None, None], "the boot loader tries nothing any more");
    assert!(!unit(&host, &run).exists());
    assert_eq!(net::awaiting(&host.state(), &run).expect("read"), None);
    assert_eq!(host.undo(&run, &mut hooks(&net)).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
    // A restart of the run's own comes at once, and is not to be waited for.
    let (plan, run) = before_restart(&host, &net);
    let own = host.context(&mut hooks(&net), |context| keep_untried(&run, &plan, context));
    assert!(matches!(own, Err(ResumeError::Restarts(_))), "{own:?}");
}

#[test]
fn what_may_not_stay_untried_is_taken_back() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let (plan, run) = awaiting(&host, &net);
    // Somebody has chosen another entry since, so that vmwright does not end the trial.
    let block = host.path("boot/grub/grubenv");
    let choose = |entry: &str| {
        let text = std::fs::read_to_string(&block).expect("there");
        let text = grub_environment::set(&text, "next_entry", Some(entry)).expect("it is a block");
        std::fs::write(&block, text).expect("written");
    };
    choose("7");
    let report = host.context(&mut hooks(&net), |context| keep_untried(&run, &plan, context)).expect("begun");
    assert_eq!(report.state, RunState::UndoIncomplete, "{report:?}");
    let stopped = report.stopped.expect("stopped");
    assert!(stopped.step == 3 && stopped.why.contains("next_entry"), "{stopped:?}");
    let left: Vec<usize> = report.not_undone.iter().map(|left| left.step).collect();
    assert_eq!(left, [3], "all but the trial is as before: {:?}", report.not_undone);
    assert_eq!(tries(&host), [Some("7".to_owned()), Some("1".to_owned())], "their choice stays");
    assert!(!unit(&host, &run).exists(), "nothing waits any more");
    assert_eq!(net::awaiting(&host.state(), &run).expect("read"), None);
    choose("0");
    assert_eq!(host.undo(&run, &mut hooks(&net)).expect("begun").state, RunState::Undone);
    assert_eq!(host.look(), before);
}

#[test]
fn a_crash_on_the_way_to_the_restart_leaves_nothing_that_cannot_be_undone() {
    let (host, net) = (Host::new(), Told(300));
    let before = host.look();
    let plan = with_reboot(&host);
    let approved = host.approver.approve(&plan);
    for point in [Point::AfterDo(2), Point::BeforeIntent(4), Point::AfterIntent(4), Point::AfterDo(4)] {
        let mut crash = Hooks { net: Some(&net), ..Hooks::crash_at(point) };
        let error = host.apply(&plan, &approved, &mut crash).expect_err("it crashes");
        let ApplyError::Injected { run, .. } = error else { panic!("{point:?}: {error}") };
        assert_eq!(host.undo(&run, &mut hooks(&net)).expect("begun").state, RunState::Undone, "{point:?}");
        assert!(!unit(&host, &run).exists(), "{point:?}");
        assert_eq!(host.look(), before, "{point:?}");
    }
}

#[test]
fn without_anybody_who_waits_nothing_is_restarted() {
    let host = Host::new();
    let before = host.look();
    let plan = with_reboot(&host);
    let report = host.apply(&plan, &host.approver.approve(&plan), &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Undone, "{report:?}");
    assert!(report.stopped.expect("stopped").why.contains("nothing would wait"), "{before:?}");
    assert_eq!(host.look(), before);
}
