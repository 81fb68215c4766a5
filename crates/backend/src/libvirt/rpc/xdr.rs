//! XDR (RFC 4506), as much of it as libvirt's protocol uses. Everything is a multiple of four bytes, the highest
//! byte first. Reading is total: whatever the bytes are, there is a value or an error, and no more memory is taken
//! than the bytes themselves have.

use thiserror::Error;

/// Longest string of libvirt's protocol, in bytes (`REMOTE_STRING_MAX`).
const STRING_MAX: usize = 4_194_304;

/// Bytes that are no value of the type that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// They end before the value does.
    #[error("it ends too early")]
    Short,
    /// A string or list is longer than the protocol allows.
    #[error("a length of {0} is more than the protocol allows")]
    Long(u32),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotText,
    /// A flag is neither 0 nor 1, or a kind is none of the known ones.
    #[error("{0} is none of the values that may stand there")]
    Value(u32),
    /// Something follows the value.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
}

/// Builds the bytes of a call's arguments.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Bytes whose number both sides know.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.pad(bytes.len())
    }

    /// Text, or bytes with their number before them.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.fixed(text.as_bytes())
    }

    pub(crate) fn optional_string(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.u32(1).string(text),
            None => self.u32(0),
        }
    }

    fn pad(&mut self, length: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len() + padding(length), 0);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads the bytes of a reply.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Short)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Malformed> {
        self.array().map(f64::from_be_bytes)
    }

    /// Bytes whose number both sides know; it is a multiple of four.
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.array()
    }

    pub(crate) fn string(&mut self) -> Result<String, Malformed> {
        let said = self.u32()?;
        let length = usize::try_from(said).map_err(|_| Malformed::Long(said))?;
        if length > STRING_MAX {
            return Err(Malformed::Long(said));
        }
        let bytes = self.take(length)?;
        self.take(padding(length))?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed::NotText)
    }

    pub(crate) fn optional<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.u32()? {
            0 => Ok(None),
            1 => value(self).map(Some),
            other => Err(Malformed::Value(other)),
        }
    }

    /// A list of at most `most` values. Memory grows with the values that are there, not with their number as said.
    pub(crate) fn list<T>(
        &mut self,
        most: u32,
        mut value: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.u32()?;
        if length > most {
            return Err(Malformed::Long(length));
        }
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(value(self)?);
        }
        Ok(list)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.rest.len())) }
    }
}

/// How many bytes fill up to the next multiple of four.
fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut encoder = Encoder::default();
        encoder.u32(7).i32(-1).u64(1 << 40).string("abcde").optional_string(None).optional_string(Some(""));
        let bytes = encoder.into_bytes();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[16..28], b"\0\0\0\x05abcde\0\0\0");
        let mut decoder = Decoder::new(&bytes);
        assert_eq!(decoder.u32(), Ok(7));
        assert_eq!(decoder.i32(), Ok(-1));
        assert_eq!(decoder.u64(), Ok(1 << 40));
        assert_eq!(decoder.string().as_deref(), Ok("abcde"));
        assert_eq!(decoder.optional(Decoder::string), Ok(None));
        assert_eq!(decoder.optional(Decoder::string), Ok(Some(String::new())));
        assert_eq!(decoder.end(), Ok(()));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let string = |bytes: &[u8]| Decoder::new(bytes).string();
        assert_eq!(string(b"\0\0\0\x05abcde\0\0"), Err(Malformed::Short));
        assert_eq!(string(b"\xff\xff\xff\xffabcd"), Err(Malformed::Long(u32::MAX)));
        assert_eq!(string(b"\0\0\0\x01\xff\0\0\0"), Err(Malformed::NotText));
        assert_eq!(Decoder::new(b"\0\0\0\x02").optional(Decoder::u32), Err(Malformed::Value(2)));
        // A list that says it is long and holds nothing takes no memory.
        assert_eq!(Decoder::new(b"\0\0\x40\0").list(16384, Decoder::string), Err(Malformed::Short));
        assert_eq!(Decoder::new(b"\0\0\x40\x01").list(16384, Decoder::string), Err(Malformed::Long(16385)));
    }
}
