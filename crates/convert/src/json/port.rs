//! One description of a part of a JSON document that serves both ways: reading fills a value from an object, writing
//! fills an object from a value. What reading does not ask for is found afterwards, by comparing the document with
//! what is written from the value.

use super::foreign::step;
use crate::{Effect, Remark};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use vmwright_formats::machine_spec::{check, parse_size};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// What goes without saying is left out.
    Terse,
    /// What the VMM would take where nothing is said is written too.
    Full,
}

/// An object that is read or written.
pub(crate) struct Port<'a> {
    /// None: it is written.
    from: Option<&'a Value>,
    to: Map<String, Value>,
    style: Style,
    /// Where it stands, as foreign parts name it.
    at: String,
    /// Elements of lists that are read as nothing, by their place in memory.
    skipped: BTreeSet<usize>,
    /// What is read otherwise than it was said.
    remarks: Vec<Remark>,
    /// Elements that cannot be written: the specification's list as a JSON pointer, and the place in it.
    left_out: Vec<(&'static str, usize)>,
}

/// How a place in memory names a value of the document that is read.
pub(crate) fn place(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

impl<'a> Port<'a> {
    pub(crate) fn reader(from: &'a Value) -> Self {
        Self { from: Some(from), ..Self::writer(Style::Terse) }
    }

    pub(crate) fn writer(style: Style) -> Self {
        let (at, skipped, remarks, left_out) = Default::default();
        Self { from: None, to: Map::new(), style, at, skipped, remarks, left_out }
    }

    pub(crate) fn reading(&self) -> bool {
        self.from.is_some()
    }

    /// What was read as nothing, and what was read otherwise than it was said.
    pub(crate) fn into_read(self) -> (BTreeSet<usize>, Vec<Remark>) {
        (self.skipped, self.remarks)
    }

    /// What was written, and what could not be.
    pub(crate) fn into_written(self) -> (Value, Vec<(&'static str, usize)>) {
        (Value::Object(self.to), self.left_out)
    }

    /// A member that is read, as it stands; null is as good as none.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a Value> {
        self.from?.get(key).filter(|value| !value.is_null())
    }

    /// Writes a member.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        if !self.reading() {
            self.to.insert(key.to_owned(), value.into());
        }
    }

    /// What the VMM takes where the member is absent: to say it says nothing.
    pub(crate) fn implied(&mut self, key: &str, value: impl Into<Value>) {
        if !self.reading() && self.style == Style::Full && !self.to.contains_key(key) {
            self.put(key, value);
        }
    }

    /// Leaves an element of a list that is read to the foreign parts, by its place in memory.
    pub(crate) fn skip(&mut self, place: usize) {
        self.skipped.insert(place);
    }

    /// Tells that an element of a list of the specification cannot be written.
    pub(crate) fn leave_out(&mut self, own: &'static str, at: usize) {
        self.left_out.push((own, at));
    }

    /// Tells that a member is read otherwise than it was said.
    pub(crate) fn tell(&mut self, key: &str, why: impl Into<String>) {
        let item = if self.at.is_empty() { step(key) } else { format!("{}/{}", self.at, step(key)) };
        self.remarks.push(Remark { effect: Effect::Approximated, item, why: why.into() });
    }

    /// A member by two functions.
    pub(crate) fn by<T>(
        &mut self,
        key: &str,
        field: &mut Option<T>,
        read: impl Fn(&Value) -> Option<T>,
        write: impl Fn(&T) -> Option<Value>,
    ) {
        if let Some(value) = self.raw(key) {
            match read(value) {
                Some(value) => *field = Some(value),
                None => self.tell(key, format!("{} is none that a machine takes", super::short(value))),
            }
        } else if !self.reading()
            && let Some(value) = field.as_ref().and_then(write)
        {
            self.put(key, value);
        }
    }

    /// A text of this format of the specification.
    pub(crate) fn text(&mut self, key: &str, format: &str, field: &mut Option<String>) {
        let read =
            |value: &Value| value.as_str().filter(|text| check(format, text).is_ok()).map(str::to_owned);
        self.by(key, field, read, |text| Some(text.as_str().into()));
    }

    /// A whole number in a range.
    pub(crate) fn number<T: Copy + TryFrom<u64> + Into<u64> + PartialOrd>(
        &mut self,
        key: &str,
        range: RangeInclusive<T>,
        field: &mut Option<T>,
    ) {
        let read = |value: &Value| T::try_from(value.as_u64()?).ok().filter(|number| range.contains(number));
        self.by(key, field, read, |number| Some((*number).into().into()));
    }

    /// A truth value that may be absent.
    pub(crate) fn truth(&mut self, key: &str, field: &mut Option<bool>) {
        self.by(key, field, Value::as_bool, |truth| Some((*truth).into()));
    }

    /// A truth value that is false where it is absent.
    pub(crate) fn flag(&mut self, key: &str, field: &mut bool) {
        self.switch(key, field, false);
    }

    /// A truth value that is this where it is absent.
    pub(crate) fn switch(&mut self, key: &str, field: &mut bool, usual: bool) {
        let mut some = (!self.reading() && *field != usual).then_some(*field);
        self.truth(key, &mut some);
        self.implied(key, usual);
        if self.reading() {
            *field = some.unwrap_or(usual);
        }
    }

    /// One of some words.
    pub(crate) fn word<T: Copy + PartialEq>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
        field: &mut Option<T>,
    ) {
        let read = |value: &Value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        };
        self.by(key, field, read, |value| {
            words.iter().find(|(_, one)| one == value).map(|(word, _)| (*word).into())
        });
    }

    /// A size, counted in `unit` bytes. What is no whole number of them is written as the next larger one.
    pub(crate) fn size(&mut self, key: &str, unit: u64, field: &mut Option<String>) {
        let read = |value: &Value| value.as_u64().and_then(|number| size_text(number.checked_mul(unit)?));
        self.by(key, field, read, |text| Some(parse_size(text).ok()?.div_ceil(unit).into()));
    }

    /// A child. Reading, nothing happens where it is absent; writing, it is left out where it is empty.
    pub(crate) fn child(&mut self, key: &str, inner: impl FnOnce(&mut Port<'a>)) {
        self.child_if(key, false, inner);
    }

    /// A child that is written even where it is empty.
    pub(crate) fn child_if(&mut self, key: &str, even_empty: bool, inner: impl FnOnce(&mut Port<'a>)) {
        if self.reading() {
            let Some(child) = self.raw(key) else { return };
            if child.is_object() {
                let at = self.below(&step(key));
                self.within(child, at, inner);
            } else {
                self.tell(key, format!("{} is no object", super::short(child)));
            }
            return;
        }
        let mut port = Self::writer(self.style);
        // Two parts of the description may speak of the same child.
        if let Some(Value::Object(before)) = self.to.remove(key) {
            port.to = before;
        }
        inner(&mut port);
        self.left_out.append(&mut port.left_out);
        if even_empty || !port.to.is_empty() {
            self.to.insert(key.to_owned(), Value::Object(port.to));
        }
    }

    fn below(&self, step: &str) -> String {
        if self.at.is_empty() { step.to_owned() } else { format!("{}/{step}", self.at) }
    }

    fn within<R>(&mut self, child: &'a Value, at: String, inner: impl FnOnce(&mut Port<'a>) -> R) -> R {
        let mut port = Port { at, ..Port::reader(child) };
        let result = inner(&mut port);
        self.skipped.append(&mut port.skipped);
        self.remarks.append(&mut port.remarks);
        result
    }

    /// A child that is there for a value that may be absent. Reading, one for which the function says no is left to the
    /// foreign parts.
    pub(crate) fn option<T>(
        &mut self,
        key: &str,
        field: &mut Option<T>,
        new: impl FnOnce() -> T,
        inner: impl FnOnce(&mut Port<'a>, &mut T) -> bool,
    ) {
        if self.reading() {
            let mut value = new();
            let mut fits = false;
            self.child(key, |port| fits = inner(port, &mut value));
            if fits {
                *field = Some(value);
            }
        } else if let Some(value) = field {
            let mut fits = false;
            let had = self.to.contains_key(key);
            self.child_if(key, true, |port| fits = inner(port, value));
            if !fits && !had {
                self.to.remove(key);
            }
        }
    }

    /// Elements of a list of objects; `own` is the specification's list as a JSON pointer. Reading, one for which the
    /// function says no is left to the foreign parts; writing, it is left out.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        own: &'static str,
        items: &mut Vec<T>,
        new: impl Fn() -> T,
        mut one: impl FnMut(&mut Port<'a>, &mut T) -> bool,
    ) {
        if self.reading() {
            let Some(value) = self.raw(key) else { return };
            let Some(elements) = value.as_array() else {
                return self.tell(key, format!("{} is no list", super::short(value)));
            };
            for (at, element) in elements.iter().enumerate() {
                let mut item = new();
                let path = self.below(&format!("{}[{at}]", step(key)));
                let fits = element.is_object() && self.within(element, path, |port| one(port, &mut item));
                if fits {
                    items.push(item);
                } else {
                    self.skipped.insert(place(element));
                }
            }
            return;
        }
        let mut elements = match self.to.remove(key) {
            Some(Value::Array(before)) => before,
            _ => Vec::new(),
        };
        for (at, item) in items.iter_mut().enumerate() {
            let mut port = Self::writer(self.style);
            if one(&mut port, item) {
                elements.push(Value::Object(port.to));
            } else {
                self.left_out.push((own, at));
            }
        }
        if !elements.is_empty() {
            self.put(key, elements);
        }
    }
}

/// A size as the specification writes it: in the largest unit that is whole. None where it is no whole number of KiB.
pub(crate) fn size_text(bytes: u64) -> Option<String> {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let (unit, shift) = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift)?;
    let text = format!("{}{unit}", bytes >> shift);
    parse_size(&text).is_ok().then_some(text)
}
