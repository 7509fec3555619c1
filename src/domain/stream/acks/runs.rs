//! Intervals of a shard's records that were received and not acknowledged.
//!
//! Runs never overlap; two that touch differ in their fate, else they are one.

use crate::base::{id::LeaseId, time::Timestamp};
use std::collections::BTreeMap;

/// What happened to a record so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// The last lease, also when it has ended: an older one never settles the record.
    pub lease: LeaseId,
    /// From then on it can be received.
    pub visible_at: Timestamp,
    /// Zero: never received, or restored; then the last lease does not settle it either.
    pub receive_count: u32,
    pub first_receive: Option<Timestamp>,
    /// It was received as a dead letter, and stays one until it is restored.
    pub dead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub from: u64,
    /// Included.
    pub to: u64,
    pub fate: Fate,
}

impl Run {
    pub fn records(&self) -> u64 {
        self.to - self.from + 1
    }
}

/// The records of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    /// The first record never received.
    next: u64,
    /// Everything below is gone.
    floor: u64,
    by_start: BTreeMap<u64, Run>,
}

/// How a change alters the set of runs, for who keeps an order of them.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) removed: Vec<Run>,
    pub(super) added: Vec<Run>,
}

impl Runs {
    /// Before `next` nothing counts.
    pub(super) fn starting_at(next: u64) -> Self {
        Self { next, floor: next, by_start: BTreeMap::new() }
    }

    pub(super) fn restore(next: u64, floor: u64, runs: &[Run]) -> Self {
        Self { next, floor, by_start: runs.iter().map(|run| (run.from, *run)).collect() }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.by_start.values()
    }

    /// The run a record is in. None: it is acknowledged, gone, or was never received.
    pub(super) fn at(&self, index: u64) -> Option<&Run> {
        let (_, run) = self.by_start.range(..=index).next_back()?;
        (index <= run.to).then_some(run)
    }

    /// The runs of an interval, cut to it.
    pub(super) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = Run> {
        let first = self.at(from).map_or(from, |run| run.from);
        let touched = self.by_start.range(first..=to.max(first)).map(|(_, run)| *run);
        touched.filter(move |run| run.from <= to).map(move |run| Run {
            from: run.from.max(from),
            to: run.to.min(to),
            ..run
        })
    }

    pub(super) fn run(&self, from: u64) -> Option<&Run> {
        self.by_start.get(&from)
    }

    /// What is acknowledged or was never of interest: the holes between the runs, up to the first record never received.
    pub(super) fn acknowledged(&self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut from = self.floor;
        for run in self.by_start.values() {
            if from < run.from {
                found.push((from, run.from - 1));
            }
            from = run.to + 1;
        }
        if from < self.next {
            found.push((from, self.next - 1));
        }
        found
    }

    /// Gives records a fate, or takes them out of all runs. Records never received that lie before them get the fate of
    /// those that were never leased.
    pub(super) fn set(&mut self, from: u64, to: u64, fate: Option<Fate>) -> Changes {
        let mut changes = Changes::default();
        let from = from.max(self.floor);
        if from > to {
            return changes;
        }
        if from > self.next {
            let gap = Run { from: self.next, to: from - 1, fate: Fate::default() };
            self.insert(gap, &mut changes);
        }
        self.next = self.next.max(to + 1);
        self.carve(from, to, &mut changes);
        if let Some(fate) = fate {
            self.insert(Run { from, to, fate }, &mut changes);
        }
        changes
    }

    /// Forgets everything below `below`.
    pub(super) fn trim(&mut self, below: u64) -> Changes {
        let mut changes = Changes::default();
        if below > self.floor {
            self.carve(self.floor, below - 1, &mut changes);
            self.floor = below;
            self.next = self.next.max(below);
        }
        changes
    }

    /// Takes the records out of the runs they are in; what is left of those stays.
    fn carve(&mut self, from: u64, to: u64, changes: &mut Changes) {
        let first = self.at(from).map_or(from, |run| run.from);
        let touched: Vec<_> = self.by_start.range(first..=to).map(|(_, run)| *run).collect();
        for run in touched {
            self.remove(run, changes);
            if run.from < from {
                self.put(Run { to: from - 1, ..run }, changes);
            }
            if run.to > to {
                self.put(Run { from: to + 1, ..run }, changes);
            }
        }
    }

    /// Puts a run where there is none, and makes one of it and its neighbours of the same fate.
    fn insert(&mut self, mut run: Run, changes: &mut Changes) {
        let before = run.from.checked_sub(1).and_then(|index| self.at(index)).copied();
        let after = self.at(run.to + 1).copied();
        let fate = run.fate;
        for neighbour in [before, after].into_iter().flatten().filter(|neighbour| neighbour.fate == fate) {
            self.remove(neighbour, changes);
            run = Run { from: run.from.min(neighbour.from), to: run.to.max(neighbour.to), ..run };
        }
        self.put(run, changes);
    }

    fn put(&mut self, run: Run, changes: &mut Changes) {
        self.by_start.insert(run.from, run);
        changes.added.push(run);
    }

    /// One that this very change added is as if it had never been.
    fn remove(&mut self, run: Run, changes: &mut Changes) {
        self.by_start.remove(&run.from);
        match changes.added.iter().position(|added| *added == run) {
            Some(index) => {
                changes.added.swap_remove(index);
            }
            None => changes.removed.push(run),
        }
    }
}
