//! What the hostile collector attacks: files, a process, a listener. And what it may use.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The user that stands for everybody without privilege.
pub(crate) const NOBODY: u32 = 65534;

/// Everything outside the sandbox. The parts are found again by name in the process under test.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    sleeper: Child,
    tcp: TcpListener,
    unix: UnixListener,
    /// Holds the lock on `disk.raw`.
    _disk: fs::File,
}

impl Scene {
    /// A fresh one whose files belong to `user`.
    pub(crate) fn new(user: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let outside = folder.path().join("outside");
        let machine = folder.path().join("state/machines/web");
        fs::create_dir_all(outside.join("empty")).unwrap();
        fs::create_dir_all(&machine).unwrap();
        for name in ["kept", "renamed", "removed", "linked", "moved", "disk.raw"] {
            fs::write(outside.join(name), "as it was\n").unwrap();
        }
        let disk = outside.join("disk.raw");
        let spec = format!("name = \"web\"\n[[disk]]\npath = \"{}\"\nformat = \"raw\"\n", disk.display());
        fs::write(machine.join("machine.toml"), spec).unwrap();
        let unix = UnixListener::bind(outside.join("socket")).unwrap();
        unix.set_nonblocking(true).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        if let Some(user) = user {
            let status =
                Command::new("chown").arg("-R").arg(format!("{user}:{user}")).arg(folder.path()).status();
            assert!(status.unwrap().success());
        }
        fs::write(outside.join("secret"), "mine\n").unwrap();
        fs::set_permissions(outside.join("secret"), Permissions::from_mode(0o600)).unwrap();
        let disk = lock_disk(&disk);
        Self { folder, sleeper, tcp, unix, _disk: disk }
    }

    /// Runs this program again in a role, in this scene, and gives what it says.
    pub(crate) fn play(&mut self, role: &str, user: Option<u32>) -> String {
        let mut child = self.start(role, user);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{role}: {status}\n{said}");
        said
    }

    /// Starts this program again in a role, as another user where one is given.
    pub(crate) fn start(&mut self, role: &str, user: Option<u32>) -> Child {
        let mut program = std::env::current_exe().unwrap();
        if user.is_some() {
            // The build may lie where another user cannot go; the scene does not.
            let copy = self.folder.path().join("again");
            if !copy.exists() {
                std::fs::copy(&program, &copy).unwrap();
            }
            program = copy;
        }
        let mut command = Command::new(program);
        command
            .env("VMWRIGHT_ROLE", role)
            .env("SCENE", self.folder.path())
            .env("SLEEPER", self.sleeper.id().to_string())
            .env("PORT", self.tcp.local_addr().unwrap().port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command.spawn().unwrap()
    }

    /// Everything about the files outside that an attack could have changed.
    pub(crate) fn fingerprint(&self) -> String {
        let mut text = String::new();
        describe(&self.folder.path().join("outside"), &mut text);
        text
    }

    /// That nobody has harmed the sleeper, nor spoken to the listeners.
    pub(crate) fn assert_unharmed(&mut self) {
        assert!(self.sleeper.try_wait().unwrap().is_none(), "the sleeper has ended");
        assert!(self.tcp.accept().is_err(), "somebody has connected by TCP");
        assert!(self.unix.accept().is_err(), "somebody has connected to the UNIX socket");
    }

    /// Path of the disk that this process has locked.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join("outside/disk.raw")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.sleeper.kill();
        let _ = self.sleeper.wait();
    }
}

fn lock_disk(path: &Path) -> fs::File {
    let mut file = fs::File::options().read(true).write(true).open(path).unwrap();
    file.write_all(b"as it was\n").unwrap();
    // QEMU locks single bytes from 100 on, in the same way.
    let lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 100,
        l_len: 2,
        l_pid: 0,
    };
    // SAFETY: an open descriptor and a live structure.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }, 0);
    file
}

fn describe(path: &Path, text: &mut String) {
    use std::fmt::Write;
    let meta = path.symlink_metadata().unwrap();
    let (mode, links) = (meta.mode(), if meta.is_dir() { 0 } else { meta.nlink() });
    let content = if meta.is_file() { fs::read_to_string(path).unwrap() } else { String::new() };
    let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    writeln!(text, "{path:?} {mode:o} {links} {}:{} {times:?} {content:?}", meta.uid(), meta.gid()).unwrap();
    if meta.is_dir() {
        let mut below: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        below.iter().for_each(|path| describe(path, text));
    }
}

/// The same scene from inside the process under test.
pub(crate) struct Place {
    pub(crate) outside: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) sleeper: i32,
    pub(crate) port: u16,
}

impl Place {
    pub(crate) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap();
        let folder = PathBuf::from(variable("SCENE"));
        Self {
            outside: folder.join("outside"),
            state: folder.join("state"),
            sleeper: variable("SLEEPER").parse().unwrap(),
            port: variable("PORT").parse().unwrap(),
        }
    }
}
