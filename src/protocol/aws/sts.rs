//! STS, as far as programs need it to learn who they are.

use super::{
    call::{Call, Reply},
    fault::Fault,
    wire::input::Input,
};

pub(super) async fn get_caller_identity(call: &Call, _: &Input<'_>) -> Result<Reply, Fault> {
    let caller = &call.caller;
    Ok(call.reply(256, |w| {
        w.text("Arn", &caller.identity.arn);
        w.text("UserId", &caller.principal);
        w.text("Account", caller.account.as_str());
    }))
}
