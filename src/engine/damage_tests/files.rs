//! Every other file: identity, checkpoints, snapshots, keys, side files, the lock, the reserve. None of them holds an
//! acknowledged message, so none may cost one; what cannot be done without is refused with its name.

use super::{
    account::Frames,
    sample::{self, Sample},
    stride,
};
use crate::{
    base::time::Timestamp,
    storage::{
        checkpoint::FILES,
        io::sim::SimDisk,
        offline::{OfflineError, Remedy, Verification, Which},
    },
};
use std::path::{Path, PathBuf};

/// One changed copy of the store.
struct Case {
    what: String,
    disk: SimDisk,
}

/// What is done to a file.
#[derive(Clone, Copy)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
}

/// Every byte flipped, in two ways, and every length. One in `every`, of those behind the first `whole` bytes.
fn cases(sample: &Sample, path: &Path, whole: usize, every: usize) -> impl Iterator<Item = Case> {
    let len = sample.disk.contents(path).expect("there").len();
    let places = (0..len).filter(move |at| *at < whole || at.is_multiple_of(every) || at + 8 > len);
    let changes = |at| [Change::Flip(at, 1 << (at % 8)), Change::Flip(at, 0xff), Change::Cut(at)];
    places.flat_map(changes).map(move |change| match change {
        Change::Flip(at, mask) => {
            Case { what: format!("{} at {at} ^ {mask:#x}", path.display()), disk: sample.flipped(path, at, mask) }
        }
        Change::Cut(to) => Case {
            what: format!("{} cut to {to}", path.display()),
            disk: sample.damaged(path, |bytes| bytes.truncate(to)),
        },
    })
}

/// What `verify` says besides what it says of the sound store.
fn found(sample: &Sample, case: &Case) -> Verification {
    let found = sample::verify(&case.disk).unwrap_or_else(|error| panic!("{}: {error}", case.what));
    let log = |verification: &Verification| (verification.segments, verification.blocks, verification.entries);
    assert_eq!(log(&found), log(&sample.sound.verification), "{}: the log is as it was", case.what);
    found
}

/// The engine shows everything.
async fn check_whole(sample: &Sample, disk: &SimDisk, what: &str) {
    let shown = sample.shown(disk).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    sample.sound.check_shown(&shown, &Frames::new(), what);
}

/// `verify` names this file and nothing else, `repair` leaves nothing to name, and the store is whole before and after.
async fn check_named(sample: &Sample, case: &Case, file: &str, remedy: Remedy, with_engine: bool) {
    let what = &case.what;
    let found = found(sample, case);
    let [problem] = &found.problems[..] else { panic!("{what}: {found:?}") };
    assert_eq!((&problem.file[..], problem.acknowledged, problem.remedy), (file, false, remedy), "{what}");
    let damaged = case.disk.contents(&Path::new(sample::DIR).join(file)).expect("there");
    if with_engine {
        check_whole(sample, &case.disk, what).await;
    }
    let stopped = sample::stopped(&case.disk).expect("stopped");
    stopped.repair(&found, Timestamp(1), &mut |_| {}).expect("repairs");
    drop(stopped);
    let kept = format!("{}/damaged/{}-0.bin", sample::DIR, file.replace('/', "_"));
    let kept = case.disk.contents(Path::new(&kept));
    assert_eq!(kept.unwrap_or_default(), damaged, "{what}: the damaged bytes are kept");
    let after = sample::verify(&case.disk).expect("verifies");
    assert_eq!(after.problems, vec![], "{what}: repair left something");
    if with_engine {
        check_whole(sample, &case.disk, &format!("{what}, repaired")).await;
    }
}

/// As many cases as there are, one in `engine` of them with an engine.
async fn check_all(sample: &Sample, path: &Path, whole: usize, every: usize, remedy: Remedy, engine: usize) {
    let file = path.strip_prefix(sample::DIR).expect("inside").display().to_string();
    for (number, case) in cases(sample, path, whole, every).enumerate() {
        check_named(sample, &case, &file, remedy, number.is_multiple_of(engine)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_checkpoint_damaged_anywhere_costs_nothing() {
    for sample in [sample::killed().await, sample::closed().await] {
        for name in FILES {
            let path = Path::new(sample::DIR).join(name);
            check_all(sample, &path, 160, stride(397), Remedy::Rewrite, stride(61)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_checkpoints_damaged_cost_nothing() {
    for sample in [sample::killed().await, sample::closed().await] {
        for at in [0, 8, 40, 72, 100, 4092] {
            let disk = sample.disk.fork();
            FILES.iter().for_each(|name| sample::flip(&disk, &Path::new(sample::DIR).join(name), at, 0x40));
            check_whole(sample, &disk, &format!("both checkpoints at {at}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_damaged_anywhere_costs_nothing() {
    for sample in [sample::killed().await, sample::closed().await] {
        let snapshots = sample.files("/data/meta", ".snap");
        assert_eq!(snapshots.len(), 2);
        for path in snapshots {
            check_all(sample, &path, 112, stride(29), Remedy::SetAside, stride(61)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_snapshot_and_checkpoint_damaged_at_once_cost_nothing_that_the_log_holds() {
    let sample = sample::killed().await;
    let disk = sample.disk.fork();
    let meta: Vec<PathBuf> = sample.files("/data/meta", ".snap");
    let files = FILES.iter().map(|name| Path::new(sample::DIR).join(name)).chain(meta);
    files.for_each(|path| sample::flip(&disk, &path, 20, 1));
    let shown = sample.shown(&disk).await.expect("opens");
    // The log was trimmed up to what the snapshots held: queues made before are only there.
    for key in shown.messages.keys() {
        assert!(sample.sound.shown.messages.contains_key(key), "{key:?} comes back");
    }
    let found = sample::verify(&disk).expect("verifies");
    assert!(found.problems.len() == 4 && !found.is_sound(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_file_damaged_anywhere_costs_nothing() {
    let sample = sample::closed().await;
    let tables = sample.files("/data/wal", ".idx");
    assert!(!tables.is_empty());
    for path in tables {
        check_all(sample, &path, 64, stride(5), Remedy::SetAside, stride(61)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_damaged_anywhere_is_refused_by_name_and_never_made_anew() {
    let sample = sample::killed().await;
    for case in cases(sample, Path::new("/data/STORE"), usize::MAX, 1) {
        let what = &case.what;
        let before = case.disk.files();
        let refused = sample::verify(&case.disk).err().unwrap_or_else(|| panic!("{what}: verified"));
        assert!(matches!(refused, OfflineError::Identity { .. }), "{what}: {refused}");
        assert!(refused.to_string().contains("STORE"), "{what}: {refused}");
        let refused = sample.shown(&case.disk).await.err().unwrap_or_else(|| panic!("{what}: opened")).to_string();
        assert!(refused.contains("STORE"), "{what}: {refused}");
        assert_eq!(case.disk.files(), before, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_damaged_anywhere_are_named_and_kept() {
    let sample = sample::killed().await;
    for case in cases(sample, Path::new("/data/access/keys"), usize::MAX, 1) {
        let what = &case.what;
        let found = found(sample, &case);
        let [problem] = &found.problems[..] else { panic!("{what}: {found:?}") };
        // Nobody can be let in without them, so they count as lost.
        assert_eq!((&problem.file[..], problem.acknowledged), ("access/keys", true), "{what}");
        let damaged = case.disk.contents(Path::new("/data/access/keys"));
        let stopped = sample::stopped(&case.disk).expect("stopped");
        assert!(stopped.repair(&found, Timestamp(1), &mut |_| {}).expect("repairs").report.is_some(), "{what}");
        assert_eq!(case.disk.contents(Path::new("/data/damaged/access_keys-0.bin")), damaged, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_and_the_reserve_mean_nothing() {
    let sample = sample::killed().await;
    let prepared = sample
        .files("/data/wal", ".wal")
        .into_iter()
        .filter(|path| sample.segments(Which::Log).iter().all(|(used, _)| used != path));
    let files = sample.files("/data/wal/free", ".wal").into_iter().chain(prepared).chain([PathBuf::from("/data/LOCK")]);
    let files: Vec<PathBuf> = files.collect();
    assert!(files.len() > 2, "{files:?}");
    for path in files {
        for (number, case) in cases(sample, &path, 128, stride(8191)).enumerate() {
            assert_eq!(found(sample, &case), sample.sound.verification, "{}", case.what);
            if number.is_multiple_of(stride(37)) {
                check_whole(sample, &case.disk, &case.what).await;
            }
        }
    }
}
