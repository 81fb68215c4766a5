//! What holds at the next boot: parameters of the kernel, and modules of the initramfs. The user's own files are edited
//! where the boot loader that is really there reads them, and what programs make out of them is made anew.

use super::{IntentError, Wanted};
use crate::canonical::sha256;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::edits;
use vmwright_model::plan::{Generator, Setting};
use vmwright_model::{Action, Need};

/// The variable of GRUB's defaults that is for ordinary boots; recovery entries do not get it, and stay as a way back.
const VARIABLE: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Files of vmwright's own that keep devices for VMs.
pub(super) const MODPROBE: &str = "/etc/modprobe.d/vmwright-vfio.conf";
pub(super) const LOAD: &str = "/etc/modules-load.d/vmwright-vfio.conf";
const DRACUT: &str = "/etc/dracut.conf.d/vmwright-vfio.conf";

const GRUB: &str = "/etc/default/grub";
const DROP_INS: &str = "/etc/default/grub.d/";
const CMDLINE: &str = "/etc/kernel/cmdline";
const INITRAMFS_MODULES: &str = "/etc/initramfs-tools/modules";
const ENTRIES: [&str; 3] = ["/boot/loader/entries/", "/efi/loader/entries/", "/boot/efi/loader/entries/"];

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

    /// What has to be done so that the kernel is given `word` at the next boot; nothing where it is already.
    pub(super) fn parameter(&self, word: &str, why: &str) -> Result<Vec<Wanted>, IntentError> {
        let grub = GRUBS.iter().find(|(program, _)| self.programs.contains(program));
        let blscfg = self.texts.get(GRUB).is_some_and(|text| text.contains("GRUB_ENABLE_BLSCFG=true"));
        let mut steps = match grub {
            Some((program, output)) if self.texts.contains_key(GRUB) && !blscfg => {
                return self.grub(word, why, program, output);
            }
            _ => Vec::new(),
        };
        let name = name_of(word).to_owned();
        let kernel = format!("-{}", self.kernel);
        // The entry of this kernel alone: those of others stay as a way back.
        let own = self.texts.iter().filter(|(path, _)| {
            let file = ENTRIES.iter().find_map(|folder| path.strip_prefix(folder));
            file.and_then(|file| file.strip_suffix(".conf"))
                .is_some_and(|file| file.split('+').next().is_some_and(|file| file.ends_with(&kernel)))
        });
        let mut entries = 0;
        for (path, text) in own {
            entries += 1;
            steps.extend(edit(path, text, Setting::EntryParameter { parameter: name.clone() }, word, why)?);
        }
        if entries == 0 {
            return Err(IntentError::NoBootLoader);
        }
        if let Some(text) = self.texts.get(CMDLINE) {
            // What kernels that come later are given.
            steps.extend(edit(CMDLINE, text, Setting::CmdlineParameter { parameter: name }, word, why)?);
        }
        Ok(steps)
    }

    /// The same for several words with their reasons: what is made of all of them is made once.
    pub(super) fn parameters(&self, wanted: &[(String, String)]) -> Result<Vec<Wanted>, IntentError> {
        let mut steps: Vec<Wanted> = Vec::new();
        for (word, why) in wanted {
            for (action, why) in self.parameter(word, why)? {
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
        Ok(steps)
    }

    /// In the file that is read last and has it, else in the one that assigns the variable last.
    fn grub(&self, word: &str, why: &str, program: &str, output: &str) -> Result<Vec<Wanted>, IntentError> {
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
        let Some(edit) = edit(chosen.0, chosen.1, setting, word, why)? else { return Ok(Vec::new()) };
        let generator = match program {
            "/usr/sbin/update-grub" => Generator::UpdateGrub,
            "/usr/sbin/grub2-mkconfig" => Generator::Grub2Mkconfig,
            _ => Generator::GrubMkconfig,
        };
        let make =
            Action::Regenerate { generator, outputs: vec![output.to_owned()], holds: vec![word.to_owned()] };
        Ok(vec![edit, (make, format!("GRUB gives the kernel `{word}` at the next boot"))])
    }

    /// The step that gives a file of vmwright's own this text; none where it has it. An earlier plan may have made it.
    pub(super) fn own(&self, path: &str, text: String, why: &str) -> Option<Wanted> {
        let path = path.to_owned();
        let action = match self.texts.get(path.as_str()) {
            Some(found) if *found == text => return None,
            Some(found) => Action::FileWrite { path, from_sha256: sha256(found.as_bytes()), text },
            None => Action::FileCreate { path, text, mode: 0o644 },
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
            steps.extend(edit(INITRAMFS_MODULES, text, setting, module, &why)?);
            (Generator::UpdateInitramfs { kernel }, format!("/boot/initrd.img-{}", self.kernel))
        } else if self.programs.contains("/usr/bin/dracut") {
            steps.extend(self.own(DRACUT, format!("force_drivers+=\" {module} \"\n"), &why));
            (Generator::Dracut { kernel }, format!("/boot/initramfs-{}.img", self.kernel))
        } else {
            return Err(IntentError::NoInitramfs);
        };
        let make = Action::Regenerate { generator, outputs: vec![output], holds: Vec::new() };
        steps.push((make, "the initramfs is made of what was written".to_owned()));
        Ok(steps)
    }
}

fn name_of(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// The edit that gives a setting this value; none where it has it.
fn edit(
    path: &str,
    text: &str,
    setting: Setting,
    to: &str,
    why: &str,
) -> Result<Option<Wanted>, IntentError> {
    let wrong = |error: edits::EditError| IntentError::Edit { path: path.to_owned(), why: error.to_string() };
    let from = edits::get(text, &setting).map_err(wrong)?;
    if from.as_deref() == Some(to) {
        return Ok(None);
    }
    // That it can be done is known now, and not only when somebody has approved it.
    edits::set(text, &setting, from.as_deref(), Some(to)).map_err(wrong)?;
    let to = Some(to.to_owned());
    Ok(Some((Action::EditSetting { path: path.to_owned(), setting, from, to }, why.to_owned())))
}
