//! Tags of queues.

use super::name;
use crate::{
    base::{limits, reason::Refusal},
    protocol::aws::{
        call::{Call, Reply},
        fault::{Fault, common},
        wire::input::Input,
    },
    service::tags::{TagQueue, UntagQueue},
};

const KEY_TEXT: &str = "Tag keys must be between 1 and 128 characters in length.";
const VALUE_TEXT: &str = "Tag values must be between 0 and 256 characters in length.";

pub(in crate::protocol::aws) async fn tag(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let tags = input.pairs(("Tags", "Tag"), ("Key", "Value"))?;
    let tags = tags.filter(|tags| !tags.is_empty()).ok_or_else(|| common::missing("Tags"))?;
    check(&tags)?;
    let request = TagQueue { name: name::native(call, &path).into_owned(), tags };
    let tagged = call.broker.tag_queue(&call.caller, request).await;
    tagged.map_err(|refusal| too_many(call, refusal, path.name.as_str()))?;
    Ok(call.done())
}

pub(in crate::protocol::aws) async fn untag(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let keys = input.texts(("TagKeys", "TagKey"))?.unwrap_or_default();
    if keys.is_empty() {
        return Err(common::invalid(KEY_TEXT));
    }
    keys.iter().try_for_each(|key| check_key(key))?;
    let request = UntagQueue { name: name::native(call, &path).into_owned(), keys };
    call.broker.untag_queue(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?;
    Ok(call.done())
}

pub(in crate::protocol::aws) async fn list(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let path = name::of_call(call, input)?;
    let tags = call.broker.list_queue_tags(&call.caller, &name::native(call, &path));
    let tags = tags.map_err(|refusal| call.fault(refusal))?;
    Ok(call.reply(512, |w| w.map(("Tags", "Tag"), ("Key", "Value"), tags)))
}

/// Tags to be set, of a queue that exists or is made now.
pub(super) fn check(tags: &[(String, String)]) -> Result<(), Fault> {
    for (key, value) in tags {
        check_key(key)?;
        if value.chars().count() > limits::TAG_VALUE_CHARS {
            return Err(common::invalid(VALUE_TEXT));
        }
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Fault> {
    if (1..=limits::TAG_KEY_CHARS).contains(&key.chars().count()) {
        return Ok(());
    }
    Err(common::invalid(KEY_TEXT))
}

/// What a refused field of tags can only be, because keys and values were checked.
pub(super) fn too_many(call: &Call, refusal: Refusal, queue: &str) -> Fault {
    match refusal.field.as_deref() {
        Some("queue.tags") => common::invalid(format!("Too many tags added for queue {queue}.")),
        _ => call.fault(refusal),
    }
}
