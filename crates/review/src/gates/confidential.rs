//! `confidential`: memory that the host cannot read, where the specification asks for it: the VMM says that it is on,
//! and the guest's own processor says so too. Attestation, a proof to somebody else, is another matter; this looks from
//! within.

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::Session;
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Technology;

/// The head of `/proc/cpuinfo` that holds the first processor's flags.
const CPUINFO: usize = 16 << 10;

/// What was seen.
pub(crate) struct Observed {
    /// Answer of `query-sev`: whether it is on, its state, the kind of guest and its policy.
    pub(crate) sev: Result<Value, String>,
    /// Flags of the guest's first processor.
    pub(crate) flags: Result<Vec<String>, String>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let flags = session.guest_file("/proc/cpuinfo", CPUINFO).map_err(|error| error.to_string()).and_then(|text| {
        let line = text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == "flags"));
        let (_, flags) = line.ok_or_else(|| "/proc/cpuinfo of the guest has no flags".to_owned())?;
        Ok(flags.split_whitespace().map(str::to_owned).collect())
    });
    Observed { sev: session.scope.vmm.query("query-sev"), flags }
}

/// The flag by which the guest's kernel names a technology (`arch/x86/include/asm/cpufeatures.h`).
fn flag(technology: Technology) -> &'static str {
    match technology {
        Technology::Sev => "sev",
        Technology::SevEs => "sev_es",
        Technology::SevSnp => "sev_snp",
        Technology::Tdx => "tdx_guest",
    }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Confidential memory", &["who", "says"]);
    let vmm = match &seen.sev {
        Ok(answer) => quote::line(&answer.to_string()),
        Err(why) => quote::line(why),
    };
    let all = [Technology::Sev, Technology::SevEs, Technology::SevSnp, Technology::Tdx].map(flag);
    let guest = match &seen.flags {
        Ok(flags) => {
            let found: Vec<&str> = flags.iter().map(String::as_str).filter(|flag| all.contains(flag)).collect();
            if found.is_empty() { "none".to_owned() } else { found.join(" ") }
        }
        Err(why) => quote::line(why),
    };
    table.rows.push(vec!["VMM".to_owned(), vmm]);
    table.rows.push(vec!["guest's processor".to_owned(), guest]);
    let Some(wanted) = &spec.confidential else {
        return Judged { tables: vec![table], ..Judged::of(aspects, "the specification does not ask for confidential memory") };
    };
    let name = flag(wanted.technology);
    aspects.about("vmm");
    // QEMU has no question for TDX.
    if wanted.technology == Technology::Tdx {
        aspects.none("QEMU answers no question about TDX; the guest does");
    } else {
        sev(seen, wanted.technology, wanted.policy, &mut aspects);
    }
    aspects.about("guest");
    match &seen.flags {
        Ok(flags) => aspects.expect(flags.iter().any(|flag| flag == name), || {
            format!("the specification asks for {name}, and the guest's processor says nothing of it: the host can read its memory")
        }),
        Err(why) => aspects.unknown(quote::line(why)),
    }
    Judged { tables: vec![table], ..Judged::of(aspects, "") }
}

/// What the VMM says of SEV (`SevInfo` of QEMU's `qapi/misc-target.json`).
fn sev(seen: &Observed, technology: Technology, policy: Option<u64>, aspects: &mut Aspects) {
    let answer = match &seen.sev {
        Ok(answer) => answer,
        // A QEMU that was built without SEV, or runs without KVM, refuses the question: it has none.
        Err(why) => return aspects.fail(format!("the VMM has no SEV: {}", quote::line(why))),
    };
    if answer.get("enabled").and_then(Value::as_bool) != Some(true) {
        return aspects.fail("the VMM runs without SEV");
    }
    let state = answer.get("state").and_then(Value::as_str).unwrap_or("not told");
    aspects.expect(state == "running", || format!("SEV is not yet in force: its state is `{}`", quote::line(state)));
    let kind = answer.get("sev-type").and_then(Value::as_str).unwrap_or("sev");
    aspects.expect((kind == "sev-snp") == (technology == Technology::SevSnp), || {
        format!("the VMM runs {}, the specification asks for {}", quote::line(kind), flag(technology))
    });
    let found = answer.get("snp-policy").or_else(|| answer.get("policy")).and_then(Value::as_u64);
    if let (Some(wanted), Some(found)) = (policy, found) {
        aspects.expect(wanted == found, || format!("the guest policy is {found:#x}, the specification says {wanted:#x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use serde_json::json;
    use vmwright_model::machine::Confidential;

    #[test]
    fn both_sides_have_to_say_so() {
        let word = |seen: &Observed, spec: &MachineSpec| judge(seen, spec).outcome.word();
        let on = || Observed {
            sev: Ok(json!({ "enabled": true, "state": "running", "sev-type": "sev-snp", "snp-policy": 196_608 })),
            flags: Ok(vec!["fpu".to_owned(), "sev_snp".to_owned()]),
        };
        let mut spec = spec();
        assert_eq!(word(&on(), &spec), "not applicable");
        spec.confidential = Some(Confidential::by(Technology::SevSnp));
        assert_eq!(word(&on(), &spec), "pass");
        assert_eq!(word(&Observed { flags: Ok(Vec::new()), ..on() }, &spec), "fail");
        assert_eq!(word(&Observed { flags: Err("silent".to_owned()), ..on() }, &spec), "unknown");
        assert_eq!(word(&Observed { sev: Err("not found".to_owned()), ..on() }, &spec), "fail");
        let launching = json!({ "enabled": true, "state": "launch-update", "sev-type": "sev-snp" });
        assert_eq!(word(&Observed { sev: Ok(launching), ..on() }, &spec), "fail");
        if let Some(confidential) = &mut spec.confidential {
            confidential.policy = Some(1);
        }
        assert_eq!(word(&on(), &spec), "fail", "another policy");
        spec.confidential = Some(Confidential::by(Technology::Tdx));
        assert_eq!(word(&on(), &spec), "fail");
    }
}
