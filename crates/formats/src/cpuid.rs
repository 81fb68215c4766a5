//! Raw answers of the CPU: `cpuid -1 -r`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// The registers of one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// Of this leaf.
    pub leaf: u32,
    /// And subleaf.
    pub subleaf: u32,
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// The answers of the first CPU of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpuid {
    /// In the order of the text.
    pub answers: Vec<Spanned<Registers>>,
}

/// What AMD's leaf 0x8000001f says of encrypted memory (AMD64 Architecture Programmer's Manual, volume 3, E.4.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SevSupport {
    /// Secure Encrypted Virtualization.
    pub sev: bool,
    /// Encrypted state.
    pub es: bool,
    /// Secure nested paging.
    pub snp: bool,
    /// How many encrypted guests can run at once.
    pub guests: u32,
    /// Lowest ASID of a plain SEV guest: those below are for ES and SNP.
    pub min_sev_asid: u32,
}

impl Cpuid {
    /// An answer.
    #[must_use]
    pub fn leaf(&self, leaf: u32, subleaf: u32) -> Option<&Spanned<Registers>> {
        self.answers.iter().find(|answer| (answer.leaf, answer.subleaf) == (leaf, subleaf))
    }

    /// `GenuineIntel`, `AuthenticAMD`.
    #[must_use]
    pub fn vendor(&self) -> Option<String> {
        let answer = self.leaf(0, 0)?;
        let bytes: Vec<u8> =
            [answer.ebx, answer.edx, answer.ecx].iter().flat_map(|word| word.to_le_bytes()).collect();
        String::from_utf8(bytes).ok()
    }

    /// Whether a hypervisor runs below (leaf 1, ECX bit 31).
    #[must_use]
    pub fn in_guest(&self) -> Option<Spanned<bool>> {
        let answer = self.leaf(1, 0)?;
        Some(Spanned::new(answer.ecx >> 31 == 1, answer.line))
    }

    /// SEV; none where the CPU has no such leaf or it was not read.
    #[must_use]
    pub fn sev(&self) -> Option<Spanned<SevSupport>> {
        let answer = self.leaf(0x8000_001f, 0)?;
        let bit = |number: u32| answer.eax >> number & 1 == 1;
        let support =
            SevSupport { sev: bit(1), es: bit(3), snp: bit(4), guests: answer.ecx, min_sev_asid: answer.edx };
        Some(Spanned::new(support, answer.line))
    }

    /// Whether this is a TDX guest (leaf 0x21: `IntelTDX    `).
    #[must_use]
    pub fn in_tdx(&self) -> Option<Spanned<bool>> {
        let answer = self.leaf(0x21, 0)?;
        let name = [answer.ebx, answer.edx, answer.ecx].map(u32::to_le_bytes).concat();
        Some(Spanned::new(name == b"IntelTDX    ", answer.line))
    }

    /// Bits of physical addresses (leaf 0x80000008).
    #[must_use]
    pub fn address_bits(&self) -> Option<Spanned<u32>> {
        let answer = self.leaf(0x8000_0008, 0)?;
        Some(Spanned::new(answer.eax & 0xff, answer.line))
    }
}

impl View for Cpuid {
    const KIND: Kind = Kind::new("cpuid");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &[": eax="];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut cpus = 0;
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.starts_with("CPU") {
                cpus += 1;
            } else if let Some(answer) = answer(line) {
                if cpus < 2 {
                    view.answers.push(Spanned::new(answer, number));
                }
            } else if !line.is_empty() && !line.starts_with(['$', '#']) {
                issues.push(Issue::new(number, "not an answer of cpuid"));
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = crate::lines::share(head, |line| answer(line.trim()).is_some());
        match hits > 0 && hits * 2 >= all {
            true => 95,
            false if name.starts_with("cpuid") => 25,
            false => 0,
        }
    }
}

/// `0x00000007 0x00: eax=0x00000000 ebx=0x... ecx=0x... edx=0x...`.
fn answer(line: &str) -> Option<Registers> {
    let (place, registers) = line.split_once(": eax=")?;
    let hex = |word: &str| u32::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok();
    let (leaf, subleaf) = place.split_once(' ')?;
    let (eax, rest) = registers.split_once(" ebx=")?;
    let (ebx, rest) = rest.split_once(" ecx=")?;
    let (ecx, edx) = rest.split_once(" edx=")?;
    Some(Registers {
        leaf: hex(leaf)?,
        subleaf: hex(subleaf)?,
        eax: hex(eax)?,
        ebx: hex(ebx)?,
        ecx: hex(ecx)?,
        edx: hex(edx)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_decoded() {
        let (view, issues) = Cpuid::read(include_str!("../tests/samples/cpuid.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.vendor().as_deref(), Some("AuthenticAMD"));
        assert_eq!(view.in_guest().map(|guest| guest.value), Some(false));
        let sev = SevSupport { sev: true, es: true, snp: true, guests: 509, min_sev_asid: 100 };
        assert_eq!(view.sev().map(|found| found.value), Some(sev));
        assert_eq!(view.address_bits().map(|bits| bits.value), Some(48));
        assert_eq!(view.in_tdx(), None);
        assert_eq!(Cpuid::read("what\n").1, [Issue::new(1, "not an answer of cpuid")]);
        let two = "CPU 0:\n0x1 0x00: eax=0x1 ebx=0x0 ecx=0x0 edx=0x0\nCPU 1:\n0x1 0x00: eax=0x2 ebx=0x0 ecx=0x0 edx=0x0\n";
        assert_eq!(Cpuid::read(two).0.answers.len(), 1);
    }
}
