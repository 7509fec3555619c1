//! The one place with `unsafe`: mapping a file that nobody writes to any more.
//!
//! Pages that were read through a map count as memory of the process, although the system can take them back at any
//! time. So that nobody has to know that, they are let go of whenever [`SHOWN_BYTES_MAX`] of them have gathered; what is
//! read again comes from the page cache.

#![expect(unsafe_code, reason = "a memory map cannot be made without it; this file is the one exception")]

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};
use std::{
    fmt,
    fs::File,
    io,
    ops::{Deref, Range},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// About how much of all maps the process shows as its memory.
const SHOWN_BYTES_MAX: usize = 64 << 20;
/// Who touches one page gets those around it too, as Linux does it.
const AROUND_BYTES: usize = 64 << 10;
/// Most pages that are asked for in one go.
const ASKED_PAGES_MAX: usize = 128;

/// What was shown since all maps were let go of the last time.
static SHOWN: AtomicUsize = AtomicUsize::new(0);
static MAPS: Mutex<Vec<Weak<Pages>>> = Mutex::new(Vec::new());

/// A sealed file in memory. Slices of it keep it there.
#[derive(Clone)]
pub struct Map {
    pages: Arc<Pages>,
    whole: Bytes,
}

struct Pages {
    source: Source,
    /// A bit for each [`AROUND_BYTES`] that were shown since the last time.
    shown: Box<[AtomicU64]>,
}

enum Source {
    File(Mmap),
    /// Of a simulated disk, or nothing at all.
    Memory(Bytes),
}

/// Keeps the pages while a slice lives.
struct Owner(Arc<Pages>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        match &self.0.source {
            Source::File(map) => map,
            Source::Memory(bytes) => bytes,
        }
    }
}

impl Map {
    /// Maps the whole file read-only. The caller promises, as [`super::IoFile::map`] says, that the file is sealed.
    pub(super) fn sealed(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::of(Bytes::new()));
        }
        // SAFETY: a map is unsound when the file changes or shrinks below it. The storage layer maps only sealed files,
        // opens them nowhere for writing, and unlinks instead of recycling a file while a slice of its map lives
        // (`storage::log::segments`). The data directory is locked against other processes of ours.
        let map = unsafe { MmapOptions::new().map(file)? };
        let words = map.len().div_ceil(AROUND_BYTES).div_ceil(64);
        let map = Self::new(Source::File(map), words);
        let mut maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
        maps.retain(|other| other.strong_count() > 0);
        maps.push(Arc::downgrade(&map.pages));
        Ok(map)
    }

    /// What stands in memory anyhow.
    pub fn of(bytes: Bytes) -> Self {
        Self::new(Source::Memory(bytes), 0)
    }

    fn new(source: Source, words: usize) -> Self {
        let shown = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self::with(Arc::new(Pages { source, shown }))
    }

    fn with(pages: Arc<Pages>) -> Self {
        let whole = Bytes::from_owner(Owner(Arc::clone(&pages)));
        Self { pages, whole }
    }

    /// The whole file, for who reads this range of it now.
    pub fn for_reading(&self, range: &Range<usize>) -> &Bytes {
        self.pages.note(range);
        &self.whole
    }

    /// The whole file, for who reads all of it now.
    pub fn whole(&self) -> &Bytes {
        self.for_reading(&(0..self.len()))
    }

    pub fn slice(&self, range: Range<usize>) -> Bytes {
        self.for_reading(&range).slice(range)
    }

    /// Reads a little here and there: what is touched comes from the disk page by page, without the megabytes around it
    /// that who reads on will want.
    pub fn sparsely<T>(&self, read: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let Source::File(map) = &self.pages.source else { return Ok(read(self)) };
        map.advise(Advice::Random)?;
        let read = read(self);
        map.advise(Advice::Normal)?;
        Ok(read)
    }

    /// Whether the system has this range in memory, so that who reads it now waits for no disk. False also when that would
    /// be much to ask, or the file ends before.
    pub fn is_in_memory(&self, range: &Range<usize>) -> bool {
        let Source::File(map) = &self.pages.source else { return range.end <= self.len() };
        let page = rustix::param::page_size();
        let Some(bytes) = map.get(range.start / page * page..range.end) else { return false };
        let mut pages = [0; ASKED_PAGES_MAX];
        let Some(pages) = pages.get_mut(..bytes.len().div_ceil(page)) else { return false };
        // SAFETY: the address is that of a page of the map, which lives as long as `self`; the call writes one byte for
        // each page that the length reaches, and `pages` has as many.
        let answer = unsafe { libc::mincore(bytes.as_ptr().cast_mut().cast(), bytes.len(), pages.as_mut_ptr()) };
        answer == 0 && pages.iter().all(|page| page & 1 == 1)
    }

    /// Knows whether the map or a slice of it lives, and keeps neither.
    pub fn watch(&self) -> MapWatch {
        MapWatch(Arc::downgrade(&self.pages))
    }
}

/// For a few bytes here and there: what is read this way is not counted.
impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub struct MapWatch(Weak<Pages>);

impl MapWatch {
    /// The map, if it or a slice of it lives.
    pub fn map(&self) -> Option<Map> {
        self.0.upgrade().map(Map::with)
    }

    pub fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    fn note(&self, range: &Range<usize>) {
        let mut fresh = 0;
        for around in range.start / AROUND_BYTES..range.end.div_ceil(AROUND_BYTES) {
            let Some(word) = self.shown.get(around / 64) else { break };
            let bit = 1 << (around % 64);
            if word.load(Ordering::Relaxed) & bit == 0 {
                fresh += usize::from(word.fetch_or(bit, Ordering::Relaxed) & bit == 0) * AROUND_BYTES;
            }
        }
        if fresh > 0 && SHOWN.fetch_add(fresh, Ordering::Relaxed) + fresh > SHOWN_BYTES_MAX {
            SHOWN.store(0, Ordering::Relaxed);
            let maps: Vec<_> = {
                let maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
                maps.iter().filter_map(Weak::upgrade).collect()
            };
            maps.iter().for_each(|pages| pages.let_go());
        }
    }

    fn let_go(&self) {
        let Source::File(map) = &self.source else { return };
        let were_shown = self.shown.iter().filter(|word| word.swap(0, Ordering::Relaxed) != 0).count();
        if were_shown == 0 {
            return;
        }
        // SAFETY: the pages of a shared read-only map of a file that nobody changes come back with the same content, so
        // that who reads a slice of it meanwhile sees no difference.
        //
        // When the system refuses, the pages stay shown; nothing else depends on it.
        let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::io::{Io as _, SysIo, write_file_durably};

    /// Kilobytes of files that this process shows as its memory.
    fn shown_kib() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_is_read_through_maps_is_let_go_of_and_slices_stay_good() {
        const FILE: usize = 48 << 20;
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("sealed");
        let content: Vec<u8> = (0..FILE / 4).flat_map(|n| (n as u32).to_le_bytes()).collect();
        write_file_durably(&SysIo, &path, &content).unwrap();
        let maps: Vec<Map> = (0..8).map(|_| SysIo.open_read(&path).unwrap().map().unwrap()).collect();
        let before = shown_kib();
        let mut most = 0;
        let mut kept = Vec::new();
        for map in &maps {
            for from in (0..FILE).step_by(AROUND_BYTES) {
                let part = map.slice(from..from + AROUND_BYTES);
                assert_eq!(part, content[from..from + AROUND_BYTES]);
                kept.push((from, part));
                most = most.max(shown_kib());
            }
        }
        let most_mib = most.saturating_sub(before) >> 10;
        assert!((32..160).contains(&most_mib), "384 MiB were read; the process showed {most_mib} MiB");
        assert!(kept.iter().all(|(from, part)| part[..] == content[*from..from + AROUND_BYTES]));
    }

    /// What the kernel keeps of the map that stands at this address.
    fn is_read_at_random(map: &[u8]) -> bool {
        let from = format!("{:x}-", map.as_ptr() as usize);
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&from));
        let flags = lines.find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
        flags.split_whitespace().any(|flag| flag == "rr")
    }

    #[test]
    fn reads_here_and_there_take_nothing_along_and_later_ones_do() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("sealed");
        write_file_durably(&SysIo, &path, &vec![7; 12_345]).unwrap();
        let map = SysIo.open_read(&path).unwrap().map().unwrap();
        assert!(!is_read_at_random(&map));
        let read = map.sparsely(|bytes| (bytes[12_344], is_read_at_random(bytes))).unwrap();
        assert_eq!(read, (7, true));
        assert!(!is_read_at_random(&map));
        assert_eq!(Map::of(Bytes::from_static(b"content")).sparsely(|bytes| bytes.len()).unwrap(), 7);
    }

    #[test]
    fn what_the_system_has_in_memory_is_known_page_by_page() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("sealed");
        let page = rustix::param::page_size();
        let len = 2 * ASKED_PAGES_MAX * page + 5;
        write_file_durably(&SysIo, &path, &vec![7; len]).unwrap();
        let map = SysIo.open_read(&path).unwrap().map().unwrap();
        let many = 1..(ASKED_PAGES_MAX - 1) * page;
        let forget = || {
            let file = File::open(&path).unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        };
        forget();
        assert!(!map.is_in_memory(&(len - 5..len)) && !map.is_in_memory(&many));
        let sum = map.sparsely(|bytes| bytes[many.end - 1] + bytes[len - 1]).unwrap();
        assert_eq!(sum, 14);
        assert!(map.is_in_memory(&(len - 5..len)) && map.is_in_memory(&(many.end - 1..many.end)));
        assert!(!map.is_in_memory(&many), "only its last page was read");
        map[many.clone()].iter().for_each(|byte| assert_eq!(*byte, 7));
        assert!(map.is_in_memory(&many) && map.is_in_memory(&(0..0)));
        assert!(!map.is_in_memory(&(0..len)), "too many pages to ask for");
        assert!(!map.is_in_memory(&(len - 5..len + 1)) && !map.is_in_memory(&(usize::MAX - 1..usize::MAX)));
        let memory = Map::of(Bytes::from_static(b"content"));
        assert!(memory.is_in_memory(&(0..7)) && !memory.is_in_memory(&(0..8)));
    }

    #[test]
    fn a_map_is_there_again_while_a_slice_of_it_lives() {
        let map = Map::of(Bytes::from_static(b"content"));
        let watch = map.watch();
        let slice = map.slice(0..3);
        drop(map);
        let again = watch.map().unwrap();
        assert_eq!(&again[..], b"content");
        drop(slice);
        assert!(watch.is_alive());
        drop(again);
        assert!(!watch.is_alive() && watch.map().is_none());
    }
}
