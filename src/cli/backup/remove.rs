//! `forebay backup delete` and `forebay backup prune`.

use crate::{
    base::time::{Clock as _, Timestamp},
    cli::{
        Failure,
        client::Consent,
        output::{Output, OutputArgs, Record},
        value,
    },
    config::unit::show_size,
    runtime::SystemClock,
    storage::{
        backup::{BackupError, Points, Removal, Removing},
        io::SysIo,
    },
};
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The directory of backups
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The restore points, as the list names them
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The directory of backups
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Keep the newest restore points, this many
    #[arg(long, value_name = "COUNT", required_unless_present = "older_than", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Remove what is older, such as 30d; with --keep only what is neither young nor among the newest
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    older_than: Option<Duration>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl DeleteArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let removing = Removing::begin(&SysIo, &self.dir)?;
        let found = &removing.points;
        let is_there = |name: &String| {
            found.points.iter().any(|point| point.name == *name) || found.damaged.iter().any(|(known, _)| known == name)
        };
        if let Some(missing) = self.names.iter().find(|name| !is_there(name)) {
            return Err(BackupError::NoPoint { dir: self.dir, wanted: format!("{missing:?}") }.into());
        }
        if !self.how.dry_run {
            self.consent.ask(&format!("Remove the restore points {}?", self.names.join(", ")))?;
        }
        let names: BTreeSet<String> = self.names.into_iter().collect();
        self.how.remove(removing, &names)
    }
}

impl PruneArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let removing = Removing::begin(&SysIo, &self.dir)?;
        let names = going(&removing.points, SystemClock.now(), self.keep, self.older_than);
        self.how.remove(removing, &names)
    }
}

/// The names of the restore points that go: not young, not among the newest.
fn going(points: &Points, now: Timestamp, keep: Option<u32>, older_than: Option<Duration>) -> BTreeSet<String> {
    let is_old = |time| older_than.is_none_or(|age| now.since(time) > age);
    let newest = keep.unwrap_or(1) as usize;
    let others = points.points.iter().rev().skip(newest);
    others.filter(|point| is_old(point.manifest.time())).map(|point| point.name.clone()).collect()
}

impl How {
    fn remove(&self, removing: Removing<'_>, names: &BTreeSet<String>) -> Result<(), Failure> {
        let removal = removing.plan(|name| names.contains(name))?;
        let kept = removing.points.points.len() + removing.points.damaged.len() - removal.points.len();
        if !self.dry_run {
            removing.remove(&removal)?;
        }
        let mut output = Output::new(&self.output);
        for name in &removal.unknown {
            output.note(&format!("{name} cannot be read: every segment stays, since it may need it"));
        }
        if self.dry_run {
            output.note("nothing was removed");
        }
        output.one(&RemovedRow::new(removal, kept, self.dry_run))
    }
}

#[derive(Serialize)]
struct RemovedRow {
    removed: Vec<String>,
    kept: usize,
    files: Vec<String>,
    bytes: u64,
    dry_run: bool,
}

impl RemovedRow {
    fn new(removal: Removal, kept: usize, dry_run: bool) -> Self {
        let Removal { points, files, bytes, unknown: _ } = removal;
        Self { removed: points, kept, files, bytes, dry_run }
    }
}

impl Record for RemovedRow {
    const COLUMNS: &'static [&'static str] = &["removed", "points kept", "files", "size"];

    fn cells(&self) -> Vec<String> {
        vec![self.removed.join("\n"), self.kept.to_string(), self.files.len().to_string(), show_size(self.bytes)]
    }
}
