//! Makes a bridge of Open vSwitch, and takes one away that vmwright made.

use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;

/// How long the daemon may take to carry a change out, in seconds; it does so within one.
const WAIT: &str = "--timeout=20";
/// By which a bridge is known to be vmwright's.
const MARK: &str = "external_ids:vmwright";

/// See [`Action::OvsBridgeAdd`].
pub(super) struct OvsBridgeAdd<'a> {
    pub(super) bridge: &'a str,
}

/// See [`Action::OvsBridgeRemove`].
pub(super) struct OvsBridgeRemove<'a> {
    pub(super) bridge: &'a str,
}

/// One value of a row, nothing where there is no such row or no such key (`--if-exists`, ovs-vsctl(8)).
fn value(world: &World<'_>, table: &str, row: &str, column: &str) -> Result<String, ActionError> {
    let said = succeed(world, "ovs-vsctl", &[WAIT, "--if-exists", "get", table, row, column])?;
    Ok(said.trim().trim_matches('"').to_owned())
}

fn drift(bridge: &str, expected: &str, found: impl Into<String>) -> ActionError {
    ActionError::Drift {
        what: format!("bridge {bridge} of Open vSwitch"),
        expected: expected.to_owned(),
        found: found.into(),
    }
}

/// That nothing in Open vSwitch has this name.
fn must_be_absent(world: &World<'_>, bridge: &str) -> Result<(), ActionError> {
    // A port of this name keeps a bridge from it as well.
    for table in ["Bridge", "Port"] {
        if !value(world, table, bridge, "name")?.is_empty() {
            return Err(drift(bridge, "absent", format!("a {}", table.to_lowercase())));
        }
    }
    Ok(())
}

/// That it is there, and as vmwright made it.
fn must_be_ours(world: &World<'_>, bridge: &str) -> Result<(), ActionError> {
    if value(world, "Bridge", bridge, "name")?.is_empty() {
        return Err(drift(bridge, "as vmwright made it", "absent"));
    }
    if value(world, "Bridge", bridge, MARK)? != world.host_id {
        return Err(drift(bridge, "one that vmwright made", "another's"));
    }
    Ok(())
}

impl Act for OvsBridgeAdd<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be_absent(world, self.bridge)?;
        Ok(Action::OvsBridgeRemove { bridge: self.bridge.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        // One transaction: a bridge that is there is known as ours.
        let mark = format!("{MARK}=\"{}\"", world.host_id);
        let words = [WAIT, "add-br", self.bridge, "--", "set", "Bridge", self.bridge, &mark];
        succeed(world, "ovs-vsctl", &words).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be_ours(world, self.bridge)?;
        // The record alone is no bridge: the daemon numbers the bridge's own interface once it has made it.
        let number = value(world, "Interface", self.bridge, "ofport")?;
        if number.parse::<u32>().is_ok() {
            return Ok(());
        }
        let error = value(world, "Interface", self.bridge, "error")?;
        Err(drift(self.bridge, "working", format!("a record without interface, error {error}")))
    }
}

impl Act for OvsBridgeRemove<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be_ours(world, self.bridge)?;
        let ports = succeed(world, "ovs-vsctl", &[WAIT, "list-ports", self.bridge])?;
        if !ports.trim().is_empty() {
            let ports = ports.split_whitespace().collect::<Vec<_>>().join(", ");
            return Err(drift(self.bridge, "without ports", format!("with {ports}")));
        }
        Ok(Action::OvsBridgeAdd { bridge: self.bridge.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        succeed(world, "ovs-vsctl", &[WAIT, "del-br", self.bridge]).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be_absent(world, self.bridge)
    }
}
