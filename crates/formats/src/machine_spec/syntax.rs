//! What the single values of a specification must look like. Each check gives a fragment that says what is
//! wrong, without the key.

use super::cpu_list::parse_cpu_list;
use crate::PciAddress;
use std::net::IpAddr;

/// Whether a text looks as a `format` of the model's schema says; else a fragment that says what is wrong, without
/// the key. A format that is not here allows everything.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    match format {
        "machine-name" => machine_name(text),
        "uuid" => uuid(text),
        "word" => option_word(text),
        "cpu-feature" => cpu_feature(text),
        "cpu-list" => parse_cpu_list(text).map(drop),
        "size" => memory_size(text),
        "path" => path(text),
        "line" => one_line(text),
        "lvm-name" => lvm_name(text),
        "host-port" => host_port(text),
        "url" => url(text),
        "socket-path" => socket_path(text),
        "interface" => interface_name(text),
        "network-parent" => network_parent(text),
        "address" => address(text),
        "mac" => mac(text),
        "ip" => ip(text),
        "pci-address" => pci_address(text),
        "host-device" => host_device(text),
        "hex" => hex(text),
        "base64" => base64(text),
        "tpm-version" => tpm_version(text),
        "user" => user_name(text),
        _ => Ok(()),
    }
}

/// Longest machine name.
const NAME_MAX: usize = 64;

/// Longest interface name: `IFNAMSIZ` of `linux/if.h` is 16, with the final NUL.
const INTERFACE_MAX: usize = 15;

/// Longest path of a UNIX socket: `sun_path` of `unix(7)` is 108, with the final NUL.
const SOCKET_MAX: usize = 107;

/// Longest name of a volume group or logical volume: `NAME_LEN` of LVM is 128, with the final NUL.
const LVM_MAX: usize = 127;

/// Longest user name: `useradd(8)` allows 32.
const USER_MAX: usize = 32;

fn word_of(text: &str, extra: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || extra.contains(letter))
}

fn machine_name(text: &str) -> Result<(), String> {
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
fn option_word(text: &str) -> Result<(), String> {
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

fn cpu_feature(text: &str) -> Result<(), String> {
    match text.strip_prefix(['+', '-']) {
        Some(name) => option_word(name),
        None => Err(format!("`{}` begins with neither `+` nor `-`", short(text))),
    }
}

fn user_name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > USER_MAX || !word_of(text, "-_.") || text.starts_with('-') {
        return Err(format!("`{}` is not a user name", short(text)));
    }
    Ok(())
}

/// A path is taken as it is, but one that cannot exist, or that would break a record of one line, is refused.
fn path(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    Ok(())
}

fn one_line(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) { Err("holds a control character".to_owned()) } else { Ok(()) }
}

fn memory_size(text: &str) -> Result<(), String> {
    super::parse_size(text).map(drop).map_err(|error| format!("is wrong: {error}"))
}

/// What the kernel's `dev_valid_name` allows, and printable.
fn interface_name(text: &str) -> Result<(), String> {
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

/// An interface, a PCI address, or the path of a device.
fn network_parent(text: &str) -> Result<(), String> {
    if text.starts_with("/dev/") {
        return path(text);
    }
    if pci_address(text).is_ok() { Ok(()) } else { interface_name(text) }
}

fn address(text: &str) -> Result<(), String> {
    let wrong =
        || Err(format!("`{}` is not an address with prefix length, like `10.213.0.1/24`", short(text)));
    let Some((address, prefix)) = text.split_once('/') else { return wrong() };
    let Ok(address) = address.parse::<IpAddr>() else { return wrong() };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match prefix.parse::<u8>() {
        Ok(bits) if bits <= longest && prefix.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err(format!("`{}` has a prefix length that is not 0 to {longest}", short(text))),
    }
}

fn mac(text: &str) -> Result<(), String> {
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

fn uuid(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split('-').take(6).collect();
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, count)| digits(part, count)) {
        return Ok(());
    }
    Err(format!("`{}` is not a UUID, like `6ad6a1b2-58e5-4c8f-8d3b-6f1f2c9a7e10`", short(text)))
}

/// What `lvm(8)` allows.
fn lvm_name(text: &str) -> Result<(), String> {
    if text.is_empty()
        || text.len() > LVM_MAX
        || !word_of(text, "-_.+")
        || text.starts_with('-')
        || text == "."
        || text == ".."
    {
        return Err(format!("`{}` is not a name of LVM", short(text)));
    }
    Ok(())
}

/// `host`, `host:port`, `[v6]:port`, `:port`.
fn host_port(text: &str) -> Result<(), String> {
    let wrong = || Err(format!("`{}` is not a host with port, like `10.0.0.1:6789`", short(text)));
    if text.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let port_fits = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match v6 {
        Some(host) => host.parse::<IpAddr>().is_ok_and(|host| host.is_ipv6()),
        None => word_of(host, "-_.") && !host.starts_with('-') && !(host.is_empty() && port.is_none()),
    };
    if port_fits && host_fits { Ok(()) } else { wrong() }
}

/// A scheme, `://`, and something printable behind it (RFC 3986).
fn url(text: &str) -> Result<(), String> {
    let fits = text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && word_of(scheme, "+-.")
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if fits {
        Ok(())
    } else {
        Err(format!("`{}` is not a URL, like `https://example.org/disk.qcow2`", short(text)))
    }
}

fn socket_path(text: &str) -> Result<(), String> {
    if text.len() > SOCKET_MAX {
        return Err(format!("has {} bytes; the path of a socket has at most {SOCKET_MAX}", text.len()));
    }
    path(text)
}

fn ip(text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{}` is not an IP address", short(text))),
    }
}

fn pci_address(text: &str) -> Result<(), String> {
    match text.parse::<PciAddress>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{}` is not a PCI address, like `0000:01:00.0`", short(text))),
    }
}

/// The names of host devices of every kind; which one fits is a question of the device's kind.
fn host_device(text: &str) -> Result<(), String> {
    let hex = |part: &str| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number =
        |part: &str| part.len() <= 10 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let usb = text.split_once(':').is_some_and(|(vendor, product)| hex(vendor) && hex(product))
        || text.split_once('.').is_some_and(|(bus, device)| number(bus) && number(device));
    let scsi = text.split(':').count() == 4 && text.split(':').all(number);
    if usb || scsi || pci_address(text).is_ok() || uuid(text).is_ok() {
        return Ok(());
    }
    Err(format!(
        "`{}` is neither a PCI address (`0000:01:00.0`) nor a mediated device's UUID nor a USB device \
         (`1d6b:0002`, `1.4`) nor a SCSI address (`0:0:1:0`)",
        short(text)
    ))
}

fn hex(text: &str) -> Result<(), String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("`{}` is not hexadecimal", short(text)));
    }
    Ok(())
}

/// RFC 4648, padded; line breaks as MIME has them are allowed.
fn base64(text: &str) -> Result<(), String> {
    let kept: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let letters =
        kept.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).count();
    let padding = &kept[letters..];
    let fits = letters > 0
        && kept.len().is_multiple_of(4)
        && padding.len() <= 2
        && padding.iter().all(|byte| *byte == b'=');
    if fits { Ok(()) } else { Err(format!("`{}` is not base64", short(text))) }
}

fn tpm_version(text: &str) -> Result<(), String> {
    if ["1.2", "2.0"].contains(&text) {
        Ok(())
    } else {
        Err(format!("is `{}`; there are `1.2` and `2.0`", short(text)))
    }
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
