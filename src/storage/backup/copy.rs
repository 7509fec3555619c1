//! Files there and back, with their CRC.

use super::BackupError;
use crate::storage::{
    file_error::{FileError, at},
    io::{Io, IoFile},
};
use std::{ops::ControlFlow, path::Path, sync::Arc};

const CHUNK_BYTES: u64 = 1 << 20;

/// Reads the first `bytes` of a file in chunks, and says their CRC and how many there are.
pub(super) fn read_chunks(
    file: &Arc<dyn IoFile>,
    path: &Path,
    bytes: u64,
    mut visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>, FileError>,
) -> Result<(u32, u64), BackupError> {
    let mut buffer = vec![0; bytes.min(CHUNK_BYTES) as usize];
    let (mut hasher, mut done) = (crc32fast::Hasher::new(), 0);
    while done < bytes {
        let wanted = (bytes - done).min(buffer.len() as u64) as usize;
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        let read = file.read_at(chunk, done).map_err(at("reading", path))?;
        if read == 0 {
            break;
        }
        let chunk = buffer.get(..read).unwrap_or_default();
        hasher.update(chunk);
        if visit(chunk, done)?.is_break() {
            return Err(BackupError::BrokenOff);
        }
        done += read as u64;
    }
    Ok((hasher.finalize(), done))
}

/// Copies the first `bytes` of a file to a new one, in place of what a broken-off run left; durable but for its name.
/// Says the CRC of what was copied.
pub(super) fn copy(
    io: &dyn Io,
    from: &Path,
    to: &Path,
    bytes: u64,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(u32, u64), BackupError> {
    let source = io.open_read(from).map_err(at("opening", from))?;
    let target = fresh(io, to)?;
    let copied = read_chunks(&source, from, bytes, |chunk, offset| {
        target.write_at(chunk, offset).map_err(at("writing", to))?;
        Ok(progress(offset + chunk.len() as u64))
    })?;
    target.sync().map_err(at("syncing", to))?;
    Ok(copied)
}

/// A new file with these bytes, durable but for its name.
pub(super) fn write(io: &dyn Io, to: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let target = fresh(io, to)?;
    target.write_at(bytes, 0).map_err(at("writing", to))?;
    target.sync().map_err(at("syncing", to))
}

fn fresh(io: &dyn Io, path: &Path) -> Result<Arc<dyn IoFile>, FileError> {
    if io.exists(path).map_err(at("looking for", path))? {
        io.unlink(path).map_err(at("removing", path))?;
    }
    io.create(path).map_err(at("creating", path))
}

/// The whole file, which is known to be small.
pub(super) fn read_all(io: &dyn Io, path: &Path, bytes_max: usize) -> Result<Vec<u8>, BackupError> {
    let file = io.open_read(path).map_err(at("opening", path))?;
    let bytes = file.len().map_err(at("measuring", path))?;
    if bytes > bytes_max as u64 {
        let what = format!("it has {bytes} bytes, at most {bytes_max} are expected");
        return Err(BackupError::Damaged { path: path.to_owned(), what });
    }
    let mut content = Vec::with_capacity(bytes as usize);
    read_chunks(&file, path, bytes, |chunk, _| {
        content.extend_from_slice(chunk);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(content)
}
