//! What gates ask an agent, answered by a shell in the guest, in the form of QEMU's guest agent (`qga/qapi-schema.json`).

use super::shell::{Shell, words};
use super::shell_files::Files;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::time::{Duration, Instant};
use vmwright_review::{GuestError, Ran};

/// How long a question may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Nanoseconds of a second.
const NANO: u64 = 1_000_000_000;
/// The most that a file of facts has, in bytes.
const FACTS: usize = 64 << 10;

/// A guest by its shell.
pub(super) struct ByShell {
    shell: RefCell<Shell>,
    files: RefCell<Files>,
}

impl ByShell {
    pub(super) fn new(shell: Shell) -> Self {
        Self { shell: RefCell::new(shell), files: RefCell::default() }
    }

    pub(super) fn execute(&self, command: &str, arguments: &Value) -> Result<Value, GuestError> {
        match command {
            "guest-ping" => self.told(":").map(|_| json!({})),
            "guest-get-osinfo" => self.osinfo(),
            "guest-get-time" => self.time(),
            "guest-set-time" => self.set_time(arguments),
            "guest-get-vcpus" => self.vcpus(),
            "guest-get-disks" => self.disks(),
            "guest-network-get-interfaces" => self.interfaces(),
            "guest-file-open" => self.files.borrow_mut().open(arguments, |script| self.bytes(script)),
            "guest-file-seek" => self.files.borrow_mut().seek(arguments),
            "guest-file-read" => self.files.borrow_mut().read(arguments, |script| self.bytes(script)),
            "guest-file-write" => self.files.borrow_mut().write(arguments, |script| self.bytes(script)),
            "guest-file-flush" => self.files.borrow_mut().flush(arguments),
            "guest-file-close" => self.files.borrow_mut().close(arguments),
            other => Err(refused(format!("`{other}` is a question to an agent, and a shell is asked"))),
        }
    }

    /// The first `max` bytes of a file.
    pub(super) fn file(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError> {
        self.bytes(&words("head", &["-c", &max.to_string(), path]))
    }

    /// So many reads of so many bytes of a file: dd(1) reads a block at a time, and nothing else runs in between.
    pub(super) fn reads(&self, path: &str, bytes: usize, count: usize) -> Result<Vec<Vec<u8>>, GuestError> {
        let (from, block, count) = (format!("if={path}"), format!("bs={bytes}"), format!("count={count}"));
        let all = self.bytes(&words("dd", &[&from, &block, &count]))?;
        Ok(all.chunks(bytes.max(1)).map(<[u8]>::to_vec).collect())
    }

    /// Runs a program.
    pub(super) fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Ran, GuestError> {
        let ran = self.ran(&words(program, arguments), limit)?;
        // What a shell says of a program that is not there, or is none (POSIX, 2.8.2 Exit Status for Commands).
        match ran.status {
            Some(126 | 127) if ran.output.is_empty() => Err(refused(said(&ran.errors))),
            _ => Ok(ran),
        }
    }

    fn ran(&self, script: &str, limit: Duration) -> Result<Ran, GuestError> {
        self.shell.borrow_mut().run(script, limit)
    }

    /// What a line of shell says where it succeeds.
    fn bytes(&self, script: &str) -> Result<Vec<u8>, GuestError> {
        succeeded(self.ran(script, ANSWER)?).map(|ran| ran.output)
    }

    fn told(&self, script: &str) -> Result<String, GuestError> {
        self.bytes(script).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn osinfo(&self) -> Result<Value, GuestError> {
        // An initramfs has none, and answers all the same.
        let text = self.file("/etc/os-release", FACTS).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut info = Map::new();
        for (name, key) in [
            ("ID", "id"),
            ("NAME", "name"),
            ("PRETTY_NAME", "pretty-name"),
            ("VERSION", "version"),
            ("VERSION_ID", "version-id"),
        ] {
            if let Some(value) = assigned(&text, name) {
                info.insert(key.to_owned(), value.into());
            }
        }
        let kernel = self.told("uname -r")?;
        info.insert("kernel-release".to_owned(), kernel.trim().into());
        Ok(info.into())
    }

    fn time(&self) -> Result<Value, GuestError> {
        let told = self.told("date +%s.%N")?;
        let (seconds, rest) = told.trim().split_once('.').unwrap_or_default();
        let parts: Option<(u64, u64)> =
            seconds.parse().ok().zip(rest.parse().ok().filter(|_| rest.len() == 9));
        match parts {
            Some((seconds, rest)) => Ok(json!(seconds.saturating_mul(NANO).saturating_add(rest))),
            None => self.next_second(),
        }
    }

    /// The same of a date(1) that tells no parts of a second, like busybox's: its next second is waited for. What the middle of the
    /// question is to be told is its begin, less half of what the question takes.
    fn next_second(&self) -> Result<Value, GuestError> {
        let began = Instant::now();
        let told =
            self.told("a=$(date +%s); b=$a; while [ \"$b\" = \"$a\" ]; do b=$(date +%s); done; echo \"$b\"")?;
        let half = u64::try_from(began.elapsed().as_nanos() / 2).unwrap_or(u64::MAX);
        let seconds: u64 = told.trim().parse().map_err(|_| refused("its date(1) tells no seconds"))?;
        Ok(json!(seconds.saturating_mul(NANO).saturating_sub(half)))
    }

    fn set_time(&self, arguments: &Value) -> Result<Value, GuestError> {
        let time = arguments.get("time").and_then(Value::as_u64);
        let time = time.ok_or_else(|| refused("it sets a clock to a time that is told"))?;
        let (seconds, rest) = (time / NANO, time % NANO);
        // Busybox's takes whole seconds.
        let nearest = time.saturating_add(NANO / 2) / NANO;
        self.told(&format!("date -s @{seconds}.{rest:09} 2>/dev/null || date -s @{nearest}"))
            .map(|_| json!({}))
    }

    fn vcpus(&self) -> Result<Value, GuestError> {
        let online = self.told("cat /sys/devices/system/cpu/online")?;
        let cpus = ranges(online.trim()).ok_or_else(|| refused("its list of processors is none"))?;
        Ok(cpus.into_iter().map(|cpu| json!({ "logical-id": cpu, "online": true })).collect())
    }

    fn disks(&self) -> Result<Value, GuestError> {
        let names = self.told("ls /sys/block")?;
        // What the kernel makes of memory and of other disks is no disk of a machine.
        let made = ["loop", "ram", "zram", "dm-", "md", "nbd", "fd"];
        let own = names.split_whitespace().filter(|name| !made.iter().any(|made| name.starts_with(made)));
        Ok(own.map(|name| json!({ "name": format!("/dev/{name}"), "partition": false })).collect())
    }

    fn interfaces(&self) -> Result<Value, GuestError> {
        let cards =
            self.told(r#"for i in /sys/class/net/*/address; do read -r a <"$i" && echo "$i $a"; done"#)?;
        // One that has no address says nothing there.
        let addresses = self.told("ip -o address")?;
        Ok(cards.lines().filter_map(|line| interface(line, &addresses)).collect())
    }
}

pub(super) fn refused(why: impl Into<String>) -> GuestError {
    GuestError::Refused(why.into())
}

fn said(errors: &[u8]) -> String {
    String::from_utf8_lossy(errors).trim().to_owned()
}

fn succeeded(ran: Ran) -> Result<Ran, GuestError> {
    if ran.status == Some(0) { Ok(ran) } else { Err(refused(said(&ran.errors))) }
}

/// The value of a variable in os-release(5).
fn assigned(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?.trim();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let value = quote.and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    Some(value.to_owned())
}

/// A list of processors of sysfs, like `0-3,8`. At most as many as Linux has (`NR_CPUS` of x86, 8192).
fn ranges(text: &str) -> Option<Vec<u64>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        if last >= 8192 || all.len() > 8192 {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// An interface by a line `/sys/class/net/NAME/address MAC`, with the addresses that `ip -o address` lists for it.
fn interface(line: &str, addresses: &str) -> Option<Value> {
    let (path, mac) = line.split_once(' ')?;
    let name = path.strip_prefix("/sys/class/net/")?.strip_suffix("/address")?;
    let of_it = addresses.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let listed = words.next()?.trim_end_matches(':');
        let kind = match words.next()? {
            "inet" => "ipv4",
            "inet6" => "ipv6",
            _ => return None,
        };
        let (ip, prefix) = words.next()?.split_once('/')?;
        let prefix: u64 = prefix.parse().ok()?;
        // `eth0@if3` is the name of one whose other end is elsewhere.
        let same = listed.split('@').next() == Some(name);
        same.then(|| json!({ "ip-address-type": kind, "ip-address": ip, "prefix": prefix }))
    });
    let mut interface = json!({ "name": name, "ip-addresses": of_it.collect::<Vec<_>>() });
    // The loopback device has only noughts there, and the agent says none.
    if mac.bytes().any(|byte| !matches!(byte, b'0' | b':')) {
        interface["hardware-address"] = mac.into();
    }
    Some(interface)
}

#[cfg(test)]
mod tests {
    use super::super::line::Line;
    use super::*;
    use std::process::Command;

    fn here() -> ByShell {
        let mut command = Command::new("sh");
        command.arg("-s");
        let line = Line::to(command).expect("it runs");
        ByShell::new(Shell::greet(line, "fedcba9876543210".to_owned()).expect("it answers"))
    }

    #[test]
    fn a_shell_answers_what_an_agent_is_asked() {
        let guest = here();
        let ask = |command: &str| guest.execute(command, &json!({})).expect("an answer");
        assert_eq!(ask("guest-ping"), json!({}));
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
        assert_eq!(ask("guest-get-osinfo")["kernel-release"], release.trim());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
        let told = ask("guest-get-time").as_u64().expect("nanoseconds");
        assert!(u128::from(told).abs_diff(now.as_nanos()) < 60_000_000_000, "{told}");
        let (begin, next) = (std::time::SystemTime::now(), guest.next_second().expect("a time"));
        let half = begin.elapsed().expect("later") / 2;
        let middle = (begin + half).duration_since(std::time::UNIX_EPOCH).expect("a time").as_nanos();
        let off = u128::from(next.as_u64().expect("nanoseconds")).abs_diff(middle);
        assert!(off < 300_000_000, "{off} ns beside the middle of the question");
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").expect("processors");
        let vcpus = ask("guest-get-vcpus");
        assert_eq!(vcpus.as_array().map(Vec::len), ranges(online.trim()).map(|all| all.len()));
        assert!(ask("guest-get-disks").is_array());
        assert!(matches!(guest.execute("vmwright-memory-fill", &json!({})), Err(GuestError::Refused(_))));
    }

    #[test]
    fn files_are_read_and_written_and_programs_run() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let guest = here();
        let path = place.path().join("it's a disk");
        std::fs::write(&path, [7; 20]).expect("written");
        let path = path.to_str().expect("text");
        assert_eq!(guest.file(path, 5).expect("read"), [7; 5]);
        let handle = guest.execute("guest-file-open", &json!({ "path": path, "mode": "w" })).expect("open");
        for text in ["AAEC", "Aw=="] {
            guest
                .execute("guest-file-write", &json!({ "handle": handle, "buf-b64": text }))
                .expect("written");
        }
        let mut whole = vec![7; 20];
        whole[..4].copy_from_slice(&[0, 1, 2, 3]);
        assert_eq!(std::fs::read(path).expect("read"), whole, "nothing is cut off");
        // At a place, and past the end; what is not there is not made.
        let handle = guest.execute("guest-file-open", &json!({ "path": path, "mode": "r+" })).expect("open");
        let ask = |command: &str, rest: Value| {
            let mut arguments = rest;
            arguments["handle"] = handle.clone();
            guest.execute(command, &arguments)
        };
        ask("guest-file-seek", json!({ "offset": 18, "whence": 0 })).expect("there");
        let end = ask("guest-file-read", json!({ "count": 6 })).expect("read");
        assert_eq!(end, json!({ "count": 2, "buf-b64": "Bwc=", "eof": true }));
        ask("guest-file-seek", json!({ "offset": 6, "whence": "set" })).expect("there");
        ask("guest-file-write", json!({ "buf-b64": "/w==" })).expect("written");
        whole[6] = 255;
        assert_eq!(std::fs::read(path).expect("read"), whole);
        ask("guest-file-close", json!({})).expect("closed");
        let absent = place.path().join("absent");
        let asked = json!({ "path": absent, "mode": "r+" });
        assert!(matches!(guest.execute("guest-file-open", &asked), Err(GuestError::Refused(_))));
        assert!(!absent.exists());
        assert_eq!(guest.reads(path, 8, 2).expect("read"), [whole[..8].to_vec(), whole[8..16].to_vec()]);
        let missing = guest.file("/no/such/file", 5).expect_err("not there").to_string();
        assert!(missing.contains("No such file"), "{missing}");
        let limit = Duration::from_secs(5);
        assert!(matches!(guest.run("/no/such/program", &[], limit), Err(GuestError::Refused(_))));
        assert_eq!(guest.run("sh", &["-c", "exit 3"], limit).expect("it ran").status, Some(3));
    }

    #[test]
    fn texts_of_a_guest_are_read_as_they_are() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\n";
        let all = ["ID", "PRETTY_NAME", "VERSION_ID", "NAME"].map(|name| assigned(text, name));
        assert_eq!(
            all.map(Option::unwrap_or_default),
            ["debian", "Debian GNU/Linux 12 (bookworm)", "12", ""].map(str::to_owned)
        );
        assert_eq!(ranges("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!((ranges("0-99999999"), ranges("")), (None, None));
        let addresses = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n\
                         2: eth0    inet 10.0.2.15/24 brd 10.0.2.255 scope global eth0\n\
                         3: eth0.5@eth0    inet6 fe80::1/64 scope link \n";
        let eth0 = interface("/sys/class/net/eth0/address 52:54:00:00:00:01", addresses).expect("one");
        let address = json!([{ "ip-address-type": "ipv4", "ip-address": "10.0.2.15", "prefix": 24 }]);
        assert_eq!(
            (&eth0["ip-addresses"], &eth0["hardware-address"]),
            (&address, &json!("52:54:00:00:00:01"))
        );
        let lo = interface("/sys/class/net/lo/address 00:00:00:00:00:00", addresses).expect("one");
        assert_eq!((lo.get("hardware-address"), &lo["ip-addresses"][0]["prefix"]), (None, &json!(8)));
    }
}
