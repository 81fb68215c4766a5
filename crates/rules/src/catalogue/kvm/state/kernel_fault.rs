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
    // Faults of programs stand in most logs, and none of them has this, by which the place is known.
    for log in cx.all_with::<KernelLog>("RIP: ") {
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
        // A version has a dot.
        for (number, line) in text.lines().filter(|(_, line)| line.contains('.')) {
            let line = line.to_ascii_lowercase();
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
        let names = |line: &str| ["kernel", "kernal", "linux-"].iter().any(|word| line.contains(word));
        let kernel = || text.lines().any(|(_, line)| names(&line.to_ascii_lowercase()));
        let (_, good_line) = good.first().filter(|_| kernel())?;
        Some((text.quote(*good_line), text.quote(*bad_line)))
    })
}

/// Words of a clause that says that something cured it, whatever else it names.
const CURES: [&str; 11] = [
    "resolve",
    "fixes",
    "fixed",
    "solve",
    "cure",
    "helps",
    "helped",
    "goes away",
    "went away",
    "stable again",
    "are stable",
];

/// Words of a clause that is of how it was before.
const FORMER: [&str; 8] =
    ["previous", "old kernel", "older", "used to", "downgrad", "up to ", "until ", " again"];

/// Words of a clause that is of what changed.
const CHANGED: [&str; 6] = ["since", "after", "got broken", "upgraded", "updated", "moved"];

/// Words of a clause that says that all was well with it, and in no other place.
const WELL: [&str; 5] = ["was ok", "were ok", "are ok", "was good", "were good"];

/// Other programs whose versions look like a kernel's.
const OTHERS: [&str; 8] =
    ["qemu", "libvirt", "firecracker", "ovmf", "driver", "edk2", "virtualbox", "cloud-hypervisor"];

/// Whether the complaint tells of one version of the host's kernel under which VMs go wrong, and of another under which
/// they do not.
pub(crate) fn complains_of_version(cx: &Context<'_>) -> bool {
    versions_told_apart(cx.complaint(), cx.lines_with(["uname -r", "uname -a"]).next().is_some())
}

/// What a clause says of the versions in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// All is well with them.
    Well,
    /// They are where it goes wrong, or when it began.
    Amiss,
}

/// What a clause in lower case says of the versions in it; `None` where it says nothing.
pub(crate) fn judged(clause: &str) -> Option<Judged> {
    let has = |words: &[&str]| words.iter().any(|word| clause.contains(word));
    if has(&CURES) || has(&FORMER) || has(&WELL) {
        Some(Judged::Well)
    } else if has(&BAD) || has(&CHANGED) {
        Some(Judged::Amiss)
    } else {
        has(&GOOD).then_some(Judged::Well)
    }
}

/// A version counts in the clause that speaks of a kernel; where no other program is named at all, in every clause. One
/// of which its own clause says nothing has what the next clause of the sentence says.
/// `asked` is whether the kernel's own name was pasted, which says what versions without a name are of.
fn versions_told_apart(complaint: &str, asked: bool) -> bool {
    let text = complaint.to_ascii_lowercase();
    if !text.contains("kernel") && !asked {
        return false;
    }
    let alone = !OTHERS.iter().any(|word| text.contains(word));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for sentence in text.split([';', '\n']).flat_map(|part| part.split(". ")) {
        let mut open: Vec<String> = Vec::new();
        for clause in sentence.split(", ") {
            let guests = ["guest kernel", "guest's kernel", "in the guest", "kernel of the guest"];
            if guests.iter().chain(&OTHERS).any(|word| clause.contains(word)) {
                continue;
            }
            let mut named = versions(clause, alone);
            let Some(said) = judged(clause) else {
                open.append(&mut named);
                continue;
            };
            // `from 5.15 to 6.2`: the first is the one that was left.
            if named.len() > 1 && clause.contains("from ") && clause.contains(" to ") {
                good.push(named.remove(0));
            }
            let list = if said == Judged::Well { &mut good } else { &mut bad };
            list.append(&mut open);
            list.append(&mut named);
        }
    }
    good.iter().any(|one| bad.iter().any(|other| other != one))
}

/// The versions of Linux that a clause names, in its order; `alone` where no other program's could be meant.
fn versions(clause: &str, alone: bool) -> Vec<String> {
    let long = kernel_version(clause);
    let first = long.clone().or_else(|| short_version(clause));
    let Some(first) = first else {
        return if alone { shorts(clause).collect() } else { Vec::new() };
    };
    let mut all = vec![first];
    if alone {
        all.extend(shorts(clause));
        if let Some(rest) = long.and_then(|long| Some(clause.split_once(&long)?.1)) {
            all.extend(kernel_version(rest));
        }
    }
    all.sort_by_key(|one| clause.find(one.as_str()));
    all.dedup();
    all
}

/// The words of a clause, without what stands around them.
fn bare_words(clause: &str) -> impl Iterator<Item = &str> {
    clause.split_whitespace().map(|word| word.trim_matches(|letter: char| "().,:".contains(letter)))
}

/// Whether a word is two numbers of which the first is a series of Linux: `4.19`, `5.18.*`, `6.1.x`.
fn is_short(word: &str) -> bool {
    let word = word.trim_end_matches('*').trim_end_matches(".x").trim_end_matches('.');
    let mut parts = word.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next(), parts.next()), (Some(Ok(3..=9)), Some(Ok(_)), None))
}

/// Those words of a clause.
fn shorts(clause: &str) -> impl Iterator<Item = String> {
    bare_words(clause).filter(|word| is_short(word)).map(str::to_owned)
}

/// `4.19` of `the 4.19 kernel`, of `kernel (4.19)` and of `Linux 4.19`.
fn short_version(clause: &str) -> Option<String> {
    let words: Vec<&str> = bare_words(clause).collect();
    let beside = |at: usize| {
        let next =
            |other: Option<&&str>| other.is_some_and(|word| word.starts_with("kernel") || *word == "linux");
        next(words.get(at + 1)) || at > 0 && next(words.get(at - 1))
    };
    (0..words.len()).find(|at| is_short(words[*at]) && beside(*at)).map(|at| words[at].to_owned())
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
            "Up to 5.17.15 all guests were OK. With every 5.18 and with 5.19 the laptop freezes. I use my own kernel.",
            "They hang some hours after we moved from pve kernel 5.15 to 6.2.",
            "Host kernel upgraded to 4.14.95. Nearly all VM tests fail now in random ways; with 4.19 they pass, with 4.14.93 they work.",
            "It freezes from kernel 5.18 on when a Windows VM starts. 5.17.15 was OK.",
            "With Linux 5.15 there is a regression of the kernel. With the previous kernel (4.19) it was 60 us.",
        ] {
            assert!(versions_told_apart(told, false), "{told}");
        }
        for not in [
            "The VM does not start. Kernel 6.1.0.",
            "QEMU 7.2.0 crashes, QEMU 8.0.0 works. The kernel is 6.1.0.",
            "With guest kernel 5.4.0 it hangs, with guest kernel 5.10.1 it works.",
            "It works with kernel 6.1.9.",
            "Kernel 6.1 and QEMU 7.2. After the update to 8.0 it fails.",
            "I moved from kernel 6.1 to 6.1.",
            "We upgraded the kernel to 6.8 and now plan for 6.11.",
        ] {
            assert!(!versions_told_apart(not, false), "{not}");
        }
        let bare = "Up to 5.17.15 all guests were OK. With every 5.18 the laptop freezes.";
        assert!(versions_told_apart(bare, true) && !versions_told_apart(bare, false));
    }
}
