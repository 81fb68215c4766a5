//! Approvals: a person's SSH signature over what a plan may do, where, how much, and until when.
//!
//! An approval is the canonical JSON of [`Approval`] in `<state>/approvals/<plan id>.json`, its signature beside it
//! with the ending `.sig`, both as `ssh-keygen -Y sign -n approval@vmwright` leaves them. Where two people have to
//! approve, the second one's lie in `<plan id>.second.json`; they have other names and other keys. Who may approve stands
//! in `<config>/allowed_signers` (see ALLOWED SIGNERS in ssh-keygen(1)). Both directions use ssh-keygen, so keys
//! on tokens, agents and passphrases work as they do for SSH, and no key is ever read here.

use crate::signature::Signature;
use crate::tool::{self, Said, ToolError};
use crate::trust::{self, Untrusted};
use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use thiserror::Error;
use vmwright_model::plan::APPROVAL_SCHEMA;
use vmwright_model::{Approval, Disruption};
use vmwright_plan::canonical;
use vmwright_plan::canonical::is_sha256;

/// The namespace of the signatures: one made for another purpose is none here.
pub const NAMESPACE: &str = "approval@vmwright";

/// Where ssh-keygen lies on every distribution that has OpenSSH.
pub const SSH_KEYGEN: &str = "/usr/bin/ssh-keygen";

/// The largest approval and signature that are read, in bytes. Both have under 1 KiB, with certificates 4 KiB.
const LIMIT: u64 = 64 << 10;

/// The largest list of allowed signers that is read, in bytes.
const SIGNERS_LIMIT: u64 = 4 << 20;

/// Checking a signature takes milliseconds.
const WAIT: Duration = Duration::from_secs(20);

/// What an approval must cover.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Id of the plan.
    pub plan: &'a str,
    /// The present host.
    pub host_id: &'a str,
    /// The highest disruption of the plan's steps.
    pub disruption: Disruption,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// Whether two people have to approve it.
    pub two: bool,
}

/// Whose approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// The first, and where one is enough the only.
    First,
    /// The second of two people.
    Second,
}

/// A verified approval. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    approval: Approval,
    second: Option<Approval>,
}

impl Approved {
    /// What was signed; where two people did, by the first.
    #[must_use]
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// Who signed.
    #[must_use]
    pub fn by(&self) -> String {
        match &self.second {
            Some(second) => format!("{} and {}", self.approval.principal, second.principal),
            None => self.approval.principal.clone(),
        }
    }

    /// Whether all that was signed still covers what is asked.
    pub(crate) fn covers(&self, ask: &Ask<'_>) -> Result<(), Refused> {
        std::iter::once(&self.approval).chain(&self.second).try_for_each(|approval| covers(approval, ask))
    }
}

/// Why a plan may not be carried out.
#[derive(Debug, Error)]
pub enum Refused {
    /// Nobody approved it.
    #[error("nobody has approved plan {0}")]
    NoApproval(String),
    /// One person approved it, and two have to.
    #[error("{first} has approved plan {plan}, and a second person has to as well")]
    NoSecond {
        /// The plan.
        plan: String,
        /// Who approved it.
        first: String,
    },
    /// Both approvals are one person's.
    #[error("two people have to approve plan {plan}, and both approvals are {whose}")]
    OnePerson {
        /// The plan.
        plan: String,
        /// `by ana`, or `by one key`.
        whose: String,
    },
    /// A token signed by itself.
    #[error(
        "the key of {} is on a token, which signed without being touched: whoever has its file could have done so",
        .0.escape_debug()
    )]
    Untouched(String),
    /// The approval lacks its signature.
    #[error("the approval of plan {0} has no signature")]
    NoSignature(String),
    /// Nobody is allowed to approve.
    #[error("{} does not exist, so nobody is allowed to approve", .0.display())]
    NoSigners(PathBuf),
    /// The list of those who may approve could have been written by others.
    #[error("the list of allowed signers cannot be relied on")]
    LaxSigners(#[source] Untrusted),
    /// The signature is by a key that is not in the list.
    #[error("the signature is by a key that {} does not allow", .0.display())]
    UnknownSigner(PathBuf),
    /// The key is in the list, but not under the name in the approval, or not now, or not for approvals.
    #[error("the key that signed is not one that may sign now as `{0}`")]
    WrongPrincipal(String),
    /// The signature is not one over these bytes.
    #[error("the signature does not fit the approval: one of them was changed ({0})")]
    BadSignature(String),
    /// It is for another plan.
    #[error("the approval is for plan {0}")]
    OtherPlan(String),
    /// It is for another host.
    #[error("the approval is for host `{}`, and this is `{}`", found.escape_debug(), this.escape_debug())]
    OtherHost {
        /// The host in the approval.
        found: String,
        /// This host.
        this: String,
    },
    /// It is too old.
    #[error("the approval ended {} s ago", now.saturating_sub(*expires))]
    Expired {
        /// When it ended, seconds since 1970-01-01 UTC.
        expires: i64,
        /// Now.
        now: i64,
    },
    /// The plan disturbs more than was allowed.
    #[error("the approval allows disruption `{ceiling}`, and the plan disturbs `{needed}`")]
    Ceiling {
        /// What was allowed.
        ceiling: Disruption,
        /// What the plan disturbs.
        needed: Disruption,
    },
    /// Signed, but not an approval in the form that is signed.
    #[error("{} is not an approval: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A newer vmwright wrote it.
    #[error("the approval has schema `{}`; this vmwright reads {APPROVAL_SCHEMA}", .0.escape_debug())]
    Schema(String),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// ssh-keygen gives no answer.
    #[error("the signature cannot be checked")]
    Tool(#[from] ToolError),
}

/// Whether the plan that `ask` describes may be carried out now, here.
///
/// # Errors
/// [`Refused`], one reason each. Where several hold, what makes the others meaningless comes first: the list of
/// signers, then the signature, then what was signed.
pub fn verify(ask: &Ask<'_>, state: &Path, config: &Path) -> Result<Approved, Refused> {
    verify_with(ask, state, config, Path::new(SSH_KEYGEN))
}

/// As [`verify`], with another ssh-keygen.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    ask: &Ask<'_>,
    state: &Path,
    config: &Path,
    ssh_keygen: &Path,
) -> Result<Approved, Refused> {
    let (approval, key) = verify_one(ask, Seat::First, state, config, ssh_keygen)?;
    if !ask.two {
        return Ok(Approved { approval, second: None });
    }
    let (plan, first) = (ask.plan.to_owned(), approval.principal.clone());
    let (second, other) = match verify_one(ask, Seat::Second, state, config, ssh_keygen) {
        Err(Refused::NoApproval(_)) => return Err(Refused::NoSecond { plan, first }),
        second => second?,
    };
    if second.principal == first {
        return Err(Refused::OnePerson { plan, whose: format!("by {first}") });
    }
    if key == other {
        return Err(Refused::OnePerson { plan, whose: "by one key".to_owned() });
    }
    Ok(Approved { approval, second: Some(second) })
}

/// One person's approval, and the key that signed it.
fn verify_one(
    ask: &Ask<'_>,
    seat: Seat,
    state: &Path,
    config: &Path,
    ssh_keygen: &Path,
) -> Result<(Approval, Vec<u8>), Refused> {
    let file = seat_path(state, ask.plan, seat)
        .ok_or_else(|| Refused::NoApproval(ask.plan.escape_debug().to_string()))?;
    let bytes = read(&file, LIMIT)?.ok_or_else(|| Refused::NoApproval(ask.plan.to_owned()))?;
    let signature =
        read(&signature_path(&file), LIMIT)?.ok_or_else(|| Refused::NoSignature(ask.plan.to_owned()))?;
    let list = config.join("allowed_signers");
    if std::fs::symlink_metadata(&list).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Err(Refused::NoSigners(list));
    }
    trust::check(&list).map_err(Refused::LaxSigners)?;
    let signers = read(&list, SIGNERS_LIMIT)?.ok_or_else(|| Refused::NoSigners(list.clone()))?;

    if !is_armoured(&signature) {
        return Err(Refused::BadSignature("it is not in the form that ssh-keygen writes".to_owned()));
    }

    // ssh-keygen must be told whose signature it is, so the name is taken from the bytes before they are verified.
    // Everything else is looked at afterwards, in these same bytes.
    let claimed: Result<Approval, serde_json::Error> = serde_json::from_slice(&bytes);
    let principal = claimed.as_ref().map(|approval| approval.principal.clone()).unwrap_or_default();
    let checker = Checker::new(ssh_keygen, &bytes, &signature, &signers)?;
    let checked = checker.check(&principal, &list);
    let malformed = |why: String| Refused::Malformed { path: file.clone(), why };
    let approval = match (claimed, checked) {
        (Ok(approval), Ok(())) => approval,
        // Signed by somebody who may, but nothing that names them.
        (Err(error), Err(Refused::WrongPrincipal(_))) => {
            return Err(malformed(error.to_string().escape_debug().to_string()));
        }
        (_, Err(refused)) => return Err(refused),
        (Err(error), Ok(())) => return Err(malformed(error.to_string().escape_debug().to_string())),
    };
    if approval.schema != APPROVAL_SCHEMA {
        return Err(Refused::Schema(approval.schema));
    }
    if canonical(&approval) != bytes {
        return Err(malformed("it is not in canonical form".to_owned()));
    }
    if approval.plan != ask.plan {
        return Err(Refused::OtherPlan(approval.plan.escape_debug().to_string()));
    }
    covers(&approval, ask)?;
    let made = Signature::read(&signature)
        .ok_or_else(|| Refused::BadSignature("it does not name the key that signed".to_owned()))?;
    if !made.present {
        return Err(Refused::Untouched(approval.principal));
    }
    Ok((approval, made.key))
}

/// Whether a verified approval still covers what is asked.
fn covers(approval: &Approval, ask: &Ask<'_>) -> Result<(), Refused> {
    if approval.plan != ask.plan {
        return Err(Refused::OtherPlan(approval.plan.escape_debug().to_string()));
    }
    if approval.host_id != ask.host_id {
        return Err(Refused::OtherHost { found: approval.host_id.clone(), this: ask.host_id.to_owned() });
    }
    if ask.now >= approval.expires {
        return Err(Refused::Expired { expires: approval.expires, now: ask.now });
    }
    if approval.ceiling < ask.disruption {
        return Err(Refused::Ceiling { ceiling: approval.ceiling, needed: ask.disruption });
    }
    Ok(())
}

/// ssh-keygen with the exact bytes that were read, so that no file is opened a second time.
struct Checker<'a> {
    program: &'a Path,
    bytes: &'a [u8],
    signature: File,
    signers: File,
}

impl<'a> Checker<'a> {
    fn new(program: &'a Path, bytes: &'a [u8], signature: &[u8], signers: &[u8]) -> Result<Self, ToolError> {
        let inherited = |content: &[u8]| {
            let file = tool::memory(content)?;
            // ssh-keygen opens it as /proc/self/fd/N, so it must reach the child.
            fcntl_setfd(&file, FdFlags::empty())?;
            Ok(file)
        };
        let run = |source| ToolError::Run { program: program.to_owned(), source };
        let signature = inherited(signature).map_err(run)?;
        let signers = inherited(signers).map_err(run)?;
        Ok(Self { program, bytes, signature, signers })
    }

    fn check(&self, principal: &str, list: &Path) -> Result<(), Refused> {
        if is_principal(principal) && self.ask("verify", Some(principal))?.status.success() {
            return Ok(());
        }
        // Not valid. The rest only finds out why.
        let known = self.ask("find-principals", None)?;
        let readable = !known.complaint().contains("parse signature");
        if readable && !known.status.success() && self.ask("check-novalidate", None)?.status.success() {
            return Err(Refused::UnknownSigner(list.to_owned()));
        }
        let intact = self.ask("check-novalidate", None)?;
        if !intact.status.success() {
            return Err(Refused::BadSignature(intact.complaint()));
        }
        Err(Refused::WrongPrincipal(
            principal.chars().take(256).collect::<String>().escape_debug().to_string(),
        ))
    }

    fn ask(&self, what: &str, principal: Option<&str>) -> Result<Said, ToolError> {
        let name = |file: &File| OsString::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let (signature, signers) = (name(&self.signature), name(&self.signers));
        let mut args: Vec<&OsStr> = vec![OsStr::new("-Y"), OsStr::new(what), OsStr::new("-s"), &signature];
        if what != "check-novalidate" {
            args.extend([OsStr::new("-f"), &signers]);
        }
        if what != "find-principals" {
            args.extend([OsStr::new("-n"), OsStr::new(NAMESPACE)]);
        }
        if let Some(principal) = principal {
            args.extend([OsStr::new("-I"), OsStr::new(principal)]);
        }
        tool::run(self.program, &args, self.bytes, WAIT)
    }
}

/// Why an approval was not signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// The approval cannot be one.
    #[error("the approval is wrong: {0}")]
    Wrong(&'static str),
    /// The place for approvals cannot be relied on.
    #[error("the approval cannot be kept")]
    Place(#[source] Untrusted),
    /// The kernel refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// ssh-keygen did not sign: a wrong passphrase, no such key, no touch. It has said more on the terminal.
    #[error("{} did not sign with {}", program.display(), key.display())]
    NotSigned {
        /// The program.
        program: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// Has a person sign an approval with the key at `key` (a private key, or the public one of a key in an agent or
/// on a token), and keeps both. ssh-keygen has the terminal meanwhile: it asks for the passphrase or the touch.
/// Returns the path of the approval.
///
/// # Errors
/// [`SignError`]; an earlier approval of the plan stands then.
pub fn sign(approval: &Approval, seat: Seat, key: &Path, state: &Path) -> Result<PathBuf, SignError> {
    sign_with(approval, seat, key, state, Path::new(SSH_KEYGEN))
}

/// As [`sign`], with another ssh-keygen.
///
/// # Errors
/// As [`sign`].
pub fn sign_with(
    approval: &Approval,
    seat: Seat,
    key: &Path,
    state: &Path,
    ssh_keygen: &Path,
) -> Result<PathBuf, SignError> {
    if approval.schema != APPROVAL_SCHEMA {
        return Err(SignError::Wrong("its schema is not the present one"));
    }
    if !is_principal(&approval.principal) {
        return Err(SignError::Wrong(
            "the name of the signer must be 1 to 256 printable characters without blanks, commas and wildcards",
        ));
    }
    let file = seat_path(state, &approval.plan, seat)
        .ok_or(SignError::Wrong("the id of the plan is not a SHA-256"))?;
    let dir = state.join("approvals");
    trust::private_dir(&dir).map_err(SignError::Place)?;
    let work = Scratch::new(&dir)?;
    let unsigned = work.0.join("approval");
    let io = |path: &Path, what| {
        let path = path.to_owned();
        move |source| SignError::Io { path, what, source }
    };
    std::fs::write(&unsigned, canonical(approval)).map_err(io(&unsigned, "write"))?;
    let status = Command::new(ssh_keygen)
        .args(["-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(key)
        .arg(&unsigned)
        .stdin(Stdio::inherit())
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(io(ssh_keygen, "run"))?;
    let signed = signature_path(&unsigned);
    if !status.success() || !signed.exists() {
        return Err(SignError::NotSigned { program: ssh_keygen.to_owned(), key: key.to_owned() });
    }
    for path in [&unsigned, &signed] {
        File::open(path).and_then(|file| file.sync_all()).map_err(io(path, "make durable"))?;
    }
    // A crash in between leaves two that do not fit: refused, and signed again.
    std::fs::rename(&signed, signature_path(&file)).map_err(io(&signed, "keep"))?;
    std::fs::rename(&unsigned, &file).map_err(io(&unsigned, "keep"))?;
    File::open(&dir).and_then(|dir| dir.sync_all()).map_err(io(&dir, "make durable"))?;
    Ok(file)
}

/// Where the approval of a plan lies, the first of two; none where the id cannot be one.
#[must_use]
pub fn approval_path(state: &Path, plan_id: &str) -> Option<PathBuf> {
    seat_path(state, plan_id, Seat::First)
}

/// Where one person's approval of a plan lies; none where the id cannot be one.
#[must_use]
pub fn seat_path(state: &Path, plan_id: &str, seat: Seat) -> Option<PathBuf> {
    let ending = match seat {
        Seat::First => "json",
        Seat::Second => "second.json",
    };
    is_sha256(plan_id).then(|| state.join("approvals").join(format!("{plan_id}.{ending}")))
}

/// Where the signature of an approval lies.
#[must_use]
pub fn signature_path(approval: &Path) -> PathBuf {
    let mut path = approval.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// A directory that goes away with its holder.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path) -> Result<Self, SignError> {
        use std::os::unix::fs::DirBuilderExt;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".signing-{}-{count}", std::process::id()));
        // One of that name is from a process that had the same id and died in between.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|source| SignError::Io {
            path: path.clone(),
            what: "make",
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies in vmwright's own directory; what is left is removed when the id comes round again.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Names that mean one signer: ssh-keygen takes lists and patterns apart at the other characters.
fn is_principal(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '*' | '?' | '!' | '"');
    (1..=256).contains(&text.len()) && !text.starts_with('-') && text.chars().all(plain)
}

/// Whether a signature is in the one form that ssh-keygen writes. ssh-keygen itself reads over other white space
/// and over what follows; here each byte counts.
fn is_armoured(signature: &[u8]) -> bool {
    let body = signature
        .strip_prefix(b"-----BEGIN SSH SIGNATURE-----\n")
        .and_then(|rest| rest.strip_suffix(b"\n-----END SSH SIGNATURE-----\n"));
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\n');
    body.is_some_and(|body| body.iter().all(fine))
}

/// A regular file of at most `limit` bytes; none where it does not exist.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Refused> {
    let fail = |source| Refused::Read { path: path.to_owned(), source };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(fail)?,
    };
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(fail(std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(fail(std::io::Error::other(format!("more than {limit} bytes"))));
    }
    Ok(Some(bytes))
}
