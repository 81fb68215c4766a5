//! Word vectors as text, in the form of word2vec, fastText and GloVe: a word in each line, behind it its numbers, all apart
//! by spaces. A first line of two whole numbers, as word2vec and fastText write it, says how many words follow and how many
//! numbers each has. Words that are used alike have vectors of nearly one direction.

use std::collections::HashMap;

/// Most numbers of one word; models that are in use have 25 to 300.
pub const MOST_NUMBERS: usize = 1024;

/// Most numbers of all words together: 128 MiB of memory.
pub const MOST_ALTOGETHER: usize = 32 << 20;

/// Why a text is no list of word vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordVectorsError {
    /// Nothing in it.
    #[error("it has no word")]
    Empty,
    /// A line has no word or no numbers.
    #[error("line {line}: no word with 2 to {MOST_NUMBERS} numbers behind it")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// A line has another number of numbers than those before it, or than the first line says.
    #[error("line {line}: {found} numbers, where {size} are due")]
    Size {
        /// Counted from 1.
        line: usize,
        /// How many it has.
        found: usize,
        /// How many the others have.
        size: usize,
    },
    /// Something that is no number, or too great for one.
    #[error("line {line}: `{what}` is no number")]
    Number {
        /// Counted from 1.
        line: usize,
        /// Its beginning.
        what: String,
    },
    /// The first line says how many words there are, and it is another number.
    #[error("the first line says {said} words, and {found} follow: the file is not whole")]
    Count {
        /// As it says.
        said: usize,
        /// As there are.
        found: usize,
    },
    /// Too much.
    #[error("line {line}: more than {MOST_ALTOGETHER} numbers altogether")]
    TooLarge {
        /// Counted from 1.
        line: usize,
    },
}

/// Words with their directions.
#[derive(Debug, Clone, Default)]
pub struct WordVectors {
    /// In small letters, in the order of the text.
    words: Vec<String>,
    numbers: HashMap<String, usize>,
    /// Of each word `size` numbers, whose squares add up to 1.
    values: Vec<f32>,
    size: usize,
}

impl WordVectors {
    /// Reads a whole text. Words are taken in small letters; of several that are then the same the first counts. A word
    /// whose numbers are all zero has no direction, and is left out.
    ///
    /// # Errors
    /// [`WordVectorsError`], with the line.
    pub fn read(text: &str) -> Result<Self, WordVectorsError> {
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end())).peekable();
        let mut all = Self::default();
        let said = lines.peek().and_then(|(_, line)| head(line));
        if let Some((_, size)) = said {
            if !(2..=MOST_NUMBERS).contains(&size) {
                return Err(WordVectorsError::Line { line: 1 });
            }
            all.size = size;
            lines.next();
        }
        let mut found = 0;
        for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
            all.add(line, text)?;
            found += 1;
        }
        match said {
            Some((said, _)) if said != found => Err(WordVectorsError::Count { said, found }),
            _ if all.words.is_empty() => Err(WordVectorsError::Empty),
            _ => Ok(all),
        }
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), WordVectorsError> {
        let fields: Vec<&str> = text.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
        if self.size == 0 {
            self.size = fields.len() - 1;
        }
        let size = self.size;
        if !(2..=MOST_NUMBERS).contains(&size) || fields.len() < 2 {
            return Err(WordVectorsError::Line { line });
        }
        // A few models have words with spaces in them: the numbers are the last fields.
        let Some(at) = fields.len().checked_sub(size).filter(|at| *at > 0) else {
            return Err(WordVectorsError::Size { line, found: fields.len() - 1, size });
        };
        if self.values.len() + size > MOST_ALTOGETHER {
            return Err(WordVectorsError::TooLarge { line });
        }
        let mut values = Vec::with_capacity(size);
        for field in &fields[at..] {
            let number: Option<f32> = field.parse().ok().filter(|number: &f32| number.is_finite());
            let what = || field.chars().take(20).collect();
            values.push(number.ok_or_else(|| WordVectorsError::Number { line, what: what() })?);
        }
        // More fields than one word and the numbers, of which one more is a number: then the line is too long.
        if at > 1 && fields[at - 1].parse::<f32>().is_ok() && fields[1].parse::<f32>().is_ok() {
            return Err(WordVectorsError::Size { line, found: fields.len() - 1, size });
        }
        let word = fields[..at].join(" ").to_lowercase();
        if scale(&mut values) && !self.numbers.contains_key(&word) {
            self.numbers.insert(word.clone(), self.words.len());
            self.words.push(word);
            self.values.extend(values);
        }
        Ok(())
    }

    /// How many words it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether it has none; never so for one that was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn of(&self, word: &str) -> Option<&[f32]> {
        self.numbers.get(word).map(|at| self.at(*at))
    }

    fn at(&self, at: usize) -> &[f32] {
        &self.values[at * self.size..(at + 1) * self.size]
    }

    /// The words that are nearest to one, nearest first, `most` of them, each with the cosine of the angle between them,
    /// `least` or more. None where the word is not known.
    #[must_use]
    pub fn near(&self, word: &str, most: usize, least: f32) -> Vec<(&str, f32)> {
        let Some(own) = self.of(word) else { return Vec::new() };
        let mut near: Vec<(&str, f32)> = (0..self.words.len())
            .map(|at| (self.words[at].as_str(), product(own, self.at(at))))
            .filter(|(other, cosine)| *other != word && *cosine >= least)
            .collect();
        near.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(one.cmp(other)));
        near.truncate(most);
        near
    }

    /// The direction in which words point together; none where not one of them is known.
    #[must_use]
    pub fn direction<'w>(&self, words: impl Iterator<Item = &'w str>) -> Option<Direction> {
        let mut sum = vec![0.0; self.size];
        for own in words.filter_map(|word| self.of(word)) {
            sum.iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
        }
        scale(&mut sum).then_some(Direction(sum))
    }
}

/// Where some words point together.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction(Vec<f32>);

impl Direction {
    /// The cosine of the angle between two directions of the same vectors: 1 the same, 0 nothing in common.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        product(&self.0, &other.0)
    }
}

/// What a first line of two whole numbers says.
fn head(line: &str) -> Option<(usize, usize)> {
    let (words, size) = line.trim().split_once(' ')?;
    Some((words.parse().ok()?, size.trim().parse().ok()?))
}

fn product(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// Makes a vector's length 1; not where it has none.
fn scale(values: &mut [f32]) -> bool {
    // Numbers as large as a float can be have squares that it cannot hold.
    let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    if largest < f32::MIN_POSITIVE {
        return false;
    }
    values.iter_mut().for_each(|value| *value /= largest);
    let length = product(values, values).sqrt();
    values.iter_mut().for_each(|value| *value /= length);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FOUR: &str = "Lock 1 0.1 0\nlease 0.9 0.2 0\nbridge 0 0 1\n. . 0 1 0\nlock 0 0 1\nnothing 0 0 0\n";

    #[test]
    fn words_have_their_neighbours() {
        let read = WordVectors::read(FOUR).unwrap();
        assert_eq!(read.len(), 4, "the second `lock` and `nothing` are left out");
        let near = read.near("lock", 5, 0.6);
        assert_eq!(near.len(), 1);
        assert_eq!(near[0].0, "lease");
        assert!((0.98..1.0).contains(&near[0].1), "{near:?}");
        assert!(read.near("unknown", 5, 0.0).is_empty());
        assert_eq!(read.near("lease", 1, -1.0)[0].0, "lock");
        let of = |words: &[&str]| read.direction(words.iter().copied());
        let question = of(&["lock", "zzz"]).unwrap();
        assert!(question.cosine(&of(&["lease"]).unwrap()) > question.cosine(&of(&["bridge"]).unwrap()));
        assert_eq!(of(&["zzz"]), None);
    }

    #[test]
    fn a_first_line_with_numbers_is_held_to() {
        assert_eq!(WordVectors::read("2 3\na 1 2 3\nb 4 5 6\n").unwrap().len(), 2);
        let error = |text: &str| WordVectors::read(text).unwrap_err().to_string();
        assert!(error("3 3\na 1 2 3\nb 4 5 6\n").contains("says 3 words, and 2 follow"));
        assert!(error("2 3\na 1 2 3\nb 4 5\n").contains("line 3: 2 numbers, where 3 are due"));
        assert!(error("1 0\n").contains("line 1"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = |text: &str| WordVectors::read(text).unwrap_err().to_string();
        assert_eq!(error(""), "it has no word");
        assert_eq!(error("a 0 0\n"), "it has no word");
        assert!(error("alone\n").starts_with("line 1: no word with"));
        assert!(error("a 1\n").starts_with("line 1: no word with"));
        assert!(error("a 1 2\nb 1 2 3\n").starts_with("line 2: 3 numbers, where 2 are due"));
        assert_eq!(error("a 1 2\nb 1 x\n"), "line 2: `x` is no number");
        assert_eq!(error("a 1 inf\n"), "line 1: `inf` is no number");
        assert!(error("a 1 2\n\nb 1 1e99\n").starts_with("line 3: `1e99`"));
        let wide = format!("a{}\n", " 1".repeat(MOST_NUMBERS + 1));
        assert!(error(&wide).starts_with("line 1: no word with"));
    }

    #[test]
    fn very_large_and_very_small_numbers_have_directions() {
        let read = WordVectors::read("a 3e38 3e38\nb 1e-37 1e-37\n").unwrap();
        let near = read.near("a", 1, 0.99);
        assert_eq!(near[0].0, "b");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c0-9. \t\n\u{e9}-]{0,200}") {
            if let Ok(read) = WordVectors::read(&text) {
                prop_assert!(!read.is_empty());
            }
        }
    }
}
