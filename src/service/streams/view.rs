//! A stream and its shards as callers see them.

use super::fault::StreamFault;
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
        stream_name::StreamName,
    },
    domain::stream::{
        self, SequenceNumber, Shard, ShardId,
        list::{Filter, Numbers},
        settings::{Settings, Status},
    },
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        words::{StreamHandle, View},
    },
};
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::Arc};

/// A stream as it is now.
#[derive(Clone, Debug)]
pub struct StreamView {
    pub handle: Arc<StreamHandle>,
    pub settings: Settings,
    pub status: Status,
    pub open_shards: usize,
    /// The state of the settings, as callers quote it.
    pub etag: String,
    pub figures: Figures,
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub stored_records: u64,
    pub stored_bytes: u64,
    pub closed_shards: usize,
    pub groups: usize,
    pub registered_consumers: usize,
}

/// A shard with the numbers of its two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardView {
    pub shard: Shard,
    pub starting: SequenceNumber,
    /// None: it is open.
    pub ending: Option<SequenceNumber>,
}

impl ShardView {
    pub(super) fn of(stream: &stream::Stream, shard: &Shard) -> Self {
        let Numbers { starting, ending } = stream.numbers(shard);
        Self { shard: shard.clone(), starting, ending }
    }
}

#[derive(Clone, Debug, Default)]
pub struct ListStreams {
    pub parent: String,
    pub page_size: i64,
    pub page_token: String,
    pub id_prefix: String,
}

#[derive(Clone, Debug, Default)]
pub struct ListShards {
    pub stream: String,
    pub page_size: i64,
    pub page_token: String,
    pub with_closed: bool,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl Broker {
    pub async fn get_stream(&self, caller: &Caller, name: &str) -> Result<StreamView, Refusal> {
        let stream = self.stream_for(caller, Action::DescribeStreamSummary, "name", name)?;
        let mut view = self.view_stream(&stream).await?;
        if caller.account != stream.path().account {
            // Tags and the policy are the owner's.
            view.settings.tags.clear();
            view.settings.policy = None;
        }
        Ok(view)
    }

    pub async fn page_of_streams(&self, caller: &Caller, request: ListStreams) -> Result<Page<StreamView>, Refusal> {
        let size = check::page_size(request.page_size)?;
        check::text("id_prefix", &request.id_prefix, limits::STREAM_NAME_CHARS)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(StreamName::parse(token).map_err(|_| check::page_token(token))?),
        };
        let after = after.as_ref().map(StreamName::as_str);
        // One more than the page tells whether there is a next one.
        let mut found = self.list_streams(caller, &request.parent, &request.id_prefix, after, size + 1)?;
        let has_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| has_more).map(|stream| stream.path().name.to_string());
        let mut items = Vec::with_capacity(found.len());
        for stream in found {
            match self.view_stream(&stream).await {
                Ok(view) => items.push(view),
                // It went while the page was made.
                Err(refusal) if refusal.reason == Reason::StreamNotFound => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(Page { items, next_page_token: next.unwrap_or_default() })
    }

    pub async fn page_of_shards(&self, caller: &Caller, request: ListShards) -> Result<Page<ShardView>, Refusal> {
        let stream = self.stream_for(caller, Action::ListShards, "stream", &request.stream)?;
        let size = check::page_size(request.page_size)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(ShardId::parse(token).ok_or_else(|| check::page_token(token))?),
        };
        let filter = if request.with_closed { Filter::FromTrimHorizon } else { Filter::AtLatest };
        let list = move |view: &View<'_>| {
            let listed = view.stream.list_shards(view.now, &filter, after, size);
            let items: Vec<_> = listed.shards.iter().map(|shard| ShardView::of(view.stream, shard)).collect();
            (items, listed.more)
        };
        let (items, has_more) = self.ask_stream(&stream, list).await?;
        let next = items.last().filter(|_| has_more).map(|last| last.shard.id.to_string());
        Ok(Page { items, next_page_token: next.unwrap_or_default() })
    }

    pub(super) async fn view_stream(&self, stream: &Arc<StreamHandle>) -> Result<StreamView, Refusal> {
        let handle = stream.clone();
        self.ask_stream(stream, move |view| of(handle, view)).await
    }

    /// Where the records of a shard go on, as far as they are known.
    pub(super) async fn view_shards(
        &self,
        stream: &StreamHandle,
        shards: Vec<ShardId>,
    ) -> Result<Vec<ShardView>, Refusal> {
        self.ask_stream(stream, move |view| {
            let known = shards.iter().filter_map(|id| view.stream.shard(*id));
            known.map(|shard| ShardView::of(view.stream, shard)).collect()
        })
        .await
    }
}

pub(super) fn of(handle: Arc<StreamHandle>, view: &View<'_>) -> StreamView {
    let (stream, settings) = (view.stream, view.stream.settings().clone());
    let mut figures = Figures {
        groups: view.groups.len(),
        registered_consumers: stream.consumers(view.now).count(),
        ..Figures::default()
    };
    for shard in stream.shards() {
        figures.stored_records += shard.stored_records();
        figures.stored_bytes += shard.stored_bytes();
        figures.closed_shards += usize::from(!shard.is_open());
    }
    StreamView {
        handle,
        etag: etag(&settings),
        settings,
        status: stream.status(view.now),
        open_shards: stream.open_shards(),
        figures,
    }
}

/// Other settings have another one.
pub(super) fn etag(settings: &Settings) -> String {
    let digest = Sha256::digest(format!("{settings:?}"));
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Refuses when the caller saw other settings.
pub(super) fn check_etag(settings: &Settings, asked: &str, field: &'static str) -> Result<(), StreamFault> {
    let current = etag(settings);
    if asked.is_empty() || asked == current {
        return Ok(());
    }
    let message = format!("the stream has the etag {current:?}, not {:?}", check::shorten(asked));
    Err(Refusal::new(Reason::EtagMismatch, message).at(field).into())
}

/// Reads a shard's id.
pub fn shard_id(field: &'static str, text: &str) -> Result<ShardId, Refusal> {
    let invalid = || check::outside(field, format!("{:?}", check::shorten(text)), "shardId- and a number");
    ShardId::parse(text).filter(|_| !text.is_empty()).ok_or_else(invalid)
}

/// Reads a sequence number.
pub fn sequence_number(field: &'static str, text: &str) -> Result<SequenceNumber, Refusal> {
    let invalid = || check::outside(field, format!("{:?}", check::shorten(text)), "a sequence number of this stream");
    SequenceNumber::parse(text).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_follows_the_settings() {
        let settings = Settings::default();
        let other = Settings { record_bytes_max: 2 << 20, ..Settings::default() };
        assert_eq!(etag(&settings), etag(&settings.clone()));
        assert_ne!(etag(&settings), etag(&other));
        assert!(check_etag(&settings, "", "etag").is_ok());
        assert!(check_etag(&settings, &etag(&settings), "etag").is_ok());
        let refusal = Refusal::from(check_etag(&settings, &etag(&other), "etag").expect_err("another"));
        assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::EtagMismatch, Some("etag")));
    }

    #[test]
    fn ids_and_numbers_that_are_none_are_refused_with_their_field() {
        assert_eq!(shard_id("shard_id", "shardId-000000000007"), Ok(ShardId(7)));
        for bad in ["", "shardId-x", "shardId--1"] {
            assert_eq!(shard_id("shard_id", bad).expect_err("bad").field.as_deref(), Some("shard_id"), "{bad}");
        }
        assert!(sequence_number("at", "nine").is_err());
    }
}
