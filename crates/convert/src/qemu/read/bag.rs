//! The parts of one option's value, each taken once.

use super::escape;
use std::fmt::Write as _;
use vmwright_formats::qemu_args::{Opts, QemuOption};

/// The parts that are left of a value.
#[derive(Debug, Clone)]
pub(super) struct Bag {
    /// The whole value as it was written.
    pub(super) raw: String,
    parts: Vec<(String, Option<String>)>,
}

impl Bag {
    pub(super) fn empty(_option: &str) -> Self {
        Self { raw: String::new(), parts: Vec::new() }
    }

    pub(super) fn of(option: &QemuOption) -> Self {
        Self::new(option.value.as_deref().unwrap_or_default(), option.opts())
    }

    pub(super) fn new(raw: &str, opts: Opts) -> Self {
        Self { raw: raw.to_owned(), parts: opts.parts }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.parts.extend(other.parts);
    }

    /// The last value of a key; `-` and `_` are one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.parts.iter().rev().find(|part| same(&part.0, key))?;
        Some(value.as_deref().unwrap_or("on"))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let value = self.get(key)?.to_owned();
        self.parts.retain(|part| !same(&part.0, key));
        Some(value)
    }

    /// A switch; one that is neither on nor off stays.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = match self.get(key)? {
            "on" | "yes" | "true" | "y" => true,
            "off" | "no" | "false" | "n" => false,
            _ => return None,
        };
        self.take(key);
        Some(value)
    }

    /// A number, decimal or hexadecimal; what is none stays.
    pub(super) fn number(&mut self, key: &str) -> Option<u64> {
        let text = self.get(key)?;
        let number = match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None => text.parse().ok()?,
        };
        self.take(key);
        Some(number)
    }

    pub(super) fn small(&mut self, key: &str) -> Option<u32> {
        let before = self.parts.clone();
        let number = self.number(key)?;
        let small = u32::try_from(number).ok();
        if small.is_none() {
            self.parts = before;
        }
        small
    }

    /// A value that a word of the specification stands for; others stay.
    pub(super) fn word<T>(&mut self, key: &str, known: impl Fn(&str) -> Option<T>) -> Option<T> {
        let found = known(self.get(key)?)?;
        self.take(key);
        Some(found)
    }

    /// All values of a key, or of an array of this name: `cpus=0,cpus=2`, `host-nodes.0`, `hostfwd.0.str`.
    pub(super) fn all(&mut self, key: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.parts.retain(|(name, value)| {
            let listed = name.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| {
                let digits = rest.strip_suffix(".str").unwrap_or(rest);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            });
            let taken = same(name, key) || listed;
            if taken {
                found.push(value.clone().unwrap_or_else(|| "on".to_owned()));
            }
            !taken
        });
        found
    }

    /// Takes away a property that says what is so without it.
    pub(super) fn drop_default(&mut self, key: &str, values: &[&str]) {
        if self.get(key).is_some_and(|value| values.contains(&value)) {
            self.take(key);
        }
    }

    pub(super) fn put(&mut self, key: &str, value: impl Into<String>) {
        self.parts.push((key.to_owned(), Some(value.into())));
    }

    /// The parts below a key, as a bag of their own: `file.filename`.
    pub(super) fn nested(&mut self, key: &str) -> Option<Self> {
        let mut parts = Vec::new();
        self.parts.retain(|(name, value)| {
            match name.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')) {
                Some(rest) => {
                    parts.push((rest.to_owned(), value.clone()));
                    false
                }
                None => true,
            }
        });
        (!parts.is_empty()).then(|| Self { raw: String::new(), parts })
    }

    /// Whether a key stands there without a value: JSON's `null`, or a switch.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.parts.iter().rev().find(|part| same(&part.0, key)).is_some_and(|part| part.1.is_none())
    }

    /// Takes over what another bag says of a key.
    pub(super) fn put_back(&mut self, key: &str, other: &Self) {
        if let Some(value) = other.get(key) {
            self.put(key, value);
        }
    }

    /// Takes all parts.
    pub(super) fn drain(&mut self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.parts)
    }

    /// Puts a part back.
    pub(super) fn part(&mut self, key: String, value: Option<String>) {
        self.parts.push((key, value));
    }

    /// What is left, as one text of properties.
    pub(super) fn rest(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.parts {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{}={}", escape(key), escape(value.as_deref().unwrap_or("on")));
        }
        text
    }
}

fn same(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| plain(one) == plain(other))
}
