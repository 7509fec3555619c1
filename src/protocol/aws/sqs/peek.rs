//! Reading a queue without receiving from it, as LocalStack's developer endpoint does: everything that is visible, and on
//! request what is in flight or delayed.

use super::{
    message::{AttributeNames, SystemNames, View},
    name,
};
use crate::{
    base::{
        limits,
        name::{AccountId, QueueName, QueuePath, Region},
        time::Timestamp,
    },
    protocol::aws::{
        call::{Call, Reply},
        errors::sqs,
        fault::Fault,
        wire::input::Input,
    },
    service::{
        peek::{Peek, PeekedMessage},
        words::MessageState,
    },
};

/// No handle: nothing was received.
const HANDLE: &str = "SQS/BACKDOOR/ACCESS";

/// Which queue is meant. `rest` is what follows the endpoint in the path: nothing, or `/{region}/{account}/{queue}`.
pub(in crate::protocol::aws) fn queue(call: &Call, input: &Input<'_>, rest: &str) -> Result<QueuePath, Fault> {
    if let Some(path) = in_path(rest) {
        return Ok(path);
    }
    let url = input.text("QueueUrl")?.filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| Fault::new(&sqs::QUEUE_DOES_NOT_EXIST, name::NO_QUEUE))?;
    name::of_url(call, &url)
}

pub(in crate::protocol::aws) async fn peek(call: &Call, input: &Input<'_>, path: &QueuePath) -> Result<Reply, Fault> {
    let mut states = vec![MessageState::Visible];
    if is_set(input, "ShowInvisible")? {
        states.push(MessageState::InFlight);
    }
    if is_set(input, "ShowDelayed")? {
        states.push(MessageState::Delayed);
    }
    let request = Peek {
        queue: name::native(call, path).into_owned(),
        page_size: i64::try_from(limits::PAGE_SIZE_MAX).unwrap_or(i64::MAX),
        states,
        ..Peek::default()
    };
    let page = call.broker.peek(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?;
    Ok(call.reply(1024 * page.messages.len(), |w| {
        w.list(("Messages", "Message"), &page.messages, |w, message| {
            let source = |source: &str| name::arn_of_native(call, source);
            view(message).write(w, SystemNames::ALL, &AttributeNames::all(), source);
        });
    }))
}

fn is_set(input: &Input<'_>, name: &str) -> Result<bool, Fault> {
    let text = input.text(name)?.unwrap_or_default();
    Ok(["true", "1", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}

fn in_path(rest: &str) -> Option<QueuePath> {
    let mut segments = rest.trim_matches('/').split('/');
    let (region, account, name) = (segments.next()?, segments.next()?, segments.next()?);
    Some(QueuePath {
        account: AccountId::parse(account).ok()?,
        region: Region::parse(region).ok()?,
        name: QueueName::parse(name).ok()?,
    })
}

fn view(peeked: &PeekedMessage) -> View<'_> {
    let message = &peeked.message;
    View {
        payload: &message.payload,
        receipt_handle: HANDLE,
        sequence_number: message.sequence_number,
        receive_count: message.receive_count,
        send_time: message.send_time,
        first_receive: message.first_receive.unwrap_or(Timestamp::ZERO),
    }
}
