//! Records `namei -l PATH`: mode, owner and group of each component down to each image, kernel and firmware of the
//! VM in question, laid out as util-linux `namei -l` does it, so that a pasted output of the real tool and ours
//! are read alike.

use super::machine::{Machines, not_absolute};
use super::users::Names;
use crate::file::system_words;
use crate::live::Collector;
use crate::text::escape;
use rustix::fs::{FileType, Mode, lstat, readlink};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use vmwright_model::Kind;

/// Most symbolic links that are followed: `MAXSYMLINKS` of `sys/param.h`, as the tool does.
const LINKS: usize = 20;

/// `PATH_MAX` of `linux/limits.h`: what the kernel takes as one path.
const PATH_MAX: usize = 4096;

pub(super) fn run(machines: &Machines, collector: &mut Collector<'_>) {
    let Some(images) = machines.images(collector) else { return };
    for path in images.disks.into_iter().chain(images.boot) {
        let source = format!("namei -l {}", escape(path.as_bytes()));
        let content = match not_absolute(&path) {
            Some(why) => Err(why),
            None => collector.within(move || namei(&path).into_bytes()),
        };
        collector.push(source, Some(Kind::new("namei")), content);
    }
}

/// One line of the output.
enum Line {
    /// Mode string, owner, group, depth of links, name.
    Found { mode: String, owner: String, group: String, level: usize, name: String },
    /// Depth of links, and the name with what is wrong with it.
    Failed { level: usize, name: String },
}

/// What `namei -l PATH` prints.
fn namei(path: &str) -> String {
    let mut walk = Walk { names: Names::default(), lines: Vec::new(), links: 0 };
    walk.path(b"", path.as_bytes(), 0);
    let width = |of: fn(&Line) -> usize| walk.lines.iter().map(of).max().unwrap_or(0);
    let owners = width(|line| if let Line::Found { owner, .. } = line { owner.len() } else { 0 });
    let groups = width(|line| if let Line::Found { group, .. } = line { group.len() } else { 0 });
    let mut text = format!("f: {}\n", escape(path.as_bytes()));
    for line in &walk.lines {
        // Writing into a String cannot fail.
        let _ = match line {
            Line::Found { mode, owner, group, level, name } => {
                writeln!(
                    text,
                    "{mode} {owner:owners$} {group:groups$} {:indent$}{name}",
                    "",
                    indent = level * 2
                )
            }
            Line::Failed { level, name } => {
                writeln!(text, "{:blank$}{name}", "", blank = 10 + 1 + owners + 1 + groups + 1 + level * 2)
            }
        };
    }
    text
}

struct Walk {
    names: Names,
    lines: Vec<Line>,
    links: usize,
}

impl Walk {
    /// Writes down the components of `path`, which starts at the directory `base` where it is not absolute. Gives
    /// the directory that it leads to; none where the walk has to stop.
    fn path(&mut self, base: &[u8], path: &[u8], level: usize) -> Option<Vec<u8>> {
        let mut here = base.to_vec();
        if path.starts_with(b"/") {
            here = b"/".to_vec();
            here = self.component(here, b"/", level)?;
        }
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let mut full = here.clone();
            if full.last().is_some_and(|last| *last != b'/') {
                full.push(b'/');
            }
            full.extend_from_slice(name);
            if full.len() >= PATH_MAX {
                self.fail(name, Errno::NAMETOOLONG, level);
                return None;
            }
            here = self.component(full, name, level)?;
        }
        Some(here)
    }

    /// Writes down one component and follows it where it is a link. Gives the path to go on from.
    fn component(&mut self, full: Vec<u8>, name: &[u8], level: usize) -> Option<Vec<u8>> {
        let at = OsStr::from_bytes(&full);
        let stat = match lstat(at) {
            Ok(stat) => stat,
            Err(error) => {
                self.fail(name, error, level);
                return None;
            }
        };
        let (owner, group) = (self.names.user(stat.st_uid), self.names.group(stat.st_gid));
        let mode = mode_string(stat.st_mode);
        let mut name = escape(name);
        let target =
            (FileType::from_raw_mode(stat.st_mode) == FileType::Symlink).then(|| readlink(at, Vec::new()));
        if let Some(Ok(target)) = &target {
            name = format!("{name} -> {}", escape(target.as_bytes()));
        }
        self.lines.push(Line::Found { mode, owner, group, level, name });
        let Some(target) = target else { return Some(full) };
        // The tool shows a link that it cannot follow, and stops there.
        let target = target.ok()?;
        self.links += 1;
        if self.links > LINKS {
            return None;
        }
        let end = full.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash.max(1));
        self.path(&full[..end], target.as_bytes(), level + 1)
    }

    fn fail(&mut self, name: &[u8], error: Errno, level: usize) {
        self.lines.push(Line::Failed { level, name: format!("{} - {}", escape(name), system_words(error)) });
    }
}

/// A mode as `ls -l` writes it.
pub(super) fn mode_string(mode: u32) -> String {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::BlockDevice => 'b',
        FileType::CharacterDevice => 'c',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    let bits = Mode::from_raw_mode(mode);
    for (class, special, on, off) in
        [(6, Mode::SUID, 's', 'S'), (3, Mode::SGID, 's', 'S'), (0, Mode::SVTX, 't', 'T')]
    {
        let has = |bit: u32| mode >> class & bit != 0;
        text.push(if has(4) { 'r' } else { '-' });
        text.push(if has(2) { 'w' } else { '-' });
        text.push(match (bits.contains(special), has(1)) {
            (true, true) => on,
            (true, false) => off,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{mode_string, namei};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::process::Command;

    /// The real tool, as this user or as nobody.
    fn real(path: &str) -> Option<String> {
        let output = Command::new("namei").env("LC_ALL", "C").args(["-l", "--", path]).output().ok()?;
        String::from_utf8(output.stdout).ok()
    }

    #[test]
    fn byte_for_byte_as_the_real_tool() {
        let Some(_) = real("/") else {
            eprintln!("SKIPPED byte_for_byte_as_the_real_tool: namei of util-linux is not installed");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/disk image.raw"), "").unwrap();
        std::fs::set_permissions(at("a"), std::fs::Permissions::from_mode(0o6751)).unwrap();
        std::fs::set_permissions(at("a/b"), std::fs::Permissions::from_mode(0o1644)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(at("a"), Some(4_242_424), Some(65534)).unwrap();
        }
        symlink("../a/./b/", at("a/relative")).unwrap();
        symlink(at("a"), at("absolute")).unwrap();
        symlink("gone/x", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink(".", at("dot")).unwrap();
        let mut paths: Vec<String> = [
            "a/b/disk image.raw",
            "absolute/relative/disk image.raw",
            "absolute/relative/none/x",
            "dangling",
            "loop",
            "loop/x",
            "dot/dot/a/../a//b",
            "a/b/disk image.raw/below",
            "absolute/",
        ]
        .iter()
        .map(|name| at(name).into_os_string().into_string().unwrap())
        .collect();
        for path in
            ["/", "//etc///passwd/", "/etc/os-release", "/bin/sh", "/nonexistent/x", "/dev/null", "/dev/kvm"]
        {
            paths.push(path.to_owned());
        }
        let deep = format!("/{}", "d/".repeat(2100));
        paths.push(format!("{}/{}", folder.path().display(), "n".repeat(300)));
        for path in &paths {
            assert_eq!(namei(path), real(path).unwrap(), "{path}");
        }
        assert_eq!(namei(&deep).lines().count(), 3);
    }

    #[test]
    fn names_cannot_break_lines() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("x\nf: y")).unwrap();
        let text = namei(&format!("{}/x\nf: y/z", folder.path().display()));
        assert!(text.ends_with("z - No such file or directory\n"), "{text}");
        assert_eq!(text.matches("\\x0a").count(), 2, "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("f: ")).count(), 1, "{text}");
    }

    #[test]
    fn modes() {
        for (mode, text) in [
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o104_644, "-rwSr--r--"),
            (0o041_777, "drwxrwxrwt"),
        ] {
            assert_eq!(mode_string(mode), text);
        }
    }
}
