//! Blocks that show what wrote them: each word of a block follows from its generation and its place.

/// Size of a block, in bytes.
pub const BLOCK: usize = 4096;

/// The block of this generation at this place. Its first word is the generation.
#[must_use]
pub fn block(generation: u64, number: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (at, word) in block.chunks_exact_mut(8).enumerate() {
        // Odd constants: no two words of a disk are alike by chance (splitmix64's and xxHash's).
        let mixed = generation
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(number.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
            .wrapping_add((at as u64).wrapping_mul(0x1656_67b1_9e37_79f9));
        word.copy_from_slice(&if at == 0 { generation } else { mixed }.to_le_bytes());
    }
    block
}

/// The generations of the blocks of a disk, in their order; none written yet is 0.
///
/// # Errors
/// The place of the first block that is torn, foreign, or of a generation that cannot be beside the one before it.
pub fn generations(disk: &[u8], blocks: u64) -> Result<Vec<u64>, u64> {
    let mut found: Vec<u64> = Vec::new();
    for (number, bytes) in (0..blocks).zip(disk.chunks_exact(BLOCK)) {
        let first = bytes.first_chunk::<8>().ok_or(number)?;
        let generation = u64::from_le_bytes(*first);
        let whole = if generation == 0 { [0; BLOCK] } else { block(generation, number) };
        let newest = found.first().copied().unwrap_or(generation);
        let before = found.last().copied().unwrap_or(generation);
        if *bytes != whole || generation > before || newest - generation > 1 {
            return Err(number);
        }
        found.push(generation);
    }
    if found.len() as u64 == blocks { Ok(found) } else { Err(found.len() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_in_the_middle_of_a_generation_is_whole_and_a_torn_one_is_not() {
        let disk = |generations: [u64; 4]| -> Vec<u8> {
            let each = generations.into_iter().zip(0..);
            each.flat_map(
                |(generation, number)| {
                    if generation == 0 { [0; BLOCK] } else { block(generation, number) }
                },
            )
            .collect()
        };
        assert_eq!(generations(&disk([3, 3, 2, 2]), 4), Ok(vec![3, 3, 2, 2]));
        assert_eq!(generations(&disk([1, 0, 0, 0]), 4), Ok(vec![1, 0, 0, 0]));
        assert_eq!(generations(&disk([3, 2, 3, 2]), 4), Err(2));
        assert_eq!(generations(&disk([3, 3, 1, 1]), 4), Err(2));
        let mut torn = disk([2, 2, 2, 2]);
        torn[BLOCK + 700] ^= 1;
        assert_eq!(generations(&torn, 4), Err(1));
        assert_eq!(generations(&torn[..BLOCK], 4), Err(1));
    }
}
