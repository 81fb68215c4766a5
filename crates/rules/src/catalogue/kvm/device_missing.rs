//! # There is no /dev/kvm on this host
//!
//! ## What it is
//! The VMM asks for KVM, but the device node does not exist: the kernel's vendor module (`kvm_intel`, `kvm_amd`)
//! is not loaded, or the container or jail was given no node.
//! Heard as: KVM is said not to be available, /dev/kvm is not there.
//!
//! Known by: Could not access KVM kernel module: No such file or directory; kvm-ok says KVM acceleration can NOT be
//! used; modprobe kvm_intel; container without /dev/kvm; WSL or CI runner; accelerator not available, emulator falls
//! back or refuses; /dev/kvm not found in sandbox, CI, VPS or container; kvm module blacklisted; modprobe fails with
//! not supported.
//!
//! ## Why it happens
//! The module was never loaded or is blocked in modprobe.d; the kernel was built or packaged without it; the CPU or
//! the firmware refuses it (`kvm/no-cpu-support`, `kvm/disabled-in-firmware`); the host is a VM without nesting
//! (`nested/not-exposed`); `docker run` came without `--device /dev/kvm`.
//!
//! ## Confirm
//! `ls -l /dev/kvm` finds nothing; `lsmod` shows neither `kvm_intel` nor `kvm_amd`. `journalctl -k -b` (read-only)
//! says why a load failed, in a line that begins with `kvm`.
//!
//! ## Refute
//! `/dev/kvm` exists where the VMM runs (in its own mount namespace). An error "Permission denied" is
//! `kvm/device-permission`.
//!
//! ## Fix
//! Load the module of the CPU's vendor, or pass the device into the container. Where the CPU cannot, run the VM under
//! TCG (`accel=tcg`, `<domain type='qemu'>`): 10 to 50 times slower, but it runs.
//!
//! ## References
//! QEMU `accel/kvm/kvm-all.c`, `kvm_init()` ("Could not access KVM kernel module"); `system/vl.c`,
//! `do_configure_accelerator()`; libvirt `src/qemu/qemu_process.c` and `src/conf/capabilities.c`
//! ("could not find capabilities for"); Linux `virt/kvm/kvm_main.c`, `kvm_init()`; `kvm-ok(1)`.

use crate::prelude::*;
use vmwright_formats::{KvmProbe, LsMod, MachineSpecView, ModprobeConf};
use vmwright_model::machine::Accelerator;

#[path = "messages/device_missing.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["kvm", "boot"],
    needs: &[
        Need::Probe(Probe::Kvm),
        Need::Probe(Probe::Machine),
        Need::File("/proc/cpuinfo"),
        Need::Command(&["lsmod"]),
    ],
    signs: messages::SIGNS,
    words: &["/dev/kvm", "no kvm", "kvm is not available", "kvm module", "could not access kvm"],
    explains: &["kvm/silent-tcg"],
    tells: "ls -l /dev/kvm",
    remedy: "load kvm_intel or kvm_amd (or pass /dev/kvm into the container); else run the VM under TCG",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    if wants_tcg(cx) {
        return cx.not_applicable("the VM does not use KVM");
    }
    let mut draft = cx.draft();
    let told = draft.any();
    for conf in cx.all::<ModprobeConf>() {
        let line = ["kvm", "kvm_intel", "kvm_amd"].iter().find_map(|module| conf.blocked(module));
        draft =
            draft.because(Strength::Support, line.and_then(|line| conf.quote(line)), "the module is blocked");
    }
    if let Some(modules) = listed(cx) {
        let loaded = ["kvm_intel", "kvm_amd", "kvm_pvm"].iter().find_map(|name| modules.get(name));
        let heading = (1..4).find_map(|line| modules.quote(line));
        match loaded {
            Some(module) => {
                draft =
                    draft.despite(Strength::Strong, modules.quote(module.line), "a vendor module is loaded");
            }
            None => draft = draft.because(Strength::Hint, heading, "no vendor module is in the list"),
        }
    }
    let Some(probe) = cx.one::<KvmProbe>() else { return vec![draft.verdict()] };
    let open = probe.get("open");
    match open.as_ref().map(|open| open.value) {
        Some("absent") => {
            let line = open.map_or(0, |open| open.line);
            let draft = draft.because(Strength::Strong, probe.quote(line), "the device node does not exist");
            vec![loaded(cx, draft, told).verdict()]
        }
        // udev keeps a node for the module, so that whoever opens it has it loaded: of the vendor's part it knows nothing.
        Some(other) if other.contains("no such device") && loadable(cx).is_some() => {
            let line = open.map_or(0, |open| open.line);
            let draft =
                draft.because(Strength::Strong, probe.quote(line), "no module is behind the device node");
            vec![loaded(cx, draft, told).verdict()]
        }
        Some("ok" | "denied") => cx.quiet(),
        _ => vec![draft.looked().verdict()],
    }
}

/// Completes a finding: the module is loaded where it can be, and else TCG is offered.
fn loaded<'r>(cx: &Context<'r>, draft: Draft<'r>, told: bool) -> Draft<'r> {
    let Some(module) = loadable(cx) else { return offer_tcg(cx, draft, told) };
    let load = Action::ModuleLoad { module: module.to_owned(), parameters: Vec::new() };
    let draft = if told { draft } else { draft.about(Subject::host()).level(Level::Warn) };
    draft.remedy(format!("load {module}")).action(load)
}

/// The module that gives KVM here: the processor has the extension, and nobody has loaded or blocked it.
fn loadable(cx: &Context<'_>) -> Option<&'static str> {
    let Found::Text(cpuinfo) = cx.file("/proc/cpuinfo") else { return None };
    let (_, flags) = cpuinfo.lines().find(|(_, line)| line.starts_with("flags"))?;
    let has = |wanted: &str| flags.split_whitespace().any(|flag| flag == wanted);
    let module = match (has("svm"), has("vmx")) {
        (true, _) => "kvm_amd",
        (_, true) => "kvm_intel",
        _ => return None,
    };
    let modules = listed(cx)?;
    let blocked = cx.all::<ModprobeConf>().iter().any(|conf| conf.blocked(module).is_some());
    (modules.get(module).is_none() && !blocked).then_some(module)
}

/// The list of modules, whole: of several texts that name modules the one with its heading.
fn listed<'c>(cx: &'c Context<'_>) -> Option<Seen<'c, LsMod>> {
    cx.all::<LsMod>().into_iter().find(|modules| modules.header)
}

/// Whether the VM in question is specified to run without KVM.
pub(crate) fn wants_tcg(cx: &Context<'_>) -> bool {
    let spec = cx.one::<MachineSpecView>();
    let machine = spec.as_ref().and_then(|spec| spec.spec.as_ref());
    machine.is_some_and(|machine| machine.accelerator != Accelerator::Kvm)
}

/// Completes a finding about a host whose KVM cannot be used: a specification that asks for KVM is offered TCG; where
/// there is no VM and no message of a failure (`told`), it is a warning about the host.
pub(crate) fn offer_tcg<'r>(cx: &Context<'r>, draft: Draft<'r>, told: bool) -> Draft<'r> {
    let spec = cx.one::<MachineSpecView>();
    let Some((spec, machine)) = spec.as_ref().and_then(|spec| Some((spec, spec.spec.as_ref()?))) else {
        return if told { draft } else { draft.about(Subject::host()).level(Level::Warn) };
    };
    let edit = |key: &str, from: Option<&str>, to: &str| Action::EditSpec {
        path: spec.text.source.to_owned(),
        key: key.to_owned(),
        from: from.map(|from| format!("\"{from}\"")),
        to: Some(format!("\"{to}\"")),
    };
    let line = spec.line_of("accelerator");
    let draft = draft
        .because(Strength::Hint, line.and_then(|line| spec.quote(line)), "the VM asks for KVM")
        .title(format!("`{}` asks for KVM, which this host does not give", machine.name))
        .remedy("run the VM under TCG on this host, or make KVM usable first")
        .action(edit("accelerator", line.map(|_| "kvm"), "tcg"));
    if machine.cpu.model == "host" { draft.action(edit("cpu.model", Some("host"), "max")) } else { draft }
}
