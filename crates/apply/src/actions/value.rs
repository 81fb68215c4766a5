//! Values of the kernel: read, compared, written and read back.

use super::{ActionError, World};
use std::io;

/// A value that an action changes.
pub(super) struct Value<'a> {
    /// Its path.
    pub(super) path: &'a str,
    /// How it is called to people.
    pub(super) name: String,
}

impl Value<'_> {
    /// What stands there: blanks between words as one, and of a choice (`always [madvise] never`) the chosen word.
    pub(super) fn read(&self, world: &World<'_>) -> Result<String, ActionError> {
        let text = world.system.read(self.path).map_err(|error| self.failed("read", error))?;
        Ok(meant(&text))
    }

    /// That this stands there.
    pub(super) fn must_be(&self, world: &World<'_>, expected: &str) -> Result<(), ActionError> {
        let found = self.read(world)?;
        if found == meant(expected) {
            return Ok(());
        }
        let quoted = |text: &str| format!("`{}`", text.escape_debug());
        Err(ActionError::Drift {
            what: self.name.clone(),
            expected: quoted(expected),
            found: quoted(&found.chars().take(200).collect::<String>()),
        })
    }

    /// Writes it.
    pub(super) fn write(&self, world: &World<'_>, value: &str) -> Result<(), ActionError> {
        world.system.write(self.path, value).map_err(|error| self.failed("write", error))
    }

    fn failed(&self, what: &'static str, source: io::Error) -> ActionError {
        match source.kind() {
            io::ErrorKind::NotFound => ActionError::Gone(self.name.clone()),
            _ => ActionError::Io { path: self.name.clone(), what, source },
        }
    }
}

/// What a text of the kernel means as a value.
fn meant(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let chosen = words.iter().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    match chosen {
        Some(chosen) if words.len() > 1 => chosen.to_owned(),
        _ => words.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn what_the_kernel_shows_is_read_as_it_is_meant() {
        assert_eq!(meant("1\n"), "1");
        assert_eq!(meant("always [madvise] never\n"), "madvise");
        assert_eq!(meant("4096\t131072\t6291456\n"), "4096 131072 6291456");
        assert_eq!(meant("[only]\n"), "[only]");
        assert_eq!(meant("\n"), "");
    }
}
