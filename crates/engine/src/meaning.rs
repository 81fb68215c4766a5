//! The administrator's model of words for the journal's search: word vectors in `word-vectors`, beside the other lists of the
//! configuration. Without that file a search is by signs and words alone.

use crate::{Environment, Error};
use std::fs::File;
use std::io::{ErrorKind, Read};
use vmwright_formats::word_vectors::WordVectors;
use vmwright_journal::Meaning;

/// The file's name in the configuration.
const NAME: &str = "word-vectors";

/// Largest file that is read, in bytes: what [`vmwright_formats::word_vectors::MOST_ALTOGETHER`] numbers take as text.
const LARGEST: u64 = 384 << 20;

/// How many neighbours of a word are looked for.
const NEIGHBOURS: usize = 3;

/// The least cosine between a word and its neighbour. In models that are in use unrelated words seldom have more than 0.4.
const LEAST: f32 = 0.6;

/// The model, read.
pub(crate) struct Words(WordVectors);

impl Words {
    /// The administrator's; none where there is no such file.
    pub(crate) fn of(environment: &Environment) -> Result<Option<Self>, Error> {
        let path = environment.config.join(NAME);
        let failed = |source| Error::File { path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LARGEST {
            return Err(failed(std::io::Error::new(
                ErrorKind::FileTooLarge,
                format!("it has more than {} MiB", LARGEST >> 20),
            )));
        }
        let read = WordVectors::read(&vmwright_formats::text(&bytes));
        read.map(|read| Some(Self(read))).map_err(|source| Error::WordVectors { path: path.clone(), source })
    }
}

impl Meaning for Words {
    fn near(&self, word: &str) -> Vec<String> {
        self.0.near(word, NEIGHBOURS, LEAST).into_iter().map(|(word, _)| word.to_owned()).collect()
    }

    fn alike(&self, one: &[String], other: &[String]) -> Option<f64> {
        let direction = |words: &[String]| self.0.direction(words.iter().map(String::as_str));
        Some(f64::from(direction(one)?.cosine(&direction(other)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_model_is_read_where_there_is_one_and_named_where_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::without_state(Arc::default());
        environment.config = folder.path().to_owned();
        assert!(Words::of(&environment).unwrap().is_none());
        std::fs::write(folder.path().join(NAME), "3 2\nslow 1 0.1\nsluggish 0.9 0.1\nbridge 0 1\n").unwrap();
        let words = Words::of(&environment).unwrap().unwrap();
        assert_eq!(words.near("slow"), ["sluggish"]);
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let alike = |other: &[&str]| words.alike(&list(&["slow"]), &list(other));
        assert!(alike(&["sluggish"]) > alike(&["bridge"]) && alike(&["unknown"]).is_none());
        std::fs::write(folder.path().join(NAME), "3 2\nslow 1 0.1\n").unwrap();
        let error = Words::of(&environment).err().map(|error| crate::error::chain(&error)).unwrap();
        assert!(error.contains("word-vectors") && error.contains("says 3 words, and 1 follow"), "{error}");
    }
}
