//! Texts that cost a careless parser quadratic time: what looks like the beginning of something again and again,
//! what nests without end, one line without end, lines without content.

use crate::samples;

/// A text of a given size.
pub struct Shape {
    /// What it is.
    pub name: String,
    /// Stands once, before everything.
    head: String,
    /// Stands again and again.
    piece: String,
}

impl Shape {
    pub(crate) fn new(name: impl Into<String>, head: &str, piece: &str) -> Self {
        Self { name: name.into(), head: head.to_owned(), piece: piece.to_owned() }
    }

    /// Something that is almost there, over and over in one line.
    pub(crate) fn near(name: &str, piece: &str) -> Self {
        Self::new(format!("one line of `{}`", name.escape_debug()), "", piece)
    }

    /// The text, of about `size` bytes: a whole number of pieces.
    #[must_use]
    pub fn text(&self, size: usize) -> String {
        let times = size.saturating_sub(self.head.len()) / self.piece.len().max(1);
        let mut text = String::with_capacity(size);
        text.push_str(&self.head);
        text.push_str(&self.piece.repeat(times));
        text
    }
}

/// Shapes that are hostile to every parser.
#[must_use]
pub fn general() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for piece in [
        "a",
        " ",
        "\n",
        "\r",
        "\t",
        "é",
        "<",
        "<a>",
        "<a ",
        "<a b='",
        "</",
        "<!--",
        "<![CDATA[",
        "<?",
        "&",
        "&lt;",
        "{",
        "[",
        "(",
        "{\"a\":",
        "[[",
        "}",
        "]",
        "\"",
        "'",
        "\"\"",
        "\\",
        "\\\"",
        ",",
        ",,",
        "a=",
        "a,b=",
        "=",
        ":",
        "a: ",
        ": ",
        "- ",
        "-",
        "--",
        "-device ",
        "-object secret,",
        "#",
        ";",
        "/",
        "//",
        "../",
        ".",
        "0",
        "0:",
        "00:00.0 ",
        "0000:",
        "1-",
        "1,",
        "0x",
        "[ 0.1] ",
        "[",
        "%",
        "$",
        "*",
        "|",
        "password=",
        "://a:",
        "aa:",
        "::",
        "1.1.1.1",
    ] {
        let shown = piece.escape_debug().to_string();
        shapes.push(Shape::new(format!("one line of `{shown}`"), "", piece));
        if !piece.contains(['\n', '\r']) {
            shapes.push(Shape::new(format!("lines of `{shown}`"), "", &format!("{piece}\n")));
            shapes.push(Shape::new(format!("lines of `{shown}`, indented"), "", &format!("    {piece} \n")));
        }
    }
    shapes
}

/// Shapes that are hostile to the view of this kind: its own sample, and each line of it, over and over.
#[must_use]
pub fn of_kind(kind: &str) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (_, text) in samples().into_iter().filter(|(own, _)| own == kind) {
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.replace(['\n', '\r'], " ");
        shapes.push(Shape::new("the sample", "", &text));
        shapes.push(Shape::new("the sample in one line", "", &line));
        shapes.push(Shape::new(
            "the sample's first half, then its second",
            &text[..middle(&text)],
            &text[middle(&text)..],
        ));
        let mut seen = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            // One of each form: what differs in numbers and letters alone tells nothing new.
            let form: String = line.chars().filter(|letter| !letter.is_alphanumeric()).collect();
            if seen.contains(&form) || seen.len() >= 24 {
                continue;
            }
            seen.push(form);
            let shown: String = line.chars().take(60).collect();
            shapes.push(Shape::new(format!("lines of `{shown}`"), &text, &format!("{line}\n")));
            shapes.push(Shape::new(format!("one line of `{shown}`"), &text, line));
        }
    }
    shapes
}

fn middle(text: &str) -> usize {
    (text.len() / 2..).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
