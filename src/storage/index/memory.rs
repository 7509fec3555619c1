//! The index in memory, over a disk that keeps what was synced: for tests of what is built on an index, with crashes.

use super::{IndexError, IndexMark, IndexPosition, IndexState, IndexStore, page};
use crate::base::id::QueueId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Pages = BTreeMap<(QueueId, u64), Vec<u8>>;

/// What is left when the process is gone. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Synced>>);

#[derive(Clone, Debug, Default)]
struct Synced {
    generation: u64,
    mark: IndexMark,
    pages: Pages,
    condemned: Option<String>,
    /// Every write fails.
    broken: bool,
}

impl MemoryDisk {
    /// Loses the index.
    pub fn erase(&self) {
        *self.lock() = Synced::default();
    }

    /// From now on every write fails, or no longer.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// A copy that shares nothing.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    /// Flips the lowest bit of the last byte of a page; returns whether the page is there.
    pub fn damage(&self, queue: QueueId, page: u64) -> bool {
        match self.lock().pages.get_mut(&(queue, page)).and_then(|bytes| bytes.last_mut()) {
            Some(byte) => {
                *byte ^= 1;
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Synced> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub struct MemoryIndex {
    disk: MemoryDisk,
    generation: u64,
    mark: IndexMark,
    pages: Pages,
}

impl MemoryIndex {
    /// Opens what the disk kept, by the same rule as the index over sled.
    pub fn open(disk: MemoryDisk, expected: Option<IndexPosition>) -> (Self, IndexState) {
        let mut synced = disk.lock();
        let why = match expected {
            None => Some("there is no checkpoint".to_owned()),
            Some(position) => reason_against(&synced, position),
        };
        let state = match why {
            None => IndexState::Usable,
            Some(why) => {
                let highest = synced.generation.max(expected.map_or(0, |position| position.generation));
                *synced = Synced { generation: highest + 1, ..Synced::default() };
                IndexState::Fresh { why }
            }
        };
        let (generation, mark, pages) = (synced.generation, synced.mark, synced.pages.clone());
        drop(synced);
        (Self { disk, generation, mark, pages }, state)
    }
}

fn reason_against(synced: &Synced, position: IndexPosition) -> Option<String> {
    if synced.generation != position.generation {
        return Some(format!("index generation {} is missing", position.generation));
    }
    if let Some(why) = &synced.condemned {
        return Some(format!("it was given up: {why}"));
    }
    if synced.mark < position.mark {
        return Some(format!("it is at mark {}, the checkpoint needs {}", synced.mark.0, position.mark.0));
    }
    let damaged = synced.pages.iter().find_map(|(&(queue, number), bytes)| page::decode(queue, number, bytes).err());
    damaged.map(|error| error.to_string())
}

impl IndexStore for MemoryIndex {
    fn put(&mut self, queue: QueueId, page: u64, payload: &[u8]) -> Result<(), IndexError> {
        if self.disk.lock().broken {
            return Err(IndexError::Failed("the disk of the test is broken".to_owned()));
        }
        let bytes = page::encode(queue, page, payload)?;
        self.pages.insert((queue, page), bytes);
        Ok(())
    }

    fn remove(&mut self, queue: QueueId, page: u64) -> Result<(), IndexError> {
        self.pages.remove(&(queue, page));
        Ok(())
    }

    fn clear_queue(&mut self, queue: QueueId) -> Result<u64, IndexError> {
        let before = self.pages.len();
        self.pages.retain(|(owner, _), _| *owner != queue);
        Ok((before - self.pages.len()) as u64)
    }

    fn start_over(&mut self) -> Result<(), IndexError> {
        self.generation += 1;
        self.pages.clear();
        self.disk.lock().condemned = None;
        Ok(())
    }

    fn get(&self, queue: QueueId, page: u64) -> Result<Option<Vec<u8>>, IndexError> {
        let found = self.pages.get(&(queue, page));
        found.map(|bytes| Ok(page::decode(queue, page, bytes)?.payload.to_vec())).transpose()
    }

    fn scan(&self, visit: &mut dyn FnMut(QueueId, u64, &[u8])) -> Result<(), IndexError> {
        for (&(queue, number), bytes) in &self.pages {
            visit(queue, number, page::decode(queue, number, bytes)?.payload);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<IndexMark, IndexError> {
        self.mark = IndexMark(self.mark.0 + 1);
        let mut synced = self.disk.lock();
        synced.generation = self.generation;
        synced.mark = self.mark;
        synced.pages.clone_from(&self.pages);
        Ok(self.mark)
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn page_count(&self) -> u64 {
        self.pages.len() as u64
    }

    fn size_on_disk(&self) -> u64 {
        self.pages.values().map(|bytes| bytes.len() as u64).sum()
    }

    fn compact_if_oversized(&mut self) -> Result<bool, IndexError> {
        Ok(false)
    }

    fn forget_old_generations(&mut self) -> Result<(), IndexError> {
        Ok(())
    }

    fn condemn(&mut self, why: &str) -> Result<(), IndexError> {
        self.disk.lock().condemned = Some(why.to_owned());
        Ok(())
    }
}
