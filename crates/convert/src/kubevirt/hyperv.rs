//! Enlightenments for Windows.

use super::features::state;
use crate::json::Port;
use vmwright_model::machine::HyperV;

/// Enlightenments that are on or off, and QEMU's names of them.
const NAMES: [(&str, &str); 10] = [
    ("relaxed", "relaxed"),
    ("vapic", "vapic"),
    ("vpindex", "vpindex"),
    ("runtime", "runtime"),
    ("synic", "synic"),
    ("reset", "reset"),
    ("frequencies", "frequencies"),
    ("reenlightenment", "reenlightenment"),
    ("ipi", "ipi"),
    ("evmcs", "evmcs"),
];

/// One that has others below it.
struct Nested {
    key: &'static str,
    name: &'static str,
    below: &'static [(&'static str, &'static str)],
}

const NESTED: [Nested; 2] = [
    Nested { key: "synictimer", name: "stimer", below: &[("direct", "stimer-direct")] },
    Nested {
        key: "tlbflush",
        name: "tlbflush",
        below: &[("direct", "tlbflush-direct"), ("extended", "tlbflush-ext")],
    },
];

/// Tries of a spinning processor where no number stands (`setDefault_FeatureSpinlocks`).
const SPINS: u32 = 4096;

pub(super) fn hyperv(port: &mut Port<'_>, hyperv: &mut HyperV) {
    let mut passed = hyperv.passthrough.then_some(true);
    state(port, "hypervPassthrough", &mut passed);
    hyperv.passthrough = passed == Some(true);
    port.child("hyperv", |port| {
        for (key, name) in NAMES {
            let mut on = has(hyperv, name);
            state(port, key, &mut on);
            add(port, hyperv, name, on);
        }
        for Nested { key, name, below } in NESTED {
            let mut on = has(hyperv, name);
            port.option(
                key,
                &mut on,
                || true,
                |port, on| {
                    port.switch("enabled", on, true);
                    for (key, name) in below {
                        let mut on = has(hyperv, name);
                        state(port, key, &mut on);
                        add(port, hyperv, name, on);
                    }
                    true
                },
            );
            add(port, hyperv, name, on);
        }
        port.option(
            "spinlocks",
            &mut hyperv.spinlocks,
            || SPINS,
            |port, spins| {
                let mut some = Some(*spins).filter(|spins| port.reading() || *spins != SPINS);
                port.number("spinlocks", 4095..=u32::MAX, &mut some);
                port.implied("spinlocks", SPINS);
                *spins = some.unwrap_or(SPINS);
                port.implied("enabled", true);
                port.raw("enabled").is_none_or(|on| on == true)
            },
        );
        port.option("vendorid", &mut hyperv.vendor_id, String::new, |port, id| {
            let mut some = Some(id.clone()).filter(|id| !id.is_empty());
            port.text("vendorid", "word", &mut some);
            *id = some.unwrap_or_default();
            port.implied("enabled", true);
            !id.is_empty() && port.raw("enabled").is_none_or(|on| on == true)
        });
    });
}

fn has(hyperv: &HyperV, name: &str) -> Option<bool> {
    hyperv.features.iter().any(|feature| feature == name).then_some(true)
}

fn add(port: &Port<'_>, hyperv: &mut HyperV, name: &str, on: Option<bool>) {
    if port.reading() && on == Some(true) {
        hyperv.features.push(name.to_owned());
    }
}
