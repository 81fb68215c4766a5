//! Whether the hosts can be told apart.

use super::super::machine_mismatch::pair::untold;
use crate::prelude::*;
use vmwright_formats::QemuOffers;

/// The UUID by which libvirt tells hosts apart, and where it stands: what libvirt says, its own setting, else the
/// firmware's (libvirt `src/util/viruuid.c`).
fn uuid(host: &Reading<'_>) -> Option<(String, Option<Evidence>)> {
    let said = host.all::<QemuOffers>().into_iter().find_map(|offers| {
        let uuid = offers.host_uuid.as_ref()?;
        Some((uuid.value.clone(), offers.quote(uuid.line)))
    });
    let files = ["/etc/libvirt/libvirtd.conf", "/etc/libvirt/virtqemud.conf"];
    let set = files.iter().find_map(|path| setting(host, path, "host_uuid"));
    said.or(set).or_else(|| whole(host, "/sys/class/dmi/id/product_uuid"))
}

/// A setting of libvirt's `key = "value"` files.
pub(crate) fn setting(host: &Reading<'_>, path: &str, key: &str) -> Option<(String, Option<Evidence>)> {
    let Found::Text(text) = host.file(path) else { return None };
    text.lines().find_map(|(number, line)| {
        let (name, value) = line.split('#').next()?.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        (name.trim() == key).then(|| (value, text.quote(number)))
    })
}

/// A file of one line.
pub(crate) fn whole(host: &Reading<'_>, path: &str) -> Option<(String, Option<Evidence>)> {
    let Found::Text(text) = host.file(path) else { return None };
    let line = text.line(1)?.trim().to_owned();
    (!line.is_empty()).then(|| (line, text.quote(1)))
}

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let mut draft = cx.blank().looked().about(Subject::host());
    if let (Some((our, quote)), Some((their, told))) = (uuid(cx), uuid(target)) {
        if our.eq_ignore_ascii_case(&their) {
            draft = draft
                .because(Strength::Proof, told, "the target's UUID")
                .because(Strength::Support, quote, "the source's UUID, the same")
                .title(format!("libvirt takes both hosts for one: their UUID is {our}"));
        }
        return vec![draft.verdict()];
    }
    let id = "/etc/machine-id";
    if let (Some((our, quote)), Some((their, told))) = (whole(cx, id), whole(target, id))
        && our == their
    {
        draft = draft
            .level(Level::Warn)
            .because(Strength::Strong, told, "the target's machine id")
            .because(Strength::Support, quote, "the source's machine id, the same")
            .title("both hosts have one machine id: one was cloned from the other");
        return vec![draft.verdict()];
    }
    vec![untold("the UUIDs of both hosts are not known", "virsh capabilities | grep -m1 uuid")]
}
