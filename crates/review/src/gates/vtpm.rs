//! `vtpm`: the guest has the trusted platform module of its specification, of the right version, and its firmware has
//! measured into it: a register that is all zeros was never extended (TCG PC Client Platform Firmware Profile, PCR 0 is
//! the firmware, PCR 7 the policy of secure boot).

use super::secure_boot::optional;
use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::Session;
use vmwright_model::MachineSpec;

/// The registers that are shown, and must have been extended.
const REGISTERS: [(u8, &str); 2] = [(0, "firmware"), (7, "policy of secure boot")];

/// What was seen.
pub(crate) struct Observed {
    /// Modules that the VMM has, by `query-tpm`.
    pub(crate) vmm: Result<usize, String>,
    /// Major version that the guest's kernel tells; none where it has no module.
    pub(crate) version: Result<Option<String>, String>,
    /// By register: its SHA-256 bank, none where the kernel does not show it.
    pub(crate) registers: Vec<(u8, Result<Option<String>, String>)>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let text = |path: &str| {
        optional(session, path, 256).map(|found| found.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    };
    let vmm = session.scope.vmm.query("query-tpm");
    Observed {
        vmm: vmm.and_then(|answer| answer.as_array().map(Vec::len).ok_or_else(|| "query-tpm: the answer is no list".to_owned())),
        version: text("/sys/class/tpm/tpm0/tpm_version_major"),
        registers: REGISTERS.iter().map(|(number, _)| (*number, text(&format!("/sys/class/tpm/tpm0/pcr-sha256/{number}")))).collect(),
    }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Trusted platform module", &["what", "found"]);
    let mut row = |what: String, found: &Result<Option<String>, String>| {
        let found = match found {
            Ok(Some(text)) => quote::line(text),
            Ok(None) => "not there".to_owned(),
            Err(why) => quote::line(why),
        };
        table.rows.push(vec![what, found]);
    };
    row("modules of the VMM".to_owned(), &seen.vmm.clone().map(|count| Some(count.to_string())));
    row("version in the guest".to_owned(), &seen.version);
    for (number, found) in &seen.registers {
        row(format!("PCR {number}, SHA-256"), found);
    }
    let Some(tpm) = &spec.tpm else {
        if matches!(seen.version, Ok(Some(_))) {
            aspects.about("present").fail("the guest has a trusted platform module, and the specification has none");
        }
        return Judged { tables: vec![table], ..Judged::of(aspects, "the specification has no trusted platform module") };
    };
    aspects.about("present");
    match &seen.vmm {
        Ok(count) => aspects.expect(*count > 0, || "the VMM has no trusted platform module".to_owned()),
        Err(why) => aspects.unknown(format!("modules of the VMM: {}", quote::line(why))),
    }
    match &seen.version {
        Ok(Some(version)) => {
            // Where the specification says nothing it is 2.0.
            let wanted = tpm.version.as_deref().unwrap_or("2.0");
            aspects.expect(wanted.split('.').next() == Some(version.as_str()), || {
                format!("the guest's trusted platform module is of version {}, the specification says {wanted}", quote::line(version))
            });
        }
        Ok(None) => aspects.fail("the guest's kernel has no trusted platform module"),
        Err(why) => aspects.unknown(quote::line(why)),
    }
    aspects.about("measured");
    for ((number, found), (_, what)) in seen.registers.iter().zip(REGISTERS) {
        match found {
            Ok(Some(value)) => aspects.expect(!value.is_empty() && value.bytes().any(|byte| byte != b'0'), || {
                format!("nothing was measured into PCR {number} ({what}): the firmware does not know the module")
            }),
            Ok(None) => aspects.unknown(format!("PCR {number}: the guest's kernel does not show it")),
            Err(why) => aspects.unknown(quote::line(why)),
        }
    }
    Judged { tables: vec![table], ..Judged::of(aspects, "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::machine::Tpm;

    fn seen() -> Observed {
        let digest = |byte: &str| Ok(Some(byte.repeat(32)));
        Observed { vmm: Ok(1), version: Ok(Some("2".to_owned())), registers: vec![(0, digest("a7")), (7, digest("3b"))] }
    }

    #[test]
    fn a_module_is_there_of_its_version_and_measured_into() {
        let word = |seen: &Observed, spec: &MachineSpec| judge(seen, spec).outcome.word();
        let mut spec = spec();
        assert_eq!(word(&seen(), &spec), "fail", "nobody asked for it");
        assert_eq!(word(&Observed { version: Ok(None), ..seen() }, &spec), "not applicable");
        spec.tpm = Some(Tpm::default());
        assert_eq!(word(&seen(), &spec), "pass");
        assert_eq!(word(&Observed { version: Ok(None), ..seen() }, &spec), "fail");
        assert_eq!(word(&Observed { version: Ok(Some("1".to_owned())), ..seen() }, &spec), "fail");
        assert_eq!(word(&Observed { vmm: Ok(0), ..seen() }, &spec), "fail");
        let mut unmeasured = seen();
        unmeasured.registers[1].1 = Ok(Some("0".repeat(64)));
        assert_eq!(word(&unmeasured, &spec), "fail");
        unmeasured.registers[1].1 = Ok(None);
        assert_eq!(word(&unmeasured, &spec), "unknown");
    }
}
