use anyhow::Context;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use vmwright_engine::{Analyze, Operation};

/// The longest complaint that is read, in bytes.
const COMPLAINT_LIMIT: u64 = 1 << 20;

/// Find what is wrong with this host, a VM, or files and archives from elsewhere.
///
/// Prints the causes, best first, each with the lines that prove it. Never changes anything: before it reads,
/// the process locks itself with Landlock and seccomp.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the user complains of, in their own words.
    complaint: Option<String>,
    /// Read the complaint from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "complaint")]
    symptom_file: Option<PathBuf>,
    /// The VM that the question is about.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
    /// Read files that somebody kept, instead of this host: a folder, or an archive that `vmwright capture` or
    /// `sos report` made (tar, packed with gzip, xz or Zstandard). May be given several times, and may name a folder
    /// of such archives: then each is analysed by itself, on all processors, and `--format jsonl` gives a line for
    /// each, in their order. One that cannot be read gives a line with its error, and exit status 3 where nothing
    /// else was found.
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Ask whether VMs can migrate from this host, or from the one of `--from`, to the host whose capture, folder or
    /// archive this is. Nothing is moved.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Read another host over SSH: `ssh://user@host:port`. Nothing is installed there; your ssh configuration, agent
    /// and known hosts are used.
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    host: Option<String>,
    /// Only these rules or areas (`vfio`, `storage/image-locked`).
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// Not these rules or areas.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Configuration with accepted findings: `[[accept]]` with `rule`, `subject` (optional), `reason` and `expires`
    /// [default: vmwright.toml in $VMWRIGHT_CONFIG or /etc/vmwright].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show how this rule came to its verdict: each piece of evidence with its weight, and what would refute it.
    #[arg(long, value_name = "RULE")]
    why: Option<String>,
    /// Refuse to read if the kernel cannot lock the process.
    #[arg(long)]
    require_sandbox: bool,
    /// Print every path, command and probe that would be read, and read nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// `only_one` where the output has room for one analysis.
    pub(crate) fn operation(self, only_one: bool) -> anyhow::Result<Operation> {
        anyhow::ensure!(
            self.vm.is_none() || self.from.is_empty() || self.against.is_some(),
            "--vm with --from is for a move: --against names the other host"
        );
        let complaint = match (self.complaint, self.symptom_file) {
            (Some(text), _) => text,
            (None, Some(file)) => {
                read(&file).with_context(|| format!("the complaint in {}", file.display()))?
            }
            (None, None) => String::new(),
        };
        Ok(Operation::Analyze(Analyze {
            from: self.from,
            only_one,
            host: self.host,
            against: self.against,
            vm: self.vm,
            complaint,
            select: self.select,
            ignore: self.ignore,
            config: self.config,
            require_sandbox: self.require_sandbox,
            dry_run: self.dry_run,
            why: self.why,
        }))
    }
}

fn read(file: &PathBuf) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let meta = std::fs::metadata(file)?;
    anyhow::ensure!(meta.is_file(), "not a regular file");
    anyhow::ensure!(
        meta.len() <= COMPLAINT_LIMIT,
        "{} bytes; at most {COMPLAINT_LIMIT} are read",
        meta.len()
    );
    File::open(file)?.take(COMPLAINT_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
