//! Who holds a lock on the images of a VM, as vmwright's probe writes it (from `/proc/locks` and `/proc/PID`).
//!
//! ```text
//! pid 1234 user root holds /srv/web.qcow2 name web : qemu-system-x86_64 -name web -drive file=/srv/web.qcow2
//! none holds /srv/data.raw
//! unknown /srv/other.raw: permission denied
//! ```

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// Who holds an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process.
    Process(LockHolder),
    /// Nobody.
    None,
    /// It could not be found out, and why.
    Unknown(String),
}

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Process id.
    pub pid: u32,
    /// Its user's name, or number where it has no name; `-` where it is gone.
    pub user: String,
    /// Name of the VM that it runs, from its command line; `-` where it tells none. Untrusted.
    pub name: String,
    /// Its command line, words joined by blanks. Untrusted.
    pub argv: String,
}

/// What is known about one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLock {
    /// Line in the text.
    pub line: u32,
    /// Path of the image.
    pub path: String,
    /// Who holds it.
    pub holder: Holder,
}

/// The locks of a VM's images; an image with two holders has two entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageLocks {
    /// In the order of the text.
    pub locks: Vec<ImageLock>,
}

impl ImageLocks {
    /// What is known about one image.
    pub fn of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a ImageLock> {
        self.locks.iter().filter(move |lock| lock.path == path)
    }
}

impl View for ImageLocks {
    const KIND: Kind = Kind::new("image_locks");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &["none holds ", "unknown ", "pid "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() {
                continue;
            }
            match lock(number, line) {
                Some(lock) => view.locks.push(lock),
                None => issues.push(Issue::new(number, "not a line of the image lock probe")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        match head.lines().find(|line| !line.trim().is_empty()).and_then(|line| lock(1, line)) {
            Some(ImageLock { holder: Holder::Unknown(_), .. }) if name != "image-locks" => 0,
            Some(_) => 95,
            None if name == "image-locks" => 30,
            None => 0,
        }
    }
}

fn lock(line: u32, text: &str) -> Option<ImageLock> {
    if let Some(path) = text.strip_prefix("none holds ") {
        return Some(ImageLock { line, path: path.to_owned(), holder: Holder::None });
    }
    if let Some(rest) = text.strip_prefix("unknown ") {
        let (path, why) = rest.split_once(": ")?;
        return Some(ImageLock { line, path: path.to_owned(), holder: Holder::Unknown(why.to_owned()) });
    }
    let (pid, rest) = text.strip_prefix("pid ")?.split_once(' ')?;
    let (user, rest) = rest.strip_prefix("user ")?.split_once(" holds ")?;
    let (left, argv) = rest.split_once(" : ").or_else(|| Some((rest.strip_suffix(" :")?, "")))?;
    let (path, name) = left.rsplit_once(" name ")?;
    let holder = LockHolder {
        pid: pid.parse().ok()?,
        user: user.to_owned(),
        name: name.to_owned(),
        argv: argv.to_owned(),
    };
    Some(ImageLock { line, path: path.to_owned(), holder: Holder::Process(holder) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "pid 1234 user root holds /srv/my web.qcow2 name web : qemu-system-x86_64 -name a : b\nnone holds /srv/data.raw\nunknown /srv/other.raw: permission denied\n\npid x\n";

    #[test]
    fn holders_are_read() {
        let (view, issues) = ImageLocks::read(TEXT);
        assert_eq!(issues, [Issue::new(5, "not a line of the image lock probe")]);
        let first = view.of("/srv/my web.qcow2").next().expect("it is held");
        let Holder::Process(holder) = &first.holder else { panic!("{first:?}") };
        assert_eq!((holder.pid, holder.user.as_str(), holder.name.as_str()), (1234, "root", "web"));
        assert_eq!(holder.argv, "qemu-system-x86_64 -name a : b");
        assert_eq!(view.locks[1].holder, Holder::None);
        assert_eq!(view.locks[2].holder, Holder::Unknown("permission denied".to_owned()));
        assert_eq!(view.locks[2].line, 3);
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(ImageLocks::recognise("x", TEXT), 95);
        assert_eq!(ImageLocks::recognise("x", "unknown option: what\n"), 0);
    }
}
