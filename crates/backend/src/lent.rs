//! A file of the host as if it belonged to another user: a mount whose ids are mapped (mount_setattr(2), "ID-mapped
//! mounts"; since Linux 5.12 for most file systems of disks, since 6.3 for tmpfs). The file itself stays as it is; the mount
//! is of no namespace until it is shown in one.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file, or a directory with what lies in it, as a mount.
pub(crate) fn tree(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends with NUL; the number that comes back is a new open file of ours.
    unsafe {
        let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
        let opened = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        number(opened).map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

/// Lets what belongs to the owner of a tree's root belong to a user and the group of the same number there, and lets
/// nobody write to it where it is for reading. What is mounted on it later does not reach the host.
pub(crate) fn change(tree: &OwnedFd, to: Option<u32>, readonly: bool) -> io::Result<()> {
    let root = File::from(tree.try_clone()?).metadata()?;
    let ids =
        to.filter(|to| (root.uid(), root.gid()) != (*to, *to)).map(|to| ids((root.uid(), root.gid()), to));
    let ids = ids.transpose()?;
    let attributes = libc::mount_attr {
        attr_set: (u64::from(ids.is_some()) * libc::MOUNT_ATTR_IDMAP)
            | (u64::from(readonly) * libc::MOUNT_ATTR_RDONLY),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: ids.as_ref().map_or(0, |ids| u64::try_from(ids.as_raw_fd()).unwrap_or_default()),
    };
    // SAFETY: the structure is as large as said, and read only; both files are open.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    number(set).map(drop)
}

/// A user namespace in which one user and one group are another: nobody is in it, it is there for its maps.
fn ids((user, group): (u32, u32), to: u32) -> io::Result<OwnedFd> {
    let (mut ready, told) = io::pipe()?;
    let end = told.as_raw_fd();
    // SAFETY: the child makes system calls on plain values and open files alone, and runs nothing else until it is killed:
    // by its parent, or with it.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            // What other threads have open is not held for longer than they do: locks, ends of pipes.
            libc::syscall(libc::SYS_close_range, 0, end - 1, 0);
            libc::syscall(libc::SYS_close_range, end + 1, u32::MAX, 0);
            let said = [u8::from(libc::unshare(libc::CLONE_NEWUSER) == 0)];
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::write(end, said.as_ptr().cast(), 1);
            loop {
                libc::pause();
            }
        }
    }
    if child == -1 {
        return Err(io::Error::last_os_error());
    }
    drop(told);
    let mut take = || -> io::Result<OwnedFd> {
        let mut said = [0];
        ready.read_exact(&mut said)?;
        if said != [1] {
            return Err(io::Error::other("the kernel makes no user namespace (user.max_user_namespaces)"));
        }
        std::fs::write(format!("/proc/{child}/uid_map"), format!("{user} {to} 1"))?;
        std::fs::write(format!("/proc/{child}/gid_map"), format!("{group} {to} 1"))?;
        File::open(format!("/proc/{child}/ns/user")).map(OwnedFd::from)
    };
    let namespace = take();
    // Not by the end of a pipe: a child that another thread makes meanwhile may hold its other end.
    // SAFETY: our own child, which nobody else waits for.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    namespace
}

fn number(result: libc::c_long) -> io::Result<i32> {
    match i32::try_from(result) {
        Ok(number) if number >= 0 => Ok(number),
        _ => Err(io::Error::last_os_error()),
    }
}
