//! `forebay group get`.

use super::record::show;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::stream::v1::GetGroupRequest,
};
use clap::Args;

/// A group, by its stream and its own id.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The stream
    stream: String,
    /// The group
    group: String,
}

impl Named {
    /// As the server knows it.
    pub(super) fn name(&self) -> String {
        format!("{}/groups/{}", self.stream, self.group)
    }
}

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    #[command(flatten)]
    group: Named,
}

impl GetArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let request = GetGroupRequest { name: self.group.name() };
        let answer = caller.streams().get_group(caller.request(request)).await?.into_inner();
        show(&mut output, answer.group.unwrap_or_default())
    }
}
