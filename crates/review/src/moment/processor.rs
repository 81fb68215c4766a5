//! The guest's processor and its flaws: behind a move or a restore the guest's kernel says of them what it said before, and the
//! processor has what that rests on.
//!
//! A kernel looks at its processor once, at boot, and keeps what it decided then, wherever it goes on. So what it states cannot
//! tell that the processor is another one: our probe asks the processor itself.

use super::{Ground, Seen};
use crate::aspects::Aspects;
use crate::gates::cpu_flaws::{self, DIRECTORY, OfGuest};
use crate::gates::table;
use crate::quote;
use crate::scope::{Guest, GuestError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::Table;
use vmwright_model::machine::Accelerator;

/// By leaf and register of CPUID: features, a bit each.
pub(crate) type Features = BTreeMap<(u32, &'static str), u32>;

/// The words that are features, without the bits that follow what the kernel switched on: OSXSAVE and OSPKE (Intel SDM
/// volume 2, `CPUID`; AMD APM volume 3, appendix E).
const WORDS: [(u32, &str, u32); 10] = [
    (0x1, "ecx", !(1 << 27)),
    (0x1, "edx", !0),
    (0x7, "ebx", !0),
    (0x7, "ecx", !(1 << 4)),
    (0x7, "edx", !0),
    (0x8000_0001, "ecx", !0),
    (0x8000_0001, "edx", !0),
    (0x8000_0008, "ebx", !0),
    (0x8000_0021, "eax", !0),
    (0x8000_0021, "ecx", !0),
];

/// Features by which kernels fight flaws, by the names of `/proc/cpuinfo` (`arch/x86/include/asm/cpufeatures.h`); one that
/// Intel and AMD have in places of their own stands here twice.
const FLAGS: [(&str, u32, &str, u32); 21] = [
    ("pcid", 0x1, "ecx", 17),
    ("md_clear", 0x7, "edx", 10),
    ("ibrs", 0x7, "edx", 26),
    ("ibpb", 0x7, "edx", 26),
    ("stibp", 0x7, "edx", 27),
    ("flush_l1d", 0x7, "edx", 28),
    ("arch_capabilities", 0x7, "edx", 29),
    ("ssbd", 0x7, "edx", 31),
    ("ibpb", 0x8000_0008, "ebx", 12),
    ("ibrs", 0x8000_0008, "ebx", 14),
    ("stibp", 0x8000_0008, "ebx", 15),
    ("amd_ssbd", 0x8000_0008, "ebx", 24),
    ("virt_ssbd", 0x8000_0008, "ebx", 25),
    ("ssb_no", 0x8000_0008, "ebx", 26),
    ("verw_clear", 0x8000_0021, "eax", 5),
    ("autoibrs", 0x8000_0021, "eax", 8),
    ("sbpb", 0x8000_0021, "eax", 27),
    ("ibpb_brtype", 0x8000_0021, "eax", 28),
    ("srso_no", 0x8000_0021, "eax", 29),
    ("tsa_sq_no", 0x8000_0021, "ecx", 1),
    ("tsa_l1_no", 0x8000_0021, "ecx", 2),
];

/// What the processor says; none where the guest's agent is no probe of ours.
pub(super) fn look(guest: &dyn Guest) -> Option<Result<Features, String>> {
    match guest.execute("vmwright-cpuid", json!({})) {
        Ok(answer) => {
            Some(read(&answer).ok_or_else(|| "vmwright-cpuid: the answer has another form".to_owned()))
        }
        Err(GuestError::Refused(_)) => None,
        Err(error) => Some(Err(error.to_string())),
    }
}

/// A leaf that there is not has no features.
fn read(answer: &Value) -> Option<Features> {
    let leaves = answer.as_array()?;
    let word = |(leaf, register, mask): (u32, &'static str, u32)| {
        let told = leaves.iter().find(|one| one["leaf"] == leaf);
        let word = told.map_or(Some(0), |one| one[register].as_u64())?;
        Some(((leaf, register), u32::try_from(word).ok()? & mask))
    };
    WORDS.into_iter().map(word).collect()
}

pub(super) fn judge(
    (before, after): (&Seen, &Seen),
    ground: &Ground,
    when: &str,
    aspects: &mut Aspects,
    evidence: &mut Vec<String>,
) {
    aspects.about("processor flaws");
    match (&before.flaws, &after.flaws) {
        (Ok(before), Ok(after)) => statements(before, after, ground, when, aspects, evidence),
        (Err(why), _) | (_, Err(why)) => aspects.unknown(format!("{when}: {}", quote::line(why))),
    }
    aspects.about("processor");
    let (had, has) = match (&before.features, &after.features) {
        (Some(Ok(had)), Some(Ok(has))) => (had, has),
        (Some(Err(why)), _) | (_, Some(Err(why))) => {
            return aspects.unknown(format!("{when}: {}", quote::line(why)));
        }
        (None, _) | (_, None) => {
            return aspects
                .none("the guest's agent is not vmwright's probe: its processor itself is not asked");
        }
    };
    let lost = lost(had, has);
    aspects.expect(lost.is_empty(), || {
        format!("{when}: the guest's processor has lost what its kernel found at boot: {}", lost.join(", "))
    });
    aspects.about("processor flaws");
    for flag in named(had).difference(&named(has)) {
        let fights = cpu_flaws::fought_by(flag);
        if !fights.is_empty() {
            aspects.fail(format!(
                "{when}: the guest's processor has lost `{flag}`, which what its kernel says of {} rests on",
                fights.join(", ")
            ));
        }
    }
}

/// Whether the kernel says the same as before, and under KVM nothing worse than its host.
fn statements(
    before: &OfGuest,
    after: &OfGuest,
    ground: &Ground,
    when: &str,
    aspects: &mut Aspects,
    evidence: &mut Vec<String>,
) {
    let says = |statement: &Option<String>| {
        statement.as_deref().map_or_else(|| "nothing".to_owned(), |text| format!("`{}`", quote::line(text)))
    };
    for (flaw, now) in after {
        let then = before.get(flaw).unwrap_or(&None);
        if then != now {
            aspects.fail(format!(
                "{when}: of {flaw} the guest says {}, before it said {}",
                says(now),
                says(then)
            ));
            evidence.push(quote::from(
                &format!("{when}: guest {DIRECTORY}/{flaw}"),
                now.as_deref().unwrap_or("no such file"),
            ));
        }
    }
    match &ground.accelerator {
        Ok(Accelerator::Kvm) => {
            for why in cpu_flaws::worse_off(after, &ground.host) {
                aspects.fail(format!("{when}: {why}"));
            }
        }
        // Its processor is software, and nothing of the host's.
        Ok(Accelerator::Tcg) => {}
        Err(why) => {
            aspects.unknown(format!("whether the guest has the host's processor: {}", quote::line(why)))
        }
    }
    if after.values().any(Option::is_some) {
        aspects.pass();
    } else {
        aspects.none("the guest's kernel states no flaw");
    }
}

/// Names of the features by which flaws are fought.
fn named(features: &Features) -> BTreeSet<&'static str> {
    let has = |(_, leaf, register, bit): &&(&str, u32, &str, u32)| {
        features.get(&(*leaf, *register)).is_some_and(|word| word >> bit & 1 == 1)
    };
    FLAGS.iter().filter(has).map(|(name, ..)| *name).collect()
}

/// Features that were there and are not, by name or place.
fn lost(had: &Features, has: &Features) -> Vec<String> {
    let mut all = Vec::new();
    for ((leaf, register), word) in had {
        let gone = word & !has.get(&(*leaf, *register)).copied().unwrap_or(0);
        for bit in (0..32).filter(|bit| gone >> bit & 1 == 1) {
            let place = format!("bit {bit} of {} of CPUID {leaf:#x}", register.to_uppercase());
            let flag = FLAGS
                .iter()
                .find(|(_, of, in_register, at)| (*of, *in_register, *at) == (*leaf, *register, bit));
            all.push(flag.map_or_else(|| place.clone(), |(name, ..)| format!("`{name}` ({place})")));
        }
    }
    all
}

/// What the guest's kernel said of each flaw at several moments.
pub(crate) fn told(moments: &[(String, &Seen)]) -> Option<Table> {
    let columns: Vec<&str> =
        ["flaw"].into_iter().chain(moments.iter().map(|(when, _)| when.as_str())).collect();
    let mut table = table("Processor flaws, as the guest's kernel says", &columns);
    let first = moments.iter().find_map(|(_, seen)| seen.flaws.as_ref().ok())?;
    for flaw in first.keys() {
        let of = |seen: &Seen| seen.flaws.as_ref().ok().and_then(|all| all.get(flaw).cloned().flatten());
        let said: Vec<Option<String>> = moments.iter().map(|(_, seen)| of(seen)).collect();
        if said.iter().any(Option::is_some) {
            let cell = |text: Option<String>| quote::line(text.as_deref().unwrap_or("says nothing"));
            table.rows.push([(*flaw).to_owned()].into_iter().chain(said.into_iter().map(cell)).collect());
        }
    }
    (!table.rows.is_empty()).then_some(table)
}
