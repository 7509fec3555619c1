//! `forebay errors`: what the reasons mean that programs compare.

use super::{
    Exit, Failure,
    output::{self, Output, OutputArgs, Record},
};
use crate::{
    base::reason::{Reason, Remedy},
    config::unit::show_duration,
};
use clap::Subcommand;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum ErrorsCommand {
    /// List every reason
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Say what a reason means and what to do
    Explain {
        /// The name that an error carries, such as QUEUE_NOT_FOUND
        reason: String,
    },
}

pub(crate) fn run(command: ErrorsCommand) -> Result<(), Failure> {
    match command {
        ErrorsCommand::List { output } => {
            let rows: Vec<_> = Reason::ALL.iter().copied().map(Row).collect();
            Output::new(&output).list(&rows)
        }
        ErrorsCommand::Explain { reason } => explain(&reason),
    }
}

fn explain(name: &str) -> Result<(), Failure> {
    let wanted = name.to_uppercase().replace('-', "_");
    if let Some(reason) = Reason::ALL.iter().copied().find(|reason| reason.as_str() == wanted) {
        return output::print(&format!("{}\n\n{}\n\n{}\n", reason.as_str(), text(reason), remedy(reason)));
    }
    let failure = Failure::new(Exit::NotFound, format!("{name:?} is not a reason"));
    let scored = Reason::ALL.iter().map(|known| (strsim::jaro_winkler(&wanted, known.as_str()), known));
    Err(match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, known)) if score > 0.8 => failure.hint(format!("did you mean {}?", known.as_str())),
        _ => failure.hint("forebay errors list"),
    })
}

fn text(reason: Reason) -> String {
    let lines: Vec<_> = reason.explanation().lines().map(str::trim).collect();
    lines.join("\n")
}

fn remedy(reason: Reason) -> String {
    match reason.remedy() {
        Remedy::FixRequest => "Change the request; repeating it as it is cannot help.".to_owned(),
        Remedy::Gone => "What the call needs is not there (any more).".to_owned(),
        Remedy::ChangeState => "Change the state that forbids it, then repeat the call.".to_owned(),
        Remedy::RetryAfter(wait) => format!("Repeat the same call, at the earliest after {}.", show_duration(wait)),
        Remedy::Denied => "Use credentials that may do this.".to_owned(),
        Remedy::Report => "The broker is at fault; its log says more.".to_owned(),
    }
}

struct Row(Reason);

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut row = serializer.serialize_struct("reason", 3)?;
        row.serialize_field("reason", self.0.as_str())?;
        row.serialize_field("explanation", &text(self.0))?;
        row.serialize_field("remedy", &remedy(self.0))?;
        row.end()
    }
}

impl Record for Row {
    const COLUMNS: &'static [&'static str] = &["reason", "explanation"];

    fn cells(&self) -> Vec<String> {
        vec![self.0.as_str().to_owned(), text(self.0)]
    }
}
