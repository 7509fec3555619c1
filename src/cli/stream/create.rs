//! `forebay stream create`.

use super::{get::fetch, record::StreamDetail, settings::SettingsArgs};
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        stream::v1::{CreateStreamRequest, Stream},
    },
};
use clap::Args;
use tonic::Code;

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The stream's id
    name: String,
    /// Shards to begin with; on demand the stream begins with as many as it likes [default: 1]
    #[arg(long, value_name = "COUNT")]
    shards: Option<u32>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// A stream of this name is fine, whatever its settings
    #[arg(long)]
    idempotent: bool,
}

impl CreateArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let (parent, stream_id) = match self.name.rsplit_once("/streams/") {
            Some((parent, id)) => (parent.to_owned(), id.to_owned()),
            None => (String::new(), self.name.clone()),
        };
        if self.shards == Some(0) {
            return Err(Failure::usage("--shards is 0, allowed is 1 or more"));
        }
        let mut stream = Stream::default();
        self.settings.write(&mut stream)?;
        let shard_count = self.shards.unwrap_or_default();
        let request = CreateStreamRequest { parent, stream_id, stream: Some(stream), shard_count };
        let stream = match caller.streams().create_stream(caller.request(request)).await {
            Ok(answer) => answer.into_inner().stream.unwrap_or_default(),
            Err(status) if self.idempotent && status.code() == Code::AlreadyExists => {
                output.note("the stream exists; nothing was changed");
                fetch(caller, self.name, ResourceView::Basic).await?
            }
            Err(status) => return Err(status.into()),
        };
        output.one(&StreamDetail::from(stream))
    }
}
