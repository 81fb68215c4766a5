//! Starts a command in a process that borrows this one's memory until it becomes the command, as `vfork(2)` has it. To
//! copy the memory's map first, and then each page that is written meanwhile, takes a third of what most commands take.

use super::restrain;
use crate::sandbox::Confinement;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// What a command has as its environment.
const ENVIRONMENT: [&std::ffi::CStr; 3] = [c"LC_ALL=C", c"PATH=/usr/sbin:/usr/bin:/sbin:/bin", c"HOME=/"];

/// Bytes of stack that the process has until it is the command: a few system calls, one below the other.
const STACK: usize = 64 * 1024;

/// A command that runs.
pub(super) struct Child {
    id: libc::pid_t,
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
}

/// What the process does to itself, and what it becomes. Everything is made before it starts.
struct Orders<'a> {
    program: CString,
    /// Pointers to the words, and a null pointer at the end.
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// What becomes its standard input, output and error.
    standard: [RawFd; 3],
    alarm: &'a libc::itimerval,
    confined: Option<&'a Confinement>,
    /// The number of the error that kept it from becoming the command.
    failed: AtomicI32,
}

/// Starts `program` at the root of the file system, without input, held to `alarm` and `confined`.
pub(super) fn start(
    program: &Path,
    arguments: &[String],
    alarm: &libc::itimerval,
    confined: Option<&Confinement>,
) -> io::Result<Child> {
    let program = CString::new(program.as_os_str().as_bytes())?;
    let arguments =
        arguments.iter().map(|word| CString::new(word.as_str())).collect::<Result<Vec<_>, _>>()?;
    let input = File::open("/dev/null")?;
    let (stdout, output) = pipe()?;
    let (stderr, error) = pipe()?;
    let words = std::iter::once(program.as_ptr()).chain(arguments.iter().map(|word| word.as_ptr()));
    let orders = Orders {
        arguments: words.chain([ptr::null()]).collect(),
        environment: ENVIRONMENT.iter().map(|one| one.as_ptr()).chain([ptr::null()]).collect(),
        standard: [input.as_raw_fd(), output.as_raw_fd(), error.as_raw_fd()],
        program,
        alarm,
        confined,
        failed: AtomicI32::new(0),
    };
    let id = borrow_memory(&orders)?;
    let child = Child { id, stdout: Some(stdout.into()), stderr: Some(stderr.into()) };
    match orders.failed.load(Ordering::SeqCst) {
        0 => Ok(child),
        failed => {
            // It has ended already.
            let _ = child.wait();
            Err(io::Error::from_raw_os_error(failed))
        }
    }
}

/// The end to read from and the one to write to.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Starts the process, and comes back when it is the command or has failed to become it.
fn borrow_memory(orders: &Orders<'_>) -> io::Result<libc::pid_t> {
    let mut stack = vec![0u8; STACK];
    let top = stack.as_mut_ptr_range().end;
    // The ABI wants 16 bytes.
    let top = top.wrapping_sub(top as usize % 16);
    // SAFETY: `sigset_t` is plain data, which both calls fill in; `old` is what this thread had.
    let (all, mut old) = unsafe {
        let (mut all, old) = (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed::<libc::sigset_t>());
        libc::sigfillset(&raw mut all);
        (all, old)
    };
    // SAFETY: the stack, the orders and all that they point to live until this call returns, and with CLONE_VFORK it does
    // so only when the process no longer uses them. It runs on a stack of its own while this thread stands still, and takes
    // no lock that another thread could hold. No signal comes meanwhile, so that no handler runs twice in one memory.
    let (id, error) = unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let id = libc::clone(become_command, top.cast(), flags, ptr::from_ref(orders).cast_mut().cast());
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, ptr::null_mut());
        (id, error)
    };
    if id == -1 { Err(error) } else { Ok(id) }
}

/// The life of the process until it is the command. It allocates nothing.
extern "C" fn become_command(orders: *mut c_void) -> c_int {
    // SAFETY: `borrow_memory` gives its orders, which live as long as this process uses its memory.
    let orders = unsafe { &*orders.cast::<Orders<'_>>() };
    let error = orders.carry_out().raw_os_error().unwrap_or(libc::EINVAL);
    orders.failed.store(error, Ordering::SeqCst);
    // SAFETY: ends this process alone, without the exit handlers of the one whose memory it has.
    unsafe { libc::_exit(127) }
}

impl Orders<'_> {
    /// Comes back only where something fails.
    fn carry_out(&self) -> io::Error {
        if let Err(error) = self.settle() {
            return error;
        }
        // SAFETY: the program, the words and the environment end with NUL, and both lists with a null pointer.
        unsafe {
            libc::execve(self.program.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr());
        }
        io::Error::last_os_error()
    }

    fn settle(&self) -> io::Result<()> {
        let done = |result: c_int| if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
        for (to, from) in (0..).zip(self.standard) {
            // SAFETY: a plain system call on descriptors that are open; the new one outlives the execution.
            done(unsafe { libc::dup2(from, to) })?;
        }
        // SAFETY: a plain system call on a constant.
        done(unsafe { libc::chdir(c"/".as_ptr()) })?;
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: plain data and a valid disposition. What this process ignores stays ignored by a command, but for
            // SIGPIPE, which Rust's programs ignore and others live by; handlers would be of another program.
            unsafe {
                let mut had = std::mem::zeroed::<libc::sigaction>();
                if libc::sigaction(signal, ptr::null(), &raw mut had) == 0
                    && (had.sa_sigaction != libc::SIG_IGN || signal == libc::SIGPIPE)
                    && had.sa_sigaction != libc::SIG_DFL
                {
                    libc::signal(signal, libc::SIG_DFL);
                }
            }
        }
        restrain(self.alarm)?;
        // SAFETY: an empty set of signals is filled in and taken.
        unsafe {
            let mut none = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        }
        self.confined.map_or(Ok(()), Confinement::enter)
    }
}

impl Child {
    /// Its status, if it has ended.
    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.wait_as(libc::WNOHANG)
    }

    /// Its status, when it has ended.
    pub(super) fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            match self.wait_as(0) {
                Ok(Some(status)) => return Ok(status),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    fn wait_as(&self, options: c_int) -> io::Result<Option<ExitStatus>> {
        let mut status = 0;
        // SAFETY: `status` is a live local value; the child is ours and nobody else waits for it.
        match unsafe { libc::waitpid(self.id, &raw mut status, options) } {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(None),
            _ => Ok(Some(ExitStatus::from_raw(status))),
        }
    }
}
