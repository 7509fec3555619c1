//! `forebay stream delete`.

use crate::{
    cli::{Failure, client::Caller, output::Output, removal::RemovalArgs},
    proto::stream::v1::DeleteStreamRequest,
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The streams
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    removal: RemovalArgs,
    /// Also with groups and registered consumers
    #[arg(long)]
    force: bool,
}

impl DeleteArgs {
    pub(super) fn ask(&self) -> Result<(), Failure> {
        self.removal.ask(&format!("Delete {} with all records?", self.names.join(", ")))
    }

    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let mut removal = self.removal.begin();
        for name in self.names {
            let request = DeleteStreamRequest { name: name.clone(), etag: String::new(), force: self.force };
            let answer = caller.streams().delete_stream(caller.request(request)).await;
            removal.answered(&name, answer, &output);
        }
        removal.finish("streams")
    }
}
