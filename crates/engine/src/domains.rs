//! VMs of libvirt's that vmwright did not make: each is planned for as a specification, and the plan's changes of that
//! become changes of the places of the user's own domain. What the specification has no word for is not touched.

use crate::Error;
use vmwright_backend::libvirt::places;
use vmwright_convert::libvirt;
use vmwright_formats::DomainXml;
use vmwright_formats::machine_spec::{MachineSpecView, set_value, write_spec};
use vmwright_formats::{View, nearest};
use vmwright_model::plan::DomainEdit;
use vmwright_model::{Action, MachineSpec, Plan, Step};
use vmwright_plan::target::{Target, least_disruption};
use vmwright_rules::Reading;

/// A domain as it is planned for.
pub(crate) struct Domain {
    /// libvirt's URI.
    pub(crate) connection: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// Where its XML was read.
    pub(crate) source: String,
    /// Its XML.
    pub(crate) xml: String,
    /// Whether that is what it is started from, and not how it runs.
    pub(crate) kept: bool,
    /// What it says, as a specification.
    pub(crate) text: String,
}

/// Every domain that was read whole, each once: as it is kept goes before as it runs.
pub(crate) fn all(reading: &Reading<'_>) -> Vec<Domain> {
    let mut domains: Vec<Domain> = Vec::new();
    let seen = reading.of_every_vm::<DomainXml>();
    let kept = |source: &str| source.ends_with(".xml") && !source.starts_with("/run/");
    let (first, then): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| kept(seen.text.source));
    for seen in first.into_iter().chain(then) {
        let source = seen.text.source;
        let [domain] = &seen.domains[..] else { continue };
        let Some(name) = domain.name.as_ref().filter(|_| !domain.fragment) else { continue };
        let connection = match source.contains("/.config/libvirt/") {
            true => "qemu:///session",
            false => "qemu:///system",
        };
        if domains.iter().any(|known| known.name == name.value && known.connection == connection) {
            continue;
        }
        let xml = seen.text.as_str().to_owned();
        let Some(text) = specification(&xml) else { continue };
        let kept = kept(source);
        domains.push(Domain {
            connection,
            name: name.value.clone(),
            source: source.to_owned(),
            xml,
            kept,
            text,
        });
    }
    domains
}

/// The one of this name.
///
/// # Errors
/// [`Error::UnknownVm`]; [`Error::Argument`] where two libvirts have one.
pub(crate) fn named(reading: &Reading<'_>, vm: &str) -> Result<Domain, Error> {
    let all = all(reading);
    let names: Vec<&str> = all.iter().map(|domain| domain.name.as_str()).collect();
    let near = nearest(vm, &names).map(str::to_owned);
    let mut own: Vec<Domain> = all.into_iter().filter(|domain| domain.name == vm).collect();
    match (own.pop(), own.is_empty()) {
        (Some(domain), true) => Ok(domain),
        (Some(_), false) => {
            Err(Error::Argument(format!("two libvirts of this host have a domain {vm}: rename one of them")))
        }
        (None, _) => Err(Error::UnknownVm { name: vm.to_owned(), near }),
    }
}

fn specification(xml: &str) -> Option<String> {
    write_spec(&libvirt::read(xml).ok()?.spec).ok()
}

fn read(text: &str) -> Option<MachineSpec> {
    MachineSpecView::read(text).0.spec
}

/// The plan with the edits of the specification as one edit of the domain.
///
/// # Errors
/// [`Error::Argument`] where the domain cannot be changed so.
pub(crate) fn as_domain(mut plan: Plan, domain: &Domain) -> Result<Plan, Error> {
    let cannot = |why: String| {
        Error::Argument(format!(
            "domain {} of {} cannot be changed so: {why}",
            domain.name, domain.connection
        ))
    };
    let (mut text, mut whys, mut first) = (domain.text.clone(), Vec::new(), None);
    let mut steps = Vec::new();
    for step in plan.steps {
        let Action::EditSpec { path, key, from, to } = &step.action else {
            steps.push(step);
            continue;
        };
        if *path != domain.source {
            steps.push(step);
            continue;
        }
        text = set_value(&text, key, from.as_deref(), to.as_deref())
            .map_err(|error| cannot(error.to_string()))?;
        first.get_or_insert_with(|| step.clone());
        if !whys.contains(&step.why) {
            whys.push(step.why);
        }
    }
    plan.steps = steps;
    let Some(mut step) = first else { return Ok(plan) };
    // What the plan changes of the domain besides is one change with it.
    let own = plan.steps.iter().position(|step| matches!(step.action, Action::EditDomain { .. }));
    let besides = own.map(|at| plan.steps.remove(at));
    let (before, after) = read(&domain.text)
        .zip(read(&text))
        .ok_or_else(|| cannot("what it says is no specification".to_owned()))?;
    let mut edits = places::places(&libvirt::write(&before).text, &libvirt::write(&after).text, &domain.xml)
        .map_err(|error| cannot(error.to_string()))?;
    if edits.is_empty() {
        plan.left.push(format!("libvirt has no word for what {} should be given", domain.name));
        plan.steps.extend(besides);
        return Ok(plan);
    }
    let changed = places::changed(&domain.xml, &edits).map_err(|error| cannot(error.to_string()))?;
    if !says(&changed, &after) {
        plan.left.push(format!("libvirt has no word for all that {} should be given", domain.name));
    }
    if let Some(Step { action: Action::EditDomain { edits: more, .. }, why, .. }) = besides {
        edits.extend(more);
        whys.push(why);
    }
    step.action = action(domain, edits);
    step.subject = Target::of(&step.action).subject();
    step.disruption = step.disruption.max(least_disruption(&step.action));
    step.why = whys.join("; ");
    plan.steps.push(step);
    plan.left.push(format!("{} has it from its next start", domain.name));
    Ok(plan)
}

fn action(domain: &Domain, edits: Vec<DomainEdit>) -> Action {
    Action::EditDomain { connection: domain.connection.to_owned(), domain: domain.name.clone(), edits }
}

/// Whether a domain says all that a specification does; what it says besides is its own.
fn says(xml: &str, wanted: &MachineSpec) -> bool {
    let Ok(mut found) = libvirt::read(xml).map(|read| read.spec) else { return false };
    let mut wanted = wanted.clone();
    found.foreign.clear();
    wanted.foreign.clear();
    found == wanted
}
