//! Owner, group and mode of each component down to a file: the output of util-linux `namei -l`, `-om` and plain
//! `namei`, and vmwright's own records in that format.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// What a component is, by the first letter of its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `d`, or `D` for a mount point.
    Directory,
    /// `-`.
    File,
    /// `l`.
    Symlink,
    /// `b`.
    Block,
    /// `c`.
    Character,
    /// `p`.
    Fifo,
    /// `s`.
    Socket,
    /// It could not be looked at; `error` says why.
    Unknown,
}

impl FileKind {
    pub(crate) fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'd' | 'D' => Self::Directory,
            '-' => Self::File,
            'l' => Self::Symlink,
            'b' => Self::Block,
            'c' => Self::Character,
            'p' => Self::Fifo,
            's' => Self::Socket,
            _ => return None,
        })
    }
}

/// One component of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameiEntry {
    /// Line in the text.
    pub line: u32,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, 0 to 0o7777; none where not printed.
    pub mode: Option<u32>,
    /// Owner's name or number; empty where not printed.
    pub owner: String,
    /// Group's name or number; empty where not printed.
    pub group: String,
    /// Last component of its path, `/` for the root.
    pub name: String,
    /// Absolute path with symbolic links resolved down to this component (the component itself may be one).
    pub path: String,
    /// Where a symbolic link points to.
    pub target: Option<String>,
    /// Why it could not be looked at, as the system says it (`No such file or directory`).
    pub error: Option<String>,
}

impl NameiEntry {
    /// Whether the mode bits give `want` (4 read, 2 write, 1 execute or traverse) to a user who is a member of
    /// `groups`, by the class that the kernel would choose. Root's privilege and ACLs are not considered. None
    /// where mode or owner were not printed.
    #[must_use]
    pub fn allows(&self, want: u32, user: &str, groups: &[&str]) -> Option<bool> {
        let mode = self.mode.filter(|_| !self.owner.is_empty())?;
        let class = match () {
            () if self.owner == user => mode >> 6,
            () if groups.contains(&self.group.as_str()) => mode >> 3,
            () => mode,
        };
        Some(class & want == want)
    }
}

/// The components of one path, in the order in which the kernel walks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameiPath {
    /// The path asked for.
    pub path: Spanned<String>,
    /// Its components, those of symbolic links' targets included.
    pub entries: Vec<NameiEntry>,
}

impl NameiPath {
    /// Where the walk failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&NameiEntry> {
        self.entries.iter().find(|entry| entry.error.is_some())
    }

    /// The directories walked through, each of which needs the execute bit.
    pub fn directories(&self) -> impl Iterator<Item = &NameiEntry> {
        self.entries.iter().filter(|entry| entry.kind == FileKind::Directory)
    }
}

/// Every path of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namei {
    /// One for each `f:` line.
    pub paths: Vec<NameiPath>,
}

/// How many columns stand before the name: mode; mode, owner, group; and the security context.
#[derive(Clone, Copy, Default)]
struct Columns(Option<usize>);

impl View for Namei {
    const KIND: Kind = Kind::new("namei");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &["f: "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut columns = Columns::default();
        let mut here = String::new();
        for (number, line) in lines(text) {
            let trimmed = line.trim_start();
            if let Some(path) = trimmed.strip_prefix("f: ") {
                let path = Spanned::new(path.trim_end().to_owned(), number);
                view.paths.push(NameiPath { path, entries: Vec::new() });
                columns = Columns::default();
                here.clear();
                continue;
            }
            if trimmed.is_empty() {
                continue;
            }
            let Some(current) = view.paths.last_mut() else {
                // A prompt or a remark before the first path.
                continue;
            };
            match entry(number, trimmed, &mut columns, &mut here) {
                Some(entry) => current.entries.push(entry),
                None => issues.push(Issue::new(number, "not a line of namei")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let mut after_path = false;
        for line in head.lines() {
            let line = line.trim_start();
            if after_path && (first_word_is_mode(line) || line.contains(" - ")) {
                return 95;
            }
            after_path = line.starts_with("f: ");
        }
        if name.starts_with("namei") { 30 } else { 0 }
    }
}

fn first_word_is_mode(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    parse_mode(word).is_some()
        || (word.chars().count() == 1 && word.chars().next().and_then(FileKind::of).is_some())
}

fn entry(line: u32, text: &str, columns: &mut Columns, here: &mut String) -> Option<NameiEntry> {
    let (word, rest) = text.split_once(' ')?;
    let (kind, mode) = match parse_mode(word) {
        Some((kind, mode)) => (kind, Some(mode)),
        None if word.len() == 1 => (FileKind::of(word.chars().next()?)?, None),
        None => {
            let (name, error) = text.rsplit_once(" - ")?;
            let entry = NameiEntry {
                line,
                kind: FileKind::Unknown,
                mode: None,
                owner: String::new(),
                group: String::new(),
                name: name.to_owned(),
                path: join(here, name),
                target: None,
                error: Some(error.trim_end().to_owned()),
            };
            return Some(entry);
        }
    };
    let before_name = *columns.0.get_or_insert_with(|| {
        let words: Vec<&str> = text.split_whitespace().take(6).collect();
        // The first component is the root where the path is absolute.
        let root = words.iter().position(|word| *word == "/");
        root.unwrap_or(if mode.is_some() && words.len() > 3 && words[2] != "->" { 3 } else { 1 })
    });
    let mut rest = rest.trim_start();
    let mut skipped = Vec::new();
    for _ in 1..before_name {
        let (word, behind) = rest.split_once(' ')?;
        skipped.push(word);
        rest = behind.trim_start();
    }
    let (name, target) = match rest.split_once(" -> ") {
        Some((name, target)) if kind == FileKind::Symlink => (name, Some(target.to_owned())),
        _ => (rest, None),
    };
    let path = join(here, name);
    if kind != FileKind::Symlink {
        here.clone_from(&path);
    }
    let column = |at: usize| skipped.get(at).copied().unwrap_or_default().to_owned();
    Some(NameiEntry {
        line,
        kind,
        mode,
        owner: column(0),
        group: column(1),
        name: name.to_owned(),
        path,
        target,
        error: None,
    })
}

/// Longest path kept: `PATH_MAX` of `linux/limits.h`. It bounds what a text of many lines can make us hold.
const PATH_MAX: usize = 4096;

fn join(here: &str, name: &str) -> String {
    match name {
        "/" => "/".to_owned(),
        "." => here.to_owned(),
        ".." => here.rsplit_once('/').map_or("/", |up| if up.0.is_empty() { "/" } else { up.0 }).to_owned(),
        _ if here.len() + name.len() >= PATH_MAX || here.is_empty() => name.to_owned(),
        _ => format!("{}/{name}", here.trim_end_matches('/')),
    }
}

/// A mode of ten letters as `ls -l` and `namei -l` write it; a final `.`, `+` or `@` (context, ACL) is allowed.
#[must_use]
pub fn parse_mode(word: &str) -> Option<(FileKind, u32)> {
    let word = word.strip_suffix(['.', '+', '@']).unwrap_or(word);
    if word.len() != 10 || !word.is_ascii() {
        return None;
    }
    let bytes = word.as_bytes();
    let kind = FileKind::of(char::from(bytes[0]))?;
    let mut mode = 0;
    for class in 0..3 {
        let triple = &bytes[1 + class * 3..4 + class * 3];
        // Set-uid, set-gid and sticky are written over the execute letter of user, group and others.
        let (special, on, off) = match class {
            0 => (0o4000, b's', b'S'),
            1 => (0o2000, b's', b'S'),
            _ => (0o1000, b't', b'T'),
        };
        let shift = 6 - 3 * class;
        mode |= match triple[0] {
            b'r' => 4 << shift,
            b'-' => 0,
            _ => return None,
        };
        mode |= match triple[1] {
            b'w' => 2 << shift,
            b'-' => 0,
            _ => return None,
        };
        mode |= match triple[2] {
            b'x' => 1 << shift,
            b'-' => 0,
            letter if letter == on => special | 1 << shift,
            letter if letter == off => special,
            _ => return None,
        };
    }
    Some((kind, mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "f: /srv/link/d/my disk
drwxr-xr-x root         root /
drwxr-x--- root         root srv
lrwxrwxrwx libvirt-qemu kvm  link -> /data/../data
drwxr-xr-x root         root   /
drwxrwxrwt root         root   data
drwxr-xr-x root         root   ..
Drwxrwxrwt root         root   data
drwsr-sr-T root         root d
-rw-r----- libvirt-qemu kvm  my disk
f: /srv/nope
drwxr-xr-x root         root /
drwxr-x--- root         root srv
                             nope - No such file or directory
";

    #[test]
    fn the_long_form_with_a_symlink_and_an_error() {
        let (view, issues) = Namei::read(LONG);
        assert_eq!(issues, []);
        let first = &view.paths[0];
        assert_eq!(first.path, Spanned::new("/srv/link/d/my disk".to_owned(), 1));
        let paths: Vec<&str> = first.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            paths,
            ["/", "/srv", "/srv/link", "/", "/data", "/", "/data", "/data/d", "/data/d/my disk"]
        );
        assert_eq!(first.entries[1].mode, Some(0o750));
        assert_eq!(first.entries[2].target.as_deref(), Some("/data/../data"));
        assert_eq!(first.entries[7].mode, Some(0o7754));
        let file = &first.entries[8];
        assert_eq!((file.line, file.kind, file.mode), (10, FileKind::File, Some(0o640)));
        assert_eq!((file.owner.as_str(), file.group.as_str()), ("libvirt-qemu", "kvm"));
        assert_eq!(first.failure(), None);
        let failure = view.paths[1].failure().expect("the second path fails");
        assert_eq!((failure.line, failure.path.as_str()), (14, "/srv/nope"));
        assert_eq!(failure.error.as_deref(), Some("No such file or directory"));
    }

    #[test]
    fn access_goes_by_the_first_class_that_fits() {
        let (view, _) = Namei::read(LONG);
        let file = &view.paths[0].entries[8];
        assert_eq!(file.allows(4, "libvirt-qemu", &[]), Some(true));
        assert_eq!(file.allows(2, "someone", &["users", "kvm"]), Some(false));
        assert_eq!(file.allows(4, "someone", &["users", "kvm"]), Some(true));
        assert_eq!(file.allows(4, "someone", &["users"]), Some(false));
        let directory = &view.paths[0].entries[1];
        assert_eq!(directory.allows(1, "nobody", &["nogroup"]), Some(false));
    }

    #[test]
    fn short_forms() {
        let (view, issues) = Namei::read(
            "f: /a/l\n drwxr-xr-x root root /\n drwx------ me   us   a\n lrwxrwxrwx me   us   l -> x\n",
        );
        assert_eq!(issues, []);
        assert_eq!(view.paths[0].entries[1].owner, "me");
        assert_eq!(view.paths[0].entries[2].path, "/a/l");
        let (view, issues) = Namei::read("f: /a/b c\n d /\n d a\n - b c\n");
        assert_eq!(issues, []);
        let last = &view.paths[0].entries[2];
        assert_eq!((last.kind, last.name.as_str(), last.mode), (FileKind::File, "b c", None));
        let (view, _) = Namei::read("f: d\ndrwxr-xr-x d\n");
        assert_eq!(view.paths[0].entries[0].path, "d");
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(Namei::recognise("x.txt", &format!("$ namei -l /srv\n{LONG}")), 95);
        assert_eq!(Namei::recognise("x.txt", "f: something else\nentirely\n"), 0);
    }

    #[test]
    fn modes() {
        assert_eq!(parse_mode("drwxr-xr-x"), Some((FileKind::Directory, 0o755)));
        assert_eq!(parse_mode("crw-rw----+"), Some((FileKind::Character, 0o660)));
        assert_eq!(parse_mode("-rwsr-xr-t."), Some((FileKind::File, 0o5755)));
        assert_eq!(parse_mode("drwxr-xr-q"), None);
        assert_eq!(parse_mode("d\u{e9}wxr-xr-"), None);
    }
}
