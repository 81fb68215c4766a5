//! Passwords that a command or a configuration takes by their place, without an `=`: passwd(1), chpasswd(8), kickstart,
//! debconf, `virsh set-user-password`, iSCSI targets, openssl(1), `.netrc`.

use super::{Counts, Pattern, none, replace};

/// `echo PASSWORD |` before a command that reads one.
static PIPED: Pattern = Pattern::new(
    r#"\becho[ \t]+(?:-[en]+[ \t]+)?["']?(?:[^\s:"'|]+:)?(?P<secret>[^\s"'|]+)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+-S|(?:sudo[ \t]+)?(?:chpasswd|passwd[ \t]+--stdin|cryptsetup|virsh[ \t]+secret-set-value))"#,
    &["echo"],
);
/// Kickstart's `rootpw`, and answers to debconf's questions of type `password`.
static INSTALLER: Pattern = Pattern::new(
    r"(?im)(?:^[ \t]*rootpw(?:[ \t]+--[a-z]+)*|\bpassword(?:-again|-crypted)?[ \t]+password)[ \t]+(?P<secret>[^\s-]\S*)",
    &["password", "rootpw"],
);
static GUEST: Pattern = Pattern::new(
    r"\bset-user-password[ \t]+(?:--domain[ \t]+)?[^\s-]\S*[ \t]+(?:--user[ \t]+)?[^\s-]\S*[ \t]+(?:--password[ \t]+)?(?P<secret>[^\s-]\S*)",
    &["set-user-password"],
);
/// tgt's `incominguser USER PASSWORD`, and iscsiadm's name and value.
static ISCSI: Pattern = Pattern::new(
    r"(?:\b(?:incoming|outgoing)user[ \t]+\S+|[ \t]-n[ \t]+\S*password\S*[ \t]+-v)[ \t]+(?P<secret>\S+)",
    &["incominguser", "outgoinguser", "password"],
);
static OPENSSL: Pattern = Pattern::new(r"-pass(?:in|out)?[ \t=]+pass:(?P<secret>\S+)", &["-pass"]);
static MYSQL: Pattern = Pattern::new(
    r"\b(?:mysql|mysqldump|mariadb)\b[^\n]*?[ \t]-p(?P<secret>[^\s-]\S*)",
    &["mariadb", "mysql", "mysqldump"],
);
/// `.netrc` (ftp(1)) in one line or several, and other files with a line `password VALUE`.
static NETRC: Pattern = Pattern::new(
    r"(?i)(?:\bmachine\s{1,8}\S{1,255}|\bdefault)\s{1,8}login\s{1,8}\S{1,255}\s{1,8}pass(?:word|wd)\s{1,8}(?P<secret>\S+)",
    &["default", "machine"],
);
static LINE: Pattern =
    Pattern::new(r#"(?im)^[ \t]*password[ \t]+"?(?P<secret>[^\s";]+)"?;?[ \t]*\r?$"#, &["password"]);
/// What somebody typed where it was shown.
static PROMPT: Pattern = Pattern::new(
    r"(?i)\benter[^\n:]{0,40}pass(?:word|phrase)[^\n:]{0,80}:[ \t]+(?P<secret>\S+)",
    &["passphrase", "password"],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let patterns = [&PIPED, &INSTALLER, &GUEST, &ISCSI, &OPENSSL, &MYSQL, &NETRC, &LINE, &PROMPT];
    replace(&patterns, "login-password", none, text, counts)
}
