//! Whose work a file of vmwright's own is: a remark in its first line, where its format has any.

use crate::canonical::sha256;

const BEGIN: &str = "# Assisted-By: vmwright (";

/// The text with the remark: version, and the first 12 digits of the digest of what follows. The plan's own digest cannot
/// stand in a text that is a part of the plan.
pub(crate) fn with(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    format!("{BEGIN}{} / {})\n{text}", env!("CARGO_PKG_VERSION"), &digest[..12])
}

/// The text without the remark that [`with`] put before it; also of another version.
pub(crate) fn without(text: &str) -> &str {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with(BEGIN) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_whose_work_it_is_and_is_compared_without() {
        let text = with("vfio-pci\n");
        let (first, rest) = text.split_once('\n').expect("two lines");
        assert_eq!(
            first,
            format!(
                "# Assisted-By: vmwright ({} / {})",
                env!("CARGO_PKG_VERSION"),
                &sha256(b"vfio-pci\n")[..12]
            )
        );
        assert_eq!((rest, without(&text), without("# mine\n")), ("vfio-pci\n", "vfio-pci\n", "# mine\n"));
    }
}
