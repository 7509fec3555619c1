//! Values that are right alone and impossible together.

use super::{Config, Origin, Problem, Value};
use std::collections::BTreeMap;

/// Adds a problem for every impossible pair, at the place that set its first key.
pub(super) fn check(config: &Config, values: &BTreeMap<&'static str, Value>, problems: &mut Vec<Problem>) {
    let mut refuse = |key: &str, text: String, suggestion: &str| {
        let origin = values.get(key).map_or(Origin::Default, |value| value.origin.clone());
        problems.push(Problem { origin, text, suggestion: Some(suggestion.to_owned()) });
    };
    if !config.api.address.ip().is_loopback() && !config.api.insecure {
        let text = format!(
            "listen.api.address: {} can be reached from other machines, and this version has no TLS and no access keys",
            config.api.address
        );
        refuse(
            "listen.api.address",
            text,
            "listen on 127.0.0.1, or set listen.api.insecure = true if the network is trusted",
        );
    }
    if config.limits.inbox_bytes < config.api.max_request_bytes {
        let text = "limits.inbox_bytes is smaller than listen.api.max_request_bytes, so the largest request could never be taken";
        refuse("limits.inbox_bytes", text.to_owned(), "raise the first or lower the second");
    }
    if config.consume.max_outstanding_messages > config.limits.consume_outstanding_messages {
        let text = "consume.defaults.max_outstanding_messages is larger than limits.consume_outstanding_messages";
        refuse("consume.defaults.max_outstanding_messages", text.to_owned(), "lower the first or raise the second");
    }
}
