//! Random commands, and how each runs against a queue.

use super::script::DEAD_LETTERS;
use crate::{
    base::{
        id::{LeaseId, Location, Lsn, MessageId, MessageSeq, PartitionId, QueueId, RedriveId, TransferKey},
        time::Timestamp,
    },
    domain::queue::{
        Accept, AcceptDecision, Queue, Receive, Send, SendDecision, StoredMessage,
        event::Event,
        settings::{Fifo, Kind, Scope, Settings},
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

#[derive(Clone, Debug)]
pub(super) enum Command {
    Send {
        group: u8,
        dedup: u8,
        delay: Option<u64>,
        producer: Option<(u8, u64)>,
    },
    /// Many sends of one group.
    Flood {
        group: u8,
        count: u8,
    },
    Accept {
        source: u8,
        skip: u64,
        group: u8,
        age: u64,
        count: u32,
        from: Option<u64>,
    },
    Receive {
        max: usize,
        visibility: Option<u64>,
        attempt: Option<u8>,
        dead_letters: bool,
    },
    Delete {
        handle: usize,
    },
    ChangeVisibility {
        handle: usize,
        timeout: u64,
    },
    Nack {
        handle: usize,
        delay: u64,
        keep: bool,
    },
    DeadLetter {
        handle: usize,
    },
    Purge,
    Expire,
    Set(Change),
    StartRedrive {
        to: Option<u64>,
        rate: u32,
    },
    CancelRedrive {
        back: u8,
    },
    StepRedrive {
        budget: usize,
    },
    /// The first so many messages get new entries.
    Relocate {
        count: usize,
    },
    /// The first so many messages get entries in the archive, and of those of the last time the queue hears.
    Archive {
        count: usize,
    },
    /// The archive hears what has become of its messages.
    TellArchive,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Delay(u64),
    Retention(u64),
    Visibility(u64),
    InFlight(usize),
    MaxReceives(Option<u32>),
}

/// A command and the milliseconds that pass before it.
pub(super) type Step = (u64, Command);

pub(super) fn queue_settings() -> impl Strategy<Value = Settings> {
    let scope = prop_oneof![Just(Scope::Queue), Just(Scope::MessageGroup)];
    let fifo = scope.prop_map(|deduplication_scope| Kind::Fifo(Fifo { deduplication_scope, ..Fifo::default() }));
    let kind = prop_oneof![Just(Kind::Standard), fifo];
    (kind, 0..40u64, prop_oneof![Just(0u64), 1..20u64], 60..900u64, proptest::option::of(1..4u32), 1..100usize)
        .prop_map(|(kind, visibility, delay, retention, max_receive_count, in_flight_max)| Settings {
            kind,
            visibility_timeout: Duration::from_secs(visibility),
            delay: Duration::from_secs(delay),
            retention: Duration::from_secs(retention),
            max_receive_count,
            in_flight_max,
            ..Settings::default()
        })
}

pub(super) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![12 => 1..50u64, 4 => 1_000..15_000u64, 1 => 30_000..400_000u64, 1 => Just(50_000_000u64)];
    proptest::collection::vec((pause, command()), 1..count)
}

fn command() -> impl Strategy<Value = Command> {
    let optional = proptest::option::of::<std::ops::Range<u64>>;
    let delay = prop_oneof![6 => 0..40u64, 2 => 100..2_000u64, 1 => 40_000..60_000u64];
    let change = prop_oneof![
        prop_oneof![Just(0u64), 0..900u64].prop_map(Change::Delay),
        (60..900u64).prop_map(Change::Retention),
        (0..100u64).prop_map(Change::Visibility),
        (1..100usize).prop_map(Change::InFlight),
        proptest::option::of(1..4u32).prop_map(Change::MaxReceives),
    ];
    prop_oneof![
        12 => (0..4u8, 0..6u8, proptest::option::of(delay), proptest::option::weighted(0.2, (0..3u8, 1..6u64)))
            .prop_map(|(group, dedup, delay, producer)| Command::Send { group, dedup, delay, producer }),
        3 => (0..4u8, 1..60u8).prop_map(|(group, count)| Command::Flood { group, count }),
        3 => (0..2u8, 0..3u64, 0..4u8, 0..100u64, 0..5u32, optional(1..4))
            .prop_map(|(source, skip, group, age, count, from)| Command::Accept { source, skip, group, age, count, from }),
        14 => (1..40usize, optional(0..60), proptest::option::of(0..3u8), any::<bool>()).prop_map(
            |(max, visibility, attempt, dead_letters)| Command::Receive { max, visibility, attempt, dead_letters }
        ),
        10 => (0..30usize).prop_map(|handle| Command::Delete { handle }),
        6 => (0..30usize, prop_oneof![0..100u64, Just(0u64), Just(43_200u64)])
            .prop_map(|(handle, timeout)| Command::ChangeVisibility { handle, timeout }),
        6 => (0..30usize, prop_oneof![Just(0u64), 1..30u64], any::<bool>())
            .prop_map(|(handle, delay, keep)| Command::Nack { handle, delay, keep }),
        2 => (0..30usize).prop_map(|handle| Command::DeadLetter { handle }),
        1 => Just(Command::Purge),
        4 => Just(Command::Expire),
        3 => change.prop_map(Command::Set),
        2 => (optional(1..4), prop_oneof![Just(0u32), 1..500u32])
            .prop_map(|(to, rate)| Command::StartRedrive { to, rate }),
        1 => (0..3u8).prop_map(|back| Command::CancelRedrive { back }),
        4 => (1..50usize).prop_map(|budget| Command::StepRedrive { budget }),
        3 => (1..50usize).prop_map(|count| Command::Relocate { count }),
        4 => (1..50usize).prop_map(|count| Command::Archive { count }),
        3 => Just(Command::TellArchive),
    ]
}

/// What surrounds a queue: clock, free numbers, the handles that consumers hold.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) now: Timestamp,
    pub(super) next_lease: u64,
    pub(super) next_transfer: u64,
    next_message: u64,
    handles: Vec<(MessageSeq, LeaseId)>,
    sources: BTreeMap<u8, u64>,
    redrives: u8,
    pub(super) archive: Archive,
}

/// The archive of one queue, and what it and the queue have not heard of each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive {
    pub(super) entries: Vec<Entry>,
    written: Vec<(StoredMessage, Location)>,
    /// Messages that something happened to, and where the log says so.
    pub(super) changes: Vec<(Lsn, MessageSeq)>,
}

#[derive(Clone, Debug)]
pub(super) enum Entry {
    Message(StoredMessage, Location),
    State(StoredMessage),
    Gone(MessageSeq),
}

impl Archive {
    fn write(&mut self, messages: Vec<StoredMessage>) {
        for message in messages {
            let to = Location { lsn: Lsn(self.entries.len() as u64).in_archive(), offset: 72, len: 1 };
            self.entries.push(Entry::Message(message.clone(), to));
            self.written.push((message, to));
        }
    }

    pub(super) fn handed_over(&self) -> usize {
        self.written.first().map_or(self.entries.len(), |(_, to)| to.lsn.of_archive().0 as usize)
    }

    fn hear(&mut self, queue: &Queue) {
        for (_, seq) in std::mem::take(&mut self.changes) {
            self.entries.push(queue.stored_message(seq).map_or(Entry::Gone(seq), Entry::State));
        }
    }
}

impl Around {
    pub(super) fn new() -> Self {
        Self {
            now: Timestamp(1_000_000),
            next_lease: 1,
            next_transfer: 1,
            next_message: 0,
            handles: Vec::new(),
            sources: BTreeMap::new(),
            redrives: 0,
            archive: Archive::default(),
        }
    }

    pub(super) fn send(&mut self, fifo: bool, group: u8, dedup: u8, delay: Option<u64>) -> Send {
        self.next_message += 1;
        Send {
            message_id: MessageId(u128::from(self.next_message).to_be_bytes()),
            size: 1 + self.next_message as u32 % 50,
            group: group_name(fifo, group),
            deduplication_id: fifo.then(|| dedup.to_string().into()),
            content_hash: None,
            delay: delay.filter(|_| !fifo).map(Duration::from_secs),
            producer: None,
        }
    }

    /// A send that no deduplication recognises.
    pub(super) fn fresh_send(&mut self, fifo: bool, group: u8) -> Send {
        let mut send = self.send(fifo, group, 0, None);
        send.deduplication_id = fifo.then(|| format!("fresh {}", self.next_message).into());
        send
    }

    pub(super) fn accept(&mut self, command: &Command, fifo: bool) -> Accept {
        let Command::Accept { source, skip, group, age, count, from } = command else { panic!("no accept") };
        self.next_message += 1;
        let number = self.sources.entry(*source).or_insert(1);
        *number += skip;
        Accept {
            message_id: MessageId(u128::from(self.next_message).to_be_bytes()),
            size: 7,
            group: group_name(fifo, *group),
            deduplication_id: None,
            send_time: Some(Timestamp(self.now.0 - age * 1000)),
            receive_count: *count,
            first_receive: None,
            dead_letter_source: from.map(QueueId),
            transfer: TransferKey { source: PartitionId(u32::from(*source)), number: *number },
        }
    }

    pub(super) fn receive(&self, command: &Command) -> Receive {
        let Command::Receive { max, visibility, attempt, dead_letters } = command else { panic!("no receive") };
        Receive {
            max: *max,
            max_bytes: None,
            visibility_timeout: visibility.map(Duration::from_secs),
            attempt: attempt.map(|attempt| attempt.to_string().into()),
            first_lease: LeaseId(self.next_lease),
            dead_letter_to: dead_letters.then_some(DEAD_LETTERS),
            next_transfer: self.next_transfer,
        }
    }

    /// The handle given out so many receives ago.
    pub(super) fn handle(&self, back: usize) -> (MessageSeq, LeaseId) {
        let none = (MessageSeq(1), LeaseId(0));
        self.handles.iter().rev().nth(back % self.handles.len().max(1)).copied().unwrap_or(none)
    }

    pub(super) fn next_redrive(&mut self) -> RedriveId {
        self.redrives += 1;
        RedriveId([self.redrives; 16])
    }

    pub(super) fn redrive(&self, back: u8) -> RedriveId {
        RedriveId([self.redrives.saturating_sub(back); 16])
    }

    pub(super) fn note(&mut self, event: &Event) {
        if let Event::Received(received) = event {
            self.handles.push((received.seq, received.lease));
            self.next_lease = self.next_lease.max(received.lease.0 + 1);
        }
        if let Event::Moved(moved) = event {
            self.next_transfer = moved.transfer + 1;
        }
    }
}

fn group_name(fifo: bool, group: u8) -> Option<Arc<str>> {
    (fifo || group > 0).then(|| format!("g{group}").into())
}

pub(super) fn changed(settings: &Settings, change: &Change) -> Settings {
    let mut settings = settings.clone();
    match change {
        Change::Delay(seconds) => settings.delay = Duration::from_secs(*seconds),
        Change::Retention(seconds) => settings.retention = Duration::from_secs(*seconds),
        Change::Visibility(seconds) => settings.visibility_timeout = Duration::from_secs(*seconds),
        Change::InFlight(max) => settings.in_flight_max = *max,
        Change::MaxReceives(max) => settings.max_receive_count = *max,
    }
    settings
}

/// What a command did to a queue: the answer as text, and the events to apply.
pub(super) struct Outcome {
    pub(super) answer: String,
    pub(super) events: Vec<Event>,
}

fn outcome<T: Debug, E: Debug>(result: Result<T, E>, events: impl FnOnce(&T) -> Vec<Event>) -> Outcome {
    let answer = format!("{result:?}");
    Outcome { answer, events: result.as_ref().map(events).unwrap_or_default() }
}

/// Decides one command, and applies what came of it.
pub(super) fn run(queue: &mut Queue, around: &mut Around, command: &Command) -> Outcome {
    queue.advance(around.now);
    if let Command::Flood { group, count } = command {
        let mut all = Outcome { answer: String::new(), events: Vec::new() };
        for _ in 0..*count {
            let send = around.fresh_send(queue.settings().is_fifo(), *group);
            let one = decide_send(queue, around.now, &send);
            one.events.iter().for_each(|event| queue.apply(event, Location::default()));
            all.answer += &one.answer;
            all.events.extend(one.events);
        }
        return all;
    }
    let done = decide(queue, around, command);
    for event in &done.events {
        queue.apply(event, Location::default());
        around.note(event);
    }
    done
}

fn decide_send(queue: &Queue, now: Timestamp, send: &Send) -> Outcome {
    outcome(queue.send(now, send), |decision| match decision {
        SendDecision::Store(sent) => vec![Event::Sent(sent.clone())],
        SendDecision::Duplicate { .. } | SendDecision::Repeated => Vec::new(),
    })
}

fn decide(queue: &Queue, around: &mut Around, command: &Command) -> Outcome {
    let (now, fifo, transfer) = (around.now, queue.settings().is_fifo(), around.next_transfer);
    let one = |event: &Event| vec![event.clone()];
    match command {
        Command::Flood { .. } => panic!("runs send by send"),
        Command::Send { group, dedup, delay, producer } => {
            let mut send = around.send(fifo, *group, *dedup, *delay);
            send.producer = producer.map(|(id, sequence)| (id.to_string().into(), sequence));
            decide_send(queue, now, &send)
        }
        Command::Accept { .. } => {
            outcome(Ok::<_, ()>(queue.accept(now, &around.accept(command, fifo))), |decision| match decision {
                AcceptDecision::Store(sent) => vec![Event::Sent(sent.clone())],
                AcceptDecision::Repeated => Vec::new(),
            })
        }
        Command::Receive { .. } => outcome(queue.receive(now, &around.receive(command)), Vec::clone),
        Command::Delete { handle } => {
            let (seq, lease) = around.handle(*handle);
            outcome(queue.delete(now, seq, lease), |event| event.iter().cloned().collect())
        }
        Command::ChangeVisibility { handle, timeout } => {
            let (seq, lease) = around.handle(*handle);
            outcome(queue.change_visibility(now, seq, lease, Duration::from_secs(*timeout)), one)
        }
        Command::Nack { handle, delay, keep } => {
            let (seq, lease) = around.handle(*handle);
            outcome(queue.nack(now, seq, lease, Duration::from_secs(*delay), *keep), Vec::clone)
        }
        Command::DeadLetter { handle } => {
            let (seq, lease) = around.handle(*handle);
            outcome(queue.dead_letter(now, seq, lease, "".into(), DEAD_LETTERS, transfer), one)
        }
        Command::Purge => outcome(queue.purge(now), one),
        Command::Expire => outcome(Ok::<_, ()>(queue.expire(now)), |event| event.iter().cloned().collect()),
        Command::Set(change) => {
            let settings = changed(queue.settings(), change);
            Outcome { answer: String::new(), events: vec![Event::SettingsChanged(settings)] }
        }
        Command::StartRedrive { to, rate } => {
            outcome(queue.start_redrive(now, around.next_redrive(), to.map(QueueId), *rate), one)
        }
        Command::CancelRedrive { back } => outcome(queue.cancel_redrive(now, around.redrive(*back)), one),
        Command::StepRedrive { budget } => {
            outcome(Ok::<_, ()>(queue.redrive_step(now, transfer, *budget, &|_| true)), Vec::clone)
        }
        Command::Relocate { count } => {
            let standing = queue.standing_below(Lsn(u64::MAX >> 1), MessageSeq(0), *count);
            let events = standing.into_iter().filter_map(|message| queue.relocate(message.seq, message.location));
            Outcome { answer: String::new(), events: events.collect() }
        }
        Command::Archive { count } => {
            let written = std::mem::take(&mut around.archive.written);
            let events = written.iter().map(|(message, to)| queue.archive(message, *to)).collect();
            // Now and then something in the archive moves up there.
            let below = if count % 4 == 0 { Lsn(u64::MAX) } else { Lsn(u64::MAX >> 1) };
            around.archive.write(queue.standing_below(below, MessageSeq(0), *count));
            Outcome { answer: String::new(), events }
        }
        Command::TellArchive => {
            around.archive.hear(queue);
            Outcome { answer: String::new(), events: Vec::new() }
        }
    }
}
