//! A command line as a POSIX shell splits it, without what a shell would expand.

/// The words of a line, or of several that end with a backslash.
pub(super) fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            '\'' => loop {
                match letters.next().ok_or("a quotation mark is never closed")? {
                    '\'' => {
                        word.get_or_insert_default();
                        break;
                    }
                    inner => word.get_or_insert_default().push(inner),
                }
            },
            '"' => loop {
                match letters.next().ok_or("a quotation mark is never closed")? {
                    '"' => {
                        word.get_or_insert_default();
                        break;
                    }
                    '\\' => match letters.next() {
                        Some('\n') | None => {}
                        Some(escaped @ ('"' | '\\' | '$' | '`')) => {
                            word.get_or_insert_default().push(escaped)
                        }
                        Some(other) => word.get_or_insert_default().extend(['\\', other]),
                    },
                    inner => word.get_or_insert_default().push(inner),
                }
            },
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let split = words("a 'b c' \"d\\\"e\\n\" f\\ g \\\n h'' ''").expect("words");
        assert_eq!(split, ["a", "b c", "d\"e\\n", "f g", "h", ""]);
        assert!(words("'a").is_err() && words("\"a").is_err());
    }
}
