//! Disk images of the host's VMs, as vmwright's probe writes them: `<path> <fact> <value>`, one fact a line; blanks of
//! a path are `\x20`.

use crate::facts::Facts;
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One image, or a file that an image is based on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its path.
    pub path: String,
    /// Facts and their values, in the order of the text.
    pub facts: Facts,
}

impl std::ops::Deref for ImageFacts {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl ImageFacts {
    /// Why nothing is known of it: `does not exist`, `permission denied`.
    #[must_use]
    pub fn missing(&self) -> Option<Spanned<&str>> {
        self.get("missing")
    }

    /// `qcow2`, `raw`, `vmdk`; told by its first bytes.
    #[must_use]
    pub fn format(&self) -> Option<Spanned<&str>> {
        self.get("format")
    }

    /// The path of what it is based on, as it is looked for on this host.
    #[must_use]
    pub fn backing(&self) -> Option<Spanned<&str>> {
        self.get("backing")
    }

    /// Whether it says of itself that it is damaged, and where.
    #[must_use]
    pub fn corrupt(&self) -> Option<u32> {
        self.all("feature").find(|feature| feature.value == "corrupt").map(|feature| feature.line)
    }
}

/// The images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// In the order of the text.
    pub images: Vec<ImageFacts>,
}

impl Images {
    /// The image at a path.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&ImageFacts> {
        self.images.iter().find(|image| image.path == path)
    }
}

impl View for Images {
    const KIND: Kind = Kind::new("images");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &[" file ", " named-by ", " format ", " virtual-size ", " missing "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.trim() == "none" {
                continue;
            }
            let Some((path, fact, value)) = fact(line) else {
                issues.push(Issue::new(number, "not a line of the probe of images"));
                continue;
            };
            let path = path.replace("\\x20", " ");
            if view.images.last().is_none_or(|last| last.path != path) {
                view.images.push(ImageFacts { path, facts: Facts::default() });
            }
            if let Some(image) = view.images.last_mut() {
                image.facts.push(fact, value, number);
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        const USUAL: [&str; 5] = ["file", "named-by", "format", "virtual-size", "missing"];
        let (hits, all) =
            crate::lines::share(head, |line| fact(line).is_some_and(|(_, fact, _)| USUAL.contains(&fact)));
        match hits > 1 && hits * 3 >= all {
            true => 95,
            false if name == "images" => 25,
            false => 0,
        }
    }
}

fn fact(line: &str) -> Option<(&str, &str, &str)> {
    let (path, rest) = line.trim_end().split_once(' ')?;
    let (fact, value) = rest.split_once(' ')?;
    let is_name = fact.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (path.starts_with('/') && is_name).then_some((path, fact, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_what_they_are_based_on() {
        let (view, issues) = Images::read(include_str!("../tests/samples/images.txt"));
        assert_eq!(issues, []);
        let web = view.of("/srv/my vms/web.qcow2").expect("it is there");
        assert_eq!(web.format().map(|format| format.value), Some("qcow2"));
        assert_eq!(
            (web.corrupt(), web.backing().map(|backing| backing.value)),
            (Some(8), Some("/srv/base.qcow2"))
        );
        assert_eq!(
            view.of("/srv/base.qcow2").and_then(ImageFacts::missing).map(|why| why.value),
            Some("does not exist")
        );
        assert_eq!(Images::read("odd\n").1.len(), 1);
        assert_eq!(Images::recognise("x", "/srv is full\n/var is not\n"), 0);
    }
}
