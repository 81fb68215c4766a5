//! Passwords among the options of programs: QEMU's `password=` and `-object secret,data=`, in their plain and their
//! JSON form, QMP and HMP, and what other tools take.

use super::{Counts, Pattern, replace};

/// A name that ends so, with its value; QEMU writes a comma in a value twice. `password-secret=` names an object
/// and is none.
static OPTION: Pattern = Pattern::new(
    r#"(?i)pass(?:wd|word|phrase)(?:_in)?[ \t]*=[ \t]*(?P<secret>(?:[^\s,'"<]|,,)+)"#,
    &["passphrase", "passwd", "password"],
);
/// mount.cifs(8), sshpass(1) and their like.
static SHORT: Pattern = Pattern::new(
    r#"(?im)(?:^|[\s,;"'?&-])(?:[a-z]+_|ssh)?pass=["']?(?P<secret>(?:[^\s,'"<]|,,)+)"#,
    &["pass="],
);
static QUOTED: Pattern = Pattern::new(
    r#"(?i)pass(?:wd|word|phrase)[ \t]*=[ \t]*'(?P<secret>[^'\n]+)"#,
    &["passphrase", "passwd", "password"],
);
static DOUBLE_QUOTED: Pattern = Pattern::new(
    r#"(?i)pass(?:wd|word|phrase)[ \t]*=[ \t]*"(?P<secret>[^"\n]+)"#,
    &["passphrase", "passwd", "password"],
);
static SPACED: Pattern = Pattern::new(
    r#"(?i)--[a-z-]*pass(?:wd|word|phrase)[ \t]+(?P<secret>[^\s-]\S*)"#,
    &["passphrase", "passwd", "password"],
);
static FIELD: Pattern = Pattern::new(
    r#"(?i)pass(?:wd|word|phrase)(?:"|&quot;|\\")[ \t]*:[ \t]*(?:"|&quot;|\\")(?P<secret>[^"&\\\n]+(?:\\[^"\n][^"&\\\n]*)*)"#,
    &[
        "passphrase\"",
        "passphrase&quot;",
        "passphrase\\\"",
        "passwd\"",
        "passwd&quot;",
        "passwd\\\"",
        "password\"",
        "password&quot;",
        "password\\\"",
    ],
);
static OBJECT: Pattern =
    Pattern::new(r#"\bsecret,(?:[^\s,]*,)*?data=(?P<secret>(?:[^\s,'"<]|,,)+)"#, &["secret,"]);
/// The type of an object of QEMU's in JSON, as it is quoted in a text, in XML, or in a string of JSON.
const OBJECT_TYPE: &[&str] = &[
    "\"qom-type\":",
    "\"qom-type&quot;:",
    "\"qom-type\\\":",
    "&quot;qom-type\":",
    "&quot;qom-type&quot;:",
    "&quot;qom-type\\\":",
    "\\\"qom-type\":",
    "\\\"qom-type&quot;:",
    "\\\"qom-type\\\":",
];
static JSON_OBJECT: Pattern = Pattern::new(
    r#"(?:"|&quot;|\\")qom-type(?:"|&quot;|\\"):[ \t]*(?:"|&quot;|\\")secret(?:"|&quot;|\\")[^{}\n]*?(?:"|&quot;|\\")data(?:"|&quot;|\\"):[ \t]*(?:"|&quot;|\\")(?P<secret>[^"&\\\n]+)"#,
    OBJECT_TYPE,
);
static JSON_OBJECT_TURNED: Pattern = Pattern::new(
    r#"(?:"|&quot;|\\")data(?:"|&quot;|\\"):[ \t]*(?:"|&quot;|\\")(?P<secret>[^"&\\\n{}]+)[^{}\n]*?(?:"|&quot;|\\")qom-type(?:"|&quot;|\\"):[ \t]*(?:"|&quot;|\\")secret"#,
    OBJECT_TYPE,
);
static MONITOR: Pattern = Pattern::new(
    r"(?:\bset_password[ \t]+(?:vnc|spice)|\bchange[ \t]+vnc[ \t]+password)[ \t]+(?P<secret>\S+)",
    &["password", "set_password"],
);
static LOGIN: Pattern = Pattern::new(
    r#"(?:\bsshpass[ \t]+-p[ \t]*|[ \t](?:--user|-u|--proxy-user|-U)[ \t=]+["']?[^\s:"'/]+:)(?P<secret>[^\s"'/]+)"#,
    &["\t--proxy-user", "\t--user", "\t-u", " --proxy-user", " --user", " -u", "sshpass"],
);

/// Words that switch a password on or off.
fn is_switch(value: &[u8]) -> bool {
    [&b"on"[..], b"off", b"yes", b"no", b"true", b"false", b"none"].contains(&&*value.to_ascii_lowercase())
}

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let patterns = [
        &OPTION,
        &SHORT,
        &QUOTED,
        &DOUBLE_QUOTED,
        &SPACED,
        &FIELD,
        &OBJECT,
        &JSON_OBJECT,
        &JSON_OBJECT_TURNED,
        &MONITOR,
        &LOGIN,
    ];
    replace(&patterns, "option-password", is_switch, text, counts)
}
