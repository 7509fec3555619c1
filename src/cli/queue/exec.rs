//! Runs a command for each message: the body on standard input, the rest in the environment.
//!
//! Messages of one group run one after another, in the order they came; when one fails, those behind it that are held already are not
//! run, because the broker voids their leases.

use crate::{
    cli::{Exit, Failure, output::note, value},
    proto::queue::v1::{Ack, Nack, ReceivedMessage, Settlement, settlement::Outcome},
};
use std::{
    collections::HashMap,
    io,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    sync::{Semaphore, oneshot},
    task::JoinSet,
};

/// What became of one message.
struct Done {
    settlement: Settlement,
    end: End,
}

/// How the command of one message ended.
enum End {
    NotRun,
    Well,
    /// The group whose first failure this is.
    Badly(String),
}

/// The commands that run and those that wait for their turn.
pub(super) struct Executor {
    command: Arc<str>,
    nack_delay: Option<Duration>,
    slots: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
    /// By group: whether the message before went well.
    before: HashMap<String, oneshot::Receiver<bool>>,
    jobs: JoinSet<Done>,
    ended: usize,
    failed: usize,
}

impl Executor {
    pub(super) fn new(command: &str, jobs: usize, nack_delay: Option<Duration>) -> Self {
        Self {
            command: command.into(),
            nack_delay,
            slots: Arc::new(Semaphore::new(jobs)),
            stopping: Arc::default(),
            before: HashMap::new(),
            jobs: JoinSet::new(),
            ended: 0,
            failed: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Commands that wait are not started any more.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Commands are started again.
    pub(super) fn go_on(&self) {
        self.stopping.store(false, Ordering::Relaxed);
    }

    pub(super) fn start(&mut self, message: ReceivedMessage) {
        if self.jobs.is_empty() {
            self.before.clear();
        }
        let (tell, result) = oneshot::channel();
        let before = match message.group_id.as_str() {
            "" => None,
            group => self.before.insert(group.to_owned(), result),
        };
        let (command, slots, stopping) = (self.command.clone(), self.slots.clone(), self.stopping.clone());
        let nack_delay = self.nack_delay;
        self.jobs.spawn(async move {
            let order_holds = match before {
                Some(before) => before.await.unwrap_or(false),
                None => true,
            };
            let _slot = slots.acquire().await;
            let handle = message.receipt_handle.clone();
            if !order_holds || stopping.load(Ordering::Relaxed) {
                // Nobody listens when this was the last message of its group.
                let _ = tell.send(false);
                return Done { settlement: give_back(handle), end: End::NotRun };
            }
            let went_well = run(&command, &message).await;
            let _ = tell.send(went_well);
            let nack = Nack { delay: nack_delay.map(value::to_proto), keep_receive_count: false };
            let outcome = if went_well { Outcome::Ack(Ack {}) } else { Outcome::Nack(nack) };
            let settlement = Settlement { receipt_handle: handle, outcome: Some(outcome) };
            Done { settlement, end: if went_well { End::Well } else { End::Badly(message.group_id) } }
        });
    }

    /// The settlement of the next command that ends; nothing when none runs.
    ///
    /// # Cancel safety
    /// A command that ended is not lost when this is dropped.
    pub(super) async fn next(&mut self) -> Option<Settlement> {
        loop {
            match self.jobs.join_next().await? {
                Ok(done) => {
                    self.count(&done.end);
                    return Some(done.settlement);
                }
                Err(error) => {
                    note(&format!("a command was lost: {error}"));
                    self.count(&End::Badly(String::new()));
                }
            }
        }
    }

    fn count(&mut self, end: &End) {
        self.ended += usize::from(!matches!(end, End::NotRun));
        if let End::Badly(group) = end {
            self.failed += 1;
            self.before.remove(group);
        }
    }

    /// What a script learns at the end: how many commands failed, of all that ran.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        if self.failed == 0 {
            return Ok(());
        }
        let exit = if self.failed == self.ended { Exit::Failed } else { Exit::Partly };
        Err(Failure::new(exit, format!("{} of {} commands failed", self.failed, self.ended)))
    }
}

/// A lease that was not used.
pub(super) fn give_back(receipt_handle: String) -> Settlement {
    let nack = Nack { delay: None, keep_receive_count: true };
    Settlement { receipt_handle, outcome: Some(Outcome::Nack(nack)) }
}

/// Tells whether the command ended with 0.
async fn run(command: &str, message: &ReceivedMessage) -> bool {
    match try_run(command, message).await {
        Ok(true) => true,
        Ok(false) => {
            note(&format!("{}: the command failed", message.message_id));
            false
        }
        Err(error) => {
            note(&format!("{}: the command could not run: {error}", message.message_id));
            false
        }
    }
}

async fn try_run(command: &str, message: &ReceivedMessage) -> io::Result<bool> {
    let mut child = Command::new("sh");
    child
        .args(["-c", command])
        .env("FOREBAY_MESSAGE_ID", &message.message_id)
        .env("FOREBAY_RECEIVE_COUNT", message.receive_count.to_string())
        .env("FOREBAY_GROUP_ID", &message.group_id)
        .env("FOREBAY_SEQUENCE_NUMBER", &message.sequence_number)
        .stdin(Stdio::piped())
        // Not in our group, so that Ctrl-C lets it finish.
        .process_group(0)
        .kill_on_drop(true);
    if !message.trace_context.is_empty() {
        child.env("TRACEPARENT", &message.trace_context);
    }
    let mut child = child.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(&message.body).await {
            // A command need not read what it is given.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(child.wait().await?.success())
}
