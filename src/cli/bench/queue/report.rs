//! The figures of a run.

use super::{
    args::{Mode, QueueBenchArgs},
    ledger::Verdict,
    round::Round,
};
use crate::{
    cli::bench::show::{grouped, median, span},
    config::unit::{show_duration, show_size},
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// What one server did in one round.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) messages_per_second: f64,
    bytes_per_second: f64,
    calls_per_second: f64,
    p50_us: u64,
    p90_us: u64,
    p99_us: u64,
    p999_us: u64,
    max_us: u64,
    pub(super) errors: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<Verdict>,
}

impl Figures {
    pub(super) fn new(args: &QueueBenchArgs, round: &Round) -> Self {
        let seconds = round.elapsed.as_secs_f64().max(1e-9);
        let latency = &round.tally.latency_us;
        Self {
            messages_per_second: round.tally.messages as f64 / seconds,
            bytes_per_second: round.tally.messages as f64 * args.size as f64 / seconds,
            calls_per_second: round.tally.calls as f64 / seconds,
            p50_us: latency.value_at_quantile(0.5),
            p90_us: latency.value_at_quantile(0.9),
            p99_us: latency.value_at_quantile(0.99),
            p999_us: latency.value_at_quantile(0.999),
            max_us: latency.max(),
            errors: round.tally.errors.clone(),
            verdict: round.verdict,
        }
    }

    fn text(&self, what: &str) -> String {
        let micros = |micros| span(Duration::from_micros(micros));
        let mut text = format!(
            "{what:9} {:>10} messages/s  {:>9}/s  {:>9} {}/s  p50 {}  p90 {}  p99 {}  p99.9 {}  max {}\n",
            grouped(self.messages_per_second as u64),
            show_size(self.bytes_per_second as u64),
            grouped(self.calls_per_second as u64),
            "calls",
            micros(self.p50_us),
            micros(self.p90_us),
            micros(self.p99_us),
            micros(self.p999_us),
            micros(self.max_us),
        );
        for (reason, count) in &self.errors {
            text += &format!("{:9} {} times {reason}\n", "refused", grouped(*count));
        }
        text
    }
}

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
        let mut ratios: Vec<_> = rounds
            .iter()
            .zip(&ceiling)
            .map(|(server, ceiling)| server.messages_per_second / ceiling.messages_per_second.max(1e-9))
            .collect();
        Self {
            mode: args.mode,
            clients: args.clients,
            connections: args.connections(),
            batch: args.batch(),
            size: args.size,
            queues: args.queues,
            fifo: args.fifo,
            rate: args.rate,
            ratio: (!ratios.is_empty()).then(|| median(&mut ratios)),
            rounds,
            ceiling,
        }
    }

    pub(super) fn text(&self, args: &QueueBenchArgs) -> String {
        let mut text = self.head(args);
        for (at, figures) in self.rounds.iter().enumerate() {
            text += &figures.text("server");
            if let Some(verdict) = &figures.verdict {
                text += &format!("{:9} {}\n", "verified", verdict_text(verdict, self.fifo));
            }
            if let Some(ceiling) = self.ceiling.get(at) {
                text += &ceiling.text("ceiling");
            }
        }
        if let Some(ratio) = self.ratio {
            text += &format!("{:9} {ratio:.2} of the ceiling\n", "ratio");
        }
        text
    }

    fn head(&self, args: &QueueBenchArgs) -> String {
        let mode = match self.mode {
            Mode::Send => "send",
            Mode::Produce => "produce",
            Mode::Receive => "receive and settle",
            Mode::Consume => "consume and settle",
        };
        let kind = if self.fifo { " FIFO" } else { "" };
        let how = match (args.receives(), self.rate) {
            (true, _) => format!("{} messages", grouped(args.messages)),
            (false, Some(rate)) => format!("open loop at {rate} messages/s for {}", show_duration(args.duration)),
            (false, None) => format!("closed loop for {}", show_duration(args.duration)),
        };
        format!(
            "{mode}: {} clients on {} connections, batch {}, {} bodies, {}{kind} queues, {how}\n",
            self.clients,
            self.connections,
            self.batch,
            show_size(self.size),
            grouped(u64::from(self.queues)),
        )
    }

    /// Whether every message came back and nothing was refused.
    pub(super) fn holds(&self) -> bool {
        let holds = |figures: &Figures| {
            figures.errors.is_empty() && figures.verdict.is_none_or(|verdict| verdict.holds(self.fifo))
        };
        self.rounds.iter().all(holds)
    }
}

fn verdict_text(verdict: &Verdict, fifo: bool) -> String {
    let order = match (fifo, verdict.out_of_order) {
        (false, _) => String::new(),
        (true, 0) => ", in order".to_owned(),
        (true, count) => format!(", {} out of order", grouped(count)),
    };
    format!(
        "{} sent, {} received, {} lost, {} twice, {} changed{order}",
        grouped(verdict.sent),
        grouped(verdict.received),
        grouped(verdict.lost),
        grouped(verdict.twice),
        grouped(verdict.changed),
    )
}
