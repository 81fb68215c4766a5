//! What shows that this host is a VM without nesting, and what switches it on.

use crate::catalogue::kvm::no_cpu_support::RULE;
use crate::catalogue::mitigation::host_vulnerable::detected;
use crate::prelude::*;
use vmwright_formats::VmmProcesses;
use vmwright_model::plan::Setting;

/// What stands before the name of the hypervisor below: `lscpu` and the kernel's log.
const NAMES: [&str; 2] = ["Hypervisor vendor:", "Hypervisor detected:"];

/// What switches nesting on in this host's KVM: in the file that switches it off, and in the module, which takes it when
/// it is loaded again. Nothing while a VM needs that.
pub(super) fn switched_on(cx: &Context<'_>, file: &str) -> Vec<Action> {
    let module = ["kvm_amd", "kvm_intel"].into_iter().find(|module| file.contains(&format!("/{module}/")));
    let running = cx.one::<VmmProcesses>().is_none_or(|seen| !seen.processes.is_empty());
    let Some(module) = module.filter(|_| cx.snapshot().live && !running) else { return Vec::new() };
    let mut actions = Vec::new();
    for text in cx.texts_named(|source| source.starts_with("/etc/modprobe.d/")) {
        let set = text.lines_with("nested=").find_map(|(_, line)| {
            let mut words = line.split_whitespace();
            let ours = words.next() == Some("options") && words.next() == Some(module);
            words.filter(|_| ours).find(|word| word.starts_with("nested="))
        });
        if let Some(from) = set {
            actions.push(Action::EditSetting {
                path: text.source.to_owned(),
                setting: Setting::ModuleOption { module: module.to_owned(), option: "nested".to_owned() },
                from: Some(from.to_owned()),
                to: Some("nested=1".to_owned()),
            });
        }
    }
    let (now, module) = (vec!["nested=0".to_owned()], module.to_owned());
    actions.push(Action::ModuleUnload { module: module.clone(), parameters: now });
    actions.push(Action::ModuleLoad { module, parameters: vec!["nested=1".to_owned()] });
    actions
}

/// Whether a program says that the processor has nothing for KVM.
pub(super) fn refused(cx: &Context<'_>) -> bool {
    let signs = RULE.signs.iter().filter(|sign| sign.strength >= Strength::Support);
    signs.into_iter().any(|sign| !cx.hits_of(sign).is_empty())
}

/// The line that names the hypervisor below, in what was read of this host.
pub(super) fn hypervisor(cx: &Context<'_>) -> Option<Evidence> {
    let host = |source: &str| !source.contains("guest") && !source.contains("console");
    let mut lines = cx.lines_with(NAMES).filter(|(text, ..)| host(text.source));
    lines.find_map(|(text, line, _)| text.quote(line)).or_else(|| detected(cx))
}
