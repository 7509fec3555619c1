//! `forebay queue delete`.

use crate::{
    cli::{Failure, client::Caller, output::Output, removal::RemovalArgs},
    proto::queue::v1::DeleteQueueRequest,
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The queues
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    removal: RemovalArgs,
}

impl DeleteArgs {
    pub(super) fn ask(&self) -> Result<(), Failure> {
        self.removal.ask(&format!("Delete {} with all messages?", self.names.join(", ")))
    }

    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let mut removal = self.removal.begin();
        for name in self.names {
            let request = DeleteQueueRequest { name: name.clone(), etag: String::new() };
            let answer = caller.queues().delete_queue(caller.request(request)).await;
            removal.answered(&name, answer, &output);
        }
        removal.finish("queues")
    }
}
