//! The files of a review tied together: a manifest with the digest of each, which a person may sign with their own SSH key,
//! and the check of both by whoever receives them.

use crate::{Environment, Error, Outcome};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vmwright_apply::approval::SSH_KEYGEN;

/// What signatures of reviews are made for, so that none of another purpose passes for one (`-n` of ssh-keygen(1)).
const NAMESPACE: &str = "review@vmwright";

/// First line of a manifest.
const HEAD: &str = "vmwright review manifest 1";

/// Ending of a manifest's name.
pub(super) const ENDING: &str = "manifest";

/// The largest manifest, signature or file of a review that is read, in bytes.
const LIMIT: u64 = 256 << 20;

/// What a check of a review's files says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// The manifest.
    pub manifest: PathBuf,
    /// How many files are as the manifest says.
    pub intact: usize,
    /// Who signed it, as the allowed signers name them; none where nobody did, or somebody who is not among them.
    pub signer: Option<String>,
    /// What is wrong, a line each; empty where the files are those that were signed, by somebody who may.
    pub wrong: Vec<String>,
}

/// Writes the manifest of files that lie in one folder, and has it signed where a key is given: ssh-keygen has the terminal
/// meanwhile.
pub(super) fn seal(path: &Path, files: &[PathBuf], key: Option<&Path>) -> Result<(), Error> {
    let mut manifest = format!("{HEAD}\n");
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        manifest.push_str(&format!("{}  {name}\n", digest(&read(file)?)));
    }
    let write = |source| Error::File { path: path.to_owned(), source };
    fs::write(path, manifest).map_err(write)?;
    let Some(key) = key else { return Ok(()) };
    // ssh-keygen asks before it replaces a signature.
    match fs::remove_file(signature(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(write(error)),
        _ => {}
    }
    let status = Command::new(SSH_KEYGEN)
        .args(["-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(key)
        .arg(path)
        .stdin(Stdio::inherit())
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|source| Error::File { path: PathBuf::from(SSH_KEYGEN), source })?;
    if status.success() && signature(path).exists() {
        Ok(())
    } else {
        Err(Error::Argument(format!("{SSH_KEYGEN} did not sign the review with {}", key.display())))
    }
}

/// Checks the files of a review: by its name in the state directory, or by the path of one of them.
pub(crate) fn verify(review: &str, environment: &Environment) -> Result<Outcome, Error> {
    let named =
        if review.contains('/') { PathBuf::from(review) } else { environment.path("reviews").join(review) };
    let named = named.display().to_string();
    let endings = [".manifest.sig", ".manifest", ".oscal.json", ".json", ".html"];
    let stem = endings.into_iter().find_map(|ending| named.strip_suffix(ending)).unwrap_or(&named);
    let manifest = PathBuf::from(format!("{stem}.{ENDING}"));
    let bytes = read(&manifest)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut sealed = Sealed { manifest: manifest.clone(), ..Sealed::default() };
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        sealed.wrong.push("it is no manifest of a review".to_owned());
    }
    let folder = manifest.parent().unwrap_or(Path::new("."));
    for line in lines {
        let entry = line.split_once("  ").filter(|(_, name)| !name.contains('/') && *name != "..");
        let Some((wanted, name)) = entry else {
            sealed.wrong.push(format!("a line that names no file: `{}`", line.escape_debug()));
            continue;
        };
        match read(&folder.join(name)) {
            Ok(bytes) if digest(&bytes) == wanted => sealed.intact += 1,
            Ok(_) => sealed.wrong.push(format!("{} was changed", name.escape_debug())),
            Err(error) => {
                sealed.wrong.push(format!("{}: {}", name.escape_debug(), crate::error::chain(&error)))
            }
        }
    }
    if sealed.intact == 0 && sealed.wrong.is_empty() {
        sealed.wrong.push("the manifest names no file".to_owned());
    }
    match signer(&manifest, &bytes, environment) {
        Ok(signer) => sealed.signer = Some(signer),
        Err(why) => sealed.wrong.push(why),
    }
    Ok(Outcome::Sealed(sealed))
}

/// Who signed a manifest, of the allowed signers.
fn signer(manifest: &Path, bytes: &[u8], environment: &Environment) -> Result<String, String> {
    let signature = signature(manifest);
    if !signature.exists() {
        return Err("nobody has signed it (`vmwright review --key` signs)".to_owned());
    }
    let signers = environment.config.join("allowed_signers");
    if !signers.exists() {
        return Err(format!("who may sign is not said: there is no {}", signers.display()));
    }
    let (signature, signers) = (signature.display().to_string(), signers.display().to_string());
    let found = ask(&["-Y", "find-principals", "-s", &signature, "-f", &signers], bytes)?;
    let principals = found.ok_or_else(|| format!("its signer is not among {signers}"))?;
    for principal in principals.lines() {
        let words = ["-Y", "verify", "-n", NAMESPACE, "-f", &signers, "-I", principal, "-s", &signature];
        if ask(&words, bytes)?.is_some() {
            return Ok(principal.to_owned());
        }
    }
    Err(format!(
        "the signature does not fit: the manifest was changed, or its signer may not sign reviews (`{NAMESPACE}`)"
    ))
}

/// What ssh-keygen says to this; none where it says no.
fn ask(words: &[&str], input: &[u8]) -> Result<Option<String>, String> {
    let fail = |error: std::io::Error| format!("{SSH_KEYGEN}: {error}");
    let mut child = Command::new(SSH_KEYGEN)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fail)?;
    if let Some(mut stdin) = child.stdin.take() {
        use std::io::Write;
        // One that has seen enough closes its end.
        let _ = stdin.write_all(input);
    }
    let done = child.wait_with_output().map_err(fail)?;
    Ok(done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned()))
}

fn signature(manifest: &Path) -> PathBuf {
    let mut path = manifest.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
