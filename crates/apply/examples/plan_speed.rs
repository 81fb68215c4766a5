//! How long plans take: made of many findings and shown, and carried out beside the bare actions.
//!
//! `cargo run --release -p vmwright-apply --example plan_speed`; `cargo xtask bench plan` calls it. The least of several
//! rounds is printed, which other programs disturb least.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use vmwright_apply::approval::{SSH_KEYGEN, sign_with};
use vmwright_apply::{
    Approved, Ask, Check, Context, Live, MachineError, MachineRecord, Machines, Seat, apply, undo_run, verify,
};
use vmwright_model::plan::{APPROVAL_SCHEMA, Settles};
use vmwright_model::{
    Action, Applicability, Approval, Disruption, Finding, Fix, Level, Plan, RunState, Subject, SubjectKind,
};
use vmwright_plan::{fix, lint, plan_id, preview};

/// Findings of one plan.
const FINDINGS: usize = 1000;

/// Steps of one run.
const STEPS: usize = 200;

const ROUNDS: usize = 9;

fn main() {
    let findings: Vec<Finding> = (0..FINDINGS).map(finding).collect();
    let shown = least(|| {
        let plan = fix(&findings, "h", Some("web"), true);
        assert_eq!(lint(&plan), []);
        let text = preview(&plan).to_text();
        assert!(text.len() > FINDINGS * 20, "every step is shown");
    });
    println!("{FINDINGS} findings: planned, checked and shown in {shown:.1?} (bar 50 ms)");

    let host = Host::new();
    let (plan, approved) = host.approved();
    let mut runs = Vec::new();
    let whole = least(|| runs.push(host.apply(&plan, &approved)));
    for run in &runs {
        fs::remove_file(host.state.join("runs").join(format!("{run}.jsonl"))).expect("its log is there");
    }
    let bare = least(|| host.bare(false));
    let durable = least(|| host.bare(true));
    let each = |time: Duration| time / STEPS as u32;
    println!(
        "{STEPS} steps: {:.1?} each; the bare action {:.1?}, with two durable writes {:.1?}",
        each(whole),
        each(bare),
        each(durable)
    );
    println!(
        "the executor's own part: {:.1?} a step besides the action and its writes (bar 5 ms)",
        each(whole.saturating_sub(durable))
    );
}

fn least(mut work: impl FnMut()) -> Duration {
    let time = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..ROUNDS).map(|_| time(&mut work)).min().unwrap_or_default()
}

/// One of many findings: some want what others want, as on a real host.
fn finding(n: usize) -> Finding {
    let path = format!("/srv/images/{}", n / 4 * 3 + n % 4 % 3);
    let actions = vec![
        Action::FileMode { path: "/srv/images".into(), from: 0o700, to: 0o711 },
        Action::FileMode { path, from: 0o600, to: 0o640 },
    ];
    Finding {
        rule: format!("access/rule-{}", n % 40),
        subject: Subject::new(SubjectKind::Vm, format!("vm{n}")),
        level: Level::Error,
        title: "QEMU cannot read the image".into(),
        support: Vec::new(),
        confidence: 0.9,
        fix: Fix {
            summary: format!("let QEMU read the image of vm{n}"),
            actions,
            applicability: Applicability::NeedsApproval,
            disruption: Disruption::None,
        },
        escalation: None,
        controls: Vec::new(),
    }
}

/// A throw-away host.
struct Host {
    dir: tempfile::TempDir,
    state: PathBuf,
}

struct Nothing;

impl Machines for Nothing {
    fn running(&self, name: &str) -> Result<bool, MachineError> {
        Err(MachineError(format!("there is no machine {name}")))
    }

    fn record(&self, _: &str) -> Result<Option<MachineRecord>, MachineError> {
        Ok(None)
    }

    fn create(&self, name: &str, _: &str, _: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn delete(&self, name: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn start(&self, name: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn migrate(&self, name: &str, _: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn stop(&self, name: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }
}

impl Check for Nothing {
    fn settled(&self, _: &[Settles]) -> Result<(), String> {
        Ok(())
    }
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("state");
        for n in 0..STEPS {
            let path = dir.path().join(format!("f{n}"));
            fs::write(&path, "").expect("written");
            chmod(&path, 0o600);
        }
        Self { dir, state }
    }

    fn approved(&self) -> (Plan, Approved) {
        let (config, key) = (self.dir.path().join("config"), self.dir.path().join("key"));
        fs::create_dir(&config).expect("made");
        let made = Command::new(SSH_KEYGEN).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.expect("ssh-keygen is there").success());
        let public = fs::read_to_string(key.with_extension("pub")).expect("there");
        fs::write(config.join("allowed_signers"), format!("ana {public}")).expect("written");
        chmod(&config.join("allowed_signers"), 0o644);
        chmod(&config, 0o755);
        let mut plan = fix(&[], "h", Some("web"), true);
        let step = plan.steps.remove(0);
        plan.steps = (0..STEPS)
            .map(|n| {
                let path = self.dir.path().join(format!("f{n}")).display().to_string();
                let action = Action::FileMode { path, from: 0o600, to: 0o640 };
                vmwright_model::Step { action, disruption: Disruption::None, ..step.clone() }
            })
            .collect();
        let id = plan_id(&plan);
        let approval = Approval {
            schema: APPROVAL_SCHEMA.into(),
            plan: id.clone(),
            host_id: "h".into(),
            ceiling: Disruption::None,
            expires: i64::MAX,
            principal: "ana".into(),
        };
        sign_with(&approval, Seat::First, &key, &self.state, Path::new(SSH_KEYGEN)).expect("signed");
        let ask = Ask { plan: &id, host_id: "h", disruption: Disruption::None, now: 1, two: false };
        let approved = verify(&ask, &self.state, &config).expect("verified");
        (plan, approved)
    }

    /// One run, and back again; the way back is measured too, because there is no other way to begin anew.
    fn apply(&self, plan: &Plan, approved: &Approved) -> String {
        let mut nothing = |_| ();
        let mut context = Context {
            state: &self.state,
            host_id: "h",
            machines: &Nothing,
            system: &Live,
            net: None,
            check: &Nothing,
            progress: &mut nothing,
            fault: None,
            interrupted: &AtomicBool::new(false),
        };
        let report = apply(plan, approved, &mut context).expect("begun");
        assert_eq!(report.state, RunState::Applied);
        let undone = undo_run(&report.run, &mut context).expect("begun");
        assert_eq!(undone.state, RunState::Undone);
        report.run
    }

    /// The same changes there and back, with or without two durable lines a step and way.
    fn bare(&self, durable: bool) {
        let mut log = fs::File::create(self.dir.path().join("log")).expect("made");
        let line = [b'x'; 200];
        for mode in [0o640, 0o600] {
            for n in 0..STEPS {
                for _ in 0..if durable { 2 } else { 0 } {
                    log.write_all(&line).and_then(|()| log.sync_data()).expect("written");
                }
                chmod(&self.dir.path().join(format!("f{n}")), mode);
            }
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}
