//! GRUB's environment block: variables that GRUB reads and writes while it boots. Its size never changes, because GRUB
//! writes it through a list of blocks (`grub-core/lib/envblk.c`); what is free is filled with `#`.

use thiserror::Error;

/// How a block begins (`GRUB_ENVBLK_SIGNATURE`).
const SIGNATURE: &str = "# GRUB Environment Block\n";

/// Why a block was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvironmentError {
    /// It does not begin as one.
    #[error("it is no environment block of GRUB")]
    NoBlock,
    /// A variable more does not fit.
    #[error("its {size} bytes have no room for `{name}`")]
    Full {
        /// The variable.
        name: String,
        /// Size of the block, in bytes.
        size: usize,
    },
    /// The name or the value cannot stand in it.
    #[error("`{}` cannot stand in it", .0.escape_debug())]
    Bad(String),
}

/// The value of a variable; none where it is not set.
#[must_use]
pub fn get<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    lines(text)?.find_map(|line| line.trim_end_matches('\n').strip_prefix(name)?.strip_prefix('='))
}

/// The block with a variable set, or taken away where `value` is none. Its size stays.
///
/// # Errors
/// [`EnvironmentError`].
pub fn set(text: &str, name: &str, value: Option<&str>) -> Result<String, EnvironmentError> {
    let lines = lines(text).ok_or(EnvironmentError::NoBlock)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(EnvironmentError::Bad(name.to_owned()));
    }
    // GRUB escapes a line's end with a backslash; nothing that is written here needs one.
    if let Some(bad) = value.filter(|value| value.contains(['\n', '\\']) || value.is_empty()) {
        return Err(EnvironmentError::Bad(bad.to_owned()));
    }
    let own = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    let mut out = String::with_capacity(text.len());
    out.push_str(SIGNATURE);
    let mut written = false;
    for line in lines {
        match value {
            _ if !own(line) => out.push_str(line),
            Some(value) if !written => {
                out.push_str(&format!("{name}={value}\n"));
                written = true;
            }
            _ => {}
        }
    }
    if let Some(value) = value.filter(|_| !written) {
        out.push_str(&format!("{name}={value}\n"));
    }
    let free = text.len().checked_sub(out.len());
    let free = free.ok_or_else(|| EnvironmentError::Full { name: name.to_owned(), size: text.len() })?;
    out.extend(std::iter::repeat_n('#', free));
    Ok(out)
}

/// The lines of a block between its head and what is free.
fn lines(text: &str) -> Option<impl Iterator<Item = &str>> {
    let rest = text.strip_prefix(SIGNATURE)?.trim_end_matches('#');
    // A block whose last variable has no end was cut.
    (rest.is_empty() || rest.ends_with('\n')).then(|| rest.split_inclusive('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &str) -> String {
        format!("{:#<1024}", format!("{SIGNATURE}{lines}"))
    }

    #[test]
    fn a_variable_comes_and_goes_and_leaves_every_byte() {
        for before in ["", "saved_entry=a>b\n", "next_entry_2=x\nrecordfail=1\n"] {
            let before = block(before);
            let set_once = set(&before, "next_entry", Some("1>2")).expect("there is room");
            assert_eq!((get(&set_once, "next_entry"), set_once.len()), (Some("1>2"), 1024));
            let other = set(&set_once, "next_entry", Some("0")).expect("there is room");
            assert_eq!(get(&other, "next_entry"), Some("0"));
            assert_eq!(set(&other, "next_entry", None).expect("it was there"), before);
        }
        assert_eq!(get(&block("a=1\n"), "b"), None);
    }

    #[test]
    fn what_is_no_block_or_has_no_room_is_left_alone() {
        assert_eq!(set("a=1\n", "b", Some("1")), Err(EnvironmentError::NoBlock));
        assert_eq!(set(&format!("{SIGNATURE}a=1###"), "b", Some("1")), Err(EnvironmentError::NoBlock));
        let full = block(&format!("a={}\n", "x".repeat(990)));
        assert!(matches!(
            set(&full, "next_entry", Some("0")),
            Err(EnvironmentError::Full { size: 1024, .. })
        ));
        let empty = block("");
        for (name, value) in [("", "1"), ("a b", "1"), ("a", ""), ("a", "b\nc=1"), ("a", "b\\")] {
            assert!(
                matches!(set(&empty, name, Some(value)), Err(EnvironmentError::Bad(_))),
                "{name} {value}"
            );
        }
    }
}
