//! Secrets on kernel command lines (dracut.cmdline(7), systemd-creds, initramfs-tools). They stand in
//! `/proc/cmdline`, in the kernel log, in `-append` and in domain XML, so that they are looked for everywhere.

use super::{Counts, Pattern, none, replace};

/// Where a key of a disk lies, and what a boot loader hands over.
static PARAMETER: Pattern = Pattern::new(
    r#"(?:^|[\s"',>])(?:rd\.luks\.key|luks\.key|rd\.luks\.passphrase|cryptkey|rootpw|inst\.rootpw|rd\.znet_key|auth_key)=(?P<secret>[^\s"'<]+)"#,
    &[
        "auth_key=",
        "cryptkey=",
        "inst.rootpw=",
        "luks.key=",
        "rd.luks.key=",
        "rd.luks.passphrase=",
        "rd.znet_key=",
        "rootpw=",
    ],
);
static CREDENTIAL: Pattern = Pattern::new(
    r#"systemd\.set_credential(?:_binary)?=[^\s:"'<]*:(?P<secret>[^\s"'<]+)"#,
    &["systemd.set_credential"],
);
/// `netroot=iscsi:USER:PASSWORD[:RUSER:RPASSWORD]@SERVER...`.
static NETROOT: Pattern =
    Pattern::new(r#"\bnetroot=iscsi:[^\s:@"'<]*:(?P<secret>[^\s@"'<]+)@"#, &["netroot=iscsi:"]);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&PARAMETER, &CREDENTIAL, &NETROOT], "kernel-secret", none, text, counts)
}
