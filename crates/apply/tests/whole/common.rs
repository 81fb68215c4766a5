//! A small host to act on: machines whose state is a file each, rules that can be told to fire, a person with a key.

use crate::system::MadeUp;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;
use vmwright_apply::approval::{SSH_KEYGEN, sign_with};
use vmwright_apply::{
    ApplyError, Approved, Ask, Check, Context, Event, Fault, Interrupted, MachineError, MachineRecord,
    MachineState, Machines, Plugged, Point, Presence, RunReport, Seat, Standing, UndoError, apply, recover,
    undo_run, verify,
};
use vmwright_model::plan::{APPROVAL_SCHEMA, DomainEdit, PLAN_SCHEMA, QmpValue, Settles};
use vmwright_model::{Action, Approval, Disruption, Plan, Step, Subject, SubjectKind};
use vmwright_plan::target::least_disruption;
use vmwright_plan::{disruption, plan_id};

pub(crate) const HOST: &str = "host-1";
pub(crate) const SPEC: &str = "name = \"web\" # the shop\n\n[cpu]\ncount = 2\nmodel = \"host\"  # fast\n";

/// Where a host lies: its own directory, or that of another process.
pub(crate) enum Place {
    Own(TempDir),
    Other(PathBuf),
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Place::Own(dir) => dir.path(),
            Place::Other(path) => path,
        }
    }
}

/// A throw-away host, below one directory.
pub(crate) struct Host {
    pub(crate) dir: Place,
    pub(crate) approver: Approver,
}

/// Machines that run where a file of their name exists. Several processes may look at them.
pub(crate) struct FileMachines(PathBuf);

impl Machines for FileMachines {
    fn running(&self, name: &str) -> Result<bool, MachineError> {
        Ok(self.0.join(name).exists())
    }

    fn record(&self, name: &str) -> Result<Option<MachineRecord>, MachineError> {
        let Ok(text) = std::fs::read_to_string(self.0.join(format!("{name}.record"))) else {
            return Ok(None);
        };
        let (backend, text) = text.split_once('\n').unwrap_or((&text, ""));
        Ok(Some(MachineRecord {
            backend: backend.to_owned(),
            text: text.to_owned(),
            state: MachineState::Whole,
        }))
    }

    fn create(&self, name: &str, backend: &str, text: &str) -> Result<(), MachineError> {
        std::fs::write(self.0.join(format!("{name}.record")), format!("{backend}\n{text}"))
            .map_err(|error| MachineError(error.to_string()))
    }

    fn delete(&self, name: &str) -> Result<(), MachineError> {
        if self.running(name)? {
            return Err(MachineError("it runs".into()));
        }
        std::fs::remove_file(self.0.join(format!("{name}.record")))
            .map_err(|error| MachineError(error.to_string()))
    }

    fn start(&self, name: &str) -> Result<(), MachineError> {
        if self.0.join(format!("{name}.broken")).exists() {
            return Err(MachineError("it does not start".into()));
        }
        std::fs::write(self.0.join(name), "").map_err(|error| MachineError(error.to_string()))
    }

    fn migrate(&self, name: &str, to: &str) -> Result<(), MachineError> {
        if to.ends_with("nobody") {
            return Err(MachineError("nobody waits for it there".into()));
        }
        std::fs::remove_file(self.0.join(name)).map_err(|error| MachineError(error.to_string()))
    }

    /// A domain is a file with a line for each place that is set.
    fn domain(&self, _: &str, domain: &str, edits: &[DomainEdit]) -> Result<Standing, MachineError> {
        let text = std::fs::read_to_string(self.0.join(format!("{domain}.domain")))
            .map_err(|error| MachineError(error.to_string()))?;
        let is = |after: bool| {
            edits.iter().all(|edit| {
                let DomainEdit::Attribute { path, name, from, to } = edit else { return false };
                let found = text.lines().find_map(|line| line.strip_prefix(&format!("{path}/@{name}=")));
                found == if after { to } else { from }.as_deref()
            })
        };
        Ok(match (is(false), is(true)) {
            (true, _) => Standing::Before,
            (_, true) => Standing::After,
            _ => Standing::Neither("a place is another".into()),
        })
    }

    fn edit_domain(&self, _: &str, domain: &str, edits: &[DomainEdit]) -> Result<(), MachineError> {
        let file = self.0.join(format!("{domain}.domain"));
        let mut text = std::fs::read_to_string(&file).map_err(|error| MachineError(error.to_string()))?;
        for edit in edits {
            let DomainEdit::Attribute { path, name, to, .. } = edit else { continue };
            let own = format!("{path}/@{name}=");
            text =
                text.lines().filter(|line| !line.starts_with(&own)).map(|line| format!("{line}\n")).collect();
            if let Some(to) = to {
                text.push_str(&format!("{own}{to}\n"));
            }
        }
        std::fs::write(file, text).map_err(|error| MachineError(error.to_string()))
    }

    /// The devices of a domain are a line each of two files: of the running one, and of what it is started from.
    fn device(&self, _: &str, domain: &str, device: &str) -> Result<Plugged, MachineError> {
        let key = vmwright_plan::device_name(device);
        let of = |file: &str| {
            let text = std::fs::read_to_string(self.0.join(format!("{domain}.{file}"))).unwrap_or_default();
            match text.lines().find(|line| vmwright_plan::device_name(line) == key) {
                None => Presence::Absent,
                Some(line) if line == device => Presence::There,
                Some(line) => Presence::Other(line.to_owned()),
            }
        };
        Ok(Plugged { running: self.running(domain)?, live: of("live"), kept: of("kept") })
    }

    /// One whose guest is busy stops half way: behind the running domain.
    fn plug(
        &self,
        _: &str,
        domain: &str,
        device: &str,
        away: bool,
        (live, kept): (bool, bool),
    ) -> Result<(), MachineError> {
        for (file, wanted) in [("live", live), ("kept", kept)] {
            if file == "kept" && kept && std::fs::remove_file(self.0.join(format!("{domain}.busy"))).is_ok() {
                return Err(MachineError("the guest is busy".into()));
            }
            let path = self.0.join(format!("{domain}.{file}"));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let mut lines: Vec<&str> = text.lines().filter(|line| *line != device).collect();
            if !away {
                lines.push(device);
            }
            if wanted {
                let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
                std::fs::write(path, text).map_err(|error| MachineError(error.to_string()))?;
            }
        }
        Ok(())
    }

    fn value(&self, name: &str, _: &QmpValue) -> Result<u64, MachineError> {
        if self.0.join(format!("{name}.moved")).exists() {
            return Err(MachineError("its QEMU is gone".into()));
        }
        let text = std::fs::read_to_string(self.0.join(format!("{name}.value")));
        text.ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| MachineError("QEMU does not tell it".into()))
    }

    fn set_value(&self, name: &str, _: &QmpValue, to: u64) -> Result<(), MachineError> {
        // A migration that ends as soon as its limit is raised.
        let _ = std::fs::rename(self.0.join(format!("{name}.moves")), self.0.join(format!("{name}.moved")));
        std::fs::write(self.0.join(format!("{name}.value")), to.to_string())
            .map_err(|error| MachineError(error.to_string()))
    }

    fn moved(&self, name: &str) -> Result<Option<String>, MachineError> {
        Ok(std::fs::read_to_string(self.0.join(format!("{name}.moved"))).ok())
    }

    fn stop(&self, name: &str) -> Result<(), MachineError> {
        if self.0.join(format!("{name}.stuck")).exists() {
            return Err(MachineError("it does not stop".into()));
        }
        std::fs::remove_file(self.0.join(name)).map_err(|error| MachineError(error.to_string()))
    }
}

/// Rules that are quiet, but for those named.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) firing: Vec<&'static str>,
}

impl Check for Rules {
    fn settled(&self, settles: &[Settles]) -> Result<(), String> {
        match settles.iter().find(|settles| self.firing.contains(&settles.rule.as_str())) {
            Some(settles) => Err(format!("{} still fires", settles.rule)),
            None => Ok(()),
        }
    }
}

/// A person with a key, and the list that allows it.
pub(crate) struct Approver {
    pub(crate) config: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) state: PathBuf,
}

pub(crate) fn keygen(path: &Path) -> String {
    let status = Command::new(SSH_KEYGEN)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(status.expect("ssh-keygen is there").success());
    std::fs::read_to_string(path.with_extension("pub")).expect("the public key")
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

pub(crate) fn mkdir(path: &Path) {
    std::fs::create_dir_all(path).expect("made");
    chmod(path, 0o755);
}

impl Approver {
    pub(crate) fn new(dir: &Path, state: &Path) -> Self {
        let (config, key) = (dir.join("config"), dir.join("key"));
        mkdir(&config);
        let public = keygen(&key);
        std::fs::write(config.join("allowed_signers"), format!("ana@example {public}")).expect("written");
        chmod(&config.join("allowed_signers"), 0o644);
        Self { config, key, state: state.to_owned() }
    }

    pub(crate) fn approval(&self, plan: &Plan) -> Approval {
        Approval {
            schema: APPROVAL_SCHEMA.into(),
            plan: plan_id(plan),
            host_id: HOST.into(),
            ceiling: disruption(plan),
            expires: i64::MAX,
            principal: "ana@example".into(),
        }
    }

    pub(crate) fn approve(&self, plan: &Plan) -> Approved {
        sign_with(&self.approval(plan), Seat::First, &self.key, &self.state, Path::new(SSH_KEYGEN))
            .expect("signed");
        let id = plan_id(plan);
        let ask = Ask { plan: &id, host_id: HOST, disruption: disruption(plan), now: 1, two: false };
        verify(&ask, &self.state, &self.config).expect("verified")
    }
}

pub(crate) fn step(action: Action, rule: Option<&str>) -> Step {
    let subject = Subject::new(SubjectKind::Other, "thing");
    Step {
        subject: subject.clone(),
        disruption: least_disruption(&action),
        action,
        why: "because".into(),
        settles: rule.map(|rule| Settles { rule: rule.into(), subject }).into_iter().collect(),
    }
}

pub(crate) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        schema: PLAN_SCHEMA.into(),
        title: "a test".into(),
        host_id: HOST.into(),
        vm: Some("web".into()),
        steps,
        left: Vec::new(),
        complaint: String::new(),
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::below(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn below(dir: TempDir) -> Self {
        for name in ["machines", "srv", "srv/images", "etc", "etc/default", "boot", "boot/grub"] {
            mkdir(&dir.path().join(name));
        }
        chmod(&dir.path().join("srv/images"), 0o700);
        std::fs::write(dir.path().join("srv/images/disk"), "disk").expect("written");
        chmod(&dir.path().join("srv/images/disk"), 0o600);
        std::fs::write(dir.path().join("web.toml"), SPEC).expect("written");
        chmod(&dir.path().join("web.toml"), 0o644);
        std::fs::write(dir.path().join("machines/old"), "").expect("written");
        std::fs::write(dir.path().join("machines/theirs.domain"), "vcpu[1]/@placement=static\n")
            .expect("written");
        std::fs::write(dir.path().join("machines/theirs.live"), "").expect("written");
        std::fs::write(dir.path().join("machines/theirs.kept"), "").expect("written");
        std::fs::write(dir.path().join("machines/web.value"), "0").expect("written");
        let grub = "# For update-grub\nGRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n";
        std::fs::write(dir.path().join("etc/default/grub"), grub).expect("written");
        let made = "menuentry 'Linux' {\n\tlinux /vmlinuz root=/dev/sda1 ro quiet\n}\n";
        std::fs::write(dir.path().join("boot/grub/grub.cfg"), made).expect("written");
        chmod(&dir.path().join("boot/grub/grub.cfg"), 0o444);
        let block = format!("{:#<1024}", "# GRUB Environment Block\nsaved_entry=0\n");
        std::fs::write(dir.path().join("boot/grub/grubenv"), block).expect("written");
        std::fs::write(dir.path().join("boot/initrd"), "initramfs").expect("written");
        MadeUp::make(&dir.path().join("system"));
        let state = dir.path().join("state");
        let approver = Approver::new(dir.path(), &state);
        Self { dir: Place::Own(dir), approver }
    }

    /// The host that another process made.
    pub(crate) fn opened(dir: &Path) -> Self {
        let approver =
            Approver { config: dir.join("config"), key: dir.join("key"), state: dir.join("state") };
        Self { dir: Place::Other(dir.to_owned()), approver }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.approver.state.clone()
    }

    pub(crate) fn machines(&self) -> FileMachines {
        FileMachines(self.dir.path().join("machines"))
    }

    pub(crate) fn system(&self) -> MadeUp {
        MadeUp(self.dir.path().join("system"))
    }

    /// A plan with every kind of action that needs no root.
    pub(crate) fn plan(&self) -> Plan {
        let mode = |name: &str, from, to| Action::FileMode { path: self.path(name), from, to };
        let edit = |key: &str, from: Option<&str>, to: Option<&str>| Action::EditSpec {
            path: self.path("web.toml"),
            key: key.into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
        };
        plan(vec![
            step(Action::MachineStop { machine: "old".into() }, Some("storage/image-locked")),
            step(mode("srv/images", 0o700, 0o711), None),
            step(mode("srv/images/disk", 0o600, 0o640), Some("access/path-not-traversable")),
            step(edit("cpu.model", Some("\"host\""), Some("\"max\"")), Some("cpu/model")),
            step(edit("cpu.count", Some("2"), None), None),
            step(edit("accelerator", None, Some("\"tcg\"")), None),
            step(Action::MachineStart { machine: "web".into() }, None),
        ])
    }

    /// Everything that a plan may change, as it is now: contents, modes, owners, and what exists at all.
    pub(crate) fn look(&self) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
        let mut seen = BTreeMap::new();
        let mut todo = vec![self.dir.path().to_owned()];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(&dir).expect("listed") {
                let path = entry.expect("an entry").path();
                if path == self.state() {
                    continue;
                }
                let found = std::fs::symlink_metadata(&path).expect("there");
                let content = if found.is_file() { std::fs::read(&path).expect("read") } else { Vec::new() };
                if found.is_dir() {
                    todo.push(path.clone());
                }
                seen.insert(path.to_string_lossy().into_owned(), (found.mode(), found.uid(), content));
            }
        }
        seen
    }

    pub(crate) fn context<R>(&self, hooks: &mut Hooks<'_>, use_it: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let machines = self.machines();
        let system = self.system();
        let state = self.state();
        let mut nothing = |_: Event| ();
        let mut context = Context {
            state: &state,
            host_id: hooks.host_id,
            machines: &machines,
            system: &system,
            net: hooks.net,
            check: &hooks.rules,
            progress: hooks.progress.as_mut().map_or(&mut nothing, |progress| &mut **progress),
            fault: hooks.fault.as_mut().map(|fault| &mut **fault as &mut dyn FnMut(Point) -> Fault),
            interrupted: &hooks.interrupted,
        };
        use_it(&mut context)
    }

    pub(crate) fn apply(
        &self,
        plan: &Plan,
        approved: &Approved,
        hooks: &mut Hooks<'_>,
    ) -> Result<RunReport, ApplyError> {
        self.context(hooks, |context| apply(plan, approved, context))
    }

    pub(crate) fn undo(&self, run: &str, hooks: &mut Hooks<'_>) -> Result<RunReport, UndoError> {
        self.context(hooks, |context| undo_run(run, context))
    }

    /// As [`Self::apply`], approved, on the real system.
    pub(crate) fn apply_live(&self, plan: &Plan) -> Result<RunReport, ApplyError> {
        let approved = self.approver.approve(plan);
        self.live(|context| apply(plan, &approved, context))
    }

    /// As [`Self::undo`], on the real system.
    pub(crate) fn undo_live(&self, run: &str) -> Result<RunReport, UndoError> {
        self.live(|context| undo_run(run, context))
    }

    fn live<R>(&self, use_it: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let (machines, state, rules) = (self.machines(), self.state(), Rules::default());
        use_it(&mut Context {
            state: &state,
            host_id: HOST,
            machines: &machines,
            system: &vmwright_apply::Live,
            net: None,
            check: &rules,
            progress: &mut |_| (),
            fault: None,
            interrupted: &AtomicBool::new(false),
        })
    }

    pub(crate) fn recover(&self) -> Vec<Interrupted> {
        self.context(&mut Hooks::default(), |context| recover(context)).expect("it can be told")
    }
}

/// What a test does to a run.
pub(crate) struct Hooks<'a> {
    pub(crate) host_id: &'a str,
    pub(crate) rules: Rules,
    pub(crate) net: Option<&'a dyn vmwright_apply::Net>,
    pub(crate) progress: Option<Box<dyn FnMut(Event) + 'a>>,
    pub(crate) fault: Option<Box<dyn FnMut(Point) -> Fault + 'a>>,
    pub(crate) interrupted: AtomicBool,
}

impl Default for Hooks<'_> {
    fn default() -> Self {
        Self {
            host_id: HOST,
            rules: Rules::default(),
            net: None,
            progress: None,
            fault: None,
            interrupted: AtomicBool::new(false),
        }
    }
}

impl<'a> Hooks<'a> {
    pub(crate) fn fault(fault: impl FnMut(Point) -> Fault + 'a) -> Self {
        Self { fault: Some(Box::new(fault)), ..Self::default() }
    }

    pub(crate) fn crash_at(crash: Point) -> Self {
        Self::fault(move |point| if point == crash { Fault::Crash } else { Fault::None })
    }

    pub(crate) fn progress(progress: impl FnMut(Event) + 'a) -> Self {
        Self { progress: Some(Box::new(progress)), ..Self::default() }
    }
}

/// The disruption that nothing exceeds.
pub(crate) const ANYTHING: Disruption = Disruption::HostReboot;

/// Runs the test `name` of this program once more, in other namespaces, with `VMWRIGHT_TEST_CHILD` set. Says why
/// not, where the kernel or the user does not allow them.
pub(crate) fn again_in(namespaces: &[&str], name: &str) -> Result<(), String> {
    let program = std::env::current_exe().expect("a program");
    let works =
        Command::new("unshare").args(namespaces).arg("true").output().map_err(|error| error.to_string())?;
    if !works.status.success() {
        return Err(String::from_utf8_lossy(&works.stderr).trim().to_owned());
    }
    let output = Command::new("unshare")
        .args(namespaces)
        .arg(program)
        .args([name, "--exact", "--nocapture"])
        .env("VMWRIGHT_TEST_CHILD", "1")
        .output()
        .map_err(|error| error.to_string())?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}

pub(crate) fn is_child() -> bool {
    std::env::var_os("VMWRIGHT_TEST_CHILD").is_some()
}
