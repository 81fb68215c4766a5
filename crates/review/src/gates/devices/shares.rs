//! Directories of the host that the guest shares: where the guest has each mounted, a file of random bytes that the host lays there
//! is read in the guest, and comes back as a second file where the guest may write.
//!
//! A guest that looks at a share whose daemon has gone waits for ever, so that the VMM is asked for the daemon first, and a
//! program of its own looks, not the agent.

use super::observe::Observed;
use super::Gate;
use crate::gates::component;
use crate::gates::hot_plug::pattern;
use crate::quote;
use crate::scope::{GuestError, Session, Undone};
use serde_json::Value;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Share, ShareDriver};

/// Types of the devices (virtio 1.2, section 5).
const NINE_P: u32 = 9;
const FILES: u32 = 26;

/// The largest table of mounts that is read, in bytes.
const MOUNTS: usize = 64 << 10;

/// How long the guest may take for one file, under TCG too.
const LIMIT: Duration = Duration::from_secs(10);

/// The most processes that are looked through for a daemon.
const PROCESSES: usize = 65_536;

/// What was seen of one share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Where the guest has it; none where it has not mounted it.
    pub(crate) mount: Option<Mount>,
    /// The socket behind which the VMM has lost the daemon.
    pub(crate) lost: Option<String>,
    /// What became of bytes; or why none were sent.
    pub(crate) bytes: Result<Passed, String>,
}

/// A mount in the guest. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) place: String,
    pub(crate) readonly: bool,
}

/// What became of bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passed {
    /// Whether the guest read what the host had laid there, or what it says; outside of it why it is not known.
    pub(crate) there: Tried,
    /// The same of what the guest wrote; none where it was not tried.
    pub(crate) back: Option<Tried>,
}

type Tried = Result<Result<bool, String>, String>;

/// Each share of the specification; none where there is none.
pub(super) fn observe(session: &Session<'_>) -> Option<Result<Vec<Seen>, String>> {
    let shares = &session.scope.spec.shares;
    if shares.is_empty() {
        return None;
    }
    let mounts = session.guest_file("/proc/mounts", MOUNTS).map_err(|error| format!("/proc/mounts: {error}"));
    Some(mounts.map(|mounts| shares.iter().map(|share| one(session, share, &mounts)).collect()))
}

fn one(session: &Session<'_>, share: &Share, mounts: &str) -> Seen {
    let (mount, lost) = (mounted(mounts, share), lost(session, share));
    let bytes = match (&mount, &lost) {
        (None, _) => Err("the guest has not mounted it".to_owned()),
        (_, Some(_)) => Err("its daemon has gone".to_owned()),
        (Some(mount), None) => directory(session, share).and_then(|directory| pass(session, mount, &directory)),
    };
    Seen { mount, lost, bytes }
}

/// Where a share is mounted: what is mounted is named by its tag (proc_mounts(5)).
fn mounted(mounts: &str, share: &Share) -> Option<Mount> {
    let kind = match share.driver {
        ShareDriver::VirtioFs => "virtiofs",
        ShareDriver::NineP => "9p",
    };
    // What is mounted last over another is what the guest sees.
    mounts.lines().rev().find_map(|line| {
        let mut words = line.split(' ');
        let (what, place, of, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let readonly = options.split(',').any(|option| option == "ro");
        (component(&share.tag) == Some(what) && of == kind).then(|| Mount { place: unescaped(place), readonly })
    })
}

/// A path of `/proc/mounts`: blanks and backslashes stand there as three octal digits.
fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The socket of a share's daemon, where the VMM says that nobody is at its other end any more (QEMU's `chardev/char-socket.c`).
fn lost(session: &Session<'_>, share: &Share) -> Option<String> {
    let socket = share.socket.as_ref()?;
    let answer = session.scope.vmm.query("query-chardev").ok()?;
    let gone = |one: &Value| {
        let words = one.get("filename").and_then(Value::as_str).and_then(|name| name.strip_prefix("disconnected:unix:"));
        words.is_some_and(|words| words.split(',').next() == Some(socket))
    };
    answer.as_array()?.iter().any(gone).then(|| socket.clone())
}

/// The directory of the host: the specification names it, or the command line of the daemon that serves the socket.
fn directory(session: &Session<'_>, share: &Share) -> Result<String, String> {
    if let Some(path) = &share.path {
        return Ok(path.clone());
    }
    let socket = share.socket.as_deref().ok_or("the specification names neither a directory nor a socket")?;
    let host = session.scope.host;
    let names = host.names("/proc").map_err(|why| format!("/proc of the host: {why}"))?;
    let of = |pid: String| {
        let bytes = host.file(&format!("/proc/{pid}/cmdline")).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        served(&text.split('\0').collect::<Vec<_>>(), socket)
    };
    let pids = names.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).take(PROCESSES);
    pids.into_iter().find_map(of).ok_or_else(|| format!("no daemon of this host says which directory it serves at `{socket}`"))
}

/// The directory that a virtiofsd serves, by its command line, where it serves it at this socket: `--shared-dir`, or `-o source=`
/// of QEMU's own.
fn served(words: &[&str], socket: &str) -> Option<String> {
    let value = |name: &str| {
        words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name)? {
            "" => words.get(at + 1).copied(),
            rest => rest.strip_prefix('='),
        })
    };
    if value("--socket-path") != Some(socket) {
        return None;
    }
    let options = words.iter().flat_map(|word| word.strip_prefix("-o").unwrap_or(word).split(','));
    let source = options.into_iter().find_map(|option| option.strip_prefix("source="));
    value("--shared-dir").or(source).map(str::to_owned)
}

/// Sends bytes to the guest and back.
fn pass(session: &Session<'_>, mount: &Mount, directory: &str) -> Result<Passed, String> {
    let exercise = session.scope.exercise.ok_or("nothing may be done with this VM here")?;
    let bytes = pattern(RandomState::new().hash_one(directory));
    let mut passed = None;
    let came = exercise.shared(directory, &bytes, &mut |sent, back| {
        let at = |name: &str| format!("{}/{name}", mount.place.trim_end_matches('/'));
        let (sent, back) = (at(sent), at(back));
        let there = run(session, &["show", &sent], ("cat", &[&sent])).map(|said| said.map(|said| said == bytes));
        let may_write = !mount.readonly && matches!(there, Ok(Ok(true)));
        let (from, to) = (format!("if={sent}"), format!("of={back}"));
        let carry = || run(session, &["carry", &sent, &back], ("dd", &[&from, &to, "bs=64k", "conv=fsync"]));
        passed = Some((there, may_write.then(carry)));
    });
    let came = match came {
        Err(Undone::Cannot(why)) => return Err(why),
        Err(Undone::Failed(why)) => Err(why),
        Ok(came) => Ok(came),
    };
    let (there, written) = passed.ok_or("the guest was not asked")?;
    let back = written.map(|written| match (written, came) {
        (Err(why), _) => Err(why),
        (Ok(_), Err(why)) => Ok(Err(why)),
        (Ok(_), Ok(Some(came))) => Ok(Ok(came == bytes)),
        (Ok(Err(why)), Ok(None)) => Ok(Err(why)),
        (Ok(Ok(_)), Ok(None)) => Ok(Err("it says that it wrote a file, and the host finds none".to_owned())),
    });
    Ok(Passed { there, back })
}

/// What a program says, or why it fails; outside of it why it was not run.
type Said = Result<Result<Vec<u8>, String>, String>;

/// Runs a word of our probe, or a program in another guest.
fn run(session: &Session<'_>, words: &[&str], (program, arguments): (&str, &[&str])) -> Said {
    let guest = session.scope.guest;
    let ran = if session.is_probe() { guest.run("/init", words, LIMIT) } else { guest.run(program, arguments, LIMIT) };
    match ran {
        Ok(ran) if ran.status == Some(0) => Ok(Ok(ran.output)),
        Ok(ran) => Ok(Err(String::from_utf8_lossy(&ran.errors).lines().next_back().unwrap_or("it says nothing").to_owned())),
        Err(GuestError::Refused(why)) => Err(why),
        // A guest that otherwise answers waits for its share.
        Err(GuestError::Silent(why)) if session.ask("guest-ping").is_ok() => {
            Ok(Err(format!("it does not come to an end of it within {} s ({why})", LIMIT.as_secs())))
        }
        Err(GuestError::Silent(why)) => Err(why),
    }
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    for (name, kind, driver) in [("virtio-fs", FILES, ShareDriver::VirtioFs), ("9p", NINE_P, ShareDriver::NineP)] {
        gate.made(seen, name, kind, spec.shares.iter().filter(|share| share.driver == driver).count(), "shares");
    }
    gate.aspects.about("shares");
    let Some(answer) = &seen.shares else { return };
    let Some(all) = gate.of_guest("shared directories", answer).cloned() else { return };
    for (share, seen) in spec.shares.iter().zip(all) {
        let told = one_judged(share, &seen, gate);
        let host = share.path.as_deref().or(share.socket.as_deref()).unwrap_or_default();
        let place = seen.mount.map_or_else(|| "not mounted".to_owned(), |mount| format!("mounted at {}{told}", mount.place));
        gate.row(&format!("share {}", share.tag), host, "", &place);
    }
}

/// Gives words for what came of its bytes.
fn one_judged(share: &Share, seen: &Seen, gate: &mut Gate) -> &'static str {
    let tag = &share.tag;
    if let Some(socket) = &seen.lost {
        let why = "whatever in the guest looks at it waits for ever";
        gate.aspects.fail(format!("share `{tag}`: the VMM has lost the daemon behind `{socket}`: {why}"));
        return "";
    }
    let Some(mount) = &seen.mount else {
        gate.aspects.unknown(format!("the guest has not mounted `{tag}`, so that nothing of it was seen there"));
        return "";
    };
    if mount.readonly && !share.readonly {
        let place = quote::line(&mount.place);
        gate.aspects.fail(format!("the guest has mounted `{tag}` read-only at {place}, the specification lets it write"));
    }
    let passed = match &seen.bytes {
        Ok(passed) => passed,
        Err(why) => {
            gate.aspects.unknown(format!("share `{tag}`: no bytes were sent: {}", quote::line(why)));
            return "";
        }
    };
    match &passed.there {
        Ok(Ok(true)) => gate.aspects.pass(),
        Ok(Ok(false)) => gate.aspects.fail(format!("share `{tag}`: the guest reads other bytes than the host has laid there")),
        Ok(Err(why)) => {
            gate.aspects.fail(format!("share `{tag}`: the guest cannot read what the host has laid there: {}", quote::line(why)));
        }
        Err(why) => gate.aspects.unknown(format!("share `{tag}`: whether the guest reads there: {}", quote::line(why))),
    }
    match (&passed.back, share.readonly) {
        (None, _) => {}
        (Some(Ok(Ok(true))), false) | (Some(Ok(Err(_))), true) => gate.aspects.pass(),
        (Some(Ok(Ok(_))), true) => {
            gate.aspects.fail(format!("share `{tag}`: the guest writes there, the specification says that it may only read"));
        }
        (Some(Ok(Ok(false))), false) => {
            gate.aspects.fail(format!("share `{tag}`: the host finds other bytes than the guest wrote"));
        }
        (Some(Ok(Err(why))), false) => {
            gate.aspects.fail(format!("share `{tag}`: the guest cannot write there: {}", quote::line(why)));
        }
        (Some(Err(why)), _) => {
            gate.aspects.unknown(format!("share `{tag}`: whether the guest writes there: {}", quote::line(why)));
        }
    }
    match (&passed.there, &passed.back) {
        (Ok(Ok(true)), Some(Ok(Ok(true)))) => ", bytes there and back",
        (Ok(Ok(true)), _) => ", bytes there",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(tag: &str) -> Share {
        serde_json::from_value(serde_json::json!({ "path": "/srv", "tag": tag, "driver": "virtio-fs" })).unwrap()
    }

    #[test]
    fn mounts_by_their_tags() {
        let told = |mounts: &str| mounted(mounts, &share("x"));
        let at = |place: &str, readonly| Some(Mount { place: place.to_owned(), readonly });
        assert_eq!(told("x /mnt virtiofs rw,relatime 0 0\n"), at("/mnt", false));
        assert_eq!(told("x /m\\040\\134a virtiofs ro 0 0\n"), at("/m \\a", true));
        assert_eq!(told("x /a virtiofs rw 0 0\nx /b virtiofs ro,x 0 0\n"), at("/b", true));
        for other in ["x /mnt 9p rw 0 0\n", "y /mnt virtiofs rw 0 0\n", "x /mnt virtiofs\n", "", "x /mnt tmpfs rw 0 0"] {
            assert_eq!(told(other), None, "{other}");
        }
        assert_eq!(unescaped("a\\0b\\9"), "a\\0b\\9");
    }

    #[test]
    fn daemons_say_what_they_serve() {
        let told = |line: &str| served(&line.split(' ').collect::<Vec<_>>(), "/run/x.sock");
        let dir = Some("/srv/x".to_owned());
        assert_eq!(told("/usr/libexec/virtiofsd --socket-path=/run/x.sock --shared-dir /srv/x"), dir);
        assert_eq!(told("virtiofsd --shared-dir=/srv/x --socket-path /run/x.sock -o cache=auto"), dir);
        assert_eq!(told("/usr/lib/qemu/virtiofsd --socket-path=/run/x.sock -o cache=none,source=/srv/x"), dir);
        assert_eq!(told("/usr/lib/qemu/virtiofsd -osource=/srv/x --socket-path=/run/x.sock"), dir);
        for other in ["virtiofsd --socket-path=/run/x.sock2 --shared-dir /srv/x", "virtiofsd --socket-path=/run/x.sock", "", "--socket-path"] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
