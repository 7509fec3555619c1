//! A page of messages in few bytes: the form in which a backlog waits in memory and in the index.
//!
//! A count, then each message as it differs from the one before; a message that came right behind another of its size
//! in the same frame takes two or three bytes. `storage-format.md` has every byte. All numbers are LEB128; what may go down
//! is written as a zigzag difference.
//! Absent on purpose: which page of which queue this is, frames and files.

use super::checkpoint::StoredMessage;
use crate::base::{
    id::{LeaseId, Location, Lsn, MessageSeq, QueueId},
    limits::PAGE_MESSAGES,
    time::Timestamp,
};
use std::sync::Arc;

/// The messages of one page, rising by number; what [`Page::messages`] gives back is what was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page(Arc<[u8]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the messages of a page are malformed: {0}")]
pub struct PageError(&'static str);

/// What is different from the message before; the second byte follows when `MORE` is set.
mod differs {
    pub(super) const SEQ: u8 = 1;
    pub(super) const FRAME: u8 = 1 << 1;
    pub(super) const OFFSET: u8 = 1 << 2;
    pub(super) const LEN: u8 = 1 << 3;
    pub(super) const SIZE: u8 = 1 << 4;
    pub(super) const SEND_TIME: u8 = 1 << 5;
    pub(super) const VISIBLE_AT: u8 = 1 << 6;
    pub(super) const MORE: u8 = 1 << 7;
}

/// What few messages have.
mod rare {
    pub(super) const FOLLOWS_QUEUE_DELAY: u8 = 1;
    pub(super) const GROUP: u8 = 1 << 1;
    pub(super) const RECEIVE_COUNT: u8 = 1 << 2;
    pub(super) const FIRST_RECEIVE: u8 = 1 << 3;
    pub(super) const LEASE: u8 = 1 << 4;
    pub(super) const LEASED: u8 = 1 << 5;
    pub(super) const DEAD_LETTER_SOURCE: u8 = 1 << 6;
    pub(super) const RETENTION_FROM: u8 = 1 << 7;
}

/// What the next message is compared with.
#[derive(Default)]
struct Before {
    seq: u64,
    lsn: u64,
    /// Where the next entry of the frame would stand.
    next_offset: u32,
    len: u32,
    size: u32,
    send_time: u64,
    group: Option<Arc<str>>,
}

impl Before {
    fn follow(&mut self, message: &StoredMessage) {
        self.seq = message.seq.0;
        self.lsn = message.location.lsn.0;
        self.next_offset = end_of(message.location);
        self.len = message.location.len;
        self.size = message.size;
        self.send_time = message.send_time.0;
        self.group.clone_from(&message.group);
    }
}

/// Entries of a frame stand at multiples of eight.
fn end_of(at: Location) -> u32 {
    at.offset.wrapping_add(at.len).wrapping_add(7) & !7
}

impl Page {
    /// `messages` rise by number.
    pub fn pack(messages: impl ExactSizeIterator<Item = StoredMessage>) -> Self {
        let mut out = Vec::with_capacity(16 + 4 * messages.len());
        put(&mut out, messages.len() as u64);
        let mut before = Before::default();
        for message in messages {
            pack_one(&mut out, &before, &message);
            before.follow(&message);
        }
        Self(out.into())
    }

    /// A page as [`Page::as_bytes`] gave it; read it to know whether it is one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// # Errors
    ///
    /// The bytes are not those of a page.
    pub fn messages(&self) -> Result<Vec<StoredMessage>, PageError> {
        let mut rest: &[u8] = &self.0;
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        let count = take(&mut rest)?;
        if count > PAGE_MESSAGES {
            return Err(PageError("more than a page holds"));
        }
        let mut messages = Vec::with_capacity(count as usize);
        let mut before = Before::default();
        for _ in 0..count {
            let message = unpack_one(&mut rest, &before)?;
            before.follow(&message);
            messages.push(message);
        }
        if rest.is_empty() { Ok(messages) } else { Err(PageError("more bytes than messages")) }
    }
}

fn pack_one(out: &mut Vec<u8>, before: &Before, message: &StoredMessage) {
    use differs::{FRAME, LEN, MORE, OFFSET, SEND_TIME, SEQ, SIZE, VISIBLE_AT};
    let at = message.location;
    let mut flags = 0;
    let mut note = |differs, flag| flags |= if differs { flag } else { 0 };
    note(message.seq.0 != before.seq.wrapping_add(1), SEQ);
    note(at.lsn.0 != before.lsn, FRAME);
    note(at.lsn.0 != before.lsn || at.offset != before.next_offset, OFFSET);
    note(at.len != before.len, LEN);
    note(message.size != before.size, SIZE);
    note(message.send_time.0 != before.send_time, SEND_TIME);
    note(message.visible_at != message.send_time, VISIBLE_AT);
    let more = rare_flags(before, message);
    note(more != 0, MORE);
    out.push(flags);
    if flags & MORE != 0 {
        out.push(more);
    }
    if flags & SEQ != 0 {
        put(out, message.seq.0.wrapping_sub(before.seq));
    }
    if flags & FRAME != 0 {
        put_difference(out, at.lsn.0, before.lsn);
    }
    if flags & OFFSET != 0 {
        put(out, u64::from(at.offset));
    }
    if flags & LEN != 0 {
        put(out, u64::from(at.len));
    }
    if flags & SIZE != 0 {
        put(out, u64::from(message.size));
    }
    if flags & SEND_TIME != 0 {
        put_difference(out, message.send_time.0, before.send_time);
    }
    if flags & VISIBLE_AT != 0 {
        put_difference(out, message.visible_at.0, message.send_time.0);
    }
    pack_rare(out, more, message);
}

fn rare_flags(before: &Before, message: &StoredMessage) -> u8 {
    let flag = |there, flag| if there { flag } else { 0 };
    flag(message.follows_queue_delay, rare::FOLLOWS_QUEUE_DELAY)
        | flag(message.group != before.group, rare::GROUP)
        | flag(message.receive_count != 0, rare::RECEIVE_COUNT)
        | flag(message.first_receive.is_some(), rare::FIRST_RECEIVE)
        | flag(message.lease != LeaseId(0) || message.leased_at != Timestamp::ZERO, rare::LEASE)
        | flag(message.leased, rare::LEASED)
        | flag(message.dead_letter_source.is_some(), rare::DEAD_LETTER_SOURCE)
        | flag(message.retention_from.is_some(), rare::RETENTION_FROM)
}

fn pack_rare(out: &mut Vec<u8>, flags: u8, message: &StoredMessage) {
    if flags & rare::GROUP != 0 {
        let name = message.group.as_deref().unwrap_or_default();
        put(out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }
    if flags & rare::RECEIVE_COUNT != 0 {
        put(out, u64::from(message.receive_count));
    }
    if let Some(time) = message.first_receive {
        put_difference(out, time.0, message.send_time.0);
    }
    if flags & rare::LEASE != 0 {
        put(out, message.lease.0);
        put_difference(out, message.leased_at.0, message.send_time.0);
    }
    if let Some(queue) = message.dead_letter_source {
        put(out, queue.0);
    }
    if let Some(time) = message.retention_from {
        put_difference(out, time.0, message.send_time.0);
    }
}

fn unpack_one(rest: &mut &[u8], before: &Before) -> Result<StoredMessage, PageError> {
    use differs::{FRAME, LEN, MORE, OFFSET, SEND_TIME, SEQ, SIZE, VISIBLE_AT};
    let flags = take_byte(rest)?;
    let more = if flags & MORE != 0 { take_byte(rest)? } else { 0 };
    let step = if flags & SEQ != 0 { take(rest)? } else { 1 };
    let seq =
        before.seq.checked_add(step).filter(|seq| *seq > before.seq).ok_or(PageError("a number does not rise"))?;
    let lsn = if flags & FRAME != 0 { take_difference(rest, before.lsn)? } else { before.lsn };
    let offset = if flags & OFFSET != 0 { take_u32(rest)? } else { before.next_offset };
    let len = if flags & LEN != 0 { take_u32(rest)? } else { before.len };
    let size = if flags & SIZE != 0 { take_u32(rest)? } else { before.size };
    let send_time = if flags & SEND_TIME != 0 { take_difference(rest, before.send_time)? } else { before.send_time };
    let visible_at = if flags & VISIBLE_AT != 0 { take_difference(rest, send_time)? } else { send_time };
    let mut message = StoredMessage {
        seq: MessageSeq(seq),
        location: Location { lsn: Lsn(lsn), offset, len },
        send_time: Timestamp(send_time),
        retention_from: None,
        visible_at: Timestamp(visible_at),
        follows_queue_delay: more & rare::FOLLOWS_QUEUE_DELAY != 0,
        size,
        group: before.group.clone(),
        receive_count: 0,
        first_receive: None,
        lease: LeaseId(0),
        leased: more & rare::LEASED != 0,
        leased_at: Timestamp::ZERO,
        dead_letter_source: None,
    };
    unpack_rare(rest, more, &mut message)?;
    Ok(message)
}

fn unpack_rare(rest: &mut &[u8], flags: u8, message: &mut StoredMessage) -> Result<(), PageError> {
    let sent = message.send_time.0;
    if flags & rare::GROUP != 0 {
        let len = take_u32(rest)? as usize;
        let (name, behind) = rest.split_at_checked(len).ok_or(PageError("a group's name is cut off"))?;
        *rest = behind;
        let name = str::from_utf8(name).map_err(|_| PageError("a group's name is not text"))?;
        message.group = (!name.is_empty()).then(|| name.into());
    }
    if flags & rare::RECEIVE_COUNT != 0 {
        message.receive_count = take_u32(rest)?;
    }
    if flags & rare::FIRST_RECEIVE != 0 {
        message.first_receive = Some(Timestamp(take_difference(rest, sent)?));
    }
    if flags & rare::LEASE != 0 {
        message.lease = LeaseId(take(rest)?);
        message.leased_at = Timestamp(take_difference(rest, sent)?);
    }
    if flags & rare::DEAD_LETTER_SOURCE != 0 {
        message.dead_letter_source = Some(QueueId(take(rest)?));
    }
    if flags & rare::RETENTION_FROM != 0 {
        message.retention_from = Some(Timestamp(take_difference(rest, sent)?));
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_difference(out: &mut Vec<u8>, value: u64, from: u64) {
    let difference = value.wrapping_sub(from) as i64;
    put(out, ((difference << 1) ^ (difference >> 63)) as u64);
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, PageError> {
    let (byte, behind) = rest.split_first().ok_or(PageError("cut off"))?;
    *rest = behind;
    Ok(*byte)
}

fn take(rest: &mut &[u8]) -> Result<u64, PageError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(PageError("a number is too long"))
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, PageError> {
    u32::try_from(take(rest)?).map_err(|_| PageError("a number is too large"))
}

fn take_difference(rest: &mut &[u8], from: u64) -> Result<u64, PageError> {
    let zigzag = take(rest)?;
    let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    Ok(from.wrapping_add(difference as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(seq: u64) -> StoredMessage {
        StoredMessage {
            seq: MessageSeq(seq),
            location: Location { lsn: Lsn(9), offset: 72 + 1104 * seq as u32, len: 1100 },
            send_time: Timestamp(1_700_000_000_000),
            retention_from: None,
            visible_at: Timestamp(1_700_000_000_000),
            follows_queue_delay: false,
            size: 1024,
            group: None,
            receive_count: 0,
            first_receive: None,
            lease: LeaseId(0),
            leased: false,
            leased_at: Timestamp::ZERO,
            dead_letter_source: None,
        }
    }

    prop_compose! {
        fn any_message()(
            seq in 1..1000_u64,
            (lsn, offset, len) in prop_oneof![Just((5, 72, 100)), any::<(u64, u32, u32)>()],
            (send, visible) in prop_oneof![Just((7, 7)), any::<(u64, u64)>()],
            size in prop_oneof![Just(10), any::<u32>()],
            group in prop_oneof![Just(None), Just(Some("a")), Just(Some("ö"))],
            (count, first, lease, leased, at) in
                prop_oneof![Just((0, None, 0, false, 0)), any::<(u32, Option<u64>, u64, bool, u64)>()],
            (follows, dead, from) in prop_oneof![Just((false, None, None)), any::<(bool, Option<u64>, Option<u64>)>()],
        ) -> StoredMessage {
            StoredMessage {
                seq: MessageSeq(seq),
                location: Location { lsn: Lsn(lsn), offset, len },
                send_time: Timestamp(send),
                retention_from: from.map(Timestamp),
                visible_at: Timestamp(visible),
                follows_queue_delay: follows,
                size,
                group: group.map(Into::into),
                receive_count: count,
                first_receive: first.map(Timestamp),
                lease: LeaseId(lease),
                leased,
                leased_at: Timestamp(at),
                dead_letter_source: dead.map(QueueId),
            }
        }
    }

    #[test]
    fn messages_sent_together_take_a_byte_each() {
        let page = Page::pack((1..=PAGE_MESSAGES).map(message).collect::<Vec<_>>().into_iter());
        assert!(page.as_bytes().len() < PAGE_MESSAGES as usize + 32, "{} bytes", page.as_bytes().len());
        assert_eq!(page.messages().expect("a page").len(), PAGE_MESSAGES as usize);
    }

    #[test]
    fn an_example_reads_as_the_format_says() {
        let second = StoredMessage { group: Some("g".into()), receive_count: 2, ..message(2) };
        let first = StoredMessage { location: Location { offset: 72, ..message(1).location }, ..message(1) };
        let second = StoredMessage { location: Location { offset: 1176, ..second.location }, ..second };
        let page = Page::pack([first, second].into_iter());
        let time = [0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62];
        let first = [[0x3e, 18, 72, 0xcc, 8, 0x80, 8].as_slice(), &time].concat();
        assert_eq!(page.as_bytes(), [&[2], first.as_slice(), &[0x80, 0x06, 1, b'g', 2]].concat());
    }

    #[test]
    fn more_messages_than_a_page_holds_are_refused() {
        let mut bytes = Vec::new();
        put(&mut bytes, PAGE_MESSAGES + 1);
        bytes.extend(std::iter::repeat_n(0, PAGE_MESSAGES as usize + 1));
        assert_eq!(Page::from_bytes(&bytes).messages(), Err(PageError("more than a page holds")));
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(messages in prop::collection::vec(any_message(), 0..=PAGE_MESSAGES as usize)) {
            let mut messages = messages;
            messages.sort_by_key(|message| message.seq);
            messages.dedup_by_key(|message| message.seq);
            let page = Page::pack(messages.clone().into_iter());
            prop_assert_eq!(Page::from_bytes(page.as_bytes()).messages(), Ok(messages));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(messages) = Page::from_bytes(&bytes).messages() {
                prop_assert!(messages.is_sorted_by_key(|message| message.seq));
            }
        }
    }
}
