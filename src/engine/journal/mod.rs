//! Events as entries of the log, and back.
//!
//! [`Record`] is everything a partition can write; [`push()`] and [`decode()`] know the bytes. A kind's number and its
//! header's fields never change their meaning.

mod appended;
mod decode;
mod encode;
mod header;
mod kind;
mod record;
mod sent;
mod streams;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use appended::{appended_header, bytes_before, push_appended};
pub(crate) use decode::{
    Archived, DecodeError, PayloadReader, decode, decode_archived, payload, redrive_ended_from, redrive_started_from,
    sent_header,
};
pub(crate) use encode::{push, push_gone, push_relocated, push_sent, push_state, redrive_ended_to, redrive_started_to};
pub(crate) use header::{definition_from, definition_to, item_from, item_to, path_from, settings_from, settings_to};
pub(crate) use record::{OutboxItem, OutboxReason, Record};
pub(crate) use streams::{stream_definition_from, stream_definition_to, stream_image_from, stream_image_to};
pub(crate) use tables::{tables_from, tables_to};
