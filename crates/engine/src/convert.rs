//! A machine from one format to another. Nothing on the host is asked or changed.

use crate::{Converted, Difference, Error, Outcome, Progress};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use vmwright_convert::{ConvertError, Effect, Format};
use vmwright_formats::machine_spec::{SCHEMA, example};

/// Most bytes of a machine's description. The largest domain of libvirt's own tests has 30 KiB.
const LIMIT: u64 = 8 << 20;

/// Translates a file; `-` is standard input.
pub(crate) fn convert(
    file: &Path,
    from: Option<&str>,
    to: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let text = text_of(file).map_err(|source| Error::File { path: file.to_owned(), source })?;
    let wrong = |source: ConvertError| Error::Convert { path: file.to_owned(), source: Box::new(source) };
    let to = named(to)?;
    let from = match from {
        Some(name) => named(name)?,
        None => Format::recognise(&file.to_string_lossy(), &text)
            .ok_or_else(|| wrong(ConvertError::Unrecognised))?,
    };
    let written = vmwright_convert::convert(from, to, &text).map_err(wrong)?;
    let mut differences = Vec::new();
    for remark in written.remarks {
        let effect = match remark.effect {
            Effect::Lost => "lost",
            Effect::Approximated => "approximated",
            Effect::Defaulted => "defaulted",
        };
        let item = if remark.item.is_empty() { "the machine" } else { &remark.item };
        progress(Progress::Note(format!("{effect}: {item}: {}", remark.why)));
        differences.push(Difference { effect: effect.to_owned(), item: remark.item, why: remark.why });
    }
    let (from, to) = (from.name().to_owned(), to.name().to_owned());
    Ok(Outcome::Converted(Box::new(Converted { from, to, text: written.text, differences })))
}

fn text_of(file: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(LIMIT + 1).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > LIMIT {
        return Err(std::io::Error::other(format!("has more than {LIMIT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("is not UTF-8 text"))
}

fn named(name: &str) -> Result<Format, Error> {
    Format::named(name).ok_or_else(|| Error::UnknownFormat {
        name: name.to_owned(),
        known: Format::ALL.map(Format::name).join(", "),
    })
}

/// What a specification may say: its JSON Schema, or an example with every key.
pub(crate) fn schema(as_example: bool) -> Outcome {
    let text = if as_example { example() } else { format!("{:#}\n", *SCHEMA) };
    Outcome::Schema { text }
}
