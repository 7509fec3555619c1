//! The bytes of one simulated file: what programs see, what the device has, and which sectors differ.

use super::disk::Dice;
use std::{collections::BTreeSet, sync::Arc};

pub(super) const SECTOR_BYTES: usize = 512;

/// A copy shares the bytes until one of the two changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) seen: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    /// Sectors written since the last sync.
    pending: BTreeSet<usize>,
}

fn sector(bytes: &[u8], index: usize) -> &[u8] {
    let start = (index * SECTOR_BYTES).min(bytes.len());
    let end = (start + SECTOR_BYTES).min(bytes.len());
    bytes.get(start..end).unwrap_or(&[])
}

fn copy_sector(from: &[u8], to: &mut [u8], index: usize) {
    let source = sector(from, index);
    let start = index * SECTOR_BYTES;
    let end = (start + source.len()).min(to.len());
    if let Some(target) = to.get_mut(start..end) {
        let len = target.len();
        target.copy_from_slice(source.get(..len).unwrap_or(source));
    }
}

/// `Vec::resize` with zeroes, by copies of memory: the simulation spends its time here, without optimisation.
fn resize(bytes: &mut Arc<Vec<u8>>, len: usize) {
    if len > bytes.len() {
        let mut longer = vec![0; len];
        if let Some(start) = longer.get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
        }
        *bytes = Arc::new(longer);
    }
    if len < bytes.len() {
        Arc::make_mut(bytes).truncate(len);
    }
}

impl Inode {
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.seen.len() {
            resize(&mut self.seen, end);
        }
        if let Some(target) = Arc::make_mut(&mut self.seen).get_mut(offset..end) {
            target.copy_from_slice(bytes);
        }
        self.pending.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    pub(super) fn set_len(&mut self, len: usize) {
        resize(&mut self.seen, len);
    }

    pub(super) fn sync(&mut self) {
        resize(&mut self.durable, self.seen.len());
        for index in std::mem::take(&mut self.pending) {
            copy_sector(&self.seen, Arc::make_mut(&mut self.durable).as_mut_slice(), index);
        }
    }

    /// The sync failed: pages are clean in the cache and lost on the device, as on ext4 and XFS.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        for index in std::mem::take(&mut self.pending) {
            if dice.one_in(2) && (index + 1) * SECTOR_BYTES <= self.durable.len() {
                copy_sector(&self.seen, Arc::make_mut(&mut self.durable).as_mut_slice(), index);
            }
        }
        resize(&mut self.durable, self.seen.len());
    }

    /// Clean pages leave the cache; dirty ones stay.
    pub(super) fn drop_cache(&mut self) {
        if self.pending.is_empty() && self.durable.len() == self.seen.len() {
            self.seen.clone_from(&self.durable);
        }
    }

    /// Power is gone: each pending sector and the length survive or not.
    pub(super) fn cut_power(&mut self, dice: &mut Dice) {
        if self.durable.len() != self.seen.len() && dice.keeps() {
            resize(&mut self.durable, self.seen.len());
        }
        for index in std::mem::take(&mut self.pending) {
            if dice.keeps() {
                copy_sector(&self.seen, Arc::make_mut(&mut self.durable).as_mut_slice(), index);
            }
        }
        self.seen.clone_from(&self.durable);
    }

    /// Changes cache and device at once: damage, not a write.
    pub(super) fn damage(&mut self, change: impl Fn(&mut Vec<u8>)) {
        change(Arc::make_mut(&mut self.seen));
        change(Arc::make_mut(&mut self.durable));
    }
}
