//! `forebay backup list`.

use super::action::{DirArgs, show_time};
use crate::{
    cli::{
        Failure,
        output::{Output, Record},
    },
    config::unit::show_size,
    storage::{
        backup::{Point, Points},
        io::SysIo,
    },
};
use serde::Serialize;

pub(super) fn run(args: &DirArgs) -> Result<(), Failure> {
    let found = Points::read(&SysIo, &args.dir)?;
    let mut output = Output::new(&args.output);
    let rows: Vec<_> = found.points.iter().map(ListedRow::from).collect();
    output.list(&rows)?;
    for (name, what) in &found.damaged {
        output.note(&format!("{name} cannot be used: {what}"));
    }
    Ok(())
}

#[derive(Serialize)]
struct ListedRow {
    name: String,
    time: String,
    store: String,
    segments: usize,
    bytes: u64,
    durable_block: u64,
}

impl From<&Point> for ListedRow {
    fn from(point: &Point) -> Self {
        let manifest = &point.manifest;
        Self {
            name: point.name.clone(),
            time: show_time(manifest.time()),
            store: manifest.store.clone(),
            segments: manifest.segments.len(),
            bytes: manifest.bytes(),
            durable_block: manifest.durable_seq,
        }
    }
}

impl Record for ListedRow {
    const COLUMNS: &'static [&'static str] = &["point", "time", "segments", "size"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.time.clone(), self.segments.to_string(), show_size(self.bytes)]
    }
}
