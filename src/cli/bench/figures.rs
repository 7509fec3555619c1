//! What a server did in a round, whatever was measured of it.

use super::{
    ledger::Verdict,
    show::{grouped, median, span},
    tally::Tally,
};
use crate::config::unit::show_size;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// What is counted a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) enum Rate {
    #[serde(rename = "messages_per_second")]
    Messages(f64),
    #[serde(rename = "records_per_second")]
    Records(f64),
}

impl Rate {
    pub(super) fn per_second(self) -> f64 {
        match self {
            Self::Messages(rate) | Self::Records(rate) => rate,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Messages(_) => "messages",
            Self::Records(_) => "records",
        }
    }
}

/// What one server did in one round.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) rate: Rate,
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

/// What a round brought.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) tally: Tally,
    pub(super) elapsed: Duration,
    pub(super) verdict: Option<Verdict>,
}

impl Figures {
    /// Of entries of this size; `rate` says what they are.
    pub(super) fn new(round: &Round, size: u64, rate: fn(f64) -> Rate) -> Self {
        let seconds = round.elapsed.as_secs_f64().max(1e-9);
        let latency = &round.tally.latency_us;
        Self {
            rate: rate(round.tally.messages as f64 / seconds),
            bytes_per_second: round.tally.messages as f64 * size as f64 / seconds,
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
            "{what:9} {:>10} {}/s  {:>9}/s  {:>9} calls/s  p50 {}  p90 {}  p99 {}  p99.9 {}  max {}\n",
            grouped(self.rate.per_second() as u64),
            self.rate.noun(),
            show_size(self.bytes_per_second as u64),
            grouped(self.calls_per_second as u64),
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

    /// Whether everything came back and nothing was refused.
    pub(super) fn holds(&self, in_order: bool) -> bool {
        self.errors.is_empty() && self.verdict.is_none_or(|verdict| verdict.holds(in_order))
    }
}

/// The median of the rounds' rates, each as a part of its ceiling's.
pub(super) fn ratio(rounds: &[Figures], ceiling: &[Figures]) -> Option<f64> {
    let part = |(server, ceiling): (&Figures, &Figures)| server.rate.per_second() / ceiling.rate.per_second().max(1e-9);
    let mut ratios: Vec<_> = rounds.iter().zip(ceiling).map(part).collect();
    (!ratios.is_empty()).then(|| median(&mut ratios))
}

/// All rounds, each followed by its ceiling.
pub(super) fn text(rounds: &[Figures], ceiling: &[Figures], ratio: Option<f64>, in_order: bool) -> String {
    let mut text = String::new();
    for (at, figures) in rounds.iter().enumerate() {
        text += &figures.text("server");
        if let Some(verdict) = &figures.verdict {
            text += &format!("{:9} {}\n", "verified", verdict_text(verdict, in_order));
        }
        if let Some(ceiling) = ceiling.get(at) {
            text += &ceiling.text("ceiling");
        }
    }
    if let Some(ratio) = ratio {
        text += &format!("{:9} {ratio:.2} of the ceiling\n", "ratio");
    }
    text
}

fn verdict_text(verdict: &Verdict, in_order: bool) -> String {
    let order = match (in_order, verdict.out_of_order) {
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
