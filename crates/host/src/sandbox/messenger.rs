//! A process that asks over sockets, by commands or itself (see [`crate::asking`]).
//!
//! It is forked before the lock and locks itself like this process, with three differences: it may connect to UNIX
//! sockets and open netlink sockets, it keeps the capability to be answered by the firewall, and it may write
//! nowhere, not even in the state directory. It takes numbers of errands from a fixed list, and nothing else: whoever
//! takes over this process can make it ask, not say what. Each command is confined further, to what its kind needs; what
//! the kernel answers to a constant question is asked without a command.

use super::companion::{self, Pipes, Us, read_u32};
use super::files::{self, Landlock};
use super::{Role, privileges, syscalls};
use crate::asking::{Answer, Bounds, Errand, Kernel};
use crate::limits::millis;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::IntoRawFd;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use vmwright_model::Missing;
use vmwright_model::analysis::Sandbox;

/// Time for an errand to say that its time was up.
const GRACE: Duration = Duration::from_secs(2);

/// Most errands at once.
const MOST: usize = 256;

static MESSENGER: Mutex<Option<Pipes>> = Mutex::new(None);

/// Starts the messenger, once. Only one thread may be running.
pub(super) fn start(newest: u32) -> io::Result<()> {
    let mut messenger = MESSENGER.lock().unwrap_or_else(PoisonError::into_inner);
    if messenger.is_none() {
        let serve = move |_: &Us, questions, answers| serve(newest, questions, answers);
        *messenger = Some(companion::start(c"vmw-messenger", serve)?);
    }
    Ok(())
}

/// Errands that are on their way.
pub(crate) struct Sent {
    errands: Vec<Errand>,
    bounds: Bounds,
    /// Whether the messenger has them; else they are run by whoever waits.
    away: bool,
}

/// Sends errands off. At most one [`Sent`] may be waited for at a time.
pub(crate) fn send(errands: Vec<Errand>, bounds: Bounds) -> Sent {
    let mut messenger = MESSENGER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut question = Vec::new();
    question.extend((errands.len() as u32).to_le_bytes());
    question.extend(u32::try_from(millis(bounds.time)).unwrap_or(u32::MAX).to_le_bytes());
    question.extend(bounds.bytes.to_le_bytes());
    question.extend(errands.iter().flat_map(|errand| errand.number().to_le_bytes()));
    let away = errands.is_empty()
        || messenger.as_mut().is_some_and(|pipes| pipes.questions.write_all(&question).is_ok());
    Sent { errands, bounds, away }
}

impl Sent {
    /// The answers, in no order. An errand that is not answered in its time says so.
    pub(crate) fn wait(self) -> Vec<Answer> {
        let mut open = self.errands;
        if !self.away {
            return run_all(&open, self.bounds).flat_map(|(_, answers)| answers).collect();
        }
        let mut answers = Vec::new();
        let deadline = Instant::now() + self.bounds.time + GRACE;
        let mut messenger = MESSENGER.lock().unwrap_or_else(PoisonError::into_inner);
        while !open.is_empty() {
            let told = messenger.as_mut().and_then(|pipes| hear(pipes, deadline));
            let Some((errand, said)) = told else {
                // An answer that comes too late would be taken for the next one.
                *messenger = None;
                let why = Missing::TimedOut(millis(self.bounds.time));
                answers.extend(open.into_iter().flat_map(|errand| errand.failed(why.clone())));
                break;
            };
            open.retain(|one| *one != errand);
            answers.extend(said);
        }
        answers
    }
}

/// One errand's answers.
fn hear(pipes: &mut Pipes, deadline: Instant) -> Option<(Errand, Vec<Answer>)> {
    let left = deadline.saturating_duration_since(Instant::now());
    let patience = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    if poll(&mut [PollFd::new(&pipes.answers, PollFlags::IN)], Some(&patience)).ok()? == 0 {
        return None;
    }
    let from = &mut pipes.answers;
    let errand = Errand::from_number(read_u32(from).ok()?)?;
    let mut answers = Vec::new();
    for _ in 0..read_u32(from).ok()? {
        let name = String::from_utf8(read_bytes(from).ok()?).ok()?;
        let fine = read_u32(from).ok()? == 0;
        let bytes = read_bytes(from).ok()?;
        let content = if fine { Ok(bytes) } else { Err(serde_json::from_slice(&bytes).ok()?) };
        answers.push((name, content));
    }
    Some((errand, answers))
}

/// The messenger's whole life.
fn serve(newest: u32, mut questions: File, mut answers: File) -> io::Result<()> {
    // Descriptor 2, so that no pipe to a command gets its number.
    let _ = File::options().write(true).open("/dev/null")?.into_raw_fd();
    let landlock = Landlock::of_this_kernel().capped(newest);
    let mut sandbox = Sandbox::default();
    privileges::drop(privileges::MESSENGER)?;
    files::restrict(&landlock, None, Role::Messenger, &mut sandbox).map_err(io::Error::other)?;
    syscalls::restrict(&landlock, Role::Messenger, &mut sandbox).map_err(io::Error::other)?;
    loop {
        let count = match read_u32(&mut questions) {
            Ok(count) => count as usize,
            // The parent has ended.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let time = Duration::from_millis(read_u32(&mut questions)?.into());
        let mut bytes = [0; 8];
        questions.read_exact(&mut bytes)?;
        let bounds = Bounds { time, bytes: u64::from_le_bytes(bytes) };
        if count > MOST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let errands = (0..count)
            .map(|_| Errand::from_number(read_u32(&mut questions)?).ok_or(io::ErrorKind::InvalidInput.into()))
            .collect::<io::Result<Vec<_>>>()?;
        for (errand, said) in run_all(&errands, bounds) {
            tell(&mut answers, errand, &said)?;
        }
    }
}

/// An errand that is done, and what was said.
type Done = (Errand, Vec<Answer>);

/// Runs errands side by side; each pair comes as soon as it is there.
fn run_all(errands: &[Errand], bounds: Bounds) -> mpsc::IntoIter<Done> {
    let (sender, receiver) = mpsc::channel();
    let (commands, others): (Vec<Errand>, Vec<Errand>) =
        errands.iter().partition(|errand| matches!(errand, Errand::Command(_)));
    for errand in others {
        let sender = sender.clone();
        beside(move || run(errand, bounds, &sender));
    }
    beside(move || run_commands(commands, bounds, &sender));
    receiver.into_iter()
}

/// Does something on a thread of its own; without one, before anything else.
fn beside(work: impl FnOnce() + Clone + Send + 'static) {
    if let Err(work) = std::thread::Builder::new().spawn(work.clone()).map_err(|_| work) {
        work();
    }
}

fn run(errand: Errand, bounds: Bounds, sender: &mpsc::Sender<Done>) {
    let _ = sender.send((errand, errand.run(bounds)));
}

/// Runs commands: each in a thread of its own, but for those that are answered sooner than a thread begins.
fn run_commands(mut commands: Vec<Errand>, bounds: Bounds, sender: &mpsc::Sender<Done>) {
    // Programs run while the kernel is asked.
    commands.sort_by_key(|errand| errand.is_for_kernel());
    let mut kernel = Kernel::default();
    for errand in commands {
        match errand.at_once(&mut kernel, bounds) {
            Some(said) => drop(sender.send((errand, said))),
            None => {
                let sender = sender.clone();
                beside(move || run(errand, bounds, &sender));
            }
        }
    }
}

fn tell(to: &mut File, errand: Errand, answers: &[Answer]) -> io::Result<()> {
    let mut message = Vec::new();
    message.extend(errand.number().to_le_bytes());
    message.extend((answers.len() as u32).to_le_bytes());
    for (name, content) in answers {
        put(&mut message, name.as_bytes())?;
        message.extend(u32::from(content.is_err()).to_le_bytes());
        match content {
            Ok(bytes) => put(&mut message, bytes)?,
            Err(why) => put(&mut message, &serde_json::to_vec(why).map_err(io::Error::other)?)?,
        }
    }
    to.write_all(&message)
}

fn put(message: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    message.extend(u32::try_from(bytes.len()).map_err(io::Error::other)?.to_le_bytes());
    message.extend_from_slice(bytes);
    Ok(())
}

fn read_bytes(from: &mut File) -> io::Result<Vec<u8>> {
    let length = read_u32(from)?;
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() == length as usize { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
