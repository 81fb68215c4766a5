//! The socket between guest and host without a network: the guest calls the host, and bytes go both ways.

use super::observe::Observed;
use super::Gate;
use crate::gates::hot_plug::pattern;
use crate::quote;
use crate::scope::{GuestError, Session, Undone};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use vmwright_model::MachineSpec;

/// Type of the device (virtio 1.2, section 5).
const SOCKET: u32 = 19;

/// How long the guest may take, under TCG too.
const LIMIT: Duration = Duration::from_secs(15);

/// What sends back as many bytes as it is told (`argv[2]`) to a port of the host (`argv[1]`), `VMADDR_CID_HOST` of vsock(7).
const PYTHON: &str = "import socket, sys
s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
s.settimeout(10)
s.connect((2, int(sys.argv[1])))
n, b = int(sys.argv[2]), b''
while len(b) < n:
    d = s.recv(65536)
    if not d:
        break
    b += d
s.sendall(b)
";

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// Whether what came back is what was sent, or how many bytes came instead; none where nobody called.
    pub(crate) came: Result<Option<Result<(), usize>>, Undone>,
    /// What the guest says of its call, where that failed; outside of it why it could not call.
    pub(crate) guest: Result<Result<(), String>, String>,
}

/// Has the guest call; none where the specification has no vsock.
pub(super) fn observe(session: &Session<'_>) -> Option<Result<Call, String>> {
    session.scope.spec.vsock.as_ref()?;
    let call = |()| {
        let exercise = session.scope.exercise.ok_or("nothing may be done with this VM here")?;
        let bytes = pattern(RandomState::new().hash_one(SOCKET));
        let mut guest = Err("the guest was not asked".to_owned());
        let came = exercise.called(&bytes, &mut |port| guest = call(session, port, bytes.len()));
        let same = |back: Vec<u8>| if back == bytes { Ok(()) } else { Err(back.len()) };
        Ok(Call { came: came.map(|came| came.map(same)), guest })
    };
    Some(session.ask("guest-ping").map(drop).and_then(call))
}

/// The guest calls by our probe, by Python, or by socat(1).
fn call(session: &Session<'_>, port: u32, bytes: usize) -> Result<Result<(), String>, String> {
    let (port, bytes) = (port.to_string(), bytes.to_string());
    let to = format!("VSOCK-CONNECT:2:{port}");
    let ways: &[(&str, &[&str])] = if session.is_probe() {
        &[("/init", &["call", &port, &bytes])]
    } else {
        &[("python3", &["-c", PYTHON, &port, &bytes]), ("socat", &["-t10", "-T10", &to, "PIPE"])]
    };
    for (program, words) in ways {
        match session.scope.guest.run(program, words, LIMIT) {
            Ok(ran) if ran.status == Some(0) => return Ok(Ok(())),
            Ok(ran) => {
                let said = String::from_utf8_lossy(&ran.errors).trim_end().lines().next_back().unwrap_or_default().to_owned();
                return Ok(Err(said));
            }
            Err(GuestError::Refused(_)) => {}
            Err(silent @ GuestError::Silent(_)) => return Err(silent.to_string()),
        }
    }
    Err("the guest has neither python3 nor socat to call with".to_owned())
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    gate.made(seen, "vsock", SOCKET, usize::from(spec.vsock.is_some()), "vsock");
    let Some(answer) = &seen.call else { return };
    gate.aspects.about("vsock");
    let Some(call) = gate.of_guest("vsock", answer).cloned() else { return };
    let told = match (&call.came, &call.guest) {
        (Ok(Some(Ok(()))), _) => {
            gate.aspects.pass();
            "bytes there and back"
        }
        (Ok(Some(Err(count))), _) => {
            gate.aspects.fail(format!("vsock: of the bytes that the host sent, {count} came back, or others"));
            "bytes lost"
        }
        (Err(Undone::Failed(why)), _) => {
            gate.aspects.fail(format!("vsock: {}", quote::line(why)));
            "bytes lost"
        }
        (Ok(None), Ok(Err(why))) => {
            gate.aspects.fail(format!("vsock: the guest cannot call its host: {}", quote::line(why)));
            "no way to the host"
        }
        (Ok(None), Ok(Ok(()))) => {
            gate.aspects.fail("vsock: the guest says that it called its host, and the host heard nobody");
            "no way to the host"
        }
        (Ok(None), Err(why)) | (Err(Undone::Cannot(why)), _) => {
            gate.aspects.unknown(format!("vsock: no bytes were sent: {}", quote::line(why)));
            "not tried"
        }
    };
    gate.row("vsock", "yes", "", told);
}
