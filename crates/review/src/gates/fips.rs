//! `fips`: whether the kernels of host and guest run in their FIPS mode, in which they use approved algorithms alone and test
//! them at start. That their modules are validated under FIPS 140-3 stands in NIST's list of validated modules and nowhere
//! on the machine; so does whether a validation under FIPS 140-2 has become historical (NIST moved all of them to its historical list on 21 September 2026).

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{GuestError, Host, Session};
use vmwright_model::{MachineSpec, Missing, Table};

/// Where a kernel tells its mode (`crypto/fips.c`).
pub(crate) const ENABLED: &str = "/proc/sys/crypto/fips_enabled";
/// Name and version of the module as the kernel was built with them, of Linux 5.19 and later.
const NAME: &str = "/proc/sys/crypto/fips_name";
const VERSION: &str = "/proc/sys/crypto/fips_version";

/// A kernel's answer; none where it was built without the mode.
pub(crate) type Mode = Result<Option<String>, String>;

/// What was seen.
pub(crate) struct Observed {
    pub(crate) host: Mode,
    pub(crate) guest: Mode,
    /// Who, and the module's name and version.
    pub(crate) modules: Vec<(&'static str, String)>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let of_host = |path: &str| of_host(session.scope.host, path);
    let of_guest = |path: &str| match session.guest_file(path, 256) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(GuestError::Refused(why)) if why.contains("No such file") => Ok(None),
        Err(error) => Err(format!("{path}: {error}")),
    };
    Observed {
        host: of_host(ENABLED),
        guest: of_guest(ENABLED),
        modules: vec![("host", module(&of_host)), ("guest", module(&of_guest))],
    }
}

/// A file of the host's kernel, without its line's end.
pub(crate) fn of_host(host: &dyn Host, path: &str) -> Mode {
    match host.file(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
        Err(Missing::Absent) => Ok(None),
        Err(why) => Err(format!("{path}: {why}")),
    }
}

/// Name and version of a kernel's module.
pub(crate) fn module(read: &dyn Fn(&str) -> Mode) -> String {
    match (read(NAME), read(VERSION)) {
        (Ok(Some(name)), Ok(Some(version))) => format!("{name} {version}"),
        _ => "not told".to_owned(),
    }
}

pub(crate) fn judge(seen: &Observed, _spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("FIPS mode", &["kernel", "mode", "module"]);
    for ((who, mode), (_, module)) in [("host", &seen.host), ("guest", &seen.guest)].into_iter().zip(&seen.modules) {
        one(who, mode, module, &mut aspects, &mut table);
    }
    Judged { tables: vec![table], ..Judged::of(aspects, "") }
}

/// What one kernel's mode means.
pub(crate) fn one(who: &str, mode: &Mode, module: &str, aspects: &mut Aspects, table: &mut Table) {
    aspects.about(who);
    let found = match mode {
        Ok(Some(value)) => {
            aspects.expect(value == "1", || format!("the {who}'s kernel does not run in FIPS mode (`fips=1` of its command line)"));
            if value == "1" { "on".to_owned() } else { "off".to_owned() }
        }
        Ok(None) => {
            aspects.fail(format!("the {who}'s kernel was built without FIPS mode"));
            "not built in".to_owned()
        }
        Err(why) => {
            aspects.unknown(quote::line(why));
            quote::line(why)
        }
    };
    table.rows.push(vec![who.to_owned(), found, quote::line(module)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;

    #[test]
    fn both_kernels_count() {
        let seen = |host: &str, guest: Mode| Observed {
            host: Ok(Some(host.to_owned())),
            guest,
            modules: vec![("host", String::new()), ("guest", String::new())],
        };
        let word = |seen: &Observed| judge(seen, &spec()).outcome.word();
        assert_eq!(word(&seen("1", Ok(Some("1".to_owned())))), "pass");
        assert_eq!(word(&seen("1", Ok(Some("0".to_owned())))), "fail");
        assert_eq!(word(&seen("1", Ok(None))), "fail");
        assert_eq!(word(&seen("1", Err("silent".to_owned()))), "unknown");
    }
}
