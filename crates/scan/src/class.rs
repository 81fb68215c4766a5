//! Words of similar length: which grams of them are kept, and how a text is gone through for these.

use crate::{Search, Then, Words};

/// Goes through a part of a text, from one byte to another, for the words of the class with this number.
type Through = fn(&mut Search<'_>, usize, &[u8], usize, usize, &mut dyn FnMut(usize, usize) -> Then);

/// How words of one length are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Lengths of words, from and to.
    lengths: (usize, usize),
    /// Bytes of a gram.
    gram: usize,
    /// A gram is looked up at every so many bytes of a text, and so many neighbouring grams of a word are kept.
    stride: usize,
    /// The sizes that its filter may have, the smallest first.
    sizes: &'static [Size],
}

/// A size of a filter.
#[derive(Clone, Copy)]
struct Size {
    /// Its bits, as a power of two.
    bits: u32,
    /// Goes through a part of a text.
    through: Through,
}

/// Each takes the longest grams and the widest stride that its shortest word allows: `gram + stride - 1` bytes. Those
/// whose few words are looked up often ask their filters for whole bytes (see [`next`]). As long as the words are
/// thousands, all filters together stay in the second cache.
pub(crate) const CLASSES: [Shape; 4] = [
    Shape {
        lengths: (11, usize::MAX),
        gram: 8,
        stride: 4,
        sizes: &[
            Size { bits: 21, through: through::<8, 4, 21, false> },
            Size { bits: 23, through: through::<8, 4, 23, false> },
        ],
    },
    Shape {
        lengths: (7, 10),
        gram: 6,
        stride: 2,
        sizes: &[Size { bits: 20, through: through::<6, 2, 20, true> }],
    },
    Shape {
        lengths: (3, 6),
        gram: 4,
        stride: 1,
        sizes: &[Size { bits: 19, through: through::<4, 1, 19, true> }],
    },
    Shape {
        lengths: (1, 2),
        gram: 2,
        stride: 1,
        sizes: &[Size { bits: 16, through: through::<2, 1, 16, false> }],
    },
];

/// Bits of a filter for each gram, where there can be so many: one place in so many is then looked at in vain.
const SPARSE: usize = 32;

/// 2^64 divided by the golden ratio, made odd: spreads neighbouring numbers (Knuth, vol. 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bit that is set in every byte of a folded gram: it makes ASCII letters lower case, and what else it makes
/// equal is told apart when the word is compared.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// Places that are looked at before the answers are.
const AT_ONCE: usize = 4;

/// A gram of a word.
#[derive(Debug, Clone, Copy)]
struct Gram {
    hash: u32,
    word: u32,
    /// Where in the words' text the word begins.
    begins: u32,
    /// Bytes of the word.
    length: u32,
    /// Where in the word the gram begins.
    offset: u32,
}

/// The words of one shape.
#[derive(Debug)]
pub(crate) struct Class {
    /// Goes through a part of a text.
    pub(crate) through: Through,
    /// A bit for each value of the upper bits of a hash: set where a gram has it.
    pub(crate) filter: Vec<u8>,
    /// The same for the hashes of the hashes. It halts most of what the first lets through by chance.
    again: Vec<u8>,
    /// How far a hash is shifted to give a bit of a filter.
    shift: u32,
    /// How far a hash is shifted to give the bucket of its grams.
    spread: u32,
    /// Where the grams of each bucket begin; one more at the end.
    buckets: Vec<u32>,
    grams: Vec<Gram>,
}

impl Class {
    pub(crate) fn new(shape: Shape, words: &Words) -> Self {
        let Shape { lengths, gram, stride, sizes } = shape;
        let mine = |number: &usize| (lengths.0..=lengths.1).contains(&words.word(*number).len());
        let mine: Vec<usize> = (0..words.len()).filter(mine).collect();
        let kept = choose(&mine, words, gram, stride);
        let fits = |size: &&Size| kept.len() * SPARSE <= 1 << size.bits;
        let Size { bits, through } = *sizes.iter().find(fits).unwrap_or(&sizes[sizes.len() - 1]);
        let count = kept.len().next_power_of_two().clamp(2, 1 << bits);
        let mut made = Self {
            through,
            filter: vec![0; 1 << (bits - 3)],
            again: vec![0; 1 << (bits - 3)],
            shift: 32 - bits,
            spread: 32 - count.trailing_zeros(),
            buckets: vec![0; count + 1],
            grams: kept.clone(),
        };
        for one in &kept {
            set(&mut made.filter, one.hash >> made.shift);
            set(&mut made.again, other(one.hash) >> made.shift);
            made.buckets[(one.hash >> made.spread) as usize + 1] += 1;
        }
        for place in 1..made.buckets.len() {
            made.buckets[place] += made.buckets[place - 1];
        }
        let mut next = made.buckets.clone();
        for one in kept {
            let place = &mut next[(one.hash >> made.spread) as usize];
            made.grams[*place as usize] = one;
            *place += 1;
        }
        made
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.grams.is_empty()
    }

    /// The grams that share a bucket with this hash; among them are all that set the same bit of the filter.
    fn bucket(&self, hash: u32) -> &[Gram] {
        let bucket = (hash >> self.spread) as usize;
        &self.grams[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize]
    }
}

/// Sets a bit of a filter.
pub(crate) fn set(filter: &mut [u8], bit: u32) {
    filter[bit as usize / 8] |= 1 << (bit % 8);
}

fn is_set(filter: &[u8], bit: u32) -> bool {
    filter[bit as usize / 8] >> (bit % 8) & 1 == 1
}

/// Another hash, of a hash.
fn other(hash: u32) -> u32 {
    (hash ^ hash >> 15).wrapping_mul(SPREAD as u32)
}

/// Takes a bit out of a filter.
fn clear(filter: &mut [u8], bit: u32) {
    filter[bit as usize / 8] &= !(1 << (bit % 8));
}

impl Words {
    /// A gram of this word, but for what it is.
    fn gram(&self, number: usize) -> Gram {
        let length = self.word(number).len() as u32;
        Gram { hash: 0, word: number as u32, begins: self.ends[number] - length, length, offset: 0 }
    }
}

/// The grams to keep of each word: of all runs of `stride` neighbours the one that is met least often.
fn choose(mine: &[usize], words: &Words, gram: usize, stride: usize) -> Vec<Gram> {
    let slots = (mine.len() * 32).next_power_of_two().clamp(1 << 10, 1 << 24);
    let slot = |hash: u32| hash as usize & (slots - 1);
    // Small, so that more of it stays in the second cache: what many words share is costly, however many they are.
    let mut shared = vec![0u8; slots];
    for &number in mine {
        let word = words.word(number);
        for at in 0..(word.len() + 1).saturating_sub(gram) {
            let count = &mut shared[slot(hash(load(word, at), gram))];
            *count = count.saturating_add(1);
        }
    }
    let mut kept = Vec::with_capacity(mine.len() * stride);
    let (mut pairs, mut costs): (Vec<u32>, Vec<(u32, u32)>) = (Vec::new(), Vec::new());
    for &number in mine {
        let word = words.word(number);
        if word.len() < gram {
            extend(word, gram, &mut |hash| kept.push(Gram { hash, offset: 0, ..words.gram(number) }));
            continue;
        }
        pairs.clear();
        pairs.extend(word.windows(2).map(|pair| u32::from(words.usual[letters(pair)])));
        costs.clear();
        costs.extend(sums(&pairs, gram - 1).enumerate().map(|(at, usual)| {
            let hash = hash(load(word, at), gram);
            // A gram that other words have is met wherever they are.
            (hash, usual + 32 * log2(u32::from(shared[slot(hash)])))
        }));
        let each: Vec<u32> = costs.iter().map(|(_, cost)| *cost).collect();
        let best = sums(&each, stride).enumerate().min_by_key(|(_, cost)| *cost).map_or(0, |(at, _)| at);
        // From behind, so that of two places that one gram gives the first one comes first.
        let run = (best..best + stride).rev();
        kept.extend(run.map(|at| Gram { hash: costs[at].0, offset: at as u32, ..words.gram(number) }));
    }
    kept
}

/// The sums of each run of `length` neighbours.
fn sums(numbers: &[u32], length: usize) -> impl Iterator<Item = u32> {
    let first: u32 = numbers[..length].iter().sum();
    let later = numbers[length..].iter().zip(numbers).scan(first, |sum, (new, old)| {
        *sum = *sum + new - old;
        Some(*sum)
    });
    std::iter::once(first).chain(later)
}

/// The hashes of a word that is shorter than a gram: it, and whatever can follow it.
fn extend(word: &[u8], gram: usize, each: &mut dyn FnMut(u32)) {
    if word.len() == gram {
        return each(hash(load(word, 0), gram));
    }
    // Folded bytes all have this bit.
    for next in (0..=u8::MAX).filter(|next| next & FOLD as u8 != 0) {
        extend(&[word, &[next]].concat(), gram, each);
    }
}

/// How usual each pair of letters is: by it grams are chosen. The words themselves tell, since they are of the language
/// of the texts. In eighths of a power of two.
pub(crate) fn usual(text: &[u8]) -> Vec<u8> {
    let mut counts = vec![0u32; 1 << 12];
    for pair in text.windows(2) {
        counts[letters(pair)] += 1;
    }
    counts.into_iter().map(|count| log2(count) as u8).collect()
}

/// A pair of bytes as a number of 12 bits: letters in either case, and the rest apart from them.
fn letters(pair: &[u8]) -> usize {
    let one = |byte: u8| usize::from(byte & 0x1f | u8::from(byte < 0x40) << 5);
    one(pair[0]) << 6 | one(pair[1])
}

/// The logarithm to the base of 2 of one more, in eighths.
fn log2(count: u32) -> u32 {
    let whole = (count + 1).ilog2();
    8 * whole + (((count + 1) << 3 >> whole) & 7)
}

/// The eight bytes at a place, those behind the end being 0.
fn load(text: &[u8], at: usize) -> u64 {
    match text.get(at..at + 8) {
        Some(bytes) => whole_gram(bytes, 0),
        None => text[at..].iter().take(8).rev().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    }
}

#[inline(always)]
fn whole_gram(text: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"))
}

/// The hash of the first `gram` bytes. Its upper bits are the best.
#[inline(always)]
fn hash(bytes: u64, gram: usize) -> u32 {
    if gram <= 4 {
        let folded = (bytes as u32 | FOLD as u32) << (32 - 8 * gram);
        return folded.wrapping_mul(SPREAD as u32);
    }
    let folded = (bytes | FOLD) << (64 - 8 * gram);
    (folded.wrapping_mul(SPREAD) >> 32) as u32
}

/// Looks up each gram that begins in `from..to`.
fn through<const GRAM: usize, const STRIDE: usize, const BITS: u32, const WIDE: bool>(
    search: &mut Search<'_>,
    number: usize,
    text: &[u8],
    from: usize,
    to: usize,
    found: &mut dyn FnMut(usize, usize) -> Then,
) {
    let mut at = from;
    while let Some((place, hash)) = next::<GRAM, STRIDE, BITS, WIDE>(&search.filters[number], text, at, to) {
        if !compare(search, number, hash, text, place, found) {
            let bit = hash >> (32 - BITS);
            clear(&mut search.filters[number], bit);
            search.taken.push((number, bit));
        }
        at = place + STRIDE;
    }
}

/// The first place from `at` on and before `to` with a gram that the filter lets through, and its hash. A loop of its
/// own, so that the processor keeps all that it needs in registers.
///
/// Where `WIDE`, the first question is whether any bit of a byte of the filter is set: half the instructions, and with
/// few bits set nearly as often the right answer.
fn next<const GRAM: usize, const STRIDE: usize, const BITS: u32, const WIDE: bool>(
    filter: &[u8],
    text: &[u8],
    mut at: usize,
    to: usize,
) -> Option<(usize, u32)> {
    // As long as the compiler knows it, no index needs a check.
    let filter = filter.get(..1 << (BITS - 3))?;
    let byte = |hash: u32| filter[(hash >> (35 - BITS)) as usize];
    let bit = |hash: u32| byte(hash) >> (hash >> (32 - BITS) & 7) & 1;
    let whole = &text[..text.len().min(to + 7)];
    // Several at once, and one question about them: nearly always the answer is no.
    while at < to {
        let mut end = to;
        while let Some(block) = whole.get(at..at + (AT_ONCE - 1) * STRIDE + 8) {
            let one = |number: usize| {
                let hash = hash(whole_gram(block, number * STRIDE), GRAM);
                if WIDE { byte(hash) } else { bit(hash) }
            };
            if (0..AT_ONCE).fold(0, |all, number| all | one(number)) != 0 {
                end = to.min(at + AT_ONCE * STRIDE);
                break;
            }
            at += AT_ONCE * STRIDE;
        }
        while at < end {
            let hash = hash(load(text, at), GRAM);
            if bit(hash) == 1 {
                return Some((at, hash));
            }
            at += STRIDE;
        }
    }
    None
}

/// Compares the words that have the gram at `at`. False where nobody wants any of those any more that set its bit.
#[inline(never)]
fn compare(
    search: &mut Search<'_>,
    number: usize,
    hash: u32,
    text: &[u8],
    at: usize,
    found: &mut dyn FnMut(usize, usize) -> Then,
) -> bool {
    let class = &search.words.classes[number];
    if !is_set(&class.again, other(hash) >> class.shift) {
        return true;
    }
    let mut enough = false;
    for gram in class.bucket(hash).iter().filter(|gram| gram.hash == hash) {
        if search.enough[gram.word as usize] == search.text {
            enough = true;
            continue;
        }
        let word = &search.words.text[gram.begins as usize..(gram.begins + gram.length) as usize];
        let begin = at.checked_sub(gram.offset as usize);
        let begin = begin.filter(|begin| {
            text.get(*begin..begin + word.len()).is_some_and(|here| here.eq_ignore_ascii_case(word))
        });
        if begin.is_some_and(|begin| found(gram.word as usize, begin) == Then::Enough) {
            search.enough[gram.word as usize] = search.text;
            enough = true;
        }
    }
    let same = |gram: &&Gram| gram.hash >> class.shift == hash >> class.shift;
    !enough
        || class.bucket(hash).iter().filter(same).any(|gram| search.enough[gram.word as usize] != search.text)
}
