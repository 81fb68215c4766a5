//! ANALYSIS that keeps: locks the process, reads what all rules need, takes the secrets out, and writes one archive
//! that can be read anywhere in the place of this host.

use crate::remote::{self, Place};
use crate::{Capture, Captured, Environment, Error, Outcome, PlannedSource, Progress, analysis, memory};
use jiff::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vmwright_host::capture::About;
use vmwright_host::redact::{self, anonymous};
use vmwright_host::sandbox::{self, Purpose};
use vmwright_host::{Root, Subject};
use vmwright_model::analysis::Sandbox;
use vmwright_model::{Missing, Mode, Need};

/// Name and version of this program, as a capture has it.
const TOOL: &str = concat!("vmwright ", env!("CARGO_PKG_VERSION"));

pub(crate) fn capture(
    what: &Capture,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let subject = Subject { vm: what.vm.clone(), state: environment.state.clone() };
    let far = remote::target(what.host.as_deref())?;
    if let Some(target) = far.as_ref().filter(|_| what.dry_run) {
        let list = vmwright_host::ssh::work_list(&analysis::needs(&Root::Live)).into_iter();
        let privilege = format!("as {target} allows");
        let sources = list.map(|source| PlannedSource { source, privilege: privilege.clone() }).collect();
        return Ok(Outcome::CapturePlan { sources });
    }
    if what.dry_run {
        let planned = vmwright_host::planned(&analysis::needs(&Root::Live), &subject);
        let sources = planned
            .into_iter()
            .map(|one| PlannedSource { source: one.source, privilege: one.privilege })
            .collect();
        return Ok(Outcome::CapturePlan { sources });
    }
    let whose = || what.host.clone().unwrap_or_else(|| "this host".to_owned());
    let challenge = format!("capture of {}", what.vm.as_ref().map_or_else(whose, |vm| format!("vm {vm}")));
    progress(Progress::Banner(Mode::Analysis.banner(&challenge)));
    if far.is_none() {
        vmwright_host::check(&subject).map_err(Error::Collect)?;
    }
    let now = Timestamp::now();
    let folder = folder(&name(what), now);
    let path = what.output.clone().unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    // The lock leaves nothing to be made outside the state directory: what is to be written is opened before it.
    let mut file = make(&path)?;
    let opened = far.as_ref().map(|target| remote::connect(target, &needs(what))).transpose();
    let sandbox = opened.and_then(|far| Ok((far, lock(what, environment)?)));
    let (far, sandbox) = sandbox.inspect_err(|_| {
        // Nothing will be written into it. Where the lock holds in part, the empty file has to stay.
        let _ = std::fs::remove_file(&path);
    })?;
    let place = far.unwrap_or(Place::Here(Root::Live));
    let here = matches!(place, Place::Here(_));
    let mut snapshot = remote::read(place, &subject, environment)?;
    let names = match here {
        true => anonymous::Names::of_this_host(),
        false => anonymous::Names::of_snapshot(&mut snapshot, &analysis::needs(&Root::Live)),
    };
    let redacted = redact::redact(&mut snapshot);
    if what.anonymize {
        let failed = |source| Error::File { path: PathBuf::from("/dev/urandom"), source };
        anonymous::Anonymizer::new(&names).map_err(failed)?.apply(&mut snapshot);
    }
    let about = About {
        tool: TOOL.to_owned(),
        folder,
        seconds: u64::try_from(now.as_second()).unwrap_or(0),
        redacted: redacted.clone(),
        anonymized: what.anonymize,
    };
    let written = vmwright_host::capture::write(&snapshot, &about).and_then(|bytes| {
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(bytes.len() as u64)
    });
    let bytes = written.map_err(|source| Error::File { path: path.clone(), source })?;
    let there = snapshot.records.iter().filter(|record| record.content != Err(Missing::Absent));
    let unread = there.filter_map(|record| Some((record.source.clone(), record.unread()?)));
    let captured = Captured {
        bytes,
        sources: snapshot.records.len(),
        texts: snapshot.records.iter().filter(|record| record.content.is_ok()).count(),
        unread: unread.collect(),
        redacted,
        anonymized: what.anonymize,
        sandbox,
        path,
    };
    remember(&captured, &challenge, environment, progress);
    Ok(Outcome::Captured(Box::new(captured)))
}

fn lock(what: &Capture, environment: &Environment) -> Result<Sandbox, Error> {
    let purpose = if what.host.is_some() { Purpose::Records } else { Purpose::LiveHost };
    let sandbox = sandbox::lock(&environment.state, purpose).map_err(Error::Sandbox)?;
    if what.require_sandbox && !sandbox.lacking.is_empty() {
        return Err(Error::SandboxLacking(sandbox.lacking));
    }
    Ok(sandbox)
}

/// What is read: of another host also the names that it goes by, where they are to be replaced.
fn needs(what: &Capture) -> Vec<Need> {
    let mut needs = analysis::needs(&Root::Live);
    if what.anonymize {
        needs.extend(anonymous::SOURCES.map(Need::File));
    }
    needs
}

/// The host's name as a part of a file name; nothing where it must not be told.
fn name(what: &Capture) -> String {
    if what.anonymize {
        return "host".to_owned();
    }
    let name = match &what.host {
        Some(host) => host.rsplit(['/', '@']).next().unwrap_or_default().to_owned(),
        None => std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default(),
    };
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let name: String =
        name.trim().chars().take_while(|letter| *letter != '.').filter(plain).take(40).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

fn folder(name: &str, now: Timestamp) -> String {
    format!("vmwright-{name}-{}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// Makes the file, for its owner alone. What is there already stays: a capture never takes another's place.
fn make(path: &Path) -> Result<File, Error> {
    let failed = |source: io::Error| Error::Output { path: path.to_owned(), source };
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)
}

fn remember(
    captured: &Captured,
    challenge: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let host = vmwright_host::identity(&environment.state);
    let body = format!(
        "{} texts of {} sources, {} bytes, in {}",
        captured.texts,
        captured.sources,
        captured.bytes,
        captured.path.display()
    );
    let mut entry = memory::entry("capture", challenge.to_owned(), body, &host.id);
    entry.evidence = vec![captured.path.display().to_string()];
    let written = memory::append(entry, environment);
    if let Err(error) = written {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anonymous_capture_does_not_tell_its_host() {
        assert_eq!(name(&Capture { anonymize: true, ..Capture::default() }), "host");
        let named = name(&Capture::default());
        assert!(!named.is_empty() && !named.contains(['/', '.']), "{named}");
        assert_eq!(folder("a", Timestamp::UNIX_EPOCH), "vmwright-a-19700101T000000Z");
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(make(file.path()), Err(Error::Output { .. })));
        assert!(matches!(make(Path::new("/nonexistent/x.tar.gz")), Err(Error::Output { .. })));
    }
}
