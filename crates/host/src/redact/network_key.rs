//! What network services share to know each other by: WireGuard and wireless keys, IPsec, SNMP, and the words of
//! keepalived and DRBD.

use super::{Counts, Pattern, none, replace};

/// As wg(8) and systemd.netdev(5) write them: 32 bytes in base64.
static WIREGUARD: Pattern = Pattern::new(
    r"(?i)\b(?:private|preshared)[ _-]?key[ \t]*[=:][ \t]*(?P<secret>[A-Za-z0-9+/]{40,}={0,2})",
    &["preshared", "private"],
);
static SHARED: Pattern = Pattern::new(
    r#"(?i)(?:\bpsk["']?[ \t]*[=:]|\bwpa-psk|:[ \t]*PSK)[ \t]*["']?(?P<secret>[^\s"',;}=]{6,})"#,
    &["psk", "wpa-psk"],
);
static COMMUNITY: Pattern = Pattern::new(
    r"(?im)(?:^[ \t]*r[ow]community6?|^[ \t]*com2sec6?[ \t]+\S+[ \t]+\S+|\bsnmp-server[ \t]+community|\bsnmp[a-z]+[ \t][^\n]*?-c)[ \t]+(?P<secret>\S+)",
    &["com2sec", "rocommunity", "rwcommunity", "snmp", "snmp-server"],
);
static SNMP_HASH: Pattern = Pattern::new(
    r#"(?i)\bcreateUser\b[^\n]*?\b(?:MD5|SHA[0-9-]*)[ \t]+["']?(?P<secret>[^\s"']+)"#,
    &["createuser"],
);
static SNMP_CIPHER: Pattern = Pattern::new(
    r#"(?i)\bcreateUser\b[^\n]*?\b(?:AES[0-9]*|DES)[ \t]+["']?(?P<secret>[^\s"']+)"#,
    &["createuser"],
);
static CLUSTER: Pattern = Pattern::new(
    r#"(?im)(?:^[ \t]*auth_pass|\bshared-secret)[ \t]+["']?(?P<secret>[^\s"';]+)"#,
    &["auth_pass", "shared-secret"],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let patterns = [&WIREGUARD, &SHARED, &COMMUNITY, &SNMP_HASH, &SNMP_CIPHER, &CLUSTER];
    replace(&patterns, "network-key", none, text, counts)
}
