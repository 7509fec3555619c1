//! The index, on real files: sled stands on nothing else. It is a cache, so whatever happens to it costs nothing but a replay.

use super::{account::Frames, sample, stride};
use crate::storage::{io::SysIo, offline::Stopped, store::IndexKind};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const SLED: IndexKind = IndexKind::Sled { cache_bytes: 1 << 20 };

/// The store of the other tests as files of this machine, with an index over sled that was written at a clean end.
async fn real() -> (tempfile::TempDir, super::account::Shown) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = &sample::killed().await.disk;
    for path in disk.files() {
        let target = dir.path().join(path.strip_prefix(sample::DIR).expect("inside"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("made");
        fs::write(target, disk.contents(&path).expect("there")).expect("written");
    }
    // Twice, so that the checkpoint names an index that is there.
    for _ in 0..2 {
        sample::start_real(dir.path(), SLED).close();
    }
    let copy = copied(dir.path());
    let shown = sample::shown_by(sample::start_real(copy.path(), SLED)).await;
    sample::killed().await.sound.check_shown(&shown, &Frames::new(), "made real");
    (dir, shown)
}

fn copied(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for path in files(from) {
        let target = copy.path().join(path.strip_prefix(from).expect("inside"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("made");
        fs::copy(path, target).expect("copied");
    }
    copy
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// Opens a copy with one file of its index changed: everything is there; `verify` calls the store sound either way.
async fn check(dir: &Path, file: &Path, what: &str, change: impl Fn(&mut Vec<u8>)) {
    let copy = copied(dir);
    let target = copy.path().join(file);
    let mut bytes = fs::read(&target).expect("read");
    change(&mut bytes);
    fs::write(&target, bytes).expect("written");
    let verified = copied(copy.path());
    let stopped = Stopped::open(Arc::new(SysIo), verified.path(), 9).expect("stopped");
    let found = stopped.verify(&mut |_| {}).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(found.is_sound(), "{what}: the index is a cache: {found:?}");
    assert!(found.problems.iter().all(|problem| problem.file.starts_with("index/")), "{what}: {found:?}");
    drop(stopped);
    let shown = sample::shown_by(sample::start_real(copy.path(), SLED)).await;
    sample::killed().await.sound.check_shown(&shown, &Frames::new(), what);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_damaged_anywhere_costs_nothing() {
    let (dir, _) = real().await;
    let index: Vec<PathBuf> = files(&dir.path().join("index"));
    assert!(index.len() > 1, "{index:?}");
    for path in index {
        let file = path.strip_prefix(dir.path()).expect("inside").to_owned();
        let len = fs::metadata(&path).expect("there").len() as usize;
        // Sled's file is mostly zero: the beginning counts.
        let places = (0..len.min(4096)).step_by(stride(331)).chain((4096..len).step_by(stride(65_537).max(997)));
        for at in places {
            check(dir.path(), &file, &format!("{} at {at}", file.display()), |bytes| bytes[at] ^= 0x5a).await;
        }
        for to in [0, 1, len / 3, len - 1] {
            check(dir.path(), &file, &format!("{} cut to {to}", file.display()), |bytes| bytes.truncate(to)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_gone_or_an_older_one_costs_nothing() {
    let (dir, shown) = real().await;
    let older = copied(dir.path());
    sample::start_real(dir.path(), SLED).close();
    let sound = &sample::killed().await.sound;
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    let gone = copied(dir.path());
    sound.check_shown(&sample::shown_by(sample::start_real(gone.path(), SLED)).await, &Frames::new(), "gone");
    for path in files(&older.path().join("index")) {
        let target = dir.path().join(path.strip_prefix(older.path()).expect("inside"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("made");
        fs::copy(path, target).expect("copied");
    }
    let again = sample::shown_by(sample::start_real(dir.path(), SLED)).await;
    sound.check_shown(&again, &Frames::new(), "an older one");
    assert_eq!(again.messages.len(), shown.messages.len());
}
