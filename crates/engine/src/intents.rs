//! Plans for what a user wants done. The host is read as for an analysis, behind the same lock.

use crate::accepted::Acceptances;
use crate::analysis::{enter, read_with, recall};
use crate::create::{self, Asked};
use crate::intent::{Intent, NetworkWish, TuneFor};
use crate::operation::Analyze;
use crate::{
    Environment, Error, Outcome, Progress, asks, attach, domains, plans, preflight, storage, upgrade,
};
use std::collections::BTreeMap;
use vmwright_formats::OvsShow;
use vmwright_formats::ip_addr::IpAddr;
use vmwright_formats::ip_route::IpRoute;
use vmwright_formats::links::Links;
use vmwright_formats::lsmod::LsMod;
use vmwright_formats::machine_spec::{MachineSpecView, parse_size};
use vmwright_formats::mounts::Mounts;
use vmwright_formats::pci_devices::PciDevices;
use vmwright_host::Root;
use vmwright_model::need::Probe;
use vmwright_model::plan::Settles;
use vmwright_model::{Finding, Level, Mode, Need, Plan, SubjectKind};
use vmwright_plan::intents::{
    Boot, CONFIDENTIAL_NEEDS, Goal, Ground, Guest, HARDEN_NEEDS, Host, IntentError, NEEDS as BOOT_NEEDS,
    NETWORK_NEEDS, Network, Pace, TUNE_NEEDS, UPLINK_NEEDS, awaiting_reboot, bridge, bridge_filter_off,
    confidential, harden_host, harden_vm, joined, migrate, mtu, ovs_port, passthrough, passthrough_to_domain,
    sriov, tune, way_back, with_reboot,
};
use vmwright_rules::{Found, Reading, Seen, diagnose_reading};

/// Makes the plan and keeps it.
pub(crate) fn plan(
    intent: &Intent,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let challenge = intent.challenge();
    let asked = Asked::of(intent)?;
    upgrade::understood(intent)?;
    if let Intent::Migrate { to, .. } = intent {
        asks::place(to)?;
    }
    progress(Progress::Banner(Mode::Analysis.banner(&challenge)));
    let what = Analyze { vm: intent.vm().map(str::to_owned), ..Analyze::default() };
    let acceptances = Acceptances::load(&what, environment)?;
    let (host, _) = enter(&what, environment)?;
    recall(&challenge, environment, progress);
    let subject = vmwright_host::Subject { vm: what.vm.clone(), state: environment.state.clone() };
    let mut snapshot = read_with(needs(intent), &Root::Live, &subject, environment)?;
    let target = match intent {
        Intent::Migrate { vm, against, .. } => {
            let what = Analyze { vm: Some(vm.clone()), against: Some(against.clone()), ..Analyze::default() };
            preflight::as_domain(vm, environment, &mut snapshot)?;
            preflight::target(&what, environment)?
        }
        _ => None,
    };
    let reading = Reading::new(&snapshot, "");
    let plan = match intent {
        Intent::Create { .. } => {
            let asked = asked.as_ref().ok_or(Error::Unread("what is to be made"))?;
            create::plan(asked, &reading, &host.id, environment)?
        }
        Intent::Fix { vm, complaint } => {
            let runs = vm.as_deref().map(|vm| storage::runs(&reading, vm, environment)).transpose()?;
            let told = (!complaint.is_empty()).then(|| Reading::new(&snapshot, complaint));
            let findings = to_settle(&reading, told.as_ref(), &acceptances);
            let mut plan = vmwright_plan::fix(&findings, &host.id, vm.as_deref(), runs == Some(Some(false)));
            if plan.steps.is_empty() {
                return Err(Error::NothingToPlan { left: plan.left });
            }
            if let (Some(vm), Some(None)) = (vm, runs) {
                plan.left.push(format!("vm {vm}: nothing tells whether it runs, so that it is not started"));
            }
            if told.is_some() && asks_with_words(&plan, &reading) {
                plan.complaint = complaint.trim().to_owned();
            }
            let mounts = mounts(&reading)?;
            way_back(plan, &boot(&reading), &mounts)
        }
        Intent::Passthrough { vm, device, at_boot, reboot } => {
            let own = specification(&reading).ok();
            let domain = if own.is_some() { None } else { Some(domains::named(&reading, vm)?) };
            let running = match &domain {
                Some(_) => storage::runs(&reading, vm, environment)?.ok_or(storage::UNSEEN)?,
                None => false,
            };
            with_host(&reading, &host.id, |host| {
                let plan = match (&domain, own) {
                    (Some(domain), _) => {
                        let guest = Guest { name: vm, path: &domain.source, text: &domain.text };
                        let place = (domain.connection, running);
                        passthrough_to_domain(host, &guest, place, device, *at_boot)?
                    }
                    (None, own) => {
                        let (path, text) = own.unwrap_or_default();
                        passthrough(host, &Guest { name: vm, path, text }, device, *at_boot)?
                    }
                };
                Ok::<_, IntentError>(restarted(plan, host, *reboot))
            })??
        }
        Intent::Sriov { device, vfs } => with_host(&reading, &host.id, |host| sriov(host, device, *vfs))??,
        Intent::Network { wish: NetworkWish::Mtu { interface, bytes } } => {
            let links = reading.one::<Links>().ok_or(Error::Unread("the network interfaces"))?;
            mtu(&host.id, &links, interface, *bytes)?
        }
        Intent::Network { wish: NetworkWish::Bridge { bridge: name, uplink, reboot } } => {
            with_network(&reading, &host.id, |network| bridge(network, name, uplink, *reboot))??
        }
        Intent::Network { wish: NetworkWish::BridgeFilterOff } => {
            bridge_filter_off(&host.id, &values(&reading, NETWORK_NEEDS))?
        }
        Intent::Network { wish: NetworkWish::OvsPort { port, bridge, vlan } } => {
            let links = reading.one::<Links>().ok_or(Error::Unread("the network interfaces"))?;
            let switch = reading.one::<OvsShow>().ok_or(Error::Unread("Open vSwitch (ovs-vsctl show)"))?;
            ovs_port(&host.id, &switch, &links, port, bridge, *vlan)?
        }
        Intent::Storage { vm, disk, wish } => {
            let (path, text) = specification(&reading)?;
            let guest = Guest { name: vm, path, text };
            storage::plan(&reading, &guest, *disk, wish, &host.id, environment)?
        }
        Intent::Confidential { vm, technology, reboot } => {
            let spec = vm.as_ref().map(|_| specification(&reading)).transpose()?;
            let guest = vm.as_deref().zip(spec).map(|(name, (path, text))| Guest { name, path, text });
            let values = values(&reading, CONFIDENTIAL_NEEDS);
            with_host(&reading, &host.id, |host| {
                let plan = confidential(host, &values, *technology, guest.as_ref())?;
                Ok::<_, IntentError>(restarted(plan, host, *reboot))
            })??
        }
        Intent::Attach { vm, device } => attach::plan(&reading, vm, Ok(device), &host.id, environment)?,
        Intent::Detach { vm, device } => attach::plan(&reading, vm, Err(device), &host.id, environment)?,
        Intent::Migrate { vm, to, bandwidth, downtime, .. } => {
            let pace = pace(vm, bandwidth.as_deref(), *downtime, environment)?;
            let of_target = target.as_ref().map(Reading::of_target).ok_or(Error::Unread("the other host"))?;
            let reading = reading.against(&of_target);
            preflight::check_vm(&reading)?;
            let findings: Vec<Finding> = diagnose_reading(&reading, &|_| true)
                .findings
                .into_iter()
                .filter(|finding| finding.subject.kind != SubjectKind::Vm || finding.subject.name == *vm)
                .collect();
            migrate(
                &host.id,
                vm,
                to,
                &findings,
                storage::runs(&reading, vm, environment)?.ok_or(storage::UNSEEN)?,
                pace,
            )?
        }
        Intent::UpgradeCheck { qemu, libvirt } => {
            return upgrade::check(qemu.as_deref(), libvirt.as_deref(), &reading, &host.id, environment);
        }
        Intent::Tune { vm, goal } => {
            let goal = match goal {
                TuneFor::Latency => Goal::Latency,
                TuneFor::Throughput => Goal::Throughput,
                TuneFor::Density => Goal::Density,
            };
            for_vm(&reading, &host.id, vm, |ground, guest| tune(ground, guest, goal))?
        }
        Intent::Harden { vm: Some(vm) } => for_vm(&reading, &host.id, vm, harden_vm)?,
        Intent::Harden { vm: None } => {
            let boot = boot(&reading);
            let plan = with_ground(&reading, &host.id, |ground| harden_host(ground, &boot))?;
            let mounts = mounts(&reading)?;
            awaiting_reboot(plan, &boot, &mounts)
        }
    };
    let problems = vmwright_plan::lint(&plan);
    if !problems.is_empty() {
        return Err(Error::Lint(problems.iter().map(ToString::to_string).collect()));
    }
    Ok(Outcome::Planned(Box::new(plans::keep(plan, environment)?)))
}

/// How a VM may move. Of one whose monitor libvirt has, libvirt decides.
fn pace(
    vm: &str,
    bandwidth: Option<&str>,
    downtime: Option<u64>,
    environment: &Environment,
) -> Result<Pace, Error> {
    let bandwidth = bandwidth.map(parse_size).transpose();
    let bandwidth = bandwidth.map_err(|error| Error::Argument(format!("--bandwidth: {error}")))?;
    let pace = Pace { bandwidth, downtime };
    if pace != Pace::default() && !storage::monitored(vm, environment) {
        return Err(Error::Argument(format!(
            "--bandwidth and --downtime are told to QEMU's monitor, which vmwright has of its own machines alone, and not of {vm}"
        )));
    }
    Ok(pace)
}

/// A plan that changes a VM: vmwright's own by its specification, one of libvirt's by its domain.
fn for_vm(
    reading: &Reading<'_>,
    id: &str,
    vm: &str,
    intent: impl FnOnce(&Ground<'_>, &Guest<'_>) -> Result<Plan, IntentError>,
) -> Result<Plan, Error> {
    if let Some(spec) = reading.one::<MachineSpecView>() {
        let guest = Guest { name: vm, path: spec.text.source, text: spec.text.as_str() };
        return with_ground(reading, id, |ground| intent(ground, &guest));
    }
    let domain = domains::named(reading, vm)?;
    let guest = Guest { name: vm, path: &domain.source, text: &domain.text };
    let plan = with_ground(reading, id, |ground| {
        // Where libvirt alone told of it, no file has it.
        let mut values = ground.values.clone();
        values.insert(&domain.source, &domain.xml);
        intent(&Ground { values: &values, ..*ground }, &guest)
    })?;
    domains::as_domain(plan, &domain)
}

/// The VM's specification: its path and its text.
fn specification<'r>(reading: &'r Reading<'_>) -> Result<(&'r str, &'r str), Error> {
    let spec = reading.one::<MachineSpecView>().ok_or(Error::Unread("the VM's specification"))?;
    Ok((spec.text.source, spec.text.as_str()))
}

/// What was asked for besides what the rules need.
fn needs(intent: &Intent) -> &'static [Need] {
    match intent {
        Intent::Create { .. } => create::NEEDS,
        Intent::UpgradeCheck { .. } => upgrade::NEEDS,
        Intent::Attach { .. } | Intent::Detach { .. } => attach::NEEDS,
        Intent::Sriov { .. } | Intent::Migrate { .. } => &[],
        Intent::Storage { .. } => &[],
        Intent::Network { wish: NetworkWish::Bridge { .. } } => UPLINK_NEEDS,
        Intent::Network { .. } => NETWORK_NEEDS,
        Intent::Confidential { .. } => WITH_BOOT,
        Intent::Fix { .. } | Intent::Passthrough { .. } => BOOT_NEEDS,
        Intent::Tune { .. } => TUNE_NEEDS,
        Intent::Harden { vm: None } => HOST_WITH_BOOT,
        Intent::Harden { .. } => HARDEN_NEEDS,
    }
}

/// How the host boots, and what keeps its VMs' memory from it.
static WITH_BOOT: &[Need] =
    &joined::<{ BOOT_NEEDS.len() + CONFIDENTIAL_NEEDS.len() }>(BOOT_NEEDS, CONFIDENTIAL_NEEDS);

/// How the host boots, and what is too open in it.
static HOST_WITH_BOOT: &[Need] =
    &joined::<{ BOOT_NEEDS.len() + HARDEN_NEEDS.len() }>(BOOT_NEEDS, HARDEN_NEEDS);

/// The texts that needs asked for, by path.
fn values<'r>(reading: &'r Reading<'_>, needs: &[Need]) -> BTreeMap<&'r str, &'r str> {
    let records = reading.snapshot().records.iter().map(|record| record.source.as_str());
    let wanted = records.filter(|source| named(needs, source));
    wanted
        .filter_map(|source| match reading.file(source) {
            Found::Text(text) => Some((source, text.as_str())),
            _ => None,
        })
        .collect()
}

/// Whether a text is one that some need asked for.
fn named(needs: &[Need], source: &str) -> bool {
    needs.iter().any(|need| match need {
        Need::File(path) => *path == source,
        Need::Glob(pattern) => pattern.split_once('*').is_some_and(|(front, back)| {
            source.len() >= front.len() + back.len() && source.starts_with(front) && source.ends_with(back)
        }),
        Need::Probe(Probe::Services) => source == "services",
        Need::Probe(Probe::Irqs) => source == "irq-affinity",
        Need::Probe(Probe::Links) => source == "links",
        _ => false,
    })
}

/// Shows an intent the host's build and the values of its kernel that were read.
fn with_ground(
    reading: &Reading<'_>,
    id: &str,
    use_it: impl FnOnce(&Ground<'_>) -> Result<Plan, IntentError>,
) -> Result<Plan, Error> {
    let topology = vmwright_rules::topology(reading);
    let mut values = BTreeMap::new();
    for record in &reading.snapshot().records {
        let source = record.source.as_str();
        if (named(TUNE_NEEDS, source) || named(HARDEN_NEEDS, source) || source.starts_with("/etc/sysctl.d/"))
            && let Found::Text(text) = reading.file(source)
        {
            values.insert(source, text.as_str());
        }
        if record.content.is_ok()
            && HARDEN_NEEDS
                .iter()
                .chain(TUNE_NEEDS)
                .any(|need| matches!(need, Need::Exists(path) if *path == source))
        {
            values.insert(source, "");
        }
    }
    Ok(use_it(&Ground { id, topology: &topology, values: &values })?)
}

/// The findings that a plan is made of: those of the host, and of what the complaint adds to them those that can be
/// settled. What somebody only suspects keeps nothing from being repaired.
fn to_settle(reading: &Reading<'_>, told: Option<&Reading<'_>>, acceptances: &Acceptances) -> Vec<Finding> {
    let mut findings = not_accepted(reading, acceptances);
    for more in told.map_or_else(Vec::new, |told| not_accepted(told, acceptances)) {
        let same = |one: &Finding| one.rule == more.rule && one.subject == more.subject;
        match findings.iter_mut().find(|one| same(one)) {
            _ if more.fix.actions.is_empty() => {}
            Some(known) if known.fix.actions.is_empty() => *known = more,
            Some(_) => {}
            None => findings.push(more),
        }
    }
    findings
}

/// Whether a plan settles what nobody would have found without the complaint.
fn asks_with_words(plan: &Plan, reading: &Reading<'_>) -> bool {
    let found = diagnose_reading(reading, &|_| true).findings;
    let without =
        |one: &Settles| found.iter().any(|known| known.rule == one.rule && known.subject == one.subject);
    plan.steps.iter().flat_map(|step| &step.settles).any(|one| !without(one))
}

fn not_accepted(reading: &Reading<'_>, acceptances: &Acceptances) -> Vec<Finding> {
    let diagnosis = diagnose_reading(reading, &|_| true);
    let causes = &diagnosis.causes;
    let of_the_host = diagnosis.findings.into_iter().zip(causes);
    of_the_host
        .filter(|(finding, cause)| matters(finding, cause.explained_by.is_some()))
        .filter(|(_, cause)| acceptances.of(&cause.rule, &cause.subject).is_none())
        .map(|(finding, _)| finding)
        .collect()
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
    let mounts = mounts(reading)?;
    // Without `ip` nobody can tell which card the host is reached by.
    let routes = reading.one::<IpRoute>().ok_or(Error::Unread("the routes (ip route show table all)"))?;
    // Without the interfaces nobody can tell what lies below a bridge.
    let links = reading.one::<Links>().ok_or(Error::Unread("the network interfaces"))?;
    let boot = boot(reading);
    let (devices, mounts, routes, links) = (&devices, &mounts, &routes, &links);
    Ok(use_it(&Host { id, devices, modules: modules.as_deref(), mounts, routes, links, boot: &boot }))
}

fn mounts<'r>(reading: &'r Reading<'_>) -> Result<Seen<'r, Mounts>, Error> {
    reading.one::<Mounts>().ok_or(Error::Unread("the mounted file systems (/proc/mounts)"))
}

/// A plan that restarts the host at its end, or waits until somebody does, where it makes something for the boot.
fn restarted(plan: Plan, host: &Host<'_>, reboot: bool) -> Plan {
    let how = if reboot { with_reboot } else { awaiting_reboot };
    how(plan, host.boot, host.mounts)
}

/// Shows an intent the host's network.
fn with_network<R>(
    reading: &Reading<'_>,
    id: &str,
    use_it: impl FnOnce(&Network<'_>) -> R,
) -> Result<R, Error> {
    let links = reading.one::<Links>().ok_or(Error::Unread("the network interfaces"))?;
    // Other texts tell of interfaces too, and not of their addresses.
    let addresses = reading.all::<IpAddr>().into_iter().find(|told| told.text.source == "ip -d address");
    let addresses = addresses.ok_or(Error::Unread("the addresses (ip -d address)"))?;
    let tables = reading.all::<IpRoute>();
    if tables.is_empty() {
        return Err(Error::Unread("the routes (ip route show table all)"));
    }
    let texts = values(reading, UPLINK_NEEDS);
    let records = reading.snapshot().records.iter().filter(|record| record.content.is_ok());
    let exists =
        |source: &str| UPLINK_NEEDS.iter().any(|need| matches!(need, Need::Exists(path) if *path == source));
    let present = records.map(|record| record.source.as_str()).filter(|source| exists(source)).collect();
    let routes = tables.iter().flat_map(|table| &table.routes).collect();
    let (links, addresses) = (&links, &addresses);
    Ok(use_it(&Network { id, links, addresses, routes, texts, present }))
}

/// How the host boots, as far as it was read: an intent that needs more says so.
fn boot<'r>(reading: &'r Reading<'_>) -> Boot<'r> {
    let mut boot = Boot::default();
    let text = |path: &str| match reading.file(path) {
        Found::Text(text) => Some(text.as_str()),
        _ => None,
    };
    boot.kernel = text("/proc/sys/kernel/osrelease").map_or("", str::trim);
    boot.cmdline = text("/proc/cmdline").unwrap_or("");
    boot.vendor = text("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("vendor_id"))?;
        Some(line.split_once(':')?.1.trim())
    });
    for record in &reading.snapshot().records {
        let source = record.source.as_str();
        if named(BOOT_NEEDS, source)
            && let Found::Text(text) = reading.file(source)
        {
            boot.texts.insert(source, text.as_str());
        }
        if record.content.is_ok()
            && BOOT_NEEDS.iter().any(|need| matches!(need, Need::Exists(path) if *path == source))
        {
            boot.programs.insert(source);
        }
    }
    boot
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Action, Kind, Record, Snapshot};

    #[test]
    fn a_complaint_adds_what_can_be_settled_and_nothing_else() {
        let records = vec![
            Record::new("/sys/module/kvm_amd/parameters/nested", Kind::TEXT, "0\n"),
            Record::new("/etc/modprobe.d/kvm.conf", Kind::TEXT, "options kvm_amd nested=0\n"),
            Record::new("vmms", Kind("vmm_processes".into()), ""),
        ];
        let snapshot = Snapshot { live: true, records, ..Snapshot::default() };
        let (none, quiet) = (Acceptances::default(), Reading::new(&snapshot, ""));
        let of = |complaint: &str| {
            let told = Reading::new(&snapshot, complaint);
            to_settle(&quiet, Some(&told), &none)
        };
        let nests = |all: &[Finding]| all.iter().any(|one| one.rule == "nested/not-exposed");
        assert!(!nests(&to_settle(&quiet, None, &none)), "nobody wants it");
        let complaint = "my VMs no longer see svm in /proc/cpuinfo, so nobody can run KVM inside them";
        let plan = vmwright_plan::fix(&of(complaint), "h", None, false);
        assert!(asks_with_words(&plan, &quiet), "its rule is asked with the complaint again");
        let plain = vmwright_plan::fix(&to_settle(&quiet, None, &none), "h", None, false);
        assert!(!asks_with_words(&plain, &quiet));
        let wanted = of("my VMs no longer see svm in /proc/cpuinfo, so nobody can run KVM inside them");
        assert!(nests(&wanted));
        assert!(wanted.iter().any(|one| one.fix.actions.iter().any(|action| matches!(
            action,
            Action::ModuleLoad { module, .. } if module == "kvm_amd"
        ))));
        // A suspicion that nothing can be done about would keep machines from being started.
        let suspected = of(
            "error: Requested operation is not valid: cannot migrate domain: VFIO device doesn't support migration",
        );
        assert_eq!(suspected, to_settle(&quiet, None, &none));
    }
}
