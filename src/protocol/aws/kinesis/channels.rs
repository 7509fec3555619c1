//! Channels, which deliver a stream's records to storage: this server delivers to none, and says so.

use super::{
    call::{Call, Outcome},
    fault::{self, RESOURCE_NOT_FOUND},
    target, token,
};
use crate::{
    base::name::{AccountId, Namespace, Region},
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Value},
    },
    service::authorise::Action,
};

const DESTINATIONS: [(&str, &str); 2] =
    [("S3DestinationConfiguration", "S3 buckets"), ("S3TablesDestinationConfiguration", "tables of S3 Tables")];

/// # Errors
///
/// Always: a channel that takes records and delivers none would lose them quietly.
pub(super) async fn create(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    let [source] = input.items("StreamConfigurationList") else {
        let found = input.items("StreamConfigurationList").len();
        return Err(fault::validation(format!(
            "StreamConfigurationList must contain exactly one entry. Found: {found}."
        )));
    };
    let given: Vec<_> = DESTINATIONS.into_iter().filter(|(member, _)| input.member(member).is_some()).collect();
    let [(member, what)] = given.as_slice() else {
        return Err(fault::validation(format!(
            "Exactly one of S3DestinationConfiguration and S3TablesDestinationConfiguration must be specified. Found: {}.",
            given.len()
        )));
    };
    let stream = target::by_arn(source.text("StreamARN").unwrap_or_default())?;
    target::find(call, Action::CreateChannel, &stream)?;
    Err(fault::validation(format!(
        "Request is invalid. {member}: this server delivers to no {what}, so that no channel is created."
    )))
}

pub(super) async fn list(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    call.broker.authorise_account(&call.caller, Action::ListChannels).map_err(fault::refused)?;
    match input.text("NextToken") {
        // No list went on, so no token was given out.
        Some(_) => Err(token::invalid_next()),
        None => Ok(Members::default().with("ChannelSummaries", Vec::new()).into()),
    }
}

pub(super) async fn describe(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    of_none(call, input, Action::DescribeChannel)
}

pub(super) async fn update(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    of_none(call, input, Action::UpdateChannel)
}

pub(super) async fn delete(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    of_none(call, input, Action::DeleteChannel)
}

/// What is asked of a channel, which there is none of.
fn of_none(call: &Call, input: &Value<'_>, action: Action) -> Result<Outcome, Fault> {
    let arn = input.text("ChannelARN").unwrap_or_default();
    let (namespace, resource) = parts(arn).unwrap_or_else(|| (call.caller.namespace(), "channel/"));
    call.broker.authorise_channel(&call.caller, action, &namespace, resource).map_err(fault::refused)?;
    let id = resource.trim_start_matches("channel/");
    let text = format!("Channel {id:.200} under account {} not found.", namespace.account);
    Err(Fault::new(&RESOURCE_NOT_FOUND, text))
}

/// Whose it is, and the last part of its ARN.
fn parts(arn: &str) -> Option<(Namespace, &str)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let namespace = Namespace { account: AccountId::parse(account).ok()?, region: Region::parse(region).ok()? };
    Some((namespace, resource))
}
