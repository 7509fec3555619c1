//! `forebay queue consume`: messages from the first to Ctrl-C, over as many Consume calls as it takes.
//!
//! A call that breaks is followed by another that resumes its session: what is held stays held, and settlements that were
//! not confirmed are said again.

use super::{
    call::Call,
    exec::{Executor, give_back},
    message::{PrintArgs, Printer},
    receive,
};
use crate::{
    base::limits,
    cli::{
        Exit, Failure,
        client::{Caller, Entries},
        interrupt::Interrupts,
        output::{Output, note},
        retry::Retry,
        value,
    },
    proto::{
        common::v1::FlowControl,
        queue::v1::{
            Ack, Nack, ReceivedMessage, Settlement, consume_request, consume_response::Frame, settlement::Outcome,
        },
    },
};
use clap::Args;
use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

/// How long the leases of a broken call wait for the next one.
const RELEASE_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct ConsumeArgs {
    /// The queue
    queue: String,
    /// Run this with sh for each message, the body on its standard input; acknowledge when it ends with 0. Consuming
    /// ends with 3 when some of the commands failed, with 1 when all did
    #[arg(long, value_name = "COMMAND", conflicts_with = "raw")]
    exec: Option<String>,
    /// Commands that run at the same time; those of one group never do
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "exec", value_parser = clap::value_parser!(u32).range(1..=1000))]
    jobs: u32,
    /// Hide a message for this long after its command failed
    #[arg(long, value_name = "TIME", value_parser = value::duration, requires = "exec")]
    nack_delay: Option<Duration>,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<u64>,
    /// End when no message came for this long
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    idle_exit: Option<Duration>,
    /// Messages held at a time [default: the server's; with --exec: --jobs]
    #[arg(long, value_name = "COUNT")]
    max_outstanding: Option<u32>,
    /// Bytes held at a time [default: the server's]
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    max_outstanding_bytes: Option<u64>,
    /// How long a message stays hidden from others between extensions [default: the queue's]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    visibility_timeout: Option<Duration>,
    /// How long the server extends a lease while the call lives [default: the server's]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    max_lease: Option<Duration>,
    /// How long to try again when the connection breaks or the server restarts; 0s: not at all
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = value::duration)]
    reconnect: Duration,
    /// The name that operators see
    #[arg(long, value_name = "TEXT", default_value = "forebay-cli")]
    name: String,
    #[command(flatten)]
    print: PrintArgs,
}

impl ConsumeArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let mut session = Session {
            left: self.count.unwrap_or(u64::MAX),
            executor: self.exec.as_ref().map(|command| Executor::new(command, self.jobs as usize, self.nack_delay)),
            printer: Printer::new(&mut output, self.print),
            entries: Entries::default(),
            settled: 0,
            held: HashSet::new(),
            repeated: HashSet::new(),
            late: Vec::new(),
            last_message: Instant::now(),
            draining: false,
            retry: Retry::default(),
        };
        let mut interrupts = Interrupts::listen();
        let mut call = Call::open(caller, self.open(&session, String::new(), Vec::new()), Vec::new()).await?;
        loop {
            match session.follow(&mut call, &mut interrupts, self.idle_exit).await? {
                Some(why) if session.has_more(&call) => {
                    call = self.call_again(&mut session, caller, call, why, &mut interrupts).await?;
                }
                Some(_) | None => return session.finish(caller, self.queue).await,
            }
        }
    }

    /// Opens the next call, as soon as the server takes it.
    async fn call_again(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        broken: Call,
        mut why: Failure,
        interrupts: &mut Interrupts,
    ) -> Result<Call, Failure> {
        let (session_id, again) = broken.into_rest();
        let kept = session.held.iter().chain(again.iter().map(|settlement| &settlement.receipt_handle));
        let kept: Vec<_> = kept.cloned().collect();
        // To keep nothing cannot be said: without the session's id everything of it is released.
        let session_id = if kept.is_empty() { String::new() } else { session_id };
        let given_back = again.iter().filter(|settlement| matches!(settlement.outcome, Some(Outcome::Nack(_))));
        session.repeated.extend(given_back.map(|settlement| settlement.receipt_handle.clone()));
        loop {
            let Some(wait) = session.retry.next(self.reconnect) else { return Err(why) };
            session.printer.note(&format!("{}; trying again", why.text));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = interrupts.next() => return Err(if kept.is_empty() { why } else { interrupted() }),
            }
            let open = self.open(session, session_id.clone(), kept.clone());
            match Call::open(caller, open, again.clone()).await {
                Ok(call) => {
                    session.go_on();
                    return Ok(call);
                }
                Err(failure) if failure.exit == Exit::Unreachable => why = failure,
                Err(failure) => return Err(failure),
            }
        }
    }

    fn open(&self, session: &Session<'_>, resume_session_id: String, kept: Vec<String>) -> consume_request::Open {
        consume_request::Open {
            queue: self.queue.clone(),
            consumer_name: self.name.clone(),
            flow_control: self.flow_control(session.left, kept.len()),
            visibility_timeout: self.visibility_timeout.map(value::to_proto),
            max_lease: self.max_lease.map(value::to_proto),
            release_grace: Some(value::to_proto(RELEASE_GRACE)),
            max_batch_delay: None,
            resume_session_id,
            held_receipt_handles: kept,
        }
    }

    /// No more than is wanted; what is not said is left to the server.
    fn flow_control(&self, left: u64, held: usize) -> Option<FlowControl> {
        let jobs = self.exec.is_some().then_some(self.jobs);
        let wanted = u32::try_from(left.saturating_add(held as u64)).unwrap_or(u32::MAX);
        let few = wanted < limits::CONSUME_MESSAGES_DEFAULT;
        let told = self.max_outstanding.or(jobs);
        let messages = match told.or(self.max_outstanding_bytes.map(|_| limits::CONSUME_MESSAGES_DEFAULT)) {
            _ if left == 0 => 0,
            Some(messages) => messages.min(wanted).max(1),
            None if few => wanted,
            None => return None,
        };
        // 0 bytes: as many as the server says.
        let bytes = self.max_outstanding_bytes.unwrap_or(0);
        Some(FlowControl { max_outstanding_messages: messages, max_outstanding_bytes: bytes })
    }
}

/// Waits until then, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn interrupted() -> Failure {
    Failure::failed("interrupted before everything was settled")
}

struct Session<'o> {
    /// Messages still wanted.
    left: u64,
    executor: Option<Executor>,
    printer: Printer<'o>,
    entries: Entries,
    settled: usize,
    /// The receipt handles of messages that commands have.
    held: HashSet<String>,
    /// Given back a second time, because the first was not confirmed: that may fail.
    repeated: HashSet<String>,
    /// Came when this side had said everything.
    late: Vec<String>,
    last_message: Instant,
    /// The server of this call is going away.
    draining: bool,
    retry: Retry,
}

impl Session<'_> {
    fn is_idle(&self) -> bool {
        self.executor.as_ref().is_none_or(Executor::is_idle)
    }

    /// Whether another call has something to do.
    fn has_more(&self, call: &Call) -> bool {
        self.left > 0 || !self.is_idle() || call.has_unconfirmed()
    }

    async fn executed(&mut self) -> Option<Settlement> {
        self.executor.as_mut()?.next().await
    }

    /// Works until the call has ended; tells why, when that was the server's doing.
    async fn follow(
        &mut self,
        call: &mut Call,
        interrupts: &mut Interrupts,
        idle_exit: Option<Duration>,
    ) -> Result<Option<Failure>, Failure> {
        loop {
            if (self.left == 0 || self.draining) && self.is_idle() {
                call.close();
            }
            let idle_end = idle_exit.map(|time| self.last_message + time);
            let waits = self.left > 0 && self.is_idle() && !self.draining;
            tokio::select! {
                answer = call.next() => match answer {
                    Ok(Some(frame)) => self.answer(call, frame).await?,
                    Ok(None) if self.draining => return Ok(Some(ended("the server is shutting down"))),
                    Ok(None) if call.is_closed() => return Ok(None),
                    Ok(None) => return Ok(Some(ended("the server ended the call"))),
                    Err(failure) if failure.exit == Exit::Unreachable => return Ok(Some(failure)),
                    Err(failure) => return Err(failure),
                },
                Some(settlement) = self.executed() => {
                    self.held.remove(&settlement.receipt_handle);
                    self.settle(call, vec![settlement]).await;
                }
                () = interrupts.next() => match self.left {
                    0 => return Err(interrupted()),
                    _ => self.stop(call).await,
                },
                () = until(idle_end), if waits => self.stop(call).await,
            }
        }
    }

    async fn answer(&mut self, call: &mut Call, frame: Frame) -> Result<(), Failure> {
        match frame {
            Frame::Delivery(delivery) => self.deliver(call, delivery.messages).await,
            Frame::SettledThrough(settled) => {
                for failure in settled.failures {
                    self.settled = self.settled.saturating_sub(1);
                    if !self.repeated.remove(&failure.receipt_handle) {
                        self.entries.failed(&failure.receipt_handle, &failure.error.unwrap_or_default());
                    }
                }
                Ok(())
            }
            Frame::Draining(_) => {
                self.draining = true;
                self.let_none_begin();
                Ok(())
            }
            Frame::Opened(_) => {
                self.retry.opened();
                Ok(())
            }
            Frame::Heartbeat(_) => Ok(()),
        }
    }

    async fn deliver(&mut self, call: &mut Call, messages: Vec<ReceivedMessage>) -> Result<(), Failure> {
        if call.is_closed() {
            self.late.extend(messages.into_iter().map(|message| message.receipt_handle));
            return Ok(());
        }
        self.last_message = Instant::now();
        let mut settlements = Vec::new();
        for message in messages {
            let handle = message.receipt_handle.clone();
            if self.left == 0 {
                settlements.push(give_back(handle));
                continue;
            }
            self.left -= 1;
            match &mut self.executor {
                Some(executor) => {
                    self.held.insert(handle);
                    executor.start(message);
                }
                None => {
                    self.printer.print(message)?;
                    settlements.push(Settlement { receipt_handle: handle, outcome: Some(Outcome::Ack(Ack {})) });
                }
            }
        }
        if !settlements.is_empty() {
            self.settle(call, settlements).await;
        }
        Ok(())
    }

    async fn settle(&mut self, call: &mut Call, settlements: Vec<Settlement>) {
        self.settled += settlements.len();
        self.last_message = Instant::now();
        call.settle(settlements).await;
    }

    /// Takes no more messages; what runs may finish.
    async fn stop(&mut self, call: &mut Call) {
        self.left = 0;
        self.let_none_begin();
        call.pause().await;
    }

    fn let_none_begin(&self) {
        if let Some(executor) = &self.executor {
            executor.stop();
        }
    }

    /// Another call takes the place of one that broke.
    fn go_on(&mut self) {
        self.draining = false;
        self.last_message = Instant::now();
        if let Some(executor) = self.executor.as_ref().filter(|_| self.left > 0) {
            executor.go_on();
        }
    }

    async fn finish(mut self, caller: &Caller, queue: String) -> Result<(), Failure> {
        if !self.late.is_empty() {
            // Whatever cannot be given back comes back when its lease ends.
            let outcome = Outcome::Nack(Nack { delay: None, keep_receive_count: true });
            let _ = receive::settle(caller, queue, self.late, &outcome).await;
        }
        if self.executor.is_none() {
            self.printer.end()?;
        }
        self.entries.done(self.settled);
        let commands = self.executor.as_ref().map_or(Ok(()), Executor::verdict);
        // Both are said; a settlement that failed is the graver.
        self.entries.finish("settlements").inspect_err(|_| {
            if let Err(failure) = &commands {
                note(&failure.text);
            }
        })?;
        commands
    }
}

fn ended(why: &str) -> Failure {
    Failure::new(Exit::Unreachable, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        consume: ConsumeArgs,
    }

    #[test]
    fn what_is_not_said_is_left_to_the_server() {
        let flow = |arguments: &str, left: u64, held: usize| {
            let line = Line::try_parse_from(["", "orders"].into_iter().chain(arguments.split_whitespace()));
            let flow = line.unwrap_or_else(|error| panic!("{error}")).consume.flow_control(left, held);
            flow.map(|flow| (flow.max_outstanding_messages, flow.max_outstanding_bytes))
        };
        assert_eq!(flow("", u64::MAX, 0), None);
        assert_eq!(flow("", 1000, 0), None);
        assert_eq!(flow("", 5, 2), Some((7, 0)), "a few are wanted, and no more are held");
        assert_eq!(flow("", 0, 2), Some((0, 0)), "none is wanted");
        assert_eq!(flow("--exec true", u64::MAX, 0), Some((1, 0)));
        assert_eq!(flow("--exec true --jobs 4", 2, 0), Some((2, 0)));
        assert_eq!(flow("--max-outstanding 500", u64::MAX, 0), Some((500, 0)));
        assert_eq!(flow("--max-outstanding-bytes 1KiB", u64::MAX, 0), Some((32, 1024)));
    }
}
