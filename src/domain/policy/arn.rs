//! Patterns of resource names: each of the six parts is matched apart, so that a wildcard stays within its colons; a
//! pattern of fewer parts that ends in `*` covers everything behind them.

use super::{
    error::{PolicyError, quoted},
    pattern::{Pattern, Reading},
    request::{Arn, Request},
};

const PARTS: usize = 6;

#[derive(Clone, Debug)]
pub(super) enum ArnPattern {
    All,
    /// One pattern a part. Of fewer than six, the last one covers all that is left.
    Parts(Box<[Pattern]>),
}

impl ArnPattern {
    pub(super) fn parse(text: &str, variables: bool, place: &str) -> Result<Self, PolicyError> {
        const ALLOWED: &str = "\"*\" or arn:partition:service:region:account:resource, shorter only when it ends in *";
        let reading = Reading { wildcards: true, variables, any_case: false };
        let wrong = || PolicyError::element(place, quoted(text), ALLOWED);
        if text == "*" {
            return Ok(Self::All);
        }
        let parts = split(text, variables);
        let is_arn = parts.first() == Some(&"arn");
        if !is_arn || parts.len() < 2 || parts.len() < PARTS && !text.ends_with('*') {
            return Err(wrong());
        }
        let parts = parts.into_iter().map(|part| Pattern::parse(part, reading, place)).collect::<Result<_, _>>()?;
        Ok(Self::Parts(parts))
    }

    pub(super) fn matches(&self, arn: &Arn<'_>, request: &Request<'_>) -> bool {
        let Self::Parts(patterns) = self else { return true };
        let parts = arn.parts();
        if patterns.len() == PARTS {
            return patterns.iter().zip(parts).all(|(pattern, part)| pattern.matches(part, request));
        }
        let Some((last, before)) = patterns.split_last() else { return false };
        before.iter().zip(parts).all(|(pattern, part)| pattern.matches(part, request))
            && (last.is_all() || last.matches(&parts.get(before.len()..).unwrap_or_default().join(":"), request))
    }
}

/// The parts between colons that stand outside of variables; the sixth keeps its colons.
fn split(text: &str, variables: bool) -> Vec<&str> {
    let mut parts = Vec::with_capacity(PARTS);
    let (mut start, mut inside) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'$' if variables && text.get(at + 1..).is_some_and(|rest| rest.starts_with('{')) => inside = true,
            b'}' => inside = false,
            b':' if !inside && parts.len() < PARTS - 1 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}
