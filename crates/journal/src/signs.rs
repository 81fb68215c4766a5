//! Signs: what in an entry or a question names one thing and no other. Two texts that share a sign are about the same;
//! two that share words may not be.

/// Longest sign, in bytes.
const LONGEST: usize = 80;

/// Most signs of one text; what comes after them repeats or lists.
const MOST: usize = 64;

/// Names of errno(3) that stand in messages.
const ERRNO: &[&str] = &[
    "EACCES",
    "EADDRINUSE",
    "EAGAIN",
    "EBUSY",
    "ECONNREFUSED",
    "ECONNRESET",
    "EDEADLK",
    "EEXIST",
    "EFAULT",
    "EFBIG",
    "EHOSTUNREACH",
    "EINVAL",
    "EIO",
    "EISDIR",
    "EMFILE",
    "ENETUNREACH",
    "ENFILE",
    "ENODEV",
    "ENOENT",
    "ENOMEM",
    "ENOSPC",
    "ENOSYS",
    "ENOTDIR",
    "ENOTSUP",
    "ENXIO",
    "EOPNOTSUPP",
    "EOVERFLOW",
    "EPERM",
    "EPIPE",
    "EPROTO",
    "ERANGE",
    "EROFS",
    "ESTALE",
    "ETIMEDOUT",
    "ETXTBSY",
    "EXDEV",
];

/// Flags of processors that decide whether a guest starts, moves or is safe, as QEMU spells them (`qemu-system-x86_64 -cpu
/// help`); Linux writes `_` for `-`. Those of AVX-512 and AMX are told by how they begin.
const FLAGS: &[&str] = &[
    "amd-ssbd",
    "amd-stibp",
    "arch-capabilities",
    "avic",
    "avx",
    "avx2",
    "bmi1",
    "bmi2",
    "erms",
    "ept",
    "f16c",
    "flush-l1d",
    "fma",
    "fsgsbase",
    "gfni",
    "hle",
    "ibpb",
    "ibrs",
    "ibrs-all",
    "invpcid",
    "invtsc",
    "la57",
    "md-clear",
    "mds-no",
    "mpx",
    "npt",
    "pcid",
    "pdcm",
    "pdpe1gb",
    "pku",
    "pschange-mc-no",
    "rdctl-no",
    "rdrand",
    "rdseed",
    "rdtscp",
    "rtm",
    "serialize",
    "sev",
    "sev-es",
    "sev-snp",
    "sgx",
    "smap",
    "smep",
    "spec-ctrl",
    "ssbd",
    "stibp",
    "svm",
    "taa-no",
    "topoext",
    "tsc-deadline",
    "tsx-ctrl",
    "umip",
    "vaes",
    "virt-ssbd",
    "vmx",
    "vnmi",
    "vpclmulqdq",
    "vpid",
    "waitpkg",
    "x2apic",
    "xsavec",
    "xsaves",
];

use vmwright_model::Entry;

/// The signs of an entry.
pub(crate) fn of_entry(entry: &Entry) -> Vec<String> {
    let mut signs = Vec::new();
    for rule in &entry.rules {
        add(&mut signs, rule.clone());
    }
    for text in [&entry.title, &entry.body].into_iter().chain(&entry.evidence) {
        gather(text, &mut signs);
    }
    if let Some(vm) = machine(&entry.title) {
        add(&mut signs, format!("vm {vm}"));
    }
    signs
}

/// The signs of a question.
pub(crate) fn of_question(text: &str) -> Vec<String> {
    let mut signs = Vec::new();
    gather(text, &mut signs);
    if let Some(vm) = machine(text) {
        add(&mut signs, format!("vm {vm}"));
    }
    signs
}

fn gather(text: &str, signs: &mut Vec<String>) {
    let ends = |c: char| c.is_whitespace() || c.is_control() || ",;()[]{}<>\"'`=|*".contains(c);
    for word in text.split(ends) {
        let word = word.trim_end_matches(['.', ':', '!', '?']).trim_start_matches(['-', '+']);
        if (3..=LONGEST).contains(&word.len()) && word.is_ascii() {
            let sign = rule(word).or_else(|| pci_address(word)).or_else(|| pci_id(word));
            if let Some(sign) = sign.or_else(|| number(word)).or_else(|| name(word)).or_else(|| flag(word)) {
                add(signs, sign);
            }
        }
    }
}

fn add(signs: &mut Vec<String>, sign: String) {
    if signs.len() < MOST && sign.len() <= LONGEST && !signs.contains(&sign) {
        signs.push(sign);
    }
}

/// `area/problem`. One word alone after the slash is more often a path or `and/or`.
fn rule(word: &str) -> Option<String> {
    let (area, problem) = word.split_once('/')?;
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (plain(area) && plain(problem) && problem.trim_matches('-').contains('-')).then(|| word.to_owned())
}

/// `0000:01:00.0` or `01:00.0`, with its domain.
fn pci_address(word: &str) -> Option<String> {
    let (rest, function) = word.split_once('.')?;
    let hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
    let function_fits = function.len() == 1 && function.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let parts: Vec<&str> = rest.split(':').collect();
    let (domain, bus, device) = match parts[..] {
        [bus, device] => ("0000", bus, device),
        [domain, bus, device] => (domain, bus, device),
        _ => return None,
    };
    let fits = function_fits && hex(domain, 4) && hex(bus, 2) && hex(device, 2);
    fits.then(|| format!("{domain}:{bus}:{device}.{function}").to_ascii_lowercase())
}

/// Vendor and device, `10de:2204`. What has digits alone may be a time.
fn pci_id(word: &str) -> Option<String> {
    let (vendor, device) = word.split_once(':')?;
    let hex = |part: &str| part.len() == 4 && part.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(vendor) && hex(device)).then(|| word.to_ascii_lowercase())
}

/// A number as `0x7b`, without leading zeros. One digit says too little.
fn number(word: &str) -> Option<String> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))?;
    let fits = digits.len() <= 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = digits.trim_start_matches('0');
    (fits && digits.len() >= 2).then(|| format!("0x{}", digits.to_ascii_lowercase()))
}

/// A name as headers have it: `EBUSY`, `INACCESSIBLE_BOOT_DEVICE`.
fn name(word: &str) -> Option<String> {
    let capital = word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let long = word.len() >= 8 && word.trim_matches('_').contains('_');
    (capital && (long || ERRNO.contains(&word))).then(|| word.to_owned())
}

/// A flag of a processor, in either spelling.
fn flag(word: &str) -> Option<String> {
    let plain = word.to_ascii_lowercase().replace('_', "-");
    let known = FLAGS.contains(&&*plain) || plain.starts_with("avx512") || plain.starts_with("amx-");
    known.then(|| format!("cpu {plain}"))
}

/// The VM that a line of vmwright's own is about: `vm web: ...`, `what is wrong with vm web`, `review of vm web under ...`.
fn machine(title: &str) -> Option<&str> {
    let rest = match title.strip_prefix("vm ") {
        // A user may begin so too; vmwright writes a colon after the name.
        Some(rest) => rest.split_once(": ").map(|(name, _)| name)?,
        None => [
            "what is wrong with vm ",
            "review of vm ",
            "plan for vm ",
            "plan to tune vm ",
            "plan to harden vm ",
        ]
        .iter()
        .find_map(|begin| title.strip_prefix(begin))?,
    };
    let name = rest.split(' ').next()?;
    (!name.is_empty() && name.len() <= 64).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_name_one_thing() {
        let text = "vfio 0000:01:00.0: group 12 is not viable (EBUSY), 01:00.1 [10DE:2204] stops with 0x0000007B \
                    INACCESSIBLE_BOOT_DEVICE; see vfio/group-not-viable, and/or /etc/default/grub at 10:30.";
        assert_eq!(
            of_question(text),
            [
                "0000:01:00.0",
                "EBUSY",
                "0000:01:00.1",
                "10de:2204",
                "0x7b",
                "INACCESSIBLE_BOOT_DEVICE",
                "vfio/group-not-viable"
            ]
        );
    }

    #[test]
    fn flags_are_one_in_every_spelling() {
        let told = of_question(
            "host doesn't support requested feature: +avx512f, arch_capabilities; -cpu Host,-SVM",
        );
        assert_eq!(told, ["cpu avx512f", "cpu arch-capabilities", "cpu svm"]);
    }

    #[test]
    fn ordinary_words_are_no_signs() {
        for text in
            ["the VM does not start", "ERROR WARNING QEMU KVM", "web/db x.y 0x0 12:30", "vm does not start"]
        {
            assert!(of_question(text).is_empty(), "{text}: {:?}", of_question(text));
        }
    }

    #[test]
    fn a_machine_is_named_by_our_own_titles() {
        assert_eq!(machine("vm web: it does not start"), Some("web"));
        assert_eq!(machine("review of vm web under tcg: pass"), Some("web"));
        assert_eq!(machine("what is wrong with vm web"), Some("web"));
        assert_eq!(machine("vm does not start"), None);
    }
}
