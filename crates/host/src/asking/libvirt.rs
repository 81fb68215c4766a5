//! libvirt, over its read-only socket: what domains, networks and pools there are, and the XML of each.
//!
//! `virsh` runs several commands over one connection. Between their outputs stands a [`Mark`], because a domain's
//! description may hold any text.

use super::{Answer, Asks, Bounds, Condition, named};
use crate::commands;
use crate::mark::Mark;
use std::path::Path;
use std::time::Instant;
use vmwright_model::Missing;

/// The record that says why nothing could be asked.
pub(crate) const NAME: &str = "virsh -r list --all";

/// The daemons that answer `qemu:///system`: the one for everything, the one for QEMU.
pub(crate) const DAEMONS: &[&str] = &["libvirtd", "virtqemud"];

/// The sockets that `virsh -r` connects to.
pub(crate) const SOCKETS: &[&str] = &["/run/libvirt/libvirt-sock-ro", "/run/libvirt/virtqemud-sock-ro"];

/// What is asked at once. Not `version` and `capabilities`: for these the daemon may start emulators, and take its
/// time.
pub(crate) const GENERAL: &[&str] =
    &["nodeinfo", "list --all", "net-list --all", "pool-list --all --details"];

/// Lists, and the command that gives the XML of each object on them.
pub(crate) const LISTS: &[(&str, &str)] =
    &[("list --all", "dumpxml"), ("net-list --all", "net-dumpxml"), ("pool-list --all", "pool-dumpxml")];

/// How many objects one call of `virsh` is asked for: the whole of its output must fit into the bounds.
const BATCH: usize = 64;

/// Most objects of a kind.
pub(crate) const MOST: usize = 4096;

/// Asks for everything, within `bounds` altogether.
pub(super) fn ask(bounds: Bounds) -> Vec<Answer> {
    if let Err(why) = Condition::Daemon(DAEMONS).holds(Path::new("/")) {
        return vec![(NAME.to_owned(), Err(why))];
    }
    let deadline = Instant::now() + bounds.time;
    let lists = LISTS.iter().map(|(list, _)| format!("{list} --uuid"));
    let words: Vec<String> = GENERAL.iter().map(|word| (*word).to_owned()).chain(lists).collect();
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
fn virsh(
    commands: &[String],
    deadline: Instant,
    bytes: u64,
) -> Result<Vec<Result<Vec<u8>, Missing>>, Missing> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Missing::TimedOut(0));
    }
    let mark =
        Mark::new().map_err(|error| Missing::Failed(format!("/dev/urandom cannot be read: {error}")))?;
    let script: Vec<String> =
        commands.iter().map(|command| format!("echo {}; {command}", mark.as_str())).collect();
    let words = ["virsh", "-r", "-c", "qemu:///system", &script.join("; ")];
    let output = commands::ask(&words, Asks::Libvirt, left, bytes)?;
    let sections = mark.sections(&output).into_iter();
    let mut parts: Vec<Vec<u8>> = sections.map(|(_, part)| part.to_vec()).collect();
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
    fn names_and_ids() {
        assert_eq!(name_of(b"<domain>\n  <name>web</name>").as_deref(), Some("web"));
        assert_eq!(name_of(b"<name></name>"), None);
        assert!(is_uuid("4dea22b3-1d52-d8f3-2516-782e98ab3fa0"));
        assert!(!is_uuid("4dea22b3-1d52-d8f3-2516-782e98ab3fa0; x") && !is_uuid(""));
    }
}
