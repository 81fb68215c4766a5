//! Lets a qcow2 image build upon another one, or upon nothing. `qemu-img rebase` in its safe mode compares the two, and
//! copies into the image what differs: what a guest sees of it stays.

use super::image::{Image, open};
use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;
use vmwright_model::plan::{Base, ImageFormat};

/// See [`Action::ImageRebase`].
pub(super) struct ImageRebase<'a> {
    pub(super) path: &'a str,
    pub(super) from: Option<&'a Base>,
    pub(super) to: Option<&'a Base>,
}

impl ImageRebase<'_> {
    fn must_be_upon(&self, world: &World<'_>, base: Option<&Base>) -> Result<(), ActionError> {
        let image = Image { path: self.path, format: ImageFormat::Qcow2 };
        let handle = image.open()?;
        handle.may_change()?;
        image.must_be_upon(world, &handle, None, base)
    }

    fn undo(&self) -> Action {
        Action::ImageRebase { path: self.path.to_owned(), from: self.to.cloned(), to: self.from.cloned() }
    }
}

impl Act for ImageRebase<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be_upon(world, self.from)?;
        // Both are read: the old one says what the image has to hold by itself from now on.
        for base in [self.from, self.to].into_iter().flatten() {
            open(&base.path)?;
        }
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        // By its path, since a base may be named relative to it. The name of the base changes last, so that whoever
        // dies on the way leaves an image upon the old one.
        let mut words = vec!["rebase", "-q", "-f", "qcow2"];
        match self.to {
            Some(base) => words.extend(["-F", base.format_name(), "-b", &base.path]),
            None => words.extend(["-b", ""]),
        }
        words.push(self.path);
        succeed(world, "qemu-img", &words).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be_upon(world, self.to)
    }
}
