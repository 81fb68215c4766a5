//! Makes a port of Open vSwitch, gives it another VLAN, and takes one away that vmwright made.

use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;
use vmwright_model::plan::OvsPort as State;

/// How long the daemon may take to carry a change out, in seconds; it does so within one.
const WAIT: &str = "--timeout=20";

/// By which a port is known to be vmwright's.
const MARK: &str = "external_ids:vmwright";

/// See [`Action::OvsPort`].
pub(super) struct OvsPort<'a> {
    pub(super) port: &'a str,
    pub(super) from: Option<&'a State>,
    pub(super) to: Option<&'a State>,
}

impl OvsPort<'_> {
    fn found(&self, world: &World<'_>) -> Result<Option<State>, ActionError> {
        let list = |words: &[&str]| {
            let words: Vec<&str> = [WAIT].into_iter().chain(words.iter().copied()).collect();
            succeed(world, "ovs-vsctl", &words).map(|said| said.trim().to_owned())
        };
        // `--if-exists` makes what is not there an empty answer (ovs-vsctl(8)).
        let tag = list(&["--if-exists", "get", "Port", self.port, "tag"])?;
        if tag.is_empty() {
            return Ok(None);
        }
        let bridge = list(&["port-to-br", self.port])?;
        let kind = list(&["--if-exists", "get", "Interface", self.port, "type"])?;
        Ok(Some(State { bridge, tag: tag.parse().ok(), internal: kind.trim_matches('"') == "internal" }))
    }

    fn must_be(&self, world: &World<'_>, wanted: Option<&State>) -> Result<(), ActionError> {
        let found = self.found(world)?;
        if found.as_ref() == wanted {
            return Ok(());
        }
        let told = |state: Option<&State>| match state {
            Some(state) => format!("in bridge {} with VLAN {:?}", state.bridge, state.tag.unwrap_or(0)),
            None => "absent".to_owned(),
        };
        Err(ActionError::Drift {
            what: format!("port {}", self.port),
            expected: told(wanted),
            found: told(found.as_ref()),
        })
    }

    fn undo(&self) -> Action {
        Action::OvsPort { port: self.port.to_owned(), from: self.to.cloned(), to: self.from.cloned() }
    }

    /// Somebody else's port has settings that no plan knows, and would come back without.
    fn must_be_ours(&self, world: &World<'_>) -> Result<(), ActionError> {
        let mark = succeed(world, "ovs-vsctl", &[WAIT, "--if-exists", "get", "Port", self.port, MARK])?;
        if mark.trim().trim_matches('"') == world.host_id {
            return Ok(());
        }
        Err(ActionError::Drift {
            what: format!("port {}", self.port),
            expected: "one that vmwright made".to_owned(),
            found: "another's".to_owned(),
        })
    }
}

impl Act for OvsPort<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(world, self.from)?;
        match (self.from, self.to) {
            (None, Some(to)) => {
                // `add-port` on a bridge that is not there would fail with less to say.
                succeed(world, "ovs-vsctl", &[WAIT, "br-exists", &to.bridge])
                    .map_err(|_| ActionError::Gone(format!("bridge {} of Open vSwitch", to.bridge)))?;
            }
            (Some(_), None) => self.must_be_ours(world)?,
            _ => {}
        }
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let tag = |state: &State| state.tag.map(|tag| format!("tag={tag}"));
        let mark = format!("{MARK}=\"{}\"", world.host_id);
        let owned: Vec<String> = match (self.from, self.to) {
            // One transaction: the port is there whole, or not at all.
            (None, Some(to)) => {
                let mut words: Vec<String> = ["add-port", &to.bridge, self.port]
                    .map(str::to_owned)
                    .into_iter()
                    .chain(tag(to))
                    .collect();
                words.extend(["--", "set", "Port", self.port, &mark].map(str::to_owned));
                if to.internal {
                    words.extend(["--", "set", "Interface", self.port, "type=internal"].map(str::to_owned));
                }
                words
            }
            (Some(_), None) => ["del-port", self.port].map(str::to_owned).to_vec(),
            (_, Some(to)) => match tag(to) {
                Some(tag) => ["set", "Port", self.port, &tag].map(str::to_owned).to_vec(),
                None => ["clear", "Port", self.port, "tag"].map(str::to_owned).to_vec(),
            },
            (None, None) => return Ok(()),
        };
        let words: Vec<&str> = [WAIT].into_iter().chain(owned.iter().map(String::as_str)).collect();
        succeed(world, "ovs-vsctl", &words).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(world, self.to)
    }
}
