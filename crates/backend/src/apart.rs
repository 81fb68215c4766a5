//! Namespaces of a VMM that sees no more of its host than it is given: files that are mounted where it looks for them,
//! and no process but its own (mount_namespaces(7), pid_namespaces(7)). The host sees none of the mounts, and they go
//! with the process.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is mounted for a VMM.
#[derive(Debug, Clone, Default)]
pub(crate) struct Apart {
    mounts: Vec<Mount>,
    own_network: bool,
}

#[derive(Debug, Clone)]
struct Mount {
    from: CString,
    to: CString,
    readonly: bool,
}

impl Apart {
    /// Gives it a network of its own as well, in which nothing leads to the host's (network_namespaces(7)).
    pub(crate) fn own_network(&mut self) {
        self.own_network = true;
    }

    /// Shows a file of the host at another place, which exists.
    pub(crate) fn show(&mut self, from: &Path, to: &Path, readonly: bool) -> io::Result<()> {
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
        self.mounts.push(Mount { from: text(from)?, to: text(to)?, readonly });
        Ok(())
    }

    /// Takes the calling process, which has one thread, into a mount namespace of its own with these mounts. Makes
    /// system calls only.
    pub(crate) fn mount(&self) -> io::Result<()> {
        let network = if self.own_network { libc::CLONE_NEWNET } else { 0 };
        // SAFETY: system calls on plain values; it concerns the calling process alone.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS | network) })?;
        // What is mounted here is not to reach the host; what the host mounts later may come in.
        mount(None, c"/", libc::MS_REC | libc::MS_SLAVE)?;
        for Mount { from, to, readonly } in &self.mounts {
            mount(Some(from), to, libc::MS_BIND)?;
            if *readonly {
                mount(None, to, libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY)?;
            }
        }
        Ok(())
    }
}

fn mount(from: Option<&CStr>, to: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let from = from.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: both paths end with NUL or are null; a mount of these kinds reads neither type nor data.
    check(unsafe { libc::mount(from, to.as_ptr(), std::ptr::null(), flags, std::ptr::null()) })
}

/// Children of the calling thread get a PID namespace: the next one is its first process.
pub(crate) fn own_pids() -> io::Result<()> {
    // SAFETY: a system call on a plain value; since Linux 3.12 it concerns the calling thread alone.
    check(unsafe { libc::unshare(libc::CLONE_NEWPID) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
