//! Unary `Send`, one call after another.

use super::load::{Load, client};
use crate::{
    cli::{
        bench::{
            clock::{Pace, now},
            tally::Tally,
        },
        credentials::Wire,
    },
    proto::queue::v1::{SendRequest, SendResult, send_result},
};
use std::sync::Arc;

pub(super) async fn run(load: Arc<Load>, channel: Wire, index: u32) -> Tally {
    let mut tally = Tally::default();
    let mut queues = client(channel);
    let mut pace = match load.args.rate {
        Some(rate) => Pace::open(rate / f64::from(load.args.batch()), index, load.args.clients),
        None => Pace::closed(),
    };
    for call in 0.. {
        let due = pace.due().await;
        if load.window.is_over(due) {
            break;
        }
        let place = tally.sent.next;
        let messages = load.messages(index, place);
        let count = messages.len() as u64;
        let (_, queue) = load.queue(index, call);
        let answer = queues.send(SendRequest { queue, messages, ..SendRequest::default() }).await;
        let done = now();
        tally.sent.next += count;
        match answer {
            Ok(answer) => {
                let stored = tally.results(place, answer.into_inner().results.iter().map(read));
                if load.window.counts(done) {
                    tally.call(stored, done - due);
                }
            }
            Err(status) => {
                tally.sent.unsure.extend(place..place + count);
                tally.refused(&status);
                if status.code() == tonic::Code::Unavailable {
                    break;
                }
            }
        }
    }
    tally
}

pub(super) fn read(result: &SendResult) -> Option<Result<(), &str>> {
    Some(match result.result.as_ref()? {
        send_result::Result::Sent(_) => Ok(()),
        send_result::Result::Error(error) => Err(&error.reason),
    })
}
