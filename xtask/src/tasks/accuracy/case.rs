//! One case: the program is run on a copy of it, and its answer is compared with the label.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The diagnosis where nothing is wrong.
pub(super) const HEALTHY: &str = "healthy/no-fault";

/// A program that takes longer has crashed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of one case.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// Name of the case's folder.
    pub(super) id: String,
    /// The label.
    pub(super) want: String,
    /// The first three causes named.
    pub(super) got: Vec<String>,
    /// Why there is no answer; empty where there is one.
    pub(super) crash: String,
    pub(super) top1: bool,
    pub(super) top3: bool,
    /// Of each quote of the first three causes, whether it stands where it says.
    pub(super) quotes: Vec<bool>,
    /// Whether a right cause is not named, and its rule said that it could not tell.
    pub(super) could_not_tell: bool,
    pub(super) seconds: f64,
}

impl Row {
    pub(super) fn healthy(&self) -> bool {
        self.want == HEALTHY
    }
}

/// Runs one case. A program that fails gives a row with `crash`.
///
/// # Errors
/// When the case itself cannot be read or copied.
pub(super) fn run(bin: &Path, folder: &Path) -> Result<Row> {
    let label = folder.join("case.toml");
    let text = fs::read_to_string(&label).with_context(|| format!("cannot read {}", label.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("cannot read {}", label.display()))?;
    let want = table.get("cause").and_then(toml::Value::as_str);
    let want = want.with_context(|| format!("{} has no `cause`", label.display()))?.to_owned();
    let mut right = vec![want.clone()];
    if let Some(accept) = table.get("accept").and_then(toml::Value::as_array) {
        right.extend(accept.iter().filter_map(toml::Value::as_str).map(ToOwned::to_owned));
    }
    let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let row = Row { id, want, ..Row::default() };
    let copy = Copy::of(folder)?;
    let began = Instant::now();
    let answer = ask(bin, &copy.0);
    let seconds = began.elapsed().as_secs_f64();
    Ok(match answer {
        Ok(answer) => judge(row, &answer, &right, &copy.0.join("evidence"), seconds),
        Err(why) => Row { crash: why, seconds, ..row },
    })
}

/// The evidence and the symptom without the label, in a folder that goes when this goes.
struct Copy(PathBuf);

impl Copy {
    fn of(folder: &Path) -> Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vmwright-accuracy-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let copy = Self(path);
        copy_all(&folder.join("evidence"), &copy.0.join("evidence"))?;
        copy_all(&folder.join("symptom.txt"), &copy.0.join("symptom.txt"))?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A folder left in the temporary directory is no reason to lose the figures.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()));
    }
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Runs the program on the copy and gives its answer, or what is wrong with it.
fn ask(bin: &Path, copy: &Path) -> Result<Value, String> {
    let mut child = Command::new(bin)
        .args(["analyze", "--from"])
        .arg(copy.join("evidence"))
        .arg("--symptom-file")
        .arg(copy.join("symptom.txt"))
        .args(["--format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start: {error}"))?;
    let mut stdout = child.stdout.take().expect("piped above");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(1)),
            Ok(None) => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {PATIENCE:?}"));
            }
            Err(error) => return Err(format!("cannot wait: {error}")),
        }
    };
    let text = reader.join().map_err(|_| "its output could not be read".to_owned())?;
    let text = text.map_err(|error| format!("its output could not be read: {error}"))?;
    let answer: Value =
        serde_json::from_slice(&text).map_err(|error| format!("{status}, not JSON: {error}"))?;
    if !matches!(status.code(), Some(0 | 1 | 3)) {
        return Err(status.to_string());
    }
    if !answer["causes"].as_array().is_some_and(|causes| causes.iter().all(|cause| cause["rule"].is_string()))
    {
        return Err("no list `causes` of objects with `rule`".to_owned());
    }
    Ok(answer)
}

fn judge(row: Row, answer: &Value, right: &[String], evidence: &Path, seconds: f64) -> Row {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let rule = |value: &Value| value["rule"].as_str().unwrap_or_default().to_owned();
    let causes = list(&answer["causes"]);
    let mut got: Vec<String> = causes.iter().take(3).map(rule).collect();
    if row.healthy() && got.is_empty() {
        got.push(HEALTHY.to_owned());
    }
    let is_right = |name: &String| right.contains(name);
    let named = causes.iter().map(rule).any(|name| is_right(&name));
    Row {
        top1: got.first().is_some_and(is_right),
        top3: got.iter().any(is_right),
        quotes: causes
            .iter()
            .take(3)
            .flat_map(|cause| list(&cause["evidence"]))
            .map(|item| stands(evidence, &item))
            .collect(),
        could_not_tell: !named && list(&answer["unknown"]).iter().map(rule).any(|name| is_right(&name)),
        got,
        seconds,
        ..row
    }
}

/// Whether the quoted text is in the named file at the named line; quotes of several lines by their first.
fn stands(evidence: &Path, item: &Value) -> bool {
    let (Some(source), Some(line), Some(quote)) =
        (item["source"].as_str(), item["line"].as_u64(), item["quote"].as_str())
    else {
        return false;
    };
    // A quote of this machine's own files would prove nothing about the case.
    let inside =
        Path::new(source).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let Some(quote) =
        lines(quote).first().map(|line| line.trim()).filter(|quote| !quote.is_empty() && inside)
    else {
        return false;
    };
    let Ok(bytes) = fs::read(evidence.join(source)) else { return false };
    let text = String::from_utf8_lossy(&bytes);
    let at = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
    at.and_then(|at| lines(&text).get(at).map(|line| line.contains(quote))).unwrap_or(false)
}

/// Lines as people's editors count them: `\n`, `\r\n`, `\r`, and the separators of Unicode.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = |c: char| {
            matches!(
                c,
                '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let Some(at) = rest.find(end) else {
            lines.push(rest);
            break;
        };
        lines.push(&rest[..at]);
        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
        rest = rest[at..].strip_prefix("\r\n").unwrap_or(&rest[at + width..]);
    }
    lines
}
