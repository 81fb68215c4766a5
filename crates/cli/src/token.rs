//! The token that a client of the server over TCP has to show.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use vmwright_mcp::Token;

/// The shortest token that is taken, in characters: 128 bits as hexadecimal digits.
const SHORTEST: usize = 32;

/// The longest file that is read, in bytes.
const LONGEST: u64 = 4096;

/// The token in a file; a new one where there is no such file.
pub(crate) fn at(path: &Path) -> anyhow::Result<Token> {
    let place = || format!("the token in {}", path.display());
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(format!("{}\n", new()?).as_bytes()).with_context(place)?;
            File::open(path).with_context(place)?
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => File::open(path).with_context(place)?,
        Err(error) => return Err(error).with_context(place),
    };
    let meta = file.metadata().with_context(place)?;
    anyhow::ensure!(meta.is_file(), "{} is no regular file", path.display());
    anyhow::ensure!(
        meta.mode() & 0o077 == 0,
        "{} has mode {:04o}: others than its owner may read the token",
        path.display(),
        meta.mode() & 0o7777
    );
    let mut text = String::new();
    (&file).take(LONGEST).read_to_string(&mut text).with_context(place)?;
    let token = text.trim();
    anyhow::ensure!(
        token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{} holds no token of at least {SHORTEST} letters and digits in one word",
        path.display()
    );
    Ok(Token::new(token))
}

/// 256 bits of the kernel's randomness, as hexadecimal digits.
fn new() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        at(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        at(&path).unwrap();
        assert_eq!((text.len(), std::fs::read_to_string(&path).unwrap()), (65, text));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(at(&path).unwrap_err().to_string().contains("0644"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "short\n").unwrap();
        assert!(at(&path).unwrap_err().to_string().contains("no token"));
    }
}
