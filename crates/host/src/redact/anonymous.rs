//! Other names for what tells where a capture comes from: host names, hardware addresses, IP addresses, the host's
//! own ids. The same thing gets the same other name throughout one capture, and another one in the next: the key is
//! drawn anew and kept nowhere.
//!
//! What a diagnosis lives on stays: which addresses share a prefix, loopback, link-local, multicast and private
//! ranges, netmasks, the vendor's half of a hardware address.

use super::pattern::{Pattern, compile};
use crate::file;
use regex::bytes::{Captures, Regex};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use vmwright_model::{Missing, Need, Snapshot};

/// Largest file that is looked at for names, in bytes.
const FILE: u64 = 256 << 10;

/// Most names that are replaced.
const NAMES: usize = 1000;

/// A name of fewer letters is not told from other words (`vm` in `vm.swappiness`): it is replaced only where a
/// host's name has its place.
const SHORT: usize = 4;

/// The kernel's table of routes.
const ROUTES: &str = "/proc/net/route";

/// Words of every host: a host that has one of them for its name is not told from others by it.
const WORDS: [&str; 16] = [
    "localhost",
    "localdomain",
    "host",
    "server",
    "node",
    "debian",
    "ubuntu",
    "fedora",
    "linux",
    "qemu",
    "libvirt",
    "kernel",
    "proxmox",
    "ip6-localhost",
    "ip6-loopback",
    "broadcasthost",
];

/// Six or more bytes in hexadecimal: Ethernet has 6, EUI-64 8, InfiniBand 20.
static HARDWARE: Pattern =
    Pattern::new(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5,19}|(?:-[0-9A-Fa-f]{2}){5,19})", &[]);
/// Ethernet addresses without colons, and in groups of four digits: told from other numbers only where the same address
/// stands somewhere with its colons.
static BARE: Pattern = Pattern::new(r"[0-9A-Fa-f]{12}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}", &[]);
static V4: Pattern = Pattern::new(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", &[]);
static V6: Pattern = Pattern::new(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}", &[]);
/// Hosts in URLs that name no document.
static URL: Pattern = Pattern::new(
    r#"(?i)\b(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>[^\s/@'"<>]*@)?(?P<name>[a-z][a-z0-9.-]*)"#,
    &["://"],
);
/// Where a host's name has its place: `uname -a`, and the head of a line of syslog.
static PLACE: Pattern = Pattern::new(
    r"(?m)^(?:Linux |[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} |[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+) )(?P<name>[A-Za-z0-9][A-Za-z0-9.-]*) ",
    &[],
);

/// What tells which host this is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Names of hosts, without their domains.
    pub hosts: Vec<String>,
    /// Domains.
    pub domains: Vec<String>,
    /// Machine id, UUID and serial numbers.
    pub ids: Vec<String>,
}

/// What names a host.
const NAMED: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

/// What numbers it.
const IDS: [&str; 6] = [
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/board_serial",
    "/sys/class/dmi/id/chassis_serial",
];

/// Every file that says what a host goes by.
pub const SOURCES: [&str; 10] =
    [NAMED[0], NAMED[1], "/etc/hosts", "/etc/resolv.conf", IDS[0], IDS[1], IDS[2], IDS[3], IDS[4], IDS[5]];

impl Names {
    /// Those of the running host: its own name and those that it knows from `/etc/hosts` and `/etc/resolv.conf`, its
    /// machine id, and the UUID and serial numbers of its board (which only root can read).
    #[must_use]
    pub fn of_this_host() -> Self {
        Self::of(|path| file::read(Path::new(path), FILE).ok())
    }

    /// Those of the host that a snapshot was taken of: what [`SOURCES`] say in it. Of these only what is among
    /// `needs` stays in the snapshot.
    #[must_use]
    pub fn of_snapshot(snapshot: &mut Snapshot, needs: &[Need]) -> Self {
        let names = Self::of(|path| snapshot.record(path)?.content.clone().ok());
        let needed =
            |source: &str| needs.iter().any(|need| matches!(need, Need::File(path) if *path == source));
        snapshot
            .records
            .retain(|record| !SOURCES.contains(&record.source.as_str()) || needed(&record.source));
        names
    }

    fn of(read: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let text = |path: &str| {
            read(path).map_or(String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut names = Names::default();
        for path in NAMED {
            names.host(text(path).trim());
        }
        for line in text("/etc/hosts").lines() {
            let line = line.split('#').next().unwrap_or_default();
            line.split_whitespace().skip(1).for_each(|name| names.host(name));
        }
        for line in text("/etc/resolv.conf").lines() {
            let mut words = line.split_whitespace();
            if matches!(words.next(), Some("search" | "domain")) {
                words.for_each(|domain| names.domain(domain));
            }
        }
        for path in IDS {
            let id = text(path).trim().to_owned();
            // Placeholders (`0`, `None`, `Not Specified`) are no ids.
            if id.len() >= 6
                && id.bytes().any(|byte| byte.is_ascii_digit())
                && !id.bytes().all(|byte| byte == b'0')
            {
                names.ids.push(id);
            }
        }
        names
    }

    fn host(&mut self, name: &str) {
        let (short, domain) = name.split_once('.').unwrap_or((name, ""));
        if !short.is_empty()
            && !WORDS.contains(&short.to_ascii_lowercase().as_str())
            && self.hosts.len() < NAMES
        {
            self.hosts.push(short.to_owned());
        }
        self.domain(domain);
    }

    fn domain(&mut self, domain: &str) {
        let domain = domain.trim_matches('.');
        if domain.len() >= SHORT
            && !WORDS.contains(&domain.to_ascii_lowercase().as_str())
            && self.domains.len() < NAMES
        {
            self.domains.push(domain.to_owned());
        }
    }
}

/// Gives other names.
pub struct Anonymizer {
    key: [u8; 32],
    /// Other names by the name in lower case.
    others: BTreeMap<String, String>,
    words: Option<Regex>,
    short: Vec<String>,
    v4: HashMap<Ipv4Addr, Ipv4Addr>,
    v6: HashMap<Ipv6Addr, Ipv6Addr>,
    /// Ethernet addresses that stand somewhere, by their twelve digits, with the other one's.
    bare: HashMap<String, String>,
}

impl Anonymizer {
    /// With a key of its own.
    ///
    /// # Errors
    ///
    /// Where the system gives no random bytes.
    pub fn new(names: &Names) -> io::Result<Self> {
        let mut key = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(Self::with(key, names))
    }

    fn with(key: [u8; 32], names: &Names) -> Self {
        let mut own = Self {
            key,
            others: BTreeMap::new(),
            words: None,
            short: Vec::new(),
            v4: HashMap::new(),
            v6: HashMap::new(),
            bare: HashMap::new(),
        };
        for name in &names.hosts {
            if name.len() < SHORT {
                own.short.push(name.to_ascii_lowercase());
            } else {
                own.others.insert(name.to_ascii_lowercase(), own.name("host", name));
            }
        }
        for name in &names.domains {
            own.others.insert(name.to_ascii_lowercase(), own.name("domain", name));
        }
        for id in &names.ids {
            own.others.insert(id.to_ascii_lowercase(), own.id(id));
            // A UUID is also written without its dashes.
            let bare = id.replace('-', "");
            if bare.len() == 32 {
                own.others.insert(bare.to_ascii_lowercase(), own.id(id).replace('-', ""));
            }
        }
        // Longest first: `web-1` before `web`.
        let mut words: Vec<&String> = own.others.keys().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        if !words.is_empty() {
            let words: Vec<String> = words.into_iter().map(|word| regex::escape(word)).collect();
            own.words = Some(compile(&format!("(?i)(?:{})", words.join("|"))));
        }
        own
    }

    /// Gives other names throughout a snapshot, its host id included.
    pub fn apply(&mut self, snapshot: &mut Snapshot) {
        if !snapshot.host_id.is_empty() {
            snapshot.host_id = hex(&self.random("host id", snapshot.host_id.as_bytes())[..16]);
        }
        for bytes in snapshot.records.iter().filter_map(|record| record.content.as_ref().ok()) {
            self.learn(bytes);
        }
        for record in &mut snapshot.records {
            record.source = self.line(&record.source);
            match &mut record.content {
                Ok(bytes) if record.source == ROUTES => *bytes = self.routes(bytes),
                Ok(bytes) => *bytes = self.text(bytes),
                Err(Missing::Failed(why)) => *why = self.line(why),
                Err(_) => {}
            }
        }
    }

    /// Remembers the Ethernet addresses of a text, to know them again without their colons.
    fn learn(&mut self, bytes: &[u8]) {
        for found in HARDWARE.find_iter(bytes).filter(|found| found.len() == 17) {
            let digits = |text: &[u8]| -> String {
                let digits = text.iter().filter(|byte| byte.is_ascii_hexdigit());
                digits.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
            };
            if let Some(other) = self.hardware(found.as_bytes())
                && self.bare.len() < NAMES * NAMES
            {
                self.bare.insert(digits(found.as_bytes()), digits(&other));
            }
        }
    }

    /// The kernel's table of routes: addresses as eight hexadecimal digits of a number in the host's byte order
    /// (`net/ipv4/fib_trie.c`, `fib_route_seq_show`); destination and gateway are the second and third word.
    fn routes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            for (at, word) in line.split_inclusive(|byte| *byte == b'\t').enumerate() {
                let digits = std::str::from_utf8(word.trim_ascii()).ok().filter(|digits| digits.len() == 8);
                match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
                    Some(number) if at == 1 || at == 2 => {
                        let other = self.v4(Ipv4Addr::from(number.to_le_bytes()));
                        clean.extend(format!("{:08X}", u32::from_le_bytes(other.octets())).as_bytes());
                        clean.extend(&word[8..]);
                    }
                    _ => clean.extend(word),
                }
            }
        }
        clean
    }

    fn line(&mut self, line: &str) -> String {
        String::from_utf8_lossy(&self.text(line.as_bytes())).into_owned()
    }

    fn text(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = bytes.to_vec();
        if let Some(words) = &self.words {
            text = each(words, &text, |whole, around| {
                let inside =
                    |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let word = String::from_utf8_lossy(whole).to_ascii_lowercase();
                let known = self.others.get(&word).filter(|_| !inside(around.0) && !inside(around.1));
                known.map(|other| other.clone().into_bytes())
            });
        }
        text = self.places(&text);
        text = each(&HARDWARE, &text, |whole, around| {
            let touches =
                |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit() || b":-".contains(&byte));
            if touches(around.0) || touches(around.1) { None } else { self.hardware(whole) }
        });
        text = each(&BARE, &text, |whole, around| {
            let touches = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            if touches(around.0) || touches(around.1) {
                return None;
            }
            let digits = String::from_utf8_lossy(whole).to_ascii_lowercase().replace('.', "");
            let other = self.bare.get(&digits)?;
            let dotted = || format!("{}.{}.{}", &other[..4], &other[4..8], &other[8..]);
            Some(if whole.contains(&b'.') { dotted() } else { other.clone() }.into_bytes())
        });
        text = each(&V4, &text, |whole, around| {
            let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
            if digit(around.0) || digit(around.1) {
                return None;
            }
            let address: Ipv4Addr = std::str::from_utf8(whole).ok()?.parse().ok()?;
            Some(self.v4(address).to_string().into_bytes())
        });
        each(&V6, &text, |whole, around| {
            let touches = |byte: Option<u8>| {
                byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b":_.".contains(&byte))
            };
            let sentence_ends = around.1 == Some(b'.');
            if touches(around.0) || touches(around.1) && !sentence_ends {
                return None;
            }
            let address: Ipv6Addr = std::str::from_utf8(whole).ok()?.parse().ok()?;
            Some(self.v6(address).to_string().into_bytes())
        })
    }

    /// Names that are told from other words by their place alone.
    fn places(&self, text: &[u8]) -> Vec<u8> {
        let replaced = |pattern: &Regex, text: &[u8], wanted: &dyn Fn(&Captures<'_>, &str) -> bool| {
            let clean = pattern.replace_all(text, |found: &Captures<'_>| {
                let whole = found.get(0).expect("group 0 is the match");
                let name = found.name("name").expect("both patterns have one");
                let word = String::from_utf8_lossy(name.as_bytes()).to_ascii_lowercase();
                let mut clean = whole.as_bytes()[..name.start() - whole.start()].to_vec();
                if wanted(found, &word) {
                    clean.extend(self.name("host", &word).into_bytes());
                } else {
                    clean.extend(name.as_bytes());
                }
                clean.extend(&whole.as_bytes()[name.end() - whole.start()..]);
                clean
            });
            match clean {
                Cow::Owned(clean) => clean,
                Cow::Borrowed(text) => text.to_vec(),
            }
        };
        let is_own = |word: &str| {
            self.short.iter().any(|short| word == short || word.split('.').next() == Some(short.as_str()))
        };
        let text = replaced(&PLACE, text, &|_, word| is_own(word));
        replaced(&URL, &text, &|found, word| {
            let scheme =
                found.name("scheme").map_or(&b""[..], |scheme| scheme.as_bytes()).to_ascii_lowercase();
            let document =
                matches!(&scheme[..], b"http" | b"https" | b"file") && found.name("user").is_none();
            !document && word != "localhost" && !word.starts_with("host-")
        })
    }

    /// Bytes that look random to whoever lacks the key.
    fn random(&self, what: &str, value: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update((what.len() as u64).to_le_bytes());
        hash.update(what);
        hash.update(value);
        hash.finalize().into()
    }

    fn name(&self, kind: &str, name: &str) -> String {
        let random = self.random(kind, name.to_ascii_lowercase().as_bytes());
        format!("{kind}-{}", hex(&random[..4]))
    }

    /// An id of the same form: dashes stay, digits become hexadecimal digits.
    fn id(&self, id: &str) -> String {
        let random = hex(&self.random("id", id.to_ascii_lowercase().as_bytes()));
        let mut digits = random.chars().cycle();
        id.chars().map(|letter| if letter == '-' { '-' } else { digits.next().unwrap_or('0') }).collect()
    }

    /// A hardware address whose vendor's half stays; `None` where nothing is told by it.
    fn hardware(&self, text: &[u8]) -> Option<Vec<u8>> {
        let separator = char::from(*text.get(2)?);
        let text = std::str::from_utf8(text).ok()?;
        let bytes: Vec<u8> =
            text.split(separator).map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
        let is_group = bytes[0] & 1 == 1 && bytes.len() == 6;
        if is_group || bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xff) {
            return None;
        }
        let mut other = bytes.clone();
        if bytes.len() == 6 {
            other[3..].copy_from_slice(&self.shuffled(&bytes[..3], [bytes[3], bytes[4], bytes[5]]));
        } else {
            let random = self.random("long hardware address", &bytes);
            other[3..].iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
        }
        let parts: Vec<String> = other.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(parts.join(&separator.to_string()).into_bytes())
    }

    /// A permutation of 24 bits, so that two addresses stay two: a Feistel network of four rounds.
    fn shuffled(&self, vendor: &[u8], device: [u8; 3]) -> [u8; 3] {
        let whole = u32::from_be_bytes([0, device[0], device[1], device[2]]);
        let (mut left, mut right) = (whole >> 12, whole & 0xfff);
        for round in 0..4u8 {
            let random = self.random("hardware address", &[vendor, &[round], &right.to_be_bytes()].concat());
            let mixed = left ^ (u32::from(u16::from_be_bytes([random[0], random[1]])) & 0xfff);
            (left, right) = (right, mixed);
        }
        let [_, a, b, c] = (left << 12 | right).to_be_bytes();
        [a, b, c]
    }

    /// Addresses that share a prefix of n bits have others that share one of n bits (Xu, Fan, Ammar and Moon,
    /// "Prefix-preserving IP address anonymization", 2002).
    fn prefix_preserving(&self, what: &str, address: u128, from: u32, width: u32) -> u128 {
        let mut other = address;
        for bit in from..width {
            let shift = width - 1 - bit;
            // What stands before this bit, and how much that is.
            let before = if bit == 0 { 0 } else { address >> (shift + 1) };
            let random = self.random(what, &[&bit.to_be_bytes()[..], &before.to_be_bytes()].concat());
            other ^= u128::from(random[0] & 1) << shift;
        }
        other
    }

    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        if let Some(known) = self.v4.get(&address) {
            return *known;
        }
        let other = match private_v4(address) {
            Some(32) => address,
            Some(kept) => self.map_v4(address, kept),
            // Until it lies in no range that says something.
            None => {
                let mut other = self.map_v4(address, 0);
                while private_v4(other).is_some() {
                    other = self.map_v4(other, 0);
                }
                other
            }
        };
        self.v4.insert(address, other);
        other
    }

    fn map_v4(&self, address: Ipv4Addr, kept: u32) -> Ipv4Addr {
        let mapped = self.prefix_preserving("v4", u128::from(u32::from(address)), kept, 32);
        Ipv4Addr::from(u32::try_from(mapped).unwrap_or_default())
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if let Some(known) = self.v6.get(&address) {
            return *known;
        }
        let first = address.segments()[0];
        let kept = match first {
            // Unspecified, loopback, IPv4 in other clothes, NAT64; multicast.
            0 | 0x64 => 128,
            _ if first & 0xff00 == 0xff00 => 128,
            // Link-local: what follows was made from the hardware address.
            _ if first & 0xffc0 == 0xfe80 => 64,
            _ if first & 0xfe00 == 0xfc00 => 8,
            // 2000::/3 stays what it is.
            _ => 3,
        };
        let other = Ipv6Addr::from(self.prefix_preserving("v6", u128::from(address), kept, 128));
        self.v6.insert(address, other);
        other
    }
}

/// How many bits of an address say what it is for; `None` for a public one (RFC 6890).
fn private_v4(address: Ipv4Addr) -> Option<u32> {
    match address.octets() {
        [0 | 127 | 224..=255, ..] | [169, 254, ..] => Some(32),
        [10, ..] => Some(8),
        [100, 64..=127, ..] => Some(10),
        [172, 16..=31, ..] => Some(12),
        [192, 168, ..] => Some(16),
        _ => None,
    }
}

/// Replaces every match for which `other` gives something; it is told the bytes on both sides.
fn each(
    pattern: &Regex,
    text: &[u8],
    mut other: impl FnMut(&[u8], (Option<u8>, Option<u8>)) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len());
    let mut done = 0;
    for found in pattern.find_iter(text) {
        let before = found.start().checked_sub(1).map(|at| text[at]);
        if let Some(replacement) = other(found.as_bytes(), (before, text.get(found.end()).copied())) {
            clean.extend(&text[done..found.start()]);
            clean.extend(replacement);
            done = found.end();
        }
    }
    clean.extend(&text[done..]);
    clean
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
