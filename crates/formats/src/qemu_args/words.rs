//! Words of a shell command as people paste it: quotes, backslashes, comments, several lines. Not a shell:
//! variables and substitutions stay as they are written.

use crate::lines::endings;

/// One piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word without its quotes.
    Word(Word),
    /// The end of a line that no backslash joins to the next.
    Newline,
    /// `;`, `|`, `&`, a redirection: the words behind belong to another command.
    Break,
    /// `(` at the end of a word such as `args=(`, or alone.
    Open,
    /// `)` alone.
    Close,
}

/// A word and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) line: u32,
    /// Whether it, or a part of it, stood in quotes.
    pub(crate) quoted: bool,
}

/// Cuts a text into words; its first line has the number `first`.
pub(crate) fn tokens(text: &str, first: u32) -> Vec<Token> {
    Tokenizer { text, at: 0, line: first, tokens: Vec::new(), unclosed: [false; 2] }.run()
}

struct Tokenizer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    tokens: Vec<Token>,
    /// Whether a search for the closing `'` or `"` has come to the end of the text: it need not be repeated.
    unclosed: [bool; 2],
}

impl Tokenizer<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Length of a line ending here, 0 where there is none.
    fn ending(&self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at.min(self.text.len())..];
        match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => 0,
        }
    }

    fn run(mut self) -> Vec<Token> {
        while let Some(letter) = self.peek() {
            let ending = self.ending(self.at);
            match letter {
                _ if ending > 0 => {
                    self.tokens.push(Token::Newline);
                    self.at += ending;
                    self.line += 1;
                }
                '\\' if self.ending(self.at + 1) > 0 => self.join(),
                // A backslash and blanks before the end of the line are a joined line with a slip of the finger.
                '\\' if self.blank_to_end(self.at + 1) => self.at += 1,
                '#' => self.skip_line(),
                ';' | '|' | '&' | '>' => {
                    self.tokens.push(Token::Break);
                    self.at += 1;
                }
                '(' => {
                    self.tokens.push(Token::Open);
                    self.at += 1;
                }
                ')' => {
                    self.tokens.push(Token::Close);
                    self.at += 1;
                }
                _ if letter.is_whitespace() || letter == '\0' => self.at += letter.len_utf8(),
                '{' => self.json_or_word(),
                _ => self.word(),
            }
        }
        self.tokens
    }

    fn join(&mut self) {
        self.at += 1 + self.ending(self.at + 1);
        self.line += 1;
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
    }

    fn blank_to_end(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        let blanks = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        blanks > 0 && (at + blanks == self.text.len() || self.ending(at + blanks) > 0)
    }

    /// The listing of a process has JSON values without quotes around them: taken up to the brace that closes.
    fn json_or_word(&mut self) {
        let rest = &self.text[self.at..];
        let (mut depth, mut string, mut escaped) = (0_u32, false, false);
        for (offset, byte) in rest.bytes().enumerate() {
            match byte {
                b'\n' | b'\r' => break,
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => string = !string,
                b'{' if !string => depth += 1,
                b'}' if !string => {
                    depth -= 1;
                    if depth == 0 {
                        let text = rest[..=offset].to_owned();
                        self.tokens.push(Token::Word(Word { text, line: self.line, quoted: true }));
                        self.at += offset + 1;
                        return;
                    }
                }
                _ => {}
            }
        }
        // Nothing closes on this line. What follows is cut at blanks, up to the end of the line, so that no
        // brace of it is searched again.
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        for word in rest[..end].split_whitespace() {
            let text = word.to_owned();
            self.tokens.push(Token::Word(Word { text, line: self.line, quoted: false }));
        }
        self.at += end;
    }

    fn word(&mut self) {
        let mut word = Word { text: String::new(), line: self.line, quoted: false };
        while let Some(letter) = self.peek() {
            if self.ending(self.at) > 0 || letter.is_whitespace() || letter == '\0' {
                break;
            }
            match letter {
                '\\' if self.ending(self.at + 1) > 0 => {
                    self.join();
                    continue;
                }
                '\\' if self.blank_to_end(self.at + 1) => {
                    self.at += 1;
                    break;
                }
                '\\' => {
                    self.at += 1;
                    let escaped = self.peek();
                    word.text.push(escaped.unwrap_or('\\'));
                    self.at += escaped.map_or(0, char::len_utf8);
                    continue;
                }
                '\'' | '"' if self.quotes(letter, &mut word) => continue,
                // `args=(`: the array's words follow.
                '(' if word.text.ends_with('=') => break,
                // At the end of a word these end the command; in the middle they are part of a value.
                ';' | ')' if self.at_word_end() => break,
                _ => {}
            }
            word.text.push(letter);
            self.at += letter.len_utf8();
        }
        self.tokens.push(Token::Word(word));
    }

    fn at_word_end(&self) -> bool {
        let rest = &self.text[self.at + 1..];
        rest.chars().next().is_none_or(|letter| letter.is_whitespace() || letter == ';')
    }

    /// Takes a quoted part, if it closes. `line` of the tokenizer moves on with the lines in it.
    fn quotes(&mut self, quote: char, word: &mut Word) -> bool {
        let which = usize::from(quote == '"');
        if self.unclosed[which] {
            return false;
        }
        let inside = &self.text[self.at + 1..];
        let mut escaped = false;
        let end = inside.bytes().position(|byte| match byte {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' if quote == '"' => {
                escaped = true;
                false
            }
            _ => byte == quote as u8,
        });
        let Some(end) = end else {
            self.unclosed[which] = true;
            return false;
        };
        word.quoted = true;
        let inside = &inside[..end];
        let mut letters = inside.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                // In double quotes a backslash escapes only these (POSIX 2.2.3).
                '\\' if quote == '"' => match letters.peek() {
                    Some('$' | '`' | '"' | '\\') => word.text.extend(letters.next()),
                    Some('\n') => {
                        letters.next();
                    }
                    _ => word.text.push('\\'),
                },
                _ => word.text.push(letter),
            }
        }
        self.line += u32::try_from(endings(inside).count()).unwrap_or(u32::MAX);
        self.at += end + 2;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, u32)> {
        let word = |token| match token {
            Token::Word(word) => (word.text, word.line),
            other => (format!("{other:?}"), 0),
        };
        tokens(text, 1).into_iter().map(word).collect()
    }

    fn plain(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.0).collect()
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(plain(r#"a 'b c' "d \"e\"" f\ g h"i"'j'"#), ["a", "b c", "d \"e\"", "f g", "hij"]);
        assert_eq!(plain("don't stop"), ["don't", "stop"]);
    }

    #[test]
    fn lines_are_counted_through_joins_and_quotes() {
        assert_eq!(
            words("a \\\n  b 'x\ny' c # no\nd"),
            [
                ("a".into(), 1),
                ("b".into(), 2),
                ("x\ny".into(), 2),
                ("c".into(), 3),
                ("Newline".into(), 0),
                ("d".into(), 4)
            ]
        );
        assert_eq!(words("'x\n' y"), [("x\n".into(), 1), ("y".into(), 2)]);
        assert_eq!(plain("a \\  \nb\\\r\nc"), ["a", "Newline", "bc"]);
    }

    #[test]
    fn commands_and_arrays_end() {
        assert_eq!(
            plain("a=( -x ) ; b&c | d > e"),
            ["a=", "Open", "-x", "Close", "Break", "b&c", "Break", "d", "Break", "e"]
        );
        assert_eq!(plain("$(cat x)y z;"), ["$(cat", "x)y", "z", "Break"]);
    }

    #[test]
    fn json_of_a_process_listing_is_one_word() {
        assert_eq!(
            plain(r#"-object {"a":"b c","d":{"e":1}} -S"#),
            ["-object", r#"{"a":"b c","d":{"e":1}}"#, "-S"]
        );
        assert_eq!(plain("-x {a b\nc"), ["-x", "{a", "b", "Newline", "c"]);
    }
}
