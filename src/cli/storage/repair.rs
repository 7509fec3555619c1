//! `forebay storage repair`.

use super::{action::shown, verify};
use crate::{
    base::time::Clock as _,
    cli::{
        Failure,
        client::Consent,
        output::{Output, Record},
        progress::Bar,
    },
    runtime::SystemClock,
    storage::offline::{Action, Remedy, Stopped},
};
use serde::Serialize;

pub(super) fn run(stopped: &Stopped, consent: &Consent, bar: &Bar, mut output: Output) -> Result<(), Failure> {
    let found = stopped.verify(&mut shown(bar))?;
    bar.clear();
    if found.problems.iter().all(|problem| problem.remedy == Remedy::Nothing) {
        output.note("there is nothing to repair");
        return Ok(());
    }
    if !consent.yes {
        verify::report(&found, &mut output)?;
    }
    consent.ask("Repair these? Sound bytes of the log and sound records are not touched, and everything else is kept in damaged/.")?;
    let repair = stopped.repair(&found, SystemClock.now(), &mut shown(bar))?;
    bar.clear();
    let rows: Vec<_> = repair.actions.into_iter().map(ActionRow::from).collect();
    output.list(&rows)?;
    match repair.report {
        Some(report) => output.note(&format!("what was lost is written down in {report}")),
        None => output.note("nothing that was acknowledged is lost"),
    }
    Ok(())
}

#[derive(Serialize)]
struct ActionRow {
    file: String,
    what: String,
}

impl From<Action> for ActionRow {
    fn from(action: Action) -> Self {
        Self { file: action.file, what: action.what }
    }
}

impl Record for ActionRow {
    const COLUMNS: &'static [&'static str] = &["file", "what"];

    fn cells(&self) -> Vec<String> {
        vec![self.file.clone(), self.what.clone()]
    }
}
