//! Records of fixed layout: little-endian fields read and written in order, and the CRC over a record without its
//! own field. Nothing here allocates by what the bytes say.

/// Reads fields one after the other; `None` once the bytes are used up.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// Appends fields one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    pub(crate) fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Fills with zeroes up to `len` bytes in all.
    pub(crate) fn zeroes_to(mut self, len: usize) -> Self {
        debug_assert!(self.0.len() <= len, "the fields fit into the record");
        self.0.resize(len, 0);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes the CRC of everything but its own field into the four bytes at `at`.
    pub(crate) fn sealed(mut self, at: usize) -> Vec<u8> {
        let crc = crc_without(&self.0, at).unwrap_or_default();
        if let Some(field) = self.0.get_mut(at..at + 4) {
            field.copy_from_slice(&crc.to_le_bytes());
        }
        self.0
    }
}

/// CRC-32/ISO-HDLC of `bytes` without the four bytes at `at`; `None` when they do not lie inside.
pub(crate) fn crc_without(bytes: &[u8], at: usize) -> Option<u32> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..at)?);
    hasher.update(bytes.get(at + 4..)?);
    Some(hasher.finalize())
}

/// Whether the four bytes at `at` are the CRC of the rest.
pub(crate) fn crc_matches(bytes: &[u8], at: usize) -> bool {
    let stored = bytes.get(at..).and_then(|tail| tail.first_chunk::<4>()).map(|field| u32::from_le_bytes(*field));
    stored.is_some() && stored == crc_without(bytes, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_record_is_read_back_and_every_flipped_bit_is_seen() {
        let bytes = Record::default().u16(7).u32(8).u32(0).u64(9).u8(1).zeroes_to(24).sealed(6);
        assert!(crc_matches(&bytes, 6));
        let mut fields = Fields::new(&bytes);
        assert_eq!((fields.u16(), fields.u32()), (Some(7), Some(8)));
        assert_eq!((fields.skip(4), fields.u64(), fields.u8()), (Some(()), Some(9), Some(1)));
        assert_eq!(fields.rest().len(), 5);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!crc_matches(&damaged, 6), "bit {bit}");
        }
    }

    #[test]
    fn short_bytes_are_no_record() {
        assert!(!crc_matches(&[0; 5], 2));
        assert_eq!(Fields::new(&[1, 2, 3]).u32(), None);
    }
}
