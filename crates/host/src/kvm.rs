//! Whether KVM can run guests, found out by running one: a page of real-mode code, then a page of 64-bit code
//! with a BMI2 instruction. CPU flags and the mere presence of `/dev/kvm` say less: there are hosts whose
//! `/dev/kvm` opens but runs guest code in an instruction emulator that does not know what stock kernels use.

#[cfg(target_arch = "x86_64")]
mod guest;

use crate::file::words;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::fmt;

/// What opening `/dev/kvm` gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    /// It opened for reading and writing.
    Ok,
    /// There is no such device.
    Absent,
    /// The caller may not open it.
    Denied,
    /// The system's words.
    Failed(String),
}

/// What a page of guest code gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// It ran and reported the right result.
    Ok,
    /// KVM gave up in its instruction emulator (`KVM_EXIT_INTERNAL_ERROR`, suberror 1).
    EmulationFailure,
    /// The processor has no BMI2; the same page without that instruction ran.
    NotOffered,
    /// It was given up, in words: KVM hangs, or the host is busy.
    Late(String),
    /// Anything else, in words.
    Failed(String),
}

/// What KVM is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvmVerdict {
    /// Stock kernels run.
    Usable,
    /// Only tiny guests made for it run: guest code is emulated.
    ParavirtualOnly,
    /// Nothing runs.
    Unusable,
    /// There is no page of code for this processor, so nothing was run; or one did not end in its time.
    Unknown,
}

/// The answers of [`probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvmProbe {
    /// What opening `/dev/kvm` gave.
    pub open: Open,
    /// The API version, 12 on every kernel since 2.6.22; none where the device did not open or answer.
    pub api: Option<i32>,
    /// The page of real-mode code.
    pub real_mode: Page,
    /// The page of 64-bit code with a BMI2 instruction.
    pub long_mode_bmi2: Page,
}

/// `KVM_API_VERSION` of `linux/kvm.h`; anything else must be refused.
const API: i32 = 12;

/// Opens `/dev/kvm` and runs two pages of guest code. Takes some milliseconds, at most about one second: a page
/// that does not end is interrupted.
#[must_use]
pub fn probe() -> KvmProbe {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match open("/dev/kvm", flags, Mode::empty()) {
        Ok(device) => run(device),
        Err(error) => KvmProbe::not_open(error),
    }
}

#[cfg(target_arch = "x86_64")]
fn run(device: rustix::fd::OwnedFd) -> KvmProbe {
    guest::run(device)
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_device: rustix::fd::OwnedFd) -> KvmProbe {
    let none = || Page::Failed(NO_CODE.to_owned());
    KvmProbe { open: Open::Ok, api: None, real_mode: none(), long_mode_bmi2: none() }
}

/// Why no page ran on a processor that there is no code for.
#[cfg(not(target_arch = "x86_64"))]
const NO_CODE: &str = "no guest code for this processor";

impl KvmProbe {
    fn not_open(error: Errno) -> Self {
        let open = match error {
            Errno::NOENT => Open::Absent,
            Errno::ACCESS | Errno::PERM => Open::Denied,
            other => Open::Failed(words(other)),
        };
        Self::without_pages(open, None, "not run")
    }

    fn without_pages(open: Open, api: Option<i32>, why: &str) -> Self {
        let page = || Page::Failed(why.to_owned());
        Self { open, api, real_mode: page(), long_mode_bmi2: page() }
    }

    /// What KVM is good for, by the answers.
    #[must_use]
    pub fn verdict(&self) -> KvmVerdict {
        if self.open != Open::Ok {
            return KvmVerdict::Unusable;
        }
        if cfg!(not(target_arch = "x86_64")) {
            return KvmVerdict::Unknown;
        }
        match (self.api, &self.real_mode, &self.long_mode_bmi2) {
            (_, Page::Late(_), _) | (_, _, Page::Late(_)) => KvmVerdict::Unknown,
            (Some(API), Page::Ok, Page::Ok | Page::NotOffered) => KvmVerdict::Usable,
            (Some(API), Page::Ok, Page::EmulationFailure) => KvmVerdict::ParavirtualOnly,
            // Guests that a boot loader enters in 64-bit mode run, firmware does not.
            (Some(API), _, Page::Ok | Page::NotOffered) => KvmVerdict::ParavirtualOnly,
            _ => KvmVerdict::Unusable,
        }
    }

    fn reason(&self) -> String {
        match &self.open {
            Open::Absent => {
                return "there is no /dev/kvm: no KVM module is loaded, or this container has no device"
                    .to_owned();
            }
            Open::Denied => return "this user may not open /dev/kvm for reading and writing".to_owned(),
            Open::Failed(why) => return format!("/dev/kvm does not open: {why}"),
            Open::Ok => {}
        }
        if cfg!(not(target_arch = "x86_64")) {
            return "vmwright has no guest code for this processor, so nothing was run".to_owned();
        }
        match (self.api, &self.real_mode, &self.long_mode_bmi2) {
            (Some(API), Page::Ok, Page::Ok) => {
                "real-mode code and 64-bit code with a BMI2 instruction ran".to_owned()
            }
            (Some(API), Page::Ok, Page::NotOffered) => {
                "real-mode and 64-bit code ran; the processor offers no BMI2".to_owned()
            }
            (Some(API), Page::Ok, Page::EmulationFailure) => {
                "KVM emulates guest code and gave up at a BMI2 instruction (KVM internal error, suberror 1): \
                 stock kernels do not boot, tiny guests do"
                    .to_owned()
            }
            (_, Page::Late(why), _) | (_, _, Page::Late(why)) => {
                format!("{why}: the host is busy, or KVM hangs")
            }
            (Some(API), Page::Ok, Page::Failed(why)) => format!("64-bit code did not run: {why}"),
            (Some(API), real, Page::Ok | Page::NotOffered) => {
                format!("64-bit code ran, real-mode code did not ({}): firmware does not boot", real.why())
            }
            (Some(API), real, long) => {
                format!("neither real-mode code ({}) nor 64-bit code ({}) ran", real.why(), long.why())
            }
            (Some(other), ..) => format!("the API version is {other}; every KVM since 2007 says {API}"),
            (None, ..) => "KVM does not tell its API version".to_owned(),
        }
    }

    /// The record's text: one `key: value` a line, always the same six keys in the same order.
    #[must_use]
    pub fn to_text(&self) -> String {
        let open = match &self.open {
            Open::Ok => "ok",
            Open::Absent => "absent",
            Open::Denied => "denied",
            Open::Failed(why) => why,
        };
        let api = self.api.map_or("none".to_owned(), |api| api.to_string());
        format!(
            "open: {open}\napi: {api}\nreal-mode: {}\nlong-mode-bmi2: {}\nverdict: {}\nreason: {}\n",
            self.real_mode,
            self.long_mode_bmi2,
            self.verdict(),
            self.reason()
        )
    }
}

impl Page {
    fn why(&self) -> &str {
        match self {
            Page::Ok => "ok",
            Page::EmulationFailure => "instruction emulation failed",
            Page::NotOffered => "not offered",
            Page::Late(why) | Page::Failed(why) => why,
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Page::Ok => f.write_str("ok"),
            Page::EmulationFailure => f.write_str("emulation-failure"),
            Page::NotOffered => f.write_str("not-offered"),
            Page::Late(why) | Page::Failed(why) => write!(f, "failed {why}"),
        }
    }
}

impl fmt::Display for KvmVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KvmVerdict::Usable => "usable",
            KvmVerdict::ParavirtualOnly => "paravirtual-only",
            KvmVerdict::Unusable => "unusable",
            KvmVerdict::Unknown => "unknown",
        })
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn with(real_mode: Page, long_mode_bmi2: Page) -> KvmProbe {
        KvmProbe { open: Open::Ok, api: Some(12), real_mode, long_mode_bmi2 }
    }

    #[test]
    fn the_text_has_six_keys() {
        assert_eq!(
            with(Page::Ok, Page::EmulationFailure).to_text(),
            "open: ok\napi: 12\nreal-mode: ok\nlong-mode-bmi2: emulation-failure\nverdict: paravirtual-only\n\
             reason: KVM emulates guest code and gave up at a BMI2 instruction (KVM internal error, suberror 1): \
             stock kernels do not boot, tiny guests do\n"
        );
        assert_eq!(
            KvmProbe::not_open(Errno::NOENT).to_text(),
            "open: absent\napi: none\nreal-mode: failed not run\nlong-mode-bmi2: failed not run\nverdict: unusable\n\
             reason: there is no /dev/kvm: no KVM module is loaded, or this container has no device\n"
        );
        assert!(KvmProbe::not_open(Errno::ACCESS).to_text().starts_with("open: denied\n"));
        assert!(KvmProbe::not_open(Errno::BUSY).to_text().starts_with("open: device or resource busy\n"));
    }

    #[test]
    fn verdicts() {
        let failed = || Page::Failed("triple fault".to_owned());
        for (real, long, verdict) in [
            (Page::Ok, Page::Ok, KvmVerdict::Usable),
            (Page::Ok, Page::NotOffered, KvmVerdict::Usable),
            (Page::Ok, Page::EmulationFailure, KvmVerdict::ParavirtualOnly),
            (failed(), Page::Ok, KvmVerdict::ParavirtualOnly),
            (Page::EmulationFailure, Page::Ok, KvmVerdict::ParavirtualOnly),
            (Page::Ok, failed(), KvmVerdict::Unusable),
            (Page::EmulationFailure, Page::EmulationFailure, KvmVerdict::Unusable),
        ] {
            let probe = with(real, long);
            assert_eq!(probe.verdict(), verdict, "{probe:?}");
            assert_eq!(probe.to_text().lines().count(), 6);
        }
        let old = KvmProbe { api: Some(11), ..with(Page::Ok, Page::Ok) };
        assert_eq!(old.verdict(), KvmVerdict::Unusable);
        assert!(old.to_text().ends_with("reason: the API version is 11; every KVM since 2007 says 12\n"));
    }
}
