//! How a command ends: the exit codes that scripts may rely on, and the text of a failure.

use crate::{base::reason::Reason, config::ConfigError};
use std::{fmt, io, process::ExitCode};

/// What a script learns from a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    /// The command line or the configuration is wrong; nothing was done.
    Usage = 2,
    /// Some entries of a batch failed.
    Partly = 3,
    NotFound = 4,
    Denied = 5,
    /// The server cannot be reached, or does not answer in time.
    Unreachable = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do everything it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub exit: Exit,
    /// The stable name, when the broker gave one.
    pub reason: Option<String>,
    pub text: String,
    pub hints: Vec<String>,
    /// The connection broke under the call.
    pub lost_connection: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, reason: None, text: text.into(), hints: Vec::new(), lost_connection: false }
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, text)
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the reason and says where it is explained.
    pub(crate) fn reason(mut self, reason: &str) -> Self {
        if Reason::ALL.iter().any(|known| known.as_str() == reason) {
            self.hints.push(format!("forebay errors explain {reason}"));
        }
        self.reason = Some(reason.to_owned());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "error: {reason}: {}", self.text)?,
            None => write!(f, "error: {}", self.text)?,
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("the configuration is not valid\n{error}"))
    }
}

/// A reader that stops reading (`| head`) is no failure; everything else about standard output is.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::failed(error.to_string())
    }
}
