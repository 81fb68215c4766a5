//! Over which transports the target's daemon can be reached.

use super::super::machine_mismatch::pair::untold;
use super::super::same_host::preflight::setting;
use crate::prelude::*;

/// Ports of libvirt for TLS and for plain TCP (libvirt `docs/remote.rst`).
const PORTS: [&str; 2] = [":16514", ":16509"];

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let draft = cx.blank().looked().about(Subject::host()).level(Level::Note);
    let title = "the target's libvirt listens for neither TLS nor TCP: it is reached by SSH alone";
    // What listens, as `ss -ltn` and `netstat -ltn` list it.
    let listing = target.texts_with("Local Address").find(|text| text.holds("LISTEN"));
    if let Some(text) = listing {
        let listens = text.holds(PORTS);
        let heading = text.lines_with("Local Address").next();
        let quote = heading.and_then(|(number, _)| text.quote(number)).filter(|_| !listens);
        return vec![
            draft
                .because(Strength::Strong, quote, "the list has none of libvirt's ports")
                .title(title)
                .verdict(),
        ];
    }
    let off = ["listen_tls", "listen_tcp"].map(|key| {
        let files = ["/etc/libvirt/libvirtd.conf", "/etc/libvirt/virtproxyd.conf"];
        files.iter().find_map(|path| setting(target, path, key))
    });
    match off {
        // TCP is off unless it is asked for.
        [Some((tls, quote)), tcp] if tls == "0" && tcp.as_ref().is_none_or(|(tcp, _)| tcp == "0") => {
            vec![draft.because(Strength::Strong, quote, "TLS is switched off").title(title).verdict()]
        }
        [_, Some((tcp, _))] if tcp == "1" => vec![draft.verdict()],
        _ => vec![untold("what the target's libvirt listens on is not known", "ss -ltn")],
    }
}
