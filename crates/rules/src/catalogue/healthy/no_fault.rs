//! # Nothing is wrong: the message is harmless
//!
//! ## What it is
//! Some messages look like faults and are none: a guest probes a register that KVM does not model, QEMU tells that a
//! clock differs, udev data are denied to a confined QEMU, a VMM looks for a region that a device need not have. The
//! guest works, and this rule speaks only when that is said or shown.
//!
//! Heard as: is it harmless, the message appears and everything works.
//!
//! ## Why it happens
//! Kernels and drivers probe (performance counters, MSRs, i8042, PCI in a microVM without it) and take a refusal for an
//! answer; the layer below logs the refusal all the same.
//!
//! ## Confirm
//! The guest boots to its login prompt and does its work; the message appears at boot or at start and does not go along
//! with any loss of function.
//!
//! ## Refute
//! The guest hangs, resets or is slow at the very time of the message, or another rule fires with evidence of a fault.
//!
//! ## Fix
//! Nothing. Where the message disturbs: `kvm.report_ignored_msrs=0` for ignored MSRs; a local AppArmor rule that denies
//! the udev data silently.
//!
//! ## References
//! Linux `arch/x86/kvm/x86.c` `kvm_msr_ignored_check()`, `vcpu_unimpl()`, `arch/x86/kvm/pmu.c`; libvirt
//! `src/security/apparmor/`, `src/qemu/qemu_domain.c` `qemuDomainObjTaint()`; rust-vmm `vfio-ioctls`
//! `src/vfio_device.rs`; Firecracker `FAQ.md`; QEMU `target/i386/kvm/kvm.c`.

use crate::prelude::*;
use crate::sign::{joined, total};
use vmwright_formats::GuestConsole;
use vmwright_formats::guest_console::Stage;

#[path = "state/complaint.rs"]
pub(crate) mod complaint;
#[path = "state/noise.rs"]
mod noise;

use complaint::{AMISS, ASKS, ATTEMPTS, DOUBTFUL, MESSAGE, Mood, RUNS, TROUBLE, TURNS, WORKS, mood};
use noise::NOISE;

pub const RULE: Rule = Rule {
    level: Level::Note,
    rank: Rank::General,
    tags: &["noise"],
    signs: NOISE,
    words: &WORDS,
    tells: "dmesg",
    remedy: "nothing needs to be done",
    check,
    ..Rule::NEW
};

/// What passes where a ping does not.
const PASSES: &[&str] = &[
    "ping",
    "pages open",
    "pages load",
    "pages do load",
    "sites load",
    "sites open",
    "browsing works",
    "http works",
    "https works",
    "internet works",
    "browser works",
    "in the browser",
    "curl works",
    "wget works",
    "apt works",
    "downloads work",
    "dns works",
    "names resolve",
    "ssh works",
];

const LISTS: &[&[&str]] = &[PASSES, WORKS, ASKS, RUNS, TROUBLE, DOUBTFUL, MESSAGE, AMISS, TURNS, ATTEMPTS];

const WORDS: [&str; total(LISTS)] = joined("", LISTS);

/// Words of lines that people take for faults.
const ALARMING: [&str; 12] = [
    "warn",
    "error",
    "fail",
    "denied",
    "firmware bug",
    "Firmware Bug",
    "deprecated",
    "unsupported",
    "cannot",
    "could not",
    "unable to",
    "not found",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mood = mood(cx);
    let consoles = cx.all::<GuestConsole>();
    let login = consoles.iter().find_map(|seen| {
        let far = seen.farthest().filter(|far| far.value == Stage::Login)?;
        seen.quote(far.line)
    });
    let noise = NOISE.iter().find_map(|sign| cx.evidence(cx.hits_of(sign).first()?));
    let works = mood >= Mood::Runs || mood == Mood::Silent && login.is_some();
    if let Some(noise) = noise.filter(|_| works) {
        // Such messages stand in many logs: a VM that runs is not yet one about which nothing is to be complained.
        let strength = if mood >= Mood::Calm { Strength::Strong } else { Strength::Support };
        let mut draft = cx.draft();
        if mood == Mood::Content {
            draft.add(Strength::Strong, false, None, "the complaint says so");
        }
        let draft = draft.because(strength, Some(noise), "this message is known to be harmless").because(
            Strength::Support,
            login,
            "the guest reaches its login prompt",
        );
        return vec![draft.title("the message is harmless: the guest works").verdict()];
    }
    if let Some(line) = unanswered_ping(cx) {
        let title = "user-mode networking answers no ping: the guest's other traffic passes";
        return vec![
            cx.blank().because(Strength::Strong, Some(line), "carries TCP and UDP").title(title).verdict(),
        ];
    }
    let mut draft = cx.blank();
    if mood == Mood::Content {
        let title = "the report says that all works, and no known fault explains the message";
        let line = alarming(cx);
        // Of a flaw of the processor nobody notices anything: that all works says nothing there.
        let flaw = cx.texts_with(["ulnerab", "CVE-"]).next().is_some();
        let strength = if flaw { Strength::Support } else { Strength::Strong };
        if line.is_some() && !flaw {
            draft.add(Strength::Strong, false, None, "the complaint says so");
        }
        draft = draft.because(strength, line, "works with this message").title(title);
    }
    vec![draft.verdict()]
}

/// QEMU's user-mode network (slirp) where a ping comes back with nothing, while the guest reaches pages, packages or
/// names: an echo request needs a ping socket, which the host's `net.ipv4.ping_group_range` seldom allows.
fn unanswered_ping(cx: &Context<'_>) -> Option<Evidence> {
    let reaches = PASSES[1..].iter().any(|word| cx.said(word));
    let user = ["-netdev user", "-net user", "<interface type='user'"];
    let (text, number, _) = cx.lines_with(user).next().filter(|_| reaches && cx.said("ping"))?;
    text.quote(number)
}

/// The first line that one may take for a fault.
fn alarming(cx: &Context<'_>) -> Option<Evidence> {
    let capital = |word: &&str| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..]);
    let words = ALARMING.iter().map(|word| (*word).to_owned());
    let words = words.chain(ALARMING.iter().map(capital));
    let words: Vec<String> = words.chain(ALARMING.iter().map(|word| word.to_ascii_uppercase())).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    cx.lines_with(&words[..]).find_map(|(text, number, _)| text.quote(number))
}
