//! Whether a move that must be encrypted can be.

use super::super::same_host::preflight::setting;
use crate::prelude::*;

/// Where libvirt and QEMU look for the target's certificate, unless told otherwise (libvirt `docs/kbase/tlscerts.rst`,
/// `src/qemu/qemu.conf.in`).
pub(crate) const CERTIFICATES: [&str; 3] = [
    "/etc/pki/libvirt-migrate/server-cert.pem",
    "/etc/pki/qemu/server-cert.pem",
    "/etc/pki/libvirt/servercert.pem",
];

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let forced = |host: &Reading<'_>| {
        setting(host, "/etc/libvirt/qemu.conf", "migrate_tls_force").filter(|(value, _)| value == "1")
    };
    let (ours, theirs) = (forced(cx), forced(target));
    let mut draft = cx.blank().looked().about(Subject::host());
    let Some((_, quote)) = ours.as_ref().or(theirs.as_ref()) else { return vec![draft.verdict()] };
    let elsewhere = ["migrate_tls_x509_cert_dir", "default_tls_x509_cert_dir"];
    if elsewhere.iter().any(|key| setting(target, "/etc/libvirt/qemu.conf", key).is_some()) {
        return vec![super::super::machine_mismatch::pair::untold(
            "the target's certificates lie in a directory of their own",
            "ls -l of the directory that qemu.conf names",
        )];
    }
    if CERTIFICATES[..2].iter().all(|path| matches!(target.file(path), Found::Absent)) {
        draft = draft
            .because(
                Strength::Proof,
                quote.clone(),
                "every move must be encrypted, and the target has no certificate",
            )
            .title(format!("moves must be encrypted, and the target has no {}", CERTIFICATES[1]));
    }
    vec![draft.verdict()]
}
