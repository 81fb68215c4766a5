//! Screens and graphics cards.

use super::bag::Bag;
use super::legacy::video;
use super::{Reader, size};
use vmwright_model::machine::{Display, DisplayKind, Video};

/// VNC's first port (RFC 6143, 1.1): display 0.
const VNC_PORT: u32 = 5900;

impl Reader {
    fn show(&mut self, display: Display, rest: &Bag) {
        let item = format!("display.{}", self.spec.displays.len());
        self.spec.displays.push(display);
        self.keep_rest(&item, rest);
    }

    pub(super) fn display_kind(&mut self, name: &str) {
        let kind = match name {
            "sdl" => DisplayKind::Sdl,
            "gtk" => DisplayKind::Gtk,
            "dbus" => DisplayKind::Dbus,
            _ => DisplayKind::EglHeadless,
        };
        let display = Display::of(kind);
        self.spec.displays.push(display);
    }

    pub(super) fn display(&mut self, mut bag: Bag) {
        let kind = match bag.get("type") {
            Some("none") => return,
            Some("vnc") => {
                bag.take("type");
                // `-display vnc=:1` is `-vnc :1`.
                self.vnc(bag);
                return;
            }
            Some("sdl") => DisplayKind::Sdl,
            Some("gtk") => DisplayKind::Gtk,
            Some("dbus") => DisplayKind::Dbus,
            Some("egl-headless") => DisplayKind::EglHeadless,
            _ if bag.has("vnc") => {
                self.vnc(bag);
                return;
            }
            _ => {
                self.keep("-display", bag.raw);
                return;
            }
        };
        self.switches.display = true;
        bag.take("type");
        let mut display = Display::of(kind);
        display.gl = bag.flag("gl").unwrap_or(false);
        display.rendernode = bag.take("rendernode");
        bag.take("audiodev");
        self.show(display, &bag);
    }

    pub(super) fn vnc(&mut self, mut bag: Bag) {
        let Some(address) = bag.take("vnc") else {
            self.keep("-vnc", bag.raw);
            return;
        };
        if address == "none" {
            return;
        }
        let mut display = Display::of(DisplayKind::Vnc);
        if let Some(socket) = address.strip_prefix("unix:") {
            display.socket = Some(socket.to_owned());
        } else {
            let (host, number) = address.rsplit_once(':').unwrap_or(("", address.as_str()));
            let host = host.trim_start_matches('[').trim_end_matches(']');
            // No address is every address.
            display.listen = Some(if host.is_empty() { "0.0.0.0" } else { host }.to_owned());
            let Some(port) = number.parse::<u32>().ok().and_then(|number| number.checked_add(VNC_PORT))
            else {
                self.keep("-vnc", bag.raw);
                return;
            };
            let free = bag.take("to").is_some() && port == VNC_PORT;
            display.port = (!free && port <= 65535).then_some(port);
        }
        bag.take("audiodev");
        self.show(display, &bag);
    }

    pub(super) fn spice(&mut self, mut bag: Bag) {
        self.has_spice = true;
        let mut display = Display::of(DisplayKind::Spice);
        if bag.flag("unix") == Some(true) {
            display.socket = bag.take("addr");
        } else {
            display.listen = bag.take("addr");
            // Port 0 is none, which is not the same as a free one.
            if bag.get("port") != Some("0") {
                display.port = bag.small("port").filter(|port| *port <= 65535);
            }
            display.tls_port = bag.small("tls-port");
        }
        display.gl = bag.flag("gl").unwrap_or(false);
        display.rendernode = bag.take("rendernode");
        bag.drop_default("disable-ticketing", &["on"]);
        self.show(display, &bag);
    }

    pub(super) fn keymap(&mut self, keymap: &str) {
        match self.spec.displays.last_mut() {
            Some(display) => display.keymap = Some(keymap.to_owned()),
            None => self.keep("-k", keymap),
        }
    }

    pub(super) fn vga(&mut self, name: &str) {
        self.switches.vga = true;
        let model = match name {
            "std" => "vga",
            "vmware" => "vmvga",
            "none" => return,
            other => other,
        };
        self.spec.videos.push(video(model));
    }

    /// A graphics card; none for every other device.
    pub(super) fn video(&mut self, driver: &str, bag: &mut Bag) -> Option<String> {
        let (model, first, gl, vhost_user) = match driver {
            "VGA" => ("vga", true, false, false),
            "secondary-vga" => ("vga", false, false, false),
            "cirrus-vga" => ("cirrus", true, false, false),
            "qxl-vga" => ("qxl", true, false, false),
            "qxl" => ("qxl", false, false, false),
            "vmware-svga" => ("vmvga", true, false, false),
            "bochs-display" => ("bochs", false, false, false),
            "ramfb" => ("ramfb", false, false, false),
            "virtio-vga" => ("virtio", true, false, false),
            "virtio-vga-gl" => ("virtio", true, true, false),
            "virtio-gpu-pci" => ("virtio", false, false, false),
            "virtio-gpu-gl-pci" => ("virtio", false, true, false),
            "vhost-user-vga" => ("virtio", true, false, true),
            "vhost-user-gpu-pci" => ("virtio", false, false, true),
            _ => return None,
        };
        let second = !matches!(model, "bochs" | "ramfb") && !first && self.spec.videos.is_empty();
        if second {
            // The first card of the specification is the one that the firmware writes to; this is none.
            return None;
        }
        let mut card: Video = video(model);
        card.primary = first && !self.spec.videos.is_empty() && model != "cirrus";
        card.accel3d = gl.then_some(true);
        card.vhost_user = vhost_user;
        if vhost_user {
            let chardev = bag.take("chardev")?;
            self.take("-chardev", &chardev)?;
        }
        match model {
            "qxl" => {
                card.memory = bag.number("vram_size").filter(|bytes| bytes % (1 << 20) == 0).map(size);
                // QEMU's own sizes.
                bag.drop_default("ram_size", &["67108864"]);
                bag.drop_default("vgamem_mb", &["16"]);
                bag.drop_default("vram64_size_mb", &["0"]);
            }
            // Cirrus' card has as much as it has.
            "cirrus" => {}
            "bochs" => card.memory = bag.number("vgamem").map(size),
            _ => {
                card.memory = bag.number("vgamem_mb").map(|mebibytes| size(mebibytes.saturating_mul(1 << 20)))
            }
        }
        card.heads = bag.small("max_outputs");
        if let (Some(width), Some(height)) = (bag.small("xres"), bag.small("yres")) {
            card.width = Some(width);
            card.height = Some(height);
        }
        card.address = if model == "ramfb" { None } else { self.buses.address(bag) };
        self.spec.videos.push(card);
        Some(format!("video.{}", self.spec.videos.len() - 1))
    }
}
