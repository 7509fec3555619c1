//! Scenarios as text: a line is `t=<time> <command> [-> <answer>]`, and `ok` is the answer where none stands. Times are
//! seconds, or end in `h` or `d`.
//!
//! Every scenario runs three times: plainly; with the stream rebuilt from its head after each line; and with the stream
//! rebuilt from nothing but its events after each line. All three must give the same answers.

use crate::{
    base::{id::PartitionId, limits, time::Timestamp},
    domain::stream::{
        Position, SequenceNumber, Shard, ShardId, Stream, StreamError,
        consumers::ConsumerStatus,
        create::{Create, Delete},
        demand::Load,
        event::{Appended, Created, Event},
        hash::{HashKey, HashRange, even_ranges},
        list::Filter,
        put::Put,
        settings::{Mode, Settings, ShardMetric, ShardMetrics, Tags},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

#[derive(Clone, Copy, Debug)]
enum Rebuild {
    Never,
    FromHead,
    FromEvents,
}

/// Runs a scenario. Its first line says what the stream is like: `stream [on-demand] [name=value ...]`.
#[track_caller]
pub(super) fn run(text: &str) {
    for rebuild in [Rebuild::Never, Rebuild::FromHead, Rebuild::FromEvents] {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let (first, rest) = lines.split_first().expect("a scenario has lines");
        let mut world = World::new(&Words::parse(first.strip_prefix("stream").expect("the first line is the stream")));
        let mut actual = vec![(*first).to_owned()];
        for line in rest {
            let (command, expected) = line.split_once("->").unwrap_or((line, ""));
            let answer = world.line(command.trim());
            let shown = if expected.is_empty() && answer == "ok" { String::new() } else { format!("-> {answer}") };
            actual.push(format!("{command}{shown}"));
            world.rebuild(rebuild);
        }
        assert_eq!(actual.join("\n"), lines.join("\n"), "\nrebuild: {rebuild:?}");
    }
}

/// `word word name=value name=value`
pub(super) struct Words<'a> {
    plain: Vec<&'a str>,
    named: HashMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (named, plain): (Vec<_>, Vec<_>) = text.split_whitespace().partition(|word| word.contains('='));
        Self { plain, named: named.iter().filter_map(|word| word.split_once('=')).collect() }
    }

    pub(super) fn at(&self, index: usize) -> &'a str {
        self.plain.get(index).copied().unwrap_or("")
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.named.get(name).copied()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
    }

    pub(super) fn time(&self, name: &str) -> Option<Duration> {
        self.text(name).map(duration)
    }

    fn tags(&self) -> Tags {
        let own = ["t", "max"];
        let tags = self.named.iter().filter(|(key, _)| !own.contains(key));
        tags.map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }
}

fn duration(text: &str) -> Duration {
    let (number, unit) = match text.trim_end_matches(['h', 'd']) {
        number if text.ends_with('h') => (number, 3600.0),
        number if text.ends_with('d') => (number, 86_400.0),
        number => (number, 1.0),
    };
    Duration::from_secs_f64(number.parse::<f64>().expect("a time") * unit)
}

/// Where the shard `index` of `count` equal ones begins: `1/4`.
pub(super) fn fraction(text: &str) -> HashKey {
    let (index, count) = text.split_once('/').expect("a fraction");
    even_ranges(count.parse().expect("a number"))[index.parse::<usize>().expect("a number")].start
}

/// A stream of that many shards at the beginning of time.
pub(super) fn stream(shards: u32) -> Stream {
    let partition = PartitionId(3);
    let create = Create { settings: Settings::default(), shards, partition, settle: Duration::ZERO };
    Stream::new(&Stream::create(Timestamp::ZERO, &create).expect("a stream"))
}

/// In their order.
pub(super) fn open_ranges(stream: &Stream) -> Vec<HashRange> {
    let listed = stream.list_shards(Timestamp::FAR_FUTURE, &Filter::AtLatest, None, usize::MAX);
    let mut ranges: Vec<_> = listed.shards.iter().map(|shard| shard.range).collect();
    ranges.sort();
    ranges
}

struct World {
    stream: Stream,
    created: Created,
    now: Timestamp,
    events: Vec<Event>,
    records: BTreeMap<String, (Appended, SequenceNumber)>,
}

impl World {
    fn new(words: &Words<'_>) -> Self {
        let on_demand = Mode::OnDemand { warm_throughput: words.number("warm").unwrap_or(0) as u32 };
        let settings = Settings {
            mode: if words.has("on-demand") { on_demand } else { Mode::Provisioned },
            retention: words.time("retention").unwrap_or(limits::STREAM_RETENTION_MIN),
            ..Settings::default()
        };
        let create = Create {
            settings,
            shards: words.number("shards").unwrap_or(1) as u32,
            partition: PartitionId(3),
            settle: words.time("settle").unwrap_or_default(),
        };
        let created = Stream::create(Timestamp::ZERO, &create).expect("a stream");
        let stream = Stream::new(&created);
        Self { stream, created, now: Timestamp::ZERO, events: Vec::new(), records: BTreeMap::new() }
    }

    fn rebuild(&mut self, how: Rebuild) {
        match how {
            Rebuild::Never => {}
            Rebuild::FromHead => self.stream = Stream::from_head(self.stream.head()),
            Rebuild::FromEvents => {
                self.stream = Stream::new(&self.created);
                self.events.iter().for_each(|event| self.stream.apply(event));
            }
        }
        self.stream.advance(self.now);
    }

    fn line(&mut self, line: &str) -> String {
        let words = Words::parse(line);
        if let Some(at) = words.time("t") {
            self.now = Timestamp::ZERO + at;
        }
        self.stream.advance(self.now);
        match self.command(&words) {
            Ok(answer) => answer,
            Err(error) => format!("error: {error}"),
        }
    }

    fn command(&mut self, words: &Words<'_>) -> Result<String, StreamError> {
        let now = self.now;
        Ok(match words.at(0) {
            "put" => return self.put(words),
            "split" | "merge" | "count" => return self.reshard(words),
            "scale" => {
                let events = self.stream.scale(now, &loads(words));
                self.commit(events)
            }
            "measure" => {
                let events = self.stream.measure(now, load(words.text("load").expect("load=")));
                self.commit(events.into_iter().collect())
            }
            "wanted" => self.stream.wanted_shards(now).map_or("provisioned".into(), |count| count.to_string()),
            "shards" => self.shards(words),
            "read" => self.read(words),
            "status" => self.stream.status(now).to_string(),
            "forget" => {
                let event = self.stream.forget(now);
                self.commit(event.into_iter().collect())
            }
            "deadline" => self.stream.next_deadline().map_or("none".into(), |at| (at.0 as f64 / 1000.0).to_string()),
            "delete" => {
                let queues = words.number("queues").unwrap_or(0) as usize;
                let event = self.stream.delete(now, &Delete { with_consumers: words.has("consumers"), queues })?;
                self.commit(vec![event])
            }
            "trim" => {
                let (below, bytes) = (words.number("below").expect("below="), words.number("bytes").expect("bytes="));
                let event = self.stream.trim(shard_id(words.at(1)), below, bytes);
                self.commit(event.into_iter().collect())
            }
            "consumer" => return self.consumer(words),
            _ => return self.configure(words),
        })
    }

    fn put(&mut self, words: &Words<'_>) -> Result<String, StreamError> {
        let name = words.at(1);
        let put = Put {
            hash: words.text("at").map_or(HashKey::MIN, fraction),
            bytes: words.number("size").unwrap_or(10) as u32,
            after: words.text("after").map(|earlier| self.records[earlier].1),
        };
        let appended = self.stream.put(self.now, &put)?;
        let number = self.stream.sequence_number(appended.shard, appended.index, appended.at).expect("an open shard");
        self.records.insert(name.into(), (appended, number));
        self.commit(vec![Event::Appended(appended)]);
        Ok(format!("{}:{}", appended.shard.0, appended.index))
    }

    fn reshard(&mut self, words: &Words<'_>) -> Result<String, StreamError> {
        let (now, first) = (self.now, shard_id(words.at(1)));
        let events = match words.at(0) {
            "split" => vec![self.stream.split(now, first, words.text("at").map(fraction))?],
            "merge" => vec![self.stream.merge(now, first, shard_id(words.at(2)))?],
            _ => self.stream.update_shard_count(now, first.0)?,
        };
        Ok(self.commit(events))
    }

    fn configure(&mut self, words: &Words<'_>) -> Result<String, StreamError> {
        let (now, stream) = (self.now, &self.stream);
        let number = |name| words.number(name).map(|number| number as u32);
        let event = match words.at(0) {
            "raise" => stream.raise_retention(now, duration(words.at(1))),
            "lower" => stream.lower_retention(now, duration(words.at(1))),
            "mode" => {
                let on_demand = Mode::OnDemand { warm_throughput: number("warm").unwrap_or(0) };
                let mode = if words.has("on-demand") { on_demand } else { Mode::Provisioned };
                stream.set_mode(now, mode, number("queues").unwrap_or(0) as usize)
            }
            "warm" => stream.set_warm_throughput(now, words.at(1).parse().expect("a number")),
            "record-size" => stream.set_record_bytes_max(now, words.at(1).parse().expect("a number")),
            "encrypt" => stream.start_encryption(now, words.at(1).into()),
            "decrypt" => stream.stop_encryption(now, &words.at(1).into()),
            "policy" if words.has("none") => stream.delete_policy(now),
            "policy" => stream.set_policy(now, words.at(1).into()),
            "metrics" => stream.set_metrics(now, ShardMetrics::of(&[ShardMetric::IncomingBytes])),
            "tag" => stream.tag(now, &words.tags()),
            "untag" => stream.untag(now, &words.plain[1..].iter().map(|key| Arc::from(*key)).collect::<Vec<_>>()),
            other => panic!("no command {other:?}"),
        }?;
        Ok(self.commit(vec![event]))
    }

    fn consumer(&mut self, words: &Words<'_>) -> Result<String, StreamError> {
        let (now, name) = (self.now, Arc::from(words.at(2)));
        let event = match words.at(1) {
            "register" => {
                let max = words.number("max").unwrap_or(20) as usize;
                self.stream.register_consumer(now, &name, &words.tags(), 0, max).map(Some)
            }
            "deregister" => self.stream.deregister_consumer(now, &name),
            "tag" => self.stream.tag_consumer(now, &name, &words.tags()).map(Some),
            "untag" => self.stream.untag_consumer(now, &name, &[Arc::from(words.at(3))]).map(Some),
            "list" => {
                let status = |status| match status {
                    ConsumerStatus::Creating => "creating",
                    ConsumerStatus::Active => "active",
                    ConsumerStatus::Deleting => "deleting",
                };
                let shown = self.stream.consumers(now).map(|consumer| {
                    let tags: String = consumer.tags.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                    format!("{} {}{tags}", consumer.name, status(consumer.status(now)))
                });
                return Ok(or_none(&shown.collect::<Vec<_>>().join(", ")));
            }
            other => panic!("no command {other:?}"),
        }?;
        Ok(event.map_or("nothing".into(), |event| self.commit(vec![event])))
    }

    /// Applies events and tells which shards they opened.
    fn commit(&mut self, events: Vec<Event>) -> String {
        if events.is_empty() {
            return "nothing".into();
        }
        let mut opened = Vec::new();
        for event in &events {
            if let Event::Resharded(step) = event {
                opened.extend(step.opened.iter().map(|opened| opened.id.0.to_string()));
            }
            self.stream.apply(event);
        }
        self.events.extend(events);
        if opened.is_empty() { "ok".into() } else { opened.join(" ") }
    }

    fn shards(&self, words: &Words<'_>) -> String {
        let moment = || Timestamp::ZERO + words.time("time").expect("time=");
        let filter = match words.at(1) {
            "at-horizon" => Filter::AtTrimHorizon,
            "at-latest" => Filter::AtLatest,
            "at-time" => Filter::AtTime(moment()),
            "from-time" => Filter::FromTime(moment()),
            "after-shard" => Filter::AfterShard(shard_id(words.at(2))),
            _ => Filter::FromTrimHorizon,
        };
        let after = words.number("after").map(|id| ShardId(id as u32));
        let listed = self.stream.list_shards(self.now, &filter, after, words.number("limit").unwrap_or(100) as usize);
        let shown: Vec<_> = listed.shards.iter().map(|shard| show(shard)).collect();
        format!("{}{}", or_none(&shown.join(" ")), if listed.more { " more" } else { "" })
    }

    fn read(&self, words: &Words<'_>) -> String {
        let number = |name| words.text(name).map(|record| self.number(record));
        let position = match words.at(2) {
            "latest" => Position::Latest,
            "horizon" => Position::TrimHorizon,
            "time" => Position::AtTime(Timestamp::ZERO + words.time("time").expect("time=")),
            "at" => Position::At(number("record").expect("record=")),
            other => Position::After(number("record").unwrap_or_else(|| panic!("no position {other:?}"))),
        };
        match self.stream.cursor(self.now, shard_id(words.at(1)), &position) {
            Ok(cursor) if self.stream.is_at_end(&cursor) => {
                let children = self.stream.children(cursor.shard);
                let children: Vec<_> = children.iter().map(|shard| shard.id.0.to_string()).collect();
                format!("end, then {}", children.join(" "))
            }
            Ok(cursor) => format!("from {}", cursor.index),
            Err(error) => format!("error: {error}"),
        }
    }

    /// A record's number; or `start0`, `end0`: that of a shard.
    fn number(&self, name: &str) -> SequenceNumber {
        let numbers = |id| self.stream.numbers(self.stream.shard(shard_id(id)).expect("a shard"));
        match (name.strip_prefix("start"), name.strip_prefix("end")) {
            (Some(id), _) => numbers(id).starting,
            (_, Some(id)) => numbers(id).ending.expect("a closed shard"),
            _ => self.records[name].1,
        }
    }
}

fn or_none(shown: &str) -> String {
    if shown.is_empty() { "none".into() } else { shown.into() }
}

fn shard_id(text: &str) -> ShardId {
    ShardId::parse(text).expect("a shard id")
}

/// `3<1+2`: shard 3, open, of 1 and 2; `3!`: closed.
fn show(shard: &Shard) -> String {
    let parents: Vec<_> = shard.parents().map(|id| id.0.to_string()).collect();
    let from = if parents.is_empty() { String::new() } else { format!("<{}", parents.join("+")) };
    format!("{}{from}{}", shard.id.0, if shard.is_open() { "" } else { "!" })
}

/// `bytes` or `bytes:records` a second, the bytes in KiB.
fn load(text: &str) -> Load {
    let (kib, records) = text.split_once(':').unwrap_or((text, "0"));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    Load { bytes_per_second: number(kib) * 1024, records_per_second: number(records) }
}

/// `0=100 1=200:50`
fn loads(words: &Words<'_>) -> BTreeMap<ShardId, Load> {
    let shards = words.named.iter().filter(|(name, _)| **name != "t");
    shards.map(|(id, text)| (shard_id(id), load(text))).collect()
}
