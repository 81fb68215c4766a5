//! Settings in files that people edit too.

use serde::{Deserialize, Serialize};

/// A setting in a file that people edit too. Its kind tells how the file is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Setting {
    /// A parameter of the kernel in a variable of GRUB's defaults: `/etc/default/grub`, `/etc/default/grub.d/*.cfg`.
    GrubParameter {
        /// The variable, `GRUB_CMDLINE_LINUX_DEFAULT`.
        variable: String,
        /// Name of the parameter, `intel_iommu`.
        parameter: String,
    },
    /// A parameter of the kernel in the `options` of a boot loader's entry.
    EntryParameter {
        /// Name of the parameter.
        parameter: String,
    },
    /// A parameter of the kernel in `/etc/kernel/cmdline`.
    CmdlineParameter {
        /// Name of the parameter.
        parameter: String,
    },
    /// An option of a module, as modprobe.d(5) has them.
    ModuleOption {
        /// The module.
        module: String,
        /// Name of the option, `ids`.
        option: String,
    },
    /// A module in a list, one a line: modules-load.d(5), initramfs-tools' `modules`.
    Module {
        /// The module.
        module: String,
    },
    /// A word of a list in dracut.conf(5).
    DracutWord {
        /// The list, `add_drivers`.
        list: String,
        /// The word.
        word: String,
    },
    /// A parameter of the running kernel, as sysctl.d(5) has them.
    Sysctl {
        /// Its key, `net.ipv4.ip_forward`.
        key: String,
    },
    /// A text or a number in a configuration of libvirt's daemons, `/etc/libvirt/qemu.conf`. A text without its quotes.
    LibvirtOption {
        /// Its name, `security_driver`.
        option: String,
    },
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Setting::GrubParameter { variable, parameter } => {
                write!(f, "the kernel's parameter `{parameter}` in {variable}")
            }
            Setting::EntryParameter { parameter } | Setting::CmdlineParameter { parameter } => {
                write!(f, "the kernel's parameter `{parameter}`")
            }
            Setting::ModuleOption { module, option } => write!(f, "option `{option}` of module {module}"),
            Setting::Module { module } => write!(f, "module {module}"),
            Setting::DracutWord { list, word } => write!(f, "`{word}` in {list}"),
            Setting::Sysctl { key: name } | Setting::LibvirtOption { option: name } => write!(f, "`{name}`"),
        }
    }
}
