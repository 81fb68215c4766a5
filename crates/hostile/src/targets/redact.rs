//! Secrets out, and other names in: nothing that is secret survives, whatever stands around it; what is clean stays
//! as it is; lines stay lines.

use super::text;
use vmwright_host::redact::anonymous::{Anonymizer, Names};
use vmwright_host::redact::{Counts, redact};
use vmwright_model::{Kind, Record, Snapshot};

/// Lines with a secret in a place that no text around them can hide.
const PLACES: &[&str] = &[
    "-vnc :1,password=C4NARY,x=y",
    "<graphics type='vnc' passwd='C4NARY'/>",
    "-object secret,id=s,data=C4NARY",
    "Authorization: Bearer C4NARYC4NARY",
    "seedfrom=https://me:C4NARY@seed.invalid/",
    "root:$6$C4NARY$C4NARY0123456789:19000::::::",
    "key = AQC4NARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow==",
    "rd.luks.key=/C4NARY",
    "-----BEGIN PRIVATE KEY-----C4NARY-----END PRIVATE KEY-----",
];

fn clean(bytes: &[u8]) -> (Vec<u8>, Counts) {
    let mut snapshot =
        Snapshot { records: vec![Record::new("x", Kind::TEXT, bytes)], ..Snapshot::default() };
    let counts = redact(&mut snapshot);
    (snapshot.records.remove(0).content.unwrap(), counts)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

pub(super) fn run(bytes: &[u8]) {
    let (once, _) = clean(bytes);
    let (twice, counts) = clean(&once);
    assert_eq!(text(&twice), text(&once), "what was clean is changed again");
    assert_eq!(counts, Counts::new(), "{}", text(&once));
    assert_eq!(newlines(&once), newlines(bytes));

    let (at, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    if !rest.windows(6).any(|word| word == b"C4NARY") {
        let place = PLACES[at % PLACES.len()];
        let (before, behind) = rest.split_at(rest.len() * at / 256);
        let (clean, _) = clean(&[before, b"\n", place.as_bytes(), b"\n", behind].concat());
        assert!(!clean.windows(6).any(|word| word == b"C4NARY"), "{place}: {}", text(&clean));
    }

    let names = Names { hosts: vec!["canaryhost".to_owned()], ..Names::default() };
    let mut snapshot =
        Snapshot { records: vec![Record::new("x", Kind::TEXT, bytes)], ..Snapshot::default() };
    Anonymizer::new(&names).unwrap().apply(&mut snapshot);
    assert_eq!(newlines(snapshot.records[0].content.as_ref().unwrap()), newlines(bytes));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let whole = PLACES.join("\n").replace("C4NARY", "canary");
    let mut seeds = vec![whole.into_bytes()];
    for text in [
        "kind: Secret\ndata:\n  a: b\n---\nkind: Pod\n",
        "chpasswd:\n  list: |\n    root:canary\n  expire: false\n",
        "{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"canary=\"}",
        "<secret ephemeral='no'><uuid>u</uuid><value>canary</value></secret>",
        "canaryhost 198.51.100.23 2001:db8::1 52:54:00:12:34:56 3d1219c7-c4c5-404a-aa1f-6d2a48adfda4",
    ] {
        seeds.push(text.as_bytes().to_vec());
    }
    seeds
}
