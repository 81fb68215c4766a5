//! # Cloud Hypervisor rejects the configuration
//!
//! ## What it is
//! Options and API bodies are parsed and validated before anything is opened. A value that cannot be parsed, or two
//! values that exclude each other, end the start with "Error parsing" or a validation error.
//! Heard as: the VMM refuses to start as soon as I add an option.
//!
//! Known by: validation error from ch-remote or the command line; parsing --disk, --net or --memory failed; unknown
//! option; missing shared=on or num_queues; requires, invalid.
//!
//! ## Why it happens
//! An option of another version (`--kernel` and `--firmware` together, `shared=on` together with `mergeable=on`), sizes
//! that are not multiples of the page size, vhost-user without shared memory, fewer maximum than boot vCPUs, two
//! devices with one id, a topology whose product is not the vCPU number, a special vsock CID.
//!
//! ## Confirm
//! The message names the option and the rule; `cloud-hypervisor --help` shows the syntax of this version;
//! `ch-remote info` the configuration that was taken.
//! Errors are printed as a chain, outermost first: the last line names the value. Older versions print the same as a
//! debug form, such as `VmCreate(ConfigValidation(...))`.
//!
//! ## Refute
//! The configuration is taken and the error names a file, a device or KVM ("Error booting VM").
//!
//! ## Fix
//! Correct the option that is named, after the help of the very version in use.
//!
//! ## References
//! Cloud Hypervisor `vmm/src/config.rs` `Error`, `ValidationError`, `vmm/src/vm_config.rs`, `docs/`; `vmm/src/api/`.

#[path = "state/command.rs"]
pub(crate) mod command;

use crate::prelude::*;
use command::{Command, commands};
use vmwright_formats::CloudHypervisorConfig;

#[path = "messages/config_invalid.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["cloud-hypervisor", "config"],
    signs: messages::SIGNS,
    words: &["cloud-hypervisor", "cloud hypervisor", "ch-remote", "configuration", "validation"],
    tells: "cloud-hypervisor --help",
    remedy: "correct the option that the message names, after the help of the version in use",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for command in commands(cx) {
        if let Some(why) = contradiction(&command) {
            draft = draft
                .because(Strength::Strong, command.quote.clone(), why)
                .title(format!("Cloud Hypervisor's command line contradicts itself: {why}"));
            break;
        }
    }
    for seen in cx.all::<CloudHypervisorConfig>() {
        draft = draft.looked();
        if let Some((line, why)) = refused(&seen) {
            draft = draft
                .because(Strength::Strong, seen.quote(line), why)
                .title(format!("Cloud Hypervisor's configuration contradicts itself: {why}"));
        }
    }
    vec![draft.verdict()]
}

/// What `VmConfig::validate()` refuses in a configuration, and where.
fn refused(config: &CloudHypervisorConfig) -> Option<(u32, &'static str)> {
    let on = |switch: &Option<Spanned<bool>>| switch.as_ref().is_some_and(|switch| switch.value);
    let shared = on(&config.shared) || on(&config.huge_pages) || config.zones;
    if let Some(device) = config.devices.iter().find(|device| device.is_served && !shared) {
        return Some((device.line, "a vhost-user device needs memory with shared or hugepages"));
    }
    let (boot, max) = (config.boot_vcpus.as_ref()?, config.max_vcpus.as_ref()?);
    if max.value < boot.value {
        return Some((max.line, "fewer maximum than boot vCPUs"));
    }
    let (_, firmware) = (config.kernel.as_ref()?, config.firmware.as_ref()?);
    Some((firmware.line, "both a kernel and a firmware"))
}

/// What `VmConfig::validate()` has refused in a command line since 0.8.
fn contradiction(command: &Command) -> Option<&'static str> {
    let shared = command.on("--memory", "shared") || command.on("--memory", "hugepages");
    let zones = command.has("--memory-zone");
    let user = ["--net", "--disk"].iter().any(|option| command.on(option, "vhost_user"));
    let (boot, max) = (command.number("--cpus", "boot"), command.number("--cpus", "max"));
    if (user || command.has("--fs")) && !shared && !zones {
        Some("a vhost-user device needs memory with shared=on or hugepages=on")
    } else if boot.zip(max).is_some_and(|(boot, max)| max < boot) {
        Some("fewer maximum than boot vCPUs")
    } else {
        None
    }
}
