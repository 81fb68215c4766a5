//! A libvirt daemon that says anything.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use vmwright_backend::libvirt::rpc::{Client, Domain};

/// Less than a socket's buffer holds, so that everything is said before anybody listens.
const MOST: usize = 64 << 10;
/// For nothing is waited: everything is there, and then the end.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(bytes: &[u8]) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&bytes[..bytes.len().min(MOST)]).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let Ok(mut client) = Client::over(ours, "qemu:///system", PATIENCE) else { return };
    let domains = client.domains().unwrap_or_default();
    assert!(domains.len() * 28 <= bytes.len(), "no more domains than bytes were there for");
    let _ = client.all_stats();
    let domain = Domain { name: "a".into(), uuid: [0; 16], id: -1 };
    let _ = client.xml(&domain, true);
    let _ = client.screenshot(&domain);
    let _ = client.watch();
    let _ = client.next_event(PATIENCE);
    assert!(client.events().len() <= 1024);
}

/// A message: length, program, version, procedure, type, serial, status, and what it carries.
fn message(program: u32, procedure: u32, kind: u32, serial: u32, status: u32, payload: &[u8]) -> Vec<u8> {
    let length = 28 + u32::try_from(payload.len()).unwrap();
    let words = [length, program, 1, procedure, kind, serial, status];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.extend_from_slice(payload);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let (remote, keepalive) = (0x2000_8086, 0x6b65_6570);
    let reply = |procedure, serial, payload: &[u8]| message(remote, procedure, 1, serial, 0, payload);
    let text = |text: &[u8; 4]| [&words(&[4])[..], text].concat();
    let domain = [text(b"abcd"), vec![7; 16], words(&[3])].concat();
    let logged_in = [reply(66, 1, &words(&[1, 0])), reply(1, 2, &[])].concat();
    let list = reply(273, 3, &[words(&[1]), domain.clone(), words(&[1])].concat());
    let figure = [text(b"cpus"), words(&[1, 2])].concat();
    let stats = reply(344, 4, &[words(&[1]), domain.clone(), words(&[1]), figure].concat());
    let xml = reply(14, 5, &text(b"<a/>"));
    let picture = [
        reply(211, 6, &words(&[0])),
        message(remote, 211, 3, 6, 2, b"P6"),
        message(remote, 211, 3, 6, 2, b""),
    ]
    .concat();
    let watch = [reply(60, 7, &words(&[1])), reply(316, 8, &words(&[0]))].concat();
    let event = message(remote, 318, 2, 0, 0, &[words(&[0]), domain, words(&[5, 0])].concat());
    let ping = message(keepalive, 1, 2, 0, 0, &[]);
    let refused =
        message(remote, 66, 1, 1, 1, &[words(&[38, 7, 1]), text(b"nono"), words(&[2, 0, 0, 0, 0, 0, 0, 0])].concat());
    vec![[logged_in, ping, list, stats, xml, picture, watch, event].concat(), refused]
}
