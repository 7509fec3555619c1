//! `forebay queue delete`.

use crate::{
    cli::{
        Exit, Failure,
        client::{Caller, Consent},
        output::{Output, note},
    },
    proto::queue::v1::DeleteQueueRequest,
};
use clap::Args;
use tonic::Code;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The queues
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    consent: Consent,
    /// A queue that is not there is fine
    #[arg(long)]
    idempotent: bool,
}

impl DeleteArgs {
    pub(super) fn ask(&self) -> Result<(), Failure> {
        self.consent.ask(&format!("Delete {} with all messages?", self.names.join(", ")))
    }

    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let total = self.names.len();
        let mut failures = Vec::new();
        for name in self.names {
            let request = DeleteQueueRequest { name: name.clone(), etag: String::new() };
            match caller.queues().delete_queue(caller.request(request)).await {
                Ok(_) => output.note(&format!("{name} is deleted")),
                Err(status) if self.idempotent && status.code() == Code::NotFound => {
                    output.note(&format!("{name} is not there"));
                }
                Err(status) => failures.push((name, Failure::from(status))),
            }
        }
        let count = failures.len();
        let Some((_, last)) = failures.last().cloned() else { return Ok(()) };
        if count == total && total == 1 {
            return Err(last);
        }
        for (name, failure) in failures {
            note(&format!("{name}: {}", failure.text));
        }
        let exit = if count < total { Exit::Partly } else { last.exit };
        Err(Failure { exit, text: format!("{count} of {total} queues were not deleted"), ..last })
    }
}
