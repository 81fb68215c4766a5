//! What people complain of in German, French, Spanish and Chinese, told in the English words that rules listen for.
//!
//! `spoken.tsv` holds symptoms: the language, the words there in lower case, and what stands for them. A complaint that
//! has some of them is heard as itself, followed by the English words; nothing is quoted from there.

use std::borrow::Cow;

/// A row for each symptom in each language.
const TABLE: &str = include_str!("spoken.tsv");

/// How much of a complaint is looked at, in bytes: what is wrong stands at its beginning.
const HEAD: usize = 8192;

/// The complaint, with the English words for what stands there in other languages.
pub(crate) fn in_english(complaint: &str) -> Cow<'_, str> {
    // All rows but a few have a letter that English has not, or two words; ASCII alone is most often English.
    let head = complaint[..complaint.floor_char_boundary(HEAD)].to_lowercase();
    let mut heard = String::new();
    for (words, english) in rows() {
        if stands(&head, words) {
            heard.push('\n');
            heard.push_str(english);
        }
    }
    if heard.is_empty() { Cow::Borrowed(complaint) } else { Cow::Owned(format!("{complaint}{heard}")) }
}

/// The words there, and the English ones.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter_map(|row| row.split_once('\t')?.1.split_once('\t'))
}

/// Whether words stand in a text as words: `lent` is in `silent` and not meant. Chinese has no gaps between words.
fn stands(text: &str, words: &str) -> bool {
    let latin = words.chars().all(|letter| !letter.is_alphabetic() || (letter as u32) < 0x250);
    text.match_indices(words).any(|(at, _)| {
        let letter = |next: Option<char>| latin && next.is_some_and(char::is_alphanumeric);
        !letter(text[..at].chars().next_back()) && !letter(text[at + words.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symptoms_are_heard_in_five_languages() {
        for (said, heard) in [
            ("Der Bildschirm bleibt schwarz, sobald die VM startet.", "black screen"),
            ("La VM ne démarre plus depuis la mise à jour.", "does not start"),
            ("La máquina virtual no arranca.", "does not start"),
            ("虚拟机启动后黑屏", "black screen"),
            ("The screen is black.", "The screen is black."),
        ] {
            let all = in_english(said);
            assert!(all.starts_with(said) && all.contains(heard), "{all}");
        }
    }

    #[test]
    fn english_is_left_as_it_is() {
        for said in ["", "The plantee is silent, and memoriam is no word of ours.", "It works."] {
            assert!(matches!(in_english(said), Cow::Borrowed(_)), "{}", in_english(said));
        }
    }

    #[test]
    fn rows_are_in_lower_case_and_there_once() {
        let mut all: Vec<&str> = rows().map(|(words, _)| words).collect();
        assert_eq!(all.len(), TABLE.lines().count(), "a row has three columns");
        assert!(all.iter().all(|words| words.to_lowercase() == **words));
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
