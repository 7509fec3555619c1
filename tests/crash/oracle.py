"""What the clients know for certain, and what the broker may therefore never do."""

import hashlib


class Violation(AssertionError):
    """The broker broke a promise."""


def body_of(key):
    """A message's body: its key, then filler whose length and bytes follow from the key, so that any damage shows."""
    digest = hashlib.sha256(key.encode()).digest()
    length = int.from_bytes(digest[:2], "little") % 3000
    # One in a hundred is large, so that blocks and segments fill in uneven steps.
    if digest[2] % 100 == 0:
        length *= 20
    return f"{key}|".encode() + (digest * (length // 32 + 1))[:length]


def key_of(body):
    """The key of a body that arrived, which must be whole."""
    key = body.split(b"|", 1)[0].decode(errors="replace")
    if body != body_of(key):
        raise Violation(f"the body of {key} came back changed: {len(body)} bytes instead of {len(body_of(key))}")
    return key


class Ledger:
    """One queue's messages by key, as the clients saw them.

    A key is `sent` when a send was answered, else only `tried`; `deleted` when an acknowledgement was answered, else
    `maybe_deleted`. Every key has one message id for ever: a second one means that it was stored twice.
    """

    def __init__(self, queue):
        self.queue = queue
        self.tried = set()
        self.sent = set()
        self.received = set()
        self.deleted = set()
        self.maybe_deleted = set()
        self.ids = {}

    def on_try(self, keys):
        self.tried.update(keys)

    def on_sent(self, key, message_id):
        self.sent.add(key)
        # A repeat recognised by its sequence may be answered without the first one's id.
        if message_id:
            self.on_id(key, message_id)

    def on_id(self, key, message_id):
        known = self.ids.setdefault(key, message_id)
        if known != message_id:
            raise Violation(f"{self.queue}: {key} was stored twice, as {known} and as {message_id}")

    def on_received(self, message):
        key = key_of(message.body)
        self._must_have_been_tried(key)
        if key in self.deleted:
            raise Violation(f"{self.queue}: {key} was deleted and came back")
        self.on_id(key, message.message_id)
        self.received.add(key)
        return key

    def on_deleted(self, keys):
        self.deleted.update(keys)
        self.maybe_deleted.difference_update(keys)

    def on_maybe_deleted(self, keys):
        self.maybe_deleted.update(set(keys) - self.deleted)

    def backlog(self):
        return len(self.sent) - len(self.deleted)

    def check_present(self, entries):
        """Compares with everything a quiet broker holds."""
        present = set()
        for entry in entries:
            key = key_of(entry.message.body)
            self._must_have_been_tried(key)
            if key in present:
                raise Violation(f"{self.queue}: {key} is there twice")
            self.on_id(key, entry.message.message_id)
            present.add(key)
        lost = self.sent - self.deleted - self.maybe_deleted - present
        if lost:
            raise Violation(f"{self.queue}: {len(lost)} acknowledged messages are lost, such as {sorted(lost)[:5]}")
        back = self.deleted & present
        if back:
            raise Violation(f"{self.queue}: {len(back)} deleted messages are back, such as {sorted(back)[:5]}")
        # What is known now: an unanswered acknowledgement either counted or did not, and stays so.
        self.deleted.update(self.maybe_deleted - present)
        self.maybe_deleted.clear()

    def _must_have_been_tried(self, key):
        if key not in self.tried:
            raise Violation(f"{self.queue}: {key} was never sent")


class Letters(Ledger):
    """The messages of a queue and its dead-letter queue: each is in one of them, or deleted.

    A redrive gives a message a new id, so that a key may have several, one after the other; no id has two keys. What an
    unanswered acknowledgement left out of both queues may also be on its way between them, so it stays unknown.
    """

    def __init__(self, work, dead, max_receives):
        super().__init__(work)
        self.dead = dead
        self.max_receives = max_receives
        self.given_up = set()
        self.keys = {}
        self.dead_received = 0

    def on_id(self, key, message_id):
        known = self.keys.setdefault(message_id, key)
        if known != key:
            raise Violation(f"{self.queue}: {known} and {key} have the same id {message_id}")

    def on_given_up(self, key):
        """A consumer says that it goes to the dead-letter queue, with its reason."""
        self.given_up.add(key)

    def on_letter(self, queue, message):
        """A message came out of `queue`: what it says of its past must be so."""
        key = self.on_received(message)
        if queue == self.queue:
            self._must_be_alive(key, message)
        else:
            self.dead_received += 1
            self._must_be_dead(key, message)
        return key

    def _must_be_alive(self, key, message):
        if message.receive_count > self.max_receives:
            raise Violation(f"{key} came for the {message.receive_count}th time; {self.max_receives} are allowed")
        if message.dead_letter_source or message.dead_letter_reason:
            raise Violation(f"{key} came out of {self.queue} as a dead letter")

    def _must_be_dead(self, key, message):
        if message.dead_letter_source.rsplit("/", 1)[-1] != self.queue:
            raise Violation(f"{key} is said to be a dead letter of {message.dead_letter_source!r}")
        known = {"", reason_of(key)} if key in self.given_up else {""}
        if message.dead_letter_reason not in known:
            raise Violation(f"{key} is a dead letter because of {message.dead_letter_reason!r}")

    def check_present(self, entries):
        certain = set(self.deleted)
        super().check_present(entries)
        self.maybe_deleted = self.deleted - certain
        self.deleted = certain


def reason_of(key):
    """Why a consumer gives the message up."""
    return f"{key} is poison"


class Groups:
    """A FIFO queue's groups: order, one holder at a time, deletion from the front only. Keys are `GROUP-INDEX`."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.holders = {}
        self.acknowledging = set()
        self.numbers = {}

    def on_received(self, messages, consumer):
        by_group = {}
        for message in messages:
            key = self.ledger.on_received(message)
            self._number_must_rise(key, message)
            by_group.setdefault(message.group_id, []).append(index_of(key))
        for group, indexes in by_group.items():
            holder = self.holders.setdefault(group, consumer)
            if holder != consumer:
                raise Violation(f"group {group} was given to {consumer} while {holder} holds it")
            if indexes != list(range(indexes[0], indexes[0] + len(indexes))):
                raise Violation(f"group {group} came out of order or with holes: {indexes}")
            done = self.ledger.deleted | self.acknowledging
            skipped = [n for n in range(indexes[0]) if f"{group}-{n}" not in done]
            if skipped:
                raise Violation(f"group {group} came from {indexes[0]} on though {skipped[:5]} are not deleted")
        return by_group

    def on_settle(self, keys, groups, consumer):
        """The settle call is about to leave: from now on the broker may give the groups to others."""
        self.acknowledging.update(keys)
        for group in groups:
            if self.holders.get(group) == consumer:
                del self.holders[group]

    def on_settled(self, keys):
        self.ledger.on_deleted(keys)
        self.acknowledging.difference_update(keys)

    def _number_must_rise(self, key, message):
        group, index = message.group_id, index_of(key)
        number = int(message.sequence_number)
        known = self.numbers.setdefault(group, {})
        if known.setdefault(index, number) != number:
            raise Violation(f"{key} has sequence number {number}, and had {known[index]} before")
        before = known.get(index - 1)
        if before is not None and before >= number:
            raise Violation(f"{key} has sequence number {number}, its predecessor {before}")


def index_of(key):
    return int(key.rsplit("-", 1)[1])
