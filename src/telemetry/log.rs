//! The subscriber that writes log lines, and the handle that changes its filter while it runs.

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

/// The log filter is not valid, or nobody listens to it any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("{filter:?} is not a log filter: {reason}")]
    Invalid { filter: String, reason: String },
    #[error("the log filter cannot be changed: {0}")]
    Fixed(String),
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    Text,
    Json,
}

impl LineFormat {
    /// Text when standard error is a terminal, else JSON.
    pub fn detect() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Changes the filter of the running subscriber.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    current: Arc<Mutex<String>>,
}

impl LogFilter {
    /// Puts another filter in force, until the next start.
    ///
    /// # Errors
    /// When the text is not a filter.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let parsed = parse(filter)?;
        self.handle.reload(parsed).map_err(|error| FilterError::Fixed(error.to_string()))?;
        filter.clone_into(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// The filter in force.
    pub fn current(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes the subscriber of the process.
///
/// # Errors
/// When the filter is not valid, or the process has a subscriber already.
pub fn init(format: LineFormat, filter: &str) -> Result<LogFilter, FilterError> {
    let (filter_layer, handle) = reload::Layer::new(parse(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LineFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LineFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter_layer));
    subscriber.try_init().map_err(|error| FilterError::Fixed(error.to_string()))?;
    Ok(LogFilter { handle, current: Arc::new(Mutex::new(filter.to_owned())) })
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let invalid = |reason: String| FilterError::Invalid { filter: filter.to_owned(), reason };
    if filter.trim().is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    EnvFilter::try_new(filter).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_directives() {
        for good in ["info", "warn,forebay::engine=debug", "off"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "forebay=loud", "=info=="] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_filter_that_is_not_valid_leaves_the_one_in_force() {
        let (layer, handle) = reload::Layer::<EnvFilter, Registry>::new(parse("info").expect("valid"));
        let filter = LogFilter { handle, current: Arc::new(Mutex::new("info".to_owned())) };
        assert!(filter.set("forebay=loud").is_err());
        assert_eq!(filter.current(), "info");
        assert_eq!(filter.set("debug"), Ok(()));
        assert_eq!(filter.current(), "debug");
        drop(layer);
        assert!(matches!(filter.set("info"), Err(FilterError::Fixed(_))));
    }
}
