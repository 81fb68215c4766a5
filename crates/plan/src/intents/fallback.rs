//! A way back at the boot loader: an entry that boots as before, made of the one that GRUB boots now.

use super::boot::{Boot, GRUBS};
use vmwright_model::Action;

/// What the entry is known by.
const ID: &str = "--id vmwright-before";

/// The longest entry that is copied, in lines; those of distributions have some twenty.
const LONGEST: usize = 200;

impl Boot<'_> {
    /// The step that makes the entry, which does not load `without`; or why there is none. GRUB's own `41_custom` reads
    /// the file, so that nothing has to be made anew for it, and an entry that is not chosen changes nothing.
    pub(super) fn fallback(&self, without: &str) -> Result<Option<(Action, String)>, String> {
        let (_, output) = GRUBS
            .iter()
            .find(|(program, _)| self.programs.contains(program))
            .ok_or("an entry to boot as before is made for GRUB alone: keep the entry of an older kernel")?;
        let folder = output.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = format!("{folder}/custom.cfg");
        if self.texts.get(path.as_str()).is_some_and(|text| text.contains(ID)) {
            // An earlier plan made it, of the entry as it was before that one.
            return Ok(None);
        }
        if self.texts.contains_key(path.as_str()) {
            return Err(format!("{path} is there already, so no entry to boot as before was put into it"));
        }
        let text = self
            .texts
            .get(output)
            .ok_or_else(|| format!("{output} was not read, so there is no entry to boot as before"))?;
        let entry = entry(text, without)
            .ok_or_else(|| format!("{output} has no plain entry that could be kept to boot as before"))?;
        let text = format!(
            "# Made by vmwright: the entry as it was, without {without}. Remove this file when the host boots well.\n{entry}"
        );
        let why = format!("the boot menu has an entry that boots as before, without {without}");
        Ok(Some((Action::FileCreate { path, text, mode: 0o600 }, why)))
    }
}

/// The first entry of a configuration under another name, with a kernel that does not load a module.
fn entry(text: &str, without: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !(line.starts_with("menuentry ") && line.ends_with('{')));
    lines.next()?;
    let body: Vec<&str> = lines.take(LONGEST).collect();
    let body = &body[..body.iter().position(|line| *line == "}")?];
    let is_kernel =
        |line: &str| matches!(line.split_ascii_whitespace().next(), Some("linux" | "linux16" | "linuxefi"));
    if body.iter().filter(|line| is_kernel(line)).count() != 1 {
        return None;
    }
    let mut out = format!("menuentry 'As before vmwright' {ID} {{\n");
    for line in body {
        out.push_str(line);
        if is_kernel(line) {
            // `module_blacklist` holds in the initramfs too, and takes `-` and `_` as one (kernel, kernel/module/main.c).
            out.push_str(&format!(" module_blacklist={without}"));
        }
        out.push('\n');
    }
    out.push_str("}\n");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::entry;

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
\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=1-2 ro quiet module_blacklist=vfio-pci
\tinitrd\t/boot/initrd.img-6.1.0-18-amd64
}
";
        assert_eq!(entry(CFG, "vfio-pci").as_deref(), Some(expected));
        assert_eq!(entry("menuentry 'x' {\n\tchainloader +1\n}\n", "vfio-pci"), None);
        assert_eq!(entry("menuentry 'x' {\n\tlinux /a\n", "vfio-pci"), None, "it has no end");
        assert_eq!(entry("", "vfio-pci"), None);
    }
}
