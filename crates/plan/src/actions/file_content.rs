//! The content of a text file: written anew, made, taken away.

use super::{Facts, Fault, Phase, quoted};
use crate::canonical::{is_sha256, sha256};
use crate::describe::Words;
use crate::lint::MAX_TEXT;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::FileWrite`].
pub(super) struct FileWrite<'a> {
    pub(super) path: &'a str,
    pub(super) from_sha256: &'a str,
    pub(super) text: &'a str,
}

impl Facts for FileWrite<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let Self { path, from_sha256, text } = self;
        Words {
            expects: format!("content of {path} with SHA-256 {from_sha256}"),
            does: format!("writes {} to {path}", size(text)),
            undone_by: format!("puts {path} back byte for byte, if it is as this step left it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        leaves(earlier).is_some_and(|text| sha256(text.as_bytes()) == self.from_sha256)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = digest(self.from_sha256);
        if sha256(self.text.as_bytes()) == self.from_sha256 {
            faults.push(Fault::NoChange);
        }
        faults.extend(too_long(self.text));
        faults.extend(path_faults(self.path));
        faults
    }

    fn content(&self) -> Option<&str> {
        Some(self.text)
    }
}

/// See [`Action::FileCreate`].
pub(super) struct FileCreate<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) mode: u32,
}

impl Facts for FileCreate<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let Self { path, text, mode } = self;
        Words {
            expects: format!("no {path}"),
            does: format!("makes {path} with {} and mode {mode:04o}", size(text)),
            undone_by: format!("takes {path} away, if it is as this step left it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::FileRemove { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = too_long(self.text);
        // Set-id and sticky bits are no part of a text file.
        if self.mode > 0o777 {
            faults.push(Fault::Value(format!("{:o} is not a file mode of at most 777", self.mode)));
        }
        faults.extend(path_faults(self.path));
        faults
    }

    fn content(&self) -> Option<&str> {
        Some(self.text)
    }
}

/// See [`Action::FileRemove`].
pub(super) struct FileRemove<'a> {
    pub(super) path: &'a str,
    pub(super) from_sha256: &'a str,
}

impl Facts for FileRemove<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let Self { path, from_sha256 } = self;
        Words {
            expects: format!("content of {path} with SHA-256 {from_sha256}"),
            does: format!("takes {path} away"),
            undone_by: format!("makes {path} again, byte for byte, if there is none"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        leaves(earlier).is_some_and(|text| sha256(text.as_bytes()) == self.from_sha256)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = digest(self.from_sha256);
        faults.extend(path_faults(self.path));
        faults
    }
}

fn whole(path: &str) -> Target {
    Target::Content { path: path.to_owned(), key: None }
}

/// The content that an action leaves, where its plan tells it.
fn leaves(action: &Action) -> Option<&str> {
    match action {
        Action::FileWrite { text, .. } | Action::FileCreate { text, .. } => Some(text),
        _ => None,
    }
}

fn size(text: &str) -> String {
    format!("{} bytes, {} lines,", text.len(), text.lines().count())
}

fn digest(digest: &str) -> Vec<Fault> {
    if is_sha256(digest) {
        Vec::new()
    } else {
        vec![Fault::Value(format!("{} is not a SHA-256", quoted(digest)))]
    }
}

fn too_long(text: &str) -> Vec<Fault> {
    if text.len() <= MAX_TEXT {
        return Vec::new();
    }
    vec![Fault::Value(format!("the text has {} bytes, more than {MAX_TEXT}", text.len()))]
}
