//! Memory of frames that have left the hot tail, for the frames to come.
//!
//! Large memory that is given back to the system has to be zeroed by it before it is taken again: a stream of large frames
//! would spend more time on that than on copying its messages.

use bytes::{Bytes, BytesMut};
use std::sync::{Mutex, PoisonError};

/// Smaller memory costs nothing to get.
const BYTES_MIN: usize = 64 << 10;
/// Kept at most, in pieces and in bytes.
const PIECES_MAX: usize = 16;
const BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<BytesMut>>);

impl Spare {
    fn pieces(&self) -> std::sync::MutexGuard<'_, Vec<BytesMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the memory of a frame, if it is worth it and nobody reads the frame any more.
    pub(super) fn keep(&self, frame: Bytes) {
        if frame.len() < BYTES_MIN {
            return;
        }
        let Ok(bytes) = frame.try_into_mut() else { return };
        let mut pieces = self.pieces();
        let kept: usize = pieces.iter().map(BytesMut::capacity).sum();
        if pieces.len() < PIECES_MAX && kept + bytes.capacity() <= BYTES_MAX {
            pieces.push(bytes);
        }
    }

    /// Memory for a frame of about `room` bytes.
    pub(super) fn take(&self, room: usize) -> BytesMut {
        if room >= BYTES_MIN {
            let mut pieces = self.pieces();
            let fits = |piece: &BytesMut| (room..=room + room / 4).contains(&piece.capacity());
            if let Some(index) = pieces.iter().position(fits) {
                return pieces.swap_remove(index);
            }
        }
        BytesMut::with_capacity(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_about_the_size_is_used_again_once_nobody_reads_it() {
        let spare = Spare::default();
        let frame = BytesMut::zeroed(100 << 10).freeze();
        let (place, reader) = (frame.as_ptr(), frame.clone());
        spare.keep(frame);
        assert_ne!(spare.take(100 << 10).as_ptr(), place, "a reader has it");
        spare.keep(reader);
        assert_ne!(spare.take(70 << 10).as_ptr(), place, "it is much larger");
        let taken = spare.take(100 << 10);
        assert_eq!(taken.as_ptr(), place);
        assert_ne!(spare.take(100 << 10).as_ptr(), place, "it is taken");
    }

    #[test]
    fn what_is_kept_has_a_limit_and_small_memory_is_not_kept() {
        let spare = Spare::default();
        for _ in 0..100 {
            spare.keep(BytesMut::zeroed(1 << 20).freeze());
            spare.keep(BytesMut::zeroed(1 << 10).freeze());
        }
        assert_eq!(spare.pieces().len(), 16);
        assert!(spare.pieces().iter().all(|piece| piece.capacity() == 1 << 20));
    }
}
