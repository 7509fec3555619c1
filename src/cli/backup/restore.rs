//! `forebay backup restore`.

use super::action::{show_time, shown};
use crate::{
    base::time::Timestamp,
    cli::{
        Exit, Failure,
        output::{Output, OutputArgs, Record},
        progress::Bar,
    },
    config::unit::show_size,
    storage::{
        backup::{Points, points::Wanted, restore},
        io::SysIo,
    },
};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The directory of backups
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The data directory to make: empty, or not there yet
    #[arg(long, value_name = "NEW")]
    data_dir: PathBuf,
    /// The restore point, as the list names it [default: the newest]
    #[arg(long, value_name = "NAME", conflicts_with = "at")]
    point: Option<String>,
    /// The newest restore point that is not younger, such as 2026-05-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    #[command(flatten)]
    output: OutputArgs,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    u64::try_from(time.as_millisecond()).map(Timestamp).map_err(|_| "it is before 1970".to_owned())
}

impl RestoreArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let points = Points::read(&SysIo, &self.dir)?;
        let wanted = match (self.point, self.at) {
            (Some(name), _) => Wanted::Named(name),
            (None, Some(time)) => Wanted::At(time),
            (None, None) => Wanted::Newest,
        };
        let point = points.find(&wanted)?;
        let mut output = Output::new(&self.output);
        let bar = Bar::new(self.output.quiet);
        let done = restore(&SysIo, &self.dir, point, &self.data_dir, &mut shown(&bar));
        bar.clear();
        let done = done?;
        let is_whole = done.lost.is_empty();
        for lost in &done.lost {
            output.note(&format!("damaged on the server already: {lost}"));
        }
        output.one(&RestoredRow {
            point: point.name.clone(),
            time: show_time(point.manifest.time()),
            data_dir: self.data_dir.display().to_string(),
            segments: done.segments,
            frames: done.frames,
            bytes: done.bytes,
            lost: done.lost,
        })?;
        output.note("its first start replays the whole log. Never run it beside the server it was made of");
        match is_whole {
            true => Ok(()),
            false => Err(Failure::new(Exit::Partly, "restored, but for what was damaged on the server already")),
        }
    }
}

#[derive(Serialize)]
struct RestoredRow {
    point: String,
    time: String,
    data_dir: String,
    segments: u64,
    frames: u64,
    bytes: u64,
    lost: Vec<String>,
}

impl Record for RestoredRow {
    const COLUMNS: &'static [&'static str] = &["point", "time", "data dir", "segments", "frames", "size"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.point.clone(),
            self.time.clone(),
            self.data_dir.clone(),
            self.segments.to_string(),
            self.frames.to_string(),
            show_size(self.bytes),
        ]
    }
}
