//! # The guest agent is not installed, not running, or has no channel
//!
//! ## What it is
//! Addresses, graceful shutdown, freezing and passwords are asked of `qemu-guest-agent` inside the guest, over
//! a virtio-serial channel. Either end may be missing. The SPICE agent (`spice-vdagent`, channel
//! `com.redhat.spice.0`) is another: clipboard, dragged files and a display that follows the window are its work.
//!
//! Heard as: no IP address is shown; a shutdown, freeze or exec is not answered although the VM is up and I can
//! log in; waiting for the agent or for a lease until it gives up; no shared clipboard, the display does not resize.
//!
//! Known by: QEMU guest agent is not connected or not responding; no IP shown in the summary; shutdown or fsfreeze
//! times out; qemu-ga not installed; org.qemu.guest_agent.0 channel missing; virsh domifaddr --source agent;
//! set-user-password fails; graceful shutdown ignored; service qemu-guest-agent inactive; channel disconnected.
//!
//! ## Why it happens
//! The package is not installed or its service not started; the domain has no channel `org.qemu.guest_agent.0`
//! (or the VM option "agent" is off); the channel was added and the guest not restarted since; Windows lacks
//! the vioserial driver; the guest is still booting or hangs; SELinux in the guest denies it.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -B2 -A2 guest_agent` (state='connected'), `virsh qemu-agent-command NAME
//! '{"execute":"guest-ping"}'`; in the guest `ls /dev/virtio-ports/`, `systemctl status qemu-guest-agent`.
//!
//! ## Refute
//! guest-ping answers `{"return":{}}`: the agent lives, and a single command of it fails.
//!
//! ## Fix
//! Add the channel (`<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`, in
//! Proxmox `qm set ID --agent 1`) and start the guest anew; install and start qemu-guest-agent in it; on
//! Windows install virtio-win-guest-tools.
//!
//! ## References
//! libvirt `src/qemu/qemu_domain.c` (qemuDomainAgentAvailable), `src/qemu/qemu_agent.c`; QEMU
//! `docs/interop/qemu-ga.rst`, `qga/main.c`; Proxmox `PVE/QemuServer/Agent.pm`.

use crate::prelude::*;
use vmwright_formats::DomainXml;

#[path = "messages/agent_not_running.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["guest", "agent"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: messages::SIGNS,
    words: &[
        "guest agent",
        "qemu-guest-agent",
        "qemu-ga",
        "agent",
        "ip address",
        "domifaddr",
        "shutdown",
        "quiesce",
        "clipboard",
        "vdagent",
    ],
    explains: &["virtiofs/guest-driver-missing"],
    tells: "virsh dumpxml NAME | grep -A2 guest_agent; systemctl status qemu-guest-agent in the guest",
    remedy: "give the domain the channel org.qemu.guest_agent.0 and install and start qemu-guest-agent in the guest",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// What does not work without the SPICE agent, as people say it: all words of a row stand.
const SPICE: [&[&str]; 8] = [
    &["clipboard"],
    &["copy and paste"],
    &["copy paste"],
    &["vdagent"],
    &["drag", "file"],
    &["resiz", "window"],
    &["resiz", "display"],
    &["resiz", "screen"],
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let complaint = cx.complaint().to_ascii_lowercase();
    let screen = SPICE.iter().any(|row| row.iter().all(|word| complaint.contains(word)));
    for seen in cx.all::<DomainXml>().into_iter().filter(|_| screen) {
        for domain in seen.domains.iter().filter(|domain| !domain.fragment) {
            let spice =
                |text: &Option<Spanned<String>>| text.as_ref().is_some_and(|one| one.value == "spice");
            let shown = domain.devices.graphics.iter().any(|one| spice(&one.graphics_type));
            draft = if shown { draft.looked() } else { draft };
            if shown && !seen.text.holds("com.redhat.spice.0") {
                let quote = seen.quote(domain.line);
                let why = "the domain is shown by SPICE and has no channel com.redhat.spice.0 for its agent";
                draft = draft.because(Strength::Strong, quote, why).title("the SPICE agent has no channel");
            }
        }
    }
    let asked = cx.said("guest agent") || cx.said("qemu-guest-agent") || cx.said("qemu-ga") || draft.any();
    if let Some(seen) = cx.one::<DomainXml>().filter(|_| asked) {
        for domain in seen.domains.iter().filter(|domain| !domain.fragment) {
            let agent = |name: &str| name.starts_with("org.qemu.guest_agent");
            let channel = domain
                .devices
                .serials
                .iter()
                .any(|one| one.target.as_ref().is_some_and(|it| agent(&it.value)));
            if !channel {
                draft = draft.because(
                    Strength::Support,
                    seen.quote(domain.line),
                    "the domain has no agent channel",
                );
            }
        }
        // `<target ... state='disconnected'/>` of a running domain.
        let targets = seen.elements("devices/channel/target");
        let lone = targets
            .iter()
            .find(|target| target.attribute("state").is_some_and(|at| at.value == "disconnected"));
        let ours =
            lone.filter(|target| target.attribute("name").is_some_and(|at| at.value.contains("guest_agent")));
        if let Some(target) = ours {
            let quote = seen.quote(target.line());
            draft = draft.because(Strength::Strong, quote, "nobody opened the channel in the guest");
        }
    }
    // `systemctl status qemu-guest-agent`: the heading, and a few lines below it the state.
    for text in cx.texts_with("qemu-guest-agent.service - ") {
        let heading = text.lines_with("qemu-guest-agent.service - ").next();
        let state = heading.and_then(|(heading, _)| {
            let inactive =
                |number: &u32| text.line(*number).is_some_and(|line| line.contains("Active: inactive"));
            (heading..heading + 6).find(inactive)
        });
        if let Some(number) = state {
            draft = draft.because(Strength::Strong, text.quote(number), "the agent's service is not running");
        }
    }
    vec![draft.verdict()]
}
