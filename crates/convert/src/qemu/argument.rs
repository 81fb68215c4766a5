//! One option of a command line, and how its value is spelled.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::{Display, Write as _};

/// One option with its value, and what it is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The option, `-machine`.
    pub option: Cow<'static, str>,
    /// Its value; none for a switch.
    pub value: Option<String>,
    /// Why it is there, for a reader.
    pub why: &'static str,
}

/// The words to execute.
#[must_use]
pub fn words(arguments: &[Argument]) -> Vec<OsString> {
    let mut words = Vec::new();
    for argument in arguments {
        words.push(argument.option.as_ref().into());
        words.extend(argument.value.as_ref().map(OsString::from));
    }
    words
}

/// The command line as a POSIX shell takes it: one option a line.
#[must_use]
pub fn shell(program: &str, arguments: &[Argument]) -> String {
    let mut text = quoted(program).into_owned();
    for argument in arguments {
        let _ = write!(text, " \\\n  {}", quoted(&argument.option));
        if let Some(value) = &argument.value {
            let _ = write!(text, " {}", quoted(value));
        }
    }
    text.push('\n');
    text
}

fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./,=:+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// In QEMU's options a comma ends a value and two are one.
pub(crate) fn escape(text: &str) -> String {
    text.replace(',', ",,")
}

/// A value made of a head and properties. Nothing that a caller puts into a property can become another property.
#[derive(Debug, Clone)]
pub(super) struct Value(String);

impl Value {
    pub(super) fn new(head: impl AsRef<str>) -> Self {
        Self(escape(head.as_ref()))
    }

    /// A value without a head: its first property begins it.
    pub(super) fn bare() -> Self {
        Self(String::new())
    }

    pub(super) fn with(mut self, key: &str, value: impl Display) -> Self {
        self.push(key, value);
        self
    }

    pub(super) fn push(&mut self, key: &str, value: impl Display) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{}={}", escape(key), escape(&value.to_string()));
    }

    pub(super) fn maybe(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn switch(self, key: &str, value: Option<bool>) -> Self {
        self.maybe(key, value.map(on_off))
    }

    /// A switch that is written where it is on.
    pub(super) fn on(self, key: &str, value: bool) -> Self {
        self.switch(key, value.then_some(true))
    }

    /// Properties that are spelled already.
    pub(super) fn raw(mut self, text: &str) -> Self {
        if !text.is_empty() {
            if !self.0.is_empty() {
                self.0.push(',');
            }
            self.0.push_str(text);
        }
        self
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        value.0
    }
}

pub(super) fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_property_can_be_smuggled_in() {
        let value = Value::new("virtio-blk-pci").with("serial", "a,bootindex=1").switch("x", Some(false));
        assert_eq!(String::from(value), "virtio-blk-pci,serial=a,,bootindex=1,x=off");
    }

    #[test]
    fn a_shell_sees_one_word_where_there_is_one() {
        let one = |value: &str| Argument { option: "-append".into(), value: Some(value.to_owned()), why: "" };
        assert_eq!(
            shell("/bin/q", &[one("a b"), one("it's"), one("")]),
            "/bin/q \\\n  -append 'a b' \\\n  -append 'it'\\''s' \\\n  -append ''\n"
        );
    }
}
