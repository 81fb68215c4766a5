//! Namespaces of a VMM that sees no more of its host than it is given: files that are mounted where it looks for them,
//! and no process but its own (mount_namespaces(7), pid_namespaces(7)). The host sees none of the mounts, and they go
//! with the process.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// What is mounted for a VMM.
#[derive(Debug, Clone, Default)]
pub(crate) struct Apart {
    steps: Vec<Step>,
    own_network: bool,
}

/// One step of the way to what a VMM sees. Each makes system calls only.
#[derive(Debug, Clone)]
enum Step {
    /// Shows a file of the host at another place.
    Bind { from: CString, to: CString, readonly: bool },
    /// Hides a directory behind an empty one that all may enter; or behind one that may hold devices.
    Empty { at: CString, devices: bool },
    /// Makes a directory to mount on, where there is none.
    Directory(CString),
    /// Makes a file to mount on, where there is none.
    File(CString),
    /// Mounts what was taken out of the host's tree.
    Tree { tree: Arc<OwnedFd>, to: CString },
    /// Makes a device of this kind, number and rights for a user.
    Device { at: CString, mode: libc::mode_t, number: libc::dev_t, user: libc::uid_t },
}

impl Apart {
    /// Gives it a network of its own as well, in which nothing leads to the host's (network_namespaces(7)).
    pub(crate) fn own_network(&mut self) {
        self.own_network = true;
    }

    /// Shows a file of the host at another place, which exists.
    pub(crate) fn show(&mut self, from: &Path, to: &Path, readonly: bool) -> io::Result<()> {
        self.steps.push(Step::Bind { from: text(from)?, to: text(to)?, readonly });
        Ok(())
    }

    /// Hides a directory behind an empty one, in which places are made for what is shown.
    pub(crate) fn hide(&mut self, directory: &Path) -> io::Result<()> {
        self.steps.push(Step::Empty { at: text(directory)?, devices: false });
        Ok(())
    }

    /// Makes a directory to mount on, and below it.
    pub(crate) fn directory(&mut self, at: &Path) -> io::Result<()> {
        self.steps.push(Step::Directory(text(at)?));
        Ok(())
    }

    /// Makes a file to mount on.
    pub(crate) fn file(&mut self, at: &Path) -> io::Result<()> {
        self.steps.push(Step::File(text(at)?));
        Ok(())
    }

    /// Mounts what [`crate::lent::tree`] gave at a place that there is by then.
    pub(crate) fn mount_tree(&mut self, tree: Arc<OwnedFd>, to: &Path) -> io::Result<()> {
        self.steps.push(Step::Tree { tree, to: text(to)? });
        Ok(())
    }

    /// Makes a directory for devices.
    pub(crate) fn devices(&mut self, at: &Path) -> io::Result<()> {
        self.directory(at)?;
        self.steps.push(Step::Empty { at: text(at)?, devices: true });
        Ok(())
    }

    /// Makes a device of a user; `mode` has its kind and rights, as stat(2) tells them.
    pub(crate) fn device(&mut self, at: &Path, mode: u32, number: u64, user: u32) -> io::Result<()> {
        self.steps.push(Step::Device { at: text(at)?, mode, number, user });
        Ok(())
    }

    /// Takes the calling process, which has one thread, into a mount namespace of its own with these mounts. Makes
    /// system calls only.
    pub(crate) fn mount(&self) -> io::Result<()> {
        let network = if self.own_network { libc::CLONE_NEWNET } else { 0 };
        // SAFETY: system calls on plain values; it concerns the calling process alone.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS | network) })?;
        // Who is to enter what is made here is said with it; the VMM's own mask is set behind this.
        // SAFETY: a system call on a plain value.
        unsafe { libc::umask(0) };
        // What is mounted here is not to reach the host; what the host mounts later may come in.
        mount(None, c"/", libc::MS_REC | libc::MS_SLAVE)?;
        self.steps.iter().try_for_each(Step::take)
    }
}

impl Step {
    fn take(&self) -> io::Result<()> {
        match self {
            Step::Bind { from, to, readonly } => {
                mount(Some(from), to, libc::MS_BIND)?;
                if *readonly {
                    mount(None, to, libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY)?;
                }
                Ok(())
            }
            Step::Empty { at, devices } => {
                let flags = libc::MS_NOSUID | libc::MS_NOEXEC | if *devices { 0 } else { libc::MS_NODEV };
                // SAFETY: the words end with NUL, and the type wants its data as text.
                check(unsafe {
                    let data = c"mode=0711,size=1m".as_ptr().cast();
                    libc::mount(c"none".as_ptr(), at.as_ptr(), c"tmpfs".as_ptr(), flags, data)
                })
            }
            // SAFETY: the path ends with NUL. Below what others may enter all may.
            Step::Directory(at) => there(unsafe { libc::mkdir(at.as_ptr(), 0o711) }),
            Step::File(at) => {
                // SAFETY: the path ends with NUL; what is opened is closed again.
                there(unsafe {
                    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
                    let file = libc::open(at.as_ptr(), flags, 0o600);
                    if file >= 0 { libc::close(file) } else { file }
                })
            }
            Step::Tree { tree, to } => {
                // SAFETY: both paths end with NUL; the tree is open.
                let moved = unsafe {
                    libc::syscall(
                        libc::SYS_move_mount,
                        tree.as_raw_fd(),
                        c"".as_ptr(),
                        libc::AT_FDCWD,
                        to.as_ptr(),
                        libc::MOVE_MOUNT_F_EMPTY_PATH,
                    )
                };
                if moved == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
            }
            Step::Device { at, mode, number, user } => {
                // SAFETY: system calls on plain values and a path that ends with NUL.
                unsafe {
                    check(libc::mknod(at.as_ptr(), *mode, *number))?;
                    check(libc::chown(at.as_ptr(), *user, *user))
                }
            }
        }
    }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}

fn mount(from: Option<&CStr>, to: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let from = from.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: both paths end with NUL or are null; a mount of these kinds reads neither type nor data.
    check(unsafe { libc::mount(from, to.as_ptr(), std::ptr::null(), flags, std::ptr::null()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The same of what may be there already.
fn there(result: libc::c_int) -> io::Result<()> {
    match check(result) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
