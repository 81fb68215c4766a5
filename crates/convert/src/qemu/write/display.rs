//! Screens, graphics cards, sound.

use super::super::argument::Value;
use super::{ArgvError, Line, place};
use vmwright_model::machine::{Display, DisplayKind, Video};

/// VNC's first port (RFC 6143, 1.1): display 0.
const VNC_PORT: u32 = 5900;

pub(super) fn displays(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, display) in spec.displays.iter().enumerate() {
        self::display(line, at, display);
    }
    if let Some(keymap) = spec.displays.iter().find_map(|display| display.keymap.as_ref()) {
        line.push("-k", keymap, "the keyboard's layout");
    }
}

fn display(line: &mut Line<'_>, at: usize, display: &Display) {
    let item = format!("display.{at}");
    let listen = display.listen.as_deref().unwrap_or("127.0.0.1");
    if let Some(name) = &display.secret {
        let file = line.handles.secrets.get(name).cloned();
        if file.is_none() {
            line.lost(
                format!("{item}.secret"),
                "its content is not part of the machine: give QEMU a file that holds it",
            );
        }
        let file = file.unwrap_or_else(|| format!("/run/vmwright/secret-{name}"));
        let value = Value::new("secret").with("id", format!("display{at}-secret")).with("file", file);
        line.push("-object", value, "the file that holds a password");
    }
    let secret = display.secret.as_ref().map(|_| format!("display{at}-secret"));
    let extra = line.extra(&item);
    let gl = display.gl.then_some("on");
    match display.kind {
        DisplayKind::Vnc if extra == "vnc=none" => line.push("-vnc", "none", "a screen that nobody sees"),
        DisplayKind::Vnc => {
            let host = if listen.contains(':') { format!("[{listen}]") } else { listen.to_owned() };
            let value = match (&display.socket, display.port) {
                // The key is needed where the path could be taken for one.
                (Some(socket), _) if socket.contains('=') => {
                    Value::bare().with("vnc", format!("unix:{socket}"))
                }
                (Some(socket), _) => Value::new(format!("unix:{socket}")),
                (None, Some(port)) => Value::new(format!("{host}:{}", port.saturating_sub(VNC_PORT))),
                (None, None) => Value::new(format!("{host}:0")).with("to", "99"),
            };
            line.push("-vnc", value.maybe("password-secret", secret).raw(&extra), "the screen over VNC");
        }
        DisplayKind::Spice => {
            let mut value = Value::bare();
            match &display.socket {
                Some(socket) => value = value.with("unix", "on").with("addr", socket),
                None => {
                    // Without any port SPICE has none, and shares its screen with programs of this host alone.
                    value = value.maybe("port", display.port).maybe("tls-port", display.tls_port);
                    if display.port.is_some_and(|port| port > 0) || display.tls_port.is_some() {
                        value = value
                            .maybe("addr", display.listen.as_deref().or((!line.spec.bare).then_some(listen)));
                    } else if !display.gl && !extra.contains("port=") {
                        line.lost(format!("{item}.port"), "SPICE takes no free port by itself: name one");
                        value = value.with("port", VNC_PORT).with("addr", listen);
                    }
                }
            }
            let value = match &secret {
                Some(secret) => value.with("password-secret", secret),
                None => value.with("disable-ticketing", "on"),
            };
            let value = value.maybe("gl", gl).maybe("rendernode", display.rendernode.as_ref());
            line.push("-spice", value.raw(&extra), "the screen over SPICE");
        }
        DisplayKind::Sdl | DisplayKind::Gtk | DisplayKind::Dbus | DisplayKind::EglHeadless => {
            let name = match display.kind {
                DisplayKind::Sdl => "sdl",
                DisplayKind::Gtk => "gtk",
                DisplayKind::Dbus => "dbus",
                _ => "egl-headless",
            };
            let gl = gl.filter(|_| display.kind != DisplayKind::EglHeadless);
            let value = Value::new(name).maybe("gl", gl).maybe("rendernode", display.rendernode.as_ref());
            line.push("-display", value.raw(&extra), "the screen");
        }
    }
}

pub(super) fn videos(line: &mut Line<'_>) -> Result<(), ArgvError> {
    let spec = line.spec;
    for (at, video) in spec.videos.iter().enumerate() {
        self::video(line, at, video)?;
    }
    Ok(())
}

fn video(line: &mut Line<'_>, at: usize, video: &Video) -> Result<(), ArgvError> {
    let item = format!("video.{at}");
    // Only the first can be the one that the firmware writes to.
    let first = if line.spec.videos.iter().any(|video| video.primary) { video.primary } else { at == 0 };
    let gl = if video.accel3d == Some(true) { "-gl" } else { "" };
    let driver = match (video.model.as_str(), first, video.vhost_user) {
        ("none", ..) => return Ok(()),
        ("virtio", true, true) => "vhost-user-vga".to_owned(),
        ("virtio", false, true) => "vhost-user-gpu-pci".to_owned(),
        ("virtio", true, false) => format!("virtio-vga{gl}"),
        ("virtio", false, false) => format!("virtio-gpu{gl}-pci"),
        ("qxl", true, _) => "qxl-vga".to_owned(),
        ("cirrus", ..) => "cirrus-vga".to_owned(),
        ("vga", true, _) => "VGA".to_owned(),
        ("vga", false, _) => "secondary-vga".to_owned(),
        ("vmvga", ..) => "vmware-svga".to_owned(),
        ("bochs", ..) => "bochs-display".to_owned(),
        (other, ..) => other.to_owned(),
    };
    let memory = match &video.memory {
        Some(memory) => {
            super::size(&format!("{item}.memory"), memory)?;
            place::mebibytes(memory)
        }
        None => None,
    };
    let mut value = Value::new(&driver).with("id", format!("graphics{at}"));
    value = match driver.as_str() {
        "qxl" | "qxl-vga" => value.maybe("vram_size", memory.map(|mebibytes| mebibytes << 20)),
        "VGA" | "secondary-vga" | "vmware-svga" => value.maybe("vgamem_mb", memory),
        "bochs-display" => value.maybe("vgamem", memory.map(|mebibytes| mebibytes << 20)),
        _ => value,
    };
    if driver.starts_with("virtio") || driver.starts_with("vhost-user") || driver.starts_with("qxl") {
        value = value.maybe("max_outputs", video.heads);
    }
    if let (Some(width), Some(height)) = (video.width, video.height) {
        value = value.with("xres", width).with("yres", height);
    }
    if video.vhost_user {
        let id = format!("video{at}-process");
        let path = format!("{}.{item}.sock", line.spec.name);
        line.push(
            "-chardev",
            Value::new("socket").with("id", &id).with("path", path),
            "the socket of the process that draws",
        );
        line.lost(
            format!("{item}.vhost_user"),
            "no process draws for the card yet: start one, and name its socket",
        );
        value.push("chardev", id);
    }
    let value = if driver == "ramfb" { value } else { place::pci(line, video.address.as_ref(), value) };
    line.device(&item, value, "a graphics card");
    Ok(())
}

pub(super) fn sounds(line: &mut Line<'_>) {
    let spec = line.spec;
    if spec.sounds.is_empty() {
        return;
    }
    let kept = line.foreign().any(|part| part.0 == "-audiodev");
    if !kept {
        let spice = spec.displays.iter().any(|display| display.kind == DisplayKind::Spice);
        let driver = if spice { "spice" } else { "none" };
        line.push("-audiodev", format!("driver={driver},id=audio1"), "where sound goes");
    }
    for (at, sound) in spec.sounds.iter().enumerate() {
        let item = format!("sound.{at}");
        let (driver, codec) = match sound.model.as_str() {
            "ich6" => ("intel-hda", true),
            "ich9" => ("ich9-intel-hda", true),
            "ac97" => ("AC97", false),
            "es1370" => ("ES1370", false),
            "usb" => ("usb-audio", false),
            "virtio" => ("virtio-sound-pci", false),
            // It is on the board: a property of the machine.
            "pcspk" => continue,
            other => (other, false),
        };
        let value = Value::new(driver).with("id", format!("card{at}"));
        let audio = |value: Value| if kept { value } else { value.with("audiodev", "audio1") };
        // An HDA card makes no sound itself: its codecs do.
        let value = if driver.ends_with("intel-hda") { value } else { audio(value) };
        let value = match driver {
            "usb-audio" => place::usb(sound.address.as_ref(), value),
            "sb16" | "adlib" | "gus" | "cs4231a" => value,
            _ => place::pci(line, sound.address.as_ref(), value),
        };
        line.device(&item, value, "a sound card");
        if codec {
            let value = Value::new("hda-duplex").with("bus", format!("card{at}.0")).with("cad", 0);
            line.device(&format!("{item}.codec"), audio(value), "its codec: sound out and in");
        }
    }
}
