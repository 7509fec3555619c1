//! Deleting several things by name: one that fails does not keep the others.

use super::{
    Exit, Failure,
    client::Consent,
    output::{Output, note},
};
use clap::Args;
use tonic::{Code, Status};

/// How things are deleted.
#[derive(Debug, Args)]
pub(crate) struct RemovalArgs {
    #[command(flatten)]
    consent: Consent,
    /// What is not there is fine
    #[arg(long)]
    idempotent: bool,
}

impl RemovalArgs {
    /// Asks on a terminal.
    ///
    /// # Errors
    /// When the answer is no, or nobody can be asked.
    pub(crate) fn ask(&self, question: &str) -> Result<(), Failure> {
        self.consent.ask(question)
    }

    pub(crate) fn begin(&self) -> Removal {
        Removal { idempotent: self.idempotent, total: 0, failures: Vec::new() }
    }
}

/// What became of each.
#[derive(Debug)]
pub(crate) struct Removal {
    idempotent: bool,
    total: usize,
    failures: Vec<(String, Failure)>,
}

impl Removal {
    /// Takes note of one answer, and tells if it is good.
    pub(crate) fn answered<T>(&mut self, name: &str, answer: Result<T, Status>, output: &Output) {
        self.total += 1;
        match answer {
            Ok(_) => output.note(&format!("{name} is deleted")),
            Err(status) if self.idempotent && status.code() == Code::NotFound => {
                output.note(&format!("{name} is not there"));
            }
            Err(status) => self.failures.push((name.to_owned(), Failure::from(status))),
        }
    }

    /// Tells what failed; `what` is the plural of what was deleted.
    ///
    /// # Errors
    /// When anything failed.
    pub(crate) fn finish(self, what: &str) -> Result<(), Failure> {
        let (count, total) = (self.failures.len(), self.total);
        let Some((_, last)) = self.failures.last().cloned() else { return Ok(()) };
        if total == 1 {
            return Err(last);
        }
        for (name, failure) in self.failures {
            note(&format!("{name}: {}", failure.text));
        }
        let exit = if count < total { Exit::Partly } else { last.exit };
        Err(Failure { exit, text: format!("{count} of {total} {what} were not deleted"), ..last })
    }
}
