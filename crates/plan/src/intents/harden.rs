//! A host or a VM with less to attack. What that costs in performance or comfort is said in the plan.

use super::boot::{self, Boot};
use super::ground::{Draft, Ground, SESSIONS, joined};
use super::{Guest, IntentError, Wanted, labels, plan_of};
use crate::header;
use crate::preview::GIVEN_UP;
use vmwright_model::machine::FirmwareKind;
use vmwright_model::{Action, Disruption, Need, Plan};

const KSM: &str = "/sys/kernel/mm/ksm/run";
const SMT: &str = "/sys/devices/system/cpu/smt/control";
const L1D_FLUSH: &str = "/sys/module/kvm_intel/parameters/vmentry_l1d_flush";
const KEPT: &str = "/etc/sysctl.d/90-vmwright-harden.conf";

const SWTPM: &str = "/usr/bin/swtpm";

/// Parameters that switch mitigations of the kernel off (Documentation/admin-guide/kernel-parameters.txt).
const SWITCHED_OFF: [&str; 12] = [
    "mitigations=off",
    "nopti",
    "pti=off",
    "nospectre_v1",
    "nospectre_v2",
    "spectre_v2=off",
    "spec_store_bypass_disable=off",
    "l1tf=off",
    "mds=off",
    "tsx_async_abort=off",
    "mmio_stale_data=off",
    "kvm.nx_huge_pages=off",
];

/// Weaknesses of processors that one thread of a core can use against the other (kernel,
/// Documentation/admin-guide/hw-vuln).
const OF_THREADS: [&str; 4] = [
    "/sys/devices/system/cpu/vulnerabilities/l1tf",
    "/sys/devices/system/cpu/vulnerabilities/mds",
    "/sys/devices/system/cpu/vulnerabilities/tsx_async_abort",
    "/sys/devices/system/cpu/vulnerabilities/mmio_stale_data",
];

/// Parameters of the kernel (Documentation/admin-guide/sysctl): key, what is too open, what is wanted, why, what is given
/// up.
const SYSCTLS: [(&str, &[&str], &str, &str, &str); 6] = [
    (
        "kernel/kptr_restrict",
        &["0"],
        "1",
        "nobody but root sees where the kernel lies",
        "profilers of other users show no names of the kernel",
    ),
    ("kernel/dmesg_restrict", &["0"], "1", "nobody but root reads the kernel's log", "`dmesg` asks for root"),
    (
        "kernel/yama/ptrace_scope",
        &["0"],
        "1",
        "one VMM cannot look into another of the same user",
        "a debugger has to start what it looks at",
    ),
    (
        // 1 could not be taken back before the next boot.
        "kernel/unprivileged_bpf_disabled",
        &["0"],
        "2",
        "nobody but root loads programs into the kernel",
        "tools that trace by BPF need root",
    ),
    (
        "net/core/bpf_jit_harden",
        &["0", "1"],
        "2",
        "programs in the kernel are made so that they cannot be sprayed",
        "packet filters by BPF are a little slower",
    ),
    (
        "vm/unprivileged_userfaultfd",
        &["1"],
        "0",
        "nobody but root can hold the kernel at a page",
        "post-copy migration of VMs that run without root needs /dev/userfaultfd",
    ),
];

/// What has to be read of a host before it is hardened.
pub const HARDEN_NEEDS: &[Need] = &joined::<{ VALUES.len() + labels::NEEDS.len() }>(VALUES, labels::NEEDS);

const VALUES: &[Need] = &[
    Need::File(KSM),
    Need::File(SMT),
    Need::File(L1D_FLUSH),
    Need::File(KEPT),
    Need::File("/sys/devices/system/cpu/vulnerabilities/l1tf"),
    Need::File("/sys/devices/system/cpu/vulnerabilities/mds"),
    Need::File("/sys/devices/system/cpu/vulnerabilities/tsx_async_abort"),
    Need::File("/sys/devices/system/cpu/vulnerabilities/mmio_stale_data"),
    Need::File("/proc/sys/kernel/kptr_restrict"),
    Need::File("/proc/sys/kernel/dmesg_restrict"),
    Need::File("/proc/sys/kernel/yama/ptrace_scope"),
    Need::File("/proc/sys/kernel/unprivileged_bpf_disabled"),
    Need::File("/proc/sys/net/core/bpf_jit_harden"),
    Need::File("/proc/sys/vm/unprivileged_userfaultfd"),
    Need::Exists(SWTPM),
    SESSIONS[0],
    SESSIONS[1],
];

/// The plan that hardens the host.
///
/// # Errors
/// [`IntentError::Nothing`].
pub fn harden_host(ground: &Ground<'_>, boot: &Boot<'_>) -> Result<Plan, IntentError> {
    let mut steps: Vec<(Wanted, Disruption)> = Vec::new();
    let labels::Labels { steps: apart, boot: mut kernel, mut left, mut given_up } =
        labels::host(ground, boot);
    steps.extend(apart.into_iter().map(|step| (step, Disruption::None)));
    let labelled = kernel.len();
    for word in SWITCHED_OFF.into_iter().filter(|word| boot.runs_with(word)) {
        match boot.without(word, "the kernel guards itself against weaknesses of this processor") {
            Ok(more) if more.is_empty() => {
                left.push(format!("the kernel runs with `{word}`, which is written nowhere that the boot loader is known to read: take it away there"));
            }
            Ok(more) => boot::join(&mut kernel, more),
            Err(error) => left.push(format!("the kernel runs with `{word}`: {error}")),
        }
    }
    if kernel.len() > labelled {
        given_up.push("for security: the speed that the kernel has without its mitigations; they hold from the next boot".to_owned());
    }
    if !kernel.is_empty() {
        match boot.fallback(None, &kernel) {
            Ok(entry) => kernel.extend(entry),
            Err(why) => left.push(why),
        }
    }
    steps.extend(kernel.into_iter().map(|step| (step, Disruption::None)));
    let mut kept = String::new();
    for (key, open, to, why, cost) in SYSCTLS {
        let Some(from) = ground.value(&format!("/proc/sys/{key}")).filter(|from| open.contains(from)) else {
            continue;
        };
        let set = Action::Sysctl { key: key.to_owned(), from: from.to_owned(), to: to.to_owned() };
        steps.push(((set, why.to_owned()), Disruption::None));
        kept.push_str(&format!("{} = {to}\n", key.replace('/', ".")));
        given_up.push(format!("for security: {cost}"));
    }
    if !kept.is_empty() && !ground.values.contains_key(KEPT) {
        let text = header::with(&kept);
        let file = Action::FileCreate { path: KEPT.to_owned(), text, mode: 0o644 };
        steps.push(((file, "the same after the next boot".to_owned()), Disruption::None));
    }
    if ground.value(KSM) == Some("1") {
        // 2 gives shared pages back to their owners; 0 would leave those that there are.
        let why = "no VM can tell by the time of a write what pages another has";
        steps.extend(ground.sysfs(KSM, "2", why).map(|step| (step, Disruption::None)));
        given_up.push("for security: equal pages of VMs are not shared any more; make sure that there is memory for them".to_owned());
    }
    let open: Vec<&str> = OF_THREADS
        .iter()
        .filter(|path| {
            ground.values.get(*path).is_some_and(|text| text.to_ascii_lowercase().contains("smt vulnerable"))
        })
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    if !open.is_empty() && ground.value(SMT) == Some("on") {
        let why =
            format!("no VM shares a core with another thread, which could read it ({})", open.join(", "));
        // Virtual CPUs that are bound to second threads lose theirs.
        steps.extend(ground.sysfs(SMT, "off", &why).map(|step| (step, Disruption::GuestPause)));
        given_up.push(
            "for security: the second thread of each core, worth up to a third of the host's work; VMs that are bound to such CPUs have to be bound anew"
                .to_owned(),
        );
    }
    if ground.value(L1D_FLUSH) == Some("never") {
        let why = "what the host last touched does not stay in the cache for a guest";
        steps.extend(ground.sysfs(L1D_FLUSH, "cond", why).map(|step| (step, Disruption::None)));
        given_up.push("for security: some time at entries of guests that the host had work for".to_owned());
    }
    if steps.is_empty() {
        return Err(nothing(
            "the host's kernel is as closed as this plan would make it (as far as could be read)".to_owned(),
            left,
        ));
    }
    let mut plan = finish(ground, None, "harden the host".to_owned(), steps, given_up)?;
    plan.left.extend(left);
    Ok(plan)
}

/// The plan that hardens a VM; it holds from the VM's next start.
///
/// # Errors
/// [`IntentError`]: its specification cannot be edited so, or there is nothing to do.
pub fn harden_vm(ground: &Ground<'_>, guest: &Guest<'_>) -> Result<Plan, IntentError> {
    let mut draft = Draft::new(guest)?;
    let mut given_up = Vec::new();
    let spec = draft.spec.clone();
    if spec.process.sandbox == Some(false) {
        draft.set("process.sandbox", "true", "a guest that breaks out of QEMU finds few system calls")?;
        given_up.push("for security: features of QEMU that start programs or change their user, such as some network scripts".to_owned());
    }
    if spec.memory.merge != Some(false) && !spec.memory.hugepages {
        draft.set("memory.merge", "false", "no other VM can tell what pages this one has")?;
        given_up.push("for security: memory that it could share with VMs like it".to_owned());
    }
    if spec.memory.dump != Some(false) {
        draft.set("memory.dump", "false", "a core dump of QEMU holds no memory of the guest")?;
        given_up.push("for security: a core dump of QEMU tells nothing of the guest".to_owned());
    }
    firmware(ground, &mut draft, &mut given_up)?;
    for (at, display) in spec.displays.iter().enumerate() {
        let open = display.listen.as_deref().is_some_and(|listen| matches!(listen, "0.0.0.0" | "::" | "*"));
        if open && display.tls_port.is_none() {
            let why = "its screen is seen over an SSH tunnel, and not by the whole network";
            draft.set(&format!("display.{at}.listen"), "\"127.0.0.1\"", why)?;
            given_up.push(format!(
                "for security: screen {} is not reached from other machines without a tunnel",
                at + 1
            ));
        }
    }
    for (at, network) in spec.networks.iter().enumerate() {
        let open = network
            .forwards
            .iter()
            .filter(|forward| forward.address.as_deref().is_none_or(|to| to == "0.0.0.0"));
        if open.count() > 0 {
            given_up.push(format!(
                "nothing here, but look: network {} forwards ports of every address of the host into the guest",
                at + 1
            ));
        }
    }
    if spec.process.user.as_deref() == Some("root") {
        given_up.push(
            "nothing here, but look: QEMU runs as root, as `process.user` says; without it QEMU is a user of its own"
                .to_owned(),
        );
    }
    let labels::Labels { steps: apart, left, given_up: costs, .. } = labels::domain(ground, guest);
    given_up.extend(costs);
    let steps: Vec<(Wanted, Disruption)> =
        draft.finish()?.into_iter().chain(apart).map(|step| (step, Disruption::None)).collect();
    if steps.is_empty() {
        return Err(nothing(format!("{} is as closed as this plan would make it", guest.name), left));
    }
    let mut plan = finish(ground, Some(guest.name), format!("harden vm {}", guest.name), steps, given_up)?;
    plan.left.extend(left);
    Ok(plan)
}

/// Nothing that a plan would do; what is left to others is told all the same.
fn nothing(why: String, left: Vec<String>) -> IntentError {
    IntentError::Nothing(std::iter::once(why).chain(left).collect::<Vec<_>>().join("; "))
}

/// Firmware that starts signed code alone, and a TPM that tells what was started.
fn firmware(
    ground: &Ground<'_>,
    draft: &mut Draft<'_>,
    given_up: &mut Vec<String>,
) -> Result<(), IntentError> {
    let spec = draft.spec.clone();
    // TDX and SEV have firmware of their own, which measures what it starts.
    if spec.confidential.is_some() {
        return Ok(());
    }
    let uefi = spec.firmware.kind == Some(FirmwareKind::Uefi);
    match uefi {
        true if spec.firmware.secure_boot != Some(true) => {
            draft.set("firmware.secure_boot", "true", "the guest starts signed code alone")?;
            given_up.push("for security: guests whose boot loader or drivers are not signed; and the variables that the VM has now, if no keys are in them".to_owned());
        }
        true => {}
        false => given_up.push(
            "nothing here, but look: it starts by a BIOS, which starts any code; secure boot needs UEFI, and a guest that is installed for it"
                .to_owned(),
        ),
    }
    if uefi && spec.tpm.is_none() {
        match ground.values.contains_key(SWTPM) {
            true => {
                draft.set(
                    "tpm.version",
                    "\"2.0\"",
                    "the guest can prove what it started, and seal its keys to that",
                )?;
                given_up.push("for security: what the guest seals is lost with the TPM's state, which belongs into its backup".to_owned());
            }
            false => given_up
                .push("as it cannot be: a TPM needs swtpm, which is not installed on this host".to_owned()),
        }
    }
    Ok(())
}

fn finish(
    ground: &Ground<'_>,
    vm: Option<&str>,
    title: String,
    steps: Vec<(Wanted, Disruption)>,
    given_up: Vec<String>,
) -> Result<Plan, IntentError> {
    let disruptions: Vec<(Action, Disruption)> =
        steps.iter().map(|((action, _), disruption)| (action.clone(), *disruption)).collect();
    let mut plan = plan_of(ground.id, vm, title, steps.into_iter().map(|(wanted, _)| wanted).collect());
    for step in &mut plan.steps {
        let own =
            disruptions.iter().find(|(action, _)| *action == step.action).map(|(_, disruption)| *disruption);
        step.disruption = step.disruption.max(own.unwrap_or(Disruption::None));
    }
    plan.left = given_up.into_iter().map(|line| format!("{GIVEN_UP}{line}")).collect();
    Ok(plan)
}
