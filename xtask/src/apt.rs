//! apt, with the machine's own package lists or with fresh ones that leave no trace.

use crate::progress::Step;
use crate::run::Run;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Words before `apt-get`: no questions, messages that a bug report can quote.
pub(crate) const ENVIRONMENT: [&str; 3] = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"];

/// One way of calling apt. A private folder goes when this goes.
pub(crate) struct Apt {
    options: Vec<String>,
    _private: Option<Private>,
    backports: Option<String>,
}

impl Apt {
    /// As the machine is configured.
    pub(crate) fn system() -> Self {
        Self { options: common(), _private: None, backports: None }
    }

    /// The machine's sources for its own release, with that release's backports beside them on Debian, in a folder
    /// of their own under the temporary directory, and the lists fetched from them. Nothing in `/etc/apt` or in
    /// the machine's lists changes.
    ///
    /// # Errors
    /// When the sources cannot be read or the lists cannot be fetched.
    pub(crate) fn fresh(sudo: &[&str], step: &Step) -> Result<Self> {
        let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
        let codename = os_release(&release, "VERSION_CODENAME").unwrap_or_default();
        let backports =
            (os_release(&release, "ID") == Some("debian")).then(|| format!("{codename}-backports"));
        let private = Private::new(sudo)?;
        let (sources, lists) = (private.folder.join("sources"), private.folder.join("lists"));
        for dir in [&sources, &lists] {
            fs::create_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let mut offered = false;
        for file in source_files()? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.file_name().context("a source file has a name")?;
            let kept = if name.to_string_lossy().ends_with(".sources") {
                deb822(&text, codename, backports.as_deref())
            } else {
                one_line(&text, codename, backports.as_deref())
            };
            offered |= backports.as_ref().is_some_and(|suite| kept.contains(suite.as_str()));
            let copy = sources.join(name);
            fs::write(&copy, kept).with_context(|| format!("cannot write {}", copy.display()))?;
        }
        let mut options = common();
        for (key, value) in [
            ("Dir::Etc::sourcelist", "/dev/null".to_owned()),
            ("Dir::Etc::sourceparts", sources.display().to_string()),
            ("Dir::State::lists", lists.display().to_string()),
            // The binary caches belong to the machine's own lists.
            ("Dir::Cache::pkgcache", String::new()),
            ("Dir::Cache::srcpkgcache", String::new()),
        ] {
            options.extend(["-o".to_owned(), format!("{key}={value}")]);
        }
        let apt = Self { options, _private: Some(private), backports: backports.filter(|_| offered) };
        let mut words = sudo.to_vec();
        words.extend(ENVIRONMENT);
        // Without this apt calls it a success when nothing at all could be fetched.
        words.extend(["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]);
        // A mirror may lack one suite; what matters is whether the packages are to be had afterwards.
        if let Err(error) = Run::new(words).args(apt.options()).quiet(step) {
            step.still(&format!("not every list could be fetched: {error:#}"));
        }
        Ok(apt)
    }

    /// Arguments for `apt-get` and `apt-cache`.
    pub(crate) fn options(&self) -> &[String] {
        &self.options
    }

    /// The suite to ask for where the release itself cannot serve.
    pub(crate) fn backports(&self) -> Option<&str> {
        self.backports.as_deref()
    }
}

/// Unpacks packages into the folder `place` instead of installing them; `download` gets them into a folder. Root, and
/// all others, need no right for this: the lists and the packages go below our own folders.
///
/// # Errors
/// Where they cannot be had, with the package lists at hand nor with fresh ones.
pub(crate) fn unpack(place: &Path, step: &Step, download: impl Fn(&Apt, &Path) -> Result<()>) -> Result<()> {
    let partial = place.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    let packages = partial.join("download");
    fs::create_dir_all(&packages).with_context(|| format!("cannot make {}", packages.display()))?;
    if let Err(stale) = download(&Apt::system(), &packages) {
        step.still("not with the package lists at hand; fetching fresh ones, for this call only");
        let fresh = Apt::fresh(&[], step).with_context(|| format!("{stale:#}"))?;
        download(&fresh, &packages)?;
    }
    for entry in fs::read_dir(&packages).with_context(|| format!("cannot read {}", packages.display()))? {
        let package = entry.with_context(|| format!("cannot read {}", packages.display()))?.path();
        if package.extension().is_some_and(|end| end == "deb") {
            Run::new(["dpkg-deb", "--extract"]).args([&package, &partial]).quiet(step)?;
        }
    }
    fs::remove_dir_all(&packages).with_context(|| format!("cannot remove {}", packages.display()))?;
    // In one move, so that a run that is stopped here leaves nothing that looks whole.
    fs::rename(&partial, place).with_context(|| format!("cannot rename {}", partial.display()))
}

/// A folder below the temporary directory. apt, run with `sudo`, makes files in it that are not the caller's.
struct Private {
    folder: PathBuf,
    sudo: Vec<String>,
}

impl Private {
    /// A new one, that nobody else can have prepared.
    fn new(sudo: &[&str]) -> Result<Self> {
        let parent = std::env::temp_dir();
        for attempt in 0..100 {
            let folder = parent.join(format!("vmwright-apt-{}-{attempt}", std::process::id()));
            // 0755: apt fetches as a user of its own, who must get in.
            match fs::DirBuilder::new().mode(0o755).create(&folder) {
                Ok(()) => {
                    return Ok(Self { folder, sudo: sudo.iter().copied().map(ToOwned::to_owned).collect() });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot make {}", folder.display()));
                }
            }
        }
        bail!("a hundred folders named vmwright-apt-* are in the way in {}", parent.display())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let words = self.sudo.iter().map(String::as_str).chain(["rm", "-r", "--"]);
        if let Err(error) = Run::new(words).args([&self.folder]).text() {
            eprintln!("    cannot remove {}: {error:#}", self.folder.display());
        }
    }
}

fn common() -> Vec<String> {
    // Another package manager may be at work, as on a machine that has just booted.
    ["DPkg::Lock::Timeout=120", "Acquire::Retries=3"]
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option.to_owned()])
        .collect()
}

/// The files that apt reads its sources from, as `sources.list(5)` says.
fn source_files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let list = Path::new("/etc/apt/sources.list");
    if list.is_file() {
        files.push(list.to_owned());
    }
    let parts = Path::new("/etc/apt/sources.list.d");
    if parts.is_dir() {
        for entry in fs::read_dir(parts).with_context(|| format!("cannot read {}", parts.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", parts.display()))?.path();
            if path.extension().is_some_and(|end| end == "list" || end == "sources") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A value of `os-release(5)`.
fn os_release<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
}

/// Whether a suite belongs to the release: `bookworm`, `bookworm-updates`, `bookworm/updates`.
fn of_release(suite: &str, codename: &str) -> bool {
    suite
        .strip_prefix(codename)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-') || rest.starts_with('/'))
}

/// The stanzas of a `.sources` file that are of the release, backports added to those that have the release
/// itself. Sources of other vendors stay out: they cannot help, and one that is down would stop us.
fn deb822(text: &str, codename: &str, backports: Option<&str>) -> String {
    let mut kept = String::new();
    for stanza in text.split("\n\n") {
        let mut fields: Vec<String> = Vec::new();
        for line in stanza.lines().filter(|line| !line.starts_with('#')) {
            match fields.last_mut() {
                // A line that begins with a space goes on with the field before it.
                Some(field) if line.starts_with([' ', '\t']) => {
                    field.push('\n');
                    field.push_str(line);
                }
                _ if line.trim().is_empty() => {}
                _ => fields.push(line.to_owned()),
            }
        }
        let Some(field) = fields.iter_mut().find(|field| field.to_ascii_lowercase().starts_with("suites:"))
        else {
            continue;
        };
        let mut suites: Vec<&str> = field["suites:".len()..].split_whitespace().collect();
        if !suites.iter().any(|suite| of_release(suite, codename)) {
            continue;
        }
        if let Some(extra) = backports
            && suites.contains(&codename)
            && !suites.contains(&extra)
        {
            suites.push(extra);
        }
        *field = format!("Suites: {}", suites.join(" "));
        kept.push_str(&fields.join("\n"));
        kept.push_str("\n\n");
    }
    kept
}

/// The same for a `.list` file: `deb [options] URI SUITE COMPONENT...`.
fn one_line(text: &str, codename: &str, backports: Option<&str>) -> String {
    let mut kept = String::new();
    for line in text.lines().map(str::trim) {
        if !line.starts_with("deb ") && !line.starts_with("deb\t") {
            continue;
        }
        let line = line.split('#').next().unwrap_or(line);
        let after = match (line.find('['), line.find(']')) {
            (Some(open), Some(close)) if open < close => close + 1,
            _ => "deb".len(),
        };
        let mut words = line[after..].split_whitespace();
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        if !of_release(suite, codename) {
            continue;
        }
        let components = words.collect::<Vec<_>>().join(" ");
        for suite in std::iter::once(suite).chain(backports.filter(|_| suite == codename)) {
            kept.push_str(&format!("{} {uri} {suite} {components}\n", line[..after].trim_end()));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sources_file_keeps_the_release_and_gains_its_backports() {
        let text = "Types: deb\n# a remark\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n\
                    Types: deb\nURIs: http://mirror.example/security\nsuites: bookworm-security\nComponents: main\n\n\
                    Types: deb\nURIs: http://vendor.example\nSuites: nodistro tool-bookworm\nComponents: main\n";
        assert_eq!(
            deb822(text, "bookworm", Some("bookworm-backports")),
            "Types: deb\nURIs: http://mirror.example/debian\n\
             Suites: bookworm bookworm-updates bookworm-backports\nComponents: main\n\
             Signed-By:\n -----BEGIN\n .\n -----END\n\n\
             Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main\n\n"
        );
        assert!(!deb822(text, "bookworm", None).contains("backports"));
    }

    #[test]
    fn a_list_file_keeps_the_release_and_gains_its_backports() {
        let text = "# deb http://old.example bookworm main\n\
                    deb [signed-by=/k arch=amd64] http://mirror.example/debian bookworm main contrib # remark\n\
                    deb http://mirror.example/security bookworm-security main\n\
                    deb-src http://mirror.example/debian bookworm main\n\
                    deb http://vendor.example tool-bookworm main\n";
        assert_eq!(
            one_line(text, "bookworm", Some("bookworm-backports")),
            "deb [signed-by=/k arch=amd64] http://mirror.example/debian bookworm main contrib\n\
             deb [signed-by=/k arch=amd64] http://mirror.example/debian bookworm-backports main contrib\n\
             deb http://mirror.example/security bookworm-security main\n"
        );
    }

    #[test]
    fn the_release_is_read_as_os_release_writes_it() {
        let text = "NAME=\"X\"\nVERSION_CODENAME=bookworm\nID=\"debian\"\n";
        assert_eq!(os_release(text, "ID"), Some("debian"));
        assert_eq!(os_release(text, "VERSION_CODENAME"), Some("bookworm"));
        assert_eq!(os_release(text, "VERSION"), None);
    }
}
