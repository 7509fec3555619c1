//! What a data directory holds, and how large it is.

use super::{
    stopped::{OfflineError, Progress, Stopped, Which},
    streams::StreamFacts,
};
use crate::{
    base::time::Timestamp,
    storage::{
        checkpoint::Slots,
        file_error::at,
        identity::Identity,
        index::{IndexPosition, directory},
        io::Io,
        log::examine::{self, SegmentFacts},
        snapshot::{self, Snapshot},
    },
};
use std::path::Path;

#[derive(Clone, Debug)]
pub struct Inspection {
    pub identity: Identity,
    pub checkpoints: Slots,
    pub snapshots: Vec<SnapshotFacts>,
    /// In the order of the log.
    pub segments: Vec<SegmentFacts>,
    /// In the order of the archive.
    pub archive: Vec<SegmentFacts>,
    /// Segments that wait for their turn.
    pub free_segments: u64,
    pub free_bytes: u64,
    pub index: IndexFacts,
    pub streams: Vec<StreamFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFacts {
    pub generation: u64,
    pub bytes: u64,
    /// What is wrong with it, or when it was written and how many sections it has.
    pub content: Result<(Timestamp, usize), String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexFacts {
    /// What the latest checkpoint names.
    pub position: Option<IndexPosition>,
    pub generations: Vec<u64>,
    pub bytes: u64,
    /// Directories that earlier starts set aside.
    pub set_aside: Vec<String>,
}

impl Stopped {
    /// Looks at every file; of the log, at every block, of the streams, at every record.
    pub fn inspect(&self, progress: &mut dyn FnMut(Progress)) -> Result<Inspection, OfflineError> {
        let checkpoints = self.slots();
        let (free_segments, free_bytes) = self.free_segments()?;
        let (archive_bytes, stream_bytes) = (self.log_bytes(Which::Archive)?, self.stream_bytes()?);
        let mut log_bytes = self.log_bytes(Which::Log)?;
        let total_bytes = log_bytes + archive_bytes + stream_bytes;
        let mut examine = |which, before| {
            examine::segments(&*self.io, &self.dir_of(which), self.store_uuid(), &mut |done, _| {
                progress(Progress { done_bytes: before + done, total_bytes });
            })
        };
        let (segments, archive) = (examine(Which::Log, 0)?, examine(Which::Archive, log_bytes)?);
        log_bytes += archive_bytes;
        Ok(Inspection {
            identity: self.identity.clone(),
            snapshots: self.snapshot_facts()?,
            segments,
            archive,
            streams: self.survey_streams(&mut |Progress { done_bytes, total_bytes }| {
                progress(Progress { done_bytes: log_bytes + done_bytes, total_bytes: log_bytes + total_bytes });
            })?,
            free_segments,
            free_bytes,
            index: self.index_facts(&checkpoints)?,
            checkpoints,
        })
    }

    fn snapshot_facts(&self) -> Result<Vec<SnapshotFacts>, OfflineError> {
        let facts = |generation| {
            let read = Snapshot::read(&*self.io, &self.dir, generation, self.store_uuid());
            let content = read.map(|snapshot| (snapshot.written, snapshot.sections.len()));
            let bytes = length(&*self.io, &snapshot::path_of(&self.dir, generation)).unwrap_or(0);
            SnapshotFacts { generation, bytes, content: content.map_err(|error| error.to_string()) }
        };
        Ok(snapshot::generations(&*self.io, &self.dir)?.into_iter().map(facts).collect())
    }

    fn free_segments(&self) -> Result<(u64, u64), OfflineError> {
        let (mut count, mut bytes) = (0, 0);
        for which in [Which::Log, Which::Archive] {
            let free = self.dir_of(which).join("free");
            if self.io.exists(&free).map_err(at("looking for", &free))? {
                let entries = self.io.list_dir(&free).map_err(at("listing", &free))?;
                count += entries.len() as u64;
                let length = |name: &String| length(&*self.io, &free.join(name)).unwrap_or(0);
                bytes += entries.iter().map(|entry| length(&entry.name)).sum::<u64>();
            }
        }
        Ok((count, bytes))
    }

    fn index_facts(&self, checkpoints: &Slots) -> Result<IndexFacts, OfflineError> {
        let position = checkpoints.latest().map(|latest| latest.index);
        let generations = directory::generations(&self.dir).map_err(at("listing", &self.dir))?;
        let sizes = generations.iter().map(|generation| directory::size(&directory::path_of(&self.dir, *generation)));
        let bytes = sizes.map(|size| size.unwrap_or(0)).sum();
        let entries = self.io.list_dir(&self.dir).map_err(at("listing", &self.dir))?;
        let set_aside = entries.into_iter().map(|entry| entry.name).filter(|name| name.starts_with("index.bad-"));
        Ok(IndexFacts { position, generations, bytes, set_aside: set_aside.collect() })
    }
}

pub(super) fn length(io: &dyn Io, path: &Path) -> std::io::Result<u64> {
    io.open_read(path)?.len()
}
