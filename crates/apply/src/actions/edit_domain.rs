//! Changes places of a domain of libvirt's.

use super::{Act, ActionError, World};
use crate::Standing;
use vmwright_model::Action;
use vmwright_model::plan::DomainEdit;

/// See [`Action::EditDomain`].
pub(super) struct EditDomain<'a> {
    pub(super) connection: &'a str,
    pub(super) domain: &'a str,
    pub(super) edits: &'a [DomainEdit],
}

impl EditDomain<'_> {
    fn must_stand(&self, world: &World<'_>, wanted: &Standing) -> Result<(), ActionError> {
        let found = world.machines.domain(self.connection, self.domain, self.edits);
        let found = found.map_err(|source| self.error(source))?;
        if found == *wanted {
            return Ok(());
        }
        let told = |standing: &Standing| match standing {
            Standing::Before => "as before the change".to_owned(),
            Standing::After => "as the change leaves it".to_owned(),
            Standing::Neither(why) => format!("neither as before nor as after: {why}"),
        };
        Err(ActionError::Drift {
            what: format!("domain {} of {}", self.domain, self.connection),
            expected: told(wanted),
            found: told(&found),
        })
    }

    fn error(&self, source: crate::MachineError) -> ActionError {
        ActionError::Machine { machine: self.domain.to_owned(), source }
    }
}

impl Act for EditDomain<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_stand(world, &Standing::Before)?;
        Ok(Action::EditDomain {
            connection: self.connection.to_owned(),
            domain: self.domain.to_owned(),
            edits: vmwright_plan::inverse(self.edits),
        })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        world
            .machines
            .edit_domain(self.connection, self.domain, self.edits)
            .map_err(|source| self.error(source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_stand(world, &Standing::After)
    }
}
