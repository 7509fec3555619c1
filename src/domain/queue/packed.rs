//! A page of messages in few bytes: the form in which a backlog waits in memory and in the index.
//!
//! The names of the groups, then each message as it differs from the one before; a message that came right behind another
//! of its size in the same frame takes two or three bytes. `storage-format.md` has every byte. All numbers are LEB128; what
//! may go down is written as a zigzag difference.
//! Absent on purpose: which page of which queue this is, frames and files.

use super::{
    checkpoint::StoredMessage,
    leb::{put, put_difference, take, take_byte, take_difference, take_u32},
};
use crate::base::{
    id::{LeaseId, Location, Lsn, MessageSeq, QueueId},
    limits::{PAGE_MESSAGES, SHORT_ID_CHARS},
    time::Timestamp,
};
use std::{collections::HashMap, sync::Arc};

/// The longest name of a group.
const NAME_BYTES: usize = 4 * SHORT_ID_CHARS;

/// The messages of one page, rising by number; what [`Page::messages`] gives back is what was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The groups of the messages, each once.
    groups: Vec<Arc<str>>,
    rows: Rows,
}

/// The messages without the names of their groups: a group is its place in the page's list, from 1; 0: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows(Arc<[u8]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the messages of a page are malformed: {0}")]
pub struct PageError(&'static str);

impl From<&'static str> for PageError {
    fn from(what: &'static str) -> Self {
        Self(what)
    }
}

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
    /// From the send time to when it becomes visible.
    delay: u64,
    /// From the send time to the start of the retention, if that is elsewhere.
    retention: Option<u64>,
    follows_queue_delay: bool,
    group: usize,
}

impl Before {
    fn follow(&mut self, message: &StoredMessage, group: usize) {
        self.seq = message.seq.0;
        self.lsn = message.location.lsn.0;
        self.next_offset = end_of(message.location);
        self.len = message.location.len;
        self.size = message.size;
        self.send_time = message.send_time.0;
        self.delay = delay_of(message);
        self.retention = retention_of(message);
        self.follows_queue_delay = message.follows_queue_delay;
        self.group = group;
    }
}

/// Entries of a frame stand at multiples of eight.
fn end_of(at: Location) -> u32 {
    at.offset.wrapping_add(at.len).wrapping_add(7) & !7
}

fn delay_of(message: &StoredMessage) -> u64 {
    message.visible_at.0.wrapping_sub(message.send_time.0)
}

fn retention_of(message: &StoredMessage) -> Option<u64> {
    message.retention_from.map(|from| from.0.wrapping_sub(message.send_time.0))
}

/// The names of a page's groups as packing finds them.
#[derive(Default)]
struct Names {
    list: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
}

impl Names {
    fn place(&mut self, name: Option<&Arc<str>>) -> usize {
        let Some(name) = name else { return 0 };
        *self.places.entry(name.clone()).or_insert_with(|| {
            self.list.push(name.clone());
            self.list.len()
        })
    }
}

impl Page {
    /// `messages` rise by number.
    pub fn pack(messages: impl ExactSizeIterator<Item = StoredMessage>) -> Self {
        let mut names = Names::default();
        let rows = Rows::pack(messages.map(|message| {
            let group = names.place(message.group.as_ref());
            (message, group)
        }));
        Self { groups: names.list, rows }
    }

    pub(super) fn new(groups: Vec<Arc<str>>, rows: Rows) -> Self {
        Self { groups, rows }
    }

    pub(super) fn groups(&self) -> &[Arc<str>] {
        &self.groups
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// A page as [`Page::to_bytes`] gave it. Its messages are not read yet.
    ///
    /// # Errors
    ///
    /// The names of the groups are not readable.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, PageError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let count = take(&mut bytes)?;
        if count > PAGE_MESSAGES {
            return Err(PageError("more groups than messages"));
        }
        let mut groups: Vec<Arc<str>> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let name = take_name(&mut bytes, groups.last().map_or("", |before| before))?;
            groups.push(name);
        }
        Ok(Self { groups, rows: Rows(bytes.into()) })
    }

    /// No messages, no bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows.0.len() + 2 + 16 * self.groups.len());
        if !self.rows.0.is_empty() {
            put(&mut out, self.groups.len() as u64);
        }
        let mut before = "";
        for name in &self.groups {
            put_name(&mut out, name, before);
            before = name;
        }
        out.extend_from_slice(&self.rows.0);
        out
    }

    /// # Errors
    ///
    /// The bytes are not those of a page.
    pub fn messages(&self) -> Result<Vec<StoredMessage>, PageError> {
        let rows = self.rows.read()?.into_iter();
        let messages = rows.map(|(message, group)| {
            let name = |group| self.groups.get(group).cloned().ok_or(PageError("a group without a name"));
            let group = group.checked_sub(1).map(name).transpose()?;
            Ok(StoredMessage { group, ..message })
        });
        messages.collect()
    }
}

impl Rows {
    /// Messages, rising by number, with the places of their groups.
    pub(super) fn pack(messages: impl ExactSizeIterator<Item = (StoredMessage, usize)>) -> Self {
        let mut out = Vec::with_capacity(16 + 4 * messages.len());
        put(&mut out, messages.len() as u64);
        let mut before = Before::default();
        for (message, group) in messages {
            pack_one(&mut out, &before, &message, group);
            before.follow(&message, group);
        }
        Self(out.into())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The messages, all without groups, and the places of their groups.
    pub(super) fn read(&self) -> Result<Vec<(StoredMessage, usize)>, PageError> {
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
            let (message, group) = unpack_one(&mut rest, &before)?;
            before.follow(&message, group);
            messages.push((message, group));
        }
        if rest.is_empty() { Ok(messages) } else { Err(PageError("more bytes than messages")) }
    }
}

/// Names of one queue mostly begin alike: a name goes on where it differs from the one before.
fn put_name(out: &mut Vec<u8>, name: &str, before: &str) {
    let same = name.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
    let rest = name.as_bytes().get(same..).unwrap_or_default();
    put(out, same as u64);
    put(out, rest.len() as u64);
    out.extend_from_slice(rest);
}

fn take_name(bytes: &mut &[u8], before: &str) -> Result<Arc<str>, PageError> {
    const CUT_OFF: PageError = PageError("a group's name is cut off");
    let (same, len) = (take_u32(bytes)? as usize, take_u32(bytes)? as usize);
    let same = before.as_bytes().get(..same).ok_or(CUT_OFF)?;
    let (rest, behind) = bytes.split_at_checked(len).ok_or(CUT_OFF)?;
    *bytes = behind;
    if same.len() + rest.len() > NAME_BYTES {
        return Err(PageError("a group's name is too long"));
    }
    let name = String::from_utf8([same, rest].concat()).map_err(|_| PageError("a group's name is not text"))?;
    if name.is_empty() { Err(PageError("a group's name is empty")) } else { Ok(name.into()) }
}

fn pack_one(out: &mut Vec<u8>, before: &Before, message: &StoredMessage, group: usize) {
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
    note(delay_of(message) != before.delay, VISIBLE_AT);
    let more = rare_flags(before, message, group);
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
    pack_rare(out, more, message, group);
}

fn rare_flags(before: &Before, message: &StoredMessage, group: usize) -> u8 {
    let flag = |there, flag| if there { flag } else { 0 };
    flag(message.follows_queue_delay != before.follows_queue_delay, rare::FOLLOWS_QUEUE_DELAY)
        | flag(group != before.group, rare::GROUP)
        | flag(message.receive_count != 0, rare::RECEIVE_COUNT)
        | flag(message.first_receive.is_some(), rare::FIRST_RECEIVE)
        | flag(message.lease != LeaseId(0) || message.leased_at != Timestamp::ZERO, rare::LEASE)
        | flag(message.leased, rare::LEASED)
        | flag(message.dead_letter_source.is_some(), rare::DEAD_LETTER_SOURCE)
        | flag(retention_of(message) != before.retention, rare::RETENTION_FROM)
}

fn pack_rare(out: &mut Vec<u8>, flags: u8, message: &StoredMessage, group: usize) {
    if flags & rare::GROUP != 0 {
        put(out, group as u64);
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
    if flags & rare::RETENTION_FROM != 0 {
        out.push(u8::from(message.retention_from.is_some()));
        if let Some(time) = message.retention_from {
            put_difference(out, time.0, message.send_time.0);
        }
    }
}

fn unpack_one(rest: &mut &[u8], before: &Before) -> Result<(StoredMessage, usize), PageError> {
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
    let same_delay = send_time.wrapping_add(before.delay);
    let visible_at = if flags & VISIBLE_AT != 0 { take_difference(rest, send_time)? } else { same_delay };
    let follows_differs = more & rare::FOLLOWS_QUEUE_DELAY != 0;
    let mut message = StoredMessage {
        seq: MessageSeq(seq),
        location: Location { lsn: Lsn(lsn), offset, len },
        send_time: Timestamp(send_time),
        retention_from: None,
        visible_at: Timestamp(visible_at),
        follows_queue_delay: before.follows_queue_delay != follows_differs,
        size,
        group: None,
        receive_count: 0,
        first_receive: None,
        lease: LeaseId(0),
        leased: more & rare::LEASED != 0,
        leased_at: Timestamp::ZERO,
        dead_letter_source: None,
    };
    message.retention_from = before.retention.map(|after| Timestamp(send_time.wrapping_add(after)));
    let group = if more & rare::GROUP != 0 { take_u32(rest)? as usize } else { before.group };
    unpack_rare(rest, more, &mut message)?;
    Ok((message, group))
}

fn unpack_rare(rest: &mut &[u8], flags: u8, message: &mut StoredMessage) -> Result<(), PageError> {
    let sent = message.send_time.0;
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
        message.retention_from = match take_byte(rest)? {
            0 => None,
            1 => Some(Timestamp(take_difference(rest, sent)?)),
            _ => return Err(PageError("a retention starts nowhere")),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(86_400);

    fn read(bytes: &[u8]) -> Result<Vec<StoredMessage>, PageError> {
        Page::from_bytes(bytes)?.messages()
    }

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
        assert!(page.to_bytes().len() < PAGE_MESSAGES as usize + 32, "{} bytes", page.to_bytes().len());
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
        assert_eq!(page.to_bytes(), [&[1, 0, 1, b'g', 2], first.as_slice(), &[0x80, 0x06, 1, 2]].concat());
    }

    #[test]
    fn more_messages_than_a_page_holds_are_refused() {
        let mut bytes = vec![0];
        put(&mut bytes, PAGE_MESSAGES + 1);
        bytes.extend(std::iter::repeat_n(0, PAGE_MESSAGES as usize + 1));
        assert_eq!(read(&bytes), Err(PageError("more than a page holds")));
    }

    #[test]
    fn a_group_stands_in_the_list_or_nowhere() {
        let grouped = StoredMessage { group: Some("g".into()), ..message(1) };
        let mut bytes = Page::pack([grouped].into_iter()).to_bytes();
        assert_eq!(bytes.pop(), Some(1));
        bytes.push(2);
        assert_eq!(read(&bytes), Err(PageError("a group without a name")));
        assert_eq!(read(&[1, 0, 0, 0]), Err(PageError("a group's name is empty")));
        assert_eq!(read(&[1, 1, 0, 0]), Err(PageError("a group's name is cut off")));
    }

    #[test]
    fn names_that_begin_alike_are_told_apart_by_their_ends() {
        let names = ["tenant-1", "tenant-12", "tenant-ä", "tenant-ö", "other"];
        let messages =
            names.iter().zip(1..).map(|(name, seq)| StoredMessage { group: Some((*name).into()), ..message(seq) });
        let page = Page::pack(messages.collect::<Vec<_>>().into_iter());
        let bytes = page.to_bytes();
        assert_eq!(Page::from_bytes(&bytes), Ok(page));
        let ends = [&[5, 0, 8][..], b"tenant-1", &[8, 1], b"2", &[7, 2, 0xc3, 0xa4], &[8, 1, 0xb6], &[0, 5], b"other"];
        assert_eq!(bytes[..28], ends.concat());
    }

    #[test]
    fn a_name_stands_in_a_page_once() {
        let group = |seq: u64| Some(Arc::from(format!("a group with a long name {}", seq % 2)));
        let messages = (1..=PAGE_MESSAGES).map(|seq| StoredMessage { group: group(seq), ..message(seq) });
        let page = Page::pack(messages.collect::<Vec<_>>().into_iter());
        assert!(page.to_bytes().len() < 3 * PAGE_MESSAGES as usize + 90, "{} bytes", page.to_bytes().len());
    }

    #[test]
    fn a_common_delay_stands_in_a_page_once() {
        let delayed = |seq| {
            let visible_at = message(seq).send_time + DAY;
            StoredMessage { visible_at, retention_from: Some(visible_at), ..message(seq) }
        };
        let page = Page::pack((1..=PAGE_MESSAGES).map(delayed).collect::<Vec<_>>().into_iter());
        assert!(page.to_bytes().len() < PAGE_MESSAGES as usize + 40, "{} bytes", page.to_bytes().len());
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(messages in prop::collection::vec(any_message(), 0..=PAGE_MESSAGES as usize)) {
            let mut messages = messages;
            messages.sort_by_key(|message| message.seq);
            messages.dedup_by_key(|message| message.seq);
            let page = Page::pack(messages.clone().into_iter());
            prop_assert_eq!(Page::from_bytes(&page.to_bytes()), Ok(page.clone()));
            prop_assert_eq!(page.messages(), Ok(messages));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(messages) = read(&bytes) {
                prop_assert!(messages.is_sorted_by_key(|message| message.seq));
            }
        }
    }
}
