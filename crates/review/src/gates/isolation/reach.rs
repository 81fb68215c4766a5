//! What of others the VMM's user could open: by mode and owner, directory by directory, as the kernel would decide.
//! Access control lists are not read; they can only give more.

use super::observe::{Foreign, Observed};
use super::{Credentials, Gate};
use crate::quote;
use crate::scope::Owner;

/// Read, write and search, as bits of a mode's last digit.
const READ: u32 = 4;
const WRITE: u32 = 2;
const SEARCH: u32 = 1;

/// Numbers of the capabilities that pass over modes (capabilities(7)).
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;

/// How many files one line names.
const NAMED: usize = 3;

pub(super) fn judge(seen: &Observed, who: Option<&Credentials>, confined: bool, gate: &mut Gate) {
    gate.aspects.about("controls");
    controls(seen, gate);
    gate.aspects.about("other VMs");
    if let Ok(open) = &seen.open {
        for path in open.iter().filter(|path| seen.foreign.iter().any(|foreign| foreign.path == **path)) {
            gate.aspects.fail(format!("the VMM has `{}` open, which belongs to another VM", quote::line(path)));
        }
    }
    let Some(who) = who else { return gate.aspects.unknown("which files the VMM's user may open: its user is not known") };
    if seen.foreign.is_empty() {
        gate.row("files of other VMs", "there are none");
        return gate.aspects.none("no other VM is known here");
    }
    let mut reached = Vec::new();
    let mut dark = 0;
    for foreign in &seen.foreign {
        match may_open(who, foreign, READ) {
            Some(true) => reached.push(foreign),
            Some(false) => {}
            None => dark += 1,
        }
    }
    gate.row("files of other VMs", &format!("{} of {} could be opened by the VMM's user", reached.len(), seen.foreign.len()));
    if let Some(first) = reached.first() {
        let mut vms: Vec<&str> = reached.iter().map(|foreign| foreign.vm.as_str()).collect();
        vms.dedup();
        let names = vms[..vms.len().min(NAMED)].join(", ");
        let more = if vms.len() > NAMED { format!(" and {} more", vms.len() - NAMED) } else { String::new() };
        if confined {
            gate.row("kept from them", "by its label alone");
            gate.aspects.pass();
        } else {
            gate.aspects.fail(format!(
                "the VMM's user may open files of vm {}{more} (`{}`), and no label keeps it from them",
                quote::line(&names),
                quote::line(&first.path)
            ));
        }
    } else if dark > 0 {
        gate.aspects.unknown(format!("{dark} files of other VMs: whose they are cannot be told"));
    } else {
        gate.aspects.pass();
    }
}

/// The sockets that control this VM: nobody but their owner gets there.
fn controls(seen: &Observed, gate: &mut Gate) {
    // Somebody who is nobody here.
    let anybody = Credentials { uid: u32::MAX - 1, gid: u32::MAX - 1, ..Credentials::default() };
    if seen.controls.is_empty() {
        return gate.aspects.none("the VM has no socket that controls it");
    }
    for control in &seen.controls {
        let name = quote::line(&control.path);
        match may_open(&anybody, control, WRITE) {
            Some(true) => gate.aspects.fail(format!("any user of this host may control the VM by `{name}`")),
            Some(false) => gate.aspects.pass(),
            None => gate.aspects.unknown(format!("who may use `{name}` cannot be told")),
        }
    }
}

/// Whether somebody may open a file for this; none where that cannot be told.
pub(super) fn may_open(who: &Credentials, file: &Foreign, how: u32) -> Option<bool> {
    let reads = how == READ && who.may(DAC_READ_SEARCH);
    if who.may(DAC_OVERRIDE) || reads {
        return file.owner.as_ref().ok().map(|_| true);
    }
    for above in &file.above {
        if !allowed(who, above.as_ref().ok()?, SEARCH) {
            return Some(false);
        }
    }
    Some(allowed(who, file.owner.as_ref().ok()?, how))
}

/// One decision of the kernel: the first class that fits decides (path_resolution(7)).
fn allowed(who: &Credentials, owner: &Owner, how: u32) -> bool {
    let shift = if owner.uid == who.uid {
        6
    } else if owner.gid == who.gid || who.groups.contains(&owner.gid) {
        3
    } else {
        0
    };
    owner.mode >> shift & how == how
}
