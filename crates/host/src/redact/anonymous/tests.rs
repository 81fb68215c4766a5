use super::*;
use vmwright_model::{Kind, Record};

fn names() -> Names {
    let text = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    Names {
        hosts: text(&["canaryhost", "db7", "canary-2"]),
        domains: text(&["canary.example"]),
        ids: text(&["3d1219c7-c4c5-404a-aa1f-6d2a48adfda4", "SN12345678"]),
    }
}

fn other(text: &str) -> String {
    String::from_utf8(Anonymizer::with([7; 32], &names()).text(text.as_bytes())).unwrap()
}

#[test]
fn names_addresses_and_ids_are_gone_wherever_they_stand() {
    for (text, gone) in [
        ("Nov 23 14:38:21 canaryhost kernel: x", "canaryhost"),
        ("CanaryHost.canary.example", "anary"),
        ("CANARY-2:/srv nfs", "ANARY"),
        ("Linux db7 6.1.0 #1 SMP", "db7"),
        ("Nov  3 14:38:21 db7 kernel: x", "db7"),
        ("2026-11-23T14:38:21.123456+00:00 db7 libvirtd[7]: x", "db7"),
        ("qemu+ssh://root@far.away.invalid/system", "far"),
        ("nbd://far.away.invalid:10809/x", "far"),
        ("uuid 3D1219C7-C4C5-404A-AA1F-6D2A48ADFDA4", "3D1219"),
        ("machine-id: 3d1219c7c4c5404aaa1f6d2a48adfda4", "3d1219"),
        ("DMI: serial SN12345678.", "SN1234"),
        ("inet 198.51.100.23/24 brd 198.51.100.255", "198.51.100"),
        ("tcp:203.0.113.9:49152", "203.0.113"),
        ("10.20.30.40", "20.30.40"),
        ("inet6 2001:db8:1:2:3:4:5:6/64", "db8:1:2"),
        ("fe80::5054:ff:fe12:3456%eth0", "5054:ff"),
        ("[2001:db8::7]:5900.", "db8::7"),
        ("link/ether 3c:fd:fe:a1:b2:c3 brd ff:ff:ff:ff:ff:ff", "a1:b2:c3"),
        ("HWADDR=3C-FD-FE-A1-B2-C3", "A1-B2"),
        ("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33", "33:44"),
    ] {
        let other = other(text);
        assert!(!other.contains(gone), "{text} -> {other}");
        assert_ne!(other, text);
    }
}

#[test]
fn what_a_diagnosis_lives_on_stays() {
    for text in [
        "127.0.0.1 0.0.0.0 255.255.255.0 169.254.169.254 224.0.0.251",
        "::1 :: ff02::1 [::]:5900",
        "0000:01:00.0 14:38:21 ff:ff:ff:ff:ff:ff 00:00:00:00:00:00 01:00:5e:00:00:01",
        "std::fs::read QEMU 10.0.2",
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' https://www.qemu.org/docs",
        "vm.db7_x canaryhosts",
        "12345678-1234-1234-1234-123456789abc",
    ] {
        assert_eq!(other(text), text);
    }
}

#[test]
fn the_same_stays_the_same_and_prefixes_stay_shared() {
    let mapped = |text: &str| -> Ipv4Addr { other(text).parse().unwrap() };
    let shared = |a: Ipv4Addr, b: Ipv4Addr| (u32::from(a) ^ u32::from(b)).leading_zeros();
    assert_eq!(mapped("198.51.100.23"), mapped("198.51.100.23"));
    for (a, b) in
        [("198.51.100.23", "198.51.100.99"), ("10.1.2.3", "10.1.200.3"), ("192.168.1.1", "192.168.1.2")]
    {
        let before = shared(a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(shared(mapped(a), mapped(b)), before, "{a} {b}");
    }
    assert!(mapped("10.1.2.3").octets()[0] == 10 && mapped("192.168.1.1").octets()[..2] == [192, 168]);
    assert!(mapped("172.20.1.1").octets()[0] == 172 && private_v4(mapped("172.20.1.1")) == Some(12));
    let v6 = |text: &str| -> Ipv6Addr { other(text).parse().unwrap() };
    assert_eq!(v6("2001:db8:1:2::5").segments()[..4], v6("2001:db8:1:2::6").segments()[..4]);
    assert_eq!(v6("fe80::1234").segments()[..4], [0xfe80, 0, 0, 0]);
    assert!(other("52:54:00:12:34:56").starts_with("52:54:00:"));
    let another = String::from_utf8(Anonymizer::with([8; 32], &names()).text(b"198.51.100.23")).unwrap();
    assert_ne!(another, other("198.51.100.23"), "another key gives other names");
}

#[test]
fn two_addresses_stay_two() {
    let anonymizer = Anonymizer::with([7; 32], &Names::default());
    let hardware: std::collections::BTreeSet<_> =
        (0..2000u32).map(|n| anonymizer.shuffled(&[0x52, 0x54, 0], [0, (n >> 8) as u8, n as u8])).collect();
    assert_eq!(hardware.len(), 2000);
    let mut anonymizer = anonymizer;
    let public =
        (0..4000u32).map(|n| Ipv4Addr::from(n * 1_000_003)).filter(|address| private_v4(*address).is_none());
    let public: Vec<Ipv4Addr> = public.collect();
    let v4: std::collections::BTreeSet<_> = public.iter().map(|address| anonymizer.v4(*address)).collect();
    assert_eq!(v4.len(), public.len());
    assert!(v4.iter().all(|address| private_v4(*address).is_none()));
}

#[test]
fn a_snapshot_has_other_names_throughout() {
    let mut snapshot = Snapshot {
        host_id: "aa".repeat(16),
        records: vec![
            Record::new("/var/log/canaryhost.log", Kind::TEXT, "x\ncanaryhost\n"),
            Record::missing("a", Kind::TEXT, Missing::Failed("on canaryhost".to_owned())),
        ],
        ..Snapshot::default()
    };
    Anonymizer::new(&names()).unwrap().apply(&mut snapshot);
    let shown = format!("{snapshot:?}");
    assert!(!shown.contains("canary") && snapshot.host_id != "aa".repeat(16), "{shown}");
    assert_eq!(snapshot.host_id.len(), 32);
}

#[test]
fn an_address_is_known_in_all_its_spellings() {
    let texts = [
        ("a", "52:54:00:AB:CD:EF 52-54-00-ab-cd-ef"),
        ("b", "525400abcdef 525400ABCDEF 5254.00ab.cdef x525400abcdef 525400abcdee"),
        ("c", "2001:db8::a:1 2001:0DB8:0:0:0:0:a:1 2001:db8:0:0::a:1"),
        ("d", "198.51.100.23"),
        (
            "/proc/net/route",
            "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t176433C6\t0003\nlo\t0000007F\t00000000\t1\n",
        ),
    ];
    let records = texts.iter().map(|(name, text)| Record::new(*name, Kind::TEXT, *text)).collect();
    let mut snapshot = Snapshot { records, ..Snapshot::default() };
    Anonymizer::with([7; 32], &names()).apply(&mut snapshot);
    let text = |at: usize| String::from_utf8(snapshot.records[at].content.clone().unwrap()).unwrap();
    let colons = text(0).split(' ').next().unwrap().to_owned();
    assert!(colons.starts_with("52:54:00:") && !colons.contains("ab:cd:ef"), "{colons}");
    let bare = colons.replace(':', "");
    let dotted = format!("{}.{}.{}", &bare[..4], &bare[4..8], &bare[8..]);
    assert_eq!(text(0), format!("{colons} {}", colons.replace(':', "-")));
    assert_eq!(text(1), format!("{bare} {bare} {dotted} x525400abcdef 525400abcdee"));
    let six: Vec<String> = text(2).split(' ').map(str::to_owned).collect();
    assert!(six[0] == six[1] && six[1] == six[2] && !six[0].starts_with("2001:db8"), "{six:?}");
    let gateway: Ipv4Addr = text(3).parse().unwrap();
    let word = format!("{:08X}", u32::from_le_bytes(gateway.octets()));
    assert_eq!(text(4), texts[4].1.replace("176433C6", &word));
}

#[test]
fn the_names_of_a_host_are_found() {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("etc/hostname", "web1.corp.example\n"),
        ("etc/hosts", "127.0.0.1 localhost\n192.0.2.7 db2.corp.example db2 # x y\n"),
        ("etc/resolv.conf", "search corp.example other.example\nnameserver 192.0.2.1\n"),
        ("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
        ("sys/class/dmi/id/product_serial", "Not Specified\n"),
    ] {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let names = Names::of(|path| std::fs::read(root.path().join(&path[1..])).ok());
    assert_eq!(names.hosts, ["web1", "db2", "db2"]);
    assert!(
        names.domains.contains(&"corp.example".to_owned())
            && names.domains.contains(&"other.example".to_owned())
    );
    assert_eq!(names.ids, ["3d1219c7c4c5404aaa1f6d2a48adfda4"]);
}
