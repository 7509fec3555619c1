//! A growing buffer whose first byte stands at a multiple of a page, as writes past the page cache need it.

use std::ops::{Deref, DerefMut};

/// What direct writes want of addresses, offsets and lengths. No file system in use asks for more.
pub const DIRECT_ALIGNMENT: usize = 4096;

/// Bytes to be written; see [`super::IoFile::set_direct`].
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    /// Never grows past its capacity, so that what is aligned stays aligned.
    bytes: Vec<u8>,
    /// Where the content begins.
    start: usize,
}

impl AlignedBuffer {
    /// Room for `additional` bytes behind the content.
    pub fn reserve(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() >= additional {
            return;
        }
        let room = (self.len() + additional).max(2 * self.len());
        let mut bytes: Vec<u8> = Vec::with_capacity(room + DIRECT_ALIGNMENT);
        let start = bytes.as_ptr().align_offset(DIRECT_ALIGNMENT).min(DIRECT_ALIGNMENT);
        bytes.resize(start, 0);
        bytes.extend_from_slice(self);
        *self = Self { bytes, start };
    }

    pub fn extend_from_slice(&mut self, more: &[u8]) {
        self.reserve(more.len());
        self.bytes.extend_from_slice(more);
    }

    /// Cuts the content, or fills it up with zeroes.
    pub fn resize(&mut self, len: usize) {
        self.reserve(len.saturating_sub(self.len()));
        self.bytes.resize(self.start + len, 0);
    }

    /// Drops the content, and the memory too when there is more of it than `keep`.
    pub fn clear(&mut self, keep: usize) {
        self.bytes.truncate(self.start);
        if self.bytes.capacity() > keep + DIRECT_ALIGNMENT {
            *self = Self::default();
        }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_stays_aligned_and_whole_while_it_grows() {
        let mut buffer = AlignedBuffer::default();
        for round in 0..200_u8 {
            buffer.extend_from_slice(&[round; 777]);
            assert_eq!(buffer.as_ptr().align_offset(DIRECT_ALIGNMENT), 0);
        }
        let wanted: Vec<u8> = (0..200_u8).flat_map(|round| [round; 777]).collect();
        assert_eq!(&buffer[..], &wanted[..]);
        buffer.resize(200 * 777 + 5);
        assert_eq!(&buffer[200 * 777..], &[0; 5]);
        buffer.clear(1 << 20);
        assert!(buffer.is_empty());
        buffer.extend_from_slice(b"again");
        assert_eq!((&buffer[..], buffer.as_ptr().align_offset(DIRECT_ALIGNMENT)), (&b"again"[..], 0));
    }

    #[test]
    fn a_giant_content_gives_its_memory_back() {
        let mut buffer = AlignedBuffer::default();
        buffer.resize(1 << 20);
        buffer.clear(64 << 10);
        assert_eq!(buffer.bytes.capacity(), 0);
    }
}
