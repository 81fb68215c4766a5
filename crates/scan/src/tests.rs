use super::{Search, Then, Words};
use proptest::prelude::*;

/// Every place of every word, by word and place, on this processor as on any other.
fn all(words: &[&str], text: &str) -> Vec<(usize, usize)> {
    let places = all_of(&Words::new(words.iter().copied()), text);
    assert_eq!(places, all_of(&Words::of(&mut words.iter().copied(), false), text));
    places
}

fn all_of(words: &Words, text: &str) -> Vec<(usize, usize)> {
    let mut search = Search::new(words);
    let mut places = Vec::new();
    search.run(text, &mut |word, at| {
        places.push((word, at));
        Then::More
    });
    let found = places.clone();
    places.sort_unstable();
    for word in 0..words.len() {
        let of =
            |list: &[(usize, usize)]| list.iter().copied().filter(|one| one.0 == word).collect::<Vec<_>>();
        assert_eq!(of(&found), of(&places), "places of one word come in their order");
    }
    places
}

fn naive(words: &[&str], text: &str) -> Vec<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let mut places = Vec::new();
    for (number, word) in words.iter().enumerate().filter(|(_, word)| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        let fits = |at: &usize| lower.as_bytes()[*at..].starts_with(word.as_bytes());
        places.extend((0..lower.len()).filter(fits).map(|at| (number, at)));
    }
    places
}

#[test]
fn words_of_every_length_are_found_at_every_place() {
    let letters = "Group-is not VIABLE: é 0123456789 (qemu)";
    for length in 1..=26 {
        let word: String = letters.chars().take(length).collect();
        for before in 0..20 {
            for after in [0, 1, 3, 7, 8, 9, 40] {
                let text = format!("{}{}{}", "x".repeat(before), word.to_uppercase(), "y".repeat(after));
                let found = all(&[&word], &text);
                assert_eq!(found, naive(&[&word], &text), "{word:?} in {text:?}");
                assert!(!word.is_ascii() || !found.is_empty());
            }
        }
    }
}

#[test]
fn parts_of_a_text_meet_without_a_gap() {
    let word = "needle in the hay";
    for at in super::CHUNK - 40..super::CHUNK + 10 {
        let text = format!("{}{word}{}", " ".repeat(at), " ".repeat(100));
        assert_eq!(all(&[word, "hay", "le in"], &text), naive(&[word, "hay", "le in"], &text));
    }
}

#[test]
fn enough_of_a_word_is_enough_for_one_text() {
    let words = Words::new(["failed to allocate", "failed to open", "failed"]);
    let mut search = Search::new(&words);
    let text = "failed to allocate; failed to open; ".repeat(100);
    for _ in 0..2 {
        let mut counts = [0; 3];
        search.run(&text, &mut |word, _| {
            counts[word] += 1;
            if word == 0 && counts[0] == 5 || word == 2 { Then::Enough } else { Then::More }
        });
        assert_eq!(counts, [5, 100, 1]);
    }
}

#[test]
fn few_words_of_two_bytes_are_found_like_many() {
    let text = format!("{}pV{}Pv pv{}p", "x".repeat(super::CHUNK - 1), "é ".repeat(70), "-pvx".repeat(40));
    let few = ["pv", "vx"];
    let many: Vec<String> = ('a'..='z').map(|letter| format!("p{letter}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for words in [&few[..], &many] {
        for end in [1, 2, super::CHUNK, super::CHUNK + 1, text.len() - 1, text.len()] {
            assert_eq!(all(words, &text[..end]), naive(words, &text[..end]), "{words:?} up to {end}");
        }
    }
    assert!(all(&few, &text).len() > 80);
}

#[test]
fn no_words_and_no_text_are_no_trouble() {
    assert!(all(&[], "text").is_empty());
    assert!(all(&["", "word"], "").is_empty());
    assert_eq!(all(&["a", "ab", "abc"], "abc"), [(0, 0), (1, 0), (2, 0)]);
}

proptest! {
    #[test]
    fn nothing_is_missed_and_nothing_is_made_up(
        words in prop::collection::vec("[abAB é]{0,14}", 0..40),
        text in "[abAB é]{0,300}",
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        prop_assert_eq!(all(&words, &text), naive(&words, &text));
    }
}
