//! The simulated disk: counts calls, injects faults, loses power, comes back.

use super::{
    inode::Inode,
    names::{Names, Node},
};
use crate::storage::io::{DirEntry, Io, IoFile, Map, Space};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher as _},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// What goes wrong at a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Power is lost while the call runs; it and every later one fail.
    Crash,
    /// The call fails; a sync that fails loses the pages it should have written.
    Eio,
    NoSpace,
}

/// A small generator (SplitMix64), so that the product needs no random crate for it.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
    /// Chance out of 8 that a pending piece survives; drawn anew at each power cut.
    keep_of_8: u64,
}

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub(super) fn keeps(&mut self) -> bool {
        self.next() % 8 < self.keep_of_8
    }
}

struct State {
    inodes: BTreeMap<u64, Inode>,
    names: Names,
    next_inode: u64,
    dice: Dice,
    calls: u64,
    syncs: u64,
    /// Digest of every call so far, in order: what was called, on what, with which bytes.
    history: u64,
    faults: BTreeMap<u64, Fault>,
    sync_faults: BTreeMap<u64, Fault>,
    /// The power goes behind so many more syncs of files at or below a path.
    cut: Option<(PathBuf, u64)>,
    crashed: bool,
    capacity: u64,
    /// Inodes whose advisory lock a handle has.
    locks: BTreeSet<u64>,
}

/// A handle on the simulated disk; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    held: Arc<Held>,
    seed: u64,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// What programs hold at the moment.
#[derive(Default)]
struct Held {
    files: AtomicU64,
    maps: AtomicU64,
}

/// What counts as a map while a slice of it lives.
struct Mapped {
    bytes: Vec<u8>,
    held: Arc<Held>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.held.maps.fetch_sub(1, Ordering::Relaxed);
    }
}

fn crashed() -> io::Error {
    io::Error::other("the simulated machine has no power")
}

impl SimDisk {
    /// An empty disk of 1 GiB.
    pub fn new(seed: u64) -> Self {
        let dice = Dice { state: seed, keep_of_8: 4 };
        Self::from_parts(seed, BTreeMap::new(), Names::default(), 1, dice, 1 << 30)
    }

    fn from_parts(
        seed: u64,
        inodes: BTreeMap<u64, Inode>,
        names: Names,
        next_inode: u64,
        dice: Dice,
        capacity: u64,
    ) -> Self {
        let state = State {
            inodes,
            names,
            next_inode,
            dice,
            calls: 0,
            syncs: 0,
            history: 0,
            faults: BTreeMap::new(),
            sync_faults: BTreeMap::new(),
            cut: None,
            crashed: false,
            capacity,
            locks: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), held: Arc::default(), seed }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Calls so far; the next one has this number.
    pub fn calls(&self) -> u64 {
        self.with(|state| state.calls)
    }

    /// Syncs of files and directories so far.
    pub fn syncs(&self) -> u64 {
        self.with(|state| state.syncs)
    }

    /// Tells two runs apart: the same when both made the same calls in the same order with the same bytes.
    pub fn history(&self) -> u64 {
        self.with(|state| state.history)
    }

    /// Handles that are open.
    pub fn open_files(&self) -> u64 {
        self.held.files.load(Ordering::Relaxed)
    }

    /// Maps of which a slice lives.
    pub fn maps(&self) -> u64 {
        self.held.maps.load(Ordering::Relaxed)
    }

    /// Bytes of every file that has a name.
    pub fn used_bytes(&self) -> u64 {
        self.with(|state| state.used())
    }

    /// Makes the call with this number go wrong.
    pub fn fault_at(&self, call: u64, fault: Fault) {
        self.with(|state| state.faults.insert(call, fault));
    }

    /// Makes the sync with this number go wrong.
    pub fn fault_at_sync(&self, sync: u64, fault: Fault) {
        self.with(|state| state.sync_faults.insert(sync, fault));
    }

    /// Cuts the power right behind the `syncs`th sync from now on of a file at or below `path`.
    pub fn cut_behind_sync(&self, path: &Path, syncs: u64) {
        self.with(|state| state.cut = Some((path.to_owned(), syncs)));
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.with(|state| state.capacity = bytes);
    }

    pub fn has_crashed(&self) -> bool {
        self.with(|state| state.crashed)
    }

    /// Cuts the power now.
    pub fn crash(&self) {
        self.with(|state| state.crashed = true);
    }

    /// The disk after a power cut: a random part of what was pending is there. The old handle is dead.
    pub fn reboot(&self) -> Self {
        self.restart(true)
    }

    /// The disk after the process was killed: the page cache is intact. The old handle is dead.
    pub fn restart_process(&self) -> Self {
        self.restart(false)
    }

    fn restart(&self, power_cut: bool) -> Self {
        self.with(|state| {
            state.crashed = true;
            let mut dice = Dice { state: state.dice.next(), keep_of_8: 0 };
            dice.keep_of_8 = dice.next() % 9;
            let (mut inodes, mut names) = (state.inodes.clone(), state.names.clone());
            if power_cut {
                names.cut_power(&mut dice);
                inodes.values_mut().for_each(|inode| inode.cut_power(&mut dice));
            }
            inodes.retain(|id, _| names.may_lead_to(*id));
            Self::from_parts(self.seed, inodes, names, state.next_inode, dice, state.capacity)
        })
    }

    /// A copy that shares nothing, as if nothing had happened since: for trying several kinds of damage on one state.
    pub fn fork(&self) -> Self {
        self.with(|state| {
            let (inodes, names, dice) = (state.inodes.clone(), state.names.clone(), state.dice.clone());
            Self::from_parts(self.seed, inodes, names, state.next_inode, dice, state.capacity)
        })
    }

    /// Changes the bytes of a file on the device itself, behind the back of every program.
    pub fn damage(&self, path: &Path, change: impl Fn(&mut Vec<u8>)) {
        self.with(|state| {
            if let Ok(Node::File(id)) = state.names.get(path)
                && let Some(inode) = state.inodes.get_mut(&id)
            {
                inode.damage(change);
            }
        });
    }

    /// What a program would read: the whole file.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.with(|state| match state.names.get(path) {
            Ok(Node::File(id)) => state.inodes.get(&id).map(|inode| inode.seen.to_vec()),
            Ok(Node::Dir) | Err(_) => None,
        })
    }

    /// Every file there is.
    pub fn files(&self) -> Vec<PathBuf> {
        let is_file = |node: &Node| matches!(node, Node::File(_));
        self.with(|state| {
            state.names.seen.iter().filter(|(_, node)| is_file(node)).map(|(path, _)| path.clone()).collect()
        })
    }

    /// One call of the operating system; `what` is its name and arguments.
    fn call<T>(&self, what: impl Hash, f: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.call_or_sync(what, false, f)
    }

    fn call_or_sync<T>(
        &self,
        what: impl Hash,
        is_sync: bool,
        f: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.with(|state| {
            if state.crashed {
                return Err(crashed());
            }
            let mut hasher = DefaultHasher::new();
            (state.history, what).hash(&mut hasher);
            state.history = hasher.finish();
            let mut fault = state.faults.remove(&state.calls);
            state.calls += 1;
            if is_sync {
                fault = fault.or(state.sync_faults.remove(&state.syncs));
                state.syncs += 1;
            }
            match fault {
                None => f(state),
                Some(Fault::Crash) => {
                    // A write may have begun; a sync has proved nothing.
                    if !is_sync {
                        let _ = f(state);
                    }
                    state.crashed = true;
                    Err(crashed())
                }
                Some(Fault::Eio) => Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
                Some(Fault::NoSpace) => Err(no_space()),
            }
        })
    }

    fn handle(&self, inode: u64, writable: bool) -> Arc<dyn IoFile> {
        self.held.files.fetch_add(1, Ordering::Relaxed);
        Arc::new(SimFile { disk: self.clone(), inode, writable, locked: AtomicBool::new(false) })
    }

    fn open_as(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn IoFile>> {
        match self.call(("open", path, writable), |state| state.names.get(path))? {
            Node::File(inode) => Ok(self.handle(inode, writable)),
            Node::Dir => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
        }
    }
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

impl State {
    fn used(&self) -> u64 {
        let linked = |node: &Node| match node {
            Node::File(id) => self.inodes.get(id).map(|inode| inode.seen.len() as u64),
            Node::Dir => None,
        };
        self.names.seen.values().filter_map(linked).sum()
    }

    fn count_to_cut(&mut self, id: u64) {
        let Some((path, syncs)) = &mut self.cut else { return };
        let is_file = |(name, node): (&PathBuf, &Node)| *node == Node::File(id) && name.starts_with(&path);
        if self.names.seen.iter().any(is_file) {
            *syncs = syncs.saturating_sub(1);
            self.crashed |= *syncs == 0;
        }
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(|| io::Error::other("the inode is gone"))
    }

    fn grow(&mut self, id: u64, len: u64) -> io::Result<()> {
        let used = self.used();
        let capacity = self.capacity;
        let now = self.inode(id)?.seen.len() as u64;
        if len > now && used + (len - now) > capacity {
            return Err(no_space());
        }
        Ok(())
    }
}

impl Io for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        self.open_as(path, true)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        self.open_as(path, false)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        let inode = self.call(("create", path), |state| {
            let id = state.next_inode;
            state.names.link(path, Node::File(id))?;
            state.next_inode += 1;
            state.inodes.insert(id, Inode::default());
            Ok(id)
        })?;
        Ok(self.handle(inode, true))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(("create_dir", path), |state| {
            let missing: Vec<&Path> = path.ancestors().take_while(|dir| !state.names.is_dir(dir)).collect();
            missing.into_iter().rev().try_for_each(|dir| state.names.link(dir, Node::Dir))
        })
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.call(("list_dir", path), |state| {
            if !state.names.is_dir(path) {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display())));
            }
            let inside = state.names.seen.iter().filter(|(other, _)| other.parent() == Some(path));
            let entry = |(path, node): (&PathBuf, &Node)| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some(DirEntry { name, is_dir: *node == Node::Dir })
            };
            Ok(inside.filter_map(entry).collect())
        })
    }

    fn fsync_dir(&self, path: &Path) -> io::Result<()> {
        self.call_or_sync(("fsync_dir", path), true, |state| {
            state.names.fsync_dir(path);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(("rename", from, to), |state| state.names.rename(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.call(("unlink", path), |state| state.names.unlink(path))
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        self.call(("remove_tree", path), |state| {
            state.names.get(path)?;
            state.names.below(path).iter().try_for_each(|inside| state.names.unlink(inside))
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.call(("exists", path), |state| Ok(state.names.get(path).is_ok()))
    }

    /// There are no links here.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    /// No call that is counted: it is asked now and then, by the clock.
    fn space(&self, _path: &Path) -> io::Result<Space> {
        self.with(|state| match state.crashed {
            true => Err(crashed()),
            false => Ok(Space { free: state.capacity.saturating_sub(state.used()), total: state.capacity }),
        })
    }
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    writable: bool,
    locked: AtomicBool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading")) }
    }
}

impl IoFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.call(("write_at", self.inode, offset, bytes.len(), crc32fast::hash(bytes)), |state| {
            state.grow(self.inode, offset + bytes.len() as u64)?;
            state.inode(self.inode)?.write(bytes, offset as usize);
            Ok(())
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.call(("read_at", self.inode, offset, buffer.len()), |state| {
            let seen = &state.inode(self.inode)?.seen;
            let start = (offset as usize).min(seen.len());
            let len = buffer.len().min(seen.len() - start);
            if let (Some(target), Some(source)) = (buffer.get_mut(..len), seen.get(start..start + len)) {
                target.copy_from_slice(source);
            }
            Ok(len)
        })
    }

    fn sync(&self) -> io::Result<()> {
        let result = self.disk.call_or_sync(("sync", self.inode), true, |state| {
            state.inode(self.inode)?.sync();
            state.count_to_cut(self.inode);
            Ok(())
        });
        if result.is_err() && !self.disk.has_crashed() {
            self.disk.with(|state| {
                let mut dice = state.dice.clone();
                if let Some(inode) = state.inodes.get_mut(&self.inode) {
                    inode.fail_sync(&mut dice);
                }
                state.dice = dice;
            });
        }
        result
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.call(("len", self.inode), |state| Ok(state.inode(self.inode)?.seen.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.call(("set_len", self.inode, len), |state| {
            state.grow(self.inode, len)?;
            state.inode(self.inode)?.set_len(len as usize);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.call(("allocate", self.inode, len), |state| {
            state.grow(self.inode, len)?;
            let inode = state.inode(self.inode)?;
            let len = inode.seen.len().max(len as usize);
            inode.set_len(len);
            Ok(())
        })
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.disk.call(("drop_cache", self.inode), |state| {
            state.inode(self.inode)?.drop_cache();
            Ok(())
        })
    }

    fn map(&self) -> io::Result<Map> {
        let bytes = self.disk.call(("map", self.inode), |state| Ok(state.inode(self.inode)?.seen.to_vec()))?;
        self.disk.held.maps.fetch_add(1, Ordering::Relaxed);
        Ok(Map::of(Bytes::from_owner(Mapped { bytes, held: Arc::clone(&self.disk.held) })))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let taken = self.disk.with(|state| !state.locks.insert(self.inode));
        if !taken {
            self.locked.store(true, Ordering::Relaxed);
        }
        Ok(!taken)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.held.files.fetch_sub(1, Ordering::Relaxed);
        if self.locked.load(Ordering::Relaxed) {
            self.disk.with(|state| state.locks.remove(&self.inode));
        }
    }
}
