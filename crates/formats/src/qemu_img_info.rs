//! Disk images: `qemu-img info`, with or without `--backing-chain`, as text or with `--output=json`.

use crate::{View, lines::lines};
use serde_json::Value;
use vmwright_model::{Issue, Kind, Spanned};

/// One image. Absent is what the text does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its file or URL; empty where the text does not say.
    pub name: Spanned<String>,
    /// `qcow2`, `raw`, `vmdk`.
    pub format: Option<Spanned<String>>,
    /// Size that a guest sees, in bytes.
    pub virtual_size: Option<Spanned<u64>>,
    /// Space that it takes on the host, in bytes; rounded where the text is.
    pub disk_size: Option<Spanned<u64>>,
    /// Size of a cluster, in bytes.
    pub cluster_size: Option<Spanned<u64>>,
    /// What it is based on, as its header says.
    pub backing: Option<Spanned<String>>,
    /// Where that is, from the image's own folder on.
    pub backing_path: Option<Spanned<String>>,
    /// Format of what it is based on.
    pub backing_format: Option<Spanned<String>>,
    /// `key: value` lines about the format: `compat`, `corrupt`, `lazy refcounts`, `data file`.
    pub details: Vec<Spanned<(String, String)>>,
    /// Names of its internal snapshots.
    pub snapshots: Vec<Spanned<String>>,
}

impl Image {
    fn named(name: Spanned<String>) -> Self {
        Self {
            name,
            format: None,
            virtual_size: None,
            disk_size: None,
            cluster_size: None,
            backing: None,
            backing_path: None,
            backing_format: None,
            details: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    /// A detail of the format, by the key that the text has (`lazy refcounts`).
    #[must_use]
    pub fn detail(&self, key: &str) -> Option<Spanned<&str>> {
        let found = self.details.iter().find(|detail| detail.value.0 == key)?;
        Some(Spanned::new(found.value.1.as_str(), found.line))
    }

    /// Whether the image says of itself that it is damaged.
    #[must_use]
    pub fn is_corrupt(&self) -> Option<Spanned<bool>> {
        self.detail("corrupt").map(|found| Spanned::new(found.value == "true", found.line))
    }
}

/// The images of a text: a chain from the top down, or several texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuImgInfo {
    /// In the order of the text.
    pub images: Vec<Image>,
}

impl View for QemuImgInfo {
    const KIND: Kind = Kind::new("qemu_img_info");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["\"virtual-size\"", "image: "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        if text.trim_start().starts_with(['{', '[']) { of_json(text) } else { of_text(text) }
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let start = head.trim_start();
        if start.starts_with(['{', '[']) {
            let all = ["\"virtual-size\"", "\"filename\"", "\"format\""];
            return if all.iter().all(|key| head.contains(key)) { 92 } else { 0 };
        }
        let first =
            head.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['$', '#']));
        let begins = first.is_some_and(|line| line.starts_with("image: "));
        if begins && head.contains("\nfile format: ") { 94 } else { 0 }
    }
}

fn of_text(text: &str) -> (QemuImgInfo, Vec<Issue>) {
    let mut view = QemuImgInfo::default();
    let mut issues = Vec::new();
    // Details of a child node (`Child node '/file':`) are not the image's own.
    let (mut in_child, mut in_snapshots) = (false, false);
    for (number, line) in lines(text) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['$', '#']) {
            continue;
        }
        if let Some(name) = line.strip_prefix("image: ") {
            view.images.push(Image::named(Spanned::new(name.trim().to_owned(), number)));
            (in_child, in_snapshots) = (false, false);
            continue;
        }
        let Some(image) = view.images.last_mut() else {
            issues.push(Issue::new(number, "not a line of qemu-img info"));
            continue;
        };
        let indented = line.starts_with(' ');
        if trimmed.starts_with("Child node ") {
            in_child = true;
        } else if trimmed == "Snapshot list:" {
            (in_snapshots, in_child) = (true, false);
        } else if in_snapshots && !trimmed.contains(": ") {
            // ID TAG VM-SIZE DATE ...
            let mut words = trimmed.split_whitespace();
            if let (Some(id), Some(tag)) = (words.next(), words.next())
                && id.parse::<u64>().is_ok()
            {
                image.snapshots.push(Spanned::new(tag.to_owned(), number));
            }
        } else if let Some((key, value)) = trimmed.split_once(':')
            && !in_child
        {
            in_snapshots = false;
            detail(image, indented, key, value.trim(), number);
        }
    }
    (view, issues)
}

fn detail(image: &mut Image, indented: bool, key: &str, value: &str, number: u32) {
    let text = || Some(Spanned::new(value.to_owned(), number));
    // `1 GiB (1073741824 bytes)`; older ones `1.0G (1073741824 bytes)`.
    let exact = || value.split_once('(')?.1.split_once(" bytes")?.0.parse().ok();
    match key {
        "file format" if !indented => image.format = text(),
        "virtual size" if !indented => image.virtual_size = exact().map(|size| Spanned::new(size, number)),
        "disk size" if !indented => image.disk_size = rounded(value).map(|size| Spanned::new(size, number)),
        "cluster_size" if !indented => {
            image.cluster_size = value.parse().ok().map(|size| Spanned::new(size, number));
        }
        "backing file" if !indented => {
            let (name, path) = match value.split_once(" (actual path: ") {
                Some((name, path)) => (name, path.strip_suffix(')')),
                None => (value, None),
            };
            image.backing = Some(Spanned::new(name.to_owned(), number));
            image.backing_path = path.map(|path| Spanned::new(path.to_owned(), number));
        }
        "backing file format" if !indented => image.backing_format = text(),
        "Format specific information" => {}
        _ => image.details.push(Spanned::new((key.to_owned(), value.to_owned()), number)),
    }
}

/// `196 KiB`, `1.5G`, `512`: with a letter, powers of 1024.
fn rounded(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
    let unit: f64 = match text[digits.len()..].trim().chars().next() {
        None | Some('B' | 'b') => 1.0,
        Some('K') => 1024.0,
        Some('M') => 1_048_576.0,
        Some('G') => 1_073_741_824.0,
        Some('T') => 1_099_511_627_776.0,
        Some(_) => return None,
    };
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    // Rounded already; the cast saturates.
    Some((number * unit) as u64)
}

fn of_json(text: &str) -> (QemuImgInfo, Vec<Issue>) {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let line = u32::try_from(error.line()).unwrap_or(0);
            return (QemuImgInfo::default(), vec![Issue::new(line, "not the JSON of qemu-img info")]);
        }
    };
    // The line of a key of the nth image is not known to the parser; one image's keys are found by their text.
    let one = !value.is_array();
    let place = |key: &str| {
        let wanted = format!("\"{key}\":");
        let at_top = |line: &&str| line.starts_with("    \"") && line.trim_start().starts_with(&wanted);
        let found = text.lines().position(|line| at_top(&line)).filter(|_| one);
        found.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(0)
    };
    let images = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    let images = images.iter().map(|value| {
        let text = |key: &str| value[key].as_str().map(|found| Spanned::new(found.to_owned(), place(key)));
        let number = |key: &str| value[key].as_u64().map(|found| Spanned::new(found, place(key)));
        let details = value["format-specific"]["data"].as_object().into_iter().flatten();
        let details = details.map(|(key, value)| {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Spanned::new((key.replace('-', " "), shown), 0)
        });
        let snapshots = value["snapshots"].as_array().into_iter().flatten();
        let name = text("filename").unwrap_or_else(|| Spanned::new(String::new(), 0));
        Image {
            name,
            format: text("format"),
            virtual_size: number("virtual-size"),
            disk_size: number("actual-size"),
            cluster_size: number("cluster-size"),
            backing: text("backing-filename"),
            backing_path: text("full-backing-filename"),
            backing_format: text("backing-filename-format"),
            details: details.collect(),
            snapshots: snapshots
                .filter_map(|one| Some(Spanned::new(one["name"].as_str()?.to_owned(), 0)))
                .collect(),
        }
    });
    (QemuImgInfo { images: images.collect() }, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_as_text() {
        let (view, issues) = QemuImgInfo::read(include_str!("../tests/samples/qemu_img_info.txt"));
        assert_eq!(issues, []);
        let [top, base] = &view.images[..] else { panic!("two images: {view:?}") };
        assert_eq!(
            (top.name.value.as_str(), top.virtual_size.clone()),
            ("web.qcow2", Some(Spanned::new(1 << 30, 3)))
        );
        assert_eq!(top.backing.as_ref().map(|backing| backing.value.as_str()), Some("base.qcow2"));
        assert_eq!(top.backing_path.as_ref().map(|path| path.value.as_str()), Some("/srv/vm/base.qcow2"));
        assert_eq!(top.is_corrupt().map(|corrupt| corrupt.value), Some(true));
        assert_eq!(top.disk_size.as_ref().map(|size| size.value), Some(196 << 10));
        assert_eq!(top.snapshots, [Spanned::new("before-update".to_owned(), 10)]);
        assert_eq!((base.backing.clone(), base.details.len()), (None, 2));
    }

    #[test]
    fn json_says_the_same() {
        let text = "{\n    \"backing-filename-format\": \"qcow2\",\n    \"virtual-size\": 1073741824,\n    \"filename\": \"web.qcow2\",\n    \"format\": \"qcow2\",\n    \"format-specific\": {\n        \"type\": \"qcow2\",\n        \"data\": {\n            \"lazy-refcounts\": false,\n            \"corrupt\": true\n        }\n    }\n}\n";
        let (view, issues) = QemuImgInfo::read(text);
        assert_eq!(issues, []);
        let image = &view.images[0];
        assert_eq!((image.virtual_size.clone(), image.name.line), (Some(Spanned::new(1 << 30, 3)), 4));
        assert_eq!(image.detail("lazy refcounts").map(|found| found.value), Some("false"));
        assert_eq!(image.is_corrupt().map(|corrupt| corrupt.value), Some(true));
        assert_eq!(QemuImgInfo::recognise("x", text), 92);
        assert_eq!(QemuImgInfo::read("{").1.len(), 1);
    }
}
