//! The first bytes of a disk image: what format it is, and what a qcow2 header says (QEMU `docs/interop/qcow2.txt`).
//! Bytes in, facts out: no file is opened here, and none is ever written.

/// Incompatible features of a qcow2 image by their bits; an image with another cannot be opened.
const INCOMPATIBLE: [(u32, &str); 5] = [
    (0, "dirty"),
    (1, "corrupt"),
    (2, "external data file"),
    (3, "compression type"),
    (4, "extended L2 entries"),
];

/// How many bytes of an image are enough: the header lies in the first cluster, and its strings near its start.
pub const HEAD: usize = 64 * 1024;

/// Longest name of a backing file (`docs/interop/qcow2.txt`).
const NAME: usize = 1023;

/// Most header extensions that are gone through; there are six kinds.
const EXTENSIONS: usize = 64;

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageHeader {
    /// qcow2, with its header.
    Qcow2(Qcow2Header),
    /// Another format that has a mark of its own: `vmdk`, `vhdx`, `vdi`, `qed`, `qcow`, `luks`, `iso9660`.
    Other(&'static str),
    /// No mark: raw, and what it begins with (`GPT`, `MBR`, empty where nothing is known).
    Raw(&'static str),
    /// A qcow2 mark, and then nothing that can be one; why.
    Broken(&'static str),
}

/// The header of a qcow2 image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qcow2Header {
    /// 2 or 3.
    pub version: u32,
    /// Size that a guest sees, in bytes.
    pub virtual_size: u64,
    /// Size of a cluster, in bytes.
    pub cluster_size: u64,
    /// What it is based on.
    pub backing: Option<String>,
    /// Format of what it is based on.
    pub backing_format: Option<String>,
    /// File that holds its data.
    pub data_file: Option<String>,
    /// Names of its incompatible features; those that nobody knows as `unknown bit 7`.
    pub features: Vec<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// How many internal snapshots it has.
    pub snapshots: u32,
}

impl Qcow2Header {
    /// Whether the image says of itself that it is damaged.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.features.iter().any(|feature| feature == "corrupt")
    }
}

/// Reads the first [`HEAD`] bytes of an image, or all of a shorter one.
#[must_use]
pub fn read(head: &[u8]) -> ImageHeader {
    /// Offset, mark and format.
    const MARKS: [(usize, &[u8], &str); 9] = [
        (0, b"KDMV", "vmdk"),
        (0, b"# Disk DescriptorFile", "vmdk"),
        (0, b"vhdxfile", "vhdx"),
        (0, b"conectix", "vpc"),
        (0, b"QED\0", "qed"),
        (0, b"LUKS\xba\xbe", "luks"),
        (0x40, b"\x7f\x10\xda\xbe", "vdi"),
        (0x8001, b"CD001", "iso9660"),
        (0, b"QFI\xfb\0\0\0\x01", "qcow"),
    ];
    let has = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    if let Some((_, _, format)) = MARKS.iter().find(|(at, mark, _)| has(*at, mark)) {
        return ImageHeader::Other(format);
    }
    if has(0, b"QFI\xfb") {
        return qcow2(head).map_or_else(ImageHeader::Broken, ImageHeader::Qcow2);
    }
    match (has(512, b"EFI PART"), has(510, b"\x55\xaa")) {
        (true, _) => ImageHeader::Raw("GPT"),
        (false, true) => ImageHeader::Raw("MBR"),
        (false, false) => ImageHeader::Raw(""),
    }
}

fn qcow2(head: &[u8]) -> Result<Qcow2Header, &'static str> {
    const SHORT: &str = "it ends inside its header";
    let word = |at: usize| {
        let bytes = head.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let long = |at: usize| Some(u64::from(word(at)?) << 32 | u64::from(word(at + 4)?));
    let version = word(4).ok_or(SHORT)?;
    if !(2..=3).contains(&version) {
        return Err("its version is neither 2 nor 3");
    }
    let bits = word(20).ok_or(SHORT)?;
    if !(9..=21).contains(&bits) {
        return Err("its cluster size lies outside 512 bytes to 2 MiB");
    }
    let mut header = Qcow2Header {
        version,
        virtual_size: long(24).ok_or(SHORT)?,
        cluster_size: 1 << bits,
        encrypted: word(32).ok_or(SHORT)? != 0,
        snapshots: word(60).ok_or(SHORT)?,
        ..Qcow2Header::default()
    };
    let (at, length) = (long(8).ok_or(SHORT)?, word(16).ok_or(SHORT)? as usize);
    if at != 0 && length > 0 {
        let name = usize::try_from(at)
            .ok()
            .filter(|_| length <= NAME)
            .and_then(|at| head.get(at..at.checked_add(length)?));
        header.backing = Some(
            String::from_utf8_lossy(name.ok_or("the name of its backing file lies outside its header")?)
                .into_owned(),
        );
    }
    let mut next = 72;
    if version == 3 {
        let set = long(72).ok_or(SHORT)?;
        for bit in (0..64).filter(|bit| set >> bit & 1 == 1) {
            let known = INCOMPATIBLE.iter().find(|(number, _)| *number == bit);
            header
                .features
                .push(known.map_or_else(|| format!("unknown bit {bit}"), |(_, name)| (*name).to_owned()));
        }
        next = word(100).ok_or(SHORT)? as usize;
    }
    for _ in 0..EXTENSIONS {
        let (Some(kind), Some(length)) = (word(next), word(next.saturating_add(4))) else { break };
        let length = length as usize;
        let value = next.checked_add(8).and_then(|at| head.get(at..at.checked_add(length)?));
        let text = || value.map(|value| String::from_utf8_lossy(value).into_owned());
        match kind {
            0 => break,
            0xe279_2aca => header.backing_format = text(),
            0x4441_5441 => header.data_file = text(),
            _ => {}
        }
        // Each is filled up to a multiple of 8.
        let Some(after) =
            length.checked_next_multiple_of(8).and_then(|length| next.checked_add(8)?.checked_add(length))
        else {
            break;
        };
        next = after;
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3, 64 KiB clusters, 1 GiB, on `base.img` of format raw.
    fn image(features: u64) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"QFI\xfb");
        put(4, &3_u32.to_be_bytes());
        put(8, &1000_u64.to_be_bytes());
        put(16, &8_u32.to_be_bytes());
        put(20, &16_u32.to_be_bytes());
        put(24, &(1_u64 << 30).to_be_bytes());
        put(60, &2_u32.to_be_bytes());
        put(72, &features.to_be_bytes());
        put(100, &112_u32.to_be_bytes());
        put(112, &0xe279_2aca_u32.to_be_bytes());
        put(116, &3_u32.to_be_bytes());
        put(120, b"raw");
        put(1000, b"base.img");
        bytes
    }

    #[test]
    fn a_header() {
        let ImageHeader::Qcow2(header) = read(&image(0b1000_0011)) else { panic!("a qcow2 image") };
        assert_eq!((header.version, header.virtual_size, header.cluster_size), (3, 1 << 30, 65536));
        assert_eq!(
            (header.backing.as_deref(), header.backing_format.as_deref()),
            (Some("base.img"), Some("raw"))
        );
        assert_eq!(header.features, ["dirty", "corrupt", "unknown bit 7"]);
        assert!(header.is_corrupt() && !header.encrypted && header.snapshots == 2);
    }

    #[test]
    fn what_is_broken_is_said() {
        assert_eq!(read(&image(0)[..40]), ImageHeader::Broken("it ends inside its header"));
        let mut bytes = image(0);
        bytes[7] = 9;
        assert_eq!(read(&bytes), ImageHeader::Broken("its version is neither 2 nor 3"));
        let mut bytes = image(0);
        bytes[8] = 0xff;
        assert_eq!(read(&bytes), ImageHeader::Broken("the name of its backing file lies outside its header"));
        for end in 0..200 {
            let _ = read(&image(u64::MAX)[..end]);
        }
    }

    #[test]
    fn other_formats_by_their_marks() {
        assert_eq!(read(b"KDMVxxxx"), ImageHeader::Other("vmdk"));
        assert_eq!(read(b""), ImageHeader::Raw(""));
        let mut disk = vec![0; 1024];
        disk[510..512].copy_from_slice(b"\x55\xaa");
        assert_eq!(read(&disk), ImageHeader::Raw("MBR"));
        disk[512..520].copy_from_slice(b"EFI PART");
        assert_eq!(read(&disk), ImageHeader::Raw("GPT"));
    }
}
