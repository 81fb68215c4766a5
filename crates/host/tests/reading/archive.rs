//! Archives: honest ones in every packing, and hostile ones.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tar::{Builder, EntryType, Header};
use vmwright_host::capture::{About, write};
use vmwright_host::{CollectError, Limits, Root, Subject, collect};
use vmwright_model::{Kind, Missing, Need, Record, Snapshot};

const DMESG: &str =
    "[    0.000000] Linux version 6.1.0\n[    1.000000] vfio-pci 0000:01:00.0: enabling device\n";

/// A folder for one archive.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, bytes: &[u8]) -> Snapshot {
        read(&self.file(bytes), &[], &Limits::default())
    }
}

fn read(path: &Path, needs: &[Need], limits: &Limits) -> Snapshot {
    collect(&Root::at(path).unwrap(), needs, &subject(), limits).unwrap()
}

fn subject() -> Subject {
    Subject { vm: None, state: "/nonexistent".into() }
}

fn content<'a>(snapshot: &'a Snapshot, source: &str) -> Result<&'a str, &'a Missing> {
    let record = snapshot.record(source).unwrap_or_else(|| panic!("{source} in {:?}", sources(snapshot)));
    record.content.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap())
}

fn sources(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.records.iter().map(|record| record.source.as_str()).collect()
}

/// What the archive as a whole says of itself.
fn trouble(snapshot: &Snapshot) -> String {
    content(snapshot, ".").unwrap_err().to_string()
}

/// A member whose name is written as it is, whatever it is.
fn raw(tar: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, target: &str, size: u64, text: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    tar.append(&header, text).unwrap();
}

fn file(tar: &mut Builder<Vec<u8>>, name: &str, text: &[u8]) {
    raw(tar, name.as_bytes(), EntryType::Regular, "", text.len() as u64, text);
}

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Packs with a program of the host; none where it has none.
fn packed_by(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = std::process::Command::new(program)
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let mut packed = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut packed).unwrap();
    feeder.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    Some(packed)
}

#[test]
fn every_packing_is_told_by_content_and_the_top_folder_goes() {
    let tar = tar_of(&[("logs/dmesg.txt", DMESG), ("logs/deep/notes", "hello\n")]);
    let place = Place::new();
    let plain = place.read(&tar);
    assert_eq!(sources(&plain), ["deep/notes", "dmesg.txt"]);
    assert_eq!(content(&plain, "dmesg.txt"), Ok(DMESG));
    assert_eq!(plain.record("dmesg.txt").unwrap().kind, Kind::new("kernel_log"));
    assert!(!plain.live && plain.host_id.is_empty());
    assert_eq!(place.read(&gzip(&tar)), plain);
    for program in ["xz", "zstd"] {
        let Some(packed) = packed_by(program, &tar) else {
            eprintln!("SKIPPED every_packing_is_told_by_content, {program}: it is not installed");
            continue;
        };
        assert_eq!(place.read(&packed), plain, "{program}");
        // As parallel packers do it: one stream after the other.
        let (first, second) = tar.split_at(700);
        let two = [packed_by(program, first).unwrap(), packed_by(program, second).unwrap()].concat();
        assert_eq!(place.read(&two), plain, "{program}");
    }
    assert_eq!(place.read(&[gzip(&tar[..700]), gzip(&tar[700..])].concat()), plain);
}

#[test]
fn folders_of_a_host_are_no_folder_around_it() {
    let snapshot = Place::new().read(&tar_of(&[("proc/cmdline", "quiet\n"), ("./proc//version", "Linux\n")]));
    assert_eq!(sources(&snapshot), ["proc/cmdline", "proc/version"]);
    let snapshot = Place::new().read(&tar_of(&[("a/x", "1\n"), ("b", "2\n")]));
    assert_eq!(sources(&snapshot), ["a/x", "b"]);
}

#[test]
fn long_names_and_names_in_attributes_are_read() {
    let long = format!("top/{}/{}.log", "d".repeat(120), "n".repeat(150));
    let snapshot = Place::new().read(&tar_of(&[(&long, "x\n"), ("top/y", "y\n")]));
    assert_eq!(content(&snapshot, &long[4..]), Ok("x\n"));
    let mut tar = Builder::new(Vec::new());
    let attributes = "30 mtime=1795444701.307581425\n22 path=top/caf\u{e9}.log\n";
    raw(&mut tar, b"x", EntryType::XHeader, "", attributes.len() as u64, attributes.as_bytes());
    file(&mut tar, "short", b"one\n");
    file(&mut tar, "top/plain", b"two\n");
    let snapshot = Place::new().read(&tar.into_inner().unwrap());
    assert_eq!(sources(&snapshot), ["caf\u{e9}.log", "plain"]);
}

#[test]
fn names_that_lead_out_are_refused() {
    let mut tar = Builder::new(Vec::new());
    file(&mut tar, "top/a", b"a\n");
    file(&mut tar, "top/../../etc/cron.d/evil", b"evil\n");
    file(&mut tar, "../evil", b"evil\n");
    file(&mut tar, "/top/absolute", b"inside all the same\n");
    raw(&mut tar, b"top/new\nline\x1b[2J\xff", EntryType::Regular, "", 2, b"n\n");
    raw(&mut tar, b"top/out", EntryType::Symlink, "/etc/passwd", 0, b"");
    raw(&mut tar, b"top/up", EntryType::Symlink, "../../etc/passwd", 0, b"");
    raw(&mut tar, b"top/in", EntryType::Symlink, "a", 0, b"");
    raw(&mut tar, b"top/hard", EntryType::Link, "../../etc/passwd", 0, b"");
    let place = Place::new();
    let snapshot = place.read(&tar.into_inner().unwrap());
    for source in ["../evil", "top/../../etc/cron.d/evil", "out", "up", "hard"] {
        assert_eq!(content(&snapshot, source), Err(&Missing::Escapes), "{source}");
    }
    assert_eq!(content(&snapshot, "absolute"), Ok("inside all the same\n"));
    assert_eq!(content(&snapshot, "new\\x0aline\\x1b[2J\\xff"), Ok("n\n"));
    assert!(!format!("{snapshot:?}").contains("root:"));
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 1, "nothing is unpacked");
}

#[test]
fn what_is_no_file_says_so() {
    let mut tar = Builder::new(Vec::new());
    raw(&mut tar, b"t/fifo", EntryType::Fifo, "", 0, b"");
    raw(&mut tar, b"t/disk", EntryType::Block, "", 0, b"");
    raw(&mut tar, b"t/null", EntryType::Char, "", 0, b"");
    raw(&mut tar, b"t/holes", EntryType::GNUSparse, "", 4, b"abcd");
    file(&mut tar, "t/binary", b"a\0b");
    file(&mut tar, "t/twice", b"first\n");
    file(&mut tar, "t/twice", b"second\n");
    let snapshot = Place::new().read(&tar.into_inner().unwrap());
    for source in ["fifo", "disk", "null"] {
        assert_eq!(content(&snapshot, source), Err(&Missing::NotRegular), "{source}");
    }
    assert!(matches!(content(&snapshot, "holes"), Err(Missing::Failed(_))));
    assert_eq!(content(&snapshot, "binary"), Err(&Missing::Binary));
    assert_eq!(content(&snapshot, "twice"), Ok("second\n"), "as tar unpacks it");
}

#[test]
fn what_precedes_the_cut_is_read() {
    let tar = tar_of(&[("t/a", "a\n"), ("t/b", &"b\n".repeat(4000))]);
    let place = Place::new();
    for packed in [tar[..3000].to_vec(), gzip(&tar)[..gzip(&tar).len() - 20].to_vec()] {
        let snapshot = place.read(&packed);
        assert_eq!(content(&snapshot, "a"), Ok("a\n"));
        assert!(matches!(content(&snapshot, "b"), Err(Missing::Failed(_))), "{snapshot:?}");
        assert!(trouble(&snapshot).contains("cut off"), "{}", trouble(&snapshot));
    }
    let snapshot = place.read(&tar[..1024]);
    assert!(trouble(&snapshot).contains("cut off"), "no end: {}", trouble(&snapshot));
    let mut damaged = tar.clone();
    damaged[1024..1100].fill(b'x');
    let snapshot = place.read(&damaged);
    assert_eq!(content(&snapshot, "a"), Ok("a\n"));
    assert!(trouble(&snapshot).contains("damaged"), "{}", trouble(&snapshot));
}

#[test]
fn a_bomb_ends_early() {
    let mut tar = Builder::new(Vec::new());
    file(&mut tar, "t/first", b"first\n");
    let mut header = Header::new_gnu();
    header.set_size(3 << 30);
    header.set_mode(0o644);
    header.set_path("t/zeros").unwrap();
    header.set_cksum();
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let whole = tar.into_inner().unwrap();
    packed.write_all(&whole[..1024]).unwrap();
    packed.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..100 {
        packed.write_all(&zeros).unwrap();
    }
    let packed = packed.finish().unwrap();
    let place = Place::new();
    let limits = Limits { unpacked: 20 << 20, ..Limits::default() };
    let snapshot = read(&place.file(&packed), &[], &limits);
    assert_eq!(content(&snapshot, "first"), Ok("first\n"));
    assert!(trouble(&snapshot).contains("unpacks to more than 20971520 bytes"), "{}", trouble(&snapshot));
    // Deflate reaches 1030 to 1; the bound on the ratio is just below.
    let started = Instant::now();
    let snapshot = place.read(&packed);
    assert!(trouble(&snapshot).contains("times its size"), "{}", trouble(&snapshot));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_size_that_lies_costs_nothing() {
    for size in [3u64 << 40, u64::MAX - 3] {
        let mut tar = Builder::new(Vec::new());
        raw(&mut tar, b"t/huge", EntryType::Regular, "", size, b"");
        let started = Instant::now();
        let snapshot = Place::new().read(&tar.into_inner().unwrap());
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(!trouble(&snapshot).is_empty());
    }
    // An extension header of 3 TiB is not held in memory either.
    let mut tar = Builder::new(Vec::new());
    raw(&mut tar, b"x", EntryType::GNULongName, "", 3 << 40, b"name");
    assert!(trouble(&Place::new().read(&tar.into_inner().unwrap())).contains("cut off"));
}

#[test]
fn a_million_members_end_somewhere() {
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for number in 0..1_000_000 {
        header.set_path(format!("t/{number}")).unwrap();
        header.set_cksum();
        packed.write_all(header.as_bytes()).unwrap();
    }
    let packed = packed.finish().unwrap();
    let started = Instant::now();
    let snapshot = Place::new().read(&packed);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(snapshot.records.len() <= 4097, "{}", snapshot.records.len());
    let all: Vec<String> = snapshot
        .records
        .iter()
        .filter_map(|record| record.content.as_ref().err().map(ToString::to_string))
        .collect();
    assert!(all.iter().any(|why| why.contains("262144 members") || why.contains("4096 files")), "{all:?}");
}

#[test]
fn of_a_log_that_is_too_large_the_newest_lines_are_read() {
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let tar = tar_of(&[("t/qemu.log", &lines), ("t/notes.txt", &lines), ("t/z.txt", "behind them")]);
    let place = Place::new();
    let path = place.file(&tar);
    // With and without a part of the head in what is kept.
    for most in [100_000, lines.len() as u64 - 1000] {
        let snapshot = read(&path, &[], &Limits { record: most, ..Limits::default() });
        let text = content(&snapshot, "qemu.log").unwrap();
        assert!(text.starts_with("line ") && lines.ends_with(text) && text.len() as u64 <= most);
        assert!(text.len() as u64 > most - "line 19999\n".len() as u64);
        assert_eq!(snapshot.record("qemu.log").unwrap().end_of, Some(lines.len() as u64));
        assert_eq!(content(&snapshot, "notes.txt"), Err(&Missing::TooLarge(lines.len() as u64)));
        assert_eq!(content(&snapshot, "z.txt"), Ok("behind them"));
    }
}

#[test]
fn what_the_run_may_keep_is_bounded() {
    let tar = tar_of(&[("t/a", &"a".repeat(100)), ("t/b", &"b".repeat(100)), ("t/c", &"c".repeat(20))]);
    let place = Place::new();
    let path = place.file(&tar);
    let snapshot = read(&path, &[], &Limits { record: 50, ..Limits::default() });
    assert_eq!(content(&snapshot, "a"), Err(&Missing::TooLarge(100)));
    assert!(content(&snapshot, "c").is_ok());
    let snapshot = read(&path, &[], &Limits { total: 130, ..Limits::default() });
    assert!(content(&snapshot, "a").is_ok() && content(&snapshot, "c").is_ok());
    assert!(matches!(content(&snapshot, "b"), Err(Missing::Failed(_))));
    let snapshot = read(&path, &[], &Limits { records: 2, ..Limits::default() });
    assert!(trouble(&snapshot).contains("more than 2 files"));
    let snapshot = read(&path, &[], &Limits { total_time: Duration::ZERO, ..Limits::default() });
    assert!(trouble(&snapshot).contains("time"), "{}", trouble(&snapshot));
}

#[test]
fn of_a_sos_report_what_matters_stays() {
    let top = "sosreport-web-2030-01-01-abcdefg";
    let mut tar = Builder::new(Vec::new());
    let mut add = |name: &str, text: &str| {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("{top}/{name}"), text.as_bytes()).unwrap();
    };
    add("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 quiet\n");
    add("proc/77/mountinfo", "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n");
    add("proc/88/mountinfo", "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n");
    add("proc/irq/7/smp_affinity", "3\n");
    add("sys/devices/pci0000:00/0000:00:02.0/power_state", "D0\n");
    add("sys/devices/pci0000:00/0000:00:02.0/vendor", "0x8086\n");
    add("sys/devices/system/cpu/vulnerabilities/mds", "Not affected\n");
    add("etc/unknown.conf", "something = else\n");
    add("var/log/strange", "a log of nobody\n");
    add("sos_commands/kernel/dmesg", DMESG);
    add("sos_commands/virsh/virsh_-r_list", "error: failed to connect to the hypervisor\n");
    add("sos_reports/sos.json", "{}\n");
    add("sos_logs/sos.log", "INFO: [plugin:kernel] modinfo kvm_pvm\n");
    for (name, target) in [
        ("dmesg", "sos_commands/kernel/dmesg"),
        ("proc/self", "77"),
        ("sys/bus/pci/devices/0000:00:02.0", "../../../devices/pci0000:00/0000:00:02.0"),
        ("etc/group", "/etc/group"),
    ] {
        raw(&mut tar, format!("{top}/{name}").as_bytes(), EntryType::Symlink, target, 0, b"");
    }
    let place = Place::new();
    let needs = [
        Need::File("/proc/cmdline"),
        Need::File("/proc/self/mountinfo"),
        Need::File("/etc/group"),
        Need::File("/etc/passwd"),
        Need::Glob("/sys/bus/pci/devices/*/power_state"),
        Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"),
        Need::Glob("/var/log/libvirt/qemu/*.log"),
    ];
    let snapshot = read(&place.file(&gzip(&tar.into_inner().unwrap())), &needs, &Limits::default());
    let kept = sources(&snapshot);
    for wanted in [
        "proc/cmdline",
        "proc/self/mountinfo",
        "sos_commands/kernel/dmesg",
        "sos_commands/virsh/virsh_-r_list",
        "sys/bus/pci/devices/0000:00:02.0/power_state",
        "sys/devices/system/cpu/vulnerabilities/mds",
        "var/log/strange",
    ] {
        assert!(kept.contains(&wanted), "{wanted} in {kept:?}");
    }
    for other in [
        "etc/unknown.conf",
        "proc/irq/7/smp_affinity",
        "sos_logs/sos.log",
        "dmesg",
        "etc/passwd",
        "proc/88/mountinfo",
    ] {
        assert!(!kept.contains(&other), "{other} in {kept:?}");
    }
    assert!(!kept.iter().any(|source| source.ends_with("vendor")), "{kept:?}");
    assert_eq!(content(&snapshot, "etc/group"), Err(&Missing::Escapes));
    assert_eq!(snapshot.record("sos_commands/kernel/dmesg").unwrap().kind, Kind::new("kernel_log"));
}

#[test]
fn a_real_sos_report_is_read_as_it_is() {
    let sos = ["/usr/bin/sos", "/usr/sbin/sos"].iter().any(|path| Path::new(path).exists());
    if !sos || !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED a_real_sos_report_is_read_as_it_is: sos is not installed, or not run as root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("sos")
        .args(["report", "--batch", "-o", "kernel,processor,memory,filesys", "--tmp-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let archives = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let archive = archives.into_iter().find(|path| path.extension().is_some_and(|end| end == "xz")).unwrap();
    let needs = [Need::File("/proc/self/mountinfo"), Need::File("/proc/cpuinfo")];
    let started = Instant::now();
    let snapshot = read(&archive, &needs, &Limits::default());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let here = std::fs::read("/proc/version").unwrap();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(content(&snapshot, "sos_commands/kernel/uname_-a").unwrap().contains(release.trim()), "{here:?}");
    assert_eq!(snapshot.record("proc/cpuinfo").unwrap().kind, Kind::new("cpuinfo"));
    assert!(snapshot.records.len() < 400, "{} {:?}", snapshot.records.len(), sources(&snapshot));
    assert!(!sources(&snapshot).contains(&"."), "it is whole");
}

#[test]
fn what_is_no_archive_is_named() {
    let place = Place::new();
    for bytes in [&b""[..], b"plain text\n", b"BZh91AY&SY", &[0; 2048]] {
        let path = place.file(bytes);
        let refused = Root::at(&path);
        assert!(matches!(refused, Err(CollectError::NotArchive(_))), "{refused:?}");
    }
    assert!(matches!(Root::at(Path::new("/nonexistent/x")), Err(CollectError::Archive { .. })));
    let fifo = place.0.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    assert!(matches!(Root::at(&fifo), Err(CollectError::Archive { .. })));
    // Packed, but no tar.
    let path = place.file(&gzip(b"plain text\n"));
    let snapshot = read(&path, &[], &Limits::default());
    assert!(trouble(&snapshot).contains("cut off") || trouble(&snapshot).contains("damaged"));
}

fn live() -> Snapshot {
    Snapshot {
        host_id: "0123456789abcdef0123456789abcdef".to_owned(),
        taken: "2030-01-01T00:00:00Z".to_owned(),
        live: true,
        vm: Some("web".to_owned()),
        records: vec![
            Record::missing("/etc/absent", Kind::TEXT, Missing::Absent),
            Record::missing("/etc/shut", Kind::TEXT, Missing::Denied),
            Record::new(
                "/proc/cmdline",
                Kind::new("kernel_cmdline"),
                "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro\n",
            ),
            Record::new("/state/machines/web/argv", Kind::new("qemu_args"), "strange\n"),
            Record::new("/sys/module/ccp", Kind::TEXT, ""),
            Record::new("/sys/module/ccp/parameters/psp_timeout", Kind::TEXT, "10\n"),
            Record::new("/sys/module/iommufd", Kind::TEXT, ""),
            Record::missing("/sys/slow", Kind::TEXT, Missing::TimedOut(7)),
            Record::new("dmesg", Kind::new("kernel_log"), DMESG),
            Record::missing("journalctl -k", Kind::TEXT, Missing::Failed("status 1: no".to_owned())),
            Record::new("kvm-probe", Kind::new("kvm_probe"), b"not \xff text"),
            Record::new("namei -l /srv/a.img", Kind::new("namei"), "f: /srv/a.img\n"),
        ],
    }
}

fn about() -> About {
    About { tool: "test 0".to_owned(), folder: "vmwright-x".to_owned(), ..About::default() }
}

#[test]
fn a_capture_is_the_snapshot_that_it_was_made_of() {
    let packed = write(&live(), &about()).unwrap();
    assert_eq!(packed, write(&live(), &about()).unwrap(), "the same bytes");
    let place = Place::new();
    let path = place.file(&packed);
    assert_eq!(read(&path, &[], &Limits::default()), live());
    // Unpacked, with and without the folder around it.
    let unpacked = tempfile::tempdir().unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(&packed[..])).unpack(unpacked.path()).unwrap();
    assert_eq!(read(unpacked.path(), &[], &Limits::default()), live());
    assert_eq!(read(&unpacked.path().join("vmwright-x"), &[], &Limits::default()), live());
    assert!(unpacked.path().join("vmwright-x/sos_commands/kernel/dmesg").is_file());
    // Of both nothing was read but that they are there; one has files in it.
    assert!(unpacked.path().join("vmwright-x/sys/module/ccp/parameters/psp_timeout").is_file());
    assert!(unpacked.path().join("vmwright-x/sys/module/iommufd").is_file());
}

#[test]
fn of_a_cut_capture_what_is_lost_is_known() {
    let packed = write(&live(), &about()).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
    let snapshot = Place::new().read(&tar[..tar.len() - 3 * 1024 - 200]);
    assert!(snapshot.live, "{snapshot:?}");
    assert_eq!(content(&snapshot, "/etc/absent"), Err(&Missing::Absent));
    assert!(content(&snapshot, "/proc/cmdline").is_ok());
    assert!(matches!(content(&snapshot, "namei -l /srv/a.img"), Err(Missing::Failed(_))));
    assert!(trouble(&snapshot).contains("cut off"));
}

#[test]
fn an_index_that_lies_loses_only_what_it_lies_about() {
    let index = r#"{"schema":"vmwright.capture/1","tool":"","taken":"\u001b[2J","host_id":"","vm":null,"redacted":{},
        "anonymized":false,"sources":[
        {"source":"/etc/passwd","file":"../../../etc/passwd"},{"source":"/a\nb","file":"a","bytes":7},
        {"source":"/c","file":"a"},{"source":"/d","file":"a"},{"source":"/e"}]}"#;
    let snapshot = Place::new().read(&tar_of(&[("t/vmwright.json", index), ("t/a", "a\n")]));
    for source in ["/etc/passwd", "/a\\x0ab", "/d", "/e"] {
        assert!(matches!(content(&snapshot, source), Err(Missing::Failed(_))), "{source}: {snapshot:?}");
    }
    assert!(!snapshot.taken.contains('\u{1b}'));
}
