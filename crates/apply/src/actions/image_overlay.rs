//! Makes a qcow2 image that builds upon another; takes it away while nothing was written into it.

use super::image::{Image, open, read_info, read_map};
use super::{Act, ActionError, World, succeed};
use crate::files::{self, Free, Handle, kept};
use vmwright_model::Action;
use vmwright_model::plan::{Base, ImageFormat};

/// An image, and what it builds upon.
pub(super) struct Overlay<'a> {
    pub(super) path: &'a str,
    pub(super) base: &'a Base,
    pub(super) size: u64,
}

impl Overlay<'_> {
    fn create(&self) -> Action {
        Action::ImageOverlay { path: self.path.to_owned(), base: self.base.clone(), size: self.size }
    }

    fn remove(&self) -> Action {
        Action::ImageOverlayRemove { path: self.path.to_owned(), base: self.base.clone(), size: self.size }
    }

    fn image(&self) -> Image<'_> {
        Image { path: self.path, format: ImageFormat::Qcow2 }
    }

    /// A larger base would be cut off at the end of what builds upon it.
    fn must_fit(&self, world: &World<'_>) -> Result<(), ActionError> {
        let path = &self.base.path;
        open(path)?;
        let base = read_info(world, path, self.base.format_name(), path)?;
        match base.virtual_size <= self.size {
            true => Ok(()),
            false => Err(ActionError::Drift {
                what: path.clone(),
                expected: format!("an image of at most {} bytes", self.size),
                found: format!("one of {} bytes", base.virtual_size),
            }),
        }
    }

    fn found(&self, world: &World<'_>) -> Result<Handle, ActionError> {
        let image = self.image();
        let handle = image.open()?;
        image.must_be_upon(world, &handle, Some(self.size), Some(self.base))?;
        Ok(handle)
    }

    fn untouched(&self, world: &World<'_>) -> Result<Handle, ActionError> {
        let handle = self.found(world)?;
        handle.may_change()?;
        let pieces = read_map(world, &handle.name(), "qcow2", self.path)?;
        // What is of its own is of depth 0: data, and zeros that hide the base.
        match pieces.iter().find(|piece| piece.depth == 0 && (piece.data || piece.present == Some(true))) {
            None => Ok(handle),
            Some(piece) => Err(ActionError::Drift {
                what: self.path.to_owned(),
                expected: "nothing written into it".to_owned(),
                found: format!("something written at byte {}", piece.start),
            }),
        }
    }
}

/// Makes it.
pub(super) struct ImageOverlay<'a>(pub(super) Overlay<'a>);

impl Act for ImageOverlay<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        Free::look(self.0.path)?;
        self.0.must_fit(world)?;
        Ok(self.0.remove())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let free = Free::look(self.0.path)?;
        let (place, size) = (kept::scratch(world.state, self.0.path)?, self.0.size.to_string());
        let Base { path, .. } = self.0.base;
        let words =
            ["create", "-q", "-f", "qcow2", "-b", path, "-F", self.0.base.format_name(), &place, &size];
        succeed(world, "qemu-img", &words)?;
        free.create_image(&kept::take(&place)?, None)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.0.found(world).map(drop)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.0.path)
    }
}

/// Takes it away.
pub(super) struct ImageOverlayRemove<'a>(pub(super) Overlay<'a>);

impl Act for ImageOverlayRemove<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.0.untouched(world).map(|_| self.0.create())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let handle = self.0.untouched(world)?;
        if self.0.create() != *undo {
            return Err(ActionError::OtherUndo);
        }
        handle.remove()
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Free::look(self.0.path).map(drop)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.0.path)
    }
}
