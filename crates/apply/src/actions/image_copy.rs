//! Makes a disk image with the content of another, by `qemu-img convert`; takes it away while it is still the same.

use super::image::{Image, open, read_info};
use super::{Act, ActionError, World, succeed};
use crate::files::{self, Free, Handle, kept};
use vmwright_model::Action;
use vmwright_model::plan::{Base, ImageFormat};

/// A copy, and what it is one of.
pub(super) struct Copy<'a> {
    pub(super) image: Image<'a>,
    pub(super) from: &'a Base,
    pub(super) size: u64,
}

impl Copy<'_> {
    fn create(&self) -> Action {
        let Image { path, format } = self.image;
        Action::ImageCopy { path: path.to_owned(), format, from: self.from.clone(), size: self.size }
    }

    fn remove(&self) -> Action {
        let Image { path, format } = self.image;
        Action::ImageCopyRemove { path: path.to_owned(), format, from: self.from.clone(), size: self.size }
    }

    /// The source, of the size that the plan expects. Its format is given: what a guest wrote into a raw image must not
    /// be taken for a header.
    fn source(&self, world: &World<'_>) -> Result<Handle, ActionError> {
        let Base { path, .. } = self.from;
        let handle = open(path)?;
        let info = read_info(world, path, self.from.format_name(), path)?;
        if info.virtual_size == self.size {
            return Ok(handle);
        }
        Err(ActionError::Drift {
            what: path.clone(),
            expected: format!("an image of {} bytes", self.size),
            found: format!("one of {} bytes", info.virtual_size),
        })
    }

    /// That every byte of it is the source's.
    fn must_be_same(&self, world: &World<'_>) -> Result<Handle, ActionError> {
        let handle = self.image.open()?;
        self.image.must_be(world, &handle, self.size)?;
        let (own, theirs) = (self.image.format.name(), self.from.format_name());
        let name = handle.name();
        let ran =
            world.system.run("qemu-img", &["compare", "-f", own, "-F", theirs, &name, &self.from.path])?;
        if ran.success {
            return Ok(handle);
        }
        // It tells a difference on its output, and what it cannot read as a complaint.
        if ran.complaint.is_empty() {
            return Err(ActionError::Drift {
                what: self.image.path.to_owned(),
                expected: format!("the same as {}", self.from.path),
                found: format!(
                    "not: {}",
                    ran.output.split_whitespace().collect::<Vec<_>>().join(" ").escape_debug()
                ),
            });
        }
        Err(ActionError::Refused { program: "qemu-img compare".to_owned(), complaint: ran.complaint })
    }
}

/// Makes it.
pub(super) struct ImageCopy<'a>(pub(super) Copy<'a>);

impl Act for ImageCopy<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        Free::look(self.0.image.path)?;
        let source = self.0.source(world)?;
        kept::room_for(self.0.image.path, source.occupies())?;
        Ok(self.0.remove())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let Copy { image, from, size } = &self.0;
        let free = Free::look(image.path)?;
        let (source, own) = (from.format_name(), image.format.name());
        let (empty, length) = match image.format {
            ImageFormat::Raw => (Vec::new(), Some(*size)),
            ImageFormat::Qcow2 => {
                let (place, size) = (kept::scratch(world.state, image.path)?, size.to_string());
                succeed(world, "qemu-img", &["create", "-q", "-f", own, &place, &size])?;
                (kept::take(&place)?, None)
            }
        };
        // Into a file that nobody else can have put there, under the name that it is found by when all is in it.
        free.create_filled(&empty, length, |name| {
            let words = ["convert", "-n", "--target-is-zero", "-f", source, "-O", own, &from.path, name];
            succeed(world, "qemu-img", &words).map(drop)
        })
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.0.must_be_same(world).map(drop)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.0.image.path)
    }
}

/// Takes it away.
pub(super) struct ImageCopyRemove<'a>(pub(super) Copy<'a>);

impl Act for ImageCopyRemove<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_same(world)?.may_change()?;
        Ok(self.0.create())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let handle = self.0.must_be_same(world)?;
        if self.0.create() != *undo {
            return Err(ActionError::OtherUndo);
        }
        handle.remove()
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Free::look(self.0.image.path).map(drop)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.0.image.path)
    }
}
