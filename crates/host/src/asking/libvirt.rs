//! libvirt, over its read-only socket: what domains, networks and pools there are, and the XML of each.
//!
//! `virsh` runs several commands over one connection. Between their outputs stands a line that nobody can know
//! before: a domain's description may hold any text, and must not pass for the output of another command.

use super::{Answer, Asks, Bounds, Condition, named};
use crate::commands;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;
use vmwright_model::Missing;

/// The record that says why nothing could be asked.
pub(crate) const NAME: &str = "virsh -r list --all";

/// The daemons that answer `qemu:///system`: the one for everything, the one for QEMU.
pub(super) const DAEMONS: &[&str] = &["libvirtd", "virtqemud"];

/// The sockets that `virsh -r` connects to.
pub(crate) const SOCKETS: &[&str] = &["/run/libvirt/libvirt-sock-ro", "/run/libvirt/virtqemud-sock-ro"];

/// What is asked at once. Not `version` and `capabilities`: for these the daemon may start emulators, and take its
/// time.
const GENERAL: &[&str] = &["nodeinfo", "list --all", "net-list --all", "pool-list --all --details"];

/// Lists of ids, and the command that gives the XML of each.
const LISTS: &[(&str, &str)] = &[
    ("list --all --uuid", "dumpxml"),
    ("net-list --all --uuid", "net-dumpxml"),
    ("pool-list --all --uuid", "pool-dumpxml"),
];

/// How many objects one call of `virsh` is asked for: the whole of its output must fit into the bounds.
const BATCH: usize = 64;

/// Most objects of a kind.
const MOST: usize = 4096;

/// Asks for everything, within `bounds` altogether.
pub(super) fn ask(bounds: Bounds) -> Vec<Answer> {
    if let Err(why) = Condition::Daemon(DAEMONS).holds(Path::new("/")) {
        return vec![(NAME.to_owned(), Err(why))];
    }
    let deadline = Instant::now() + bounds.time;
    let lists = LISTS.iter().map(|(list, _)| *list);
    let words: Vec<&str> = GENERAL.iter().copied().chain(lists).collect();
    let mut said = match virsh(&words, deadline, bounds.bytes) {
        Ok(said) => said,
        Err(why) => return vec![(NAME.to_owned(), Err(why))],
    };
    let ids = said.split_off(GENERAL.len());
    let mut answers: Vec<Answer> =
        GENERAL.iter().zip(said).map(|(word, text)| (format!("virsh -r {word}"), text)).collect();
    for ((_, dump), list) in LISTS.iter().zip(ids) {
        let list = list.unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        let ids: Vec<&str> = list.split_whitespace().filter(|id| is_uuid(id)).collect();
        for batch in ids.chunks(BATCH).take(MOST / BATCH) {
            let words: Vec<String> = batch.iter().map(|id| format!("{dump} {id}")).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match virsh(&words, deadline, bounds.bytes) {
                Ok(said) => answers.extend(batch.iter().zip(said).map(|(id, text)| {
                    let name = text.as_deref().ok().and_then(name_of).unwrap_or_else(|| (*id).to_owned());
                    (named(&format!("virsh -r {dump}"), &name), text)
                })),
                Err(why) => {
                    // What does not answer once is not asked again and again.
                    answers.push((named(&format!("virsh -r {dump}"), batch[0]), Err(why)));
                    break;
                }
            }
        }
    }
    answers
}

/// Runs commands over one connection; the output of each, in their order.
fn virsh(commands: &[&str], deadline: Instant, bytes: u64) -> Result<Vec<Result<Vec<u8>, Missing>>, Missing> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Missing::TimedOut(0));
    }
    let mark = nonce().map_err(|error| Missing::Failed(format!("/dev/urandom cannot be read: {error}")))?;
    let script: Vec<String> = commands.iter().map(|command| format!("echo {mark}; {command}")).collect();
    let words = ["virsh", "-r", "-c", "qemu:///system", &script.join("; ")];
    let output = commands::ask(&words, Asks::Libvirt, left, bytes)?;
    let mut parts = sections(&output, &mark);
    parts.resize_with(commands.len(), Vec::new);
    let content = |part: Vec<u8>| {
        if part.trim_ascii().is_empty() {
            Err(Missing::Failed("libvirt gives no answer to a reader".to_owned()))
        } else {
            Ok(part)
        }
    };
    Ok(parts.into_iter().map(content).collect())
}

/// What stands behind each line that is the mark.
fn sections(output: &[u8], mark: &str) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii_end() == mark.as_bytes() {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.extend_from_slice(line);
        }
    }
    parts
}

/// 128 random bits in hexadecimal.
fn nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The name in an object's XML, as it stands there.
fn name_of(xml: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(xml).ok()?;
    let (_, rest) = text.split_once("<name>")?;
    let (name, _) = rest.split_once("</name>")?;
    (!name.is_empty() && name.len() <= 255).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_cannot_pass_for_another_answer() {
        let said = b"m1\n<domain>\n m1 m1\nm2\n</domain>\n\nm1\n\nm1\nx\n";
        let parts = sections(said, "m1");
        assert_eq!(parts, [&b"<domain>\n m1 m1\nm2\n</domain>\n\n"[..], b"\n", b"x\n"]);
        assert!(sections(b"no mark", "m1").is_empty());
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert!(one.len() == 32 && one != other);
    }

    #[test]
    fn names_and_ids() {
        assert_eq!(name_of(b"<domain>\n  <name>web</name>").as_deref(), Some("web"));
        assert_eq!(name_of(b"<name></name>"), None);
        assert!(is_uuid("4dea22b3-1d52-d8f3-2516-782e98ab3fa0"));
        assert!(!is_uuid("4dea22b3-1d52-d8f3-2516-782e98ab3fa0; x") && !is_uuid(""));
    }
}
