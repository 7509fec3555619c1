//! Names and headers of entries, for people. A test compares the table with the comments of the protos.

use crate::proto::storage::v1 as wire;
use prost::Message;
use std::fmt::Debug;

type Show = fn(&[u8]) -> String;

/// By kind: the name, and how the header is shown.
const KINDS: [(u8, &str, Show); 30] = [
    (1, "SENT", decoded::<wire::SentHeader>),
    (2, "RECEIVED", decoded::<wire::ReceivedHeader>),
    (3, "VISIBILITY_CHANGED", decoded::<wire::VisibilityChangedHeader>),
    (4, "DELETED", none),
    (5, "EXPIRED", decoded::<wire::ExpiredHeader>),
    (6, "PURGED", decoded::<wire::PurgedHeader>),
    (7, "MOVED", decoded::<wire::MovedHeader>),
    (8, "SETTINGS_CHANGED", decoded::<wire::Settings>),
    (9, "REDRIVE_STARTED", decoded::<wire::RedriveStartedHeader>),
    (10, "REDRIVE_ENDED", decoded::<wire::RedriveEndedHeader>),
    (11, "QUEUE_OPENED", decoded::<wire::Settings>),
    (12, "QUEUE_CLOSED", none),
    (13, "TRANSFERS_DONE", none),
    (14, "TRANSFER_REROUTED", decoded::<wire::ReroutedHeader>),
    (15, "RELOCATED", decoded::<wire::RelocatedHeader>),
    (16, "ARCHIVED", decoded::<wire::ArchivedHeader>),
    (17, "STATE", decoded::<wire::RelocatedHeader>),
    (18, "GONE", none),
    (20, "QUEUE_DEFINED", decoded::<wire::QueueDefinition>),
    (21, "QUEUE_REMOVED", decoded::<wire::QueueRemovedHeader>),
    (30, "STREAM_APPENDED", decoded::<wire::AppendedHeader>),
    (31, "STREAM_CHANGED", decoded::<wire::StreamChange>),
    (32, "STREAM_OPENED", decoded::<wire::StreamCreated>),
    (33, "STREAM_CLOSED", none),
    (34, "STREAM_DEFINED", decoded::<wire::StreamDefinition>),
    (35, "STREAM_REMOVED", none),
    (40, "TABLE_DEFINED", decoded::<wire::TableDefinition>),
    (41, "TABLE_REMOVED", decoded::<wire::TableRemovedHeader>),
    (42, "ITEM_WRITTEN", decoded::<wire::ItemMap>),
    (43, "ITEM_REMOVED", decoded::<wire::ItemRemovedHeader>),
];

/// What an entry is called; its number where the kind is newer than this program.
pub(super) fn name(kind: u8) -> String {
    match KINDS.iter().find(|(number, ..)| *number == kind) {
        Some((_, name, _)) => (*name).to_owned(),
        None => format!("KIND_{kind}"),
    }
}

pub(super) fn header(kind: u8, bytes: &[u8]) -> String {
    match KINDS.iter().find(|(number, ..)| *number == kind) {
        Some((_, _, show)) => show(bytes),
        None => format!("{} bytes", bytes.len()),
    }
}

fn decoded<M: Message + Default + Debug>(bytes: &[u8]) -> String {
    match M::decode(bytes) {
        Ok(header) => format!("{header:?}"),
        Err(error) => format!("cannot be read: {error}"),
    }
}

/// A kind that needs no header.
fn none(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => String::new(),
        len => format!("{len} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds that the proto names: "Kind 1, SENT" and "and kind 11, QUEUE_OPENED".
    fn named_in_the_proto() -> Vec<(u8, String)> {
        let entries = include_str!("../../../proto/forebay/storage/v1/entry.proto");
        let tables = include_str!("../../../proto/forebay/storage/v1/table.proto");
        let streams = include_str!("../../../proto/forebay/storage/v1/stream.proto");
        let proto = format!("{entries}{tables}{streams}").to_lowercase();
        let mut kinds = Vec::new();
        for comment in proto.lines().filter(|line| line.starts_with("// ")) {
            for part in comment.split("kind ").skip(1) {
                let number = part.split(',').next().and_then(|number| number.parse().ok());
                let name = part.split([',', '.', ':', '(']).nth(1).map(|name| name.trim().to_uppercase());
                kinds.extend(number.zip(name));
            }
        }
        kinds
    }

    #[test]
    fn every_kind_of_the_proto_has_its_name_here() {
        let named = named_in_the_proto();
        assert!(named.len() > 20, "{named:?}");
        for (number, text) in named {
            assert_eq!(name(number), text);
        }
    }

    #[test]
    fn a_kind_from_the_future_is_shown_by_its_number() {
        assert_eq!((name(99), header(99, b"abc")), ("KIND_99".to_owned(), "3 bytes".to_owned()));
    }

    #[test]
    fn a_header_is_shown_decoded() {
        let bytes = wire::PurgedHeader { at_ms: 5 }.encode_to_vec();
        assert_eq!(header(6, &bytes), "PurgedHeader { at_ms: 5 }");
        assert!(header(6, b"\xff").starts_with("cannot be read"));
        assert_eq!(header(4, b""), "");
    }
}
