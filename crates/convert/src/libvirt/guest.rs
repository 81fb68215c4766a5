//! Enlightenments for Windows, clock and timers.

use super::port::Port;
use vmwright_formats::machine_spec::check;
use vmwright_model::machine::{Clock, ClockBase, HyperV, Timer};

/// Enlightenments of libvirt (`formatdomain`), in its own order; all are on or off.
const PLAIN: [&str; 14] = [
    "relaxed",
    "vapic",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
    "avic",
    "emsr_bitmap",
];

pub(super) fn hyperv(port: &mut Port<'_>, hyperv: &mut HyperV) {
    let empty = *hyperv == HyperV { hide_kvm: hyperv.hide_kvm, ..HyperV::default() };
    let reading = port.reading();
    if reading || !empty {
        port.child("hyperv", |port| {
            if reading {
                hyperv.passthrough = port.raw("mode").as_deref() == Some("passthrough");
            } else {
                port.put("mode", if hyperv.passthrough { "passthrough" } else { "custom" });
            }
            for name in PLAIN {
                let spec_name = name.replace('_', "-");
                let mut on = (!reading && hyperv.features.contains(&spec_name)).then_some(true);
                port.child(name, |port| port.word("state", &[("on", true)], &mut on));
                if reading && on.is_some() {
                    hyperv.features.push(spec_name);
                }
            }
            port.child("spinlocks", |port| {
                if hyperv.spinlocks.is_some() {
                    port.put("state", "on");
                }
                let on = port.raw("state").as_deref() == Some("on");
                if on {
                    port.number("retries", 4095..=u32::MAX, &mut hyperv.spinlocks);
                }
            });
            port.child("vendor_id", |port| {
                if hyperv.vendor_id.is_some() {
                    port.put("state", "on");
                }
                if port.raw("state").as_deref() == Some("on") {
                    port.text("value", "word", &mut hyperv.vendor_id);
                }
            });
        });
    }
    port.child("kvm", |port| {
        port.child("hidden", |port| {
            port.or_default(&mut hyperv.hide_kvm, |port, on| port.word("state", &[("on", true)], on));
        });
    });
}

const BASES: &[(&str, ClockBase)] = &[
    ("utc", ClockBase::Utc),
    ("localtime", ClockBase::Localtime),
    ("timezone", ClockBase::Timezone),
    ("variable", ClockBase::Variable),
    ("absolute", ClockBase::Absolute),
];

pub(super) fn clock(port: &mut Port<'_>, clock: &mut Clock) {
    port.child("clock", |port| {
        let mut base = (!port.reading()).then_some(clock.base);
        port.word("offset", BASES, &mut base);
        clock.base = base.unwrap_or_default();
        port.text("timezone", "line", &mut clock.timezone);
        let name = if clock.base == ClockBase::Absolute { "start" } else { "adjustment" };
        port.number(name, i64::MIN..=i64::MAX, &mut clock.offset);
        let timer =
            || Timer { name: String::new(), present: None, ticks: None, track: None, frequency: None };
        port.list("timer", &mut clock.timers, timer, |port, timer| {
            port.string("name", "word", &mut timer.name);
            port.yes_no("present", &mut timer.present);
            port.text("tickpolicy", "word", &mut timer.ticks);
            port.text("track", "word", &mut timer.track);
            port.number("frequency", 0..=i64::MAX as u64, &mut timer.frequency);
            check("word", &timer.name).is_ok()
        });
    });
}
