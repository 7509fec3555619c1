"""What every test gets: one broker for the tests that leave it running, one of its own for a test that stops it."""

import itertools
import os
from pathlib import Path

import pytest

if "FOREBAY_BIN" not in os.environ:
    os.environ["FOREBAY_BIN"] = str(Path(__file__).resolve().parents[3] / "target/debug/forebay")

from broker import Broker  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("shared")) as broker:
        yield broker
        assert broker.process.poll() is None, broker.log_tail()


@pytest.fixture
def queues(shared_broker):
    """The service of the shared broker."""
    return shared_broker.queues()


@pytest.fixture
def own_broker(tmp_path):
    """A broker that the test may kill."""
    with Broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def name():
    """A queue id nobody used before."""
    return f"queue-{next(_numbers)}"
