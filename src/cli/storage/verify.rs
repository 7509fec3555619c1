//! `forebay storage verify`.

use super::action::shown;
use crate::{
    cli::{
        Failure,
        output::{Output, Record},
        progress::Bar,
    },
    storage::offline::{Problem, Remedy, Stopped, Verification},
};
use serde::Serialize;

pub(super) fn run(stopped: &Stopped, bar: &Bar, mut output: Output) -> Result<(), Failure> {
    let found = stopped.verify(&mut shown(bar))?;
    bar.clear();
    report(&found, &mut output)?;
    if found.is_sound() {
        return Ok(());
    }
    let failure = Failure::failed("something that was acknowledged is damaged");
    Err(failure.hint("forebay storage repair keeps a copy of it and writes down what was lost"))
}

/// Prints each problem, and notes what was looked at.
pub(super) fn report(found: &Verification, output: &mut Output) -> Result<(), Failure> {
    let rows: Vec<_> = found.problems.iter().map(ProblemRow::from).collect();
    if !rows.is_empty() {
        output.list(&rows)?;
    }
    let end = if found.clean_shutdown { "a clean shutdown" } else { "an unclean end" };
    output.note(&format!(
        "{} segments, {} blocks, {} frames, {} entries, {} index pages, {} segments of streams with {} records after {end}: \
         {} problems",
        found.segments,
        found.blocks,
        found.frames,
        found.entries,
        found.index_pages,
        found.stream_segments,
        found.stream_records,
        found.problems.len()
    ));
    Ok(())
}

#[derive(Serialize)]
struct ProblemRow {
    file: String,
    first_byte: u64,
    end_byte: u64,
    frames: Vec<LostRow>,
    records: Vec<LostRecordsRow>,
    acknowledged: bool,
    what: String,
    remedy: &'static str,
}

#[derive(Serialize)]
struct LostRow {
    partition: u32,
    first: u64,
    last: u64,
}

/// Of a stream whose segment the file is.
#[derive(Serialize)]
struct LostRecordsRow {
    shard: u32,
    first: u64,
    last: u64,
}

impl From<&Problem> for ProblemRow {
    fn from(problem: &Problem) -> Self {
        let frames = problem.frames.iter().map(|lost| LostRow {
            partition: lost.partition.0,
            first: lost.first.0,
            last: lost.last.0,
        });
        let records =
            problem.records.iter().map(|lost| LostRecordsRow { shard: lost.shard, first: lost.first, last: lost.last });
        Self {
            file: problem.file.clone(),
            first_byte: problem.offsets.start,
            end_byte: problem.offsets.end,
            frames: frames.collect(),
            records: records.collect(),
            acknowledged: problem.acknowledged,
            what: problem.what.clone(),
            remedy: match problem.remedy {
                Remedy::Nothing => "nothing: the next start leaves it behind",
                Remedy::Rewrite | Remedy::Mend(_) => "repair writes it again",
                Remedy::SetAside => "repair sets it aside",
                Remedy::KeepCopy => "repair keeps a copy and says what was lost",
            },
        }
    }
}

impl Record for ProblemRow {
    const COLUMNS: &'static [&'static str] = &["file", "bytes", "what", "lost", "acknowledged", "remedy"];

    fn cells(&self) -> Vec<String> {
        let bytes = if self.end_byte > self.first_byte {
            format!("{}..{}", self.first_byte, self.end_byte)
        } else {
            String::new()
        };
        let frames =
            self.frames.iter().map(|lost| format!("partition {}: {} to {}", lost.partition, lost.first, lost.last));
        let records = self.records.iter().map(|lost| format!("shard {}: {} to {}", lost.shard, lost.first, lost.last));
        vec![
            self.file.clone(),
            bytes,
            self.what.clone(),
            frames.chain(records).collect::<Vec<_>>().join(", "),
            if self.acknowledged { "yes" } else { "no" }.to_owned(),
            self.remedy.to_owned(),
        ]
    }
}
