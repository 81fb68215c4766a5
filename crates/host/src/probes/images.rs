//! Record `images`: the disk images and firmware that libvirt's domains, running QEMUs and the VM in question name, down their chains
//! of backing files: owner, mode, label, ACL, folders on the way, file system, and what their headers say. An image is
//! opened for reading alone, takes no lock, and only where it is a regular file.

use super::device_nodes::label;
use super::image_paths::mode_string;
use super::machine::Machines;
use super::users::Names;
use crate::bounded::within_each;
use crate::file::{missing, read_head, read_words};
use crate::live::Collector;
use crate::processes::{Mount, Process, running};
use crate::text::escape;
use rustix::fs::{lgetxattr, stat};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_formats::image_header::{self, HEAD, ImageHeader};
use vmwright_formats::{DomainXml, View};
use vmwright_model::{Kind, Missing};

/// Most images that are looked at, backing files included.
const MOST: usize = 256;

/// Most domains whose disks are looked for.
const DOMAINS: usize = 512;

/// Largest description of a domain that is read, in bytes.
const DOMAIN: usize = 1024 * 1024;

/// Longest chain of backing files (QEMU stops at 200 levels; nobody runs a tenth of that).
const CHAIN: usize = 20;

/// How long one image may take to answer: it may lie on a server that is gone.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(machines: &Machines, collector: &mut Collector<'_>) {
    // Path, and who names it.
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for path in machines.images(collector).map(|images| images.disks).unwrap_or_default() {
        wanted.entry(path).or_insert_with(|| "machine.toml".to_owned());
    }
    let domains = collector.within(|| of_domains(Path::new("/etc/libvirt/qemu"))).unwrap_or_default();
    let running = collector.within(of_processes).unwrap_or_default();
    for (path, by) in domains.into_iter().chain(running) {
        wanted.entry(path).or_insert(by);
    }
    let mut level: Vec<(String, String)> = wanted.into_iter().take(MOST).collect();
    let mut seen: Vec<String> = Vec::new();
    let mut text = String::new();
    for _ in 0..CHAIN {
        level.retain(|(path, _)| path.starts_with('/') && !seen.contains(path));
        level.truncate(MOST.saturating_sub(seen.len()));
        if level.is_empty() {
            break;
        }
        let mut next = Vec::new();
        let read = |(path, by): &(String, String)| one(path, by);
        within_each(
            || collector.time(PATIENCE),
            &level,
            read,
            |(path, by), answer| {
                match answer {
                    Ok((facts, backing)) => {
                        text.push_str(&facts);
                        next.extend(backing.map(|backing| (backing, path.clone())));
                    }
                    Err(why) => {
                        let shown = shown(path);
                        let _ = write!(
                            text,
                            "{shown} named-by {}\n{shown} missing {why}\n",
                            escape(by.as_bytes())
                        );
                    }
                }
                seen.push(path.clone());
            },
        );
        level = next;
    }
    if text.is_empty() {
        text.push_str("none\n");
    }
    collector.push("images".to_owned(), Some(Kind::new("images")), Ok(text.into_bytes()));
}

/// A path as the first word of a line.
fn shown(path: &str) -> String {
    escape(path.as_bytes()).replace(' ', "\\x20")
}

/// Files that libvirt's domains have as disks, and as firmware, its variables, kernel and initramfs; and block devices
/// that they name and that are not there.
fn of_domains(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "xml")).take(DOMAINS).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let Ok(bytes) = read_head(&file, DOMAIN) else { continue };
        let (view, _) = DomainXml::read(&String::from_utf8_lossy(&bytes));
        for os in view.domains.iter().map(|domain| &domain.os) {
            let files = [&os.loader, &os.nvram, &os.kernel, &os.initrd].into_iter().flatten();
            found.extend(files.map(|path| (path.value.clone(), file.display().to_string())));
        }
        for disk in view.domains.iter().flat_map(|domain| &domain.devices.disks) {
            let kind = disk.disk_type.as_ref().map_or("file", |kind| kind.value.as_str());
            let told = |path: &str| match kind {
                "file" => true,
                // Of one that is there device nodes tell.
                "block" => stat(Path::new(path)).is_err_and(|error| missing(error) == Missing::Absent),
                _ => false,
            };
            found.extend(
                disk.source
                    .iter()
                    .filter(|source| told(&source.value))
                    .map(|source| (source.value.clone(), file.display().to_string())),
            );
        }
    }
    found
}

/// Files that running QEMUs were given as disks.
fn of_processes() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for Process { pid, name, .. } in running().iter() {
        if !name.starts_with("qemu-") && name != "kvm" {
            continue;
        }
        let words = read_words(*pid).unwrap_or_default();
        let paths = words.iter().flat_map(|word| files_of(&String::from_utf8_lossy(word)));
        found.extend(paths.map(|path| (path, format!("pid {pid}"))));
    }
    found
}

/// `file=/srv/a,,b.img` of an option of QEMU, or `"filename":"/srv/a.img"` of its JSON form.
fn files_of(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    if word.starts_with('{') {
        let values =
            word.split("\"filename\":").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        found.extend(values.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    } else {
        // A comma inside a value is written twice.
        let word = word.replace(",,", "\u{0}");
        let values = word.split(',').filter_map(|option| {
            option
                .strip_prefix("file=")
                .or_else(|| option.strip_prefix("file.filename="))
                .or_else(|| option.strip_prefix("filename="))
        });
        found.extend(values.map(|path| path.replace('\u{0}', ",")));
    }
    found.retain(|path| path.starts_with('/') && !path.starts_with("/dev/"));
    found
}

/// The lines of one image, and the path of what it is based on.
fn one(path: &str, by: &str) -> (String, Option<String>) {
    let shown = shown(path);
    let mut text = String::new();
    let mut tell = |fact: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{shown} {fact} {value}");
    };
    tell("named-by", &escape(by.as_bytes()));
    let at = Path::new(path);
    let found = match stat(at) {
        Ok(found) => found,
        Err(error) => {
            tell("missing", &missing(error).to_string());
            return (text, None);
        }
    };
    let mut users = Names::default();
    let mut owned = |stat: &rustix::fs::Stat| {
        format!("{} {} {}", mode_string(stat.st_mode), users.user(stat.st_uid), users.group(stat.st_gid))
    };
    tell("file", &format!("{} {} bytes", owned(&found), found.st_size));
    // st_blocks counts 512 bytes, whatever the file system's own blocks (stat(3type)).
    tell("on-disk", &format!("{} bytes", u64::try_from(found.st_blocks).unwrap_or(0) * 512));
    if let Some(label) = label(at) {
        tell("label", &label);
    }
    for entry in acl(at) {
        tell("acl", &entry);
    }
    if let Some(mount) = Mount::of(path) {
        tell("file-system", &escape(mount.kind.as_bytes()));
    }
    for folder in at.ancestors().skip(1) {
        if let Ok(found) = stat(folder) {
            tell("folder", &format!("{} {}", owned(&found), escape(folder.as_os_str().as_encoded_bytes())));
        }
    }
    let head = match read_head(at, HEAD) {
        Ok(head) => head,
        Err(why) => {
            tell("header", &why.to_string());
            return (text, None);
        }
    };
    let backing = header(at, &head, &mut tell);
    (text, backing)
}

/// What an image's first bytes say, and the path of what it is based on.
fn header(at: &Path, head: &[u8], tell: &mut impl FnMut(&str, &str)) -> Option<String> {
    let mut backing = None;
    match image_header::read(head) {
        ImageHeader::Raw(table) => tell("format", format!("raw {table}").trim_end()),
        ImageHeader::Other(format) => tell("format", format),
        ImageHeader::Broken(why) => tell("broken", why),
        ImageHeader::Qcow2(header) => {
            tell("format", "qcow2");
            tell("version", &header.version.to_string());
            tell("virtual-size", &header.virtual_size.to_string());
            tell("cluster-size", &header.cluster_size.to_string());
            for feature in &header.features {
                tell("feature", feature);
            }
            if header.encrypted {
                tell("encrypted", "yes");
            }
            if header.snapshots > 0 {
                tell("snapshots", &header.snapshots.to_string());
            }
            if let Some(file) = &header.data_file {
                tell("data-file", &escape(file.as_bytes()));
            }
            if let Some(name) = header.backing {
                // A name with a protocol (`json:`, `nbd://`) is no file of this host.
                let name = name.strip_prefix("file:").unwrap_or(&name);
                let is_file = name.starts_with('/') || !name.contains(':');
                let target = at.parent().unwrap_or(at).join(name);
                let target = if is_file { target.to_string_lossy().into_owned() } else { name.to_owned() };
                tell("backing", &escape(target.as_bytes()));
                tell(
                    "backing-format",
                    &header.backing_format.map_or("-".to_owned(), |format| escape(format.as_bytes())),
                );
                backing = is_file.then_some(target);
            }
        }
    }
    backing
}

/// The record with what the first bytes say in place of its lines `head`, in which a shell has put them in hexadecimal.
pub(crate) fn with_headers(record: &str) -> String {
    let mut text = String::new();
    for line in record.lines() {
        let Some((shown, hex)) = line.split_once(" head ").filter(|(shown, _)| !shown.contains(' ')) else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let digit = |letter: u8| char::from(letter).to_digit(16);
        let head: Vec<u8> = hex
            .as_bytes()
            .chunks_exact(2)
            .map_while(|two| Some((digit(two[0])? << 4 | digit(two[1])?) as u8))
            .collect();
        // Writing into a String cannot fail.
        header(Path::new(shown), &head, &mut |fact, value| {
            let _ = writeln!(text, "{shown} {fact} {value}");
        });
    }
    text
}

/// Entries of a POSIX ACL that the mode does not show, as getfacl writes them (`include/uapi/linux/posix_acl_xattr.h`:
/// a version, then tag, permissions and id of each).
fn acl(path: &Path) -> Vec<String> {
    let mut bytes = vec![0; 4096];
    let Ok(length) = lgetxattr(path, "system.posix_acl_access", &mut bytes[..]) else { return Vec::new() };
    entries(&bytes[..length])
}

fn entries(bytes: &[u8]) -> Vec<String> {
    let mut users = Names::default();
    let Some((version, entries)) = bytes.split_at_checked(4) else { return Vec::new() };
    if version != 2_u32.to_le_bytes() {
        return Vec::new();
    }
    let entry = |entry: &[u8]| {
        let (tag, bits) =
            (u16::from_le_bytes([entry[0], entry[1]]), u16::from_le_bytes([entry[2], entry[3]]));
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let who = match tag {
            0x02 => format!("user:{}", users.user(id)),
            0x08 => format!("group:{}", users.group(id)),
            0x10 => "mask:".to_owned(),
            _ => return None,
        };
        let letter = |bit: u16, letter: char| if bits & bit != 0 { letter } else { '-' };
        Some(format!("{who}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')))
    };
    entries.chunks_exact(8).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::Images;

    #[test]
    fn paths_of_qemus_options() {
        for (word, path) in [
            ("file=/srv/a,,b.img,if=virtio", Some("/srv/a,b.img")),
            ("driver=qcow2,file.filename=/srv/a.img", Some("/srv/a.img")),
            ("{\"driver\":\"file\",\"filename\":\"/srv/a.img\",\"node-name\":\"x\"}", Some("/srv/a.img")),
            ("file=relative.img", None),
            ("file=/dev/vg/lv", None),
            ("-drive", None),
        ] {
            assert_eq!(files_of(word).first().map(String::as_str), path, "{word}");
        }
    }

    #[test]
    fn a_chain_whose_end_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("top.qcow2");
        let made = std::process::Command::new("qemu-img")
            .args(["create", "-q", "-u", "-f", "qcow2", "-b", "gone.img", "-F", "raw"])
            .args([image.as_os_str(), "64M".as_ref()])
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED a_chain_whose_end_is_gone: no qemu-img here");
            return;
        }
        let (text, backing) = one(image.to_str().unwrap(), "a test");
        assert_eq!(backing.as_deref(), folder.path().join("gone.img").to_str());
        let (view, issues) = Images::read(&text);
        assert_eq!(issues, [], "{text}");
        let facts = &view.images[0];
        assert_eq!(facts.get("virtual-size").map(|size| size.value), Some("67108864"));
        assert_eq!(facts.get("backing-format").map(|format| format.value), Some("raw"));
        let (text, none) = one(&backing.unwrap(), "a test");
        assert!(text.ends_with("missing does not exist\n") && none.is_none(), "{text}");
        // A FIFO is never opened.
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(one(fifo.to_str().unwrap(), "a test").0.ends_with("header not a regular file\n"));
    }

    #[test]
    fn first_bytes_that_a_shell_tells_are_read() {
        let mut head = b"QFI\xfb\0\0\0\x03".to_vec();
        head.resize(104, 0);
        head[20..24].copy_from_slice(&16_u32.to_be_bytes());
        head[24..32].copy_from_slice(&4096_u64.to_be_bytes());
        head[100..104].copy_from_slice(&104_u32.to_be_bytes());
        let hex: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
        let told = with_headers(&format!("/a.img file x\n/a.img head {hex}\n/b.img head 4x\n/b head y z\n"));
        assert!(told.starts_with("/a.img file x\n/a.img format qcow2\n/a.img version 3\n"), "{told}");
        assert!(told.contains("/a.img virtual-size 4096\n/a.img cluster-size 65536\n"), "{told}");
        assert_eq!(with_headers("none\n"), "none\n");
    }

    #[test]
    fn disks_of_domains() {
        let folder = tempfile::tempdir().unwrap();
        let xml = "<domain type='kvm'><devices><disk type='file'><source file='/srv/a.qcow2'/></disk><disk type='block'><source dev='/dev/vg/lv'/></disk><disk type='block'><source dev='/dev/null'/></disk></devices></domain>";
        std::fs::write(folder.path().join("a.xml"), xml).unwrap();
        let found: Vec<String> = of_domains(folder.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, ["/srv/a.qcow2", "/dev/vg/lv"], "of what is there device nodes tell");
    }

    #[test]
    fn entries_of_an_acl() {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, bits, id) in [(0x01_u16, 6_u16, u32::MAX), (0x02, 6, 0), (0x10, 6, u32::MAX)] {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(bits.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        assert_eq!(entries(&bytes), ["user:root:rw-", "mask::rw-"]);
        assert_eq!(entries(&bytes[..3]), [""; 0]);
    }
}
