//! Kernel modules.

use super::driver_bind::is_name;
use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::ModuleLoad`].
pub(super) struct ModuleLoad<'a> {
    pub(super) module: &'a str,
    pub(super) parameters: &'a [String],
}

impl Facts for ModuleLoad<'_> {
    fn target(&self) -> Target {
        Target::Module(self.module.to_owned())
    }

    fn words(&self) -> Words {
        let module = self.module;
        Words {
            expects: format!("module {module} not loaded"),
            does: format!("loads module {module}{}, until the next boot", with(self.parameters)),
            undone_by: format!("unloads module {module}, if nothing uses it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Module
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::ModuleUnload { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.module, self.parameters)
    }
}

/// See [`Action::ModuleUnload`].
pub(super) struct ModuleUnload<'a> {
    pub(super) module: &'a str,
    pub(super) parameters: &'a [String],
}

impl Facts for ModuleUnload<'_> {
    fn target(&self) -> Target {
        Target::Module(self.module.to_owned())
    }

    fn words(&self) -> Words {
        let module = self.module;
        Words {
            expects: format!("module {module} loaded and used by nothing"),
            does: format!("unloads module {module}"),
            undone_by: format!("loads module {module}{}", with(self.parameters)),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Module
    }

    fn may_lock_out(&self) -> bool {
        // A network card's driver goes though its interface is up. KVM's and VFIO's drive none of the host's own.
        let name = self.module.replace('-', "_");
        !["kvm", "vfio", "vhost", "nbd"].iter().any(|known| name.starts_with(known))
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::ModuleLoad { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.module, self.parameters)
    }
}

fn with(parameters: &[String]) -> String {
    if parameters.is_empty() { String::new() } else { format!(" with {}", parameters.join(" ")) }
}

fn faults(module: &str, parameters: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !is_name(module) {
        faults.push(Fault::Value(format!("{} is not the name of a module", quoted(module))));
    }
    // Each is a word of modprobe's command line: no option, no blank.
    let good = |parameter: &&String| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            is_name(name) && value.len() <= 1024 && value.bytes().all(|byte| byte.is_ascii_graphic())
        })
    };
    for parameter in parameters.iter().filter(|parameter| !good(parameter)) {
        faults.push(Fault::Value(format!(
            "{} is not a module's parameter like `name=value`",
            quoted(parameter)
        )));
    }
    faults
}
