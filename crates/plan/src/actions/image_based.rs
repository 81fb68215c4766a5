//! Disk images that come from another: copies, images that build upon one, and what they build upon.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::machine::DiskFormat;
use vmwright_model::plan::{Base, ImageFormat};

/// See [`Action::ImageCopy`] and, with `away`, [`Action::ImageCopyRemove`].
pub(super) struct ImageCopy<'a> {
    pub(super) path: &'a str,
    pub(super) format: ImageFormat,
    pub(super) from: &'a Base,
    pub(super) size: u64,
    pub(super) away: bool,
}

impl Facts for ImageCopy<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let (path, from, size) = (self.path, told(self.from), self.size);
        let makes = format!("makes {path}, a {} image with the content of {from}", self.format.name());
        match self.away {
            false => Words {
                expects: format!("no {path}; {from} of {size} bytes, which no VMM writes to"),
                does: makes,
                undone_by: format!(
                    "takes {path} away, if every byte of it is still that of {}",
                    self.from.path
                ),
            },
            true => Words {
                expects: format!(
                    "{path}, a {} image of {size} bytes with the content of {from}",
                    self.format.name()
                ),
                does: format!("takes {path} away"),
                undone_by: makes,
            },
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn needs(&self) -> Option<Target> {
        Some(whole(&self.from.path))
    }

    fn follows(&self, earlier: &Action) -> bool {
        match (self.away, earlier) {
            (false, earlier) => super::image::is_removal(earlier),
            (true, Action::ImageCopy { format, from, size, .. }) => {
                (*format, from, *size) == (self.format, self.from, self.size)
            }
            (true, Action::ImageResize { format, to, .. }) => (*format, *to) == (self.format, self.size),
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::image::sized(self.path, self.size);
        faults.extend(base_faults(self.from));
        if self.path == self.from.path {
            faults.push(Fault::Value(format!("{} cannot be a copy of itself", self.path)));
        }
        faults
    }
}

/// See [`Action::ImageOverlay`] and, with `away`, [`Action::ImageOverlayRemove`].
pub(super) struct ImageOverlay<'a> {
    pub(super) path: &'a str,
    pub(super) base: &'a Base,
    pub(super) size: u64,
    pub(super) away: bool,
}

impl Facts for ImageOverlay<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let (path, base, size) = (self.path, told(self.base), self.size);
        let makes = format!("makes {path}, a qcow2 image of {size} bytes that builds upon {base}");
        match self.away {
            false => Words {
                expects: format!("no {path}; {base} of at most {size} bytes"),
                does: makes,
                undone_by: format!("takes {path} away, if nothing was written into it"),
            },
            true => Words {
                expects: format!(
                    "{path}, a qcow2 image of {size} bytes upon {base} into which nothing was written"
                ),
                does: format!("takes {path} away"),
                undone_by: makes,
            },
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn needs(&self) -> Option<Target> {
        Some(whole(&self.base.path))
    }

    fn follows(&self, earlier: &Action) -> bool {
        match (self.away, earlier) {
            (false, earlier) => super::image::is_removal(earlier),
            (true, Action::ImageOverlay { base, size, .. }) => (base, *size) == (self.base, self.size),
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::image::sized(self.path, self.size);
        faults.extend(base_faults(self.base));
        if self.path == self.base.path {
            faults.push(Fault::Value(format!("{} cannot build upon itself", self.path)));
        }
        faults
    }
}

/// See [`Action::ImageRebase`].
pub(super) struct ImageRebase<'a> {
    pub(super) path: &'a str,
    pub(super) from: Option<&'a Base>,
    pub(super) to: Option<&'a Base>,
}

impl Facts for ImageRebase<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let path = self.path;
        let upon = |base: Option<&Base>| base.map_or("nothing".to_owned(), told);
        let (from, to) = (upon(self.from), upon(self.to));
        Words {
            expects: format!("{path}, a qcow2 image upon {from}, which no VMM has open"),
            does: format!("lets {path} build upon {to}; what a guest sees of it stays, byte for byte"),
            undone_by: format!("lets {path} build upon {from} again, with what a guest then sees of it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn needs(&self) -> Option<Target> {
        self.to.map(|base| whole(&base.path))
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::ImageRebase { to, .. } => to.as_ref() == self.from,
            Action::ImageOverlay { base, .. } => Some(base) == self.from,
            Action::ImageCreate { format: ImageFormat::Qcow2, .. }
            | Action::ImageCopy { format: ImageFormat::Qcow2, .. }
            | Action::ImageResize { format: ImageFormat::Qcow2, .. } => self.from.is_none(),
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        faults.extend(path_faults(self.path));
        for base in [self.from, self.to].into_iter().flatten() {
            faults.extend(base_faults(base));
            if base.path == self.path {
                faults.push(Fault::Value(format!("{} cannot build upon itself", self.path)));
            }
        }
        faults
    }
}

fn whole(path: &str) -> Target {
    Target::Content { path: path.to_owned(), key: None }
}

fn told(base: &Base) -> String {
    format!("{} ({})", base.path, base.format_name())
}

fn base_faults(base: &Base) -> Vec<Fault> {
    let mut faults = path_faults(&base.path).into_iter().collect::<Vec<_>>();
    if matches!(base.format, DiskFormat::Luks | DiskFormat::Fat) {
        faults.push(Fault::Value(format!("a {} image is none to copy or to build upon", base.format_name())));
    }
    faults
}
