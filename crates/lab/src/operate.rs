//! What is done with a lab that somebody else tries something in: programs put into it, its restarts followed, its power
//! cut, and knocking at its door from outside.

use crate::template::execute;
use crate::{Lab, LabError};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use vmwright_backend::request::Executed;
use vmwright_backend::{Backend as _, Request, State, Stop, Watch, store};

/// How long each try of the agent may take while a system comes up.
const TRY: Duration = Duration::from_secs(2);
/// Between two looks at a system that comes up.
const LOOK: Duration = Duration::from_millis(500);
/// How long the console may go on once it has said that the boot has ended: the lines behind say why.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long a knock waits for an answer. An emulated guest on a busy machine takes its time.
const KNOCK: Duration = Duration::from_secs(5);
/// How often it is knocked before nobody is at home.
const KNOCKS: usize = 3;
/// The port of the lab that is knocked at. Nothing listens there: that it is refused is the answer of its kernel.
const PORT: u16 = 22;

/// What the console says where a boot has come to its end and no system is there, with what that is.
const ENDS: [(&str, &str); 8] = [
    ("Kernel panic - not syncing", "the kernel stopped"),
    ("(initramfs)", "the initramfs did not find the root file system, and waits at its shell"),
    ("dracut:/#", "the initramfs did not find the root file system, and waits at its shell"),
    ("You are in emergency mode", "the system came up in emergency mode"),
    ("Give root password for maintenance", "the system came up in emergency mode"),
    ("Cannot open access to console, the root account is locked", "the system came up in emergency mode"),
    ("grub rescue>", "GRUB found nothing to boot"),
    ("grub> ", "GRUB found nothing to boot"),
];

/// How a restart ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// A system is up, and its agent answers.
    Up {
        /// Seconds until then.
        seconds: u64,
    },
    /// It is not, and will not be by itself.
    Dead {
        /// Why, in a sentence.
        why: String,
        /// What the console said last. Untrusted.
        said: Vec<String>,
        /// Seconds until that was known.
        seconds: u64,
    },
}

impl Lab {
    /// Runs a script in it as root.
    ///
    /// # Errors
    /// [`LabError`] where it could not be run; that it failed is in its status.
    pub fn script(&self, script: &str, limit: u64, watch: &mut dyn Watch) -> Result<Executed, LabError> {
        execute(&self.qemu(), self.machine(), script, limit, watch)
    }

    /// Puts a program of this host into it, mode 0755. It goes compressed: what an emulated guest's agent takes costs far
    /// more than unpacking it.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn put_program(&self, from: &Path, to: &str, watch: &mut dyn Watch) -> Result<(), LabError> {
        let packed = self.machine().file("program.gz");
        let pack = || -> io::Result<()> {
            let mut out = GzEncoder::new(File::create(&packed)?, Compression::fast());
            io::copy(&mut File::open(from)?, &mut out)?;
            out.finish()?.sync_all()
        };
        pack().map_err(LabError::file("pack", from))?;
        let inside = format!("{to}.gz");
        let copied = self.ask(Request::CopyIn { from: packed.clone(), to: inside }, watch);
        // It is in the lab's own folder, which goes with it.
        let _ = fs::remove_file(&packed);
        copied?;
        let done = self.script(&format!("gzip -df '{to}.gz' && chmod 755 '{to}'"), 120, watch)?;
        match done.status {
            Some(0) => Ok(()),
            _ => Err(LabError::Image(format!(
                "{to} cannot be unpacked in the lab: {}",
                String::from_utf8_lossy(&done.errors).trim()
            ))),
        }
    }

    /// Which boot its system is in, and the end of its console's log: what [`Self::restarted`] compares with.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn boot(&self, watch: &mut dyn Watch) -> Result<(String, u64), LabError> {
        let done = self.script("cat /proc/sys/kernel/random/boot_id", 20, watch)?;
        Ok((String::from_utf8_lossy(&done.output).trim().to_owned(), self.console_end()))
    }

    /// Follows a restart until a system is up in another boot than `before`, or none will be. `limit` is for a console
    /// that says nothing of its end.
    ///
    /// # Errors
    /// [`LabError`] where the lab itself is gone, or the user stops it.
    pub fn restarted(
        &self,
        before: &(String, u64),
        limit: Duration,
        watch: &mut dyn Watch,
    ) -> Result<Boot, LabError> {
        let begin = Instant::now();
        let mut ended: Option<(Instant, &str)> = None;
        loop {
            if watch.stopped() {
                return Err(LabError::Stopped);
            }
            let state = self.qemu().look(self.machine())?.state;
            if !state.alive() {
                let why = "its virtual machine monitor has ended".to_owned();
                return Err(LabError::Unstaged { why, said: self.console_since(before.1).join("\n") });
            }
            if self.qemu().agent(self.machine(), TRY).is_ok()
                && self.boot(watch).is_ok_and(|(now, _)| !now.is_empty() && now != before.0)
            {
                return Ok(Boot::Up { seconds: begin.elapsed().as_secs() });
            }
            let dead = |why: &str| Boot::Dead {
                why: why.to_owned(),
                said: self.console_since(before.1),
                seconds: begin.elapsed().as_secs(),
            };
            match ended {
                Some((since, why)) if since.elapsed() > LAST_WORDS => return Ok(dead(why)),
                Some(_) => {}
                None => ended = end(&self.console_since(before.1)).map(|why| (Instant::now(), why)),
            }
            if begin.elapsed() > limit {
                return Ok(dead(&format!("nothing of it answers after {} s", limit.as_secs())));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Cuts its power and gives it back. Its disks are as they were at that moment.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn power_cycle(&self) -> Result<(), LabError> {
        let qemu = self.qemu();
        let state = qemu.look(self.machine())?.state;
        if state.alive() || state == State::Starting {
            qemu.stop(self.machine(), Stop::Force)?;
        }
        qemu.start(self.machine())?;
        self.connect(&self.hardware().nvme_ports())
    }

    /// Whether its system is reached from outside, by the address that it was given first: its kernel answers there.
    ///
    /// # Errors
    /// [`LabError`] where that cannot be tried.
    pub fn is_reached(&self) -> Result<bool, LabError> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(LabError::file("find a free port for", self.machine().directory()))?.port();
        self.forward(&format!("hostfwd_add uplink tcp:127.0.0.1:{port}-:{PORT}"))?;
        let reached = (0..KNOCKS).any(|_| answers(port));
        self.forward(&format!("hostfwd_remove uplink tcp:127.0.0.1:{port}"))?;
        Ok(reached)
    }

    /// What QEMU's monitor for people can of its user-mode network, and QMP cannot.
    fn forward(&self, line: &str) -> Result<(), LabError> {
        let mut monitor = self.qemu().monitor(self.machine())?;
        let said = monitor.execute("human-monitor-command", Some(json!({ "command-line": line })));
        match said {
            Ok(said) => match said.as_str().unwrap_or_default().trim() {
                "" => Ok(()),
                done if done.ends_with("removed") => Ok(()),
                why => Err(LabError::Image(format!("QEMU does not forward a port to the lab: {why}"))),
            },
            Err(error) => Err(LabError::Image(format!("QEMU does not forward a port to the lab: {error}"))),
        }
    }

    fn console_end(&self) -> u64 {
        fs::metadata(self.machine().file(store::SERIAL)).map_or(0, |meta| meta.len())
    }

    /// The lines of its console behind a mark; all of them where it begins anew with each start of its VMM.
    fn console_since(&self, mark: u64) -> Vec<String> {
        let bytes = fs::read(self.machine().file(store::SERIAL)).unwrap_or_default();
        let from = usize::try_from(mark).ok().filter(|mark| *mark <= bytes.len()).unwrap_or(0);
        plain(&String::from_utf8_lossy(&bytes[from..]))
    }
}

/// Whether something at the other end of a forwarded port answers: whoever forwards takes every connection, and gives it up at
/// once where the guest refuses it.
fn answers(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = stream.set_read_timeout(Some(KNOCK));
    match stream.peek(&mut [0]) {
        Ok(_) => true,
        Err(error) => matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
    }
}

/// What has ended a boot, as its console tells.
fn end(lines: &[String]) -> Option<&'static str> {
    let said = |sign: &str| lines.iter().any(|line| line.contains(sign));
    ENDS.iter().find(|(sign, _)| said(sign)).map(|(_, why)| *why)
}

/// A console's lines without what moves a terminal's cursor, and without empty ones.
fn plain(text: &str) -> Vec<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // A control sequence ends with a letter (ECMA-48, 5.4).
            '\u{1b}' if letters.peek() == Some(&'[') => {
                letters.next();
                letters.by_ref().find(|letter| ('\u{40}'..='\u{7e}').contains(letter));
            }
            '\n' => out.push('\n'),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_tells_what_ended_a_boot() {
        let of = |text: &str| end(&plain(text));
        let panic =
            "[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n";
        assert_eq!(of(panic), Some("the kernel stopped"));
        let shell = "ALERT!  /dev/vdz9 does not exist.  Dropping to a shell!\r\n\u{1b}[6n\r\n(initramfs) ";
        assert!(of(shell).is_some_and(|why| why.contains("root file system")));
        assert!(of("You are in emergency mode. After logging in").is_some());
        // What GRUB prints before its menu, and a system that comes up.
        assert_eq!(
            of(
                "Welcome to GRUB!\r\n\u{1b}[2J\u{1b}[H[    0.0] Linux version\r\nDebian GNU/Linux 12 lab ttyS0\r\n\r\nlab login: "
            ),
            None
        );
        assert_eq!(plain("a\u{1b}[1;31mb\u{7}\r\n\r\nc"), ["ab", "c"]);
    }

    #[test]
    fn a_refusal_is_an_answer_and_silence_is_none() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("it has one").port();
        let closing = std::thread::spawn(move || drop(listener.accept()));
        assert!(answers(port), "whoever forwards gives the connection up");
        closing.join().expect("it ends");
        assert!(!answers(port), "nobody forwards");
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        assert!(!answers(silent.local_addr().expect("it has one").port()));
    }
}
