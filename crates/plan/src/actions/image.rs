//! Disk images.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::plan::ImageFormat;

/// The largest image, in bytes: raw files end at what a file may have (2^63 - 1), qcow2 before that.
const LARGEST: u64 = 1 << 56;

/// See [`Action::ImageCreate`].
pub(super) struct ImageCreate<'a> {
    pub(super) path: &'a str,
    pub(super) format: ImageFormat,
    pub(super) size: u64,
}

impl Facts for ImageCreate<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let (path, kind) = (self.path, told(self.format, self.size));
        Words {
            expects: format!("no {path}"),
            does: format!("makes {path}, an empty {kind}"),
            undone_by: format!("takes {path} away, if nothing was written into it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        is_removal(earlier)
    }

    fn faults(&self) -> Vec<Fault> {
        sized(self.path, self.size)
    }
}

/// See [`Action::ImageRemove`].
pub(super) struct ImageRemove<'a> {
    pub(super) path: &'a str,
    pub(super) format: ImageFormat,
    pub(super) size: u64,
}

impl Facts for ImageRemove<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let (path, kind) = (self.path, told(self.format, self.size));
        Words {
            expects: format!("{path}, an empty {kind}"),
            does: format!("takes {path} away"),
            undone_by: format!("makes {path} again, an empty {kind}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::ImageCreate { format, size, .. } => *format == self.format && *size == self.size,
            Action::ImageResize { format, to, .. } => *format == self.format && *to == self.size,
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        sized(self.path, self.size)
    }
}

/// See [`Action::ImageResize`].
pub(super) struct ImageResize<'a> {
    pub(super) path: &'a str,
    pub(super) format: ImageFormat,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Facts for ImageResize<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let Self { path, format, from, to } = self;
        Words {
            expects: format!("{path}, a {}, which no VMM has open", told(*format, *from)),
            does: format!("gives {path} {to} bytes"),
            undone_by: format!("gives {path} {from} bytes again, if nothing lies behind them"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::ImageCreate { format, size, .. } | Action::ImageCopy { format, size, .. } => {
                *format == self.format && *size == self.from
            }
            Action::ImageResize { format, to, .. } => *format == self.format && *to == self.from,
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        faults.extend(sized(self.path, self.to));
        faults
    }
}

fn whole(path: &str) -> Target {
    Target::Content { path: path.to_owned(), key: None }
}

fn told(format: ImageFormat, size: u64) -> String {
    format!("{} image of {size} bytes", format.name())
}

/// Whether an action leaves no file.
pub(super) fn is_removal(action: &Action) -> bool {
    matches!(
        action,
        Action::ImageRemove { .. }
            | Action::ImageCopyRemove { .. }
            | Action::ImageOverlayRemove { .. }
            | Action::FileRemove { .. }
            | Action::FileCopyRemove { .. }
    )
}

pub(super) fn sized(path: &str, size: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    if size == 0 || !size.is_multiple_of(512) || size > LARGEST {
        faults.push(Fault::Value(format!(
            "{size} bytes are no size of a disk: a multiple of 512, up to {LARGEST}"
        )));
    }
    faults.extend(path_faults(path));
    faults
}
