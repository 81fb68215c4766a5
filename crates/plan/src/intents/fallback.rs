//! A way back at the boot loader: an entry that boots as before, made of the one that is booted now, with the initramfs
//! as it was; and the boot loader told to take it where nobody confirms what was tried.

use super::Wanted;
use super::boot::{Boot, DROP_INS, GRUB, GRUBS};
use crate::header;
use vmwright_formats::grub_environment;
use vmwright_formats::mounts::Mounts;
use vmwright_model::Action;
use vmwright_model::plan::{Generator, Trial};

/// By which word a kernel tells that the entry was booted: a parameter of a module that there is not, which the kernel
/// passes over (kernel, init/main.c, `unknown_bootoption()`).
pub const BOOTED_BEFORE: &str = "vmwright.before=1";

/// What the entry is known by.
const ID: &str = "--id vmwright-before";

/// Name of the entry in a folder of entries.
const ENTRY: &str = "vmwright-before.conf";

/// The longest entry that is copied, in lines; those of distributions have some twenty.
const LONGEST: usize = 200;

/// Behind the entries of GRUB's configuration: which one is taken where an entry was tried once and not confirmed.
/// GRUB itself sets `boot_once` where it takes `next_entry` (`util/grub.d/00_header.in`).
const TAKEN_BACK: &str = "\
# While a run waits to be confirmed, what it made is booted once, and the entry above from then on.
if [ \"${vmwright_trial}\" = \"1\" -a \"${boot_once}\" != \"true\" ]; then
  set default=vmwright-before
  set boot_once=true
fi
";

/// Programs of UEFI that are systemd-boot.
pub(super) const SYSTEMD_BOOT: [&str; 3] = [
    "/boot/EFI/systemd/systemd-bootx64.efi",
    "/efi/EFI/systemd/systemd-bootx64.efi",
    "/boot/efi/EFI/systemd/systemd-bootx64.efi",
];

impl Boot<'_> {
    /// The steps that make the entry; or why there are none. It does not load `without`, where something is named, and
    /// has a copy of the initramfs where `steps` make that anew. An entry that is not chosen changes nothing.
    pub(super) fn fallback(&self, without: Option<&str>, steps: &[Wanted]) -> Result<Vec<Wanted>, String> {
        let initramfs = steps.iter().find_map(|(action, _)| match action {
            Action::Regenerate {
                generator: Generator::UpdateInitramfs { .. } | Generator::Dracut { .. },
                outputs,
                ..
            } => outputs.first().map(String::as_str),
            _ => None,
        });
        match self.grub() {
            Some(output) => self.grub_entry(output, without, initramfs),
            None => self.entry_before(without, initramfs),
        }
    }

    /// The file that GRUB reads its entries from, where they stand in it.
    fn grub(&self) -> Option<&'static str> {
        let of = GRUBS.iter().find(|(program, _)| self.programs.contains(program));
        of.filter(|_| self.texts.contains_key(GRUB) && !self.reads_entries()).map(|(_, output)| *output)
    }

    /// GRUB's own `41_custom` reads the file, so that nothing has to be made anew for it.
    fn grub_entry(
        &self,
        output: &str,
        without: Option<&str>,
        initramfs: Option<&str>,
    ) -> Result<Vec<Wanted>, String> {
        let path = custom(output);
        if self.texts.get(path.as_str()).is_some_and(|text| text.contains(ID)) {
            // An earlier plan made it, of the entry as it was before that one.
            return Ok(Vec::new());
        }
        if self.texts.contains_key(path.as_str()) {
            return Err(format!("{path} is there already, so no entry to boot as before was put into it"));
        }
        let text = self
            .texts
            .get(output)
            .ok_or_else(|| format!("{output} was not read, so there is no entry to boot as before"))?;
        let kept = initramfs.map(kept_as);
        let entry = entry(text, without, initramfs.zip(kept.as_deref()))
            .ok_or_else(|| format!("{output} has no plain entry that could be kept to boot as before"))?;
        let how = without.map_or(String::new(), |without| format!(", without {without}"));
        let text = header::with(&format!(
            "# The entry as it was{how}. Remove this file when the host boots well.\n{entry}{TAKEN_BACK}"
        ));
        let why = format!("the boot menu has an entry that boots as before{how}");
        let mut steps: Vec<Wanted> = copy(initramfs, kept).into_iter().collect();
        steps.push((Action::FileCreate { path, text, mode: 0o600 }, why));
        Ok(steps)
    }

    /// A copy of the running kernel's entry, for boot loaders that read a folder of them.
    fn entry_before(&self, without: Option<&str>, initramfs: Option<&str>) -> Result<Vec<Wanted>, String> {
        let (path, text) = self.own_entries().into_iter().next().ok_or(
            "it cannot be told which entry of the boot loader is booted, so there is none to boot as before",
        )?;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let before = format!("{folder}/{ENTRY}");
        if self.texts.contains_key(before.as_str()) {
            return Ok(Vec::new());
        }
        let kept = initramfs.map(kept_as);
        let copied = initramfs.zip(kept.as_deref());
        let text = entry_of_file(text, without, copied)
            .ok_or_else(|| format!("{path} is no plain entry that could be kept to boot as before"))?;
        let how = without.map_or(String::new(), |without| format!(", without {without}"));
        let why = format!("the boot menu has an entry that boots as before{how}");
        let mut steps: Vec<Wanted> = copy(initramfs, kept).into_iter().collect();
        steps.push((Action::FileCreate { path: before, text: header::with(&text), mode: 0o644 }, why));
        Ok(steps)
    }
}

/// The step that has the boot loader try once what a plan makes; or why there is none.
pub(super) fn trial(boot: &Boot<'_>, mounts: &Mounts, made: &[&Action]) -> Result<Wanted, String> {
    let trial = match boot.grub() {
        Some(output) => grub_trial(boot, mounts, output, made)?,
        None => {
            if !SYSTEMD_BOOT.iter().any(|program| boot.programs.contains(program)) {
                return Err("this boot loader tries no entry once: where the host does not come up, choose the entry `As before vmwright` by hand".to_owned());
            }
            let (path, _) =
                boot.own_entries().into_iter().next().ok_or("it cannot be told which entry is booted")?;
            if path.contains('+') {
                return Err(format!("{path} is being tried already"));
            }
            Trial::Counted { entry: path.to_owned() }
        }
    };
    let why = "where the host does not come up, its next start is as before by itself".to_owned();
    Ok((Action::BootTrial { trial }, why))
}

fn grub_trial(boot: &Boot<'_>, mounts: &Mounts, output: &str, made: &[&Action]) -> Result<Trial, String> {
    let path = custom(output);
    let makes = |action: &&Action| matches!(action, Action::FileCreate { path: made, .. } if *made == path);
    if !made.iter().any(makes) && !boot.texts.get(path.as_str()).is_some_and(|text| text.contains(TAKEN_BACK))
    {
        return Err(format!("{path} has no entry that GRUB could take where the host does not come up"));
    }
    let environment = format!("{}/grubenv", output.rsplit_once('/').map_or("", |(folder, _)| folder));
    let block = boot.texts.get(environment.as_str());
    let block =
        block.ok_or_else(|| format!("{environment} was not read, so GRUB cannot try an entry once"))?;
    if let Some(mount) = mounts.of_path(&environment) {
        // GRUB writes blocks of plain disks alone (its manual, "The GRUB environment block").
        let layered =
            ["/dev/mapper/", "/dev/dm-", "/dev/md"].iter().any(|kind| mount.source.starts_with(kind));
        if layered || matches!(mount.fs_type.as_str(), "btrfs" | "zfs" | "f2fs") {
            return Err(format!(
                "GRUB cannot write to {} ({}), so it tries no entry once: where the host does not come up, choose `As before vmwright` by hand",
                mount.source, mount.fs_type
            ));
        }
    }
    for name in ["next_entry", "vmwright_trial"] {
        if let Some(value) = grub_environment::get(block, name) {
            return Err(format!("`{name}` is `{value}` in {environment}: somebody tries an entry already"));
        }
    }
    let entry = boot.grub_default(block)?;
    Ok(Trial::Grub { environment, entry })
}

impl Boot<'_> {
    /// The entry that GRUB boots by itself.
    fn grub_default(&self, block: &str) -> Result<String, String> {
        let own = |path: &&str| *path == GRUB || path.starts_with(DROP_INS) && path.ends_with(".cfg");
        // The map is sorted as GRUB reads them: the file before its drop-ins.
        let lines = self.texts.iter().filter(|(path, _)| own(path)).flat_map(|(_, text)| text.lines());
        let value = lines.filter_map(|line| line.trim().strip_prefix("GRUB_DEFAULT=")).next_back();
        let value = value.unwrap_or("0").trim().trim_matches(['"', '\'']);
        let value = match value {
            "saved" => grub_environment::get(block, "saved_entry").unwrap_or("0"),
            value => value,
        };
        let plain = !value.is_empty()
            && value.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !b"\\\"$`'".contains(&byte));
        match plain {
            true => Ok(value.to_owned()),
            false => Err(format!(
                "GRUB_DEFAULT is `{}`, so it cannot be told which entry GRUB boots",
                value.escape_debug()
            )),
        }
    }
}

/// The text of [`Boot::fallback`]'s file with the entry made of another GRUB configuration: on a host that stands for the one
/// which the text was made for. `copied` names the initramfs and its copy. None where it has no such entry, or none can be
/// made.
#[must_use]
pub fn entry_before(text: &str, cfg: &str, copied: Option<(&str, &str)>) -> Option<String> {
    let text = header::without(text);
    let at = text.find("menuentry 'As before vmwright'").filter(|_| text.contains(ID))?;
    let (front, old) = text.split_at(at);
    let end = old.find("\n}\n")? + 3;
    // What it was made with is told by what it was made to.
    let without = old[..end].split_ascii_whitespace().find_map(|word| word.strip_prefix("module_blacklist="));
    let copied = copied.filter(|(_, new)| {
        let name = new.rsplit('/').next().unwrap_or(new);
        old[..end].contains(name) || old[..end].contains("/vmwright-before-")
    });
    let new = entry(cfg, without, copied)?;
    Some(header::with(&format!("{front}{new}{}", &old[end..])))
}

/// The file of one's own entries beside GRUB's configuration.
fn custom(output: &str) -> String {
    format!("{}/custom.cfg", output.rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// Where an initramfs is kept as it was, beside it: a name that no program takes for that of another kernel's.
fn kept_as(initramfs: &str) -> String {
    let (folder, name) = initramfs.rsplit_once('/').unwrap_or(("", initramfs));
    format!("{folder}/vmwright-before-{name}")
}

fn copy(initramfs: Option<&str>, kept: Option<String>) -> Option<Wanted> {
    let (from, path) = (initramfs?.to_owned(), kept?);
    let why = format!("the entry that boots as before has {from} as it was");
    Some((Action::FileCopy { path, from }, why))
}

/// A line with the path of a file in it replaced by one beside it, by their last components: a boot loader has its own
/// beginning of paths.
fn beside(line: &str, copied: Option<(&str, &str)>) -> String {
    let Some((old, new)) = copied else { return line.to_owned() };
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let (old, new) = (last(old), last(new));
    let mut out = String::new();
    for piece in line.split_inclusive([' ', '\t']) {
        let word = piece.trim_end_matches([' ', '\t']);
        let (folder, name) = word.rsplit_once('/').map_or(("", word), |(folder, name)| (folder, name));
        match name == old {
            true => out.push_str(&piece.replacen(word, &format!("{folder}/{new}"), 1)),
            false => out.push_str(piece),
        }
    }
    out
}

fn first(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or("")
}

/// Words for a kernel that boots as before. `module_blacklist` holds in the initramfs too, and takes `-` and `_` as one
/// (kernel, kernel/module/main.c).
fn kept_out(without: Option<&str>) -> String {
    let without = without.map_or(String::new(), |without| format!(" module_blacklist={without}"));
    format!("{without} {BOOTED_BEFORE}")
}

/// The first entry of a configuration under another name, with a kernel that does not load a module, and another
/// initramfs.
fn entry(text: &str, without: Option<&str>, copied: Option<(&str, &str)>) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !(line.starts_with("menuentry ") && line.ends_with('{')));
    lines.next()?;
    let body: Vec<&str> = lines.take(LONGEST).collect();
    let body = &body[..body.iter().position(|line| *line == "}")?];
    let is_kernel = |line: &str| matches!(first(line), "linux" | "linux16" | "linuxefi");
    if body.iter().filter(|line| is_kernel(line)).count() != 1 {
        return None;
    }
    let mut out = format!("menuentry 'As before vmwright' {ID} {{\n");
    let mut replaced = false;
    for line in body {
        let is_initramfs = matches!(first(line), "initrd" | "initrd16" | "initrdefi");
        let new = if is_initramfs { beside(line, copied) } else { (*line).to_owned() };
        replaced |= new != *line;
        out.push_str(&new);
        if is_kernel(line) {
            out.push_str(&kept_out(without));
        }
        out.push('\n');
    }
    out.push_str("}\n");
    // An entry with the new initramfs would not boot as before.
    (replaced || copied.is_none()).then_some(out)
}

/// An entry's file under another name, in the same way.
fn entry_of_file(text: &str, without: Option<&str>, copied: Option<(&str, &str)>) -> Option<String> {
    let options = text.lines().filter(|line| first(line) == "options").count();
    if options != 1 || text.lines().filter(|line| matches!(first(line), "linux" | "efi")).count() != 1 {
        return None;
    }
    let mut out = String::from("# Remove this file when the host boots well.\n");
    let mut replaced = false;
    for line in text.lines() {
        let new = match first(line) {
            "title" => "title As before vmwright".to_owned(),
            "initrd" => beside(line, copied),
            "options" => format!("{line}{}", kept_out(without)),
            _ => line.to_owned(),
        };
        replaced |= first(line) == "initrd" && new != line;
        out.push_str(&new);
        out.push('\n');
    }
    (replaced || copied.is_none()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{ID, TAKEN_BACK, entry, entry_before, entry_of_file};
    use crate::header;

    const CFG: &str = "\
### BEGIN /etc/grub.d/00_header ###
function load_video {
  insmod all_video
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tsearch --no-floppy --fs-uuid --set=root 1-2
\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=1-2 ro quiet
\tinitrd\t/boot/initrd.img-6.1.0-18-amd64
}
submenu 'Advanced options' {
\tmenuentry 'other' {
\t\tlinux\t/boot/vmlinuz-old
\t}
}
";

    #[test]
    fn the_entry_of_now_is_kept_without_the_module() {
        let expected = "\
menuentry 'As before vmwright' --id vmwright-before {
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tsearch --no-floppy --fs-uuid --set=root 1-2
\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=1-2 ro quiet module_blacklist=vfio-pci vmwright.before=1
\tinitrd\t/boot/vmwright-before-initrd.img-6.1.0-18-amd64
}
";
        let copied = ("/boot/initrd.img-6.1.0-18-amd64", "/boot/vmwright-before-initrd.img-6.1.0-18-amd64");
        assert_eq!(entry(CFG, Some("vfio-pci"), Some(copied)).as_deref(), Some(expected));
        let plain = entry(CFG, None, None).expect("it is plain");
        assert!(
            plain.contains("ro quiet vmwright.before=1\n") && plain.contains("\t/boot/initrd.img-6.1"),
            "{plain}"
        );
        assert_eq!(entry(CFG, None, Some(("/boot/initrd.img-5", "/boot/x"))), None, "another initramfs");
        assert_eq!(entry("menuentry 'x' {\n\tchainloader +1\n}\n", Some("vfio-pci"), None), None);
        assert_eq!(entry("menuentry 'x' {\n\tlinux /a\n", Some("vfio-pci"), None), None, "it has no end");
        assert_eq!(entry("", None, None), None);
    }

    #[test]
    fn the_entry_is_made_of_another_configuration_in_the_same_way() {
        let text = header::with(&format!(
            "# As it was.\nmenuentry 'As before vmwright' {ID} {{\n\tlinux /vmlinuz-9 root=/dev/mapper/a module_blacklist=vfio-pci vmwright.before=1\n\tinitrd /vmwright-before-initrd.img-9\n}}\n{TAKEN_BACK}"
        ));
        let copied = ("/boot/initrd.img-6.1.0-18-amd64", "/boot/vmwright-before-initrd.img-6.1.0-18-amd64");
        let made = entry_before(&text, CFG, Some(copied)).expect("it is one");
        assert!(made.ends_with(TAKEN_BACK) && made.contains("# As it was.\nmenuentry"), "{made}");
        assert!(
            made.contains("root=UUID=1-2 ro quiet module_blacklist=vfio-pci vmwright.before=1\n")
                && made.contains("/boot/vmwright-before-initrd.img-6.1.0-18-amd64\n"),
            "{made}"
        );
        assert_eq!(entry_before("menuentry 'mine' {\n}\n", CFG, None), None);
    }

    #[test]
    fn the_file_of_an_entry_is_kept_in_the_same_way() {
        let text = "title Arch\nversion 6.1-1\nlinux /vmlinuz-6.1\ninitrd /ucode.img\ninitrd /a/initramfs-6.1.img\noptions root=UUID=1 rw\n";
        let expected = "# Remove this file when the host boots well.\ntitle As before vmwright\nversion 6.1-1\nlinux /vmlinuz-6.1\ninitrd /ucode.img\ninitrd /a/vmwright-before-initramfs-6.1.img\noptions root=UUID=1 rw module_blacklist=vfio-pci vmwright.before=1\n";
        let copied = ("/boot/a/initramfs-6.1.img", "/boot/a/vmwright-before-initramfs-6.1.img");
        assert_eq!(entry_of_file(text, Some("vfio-pci"), Some(copied)).as_deref(), Some(expected));
        assert_eq!(entry_of_file("title a\nefi /shell.efi\n", None, None), None);
    }
}
