//! `forebay stream set`.

use super::{
    get::{fetch, settled},
    record::StreamDetail,
    settings::SettingsArgs,
};
use crate::{
    cli::{Failure, client::Caller, output::Output},
    proto::{
        common::v1::ResourceView,
        stream::v1::{Stream, UpdateStreamRequest},
    },
};
use clap::Args;
use prost_types::FieldMask;

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The stream
    name: String,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Have no access policy
    #[arg(long, conflicts_with = "policy")]
    no_policy: bool,
    /// Remove a label; may be repeated
    #[arg(long = "remove-tag", value_name = "NAME")]
    remove_tags: Vec<String>,
    /// Change only a stream that still has this etag
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
}

impl SetArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let mut stream = if self.settings.needs_current() || !self.remove_tags.is_empty() {
            fetch(caller, self.name.clone(), ResourceView::Basic).await?
        } else {
            Stream { name: self.name.clone(), ..Stream::default() }
        };
        let mut paths = self.settings.write(&mut stream)?;
        if self.no_policy {
            stream.policy = String::new();
            paths.push("policy".to_owned());
        }
        if !self.remove_tags.is_empty() {
            stream.tags.retain(|name, _| !self.remove_tags.contains(name));
            paths.push("tags".to_owned());
        }
        if paths.is_empty() {
            return Err(Failure::usage("no setting is named").hint("forebay stream set --help"));
        }
        paths.dedup();
        if let Some(etag) = self.etag {
            stream.etag = etag;
        }
        let request = UpdateStreamRequest { stream: Some(stream), update_mask: Some(FieldMask { paths }) };
        let stream = caller.streams().update_stream(caller.request(request)).await?.into_inner().stream;
        let stream = settled(caller, stream.unwrap_or_default()).await?;
        output.one(&StreamDetail::from(stream))
    }
}
