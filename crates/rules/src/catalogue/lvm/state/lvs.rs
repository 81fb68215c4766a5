//! Logical volumes as `lvs` lists them, whatever columns were asked for.

use crate::prelude::*;
use std::sync::Arc;

/// One row of `lvs`.
pub(crate) struct Volume {
    /// Its name, without the brackets of a hidden one.
    pub name: String,
    /// Its volume group.
    pub group: String,
    /// The ten characters of its attributes, as `lvs(8)` explains them.
    pub attributes: [u8; 10],
    /// The figures behind them: shares of data and metadata used, in percent.
    pub percents: Vec<f64>,
    /// The row.
    pub quote: Option<Evidence>,
}

impl Volume {
    /// Whether it is a thin pool.
    pub(crate) fn is_pool(&self) -> bool {
        self.attributes[0].eq_ignore_ascii_case(&b't') && self.attributes[6] == b't'
    }

    /// Whether it is a thin volume.
    pub(crate) fn is_thin(&self) -> bool {
        self.attributes[0] == b'V'
    }

    /// Whether it should be active and is not; snapshots are usually skipped.
    pub(crate) fn is_inactive(&self) -> bool {
        self.attributes[4] == b'-' && self.attributes[9] != b'k'
    }
}

/// Permissions and allocation with the dash behind them, of which one stands in the attributes of every volume.
const WRITABLE: [&str; 15] =
    ["wi-", "ri-", "Ri-", "wa-", "ra-", "Ra-", "wc-", "rc-", "Rc-", "wl-", "rl-", "Rl-", "wn-", "rn-", "Rn-"];

/// The rows of every listing; 4096 at most.
pub(crate) fn volumes(cx: &Reading<'_>) -> Arc<Vec<Volume>> {
    cx.once(read)
}

fn read(cx: &Reading<'_>) -> Vec<Volume> {
    let mut found = Vec::new();
    for (text, number, line) in cx.lines_with(WRITABLE) {
        let words: Vec<&str> = line.split_whitespace().take(24).collect();
        let Some((at, attributes)) =
            words.iter().enumerate().skip(1).take(2).find_map(|(at, word)| Some((at, attributes(word)?)))
        else {
            continue;
        };
        if found.len() == 4096 {
            return found;
        }
        found.push(Volume {
            name: words[0].trim_matches(['[', ']']).to_owned(),
            // `lvs -o lv_name,lv_attr` has no group.
            group: if at == 2 { words[1].to_owned() } else { String::new() },
            attributes,
            percents: words[at + 1..].iter().filter_map(|word| percent(word)).collect(),
            quote: text.quote(number),
        });
    }
    found
}

/// A volume that LVM's own copy of a group's metadata knows.
pub(crate) struct Kept {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The line with its name.
    pub quote: Option<Evidence>,
}

/// Where LVM keeps a copy of each group's metadata (lvm.conf(5), `backup_dir`).
const BACKUPS: &str = "etc/lvm/backup/";

/// The volumes of these copies; 4096 at most. Hidden parts of others are among them.
pub(crate) fn kept(cx: &Context<'_>) -> Vec<Kept> {
    let mut found = Vec::new();
    for text in cx.texts_named(|source| source.contains(BACKUPS)) {
        // Sections are nested: a group, its `logical_volumes`, a volume.
        let mut open: Vec<&str> = Vec::new();
        for (number, line) in text.lines() {
            let line = line.trim();
            if line == "}" {
                open.pop();
            } else if let Some(name) = line.strip_suffix('{').map(str::trim) {
                if let [group, "logical_volumes"] = open[..] {
                    if found.len() == 4096 {
                        return found;
                    }
                    let quote = text.quote(number);
                    found.push(Kept { name: name.to_owned(), group: group.to_owned(), quote });
                }
                open.push(name);
            }
        }
    }
    found
}

/// The paths at which a volume's node lies: `/dev/GROUP/NAME`, and with dashes doubled `/dev/mapper/GROUP-NAME`.
pub(crate) fn paths(group: &str, name: &str) -> [String; 2] {
    let mapped = format!("/dev/mapper/{}-{}", group.replace('-', "--"), name.replace('-', "--"));
    [format!("/dev/{group}/{name}"), mapped]
}

/// Type, permissions, allocation, minor, state, open, target, zero, health, skip: each a letter or a dash.
fn attributes(word: &str) -> Option<[u8; 10]> {
    let bytes: [u8; 10] = word.as_bytes().try_into().ok()?;
    let letters = bytes.iter().all(|byte| *byte == b'-' || byte.is_ascii_alphabetic() || *byte == b'?');
    let permissions = matches!(bytes[1], b'w' | b'r' | b'R' | b'-');
    let allocation = matches!(bytes[2].to_ascii_lowercase(), b'a' | b'c' | b'i' | b'l' | b'n' | b'-');
    (letters && permissions && allocation && bytes.contains(&b'-')).then_some(bytes)
}

/// `99.87`, `99,87`, `**100.00**`: figures with a fraction, which sizes with their unit are not.
fn percent(word: &str) -> Option<f64> {
    let figure = word.trim_matches(['*', '%']).replace(',', ".");
    figure.contains('.').then(|| figure.parse().ok())?.filter(|share| (0.0..=100.0).contains(share))
}
