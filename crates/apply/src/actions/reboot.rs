//! Restarts the host, or waits until somebody does. The executor sees to what comes before and behind it (`after_boot.rs`).

use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;

/// Id of the boot (kernel, Documentation/admin-guide/sysctl/kernel.rst, `random`).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// See [`Action::Reboot`].
pub(super) struct Reboot<'a> {
    pub(super) left: Option<&'a str>,
}

impl Act for Reboot<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        if self.left.is_some() {
            return Ok(Action::Reboot { left: None });
        }
        boot(world).map(|boot| Action::Reboot { left: Some(boot) })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.left.is_some() {
            return Ok(());
        }
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        succeed(world, "systemctl", &["reboot"]).map(drop)
    }

    /// What a boot was cannot come back; what the next one is, the other steps decide.
    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Ok(())
    }
}

/// See [`Action::AwaitReboot`].
pub(super) struct AwaitReboot<'a> {
    pub(super) left: Option<&'a str>,
}

impl Act for AwaitReboot<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        let left = if self.left.is_some() { None } else { Some(boot(world)?) };
        Ok(Action::AwaitReboot { left })
    }

    fn perform(&self, _: &World<'_>, _: &Action) -> Result<(), ActionError> {
        Ok(())
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Ok(())
    }
}

/// Id of the boot that a run leaves behind, where something waits for the run in the next one.
fn boot(world: &World<'_>) -> Result<String, ActionError> {
    if world.system.units().is_none() {
        return Err(ActionError::NoTool("systemd, which would wait for the run behind the restart,"));
    }
    let boot = world.system.read(BOOT);
    let boot = boot.map_err(|source| ActionError::Io { path: BOOT.to_owned(), what: "read", source })?;
    Ok(boot.trim().to_owned())
}
