//! A member of a consumer group at work: its shards come and go as the group shares them out, their records are
//! delivered, and how far each is processed is kept.
//!
//! Who has which shard is the stream's partition to say; a member looks at it when the stream has changed. What is
//! delivered and not committed is bounded by the flow control. A member that leaves gives its shards back at once; one
//! whose call breaks leaves with its call; one that is silent is given up by the group.

use super::{
    fault::StreamFault,
    groups::group_name,
    membership::{self, Lease, Membership},
    read::{lost, size},
    readers::{Place, Readers},
    view::ShardView,
};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::stream::{Position, SequenceNumber, ShardId, groups::MemberId},
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        consume::ledger::FlowControl,
        ordered::Ordered,
        words::{ReadBatch, StoredRecord},
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::{Stream, StreamExt};

/// Bytes of one delivery.
const BYTES: u64 = 128 << 10;
/// How soon after a look at the group there may be another one.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Commits that may wait for the disk before the client has to wait.
const UNCONFIRMED_MAX: usize = 1024;
/// Events that may wait for a slow reader before its own frames wait as well.
const UNREAD_MAX: usize = 64;
/// How long the last word of a member may take to leave.
const LAST_WORD: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct OpenJoin {
    pub stream: String,
    pub group: String,
    /// Shown to operators.
    pub consumer_name: String,
    /// Of shards without a checkpoint.
    pub initial: Position,
    pub flow_control: Option<FlowControl>,
    pub session_timeout: Option<Duration>,
}

/// What a member says after the opening.
#[derive(Debug)]
pub enum Command {
    Commit { commit_id: u64, shard: ShardId, number: SequenceNumber, generation: u64 },
    Released { shard: ShardId, generation: u64 },
    Flow(FlowControl),
    Heartbeat,
}

/// What a member is told.
#[derive(Debug)]
pub enum Event {
    /// The first.
    Opened {
        member: MemberId,
        session_timeout: Duration,
    },
    Assigned {
        shard: Box<ShardView>,
        generation: u64,
        checkpoint: Option<SequenceNumber>,
    },
    Revoke {
        shard: ShardId,
        generation: u64,
        grace: Duration,
    },
    Lost {
        shard: ShardId,
        generation: u64,
    },
    Delivery(Delivery),
    Committed {
        commit_id: u64,
        refused: Option<Refusal>,
    },
    /// The shard is closed, and all of it is delivered.
    Ended {
        shard: ShardId,
        generation: u64,
    },
    Draining,
}

#[derive(Debug)]
pub struct Delivery {
    pub shard: ShardId,
    pub generation: u64,
    pub records: Vec<StoredRecord>,
    pub behind: Option<Duration>,
    /// Records in front of these that cannot be read any more.
    pub lost: u64,
}

pub type Events = mpsc::Sender<Result<Event, Refusal>>;

/// A shard that the member has.
struct Owned {
    generation: u64,
    /// The place that is read, to be ended with it.
    end: tokio_util::sync::CancellationToken,
    is_revoked: bool,
    /// Delivered and not committed: index and bytes of each record.
    outstanding: VecDeque<(u64, u64)>,
}

/// What the group has heard.
enum Confirmed {
    Commit {
        commit_id: u64,
        shard: ShardId,
        index: u64,
        result: Result<(), Refusal>,
    },
    /// Whether a shard was the member's to give up, the next look tells.
    Told,
}

type Looking = Pin<Box<dyn Future<Output = Result<Vec<Lease>, Refusal>> + Send>>;

pub struct JoinSession {
    broker: Arc<Broker>,
    caller: Caller,
    membership: Arc<Membership>,
    initial: Position,
    flow: FlowControl,
    session_timeout: Duration,
    heard_at: Instant,
    owned: BTreeMap<ShardId, Owned>,
    readers: Readers,
    /// On its way to the group, in the order in which the member said it.
    committing: Ordered<Confirmed>,
    looking: Option<Looking>,
    /// The stream has changed since the last look.
    is_stale: bool,
    look_at: Instant,
    outstanding: (u64, u64),
    out: VecDeque<Event>,
    is_closing: bool,
    is_draining: bool,
}

impl Broker {
    pub async fn open_join(self: &Arc<Self>, caller: &Caller, request: OpenJoin) -> Result<JoinSession, Refusal> {
        self.refuse_when_draining()?;
        let stream = self.stream_for(caller, Action::JoinGroup, "open.stream", &request.stream)?;
        let group = group_name("open.group", &request.group)?;
        check::text("open.consumer_name", &request.consumer_name, limits::SHORT_ID_CHARS)?;
        if let Position::At(_) | Position::After(_) = request.initial {
            return Err(check::outside(
                "open.initial_position",
                "a sequence number",
                "an end of the stream, or a time",
            ));
        }
        let unsaid = FlowControl { messages: limits::GROUP_RECORDS_DEFAULT, bytes: 0 };
        let field = "open.flow_control.max_outstanding_messages";
        let flow = self.join_flow(field, request.flow_control.unwrap_or(unsaid))?;
        let session_timeout = request.session_timeout.unwrap_or(limits::SESSION_TIMEOUT_DEFAULT);
        let joining = membership::Joining {
            group,
            consumer_name: request.consumer_name.as_str().into(),
            session_timeout,
            from_tip: request.initial == Position::Latest,
        };
        let membership = Membership::join(self, stream.clone(), joining).await?;
        let now = Instant::now();
        Ok(JoinSession {
            readers: Readers::new(self.clone(), stream),
            broker: self.clone(),
            caller: caller.clone(),
            initial: request.initial,
            flow,
            session_timeout,
            heard_at: now,
            owned: BTreeMap::new(),
            committing: Ordered::default(),
            looking: None,
            is_stale: true,
            look_at: now,
            outstanding: (0, 0),
            out: VecDeque::from([Event::Opened { member: membership.member, session_timeout }]),
            membership: Arc::new(membership),
            is_closing: false,
            is_draining: false,
        })
    }

    fn join_flow(&self, field: &'static str, flow: FlowControl) -> Result<FlowControl, Refusal> {
        let rules = &self.facts.rules;
        check::number(field, flow.messages, 0, rules.consume_messages_max)?;
        let bytes = if flow.bytes == 0 { rules.consume_bytes } else { flow.bytes };
        Ok(FlowControl { bytes, ..flow })
    }
}

impl JoinSession {
    /// Works until the client, an error or the server ends it; then the member leaves. An error in `commands` is one of
    /// the client's.
    pub async fn run(mut self, commands: impl Stream<Item = Result<Command, Refusal>> + Send, events: Events) {
        let outcome = self.drive(commands, &events).await;
        self.membership.leave().await;
        if let Err(refusal) = outcome {
            // The client may be gone, or not reading.
            let _ = timeout(LAST_WORD, events.send(Err(refusal))).await;
        }
    }

    async fn drive(
        &mut self,
        commands: impl Stream<Item = Result<Command, Refusal>> + Send,
        events: &Events,
    ) -> Result<(), Refusal> {
        let mut commands = pin!(commands);
        let draining = self.broker.draining().clone();
        let mut news = self.membership.watch();
        loop {
            if self.is_closing && self.committing.is_empty() && self.out.is_empty() {
                return Ok(());
            }
            self.look();
            let (records, bytes) = self.room();
            tokio::select! {
                biased;
                permit = events.reserve(), if !self.out.is_empty() => match (permit, self.out.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(Ok(event)),
                    _ => return Ok(()),
                },
                confirmed = self.committing.next(), if !self.committing.is_empty() => self.confirm(confirmed),
                command = commands.next(), if self.may_obey() => match command {
                    Some(command) => self.obey(command?)?,
                    None => self.close(),
                },
                leases = looked(&mut self.looking) => self.compare(leases?),
                changed = changed(&mut news), if !self.is_stale => {
                    changed?;
                    self.is_stale = true;
                }
                () = sleep_until(self.look_at), if self.is_stale && self.looking.is_none() => {}
                (place, read) = self.readers.next(records, bytes), if self.may_deliver(records) => self.deliver(place, read?)?,
                () = draining.cancelled(), if !self.is_draining => self.drain(),
                () = events.closed() => return Ok(()),
            }
        }
    }

    /// The client says nothing more: what it was not given stays where it is.
    fn close(&mut self) {
        self.is_closing = true;
        self.out.retain(|event| matches!(event, Event::Committed { .. }));
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.out.push_back(Event::Draining);
    }

    fn may_obey(&self) -> bool {
        !self.is_closing && self.committing.len() < UNCONFIRMED_MAX && self.out.len() < UNREAD_MAX
    }

    fn may_deliver(&self, room: usize) -> bool {
        room > 0 && self.out.is_empty() && !self.is_closing && !self.is_draining
    }

    /// Records and bytes that may be delivered; one record fits whatever its size, when nothing is outstanding.
    fn room(&self) -> (usize, usize) {
        let (records, bytes) = self.outstanding;
        let left = u64::from(self.flow.messages).saturating_sub(records).min(u64::from(limits::READ_RECORDS_MAX));
        let left_bytes = self.flow.bytes.saturating_sub(bytes).min(BYTES);
        let is_full = left_bytes == 0 && records > 0;
        let narrow = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        if is_full { (0, 0) } else { (narrow(left), narrow(left_bytes).max(1)) }
    }

    /// Looks at what the group says, if that may have changed, and not too often.
    fn look(&mut self) {
        if self.is_stale && self.looking.is_none() && self.look_at <= Instant::now() && !self.is_closing {
            self.is_stale = false;
            self.look_at = Instant::now() + LOOK_EVERY;
            let membership = self.membership.clone();
            self.looking = Some(Box::pin(async move { membership.leases().await }));
        }
    }

    /// Takes what is new, and lets go what is not the member's any more.
    fn compare(&mut self, leases: Vec<Lease>) {
        let generations: BTreeMap<_, _> = leases.iter().map(|lease| (lease.shard.shard.id, lease.generation)).collect();
        let gone = self.owned.iter().filter(|(shard, owned)| generations.get(shard) != Some(&owned.generation));
        for shard in gone.map(|(shard, _)| *shard).collect::<Vec<_>>() {
            self.lose(shard);
        }
        for lease in leases {
            let shard = lease.shard.shard.id;
            if !self.owned.contains_key(&shard) {
                self.take(&lease);
            }
            let until = lease.revoked_until;
            if let Some((owned, until)) = self.owned.get_mut(&shard).zip(until)
                && !std::mem::replace(&mut owned.is_revoked, true)
            {
                owned.end.cancel();
                let grace = until.since(self.broker.now());
                self.out.push_back(Event::Revoke { shard, generation: owned.generation, grace });
            }
        }
    }

    fn take(&mut self, lease: &Lease) {
        let shard = &lease.shard.shard;
        let moment = match (lease.checkpoint, self.initial) {
            (None, Position::AtTime(moment)) => moment,
            (None | Some(_), _) => Timestamp::ZERO,
        };
        let mut place = Place::first(shard, moment);
        if let Some(checkpoint) = lease.checkpoint {
            place.cursor.index = place.cursor.index.max(checkpoint.index.saturating_add(1));
        }
        let (generation, end) = (lease.generation, place.end.clone());
        self.readers.read(place);
        self.owned.insert(shard.id, Owned { generation, end, is_revoked: false, outstanding: VecDeque::new() });
        let (shard, checkpoint) = (Box::new(lease.shard.clone()), lease.checkpoint);
        self.out.push_back(Event::Assigned { shard, generation, checkpoint });
    }

    fn lose(&mut self, shard: ShardId) {
        let Some(owned) = self.owned.remove(&shard) else { return };
        owned.end.cancel();
        owned.outstanding.iter().for_each(|(_, bytes)| self.settle(*bytes));
        self.out.push_back(Event::Lost { shard, generation: owned.generation });
    }

    fn settle(&mut self, bytes: u64) {
        let (records, total) = self.outstanding;
        self.outstanding = (records.saturating_sub(1), total.saturating_sub(bytes));
    }

    fn deliver(&mut self, mut place: Place, batch: ReadBatch) -> Result<(), Refusal> {
        self.broker.stream_still(&self.caller, Action::JoinGroup, self.membership.stream())?;
        let shard = place.cursor.shard;
        let Some(owned) = self.owned.get_mut(&shard) else { return Ok(()) };
        let generation = owned.generation;
        for record in &batch.records {
            let bytes = size(record) as u64;
            owned.outstanding.push_back((record.number.index, bytes));
            self.outstanding = (self.outstanding.0 + 1, self.outstanding.1 + bytes);
        }
        let lost = lost(&batch);
        place.cursor = batch.next;
        let behind = batch.behind.map(|arrival| self.broker.now().since(arrival));
        let is_ended = batch.ended.is_some();
        if !batch.records.is_empty() || lost > 0 {
            self.out.push_back(Event::Delivery(Delivery { shard, generation, records: batch.records, behind, lost }));
        }
        match (is_ended, behind) {
            (true, _) => self.out.push_back(Event::Ended { shard, generation }),
            (false, Some(_)) => self.readers.read(place),
            (false, None) => self.readers.wait(place, None),
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) -> Result<(), Refusal> {
        self.hear();
        match command {
            Command::Commit { commit_id, shard, number, generation } => {
                let membership = self.membership.clone();
                self.committing.push(async move {
                    let result = membership.commit(shard, generation, number).await;
                    Confirmed::Commit { commit_id, shard, index: number.index, result }
                });
            }
            Command::Released { shard, generation } => {
                let membership = self.membership.clone();
                self.committing.push(async move {
                    membership.release(shard, generation).await;
                    Confirmed::Told
                });
            }
            Command::Flow(flow) => self.flow = self.broker.join_flow("flow_control.max_outstanding_messages", flow)?,
            Command::Heartbeat => {}
        }
        Ok(())
    }

    /// The group need not hear of every frame.
    fn hear(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.heard_at) >= self.session_timeout / 4 {
            self.heard_at = now;
            let membership = self.membership.clone();
            self.committing.push(async move {
                membership.heard().await;
                Confirmed::Told
            });
        }
    }

    fn confirm(&mut self, confirmed: Confirmed) {
        let Confirmed::Commit { commit_id, shard, index, result } = confirmed else { return };
        if result.is_ok()
            && let Some(owned) = self.owned.get_mut(&shard)
        {
            let done = owned.outstanding.iter().take_while(|(found, _)| *found <= index).count();
            let settled: Vec<_> = owned.outstanding.drain(..done).collect();
            settled.iter().for_each(|(_, bytes)| self.settle(*bytes));
        }
        self.out.push_back(Event::Committed { commit_id, refused: result.err() });
    }
}

/// Waits for a look that may not be there. The slot is empty afterwards.
async fn looked(slot: &mut Option<Looking>) -> Result<Vec<Lease>, Refusal> {
    let Some(looking) = slot else { return std::future::pending().await };
    let leases = looking.await;
    *slot = None;
    leases
}

async fn changed(news: &mut watch::Receiver<u64>) -> Result<(), Refusal> {
    let gone = |_| Refusal::from(StreamFault::Refused(Refusal::new(Reason::StreamNotFound, "the stream is gone")));
    news.changed().await.map_err(gone)
}
