//! Whether the target's processor has what the VM was given.

use super::super::machine_mismatch::pair::{Guest, each, programs, untold};
use crate::prelude::*;
use vmwright_formats::cpu_models::introduced;
use vmwright_formats::domain_xml::{Cpu, CpuFeature};
use vmwright_formats::{CpuInfo, QemuOffers, cpu_model};

/// Flags of the kernel's own, and those of the processor that no guest is shown: they differ between hosts without
/// harm. Linux `arch/x86/include/asm/cpufeatures.h`, words 3, 7, 8, 11, 14 and 15; `arch/x86/kvm/cpuid.c`.
const HOST_ONLY: &[&str] = &[
    "acc_power",
    "acpi",
    "amd_dcm",
    "aperfmperf",
    "arat",
    "avic",
    "bts",
    "cat_l2",
    "cat_l3",
    "cdp_l2",
    "cdp_l3",
    "constant_tsc",
    "cpb",
    "cpuid",
    "cpuid_fault",
    "cqm",
    "cqm_llc",
    "cqm_mbm_local",
    "cqm_mbm_total",
    "cqm_occup_llc",
    "dca",
    "decodeassists",
    "ds_cpl",
    "dtes64",
    "dtherm",
    "dts",
    "epb",
    "ept",
    "ept_ad",
    "est",
    "extd_apicid",
    "flexpriority",
    "flushbyasid",
    "hfi",
    "ht",
    "hw_pstate",
    "hwp",
    "hwp_act_window",
    "hwp_epp",
    "hwp_notify",
    "hwp_pkg_req",
    "hypervisor",
    "ibrs_enhanced",
    "ibs",
    "ida",
    "intel_ppin",
    "intel_pt",
    "lbrv",
    "mba",
    "monitor",
    "mwaitx",
    "nonstop_tsc",
    "nonstop_tsc_s3",
    "nopl",
    "npt",
    "nrip_save",
    "ospke",
    "pausefilter",
    "pbe",
    "pconfig",
    "pdcm",
    "pebs",
    "perfctr_llc",
    "pfthreshold",
    "pln",
    "proc_feedback",
    "pti",
    "pts",
    "rapl",
    "rdt_a",
    "rep_good",
    "retpoline",
    "ring3mwait",
    "rsb_ctxsw",
    "sdbg",
    "skinit",
    "sme",
    "smx",
    "split_lock_detect",
    "svm_lock",
    "tdx_host_platform",
    "tm",
    "tm2",
    "tme",
    "tpr_shadow",
    "tsc_known_freq",
    "tsc_reliable",
    "tsc_scale",
    "user_shstk",
    "v_spec_ctrl",
    "v_vmsave_vmload",
    "vgif",
    "vmcb_clean",
    "vmmcall",
    "vnmi",
    "vpid",
    "wdt",
    "x2avic",
    "xtopology",
    "xtpr",
    "zen",
];

/// Names that QEMU and the kernel give to one feature, where they differ by more than signs.
const NAMES: &[(&str, &str)] = &[
    ("sse3", "pni"),
    ("pclmuldq", "pclmulqdq"),
    ("spec-ctrl", "ibrs"),
    ("ffxsr", "fxsr_opt"),
    ("i64", "lm"),
    ("xd", "nx"),
    ("lahf_lm", "lahf_lm"),
    ("sha-ni", "sha_ni"),
    ("cmt", "cqm"),
    ("amd-ssbd", "ssbd"),
];

/// How many features a title names.
const NAMED: usize = 6;

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let Some(theirs) = target.one::<CpuInfo>().filter(|host| host.flags.is_some()) else {
        return vec![untold("the target's processor is not known", "/proc/cpuinfo")];
    };
    let ours = cx.one::<CpuInfo>();
    each(cx, |guest, draft| {
        let cpu = guest.domain().cpu.as_ref();
        let mode = cpu.and_then(|cpu| cpu.mode.as_ref()).map_or("custom", |mode| mode.value.as_str());
        match (mode, &ours) {
            ("custom", _) => named(guest, draft, ours.as_ref(), &theirs, target),
            (_, None) => Verdict::Unknown {
                why: "the source's processor is not known".to_owned(),
                source: "/proc/cpuinfo".to_owned(),
            },
            (_, Some(ours)) => given(guest, draft, ours, &theirs),
        }
    })
}

/// The VM has the source's own processor, whole (`host-passthrough`) or as libvirt describes it (`host-model`).
fn given(
    guest: &Guest<'_>,
    mut draft: Draft<'_>,
    ours: &Seen<'_, CpuInfo>,
    theirs: &Seen<'_, CpuInfo>,
) -> Verdict {
    let name = guest.name();
    let mode = guest.domain().cpu.as_ref().and_then(|cpu| cpu.mode.as_ref());
    let (wording, mode_line) =
        mode.map_or(("host-passthrough", None), |mode| (mode.value.as_str(), guest.quote(mode.line)));
    if let (Some(our), Some(their)) = (&ours.vendor, &theirs.vendor)
        && our.value != their.value
    {
        draft = draft
            .because(Strength::Proof, theirs.quote(their.line), "the target's vendor")
            .because(Strength::Support, ours.quote(our.line), "the source's vendor")
            .because(Strength::Support, mode_line, "the VM has the source's processor")
            .title(format!(
                "{name} has the processor of a {} host, and the target is {}",
                our.value, their.value
            ));
        return draft.verdict();
    }
    let off = |flag: &str| {
        features(guest.domain().cpu.as_ref())
            .any(|one| one.policy == "disable" && same(&one.name.value, flag))
    };
    let lacking: Vec<&str> = ours
        .flags
        .iter()
        .flat_map(|flags| &flags.value)
        .map(String::as_str)
        .filter(|flag| theirs.has_flag(flag) == Some(false) && !HOST_ONLY.contains(flag) && !off(flag))
        .collect();
    if !lacking.is_empty() {
        return draft
            .because(Strength::Proof, flags(theirs), "the target's features")
            .because(Strength::Support, flags(ours), "the source's features")
            .because(Strength::Support, mode_line, "the VM has the source's processor")
            .title(format!("the target lacks CPU features that {name} has: {}", enumerated(&lacking)))
            .verdict();
    }
    let models = [(&ours.family, &theirs.family), (&ours.model, &theirs.model)];
    let other = models.iter().find_map(|(our, their)| {
        let (our, their) = (our.as_ref()?, their.as_ref()?);
        (our.value != their.value).then_some((our, their))
    });
    if let Some((our, their)) = other.filter(|_| wording == "host-passthrough") {
        draft = draft
            .level(Level::Warn)
            .because(Strength::Strong, theirs.quote(their.line), "the target's processor is another")
            .because(Strength::Support, ours.quote(our.line), "the source's")
            .because(Strength::Support, mode_line, "the VM sees its host's processor")
            .title(format!("{name} sees its host's own processor, and the target's is another model"));
    }
    draft.verdict()
}

/// The VM has a named CPU model and features.
fn named(
    guest: &Guest<'_>,
    mut draft: Draft<'_>,
    ours: Option<&Seen<'_, CpuInfo>>,
    theirs: &Seen<'_, CpuInfo>,
    target: &Reading<'_>,
) -> Verdict {
    let (name, cpu) = (guest.name(), guest.domain().cpu.as_ref());
    let offers = target.all::<QemuOffers>();
    let mut known = true;
    if let Some(model) = cpu.and_then(|cpu| cpu.model.as_ref()) {
        let offered = offers.iter().find_map(|offers| Some((offers, offers.cpu(&model.value)?)));
        known = offered.is_some_and(|(_, cpu)| cpu.usable.is_some());
        if let Some((offers, cpu)) = offered.filter(|(_, cpu)| cpu.usable == Some(false)) {
            let blockers: Vec<&str> = cpu.blockers.iter().map(String::as_str).collect();
            let lacks =
                if blockers.is_empty() { String::new() } else { format!(": {}", enumerated(&blockers)) };
            draft = draft
                .because(Strength::Proof, offers.quote(cpu.name.line), "the target cannot run this model")
                .because(Strength::Support, guest.quote(model.line), "the VM's model")
                .title(format!("the target lacks features of {name}'s CPU model {}{lacks}", model.value));
        }
    }
    let here = programs(target).qemu.filter(|_| !draft.any() && !known);
    let model = cpu.and_then(|cpu| cpu.model.as_ref());
    if let Some((model, since)) = model.and_then(|model| Some((model, introduced(&model.value)?)))
        && let Some((version, told)) = here.filter(|(version, _)| !version.at_least(&since))
    {
        let [major, minor] = since;
        draft = draft
            .because(Strength::Strong, told, "the target's QEMU is older than the CPU model")
            .because(Strength::Support, guest.quote(model.line), "the VM's model")
            .title(format!(
                "{name}'s CPU model {} is in QEMU {major}.{minor} and later; the target has {}",
                model.value, version.text
            ));
    }
    // Features that the source's kernel shows, so that their names are known to mean the same.
    let off = |name: &str| features(cpu).any(|one| one.policy == "disable" && same(&one.name.value, name));
    if let (Some(model), Some(ours)) = (model, ours)
        && let Some(table) = cpu_model(&model.value)
        && !draft.any()
    {
        known = true;
        let shown = table.features.iter().filter(|name| !off(name)).filter_map(|name| shown(ours, name));
        let lacking: Vec<&str> = shown.filter(|flag| theirs.has_flag(flag) == Some(false)).collect();
        if !lacking.is_empty() {
            draft = draft
                .because(Strength::Proof, flags(theirs), "the target's features")
                .because(Strength::Support, guest.quote(model.line), "the VM's model")
                .title(format!(
                    "the target lacks features of {name}'s CPU model {}: {}",
                    model.value,
                    enumerated(&lacking)
                ));
        }
    }
    for feature in features(cpu).filter(|one| ["require", "force"].contains(&&*one.policy)) {
        let flag = ours.and_then(|ours| shown(ours, &feature.name.value));
        if flag.is_some_and(|flag| theirs.has_flag(flag) == Some(false)) {
            draft = draft
                .because(Strength::Proof, flags(theirs), "the target's features")
                .because(Strength::Support, guest.quote(feature.name.line), "the VM requires it")
                .title(format!(
                    "the target lacks a CPU feature that {name} requires: {}",
                    feature.name.value
                ));
        }
    }
    let of_vendor =
        model.and_then(|model| cpu_model(&model.value)).is_some_and(|model| model.vendor.is_some());
    if let (Some(our), Some(their)) = (ours.and_then(|ours| ours.vendor.as_ref()), &theirs.vendor)
        && our.value != their.value
        && of_vendor
        && !draft.any()
    {
        draft = draft
            .level(Level::Warn)
            .because(Strength::Strong, theirs.quote(their.line), "the target's vendor is another")
            .title(format!(
                "{name} runs on {}, and the target is {}: few VMs survive that",
                our.value, their.value
            ));
    }
    match draft.any() || known {
        true => draft.verdict(),
        false => {
            untold("whether the target has all of the VM's CPU model is not known", "virsh domcapabilities")
        }
    }
}

fn features(cpu: Option<&Cpu>) -> impl Iterator<Item = &CpuFeature> {
    cpu.into_iter().flat_map(|cpu| &cpu.features)
}

/// The flag by which a host's kernel shows a feature, if it does.
fn shown<'h>(host: &'h Seen<'_, CpuInfo>, feature: &str) -> Option<&'h str> {
    host.flags.as_ref()?.value.iter().map(String::as_str).find(|flag| same(feature, flag))
}

/// The line of a host's flags.
fn flags(host: &Seen<'_, CpuInfo>) -> Option<Evidence> {
    host.flags.as_ref().and_then(|flags| host.quote(flags.line))
}

/// Whether QEMU's name of a feature and the kernel's mean the same.
fn same(qemu: &str, kernel: &str) -> bool {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '.', '_'], "");
    plain(qemu) == plain(kernel) || NAMES.contains(&(qemu, kernel))
}

fn enumerated(names: &[&str]) -> String {
    match names.len().checked_sub(NAMED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}
