//! The guards of a run that waits for its confirmation: processes that outlive the connection which the run was started
//! over, and take the run back when nobody confirms it.
//!
//! Where systemd runs, it keeps the guard alive. Elsewhere two of them keep each other alive: each holds a lock while it
//! lives, and starts the other anew where that one's lock is free. Where all are gone, the deadline is still in the run's
//! log: `vmwright recover` tells of it and starts them anew, and nothing else is applied until the run is confirmed or taken back.

use crate::implementation::revert;
use crate::{Environment, Error, Outcome, Progress};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_apply::net::awaiting;
use vmwright_apply::{Net, UndoError, Waiting};

/// How often a guard looks.
const LOOK: Duration = Duration::from_millis(250);

/// How long whoever applies waits for its guards: starting a process takes milliseconds.
const START: Duration = Duration::from_secs(10);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    /// The first.
    First,
    /// The second.
    Second,
}

impl Watch {
    fn name(self) -> &'static str {
        match self {
            Watch::First => "first",
            Watch::Second => "second",
        }
    }

    fn other(self) -> Self {
        match self {
            Watch::First => Watch::Second,
            Watch::Second => Watch::First,
        }
    }
}

/// Guards of this host.
pub(crate) struct Guards<'a> {
    pub(crate) environment: &'a Environment,
    /// How long somebody has to confirm, in seconds.
    pub(crate) seconds: u64,
}

impl Net for Guards<'_> {
    fn after_boot(&self, run: &str) -> Result<Waiting, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let (program, state) = (word(&program)?, word(&self.environment.state)?);
        let command = |words: &[&str]| {
            let all = [program.as_str(), "--state", state.as_str()];
            all.iter().chain(words).map(|word| (*word).to_owned()).collect::<Vec<String>>()
        };
        Ok(Waiting {
            report: command(&["recover"]),
            guard: command(&["revert", run, "--watch", Watch::First.name()]),
            environment: vec![("VMWRIGHT_CONFIG".to_owned(), word(&self.environment.config)?)],
        })
    }

    fn seconds(&self) -> u64 {
        self.seconds
    }

    fn spread(&self, run: &str) -> Result<(), String> {
        let place = Place::of(run, self.environment).map_err(|error| error.to_string())?;
        // sd_booted(3).
        if Path::new("/run/systemd/system").is_dir() {
            place.under_systemd(self.environment)?;
        } else {
            place.start(Watch::First, self.environment).map_err(|error| error.to_string())?;
        }
        let begun = Instant::now();
        while place.is_free(Watch::First) {
            if begun.elapsed() > START {
                return Err("the guard did not come up".to_owned());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Starts the guards of a run anew where all are gone, as after a kill of both in one moment. Whether that was so.
pub(crate) fn revive(run: &str, environment: &Environment) -> bool {
    let Ok(place) = Place::of(run, environment) else { return false };
    let gone = place.is_free(Watch::First) && place.is_free(Watch::Second);
    gone && Guards { environment, seconds: 0 }.spread(run).is_ok()
}

/// A path as a word of a command line.
fn word(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

/// Where the guards of a run keep their locks.
struct Place {
    run: String,
    folder: PathBuf,
}

impl Place {
    fn of(run: &str, environment: &Environment) -> io::Result<Self> {
        let folder = environment.path("guards");
        fs::create_dir_all(&folder)?;
        Ok(Self { run: run.to_owned(), folder })
    }

    fn path(&self, watch: Watch) -> PathBuf {
        self.folder.join(format!("{}.{}", self.run, watch.name()))
    }

    /// The lock of a guard, if nobody holds it.
    fn lock(&self, watch: Watch) -> Option<File> {
        let mut options = OpenOptions::new();
        let file =
            options.create(true).truncate(false).write(true).mode(0o600).open(self.path(watch)).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file)
    }

    fn is_free(&self, watch: Watch) -> bool {
        self.lock(watch).is_some()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>, environment: &Environment) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("VMWRIGHT_CONFIG", &environment.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn arguments(&self, watch: Watch, environment: &Environment) -> Vec<std::ffi::OsString> {
        let state = environment.state.clone().into_os_string();
        vec![
            "--state".into(),
            state,
            "revert".into(),
            self.run.clone().into(),
            "--watch".into(),
            watch.name().into(),
        ]
    }

    fn start(&self, watch: Watch, environment: &Environment) -> io::Result<Child> {
        // The program as it runs, also where its file was replaced since.
        self.command("/proc/self/exe", environment).args(self.arguments(watch, environment)).spawn()
    }

    /// A transient service, which systemd starts anew where it is killed.
    fn under_systemd(&self, environment: &Environment) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = self
            .command("/usr/bin/systemd-run", environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .args(["--quiet", "--collect", "--property=Restart=on-failure"])
            .arg(format!("--unit=vmwright-guard-{}", self.run))
            .arg(format!("--setenv=VMWRIGHT_CONFIG={}", environment.config.display()))
            .arg(program)
            .args(self.arguments(Watch::First, environment))
            .output()
            .map_err(|error| format!("systemd-run: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("systemd-run: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    fn remove(&self) {
        for watch in [Watch::First, Watch::Second] {
            // They are empty; whoever finds one left over is not misled by it.
            let _ = fs::remove_file(self.path(watch));
        }
    }
}

/// Waits for the deadline of a run, and takes it back where nobody has confirmed it by then.
pub(crate) fn watch(
    run: &str,
    watch: Watch,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    // The terminal's end, and what ends all processes of a login, are not for this one. It fails where it leads one
    // already, as under systemd.
    let _ = rustix::process::setsid();
    let fail = |source| Error::File { path: environment.path("guards"), source };
    let place = Place::of(run, environment).map_err(fail)?;
    // Whoever looks whether it is free holds it for a moment.
    let held = (0..40).find_map(|_| {
        let lock = place.lock(watch);
        if lock.is_none() {
            thread::sleep(Duration::from_millis(25));
        }
        lock
    });
    let Some(_held) = held else {
        return Ok(Outcome::Watched { run: run.to_owned(), reverted: false });
    };
    let mut other: Option<Child> = None;
    loop {
        let state = awaiting(&environment.state, run)
            .map_err(|error| Error::Undo(Box::new(UndoError::Log(error))))?;
        let Some(state) = state else {
            place.remove();
            return Ok(Outcome::Watched { run: run.to_owned(), reverted: false });
        };
        if state.left.is_none() {
            match revert(run, environment, progress) {
                // The run, or the other guard, has the lock; or it was confirmed in this moment.
                Err(Error::Undo(error)) if matches!(*error, UndoError::Log(_) | UndoError::NotDue(_)) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    place.remove();
                    return Ok(Outcome::Watched { run: run.to_owned(), reverted: true });
                }
            }
        }
        if place.is_free(watch.other()) {
            if let Some(mut gone) = other.take() {
                // It has ended; this only lets the kernel forget it.
                let _ = gone.wait();
            }
            // Where no process can be started now, the next look tries again.
            other = place.start(watch.other(), environment).ok();
            // Time to take its lock, so that it is not started twice.
            thread::sleep(LOOK);
        }
        thread::sleep(LOOK);
    }
}
