//! Assignments in files that a shell reads: `/etc/default/grub`, dracut.conf(5). Only as much of the shell as is needed
//! to know where a value begins and ends, and whether a condition stands around it.

use super::{EditError, line_at};
use std::ops::Range;

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Whether it adds to the variable (`+=`).
    pub(super) adds: bool,
    /// Whether a condition, loop or function stands around it.
    pub(super) conditional: bool,
    /// The pieces of its value, in order.
    pub(super) pieces: Vec<Piece>,
    /// Where the value begins and ends, quotes included.
    pub(super) value: Range<usize>,
}

/// A piece of a value that is quoted in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// How.
    pub(super) quote: Quote,
    /// Bytes between the quotes.
    pub(super) inner: Range<usize>,
}

/// How a piece of a value is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
}

/// Every assignment of `name`, in order.
pub(super) fn assignments(text: &str, name: &str) -> Result<Vec<Assignment>, EditError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, depth: 0 };
    let mut found = Vec::new();
    while reader.at < reader.bytes.len() {
        reader.statement(name, &mut found)?;
    }
    Ok(found)
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// One statement, up to what separates it from the next.
    fn statement(&mut self, name: &str, found: &mut Vec<Assignment>) -> Result<(), EditError> {
        let mut assigned: Vec<Assignment> = Vec::new();
        let mut command = false;
        loop {
            self.blanks();
            let Some(byte) = self.peek() else { break };
            match byte {
                b'\n' | b';' | b'&' | b'|' | b'(' | b')' => {
                    self.at += 1;
                    break;
                }
                b'#' => {
                    self.at = self.bytes[self.at..]
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(self.bytes.len(), |end| self.at + end);
                }
                b'<' if self.bytes[self.at..].starts_with(b"<<") => {
                    // A document that follows may look like anything; what is behind it is not trusted any more.
                    self.depth += 1;
                    self.at += 2;
                }
                b'<' | b'>' => self.at += 1,
                _ => {
                    let start = self.at;
                    let conditional = self.depth > 0;
                    if !command && let Some((own, adds)) = self.name(name) {
                        let value_start = self.at;
                        let pieces = self.word()?;
                        if own {
                            let value = value_start..self.at;
                            assigned.push(Assignment { start, adds, conditional, pieces, value });
                        }
                        continue;
                    }
                    self.word()?;
                    match &self.text[start..self.at] {
                        _ if command => {}
                        "if" | "while" | "until" | "for" | "case" | "{" => self.depth += 1,
                        "fi" | "done" | "esac" | "}" => self.depth = self.depth.saturating_sub(1),
                        "then" | "else" | "elif" | "do" | "!" | "export" => {}
                        _ => command = true,
                    }
                }
            }
        }
        // Before a command an assignment holds for that command alone.
        if !command {
            found.append(&mut assigned);
        }
        Ok(())
    }

    /// Steps over `name=` or `name+=` of any variable; tells whether it is `name`, and whether it adds.
    fn name(&mut self, name: &str) -> Option<(bool, bool)> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if length == 0 || rest[0].is_ascii_digit() {
            return None;
        }
        let (adds, sign) = match rest[length..] {
            [b'=', ..] => (false, 1),
            [b'+', b'=', ..] => (true, 2),
            _ => return None,
        };
        let own = &rest[..length] == name.as_bytes();
        self.at += length + sign;
        Some((own, adds))
    }

    /// One word, quotes and all.
    fn word(&mut self) -> Result<Vec<Piece>, EditError> {
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some(byte) = self.peek() {
            let start = self.at;
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                b'\'' => {
                    let end = self.bytes[start + 1..].iter().position(|byte| *byte == b'\'');
                    let end = start + 1 + end.ok_or_else(|| self.open(start))?;
                    pieces.push(Piece { quote: Quote::Single, inner: start + 1..end });
                    self.at = end + 1;
                }
                b'"' => {
                    self.at += 1;
                    while self.peek() != Some(b'"') {
                        self.step(start)?;
                    }
                    pieces.push(Piece { quote: Quote::Double, inner: start + 1..self.at });
                    self.at += 1;
                }
                _ => {
                    self.step(start)?;
                    match pieces.last_mut() {
                        Some(piece) if piece.quote == Quote::None && piece.inner.end == start => {
                            piece.inner.end = self.at;
                        }
                        _ => pieces.push(Piece { quote: Quote::None, inner: start..self.at }),
                    }
                }
            }
        }
        Ok(pieces)
    }

    /// Steps over one character, an escaped one, or a substitution as a whole.
    fn step(&mut self, quote: usize) -> Result<(), EditError> {
        let open = |reader: &Self| reader.open(quote);
        match self.peek().ok_or_else(|| open(self))? {
            b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
            b'`' => self.until(b'`', quote)?,
            b'$' if self.bytes[self.at..].starts_with(b"$(") => self.until(b')', quote)?,
            b'$' if self.bytes[self.at..].starts_with(b"${") => self.until(b'}', quote)?,
            _ => self.at += 1,
        }
        // An escape before a character of several bytes must not end inside it.
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Ok(())
    }

    fn until(&mut self, end: u8, quote: usize) -> Result<(), EditError> {
        let from = self.at + 1;
        let length = self.bytes[from..].iter().position(|byte| *byte == end);
        self.at = from + length.ok_or_else(|| self.open(quote))? + 1;
        Ok(())
    }

    /// Blanks, and line ends that are escaped.
    fn blanks(&mut self) {
        loop {
            match self.bytes[self.at..] {
                [b' ' | b'\t' | b'\r', ..] => self.at += 1,
                [b'\\', b'\n', ..] => self.at += 2,
                _ => break,
            }
        }
    }

    fn open(&self, at: usize) -> EditError {
        EditError::OpenQuote { line: line_at(self.text, at) }
    }
}

/// The last assignment of a variable, which is the one that counts. One that a condition decides about is an error.
pub(super) fn last(text: &str, name: &str) -> Result<Option<Assignment>, EditError> {
    let mut all = assignments(text, name)?;
    if let Some(conditional) = all.iter().find(|assignment| assignment.conditional) {
        return Err(EditError::Conditional { line: line_at(text, conditional.start) });
    }
    Ok(all.pop())
}

/// Bytes put into an assignment so that its value has one more word, `end` behind it where the value is quoted.
pub(super) fn with_word(
    text: &str,
    of: &Assignment,
    word: &str,
    end: &str,
) -> Result<Vec<(usize, String)>, EditError> {
    let inner = |range: &Range<usize>| &text[range.clone()];
    match of.pieces.last() {
        None => Ok(vec![(of.value.end, format!("\"{end}{word}{end}\""))]),
        Some(piece) if piece.quote != Quote::None => {
            let before = inner(&piece.inner);
            let gap = if before.is_empty() && of.pieces.len() == 1 || before.ends_with([' ', '\t', '\n']) {
                ""
            } else {
                " "
            };
            let first = if before.is_empty() { end } else { "" };
            Ok(vec![(piece.inner.end, format!("{first}{gap}{word}{end}"))])
        }
        Some(piece) if of.pieces.len() == 1 && !inner(&piece.inner).contains(['\\', '$', '`']) => {
            Ok(vec![(piece.inner.start, format!("\"{end}")), (piece.inner.end, format!(" {word}{end}\""))])
        }
        Some(piece) => Err(EditError::Written {
            line: line_at(text, piece.inner.start),
            how: "escapes or substitutions outside of quotes",
        }),
    }
}
