//! `forebay backup create`.

use crate::{
    cli::{
        Failure,
        client::{Caller, ClientArgs, block_on},
        output::{Output, OutputArgs, Record},
        progress::Bar,
        value::show_time,
    },
    config::unit::show_size,
    proto::admin::v1::{CreateBackupRequest, RestorePoint},
};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The directory of backups, on the server's machine: empty, not there yet, or with backups of this server
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl CreateArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut output = Output::new(&self.output);
        let bar = Bar::new(self.output.quiet);
        // A server on another machine is told the same path.
        let path = std::path::absolute(&self.dir)?;
        let directory = path.to_str().ok_or_else(|| Failure::usage(format!("{} is not UTF-8", path.display())))?;
        let request = CreateBackupRequest { directory: directory.to_owned() };
        let server = self.client.server.clone();
        let point = block_on(&server, async {
            let caller = Caller::connect(&self.client).await?;
            let mut steps = caller.admin().create_backup(caller.stream(request)).await?.into_inner();
            while let Some(step) = steps.message().await? {
                bar.set(step.done_bytes, step.total_bytes);
                if let Some(point) = step.point {
                    return Ok(point);
                }
            }
            Err(Failure::failed("the server ended the call before the backup was done"))
        });
        bar.clear();
        let point = PointRow::from(point?);
        for damage in &point.damage {
            output.note(&format!("damaged on the server already: {damage}"));
        }
        output.one(&point)
    }
}

#[derive(Serialize)]
struct PointRow {
    name: String,
    time: String,
    segments: u64,
    bytes: u64,
    copied_segments: u64,
    copied_bytes: u64,
    durable_block: u64,
    damage: Vec<String>,
}

impl From<RestorePoint> for PointRow {
    fn from(point: RestorePoint) -> Self {
        Self {
            name: point.name,
            time: show_time(point.time),
            segments: point.segments,
            bytes: point.bytes,
            copied_segments: point.copied_segments,
            copied_bytes: point.copied_bytes,
            durable_block: point.durable_block,
            damage: point.damage,
        }
    }
}

impl Record for PointRow {
    const COLUMNS: &'static [&'static str] = &["point", "time", "segments", "size", "copied segments", "copied"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.time.clone(),
            self.segments.to_string(),
            show_size(self.bytes),
            self.copied_segments.to_string(),
            show_size(self.copied_bytes),
        ]
    }
}
