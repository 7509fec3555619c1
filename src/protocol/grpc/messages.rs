//! Messages and settlements between the wire and the services.

use super::{convert, errors};
use crate::{
    base::reason::Refusal,
    proto::{
        common::v1::{AttributeValue as WireValue, attribute_value::Value},
        queue::v1 as wire,
    },
    service::{
        broker::Broker,
        peek::PeekedMessage,
        send::Message,
        settle::{Decision, SettleFailure, Settlement},
        words::{Attribute, AttributeValue, EntryResult, MessageState, Payload, ReceivedMessage, SentMessage},
    },
};
use std::collections::HashMap;

pub(super) fn messages(messages: Vec<wire::Message>) -> Result<Vec<Message>, Refusal> {
    messages.into_iter().map(message).collect()
}

fn message(message: wire::Message) -> Result<Message, Refusal> {
    let wire::Message { body, attributes, delay, group_id, deduplication_id, trace_context } = message;
    let attributes = if attributes.is_empty() { Vec::new() } else { from_attributes(attributes) };
    let delay = convert::duration("messages.delay", delay)?;
    Ok(Message { body, attributes, delay, group_id, deduplication_id, trace_context })
}

/// In the order of the names, so that a message is the same whichever way it came.
fn from_attributes(attributes: HashMap<String, WireValue>) -> Vec<Attribute> {
    let attribute = |(name, WireValue { data_type, value })| {
        let value = match value {
            Some(Value::StringValue(text)) => AttributeValue::Text(text),
            Some(Value::BinaryValue(bytes)) => AttributeValue::Binary(bytes.into()),
            None => AttributeValue::Text(String::new()),
        };
        Attribute { name, data_type, value }
    };
    let mut attributes: Vec<_> = attributes.into_iter().map(attribute).collect();
    attributes.sort_by(|a, b| a.name.cmp(&b.name));
    attributes
}

fn to_attributes(attributes: Vec<Attribute>) -> HashMap<String, WireValue> {
    let attribute = |Attribute { name, data_type, value }| {
        let value = match value {
            AttributeValue::Text(text) => Value::StringValue(text),
            AttributeValue::Binary(bytes) => Value::BinaryValue(bytes.into()),
        };
        (name, WireValue { data_type, value: Some(value) })
    };
    attributes.into_iter().map(attribute).collect()
}

pub(super) fn send_results(results: Vec<EntryResult<SentMessage>>) -> Vec<wire::SendResult> {
    results.into_iter().map(send_result).collect()
}

fn send_result(result: EntryResult<SentMessage>) -> wire::SendResult {
    use wire::send_result::Result;
    let result = match result {
        Ok(sent) => Result::Sent(wire::SentMessage {
            message_id: sent.message_id.map(|id| id.to_string()).unwrap_or_default(),
            sequence_number: sent.sequence_number.map(|number| number.to_string()).unwrap_or_default(),
            deduplicated: sent.deduplicated,
        }),
        Err(refusal) => Result::Error(errors::entry(refusal)),
    };
    wire::SendResult { result: Some(result) }
}

pub(super) fn received(broker: &Broker, message: ReceivedMessage) -> wire::ReceivedMessage {
    wire::ReceivedMessage {
        receipt_handle: broker.receipt_handle(&message.receipt),
        sequence_number: message.sequence_number.map(|number| number.to_string()).unwrap_or_default(),
        receive_count: message.receive_count,
        send_time: Some(convert::to_timestamp(message.send_time)),
        first_receive_time: Some(convert::to_timestamp(message.first_receive)),
        lease_expire_time: Some(convert::to_timestamp(message.lease_until)),
        ..payload(broker, message.payload)
    }
}

fn payload(broker: &Broker, payload: Payload) -> wire::ReceivedMessage {
    let text = |text: Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned).unwrap_or_default();
    wire::ReceivedMessage {
        message_id: payload.message_id.to_string(),
        body: payload.body,
        attributes: if payload.attributes.is_empty() { HashMap::new() } else { to_attributes(payload.attributes) },
        group_id: text(payload.group),
        deduplication_id: text(payload.deduplication_id),
        sender_id: str::to_owned(&payload.sender),
        dead_letter_source: broker.native_name(payload.dead_letter_source),
        dead_letter_reason: payload.dead_letter_reason,
        trace_context: payload.trace_context,
        ..wire::ReceivedMessage::default()
    }
}

pub(super) fn peeked(broker: &Broker, peeked: PeekedMessage) -> wire::PeekedMessage {
    let message = peeked.message;
    let is_leased = message.state == MessageState::InFlight;
    let state = match message.state {
        MessageState::Visible => wire::MessageState::Visible,
        MessageState::InFlight => wire::MessageState::InFlight,
        MessageState::Delayed => wire::MessageState::Delayed,
    };
    let message = wire::ReceivedMessage {
        sequence_number: message.sequence_number.map(|number| number.to_string()).unwrap_or_default(),
        receive_count: message.receive_count,
        send_time: Some(convert::to_timestamp(message.send_time)),
        first_receive_time: message.first_receive.map(convert::to_timestamp),
        lease_expire_time: is_leased.then(|| convert::to_timestamp(message.visible_at)),
        ..payload(broker, message.payload)
    };
    wire::PeekedMessage { message: Some(message), state: state.into(), body_truncated: peeked.body_truncated }
}

pub(super) fn states(states: &[i32]) -> Result<Vec<MessageState>, Refusal> {
    let state = |number: &i32| match convert::known("states", *number)? {
        wire::MessageState::Visible => Ok(MessageState::Visible),
        wire::MessageState::InFlight => Ok(MessageState::InFlight),
        wire::MessageState::Delayed => Ok(MessageState::Delayed),
        wire::MessageState::Unspecified => {
            Err(crate::service::check::outside("states", "unspecified", "visible, in flight, delayed"))
        }
    };
    states.iter().map(state).collect()
}

pub(super) fn settlements(settlements: Vec<wire::Settlement>) -> Result<Vec<Settlement>, Refusal> {
    settlements.into_iter().map(settlement).collect()
}

fn settlement(settlement: wire::Settlement) -> Result<Settlement, Refusal> {
    use wire::settlement::Outcome;
    let decision = match settlement.outcome {
        Some(Outcome::Ack(wire::Ack {})) => Decision::Ack,
        Some(Outcome::Nack(nack)) => Decision::Nack {
            delay: convert::duration("settlements.nack.delay", nack.delay)?,
            keep_receive_count: nack.keep_receive_count,
        },
        Some(Outcome::Extend(extend)) => Decision::Extend {
            visibility_timeout: convert::duration("settlements.extend.visibility_timeout", extend.visibility_timeout)?,
        },
        Some(Outcome::DeadLetter(dead_letter)) => Decision::DeadLetter { reason: dead_letter.reason },
        None => Decision::Missing,
    };
    Ok(Settlement { receipt_handle: settlement.receipt_handle, decision })
}

pub(super) fn failures(failures: Vec<SettleFailure>) -> Vec<wire::SettleFailure> {
    let failure = |SettleFailure { receipt_handle, refusal }| wire::SettleFailure {
        receipt_handle,
        error: Some(errors::entry(refusal)),
    };
    failures.into_iter().map(failure).collect()
}
