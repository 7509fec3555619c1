//! Metrics that clients of streams send: taken, and told to the log. Nothing of them is kept.

use super::{
    authorise::{Action, Resource},
    broker::{Broker, Caller},
};
use crate::base::reason::Refusal;

/// One value, or the sum of several, of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    pub name: String,
    /// Names and values, in the order sent.
    pub dimensions: Vec<(String, String)>,
    pub sum: f64,
    pub samples: f64,
    pub unit: String,
}

impl Broker {
    /// Each datum becomes an event of the target `metrics`, at level debug.
    ///
    /// # Errors
    ///
    /// `ACCESS_DENIED`.
    pub fn put_metrics(&self, caller: &Caller, namespace: &str, data: &[Datum]) -> Result<(), Refusal> {
        self.authorise(caller, Action::PutMetricData, Resource::Namespace(&caller.namespace()))?;
        for datum in data {
            let Datum { name, dimensions, sum, samples, unit } = datum;
            tracing::debug!(target: "metrics", namespace, name, ?dimensions, sum, samples, unit);
        }
        Ok(())
    }
}
