//! Channels, which deliver a stream's records to storage: this server delivers to none, and says so.

use super::{
    call::{Call, Outcome},
    fault::{self, RESOURCE_NOT_FOUND},
};
use crate::protocol::aws::{
    fault::Fault,
    wire::value::{Members, Value},
};

/// # Errors
///
/// Always: a channel that takes records and delivers none would lose them quietly.
pub(super) async fn create(_: &Call, _: &Value<'_>) -> Result<Outcome, Fault> {
    Err(fault::validation(
        "Request is invalid. Channels are not offered: there is no destination that they deliver to.",
    ))
}

pub(super) async fn list(_: &Call, _: &Value<'_>) -> Result<Outcome, Fault> {
    Ok(Members::default().with("ChannelSummaries", Vec::new()).into())
}

/// What is asked of a channel, which there is none of.
pub(super) async fn of_none(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let arn = input.text("ChannelARN").unwrap_or_default();
    let name = arn.rsplit('/').next().unwrap_or_default();
    let text = format!("Channel {name} under account {} not found.", call.caller.account);
    Err(Fault::new(&RESOURCE_NOT_FOUND, text))
}
