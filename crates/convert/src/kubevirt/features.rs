//! Parts of the platform, and the clock.

use super::hyperv;
use crate::json::Port;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Clock, ClockBase, Timer};

pub(super) fn features(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.child("features", |port| {
        state(port, "acpi", &mut spec.acpi);
        state(port, "smm", &mut spec.features.smm);
        port.child("kvm", |port| port.flag("hidden", &mut spec.hyperv.hide_kvm));
        hyperv::hyperv(port, &mut spec.hyperv);
    });
}

/// A feature that is on where it is named and not switched off.
pub(super) fn state(port: &mut Port<'_>, key: &str, field: &mut Option<bool>) {
    port.option(
        key,
        field,
        || true,
        |port, on| {
            port.switch("enabled", on, true);
            true
        },
    );
}

pub(super) fn clock(port: &mut Port<'_>, clock: &mut Clock) {
    port.child("clock", |port| {
        let mut zone = clock.timezone.clone().filter(|_| clock.base == ClockBase::Timezone);
        port.text("timezone", "line", &mut zone);
        if port.reading() {
            clock.base = if zone.is_some() { ClockBase::Timezone } else { ClockBase::Utc };
            clock.timezone = zone;
        }
        if clock.base == ClockBase::Utc {
            port.child("utc", |port| {
                let seconds = |value: &serde_json::Value| value.as_i64();
                port.by("offsetSeconds", &mut clock.offset, seconds, |offset| Some((*offset).into()));
            });
        }
        port.child("timer", |port| timers(port, &mut clock.timers));
    });
}

/// Each kind of timer once, by its name.
fn timers(port: &mut Port<'_>, timers: &mut Vec<Timer>) {
    const NAMES: [(&str, &str); 5] =
        [("hpet", "hpet"), ("kvm", "kvmclock"), ("pit", "pit"), ("rtc", "rtc"), ("hyperv", "hypervclock")];
    for (key, name) in NAMES {
        let place = timers.iter().position(|timer| timer.name == name);
        let mut timer = place.map(|at| timers[at].clone());
        let new =
            || Timer { name: name.to_owned(), present: None, ticks: None, track: None, frequency: None };
        port.option(key, &mut timer, new, |port, timer| {
            port.truth("present", &mut timer.present);
            if matches!(key, "hpet" | "pit" | "rtc") {
                port.text("tickPolicy", "word", &mut timer.ticks);
            }
            if key == "rtc" {
                port.text("track", "word", &mut timer.track);
            }
            true
        });
        if port.reading() {
            timers.extend(timer);
        }
    }
}
