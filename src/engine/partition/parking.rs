//! The queues of a partition. Most of many queues are idle: those are parked as few bytes and wake when somebody asks.
//!
//! Invariants: a parked queue was put away with no change that a checkpoint lacks, and waking it gives the queue that was
//! put away, as a start with the same checkpoint would. Every way to a queue that may be parked goes through `wake`; what
//! has just been woken is awake until the next `park_idle`.

use crate::{
    base::{
        id::{Location, Lsn, QueueId},
        limits::AWAKE_QUEUES,
        time::Timestamp,
    },
    domain::queue::{Low, Page, PageError, Queue, settings::Settings},
    engine::{
        image::{HeadImage, QueueImage, decode_head, encode_head},
        journal::DecodeError,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Default)]
pub(crate) struct Queues {
    all: BTreeMap<QueueId, Kept>,
    awake: BTreeSet<QueueId>,
    /// Whether any of them may become idle without a look having seen it.
    was_asked: bool,
    /// How many may be awake before the next look.
    look_at: usize,
}

enum Kept {
    Awake(Box<Awake>),
    Parked(Box<Parked>),
}

impl Kept {
    fn lowest(&self) -> Low {
        match self {
            Self::Awake(awake) => awake.queue.lowest_frames(),
            Self::Parked(parked) => parked.figures.lowest,
        }
    }
}

struct Awake {
    queue: Queue,
    /// Whether it was asked for since the last look.
    was_used: bool,
}

/// A queue put away.
struct Parked {
    head: Arc<[u8]>,
    pages: Box<[(u64, Page)]>,
    figures: Figures,
    /// When it has something to do by itself.
    deadline: Option<Timestamp>,
}

/// What is asked of every queue, also of those that nobody uses.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) messages: u64,
    /// Of bodies and attributes.
    pub(crate) bytes: u64,
    /// What the log holds of them, about.
    pub(crate) logged_bytes: u64,
    /// What the archive holds of them, about.
    pub(crate) archived_bytes: u64,
    /// The first frames that hold a message.
    pub(crate) lowest: Low,
    /// Where the first message stands, and when it was sent.
    pub(crate) oldest: Option<(Location, Timestamp)>,
}

/// What all queues need of the log and of the archive.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needed {
    pub(crate) lowest: Low,
    pub(crate) logged_bytes: u64,
    pub(crate) archived_bytes: u64,
}

impl Figures {
    fn of(queue: &Queue) -> Self {
        Self {
            messages: queue.message_count() as u64,
            bytes: queue.stored_bytes(),
            logged_bytes: queue.logged_bytes(),
            archived_bytes: queue.archived_bytes(),
            lowest: queue.lowest_frames(),
            oldest: queue.oldest_stored(),
        }
    }
}

impl Parked {
    /// A queue whose head comes from a snapshot and whose pages are still to come.
    fn from_snapshot(id: QueueId, head: &[u8]) -> Result<Self, DecodeError> {
        let queue = Queue::from_head(id, decode_head(head)?);
        let (figures, deadline) = (Figures::of(&queue), queue.next_deadline());
        Ok(Self { head: head.into(), pages: Box::default(), figures, deadline })
    }

    fn of(queue: &Queue) -> Self {
        let pages = queue.page_numbers().into_iter().filter_map(|number| Some((number, queue.page(number)?)));
        Self {
            head: encode_head(&queue.head()).into(),
            pages: pages.collect(),
            figures: Figures::of(queue),
            deadline: queue.next_deadline(),
        }
    }

    fn queue(&self, id: QueueId) -> Queue {
        let head = decode_head(&self.head).expect("a head that was encoded, or decoded before");
        let mut queue = Queue::from_head(id, head);
        for (number, page) in &self.pages {
            queue.restore_page(*number, page).expect("a page that was packed, or read before");
        }
        queue
    }
}

impl Queues {
    /// Takes in a queue of a snapshot.
    pub(crate) fn restore(&mut self, id: QueueId, head: &[u8]) -> Result<(), DecodeError> {
        self.all.insert(id, Kept::Parked(Box::new(Parked::from_snapshot(id, head)?)));
        Ok(())
    }

    /// Puts the queue of `others` in the place of the one there is, if there is one.
    pub(crate) fn replace(&mut self, id: QueueId, others: &mut Self) {
        if self.contains(id)
            && let Some(other) = others.all.remove(&id)
        {
            match other {
                Kept::Awake(_) => self.awake.insert(id),
                Kept::Parked(_) => self.awake.remove(&id),
            };
            self.all.insert(id, other);
            self.was_asked = true;
        }
    }

    /// Puts a page of a queue in its place; the queue is awake then. A queue that is not there has no pages.
    pub(crate) fn restore_page(&mut self, id: QueueId, number: u64, page: &Page) -> Result<(), PageError> {
        self.wake(id).map_or(Ok(()), |queue| queue.restore_page(number, page))
    }

    /// Opens a queue, unless it is there.
    pub(crate) fn open(&mut self, id: QueueId, settings: &Settings) {
        if !self.contains(id) {
            let queue = Queue::new(id, settings.clone());
            self.all.insert(id, Kept::Awake(Box::new(Awake { queue, was_used: true })));
            self.awake.insert(id);
            self.was_asked = true;
        }
    }

    pub(crate) fn remove(&mut self, id: QueueId) {
        self.all.remove(&id);
        self.awake.remove(&id);
    }

    pub(crate) fn contains(&self, id: QueueId) -> bool {
        self.all.contains_key(&id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = QueueId> {
        self.all.keys().copied()
    }

    /// The queue, woken if it was parked.
    pub(crate) fn wake(&mut self, id: QueueId) -> Option<&mut Queue> {
        let kept = self.all.get_mut(&id)?;
        if let Kept::Parked(parked) = kept {
            *kept = Kept::Awake(Box::new(Awake { queue: parked.queue(id), was_used: true }));
            self.awake.insert(id);
        }
        self.was_asked = true;
        match kept {
            Kept::Awake(awake) => {
                awake.was_used = true;
                Some(&mut awake.queue)
            }
            Kept::Parked(_) => unreachable!("woken above"),
        }
    }

    /// A queue that was woken for the work in hand.
    pub(crate) fn get(&self, id: QueueId) -> Option<&Queue> {
        match self.all.get(&id)? {
            Kept::Awake(awake) => Some(&awake.queue),
            // To say that there is none would be a lie.
            Kept::Parked(_) => unreachable!("queue {id} was not woken before it was asked"),
        }
    }

    /// The settings, without waking the queue.
    pub(crate) fn settings(&self, id: QueueId) -> Option<Settings> {
        Some(match self.all.get(&id)? {
            Kept::Awake(awake) => awake.queue.settings().clone(),
            Kept::Parked(parked) => decode_head(&parked.head).expect("decoded before").settings,
        })
    }

    /// When a queue has something to do by itself; one that is awake knows better than it did when it woke.
    pub(crate) fn deadline(&self, id: QueueId) -> Option<Timestamp> {
        match self.all.get(&id)? {
            Kept::Awake(awake) => awake.queue.next_deadline(),
            Kept::Parked(parked) => parked.deadline,
        }
    }

    /// The first frames that hold a message of any queue, and what the log and the archive hold of all of them, about.
    pub(crate) fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        for kept in self.all.values() {
            let (logged, archived) = match kept {
                Kept::Awake(awake) => (awake.queue.logged_bytes(), awake.queue.archived_bytes()),
                Kept::Parked(parked) => (parked.figures.logged_bytes, parked.figures.archived_bytes),
            };
            needed.logged_bytes += logged;
            needed.archived_bytes += archived;
            needed.lowest = needed.lowest.and(kept.lowest());
        }
        needed
    }

    pub(crate) fn figures(&self) -> impl Iterator<Item = (QueueId, Figures)> {
        self.all.iter().map(|(id, kept)| match kept {
            Kept::Awake(awake) => (*id, Figures::of(&awake.queue)),
            Kept::Parked(parked) => (*id, parked.figures),
        })
    }

    /// The queues from `from` on that hold something below `below`.
    pub(crate) fn standing_below(&self, below: Lsn, from: QueueId) -> Vec<QueueId> {
        let from_there = self.all.range(from..).filter(|(_, kept)| kept.lowest().is_below(below));
        from_there.map(|(id, _)| *id).collect()
    }

    /// Every queue for a checkpoint, with the pages that changed since the last one, or with all.
    pub(crate) fn images(&mut self, all_pages: bool) -> Vec<QueueImage> {
        let image = |(&id, kept): (&QueueId, &mut Kept)| match kept {
            Kept::Awake(awake) => {
                let queue = &mut awake.queue;
                let mut dirty = queue.take_changes();
                if all_pages {
                    dirty = queue.page_numbers().into_iter().map(|number| (number, queue.page(number))).collect();
                }
                QueueImage { id, head: HeadImage::Awake(Box::new(queue.head())), pages: queue.page_numbers(), dirty }
            }
            Kept::Parked(parked) => QueueImage {
                id,
                head: HeadImage::Parked(parked.head.clone()),
                pages: parked.pages.iter().map(|(number, _)| *number).collect(),
                dirty: match all_pages {
                    true => parked.pages.iter().map(|(number, page)| (*number, Some(page.clone()))).collect(),
                    false => Vec::new(),
                },
            },
        };
        self.all.iter_mut().map(image).collect()
    }

    /// Packs what changed, and parks what is idle, for who takes the changes by taking all pages.
    pub(crate) fn pack(&mut self) {
        for id in &self.awake {
            if let Some(Kept::Awake(awake)) = self.all.get_mut(id) {
                drop(awake.queue.take_changes());
            }
        }
        self.park_idle(&BTreeSet::new());
    }

    /// Parks a queue that may rest.
    pub(crate) fn park(&mut self, id: QueueId) {
        let Some(kept) = self.all.get_mut(&id) else { return };
        if let Kept::Awake(awake) = kept
            && awake.queue.may_rest()
        {
            *kept = Kept::Parked(Box::new(Parked::of(&awake.queue)));
            self.awake.remove(&id);
        }
    }

    /// Parks what was not asked for since the last look, but for what is `busy`.
    pub(crate) fn park_idle(&mut self, busy: &BTreeSet<QueueId>) {
        self.was_asked = false;
        for id in self.awake.iter().copied().collect::<Vec<_>>() {
            let was_used = match self.all.get_mut(&id) {
                Some(Kept::Awake(awake)) => std::mem::take(&mut awake.was_used),
                Some(Kept::Parked(_)) | None => false,
            };
            if was_used || busy.contains(&id) {
                self.was_asked = true;
            } else {
                self.park(id);
            }
        }
        self.look_at = AWAKE_QUEUES + 2 * self.awake.len();
    }

    pub(crate) fn parked(&self) -> usize {
        self.all.len() - self.awake.len()
    }

    /// Whether a look some time from now may find idle queues.
    pub(crate) fn may_become_idle(&self) -> bool {
        self.was_asked
    }

    /// Whether so many are awake that it is time to look for idle ones.
    pub(crate) fn are_many_awake(&self) -> bool {
        self.awake.len() > self.look_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::id::{MessageId, MessageSeq},
        domain::queue::{Send, SendDecision, event::Event},
    };

    const ID: QueueId = QueueId(7);

    fn put(queues: &mut Queues, id: QueueId, lsn: u64) {
        let queue = queues.wake(id).expect("the queue is there");
        let request = Send { message_id: MessageId([3; 16]), size: 100, ..Send::default() };
        let SendDecision::Store(sent) = queue.send(Timestamp(1000), &request).expect("room") else {
            panic!("nothing of it is known")
        };
        queue.apply(&Event::Sent(sent), Location { lsn: Lsn(lsn), offset: 0, len: 200 });
    }

    fn is_parked(queues: &Queues, id: QueueId) -> bool {
        matches!(queues.all.get(&id), Some(Kept::Parked(_)))
    }

    #[test]
    fn an_idle_queue_parks_and_wakes_as_it_was() {
        let mut queues = Queues::default();
        queues.open(ID, &Settings::default());
        put(&mut queues, ID, 5);
        queues.park(ID);
        assert!(!is_parked(&queues, ID), "a change that no checkpoint took keeps it awake");
        let before = queues.images(false).pop().expect("one queue");
        assert_eq!(before.dirty.len(), 1);
        let head = queues.get(ID).expect("awake").head();

        queues.park_idle(&BTreeSet::new());
        assert!(!is_parked(&queues, ID), "it was used since the last look");
        queues.park_idle(&BTreeSet::from([ID]));
        assert!(!is_parked(&queues, ID), "it is busy");
        queues.park_idle(&BTreeSet::new());
        assert!(is_parked(&queues, ID));

        let (_, figures) = queues.figures().next().expect("one queue");
        assert_eq!((figures.messages, figures.bytes, figures.lowest.log), (1, 100, Some(Lsn(5))));
        assert_eq!(queues.standing_below(Lsn(6), QueueId(0)), [ID]);
        assert!(queues.standing_below(Lsn(5), QueueId(0)).is_empty());
        assert_eq!(queues.settings(ID), Some(Settings::default()));
        let retention = Settings::default().retention;
        assert_eq!(queues.deadline(ID), Some(Timestamp(1000) + retention));
        let parked = queues.images(false).pop().expect("one queue");
        assert_eq!((parked.pages, parked.dirty.len()), (before.pages, 0));

        let queue = queues.wake(ID).expect("the queue is there");
        assert_eq!(queue.head(), head);
        assert_eq!(queue.message(MessageSeq(1)).expect("the message").location.lsn, Lsn(5));
    }

    #[test]
    fn what_is_not_there_neither_wakes_nor_parks() {
        let mut queues = Queues::default();
        queues.park(ID);
        assert!(queues.wake(ID).is_none() && queues.get(ID).is_none() && queues.deadline(ID).is_none());
        queues.open(ID, &Settings::default());
        queues.remove(ID);
        assert!(!queues.contains(ID) && !queues.are_many_awake());
    }
}
