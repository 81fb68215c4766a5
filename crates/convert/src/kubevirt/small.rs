//! Confidential computing, and what follows on a reboot.

use crate::json::Port;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Confidential, Reaction, Technology};

pub(super) fn launch_security(port: &mut Port<'_>, confidential: &mut Option<Confidential>) {
    port.child("launchSecurity", |port| {
        for (key, technologies) in [
            ("sev", &[Technology::Sev, Technology::SevEs][..]),
            ("snp", &[Technology::SevSnp]),
            ("tdx", &[Technology::Tdx]),
        ] {
            let mut own = confidential.clone().filter(|one| technologies.contains(&one.technology));
            port.option(
                key,
                &mut own,
                || Confidential::by(technologies[0]),
                |port, one| {
                    if key != "sev" {
                        return true;
                    }
                    port.child("policy", |port| {
                        let mut state = one.technology == Technology::SevEs;
                        port.flag("encryptedState", &mut state);
                        one.technology = if state { Technology::SevEs } else { Technology::Sev };
                    });
                    port.text("dhCert", "base64", &mut one.dh_cert);
                    port.text("session", "base64", &mut one.session);
                    true
                },
            );
            if port.reading() && own.is_some() {
                *confidential = own;
            }
        }
    });
}

pub(super) fn reboots(port: &mut Port<'_>, spec: &mut MachineSpec) {
    const WORDS: [(&str, Reaction); 1] = [("Terminate", Reaction::Destroy)];
    port.word("rebootPolicy", &WORDS, &mut spec.lifecycle.on_reboot);
    port.implied("rebootPolicy", "Reboot");
}
