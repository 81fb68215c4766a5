//! Faults that the host's own kernel reports.

use crate::prelude::*;
use vmwright_formats::KernelLog;

/// What begins the report of a fault.
const FAULTS: [&str; 7] = [
    "BUG: unable to handle",
    "BUG: kernel NULL pointer",
    "general protection fault",
    "Oops:",
    "BUG: soft lockup",
    "list_del corruption",
    "refcount_t:",
];

/// Beginnings of functions, and modules, in which the fault counts as KVM's or VFIO's.
const PLACES: [&str; 15] = [
    ":vhost_",
    "[vhost",
    ":kvm_",
    ":vmx_",
    ":svm_",
    ":__kvm_",
    ":mmu_",
    ":tdp_",
    ":nested_",
    ":vfio_",
    ":intel_iommu_",
    ":iommu_",
    "[kvm",
    ":pvm_",
    "[vfio",
];

/// Functions with such names in which a guest's own kernel waits.
const GUEST: [&str; 6] = ["kvm_wait", "kvm_clock", "kvm_steal", "kvm_guest", "kvm_async_pf", "kvm_kick"];

/// Adds a fault of the host's kernel in virtualization code.
pub(crate) fn add_fault<'r>(cx: &Context<'r>, mut draft: Draft<'r>) -> Draft<'r> {
    for log in cx.all_with::<KernelLog>(FAULTS) {
        let fault = log.messages.iter().find(|one| FAULTS.iter().any(|fault| one.text.contains(fault)));
        let Some(fault) = fault else { continue };
        let is_ours = |text: &str| {
            text.contains("RIP: ")
                && !GUEST.iter().any(|name| text.contains(name))
                && PLACES.iter().any(|place| text.contains(place))
        };
        let near = log.messages.iter().filter(|one| one.line >= fault.line).take(60);
        if let Some(place) = near.into_iter().find(|one| is_ours(&one.text)) {
            draft = draft
                .because(Strength::Strong, log.quote(place.line), "the fault is in virtualization code")
                .because(Strength::Support, log.quote(fault.line), "the host's kernel reports a fault");
        }
    }
    draft
}

/// How long notes are at most, in bytes, in which versions are compared.
const NOTES: usize = 8 << 10;

/// Words of a line that says that a version works, and of one that says that it does not.
const GOOD: [&str; 5] = ["work", "good", "fine", "is ok", "all ok"];
const BAD: [&str; 13] = [
    "problem",
    "bad",
    "crash",
    "fail",
    "broke",
    "hang",
    "freez",
    "reproduc",
    "regress",
    "not work",
    "n't work",
    "no longer",
    "stops",
];

/// The lines of notes that name a version of the kernel that works, and another that does not.
pub(crate) fn compared(cx: &Context<'_>) -> Option<(Option<Evidence>, Option<Evidence>)> {
    let named = ["ernel", "KERNEL", "ernal", "inux-"];
    cx.texts_with(named).filter(|text| text.as_str().len() <= NOTES).find_map(|text| {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut kernel = false;
        for (number, line) in text.lines() {
            let line = line.to_ascii_lowercase();
            kernel |= ["kernel", "kernal", "linux-"].iter().any(|word| line.contains(word));
            let Some(version) = kernel_version(&line) else { continue };
            let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
            if has(&BAD) {
                bad.push((version, number));
            } else if has(&GOOD) {
                good.push((version, number));
            }
        }
        let works = |version: &String| good.iter().any(|(other, _)| other == version);
        let (_, bad_line) = bad.iter().find(|(version, _)| !works(version))?;
        let (_, good_line) = good.first().filter(|_| kernel)?;
        Some((text.quote(*good_line), text.quote(*bad_line)))
    })
}

/// Words of a clause that says that something cured it, whatever else it names.
const CURES: [&str; 9] =
    ["resolve", "fixes", "fixed", "solve", "cure", "helps", "helped", "goes away", "went away"];

/// Words of a clause that is of how it was before.
const FORMER: [&str; 5] = ["previous", "old kernel", "older", "used to", "downgrad"];

/// Whether the complaint tells of one version of the host's kernel under which VMs go wrong, and of another under which
/// they do not.
pub(crate) fn complains_of_version(cx: &Context<'_>) -> bool {
    versions_told_apart(cx.complaint())
}

/// A version counts in the clause that speaks of a kernel, and in those after it until another program is named.
fn versions_told_apart(complaint: &str) -> bool {
    let text = complaint.to_ascii_lowercase();
    if !text.contains("kernel") {
        return false;
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for clause in text.split([';', '\n']).flat_map(|part| part.split(". ")).flat_map(|part| part.split(", "))
    {
        let guests = ["guest kernel", "guest's kernel", "in the guest", "kernel of the guest"];
        let other = ["qemu", "libvirt", "firecracker", "ovmf", "driver"];
        let Some(version) = kernel_version(clause).or_else(|| short_version(clause)) else { continue };
        if guests.iter().chain(&other).any(|word| clause.contains(word)) {
            continue;
        }
        let has = |words: &[&str]| words.iter().any(|word| clause.contains(word));
        if has(&CURES) || has(&FORMER) {
            good.push(version);
        } else if has(&BAD) || has(&["since", "after", "got broken", "upgraded", "updated"]) {
            bad.push(version);
        } else if has(&GOOD) {
            good.push(version);
        }
    }
    good.iter().any(|one| bad.iter().any(|other| other != one))
}

/// `4.19` of `the 4.19 kernel`, of `kernel (4.19)` and of `Linux 4.19`.
fn short_version(clause: &str) -> Option<String> {
    let bare = |word| str::trim_matches(word, |letter: char| "().,:".contains(letter));
    let words: Vec<&str> = clause.split_whitespace().map(bare).collect();
    let is = |word: &str| {
        let mut parts = word.split('.').map(str::parse::<u32>);
        matches!((parts.next(), parts.next(), parts.next()), (Some(Ok(3..=9)), Some(Ok(_)), None))
    };
    let beside = |at: usize| {
        let next =
            |other: Option<&&str>| other.is_some_and(|word| word.starts_with("kernel") || *word == "linux");
        next(words.get(at + 1)) || at > 0 && next(words.get(at - 1))
    };
    (0..words.len()).find(|at| is(words[*at]) && beside(*at)).map(|at| words[at].to_owned())
}

/// The first word of a line that is a version of Linux: 3 to 9, then two numbers or more, or one and `.x`.
fn kernel_version(line: &str) -> Option<String> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    let word = words.map(|word| word.trim_start_matches("linux-").trim_end_matches('.')).find(|word| {
        let mut parts = word.split(['.', '-']);
        let major = parts.next().and_then(|major| major.parse::<u32>().ok());
        let minor = parts.next().is_some_and(|minor| minor.parse::<u32>().is_ok());
        let patch =
            parts.next().is_some_and(|patch| patch == "x" || patch.starts_with(|c: char| c.is_ascii_digit()));
        major.is_some_and(|major| (3..10).contains(&major)) && minor && patch
    });
    word.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::versions_told_apart;

    #[test]
    fn two_versions_of_which_one_works_are_told_apart() {
        for told in [
            "I upgraded to kernel 4.14.95, and almost all VMs break. Switching to the 4.19 kernel resolved the problems.",
            "The host crashes since kernel 5.7.8; 5.7.7 works.",
            "With Linux 5.15 there is a regression of the kernel. With the previous kernel (4.19) it was 60 us.",
        ] {
            assert!(versions_told_apart(told), "{told}");
        }
        for not in [
            "The VM does not start. Kernel 6.1.0.",
            "QEMU 7.2.0 crashes, QEMU 8.0.0 works. The kernel is 6.1.0.",
            "With guest kernel 5.4.0 it hangs, with guest kernel 5.10.1 it works.",
            "It works with kernel 6.1.9.",
        ] {
            assert!(!versions_told_apart(not), "{not}");
        }
    }
}
