//! The two pages of guest code, and the virtual machine of one processor that runs them.

use super::{KvmProbe, Open, Page};
use crate::file::words;
use kvm_bindings::{
    KVM_INTERNAL_ERROR_EMULATION, KVM_MAX_CPUID_ENTRIES, kvm_regs, kvm_segment, kvm_sregs,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd};
use rustix::fd::{IntoRawFd, OwnedFd};
use rustix::io::Errno;
use std::os::fd::FromRawFd;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// Guest memory: 64 KiB from address 0.
const MEMORY: usize = 64 * 1024;

/// Where the real-mode code stands, and where the 64-bit code does.
const REAL_CODE: u64 = 0x1000;
const LONG_CODE: u64 = 0x5000;

/// The page tables of the 64-bit code, three levels that map the first 2 MiB onto themselves.
const TABLES: [usize; 3] = [0x2000, 0x3000, 0x4000];

/// The port that guest code reports to. It is no device's.
const PORT: u16 = 0xf00;

/// `mov ax, 0x1234; add ax, bx; mov dx, 0xf00; out dx, ax; hlt`.
const REAL: &[u8] = &[0xb8, 0x34, 0x12, 0x01, 0xd8, 0xba, 0x00, 0x0f, 0xef, 0xf4];

/// What `bx` holds before it, and what it must report: 0x1234 + 0x4321.
const REAL_BX: u64 = 0x4321;
const REAL_RESULT: &[u8] = &[0x55, 0x55];

/// `mov eax, 0x11; mov ecx, 4`, then one shift of `eax` by `cl`, then `mov edx, 0xf00; out dx, eax; hlt`.
const LONG_BEFORE: &[u8] = &[0xb8, 0x11, 0, 0, 0, 0xb9, 0x04, 0, 0, 0];
const LONG_AFTER: &[u8] = &[0xba, 0x00, 0x0f, 0, 0, 0xef, 0xf4];

/// `shlx eax, eax, ecx` of BMI2, and the shift that every processor has.
const SHLX: &[u8] = &[0xc4, 0xe2, 0x71, 0xf7, 0xc0];
const SHL: &[u8] = &[0xd3, 0xe0];

/// What the 64-bit code must report: 0x11 << 4.
const LONG_RESULT: &[u8] = &[0x10, 0x01, 0, 0];

/// How long one page may run.
const PATIENCE: Duration = Duration::from_millis(400);

/// Runs both pages.
pub(super) fn run(device: OwnedFd) -> KvmProbe {
    // SAFETY: the descriptor is open and given away.
    let kvm = unsafe { Kvm::from_raw_fd(device.into_raw_fd()) };
    let api = kvm.get_api_version();
    if api != super::API {
        return KvmProbe::without_pages(Open::Ok, (api >= 0).then_some(api), "not run");
    }
    let real_mode = page(&kvm, REAL_CODE, REAL, REAL_RESULT, real_registers);
    let bmi2 = has_bmi2();
    let code = [LONG_BEFORE, if bmi2 { SHLX } else { SHL }, LONG_AFTER].concat();
    let long_mode_bmi2 = match page(&kvm, LONG_CODE, &code, LONG_RESULT, long_registers) {
        Page::Ok if !bmi2 => Page::NotOffered,
        other => other,
    };
    KvmProbe { open: Open::Ok, api: Some(api), real_mode, long_mode_bmi2 }
}

/// CPUID leaf 7, EBX bit 8, of the processor itself. What KVM offers to guests does not matter: no processor can
/// keep a guest from using BMI2, and a KVM that emulates guest code may leave it out just because it cannot.
fn has_bmi2() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & (1 << 8) != 0
}

/// Anonymous memory for the guest, unmapped at the end.
struct Memory(NonNull<u8>);

impl Memory {
    fn new() -> Result<Self, String> {
        // SAFETY: a fresh private anonymous mapping that nobody else knows of.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                MEMORY,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(format!("no memory for a guest: {}", std::io::Error::last_os_error()));
        }
        NonNull::new(start.cast()).map(Self).ok_or_else(|| "no memory for a guest".to_owned())
    }

    /// Writes before the guest runs.
    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= MEMORY, "the pages above lie inside guest memory");
        // SAFETY: inside the mapping, as just checked; no guest runs yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr().add(at), bytes.len()) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; the virtual machine that used it is gone before it.
        unsafe { libc::munmap(self.0.as_ptr().cast(), MEMORY) };
    }
}

fn page(kvm: &Kvm, at: u64, code: &[u8], result: &[u8], registers: fn(&mut kvm_sregs) -> kvm_regs) -> Page {
    match run_page(kvm, at, code, result, registers) {
        Ok(page) => page,
        Err(why) => Page::Failed(why),
    }
}

fn run_page(
    kvm: &Kvm,
    at: u64,
    code: &[u8],
    result: &[u8],
    registers: fn(&mut kvm_sregs) -> kvm_regs,
) -> Result<Page, String> {
    let memory = Memory::new()?;
    let [top, middle, last] = TABLES;
    // Present and writable; the last one also maps a page of 2 MiB.
    memory.write(top, &(middle as u64 | 0x3).to_le_bytes());
    memory.write(middle, &(last as u64 | 0x3).to_le_bytes());
    memory.write(last, &0x83_u64.to_le_bytes());
    memory.write(usize::try_from(at).unwrap_or(MEMORY), code);

    let vm = kvm.create_vm().map_err(|error| refused("KVM_CREATE_VM", error))?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY as u64,
        userspace_addr: memory.0.as_ptr() as u64,
    };
    // SAFETY: the mapping outlives `vm`, which is dropped first as the later local.
    unsafe { vm.set_user_memory_region(region) }
        .map_err(|error| refused("KVM_SET_USER_MEMORY_REGION", error))?;
    let mut vcpu = vm.create_vcpu(0).map_err(|error| refused("KVM_CREATE_VCPU", error))?;
    let cpuid = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .map_err(|error| refused("KVM_GET_SUPPORTED_CPUID", error))?;
    vcpu.set_cpuid2(&cpuid).map_err(|error| refused("KVM_SET_CPUID2", error))?;
    let mut special = vcpu.get_sregs().map_err(|error| refused("KVM_GET_SREGS", error))?;
    let general = registers(&mut special);
    vcpu.set_sregs(&special).map_err(|error| refused("KVM_SET_SREGS", error))?;
    vcpu.set_regs(&general).map_err(|error| refused("KVM_SET_REGS", error))?;
    let _alarm = Alarm::start(PATIENCE)?;
    execute(&mut vcpu, result)
}

fn refused(what: &str, error: kvm_ioctls::Error) -> String {
    format!("{what}: {}", words(Errno::from_raw_os_error(error.errno())))
}

fn real_registers(special: &mut kvm_sregs) -> kvm_regs {
    special.cs.base = 0;
    special.cs.selector = 0;
    kvm_regs { rip: REAL_CODE, rbx: REAL_BX, rflags: 2, ..kvm_regs::default() }
}

fn long_registers(special: &mut kvm_sregs) -> kvm_regs {
    // Intel SDM volume 3, 10.8.5: protection, paging, PAE, EFER.LME and LMA, a 64-bit code segment.
    let flat = kvm_segment { base: 0, limit: u32::MAX, present: 1, s: 1, g: 1, ..kvm_segment::default() };
    special.cs = kvm_segment { selector: 8, type_: 11, l: 1, db: 0, ..flat };
    let data = kvm_segment { selector: 16, type_: 3, db: 1, ..flat };
    (special.ds, special.es, special.fs, special.gs, special.ss) = (data, data, data, data, data);
    special.cr0 = 0x8000_0031;
    special.cr3 = TABLES[0] as u64;
    special.cr4 = 0x20;
    special.efer = 0x500;
    kvm_regs { rip: LONG_CODE, rsp: 0x8000, rflags: 2, ..kvm_regs::default() }
}

fn execute(vcpu: &mut VcpuFd, result: &[u8]) -> Result<Page, String> {
    let ends = Instant::now() + PATIENCE;
    loop {
        let exit = match vcpu.run() {
            Ok(VcpuExit::IoOut(PORT, data)) if data == result => return Ok(Page::Ok),
            Ok(VcpuExit::IoOut(port, data)) => {
                return Err(format!("guest code reported {data:02x?} to port {port:#x}"));
            }
            Ok(VcpuExit::InternalError) => None,
            // Another signal, or the alarm, came between.
            Ok(VcpuExit::Intr) => {
                if Instant::now() >= ends {
                    return Ok(late());
                }
                continue;
            }
            Ok(other) => Some(format!("{other:?}")),
            Err(error) if error.errno() == libc::EINTR || error.errno() == libc::EAGAIN => {
                if Instant::now() >= ends {
                    return Ok(late());
                }
                continue;
            }
            Err(error) => return Err(refused("KVM_RUN", error)),
        };
        if let Some(exit) = exit {
            return Err(format!("guest code ended with {exit}"));
        }
        // SAFETY: after KVM_EXIT_INTERNAL_ERROR the kernel has filled this arm of the union.
        let suberror = unsafe { vcpu.get_kvm_run().__bindgen_anon_1.internal.suberror };
        if suberror == KVM_INTERNAL_ERROR_EMULATION {
            return Ok(Page::EmulationFailure);
        }
        return Err(format!("KVM internal error, suberror {suberror}"));
    }
}

fn late() -> Page {
    Page::Late(format!("guest code did not end within {} ms", PATIENCE.as_millis()))
}

/// A timer that interrupts `KVM_RUN` of this thread, again and again until it is dropped, so that no race between
/// the signal and the entry into the guest can lose it.
struct Alarm(libc::timer_t);

impl Alarm {
    fn start(after: Duration) -> Result<Self, String> {
        extern "C" fn nothing(_signal: libc::c_int) {}
        let failed = |what: &str| format!("{what}: {}", std::io::Error::last_os_error());
        let signal = libc::SIGRTMIN() + 4;
        // SAFETY: all three structures are plain data, filled before use; the handler does nothing at all, and
        // without SA_RESTART the signal ends KVM_RUN.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
            if libc::sigaction(signal, &raw const action, std::ptr::null_mut()) != 0 {
                return Err(failed("sigaction"));
            }
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer: libc::timer_t = std::ptr::null_mut();
            if libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) != 0 {
                return Err(failed("timer_create"));
            }
            let timer = Self(timer);
            let spec = |time: Duration| libc::timespec {
                tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(1),
                tv_nsec: libc::c_long::from(i32::try_from(time.subsec_nanos()).unwrap_or(0)),
            };
            let times =
                libc::itimerspec { it_interval: spec(Duration::from_millis(20)), it_value: spec(after) };
            if libc::timer_settime(timer.0, 0, &raw const times, std::ptr::null_mut()) != 0 {
                return Err(failed("timer_settime"));
            }
            Ok(timer)
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: made in `start`, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `jmp $`: without the alarm this test would never end.
    #[test]
    fn a_page_that_never_ends_is_interrupted() {
        let Ok(kvm) = Kvm::new() else {
            eprintln!("SKIPPED a_page_that_never_ends_is_interrupted: /dev/kvm does not open here");
            return;
        };
        let started = Instant::now();
        let page = page(&kvm, REAL_CODE, &[0xeb, 0xfe], REAL_RESULT, real_registers);
        assert_eq!(page, Page::Late("guest code did not end within 400 ms".to_owned()));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }

    #[test]
    fn a_wrong_answer_is_not_taken_for_a_right_one() {
        let Ok(kvm) = Kvm::new() else {
            eprintln!("SKIPPED a_wrong_answer_is_not_taken_for_a_right_one: /dev/kvm does not open here");
            return;
        };
        let wrong = page(&kvm, REAL_CODE, REAL, &[0x55, 0x56], real_registers);
        assert_eq!(wrong, Page::Failed("guest code reported [55, 55] to port 0xf00".to_owned()));
    }
}
