//! `access/keys`: one small file whose bytes belong to the layer above. Written whole or not at all; one that is damaged
//! is an error and never an empty one, because an empty one would let a first start make a new administrator.
//!
//! The magic, the place of the version and the place of the CRC hold for every format version.

use super::{
    file_error::{FileError, at},
    fixed::{Fields, Record, crc_matches},
    io::{Io, read_exact_at, write_file_durably},
};
use crate::base::time::Timestamp;
use std::path::{Path, PathBuf};

pub const DIRECTORY: &str = "access";
pub const FILE: &str = "keys";
pub const MAGIC: [u8; 8] = *b"FBACCESS";
pub const VERSION: u16 = 1;
pub const HEADER_BYTES: usize = 64;
/// Longer ones are not read: nobody has that many keys.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;
const CRC_AT: usize = 60;

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("{} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: &'static str },
    #[error("{} has format version {found}, this program knows versions up to {VERSION}", path.display())]
    NewerFormat { path: PathBuf, found: u16 },
    #[error("{} would have {bytes} bytes, allowed are {PAYLOAD_BYTES_MAX}", path.display())]
    TooLarge { path: PathBuf, bytes: usize },
    #[error(transparent)]
    File(#[from] FileError),
}

pub fn path_of(data_dir: &Path) -> PathBuf {
    data_dir.join(DIRECTORY).join(FILE)
}

/// What was written last; `None` when nothing ever was.
///
/// # Errors
/// The file cannot be read, is damaged or of a newer format.
pub fn read(io: &dyn Io, data_dir: &Path) -> Result<Option<Vec<u8>>, AccessError> {
    let path = path_of(data_dir);
    if !io.exists(&path).map_err(at("looking for", &path))? {
        return Ok(None);
    }
    let file = io.open_read(&path).map_err(at("opening", &path))?;
    let bytes = usize::try_from(file.len().map_err(at("measuring", &path))?).unwrap_or(usize::MAX);
    if bytes > HEADER_BYTES + PAYLOAD_BYTES_MAX {
        return Err(AccessError::TooLarge { path, bytes });
    }
    let mut content = vec![0; bytes];
    read_exact_at(&*file, &mut content, 0).map_err(at("reading", &path))?;
    decode(&content).map(|payload| Some(payload.to_vec())).map_err(|wrong| wrong.at(path))
}

/// Replaces the file, durably.
///
/// # Errors
/// The file cannot be written, or is too large.
pub fn write(io: &dyn Io, data_dir: &Path, now: Timestamp, payload: &[u8]) -> Result<(), AccessError> {
    let (directory, path) = (data_dir.join(DIRECTORY), path_of(data_dir));
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(AccessError::TooLarge { path, bytes: payload.len() });
    }
    if !io.exists(&directory).map_err(at("looking for", &directory))? {
        io.create_dir(&directory).map_err(at("creating", &directory))?;
        io.fsync_dir(data_dir).map_err(at("syncing", data_dir))?;
    }
    write_file_durably(io, &path, &encode(now, payload)).map_err(at("writing", &path))?;
    Ok(())
}

fn encode(now: Timestamp, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let header = Record::with_capacity(HEADER_BYTES + payload.len()).bytes(&MAGIC).u16(VERSION).u16(0);
    header.u32(length).u64(now.0).zeroes_to(HEADER_BYTES).bytes(payload).sealed(CRC_AT)
}

enum Wrong {
    Damaged(&'static str),
    Newer(u16),
}

impl Wrong {
    fn at(self, path: PathBuf) -> AccessError {
        match self {
            Self::Damaged(what) => AccessError::Damaged { path, what },
            Self::Newer(found) => AccessError::NewerFormat { path, found },
        }
    }
}

fn decode(bytes: &[u8]) -> Result<&[u8], Wrong> {
    const SHORT: Wrong = Wrong::Damaged("it is shorter than its header");
    let mut fields = Fields::new(bytes);
    let payload = bytes.get(HEADER_BYTES..).ok_or(SHORT)?;
    if fields.array() != Some(MAGIC) {
        return Err(Wrong::Damaged("its magic number does not match"));
    }
    if !crc_matches(bytes, CRC_AT) {
        return Err(Wrong::Damaged("its CRC does not match"));
    }
    let version = fields.u16().ok_or(SHORT)?;
    if version > VERSION {
        return Err(Wrong::Newer(version));
    }
    fields.skip(2).ok_or(SHORT)?;
    if fields.u32().ok_or(SHORT)? as usize != payload.len() {
        return Err(Wrong::Damaged("its length does not match"));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::io::SysIo;

    const AT: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn what_was_written_last_is_read_back() {
        let dir = tempfile::tempdir().expect("tempdir");
        assert_eq!(read(&SysIo, dir.path()).expect("nothing there"), None);
        for payload in [&b"one"[..], b"", b"and another"] {
            write(&SysIo, dir.path(), AT, payload).expect("written");
            assert_eq!(read(&SysIo, dir.path()).expect("sound").as_deref(), Some(payload));
        }
        let names: Vec<_> = SysIo.list_dir(&dir.path().join(DIRECTORY)).expect("listed");
        assert_eq!(names.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), [FILE]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_damage_and_never_nothing() {
        let sound = encode(AT, b"payload");
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&bytes), Err(Wrong::Damaged(_))), "bit {bit}");
        }
        for length in 0..sound.len() {
            assert!(matches!(decode(&sound[..length]), Err(Wrong::Damaged(_))), "cut to {length}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_its_number() {
        let record = Record::default().bytes(&MAGIC).u16(2).zeroes_to(HEADER_BYTES).bytes(b"new").sealed(CRC_AT);
        assert!(matches!(decode(&record), Err(Wrong::Newer(2))));
    }
}
