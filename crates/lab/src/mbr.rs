//! The first sectors of a disk that a BIOS boots: GRUB's boot sector with a table of one partition, and GRUB's core
//! behind it, in the gap before that partition.

/// Bytes of a sector.
const SECTOR: usize = 512;
/// Where the partition begins, in bytes: 1 MiB, as partitioning programs do it.
pub(crate) const BEGIN: u64 = 1 << 20;
/// Code of the boot sector; behind it lie the disk's signature and the table.
const CODE: usize = 440;
/// Where the table begins.
const TABLE: usize = 446;

/// The sectors before a partition of this size. `boot` is GRUB's `boot.img`, which loads the sector behind itself unless
/// it is told otherwise; `core` what `grub-mkimage` made.
///
/// # Errors
/// In words, where one of them does not fit.
pub(crate) fn gap(boot: &[u8], core: &[u8], partition: u64) -> Result<Vec<u8>, String> {
    let room = usize::try_from(BEGIN).unwrap_or(usize::MAX) - SECTOR;
    if boot.len() < CODE || core.len() > room {
        return Err(format!(
            "GRUB's boot sector has {} bytes and its core {}; {room} fit",
            boot.len(),
            core.len()
        ));
    }
    let sectors =
        |bytes: u64| u32::try_from(bytes / SECTOR as u64).map_err(|_| "the disk is too large".to_owned());
    let mut all = vec![0; SECTOR + core.len()];
    all[..CODE].copy_from_slice(&boot[..CODE]);
    // Active, no CHS addresses (0xfe 0xff 0xff: look at the LBA), Linux.
    all[TABLE..TABLE + 8].copy_from_slice(&[0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
    all[TABLE + 8..TABLE + 12].copy_from_slice(&sectors(BEGIN)?.to_le_bytes());
    all[TABLE + 12..TABLE + 16].copy_from_slice(&sectors(partition)?.to_le_bytes());
    all[SECTOR - 2..SECTOR].copy_from_slice(&[0x55, 0xaa]);
    all[SECTOR..].copy_from_slice(core);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_table_signature_and_core_have_their_places() {
        let gap = gap(&[1; 512], &[2; 1000], 4 << 30).expect("it fits");
        assert_eq!(gap.len(), 1512);
        assert_eq!((gap[439], gap[440], gap[446]), (1, 0, 0x80));
        assert_eq!(gap[454..458], 2048_u32.to_le_bytes());
        assert_eq!(gap[458..462], (8_u32 << 20).to_le_bytes());
        assert_eq!(gap[510..513], [0x55, 0xaa, 2]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(gap(&[1; 100], &[], 1 << 30).is_err());
        assert!(gap(&[1; 512], &vec![0; 1 << 20], 1 << 30).is_err());
        assert!(gap(&[1; 512], &[], 1 << 60).is_err());
    }
}
