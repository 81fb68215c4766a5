//! Denials and other records of the kernel's audit: `/var/log/audit/audit.log`, `ausearch`, and the same records in a
//! kernel log or journal. [`records`] reads them out of any text.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// Who denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditClass {
    /// `avc: denied`.
    Selinux,
    /// `apparmor="DENIED"`.
    Apparmor,
    /// A seccomp filter (`type=SECCOMP`, `type=1326`).
    Seccomp,
    /// Any other record.
    Other,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Line in the text.
    pub line: u32,
    /// Who denies.
    pub class: AuditClass,
    /// Whether something was denied; an AppArmor profile that only complains says `ALLOWED`, SELinux
    /// `permissive=1`.
    pub denied: bool,
    /// What SELinux denies, the words in the braces.
    pub permissions: Vec<String>,
    /// Fields without their quotes: `comm`, `name`, `profile`, `scontext`, `operation`, `denied_mask`, `syscall`.
    pub fields: Vec<(String, String)>,
}

impl AuditRecord {
    /// A field's first value.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }
}

/// The records of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditLog {
    /// In the order of the text.
    pub records: Vec<AuditRecord>,
}

/// With one of these a record begins, behind what a log writes in front of it.
const STARTS: [&str; 4] = ["type=", "apparmor=\"", "avc:  denied", "avc: denied"];

/// One of them stands behind that in every record.
const SIGNS: [&str; 3] = ["audit(", "apparmor=\"", "avc: "];

impl View for AuditLog {
    const KIND: Kind = Kind::new("audit_log");
    const SUREST: u8 = 91;
    const MARKS: &[&str] = &SIGNS;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        (Self { records: records(text).collect() }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = crate::lines::share(head, |line| record(1, line).is_some());
        // In a kernel log the records are some lines of many.
        match hits > 0 && hits * 2 > all {
            true => 91,
            false if name.contains("audit") => 30,
            false => 0,
        }
    }
}

/// The records in any text, line by line.
pub fn records(text: &str) -> impl Iterator<Item = AuditRecord> {
    lines(text).filter_map(|(number, line)| record(number, line))
}

fn record(line: u32, text: &str) -> Option<AuditRecord> {
    let start = STARTS.iter().filter_map(|start| text.find(start)).min()?;
    let text = &text[start..];
    if !SIGNS.iter().any(|sign| text.contains(sign)) {
        return None;
    }
    let fields = fields(text);
    let get = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let permissions = text.split_once("{ ").and_then(|(_, rest)| rest.split_once(" }"));
    let permissions =
        permissions.map_or_else(Vec::new, |(inside, _)| inside.split(' ').map(str::to_owned).collect());
    let (class, denied) = if let Some(verdict) = get("apparmor") {
        (AuditClass::Apparmor, verdict == "DENIED")
    } else if text.contains("avc: ") {
        (AuditClass::Selinux, text.contains("denied") && get("permissive") != Some("1"))
    } else if matches!(get("type"), Some("SECCOMP" | "1326")) {
        (AuditClass::Seccomp, true)
    } else {
        (AuditClass::Other, get("success") == Some("no"))
    };
    Some(AuditRecord { line, class, denied, permissions, fields })
}

/// Most fields of one record that are kept; real ones have about thirty.
const FIELDS_MAX: usize = 128;

/// `name=value` and `name="value with blanks"`.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = text;
    while fields.len() < FIELDS_MAX {
        let Some((before, after)) = rest.split_once('=') else { break };
        let name =
            before.rsplit(|letter: char| letter.is_whitespace() || letter == '\'' || letter == ':').next();
        let name = name.unwrap_or_default().to_owned();
        let (value, behind) = match after.strip_prefix('"') {
            Some(inside) => inside.split_once('"').unwrap_or((inside, "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if !name.is_empty() {
            fields.push((name, value.to_owned()));
        }
        rest = behind;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "type=AVC msg=audit(1700000000.123:456): avc:  denied  { read open } for  pid=811 comm=\"qemu-kvm\" name=\"my disk.img\" scontext=system_u:system_r:svirt_t:s0:c1,c2 tclass=file permissive=0
[   12.3] audit: type=1400 audit(1700000001.1:9): apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-4dea\" name=\"/srv/a b.img\" pid=1 comm=\"qemu-system-x86\" requested_mask=\"r\" denied_mask=\"r\" fsuid=64055 ouid=0
type=SECCOMP msg=audit(1700000002.1:10): auid=1000 comm=\"firecracker\" sig=31 arch=c000003e syscall=334
audit: type=1400 audit(1.1:1): apparmor=\"ALLOWED\" operation=\"open\"
something type=other
";

    #[test]
    fn denials() {
        let (log, _) = AuditLog::read(TEXT);
        assert_eq!(log.records.len(), 4);
        let selinux = &log.records[0];
        assert_eq!((selinux.class, selinux.denied, selinux.line), (AuditClass::Selinux, true, 1));
        assert_eq!(selinux.permissions, ["read", "open"]);
        assert_eq!((selinux.get("name"), selinux.get("comm")), (Some("my disk.img"), Some("qemu-kvm")));
        let apparmor = &log.records[1];
        assert_eq!((apparmor.class, apparmor.denied), (AuditClass::Apparmor, true));
        assert_eq!(
            (apparmor.get("profile"), apparmor.get("name")),
            (Some("libvirt-4dea"), Some("/srv/a b.img"))
        );
        assert_eq!((log.records[2].class, log.records[2].get("syscall")), (AuditClass::Seccomp, Some("334")));
        assert!(!log.records[3].denied);
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(AuditLog::recognise("x", TEXT), 91);
        assert_eq!(AuditLog::recognise("x", "type=x\n"), 0);
    }
}
