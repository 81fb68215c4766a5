//! Plans for what a user wants done. The host is read as for an analysis, behind the same lock.

use crate::accepted::Acceptances;
use crate::analysis::{enter, read, recall};
use crate::operation::{Analyze, Intent};
use crate::{Environment, Error, Outcome, Progress, plans};
use vmwright_formats::ip_route::IpRoute;
use vmwright_formats::lsmod::LsMod;
use vmwright_formats::machine_spec::MachineSpecView;
use vmwright_formats::mounts::Mounts;
use vmwright_formats::pci_devices::PciDevices;
use vmwright_host::Root;
use vmwright_model::{Finding, Level, Mode, Plan};
use vmwright_plan::intents::{Guest, Host, passthrough, sriov};
use vmwright_rules::{Found, Reading, diagnose_reading};

/// Makes the plan and keeps it.
pub(crate) fn plan(
    intent: &Intent,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let challenge = intent.challenge();
    progress(Progress::Banner(Mode::Analysis.banner(&challenge)));
    let what = Analyze { vm: intent.vm().map(str::to_owned), ..Analyze::default() };
    let acceptances = Acceptances::load(&what, environment)?;
    let (host, _) = enter(&what, environment)?;
    recall(&challenge, environment, progress);
    let subject = vmwright_host::Subject { vm: what.vm.clone(), state: environment.state.clone() };
    let snapshot = read(&Root::Live, &subject, environment)?;
    let reading = Reading::new(&snapshot, "");
    let plan = match intent {
        Intent::Fix { vm } => fix(&reading, &acceptances, &host.id, vm.as_deref()),
        Intent::Passthrough { vm, device, at_boot } => {
            let spec = reading.one::<MachineSpecView>().ok_or(Error::Unread("the VM's specification"))?;
            let guest = Guest { name: vm, path: spec.text.source, text: spec.text.as_str() };
            with_host(&reading, &host.id, |host| passthrough(host, &guest, device, *at_boot))??
        }
        Intent::Sriov { device, vfs } => with_host(&reading, &host.id, |host| sriov(host, device, *vfs))??,
    };
    let problems = vmwright_plan::lint(&plan);
    if !problems.is_empty() {
        return Err(Error::Lint(problems.iter().map(ToString::to_string).collect()));
    }
    Ok(Outcome::Planned(Box::new(plans::keep(plan, environment)?)))
}

/// A plan that settles what is wrong with a VM, or with the host where none is named.
fn fix(reading: &Reading<'_>, acceptances: &Acceptances, host_id: &str, vm: Option<&str>) -> Plan {
    let diagnosis = diagnose_reading(reading, &|_| true);
    let findings: Vec<Finding> = diagnosis
        .findings
        .into_iter()
        .zip(&diagnosis.causes)
        .filter(|(finding, cause)| matters(finding, cause.explained_by.is_some()))
        .filter(|(_, cause)| acceptances.of(&cause.rule, &cause.subject).is_none())
        .map(|(finding, _)| finding)
        .collect();
    vmwright_plan::fix(&findings, host_id, vm, vm.is_some())
}

/// What belongs into a plan: what can be done, and errors that a person has to see to. A consequence that
/// nothing can be done about goes away with its cause.
fn matters(finding: &Finding, is_consequence: bool) -> bool {
    !finding.fix.actions.is_empty() || finding.level == Level::Error && !is_consequence
}

/// Shows an intent the host. What is not known of it is an error: a plan made without would rest on a guess.
fn with_host<R>(reading: &Reading<'_>, id: &str, use_it: impl FnOnce(&Host<'_>) -> R) -> Result<R, Error> {
    let devices = reading.one::<PciDevices>().ok_or(Error::Unread("the host's PCI functions"))?;
    let modules = reading.one::<LsMod>();
    // The kernel has the file where it has modules.
    if modules.is_none() && !matches!(reading.file("/proc/modules"), Found::Absent) {
        return Err(Error::Unread("the loaded modules (/proc/modules)"));
    }
    let mounts = reading.one::<Mounts>().ok_or(Error::Unread("the mounted file systems (/proc/mounts)"))?;
    // Without `ip` nobody can tell which card the host is reached by.
    let routes = reading.one::<IpRoute>().ok_or(Error::Unread("the routes (ip route show table all)"))?;
    Ok(use_it(&Host { id, devices: &devices, modules: modules.as_deref(), mounts: &mounts, routes: &routes }))
}
