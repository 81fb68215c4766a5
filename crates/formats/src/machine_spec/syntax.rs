//! What the single values of a specification must look like. Each check gives a fragment that says what is
//! wrong, without the key.

use std::net::IpAddr;

/// A check of one string value.
pub(super) type Check = fn(&str) -> Result<(), String>;

/// Longest machine name.
const NAME_MAX: usize = 64;

/// Longest interface name: `IFNAMSIZ` of `linux/if.h` is 16, with the final NUL.
const INTERFACE_MAX: usize = 15;

/// Longest user name: `useradd(8)` allows 32.
const USER_MAX: usize = 32;

fn word_of(text: &str, extra: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || extra.contains(letter))
}

pub(super) fn machine_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > NAME_MAX {
        return Err(format!("has {} characters; {NAME_MAX} are allowed", text.chars().count()));
    }
    if !word_of(text, "-_.") {
        return Err(format!("`{text}` may hold only letters, digits, `-`, `_` and `.`"));
    }
    if text.starts_with(['.', '-']) {
        return Err(format!("`{text}` may not begin with a dot or dash"));
    }
    Ok(())
}

/// A word that goes into a QEMU option: a comma or blank in it would be another option.
pub(super) fn option_word(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if !word_of(text, "-_.") || text.starts_with('-') {
        return Err(format!(
            "`{}` may hold only letters, digits, `-`, `_` and `.`, and begins with no dash",
            short(text)
        ));
    }
    Ok(())
}

pub(super) fn cpu_feature(text: &str) -> Result<(), String> {
    match text.strip_prefix(['+', '-']) {
        Some(name) => option_word(name),
        None => Err(format!("`{}` begins with neither `+` nor `-`", short(text))),
    }
}

pub(super) fn user_name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > USER_MAX || !word_of(text, "-_.") || text.starts_with('-') {
        return Err(format!("`{}` is not a user name", short(text)));
    }
    Ok(())
}

/// A path is taken as it is, but one that cannot exist, or that would break a record of one line, is refused.
pub(super) fn path(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    Ok(())
}

pub(super) fn one_line(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) { Err("holds a control character".to_owned()) } else { Ok(()) }
}

pub(super) fn memory_size(text: &str) -> Result<(), String> {
    super::parse_size(text).map(drop).map_err(|error| format!("is wrong: {error}"))
}

/// What the kernel's `dev_valid_name` allows, and printable.
pub(super) fn interface_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > INTERFACE_MAX {
        return Err(format!("has {} bytes; an interface name has at most {INTERFACE_MAX}", text.len()));
    }
    let bad = |byte: u8| byte == b'/' || byte == b':' || byte == b',' || !byte.is_ascii_graphic();
    if text.bytes().any(bad) || text.starts_with('-') || text == "." || text == ".." {
        return Err(format!("`{}` is not an interface name", text.escape_debug()));
    }
    Ok(())
}

pub(super) fn address(text: &str) -> Result<(), String> {
    let wrong = || Err(format!("`{}` is not an address with prefix length, like `10.213.0.1/24`", short(text)));
    let Some((address, prefix)) = text.split_once('/') else { return wrong() };
    let Ok(address) = address.parse::<IpAddr>() else { return wrong() };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match prefix.parse::<u8>() {
        Ok(bits) if bits <= longest && prefix.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err(format!("`{}` has a prefix length that is not 0 to {longest}", short(text))),
    }
}

pub(super) fn mac(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split(':').take(7).collect();
    let two = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if parts.len() != 6 || !parts.iter().all(two) {
        return Err(format!("`{}` is not a MAC address, like `52:54:00:12:34:56`", short(text)));
    }
    // The lowest bit of the first byte marks a group address (IEEE 802.3), which no interface may have.
    if u8::from_str_radix(parts[0], 16).is_ok_and(|first| first & 1 == 1) {
        return Err(format!("`{text}` is a multicast address"));
    }
    if parts.iter().all(|part| *part == "00") {
        return Err("is all zeros".to_owned());
    }
    Ok(())
}

/// What is quoted in an error is bounded.
pub(super) fn short(text: &str) -> String {
    let mut quoted: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        quoted.push_str("...");
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(machine_name("web-1.test_2").is_ok());
        for bad in ["", ".x", "-x", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(machine_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_cannot_be_smuggled_in() {
        assert!(option_word("EPYC-v4").is_ok());
        assert!(cpu_feature("+avx512f").is_ok());
        for bad in ["max,host-phys-bits=on", "max -monitor stdio", "-x", ""] {
            assert!(option_word(bad).is_err(), "{bad}");
        }
        assert!(cpu_feature("avx2").is_err());
        assert!(cpu_feature("+a,b").is_err());
    }

    #[test]
    fn addresses() {
        for good in ["10.0.0.1/24", "fd00::1/64", "10.0.0.1/0"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["10.0.0.1", "10.0.0.1/33", "10.0.0/24", "fd00::1/129", "10.0.0.1/+8", "10.0.0.1/"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn macs() {
        assert!(mac("52:54:00:12:34:56").is_ok());
        for bad in ["52-54-00-12-34-56", "52:54:00:12:34", "53:54:00:12:34:56", "00:00:00:00:00:00", ""] {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn interface_names() {
        assert!(interface_name("vmw-br0").is_ok());
        for bad in ["", "averyveryverylongname", "a b", "a/b", ".", "-a", "a,b", "ä"] {
            assert!(interface_name(bad).is_err(), "{bad}");
        }
    }
}
