//! Setting damage aside, so that the next start does not stumble over it again.
//!
//! No sound byte of the log and no sound record of a stream is ever changed or discarded. Whatever is moved or overwritten
//! is kept in `damaged/`, and a report there names every range that was lost. The damaged blocks and records themselves
//! stay where they are: a start passes over them, and they go when the log or the stream lets go of their segment.

use super::{
    stopped::{OfflineError, Progress, Stopped},
    verify::{Problem, Remedy, Verification},
};
use crate::{
    base::time::Timestamp,
    storage::{
        aside,
        checkpoint::{self, CheckpointWriter, Slots},
        file_error::{FileError, at},
        index::directory,
        io::write_file_durably,
    },
};
use std::{fmt, ops::Range};

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Relative to the data directory.
    pub file: String,
    pub what: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    pub actions: Vec<Action>,
    /// Where the report of lost ranges stands, relative to the data directory. `None`: nothing acknowledged was lost.
    pub report: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offsets, frames, records, acknowledged: _, what, remedy: _ } = self;
        f.write_str(file)?;
        if !offsets.is_empty() {
            write!(f, " bytes {}..{}", offsets.start, offsets.end)?;
        }
        for lost in frames {
            write!(f, ", partition {} frames {} to {}", lost.partition, lost.first, lost.last)?;
        }
        for lost in records {
            write!(f, ", {lost}")?;
        }
        write!(f, ": {what}")
    }
}

impl Stopped {
    /// Does what [`Stopped::verify`] found to be in need. Running it again does no harm.
    pub fn repair(
        &self,
        found: &Verification,
        now: Timestamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Repair, OfflineError> {
        let mut repair = Repair::default();
        let total_bytes = found.problems.iter().map(|problem| problem.offsets.end - problem.offsets.start).sum();
        let mut done_bytes = 0;
        for problem in &found.problems {
            let what = match problem.remedy {
                Remedy::Nothing => None,
                Remedy::Rewrite => Some(self.rewrite_checkpoint(&problem.file)?),
                Remedy::SetAside => self.set_aside(&problem.file)?,
                Remedy::KeepCopy => self.keep_copy(&problem.file, problem.offsets.clone())?,
                Remedy::Mend(mend) => {
                    self.keep_copy(&problem.file, problem.offsets.clone())?;
                    self.mend(&mend)?;
                    Some("written again from the records; what stood there was copied to damaged/".to_owned())
                }
            };
            repair.actions.extend(what.map(|what| Action { file: problem.file.clone(), what }));
            done_bytes += problem.offsets.end - problem.offsets.start;
            progress(Progress { done_bytes, total_bytes });
        }
        repair.report = self.report_lost(found, now)?;
        Ok(repair)
    }

    fn rewrite_checkpoint(&self, name: &str) -> Result<String, FileError> {
        let slots = self.slots();
        self.keep_copy(name, 0..checkpoint::BYTES as u64)?;
        let mut writer = CheckpointWriter::open(&*self.io, &self.dir, self.store_uuid(), &slots)?;
        match slots.latest() {
            Some(latest) => {
                let generation = latest.generation + 1;
                writer.write(&checkpoint::Checkpoint { generation, ..latest.clone() })?;
                Ok(format!("written again from the other file, as generation {generation}"))
            }
            None => {
                self.clear_checkpoints(&slots)?;
                Ok("cleared: the next start replays the log from its oldest segment".into())
            }
        }
    }

    fn clear_checkpoints(&self, slots: &Slots) -> Result<(), FileError> {
        for (name, _) in slots.damage() {
            self.keep_copy(name, 0..checkpoint::BYTES as u64)?;
            let path = self.dir.join(name);
            let file = self.io.open(&path).map_err(at("opening", &path))?;
            file.write_at(&[0; checkpoint::BYTES], 0).and_then(|()| file.sync()).map_err(at("clearing", &path))?;
        }
        Ok(())
    }

    fn set_aside(&self, name: &str) -> Result<Option<String>, FileError> {
        let path = self.dir.join(name);
        if !self.io.exists(&path).map_err(at("looking for", &path))? {
            return Ok(None);
        }
        if name.starts_with("index/") {
            let moved = directory::set_aside(&self.dir, &path).map_err(at("moving", &path))?;
            self.io.fsync_dir(&self.dir).map_err(at("syncing", &self.dir))?;
            return Ok(Some(format!("moved to {}", self.relative(&moved))));
        }
        let moved = aside::set_aside(&*self.io, &self.dir, &path)?;
        Ok(Some(format!("moved to {}", self.relative(&moved))))
    }

    /// Copies a range of a file into `damaged/`; `None` when there is nothing to copy or it was copied before.
    fn keep_copy(&self, name: &str, range: Range<u64>) -> Result<Option<String>, FileError> {
        let kept = aside::keep_copy(&*self.io, &self.dir, &self.dir.join(name), range)?;
        Ok(kept.map(|kept| format!("what stands there was copied to {}", self.relative(&kept))))
    }

    fn report_lost(&self, found: &Verification, now: Timestamp) -> Result<Option<String>, FileError> {
        let lost = found.problems.iter().filter(|problem| problem.acknowledged);
        let lines: String = lost.map(|problem| format!("{problem}\n")).collect();
        if lines.is_empty() {
            return Ok(None);
        }
        let name = format!("lost-{}.txt", now.as_millis());
        let path = aside::directory(&*self.io, &self.dir)?.join(&name);
        write_file_durably(&*self.io, &path, lines.as_bytes()).map_err(at("writing", &path))?;
        Ok(Some(format!("{}/{name}", aside::DIRECTORY)))
    }
}
