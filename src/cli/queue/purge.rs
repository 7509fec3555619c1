//! `forebay queue purge`.

use crate::{
    cli::{
        Failure,
        client::{Caller, Consent},
        output::Output,
    },
    proto::queue::v1::PurgeQueueRequest,
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct PurgeArgs {
    /// The queue
    name: String,
    #[command(flatten)]
    consent: Consent,
}

impl PurgeArgs {
    pub(super) fn ask(&self) -> Result<(), Failure> {
        self.consent.ask(&format!("Delete every message of {}?", self.name))
    }

    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let request = PurgeQueueRequest { name: self.name };
        let answer = caller.queues().purge_queue(caller.request(request)).await?.into_inner();
        output.note(&format!("{} messages are deleted", answer.purged_messages));
        Ok(())
    }
}
