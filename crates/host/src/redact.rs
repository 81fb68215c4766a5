//! Secrets are taken out once, at the border: before what was read of a host is written into a file that others
//! will read. Each kind of secret has a file here. What is taken out becomes `[redacted:KIND]`; lines stay lines,
//! so that a quote of the capture stands on the line that it has on the host.
//!
//! A pattern that takes too much costs a detail of a finding; one that takes too little costs a password. So in
//! doubt they take.

pub mod anonymous;
mod audit;
mod ceph_key;
mod cloud_init;
mod command_line;
mod disk_key;
mod kernel_cmdline;
mod kubernetes_secret;
mod libvirt_secret;
mod login_command;
mod management;
mod network_key;
mod password_hash;
mod pattern;
mod private_key;
mod token;
mod url;
mod xml;

use pattern::Pattern;
use regex::bytes::Captures;
use std::borrow::Cow;
use std::collections::BTreeMap;
use vmwright_model::{Missing, Snapshot};

/// How often each kind of secret was taken out.
pub type Counts = BTreeMap<String, usize>;

/// Takes the secrets out of everything that was read, names and messages included.
pub fn redact(snapshot: &mut Snapshot) -> Counts {
    let mut counts = Counts::new();
    for record in &mut snapshot.records {
        record.source = line(&record.source, &mut counts);
        match &mut record.content {
            Ok(bytes) => {
                let clean = text(bytes, &mut counts);
                if let Some(clean) = libvirt_secret::file(&record.source, &clean, &mut counts) {
                    *bytes = clean;
                } else if let Cow::Owned(clean) = clean {
                    *bytes = clean;
                }
            }
            Err(Missing::Failed(why)) => *why = line(why, &mut counts),
            Err(_) => {}
        }
    }
    counts
}

/// A part of a source without its secrets, line by line.
#[must_use]
pub fn text_of(source: &str, part: &str) -> String {
    let mut counts = Counts::new();
    let clean = text(part.as_bytes(), &mut counts);
    let clean = libvirt_secret::file(source, &clean, &mut counts).map_or(clean, Cow::Owned);
    String::from_utf8_lossy(&clean).into_owned()
}

/// Takes one kind of secret out of a text; `None` where there is none of it.
type Step = fn(&[u8], &mut Counts) -> Option<Vec<u8>>;

/// Takes the secrets out of one text.
fn text<'t>(bytes: &'t [u8], counts: &mut Counts) -> Cow<'t, [u8]> {
    match audit::redact(bytes, counts) {
        Some(clean) => Cow::Owned(secrets(&clean, counts).into_owned()),
        None => secrets(bytes, counts),
    }
}

/// Takes the secrets out of a text that hides nothing in other forms.
fn secrets<'t>(bytes: &'t [u8], counts: &mut Counts) -> Cow<'t, [u8]> {
    // Whole blocks first; what looks like an option anywhere last.
    let steps = [
        private_key::redact as Step,
        kubernetes_secret::redact,
        cloud_init::redact,
        libvirt_secret::redact,
        xml::redact,
        url::redact,
        password_hash::redact,
        ceph_key::redact,
        disk_key::redact,
        network_key::redact,
        kernel_cmdline::redact,
        login_command::redact,
        management::redact,
        token::redact,
        command_line::redact,
    ];
    steps.iter().fold(Cow::Borrowed(bytes), |text, step| match step(&text, counts) {
        Some(clean) => Cow::Owned(clean),
        None => text,
    })
}

fn line(text_: &str, counts: &mut Counts) -> String {
    match text(text_.as_bytes(), counts) {
        Cow::Borrowed(_) => text_.to_owned(),
        Cow::Owned(clean) => String::from_utf8_lossy(&clean).into_owned(),
    }
}

/// Replaces the group `secret` of every match; `None` where there is none.
fn replace(
    patterns: &[&Pattern],
    kind: &str,
    keep: fn(&[u8]) -> bool,
    bytes: &[u8],
    counts: &mut Counts,
) -> Option<Vec<u8>> {
    let lower = bytes.to_ascii_lowercase();
    let mut text = Cow::Borrowed(bytes);
    // As it was: a mark that is set meanwhile makes no secret of what stands beside it.
    for pattern in patterns.iter().filter(|pattern| pattern.may_match(&lower)) {
        let mut taken = 0;
        let clean = pattern.replace_all(&text, |found: &Captures<'_>| {
            let whole = found.get(0).expect("group 0 is the match");
            let Some(secret) = found.name("secret") else { return whole.as_bytes().to_vec() };
            let value = secret.as_bytes();
            if value.is_empty() || value.trim_ascii_start().starts_with(b"[redacted:") || keep(value) {
                return whole.as_bytes().to_vec();
            }
            taken += 1;
            let (before, behind) = (secret.start() - whole.start(), secret.end() - whole.start());
            let mut clean = whole.as_bytes()[..before].to_vec();
            clean.extend(blank(value, kind));
            clean.extend(&whole.as_bytes()[behind..]);
            clean
        });
        if taken > 0 {
            text = Cow::Owned(clean.into_owned());
            *counts.entry(kind.to_owned()).or_default() += taken;
        }
    }
    match text {
        Cow::Owned(text) => Some(text),
        Cow::Borrowed(_) => None,
    }
}

/// What stands for a secret: the same number of lines, each of them blank or the mark.
fn blank(secret: &[u8], kind: &str) -> Vec<u8> {
    let mark = format!("[redacted:{kind}]").into_bytes();
    let lines = secret.split(|byte| *byte == b'\n').map(|line| match line {
        [] => Vec::new(),
        [b'\r'] => b"\r".to_vec(),
        [.., b'\r'] => [&mark[..], b"\r"].concat(),
        _ => mark.clone(),
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// Keeps nothing: every value of the pattern is a secret.
fn none(_: &[u8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Record};

    /// Each place that a secret can stand in; `CANARY` is the secret, or its lines are.
    const PLACES: &[(&str, &str)] = &[
        (
            "xml-password",
            "<graphics type='vnc' port='-1' passwd='CANARY' passwdValidTo='2030-01-01T00:00:00'/>",
        ),
        ("xml-password", "<graphics type=\"spice\" passwd = \"CANARY with blanks, and commas\">"),
        ("xml-password", "<auth><password>CANARY</password></auth>"),
        ("option-password", "-vnc 127.0.0.1:1,password=CANARY -name web"),
        ("option-password", "-spice port=5900,password=CANARY,,more,disable-ticketing=off"),
        ("option-password", "-object secret,id=sec0,data=CANARY,format=raw"),
        ("option-password", "-object secret,data=CANARY,id=sec0"),
        (
            "option-password",
            "-object {\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"CANARY=\",\"format\":\"base64\"}",
        ),
        ("option-password", "-object '{\"data\":\"CANARY\",\"qom-type\":\"secret\",\"id\":\"s\"}'"),
        (
            "option-password",
            "<qemu:arg value='{&quot;qom-type&quot;:&quot;secret&quot;,&quot;data&quot;:&quot;CANARY&quot;}'/>",
        ),
        (
            "option-password",
            "{\"execute\":\"set_password\",\"arguments\":{\"protocol\":\"vnc\",\"password\":\"CANARY\"}}",
        ),
        ("option-password", "(qemu) set_password spice CANARY"),
        ("option-password", "(qemu) change vnc password CANARY"),
        ("option-password", "-drive file.driver=iscsi,file.user=u,file.password=CANARY,if=none"),
        ("option-password", "virt-install --password CANARY --name web"),
        ("option-password", "curl --user root:CANARY http://example.invalid/"),
        ("option-password", "sshpass -p CANARY ssh host"),
        ("option-password", "vnc_password = \"CANARY\""),
        ("option-password", "password='CANARY never closed"),
        ("libvirt-secret", "<secret ephemeral='no'><uuid>u</uuid><value>CANARY</value></secret>"),
        ("libvirt-secret", "virsh secret-set-value 3d1219c7-c4c5-404a-aa1f-6d2a48adfda4 CANARY=="),
        ("libvirt-secret", "virsh secret-set-value --secret 3d1219c7 --base64 CANARY=="),
        ("libvirt-secret", "# virsh secret-get-value 3d1219c7\nCANARY==\n\n# next"),
        ("token", "Authorization: Bearer CANARY.part.two"),
        ("token", "curl -H 'Authorization: Basic CANARYdXNlcjpwYXNz' http://x"),
        ("token", "using bearer CANARY0123"),
        ("token", "--token=CANARY --x"),
        ("token", "X-Auth-Token: CANARY"),
        ("token", "client_secret: CANARY"),
        ("token", "api_key=\"CANARY\""),
        ("token", "    token: CANARY-of-a-kubeconfig"),
        ("token", "jwt eyJCANARYhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.CANARY"),
        ("token", "push with ghp_CANARYCANARYCANARYCANARYCANARY1234"),
        (
            "private-key",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY\nCANARY\n\n-----END OPENSSH PRIVATE KEY-----\nafter",
        ),
        (
            "private-key",
            "log: -----BEGIN RSA PRIVATE KEY-----\\nCANARY\\n-----END RSA PRIVATE KEY-----\\n after",
        ),
        ("private-key", "-----BEGIN EC PRIVATE KEY-----\nCANARY\nand cut off CANARY"),
        ("kernel-secret", "root=/dev/vda1 rd.luks.key=/CANARY:UUID=1 quiet"),
        ("kernel-secret", "root=/dev/vda1 systemd.set_credential=passwd.hashed:CANARY quiet"),
        ("kernel-secret", "cryptkey=CANARY quiet"),
        ("option-password", "ip=dhcp rd.iscsi.password=CANARY rootpw=x"),
        ("kernel-secret", "rootpw=CANARY quiet"),
        ("kernel-secret", "netroot=iscsi:user:CANARY@192.0.2.1::::iqn.2030-01.invalid"),
        ("cloud-init-password", "#cloud-config\npassword: CANARY\nchpasswd: {expire: false}\n"),
        (
            "cloud-init-password",
            "users:\n  - name: x\n    hashed_passwd: CANARY\n    plain_text_passwd: 'CANARY'\n",
        ),
        ("cloud-init-password", "chpasswd:\n  list: |\n    root:CANARY\n    me:CANARY\n  expire: false\n"),
        ("cloud-init-password", "chpasswd:\n  users:\n  - {name: root, password: CANARY, type: text}\n"),
        ("cloud-init-password", "chpasswd:\n  list:\n    - root:CANARY\n    - me:CANARY\n"),
        ("cloud-init-password", "chpasswd: { list: ['root:CANARY', 'me:CANARY'] }\n"),
        ("password-hash", "root:$6$CANARY$CANARY0123456789:19000:0:99999:7:::"),
        ("password-hash", "found $y$j9T$CANARY$CANARY/x. in the log"),
        ("url-password", "seedfrom=https://me:CANARY@seed.invalid/x quiet"),
        ("url-password", "backing file: nbd://me:CAN@CANARY@192.0.2.7:10809/disk"),
        ("ceph-key", "[client.libvirt]\n\tkey = AQCANARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow==\n"),
        (
            "ceph-key",
            "file=rbd:pool/img:id=libvirt:key=AQCANARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow\\=\\=:auth_supported=cephx",
        ),
        (
            "kubernetes-secret",
            "apiVersion: v1\nkind: Secret\ndata:\n  userdata: CANARY\n  more: CANARY\nmetadata:\n  name: s\n",
        ),
        ("kubernetes-secret", "stringData:\n  a: |\n    CANARY\n    CANARY\nkind: Secret\n---\nkind: Pod\n"),
    ];

    fn clean(source: &str, text: &str) -> (String, Counts) {
        let mut snapshot =
            Snapshot { records: vec![Record::new(source, Kind::TEXT, text)], ..Snapshot::default() };
        let counts = redact(&mut snapshot);
        let bytes = snapshot.records.remove(0).content.unwrap();
        (String::from_utf8(bytes).unwrap(), counts)
    }

    #[test]
    fn a_canary_in_each_place_is_gone_and_lines_stay_lines() {
        for (kind, text) in PLACES {
            let (clean, counts) = clean("x", text);
            assert!(!clean.contains("CANARY"), "{kind}: {text}\n->\n{clean}");
            assert!(clean.contains(&format!("[redacted:{kind}]")), "{kind}: {text}\n->\n{clean}");
            assert_eq!(clean.matches('\n').count(), text.matches('\n').count(), "{text}\n->\n{clean}");
            assert!(counts.contains_key(*kind), "{counts:?}");
            // What is clean stays as it is.
            assert_eq!(self::clean("x", &clean), (clean.clone(), Counts::new()), "{text}");
        }
    }

    #[test]
    fn canaries_between_other_lines_and_in_bytes_that_are_no_text_are_gone() {
        for (_, text) in PLACES.iter().filter(|(_, text)| !text.contains("cut off")) {
            let mut bytes = b"before \xff\n".to_vec();
            bytes.extend(text.as_bytes());
            bytes.extend(b"\n\xfe behind\n");
            let mut counts = Counts::new();
            let clean = super::text(&bytes, &mut counts).into_owned();
            let shown = String::from_utf8_lossy(&clean).into_owned();
            assert!(!shown.contains("CANARY"), "{text}\n->\n{shown}");
            assert!(clean.starts_with(b"before \xff\n") && clean.ends_with(b"\n\xfe behind\n"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "<secret type='passphrase' uuid='f52a81b2-424e-490c-823d-6bd4235bc572'/>",
            "<secret ephemeral='no' private='yes'><usage type='volume'><volume>/srv/a</volume></usage></secret>",
            "-vnc :1,password=on -blockdev node-name=a,key-secret=sec0,password-secret=sec1",
            "-object secret,id=masterKey0,format=raw,file=/var/lib/libvirt/qemu/domain-1-web/master-key.aes",
            "error: internal error: unexpected token: identifier expected",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB me@host",
            "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro intel_iommu=on console=ttyS0",
            "tcp:192.0.2.1:49152 spice://192.0.2.1:5900 http://[2001:db8::1]:80/x@y",
            "qemu-system-x86_64: -device vfio-pci: vfio 0000:01:00.0: group 3 is not viable",
            "chpasswd: {expire: false}",
            "kind: SecretProviderClass\ndata:\n  a: b\n",
            "prompt: password: ",
            "pam_unix(sshd:auth): authentication failure; user=root",
        ] {
            assert_eq!(clean("x", text), (text.to_owned(), Counts::new()));
        }
    }

    #[test]
    fn names_and_messages_are_clean_too() {
        let record = Record::missing(
            "namei -l /srv/https://u:CANARY@h/x",
            Kind::TEXT,
            Missing::Failed("status 1: password=CANARY".to_owned()),
        );
        let mut snapshot = Snapshot { records: vec![record], ..Snapshot::default() };
        redact(&mut snapshot);
        assert!(!format!("{snapshot:?}").contains("CANARY"), "{snapshot:?}");
    }

    #[test]
    fn a_file_of_a_libvirt_secret_is_all_secret() {
        let (clean, _) = clean("/etc/libvirt/secrets/f52a81b2.base64", "Q0FOQVJZ\n");
        assert_eq!(clean, "[redacted:libvirt-secret]\n");
    }
}
