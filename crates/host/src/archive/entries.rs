//! The members of a tar stream, one after the other, with the extensions that GNU tar, Python and POSIX write.
//! Nothing is unpacked to disk; names and sizes are a stranger's.

use std::io::{self, Read};
use tar::{EntryType, Header};

/// Size of a block of a tar file, in bytes.
const BLOCK: usize = 512;

/// Longest name or set of attributes that is read, in bytes. `PATH_MAX` of `linux/limits.h` is 4096.
const LONGEST: u64 = 64 << 10;

/// Most bytes of one name.
const NAME: usize = 4096;

/// One member.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name as it stands there.
    pub(super) name: Vec<u8>,
    /// What it is.
    pub(super) what: What,
    /// Bytes that follow; [`Entries::content`] or [`Entries::skip`] takes them.
    pub(super) size: u64,
}

/// What a member is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    File,
    Directory,
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A second name of a member, and that member's name.
    HardLink(Vec<u8>),
    /// A file with holes: what follows is not its content alone.
    Sparse,
    /// A FIFO, a device, or something that no standard names.
    Other,
}

/// Why there is no further member.
#[derive(Debug)]
pub(super) enum Stop {
    /// The archive's own end.
    End,
    /// It ends without one, is damaged, or grows too large; a lower-case fragment.
    Broken(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Broken(match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
            io::ErrorKind::Other => error.to_string(),
            _ => format!("it is damaged: {error}"),
        })
    }
}

/// The members of a stream.
pub(super) struct Entries<R> {
    stream: R,
    /// What follows of the present member, padding included.
    left: u64,
}

/// What extension headers say of the next member.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

/// Room that is made for a member before its content comes, in bytes, at most.
const ROOM: u64 = 1 << 20;

/// Whether these bytes begin with the header of a member.
pub(super) fn is_header(head: &[u8]) -> bool {
    let mut header = Header::new_old();
    match head.get(..BLOCK) {
        Some(block) => header.as_mut_bytes().copy_from_slice(block),
        None => return false,
    }
    block_is_sound(&header)
}

/// The checksum is the sum of the header's bytes, those of the checksum itself taken as blanks (POSIX pax, ustar).
fn block_is_sound(header: &Header) -> bool {
    let bytes = header.as_bytes();
    // Each by itself: of that the compiler makes steps that take many bytes.
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let sum = sum(&bytes[..148]) + 8 * 32 + sum(&bytes[156..]);
    bytes[0] != 0 && header.cksum().is_ok_and(|said| said == sum)
}

impl<R: Read> Entries<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, left: 0 }
    }

    /// The next member. What was left of the one before is skipped.
    pub(super) fn next(&mut self) -> Result<Entry, Stop> {
        let mut extended = Extended::default();
        loop {
            self.skip()?;
            let header = self.header()?;
            let kind = header.entry_type();
            let size = header.entry_size().map_err(|_| Stop::Broken("it is damaged: a size".to_owned()))?;
            let size = if kind.is_pax_local_extensions() { size } else { extended.size.unwrap_or(size) };
            self.left = padded(size)?;
            match kind {
                EntryType::GNULongName => extended.name = Some(self.long(size)?),
                EntryType::GNULongLink => extended.link = Some(self.long(size)?),
                EntryType::XHeader => {
                    let attributes = self.long(size)?;
                    extended.take(&attributes);
                }
                EntryType::XGlobalHeader => {}
                _ => return self.member(&header, kind, size, extended),
            }
        }
    }

    fn member(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extended: Extended,
    ) -> Result<Entry, Stop> {
        let mut name = extended.name.unwrap_or_else(|| header.path_bytes().into_owned());
        name.truncate(NAME + 1);
        let target = || {
            let mut target = extended
                .link
                .or_else(|| header.link_name_bytes().map(|bytes| bytes.into_owned()))
                .unwrap_or_default();
            target.truncate(NAME + 1);
            target
        };
        let what = match kind {
            EntryType::Symlink => What::Link(target()),
            EntryType::Link => What::HardLink(target()),
            EntryType::Directory => What::Directory,
            EntryType::GNUSparse => {
                self.skip_sparse_map(header)?;
                What::Sparse
            }
            EntryType::Regular | EntryType::Continuous if extended.sparse => What::Sparse,
            // Old tar files mark a directory by its name alone.
            EntryType::Regular if name.ends_with(b"/") => What::Directory,
            EntryType::Regular | EntryType::Continuous => What::File,
            _ => What::Other,
        };
        Ok(Entry { name, what, size })
    }

    /// The content of the present member, of at most `most` bytes; `None` where it has more.
    pub(super) fn content(&mut self, size: u64, most: u64) -> Result<Option<Vec<u8>>, Stop> {
        if size > most {
            return Ok(None);
        }
        // Beyond this it grows with what comes, not with what the header says.
        let mut bytes = Vec::with_capacity(size.min(ROOM) as usize);
        let read = (&mut self.stream).take(size).read_to_end(&mut bytes)? as u64;
        self.left -= read;
        if read < size { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(Some(bytes)) }
    }

    /// The first `most` bytes of the present member, which has more.
    pub(super) fn begin(&mut self, most: u64) -> Result<Vec<u8>, Stop> {
        self.content(most, most).map(Option::unwrap_or_default)
    }

    /// The last `most` bytes of the present member of `size`, of which `head` was taken.
    pub(super) fn end(&mut self, size: u64, most: u64, head: &[u8]) -> Result<Vec<u8>, Stop> {
        let (from, taken) = (size - most, head.len() as u64);
        self.pass(from.saturating_sub(taken))?;
        let rest = self.begin(size - from.max(taken))?;
        let of_head = usize::try_from(from).ok().and_then(|from| head.get(from..)).unwrap_or_default();
        Ok([of_head, &rest].concat())
    }

    /// Passes over what is left of the present member.
    fn skip(&mut self) -> Result<(), Stop> {
        self.pass(self.left)
    }

    fn pass(&mut self, bytes: u64) -> Result<(), Stop> {
        let passed = io::copy(&mut (&mut self.stream).take(bytes), &mut io::sink())?;
        self.left -= bytes;
        if passed < bytes { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(()) }
    }

    fn header(&mut self) -> Result<Header, Stop> {
        let mut header = Header::new_old();
        self.stream.read_exact(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Err(Stop::End);
        }
        if block_is_sound(&header) {
            Ok(header)
        } else {
            Err(Stop::Broken("it is damaged: no header of a member where one has to stand".to_owned()))
        }
    }

    /// The data of an extension header; empty where it is longer than any real one.
    fn long(&mut self, size: u64) -> Result<Vec<u8>, Stop> {
        let mut bytes = self.content(size, LONGEST)?.unwrap_or_default();
        if bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes)
    }

    /// The map of an old GNU sparse file goes on in further blocks, which no size counts.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), Stop> {
        let mut more = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while more {
            let mut block = [0; BLOCK];
            self.stream.read_exact(&mut block)?;
            // struct sparse_header of GNU tar: 21 entries of 24 bytes, then the flag.
            more = block[504] != 0;
        }
        Ok(())
    }
}

fn padded(size: u64) -> Result<u64, Stop> {
    size.checked_next_multiple_of(BLOCK as u64)
        .ok_or_else(|| Stop::Broken("it is damaged: a size beyond all measure".to_owned()))
}

impl Extended {
    /// Records of a pax header: `LENGTH KEY=VALUE\n`, the length being that of the whole record.
    fn take(&mut self, mut attributes: &[u8]) {
        while let Some(blank) = attributes.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&attributes[..blank]).ok().and_then(|text| text.parse().ok());
            let Some(record) = length.and_then(|length: usize| attributes.get(blank + 1..length)) else {
                return;
            };
            attributes = &attributes[blank + 1 + record.len()..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_far_as_they_are_sound() {
        let read = |text: &str| {
            let mut extended = Extended::default();
            extended.take(text.as_bytes());
            (extended.name.map(|name| String::from_utf8(name).unwrap()), extended.size, extended.sparse)
        };
        assert_eq!(read("12 path=abc\n10 size=7\n"), (Some("abc".to_owned()), Some(7), false));
        assert_eq!(read("22 GNU.sparse.major=1\n"), (None, None, true));
        for broken in
            ["", "x", "99 path=abc\n", "1 path", "0 path=a\n", "-3 a=b\n", "18446744073709551615 a=b"]
        {
            assert_eq!(read(broken), (None, None, false), "{broken}");
        }
    }
}
