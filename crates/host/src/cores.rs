//! Core scheduling: which threads the kernel lets run on one core at the same time.

use std::io;

/// The cookie of a thread: only threads of the same cookie run on one core at a time (Documentation/admin-guide/hw-vuln/core-scheduling.rst).
/// 0 stands for no cookie.
///
/// # Errors
/// The kernel's: no such thread, one that this process may not trace, or a kernel that does not tell. One that was built without
/// core scheduling has no cookies, which is no error.
pub fn core_cookie(thread: u32) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let pid = libc::c_ulong::from(thread);
    let (get, scope) =
        (libc::PR_SCHED_CORE_GET as libc::c_ulong, libc::PR_SCHED_CORE_SCOPE_THREAD as libc::c_ulong);
    // SAFETY: the fifth argument is where the kernel writes eight bytes, and these are eight of ours.
    let status = unsafe { libc::prctl(libc::PR_SCHED_CORE, get, pid, scope, &raw mut cookie) };
    if status == 0 {
        return Ok(cookie);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Without CONFIG_SCHED_CORE the option is not known (EINVAL); without SMT it has no cookies to tell of (ENODEV).
        Some(libc::EINVAL | libc::ENODEV) => Ok(0),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_that_is_there_has_a_cookie_or_none_and_one_that_is_not_is_an_error() {
        super::core_cookie(std::process::id()).unwrap();
        // Higher than the kernel gives (PID_MAX_LIMIT is 4194304).
        let gone = super::core_cookie(4_194_305);
        assert!(
            gone.is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
                || super::core_cookie(1).is_ok()
        );
    }
}
