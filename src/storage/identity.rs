//! `STORE`: who a data directory is. Written once when the directory is made, never changed.
//!
//! The file has 128 bytes with its CRC in the last four; that holds for every format version, so that a newer format
//! is told from a damaged file. Its presence is what makes a directory a store: everything else is made before it.

use crate::{
    base::{
        entropy::{Entropy, random_16},
        time::Timestamp,
    },
    storage::{
        file_error::{FileError, at},
        fixed::{Fields, Record, crc_matches},
        io::{Io, read_exact_at, write_file_durably},
    },
};
use std::{fmt, path::Path};
use uuid::Uuid;

pub const FILE: &str = "STORE";
pub const MAGIC: [u8; 8] = *b"FOREBAY\0";
/// The newest format this version writes and reads.
pub const FORMAT_VERSION: u16 = 1;
pub const BYTES: usize = 128;
const CRC_AT: usize = 124;

#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// In every file of the store, so that a file of another store is never taken for one of this.
    pub uuid: Uuid,
    pub created: Timestamp,
    pub node_id: u64,
    /// Fixed for the store's life: message ids carry their partition.
    pub partition_count: u32,
    /// The key that authenticates receipt handles; secret, because who knows it can settle any message.
    pub secret: [u8; 32],
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uuid, created, node_id, partition_count, secret: _ } = self;
        write!(f, "Identity {{ {uuid}, {created:?}, node {node_id}, {partition_count} partitions }}")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the data directory has format version {found}, this program knows versions up to {supported}")]
    NewerFormat { found: u16, supported: u16 },
    #[error("{file} is damaged: {what}", file = FILE)]
    Damaged { what: &'static str },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Identity {
    /// A new identity, from random bytes.
    pub fn generate(entropy: &mut dyn Entropy, created: Timestamp, node_id: u64, partition_count: u32) -> Self {
        let uuid = uuid::Builder::from_random_bytes(random_16(entropy)).into_uuid();
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self { uuid, created, node_id, partition_count, secret }
    }

    pub fn encode(&self) -> Vec<u8> {
        let record = Record::with_capacity(BYTES).bytes(&MAGIC).u16(FORMAT_VERSION).u16(0).u32(self.partition_count);
        let record = record.bytes(self.uuid.as_bytes()).u64(self.node_id).u64(self.created.0).bytes(&self.secret);
        record.zeroes_to(BYTES).sealed(CRC_AT)
    }

    /// # Errors
    /// [`IdentityError::NewerFormat`] for a sound file of a later version; otherwise what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let damaged = |what| IdentityError::Damaged { what };
        const SHORT: &str = "it does not have 128 bytes";
        if bytes.len() != BYTES {
            return Err(damaged(SHORT));
        }
        let mut fields = Fields::new(bytes);
        if fields.array() != Some(MAGIC) {
            return Err(damaged("its magic number does not match"));
        }
        if !crc_matches(bytes, CRC_AT) {
            return Err(damaged("its CRC does not match"));
        }
        let found = fields.u16().ok_or(damaged(SHORT))?;
        if found > FORMAT_VERSION {
            return Err(IdentityError::NewerFormat { found, supported: FORMAT_VERSION });
        }
        Self::decode_fields(&mut fields).ok_or(damaged(SHORT))
    }

    fn decode_fields(fields: &mut Fields<'_>) -> Option<Self> {
        fields.skip(2)?;
        let partition_count = fields.u32()?;
        let uuid = Uuid::from_bytes(fields.array()?);
        let node_id = fields.u64()?;
        let created = Timestamp(fields.u64()?);
        Some(Self { uuid, created, node_id, partition_count, secret: fields.array()? })
    }

    /// Reads `STORE`; `None` when the directory has none.
    pub fn read(io: &dyn Io, dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = dir.join(FILE);
        if !io.exists(&path).map_err(at("looking for", &path))? {
            return Ok(None);
        }
        let file = io.open_read(&path).map_err(at("opening", &path))?;
        if file.len().map_err(at("measuring", &path))? != BYTES as u64 {
            return Err(IdentityError::Damaged { what: "it does not have 128 bytes" });
        }
        let mut bytes = [0; BYTES];
        read_exact_at(&*file, &mut bytes, 0).map_err(at("reading", &path))?;
        Self::decode(&bytes).map(Some)
    }

    /// Writes `STORE`, whole or not at all, durably.
    pub fn write(&self, io: &dyn Io, dir: &Path) -> Result<(), FileError> {
        let path = dir.join(FILE);
        write_file_durably(io, &path, &self.encode()).map_err(at("writing", &path))
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
