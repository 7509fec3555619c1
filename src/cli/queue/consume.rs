//! `forebay queue consume`: one Consume call from the first message to Ctrl-C.

use super::{
    exec::{Executor, give_back},
    message::{PrintArgs, Printer},
};
use crate::{
    cli::{
        Exit, Failure,
        client::{Caller, Entries},
        interrupt::Interrupts,
        output::Output,
        value,
    },
    proto::{
        common::v1::FlowControl,
        queue::v1::{
            Ack, ConsumeRequest, ConsumeResponse, ReceivedMessage, Settlement, consume_request, consume_response,
            settlement::Outcome,
        },
    },
};
use clap::Args;
use std::time::Duration;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;

/// How long the leases of a broken call wait for nobody: this client does not resume.
const RELEASE_GRACE: Duration = Duration::from_secs(1);
const FRAMES: usize = 64;

#[derive(Debug, Args)]
pub(super) struct ConsumeArgs {
    /// The queue
    queue: String,
    /// Run this with sh for each message, the body on its standard input; acknowledge when it ends with 0
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
    /// The name that operators see
    #[arg(long, value_name = "TEXT", default_value = "forebay-cli")]
    name: String,
    #[command(flatten)]
    print: PrintArgs,
}

impl ConsumeArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let (frames, requests) = mpsc::channel(FRAMES);
        send(&frames, consume_request::Frame::Open(self.open())).await?;
        let request = caller.stream(ReceiverStream::new(requests));
        let mut answers = caller.queues().consume(request).await?.into_inner();
        let mut session = Session {
            frames: Some(frames),
            settle_id: 0,
            left: self.count.unwrap_or(u64::MAX),
            executor: self.exec.as_ref().map(|command| Executor::new(command, self.jobs as usize, self.nack_delay)),
            printer: Printer::new(&mut output, self.print),
            entries: Entries::default(),
            settled: 0,
            last_message: Instant::now(),
            draining: false,
        };
        let mut interrupts = Interrupts::listen();
        loop {
            if session.left == 0 && session.is_idle() {
                session.close();
            }
            let idle_end = self.idle_exit.map(|time| session.last_message + time);
            let waits = session.left > 0 && session.is_idle();
            tokio::select! {
                answer = answers.message() => match answer? {
                    Some(answer) => session.answer(answer).await?,
                    None => break,
                },
                Some(settlement) = session.executed() => session.settle(vec![settlement]).await?,
                () = interrupts.next() => match session.left {
                    0 => return Err(Failure::failed("interrupted before everything was settled")),
                    _ => session.stop().await?,
                },
                () = until(idle_end), if waits => session.stop().await?,
            }
        }
        session.finish()
    }

    fn open(&self) -> consume_request::Open {
        let jobs = self.exec.is_some().then_some(self.jobs);
        let wanted = self.count.and_then(|count| u32::try_from(count).ok());
        let messages = self.max_outstanding.or(jobs).unwrap_or(crate::base::limits::CONSUME_MESSAGES_DEFAULT);
        let flow = FlowControl {
            max_outstanding_messages: messages.min(wanted.unwrap_or(u32::MAX)).max(1),
            max_outstanding_bytes: self.max_outstanding_bytes.unwrap_or(crate::base::limits::CONSUME_BYTES_DEFAULT),
        };
        consume_request::Open {
            queue: self.queue.clone(),
            consumer_name: self.name.clone(),
            flow_control: Some(flow),
            visibility_timeout: self.visibility_timeout.map(value::to_proto),
            max_lease: self.max_lease.map(value::to_proto),
            release_grace: Some(value::to_proto(RELEASE_GRACE)),
            max_batch_delay: None,
            resume_session_id: String::new(),
            held_receipt_handles: Vec::new(),
        }
    }
}

/// Waits until then, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

struct Session<'o> {
    /// Gone once this side has said everything.
    frames: Option<mpsc::Sender<ConsumeRequest>>,
    settle_id: u64,
    /// Messages still wanted.
    left: u64,
    executor: Option<Executor>,
    printer: Printer<'o>,
    entries: Entries,
    settled: usize,
    last_message: Instant,
    draining: bool,
}

impl Session<'_> {
    fn is_idle(&self) -> bool {
        self.executor.as_ref().is_none_or(Executor::is_idle)
    }

    async fn executed(&mut self) -> Option<Settlement> {
        self.executor.as_mut()?.next().await
    }

    async fn answer(&mut self, answer: ConsumeResponse) -> Result<(), Failure> {
        match answer.frame {
            Some(consume_response::Frame::Delivery(delivery)) => self.deliver(delivery.messages).await,
            Some(consume_response::Frame::SettledThrough(settled)) => {
                self.settled = self.settled.saturating_sub(settled.failures.len());
                for failure in settled.failures {
                    self.entries.failed(&failure.receipt_handle, &failure.error.unwrap_or_default());
                }
                Ok(())
            }
            Some(consume_response::Frame::Draining(_)) => {
                self.draining = true;
                self.stop().await
            }
            Some(consume_response::Frame::Opened(_) | consume_response::Frame::Heartbeat(_)) | None => Ok(()),
        }
    }

    async fn deliver(&mut self, messages: Vec<ReceivedMessage>) -> Result<(), Failure> {
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
                Some(executor) => executor.start(message),
                None => {
                    self.printer.print(message)?;
                    settlements.push(Settlement { receipt_handle: handle, outcome: Some(Outcome::Ack(Ack {})) });
                }
            }
        }
        if settlements.is_empty() { Ok(()) } else { self.settle(settlements).await }
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), Failure> {
        self.settled += settlements.len();
        self.last_message = Instant::now();
        self.settle_id += 1;
        let frame = consume_request::Settle { settle_id: self.settle_id, settlements };
        self.send(consume_request::Frame::Settle(frame)).await
    }

    /// Takes no more messages; what runs may finish.
    async fn stop(&mut self) -> Result<(), Failure> {
        self.left = 0;
        if let Some(executor) = &self.executor {
            executor.stop();
        }
        self.send(consume_request::Frame::FlowControl(FlowControl::default())).await
    }

    fn close(&mut self) {
        self.frames = None;
    }

    async fn send(&self, frame: consume_request::Frame) -> Result<(), Failure> {
        match &self.frames {
            Some(frames) => send(frames, frame).await,
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        if self.draining {
            return Err(Failure::new(Exit::Unreachable, "the server is shutting down; everything held is settled"));
        }
        if self.left > 0 {
            return Err(Failure::new(Exit::Unreachable, "the server ended the call"));
        }
        self.entries.done(self.settled);
        self.entries.finish("settlements")
    }
}

async fn send(frames: &mpsc::Sender<ConsumeRequest>, frame: consume_request::Frame) -> Result<(), Failure> {
    let request = ConsumeRequest { frame: Some(frame) };
    // A closed channel means that the call has ended; its answer says why, and is read next.
    let _ = frames.send(request).await;
    Ok(())
}
