//! Pseudo-terminals (pty(7)): what is typed for a VMM that reads its standard input only where that is a terminal. It has the
//! master there, which isatty(3) takes for one as well, and who types opens the slave.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where the kernel shows the slaves, each by its number.
const SLAVES: &[u8] = b"/dev/pts/";
/// The kind of file system there (`DEVPTS_SUPER_MAGIC` of Linux's `include/uapi/linux/magic.h`).
const DEVPTS: libc::c_long = 0x1cd1;

/// A pseudo-terminal.
#[derive(Debug)]
pub(crate) struct Pty {
    /// What the VMM reads.
    pub(crate) master: File,
    /// What it is to hold open: where no slave is, the master is hung up, and a VMM that reads there gives up.
    pub(crate) slave: OwnedFd,
}

/// Makes one through which every byte goes as it is, and a symbolic link that leads to its slave.
///
/// # Errors
/// Where this host has none, or [`open`] would not find it there.
pub(crate) fn make(link: &Path) -> io::Result<Pty> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&slave)?;
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    // Many hosts let the group `tty` write there, for write(1).
    rustix::fs::fchmod(&slave, Mode::from_raw_mode(0o600))?;
    rustix::fs::symlinkat(ptsname(&master, Vec::new())?, CWD, link)?;
    let pty = Pty { master: master.into(), slave };
    match leads_to(link, &pty) {
        Ok(true) => Ok(pty),
        other => {
            std::fs::remove_file(link)?;
            Err(other.err().unwrap_or_else(|| io::Error::other("/dev/pts shows other pseudo-terminals")))
        }
    }
}

/// Whether who follows the link comes to the slave: `/dev/ptmx` may be of another file system than `/dev/pts`.
fn leads_to(link: &Path, pty: &Pty) -> io::Result<bool> {
    let which = |file: &rustix::fs::Stat| (file.st_dev, file.st_ino, file.st_rdev);
    Ok(which(&rustix::fs::fstat(open(link)?)?) == which(&rustix::fs::fstat(&pty.slave)?))
}

/// Opens the slave that a link leads to, for writing without waiting. Whether it is still the one that the link was made for
/// is to be asked afterwards: as long as somebody has the master open, its number is no other's.
///
/// # Errors
/// Where it leads to none, or to one of another user than the link's own, who may read there.
pub(crate) fn open(link: &Path) -> io::Result<File> {
    let own = link.symlink_metadata()?;
    let to = rustix::fs::readlink(link, Vec::new())?;
    let number = to.as_bytes().strip_prefix(SLAVES).unwrap_or_default();
    if number.is_empty() || !number.iter().all(u8::is_ascii_digit) {
        return Err(io::Error::other("what is typed is led to no pseudo-terminal"));
    }
    // Its first terminal must not become that of vmwright's session (tty_ioctl(4)).
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let slave = rustix::fs::open(std::ffi::OsStr::from_bytes(to.as_bytes()), flags, Mode::empty())?;
    let found = rustix::fs::fstat(&slave)?;
    let is_slave = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && rustix::fs::fstatfs(&slave)?.f_type == DEVPTS;
    if !is_slave || found.st_uid != own.uid() {
        return Err(io::Error::other("what is typed is led to no pseudo-terminal of this user's"));
    }
    Ok(slave.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn bytes_go_through_as_they_are() {
        const TEST: &str = "bytes_go_through_as_they_are";
        let place = tempfile::tempdir().expect("a temporary directory");
        let link = place.path().join("typed");
        let mut pty = match make(&link) {
            Ok(pty) => pty,
            Err(error) => {
                assert!(link.symlink_metadata().is_err(), "nothing is left");
                return eprintln!("SKIPPED {TEST}: no pseudo-terminal: {error}");
            }
        };
        assert!(rustix::termios::isatty(&pty.master));
        assert_eq!(rustix::fs::fstat(&pty.slave).expect("open").st_mode & 0o777, 0o600);
        let all: Vec<u8> = (0..=255).collect();
        // Twice: when the first one goes, the slave is still held open.
        for _ in 0..2 {
            open(&link).expect("there").write_all(&all).expect("written");
            let mut came = [0; 256];
            pty.master.read_exact(&mut came).expect("there");
            assert_eq!(came[..], all);
        }
        // Where nobody reads it does not wait.
        let mut typed = open(&link).expect("there");
        let full = typed.write_all(&vec![b'x'; 1 << 20]).expect_err("more than the kernel keeps");
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_link_to_something_else_is_not_followed() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("file");
        std::fs::write(&file, "").expect("written");
        for (at, to) in ["/dev/null", "/dev/tty", "/dev/pts/ptmx", "/dev/pts/../null", "/dev/pts/", "typed"]
            .into_iter()
            .enumerate()
        {
            let link = place.path().join(at.to_string());
            std::os::unix::fs::symlink(to, &link).expect("linked");
            let told = open(&link).expect_err("no slave").to_string();
            assert!(told.contains("no pseudo-terminal"), "{to}: {told}");
        }
        assert!(open(&file).is_err() && open(&place.path().join("none")).is_err());
    }
}
