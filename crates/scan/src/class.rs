//! Words of similar length: which grams of them are kept, and how a text is gone through for these.

use crate::{Search, Then, Words};
use std::ops::Range;

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
    /// Bytes of a cell.
    cell: usize,
    /// How many cells it has, as a power of two.
    cells: u32,
    /// Goes through a part of a text.
    through: Through,
    /// The same for processors that shift by a number in a register in one step ([`fast::is_there`]).
    through_fast: Through,
}

/// A size, and what goes through a text with it.
const fn size<const GRAM: usize, const STRIDE: usize, const CELL: usize, const CELLS: u32>() -> Size {
    Size {
        cell: CELL,
        cells: CELLS,
        through: through::<GRAM, STRIDE, CELL, CELLS>,
        through_fast: fast::through::<GRAM, STRIDE, CELL, CELLS>,
    }
}

/// Each takes the widest stride that its shortest word allows, which has `gram + stride - 1` bytes at least. By far the
/// most words are of the first class. The others have few, but are looked for at more places: what these cost is the number
/// of steps at each, and cells of one byte take the fewest. As long as the words are thousands, each class's filter stays in
/// the first cache or in the second.
pub(crate) const CLASSES: [Shape; 4] = [
    Shape {
        lengths: (11, usize::MAX),
        gram: 8,
        stride: 4,
        sizes: &[size::<8, 4, WIDE, 14>(), size::<8, 4, WIDE, 16>(), size::<8, 4, WIDE, 18>()],
    },
    Shape { lengths: (7, 10), gram: 6, stride: 2, sizes: &[size::<6, 2, 1, 15>(), size::<6, 2, 1, 18>()] },
    Shape {
        lengths: (3, 6),
        gram: 3,
        stride: 1,
        sizes: &[size::<3, 1, 1, 14>(), size::<3, 1, 1, 16>(), size::<3, 1, 1, 18>()],
    },
    Shape { lengths: (1, 2), gram: 2, stride: 1, sizes: &[size::<2, 1, 1, 14>()] },
];

/// Bits of [`WIDE`] cells for each gram, and cells where they are narrower, where there can be so many: few places are then
/// looked at in vain.
const SPARSE: usize = 11;

/// Bytes of a cell in which two bits are set for each gram.
const WIDE: usize = size_of::<u64>();

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
    /// Four bytes of the word that lie away from the gram, folded.
    beside: u32,
}

impl Gram {
    /// Where in the word `beside` is taken from: the end that is farther from the gram.
    fn other_end(&self) -> usize {
        if self.offset > self.length / 2 { 0 } else { self.length as usize - BESIDE }
    }

    /// Where the word begins if it is the word whose gram stands at `at`; none where its other end says that it is not.
    /// Most that share a gram are told apart so, and the words themselves, which lie far away, are not touched.
    #[inline(always)]
    fn begin(&self, text: &[u8], at: usize) -> Option<usize> {
        let begin = at.checked_sub(self.offset as usize)?;
        if self.length as usize >= BESIDE {
            let end = begin + self.other_end();
            let here = text.get(end..end + BESIDE)?.try_into().ok().map(u32::from_le_bytes)?;
            return (here | FOLD as u32 == self.beside).then_some(begin);
        }
        Some(begin)
    }
}

/// Bytes of a word that are kept with each of its grams.
const BESIDE: usize = 4;

/// The words of one shape.
#[derive(Debug)]
pub(crate) struct Class {
    /// Goes through a part of a text.
    pub(crate) through: Through,
    /// A Bloom filter in blocks (Putze, Sanders and Singler 2007): the upper bits of a gram's hash name a cell, its lower
    /// bits what is set in it. Of [`WIDE`] cells these are two bits, so that one look tells as much as two filters would; of
    /// others one, and that such a cell is empty is seen without looking for it.
    pub(crate) filter: Vec<u8>,
    /// Bytes of a cell.
    width: usize,
    /// How far a hash is shifted to give its cell.
    shift: u32,
    /// Where the grams of each cell begin; one more at the end.
    cells: Vec<u32>,
    grams: Vec<Gram>,
}

impl Class {
    pub(crate) fn new(shape: Shape, words: &Words, fast: bool) -> Self {
        let Shape { lengths, gram, stride, sizes } = shape;
        let mine = |number: &usize| (lengths.0..=lengths.1).contains(&words.word(*number).len());
        let mine: Vec<usize> = (0..words.len()).filter(mine).collect();
        let kept = choose(&mine, words, gram, stride);
        let told_apart = |size: &Size| if size.cell == WIDE { u64::BITS as usize } else { 1 } << size.cells;
        let fits = |size: &&Size| kept.len() * SPARSE <= told_apart(size);
        let Size { cell: width, cells, through, through_fast } =
            *sizes.iter().find(fits).unwrap_or(&sizes[sizes.len() - 1]);
        let mut through = if fast { through_fast } else { through };
        if mine.len() <= FEW && mine.iter().all(|number| words.word(*number).len() == 2) {
            through = pairs;
        }
        let count = 1 << cells;
        let mut made = Self {
            through,
            filter: vec![0; count * width],
            width,
            shift: u32::BITS - cells,
            cells: vec![0; count + 1],
            grams: kept.clone(),
        };
        for one in &kept {
            let cell = made.cell(one.hash);
            made.cells[cell + 1] += 1;
            let bytes = made.bytes(cell);
            let bits = made.mask(one.hash);
            made.filter[bytes].iter_mut().zip(bits).for_each(|(byte, bits)| *byte |= bits);
        }
        for place in 1..made.cells.len() {
            made.cells[place] += made.cells[place - 1];
        }
        let mut next = made.cells.clone();
        for one in kept {
            let place = &mut next[made.cell(one.hash)];
            made.grams[*place as usize] = one;
            *place += 1;
        }
        made
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.grams.is_empty()
    }

    fn cell(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    /// The bits that a hash has in its cell.
    fn mask(&self, hash: u32) -> [u8; WIDE] {
        let mask: u64 = if self.width == WIDE {
            1 << (hash & 63) | 1 << (hash >> 6 & 63)
        } else {
            1 << below(hash, self.shift)
        };
        mask.to_le_bytes()
    }

    /// Where in the filter a cell lies.
    fn bytes(&self, cell: usize) -> Range<usize> {
        cell * self.width..(cell + 1) * self.width
    }
}

/// The bit of a hash in its cell of one byte: its upper bits, down to `shift`, name the cell, and those below are nearly
/// as good.
#[inline(always)]
fn below(hash: u32, shift: u32) -> u32 {
    hash >> (shift - 3) & 7
}

impl Words {
    /// A gram of this word, but for what it is.
    fn gram(&self, number: usize) -> Gram {
        let length = self.word(number).len() as u32;
        Gram {
            hash: 0,
            word: number as u32,
            begins: self.ends[number] - length,
            length,
            offset: 0,
            beside: 0,
        }
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
    for one in &mut kept {
        if one.length as usize >= BESIDE {
            let word = words.word(one.word as usize);
            one.beside = load(word, one.other_end()) as u32 | FOLD as u32;
        }
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
    let folded = bytes & (!FOLD >> (u64::BITS as usize - 8 * gram));
    (folded.wrapping_mul(SPREAD) >> 32) as u32
}

/// Looks up each gram that begins in `from..to`.
///
/// What the filter lets through is noted first and looked at then: the grams and words lie scattered in memory, and a
/// processor waits for many of them at once where no decision stands between.
#[inline(always)]
fn through<const GRAM: usize, const STRIDE: usize, const CELL: usize, const CELLS: u32>(
    search: &mut Search<'_>,
    number: usize,
    text: &[u8],
    from: usize,
    to: usize,
    found: &mut dyn FnMut(usize, usize) -> Then,
) {
    let class = &search.words.classes[number];
    search.let_through.clear();
    let mut at = from;
    while let Some((place, hash)) = next::<GRAM, STRIDE, CELL, CELLS>(&search.filters[number], text, at, to) {
        let cell = class.cell(hash);
        search.let_through.push(Place { at: place, hash, grams: (class.cells[cell], class.cells[cell + 1]) });
        at = place + STRIDE;
    }
    search.likely.clear();
    for place in &search.let_through {
        for gram in place.grams.0..place.grams.1 {
            let one = &class.grams[gram as usize];
            if one.hash == place.hash
                && let Some(begin) = one.begin(text, place.at)
            {
                search.likely.push((begin, gram));
            }
        }
    }
    compare(search, number, text, found);
}

/// The same with the shifts of BMI2, each of which is one step where the usual ones are three: a third more of a text in
/// the same time.
#[cfg(target_arch = "x86_64")]
pub(crate) mod fast {
    use super::{Search, Then};

    /// Whether this processor has them.
    pub(crate) fn is_there() -> bool {
        std::arch::is_x86_feature_detected!("bmi2")
    }

    /// Only to be called where [`is_there`] says so.
    pub(super) fn through<const GRAM: usize, const STRIDE: usize, const CELL: usize, const CELLS: u32>(
        search: &mut Search<'_>,
        number: usize,
        text: &[u8],
        from: usize,
        to: usize,
        found: &mut dyn FnMut(usize, usize) -> Then,
    ) {
        // SAFETY: words take this only where the processor was found to have BMI2.
        unsafe { with_bmi2::<GRAM, STRIDE, CELL, CELLS>(search, number, text, from, to, found) }
    }

    #[target_feature(enable = "bmi2")]
    fn with_bmi2<const GRAM: usize, const STRIDE: usize, const CELL: usize, const CELLS: u32>(
        search: &mut Search<'_>,
        number: usize,
        text: &[u8],
        from: usize,
        to: usize,
        found: &mut dyn FnMut(usize, usize) -> Then,
    ) {
        super::through::<GRAM, STRIDE, CELL, CELLS>(search, number, text, from, to, found);
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod fast {
    pub(super) use super::through;

    pub(crate) fn is_there() -> bool {
        false
    }
}

/// How many words of two bytes are looked for one by one: nearly nobody looks for any, and a look at every place of a
/// text would cost as much as all longer words.
const FEW: usize = 4;

/// Bytes of which is asked at once whether a pair stands there.
const BLOCK: usize = 64;

/// Looks for each word of two bytes by itself, many bytes at once.
fn pairs(
    search: &mut Search<'_>,
    number: usize,
    text: &[u8],
    from: usize,
    to: usize,
    found: &mut dyn FnMut(usize, usize) -> Then,
) {
    let class = &search.words.classes[number];
    let fold = |byte: u8| byte | FOLD as u8;
    search.likely.clear();
    for (gram, one) in (0..).zip(&class.grams) {
        if search.enough[one.word as usize] == search.text {
            continue;
        }
        let word = search.words.word(one.word as usize);
        let (first, second) = (fold(word[0]), fold(word[1]));
        // The last byte of a text begins no pair.
        for at in (from..to.min(text.len() - 1)).step_by(BLOCK) {
            let end = to.min(at + BLOCK).min(text.len() - 1);
            let both = text[at..end].iter().zip(&text[at + 1..end + 1]);
            let stands = |(one, next): (&u8, &u8)| (fold(*one) == first) & (fold(*next) == second);
            if both.clone().fold(false, |any, pair| any | stands(pair)) {
                let places = both.enumerate().filter(|(_, pair)| stands(*pair));
                search.likely.extend(places.map(|(place, _)| (at + place, gram)));
            }
        }
    }
    compare(search, number, text, found);
}

/// A place that a filter let through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    at: usize,
    hash: u32,
    /// The grams of its cell, from and to.
    grams: (u32, u32),
}

/// The first place from `at` on and before `to` with a gram that the filter lets through, and its hash. A loop of its
/// own, so that the processor keeps all that it needs in registers.
#[inline(always)]
fn next<const GRAM: usize, const STRIDE: usize, const CELL: usize, const CELLS: u32>(
    filter: &[u8],
    text: &[u8],
    mut at: usize,
    to: usize,
) -> Option<(usize, u32)> {
    // As long as the compiler knows it, no index needs a check.
    let filter = filter.as_chunks::<CELL>().0.get(..1 << CELLS)?;
    let shift = u32::BITS - CELLS;
    let cell = |hash: u32| {
        let mut cell = [0; WIDE];
        cell[..CELL].copy_from_slice(&filter[(hash >> shift) as usize]);
        u64::from_le_bytes(cell)
    };
    // Whether all bits of the hash are set: the lowest of what comes.
    let look = |hash: u32| {
        let cell = cell(hash);
        if CELL == WIDE { cell >> (hash & 63) & cell >> (hash >> 6 & 63) } else { cell >> below(hash, shift) }
    };
    // What is not 0 wherever they are.
    let glance = |hash: u32| if CELL == WIDE { look(hash) & 1 } else { cell(hash) };
    let whole = &text[..text.len().min(to + 7)];
    // Several at once, and one question about them: nearly always the answer is no.
    while at < to {
        let mut end = to;
        while let Some(block) = whole.get(at..at + (AT_ONCE - 1) * STRIDE + 8) {
            let one = |number: usize| glance(hash(whole_gram(block, number * STRIDE), GRAM));
            if (0..AT_ONCE).fold(0, |all, number| all | one(number)) != 0 {
                end = to.min(at + AT_ONCE * STRIDE);
                break;
            }
            at += AT_ONCE * STRIDE;
        }
        while at < end {
            let hash = hash(load(text, at), GRAM);
            if look(hash) & 1 != 0 {
                return Some((at, hash));
            }
            at += STRIDE;
        }
    }
    None
}

/// Compares the words that are likely.
#[inline(never)]
fn compare(search: &mut Search<'_>, number: usize, text: &[u8], found: &mut dyn FnMut(usize, usize) -> Then) {
    let words = search.words;
    for likely in 0..search.likely.len() {
        let (begin, gram) = search.likely[likely];
        let gram = &words.classes[number].grams[gram as usize];
        let word = &words.text[gram.begins as usize..(gram.begins + gram.length) as usize];
        if search.enough[gram.word as usize] != search.text {
            let stands =
                text.get(begin..begin + word.len()).is_some_and(|here| here.eq_ignore_ascii_case(word));
            if !stands || found(gram.word as usize, begin) == Then::More {
                continue;
            }
            search.enough[gram.word as usize] = search.text;
        }
        search.forget(number, gram.hash);
    }
}

impl Search<'_> {
    /// Takes out of the cell of a hash what only words have of which the caller has enough.
    fn forget(&mut self, number: usize, hash: u32) {
        let class = &self.words.classes[number];
        let cell = class.cell(hash);
        let grams = &class.grams[class.cells[cell] as usize..class.cells[cell + 1] as usize];
        let wanted = grams.iter().filter(|gram| self.enough[gram.word as usize] != self.text);
        let wanted =
            wanted.fold(0, |all, gram| all | u64::from_le_bytes(class.mask(gram.hash))).to_le_bytes();
        let (wanted, bytes) = (&wanted[..class.width], class.bytes(cell));
        let here = &mut self.filters[number][bytes.clone()];
        if here != wanted {
            here.copy_from_slice(wanted);
            self.taken.push((number, bytes));
        }
    }
}
