//! `forebay backup verify`.

use super::action::{DirArgs, shown};
use crate::{
    cli::{
        Failure,
        output::{Output, Record},
        progress::Bar,
    },
    storage::{
        backup::{Finding, Points, verify},
        io::SysIo,
    },
};
use serde::Serialize;

pub(super) fn run(args: &DirArgs) -> Result<(), Failure> {
    let points = Points::read(&SysIo, &args.dir)?;
    let mut output = Output::new(&args.output);
    let bar = Bar::new(args.output.quiet);
    let findings = verify(&SysIo, &points, &mut shown(&bar))?;
    bar.clear();
    let rows: Vec<_> = findings.iter().map(FindingRow::from).collect();
    if !rows.is_empty() {
        output.list(&rows)?;
    }
    let count = points.points.len();
    output.note(&format!("{count} restore points: {} problems", findings.len()));
    if findings.iter().all(|finding| finding.from_store) {
        return Ok(());
    }
    let failure = Failure::failed("the backups are damaged");
    Err(failure.hint("remove the damaged file: the next backup copies it again while the server still has it"))
}

#[derive(Serialize)]
struct FindingRow {
    file: String,
    what: String,
    points: Vec<String>,
    /// The copy is what the server had.
    from_store: bool,
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        let Finding { file, what, points, from_store } = finding.clone();
        Self { file, what, points, from_store }
    }
}

impl Record for FindingRow {
    const COLUMNS: &'static [&'static str] = &["file", "what", "points", "since"];

    fn cells(&self) -> Vec<String> {
        let since = if self.from_store { "damaged on the server already" } else { "damaged since the backup" };
        vec![self.file.clone(), self.what.clone(), self.points.join(" "), since.to_owned()]
    }
}
