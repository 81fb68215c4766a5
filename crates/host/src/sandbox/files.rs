//! Landlock: what may be done to files.

use super::{Role, SandboxError};
use crate::asking;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};
use std::path::{Path, PathBuf};
use vmwright_model::analysis::Sandbox;

/// What the kernel offers.
pub(super) struct Landlock {
    /// ABI, from 1; 0 where there is none.
    pub(super) abi: u32,
    /// Why there is none.
    why: String,
}

impl Landlock {
    pub(super) fn of_this_kernel() -> Self {
        // landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) gives the ABI.
        // SAFETY: a plain system call; a null attribute of size 0 is what asks for the version.
        let abi = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0usize, 1u32)
        };
        let why = match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::ENOSYS) => "ENOSYS: built without it, or older than 5.13".to_owned(),
            Some(libc::EOPNOTSUPP) => "EOPNOTSUPP: not enabled at boot (lsm=landlock,...)".to_owned(),
            Some(errno) => format!("errno {errno}"),
            None => String::new(),
        };
        Self { abi: u32::try_from(abi).unwrap_or(0), why }
    }

    /// The same, as an older kernel would offer it.
    pub(super) fn capped(self, newest: u32) -> Self {
        if newest == 0 {
            return Self { abi: 0, why: "left out".to_owned() };
        }
        Self { abi: self.abi.min(newest), ..self }
    }
}

/// Lets files be read (and run, where commands are), and be changed beneath `state` alone, or nowhere without one.
pub(super) fn restrict(
    landlock: &Landlock,
    state: Option<&Path>,
    role: Role,
    sandbox: &mut Sandbox,
) -> Result<(), SandboxError> {
    if landlock.abi == 0 {
        let what = "files: nothing but ownership and mode keeps this process from writing";
        sandbox.lacking.push(format!("{what} (Landlock: {})", landlock.why));
        return Ok(());
    }
    let abi = ABI::from(i32::try_from(landlock.abi).unwrap_or(i32::MAX));
    let all = AccessFs::from_all(abi);
    // The ABI is known, so nothing is left to the crate's best effort: a right that the kernel refuses is an error.
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(all)?;
    if landlock.abi >= 4 {
        rules = rules.handle_access(AccessNet::from_all(abi))?;
    }
    if landlock.abi >= 6 {
        rules = rules.scope(Scope::from_all(abi))?;
    }
    let mut read = AccessFs::from_read(abi);
    if role == Role::Records {
        read &= !BitFlags::from(AccessFs::Execute);
    }
    // Device nodes would reach past the file system, and sockets past this process.
    let never = AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSock
        | AccessFs::IoctlDev
        | AccessFs::ResolveUnix;
    let mut open: Vec<(PathBuf, BitFlags<AccessFs>)> =
        vec![("/".into(), read), ("/dev/null".into(), (AccessFs::WriteFile | AccessFs::Truncate) & all)];
    if role == Role::LiveHost {
        open.push(("/dev/kvm".into(), (AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev) & all));
    }
    if role == Role::Messenger {
        let resolve = BitFlags::from(AccessFs::ResolveUnix) & all;
        open.extend(asking::SOCKETS.map(|path| (path.into(), resolve)));
        // Those that are there now; a VM that starts later is not asked.
        open.extend(asking::qmp::sockets().into_iter().map(|path| (path, resolve)));
    }
    let mut rules = rules.create()?;
    // Rights that this kernel does not know leave nothing to allow.
    for (path, access) in open.into_iter().filter(|(_, access)| !access.is_empty()) {
        // /dev/kvm and, in a bare container, /dev/null need not exist.
        if let Ok(file) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(file, access))?;
        }
    }
    let change = match state {
        Some(state) => {
            let own = PathFd::new(state).map_err(|_| SandboxError::State {
                path: state.to_owned(),
                source: std::io::Error::last_os_error(),
            })?;
            let own_access = (all & !never & !BitFlags::from(AccessFs::Execute)) | read;
            rules = rules.add_rule(PathBeneath::new(own, own_access))?;
            format!("only beneath {}", state.display())
        }
        None => "nothing".to_owned(),
    };
    rules.restrict_self()?;
    let run = if role == Role::Records { "read" } else { "read and run" };
    sandbox.enforced.push(format!("files: {run} anywhere, change {change} (Landlock ABI {})", landlock.abi));
    Ok(())
}
