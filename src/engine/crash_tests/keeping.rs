//! Operators at work on an engine: backups, which are restored in the end, and checks of what is stored.

use super::{
    load::{Oracles, Site, check},
    machine::Machine,
    oracle::Window,
    stream,
};
use crate::{
    engine::{backup::BackupStep, client::Engine},
    storage::{
        backup::{Finding, Points, points::Wanted, restore, verify},
        io::sim::SimDisk,
    },
};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Mutex,
};

const BACKUPS: &str = "/backups";
const RESTORED: &str = "/restored";

/// A backup that was reported complete, and what was told of the messages before it began and until it ended.
pub(super) struct Taken {
    name: String,
    windows: BTreeMap<&'static str, Window>,
    /// The records of the stream before it began.
    known: stream::Records,
}

/// Adds a restore point.
pub(super) async fn back_up(site: Site<'_>, taken: &Mutex<Vec<Taken>>, records: &Mutex<stream::Records>) -> Option<()> {
    let before: Oracles = site.oracles.copy();
    let known = records.lock().expect("records").clone();
    let mut running = site.unless_cut(site.engine.start_backup(BACKUPS.into()))?;
    let point = loop {
        match site.unless_cut(running.next().await?)? {
            BackupStep::Progress { .. } => {}
            BackupStep::Done(point) => break point,
        }
    };
    assert_eq!(point.damage, Vec::<String>::new());
    let windows = before.until(&site.oracles.copy());
    taken.lock().expect("taken").push(Taken { name: point.name, windows, known });
    Some(())
}

fn findings(disk: &SimDisk) -> Option<Vec<Finding>> {
    let points = Points::read(disk, Path::new(BACKUPS)).ok()?;
    verify(disk, &points, &mut |_| ControlFlow::Continue(())).ok()
}

/// Reads every restore point while the engine runs.
pub(super) fn verify_backups(site: Site<'_>) -> Option<()> {
    let findings = findings(&site.machine.disk);
    if !site.machine.disk.has_crashed() {
        assert_eq!(findings, Some(Vec::new()));
    }
    Some(())
}

/// Reads the whole log while the engine runs.
pub(super) async fn verify_log(site: Site<'_>) -> Option<()> {
    let mut progress = site.unless_cut(site.engine.verify_storage(0))?;
    while !progress.borrow().done {
        progress.changed().await.ok()?;
    }
    let problems = progress.borrow().problems.clone();
    assert!(problems.is_empty() || site.machine.disk.has_crashed(), "{problems:?}");
    Some(())
}

/// Every backup that was reported complete is there and sound; the chosen one becomes a store that has what it should.
pub(super) async fn check_backups(
    machine: &mut Machine,
    taken: &[Taken],
    chosen: usize,
    records: &stream::Records,
    what: &str,
) {
    let Some(wanted) = taken.get(chosen) else { return };
    let points = Points::read(&machine.disk, Path::new(BACKUPS)).expect("there are backups");
    assert_eq!(findings(&machine.disk), Some(Vec::new()), "{what}");
    for taken in taken {
        points.find(&Wanted::Named(taken.name.clone())).expect("what was reported complete is listed");
    }
    let what = format!("{what}, backup {} of {}", chosen + 1, taken.len());
    let engine = go_back(machine, wanted, RESTORED.into(), &what).await;
    stream::check(&engine, &records.as_known(&wanted.known), &what).await;
    engine.close();
}

/// Makes a store of a backup in a new directory, which the machine goes on with; it has what it should.
pub(super) async fn go_back(machine: &mut Machine, wanted: &Taken, to: PathBuf, what: &str) -> Engine {
    let points = Points::read(&machine.disk, Path::new(BACKUPS)).expect("there are backups");
    let point = points.find(&Wanted::Named(wanted.name.clone())).expect("it is listed");
    let done = restore(&machine.disk, &points.dir, point, &to, &mut |_| ControlFlow::Continue(()));
    assert_eq!(done.expect("restored").lost, Vec::<String>::new(), "{what}");
    machine.moves_to(to);
    let engine = machine.start().expect("a restored store opens");
    check(machine, &engine, &wanted.windows, what).await;
    engine
}
