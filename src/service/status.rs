//! What the server says about itself, and the few things about it that can be told at run time.

use super::{
    authorise::{Action, Resource},
    broker::{Broker, Caller, ConfigValue, Rules},
    check,
};
use crate::{
    base::{
        limits,
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    engine::{client::EngineStatus, figures, scrub},
};
use std::time::Duration;

pub type StorageFigures = figures::StorageFigures;
pub type PartitionFigures = figures::PartitionFigures;
pub type ScrubFigures = scrub::ScrubFigures;

/// Features that clients may look for.
const CAPABILITIES: [&str; 12] = [
    "queue.standard",
    "queue.fifo",
    "queue.long_delay",
    "queue.explicit_dead_letter",
    "queue.nack_keep_receive_count",
    "queue.peek",
    "queue.redrive",
    "queue.fair",
    "queue.produce",
    "queue.produce.deduplication",
    "queue.consume",
    "queue.consume.resume",
];

#[derive(Clone, Debug)]
pub struct ServerInfo {
    pub version: &'static str,
    pub git_revision: &'static str,
    pub storage_format: u32,
    pub capabilities: &'static [&'static str],
    pub limits: Vec<(&'static str, u64)>,
    pub region: String,
    pub account_id: String,
    pub public_url: String,
}

#[derive(Clone, Debug, Default)]
pub struct Status {
    pub ready: bool,
    pub started: Timestamp,
    pub disk_used_bytes: u64,
    pub disk_free_bytes: u64,
    pub memory_bytes: u64,
    pub cpu_time: Duration,
    pub log_blocks: u64,
    pub recovery_duration: Duration,
    pub recovered_frames: u64,
    pub truncated_bytes: u64,
    pub clean_shutdown: bool,
    pub alarms: Vec<String>,
    pub storage: StorageFigures,
}

impl Broker {
    /// Whether the caller may do this to the server itself.
    pub fn authorise_server(&self, caller: &Caller, action: Action) -> Result<(), Refusal> {
        self.authorise(caller, action, Resource::Server)
    }

    pub fn server_info(&self, caller: &Caller) -> Result<ServerInfo, Refusal> {
        self.authorise_server(caller, Action::GetServerInfo)?;
        Ok(ServerInfo {
            version: env!("CARGO_PKG_VERSION"),
            git_revision: self.facts.git_revision,
            storage_format: self.facts.storage_format,
            capabilities: &CAPABILITIES,
            limits: limits_in_force(&self.facts.rules),
            region: self.engine.region().to_string(),
            account_id: self.facts.account.to_string(),
            public_url: self.facts.public_url.clone(),
        })
    }

    pub async fn status(&self, caller: &Caller) -> Result<Status, Refusal> {
        self.authorise_server(caller, Action::GetStatus)?;
        // It asks the file system, which may take its time.
        let engine = self.engine.clone();
        let status = tokio::task::spawn_blocking(move || engine.status()).await;
        let EngineStatus { ready, started, recovery, disk_used_bytes, disk_free_bytes, log_blocks, alarms } =
            status.map_err(|error| Refusal::new(Reason::Internal, format!("the status is not known: {error}")))?;
        let storage = self.engine.storage_figures().await?;
        Ok(Status {
            ready: ready && !self.draining().is_cancelled(),
            started,
            disk_used_bytes,
            disk_free_bytes,
            memory_bytes: (self.facts.memory_bytes)(),
            cpu_time: (self.facts.cpu_time)(),
            log_blocks,
            recovery_duration: recovery.duration,
            recovered_frames: recovery.frames,
            truncated_bytes: recovery.truncated_bytes,
            clean_shutdown: recovery.clean,
            alarms,
            storage,
        })
    }

    pub fn config(&self, caller: &Caller) -> Result<&[ConfigValue], Refusal> {
        self.authorise_server(caller, Action::GetConfig)?;
        Ok(&self.facts.config)
    }

    /// Holds until the next restart.
    pub fn set_log_filter(&self, caller: &Caller, filter: &str) -> Result<(), Refusal> {
        self.authorise_server(caller, Action::SetLogFilter)?;
        const LIMIT: &str = "level or target=level, separated by commas, such as info,forebay=debug";
        if filter.is_empty() {
            return Err(check::outside("filter", "empty", LIMIT));
        }
        check::text("filter", filter, limits::LOG_FILTER_CHARS)?;
        (self.facts.set_log_filter)(filter)
            .map_err(|why| check::outside("filter", format!("{:?} ({why})", check::shorten(filter)), LIMIT))
    }
}

fn limits_in_force(rules: &Rules) -> Vec<(&'static str, u64)> {
    vec![
        ("message_bytes", u64::from(limits::MESSAGE_BYTES_MAX)),
        ("batch_entries", limits::BATCH_ENTRIES as u64),
        ("batch_bytes", limits::BATCH_BYTES as u64),
        ("request_bytes", limits::REQUEST_BYTES as u64),
        ("response_frame_bytes", limits::RESPONSE_FRAME_BYTES as u64),
        ("receive_messages", u64::from(limits::RECEIVE_MESSAGES_MAX)),
        ("receive_wait_seconds", limits::RECEIVE_WAIT_MAX.as_secs()),
        ("visibility_timeout_seconds", limits::VISIBILITY_TIMEOUT_MAX.as_secs()),
        ("retention_seconds", limits::RETENTION_MAX.as_secs()),
        ("message_delay_seconds", limits::LONG_DELAY_MAX.as_secs()),
        ("in_flight_messages", rules.in_flight_messages as u64),
        ("produce_outstanding_bytes", rules.produce_outstanding_bytes),
        ("consume_messages", u64::from(rules.consume_messages_max)),
    ]
}
