//! What is started: firmware, kernel, order of devices, first configuration.

use super::is_default;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// What is started. Without a kernel the firmware boots from the first disk.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Boot {
    /// Path of a kernel image.
    #[schemars(extend("format" = "path"))]
    pub kernel: Option<String>,
    /// Path of an initramfs.
    #[schemars(extend("format" = "path"))]
    pub initrd: Option<String>,
    /// Kernel command line.
    #[schemars(extend("format" = "line"))]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cmdline: String,
    /// Path of a device tree.
    #[schemars(extend("format" = "path"))]
    pub dtb: Option<String>,
    /// Kinds of devices in the order in which the firmware tries them; single devices have an own `boot_order`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<BootDevice>,
    /// Whether the firmware shows a menu.
    pub menu: Option<bool>,
    /// How long the menu waits, in milliseconds.
    #[schemars(range(min = 0, max = 65535))]
    pub menu_timeout: Option<u32>,
}

/// A kind of device to boot from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BootDevice {
    /// Disk.
    Disk,
    /// Optical disk.
    Cdrom,
    /// Floppy disk.
    Floppy,
    /// Network.
    Network,
}

/// Firmware.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Firmware {
    /// Which; where absent, `bios`, or what `path` names.
    pub kind: Option<FirmwareKind>,
    /// Path of its image; found by the host's firmware descriptors where absent.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Path of the machine's own variables (UEFI).
    #[schemars(extend("format" = "path"))]
    pub variables: Option<String>,
    /// Path of the variables that a new machine begins with.
    #[schemars(extend("format" = "path"))]
    pub template: Option<String>,
    /// Whether only signed code is started; needs UEFI with system management mode.
    pub secure_boot: Option<bool>,
    /// Whether the image is mapped as memory (`-bios`, stateless) and not as flash.
    #[serde(skip_serializing_if = "is_default")]
    pub stateless: bool,
}

/// Which firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FirmwareKind {
    /// SeaBIOS, or the machine type's own.
    Bios,
    /// OVMF, or another UEFI.
    Uefi,
}

/// Trusted platform module.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tpm {
    /// Interface that the guest sees; what fits the machine where absent.
    pub model: Option<TpmModel>,
    /// Version of an emulated module: `2.0` or `1.2`.
    #[schemars(extend("format" = "tpm-version"))]
    pub version: Option<String>,
    /// The host's own module, `/dev/tpm0`, in place of an emulated one.
    #[schemars(extend("format" = "path"))]
    pub device: Option<String>,
    /// Socket of an swtpm that runs already; else one is started for the machine.
    #[schemars(extend("format" = "socket-path"))]
    pub socket: Option<String>,
    /// UUID of the libvirt secret that the state is encrypted with.
    #[schemars(extend("format" = "uuid"))]
    pub secret: Option<String>,
    /// Whether the state outlives the machine's definition.
    pub persistent: Option<bool>,
}

/// Interface of a trusted platform module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TpmModel {
    /// FIFO interface.
    Tis,
    /// Command response buffer.
    Crb,
    /// POWER.
    Spapr,
}

/// What cloud-init finds in the guest (NoCloud).
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Path of a `user-data` file.
    #[schemars(extend("format" = "path"))]
    pub user_data: Option<String>,
    /// Path of a `meta-data` file; made from the machine's name where absent.
    #[schemars(extend("format" = "path"))]
    pub meta_data: Option<String>,
    /// Path of a `network-config` file.
    #[schemars(extend("format" = "path"))]
    pub network_config: Option<String>,
}
