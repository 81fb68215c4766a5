//! A guest agent that answers the greeting as it should, and then says anything.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use vmwright_backend::qemu::agent::{Agent, AgentInfo};

/// Less than a socket's buffer holds.
const MOST: usize = 64 << 10;

/// Longest text of a field that an agent's answer may leave.
const FIELD: usize = 256;

pub(super) fn run(bytes: &[u8]) {
    hear(bytes);
}

/// Asks an agent that says this; gives what it says of itself.
fn hear(bytes: &[u8]) -> Option<AgentInfo> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let said = bytes[..bytes.len().min(MOST)].to_vec();
    let peer = std::thread::spawn(move || greet(&theirs, &said));
    let mut agent = Agent::over(ours, Duration::from_secs(5)).ok()?;
    let info = agent.info().ok();
    if let Some(info) = &info {
        assert!(info.version.len() <= FIELD && info.commands.iter().all(|name| name.len() <= FIELD));
    }
    if let Ok(interfaces) = agent.network_interfaces() {
        assert!(interfaces.iter().all(|one| one.name.len() <= FIELD && !one.name.contains('\n')));
    }
    if let Ok(bytes) = agent.file_read("/etc/os-release", 4096) {
        assert!(bytes.len() <= 4096);
    }
    // The peer listens until nobody asks any more.
    drop(agent);
    let _ = peer.join();
    info
}

/// Answers the first sync, says what there is to say, and closes its mouth.
fn greet(theirs: &UnixStream, said: &[u8]) -> std::io::Result<()> {
    let mut line = Vec::new();
    BufReader::new(theirs).read_until(b'\n', &mut line)?;
    let request = line.strip_prefix(b"\xff").unwrap_or(&line);
    let id = serde_json::from_slice::<serde_json::Value>(request).unwrap_or_default()["arguments"]["id"].clone();
    let mut theirs = theirs;
    let answer = format!("{{\"return\": {id}}}\n");
    theirs.write_all(&[b"\xff", answer.as_bytes(), said].concat())?;
    theirs.shutdown(Shutdown::Write)?;
    // Listens on: whoever closes both ways refuses the next question.
    std::io::copy(&mut theirs, &mut std::io::sink()).map(drop)
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let info = r#"{"return": {"version": "8.2.0", "supported_commands": [{"name": "guest-ping", "enabled": true}]}}"#;
    let interfaces = r#"{"return": [{"name": "eth0", "hardware-address": "52:54:00:12:34:56", "ip-addresses": [{"ip-address": "192.0.2.7", "prefix": 24}]}]}"#;
    let file = "{\"return\": 1000}\n{\"return\": {\"count\": 5, \"buf-b64\": \"aGVsbG8=\", \"eof\": true}}\n{\"return\": {}}\n";
    vec![
        format!("{info}\n{interfaces}\n{file}").into_bytes(),
        br#"{"error": {"class": "CommandNotFound", "desc": "no"}}"#.to_vec(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{hear, seeds};

    #[test]
    fn what_the_agent_says_is_heard() {
        assert_eq!(hear(&seeds()[0]).map(|info| info.version), Some("8.2.0".to_owned()));
    }
}
