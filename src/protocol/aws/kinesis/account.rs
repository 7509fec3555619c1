//! Settings of an account: of those that AWS has, which are all about bills, this server has none.

use super::{
    call::{Call, Outcome},
    fault,
};
use crate::{
    protocol::aws::{
        fault::Fault,
        wire::value::{Members, Value},
    },
    service::authorise::Action,
};

const COMMITMENT: &str = "MinimumThroughputBillingCommitment";

fn settings() -> Outcome {
    Members::default().with(COMMITMENT, Members::default().with("Status", "DISABLED")).into()
}

fn authorise(call: &Call, action: Action) -> Result<(), Fault> {
    call.broker.authorise_account(&call.caller, action).map_err(fault::refused)
}

pub(super) async fn describe(call: &Call, _: &Value<'_>) -> Result<Outcome, Fault> {
    authorise(call, Action::DescribeAccountSettings)?;
    Ok(settings())
}

/// # Errors
///
/// A commitment is to begin: nothing here costs, and what it would allow is allowed anyway.
pub(super) async fn update(call: &Call, input: &Value<'_>) -> Result<Outcome, Fault> {
    authorise(call, Action::UpdateAccountSettings)?;
    match input.member(COMMITMENT).and_then(|asked| asked.text("Status")) {
        Some("ENABLED") => Err(fault::validation(
            "Request is invalid. There is no billing to commit to: warm throughput needs no commitment.",
        )),
        _ => Ok(settings()),
    }
}
