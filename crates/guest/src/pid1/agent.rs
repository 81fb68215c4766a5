//! The QEMU guest agent protocol over virtio-serial and over vsock, with the names of QEMU's `qga/qapi-schema.json`,
//! and some of its own: for a memory that changes and can be checked, and for what the processor says of itself.

use super::exec::Programs;
use super::files::{Arguments, Files, integer};
use super::frames::{Frame, Frames};
use super::{disks, end, memory, network, processor, stage, sysfs, vsock};
use rustix::system::RebootCommand;
use serde_json::{Map, Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Once;
use std::thread;
use std::time::Duration;

/// Name that QEMU is told for the port.
const PORT: &str = "org.qemu.guest_agent.0";

/// The device node of the agent's port. There is no udev here to make the usual link.
pub(super) fn port() -> Option<PathBuf> {
    let ports = "/sys/class/virtio-ports";
    let named = |device: &String| sysfs::value(format!("{ports}/{device}/name")).as_deref() == Some(PORT);
    sysfs::names(ports).into_iter().find(named).map(|device| PathBuf::from("/dev").join(device))
}

/// Answers for ever. A port that comes late or goes away and comes back is found again.
pub(super) fn serve() {
    loop {
        let opened = port().and_then(|path| OpenOptions::new().read(true).write(true).open(path).ok());
        if let Some(mut channel) = opened {
            announce();
            // An error means that the port is gone; look for it again.
            let _ = converse(&mut channel, &mut Agent::default(), Silence::Waits);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Answers those who connect, one after the other, as QEMU's agent does. What one has left open is closed for the next.
pub(super) fn serve_vsock(listener: &OwnedFd) {
    announce();
    let mut agent = Agent::default();
    loop {
        match vsock::accept(listener) {
            Ok(mut channel) => {
                agent.files = Files::default();
                // An error means that the client is gone.
                let _ = converse(&mut channel, &mut agent, Silence::Ends);
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Says once that the agent can be asked.
fn announce() {
    static SAID: Once = Once::new();
    SAID.call_once(|| stage("agent"));
}

/// What it means that nothing is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Nobody has the other end of the port open; it does not block then.
    Waits,
    /// The client has gone.
    Ends,
}

fn converse(channel: &mut File, agent: &mut Agent, silence: Silence) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut buffer = [0; 4096];
    loop {
        let count = channel.read(&mut buffer)?;
        if count == 0 {
            if silence == Silence::Ends {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        for frame in frames.push(&buffer[..count]) {
            let Reply { bytes, then } = agent.answer(&frame);
            channel.write_all(&bytes)?;
            if let Some(command) = then {
                end(command);
            }
        }
    }
}

/// What goes back, and what happens after it.
#[derive(Debug, Default)]
struct Reply {
    bytes: Vec<u8>,
    then: Option<RebootCommand>,
}

/// The state of a conversation.
#[derive(Debug, Default)]
struct Agent {
    files: Files,
    programs: Programs,
}

/// Each command with what answers it. `guest-sync-delimited` and `guest-shutdown` differ in form and are treated
/// in [`Agent::answer`].
type Command = fn(&mut Agent, &Arguments) -> Result<Value, String>;
const COMMANDS: &[(&str, Command)] = &[
    ("guest-exec", |agent, arguments| agent.programs.run(arguments)),
    ("guest-exec-status", |agent, arguments| agent.programs.status(arguments)),
    ("guest-file-close", |agent, arguments| agent.files.close(arguments)),
    ("guest-file-flush", |agent, arguments| agent.files.flush(arguments)),
    ("guest-file-open", |agent, arguments| agent.files.open(arguments)),
    ("guest-file-read", |agent, arguments| agent.files.read(arguments)),
    ("guest-file-seek", |agent, arguments| agent.files.seek(arguments)),
    ("guest-file-write", |agent, arguments| agent.files.write(arguments)),
    ("guest-get-disks", |_, _| Ok(disks::list())),
    ("guest-get-host-name", |_, _| Ok(json!({ "host-name": text(rustix::system::uname().nodename()) }))),
    ("guest-get-osinfo", |_, _| Ok(osinfo())),
    ("guest-get-time", |_, _| now()),
    ("guest-get-vcpus", |_, _| Ok(vcpus())),
    ("guest-info", |_, _| Ok(info())),
    ("guest-network-get-interfaces", |_, _| network::interfaces()),
    ("guest-ping", |_, _| Ok(json!({}))),
    ("guest-set-time", |_, arguments| set_time(arguments)),
    ("guest-shutdown", |_, _| Ok(json!({}))),
    ("guest-sync", |_, arguments| integer(arguments, "id").map(Value::from)),
    ("guest-sync-delimited", |_, arguments| integer(arguments, "id").map(Value::from)),
    ("vmwright-cpuid", |_, _| processor::cpuid()),
    ("vmwright-memory-check", |_, _| memory::check()),
    ("vmwright-memory-drop", |_, _| Ok(memory::give_back())),
    ("vmwright-memory-fill", |_, arguments| memory::fill(arguments)),
];

impl Agent {
    fn answer(&mut self, frame: &Frame) -> Reply {
        let request = match frame {
            Frame::Message(bytes) => serde_json::from_slice::<Map<String, Value>>(bytes).ok(),
            Frame::Garbage => None,
        };
        let Some(request) = request else { return error("GenericError", "JSON parse error") };
        let name = request.get("execute").and_then(Value::as_str).unwrap_or_default();
        let Some((_, command)) = COMMANDS.iter().find(|(known, _)| *known == name) else {
            return error("CommandNotFound", &format!("The command {name} has not been found"));
        };
        let empty = Map::new();
        let arguments = match request.get("arguments") {
            None => &empty,
            Some(Value::Object(arguments)) => arguments,
            Some(_) => {
                return error("GenericError", "Invalid parameter type for 'arguments', expected: object");
            }
        };
        let then = match (name, arguments.get("mode").and_then(Value::as_str)) {
            ("guest-shutdown", None | Some("powerdown")) => Some(RebootCommand::PowerOff),
            ("guest-shutdown", Some("reboot")) => Some(RebootCommand::Restart),
            ("guest-shutdown", Some("halt")) => Some(RebootCommand::Halt),
            ("guest-shutdown", Some(_)) => {
                return error("GenericError", "mode is invalid (valid values are: halt|powerdown|reboot");
            }
            _ => None,
        };
        if then.is_some() {
            // The schema: this command does not return a response on success.
            return Reply { bytes: Vec::new(), then };
        }
        match command(self, arguments) {
            Ok(value) => {
                let mut answer = json!({ "return": value });
                if let Some(id) = request.get("id") {
                    answer["id"] = id.clone();
                }
                let delimiter: &[u8] = if name == "guest-sync-delimited" { b"\xff" } else { b"" };
                line(delimiter, &answer)
            }
            Err(why) => error("GenericError", &why),
        }
    }
}

fn error(class: &str, why: &str) -> Reply {
    line(b"", &json!({ "error": { "class": class, "desc": why } }))
}

fn line(delimiter: &[u8], answer: &Value) -> Reply {
    let mut bytes = delimiter.to_vec();
    bytes.extend_from_slice(answer.to_string().as_bytes());
    bytes.push(b'\n');
    Reply { bytes, then: None }
}

fn text(value: &std::ffi::CStr) -> String {
    value.to_string_lossy().into_owned()
}

fn info() -> Value {
    let commands: Vec<Value> = COMMANDS
        .iter()
        .map(|(name, _)| json!({ "name": name, "enabled": true, "success-response": *name != "guest-shutdown" }))
        .collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "supported_commands": commands })
}

fn osinfo() -> Value {
    let uname = rustix::system::uname();
    json!({
        "id": "vmwright-guest",
        "name": "vmwright-guest",
        "pretty-name": concat!("vmwright-guest ", env!("CARGO_PKG_VERSION")),
        "version": env!("CARGO_PKG_VERSION"),
        "version-id": env!("CARGO_PKG_VERSION"),
        "kernel-release": text(uname.release()),
        "kernel-version": text(uname.version()),
        "machine": text(uname.machine()),
    })
}

/// Nanoseconds since 1970-01-01 UTC.
fn now() -> Result<Value, String> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let nanoseconds = time.tv_sec.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(time.tv_nsec));
    nanoseconds.map(Value::from).ok_or_else(|| "Time is out of range".to_owned())
}

/// `guest-set-time`: with the time only. Without it QEMU's agent reads the hardware clock, which is not done here.
fn set_time(arguments: &Arguments) -> Result<Value, String> {
    let nanoseconds = integer(arguments, "time")?;
    let time = rustix::time::Timespec {
        tv_sec: nanoseconds.div_euclid(1_000_000_000),
        tv_nsec: nanoseconds.rem_euclid(1_000_000_000),
    };
    rustix::time::clock_settime(rustix::time::ClockId::Realtime, time)
        .map(|()| json!({}))
        .map_err(|error| format!("Failed to set time to guest: {error}"))
}

fn vcpus() -> Value {
    let directory = "/sys/devices/system/cpu";
    let processor = |name: String| {
        let number: u32 = name.strip_prefix("cpu")?.parse().ok()?;
        // The first processor has no such file: it cannot be taken off line.
        let online = fs::read_to_string(format!("{directory}/{name}/online"));
        let is_online = online.as_ref().map_or(true, |text| text.trim() == "1");
        Some((number, json!({ "logical-id": number, "online": is_online, "can-offline": online.is_ok() })))
    };
    let mut found: Vec<(u32, Value)> = sysfs::names(directory).into_iter().filter_map(processor).collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(agent: &mut Agent, request: &Value) -> Value {
        let reply = agent.answer(&Frame::Message(request.to_string().into_bytes()));
        assert_eq!(reply.then, None);
        serde_json::from_slice(&reply.bytes).unwrap()
    }

    #[test]
    fn every_command_that_takes_no_arguments_answers() {
        let mut agent = Agent::default();
        let info = ask(&mut agent, &json!({ "execute": "guest-info" }));
        let listed = info["return"]["supported_commands"].as_array().unwrap().clone();
        assert_eq!(listed.len(), COMMANDS.len());
        for entry in listed {
            let name = entry["name"].as_str().unwrap();
            if matches!(name, "guest-shutdown" | "guest-set-time")
                || ["sync", "guest-file", "guest-exec", "vmwright"].iter().any(|part| name.contains(part))
            {
                continue;
            }
            let answer = ask(&mut agent, &json!({ "execute": name, "id": 7 }));
            assert!(answer.get("return").is_some(), "{name}: {answer}");
            assert_eq!(answer["id"], 7);
        }
        assert!(
            !ask(&mut agent, &json!({ "execute": "guest-get-vcpus" }))["return"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn sync_echoes_and_the_delimited_one_starts_with_ff() {
        let mut agent = Agent::default();
        let answer = ask(&mut agent, &json!({ "execute": "guest-sync", "arguments": { "id": 123_456 } }));
        assert_eq!(answer, json!({ "return": 123_456 }));
        let request = br#"{"execute":"guest-sync-delimited","arguments":{"id":5}}"#;
        assert_eq!(agent.answer(&Frame::Message(request.to_vec())).bytes, b"\xff{\"return\":5}\n");
        let answer = ask(&mut agent, &json!({ "execute": "guest-sync" }));
        assert_eq!(answer["error"]["class"], "GenericError");
    }

    #[test]
    fn files_are_read_in_pieces_up_to_their_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut agent = Agent::default();
        let opened =
            ask(&mut agent, &json!({ "execute": "guest-file-open", "arguments": { "path": file.path() } }));
        let handle = opened["return"].as_i64().unwrap();
        let mut read = |count: u64| {
            let arguments = json!({ "handle": handle, "count": count });
            ask(&mut agent, &json!({ "execute": "guest-file-read", "arguments": arguments }))["return"]
                .clone()
        };
        assert_eq!(read(4), json!({ "count": 4, "buf-b64": "MDEyMw==", "eof": false }));
        assert_eq!(read(100), json!({ "count": 6, "buf-b64": "NDU2Nzg5", "eof": true }));
        let close = json!({ "execute": "guest-file-close", "arguments": { "handle": handle } });
        assert_eq!(ask(&mut agent, &close), json!({ "return": {} }));
        assert_eq!(ask(&mut agent, &close)["error"]["desc"], format!("handle '{handle}' has not been found"));
    }

    #[test]
    fn directories_absent_files_and_odd_modes_are_refused() {
        let mut agent = Agent::default();
        let mut open = |arguments: Value| {
            let answer = ask(&mut agent, &json!({ "execute": "guest-file-open", "arguments": arguments }));
            answer["error"]["desc"].as_str().unwrap().to_owned()
        };
        assert!(open(json!({ "path": "/tmp/x", "mode": "z" })).contains("invalid file open mode"));
        assert!(open(json!({ "path": "/" })).ends_with("Is a directory"));
        let absent = open(json!({ "path": "/nonexistent" }));
        assert_eq!(absent, "failed to open file '/nonexistent' (mode: 'r'): No such file or directory");
        assert!(open(json!({})).contains("missing"));
    }

    #[test]
    fn what_is_written_is_read() {
        let place = tempfile::tempdir().unwrap();
        let mut agent = Agent::default();
        let mut done = |command: &str, arguments: Value| {
            ask(&mut agent, &json!({ "execute": command, "arguments": arguments }))["return"].clone()
        };
        let path = place.path().join("f");
        for (mode, text) in [("w", "Zm9v"), ("a", "YmFy")] {
            let handle = done("guest-file-open", json!({ "path": path, "mode": mode }));
            let written = done("guest-file-write", json!({ "handle": handle, "buf-b64": text }));
            assert_eq!(written, json!({ "count": 3, "eof": false }));
            assert_eq!(done("guest-file-flush", json!({ "handle": handle })), json!({}));
            done("guest-file-close", json!({ "handle": handle }));
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"foobar");
        let handle = done("guest-file-open", json!({ "path": path }));
        for (offset, whence, position, text) in [(4, json!("set"), 4, "YXI="), (-3, json!(2), 3, "YmFy")] {
            let sought =
                done("guest-file-seek", json!({ "handle": handle, "offset": offset, "whence": whence }));
            assert_eq!(sought, json!({ "position": position, "eof": false }));
            assert_eq!(done("guest-file-read", json!({ "handle": handle }))["buf-b64"], text);
        }
    }

    #[test]
    fn the_number_of_open_files_is_bounded() {
        let mut agent = Agent::default();
        let request = json!({ "execute": "guest-file-open", "arguments": { "path": "/proc/self/status" } });
        for _ in 0..crate::pid1::files::HANDLES {
            assert!(ask(&mut agent, &request)["return"].is_i64());
        }
        assert!(ask(&mut agent, &request)["error"]["desc"].as_str().unwrap().contains("open already"));
    }

    #[test]
    fn nonsense_gets_an_error_and_not_a_panic() {
        let mut agent = Agent::default();
        assert_eq!(
            ask(&mut agent, &json!({ "execute": "guest-dance" }))["error"]["class"],
            "CommandNotFound"
        );
        assert_eq!(ask(&mut agent, &json!({ "execute": 5 }))["error"]["class"], "CommandNotFound");
        for request in [
            json!({ "execute": "guest-ping", "arguments": [] }),
            json!({ "execute": "guest-file-read", "arguments": { "handle": "1" } }),
            json!({ "execute": "guest-shutdown", "arguments": { "mode": "explode" } }),
        ] {
            assert_eq!(ask(&mut agent, &request)["error"]["class"], "GenericError", "{request}");
        }
        for frame in [Frame::Garbage, Frame::Message(b"{nonsense}".to_vec())] {
            assert!(agent.answer(&frame).bytes.starts_with(b"{\"error\""));
        }
    }

    #[test]
    fn shutdown_answers_nothing_and_ends_the_guest() {
        let mut agent = Agent::default();
        for (arguments, command) in [
            (json!({}), RebootCommand::PowerOff),
            (json!({ "mode": "reboot" }), RebootCommand::Restart),
            (json!({ "mode": "halt" }), RebootCommand::Halt),
        ] {
            let request =
                json!({ "execute": "guest-shutdown", "arguments": arguments }).to_string().into_bytes();
            let reply = agent.answer(&Frame::Message(request));
            assert_eq!((reply.bytes.len(), reply.then), (0, Some(command)));
        }
    }
}
