//! The bytes of an archive, unpacked while they are read: what packs them is told by their first bytes, and a
//! stream that grows beyond all measure ends early.

use crate::limits::Limits;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::time::Instant;

/// Memory that unpacking may take, in KiB. `xz -9` takes 65 MiB (xz(1)).
const XZ_MEMORY: u32 = 96 << 10;

/// Largest window of a Zstandard frame, in bytes: 8 MiB is what every decoder must take (RFC 8878, 3.1.1.1.2),
/// `zstd --ultra` makes 128 MiB.
const ZSTD_WINDOW: u64 = 128 << 20;

/// What comes out of so much is looked at for being a bomb, in bytes: short runs of equal bytes are no harm.
const HARMLESS: u64 = 32 << 20;

/// Bytes that one byte of the archive may stand for. Deflate cannot pass 1032; logs stay below some hundred.
const RATIO: u64 = 1000;

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    /// By the first bytes; `None` where they are no archive that can be read. 512 are enough.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        // RFC 1952; xz file format 1.2, 2.1.1.1; RFC 8878, 3.1.1; POSIX pax, ustar.
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            _ => super::entries::is_header(head).then_some(Packing::Plain),
        }
    }
}

/// Unpacks `file`, whose first bytes say `packing`, within the bounds of `limits` and until `ends`.
pub(super) fn unpack(
    file: File,
    packing: Packing,
    limits: &Limits,
    ends: Instant,
) -> io::Result<impl Read + use<>> {
    let taken = Rc::new(Cell::new(0));
    let packed = BufReader::with_capacity(64 << 10, Counted { inner: file, taken: Rc::clone(&taken) });
    let inner: Box<dyn Read> = match packing {
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY)),
        Packing::Zstd => Box::new(Frames { packed: Some(packed), frame: None }),
    };
    Ok(Bounded { inner, taken, given: 0, most: limits.unpacked, ends })
}

/// Counts what is taken from the file.
struct Counted {
    inner: File,
    taken: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// Ends a stream that gives too much, or takes too long.
struct Bounded {
    inner: Box<dyn Read>,
    taken: Rc<Cell<u64>>,
    given: u64,
    most: u64,
    ends: Instant,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given > self.most {
            return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.most)));
        }
        if self.given > HARMLESS && self.given / RATIO > self.taken.get() {
            return Err(io::Error::other(format!("it unpacks to more than {RATIO} times its size")));
        }
        if Instant::now() >= self.ends {
            return Err(io::Error::other("the time for reading it is over"));
        }
        let read = self.inner.read(buffer)?;
        self.given += read as u64;
        Ok(read)
    }
}

type Packed = BufReader<Counted>;

/// One Zstandard frame after the other; the decoder knows only one.
struct Frames {
    packed: Option<Packed>,
    frame: Option<ruzstd::decoding::StreamingDecoder<Packed, ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                match frame.read(buffer)? {
                    0 if !buffer.is_empty() => {}
                    read => return Ok(read),
                }
                self.packed = self.frame.take().map(ruzstd::decoding::StreamingDecoder::into_inner);
            }
            let Some(mut packed) = self.packed.take() else { return Ok(0) };
            if io::BufRead::fill_buf(&mut packed)?.is_empty() {
                return Ok(0);
            }
            let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(packed, ZSTD_WINDOW);
            self.frame = Some(decoder.map_err(io::Error::other)?);
        }
    }
}
