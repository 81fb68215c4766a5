//! What holds at the next boot: parameters of the kernel, and modules of the initramfs. The user's own files are edited
//! where the boot loader that is really there reads them, and what programs make out of them is made anew.

use super::fallback::SYSTEMD_BOOT;
use super::{IntentError, Wanted};
use crate::canonical::sha256;
use crate::header;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::edits;
use vmwright_model::plan::{Generator, Setting};
use vmwright_model::{Action, Need};

/// The variable of GRUB's defaults that is for ordinary boots; recovery entries do not get it, and stay as a way back.
const VARIABLE: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Files of vmwright's own that keep devices for VMs.
pub(super) const MODPROBE: &str = "/etc/modprobe.d/vmwright-vfio.conf";
pub(super) const LOAD: &str = "/etc/modules-load.d/vmwright-vfio.conf";
/// It is there where systemd runs (sd_booted(3)).
pub(super) const SYSTEMD: &str = "/run/systemd/system";
const DRACUT: &str = "/etc/dracut.conf.d/vmwright-vfio.conf";
/// Debian's package of dracut has it, and names the initramfs as initramfs-tools does.
const DEBIAN_DRACUT: &str = "/etc/kernel/postinst.d/dracut";

pub(super) const GRUB: &str = "/etc/default/grub";
pub(super) const DROP_INS: &str = "/etc/default/grub.d/";
const CMDLINE: &str = "/etc/kernel/cmdline";
const INITRAMFS_MODULES: &str = "/etc/initramfs-tools/modules";
pub(super) const ENTRIES: [&str; 3] =
    ["/boot/loader/entries/", "/efi/loader/entries/", "/boot/efi/loader/entries/"];

/// Programs that make GRUB's configuration, and the file that each makes.
pub(super) const GRUBS: [(&str, &str); 3] = [
    ("/usr/sbin/update-grub", "/boot/grub/grub.cfg"),
    ("/usr/sbin/grub2-mkconfig", "/boot/grub2/grub.cfg"),
    ("/usr/bin/grub-mkconfig", "/boot/grub/grub.cfg"),
];

/// What has to be read of a host so that it can be told how it boots.
pub const NEEDS: &[Need] = &[
    Need::File("/etc/default/grub"),
    Need::Glob("/etc/default/grub.d/*.cfg"),
    Need::File("/boot/grub/grub.cfg"),
    Need::File("/boot/grub/custom.cfg"),
    Need::File("/boot/grub2/grub.cfg"),
    Need::File("/boot/grub2/custom.cfg"),
    Need::File("/boot/grub/grubenv"),
    Need::File("/boot/grub2/grubenv"),
    Need::File("/etc/kernel/cmdline"),
    Need::File("/etc/initramfs-tools/modules"),
    Need::File(MODPROBE),
    Need::File(LOAD),
    Need::File(DRACUT),
    Need::Glob("/etc/udev/rules.d/10-vmwright-*.rules"),
    Need::Glob("/boot/loader/entries/*.conf"),
    Need::Glob("/efi/loader/entries/*.conf"),
    Need::Glob("/boot/efi/loader/entries/*.conf"),
    Need::File("/proc/sys/kernel/osrelease"),
    Need::Exists("/usr/sbin/update-grub"),
    Need::Exists("/usr/sbin/grub2-mkconfig"),
    Need::Exists("/usr/bin/grub-mkconfig"),
    Need::Exists("/usr/sbin/update-initramfs"),
    Need::Exists("/usr/bin/dracut"),
    Need::Exists(DEBIAN_DRACUT),
    Need::Exists(SYSTEMD),
    Need::Exists(SYSTEMD_BOOT[0]),
    Need::Exists(SYSTEMD_BOOT[1]),
    Need::Exists(SYSTEMD_BOOT[2]),
];

/// How a host boots, as it was read.
#[derive(Debug, Clone, Default)]
pub struct Boot<'h> {
    /// Version of the running kernel.
    pub kernel: &'h str,
    /// Its command line.
    pub cmdline: &'h str,
    /// The vendor of its processors, `GenuineIntel`; none where it is not known.
    pub vendor: Option<&'h str>,
    /// The texts of [`NEEDS`] that are there, by path.
    pub texts: BTreeMap<&'h str, &'h str>,
    /// The programs of [`NEEDS`] that are there.
    pub programs: BTreeSet<&'h str>,
}

impl Boot<'_> {
    /// Whether the running kernel was given a parameter in exactly this way.
    pub(super) fn runs_with(&self, word: &str) -> bool {
        self.cmdline.split_ascii_whitespace().any(|other| other == word)
    }

    /// Whether GRUB reads its entries from a folder of them.
    pub(super) fn reads_entries(&self) -> bool {
        self.texts.get(GRUB).is_some_and(|text| text.contains("GRUB_ENABLE_BLSCFG=true"))
    }

    /// The entries of the running kernel: those of others stay as a way back.
    pub(super) fn own_entries(&self) -> Vec<(&str, &str)> {
        let kernel = format!("-{}", self.kernel);
        let own = |path: &str| {
            let file = ENTRIES.iter().find_map(|folder| path.strip_prefix(folder));
            file.and_then(|file| file.strip_suffix(".conf"))
                .is_some_and(|file| file.split('+').next().is_some_and(|file| file.ends_with(&kernel)))
        };
        self.texts.iter().filter(|(path, _)| own(path)).map(|(path, text)| (*path, *text)).collect()
    }

    /// What has to be done so that the kernel is given `word` at the next boot; nothing where it is already.
    pub(super) fn parameter(&self, word: &str, why: &str) -> Result<Vec<Wanted>, IntentError> {
        self.given(word, true, why)
    }

    /// What has to be done so that the kernel is not given `word` at the next boot; nothing where it is not.
    pub(super) fn without(&self, word: &str, why: &str) -> Result<Vec<Wanted>, IntentError> {
        self.given(word, false, why)
    }

    fn given(&self, word: &str, there: bool, why: &str) -> Result<Vec<Wanted>, IntentError> {
        let grub = GRUBS.iter().find(|(program, _)| self.programs.contains(program));
        let mut steps = match grub {
            Some((program, output)) if self.texts.contains_key(GRUB) && !self.reads_entries() => {
                return self.grub_parameter(word, there, why, program, output);
            }
            _ => Vec::new(),
        };
        let name = name_of(word).to_owned();
        let mut entries = 0;
        for (path, text) in self.own_entries() {
            entries += 1;
            let setting = Setting::EntryParameter { parameter: name.clone() };
            steps.extend(edit(path, text, setting, there.then_some(word), why)?);
        }
        if entries == 0 {
            return Err(IntentError::NoBootLoader);
        }
        if let Some(text) = self.texts.get(CMDLINE) {
            // What kernels that come later are given.
            let setting = Setting::CmdlineParameter { parameter: name };
            steps.extend(edit(CMDLINE, text, setting, there.then_some(word), why)?);
        }
        Ok(steps)
    }

    /// The same for several words with their reasons: what is made of all of them is made once.
    pub(super) fn parameters(&self, wanted: &[(String, String)]) -> Result<Vec<Wanted>, IntentError> {
        let mut steps: Vec<Wanted> = Vec::new();
        for (word, why) in wanted {
            join(&mut steps, self.parameter(word, why)?);
        }
        Ok(steps)
    }

    /// In the file that is read last and has it, else in the one that assigns the variable last.
    fn grub_parameter(
        &self,
        word: &str,
        there: bool,
        why: &str,
        program: &str,
        output: &str,
    ) -> Result<Vec<Wanted>, IntentError> {
        let setting =
            Setting::GrubParameter { variable: VARIABLE.to_owned(), parameter: name_of(word).to_owned() };
        let own = |path: &&str| *path == GRUB || path.starts_with(DROP_INS) && path.ends_with(".cfg");
        let files: Vec<(&str, &str)> =
            self.texts.iter().filter(|(path, _)| own(path)).map(|(path, text)| (*path, *text)).collect();
        let mut chosen = (GRUB, self.texts.get(GRUB).copied().unwrap_or(""));
        for (path, text) in &files {
            if edits::assigns(text, VARIABLE) {
                chosen = (path, text);
            }
        }
        for (path, text) in &files {
            let found = edits::get(text, &setting)
                .map_err(|error| IntentError::Edit { path: (*path).to_owned(), why: error.to_string() })?;
            if found.is_some() {
                chosen = (path, text);
            }
        }
        let Some(edit) = edit(chosen.0, chosen.1, setting, there.then_some(word), why)? else {
            return Ok(Vec::new());
        };
        let generator = match program {
            "/usr/sbin/update-grub" => Generator::UpdateGrub,
            "/usr/sbin/grub2-mkconfig" => Generator::Grub2Mkconfig,
            _ => Generator::GrubMkconfig,
        };
        let holds = if there { vec![word.to_owned()] } else { Vec::new() };
        let make = Action::Regenerate { generator, outputs: vec![output.to_owned()], holds };
        let gives = if there { "gives the kernel" } else { "no longer gives the kernel" };
        Ok(vec![edit, (make, format!("GRUB {gives} `{word}` at the next boot"))])
    }

    /// The step that gives a file of vmwright's own this text; none where it has it. An earlier plan may have made it.
    pub(super) fn own(&self, path: &str, text: String, why: &str) -> Option<Wanted> {
        let path = path.to_owned();
        let action = match self.texts.get(path.as_str()) {
            Some(found) if header::without(found) == text => return None,
            Some(found) => {
                Action::FileWrite { path, from_sha256: sha256(found.as_bytes()), text: header::with(&text) }
            }
            None => Action::FileCreate { path, text: header::with(&text), mode: 0o644 },
        };
        Some((action, why.to_owned()))
    }

    /// What has to be done so that the initramfs loads `module` before the drivers of devices. Also its programs make
    /// it anew where only what they read besides has changed.
    pub(super) fn initramfs(&self, module: &str) -> Result<Vec<Wanted>, IntentError> {
        let kernel = self.kernel.to_owned();
        let why = format!("the initramfs has {module}, before the drivers that would take the device");
        let mut steps: Vec<Wanted> = Vec::new();
        let (generator, output) = if self.programs.contains("/usr/sbin/update-initramfs") {
            let setting = Setting::Module { module: module.to_owned() };
            let text = self.texts.get(INITRAMFS_MODULES).ok_or(IntentError::NoInitramfs)?;
            steps.extend(edit(INITRAMFS_MODULES, text, setting, Some(module), &why)?);
            (Generator::UpdateInitramfs { kernel }, format!("/boot/initrd.img-{}", self.kernel))
        } else if self.programs.contains("/usr/bin/dracut") {
            // Where dracut does not make it for this host alone, it leaves /etc/modprobe.d out.
            let text = format!("force_drivers+=\" {module} \"\ninstall_items+=\" {MODPROBE} \"\n");
            steps.extend(self.own(DRACUT, text, &why));
            let output = match self.programs.contains(DEBIAN_DRACUT) {
                true => format!("/boot/initrd.img-{}", self.kernel),
                false => format!("/boot/initramfs-{}.img", self.kernel),
            };
            (Generator::Dracut { kernel }, output)
        } else {
            return Err(IntentError::NoInitramfs);
        };
        let make = Action::Regenerate { generator, outputs: vec![output], holds: Vec::new() };
        steps.push((make, "the initramfs is made of what was written".to_owned()));
        Ok(steps)
    }
}

/// Adds steps to others; what a program makes of all of them is made once.
pub(super) fn join(steps: &mut Vec<Wanted>, more: Vec<Wanted>) {
    for (action, why) in more {
        let Action::Regenerate { generator, outputs, holds } = action else {
            steps.push((action, why));
            continue;
        };
        let same = steps.iter_mut().find_map(|(other, _)| match other {
            Action::Regenerate { outputs: theirs, holds, .. } if *theirs == outputs => Some(holds),
            _ => None,
        });
        match same {
            Some(theirs) => theirs.extend(holds),
            None => steps.push((Action::Regenerate { generator, outputs, holds }, why)),
        }
    }
}

fn name_of(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// The edit that gives a setting this value, or takes it away; none where it is so.
fn edit(
    path: &str,
    text: &str,
    setting: Setting,
    to: Option<&str>,
    why: &str,
) -> Result<Option<Wanted>, IntentError> {
    let wrong = |error: edits::EditError| IntentError::Edit { path: path.to_owned(), why: error.to_string() };
    let from = edits::get(text, &setting).map_err(wrong)?;
    if from.as_deref() == to {
        return Ok(None);
    }
    // That it can be done is known now, and not only when somebody has approved it.
    edits::set(text, &setting, from.as_deref(), to).map_err(wrong)?;
    let to = to.map(str::to_owned);
    Ok(Some((Action::EditSetting { path: path.to_owned(), setting, from, to }, why.to_owned())))
}
