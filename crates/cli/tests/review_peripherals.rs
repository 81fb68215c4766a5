//! `vmwright review` on a guest with a sound card, a watchdog and a tablet: one that has drivers for them, and one that has none.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;

use common::Site;
use serde_json::Value;
use support::Parts;

/// What takes them in Linux.
const DRIVERS: [&str; 5] = ["snd_intel8x0", "i6300esb", "xhci_pci", "usbhid", "hid_generic"];

fn devices(site: &Site, parts: &Parts) -> Value {
    let initrd = site.file("initrd", &parts.initrd);
    let spec = format!(
        "name = 'web'\naccelerator = 'tcg'\ncpu.model = 'max'\n[memory]\nsize = '256MiB'\n[boot]\nkernel = '{}'\n\
         initrd = '{}'\ncmdline = 'console=ttyS0 no_timer_check panic=-1'\n[[sound]]\nmodel = 'ac97'\n\
         [[watchdog]]\nmodel = 'i6300esb'\naction = 'pause'\n[[controller]]\nkind = 'usb'\nmodel = 'qemu-xhci'\n\
         [[input]]\nkind = 'tablet'\nbus = 'usb'\n",
        parts.kernel.display(),
        initrd.display(),
    );
    let path = site.file("web.toml", spec);
    site.call(&["vm", "create", path.to_str().unwrap()]).ok();
    site.call(&["vm", "start", "web"]).ok();
    let done = site.call(&["review", "web", "--gates", "boot,devices", "--format", "json"]);
    let gate = done.json()["review"]["gates"][1].clone();
    // Nobody has started the watchdog: the guest runs.
    assert!(site.call(&["vm", "list"]).ok().out.contains("running"));
    site.call(&["vm", "stop", "web", "--force"]).ok();
    site.call(&["vm", "delete", "web"]).ok();
    gate
}

#[test]
fn a_sound_card_a_watchdog_and_usb_have_drivers_or_it_fails() {
    let test = "a_sound_card_a_watchdog_and_usb_have_drivers_or_it_fails";
    let Some(usual) = support::parts(test) else { return };
    let Some(parts) = support::parts_with_drivers(test, &DRIVERS) else { return };
    let site = Site::new();
    let good = devices(&site, &parts);
    assert_eq!(good["verdict"], "pass", "{good:#}");
    let rows = good["tables"][0]["rows"].as_array().unwrap();
    let cell = |name: &str| {
        rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}: {good:#}"))[3].clone()
    };
    assert_eq!(cell("sound card ac97"), "snd_intel8x0");
    assert_eq!(cell("watchdog i6300esb"), "i6300ESB timer");
    assert_eq!(cell("USB tablet"), "usbhid");

    // The kernel of a cloud has a driver for none of them.
    let bad = devices(&site, usual);
    let why = bad["why"].as_str().unwrap();
    assert_eq!(bad["verdict"], "fail");
    for part in [
        "sound card ac97: no driver of the guest took it",
        "the guest's kernel has 0 sound cards, the specification says 1",
        "watchdog i6300esb: no driver of the guest took it",
        "no `/dev/watchdog` of the guest is its `i6300ESB timer`",
        "USB controller 1b36:000d: no driver of the guest took it",
        "USB tablet (0627:0001): the guest sees no such device on USB",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}
