//! libvirt's own source, fetched where the machine can have it and kept below `target/vmwright-test`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The release that is compared with: Debian 12's. Another one has other pairs.
const PACKAGE: &str = "libvirt";
const VERSION: &str = "9.0.0";
const SUITE: &str = "bookworm";

/// The folder of libvirt's tests, or why it cannot be had. Asked by many tests at once, it is fetched once.
pub(crate) fn libvirt_tests() -> Result<PathBuf, String> {
    static TESTS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    TESTS.get_or_init(kept_or_fetched).clone()
}

/// A place for what tests keep, below `target/vmwright-test`.
pub(crate) fn below_target(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    target.join("vmwright-test").join(name)
}

fn kept_or_fetched() -> Result<PathBuf, String> {
    let place = below_target("libvirt-source");
    let tests = place.join(format!("libvirt-{VERSION}/tests"));
    if tests.join("qemuxml2argvdata").is_dir() {
        return Ok(tests);
    }
    fetch(&place)?;
    if tests.is_dir() { Ok(tests) } else { Err(format!("{} is not in the package", tests.display())) }
}

/// Downloads the package with apt, in a folder of its own: neither the machine's lists nor its sources change.
fn fetch(place: &Path) -> Result<(), String> {
    let partial = place.with_extension(format!("partial-{}", std::process::id()));
    for folder in ["sources", "lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(partial.join(folder)).map_err(told("cannot make a folder for apt"))?;
    }
    let archive = archive().ok_or_else(|| format!("this machine's apt knows no archive of {SUITE}"))?;
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    if !Path::new(key).exists() {
        return Err(format!("no {key}: without it nothing that is fetched can be trusted"));
    }
    let source =
        format!("Types: deb-src\nURIs: {archive}\nSuites: {SUITE}\nComponents: main\nSigned-By: {key}\n");
    fs::write(partial.join("sources/debian.sources"), source).map_err(told("cannot write apt's sources"))?;
    let apt = |words: &[&str]| -> Result<(), String> {
        let mut command = Command::new("apt-get");
        for (option, path) in [
            ("Dir::Etc::SourceList", Path::new("/dev/null").to_owned()),
            ("Dir::Etc::SourceParts", partial.join("sources")),
            ("Dir::State::Lists", partial.join("lists")),
            ("Dir::Cache", partial.join("cache")),
        ] {
            command.arg("-o").arg(format!("{option}={}", path.display()));
        }
        let output =
            command.args(["-q", "-o", "Acquire::Retries=2"]).args(words).current_dir(&partial).output();
        let output = output.map_err(told("apt-get does not run"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        if output.status.success() { Ok(()) } else { Err(format!("apt-get {}: {last}", words.join(" "))) }
    };
    apt(&["update", "-o", "APT::Update::Error-Mode=any"])?;
    apt(&["source", "--download-only", PACKAGE])?;
    let archive = partial.join(format!("{PACKAGE}_{VERSION}.orig.tar.xz"));
    let unpacked = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .args(["-C".as_ref(), partial.as_os_str()])
        .args(["tests", "src/conf/schemas"].map(|part| format!("{PACKAGE}-{VERSION}/{part}")))
        .output()
        .map_err(told("tar does not run"))?;
    if !unpacked.status.success() {
        return Err(format!("tar: {}", String::from_utf8_lossy(&unpacked.stderr).trim()));
    }
    for rest in ["lists", "cache", "sources"] {
        let _ = fs::remove_dir_all(partial.join(rest));
    }
    // In one move, so that a run that is stopped here leaves nothing that looks whole. Another run may be first.
    if fs::rename(&partial, place).is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    Ok(())
}

/// Where the machine itself gets the suite's packages from, by `sources.list(5)`.
fn archive() -> Option<String> {
    let stanza = |stanza: &str| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let fits = field("Suites")?.split_whitespace().any(|suite| suite == SUITE);
        fits.then(|| field("URIs")?.split_whitespace().next().map(str::to_owned)).flatten()
    };
    let line = |line: &str| {
        let mut words = line.split_whitespace().filter(|word| !word.starts_with('[') && !word.ends_with(']'));
        (words.next() == Some("deb")).then_some(())?;
        let (archive, suite) = (words.next()?, words.next()?);
        (suite == SUITE).then(|| archive.to_owned())
    };
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.path()).collect();
    files.push("/etc/apt/sources.list".into());
    files.sort();
    files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "sources" => text.split("\n\n").find_map(stanza),
            "list" => text.lines().find_map(line),
            _ => None,
        }
    })
}

fn told(what: &'static str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}
