//! Reads and prints until there is nothing more to read, or nothing more is wanted.

use super::{
    newest::{self, Unwanted},
    print::Printer,
    range::{Beginning, Ending},
    reader::{Call, Reader},
    shards,
};
use crate::{
    cli::{Exit, Failure, client::Caller, interrupt::Interrupts, retry::Retry},
    proto::stream::v1::{
        Position,
        subscribe_shard_response::{Ended, Event, Records},
    },
};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// When to end besides where the range does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) count: Option<u64>,
    /// Without a record for so long.
    pub(super) idle: Option<Duration>,
    /// How long to call again when a call breaks; nothing of it is wanted of what ends by itself.
    pub(super) reconnect: Option<Duration>,
}

pub(super) struct Reading {
    reader: Reader,
    printer: Printer,
    unwanted: Unwanted,
    left: u64,
    /// Records that the server could not read any more.
    lost: u64,
    last_record: Instant,
    /// It was said that nothing is there yet.
    told_tip: bool,
    /// The server of this call is going away.
    draining: bool,
    retry: Retry,
}

impl Reading {
    /// Finds out where to begin.
    pub(super) async fn open(
        caller: &Caller,
        (stream, shard): (String, Option<String>),
        from: Beginning,
        until: Option<Ending>,
        printer: Printer,
    ) -> Result<Self, Failure> {
        let shard = match (shard, &until) {
            (None, Some(Ending::Sequence(_))) => Some(only_shard(caller, &stream).await?),
            (shard, _) => shard,
        };
        let (left, until) = until.map_or((u64::MAX, None), Ending::limits);
        let mut unwanted = Unwanted::default();
        let reader = match (from, &shard) {
            (Beginning::Newest(count), _) => {
                let place = newest::find(caller, &stream, shard.as_deref(), count).await?;
                unwanted = place.unwanted;
                Reader::new(stream, shard, place.position, until)
            }
            (from, None) if from.is_of_a_shard() => {
                let shard = only_shard(caller, &stream).await?;
                Reader::new(stream, None, Position::default(), until).begin_at(shard, from.position()?)
            }
            (from, _) => Reader::new(stream, shard, from.position()?, until),
        };
        let last_record = Instant::now();
        let retry = Retry::default();
        let (lost, told_tip, draining) = (0, false, false);
        Ok(Self { reader, printer, unwanted, left, lost, last_record, told_tip, draining, retry })
    }

    pub(super) async fn run(mut self, caller: &Caller, limits: Limits) -> Result<(), Failure> {
        self.left = self.left.min(limits.count.unwrap_or(u64::MAX));
        let mut interrupts = Interrupts::listen();
        let mut call = self.reader.open(caller).await?;
        while let Some(why) = self.follow(&mut call, &mut interrupts, limits).await? {
            let Some(next) = self.call_again(caller, why, limits, &mut interrupts).await? else { break };
            call = next;
        }
        self.printer.end()?;
        verdict(self.lost)
    }

    /// Prints until the end, or until the call breaks; tells why it did.
    async fn follow(
        &mut self,
        call: &mut Call,
        interrupts: &mut Interrupts,
        limits: Limits,
    ) -> Result<Option<Failure>, Failure> {
        while self.left > 0 {
            let idle_end = limits.idle.map(|time| self.last_record + time);
            tokio::select! {
                answer = call.next() => match answer {
                    Ok(Some((shard, event))) => self.take(&shard, event, limits)?,
                    Ok(None) if self.draining => return Ok(Some(broken("the server is shutting down"))),
                    Ok(None) => return Ok(None),
                    Err(failure) if failure.exit == Exit::Unreachable => return Ok(Some(failure)),
                    Err(failure) => return Err(failure),
                },
                () = interrupts.next() => match limits.reconnect {
                    Some(_) => return Ok(None),
                    None => return Err(Failure::failed("interrupted")),
                },
                () = until(idle_end) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Opens the next call, as soon as the server takes it. None: interrupted.
    async fn call_again(
        &mut self,
        caller: &Caller,
        mut why: Failure,
        limits: Limits,
        interrupts: &mut Interrupts,
    ) -> Result<Option<Call>, Failure> {
        loop {
            let wait = limits.reconnect.and_then(|longest| self.retry.next(longest));
            let Some(wait) = wait else { return Err(why) };
            self.printer.note(&format!("{}; trying again", why.text));
            tokio::select! {
                () = sleep(wait) => {}
                () = interrupts.next() => return Ok(None),
            }
            match self.reader.open(caller).await {
                Ok(call) => {
                    self.draining = false;
                    return Ok(Some(call));
                }
                Err(failure) if failure.exit == Exit::Unreachable => why = failure,
                Err(failure) => return Err(failure),
            }
        }
    }

    fn take(&mut self, shard: &str, event: Event, limits: Limits) -> Result<(), Failure> {
        self.reader.heard(shard, &event);
        match event {
            Event::Records(records) => {
                self.retry.opened();
                self.print(shard, &records, limits)
            }
            Event::Ended(ended) => {
                self.tell_end(shard, &ended, limits);
                Ok(())
            }
            Event::Draining(_) => {
                self.draining = true;
                Ok(())
            }
        }
    }

    fn print(&mut self, shard: &str, records: &Records, limits: Limits) -> Result<(), Failure> {
        if records.lost_records > 0 {
            self.lost += records.lost_records;
            self.printer.note(&format!("{shard}: {} records in front of the next one are lost", records.lost_records));
        }
        if records.records.is_empty() && limits.reconnect.is_some() && !std::mem::replace(&mut self.told_tip, true) {
            self.printer.note("waiting for records");
        }
        for record in &records.records {
            self.last_record = Instant::now();
            if self.unwanted.count > 0 && newest::moment(record.arrival_time) == self.unwanted.arrival {
                self.unwanted.count -= 1;
                continue;
            }
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            self.printer.print(shard, record)?;
        }
        Ok(())
    }

    /// Who follows wants to know that a shard goes on in others; who reads one shard has to know.
    fn tell_end(&self, shard: &str, ended: &Ended, limits: Limits) {
        if limits.reconnect.is_some() || self.reader.is_of_a_shard() {
            let children: Vec<_> = ended.child_shards.iter().map(|child| child.shard_id.as_str()).collect();
            self.printer.note(&format!("{shard} has ended; its keys go on in {}", children.join(", ")));
        }
    }
}

/// Who got the rest must know that something was missing.
fn verdict(lost: u64) -> Result<(), Failure> {
    match lost {
        0 => Ok(()),
        lost => {
            let text = format!("{lost} records are lost: the storage was damaged");
            Err(Failure::new(Exit::Partly, text).hint("forebay server verify"))
        }
    }
}

/// The shard that a sequence number is of, when nobody says which.
async fn only_shard(caller: &Caller, stream: &str) -> Result<String, Failure> {
    let shards = shards::fetch(caller, stream.to_owned(), true).await?;
    match shards.as_slice() {
        [only] => Ok(only.shard_id.clone()),
        several => {
            let text = format!("a sequence number is of one shard, and {stream} has {}", several.len());
            Err(Failure::usage(text)
                .hint("name the shard with --shard")
                .hint(format!("forebay stream shards {stream} --all")))
        }
    }
}

/// Waits until then, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn broken(why: &str) -> Failure {
    Failure::new(Exit::Unreachable, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_records_does_not_end_as_if_nothing_were_missing() {
        assert_eq!(verdict(0), Ok(()));
        let failure = verdict(3).expect_err("three are missing");
        assert_eq!((failure.exit, failure.text.starts_with("3 records are lost")), (Exit::Partly, true));
    }
}
