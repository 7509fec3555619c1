"""The oracle of the crash loop can fail: each promise is broken here once."""

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from oracle import Groups, Ledger, Letters, Violation, body_of, key_of, reason_of  # noqa: E402


def message(key, message_id=None, number=None):
    group, index = key.rsplit("-", 1)
    return SimpleNamespace(
        body=body_of(key),
        message_id=message_id or f"id of {key}",
        group_id=group,
        sequence_number=str(int(index) if number is None else number),
    )


def entries(*keys):
    return [SimpleNamespace(message=message(key)) for key in keys]


@contextlib.contextmanager
def violates(words):
    with pytest.raises(Violation, match=words):
        yield


@pytest.fixture
def ledger():
    """a-0 to a-4 were tried, the first four of them acknowledged."""
    ledger = Ledger("q")
    ledger.on_try([f"a-{n}" for n in range(5)])
    for n in range(4):
        ledger.on_sent(f"a-{n}", f"id of a-{n}")
    return ledger


def test_all_that_was_sent_is_there_and_what_was_only_tried_may_be(ledger):
    ledger.check_present(entries("a-0", "a-1", "a-2", "a-3"))
    ledger.check_present(entries("a-0", "a-1", "a-2", "a-3", "a-4"))


def test_a_lost_message_is_found(ledger):
    with violates("1 acknowledged messages are lost, such as .'a-2'"):
        ledger.check_present(entries("a-0", "a-1", "a-3"))


def test_a_message_received_but_not_deleted_must_still_be_there(ledger):
    ledger.on_received(message("a-2"))
    with violates("lost"):
        ledger.check_present(entries("a-0", "a-1", "a-3"))


def test_a_deleted_message_that_is_present_or_received_is_found(ledger):
    ledger.on_deleted(["a-1"])
    ledger.check_present(entries("a-0", "a-2", "a-3"))
    with violates("a-1 was deleted and came back"):
        ledger.on_received(message("a-1"))
    with violates("1 deleted messages are back"):
        ledger.check_present(entries("a-0", "a-1", "a-2", "a-3"))


def test_an_unanswered_delete_may_count_or_not_but_only_once(ledger):
    ledger.on_maybe_deleted(["a-0", "a-1"])
    ledger.check_present(entries("a-0", "a-2", "a-3"))
    with violates("1 deleted messages are back"):
        ledger.check_present(entries("a-0", "a-1", "a-2", "a-3"))


def test_a_message_stored_twice_is_found(ledger):
    with violates("stored twice"):
        ledger.on_received(message("a-0", message_id="another"))
    with violates("a-0 is there twice"):
        ledger.check_present(entries("a-0", "a-0", "a-1", "a-2", "a-3"))


def test_a_message_nobody_sent_and_a_changed_body_are_found(ledger):
    with violates("never sent"):
        ledger.on_received(message("b-0"))
    with violates("came back changed"):
        key_of(body_of("a-0")[:-1] + b"?")


@pytest.fixture
def groups(ledger):
    return Groups(ledger)


def test_a_group_comes_in_order_to_one_consumer_at_a_time(groups, ledger):
    assert groups.on_received([message("a-0"), message("a-1")], "x") == {"a": [0, 1]}
    groups.on_settle(["a-0"], ["a"], "x")
    groups.on_settled(["a-0"])
    assert groups.on_received([message("a-1"), message("a-2")], "y") == {"a": [1, 2]}


def test_a_group_given_to_two_consumers_is_found(groups):
    groups.on_received([message("a-0")], "x")
    with violates("given to y while x holds it"):
        groups.on_received([message("a-0")], "y")


def test_a_message_that_overtakes_its_group_is_found(groups):
    with violates("came from 1 on though .0. are not deleted"):
        groups.on_received([message("a-1")], "x")


def test_holes_and_wrong_order_in_one_receive_are_found(groups):
    with violates("out of order or with holes"):
        groups.on_received([message("a-0"), message("a-2")], "x")
    groups.holders.clear()
    with violates("out of order or with holes"):
        groups.on_received([message("a-1"), message("a-0")], "x")


def test_sequence_numbers_that_change_or_fall_are_found(groups):
    groups.on_received([message("a-0", number=7)], "x")
    with violates("has sequence number 8, and had 7 before"):
        groups.on_received([message("a-0", number=8)], "x")
    with violates("has sequence number 6, its predecessor 7"):
        groups.on_received([message("a-0", number=7), message("a-1", number=6)], "x")


@pytest.fixture
def letters():
    """a-0 to a-3 were sent to the queue `work`, whose dead letters go to `dead` after two receives."""
    letters = Letters("work", "dead", 2)
    for n in range(4):
        letters.on_try([f"a-{n}"])
        letters.on_sent(f"a-{n}", f"id of a-{n}")
    return letters


def letter(key, count=1, source="", reason="", message_id=None):
    received = message(key, message_id=message_id)
    received.receive_count, received.dead_letter_source, received.dead_letter_reason = count, source, reason
    return received


def test_each_letter_is_in_one_of_both_queues(letters):
    letters.check_present(entries("a-0", "a-1") + entries("a-2", "a-3"))
    with violates("a-1 is there twice"):
        letters.check_present(entries("a-0", "a-1") + entries("a-1", "a-2", "a-3"))
    with violates("1 acknowledged messages are lost, such as .'a-3'"):
        letters.check_present(entries("a-0", "a-1") + entries("a-2"))


def test_a_letter_may_get_another_id_but_no_other_letters(letters):
    letters.on_letter("work", letter("a-0", message_id="new"))
    with violates("a-0 and a-1 have the same id new"):
        letters.on_letter("work", letter("a-1", message_id="new"))


def test_what_may_be_on_its_way_is_not_taken_for_deleted(letters):
    letters.on_maybe_deleted(["a-0"])
    letters.check_present(entries("a-1", "a-2", "a-3"))
    letters.check_present(entries("a-0", "a-1", "a-2", "a-3"))
    letters.on_deleted(["a-0"])
    with violates("1 deleted messages are back"):
        letters.check_present(entries("a-0", "a-1", "a-2", "a-3"))


def test_a_message_that_comes_too_often_or_as_a_dead_letter_is_found(letters):
    letters.on_letter("work", letter("a-0", count=2))
    with violates("came for the 3th time"):
        letters.on_letter("work", letter("a-0", count=3))
    with violates("as a dead letter"):
        letters.on_letter("work", letter("a-0", source="namespaces/x/queues/work"))


def test_a_dead_letter_says_where_it_comes_from_and_why(letters):
    source = "namespaces/x/queues/work"
    letters.on_letter("dead", letter("a-0", count=3, source=source))
    with violates("dead letter of ''"):
        letters.on_letter("dead", letter("a-0", count=3))
    with violates("because of 'a-0 is poison'"):
        letters.on_letter("dead", letter("a-0", source=source, reason=reason_of("a-0")))
    letters.on_given_up("a-0")
    letters.on_letter("dead", letter("a-0", source=source, reason=reason_of("a-0")))
