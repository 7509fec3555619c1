//! What is wrong with a policy document: the element, what stands there, and what may.

use std::fmt;

/// What sort of mistake it is: protocols may answer them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text has more bytes than a policy may.
    Size,
    /// The text is no JSON.
    Syntax,
    /// An element does not follow the policy language.
    Element,
    /// There is more of something than a policy may hold.
    Limit,
}

/// A document that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is {found}, allowed is {allowed}")]
pub struct PolicyError {
    pub fault: Fault,
    /// The element: `Statement[0].Effect`, or a line and column.
    pub place: String,
    pub found: String,
    pub allowed: String,
}

impl PolicyError {
    pub(super) fn element(place: impl fmt::Display, found: impl fmt::Display, allowed: impl fmt::Display) -> Self {
        Self::new(Fault::Element, place, found, allowed)
    }

    /// `found` and `most` are numbers of `what`: "9 actions".
    pub(super) fn limit(place: impl fmt::Display, what: &str, found: usize, most: usize) -> Self {
        Self::new(Fault::Limit, place, format!("{found} {what}"), format!("{most} {what} at most"))
    }

    pub(super) fn new(
        fault: Fault,
        place: impl fmt::Display,
        found: impl fmt::Display,
        allowed: impl fmt::Display,
    ) -> Self {
        Self { fault, place: place.to_string(), found: found.to_string(), allowed: allowed.to_string() }
    }
}

/// Quotes what was found, cut so that an error never repeats a whole document.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
