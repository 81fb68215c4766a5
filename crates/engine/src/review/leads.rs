//! From a gate that failed to what may be the cause: the rules of its areas are asked on what they need, read now, with the
//! gate's words as the complaint; and which command goes on from there.

use crate::error::chain;
use crate::{Environment, Progress, memory};
use vmwright_host::{Limits, Root, Subject};
use vmwright_model::analysis::Cause;
use vmwright_model::finding::Applicability;
use vmwright_model::{Gate, GateOutcome, Level, Review};
use vmwright_rules::{CATALOGUE, Entry, Reading, diagnose_reading};

/// The most findings that a gate names.
const MOST: usize = 3;

/// Less than this is not named: 0.5 is as likely as not.
const LIKELY: f64 = 0.5;

/// Gives every failed gate its findings and its next commands. `vm` is none where the host itself was reviewed.
pub(super) fn follow(
    review: &mut Review,
    vm: Option<&str>,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let failed = |gate: &Gate| matches!(gate.outcome, GateOutcome::Fail(_));
    let areas: Vec<&str> = review
        .gates
        .iter()
        .filter(|gate| failed(gate))
        .flat_map(|gate| vmwright_review::areas(&gate.name))
        .copied()
        .collect();
    let mut needs: Vec<_> = CATALOGUE
        .iter()
        .filter(|entry| areas.contains(&entry.area()))
        .flat_map(|entry| entry.rule.needs.to_vec())
        .collect();
    needs.sort_unstable();
    needs.dedup();
    let subject = Subject { vm: vm.map(str::to_owned), state: environment.state.clone() };
    let mut snapshot = None;
    if !needs.is_empty() {
        match vmwright_host::collect(&Root::Live, &needs, &subject, &Limits::default()) {
            Ok(read) => snapshot = Some(read),
            Err(error) => {
                progress(Progress::Note(format!("no rule was asked for causes: {}", chain(&error))))
            }
        }
    }
    if let Some(snapshot) = &mut snapshot {
        snapshot.taken = memory::now();
        snapshot.vm = vm.map(str::to_owned);
    }
    for gate in review.gates.iter_mut().filter(|gate| failed(gate)) {
        let areas = vmwright_review::areas(&gate.name);
        let asks = |entry: &Entry| areas.contains(&entry.area()) && entry.rule.level != Level::Note;
        if let Some(snapshot) = &snapshot {
            let reading = Reading::new(snapshot, gate.outcome.why());
            let causes = diagnose_reading(&reading, &asks).causes;
            gate.leads = causes.into_iter().filter(|cause| cause.confidence >= LIKELY).take(MOST).collect();
        }
        gate.next = next(&gate.leads, vm);
    }
}

/// What goes on from findings: a plan where one can settle any of them, their explanation where a person has to, and an
/// analysis where there is none. None of a guest's words is in a command.
fn next(leads: &[Cause], vm: Option<&str>) -> Vec<String> {
    let about = vm.map(|vm| format!(" --vm {}", word(vm))).unwrap_or_default();
    let planned = |cause: &&Cause| {
        cause.fix.applicability != Applicability::ManualOnly && !cause.fix.actions.is_empty()
    };
    let mut all = Vec::new();
    if leads.iter().any(|cause| planned(&cause)) {
        all.push(format!("vmwright plan{about}"));
    }
    all.extend(
        leads.iter().filter(|cause| !planned(cause)).map(|cause| format!("vmwright explain {}", cause.rule)),
    );
    all.push(format!("vmwright analyze{about}"));
    all
}

/// A name as one word of a shell: a domain's may have blanks in it.
fn word(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.chars().all(plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_take_a_name_as_one_word() {
        assert_eq!(next(&[], Some("web-1.a")), ["vmwright analyze --vm web-1.a"]);
        assert_eq!(next(&[], Some("their web")), ["vmwright analyze --vm 'their web'"]);
        assert_eq!(next(&[], Some("it's $(x)")), [r"vmwright analyze --vm 'it'\''s $(x)'"]);
    }
    use vmwright_review::gate_names;

    #[test]
    fn every_gate_leads_to_areas_that_have_rules() {
        for gate in gate_names() {
            let areas = vmwright_review::areas(gate);
            assert!(!areas.is_empty(), "{gate}");
            for area in areas {
                assert!(CATALOGUE.iter().any(|entry| entry.area() == *area), "{gate}: no rule is of {area}");
            }
        }
    }
}
