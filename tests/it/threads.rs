//! The threads of an engine, counted where no other test has any.

use crate::broker::{engine_host, engine_options};
use forebay::{base::time::Clock as _, engine::open::open, runtime::SystemClock};
use std::{collections::BTreeMap, fs, process::Command, time::Duration};

const ALONE: &str = "FOREBAY_TEST_ALONE";
const NAME: &str = "threads::every_thread_of_an_engine_ends_with_it";

/// The names of this process's threads, by id, but for those that sled keeps for all of its databases.
fn threads() -> BTreeMap<String, String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let named = tasks.filter_map(|task| Some((task.to_str()?.to_owned(), fs::read_to_string(task.join("comm")).ok()?)));
    let named = named.map(|(task, name)| (task, name.trim_end().to_owned()));
    named.filter(|(_, name)| !name.starts_with("sled-io")).collect()
}

#[test]
fn every_thread_of_an_engine_ends_with_it() {
    // The other tests of this process have engines too.
    if std::env::var_os(ALONE).is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let ran = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let before = threads();
    let new = || threads().into_iter().filter(|(task, _)| !before.contains_key(task)).collect::<Vec<_>>();
    let engine = open(&engine_options(dir.path()), engine_host()).unwrap();
    for name in ["partition-0", "partition-1", "outbox", "evacuation", "checkpointer", "scrub", "log-commit"] {
        // A thread takes its name when it begins to run.
        until(|| new().iter().any(|(_, found)| found == name), || format!("{name} is not among {:?}", new()));
    }
    engine.close();
    // A thread that was waited for may be listed a moment longer.
    until(|| new().is_empty(), || format!("left after the close: {:?}", new()));
    drop(engine);
}

/// Waits for what must come; a test that hangs says nothing.
fn until(holds: impl Fn() -> bool, else_what: impl Fn() -> String) {
    let deadline = SystemClock.now() + Duration::from_secs(30);
    while !holds() {
        assert!(SystemClock.now() < deadline, "{}", else_what());
        std::thread::yield_now();
    }
}
