//! The numbers of the entry kinds, as the storage format lists them.

pub(super) const SENT: u8 = 1;
pub(super) const RECEIVED: u8 = 2;
pub(super) const VISIBILITY_CHANGED: u8 = 3;
pub(super) const DELETED: u8 = 4;
pub(super) const EXPIRED: u8 = 5;
pub(super) const PURGED: u8 = 6;
pub(super) const MOVED: u8 = 7;
pub(super) const SETTINGS_CHANGED: u8 = 8;
pub(super) const REDRIVE_STARTED: u8 = 9;
pub(super) const REDRIVE_ENDED: u8 = 10;
pub(super) const QUEUE_OPENED: u8 = 11;
pub(super) const QUEUE_CLOSED: u8 = 12;
pub(super) const TRANSFERS_DONE: u8 = 13;
pub(super) const TRANSFER_REROUTED: u8 = 14;
pub(super) const RELOCATED: u8 = 15;
pub(super) const ARCHIVED: u8 = 16;
/// In the archive only, as the next.
pub(super) const STATE: u8 = 17;
pub(super) const GONE: u8 = 18;
pub(super) const QUEUE_DEFINED: u8 = 20;
pub(super) const QUEUE_REMOVED: u8 = 21;
pub(super) const STREAM_APPENDED: u8 = 30;
pub(super) const STREAM_CHANGED: u8 = 31;
pub(super) const STREAM_OPENED: u8 = 32;
pub(super) const STREAM_CLOSED: u8 = 33;
pub(super) const STREAM_DEFINED: u8 = 34;
pub(super) const STREAM_REMOVED: u8 = 35;
pub(super) const TABLE_DEFINED: u8 = 40;
pub(super) const TABLE_REMOVED: u8 = 41;
pub(super) const ITEM_WRITTEN: u8 = 42;
pub(super) const ITEM_REMOVED: u8 = 43;
