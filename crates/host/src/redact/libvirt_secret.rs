//! Values of libvirt secrets: in their XML, in calls of `virsh`, and in libvirt's own files. What a secret is for
//! (`<usage>`, its UUID) is none.

use super::{Counts, Pattern, blank, none, replace};

const KIND: &str = "libvirt-secret";

static VALUE: Pattern = Pattern::new(
    r"(?is)(?:<|&lt;)secret\b[^>/]*>.*?(?:<|&lt;)value(?:\s[^<>]*)?(?:>|&gt;)(?P<secret>[^<&]+)(?:<|&lt;)/value",
    &["&lt;secret", "<secret"],
);
static SET: Pattern = Pattern::new(
    r"secret-set-value(?:[ \t]+--secret)?[ \t]+[^\s-]\S*(?:[ \t]+--(?:base64|plain|interactive))*[ \t]+(?P<secret>[^\s-]\S*)",
    &["secret-set-value"],
);
/// A terminal's output: the value stands on the line below.
static GET: Pattern =
    Pattern::new(r"secret-get-value[^\n]*\n(?P<secret>[A-Za-z0-9+/]{4,}={0,2})\s", &["secret-get-value"]);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&VALUE, &SET, &GET], KIND, none, text, counts)
}

/// The text of a file in which libvirt keeps a value (`secrets/UUID.base64`), without it; `None` for others.
pub(super) fn file(source: &str, text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let own = source.contains("libvirt/") && source.contains("secrets/") && source.ends_with(".base64");
    (own && !text.is_empty()).then(|| {
        *counts.entry(KIND.to_owned()).or_default() += 1;
        blank(text, KIND)
    })
}
