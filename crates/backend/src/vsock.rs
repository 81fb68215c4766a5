//! The way to a port of a guest's vsock through the UNIX socket of a VMM without vhost-vsock. Firecracker and Cloud
//! Hypervisor have the same (`docs/vsock.md` of both): the host says `CONNECT PORT`, and hears `OK` with a number once
//! somebody in the guest has taken the connection, or that it is closed. From then on it is theirs.

use crate::lines::{Lines, NoLine, dial_itself, quote};
use crate::qemu::agent::AgentError;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long until a port is tried again at which nobody listens: at first, and at most. A guest that is starting gets
/// its agent late.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Longest answer, in bytes: `OK`, and a port of 32 bits.
const ANSWER_MAX: usize = 32;

/// Longest line of the agent at first, in bytes; it sets its own limit before it reads one.
const AGENT_MAX: usize = 64 << 10;

/// Connects to a port. The socket may lie where the VMM can write (a jail): no link is followed. `patience` is what ends
/// at `deadline`, for errors.
pub(crate) fn dial(
    socket: &Path,
    port: u32,
    deadline: Instant,
    patience: Duration,
) -> Result<Lines, AgentError> {
    let request = format!("CONNECT {port}");
    let mut pause = AGAIN.0;
    loop {
        let stream = dial_itself(socket, deadline)
            .map_err(|source| AgentError::Connect { path: socket.to_owned(), source })?;
        let mut lines = Lines::new(stream, ANSWER_MAX);
        let heard =
            lines.send(format!("{request}\n").as_bytes(), deadline).and_then(|()| lines.next(deadline));
        match heard {
            Ok(line) if line.starts_with(b"OK ") => {
                lines.set_limit(AGENT_MAX);
                return Ok(lines);
            }
            Ok(line) => return Err(AgentError::Rubbish { command: request, answer: quote(&line) }),
            Err(NoLine::Closed) if Instant::now() + pause < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(AGAIN.1);
            }
            Err(NoLine::Closed) => return Err(AgentError::Unheard { port, after: patience }),
            Err(NoLine::Silent) => return Err(AgentError::Silent { command: request, after: patience }),
            Err(NoLine::TooLong) => {
                let answer = "a line without an end".to_owned();
                return Err(AgentError::Rubbish { command: request, answer });
            }
            Err(NoLine::Io(source)) => return Err(AgentError::Io(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::agent::Agent;
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tempfile::TempDir;

    const SHORT: Duration = Duration::from_millis(400);
    const LONG: Duration = Duration::from_secs(30);

    /// A VMM's socket: what it does with each connection, by its number, after it has read the first line.
    fn vmm(
        serve: impl Fn(usize, &str, BufReader<UnixStream>) + Send + Sync + 'static,
    ) -> (TempDir, PathBuf, Arc<AtomicUsize>) {
        let place = tempfile::tempdir().expect("a temporary directory");
        let socket = place.path().join("vsock");
        let listener = UnixListener::bind(&socket).expect("bound");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let at = counted.fetch_add(1, Ordering::SeqCst);
                let mut reader = BufReader::new(stream.expect("a connection"));
                let mut line = String::new();
                if reader.read_line(&mut line).is_ok() {
                    serve(at, &line, reader);
                }
            }
        });
        (place, socket, count)
    }

    /// The agent in the guest: answers everything with an empty object, and syncs as an agent does.
    fn agent(mut reader: BufReader<UnixStream>) {
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let begin = line.iter().rposition(|byte| *byte == 0xff).map_or(0, |at| at + 1);
            let request: Value = serde_json::from_slice(&line[begin..]).expect("a request");
            let answer = match request["execute"].as_str() {
                Some("guest-sync-delimited") => {
                    format!("\u{ff}{}\n", json!({ "return": request["arguments"]["id"] }))
                }
                _ => format!("{}\n", json!({ "return": {} })),
            };
            // The sentinel is one byte.
            let bytes: Vec<u8> = answer.chars().map(|letter| letter as u8).collect();
            reader.get_mut().write_all(&bytes).expect("sent");
            line.clear();
        }
    }

    fn refused(socket: &Path, patience: Duration) -> AgentError {
        Agent::by_vsock(socket, 1234, patience).expect_err("no agent")
    }

    #[test]
    fn an_agent_behind_the_port_is_asked() {
        let (_place, socket, _) = vmm(|_, line, mut reader| {
            assert_eq!(line, "CONNECT 9001\n");
            reader.get_mut().write_all(b"OK 1073741824\n").expect("sent");
            agent(reader);
        });
        let mut agent = Agent::by_vsock(&socket, 9001, LONG).expect("it answers");
        agent.ping().expect("it answers");
    }

    #[test]
    fn a_port_that_is_taken_late_is_found() {
        let (_place, socket, count) = vmm(|at, _, mut reader| {
            // The connection ends: nobody listens yet.
            if at >= 2 {
                reader.get_mut().write_all(b"OK 1\n").expect("sent");
                agent(reader);
            }
        });
        Agent::by_vsock(&socket, 1234, LONG).expect("it answers").ping().expect("it answers");
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn where_nobody_listens_it_is_said_what_should() {
        let (_place, socket, count) = vmm(|_, _, reader| drop(reader));
        let begin = Instant::now();
        let told = refused(&socket, SHORT).to_string();
        assert!(told.contains("port 1234") && told.contains("--path=4294967295:1234"), "{told}");
        assert!(begin.elapsed() < SHORT * 10 && count.load(Ordering::SeqCst) > 1);
    }

    #[test]
    fn a_guest_that_is_half_dead_or_hostile_ends_in_time() {
        let (_place, silent, _) = vmm(|_, _, reader| {
            std::thread::sleep(LONG);
            drop(reader);
        });
        let told = refused(&silent, SHORT);
        assert!(matches!(told, AgentError::Silent { .. }), "{told}");
        let (_place, flood, _) =
            vmm(|_, _, mut reader| while reader.get_mut().write_all(&[b'x'; 4096]).is_ok() {});
        let told = refused(&flood, LONG);
        assert!(matches!(told, AgentError::Rubbish { .. }), "{told}");
        let (_place, strange, _) = vmm(|_, _, mut reader| drop(reader.get_mut().write_all(b"\x1b[2J\n")));
        let told = refused(&strange, LONG).to_string();
        assert!(told.contains("CONNECT 1234") && !told.contains('\u{1b}'), "{told}");
        // It takes the connection, and its agent says nothing.
        let (_place, mute, _) = vmm(|_, _, mut reader| {
            reader.get_mut().write_all(b"OK 1\n").expect("sent");
            std::thread::sleep(LONG);
        });
        let told = refused(&mute, SHORT);
        assert!(matches!(told, AgentError::Silent { .. }), "{told}");
    }

    #[test]
    fn no_link_is_followed() {
        let (place, socket, count) = vmm(|_, _, reader| agent(reader));
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&socket, &link).expect("linked");
        for path in [link, place.path().join("none")] {
            assert!(matches!(refused(&path, SHORT), AgentError::Connect { .. }));
        }
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
