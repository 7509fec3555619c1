//! The figures of a run.

use super::args::{Mode, StreamBenchArgs};
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
    /// At the end of the last round, those that were split or merged among them.
    shards: usize,
    on_demand: bool,
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
    pub(super) fn new(args: &StreamBenchArgs, shards: usize, rounds: Vec<Figures>, ceiling: Vec<Figures>) -> Self {
        let readers = u32::try_from(shards).unwrap_or(u32::MAX);
        let clients = if args.reads() { args.clients.min(readers) } else { args.clients };
        Self {
            mode: args.mode,
            clients,
            connections: args.connections().min(clients),
            batch: args.batch(),
            size: args.size,
            shards,
            on_demand: args.shards.is_none(),
            rate: args.rate,
            ratio: figures::ratio(&rounds, &ceiling),
            rounds,
            ceiling,
        }
    }

    pub(super) fn text(&self, args: &StreamBenchArgs) -> String {
        self.head(args) + &figures::text(&self.rounds, &self.ceiling, self.ratio, true)
    }

    fn head(&self, args: &StreamBenchArgs) -> String {
        let mode = match self.mode {
            Mode::Put => "put",
            Mode::Produce => "produce",
            Mode::Tail => "put and tail",
            Mode::Read => "read",
            Mode::Subscribe => "subscribe",
        };
        let batch = match self.mode {
            Mode::Put | Mode::Produce | Mode::Tail | Mode::Read => format!("batch {}, ", self.batch),
            Mode::Subscribe => String::new(),
        };
        let how = match (args.reads(), self.rate) {
            (true, _) => format!("{} records", grouped(args.records)),
            (false, Some(rate)) => format!("open loop at {rate} records/s for {}", show_duration(args.duration)),
            (false, None) => format!("closed loop for {}", show_duration(args.duration)),
        };
        format!(
            "{mode}: {} clients on {} connections, {batch}{} records, {} shards{}, {how}\n",
            self.clients,
            self.connections,
            show_size(self.size),
            grouped(self.shards as u64),
            if self.on_demand { " on demand" } else { "" },
        )
    }

    /// Whether every record came back and nothing was refused.
    pub(super) fn holds(&self) -> bool {
        self.rounds.iter().all(|figures| figures.holds(true))
    }
}
