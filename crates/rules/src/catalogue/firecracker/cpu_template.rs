//! # The CPU template cannot be applied on this CPU
//!
//! ## What it is
//! A CPU template masks CPUID and MSR bits so that guests see one CPU on several models. Static templates are tied
//! to a vendor and a list of models: C3, T2, T2S, T2CL to Intel servers (Skylake, Cascade Lake, Ice Lake), T2A to AMD
//! Milan, V1N1 to Arm Neoverse. Custom templates fail where KVM does not offer a leaf or MSR they change.
//!
//! Heard as: a template T2 or T2S does not start on these hosts; Intel template on AMD.
//!
//! Known by: T2, T2S, T2CL, T2A or custom template; CPU vendor or model mismatched; cpuid leaf not supported; template
//! on AMD.
//!
//! ## Why it happens
//! Tools and old examples set `cpu_template: T2` (or C3) by default and the machine is a desktop, an AMD, or a newer
//! server; static templates are deprecated and know no newer models. A custom template was made on another kernel.
//!
//! ## Confirm
//! `grep -m1 'model name' /proc/cpuinfo` and the family and model lines, against `docs/cpu_templates/cpu-templates.md`;
//! `cpu-template-helper template verify` for custom ones.
//! `dmesg | grep -i microcode` tells whether two hosts of one model differ in what KVM offers.
//!
//! ## Refute
//! The same error without `cpu_template` and without `/cpu-config`.
//!
//! ## Fix
//! Leave the template out on a single kind of host, or make a custom template for these models.
//!
//! ## References
//! Firecracker `docs/cpu_templates/cpu-templates.md`, `src/vmm/src/cpu_config/templates.rs` `GetCpuTemplateError`,
//! `src/vmm/src/cpu_config/x86_64/mod.rs` `CpuConfigurationError`.

use crate::prelude::*;
use vmwright_formats::{CpuInfo, FirecrackerConfig, View};

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "cpu"],
    signs: &[
        Sign::proof("CPU vendor mismatched between actual CPU and CPU template"),
        Sign::proof("The current CPU model is not permitted to apply the CPU template"),
        Sign::proof("Template changes a CPUID entry not supported by KVM"),
        Sign::proof("Template changes an MSR entry not supported by KVM"),
        Sign::proof("Invalid static CPU template: "),
        Sign::strong("Failed to get CPU template: "),
        // Firecracker before 1.0, on AMD with an Intel template.
        Sign::strong("Cpuid error: InvalidVendor"),
        Sign::strong("Configure CPU error: "),
        Sign::strong("InvalidCpuTemplate"),
        Sign::strong("CpuTemplate(").and(&["firecracker"]),
        Sign::strong("The CPU template is not supported"),
        Sign::strong("CPU template is not supported on this platform"),
        Sign::strong("unknown variant *expected one of `C3`"),
        Sign::strong("CPU template is not specified"),
        Sign::support("Failed to apply modifications to CPUID").and(&["cpu_template"]),
        Sign::support("Failed to set MSRs").and(&["cpu_template"]),
        Sign::support("CPU template verif"),
        Sign::strong("Error applying template: "),
        Sign::strong("Failed to apply CPU template"),
        Sign::strong("Failed to get CPU vendor information"),
        Sign::strong("template*not supported on this CPU").and(&["firecracker"]),
    ],
    words: &["cpu template", "cpu_template", "firecracker", "t2 template", "cpu-config", "mismatched"],
    tells: "/proc/cpuinfo",
    remedy: "leave the CPU template out, or make a custom one for this CPU model",
    disruption: Disruption::GuestRestart,
    needs: &[Need::File("/proc/cpuinfo")],
    check,
    ..Rule::NEW
};

/// Family and models that static templates know (`static_cpu_templates/mod.rs` and the model list in the docs).
fn fits(template: &str, cpu: &CpuInfo) -> Option<bool> {
    let (family, model) = (cpu.family.as_ref()?.value, cpu.model.as_ref()?.value);
    let intel = cpu.vendor.as_ref()?.value == "GenuineIntel" && family == 6;
    Some(match template {
        // Skylake and Cascade Lake servers are model 0x55, Ice Lake servers 0x6a and 0x6c.
        "C3" | "T2" => intel && matches!(model, 0x55 | 0x6A | 0x6C),
        "T2S" => intel && matches!(model, 0x55),
        "T2CL" => intel && matches!(model, 0x55 | 0x6A | 0x6C),
        "T2A" => !intel && family == 0x19 && model == 1,
        _ => return None,
    })
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Some(cpu) = cx.one::<CpuInfo>() else { return vec![draft.verdict()] };
    for (template, quote) in templates(cx) {
        if fits(&template, &cpu) == Some(false) {
            let name = cpu.model_name.as_ref();
            draft = draft
                .because(Strength::Strong, quote, "the template is not for this CPU")
                .because(Strength::Support, name.and_then(|name| cpu.quote(name.line)), "this is the CPU")
                .title(format!("the CPU template {template} is not for this CPU model"));
            return vec![draft.verdict()];
        }
    }
    vec![draft.verdict()]
}

/// The templates that configurations name, and requests to the API in scripts and logs.
fn templates(cx: &Context<'_>) -> Vec<(String, Option<Evidence>)> {
    let configs = cx.all::<FirecrackerConfig>();
    let named = configs.iter().filter_map(|seen| {
        let template = seen.cpu_template.as_ref()?;
        Some((template.value.clone(), seen.quote(template.line)))
    });
    let mut found: Vec<(String, Option<Evidence>)> = named.collect();
    for (text, number, line) in cx.lines_with("cpu_template") {
        // Shell scripts escape the quotes.
        let line = line.replace('\\', "");
        if text.kind != FirecrackerConfig::KIND
            && let Some((_, rest)) = line.split_once("cpu_template\"")
            && let Some(template) = rest.split('"').nth(1)
        {
            found.push((template.to_owned(), text.quote(number)));
        }
    }
    found
}
