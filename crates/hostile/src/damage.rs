//! Damage to an input, the same for the same seed: what a fuzz engine does, in a small way, for tests that run
//! everywhere.

/// Numbers that look random (xorshift64*; Vigna, "An experimental exploration of Marsaglia's xorshift generators,
/// scrambled", 2016).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one, below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(number).unwrap_or_default() % bound.max(1)
    }
}

/// Pieces that parsers take for something.
const PIECES: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\"",
    "'",
    "\\",
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "<![CDATA[",
    "{",
    "}",
    "[",
    "]",
    ":",
    "=",
    ",",
    ",,",
    ";",
    "#",
    "*",
    "-",
    " ",
    "\t",
    "é",
    "\u{2028}",
    "\u{feff}",
    "🦀",
    "0",
    "-1",
    "4294967296",
    "18446744073709551616",
    "1e309",
    "0x",
    "0000:00:00.0",
    "[    0.000000] ",
    "password=",
    "type=",
    "==> a <==\n",
];

/// An input, damaged in one to six ways; `other` gives pieces to it.
#[must_use]
pub fn damaged(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(6) {
        let (a, b) = (numbers.below(bytes.len() + 1), numbers.below(bytes.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        // Most damage is small: what is cut away whole leaves nothing to read.
        let near = b.min(a + 1 + numbers.below(64));
        match numbers.below(8) {
            0 => bytes.truncate(b),
            1 => drop(bytes.drain(a..near)),
            2 => {
                let piece = bytes[a..near].to_vec();
                let times = 1 + numbers.below(40);
                bytes.splice(a..a, piece.repeat(times));
            }
            3 if a < bytes.len() => bytes[a] = u8::try_from(numbers.below(256)).unwrap_or_default(),
            4 if a < bytes.len() => bytes[a] ^= 1 << numbers.below(8),
            5 => {
                let from = numbers.below(other.len());
                let piece = &other[from..other.len().min(from + numbers.below(200))];
                bytes.splice(a..near, piece.iter().copied());
            }
            _ => drop(bytes.splice(a..a, PIECES[numbers.below(PIECES.len())].bytes())),
        }
    }
    bytes
}
