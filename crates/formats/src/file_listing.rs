//! Files with mode and owner: `ls -l`, `ls -ld`, `ls -lZ`, `ls -ln` of coreutils. Device nodes have two numbers in
//! place of the size.

use crate::namei::{FileKind, parse_mode};
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Line in the text.
    pub line: u32,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Whether an ACL adds to the bits (`+` behind them).
    pub acl: bool,
    /// Owner's name or number.
    pub owner: String,
    /// Group's name or number.
    pub group: String,
    /// Security context; empty without `-Z`.
    pub context: String,
    /// Size in bytes; none for device nodes.
    pub size: Option<u64>,
    /// Name as printed: a path where a path was asked for.
    pub name: String,
    /// Directory that it was listed in (`/dev/vfio:` above the files), empty where not told.
    pub directory: String,
    /// Where a symbolic link points to.
    pub target: Option<String>,
}

impl ListedFile {
    /// Its path, as far as the listing tells it.
    #[must_use]
    pub fn path(&self) -> String {
        if self.directory.is_empty() || self.name.starts_with('/') {
            self.name.clone()
        } else {
            format!("{}/{}", self.directory.trim_end_matches('/'), self.name)
        }
    }
}

/// The files of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileListing {
    /// In the order of the text.
    pub files: Vec<ListedFile>,
}

impl FileListing {
    /// The file of a path, or of a name where the listing tells no directory.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&ListedFile> {
        self.files.iter().find(|file| file.path() == path)
    }
}

impl View for FileListing {
    const KIND: Kind = Kind::new("file_listing");
    const SUREST: u8 = 85;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut directory = "";
        for (number, line) in lines(text) {
            let trimmed = line.trim();
            let skip = trimmed.is_empty() || trimmed.starts_with(['$', '#']) || trimmed.starts_with("total ");
            if let Some(file) = file(number, trimmed, directory) {
                view.files.push(file);
            } else if let Some(path) = trimmed.strip_suffix(':').filter(|path| path.starts_with(['/', '.'])) {
                directory = path;
            } else if !skip {
                issues.push(Issue::new(number, "not a line of ls -l"));
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        match crate::lines::most(head, (1, 2), |line| file(1, line.trim(), "").is_some()) > 0 {
            true => 85,
            false if name.starts_with("ls ") || name.starts_with("ls_") || name.starts_with("ls-") => 30,
            false => 0,
        }
    }
}

fn file(line: u32, text: &str, directory: &str) -> Option<ListedFile> {
    let mut rest = text;
    let mut word = || {
        rest = rest.trim_start();
        let (word, behind) = rest.split_once(' ')?;
        rest = behind;
        Some(word)
    };
    let bits = word()?;
    let (kind, mode) = parse_mode(bits)?;
    let _links: u32 = word()?.parse().ok()?;
    let (owner, group) = (word()?, word()?);
    // -Z prints the context, or `?`, before the size.
    let mut next = word()?;
    let mut context = "";
    if next == "?" || next.matches(':').count() >= 3 {
        context = next;
        next = word()?;
    }
    let size = match next.strip_suffix(',') {
        Some(major) => {
            let _major: u32 = major.parse().ok()?;
            let _minor: u32 = word()?.parse().ok()?;
            None
        }
        None => Some(next.parse().ok()?),
    };
    // `Jan  1 12:00`, `Jan  1  2024`, `2024-01-01 12:00`; with --full-iso a zone behind.
    let first = word()?;
    if first.len() == 10 && first.as_bytes()[4] == b'-' {
        let time = word()?;
        if time.contains('.') {
            word()?;
        }
    } else {
        let _day = word()?;
        let _time = word()?;
    }
    let rest = rest.trim_start();
    let (name, target) = match rest.split_once(" -> ") {
        Some((name, target)) if kind == FileKind::Symlink => (name, Some(target.to_owned())),
        _ => (rest, None),
    };
    if name.is_empty() {
        return None;
    }
    Some(ListedFile {
        line,
        kind,
        mode,
        acl: bits.ends_with('+'),
        owner: owner.to_owned(),
        group: group.to_owned(),
        context: context.to_owned(),
        size,
        name: name.to_owned(),
        directory: directory.to_owned(),
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "$ ls -l /dev/kvm /dev/vfio
crw-rw----+ 1 root kvm  10, 232 Jan  1 12:00 /dev/kvm

/dev/vfio:
total 0
crw------- 1 root root 243,   0 Jan  1 12:00 1
lrwxrwxrwx 1 root root       12 2024-01-01 12:00 my link -> ../other
-rw-r--r--. 1 qemu qemu system_u:object_r:svirt_image_t:s0:c1,c2 1024 Jan  1  2024 web.img
odd
";

    #[test]
    fn files() {
        let (view, issues) = FileListing::read(TEXT);
        assert_eq!(issues, [Issue::new(9, "not a line of ls -l")]);
        let kvm = view.get("/dev/kvm").expect("it is listed");
        assert_eq!(
            (kvm.line, kvm.kind, kvm.mode, kvm.acl, kvm.size),
            (2, FileKind::Character, 0o660, true, None)
        );
        assert_eq!(
            view.get("/dev/vfio/1").map(|group| (group.mode, group.owner.as_str())),
            Some((0o600, "root"))
        );
        assert_eq!(view.files[2].target.as_deref(), Some("../other"));
        assert_eq!(
            (view.files[3].size, view.files[3].context.as_str()),
            (Some(1024), "system_u:object_r:svirt_image_t:s0:c1,c2")
        );
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(FileListing::recognise("x", TEXT), 85);
        assert_eq!(FileListing::recognise("x", "crw-rw---- 1 root kvm 10, 232 Jan  1 12:00 /dev/kvm\n"), 85);
        assert_eq!(FileListing::recognise("x", "drwxr-xr-x root root /\n"), 0);
    }
}
