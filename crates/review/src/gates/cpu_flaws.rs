//! `cpu-flaws`: the guest is told of its processor's flaws no less than the host, and mitigates what the host
//! mitigates.
//!
//! The kernels' own statements in `/sys/devices/system/cpu/vulnerabilities` are put side by side. A guest that is
//! vulnerable where its host is not fails the gate, with the reason where it can be told. A host that is
//! vulnerable itself fails it too, in words of its own: no guest on it can do better. Under TCG the guest's
//! processor is software and its statements say nothing of the real one; only the host is judged then.

mod flaws;

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{Guest, GuestError, Session};
pub(crate) use flaws::State;
use flaws::{FLAWS, Flaw};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::machine::Accelerator;
use vmwright_model::{MachineSpec, Missing};

/// Where a kernel states its flaws.
pub(crate) const DIRECTORY: &str = "/sys/devices/system/cpu/vulnerabilities";

/// A statement is one line; the longest known ones have some 200 bytes.
const STATEMENT: usize = 1024;

/// The head of `/proc/cpuinfo` that holds the first processor's flags.
const CPUINFO: usize = 16 << 10;

/// By flaw: a guest's statement; none where its kernel has none.
pub(crate) type OfGuest = BTreeMap<&'static str, Option<String>>;

/// By flaw: the host's statement.
pub(crate) type OfHost = BTreeMap<&'static str, Result<String, Missing>>;

/// What was seen.
pub(crate) struct Observed {
    pub(crate) accelerator: Result<Accelerator, String>,
    pub(crate) host: OfHost,
    pub(crate) guest: Result<OfGuest, String>,
    /// Flags of the first processor; none where they could not be read.
    pub(crate) host_flags: Option<BTreeSet<String>>,
    pub(crate) guest_flags: Option<BTreeSet<String>>,
    /// The guest's kernel command line; empty where it could not be read.
    pub(crate) guest_cmdline: String,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    Observed {
        accelerator: session.waited.accelerator.clone(),
        host: of_host(session),
        guest: session.waited.agent.clone().and_then(|_| of_guest(session.scope.guest)),
        host_flags: session.host_file("/proc/cpuinfo").ok().and_then(|text| flags(&text)),
        guest_flags: session.guest_file("/proc/cpuinfo", CPUINFO).ok().and_then(|text| flags(&text)),
        guest_cmdline: session.guest_file("/proc/cmdline", 4096).unwrap_or_default(),
    }
}

fn path(flaw: &Flaw) -> String {
    format!("{DIRECTORY}/{}", flaw.name)
}

fn statement(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// What the host's kernel states.
pub(crate) fn of_host(session: &Session<'_>) -> OfHost {
    let of = |flaw: &Flaw| (flaw.name, session.host_file(&path(flaw)).map(|text| statement(&text)));
    FLAWS.iter().map(of).collect()
}

/// What a guest's kernel states.
///
/// # Errors
/// Why the guest could not be asked.
pub(crate) fn of_guest(guest: &dyn Guest) -> Result<OfGuest, String> {
    let of = |flaw: &Flaw| match guest.file_read(&path(flaw), STATEMENT) {
        Ok(bytes) => Ok((flaw.name, Some(statement(&String::from_utf8_lossy(&bytes))))),
        Err(GuestError::Refused(why)) if why.contains("No such file") => Ok((flaw.name, None)),
        Err(error) => Err(error.to_string()),
    };
    FLAWS.iter().map(of).collect()
}

/// Flaws that a guest under KVM calls itself vulnerable to where its host does not, each in words that say so.
pub(crate) fn worse_off(guest: &OfGuest, host: &OfHost) -> Vec<String> {
    let one = |flaw: &Flaw| {
        let own = guest.get(flaw.name)?.as_deref().filter(|own| State::of(own) == State::Vulnerable)?;
        let host = host.get(flaw.name).and_then(|host| host.as_ref().ok()).map(|host| State::of(host));
        (!flaw.hosts_matter && host != Some(State::Vulnerable)).then(|| vulnerable(flaw, own, host))
    };
    FLAWS.iter().filter_map(one).collect()
}

/// Flaws against which a kernel uses this flag of the processor.
pub(crate) fn fought_by(flag: &str) -> Vec<&'static str> {
    FLAWS.iter().filter(|flaw| flaw.flags.contains(&flag)).map(|flaw| flaw.name).collect()
}

fn vulnerable(flaw: &Flaw, own: &str, host: Option<State>) -> String {
    let host = match host {
        Some(State::NotAffected) => "by which the host is not affected",
        Some(State::Mitigated) => "which the host mitigates",
        _ => "of which the host says nothing",
    };
    format!("the guest is vulnerable to {} (`{}`), {host}", flaw.name, quote::line(own))
}

/// The first line `flags : ...` of a `/proc/cpuinfo`.
fn flags(cpuinfo: &str) -> Option<BTreeSet<String>> {
    let value = |line: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "flags").then(|| value.split_whitespace().map(str::to_owned).collect())
    };
    cpuinfo.lines().find_map(value)
}

pub(crate) fn judge(seen: &Observed, _spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Processor flaws", &["flaw", "host", "guest", "note"]);
    let mut evidence = Vec::new();
    aspects.about("guest");
    let guest = match &seen.guest {
        Ok(guest) => Some(guest),
        Err(why) => {
            aspects.unknown(format!("the guest's statements: {}", quote::line(why)));
            None
        }
    };
    let emulated = match &seen.accelerator {
        Ok(accelerator) => *accelerator == Accelerator::Tcg,
        Err(why) => {
            aspects.unknown(format!("whether the guest has the host's processor: {}", quote::line(why)));
            false
        }
    };
    let mut host_absent = 0;
    for flaw in FLAWS {
        aspects.about(flaw.name);
        let host = seen.host.get(flaw.name);
        let host = match host {
            Some(Ok(text)) => Some(text.as_str()),
            Some(Err(Missing::Absent)) | None => {
                host_absent += 1;
                None
            }
            Some(Err(why)) => {
                aspects.unknown(format!("{} of the host: {why}", flaw.name));
                None
            }
        };
        let own = guest.and_then(|guest| guest.get(flaw.name).cloned().flatten());
        let (host_state, own_state) = (host.map(State::of), own.as_deref().map(State::of));
        if let Some(text) = host.filter(|_| host_state == Some(State::Vulnerable)) {
            aspects.fail(format!("the host itself is vulnerable to {} (`{}`)", flaw.name, quote::line(text)));
            evidence.push(quote::from(&format!("host {DIRECTORY}/{}", flaw.name), text));
        }
        let note = if emulated {
            "the guest's processor is emulated"
        } else if guest.is_some() {
            compare(seen, flaw, host_state, own.as_deref(), &mut aspects, &mut evidence)
        } else {
            ""
        };
        if host.is_some() || own.is_some() {
            let cell = |text: Option<&str>| quote::line(text.unwrap_or("says nothing"));
            table.rows.push(vec![flaw.name.to_owned(), cell(host), cell(own.as_deref()), note.to_owned()]);
        }
        // Nothing was compared under TCG, so nothing passes there.
        let told = host_state.is_some_and(|state| state != State::Vulnerable);
        if told && own_state.is_some_and(|state| state != State::Vulnerable) && !emulated {
            aspects.pass();
        }
    }
    aspects.about("host");
    if host_absent == FLAWS.len() {
        aspects.unknown(format!("the host has no {DIRECTORY}"));
    }
    let otherwise = if emulated {
        "the guest runs under TCG: its processor is emulated, and what its kernel says of it is not comparable with \
         the host's (a guest under KVM would tell)"
    } else {
        "neither kernel states any flaw"
    };
    Judged { evidence, tables: vec![table], ..Judged::of(aspects, otherwise) }
}

/// One flaw under KVM. Gives the note for the table.
fn compare(
    seen: &Observed,
    flaw: &Flaw,
    host: Option<State>,
    guest: Option<&str>,
    aspects: &mut Aspects,
    evidence: &mut Vec<String>,
) -> &'static str {
    let harmless = matches!(host, Some(State::NotAffected) | None);
    match guest.map(State::of) {
        Some(State::Vulnerable) if flaw.hosts_matter => "a matter of the host",
        Some(State::Vulnerable) if host == Some(State::Vulnerable) => "both are vulnerable",
        Some(State::Vulnerable) => {
            let text = guest.unwrap_or_default();
            let reason = reason(seen, flaw).map_or_else(String::new, |reason| format!(": {reason}"));
            aspects.fail(format!("{}{reason}", vulnerable(flaw, text, host)));
            evidence.push(quote::from(&format!("guest {DIRECTORY}/{}", flaw.name), text));
            "the guest is worse off than its host"
        }
        // A guest kernel that does not know a flaw cannot mitigate it.
        None if !harmless && !flaw.hosts_matter => {
            aspects.unknown(format!("the guest's kernel says nothing of {}, which concerns the host", flaw.name));
            "the guest's kernel does not know it"
        }
        None => "",
        Some(State::Untold) => "the guest cannot tell",
        Some(State::Mitigated | State::NotAffected) => "",
    }
}

/// Why the guest is worse off, where that can be told.
fn reason(seen: &Observed, flaw: &Flaw) -> Option<String> {
    let off = |word: &&str| {
        let word = word.replace('-', "_");
        word == "mitigations=off" || flaw.switches.contains(&word.as_str())
    };
    if let Some(word) = seen.guest_cmdline.split_whitespace().find(off) {
        return Some(format!("it was booted with `{}`", quote::line(word)));
    }
    let (host, guest) = (seen.host_flags.as_ref()?, seen.guest_flags.as_ref()?);
    let lacking: Vec<&str> = flaw.flags.iter().copied().filter(|flag| host.contains(*flag) && !guest.contains(*flag)).collect();
    if lacking.is_empty() {
        return None;
    }
    Some(format!("its processor model lacks `{}`, which the host's has", lacking.join(" ")))
}

#[cfg(test)]
mod tests;
