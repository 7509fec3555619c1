//! What the streams of one account in one region may come to: open shards, and streams that set their shards themselves.
//! Changes that take more of either have their turn one after the other, so that two of them cannot take the same room.

use super::fault::StreamFault;
use crate::{
    base::{name::Namespace, stream_name::StreamPath},
    domain::stream::{
        Stream,
        settings::{Mode, Settings},
    },
    service::{
        broker::Broker,
        words::{Change, StreamHandle, View},
    },
};

/// How much there is of what there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub used: usize,
    pub max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Open shards of provisioned streams.
    pub shards: Quota,
    pub on_demand_streams: Quota,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    #[error(
        "{more} more open shards beside {} of the account's provisioned streams; {} is the most (limits.stream_shards)",
        quota.used,
        quota.max
    )]
    Shards { more: usize, quota: Quota },
    #[error("the account has {} on-demand streams, as many as there may be (limits.on_demand_streams)", .0.used)]
    OnDemandStreams(Quota),
}

/// What one stream counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    shards: usize,
    on_demand_streams: usize,
}

impl Counted {
    fn of(mode: Mode, open_shards: usize) -> Self {
        match mode {
            Mode::Provisioned => Self { shards: open_shards, on_demand_streams: 0 },
            Mode::OnDemand { .. } => Self { shards: 0, on_demand_streams: 1 },
        }
    }

    fn of_stream(stream: &Stream) -> Self {
        Self::of(stream.settings().mode, stream.open_shards())
    }
}

impl Quotas {
    /// # Errors
    ///
    /// A stream that counts for more than before takes more than there is room for. One that shrinks always may.
    fn check(&self, before: Counted, after: Counted) -> Result<(), QuotaError> {
        let more = after.shards.saturating_sub(before.shards);
        if more > 0 && self.shards.used + more > self.shards.max {
            return Err(QuotaError::Shards { more, quota: self.shards });
        }
        let on_demand = self.on_demand_streams;
        match after.on_demand_streams > before.on_demand_streams && on_demand.used >= on_demand.max {
            true => Err(QuotaError::OnDemandStreams(on_demand)),
            false => Ok(()),
        }
    }

    fn check_changes(&self, stream: &Stream, changes: &[Change]) -> Result<(), QuotaError> {
        let mut after = stream.clone();
        for change in changes {
            if let Change::Stream(event) = change {
                after.apply(event);
            }
        }
        self.check(Counted::of_stream(stream), Counted::of_stream(&after))
    }
}

impl Broker {
    /// What the streams of a namespace come to. Those that are being deleted count no more.
    pub fn stream_quotas(&self, namespace: &Namespace) -> Quotas {
        let rules = &self.facts.rules;
        let mut all = Counted::default();
        for stream in self.engine.list_streams(namespace, "", None, usize::MAX) {
            if !self.engine.is_stream_ending(&stream) {
                let one = Counted::of(stream.notes().settings.mode, stream.open_shards());
                all.shards += one.shards;
                all.on_demand_streams += one.on_demand_streams;
            }
        }
        Quotas {
            shards: Quota { used: all.shards, max: rules.stream_shards },
            on_demand_streams: Quota { used: all.on_demand_streams, max: rules.on_demand_streams },
        }
    }

    /// How many registered consumers a stream may have.
    pub fn stream_consumers_max(&self) -> usize {
        self.facts.rules.stream_consumers
    }

    /// # Errors
    ///
    /// The account has no room for a new stream of this mode and so many shards.
    pub(super) fn check_room(&self, path: &StreamPath, settings: &Settings, shards: u32) -> Result<(), QuotaError> {
        let shards = usize::try_from(shards).unwrap_or(usize::MAX);
        self.stream_quotas(&namespace(path)).check(Counted::default(), Counted::of(settings.mode, shards))
    }

    /// Like `change_stream`, for what may open shards or make the stream an on-demand one.
    pub async fn grow_stream<T: Send + 'static, E: Into<StreamFault> + Send + 'static>(
        &self,
        stream: &StreamHandle,
        decide: impl FnOnce(&View<'_>) -> Result<(Vec<Change>, T), E> + Send + 'static,
    ) -> Result<T, StreamFault> {
        let _turn = self.growing.lock().await;
        let quotas = self.stream_quotas(&namespace(stream.path()));
        let decide = move |view: &View<'_>| {
            let (changes, told) = decide(view).map_err(Into::into)?;
            quotas.check_changes(view.stream, &changes)?;
            Ok::<_, StreamFault>((changes, told))
        };
        self.change_stream(stream, decide).await?
    }
}

fn namespace(path: &StreamPath) -> Namespace {
    Namespace { account: path.account.clone(), region: path.region.clone() }
}
