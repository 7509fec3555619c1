//! Settles leases: done, not done, still working, or never going to work. Whichever call or protocol leased them.

use super::{
    authorise::{Action, Resource},
    broker::{Broker, Caller},
    check,
    words::{Outcome, QueueDefinition, Receipt},
};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
    },
    engine::client::Engine,
};
use std::{sync::Arc, time::Duration};

/// What a consumer decides about one lease.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub receipt_handle: String,
    pub decision: Decision,
}

#[derive(Clone, Debug)]
pub enum Decision {
    Ack,
    Nack {
        /// Unset: visible at once.
        delay: Option<Duration>,
        keep_receive_count: bool,
    },
    Extend {
        /// Unset: as the queue says.
        visibility_timeout: Option<Duration>,
    },
    DeadLetter {
        reason: String,
    },
    /// The caller named no outcome.
    Missing,
}

#[derive(Clone, Debug, Default)]
pub struct Settle {
    pub queue: String,
    pub settlements: Vec<Settlement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettleFailure {
    pub receipt_handle: String,
    pub refusal: Refusal,
}

impl Broker {
    /// Returns only the failures; everything else is durable.
    pub async fn settle(&self, caller: &Caller, request: Settle) -> Result<Vec<SettleFailure>, Refusal> {
        let mut actions = Actions::of(&request.settlements);
        let queue = self.queue_for(caller, actions.first(), "queue", &request.queue)?;
        actions.rest(|action| self.authorise(caller, action, Resource::Queue(&queue.path, Some(&queue))))?;
        check::entries("settlements", request.settlements.len())?;
        let parsed = parse(&self.engine, &queue, request.settlements);
        parsed.run(self.engine.clone(), queue).await
    }
}

/// What the settlements of one call need, each action once.
#[derive(Default)]
pub(super) struct Actions {
    delete: bool,
    change_visibility: bool,
    dead_letter: bool,
}

impl Actions {
    pub(super) fn of(settlements: &[Settlement]) -> Self {
        let mut actions = Self::default();
        for settlement in settlements {
            match settlement.decision {
                Decision::Ack | Decision::Missing => actions.delete = true,
                Decision::Nack { .. } | Decision::Extend { .. } => actions.change_visibility = true,
                Decision::DeadLetter { .. } => actions.dead_letter = true,
            }
        }
        actions
    }

    /// Takes out one; of no settlements at all, the one that most calls need.
    pub(super) fn first(&mut self) -> Action {
        if std::mem::take(&mut self.delete) {
            return Action::DeleteMessage;
        }
        if std::mem::take(&mut self.change_visibility) {
            return Action::ChangeVisibility;
        }
        if std::mem::take(&mut self.dead_letter) { Action::DeadLetter } else { Action::DeleteMessage }
    }

    pub(super) fn rest(self, mut ask: impl FnMut(Action) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let Self { delete, change_visibility, dead_letter } = self;
        let needed = [
            (delete, Action::DeleteMessage),
            (change_visibility, Action::ChangeVisibility),
            (dead_letter, Action::DeadLetter),
        ];
        needed.into_iter().filter(|(needed, _)| *needed).try_for_each(|(_, action)| ask(action))
    }
}

/// The settlements of one call, told apart.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) good: Vec<(Receipt, Outcome)>,
    /// The handles of `good`, in its order; empty for what the broker added itself.
    pub(super) handles: Vec<String>,
    pub(super) failures: Vec<SettleFailure>,
}

pub(super) fn parse(engine: &Engine, queue: &QueueDefinition, settlements: Vec<Settlement>) -> Parsed {
    let mut parsed = Parsed::default();
    parsed.good.reserve_exact(settlements.len());
    parsed.handles.reserve_exact(settlements.len());
    for (index, settlement) in settlements.into_iter().enumerate() {
        let Settlement { receipt_handle, decision } = settlement;
        match parse_one(engine, queue, &receipt_handle, decision) {
            Ok(good) => {
                parsed.good.push(good);
                parsed.handles.push(receipt_handle);
            }
            Err(mut refusal) => {
                let receipt_handle = echo(receipt_handle);
                refusal.field = refusal.field.map(|field| format!("settlements[{index}].{field}"));
                parsed.failures.push(SettleFailure { receipt_handle, refusal });
            }
        }
    }
    parsed
}

/// What a failure repeats of a handle: whole, unless it is far longer than any real one.
fn echo(handle: String) -> String {
    if handle.len() <= limits::RECEIPT_HANDLE_CHARS { handle } else { check::shorten(&handle).into_owned() }
}

fn parse_one(
    engine: &Engine,
    queue: &QueueDefinition,
    handle: &str,
    decision: Decision,
) -> Result<(Receipt, Outcome), Refusal> {
    let receipt = engine.parse_receipt(handle).map_err(|refusal| refusal.at("receipt_handle"))?;
    if receipt.queue != queue.id {
        let message = format!(
            "receipt handle {:?} belongs to another queue than {}",
            check::shorten(handle),
            queue.path.seen_from(engine.region())
        );
        return Err(Refusal::new(Reason::ReceiptHandleInvalid, message).at("receipt_handle"));
    }
    let outcome = match decision {
        Decision::Ack => Outcome::Ack,
        Decision::Nack { delay, keep_receive_count } => {
            let delay = delay.unwrap_or_default();
            let delay = check::duration("nack.delay", delay, Duration::ZERO, limits::VISIBILITY_TIMEOUT_MAX)?;
            Outcome::Nack { delay, keep_receive_count }
        }
        Decision::Extend { visibility_timeout } => {
            const FIELD: &str = "extend.visibility_timeout";
            let timeout = visibility_timeout.unwrap_or(queue.options.visibility_timeout);
            let timeout = check::duration(FIELD, timeout, Duration::ZERO, limits::VISIBILITY_TIMEOUT_MAX)?;
            Outcome::Extend { visibility_timeout: timeout }
        }
        Decision::DeadLetter { reason } => {
            check::text("dead_letter.reason", &reason, limits::DEAD_LETTER_REASON_CHARS)?;
            Outcome::DeadLetter { reason: reason.into() }
        }
        Decision::Missing => {
            return Err(check::outside("outcome", "unset", "one of ack, nack, extend, dead_letter"));
        }
    };
    Ok((receipt, outcome))
}

impl Parsed {
    /// Asks about each settlement which other leases it voids, and puts their return right behind it.
    pub(super) fn void_later(&mut self, mut voided_by: impl FnMut(&Receipt, &Outcome) -> Vec<Receipt>) {
        let mut index = 0;
        while let Some((receipt, outcome)) = self.good.get(index) {
            index += 1;
            let voided = voided_by(receipt, outcome);
            let delay = match outcome {
                Outcome::Nack { delay, .. } => *delay,
                Outcome::Ack | Outcome::Extend { .. } | Outcome::DeadLetter { .. } => Duration::ZERO,
            };
            for receipt in voided {
                self.good.insert(index, (receipt, Outcome::Nack { delay, keep_receive_count: true }));
                self.handles.insert(index, String::new());
                index += 1;
            }
        }
    }

    /// Settles what could be read, and adds to the failures what was refused.
    pub(super) async fn run(self, engine: Engine, queue: Arc<QueueDefinition>) -> Result<Vec<SettleFailure>, Refusal> {
        let Self { good, handles, failures } = self;
        if good.is_empty() {
            return Ok(failures);
        }
        let results = engine.settle(&queue, good).await?;
        Ok(with_failures(failures, handles, results))
    }

    /// Like `run`, but a refusal of the whole is one of each entry.
    pub(super) async fn run_to_end(self, engine: Engine, queue: Arc<QueueDefinition>) -> Vec<SettleFailure> {
        let Self { good, handles, failures } = self;
        if good.is_empty() {
            return failures;
        }
        match engine.settle(&queue, good).await {
            Ok(results) => with_failures(failures, handles, results),
            Err(refusal) => {
                let results = vec![Err(refusal); handles.len()];
                with_failures(failures, handles, results)
            }
        }
    }
}

fn with_failures(
    mut failures: Vec<SettleFailure>,
    handles: Vec<String>,
    results: Vec<Result<(), Refusal>>,
) -> Vec<SettleFailure> {
    for (receipt_handle, result) in handles.into_iter().zip(results) {
        if let Err(refusal) = result
            && !receipt_handle.is_empty()
        {
            failures.push(SettleFailure { receipt_handle, refusal });
        }
    }
    failures
}
