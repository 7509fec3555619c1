//! What one restore point consists of: `<name>.backup`, a line with version and CRC, then JSON.

use crate::{base::time::Timestamp, storage::log::extent::CutSegment};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub const MAGIC: &str = "FOREBAY-BACKUP";
pub const VERSION: u32 = 1;
/// Ends the names of manifests.
pub const SUFFIX: &str = ".backup";
/// Sealed segments, shared by the restore points.
pub const SEGMENTS: &str = "wal";
/// A store of a million segments fits.
pub const BYTES_MAX: usize = 512 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The store's uuid.
    pub store: String,
    pub time_ms: u64,
    /// The last block of the log; everything acknowledged before `time_ms` stands up to there.
    pub durable_seq: u64,
    /// The same of the archive; 0 without one.
    #[serde(default)]
    pub archive_durable_seq: u64,
    /// `STORE`, and what else a start needs besides the log.
    pub files: Vec<File>,
    /// Of the log, oldest first, then of the archive.
    pub segments: Vec<Segment>,
}

/// A file of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// From the directory of backups.
    pub path: String,
    /// From the data directory it is restored to.
    pub target: String,
    pub bytes: u64,
    /// CRC-32/ISO-HDLC of the whole file.
    pub crc: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub seq: u64,
    /// None: the store could not read the segment's header.
    pub file_id: Option<u64>,
    pub last_block_seq: u64,
    /// The header's CRC of that block; none where no later segment told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_crc: Option<u32>,
    /// Nothing was written to it any more, so that later restore points may share the copy.
    pub sealed: bool,
    /// What was wrong with it in the store already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    #[serde(flatten)]
    pub file: File,
}

impl Segment {
    /// Whether this is a copy of all that counts of `wanted`. The CRC tells apart what became of a segment in two stores that
    /// were one when it was begun: one of them was restored.
    pub fn is_copy_of(&self, wanted: &CutSegment) -> bool {
        let known = self.file_id.is_some() && self.last_crc.is_some();
        known
            && self.sealed
            && self.damage.is_none()
            && (self.file_id, self.last_crc) == (wanted.file_id, wanted.last_crc)
            && (self.seq, self.last_block_seq) == (wanted.seq, wanted.last_block_seq)
    }

    pub fn cut(&self) -> CutSegment {
        let &Self { seq, file_id, last_block_seq, last_crc, sealed, .. } = self;
        CutSegment { seq, file_id, last_block_seq, last_crc, sealed, file_bytes: self.file.bytes }
    }
}

/// A store's id as manifests have it.
pub fn store_text(uuid: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(uuid).to_string()
}

impl Manifest {
    /// The store's id.
    pub fn uuid(&self) -> Option<[u8; 16]> {
        uuid::Uuid::parse_str(&self.store).ok().map(uuid::Uuid::into_bytes)
    }

    pub fn time(&self) -> Timestamp {
        Timestamp(self.time_ms)
    }

    pub fn all_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().chain(self.segments.iter().map(|segment| &segment.file))
    }

    pub fn bytes(&self) -> u64 {
        self.all_files().map(|file| file.bytes).sum()
    }

    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_vec_pretty(self)?;
        let mut bytes = format!("{MAGIC} {VERSION} {:08x}\n", crc32fast::hash(&body)).into_bytes();
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
        let (head, body) = bytes.split_at(end);
        let body = body.get(1..).unwrap_or_default();
        let head = str::from_utf8(head).map_err(|_| "its first line is not text")?;
        let mut words = head.split(' ');
        if words.next() != Some(MAGIC) {
            return Err("it is no manifest".to_owned());
        }
        let version: u32 = words.next().and_then(|word| word.parse().ok()).ok_or("it says no version")?;
        if version > VERSION {
            return Err(format!("it has format version {version}, this program knows versions up to {VERSION}"));
        }
        let crc = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
        if crc != Some(crc32fast::hash(body)) {
            return Err("its CRC does not match".to_owned());
        }
        let manifest: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if let Some(file) = manifest.all_files().find(|file| !is_inside(&file.path) || !is_inside(&file.target)) {
            return Err(format!("it names {:?}, which is outside of its directory", file.path));
        }
        if manifest.uuid().is_none() {
            return Err(format!("{:?} is not the id of a store", manifest.store));
        }
        Ok(manifest)
    }
}

/// A relative path without steps upwards.
fn is_inside(path: &str) -> bool {
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    !path.is_empty() && Path::new(path).components().all(plain)
}

/// The manifest of the restore point `name`.
pub fn path_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_of_the_same_blocks() {
        let cut = CutSegment {
            seq: 3,
            file_id: Some(1),
            last_block_seq: 9,
            last_crc: Some(7),
            file_bytes: 4096,
            sealed: true,
        };
        let CutSegment { seq, file_id, last_block_seq, last_crc, sealed, file_bytes: bytes } = cut;
        let file = File { path: "wal/3".to_owned(), target: "wal/3".to_owned(), bytes, crc: 0 };
        let copy = Segment { seq, file_id, last_block_seq, last_crc, sealed, damage: None, file };
        assert!(copy.is_copy_of(&cut));
        for other in [
            CutSegment { seq: 4, ..cut.clone() },
            CutSegment { file_id: Some(2), ..cut.clone() },
            CutSegment { last_block_seq: 10, ..cut.clone() },
            CutSegment { last_crc: Some(8), ..cut.clone() },
            CutSegment { last_crc: None, ..cut.clone() },
        ] {
            assert!(!copy.is_copy_of(&other), "{other:?}");
        }
        assert!(!Segment { last_crc: None, ..copy.clone() }.is_copy_of(&CutSegment { last_crc: None, ..cut.clone() }));
        assert!(!Segment { damage: Some("it".to_owned()), ..copy }.is_copy_of(&cut));
    }
}
