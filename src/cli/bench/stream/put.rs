//! Unary `PutRecords`, one call after another.

use super::load::{Load, client};
use crate::{
    cli::{
        bench::{
            clock::{Pace, now},
            tally::Tally,
        },
        credentials::Wire,
    },
    proto::stream::v1::{PutRecordsRequest, PutResult, put_result},
};
use std::sync::Arc;

pub(super) async fn run(load: Arc<Load>, channel: Wire, index: u32) -> Tally {
    let mut tally = Tally::default();
    let mut streams = client(channel);
    let mut pace = match load.args.rate {
        Some(rate) => Pace::open(rate / f64::from(load.args.batch()), index, load.args.clients),
        None => Pace::closed(),
    };
    loop {
        let due = pace.due().await;
        if load.window.is_over(due) {
            break;
        }
        let place = tally.sent.next;
        let records = load.records(index, place);
        let count = records.len() as u64;
        load.begin(index, place..place + count, due);
        let request = PutRecordsRequest { stream: load.stream.clone(), records, ..PutRecordsRequest::default() };
        let answer = streams.put_records(request).await;
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

pub(super) fn read(result: &PutResult) -> Option<Result<(), &str>> {
    Some(match result.result.as_ref()? {
        put_result::Result::Put(_) => Ok(()),
        put_result::Result::Error(error) => Err(&error.reason),
    })
}
