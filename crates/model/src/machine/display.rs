//! Screens, graphics cards, sound.

use super::{Address, is_default};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// A screen that people look at.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Display {
    /// How it is shown.
    pub kind: DisplayKind,
    /// Address to listen on; `127.0.0.1` where absent.
    #[schemars(extend("format" = "ip"))]
    pub listen: Option<String>,
    /// Path of a UNIX socket to listen on.
    #[schemars(extend("format" = "socket-path"))]
    pub socket: Option<String>,
    /// Port to listen on; a free one where absent.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u32>,
    /// Port for encrypted connections (SPICE).
    #[schemars(range(min = 1, max = 65535))]
    pub tls_port: Option<u32>,
    /// UUID or name of the secret that holds the password.
    #[schemars(extend("format" = "word"))]
    pub secret: Option<String>,
    /// Whether the host's graphics card draws (virgl).
    #[serde(default, skip_serializing_if = "is_default")]
    pub gl: bool,
    /// Device node of that card.
    #[schemars(extend("format" = "path"))]
    pub rendernode: Option<String>,
    /// Keyboard layout: `de`, `en-us`.
    #[schemars(extend("format" = "word"))]
    pub keymap: Option<String>,
}

impl Display {
    /// A screen that is shown so, and of which nothing more is said.
    #[must_use]
    pub fn of(kind: DisplayKind) -> Self {
        Self {
            kind,
            listen: None,
            socket: None,
            port: None,
            tls_port: None,
            secret: None,
            gl: false,
            rendernode: None,
            keymap: None,
        }
    }
}

/// How a screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisplayKind {
    /// VNC.
    Vnc,
    /// SPICE.
    Spice,
    /// A window of SDL.
    Sdl,
    /// A window of GTK.
    Gtk,
    /// Over D-Bus.
    Dbus,
    /// Nowhere, but drawn by the host's card.
    EglHeadless,
}

/// A graphics card.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// Card as libvirt names it: `virtio`, `qxl`, `vga`, `cirrus`, `bochs`, `ramfb`, `none`.
    #[schemars(extend("format" = "word"))]
    pub model: String,
    /// Memory of the card.
    #[schemars(extend("format" = "size"))]
    pub memory: Option<String>,
    /// Screens.
    #[schemars(range(min = 1, max = 16))]
    pub heads: Option<u32>,
    /// Width at start, in pixels.
    #[schemars(range(min = 1, max = 16384))]
    pub width: Option<u32>,
    /// Height at start, in pixels.
    #[schemars(range(min = 1, max = 16384))]
    pub height: Option<u32>,
    /// Whether the guest may draw in three dimensions.
    pub accel3d: Option<bool>,
    /// Whether it is drawn by a process of its own (vhost-user-gpu).
    #[serde(default, skip_serializing_if = "is_default")]
    pub vhost_user: bool,
    /// Whether it is the first card.
    #[serde(default, skip_serializing_if = "is_default")]
    pub primary: bool,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

impl Video {
    /// A card of this model that says nothing more.
    #[must_use]
    pub fn of(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            memory: None,
            heads: None,
            width: None,
            height: None,
            accel3d: None,
            vhost_user: false,
            primary: false,
            address: None,
        }
    }
}

/// A sound card.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// Card as libvirt names it: `ich9`, `ich6`, `ac97`, `virtio`, `usb`, `sb16`, `es1370`.
    #[schemars(extend("format" = "word"))]
    pub model: String,
    /// Where the guest sees it.
    pub address: Option<Address>,
}
