//! One setting in a file that people edit too.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_formats::edits;
use vmwright_model::Action;
use vmwright_model::plan::Setting;

/// See [`Action::EditSetting`].
pub(super) struct EditSetting<'a> {
    pub(super) path: &'a str,
    pub(super) setting: &'a Setting,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl Facts for EditSetting<'_> {
    fn target(&self) -> Target {
        Target::Content { path: self.path.to_owned(), key: Some(self.setting.to_string()) }
    }

    fn words(&self) -> Words {
        let Self { path, setting, from, to } = self;
        Words {
            expects: match from {
                Some(from) => format!("{setting} as `{from}` in {path}"),
                None => format!("{setting} not set in {path}"),
            },
            does: match (from, to) {
                (Some(from), Some(to)) => format!("writes `{to}` for `{from}` ({setting}) to {path}"),
                (None, Some(to)) => format!("adds `{to}` ({setting}) to {path}"),
                (_, None) => format!("takes {setting} out of {path}"),
            },
            undone_by: format!("puts {path} back byte for byte, if it is as this step left it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::EditSetting { setting, to, .. }
            if setting == self.setting && to.as_deref() == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        if let Some(why) = bad_name(self.setting) {
            faults.push(Fault::Value(why));
        }
        faults.extend(
            self.to
                .and_then(|to| edits::may_stand(self.setting, to).err())
                .map(|error| Fault::Value(error.to_string())),
        );
        faults.extend(path_faults(self.path));
        faults
    }
}

/// What is wrong with the names in a setting: they stand in files that shells and the kernel read.
fn bad_name(setting: &Setting) -> Option<String> {
    let fits = |name: &str, besides: &[u8]| {
        (1..=256).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || besides.contains(&byte))
    };
    let (name, good) = match setting {
        Setting::GrubParameter { variable, .. } if !fits(variable, b"_") => (variable, false),
        Setting::GrubParameter { parameter: name, .. }
        | Setting::EntryParameter { parameter: name }
        | Setting::CmdlineParameter { parameter: name } => (name, fits(name, b"_-.")),
        Setting::ModuleOption { module, .. } if !fits(module, b"_-") => (module, false),
        Setting::ModuleOption { option: name, .. } | Setting::Module { module: name } => {
            (name, fits(name, b"_-"))
        }
        Setting::DracutWord { list, .. } if !fits(list, b"_") => (list, false),
        Setting::DracutWord { word: name, .. } => (name, fits(name, b"_-./")),
        Setting::Sysctl { key: name } => (name, fits(name, b"_-./*")),
        Setting::LibvirtOption { option: name } => (name, fits(name, b"_")),
    };
    (!good).then(|| format!("{} is not the name of a setting", quoted(name)))
}
