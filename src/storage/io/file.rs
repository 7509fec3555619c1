//! The traits, and the few sequences of calls that everybody needs.
//!
//! A call returns when the operating system took it; it is durable only after the sync named in its description.

use super::map::Map;
use std::{
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// What is free and what there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free: u64,
    pub total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The last component. A name that is no UTF-8 is none of ours and is not listed.
    pub name: String,
    pub is_dir: bool,
}

/// A file system.
pub trait Io: Send + Sync + 'static {
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn IoFile>>;

    /// Opens an existing file for reading only; such a handle refuses writes.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn IoFile>>;

    /// Creates an empty file; one that exists is an error of kind `AlreadyExists`. The name is durable after
    /// [`Io::fsync_dir`] of its directory.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn IoFile>>;

    /// Creates a directory and its parents; one that exists is fine. Durable after `fsync_dir` of each parent.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, sorted by name.
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes every creation, rename and removal of names in this directory durable.
    fn fsync_dir(&self, path: &Path) -> io::Result<()>;

    /// Moves a file or directory, replacing a file of that name. Durable after `fsync_dir` of both directories.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name; handles and maps of it stay good.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and everything in it.
    fn remove_tree(&self, path: &Path) -> io::Result<()>;

    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Where something that exists really is: absolute, without links and steps upwards.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// The space of the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// An open file. Positions are explicit; a handle may be used by many threads.
pub trait IoFile: Send + Sync + 'static {
    /// Writes all of `bytes` at `offset`. Durable after [`IoFile::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset`, or as much of it as the file has; says how much.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// `fdatasync`: the bytes and the length are durable. After an error nothing may be assumed about earlier writes,
    /// and trying again proves nothing.
    fn sync(&self) -> io::Result<()>;

    fn len(&self) -> io::Result<u64>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves blocks up to `len` and makes the file at least that long.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Asks that writes of this handle go past the page cache; false when the file system cannot. Such a write starts at
    /// a multiple of [`DIRECT_ALIGNMENT`](super::DIRECT_ALIGNMENT), in the file and in memory, and is as long as a
    /// multiple of it; reads need another handle. Nothing changes about durability.
    fn set_direct(&self, _on: bool) -> io::Result<bool> {
        Ok(false)
    }

    /// Asks for clean pages to leave the page cache, so that the next read tells what the device has.
    fn drop_cache(&self) -> io::Result<()>;

    /// The whole file, mapped read-only. The caller promises that nobody writes to or truncates the file while a
    /// slice of it lives.
    fn map(&self) -> io::Result<Map>;

    /// Takes the file's advisory lock until the handle is dropped; false when another handle has it.
    fn try_lock(&self) -> io::Result<bool>;
}

#[repr(align(4096))]
struct Zeroes([u8; 1 << 20]);

static ZEROES: Zeroes = Zeroes([0; 1 << 20]);

/// Where a path leads to that may not exist yet: what exists of it is followed through its links.
pub fn resolve(io: &dyn Io, path: &Path) -> io::Result<PathBuf> {
    let mut found = if path.is_absolute() { PathBuf::new() } else { io.canonical(Path::new("."))? };
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => {
                found.push(step);
                if io.exists(&found)? {
                    found = io.canonical(&found)?;
                }
            }
        }
    }
    Ok(found)
}

/// Writes zeroes from `from` to `to`, so that later writes there change no metadata.
pub fn fill_zeroes(file: &dyn IoFile, from: u64, to: u64) -> io::Result<()> {
    let Zeroes(zeroes) = &ZEROES;
    let mut at = from;
    while at < to {
        let step = (to - at).min(zeroes.len() as u64);
        write_direct_at(file, zeroes.get(..step as usize).unwrap_or(zeroes), at)?;
        at += step;
    }
    Ok(())
}

/// Writes through a handle that may be direct. One whose file system wants more than it said goes on through the page
/// cache.
pub fn write_direct_at(file: &dyn IoFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    match file.write_at(bytes, offset) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            file.set_direct(false)?;
            file.write_at(bytes, offset)
        }
        result => result,
    }
}

/// Fills the whole buffer or fails with `UnexpectedEof`.
pub fn read_exact_at(file: &dyn IoFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let read = file.read_at(buffer, offset)?;
    if read == buffer.len() {
        return Ok(());
    }
    let what = format!("{} bytes wanted at offset {offset}, {read} there", buffer.len());
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

/// Puts a file with these bytes in place, whole or not at all: temporary name, sync, rename, sync of the directory.
pub fn write_file_durably(io: &dyn Io, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    if io.exists(&temporary)? {
        io.unlink(&temporary)?;
    }
    let file = io.create(&temporary)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    io.rename(&temporary, path)?;
    io.fsync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// True when the error says that the disk, a quota or a file size limit is exhausted.
pub fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
