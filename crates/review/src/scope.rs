//! What a review is about, and the ways to learn of it. The engine implements the traits over the
//! machine's own channels; a test may implement them over anything.

use crate::echo::{self, EchoPlan, Echoed, Held};
use crate::wait::Waited;
use serde_json::{Value, json};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use vmwright_model::machine::Accelerator;
use vmwright_model::{MachineSpec, Missing, Review};

/// The VM under review.
pub struct Scope<'a> {
    /// What was asked for.
    pub spec: &'a MachineSpec,
    /// The agent in the guest.
    pub guest: &'a dyn Guest,
    /// The process that runs the VM.
    pub vmm: &'a dyn Vmm,
    /// The machine that it runs on.
    pub host: &'a dyn Host,
    /// What the rules say of both.
    pub rules: &'a dyn Rules,
    /// What can be done with the VM beyond asking; none where nothing may be.
    pub exercise: Option<&'a dyn Exercise>,
    /// An earlier review of this VM, whose figures are compared with these.
    pub baseline: Option<&'a Review>,
    /// When the review began, RFC 3339, UTC; copied into the report.
    pub began: &'a str,
    /// How long to wait for the agent, where that is not the limit of the accelerator. Giving up before that
    /// limit makes the boot gate unknown, not failed.
    pub patience: Option<Duration>,
}

/// Why the agent gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// No answer: nobody listens, the channel is broken, or the time ran out.
    #[error("the guest does not answer: {0}")]
    Silent(String),
    /// The agent answered with an error, in its own words. Untrusted.
    #[error("the guest refused: {0}")]
    Refused(String),
}

/// An agent that speaks the QEMU guest agent protocol, or what answers in its place. Everything that it says is untrusted.
pub trait Guest {
    /// What answers in the guest, for people.
    fn called(&self) -> &'static str {
        "agent"
    }

    /// Asks, and gives the content of `return`. Bounded in time by the implementation.
    ///
    /// # Errors
    /// [`GuestError`].
    fn execute(&self, command: &str, arguments: Value) -> Result<Value, GuestError>;

    /// A file's first `max` bytes.
    ///
    /// # Errors
    /// [`GuestError`]; a file that does not exist is [`GuestError::Refused`].
    fn file_read(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError>;

    /// So many reads, one after the other, of `bytes` bytes each, of a file that gives others each time.
    ///
    /// # Errors
    /// [`GuestError`].
    fn file_reads(&self, path: &str, bytes: usize, count: usize) -> Result<Vec<Vec<u8>>, GuestError> {
        (0..count).map(|_| self.file_read(path, bytes)).collect()
    }

    /// Runs a program to its end, which must come within `limit`.
    ///
    /// # Errors
    /// [`GuestError`]; a program that does not exist is [`GuestError::Refused`].
    fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Ran, GuestError>;
}

/// A program that ended in the guest. Untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// What it said on standard output.
    pub output: Vec<u8>,
    /// What it said on standard error.
    pub errors: Vec<u8>,
}

/// What the rules of ANALYSIS say of this VM on this host, now.
pub trait Rules {
    /// The verdict of the rule with this id.
    ///
    /// # Errors
    /// Why it could not be asked, a lower-case fragment.
    fn says(&self, rule: &str) -> Result<Says, String>;
}

/// A rule's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// It fired: what is wrong, and quotes with their places.
    Fired(String, Vec<String>),
    /// It has nothing to say against it.
    Quiet,
    /// It cannot tell, and why.
    Unknown(String),
    /// The question does not arise, and why.
    NotApplicable(String),
}

/// The process that runs the VM.
pub trait Vmm {
    /// The answer to a QMP command that only asks (`query-...`).
    ///
    /// # Errors
    /// What went wrong, a lower-case fragment.
    fn query(&self, command: &str) -> Result<Value, String>;

    /// What KVM has counted for this VM so far, by the names of its counters, where the VMM has them from KVM (`query-stats`
    /// of QEMU); empty where it has none.
    fn counters(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// What the guest wrote on its first serial port since power-on, the last megabytes at least. Untrusted.
    ///
    /// # Errors
    /// Why there is none.
    fn serial(&self) -> Result<Vec<u8>, Missing>;

    /// The process itself; none once it has ended.
    fn process(&self) -> Option<Process>;
}

/// A running VMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Time since it was started.
    pub age: Duration,
    /// Its id.
    pub pid: u32,
}

/// To whom a file of the host belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Type and permission bits, `st_mode` of stat(2).
    pub mode: u32,
}

/// Another VM of this host, as far as this one could reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Paths of its disks, and of the sockets that it is controlled by.
    pub files: Vec<String>,
}

/// What a review does with the VM beyond asking. Whatever comes of it, the guest runs on afterwards where it ran before,
/// unless [`Undone::Failed`] says otherwise.
pub trait Exercise {
    /// Moves the running guest, or a copy of it that goes on from its state of this moment, to a second VMM of this host, and
    /// back. `at` is called with the guest that moves, before and after each way.
    ///
    /// # Errors
    /// [`Undone`].
    fn there_and_back(&self, at: &mut dyn FnMut(&dyn Guest)) -> Result<Moved, Undone>;

    /// Plugs a throw-away disk with these bytes and a network card that leads nowhere into the running VM, and unplugs both.
    /// `look` is called in between with the guest and the card's MAC address, in lower case.
    ///
    /// # Errors
    /// [`Undone`].
    fn plugged(&self, bytes: &[u8], look: &mut dyn FnMut(&dyn Guest, &str)) -> Result<Unplugged, Undone>;

    /// Starts a second VM of the same specification on the same networks, with addresses of its own, on copies of its disks,
    /// which the VM stands still for; `look` is called with the second's specification, once its agent answers.
    ///
    /// # Errors
    /// [`Undone`].
    fn beside(&self, look: &mut dyn FnMut(&dyn Guest, &MachineSpec)) -> Result<(), Undone>;

    /// Keeps the guest's state of this moment, and lets VMMs go on from it beside the VM, one after the other, on throw-away
    /// disks and without a network. `look` is called with each, and says whether there has to be another. The VM stands still
    /// meanwhile, or as long as its disks are copied.
    ///
    /// # Errors
    /// [`Undone`].
    fn restored(&self, look: &mut dyn FnMut(&dyn Guest, &dyn Vmm) -> bool) -> Result<Saved, Undone>;

    /// Lays a file with these bytes into a directory of the host that the VM shares. `look` is called with where it lies, and
    /// where the guest may leave one, both below the directory. Gives what the guest has left there, one byte more than was
    /// laid at most; none where it has left nothing. Both are gone afterwards.
    ///
    /// # Errors
    /// [`Undone`].
    fn shared(
        &self,
        directory: &str,
        bytes: &[u8],
        look: &mut dyn FnMut(&str, &str),
    ) -> Result<Option<Vec<u8>>, Undone>;

    /// Listens at a port of the host's side of the VM's vsock while `look` is called with its number, sends these bytes to the
    /// guest if it calls, and gives as many as it sends back; none where it does not call.
    ///
    /// # Errors
    /// [`Undone`].
    fn called(&self, bytes: &[u8], look: &mut dyn FnMut(u32)) -> Result<Option<Vec<u8>>, Undone>;

    /// Runs iperf3's server at an address of the host while `look` is called with its port.
    ///
    /// # Errors
    /// [`Undone`].
    fn iperf3(&self, at: IpAddr, look: &mut dyn FnMut(u16)) -> Result<(), Undone>;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// It was not tried.
    #[error("{0}")]
    Cannot(String),
    /// It was tried, and did not come about.
    #[error("{0}")]
    Failed(String),
}

/// What became of devices that were plugged and unplugged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplugged {
    /// Whether the guest let go of the disk; or why not.
    pub disk: Result<(), String>,
    /// Whether it let go of the card.
    pub card: Result<(), String>,
    /// What the disk holds now.
    pub bytes: Vec<u8>,
    /// Bytes that it took of the host's storage before the guest had it, and afterwards.
    pub stored: (u64, u64),
}

/// A guest that moved and came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Its ways, in their order.
    pub legs: Vec<Leg>,
    /// Whether it was a copy, whose network leads nowhere, and the guest itself stayed.
    pub copy: bool,
    /// Where a copy moved: what the VM has and the copy went without, a noun with its reason each.
    pub without: Vec<String>,
}

/// One way of a move, as the VMM that was left counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leg {
    /// From its begin to its end.
    pub total: Duration,
    /// How long the guest stood still.
    pub downtime: Duration,
    /// Bytes sent.
    pub sent: u64,
    /// How often memory was gone through.
    pub rounds: u64,
    /// How it went, moment by moment.
    pub moments: Vec<Moment>,
}

/// One look at a move under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Bytes still to send.
    pub remaining: u64,
    /// Bytes that the guest writes in a second.
    pub dirty_rate: u64,
}

/// A state that was kept and restored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Its size in bytes.
    pub bytes: u64,
    /// How long the VM stood still in all.
    pub stood_still: Duration,
    /// What the VM has and those that went on went without, a noun with its reason each.
    pub without: Vec<String>,
}

/// The machine that the VM runs on.
pub trait Host {
    /// A file of the host's `/proc` or `/sys`.
    ///
    /// # Errors
    /// Why there is none.
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing>;

    /// Where a symbolic link leads; of the links in `/proc/PID/ns` what they name.
    ///
    /// # Errors
    /// Why there is none.
    fn link(&self, path: &str) -> Result<String, Missing>;

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// Why there are none.
    fn names(&self, path: &str) -> Result<Vec<String>, Missing>;

    /// Whose a file is; links are followed.
    ///
    /// # Errors
    /// Why that is not known.
    fn owner(&self, path: &str) -> Result<Owner, Missing>;

    /// The other VMs that are known on this host.
    fn neighbours(&self) -> Vec<Neighbour>;

    /// Files of this VM by which it is controlled: sockets of monitor and agent.
    fn controls(&self) -> Vec<String>;

    /// The cookie under which the kernel lets a thread run beside others on one core: those of another cookie do not run
    /// there at the same time; 0 where it has none (`PR_SCHED_CORE_GET` of prctl(2)).
    ///
    /// # Errors
    /// Why that is not known.
    fn core_cookie(&self, thread: u32) -> Result<u64, Missing>;

    /// Sends the payloads of `plan` to the guest at `address` and takes them back.
    fn echo(&self, address: IpAddr, plan: &EchoPlan) -> Echoed {
        echo::over_tcp(address, plan)
    }

    /// The address from which the host would send to another; none where it has no way there.
    fn source(&self, address: IpAddr) -> Option<IpAddr> {
        echo::source(address)
    }

    /// The same with datagrams that must not be cut in pieces.
    fn datagrams(&self, address: IpAddr, plan: &EchoPlan) -> Echoed {
        echo::over_udp(address, plan)
    }

    /// A connection to the guest's echo service that stays open; each trip over it may take five seconds, in which TCP has sent
    /// again what got lost.
    ///
    /// # Errors
    /// Of the connection.
    fn hold(&self, address: IpAddr) -> io::Result<Held> {
        Held::open(address, &EchoPlan { patience: Duration::from_secs(5), ..EchoPlan::default() })
    }

    /// The host's own figure for what the guest's probe measures as `spin`: rounds a second, in each of so many runs of so
    /// many milliseconds.
    fn spin(&self, runs: usize, milliseconds: u64) -> Vec<f64> {
        (0..runs).map(|_| crate::load::spin(Duration::from_millis(milliseconds))).collect()
    }
}

/// How our own probe names itself.
const PROBE: &str = "vmwright-guest";

/// A scope with what the wait for it found; what gates work on.
pub(crate) struct Session<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) waited: Waited,
}

impl<'a> Session<'a> {
    pub(crate) fn new(scope: &'a Scope<'a>, waited: Waited) -> Self {
        Self { scope, waited }
    }

    /// Asks the agent, and does not ask an agent that never answered: each question would wait in vain.
    pub(crate) fn ask(&self, command: &str) -> Result<Value, String> {
        self.up()?;
        self.scope.guest.execute(command, json!({})).map_err(|error| error.to_string())
    }

    /// A text file of the guest, at most `max` bytes of it.
    pub(crate) fn guest_file(&self, path: &str, max: usize) -> Result<String, GuestError> {
        self.guest_bytes(path, max).map(|bytes| lossy(&bytes))
    }

    /// A file of the guest, at most `max` bytes of it.
    pub(crate) fn guest_bytes(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError> {
        self.up().map_err(GuestError::Silent)?;
        self.scope.guest.file_read(path, max)
    }

    /// Whether the guest is vmwright's own probe, which has more to tell than others.
    pub(crate) fn is_probe(&self) -> bool {
        self.ask("guest-get-osinfo").is_ok_and(|info| info.get("id").and_then(Value::as_str) == Some(PROBE))
    }

    /// The figures of a measurement of our probe, one for each run.
    pub(crate) fn probe(&self, words: &[&str], limit: Duration) -> Result<Vec<f64>, String> {
        self.up()?;
        if !self.is_probe() {
            return Err("only vmwright's own probe measures it, and this guest is another".to_owned());
        }
        let ran = self.scope.guest.run("/init", words, limit).map_err(|error| error.to_string())?;
        if ran.status != Some(0) {
            return Err(format!("the probe says: {}", lossy(&ran.errors).trim()));
        }
        serde_json::from_slice(&ran.output).map_err(|_| "the probe's answer is no list of figures".to_owned())
    }

    /// Whether the guest reaches a TCP service: nothing where it does, else why not.
    ///
    /// # Errors
    /// Why it could not be tried.
    pub(crate) fn reach(&self, to: &str) -> Result<Result<(), String>, String> {
        self.reach_within(to, Duration::from_secs(5))
    }

    /// The same with so much time for each address of the service, in whole seconds.
    ///
    /// # Errors
    /// Why it could not be tried.
    pub(crate) fn reach_within(&self, to: &str, within: Duration) -> Result<Result<(), String>, String> {
        self.up()?;
        let (host, port) = to.rsplit_once(':').ok_or_else(|| format!("`{to}` is not HOST:PORT"))?;
        let limit = within + Duration::from_secs(10);
        if self.is_probe() {
            let ran = self
                .scope
                .guest
                .run("/init", &["reach", to, &within.as_millis().min(3000).to_string()], limit)
                .map_err(|error| error.to_string())?;
            let said = lossy(&ran.output).trim().to_owned();
            return match (ran.status, said.as_str()) {
                (Some(0), "open") => Ok(Ok(())),
                (Some(0), _) => Ok(Err(said)),
                _ => Err(format!("the probe says: {}", lossy(&ran.errors).trim())),
            };
        }
        // Nothing but what a usual guest has; host and port are arguments and no part of the script.
        let seconds = within.as_secs().max(1).to_string();
        let words =
            [&*seconds, "bash", "-c", "exec 3<>\"/dev/tcp/$0/$1\"", host.trim_matches(['[', ']']), port];
        let ran =
            self.scope.guest.run("/usr/bin/timeout", &words, limit).map_err(|error| error.to_string())?;
        let said = lossy(&ran.errors).lines().next().unwrap_or_default().to_owned();
        match ran.status {
            Some(0) => Ok(Ok(())),
            Some(124) => Ok(Err(format!("no answer within {seconds} s"))),
            Some(1) => Ok(Err(said)),
            _ => Err(format!("bash in the guest: {said}")),
        }
    }

    /// A text file of the host.
    pub(crate) fn host_file(&self, path: &str) -> Result<String, Missing> {
        self.scope.host.file(path).map(|bytes| lossy(&bytes))
    }

    /// Why the guest cannot be asked, where it cannot.
    pub(crate) fn up(&self) -> Result<(), String> {
        self.waited.agent.as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `kvm` or `tcg`.
pub(crate) fn word(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    }
}
