//! `forebay stream get`.

use super::record::StreamDetail;
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        stream::v1::{GetStreamRequest, Stream, StreamState},
    },
};
use clap::Args;
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks at a stream that is being changed, which takes half a second.
const LOOK: Duration = Duration::from_millis(50);
/// A stream that changes all the time is shown as it is after so many looks.
const LOOKS_MAX: u32 = 200;

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The stream
    name: String,
}

impl GetArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let stream = fetch(caller, self.name, ResourceView::Full).await?;
        output.one(&StreamDetail::from(stream))
    }
}

pub(super) async fn fetch(caller: &Caller, name: String, view: ResourceView) -> Result<Stream, Failure> {
    let mut request = GetStreamRequest { name, ..GetStreamRequest::default() };
    request.set_view(view);
    let answer = caller.streams().get_stream(caller.request(request)).await?.into_inner();
    answer.stream.ok_or_else(|| Failure::failed("the server answered without a stream"))
}

/// The stream once a change is done: until then no other is taken.
pub(super) async fn settled(caller: &Caller, stream: Stream) -> Result<Stream, Failure> {
    let mut stream = stream;
    for _ in 0..LOOKS_MAX {
        if stream.state() != StreamState::Updating {
            break;
        }
        sleep(LOOK).await;
        stream = fetch(caller, stream.name, ResourceView::Full).await?;
    }
    Ok(stream)
}
