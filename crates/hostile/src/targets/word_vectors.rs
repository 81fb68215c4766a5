//! Word vectors: whatever they say, directions have length 1, and no word is nearer to another than it is to itself.

use super::text;
use vmwright_formats::word_vectors::WordVectors;

pub(super) fn run(bytes: &[u8]) {
    let Ok(read) = WordVectors::read(&text(bytes)) else { return };
    assert!(!read.is_empty());
    for (word, cosine) in read.near("a", 8, -2.0) {
        assert!(cosine.abs() < 1.001, "{word}: {cosine}");
        let own = read.direction([word].into_iter()).expect("it is one of them");
        assert!((own.cosine(&own) - 1.0).abs() < 0.001, "{word}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    ["2 3\na 1 2 3\nb -4 5.5 6e-3\n", "a 3e38 3e38\n. . 1e-37 0\n", "a 0 0\nb 1 1\n"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}
