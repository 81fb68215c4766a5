//! A host over SSH. Nothing is installed there: the user's own `ssh`, with its configuration, agent and known hosts,
//! starts a POSIX shell, which reads one script from its standard input, and the script prints what it reads. No
//! file is written there.
//!
//! `ssh` is started before the lock of ANALYSIS, and is all that stays outside it: afterwards this process has the
//! pipes and nothing else. What the other host answers is as untrusted as any text.

mod answers;
mod probes;
mod script;
mod target;

use crate::limits::Limits;
use crate::mark::Mark;
use crate::root::{CollectError, Subject, check_name};
use crate::text::escape;
use crate::{file, identity};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
pub use script::quoted;
use std::io::{self, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
pub use target::{Target, TargetError};
use vmwright_model::{Missing, Need, Record, Snapshot};

/// How long a connection may take to come up, in seconds: `ConnectTimeout` of ssh_config(5).
const CONNECT: u32 = 20;

/// How much of what `ssh` says on its standard error is kept, in bytes.
const SAID: usize = 4096;

/// A shell on another host that is about to answer.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    ssh: Child,
    answers: ChildStdout,
    trouble: ChildStderr,
    mark: Mark,
    needs: Vec<Need>,
}

/// The user's own `ssh`, which takes nothing of this host along: no terminal, agent, display or forwarded port. A POSIX
/// shell there reads what it is to do. These settings of ssh_config(5) come before the user's.
#[must_use]
pub fn command(target: &Target, settings: &[&str]) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-T", "-a", "-x", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"]);
    command.args(["-o", &format!("ConnectTimeout={CONNECT}")]);
    command.args(["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]);
    for setting in settings {
        command.args(["-o", setting]);
    }
    command.args(target.arguments());
    command
}

/// Starts `ssh` and hands it the questions. To be called before the lock.
///
/// # Errors
///
/// [`CollectError::Ssh`] where `ssh` cannot be started or ends at once.
pub fn connect(target: &Target, needs: &[Need], limits: &Limits) -> Result<Connection, CollectError> {
    let failed = |why: String| CollectError::Ssh { target: target.to_string(), why };
    let mark = Mark::new().map_err(|error| failed(format!("/dev/urandom cannot be read: {error}")))?;
    let script = script::script(needs, limits, &mark);
    let mut command = command(target, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut ssh = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed("the program `ssh` is not installed here".to_owned()),
        _ => failed(format!("`ssh` cannot be started: {error}")),
    })?;
    let pipes = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take());
    let (Some(mut questions), Some(answers), Some(trouble)) = pipes else {
        return Err(failed("`ssh` has no pipes".to_owned()));
    };
    // A connection that fails closes its end; what it says of it comes with the answers.
    let _ = questions.write_all(script.as_bytes());
    drop(questions);
    Ok(Connection { target: target.clone(), ssh, answers, trouble, mark, needs: needs.to_vec() })
}

/// Takes the answers: the snapshot of the other host, as if `vmwright` had read it there. Probes that take a program
/// on the host itself say that they were not made.
///
/// # Errors
///
/// [`CollectError`] where no answer came at all.
pub fn collect(connection: Connection, subject: &Subject, limits: &Limits) -> Result<Snapshot, CollectError> {
    if let Some(name) = &subject.vm {
        check_name(name)?;
    }
    let Connection { target, mut ssh, mut answers, mut trouble, mark, needs } = connection;
    let deadline = Instant::now() + limits.total_time + Duration::from_secs(CONNECT.into());
    let (output, whole) = listen(&mut answers, limits.total, deadline);
    drop(answers);
    let (said, _) = listen(&mut trouble, SAID as u64, Instant::now() + Duration::from_millis(500));
    drop(trouble);
    let answered = answers::read(&output, &mark, limits, whole);
    if !answered.begun {
        let last = said.split(|byte| *byte == b'\n').rfind(|line| !line.trim_ascii().is_empty());
        let why = match (last, ssh.try_wait().ok().flatten()) {
            (Some(line), _) => escape(line.trim_ascii()),
            (None, Some(status)) => format!("`ssh` ended with {status} and no answer"),
            (None, None) => "no answer in its time".to_owned(),
        };
        return Err(CollectError::Ssh { target: target.to_string(), why });
    }
    let mut records = answered.records;
    records.extend(script::not_over_ssh(&needs).into_iter().map(|source| {
        let why = match source.as_str() {
            "probe kvm" => "not made over SSH: no tool opens /dev/kvm and runs a page of code",
            "probe qmp" => "not made over SSH: no POSIX tool speaks to a socket, or knows who listens there",
            _ => "not made over SSH: it takes vmwright on the host itself",
        };
        let why = Missing::Failed(why.to_owned());
        Record::missing(source.clone(), file::kind_of(&source, b""), why)
    }));
    records.sort_by(|a, b| a.source.cmp(&b.source));
    records.dedup_by(|a, b| a.source == b.source);
    let text = |source: &str| {
        let record = records.iter().find(|record| record.source == source)?;
        record.content.as_ref().ok().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let host_id = text("/etc/machine-id").map_or(String::new(), |id| identity::of_machine_id(&id));
    Ok(Snapshot { host_id, live: true, vm: subject.vm.clone(), records, ..Snapshot::default() })
}

/// Reads to the end, to `most` bytes or to the deadline; and whether it was the end.
fn listen(from: &mut (impl rustix::fd::AsFd + io::Read), most: u64, deadline: Instant) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || heard.len() as u64 > most {
            return (heard, false);
        }
        let patience = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        // An interrupted wait is tried again; the deadline ends it.
        let ready = poll(&mut [PollFd::new(&*from, PollFlags::IN)], Some(&patience)).unwrap_or(0);
        if ready == 0 {
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return (heard, true),
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
        }
    }
}

/// What [`connect`] would have the other host read, one path, pattern, command or probe a line, sorted.
#[must_use]
pub fn work_list(needs: &[Need]) -> Vec<String> {
    script::work_list(needs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use vmwright_model::Probe;

    /// The script, run by a shell of this host instead of another's.
    fn run_by(shell: &[&str], needs: &[Need], limits: &Limits) -> Option<answers::Answered> {
        let mark = Mark::new().unwrap();
        // Programs that were unpacked for tests and are not installed.
        let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
        let unpacked = std::path::Path::new(&unpacked).join("bin").join(shell[0]);
        let mut command = Command::new(if unpacked.exists() { unpacked } else { shell[0].into() });
        command.args(&shell[1..]).arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            eprintln!("SKIPPED the script under {}: not installed", shell.join(" "));
            return None;
        };
        let script = script::script(needs, limits, &mark);
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Some(answers::read(&output.stdout, &mark, limits, true))
    }

    fn told(records: &[Record]) -> BTreeMap<String, String> {
        let text = |record: &Record| match &record.content {
            Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Err(why) => format!("MISSING {why}"),
        };
        records.iter().map(|record| (record.source.clone(), text(record))).collect()
    }

    /// A process that ends with the test, however that ends.
    struct Ended(std::process::Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = (self.0.kill(), self.0.wait());
        }
    }

    #[test]
    fn a_shell_tells_what_the_reader_tells() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| -> &'static str {
            Box::leak(folder.path().join(name).display().to_string().into_boxed_str())
        };
        std::fs::write(place("text"), "one\ntwo\n\nno line end").unwrap();
        std::fs::write(place("empty"), "").unwrap();
        std::fs::write(place("binary"), b"\x7fELF\0\0\0").unwrap();
        std::fs::write(place("large.txt"), vec![b'x'; 5000]).unwrap();
        let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        std::fs::write(place("newest.log"), lines).unwrap();
        std::fs::write(place("it's a $(name)"), "quoted\n").unwrap();
        std::fs::create_dir(place("folder")).unwrap();
        std::os::unix::fs::symlink("text", place("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            place("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let needs = [
            Need::File(place("text")),
            Need::File(place("link")),
            Need::File(place("empty")),
            Need::File(place("binary")),
            Need::File(place("large.txt")),
            Need::File(place("newest.log")),
            Need::File(place("it's a $(name)")),
            Need::File(place("folder")),
            Need::File(place("fifo")),
            Need::File(place("none")),
            Need::Exists(place("text")),
            Need::Exists(place("nothing")),
            Need::Glob(place("l*")),
            Need::Glob(place("*.none")),
            Need::File("/proc/sys/kernel/ostype"),
            Need::File("/proc/cmdline"),
            Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"),
            Need::Command(&["uname", "-a"]),
            Need::Command(&["lscpu"]),
            Need::Command(&["qemu-system-aarch64", "--version"]),
            Need::Command(&["rm", "-rf", "/"]),
            Need::Probe(Probe::Interfaces),
            Need::Probe(Probe::Libvirt),
            Need::Probe(Probe::Packages),
            Need::Probe(Probe::Pci),
            Need::Probe(Probe::Links),
            Need::Probe(Probe::Irqs),
            Need::Probe(Probe::KernelConfig),
            Need::Probe(Probe::DeviceNodes),
            Need::Probe(Probe::VmmDetails),
        ];
        // By its name a TPM of a VM.
        std::fs::copy("/bin/sleep", place("swtpm")).unwrap();
        let mut helper = Command::new(place("swtpm"));
        helper.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let helper = Ended(helper.spawn().unwrap());
        let limits = Limits { file: 4096, log: 100_000, ..Limits::default() };
        let subject = Subject { vm: None, state: "/nonexistent".into() };
        let mine = format!("pid {} ", helper.0.id());
        let comparable = |told: &mut BTreeMap<String, String>| {
            // The size that was seen differs: the shell stops one byte behind the limit.
            told.entry(place("large.txt").to_owned())
                .and_modify(|text| text.truncate("MISSING larger".len()));
            // VMMs of other tests come and go.
            let details = told.entry("vmm-details".to_owned()).or_default();
            *details = details.split_inclusive('\n').filter(|line| line.starts_with(&mine)).collect();
        };
        let reader = || {
            let mut told = told(&crate::live::collect(&needs, &subject, &limits).unwrap().records);
            told.remove("rm -rf /");
            comparable(&mut told);
            told
        };
        for shell in [&["sh"][..], &["bash", "--posix"], &["busybox", "sh"]] {
            let before = reader();
            let Some(answered) = run_by(shell, &needs, &limits) else { continue };
            assert!(answered.begun);
            let mut far = told(&answered.records);
            for who in ["/etc/machine-id", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease"] {
                far.remove(who);
            }
            comparable(&mut far);
            let after = reader();
            let shell = shell.join(" ");
            for source in before.keys().filter(|source| after.contains_key(*source)) {
                assert!(far.contains_key(source), "{shell}: nothing of {source}");
            }
            for (source, told) in &far {
                // Clocks and counts move between two readings, and daemons come and go.
                let around = [before.get(source), after.get(source)].map(|told| told.map(String::as_str));
                let words = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
                let same = match around {
                    [before, after] if before == after => before == Some(told),
                    around => around.into_iter().flatten().any(|text| words(text) == words(told)),
                };
                assert!(same, "{shell}: {source}: {told:?} {around:?}");
            }
            let newest =
                answered.records.iter().find(|record| record.source.ends_with("newest.log")).unwrap();
            assert_eq!(newest.end_of, Some(208_890), "{shell}");
            assert!(far[place("newest.log")].ends_with("\nline 19999\n"), "{shell}");
            assert!(before["vmm-details"].contains(" name swtpm\n"), "{}", before["vmm-details"]);
        }
    }

    #[test]
    fn a_shell_tells_images_as_the_reader_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let made = |words: &[&str]| {
            Command::new("qemu-img")
                .args(["create", "-q", "-u"])
                .args(words)
                .status()
                .is_ok_and(|status| status.success())
        };
        let base = made(&["-f", "qcow2", "-b", "gone.img", "-F", "raw", &path("base.qcow2"), "64M"]);
        if !base || !made(&["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", &path("a,b.qcow2"), "64M"]) {
            eprintln!("SKIPPED a_shell_tells_images_as_the_reader_does: no qemu-img here");
            return;
        }
        std::fs::write(path("disk.raw"), "raw").unwrap();
        // By its name a VMM, which has these images.
        std::fs::copy("/bin/sh", path("qemu-system-x86")).unwrap();
        let mut vmm = Command::new(path("qemu-system-x86"));
        vmm.args(["-c", "sleep 600; :", "-drive", &format!("file={},if=virtio", path("a,,b.qcow2"))]);
        vmm.args(["-blockdev", &format!("{{\"driver\":\"file\",\"filename\":\"{}\"}}", path("disk.raw"))]);
        vmm.args(["-drive", &format!("file={}", path("none.img")), "-D", &path("vmm.log")]);
        vmm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _vmm = Ended(vmm.spawn().unwrap());
        std::fs::write(path("vmm.log"), "qemu-system-x86_64: it said so\n").unwrap();
        let (needs, limits) = ([Need::Probe(Probe::Images), Need::Probe(Probe::VmmFiles)], Limits::default());
        let subject = Subject { vm: None, state: "/nonexistent".into() };
        let ours = |records: &[Record]| -> Vec<String> {
            let all = told(records);
            let mine = format!("{}/", folder.path().display());
            let images = all["images"].lines().filter(|line| line.starts_with(&mine)).map(str::to_owned);
            images.chain(all.get(&path("vmm.log")).cloned()).collect()
        };
        let live = ours(&crate::live::collect(&needs, &subject, &limits).unwrap().records);
        assert!(live.iter().any(|line| line.ends_with("gone.img missing does not exist")), "{live:#?}");
        assert!(live.last().is_some_and(|log| log.ends_with("it said so\n")), "{live:#?}");
        for shell in [&["sh"][..], &["bash", "--posix"], &["busybox", "sh"]] {
            let Some(answered) = run_by(shell, &needs, &limits) else { continue };
            assert_eq!(ours(&answered.records), live, "{}", shell.join(" "));
        }
    }

    #[test]
    fn a_shell_lists_the_same_file_systems() {
        let (needs, limits) = ([Need::Probe(Probe::Space)], Limits::default());
        let subject = Subject { vm: None, state: "/nonexistent".into() };
        let kinds = |records: &[Record]| -> Vec<Vec<String>> {
            let listed = told(records);
            ["df -Tk", "df -Ti"]
                .iter()
                .flat_map(|name| listed[*name].lines().skip(1))
                .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                // What is used moves, and so may what is there.
                .map(|words| vec![words[0].clone(), words[1].clone(), words[6].clone()])
                .collect()
        };
        let live = kinds(&crate::live::collect(&needs, &subject, &limits).unwrap().records);
        let far = kinds(&run_by(&["sh"], &needs, &limits).unwrap().records);
        assert!(live.iter().any(|words| words[2] == "/"), "{live:?}");
        assert!(live.iter().all(|words| far.contains(words)), "{live:?} {far:?}");
    }

    #[test]
    fn a_shell_reads_the_tables_of_firmware() {
        // Those of the IOMMU are seldom there; the others are read in the same way.
        let folder = crate::probes::acpi_tables::FOLDER;
        let text =
            script::script(&[Need::Probe(Probe::AcpiTables)], &Limits::default(), &Mark::new().unwrap());
        let script = text.replace("for t in DMAR IVRS;", "for t in APIC;");
        let Ok(bytes) = std::fs::read(format!("{folder}/APIC")) else {
            eprintln!("SKIPPED a_shell_reads_the_tables_of_firmware: {folder}/APIC cannot be read");
            return;
        };
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, dump) = output.split_once("acpidump -n APIC").unwrap();
        let rows: Vec<u8> = dump
            .lines()
            .skip_while(|line| !line.starts_with("APIC @ 0x"))
            .skip(1)
            .take_while(|line| line.starts_with("  "))
            .flat_map(|line| line.split(": ").nth(1).unwrap().split_whitespace())
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        assert_eq!(rows, bytes);
    }

    #[test]
    fn what_is_cut_off_is_said() {
        let mark = Mark::new().unwrap();
        let m = mark.as_str();
        let output = format!("motd of the host\n\n{m} n\n/etc/a\n{m} k\nx\n\n{m} n\n/etc/b");
        let answered = answers::read(output.as_bytes(), &mark, &Limits::default(), true);
        let told = told(&answered.records);
        assert_eq!(told["/etc/a"], "x\n");
        assert!(told["/etc/b"].starts_with("MISSING failed: "), "{told:?}");
        assert!(told["ssh"].contains("cut off"), "{told:?}");
        assert!(!answers::read(b"Welcome!\n", &mark, &Limits::default(), true).begun);
    }
}
