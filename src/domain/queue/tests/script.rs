//! Scenarios as text: a line is `t=<seconds> <command> [-> <answer>]`, and `ok` is the answer where none stands.
//!
//! Every scenario runs three times: plainly; with the queue rebuilt from head and pages after each line; and with the
//! queue rebuilt from nothing but its events after each line. All three must give the same answers.

use crate::{
    base::{
        id::{LeaseId, Location, Lsn, MessageId, MessageSeq, PartitionId, QueueId, RedriveId, TransferKey},
        time::Timestamp,
    },
    domain::queue::{
        Accept, AcceptDecision, Browse, Queue, Receive, Send, SendDecision, State,
        event::{Event, MoveReason, RedriveOutcome},
        settings::{Fifo, Kind, Scope, Settings},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

const ID: QueueId = QueueId(7);
pub(super) const DEAD_LETTERS: QueueId = QueueId(99);

#[derive(Clone, Copy, Debug)]
enum Rebuild {
    Never,
    FromCheckpoint,
    FromEvents,
}

/// Runs a scenario. Its first line says what the queue is like: `queue [fifo] [name=value ...]`.
#[track_caller]
pub(super) fn run(text: &str) {
    for rebuild in [Rebuild::Never, Rebuild::FromCheckpoint, Rebuild::FromEvents] {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let (first, rest) = lines.split_first().expect("a scenario has lines");
        let mut world = World::new(&Words::parse(first.strip_prefix("queue").expect("the first line is the queue")));
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
struct Words<'a> {
    plain: Vec<&'a str>,
    named: HashMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn parse(text: &'a str) -> Self {
        let (named, plain): (Vec<_>, Vec<_>) = text.split_whitespace().partition(|word| word.contains('='));
        Self { plain, named: named.iter().filter_map(|word| word.split_once('=')).collect() }
    }

    fn at(&self, index: usize) -> &'a str {
        self.plain.get(index).copied().unwrap_or("")
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.named.get(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        self.named.get(name).map(|value| Duration::from_secs_f64(value.parse().expect("seconds")))
    }

    fn text(&self, name: &str) -> Option<std::sync::Arc<str>> {
        self.named.get(name).map(|value| (*value).into())
    }
}

fn settings(words: &Words<'_>, before: &Settings) -> Settings {
    let fifo = Fifo {
        content_based_deduplication: words.has("content"),
        deduplication_scope: if words.has("per-group") { Scope::MessageGroup } else { Scope::Queue },
        throughput_limit_scope: Scope::Queue,
    };
    Settings {
        kind: if words.has("fifo") { Kind::Fifo(fifo) } else { before.kind },
        visibility_timeout: words.seconds("visibility").unwrap_or(before.visibility_timeout),
        retention: words.seconds("retention").unwrap_or(before.retention),
        delay: words.seconds("delay").unwrap_or(before.delay),
        max_message_bytes: words.number("bytes").map_or(before.max_message_bytes, |n| n as u32),
        max_receive_count: words.number("max_receives").map(|n| n as u32).or(before.max_receive_count),
        in_flight_max: words.number("in_flight").map_or(before.in_flight_max, |n| n as usize),
        ..before.clone()
    }
}

struct World {
    queue: Queue,
    created: Settings,
    now: Timestamp,
    events: Vec<(Event, Location)>,
    names: BTreeMap<MessageSeq, String>,
    leases: HashMap<String, Vec<LeaseId>>,
    next_lease: u64,
    next_transfer: u64,
}

impl World {
    fn new(words: &Words<'_>) -> Self {
        let created = settings(words, &Settings::default());
        Self {
            queue: Queue::new(ID, created.clone()),
            created,
            now: Timestamp::ZERO,
            events: Vec::new(),
            names: BTreeMap::new(),
            leases: HashMap::new(),
            next_lease: 1,
            next_transfer: 1,
        }
    }

    fn rebuild(&mut self, how: Rebuild) {
        match how {
            Rebuild::Never => {}
            Rebuild::FromCheckpoint => {
                let mut twin = Queue::from_head(ID, self.queue.head());
                for number in self.queue.page_numbers().into_iter().rev() {
                    let page = self.queue.page(number).expect("a listed page holds messages");
                    twin.restore_page(number, &page).expect("a page");
                }
                self.queue = twin;
            }
            Rebuild::FromEvents => {
                let mut twin = Queue::new(ID, self.created.clone());
                self.events.iter().for_each(|(event, at)| twin.apply(event, *at));
                self.queue = twin;
            }
        }
        self.queue.advance(self.now);
    }

    fn line(&mut self, line: &str) -> String {
        let words = Words::parse(line);
        if let Some(at) = words.seconds("t") {
            self.now = Timestamp(at.as_millis() as u64);
        }
        self.queue.advance(self.now);
        match words.at(0) {
            "send" => self.send(&words),
            "accept" => self.accept(&words),
            "receive" => self.receive(&words),
            "delete" | "visibility" | "nack" | "dead-letter" => self.settle(&words),
            "purge" => match self.queue.purge(self.now) {
                Ok(event) => self.commit(vec![event]),
                Err(error) => format!("error: {error}"),
            },
            "expire" => {
                let events = self.queue.expire(self.now).into_iter().collect();
                self.commit(events)
            }
            "set" => {
                let changed = settings(&words, self.queue.settings());
                self.commit(vec![Event::SettingsChanged(changed)])
            }
            "redrive" => self.redrive(&words),
            "browse" => self.browse(&words),
            "stats" => self.stats(),
            "ready" => if self.queue.has_ready() { "yes" } else { "no" }.into(),
            "deadline" => {
                let deadline = self.queue.next_deadline();
                deadline.map_or("none".into(), |at| format!("{}", at.0 as f64 / 1000.0))
            }
            "producer" => self.queue.producer_sequence(words.at(1)).to_string(),
            other => panic!("no command {other:?} in {line:?}"),
        }
    }

    /// Applies events and tells what they did, messages by name.
    fn commit(&mut self, events: Vec<Event>) -> String {
        let mut parts = Vec::new();
        for event in events {
            let at = Location { lsn: Lsn(self.events.len() as u64), offset: 72, len: 100 };
            self.queue.apply(&event, at);
            parts.extend(self.tell(&event));
            self.events.push((event, at));
        }
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }

    fn tell(&mut self, event: &Event) -> Option<String> {
        let name = |seq: &MessageSeq| self.names.get(seq).cloned().unwrap_or_else(|| format!("seq {seq}"));
        let text = match event {
            Event::Received(received) => {
                let name = name(&received.seq);
                let delivery = self.queue.delivery(received.seq).expect("a message just received is there");
                assert_eq!((delivery.lease, delivery.receive_count), (received.lease, received.receive_count));
                self.next_lease = self.next_lease.max(received.lease.0 + 1);
                let leases = self.leases.entry(name.clone()).or_default();
                let again = if leases.contains(&received.lease) { ", same lease" } else { "" };
                if again.is_empty() {
                    leases.push(received.lease);
                }
                format!("{name} (count {}{again})", received.receive_count)
            }
            Event::Moved(moved) => {
                assert_eq!(moved.transfer, self.next_transfer);
                self.next_transfer += 1;
                match &moved.why {
                    MoveReason::Explicit { reason } => format!("{} to {} for {reason}", name(&moved.seq), moved.to),
                    MoveReason::MaxReceives | MoveReason::Redrive { .. } => {
                        format!("{} to {}", name(&moved.seq), moved.to)
                    }
                }
            }
            Event::Expired { seqs } => seqs.iter().map(name).collect::<Vec<_>>().join(", "),
            Event::VisibilityChanged(change) => name(&change.seq),
            Event::RedriveEnded { outcome, .. } => match outcome {
                RedriveOutcome::Cancelled => "cancelled".into(),
                RedriveOutcome::Completed => "completed".into(),
                RedriveOutcome::Failed { why } => format!("failed: {why}"),
            },
            Event::Relocated(stored) => name(&stored.seq),
            Event::Archived { seq, .. } => name(seq),
            Event::Deleted { .. } | Event::Purged { .. } | Event::SettingsChanged(_) | Event::Sent(_) => "ok".into(),
            Event::RedriveStarted(started) => format!("{} to move", started.messages_to_move),
        };
        Some(text)
    }

    fn send(&mut self, words: &Words<'_>) -> String {
        let name = words.at(1);
        let producer = words.text("producer").map(|text| {
            let (id, sequence) = text.split_once(':').expect("producer=id:sequence");
            (id.into(), sequence.parse().expect("a sequence"))
        });
        let request = Send {
            message_id: message_id(name),
            size: words.number("size").unwrap_or(10) as u32,
            group: words.text("group"),
            deduplication_id: words.text("dedup"),
            content_hash: words.text("hash"),
            delay: words.seconds("delay"),
            producer,
        };
        match self.queue.send(self.now, &request) {
            Ok(SendDecision::Store(sent)) => {
                self.names.insert(sent.seq, name.into());
                self.commit(vec![Event::Sent(sent)])
            }
            Ok(SendDecision::Duplicate { message_id, seq }) => {
                let first = self.names.get(&seq).expect("the original has a name");
                assert_eq!(message_id, self::message_id(first));
                format!("duplicate of {first}")
            }
            Ok(SendDecision::Repeated) => "repeated".into(),
            Err(error) => format!("error: {error}"),
        }
    }

    fn accept(&mut self, words: &Words<'_>) -> String {
        let request = Accept {
            message_id: message_id(words.at(1)),
            size: 10,
            group: words.text("group"),
            deduplication_id: words.text("dedup"),
            send_time: words.seconds("sent").map(|at| Timestamp::ZERO + at),
            receive_count: words.number("count").unwrap_or(0) as u32,
            first_receive: None,
            dead_letter_source: words.number("source").map(QueueId),
            transfer: TransferKey {
                source: PartitionId(words.number("from").unwrap_or(1) as u32),
                number: words.number("number").expect("number="),
            },
        };
        match self.queue.accept(self.now, &request) {
            AcceptDecision::Store(sent) => {
                self.names.insert(sent.seq, words.at(1).into());
                self.commit(vec![Event::Sent(sent)])
            }
            AcceptDecision::Repeated => "repeated".into(),
        }
    }

    fn receive(&mut self, words: &Words<'_>) -> String {
        let request = Receive {
            max: words.number("max").unwrap_or(1) as usize,
            max_bytes: words.number("bytes"),
            visibility_timeout: words.seconds("visibility"),
            attempt: words.text("attempt"),
            first_lease: LeaseId(self.next_lease),
            dead_letter_to: self.created.max_receive_count.filter(|_| !words.has("keep")).map(|_| DEAD_LETTERS),
            next_transfer: self.next_transfer,
        };
        match self.queue.receive(self.now, &request) {
            Ok(events) => self.commit(events),
            Err(error) => format!("error: {error}"),
        }
    }

    /// `m1` means its last lease, `m1#1` its first one.
    fn settle(&mut self, words: &Words<'_>) -> String {
        let (name, number) = words.at(1).split_once('#').unwrap_or((words.at(1), ""));
        let seq = self.names.iter().find(|(_, known)| *known == name).map(|(seq, _)| *seq).expect("a message sent");
        let leases = self.leases.get(name).cloned().unwrap_or_default();
        let lease = match number {
            "" => leases.last().copied().unwrap_or_default(),
            "lost" => LeaseId(self.next_lease),
            number => leases[number.parse::<usize>().expect("the number of a lease") - 1],
        };
        let seconds = |name| words.seconds(name).unwrap_or_default();
        let events = match words.at(0) {
            "delete" => match self.queue.delete(self.now, seq, lease) {
                Ok(Some(event)) => Ok(vec![event]),
                Ok(None) => return "nothing to do".into(),
                Err(error) => Err(error),
            },
            "visibility" => {
                self.queue.change_visibility(self.now, seq, lease, seconds("timeout")).map(|event| vec![event])
            }
            "nack" => self.queue.nack(self.now, seq, lease, seconds("delay"), words.has("keep")),
            _ => {
                let reason = words.text("reason").unwrap_or_default();
                let moved = self.queue.dead_letter(self.now, seq, lease, reason, DEAD_LETTERS, self.next_transfer);
                moved.map(|event| vec![event])
            }
        };
        match events {
            Ok(events) => self.commit(events),
            Err(error) => format!("error: {error}"),
        }
    }

    fn redrive(&mut self, words: &Words<'_>) -> String {
        let mut id = [0; 16];
        id[0] = words.number("id").unwrap_or(1) as u8;
        let id = RedriveId(id);
        let event = match words.at(1) {
            "start" => {
                let to = words.number("to").map(QueueId);
                self.queue.start_redrive(self.now, id, to, words.number("rate").unwrap_or(0) as u32)
            }
            "cancel" => self.queue.cancel_redrive(self.now, id),
            "step" => {
                let gone = words.number("gone").map(QueueId);
                let budget = words.number("budget").unwrap_or(100) as usize;
                let events =
                    self.queue.redrive_step(self.now, self.next_transfer, budget, &|queue| Some(queue) != gone);
                return self.commit(events);
            }
            _ => {
                let all = self.queue.redrives().into_iter().map(|redrive| {
                    let state = match &redrive.ended {
                        None => "running",
                        Some((RedriveOutcome::Cancelled, _)) => "cancelled",
                        Some((RedriveOutcome::Completed, _)) => "completed",
                        Some((RedriveOutcome::Failed { .. }, _)) => "failed",
                    };
                    let (id, total) = (redrive.started.id.0[0], redrive.started.messages_to_move);
                    format!("{id} {state} {}/{total}", redrive.moved)
                });
                return all.collect::<Vec<_>>().join(", ");
            }
        };
        match event {
            Ok(event) => self.commit(vec![event]),
            Err(error) => format!("error: {}", error.to_string().replace(&id.to_string(), "it")),
        }
    }

    fn browse(&mut self, words: &Words<'_>) -> String {
        let states = [("visible", State::Visible), ("in-flight", State::InFlight), ("delayed", State::Delayed)];
        let request = Browse {
            states: states.into_iter().filter(|(word, _)| words.has(word)).map(|(_, state)| state).collect(),
            group: words.text("group"),
            from: MessageSeq(words.number("from").unwrap_or(0)),
            limit: words.number("limit").unwrap_or(100) as usize,
        };
        let browsed = self.queue.browse(self.now, &request);
        let mut parts: Vec<_> = browsed
            .messages
            .iter()
            .map(|view| {
                let word = states.iter().find(|(_, state)| *state == view.state).expect("a state").0;
                let until = view.hidden_until.map_or(String::new(), |at| format!(" until {}", at.0 / 1000));
                format!("{} {word}{until}", self.names[&view.seq])
            })
            .collect();
        parts.extend(browsed.next.map(|next| format!("next {next}")));
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }

    fn stats(&self) -> String {
        let stats = self.queue.stats(self.now);
        assert_eq!(stats.total, stats.visible + stats.in_flight + stats.delayed);
        let mut text = format!("visible {} in-flight {} delayed {}", stats.visible, stats.in_flight, stats.delayed);
        text += &format!(" bytes {}", stats.bytes);
        if let Some(oldest) = stats.oldest {
            text += &format!(" oldest {}", oldest.0 / 1000);
        }
        if stats.groups_in_flight > 0 {
            text += &format!(" groups {}", stats.groups_in_flight);
        }
        text
    }
}

fn message_id(name: &str) -> MessageId {
    let mut id = [0; 16];
    id.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    MessageId(id)
}
