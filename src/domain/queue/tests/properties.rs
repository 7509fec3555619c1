//! Random commands and time jumps: the queue and the naive model answer alike and look alike.

use super::{
    commands::{Around, Command, Step, changed, queue_settings, run, steps},
    model::Model,
    script::DEAD_LETTERS,
};
use crate::{
    base::id::{MessageSeq, QueueId},
    domain::queue::{Browse, Queue, SendDecision, SendError, State, settings::Settings},
};
use proptest::prelude::*;
use std::time::Duration;

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_does_what_the_naive_model_does(
        settings in queue_settings(),
        steps in steps(120),
        upkeep in proptest::collection::vec(upkeep(), 120),
    ) {
        let mut queue = Queue::new(QueueId(1), settings.clone());
        let mut model = Model::new(settings.clone());
        let mut around = Around::new();
        let mut settings = settings;
        for ((pause, command), upkeep) in steps.iter().zip(&upkeep) {
            queue = keep_up(queue, *upkeep, &around);
            around.now = around.now + Duration::from_millis(*pause);
            let mut before = around.clone();
            let actual = run(&mut queue, &mut around, command);
            let expected = expect(&mut model, &mut before, &mut settings, command);
            prop_assert_eq!(actual.answer, expected, "{:?} at {}", command, around.now);
            queue.advance(around.now);
            compare(&queue, &model, &around)?;
        }
    }
}

/// What happens to a queue between two commands and must not show.
#[derive(Clone, Copy, Debug)]
enum Upkeep {
    Nothing,
    /// What waits is packed.
    Checkpoint,
    /// It is put together again from its head and pages.
    Restart,
}

fn upkeep() -> impl Strategy<Value = Upkeep> {
    prop_oneof![5 => Just(Upkeep::Nothing), 3 => Just(Upkeep::Checkpoint), 1 => Just(Upkeep::Restart)]
}

fn keep_up(mut queue: Queue, upkeep: Upkeep, around: &Around) -> Queue {
    match upkeep {
        Upkeep::Nothing => {}
        Upkeep::Checkpoint => drop(queue.take_changes()),
        Upkeep::Restart => {
            let mut twin = Queue::from_head(queue.id(), queue.head());
            for number in queue.page_numbers() {
                let page = queue.page(number).expect("a listed page holds messages");
                twin.restore_page(number, &page).expect("a page");
            }
            twin.advance(around.now);
            queue = twin;
        }
    }
    queue
}

/// The same command against the model.
fn expect(model: &mut Model, around: &mut Around, settings: &mut Settings, command: &Command) -> String {
    let (now, fifo, transfer) = (around.now, settings.is_fifo(), around.next_transfer);
    match command {
        Command::Flood { group, count } => {
            let sends = (0..*count).map(|_| {
                let sent = model.send(now, &around.fresh_send(fifo, *group));
                format!("{:?}", Ok::<_, SendError>(sent))
            });
            sends.collect()
        }
        Command::Send { group, dedup, delay, producer } => {
            let mut send = around.send(fifo, *group, *dedup, *delay);
            send.producer = producer.map(|(id, sequence)| (id.to_string().into(), sequence));
            format!("{:?}", Ok::<SendDecision, SendError>(model.send(now, &send)))
        }
        Command::Accept { .. } => {
            let accept = around.accept(command, fifo);
            format!("{:?}", Ok::<_, ()>(model.accept(now, &accept)))
        }
        Command::Receive { .. } => format!("{:?}", model.receive(now, &around.receive(command))),
        Command::Delete { handle } => {
            let (seq, lease) = around.handle(*handle);
            format!("{:?}", model.delete(now, seq, lease))
        }
        Command::ChangeVisibility { handle, timeout } => {
            let (seq, lease) = around.handle(*handle);
            format!("{:?}", model.change_visibility(now, seq, lease, Duration::from_secs(*timeout)))
        }
        Command::Nack { handle, delay, keep } => {
            let (seq, lease) = around.handle(*handle);
            format!("{:?}", model.nack(now, seq, lease, Duration::from_secs(*delay), *keep))
        }
        Command::DeadLetter { handle } => {
            let (seq, lease) = around.handle(*handle);
            format!("{:?}", model.dead_letter(now, seq, lease, DEAD_LETTERS, transfer))
        }
        Command::Purge => format!("{:?}", model.purge(now)),
        Command::Expire => format!("{:?}", Ok::<_, ()>(model.expire(now))),
        Command::Set(change) => {
            *settings = changed(settings, change);
            model.set(settings);
            String::new()
        }
        Command::StartRedrive { to, rate } => {
            format!("{:?}", model.start_redrive(now, around.next_redrive(), to.map(QueueId), *rate))
        }
        Command::CancelRedrive { back } => format!("{:?}", model.cancel_redrive(now, around.redrive(*back))),
        // Nobody sees where a message stands.
        Command::Relocate { .. } | Command::Archive { .. } | Command::TellArchive => String::new(),
        Command::StepRedrive { budget } => {
            format!("{:?}", Ok::<_, ()>(model.redrive_step(now, transfer, *budget)))
        }
    }
}

fn compare(queue: &Queue, model: &Model, around: &Around) -> Result<(), TestCaseError> {
    let now = around.now;
    let browsed = queue.browse(now, &Browse { limit: usize::MAX, ..Browse::default() });
    let actual: Vec<_> =
        browsed.messages.iter().map(|view| (view.seq, view.state, view.hidden_until, view.group.clone())).collect();
    let expected: Vec<_> = model
        .living(now)
        .map(|message| (message.seq, message.state(now), message.hidden_until(now), message.sent.group.clone()))
        .collect();
    prop_assert_eq!(actual, expected);

    let stats = queue.stats(now);
    let count = |state| model.messages.iter().filter(|message| message.state(now) == state).count();
    prop_assert_eq!(stats.visible, count(State::Visible));
    prop_assert_eq!(stats.in_flight, count(State::InFlight));
    prop_assert_eq!(stats.delayed, count(State::Delayed));
    prop_assert_eq!(stats.bytes, model.messages.iter().map(|message| u64::from(message.sent.size)).sum::<u64>());
    prop_assert_eq!(queue.has_ready(), model.has_ready(now));
    prop_assert_eq!(queue.message(MessageSeq(0)), None);
    if let Some(change) = model.next_change(now) {
        prop_assert!(queue.next_deadline().is_some_and(|deadline| deadline <= change));
    }
    Ok(())
}

#[test]
fn the_random_commands_reach_what_matters() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = String::new();
    for _ in 0..60 {
        let tree = (queue_settings(), steps(120)).new_tree(&mut runner).expect("a case");
        let (settings, steps): (Settings, Vec<Step>) = tree.current();
        let mut queue = Queue::new(QueueId(1), settings);
        let mut around = Around::new();
        for (pause, command) in &steps {
            around.now = around.now + Duration::from_millis(*pause);
            seen += &run(&mut queue, &mut around, command).answer;
        }
    }
    let wanted = [
        "Duplicate",
        "Repeated",
        "Received",
        "MaxReceives",
        "Explicit",
        "Deleted",
        "VisibilityChanged",
        "LeaseExpired",
        "LeaseTooLong",
        "Gone",
        "InFlightLimit",
        "Purged",
        "InProgress",
        "Expired",
        "RedriveStarted",
        "Completed",
        "Cancelled",
        "Failed",
        "Running",
        "NotFound",
    ];
    for word in wanted {
        assert!(seen.contains(word), "no command led to {word}");
    }
}
