//! Follows one shard, or all of a stream through splits and merges, until something or for ever.

pub use super::plan::Beginning;
use super::{
    fault::StreamFault,
    pace::Pace,
    plan::{self, Plan},
    read::lost,
    readers::{Place, Readers},
    view::ShardView,
};
use crate::{
    base::{reason::Refusal, time::Timestamp},
    domain::stream::{Position, SequenceNumber, ShardId},
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        words::{ReadBatch, StoredRecord, StreamHandle, View},
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Records of one event.
const RECORDS: usize = 1000;
/// Bytes of one event. Larger ones bring no more throughput.
const BYTES: usize = 128 << 10;
/// Who is further behind replays, and may have to wait for those who do not.
const REPLAY_BEHIND: Duration = Duration::from_secs(10);
/// A shard without records says that it is there after this long, and up to this much later and as much again, by chance.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// What is followed.
#[derive(Clone, Debug)]
pub enum Scope {
    Shard(ShardId, Position),
    All(Beginning),
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Never,
    /// At the newest record as of the beginning.
    Tail,
    /// Behind this record.
    Number(SequenceNumber),
    /// At the first record that arrived then or later.
    Time(Timestamp),
    /// After so many records.
    Records(u64),
}

#[derive(Clone, Debug)]
pub struct OpenFollow {
    pub stream: String,
    pub scope: Scope,
    pub until: Until,
}

#[derive(Debug)]
pub enum Event {
    /// Without records it is a sign of life.
    Records(Followed),
    /// The shard is read to its end, and goes on in these.
    Ended { shard: ShardId, children: Vec<ShardView> },
    /// The server is going. The last event.
    Draining,
}

#[derive(Debug)]
pub struct Followed {
    pub shard: ShardId,
    pub records: Vec<StoredRecord>,
    /// Where another call goes on: after this one.
    pub continuation: SequenceNumber,
    /// How long ago the last record arrived, if there are more already.
    pub behind: Option<Duration>,
    /// Records in front of these that cannot be read any more.
    pub lost: u64,
}

/// What is known of a shard that is followed.
struct Heard {
    continuation: SequenceNumber,
    /// It said something since the last sign of life.
    is_fresh: bool,
    /// It said something at all.
    is_known: bool,
}

pub struct FollowSession {
    broker: Arc<Broker>,
    caller: Caller,
    stream: Arc<StreamHandle>,
    until: Until,
    /// With `Until::Tail`: the last index of each shard there was.
    tails: BTreeMap<ShardId, u64>,
    plan: Plan,
    /// Who follows one shard begins its children himself.
    is_single: bool,
    readers: Readers,
    heard: BTreeMap<ShardId, Heard>,
    out: VecDeque<Event>,
    heartbeat_at: Instant,
    pace: Pace,
    is_over: bool,
}

/// Where to begin, and what was there at that moment.
struct Found {
    plan: Plan,
    places: Vec<Place>,
    tails: BTreeMap<ShardId, u64>,
}

impl Broker {
    pub async fn follow(self: &Arc<Self>, caller: &Caller, request: OpenFollow) -> Result<FollowSession, Refusal> {
        self.refuse_when_draining()?;
        let stream = self.stream_for(caller, Action::SubscribeToShard, "stream", &request.stream)?;
        check_until(&request)?;
        let scope = request.scope;
        let is_single = matches!(scope, Scope::Shard(..));
        let Found { plan, places, tails } = self.ask_stream(&stream, move |view| find(view, &scope)).await??;
        let mut session = FollowSession {
            readers: Readers::new(self.clone(), stream.clone()),
            broker: self.clone(),
            caller: caller.clone(),
            stream,
            until: request.until,
            tails,
            plan,
            is_single,
            heard: BTreeMap::new(),
            out: VecDeque::new(),
            heartbeat_at: Instant::now() + heartbeat_wait(self),
            pace: Pace::default(),
            is_over: false,
        };
        session.begin(places);
        Ok(session)
    }
}

fn check_until(request: &OpenFollow) -> Result<(), Refusal> {
    if let Scope::All(beginning) = &request.scope {
        plan::check(beginning)?;
    }
    match (request.until, &request.scope) {
        (Until::Records(0), _) => Err(check::outside("until.records", 0, "1 or more")),
        (Until::Number(_), Scope::All(_)) => {
            Err(check::outside("until", "a sequence number", "one only of a single shard"))
        }
        (Until::Number(number), Scope::Shard(shard, _)) if number.shard != *shard => {
            Err(check::outside("until.sequence_number", format!("one of {}", number.shard), format!("one of {shard}")))
        }
        _ => Ok(()),
    }
}

fn find(view: &View<'_>, scope: &Scope) -> Result<Found, StreamFault> {
    let tails = view.stream.shards().map(|shard| (shard.id, shard.last_index)).collect();
    match scope {
        Scope::Shard(shard, position) => {
            let cursor = view.stream.cursor(view.now, *shard, position)?;
            let created = view.stream.shard(*shard).map(|shard| shard.created).unwrap_or_default();
            Ok(Found { plan: Plan::of_one(*shard), places: vec![Place::new(cursor, created)], tails })
        }
        Scope::All(beginning) => {
            let (plan, places) = Plan::of_all(view.now, view.stream, beginning)?;
            Ok(Found { plan, places, tails })
        }
    }
}

impl FollowSession {
    /// The next event. None: it is done.
    ///
    /// # Errors
    /// The stream is gone, or cannot be read, or the caller may not any more.
    pub async fn next(&mut self) -> Result<Option<Event>, Refusal> {
        let broker = self.broker.clone();
        loop {
            if let Some(event) = self.out.pop_front() {
                return Ok(Some(event));
            }
            if self.is_over || self.plan.is_done() {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = broker.draining().cancelled() => {
                    self.is_over = true;
                    return Ok(Some(Event::Draining));
                }
                (place, read) = self.readers.next(RECORDS, BYTES) => self.take(place, read?).await?,
                () = sleep_until(self.heartbeat_at) => self.beat()?,
            }
        }
    }

    fn begin(&mut self, places: Vec<Place>) {
        let mut places = VecDeque::from(places);
        while let Some(place) = places.pop_front() {
            let shard = place.cursor.shard;
            if self.is_past(shard, place.cursor.index) {
                places.extend(self.plan.finished(shard));
                continue;
            }
            let continuation = place.number_before(self.stream.partition());
            self.heard.insert(shard, Heard { continuation, is_fresh: false, is_known: false });
            self.readers.read(place);
        }
    }

    /// Whether nothing more is wanted of the shard, whatever comes.
    fn is_past(&self, shard: ShardId, index: u64) -> bool {
        match self.until {
            // A shard that came later has nothing that was there.
            Until::Tail => self.tails.get(&shard).is_none_or(|last| index > *last),
            Until::Number(number) => index > number.index,
            Until::Never | Until::Time(_) | Until::Records(_) => false,
        }
    }

    async fn take(&mut self, mut place: Place, mut batch: ReadBatch) -> Result<(), Refusal> {
        self.broker.stream_still(&self.caller, Action::SubscribeToShard, &self.stream)?;
        let shard = place.cursor.shard;
        place.cursor = batch.next;
        let found = batch.records.len();
        let is_cut = self.cut(shard, &mut batch.records);
        let is_late = matches!(self.until, Until::Time(moment) if self.broker.now() >= moment);
        let is_at_tip = found == 0 && batch.ended.is_none() && batch.lost.is_none();
        self.tell(&place, &mut batch, is_at_tip);
        if self.is_over {
            return Ok(());
        }
        if is_cut || self.is_past(shard, place.cursor.index) || (is_late && is_at_tip) {
            self.heard.remove(&shard);
            let next = self.plan.finished(shard);
            self.begin(next);
            return Ok(());
        }
        if let Some(children) = batch.ended {
            return self.end(shard, children).await;
        }
        let Some(arrival) = batch.behind else {
            let until = match self.until {
                Until::Time(moment) => Some(moment),
                Until::Never | Until::Tail | Until::Number(_) | Until::Records(_) => None,
            };
            self.readers.wait(place, until);
            return Ok(());
        };
        self.readers.read(place);
        if self.broker.now().since(arrival) > REPLAY_BEHIND {
            self.pace.give_way(&self.broker, self.heard.len()).await;
        }
        Ok(())
    }

    /// Takes off what is not wanted; whether there was any.
    fn cut(&mut self, shard: ShardId, records: &mut Vec<StoredRecord>) -> bool {
        let found = records.len();
        match &mut self.until {
            Until::Never => {}
            Until::Tail => {
                let last = self.tails.get(&shard).copied().unwrap_or_default();
                records.retain(|record| record.number.index <= last);
            }
            Until::Number(number) => records.retain(|record| record.number.index <= number.index),
            Until::Time(moment) => records.retain(|record| record.arrival < *moment),
            Until::Records(left) => {
                records.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= records.len() as u64;
                self.is_over = *left == 0;
            }
        }
        records.len() < found
    }

    /// Who finds nothing at first is told where he stands: from there another call goes on if this one breaks.
    fn tell(&mut self, place: &Place, batch: &mut ReadBatch, is_at_tip: bool) {
        let (shard, lost) = (place.cursor.shard, lost(batch));
        let records = std::mem::take(&mut batch.records);
        let continuation = match records.last() {
            Some(last) => last.number,
            None => place.number_before(self.stream.partition()),
        };
        let (was_fresh, was_known) =
            self.heard.get(&shard).map_or((false, false), |heard| (heard.is_fresh, heard.is_known));
        let says_something = !records.is_empty() || lost > 0 || (is_at_tip && !was_known);
        let is_known = was_known || says_something;
        self.heard.insert(shard, Heard { continuation, is_fresh: was_fresh || says_something, is_known });
        if says_something {
            let behind = batch.behind.map(|arrival| self.broker.now().since(arrival));
            self.out.push_back(Event::Records(Followed { shard, records, continuation, behind, lost }));
        }
    }

    async fn end(&mut self, shard: ShardId, children: Vec<ShardId>) -> Result<(), Refusal> {
        let children = self.broker.view_shards(&self.stream, children).await?;
        self.heard.remove(&shard);
        let next = self.plan.ended(shard, children.iter().map(|child| &child.shard));
        self.out.push_back(Event::Ended { shard, children });
        match self.is_single {
            true => self.is_over = true,
            false => self.begin(next),
        }
        Ok(())
    }

    /// Signs of life for the shards that said nothing for a while.
    fn beat(&mut self) -> Result<(), Refusal> {
        self.broker.stream_still(&self.caller, Action::SubscribeToShard, &self.stream)?;
        self.heartbeat_at = Instant::now() + heartbeat_wait(&self.broker);
        for (shard, heard) in &mut self.heard {
            if !std::mem::replace(&mut heard.is_fresh, false) {
                heard.is_known = true;
                let (shard, continuation) = (*shard, heard.continuation);
                let quiet = Followed { shard, records: Vec::new(), continuation, behind: None, lost: 0 };
                self.out.push_back(Event::Records(quiet));
            }
        }
        Ok(())
    }
}

fn heartbeat_wait(broker: &Broker) -> Duration {
    let [chance, ..] = broker.random();
    HEARTBEAT_EVERY + HEARTBEAT_EVERY * 2 * u32::from(chance) / 256
}
