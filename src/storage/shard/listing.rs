//! The segments of all streams, for who copies or looks at them.

use super::{
    DIRECTORY,
    file::{self, FileHeader, number_of, stream_of},
    index::{TRAILER_BYTES, Trailer},
};
use crate::storage::io::Io;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The streams that have a directory, rising.
///
/// # Errors
///
/// The directory cannot be listed.
pub fn streams(io: &dyn Io, data_dir: &Path) -> io::Result<Vec<u64>> {
    let all = data_dir.join(DIRECTORY);
    if !io.exists(&all)? {
        return Ok(Vec::new());
    }
    let directories = io.list_dir(&all)?.into_iter().filter(|entry| entry.is_dir);
    Ok(directories.filter_map(|entry| stream_of(&entry.name)).collect())
}

/// The segments below a data directory, each from there: by stream, oldest first.
///
/// # Errors
///
/// A directory cannot be listed.
pub fn segments(io: &dyn Io, data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let all = data_dir.join(DIRECTORY);
    if !io.exists(&all)? {
        return Ok(found);
    }
    for stream in io.list_dir(&all)?.into_iter().filter(|entry| entry.is_dir) {
        let names = match io.list_dir(&all.join(&stream.name)) {
            // The stream was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            names => names?,
        };
        let own = names.into_iter().filter(|entry| number_of(&entry.name).is_some());
        found.extend(own.map(|entry| Path::new(DIRECTORY).join(&stream.name).join(entry.name)));
    }
    found.sort();
    Ok(found)
}

/// What tells a segment that nothing is written to any more from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    pub file_id: u64,
    /// The trailer's, which stands for the times and lengths of all chunks: a store that was restored goes on with the id of a
    /// segment that was in use.
    pub crc: u32,
}

/// The seal of a segment; none of one that is in use, or damaged at either end.
///
/// # Errors
///
/// The file cannot be read.
pub fn seal(io: &dyn Io, path: &Path) -> io::Result<Option<Seal>> {
    let file = io.open_read(path)?;
    let (mut header, mut trailer) = (vec![0; file::HEADER_BYTES], vec![0; TRAILER_BYTES]);
    let read = file.read_at(&mut header, 0)?;
    let at = file.len()?.saturating_sub(TRAILER_BYTES as u64);
    let trailer_read = file.read_at(&mut trailer, at)?;
    let id = header.get(..read).and_then(|bytes| FileHeader::decode(bytes).ok()).map(|header| header.file_id);
    let trailer = trailer.get(..trailer_read).unwrap_or_default();
    let id = id.filter(|id| Trailer::decode(trailer, *id).is_some());
    let crc = trailer.last_chunk().map(|crc| u32::from_le_bytes(*crc));
    Ok(id.zip(crc).map(|(file_id, crc)| Seal { file_id, crc }))
}
