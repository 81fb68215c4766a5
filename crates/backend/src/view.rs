//! What a VMM sees of its host that is started as a user of its own: its files lie where they lie for everybody, and are
//! that user's there (`lent.rs`). A directory that the user may not enter is hidden behind an empty one in which nothing
//! lies but what the machine needs, its devices are made anew for it, and where the machine's directory is, it has that of its
//! sockets: what it makes there vmwright finds.

use crate::account::Account;
use crate::apart::Apart;
use crate::lent;
use crate::sockets::SocketDirectory;
use crate::{Stored, chain};
use rustix::thread::{CapabilitySet, capabilities};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The directory of devices in that of the machine's sockets.
const DEVICES: &str = "dev";
/// Symbolic links of a path that are followed at most, as the kernel does (path_resolution(7)).
const LINKS: usize = 40;

/// What a VMM is to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
    Execute,
}

/// What is shown to a VMM's user.
#[derive(Debug)]
pub(crate) struct View {
    user: u32,
    shown: Vec<Shown>,
}

/// One file, and as what it is shown.
#[derive(Debug)]
struct Shown {
    way: Way,
    what: What,
}

#[derive(Debug)]
enum What {
    Tree(Arc<OwnedFd>),
    Device { mode: u32, number: u64 },
}

impl View {
    /// Nothing yet.
    ///
    /// # Errors
    /// Why nothing can be shown on this host.
    pub(crate) fn of(user: u32) -> Result<Self, String> {
        let tried = lent::tree(Path::new("/")).and_then(|tree| lent::change(&tree, None, true));
        tried.map_err(|error| format!("vmwright can make no mounts for it: {}", chain(&error)))?;
        Ok(Self { user, shown: Vec::new() })
    }

    /// Shows a file, at its own path.
    ///
    /// # Errors
    /// Why the user cannot have it. What is not there the VMM misses itself.
    pub(crate) fn file(&mut self, path: &Path, to: Use) -> Result<(), String> {
        let fail = |error: io::Error| format!("`{}`: {}", path.display(), chain(&error));
        let (way, file) = match Way::to(path, self.user).and_then(|way| Ok((way, path.metadata()?))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found.map_err(fail)?,
        };
        let free = may(&file, self.user, to);
        if free && way.hidden.is_none() {
            return Ok(());
        }
        let kind = file.file_type();
        let what = if kind.is_block_device() || kind.is_char_device() {
            if !may_make_devices() {
                return Err(format!("`{}`: vmwright may make no device for it (CAP_MKNOD)", path.display()));
            }
            let rights = if to == Use::Write { 0o600 } else { 0o400 };
            What::Device { mode: file.mode() & libc::S_IFMT | rights, number: file.rdev() }
        } else {
            if !free && !owner_may(&file, to) {
                return Err(format!("`{}`: its own owner has no right to it", path.display()));
            }
            let tree = lent::tree(path).map_err(fail)?;
            lent::change(&tree, (!free).then_some(self.user), to != Use::Write).map_err(|error| {
                let (path, why) = (path.display(), chain(&error));
                format!("`{path}`: the kernel or its file system lends no file to another user: {why}")
            })?;
            What::Tree(Arc::new(tree))
        };
        self.shown.push(Shown { way, what });
        Ok(())
    }

    /// The account of its user.
    pub(crate) fn account(&self) -> Account {
        Account { name: self.user.to_string(), uid: self.user, gid: self.user, groups: vec![self.user] }
    }

    /// The way of a VMM to all of it. The directory of its sockets is its user's.
    pub(crate) fn apart(self, machine: &Stored, sockets: &SocketDirectory) -> io::Result<Apart> {
        let mut to = To { apart: Apart::default(), hidden: Vec::new() };
        let devices = sockets.path().join(DEVICES);
        let mut has_devices = false;
        for at in [sockets.path(), &machine.directory()] {
            let way = Way::to(at, self.user)?;
            // A mount is in one place.
            let own = lent::tree(sockets.path())?;
            lent::change(&own, None, false)?;
            to.lead(&way, true)?;
            to.apart.mount_tree(Arc::new(own), &way.path)?;
            // What is shown in it lies on what it hides.
            to.hidden.push(way.path);
        }
        for (at, Shown { way, what }) in self.shown.into_iter().enumerate() {
            to.lead(&way, false)?;
            match what {
                What::Tree(tree) => to.apart.mount_tree(tree, &way.path)?,
                What::Device { mode, number } => {
                    if !std::mem::replace(&mut has_devices, true) {
                        to.apart.devices(&devices)?;
                    }
                    let device = devices.join(at.to_string());
                    to.apart.device(&device, mode, number, self.user)?;
                    to.apart.show(&device, &way.path, false)?;
                }
            }
        }
        Ok(to.apart)
    }
}

/// Steps to what is shown, and what they have hidden already.
struct To {
    apart: Apart,
    hidden: Vec<PathBuf>,
}

impl To {
    /// Makes a place to mount on where there is none.
    fn lead(&mut self, way: &Way, directory: bool) -> io::Result<()> {
        let Some(hidden) = &way.hidden else { return Ok(()) };
        if !self.hidden.contains(hidden) {
            self.apart.hide(hidden)?;
            self.hidden.push(hidden.clone());
        }
        let above: Vec<&Path> = way.path.ancestors().skip(1).take_while(|above| above != hidden).collect();
        above.into_iter().rev().try_for_each(|above| self.apart.directory(above))?;
        if directory { self.apart.directory(&way.path) } else { self.apart.file(&way.path) }
    }
}

/// The way of a user to a file.
#[derive(Debug, PartialEq, Eq)]
struct Way {
    /// The file, by no symbolic link as far as the user gets.
    path: PathBuf,
    /// The first directory that the user may not enter.
    hidden: Option<PathBuf>,
}

impl Way {
    fn to(path: &Path, user: u32) -> io::Result<Self> {
        let words = |path: &Path| -> VecDeque<OsString> {
            let words =
                path.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
            words.map(|part| part.as_os_str().to_owned()).collect()
        };
        if !path.is_absolute() {
            return Err(io::Error::other("it is no absolute path"));
        }
        let (mut here, mut left, mut links) = (PathBuf::from("/"), words(path), 0);
        while let Some(word) = left.pop_front() {
            if !may(&here.symlink_metadata()?, user, Use::Execute) {
                left.push_front(word);
                if left.iter().any(|word| word == "..") {
                    return Err(io::Error::other("its path goes back by `..`"));
                }
                let path = left.iter().fold(here.clone(), |path, word| path.join(word));
                return Ok(Self { path, hidden: Some(here) });
            }
            if word == ".." {
                here.pop();
                continue;
            }
            let next = here.join(word);
            if !next.symlink_metadata()?.is_symlink() {
                here = next;
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            let target = next.read_link()?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            words(&target).into_iter().rev().for_each(|word| left.push_front(word));
        }
        Ok(Self { path: here, hidden: None })
    }
}

/// Whether a user in no group but its own may do so (path_resolution(7)). A list of rights beside these bits (acl(5)) does not
/// name the user; its mask is among them.
fn may(file: &Metadata, user: u32, to: Use) -> bool {
    if file.uid() == user {
        return owner_may(file, to);
    }
    has(file.mode(), to)
}

/// A container's root often may not.
fn may_make_devices() -> bool {
    capabilities(None).is_ok_and(|has| has.effective.contains(CapabilitySet::MKNOD))
}

fn owner_may(file: &Metadata, to: Use) -> bool {
    has(file.mode() >> 6, to)
}

/// Whether the lowest three bits of a mode hold the right.
fn has(mode: u32, to: Use) -> bool {
    let bits = match to {
        Use::Read => 0o4,
        Use::Write => 0o6,
        Use::Execute => 0o1,
    };
    mode & bits == bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Launch, Rights, Streams, launch};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const USER: u32 = 0x7000_0001;

    /// Runs a script as the user of a view, and gives what it said.
    fn said(view: View, machine: &Stored, sockets: &SocketDirectory, script: &str) -> String {
        let log = tempfile::tempfile().expect("a temporary file");
        let arguments = ["-c".into(), script.into()];
        let account = Some(view.account());
        let apart = view.apart(machine, sockets).expect("made");
        let it = Launch {
            program: Path::new("/bin/sh"),
            arguments: &arguments,
            log: &log,
            within: Path::new("/"),
            inherits: &[],
            streams: Streams::default(),
            account,
            cgroup: None,
            apart: Some(&apart),
            rights: Rights { no_new: true, ..Rights::default() },
        };
        let Ok(mut child) = launch::<()>(&it, |_| Ok(())) else { panic!("it runs") };
        child.wait().expect("it ends");
        let mut log = log;
        io::Seek::rewind(&mut log).expect("a file");
        io::read_to_string(log).expect("text")
    }

    #[test]
    fn it_reads_and_writes_what_it_is_shown_and_sees_nothing_else() {
        const TEST: &str = "it_reads_and_writes_what_it_is_shown_and_sees_nothing_else";
        if !rustix::process::geteuid().is_root() {
            return eprintln!("SKIPPED {TEST}: needs root");
        }
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str| place.path().canonicalize().expect("there").join(name);
        let (state, name) = (file("state"), "a".to_owned());
        let machine = Stored { spec: vmwright_model::MachineSpec::named(&name), name, state };
        fs::create_dir_all(machine.directory()).expect("made");
        fs::set_permissions(file(""), PermissionsExt::from_mode(0o700)).expect("set");
        for (name, text) in [("disk", "disk "), ("kernel", "kernel "), ("other", "other ")] {
            fs::write(file(name), text).expect("written");
            fs::set_permissions(file(name), PermissionsExt::from_mode(0o600)).expect("set");
        }
        fs::write(machine.file("machine.toml"), "").expect("written");
        // As `/dev/null`, but root's alone.
        let null = fs::metadata("/dev/null").expect("there").rdev();
        let kind = rustix::fs::FileType::CharacterDevice;
        let made = rustix::fs::mknodat(rustix::fs::CWD, file("null"), kind, 0o600.into(), null);
        let mut view = match (View::of(USER), made) {
            (Ok(view), Ok(())) => view,
            cannot => return eprintln!("SKIPPED {TEST}: {cannot:?}"),
        };
        let shown = [("disk", Use::Write), ("kernel", Use::Read), ("null", Use::Write), ("none", Use::Read)];
        for (name, to) in shown {
            if let Err(why) = view.file(&file(name), to) {
                assert!(why.contains("lends no file"), "{why}");
                return eprintln!("SKIPPED {TEST}: {why}");
            }
        }
        let sockets = SocketDirectory::make(&machine.state, "a", Some((USER, USER))).expect("short enough");
        let (place, own) = (file(""), machine.directory());
        let (place, own) = (place.display(), own.display());
        let script = format!(
            "cd {place}; cat disk kernel; echo; cat other; echo more >> disk; echo more >> kernel; echo gone > null; ls {own}; \
             echo made > {own}/made; stat -c '%u %a' disk null; id -u"
        );
        let said = said(view, &machine, &sockets, &script);
        let lines: Vec<&str> =
            said.lines().filter(|line| !line.contains("No such file") && !line.contains("cannot")).collect();
        let user = USER.to_string();
        let expected = ["disk kernel ", "dev", &format!("{user} 600"), &format!("{user} 600"), &user];
        assert_eq!(lines, expected, "{said}");
        assert!(said.contains("other: No such file") && said.contains("Read-only file system"), "{said}");
        // On the host they are as they were, and what it made is where vmwright finds it.
        let left = |name: &str| fs::read_to_string(file(name)).expect("there");
        assert_eq!((left("disk").as_str(), left("kernel").as_str()), ("disk more\n", "kernel "));
        assert_eq!(fs::metadata(file("disk")).expect("there").uid(), 0);
        assert_eq!(fs::read_to_string(sockets.path().join("made")).expect("there"), "made\n");
    }

    #[test]
    fn the_way_ends_at_the_first_directory_that_is_closed() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let open = place.path().canonicalize().expect("there");
        fs::set_permissions(&open, PermissionsExt::from_mode(0o711)).expect("set");
        let closed = open.join("closed");
        fs::create_dir_all(closed.join("deep")).expect("made");
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).expect("set");
        for file in [open.join("a"), closed.join("deep/b")] {
            fs::write(file, "").expect("written");
        }
        symlink("closed/deep/b", open.join("to-b")).expect("linked");
        symlink(open.join("a"), closed.join("to-a")).expect("linked");
        symlink("loop", open.join("loop")).expect("linked");
        let way = |name: &str| Way::to(&open.join(name), USER);
        let found =
            |path: &str, hidden: Option<&PathBuf>| Way { path: open.join(path), hidden: hidden.cloned() };
        assert_eq!(way("a").expect("there"), found("a", None));
        assert_eq!(way("to-b").expect("there"), found("closed/deep/b", Some(&closed)));
        // Behind the closed one a link is a name.
        assert_eq!(way("closed/to-a").expect("there"), found("closed/to-a", Some(&closed)));
        assert_eq!(way("loop").expect_err("endless").raw_os_error(), Some(libc::ELOOP));
        way("closed/../a").expect_err("back out of what it may not enter");
        way("none").expect_err("not there");
    }

    #[test]
    fn who_may_make_no_devices_shows_none() {
        const TEST: &str = "who_may_make_no_devices_shows_none";
        let place = tempfile::tempdir().expect("a temporary directory");
        let disk = place.path().join("disk");
        let kind = rustix::fs::FileType::CharacterDevice;
        let number = fs::metadata("/dev/null").expect("there").rdev();
        if let Err(error) = rustix::fs::mknodat(rustix::fs::CWD, &disk, kind, 0o600.into(), number) {
            return eprintln!("SKIPPED {TEST}: {error}");
        }
        // Rights are each thread's own.
        let refused = std::thread::spawn(move || {
            let mut has = capabilities(None).expect("told");
            has.effective.remove(CapabilitySet::MKNOD);
            rustix::thread::set_capabilities(None, has).expect("dropped");
            View { user: USER, shown: Vec::new() }.file(&disk, Use::Write)
        });
        let why = refused.join().expect("no panic").expect_err("refused");
        assert!(why.ends_with("may make no device for it (CAP_MKNOD)"), "{why}");
    }

    #[test]
    fn rights_are_those_of_the_bits() {
        assert!(has(0o6, Use::Write) && has(0o4, Use::Read) && has(0o1, Use::Execute));
        assert!(
            !has(0o2, Use::Write) && !has(0o4, Use::Write) && !has(0o3, Use::Read) && !has(0o6, Use::Execute)
        );
    }
}
