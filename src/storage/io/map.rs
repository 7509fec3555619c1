//! The one place with `unsafe`: mapping a file that nobody writes to any more.

#![expect(unsafe_code, reason = "a memory map cannot be made without it; this file is the one exception")]

use bytes::Bytes;
use memmap2::MmapOptions;
use std::{fs::File, io};

/// Maps the whole file read-only. The caller promises, as [`super::IoFile::map`] says, that the file is sealed.
pub(super) fn map_sealed(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: a map is unsound when the file changes or shrinks below it. The storage layer maps only sealed files,
    // opens them nowhere for writing, and unlinks instead of recycling a file while a slice of its map lives
    // (`storage::log::segments`). The data directory is locked against other processes of ours.
    let map = unsafe { MmapOptions::new().map(file)? };
    Ok(Bytes::from_owner(map))
}
