//! `forebay group delete`.

use crate::{
    cli::{Failure, client::Caller, output::Output, removal::RemovalArgs},
    proto::stream::v1::DeleteGroupRequest,
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The stream
    stream: String,
    /// The groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    removal: RemovalArgs,
}

impl DeleteArgs {
    pub(super) fn ask(&self) -> Result<(), Failure> {
        self.removal.ask(&format!("Delete {} of {} with all checkpoints?", self.groups.join(", "), self.stream))
    }

    pub(super) async fn run(self, caller: &Caller, output: Output) -> Result<(), Failure> {
        let mut removal = self.removal.begin();
        for group in self.groups {
            let request = DeleteGroupRequest { name: format!("{}/groups/{group}", self.stream) };
            let answer = caller.streams().delete_group(caller.request(request)).await;
            removal.answered(&group, answer, &output);
        }
        removal.finish("groups")
    }
}
