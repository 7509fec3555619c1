//! When something was last done that may be done only so often in 24 hours.

use super::error::{Field, StreamError};
use crate::base::{limits::STREAM_CHANGES_WINDOW, time::Timestamp};
use std::collections::BTreeSet;

/// Moments of the last window; a checkpoint keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recent(BTreeSet<Timestamp>);

impl Recent {
    pub(super) fn restore(moments: Vec<Timestamp>) -> Self {
        Self(moments.into_iter().collect())
    }

    pub(super) fn moments(&self) -> Vec<Timestamp> {
        self.0.iter().copied().collect()
    }

    pub(super) fn check(&self, now: Timestamp, field: Field, limit: usize) -> Result<(), StreamError> {
        let mut counted = self.0.iter().rev().filter(|moment| **moment + STREAM_CHANGES_WINDOW > now);
        match limit.checked_sub(1).and_then(|index| counted.nth(index)) {
            None => Ok(()),
            Some(first) => Err(StreamError::TooOften { field, limit, again_at: *first + STREAM_CHANGES_WINDOW }),
        }
    }

    pub(super) fn note(&mut self, at: Timestamp) {
        self.0.insert(at);
        self.0.retain(|moment| *moment + STREAM_CHANGES_WINDOW > at);
    }
}
