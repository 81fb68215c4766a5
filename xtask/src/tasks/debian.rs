//! `cargo xtask debian`: a Debian guest of packages (systemd, cloud-init, QEMU's guest agent, fio, iperf3), reviewed in full on QEMU
//! and by libvirt.
//!
//! The guests of the tests are the project's own probe: small, quick, and of its making. This one is of Debian's making, so
//! that the gates are held against a system that knows nothing of vmwright. It is made once, by mmdebstrap.

mod image;

use super::Task;
use crate::daemon::with_daemon;
use crate::install::{self, Wanted as Program};
use crate::progress::Step;
use crate::run::Run;
use crate::{program, workspace};
use anyhow::{Context as _, Result, bail, ensure};
use image::Image;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

pub(crate) const TASK: Task = Task {
    name: "debian",
    usage: "[--vmwright FILE] [--only qemu|libvirt]",
    summary: "reviews a Debian guest of packages in full, on QEMU and by libvirt",
    run,
};

/// The host's end of what the guest has for the review.
const IPERF: Program = Program { program: "iperf3", package: "iperf3" };

/// Seconds that a review in full may take on a machine without other work.
const LIMIT: f64 = 240.0;

/// Gates that are about the machine and its guest alone. The others judge this host too: its processor's flaws, who may reach
/// its files, what is installed. Those may fail here for good reasons.
const OWN: [&str; 7] = ["boot", "network", "devices", "performance", "migration", "disks", "hot-plug"];

/// Bytes of the disk that may be written to.
const FREE: u64 = 64 << 20;

/// A unit of systemd that the guest has not got.
const ABSENT: &str = "absent.service";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    vmwright: Option<PathBuf>,
    only: Option<String>,
}

impl Wanted {
    fn read(args: &[String]) -> Result<Self> {
        let mut wanted = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().with_context(|| format!("`{arg}` needs a value"));
            match arg.as_str() {
                "--vmwright" => wanted.vmwright = Some(value()?.into()),
                "--only" => {
                    let word = value()?;
                    ensure!(
                        matches!(word.as_str(), "qemu" | "libvirt"),
                        "`--only` takes `qemu` or `libvirt`"
                    );
                    wanted.only = Some(word);
                }
                other => bail!("unexpected argument `{other}`"),
            }
        }
        Ok(wanted)
    }

    fn wants(&self, backend: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == backend)
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let wanted = Wanted::read(args)?;
    install::ensure(&[install::FOR_VMS, install::FOR_TESTS, &[IPERF]].concat())?;
    let vmwright = match &wanted.vmwright {
        Some(path) => path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?,
        None => program::built()?,
    };
    let image = image::ensure()?;
    let place = workspace::cache().join("debian/run");
    if place.exists() {
        fs::remove_dir_all(&place).context("cannot clear the task's own folder")?;
    }
    fs::create_dir_all(&place).context("cannot make the task's own folder")?;
    let site = Site { vmwright, state: place.join("state"), place };
    let mut wrong = Vec::new();
    if wanted.wants("qemu") {
        wrong.extend(reviewed(&site, &image, "qemu", "qemu")?);
    }
    if wanted.wants("libvirt") {
        // The folder is the daemon's alone.
        let found = with_daemon(&site.place.join("libvirt"), 0, |uri| {
            wrong.extend(reviewed(&site, &image, "libvirt", uri)?);
            Ok(())
        });
        found.context("by libvirt")?;
    }
    ensure!(wrong.is_empty(), "not as it has to be: {}", wrong.join("; "));
    Ok(ExitCode::SUCCESS)
}

/// The program, its state and the folder of this run.
struct Site {
    vmwright: PathBuf,
    state: PathBuf,
    place: PathBuf,
}

impl Site {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.vmwright);
        command.arg("--state").arg(&self.state).args(words).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let output = self.command(words).output().context("cannot run vmwright")?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}

/// Reviews a machine of this image on a backend, and prints what each gate says. Gives what is not as it has to be.
fn reviewed(site: &Site, image: &Image, name: &str, backend: &str) -> Result<Vec<String>> {
    let disk = site.place.join(format!("{name}.qcow2"));
    let base = image.disk.display().to_string();
    let step = Step::begin(format!("a Debian guest on {name}"));
    Run::new(["qemu-img", "create", "-q", "-f", "qcow2", "-b", &base, "-F", "raw"])
        .args([&disk])
        .quiet(&step)?;
    let spec = site.place.join(format!("{name}.toml"));
    fs::write(&spec, specification(name, image, &disk)).context("cannot write the machine")?;
    let made = fs::File::create(site.place.join(free(name))).and_then(|file| file.set_len(FREE));
    made.context("cannot make a disk")?;
    site.run(&["vm", "create", &spec.display().to_string(), "--backend", backend])?;
    let began = Instant::now();
    site.run(&["vm", "start", name])?;
    let told =
        site.command(&["--format", "json", "review", name, "--full"]).output().context("cannot run vmwright");
    let took = began.elapsed().as_secs_f64();
    let missed = without_service(site, name);
    let stopped = site.run(&["vm", "stop", name, "--force"]);
    let told = told?;
    stopped?;
    step.done();
    let answer: Value = serde_json::from_slice(&told.stdout)
        .with_context(|| format!("the review of {name}: {}", String::from_utf8_lossy(&told.stderr).trim()))?;
    let mut wrong = judged(name, &answer)?;
    if !missed? {
        wrong.push(format!(
            "{name}: {ABSENT} is demanded and not there, and the gate `boot` does not fail for it"
        ));
    }
    println!("  {took:.0} s from its start to the end of its review\n");
    if took > LIMIT {
        wrong.push(format!("{name}: {took:.0} s are more than {LIMIT:.0} s"));
    }
    Ok(wrong)
}

/// Whether the gate `boot` fails for a service that the running guest has not got, once the specification demands it.
fn without_service(site: &Site, name: &str) -> Result<bool> {
    let path = site.state.join("machines").join(name).join("machine.toml");
    let text = fs::read_to_string(&path).context("cannot read the machine")?;
    let changed = text.replace("services = [", &format!("services = ['{ABSENT}', "));
    fs::write(&path, changed).context("cannot change the machine")?;
    let told = site.command(&["--format", "json", "review", name, "--gates", "boot"]).output();
    let answer: Value = serde_json::from_slice(&told.context("cannot run vmwright")?.stdout)?;
    let gate = &answer["review"]["gates"][0];
    Ok(gate["verdict"] == "fail" && gate["why"].as_str().is_some_and(|why| why.contains(ABSENT)))
}

/// The name of the disk that a review may write to, beside the specification.
fn free(name: &str) -> String {
    format!("{name}-free.raw")
}

/// By libvirt a machine brings no seed: the guest has one on its disk. What is demanded of its performance is what a busy host
/// gives too.
fn specification(name: &str, image: &Image, disk: &Path) -> String {
    let seed = if name == "qemu" { "[seed]\n" } else { "" };
    format!(
        "name = '{name}'\naccelerator = 'tcg'\ncpu.model = 'max'\ncpu.count = 2\nmemory.size = '768MiB'\n\
         boot.kernel = '{}'\nboot.initrd = '{}'\n\
         boot.cmdline = 'console=ttyS0 root=LABEL={} ro no_timer_check tsc=reliable'\n\
         {seed}[review]\nservices = ['qemu-guest-agent.service', 'cloud-init.service', 'ssh.service']\nnetwork_mib_s = 1\n\
         overwrite = ['{free}']\ndisk_read_mib_s = 1\ndisk_write_mib_s = 1\n\
         [[disk]]\npath = '{}'\nformat = 'qcow2'\n\
         [[disk]]\npath = '{free}'\nformat = 'raw'\ndiscard = 'unmap'\n[[network]]\nkind = 'user'\n\
         [[controller]]\nkind = 'pci'\nmodel = 'pcie-root-port'\nindex = 1\nport = 8\nchassis = 1\n\
         [[controller]]\nkind = 'pci'\nmodel = 'pcie-root-port'\nindex = 2\nport = 9\nchassis = 2\n",
        image.kernel.display(),
        image.initrd.display(),
        image::LABEL,
        disk.display(),
        free = free(name),
    )
}

/// Prints the gates, and gives those of [`OWN`] that fail.
fn judged(name: &str, answer: &Value) -> Result<Vec<String>> {
    let gates = answer["review"]["gates"].as_array().context("the review has no gates")?;
    let mut wrong = Vec::new();
    for gate in gates {
        let word = |key: &str| gate[key].as_str().unwrap_or_default();
        let seconds = gate["seconds"].as_f64().unwrap_or_default();
        println!("  {:15} {:15} {seconds:6.1} s  {}", word("name"), word("verdict"), word("why"));
        if word("verdict") == "fail" && OWN.contains(&word("name")) {
            wrong.push(format!("{name}: {}: {}", word("name"), word("why")));
        }
    }
    let boots = gates.iter().any(|gate| gate["name"] == "boot" && gate["verdict"] == "pass");
    if !boots && wrong.is_empty() {
        wrong.push(format!("{name}: the guest did not come up"));
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_gates_of_the_machine_itself_count() {
        let answer = |boot: &str, flaws: &str| {
            json!({ "review": { "gates": [
                { "name": "boot", "verdict": boot, "why": "late" }, { "name": "cpu-flaws", "verdict": flaws, "why": "old" },
            ] } })
        };
        assert_eq!(judged("a", &answer("pass", "fail")).unwrap(), Vec::<String>::new());
        assert_eq!(judged("a", &answer("fail", "pass")).unwrap(), ["a: boot: late"]);
        assert_eq!(judged("a", &answer("unknown", "pass")).unwrap(), ["a: the guest did not come up"]);
        assert!(judged("a", &json!({})).is_err());
    }

    #[test]
    fn arguments() {
        let read =
            |words: &[&str]| Wanted::read(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        let wanted = read(&["--only", "libvirt"]).unwrap();
        assert!(wanted.wants("libvirt") && !wanted.wants("qemu") && Wanted::default().wants("qemu"));
        assert!(read(&["--only", "xen"]).is_err() && read(&["--only"]).is_err() && read(&["x"]).is_err());
    }
}
