//! The index in memory, over a disk that keeps what was synced: for tests of what is built on an index, with crashes.

use super::{IndexError, IndexMark, IndexPosition, IndexState, IndexStore, page};
use crate::{base::id::QueueId, storage::io::sim::SimDisk};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Pages = BTreeMap<(QueueId, u64), Vec<u8>>;

/// What is left when the process is gone. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Kept>>);

#[derive(Clone, Debug, Default)]
struct Kept {
    generations: BTreeMap<u64, Synced>,
    /// The index is rewritten at every sync whose number this divides; zero: never.
    rewritten_every: u64,
    /// Every write fails.
    broken: bool,
    /// The power of the machine goes behind so many more syncs.
    cut: Option<(u64, SimDisk)>,
}

/// A generation as of its last sync.
#[derive(Clone, Debug, Default)]
struct Synced {
    mark: IndexMark,
    pages: Pages,
    condemned: Option<String>,
}

impl MemoryDisk {
    /// An index that goes on in a new generation with every `syncs`th sync, as one over sled does when its files grow.
    pub fn rewritten_every(syncs: u64) -> Self {
        Self(Arc::new(Mutex::new(Kept { rewritten_every: syncs, ..Kept::default() })))
    }

    /// Loses the index.
    pub fn erase(&self) {
        self.lock().generations.clear();
    }

    /// Another disk with the same index, which stays as it is.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(Kept { cut: None, ..self.lock().clone() })))
    }

    /// Puts the index of a copy in place of this one.
    pub fn put_back(&self, copy: &Self) {
        let generations = copy.lock().generations.clone();
        self.lock().generations = generations;
    }

    /// The pages of the newest generation.
    pub fn pages(&self) -> Vec<(QueueId, u64)> {
        self.lock().newest().map(|newest| newest.pages.keys().copied().collect()).unwrap_or_default()
    }

    /// From now on every write fails, or no longer.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// The power of `disk` goes right behind the `syncs`th sync from now on.
    pub fn cut_behind_sync(&self, syncs: u64, disk: &SimDisk) {
        self.lock().cut = Some((syncs, disk.clone()));
    }

    /// Flips the lowest bit of the last byte of a page; returns whether the page is there.
    pub fn damage(&self, queue: QueueId, page: u64) -> bool {
        let mut kept = self.lock();
        let bytes = kept.newest().and_then(|newest| newest.pages.get_mut(&(queue, page)));
        let last = bytes.and_then(|bytes| bytes.last_mut());
        last.map(|byte| *byte ^= 1).is_some()
    }

    /// Loses one page, and nothing that tells of it; returns whether it was there.
    pub fn lose(&self, queue: QueueId, page: u64) -> bool {
        self.lock().newest().and_then(|newest| newest.pages.remove(&(queue, page))).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn newest(&mut self) -> Option<&mut Synced> {
        self.generations.values_mut().next_back()
    }

    fn highest(&self) -> u64 {
        self.generations.last_key_value().map_or(0, |(highest, _)| *highest)
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
        let mut kept = disk.lock();
        let found = match expected {
            None => Err("there is no checkpoint".to_owned()),
            Some(position) => usable(&kept, position).cloned().map(|synced| (position.generation, synced)),
        };
        let highest = kept.highest();
        let (generation, Synced { mark, pages, .. }, state) = match found {
            Ok((generation, synced)) => {
                kept.generations.retain(|other, _| *other == generation);
                (generation, synced, IndexState::Usable)
            }
            Err(why) => {
                kept.generations.clear();
                let highest = highest.max(expected.map_or(0, |position| position.generation));
                (highest + 1, Synced::default(), IndexState::Fresh { why })
            }
        };
        drop(kept);
        (Self { disk, generation, mark, pages }, state)
    }
}

/// The generation that a checkpoint names, or what speaks against it.
fn usable(kept: &Kept, position: IndexPosition) -> Result<&Synced, String> {
    let missing = || format!("index generation {} is missing", position.generation);
    let synced = kept.generations.get(&position.generation).ok_or_else(missing)?;
    if let Some(why) = &synced.condemned {
        return Err(format!("it was given up: {why}"));
    }
    if synced.mark < position.mark {
        return Err(format!("it is at mark {}, the checkpoint needs {}", synced.mark.0, position.mark.0));
    }
    let damaged = synced.pages.iter().find_map(|(&(queue, number), bytes)| page::decode(queue, number, bytes).err());
    damaged.map_or(Ok(synced), |error| Err(error.to_string()))
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
        let mut kept = self.disk.lock();
        let synced = kept.generations.entry(self.generation).or_default();
        synced.mark = self.mark;
        synced.pages.clone_from(&self.pages);
        if let Some((syncs, disk)) = &mut kept.cut {
            *syncs = syncs.saturating_sub(1);
            if *syncs == 0 {
                disk.crash();
            }
        }
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
        let every = self.disk.lock().rewritten_every;
        let due = every > 0 && (self.mark.0 + 1).is_multiple_of(every);
        self.generation += u64::from(due);
        Ok(due)
    }

    fn forget_old_generations(&mut self) -> Result<(), IndexError> {
        let own = self.generation;
        self.disk.lock().generations.retain(|other, _| *other == own);
        Ok(())
    }

    fn condemn(&mut self, why: &str) -> Result<(), IndexError> {
        self.disk.lock().generations.entry(self.generation).or_default().condemned = Some(why.to_owned());
        Ok(())
    }
}
