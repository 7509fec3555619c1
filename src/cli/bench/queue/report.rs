//! The figures of a run.

use super::args::{Mode, QueueBenchArgs};
use crate::{
    cli::bench::{
        figures::{self, Figures},
        show::grouped,
    },
    config::unit::{show_duration, show_size},
};
use serde::Serialize;

/// A run: the same round several times.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    mode: Mode,
    clients: u32,
    connections: u32,
    batch: u32,
    size: u64,
    queues: u32,
    fifo: bool,
    backlog: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    pub(super) rounds: Vec<Figures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ceiling: Vec<Figures>,
    /// The median of rate by rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Report {
    pub(super) fn new(args: &QueueBenchArgs, rounds: Vec<Figures>, ceiling: Vec<Figures>) -> Self {
        Self {
            mode: args.mode,
            clients: args.clients,
            connections: args.connections(),
            batch: args.batch(),
            size: args.size,
            queues: args.queues,
            fifo: args.fifo,
            backlog: args.backlog,
            rate: args.rate,
            ratio: figures::ratio(&rounds, &ceiling),
            rounds,
            ceiling,
        }
    }

    pub(super) fn text(&self, args: &QueueBenchArgs) -> String {
        self.head(args) + &figures::text(&self.rounds, &self.ceiling, self.ratio, self.fifo)
    }

    fn head(&self, args: &QueueBenchArgs) -> String {
        let mode = match self.mode {
            Mode::Send => "send",
            Mode::Produce => "produce",
            Mode::Receive => "receive and settle",
            Mode::Consume => "consume and settle",
        };
        let backlog = match args.backlog {
            0 => String::new(),
            backlog => format!(", a backlog of {}", grouped(backlog)),
        };
        let kind = if self.fifo { " FIFO" } else { "" };
        let how = match (args.receives(), self.rate) {
            (true, _) => format!("{} messages", grouped(args.messages)),
            (false, Some(rate)) => format!("open loop at {rate} messages/s for {}", show_duration(args.duration)),
            (false, None) => format!("closed loop for {}", show_duration(args.duration)),
        };
        format!(
            "{mode}: {} clients on {} connections, batch {}, {} bodies, {}{kind} queues, {how}{backlog}\n",
            self.clients,
            self.connections,
            self.batch,
            show_size(self.size),
            grouped(u64::from(self.queues)),
        )
    }

    /// Whether every message came back and nothing was refused.
    pub(super) fn holds(&self) -> bool {
        self.rounds.iter().all(|figures| figures.holds(self.fifo))
    }
}
