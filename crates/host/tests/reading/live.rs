//! The running host.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use vmwright_host::{CollectError, Limits, Root, Subject, collect, work_list};
use vmwright_model::{Kind, Missing, Need, Probe, Snapshot};

fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn host(state: &Path) -> Subject {
    Subject { vm: None, state: state.to_owned() }
}

fn vm(state: &Path, name: &str) -> Subject {
    Subject { vm: Some(name.to_owned()), ..host(state) }
}

fn read(needs: &[Need], subject: &Subject) -> Snapshot {
    collect(&Root::Live, needs, subject, &Limits::default()).unwrap()
}

fn content<'a>(snapshot: &'a Snapshot, source: &str) -> Result<&'a [u8], &'a Missing> {
    let record = snapshot.record(source).unwrap_or_else(|| panic!("no {source}: {snapshot:?}"));
    record.content.as_deref()
}

/// A state directory with one machine.
fn state_with_machine(spec: &str) -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    let machine = state.path().join("machines/web");
    fs::create_dir_all(&machine).unwrap();
    fs::write(machine.join("machine.toml"), spec).unwrap();
    fs::write(machine.join("qemu.log"), "qemu-system-x86_64: oops\n").unwrap();
    state
}

#[test]
fn files_say_what_they_are_or_why_not() {
    let state = tempfile::tempdir().unwrap();
    let big = state.path().join("big.conf");
    File::create(&big).unwrap().set_len(2 << 30).unwrap();
    let big = kept(big.into_os_string().into_string().unwrap());
    let needs = [
        Need::File("/proc/version"),
        Need::File("/proc/sys/kernel/osrelease"),
        Need::File("/sys/class/net/lo/mtu"),
        // The kernel answers EINVAL: a loop-back interface has no speed.
        Need::File("/sys/class/net/lo/speed"),
        Need::File("/nonexistent/file"),
        Need::File("/etc/passwd/file"),
        Need::File("/etc"),
        Need::File("/dev/null"),
        Need::File("/proc/self/environ"),
        Need::File(big),
        Need::File("/proc/version"),
    ];
    let snapshot = read(&needs, &host(state.path()));
    assert!(content(&snapshot, "/proc/version").unwrap().starts_with(b"Linux version "));
    assert!(content(&snapshot, "/proc/sys/kernel/osrelease").is_ok());
    assert!(content(&snapshot, "/sys/class/net/lo/mtu").is_ok());
    assert_eq!(snapshot.record("/sys/class/net/lo/mtu").unwrap().kind, Kind::TEXT);
    let speed = content(&snapshot, "/sys/class/net/lo/speed");
    assert_eq!(speed, Err(&Missing::Failed("invalid argument".to_owned())));
    assert_eq!(content(&snapshot, "/nonexistent/file"), Err(&Missing::Absent));
    assert_eq!(content(&snapshot, "/etc/passwd/file"), Err(&Missing::Absent));
    assert_eq!(content(&snapshot, "/etc"), Err(&Missing::NotRegular));
    assert_eq!(content(&snapshot, "/dev/null"), Err(&Missing::NotRegular));
    assert_eq!(content(&snapshot, "/proc/self/environ"), Err(&Missing::Binary));
    assert_eq!(content(&snapshot, big), Err(&Missing::TooLarge(2 << 30)));
    assert_eq!(snapshot.records.len(), 10, "a need that stands twice is read once");
    assert!(snapshot.records.is_sorted_by(|a, b| a.source < b.source));
    assert!(snapshot.live && snapshot.host_id.len() == 32 && snapshot.taken.is_empty());
}

#[test]
fn of_a_log_that_is_too_large_the_newest_lines_are_read() {
    let state = state_with_machine("name = \"web\"\n");
    let log = state.path().join("machines/web/qemu.log");
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    fs::write(&log, &lines).unwrap();
    let limits = Limits { log: 100_000, ..Limits::default() };
    let needs = [Need::Probe(Probe::Machine)];
    let snapshot = collect(&Root::Live, &needs, &vm(state.path(), "web"), &limits).unwrap();
    let record = snapshot.record(log.to_str().unwrap()).unwrap();
    let text = record.content.as_deref().unwrap();
    assert!(text.starts_with(b"line ") && lines.as_bytes().ends_with(text) && text.len() <= 100_000);
    assert_eq!(record.end_of, Some(lines.len() as u64));

    // A capture of it says so too.
    let about = vmwright_host::capture::About { folder: "c".to_owned(), ..Default::default() };
    let packed = vmwright_host::capture::write(&snapshot, &about).unwrap();
    let archive = state.path().join("c.tar.gz");
    fs::write(&archive, packed).unwrap();
    let again = collect(&Root::at(&archive).unwrap(), &[], &host(state.path()), &Limits::default()).unwrap();
    assert_eq!(again.record(log.to_str().unwrap()), Some(record));
}

#[test]
fn patterns_give_their_files_or_themselves() {
    let state = tempfile::tempdir().unwrap();
    for name in ["net/a/mtu", "net/b/mtu", "net/.c/mtu", "net/d/other"] {
        let path = state.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "1\n").unwrap();
    }
    let root = state.path().display();
    let (some, none) = (kept(format!("{root}/net/*/mtu")), kept(format!("{root}/net/*/x*")));
    let snapshot = read(&[Need::Glob(some), Need::Glob(none)], &host(state.path()));
    let sources: Vec<&str> = snapshot.records.iter().map(|record| record.source.as_str()).collect();
    assert_eq!(sources, [none, &format!("{root}/net/a/mtu"), &format!("{root}/net/b/mtu")]);
    assert_eq!(content(&snapshot, none), Err(&Missing::Absent));
    let limits = Limits { matches: 1, ..Limits::default() };
    let snapshot = collect(&Root::Live, &[Need::Glob(some)], &host(state.path()), &limits).unwrap();
    assert!(
        matches!(content(&snapshot, some), Err(Missing::Failed(why)) if why.starts_with("more than 1 files"))
    );
    assert_eq!(snapshot.records.len(), 2);
}

#[test]
fn commands_are_those_of_the_list() {
    let state = tempfile::tempdir().unwrap();
    let needs = [Need::Command(&["uname", "-a"]), Need::Command(&["rm", "-rf", "/nonexistent"])];
    let snapshot = read(&needs, &host(state.path()));
    assert!(content(&snapshot, "uname -a").unwrap().starts_with(b"Linux "));
    let refused = Missing::Failed("not on the list of commands that may be run".to_owned());
    assert_eq!(content(&snapshot, "rm -rf /nonexistent"), Err(&refused));
}

#[test]
fn a_machine_has_its_files_and_its_name_is_checked() {
    let state = state_with_machine("name = \"web\"\n");
    File::create(state.path().join("machines/web/serial.log")).unwrap().set_len(2 << 30).unwrap();
    let snapshot = read(&[Need::Probe(Probe::Machine)], &vm(state.path(), "web"));
    let folder = state.path().join("machines/web");
    let kind_and_content = |name: &str| {
        let record = snapshot.record(folder.join(name).to_str().unwrap()).unwrap();
        (record.kind.to_string(), record.content.as_deref())
    };
    assert_eq!(kind_and_content("machine.toml"), ("machine_spec".into(), Ok(&b"name = \"web\"\n"[..])));
    assert_eq!(kind_and_content("qemu.log"), ("qemu_log".into(), Ok(&b"qemu-system-x86_64: oops\n"[..])));
    assert_eq!(kind_and_content("argv"), ("qemu_args".into(), Err(&Missing::Absent)));
    assert_eq!(kind_and_content("serial.log"), ("guest_console".into(), Err(&Missing::Binary)));
    assert_eq!(snapshot.vm.as_deref(), Some("web"));

    if fs::read_dir("/etc/libvirt/qemu").is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        println!(
            "SKIPPED the names that are no VM: libvirt's VMs may not be listed, so that any could be one"
        );
        return;
    }
    let error =
        |name: &str| collect(&Root::Live, &[], &vm(state.path(), name), &Limits::default()).unwrap_err();
    assert_eq!(error("wob").to_string(), "there is no VM `wob`; there are: web");
    assert!(matches!(error("../web"), CollectError::BadName { .. }));
    let nowhere = collect(&Root::Live, &[], &vm(Path::new("/nonexistent"), "web"), &Limits::default());
    assert_eq!(nowhere.unwrap_err().to_string(), "there is no VM `web`; there are none");
}

#[test]
fn probes_without_a_vm_give_nothing_and_a_broken_spec_does_no_harm() {
    let needs = [Probe::ImagePaths, Probe::ImageLocks, Probe::Machine].map(Need::Probe);
    let state = state_with_machine("name = [[disk]\npath = ");
    assert_eq!(read(&needs, &host(state.path())).records, []);
    let snapshot = read(&needs, &vm(state.path(), "web"));
    let sources: Vec<&str> = snapshot.records.iter().map(|record| record.source.as_str()).collect();
    assert_eq!(sources.len(), 5, "{sources:?}");
    assert_eq!(content(&snapshot, "image-locks"), Ok(&b""[..]));
}

#[test]
fn image_paths_are_walked() {
    let state = state_with_machine(
        "[boot]\nkernel = '/etc/../etc/hostname'\n[[disk]]\npath = '/nonexistent/a b.raw'\n[[disk]]\npath = 'relative'\n",
    );
    let snapshot = read(&[Need::Probe(Probe::ImagePaths)], &vm(state.path(), "web"));
    let walked = content(&snapshot, "namei -l /nonexistent/a b.raw").unwrap();
    let text = String::from_utf8_lossy(walked);
    assert!(
        text.starts_with("f: /nonexistent/a b.raw\nd")
            && text.ends_with(" nonexistent - No such file or directory\n")
    );
    let kernel = String::from_utf8_lossy(content(&snapshot, "namei -l /etc/../etc/hostname").unwrap());
    assert_eq!(kernel.lines().count(), 6, "{kernel}");
    let relative = content(&snapshot, "namei -l relative");
    assert_eq!(relative, Err(&Missing::Failed("not an absolute path".to_owned())));
    assert!(snapshot.records.iter().all(|record| record.kind == Kind::new("namei")));
}

#[test]
fn interfaces_have_lo() {
    let state = tempfile::tempdir().unwrap();
    let snapshot = read(&[Need::Probe(Probe::Interfaces)], &host(state.path()));
    let text = String::from_utf8_lossy(content(&snapshot, "interfaces").unwrap());
    assert!(text.lines().any(|line| line.starts_with("lo virtual ")), "{text}");
}

#[test]
fn kvm_is_tried() {
    let state = tempfile::tempdir().unwrap();
    let snapshot = read(&[Need::Probe(Probe::Kvm)], &host(state.path()));
    let text = String::from_utf8(content(&snapshot, "kvm-probe").unwrap().to_vec()).unwrap();
    let keys: Vec<&str> = text.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(keys, ["open", "api", "real-mode", "long-mode-bmi2", "verdict", "reason"]);
    println!("{text}");
    if !text.starts_with("open: ok\n") {
        eprintln!("SKIPPED kvm_is_tried: no page was run, /dev/kvm does not open here");
        assert!(text.contains("\nverdict: unusable\n"), "{text}");
        return;
    }
    assert!(text.contains("\napi: 12\n"), "{text}");
    if Path::new("/sys/module/kvm_pvm").exists() {
        // This KVM emulates guest code that its paravirtual guests would not have.
        assert!(
            text.contains("\nreal-mode: ok\nlong-mode-bmi2: emulation-failure\nverdict: paravirtual-only\n"),
            "{text}"
        );
    }
}

#[test]
fn the_work_list_is_told_before_anything_is_read() {
    let subject = vm(Path::new("/nonexistent/state"), "web");
    let needs = [
        Need::File("/proc/cpuinfo"),
        Need::Glob("/sys/kernel/iommu_groups/*/type"),
        Need::Command(&["lspci", "-nnk"]),
        Need::Probe(Probe::Kvm),
        Need::Probe(Probe::Machine),
        Need::Probe(Probe::ImageLocks),
    ];
    let list = work_list(&Root::Live, &needs, &subject);
    assert_eq!(
        list,
        [
            "/dev/kvm: two pages of guest code",
            "/etc/machine-id",
            "/nonexistent/state/machines/web/argv",
            "/nonexistent/state/machines/web/machine.toml",
            "/nonexistent/state/machines/web/qemu.log",
            "/nonexistent/state/machines/web/serial.log",
            "/proc/cpuinfo",
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/osrelease",
            "/proc: who holds a lock on each disk of VM web",
            "/sys/kernel/iommu_groups/*/type",
            "command: lspci -nnk",
        ]
    );
    let folder = work_list(&Root::Folder("/srv/records".into()), &needs, &subject);
    assert_eq!(folder, ["every file beneath /srv/records"]);
}
