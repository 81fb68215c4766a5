//! A line that nobody can know before it is printed, to tell the outputs of several commands apart: what a command
//! says may be a stranger's text, and must not pass for the output of another one.

use std::fs::File;
use std::io::{self, Read};

/// 128 random bits in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// A fresh one.
    pub(crate) fn new() -> io::Result<Self> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind each line that begins with the mark, and the rest of that line.
    pub(crate) fn sections<'o>(&self, output: &'o [u8]) -> Vec<(&'o [u8], &'o [u8])> {
        let mut heads: Vec<(usize, usize, &[u8])> = Vec::new();
        let mut at = 0;
        for line in output.split_inclusive(|byte| *byte == b'\n') {
            if let Some(rest) = line.strip_prefix(self.0.as_bytes()) {
                heads.push((at, at + line.len(), rest.trim_ascii()));
            }
            at += line.len();
        }
        let ends = heads.iter().skip(1).map(|(begin, ..)| *begin).chain([output.len()]);
        heads.iter().zip(ends).map(|((_, begin, rest), end)| (*rest, &output[*begin..end])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn text_cannot_pass_for_another_answer() {
        let mark = Mark("m1".to_owned());
        let parts = mark.sections(b"x\nm1 a\n m1 m1\nm2\n\nm1\nm1 b c\nlast");
        assert_eq!(parts, [(&b"a"[..], &b" m1 m1\nm2\n\n"[..]), (b"", b""), (b"b c", b"last")]);
        assert!(mark.sections(b"no mark").is_empty());
        let (one, other) = (Mark::new().unwrap(), Mark::new().unwrap());
        assert!(one.as_str().len() == 32 && one != other);
    }
}
