//! Reading and writing little-endian numbers at fixed places of a structure.

/// Blocks, and everything else that a segment holds, start at multiples of this.
pub(super) const PAGE_BYTES: usize = 4096;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Copies `field` to its place in a structure that the caller made large enough.
pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

/// CRC-32/ISO-HDLC of the bytes but for the four at `hole`, where the CRC itself stands.
pub(super) fn crc_around(bytes: &[u8], hole: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..hole).unwrap_or(bytes));
    hasher.update(bytes.get(hole + 4..).unwrap_or(&[]));
    hasher.finalize()
}

/// The next multiple of the page size.
pub(super) fn padded(len: usize) -> usize {
    len.next_multiple_of(PAGE_BYTES)
}
