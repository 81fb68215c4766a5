//! A monitor that says anything.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use vmwright_backend::qemu::qmp::Qmp;

/// Less than a socket's buffer holds, so that everything is said before anybody listens.
const MOST: usize = 64 << 10;

pub(super) fn run(bytes: &[u8]) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&bytes[..bytes.len().min(MOST)]).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    // Nothing is waited for: everything is there, and then the end.
    let Ok(mut qmp) = Qmp::over(ours, Duration::from_secs(5)) else { return };
    let _ = qmp.execute("query-status", None);
    let _ = qmp.wait_event("SHUTDOWN", Duration::from_secs(5));
    assert!(qmp.events().len() <= 1024);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let greeting = r#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""}, "capabilities": []}}"#;
    let said = [
        r#"{"return": {}, "id": 1}"#,
        r#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#,
        r#"{"return": {"status": "running", "running": true}, "id": 2}"#,
        r#"{"event": "SHUTDOWN", "data": {"guest": true}}"#,
    ];
    let refused = r#"{"id": 1, "error": {"class": "GenericError", "desc": "no"}}"#;
    vec![format!("{greeting}\r\n{}\r\n", said.join("\r\n")).into_bytes(), format!("{greeting}\n{refused}\n").into_bytes()]
}
