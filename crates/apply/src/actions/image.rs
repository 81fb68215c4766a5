//! Disk images, by `qemu-img`: made empty, taken away while empty, made larger, and smaller where nothing is lost.

use super::{Act, ActionError, World, succeed};
use crate::files::{self, Free, Handle, kept};
use serde::Deserialize;
use std::path::Path;
use vmwright_model::Action;
use vmwright_model::plan::{Base, ImageFormat};

/// An image that an action is about.
pub(super) struct Image<'a> {
    pub(super) path: &'a str,
    pub(super) format: ImageFormat,
}

/// What `qemu-img info --output=json` tells.
#[derive(Deserialize)]
pub(super) struct Info {
    format: String,
    #[serde(rename = "virtual-size")]
    pub(super) virtual_size: u64,
    #[serde(default, rename = "backing-filename")]
    backing: Option<String>,
    #[serde(default, rename = "backing-filename-format")]
    backing_format: Option<String>,
}

/// A piece of what `qemu-img map --output=json` tells.
#[derive(Deserialize)]
pub(super) struct Piece {
    pub(super) start: u64,
    length: u64,
    /// How many images below this one it comes from.
    #[serde(default)]
    pub(super) depth: u32,
    pub(super) data: bool,
    #[serde(default)]
    zero: bool,
    /// Whether an image of the chain has it at all; unknown to old ones.
    #[serde(default)]
    pub(super) present: Option<bool>,
}

/// A regular file, held open: what `qemu-img` is shown by its name cannot become another one any more.
pub(super) fn open(path: &str) -> Result<Handle, ActionError> {
    let handle = Handle::open(path)?;
    if handle.is_file() { Ok(handle) } else { Err(ActionError::NotAFile(path.to_owned())) }
}

/// What an image is, opened by `name`. `qemu-img` takes the image's lock to look, so one that a VMM has open for writing
/// is an error. The format is given: what a guest wrote into a raw image must not be taken for a header.
pub(super) fn read_info(
    world: &World<'_>,
    path: &str,
    format: &str,
    name: &str,
) -> Result<Info, ActionError> {
    read(path, &succeed(world, "qemu-img", &["info", "--output=json", "-f", format, name])?)
}

/// Where the bytes of an image lie, opened by `name`.
pub(super) fn read_map(
    world: &World<'_>,
    name: &str,
    format: &str,
    path: &str,
) -> Result<Vec<Piece>, ActionError> {
    read(path, &succeed(world, "qemu-img", &["map", "--output=json", "-f", format, name])?)
}

fn read<T: serde::de::DeserializeOwned>(path: &str, said: &str) -> Result<T, ActionError> {
    serde_json::from_str(said).map_err(|error| ActionError::Refused {
        program: "qemu-img".to_owned(),
        complaint: format!("its answer about {path} cannot be read: {error}"),
    })
}

impl Image<'_> {
    fn drift(&self, expected: String, found: String) -> ActionError {
        ActionError::Drift { what: self.path.to_owned(), expected, found }
    }

    pub(super) fn open(&self) -> Result<Handle, ActionError> {
        open(self.path)
    }

    /// That it is of this format and size, and builds upon nothing.
    pub(super) fn must_be(&self, world: &World<'_>, handle: &Handle, size: u64) -> Result<(), ActionError> {
        self.must_be_upon(world, handle, Some(size), None)
    }

    /// That it is of this format, of this size where one is named, and builds upon this.
    pub(super) fn must_be_upon(
        &self,
        world: &World<'_>,
        handle: &Handle,
        size: Option<u64>,
        base: Option<&Base>,
    ) -> Result<(), ActionError> {
        let format = self.format.name();
        let info = read_info(world, self.path, format, &handle.name())?;
        let told = |base: Option<&str>| {
            base.map_or("an image of its own".to_owned(), |base| format!("one on top of {base}"))
        };
        let found = info.backing.as_deref().map(|name| {
            // A relative name is one beside the image.
            let name = name.strip_prefix("file:").unwrap_or(name);
            let above = Path::new(self.path).parent().unwrap_or(Path::new("/"));
            above.join(name).to_string_lossy().into_owned()
        });
        let format_fits = base.is_none_or(|base| {
            info.backing_format.as_deref().is_none_or(|format| format == base.format_name())
        });
        if found.as_deref() != base.map(|base| base.path.as_str()) || !format_fits {
            return Err(self.drift(told(base.map(|base| base.path.as_str())), told(found.as_deref())));
        }
        let wanted = size.unwrap_or(info.virtual_size);
        if (info.format.as_str(), info.virtual_size) != (format, wanted) {
            return Err(self.drift(
                format!("a {format} image of {wanted} bytes"),
                format!("a {} image of {} bytes", info.format, info.virtual_size),
            ));
        }
        Ok(())
    }

    /// That nothing was written from `start` on.
    fn must_be_empty_from(&self, world: &World<'_>, handle: &Handle, start: u64) -> Result<(), ActionError> {
        let pieces = read_map(world, &handle.name(), self.format.name(), self.path)?;
        match pieces.iter().find(|piece| piece.data && !piece.zero && piece.start + piece.length > start) {
            None => Ok(()),
            Some(piece) => Err(self.drift(
                format!("nothing written from byte {start} on"),
                format!("something written at byte {}", piece.start.max(start)),
            )),
        }
    }
}

/// Makes an empty image.
pub(super) struct ImageCreate<'a> {
    pub(super) image: Image<'a>,
    pub(super) size: u64,
}

impl Act for ImageCreate<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        Free::look(self.image.path)?;
        let Image { path, format } = self.image;
        Ok(Action::ImageRemove { path: path.to_owned(), format, size: self.size })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let free = Free::look(self.image.path)?;
        if self.image.format == ImageFormat::Raw {
            return free.create_image(&[], Some(self.size));
        }
        // In a directory that is vmwright's own, so that nobody can put a link in the way of `qemu-img`.
        let (place, size) = (kept::scratch(world.state, self.image.path)?, self.size.to_string());
        let made =
            succeed(world, "qemu-img", &["create", "-q", "-f", self.image.format.name(), &place, &size])
                .and_then(|_| kept::take(&place));
        free.create_image(&made?, None)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.image.must_be(world, &self.image.open()?, self.size)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.image.path)
    }
}

/// Takes an empty image away.
pub(super) struct ImageRemove<'a> {
    pub(super) image: Image<'a>,
    pub(super) size: u64,
}

impl ImageRemove<'_> {
    fn looked(&self, world: &World<'_>) -> Result<(Handle, Action), ActionError> {
        let handle = self.image.open()?;
        handle.may_change()?;
        self.image.must_be(world, &handle, self.size)?;
        self.image.must_be_empty_from(world, &handle, 0)?;
        let Image { path, format } = self.image;
        Ok((handle, Action::ImageCreate { path: path.to_owned(), format, size: self.size }))
    }
}

impl Act for ImageRemove<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.looked(world).map(|(_, undo)| undo)
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let (handle, found) = self.looked(world)?;
        if found != *undo {
            return Err(ActionError::OtherUndo);
        }
        handle.remove()
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Free::look(self.image.path).map(drop)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.image.path)
    }
}

/// Changes the size of an image.
pub(super) struct ImageResize<'a> {
    pub(super) image: Image<'a>,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl ImageResize<'_> {
    fn looked(&self, world: &World<'_>) -> Result<(Handle, Action), ActionError> {
        let handle = self.image.open()?;
        handle.may_change()?;
        self.image.must_be(world, &handle, self.from)?;
        if self.to < self.from {
            self.image.must_be_empty_from(world, &handle, self.to)?;
        }
        let Image { path, format } = self.image;
        Ok((handle, Action::ImageResize { path: path.to_owned(), format, from: self.to, to: self.from }))
    }
}

impl Act for ImageResize<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.looked(world).map(|(_, undo)| undo)
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let (handle, found) = self.looked(world)?;
        if found != *undo {
            return Err(ActionError::OtherUndo);
        }
        let to = self.to.to_string();
        let mut args = vec!["resize", "-q", "-f", self.image.format.name()];
        if self.to < self.from {
            args.push("--shrink");
        }
        let name = handle.name();
        args.extend([name.as_str(), to.as_str()]);
        succeed(world, "qemu-img", &args).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.image.must_be(world, &self.image.open()?, self.to)
    }
}
