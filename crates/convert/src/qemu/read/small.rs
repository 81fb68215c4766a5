//! Small devices, and sound.

use super::Reader;
use super::bag::Bag;
use vmwright_model::machine::{
    Balloon, Input, InputBus, InputKind, Panic, Rng, Share, ShareDriver, Sound, Tpm, TpmModel, Vsock,
    Watchdog, WatchdogAction,
};

impl Reader {
    pub(super) fn rng(&mut self, bag: &mut Bag) -> Option<String> {
        let path = match bag.take("rng") {
            Some(id) => {
                let mut object = self
                    .take("-object", &id)
                    .filter(|object| object.get("qom-type") == Some("rng-random"))?;
                object.take("filename")
            }
            // QEMU's own: the host's generator.
            None => None,
        };
        let rng = Rng {
            path,
            bytes: bag.number("max-bytes"),
            period: bag.number("period"),
            address: self.buses.address(bag),
        };
        self.spec.rngs.push(rng);
        Some(format!("rng.{}", self.spec.rngs.len() - 1))
    }

    pub(super) fn balloon(&mut self, bag: &mut Bag) -> Option<String> {
        if self.spec.balloon.is_some() {
            return None;
        }
        self.spec.balloon = Some(Balloon {
            // Off is what both are where nothing is said.
            deflate_on_oom: bag.flag("deflate-on-oom").unwrap_or(false),
            free_page_reporting: bag.flag("free-page-reporting").unwrap_or(false),
            address: self.buses.address(bag),
            ..Balloon::default()
        });
        Some("balloon".to_owned())
    }

    pub(super) fn watchdog(&mut self, model: &str, bag: &mut Bag) -> Option<String> {
        let address = self.buses.address(bag);
        let action = self.pending_action.take().unwrap_or_default();
        self.spec.watchdogs.push(Watchdog { model: model.to_owned(), action, address });
        Some(format!("watchdog.{}", self.spec.watchdogs.len() - 1))
    }

    pub(super) fn small_device(&mut self, model: &str) {
        let action = self.pending_action.take().unwrap_or_default();
        self.spec.watchdogs.push(Watchdog { model: model.to_owned(), action, address: None });
    }

    pub(super) fn watchdog_action(&mut self, name: &str) {
        let action = match name {
            "reset" => WatchdogAction::Reset,
            "shutdown" => WatchdogAction::Shutdown,
            "poweroff" => WatchdogAction::Poweroff,
            "pause" => WatchdogAction::Pause,
            "none" => WatchdogAction::None,
            "inject-nmi" => WatchdogAction::InjectNmi,
            _ => {
                self.keep("-watchdog-action", name);
                return;
            }
        };
        match self.spec.watchdogs.first_mut() {
            Some(watchdog) => watchdog.action = action,
            None => self.pending_action = Some(action),
        }
    }

    pub(super) fn panic(&mut self, driver: &str, bag: &mut Bag) -> Option<String> {
        let pci = driver == "pvpanic-pci";
        let address = if pci { self.buses.address(bag) } else { None };
        // The port that the device has where nothing is said (QEMU's `pvpanic` device, 0x505).
        bag.drop_default("ioport", &["1285", "0x505"]);
        let model = if pci { "pvpanic" } else { "isa" };
        self.spec.panics.push(Panic { model: Some(model.to_owned()), address });
        Some(format!("panic.{}", self.spec.panics.len() - 1))
    }

    pub(super) fn hyperv_panic(&mut self) {
        self.spec.panics.push(Panic { model: Some("hyperv".to_owned()), address: None });
    }

    pub(super) fn vsock(&mut self, bag: &mut Bag) -> Option<String> {
        if self.spec.vsock.is_some() {
            return None;
        }
        // An open `/dev/vhost-vsock` of the process that started it.
        bag.take("vhostfd");
        self.spec.vsock = Some(Vsock {
            agent_port: None,
            cid: Some(bag.small("guest-cid")?),
            socket: None,
            address: self.buses.address(bag),
        });
        Some("vsock".to_owned())
    }

    pub(super) fn tpm(&mut self, driver: &str, bag: &mut Bag) -> Option<String> {
        if self.spec.tpm.is_some() {
            return None;
        }
        let mut backend = self.take("-tpmdev", &bag.take("tpmdev")?)?;
        backend.take("id");
        let mut tpm = Tpm {
            model: Some(match driver {
                "tpm-crb" => TpmModel::Crb,
                "tpm-spapr" => TpmModel::Spapr,
                _ => TpmModel::Tis,
            }),
            ..Tpm::default()
        };
        match backend.take("type")?.as_str() {
            "passthrough" => {
                tpm.device = Some(backend.take("path").unwrap_or_else(|| "/dev/tpm0".to_owned()))
            }
            "emulator" => {
                let chardev = backend.take("chardev")?;
                let mut chardev = self.take("-chardev", &chardev)?;
                tpm.socket = chardev.take("path");
            }
            _ => return None,
        }
        self.spec.tpm = Some(tpm);
        self.keep_rest("tpm.backend", &backend);
        Some("tpm".to_owned())
    }

    pub(super) fn nine_p(&mut self, bag: &mut Bag) -> Option<String> {
        let mut backend = self.take("-fsdev", &bag.take("fsdev")?)?;
        backend.take("id");
        if backend.take("fsdriver").as_deref() != Some("local") {
            return None;
        }
        let share = self.local(&mut backend, bag.take("mount_tag")?)?;
        let share = Share { address: self.buses.address(bag), ..share };
        let item = format!("share.{}", self.spec.shares.len());
        self.spec.shares.push(share);
        self.keep_rest(&format!("{item}.backend"), &backend);
        Some(item)
    }

    fn local(&mut self, backend: &mut Bag, tag: String) -> Option<Share> {
        let model = backend.take("security_model").map(|model| match model.as_str() {
            "mapped" => "mapped-xattr".to_owned(),
            _ => model,
        });
        Some(Share {
            path: Some(backend.take("path")?),
            tag,
            driver: ShareDriver::NineP,
            readonly: backend.flag("readonly").unwrap_or(false),
            socket: None,
            program: None,
            queue_size: None,
            security_model: model,
            address: None,
        })
    }

    /// `-virtfs`: a directory and its device in one option.
    pub(super) fn virtfs(&mut self, mut bag: Bag) {
        let whole = bag.raw.clone();
        let local = bag.take("fsdriver").as_deref() == Some("local");
        bag.take("id");
        let tag = bag.take("mount_tag");
        let share = if local { tag.and_then(|tag| self.local(&mut bag, tag)) } else { None };
        match share {
            Some(share) => {
                let item = format!("share.{}", self.spec.shares.len());
                self.spec.shares.push(share);
                self.keep_rest(&format!("{item}.backend"), &bag);
            }
            None => self.keep("-virtfs", whole),
        }
    }

    pub(super) fn virtio_fs(&mut self, bag: &mut Bag) -> Option<String> {
        let mut chardev = self.take("-chardev", &bag.take("chardev")?)?;
        if chardev.take("backend").as_deref() != Some("socket") {
            return None;
        }
        chardev.take("id");
        let share = Share {
            path: None,
            tag: bag.take("tag")?,
            driver: ShareDriver::VirtioFs,
            readonly: false,
            socket: Some(chardev.take("path")?),
            program: None,
            queue_size: bag.small("queue-size"),
            security_model: None,
            address: self.buses.address(bag),
        };
        let item = format!("share.{}", self.spec.shares.len());
        self.spec.shares.push(share);
        self.keep_rest(&format!("{item}.chardev"), &chardev);
        Some(item)
    }

    pub(super) fn input(&mut self, kind: InputKind, virtio: bool, bag: &mut Bag) -> Option<String> {
        let device = if kind == InputKind::Passthrough { Some(bag.take("evdev")?) } else { None };
        let bus = if virtio { InputBus::Virtio } else { InputBus::Usb };
        let address = if virtio { self.buses.address(bag) } else { self.buses.usb(bag) };
        self.spec.inputs.push(Input { kind, bus: Some(bus), device, address });
        Some(format!("input.{}", self.spec.inputs.len() - 1))
    }

    /// An input device that host and guest share.
    pub(super) fn evdev(&mut self, mut bag: Bag) {
        let Some(device) = bag.take("evdev") else {
            self.keep("-object", bag.raw);
            return;
        };
        bag.take("qom-type");
        bag.take("id");
        let item = format!("input.{}", self.spec.inputs.len());
        self.spec.inputs.push(Input {
            kind: InputKind::Evdev,
            bus: None,
            device: Some(device),
            address: None,
        });
        self.keep_rest(&item, &bag);
    }

    pub(super) fn sound(&mut self, driver: &str, bag: &mut Bag) -> Option<String> {
        self.implied_audio(bag);
        let model = match driver {
            "hda-duplex" => {
                // The card that it belongs to was read before it.
                let id = bag.get("bus")?.strip_suffix(".0")?.to_owned();
                let at = self.hda.remove(&id)?;
                bag.take("bus");
                bag.drop_default("cad", &["0"]);
                return Some(format!("sound.{at}.codec"));
            }
            "intel-hda" | "ich9-intel-hda" => {
                // A card with other codecs than the usual one stays as it is.
                let id = std::mem::take(&mut self.device_id);
                if self.codecs.get(&id).map(String::as_str) != Some("hda-duplex") {
                    return None;
                }
                self.hda.insert(id, self.spec.sounds.len());
                if driver == "intel-hda" { "ich6" } else { "ich9" }
            }
            "AC97" => "ac97",
            "ES1370" => "es1370",
            "usb-audio" => "usb",
            "virtio-sound-pci" => "virtio",
            other => other,
        };
        let address = match model {
            "usb" => self.buses.usb(bag),
            "sb16" => None,
            _ => self.buses.address(bag),
        };
        self.spec.sounds.push(Sound { model: model.to_owned(), address });
        Some(format!("sound.{}", self.spec.sounds.len() - 1))
    }

    /// The audio backend that the writer makes by itself needs no word.
    fn implied_audio(&mut self, bag: &mut Bag) {
        let Some(id) = bag.get("audiodev") else { return };
        let Some(backend) = self.backends.get(&("-audiodev", id.to_owned())) else { return };
        let implied = if self.has_spice { "spice" } else { "none" };
        if backend.get("driver") == Some(implied) {
            bag.take("audiodev");
        }
    }
}
