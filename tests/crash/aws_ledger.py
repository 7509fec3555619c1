"""What the boto3 clients know for certain, and what the broker may therefore never do."""

import collections
import threading

from botocore.exceptions import BotoCoreError, ClientError

# How a call ends that the kill broke.
BROKEN = (BotoCoreError, ClientError)


class Violation(Exception):
    """The broker broke a promise."""


class Ledger:
    """What was asked and answered, by the body of the message."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = set()
        self.asked_to_delete = set()
        self.deleted = set()
        self.received = collections.Counter()

    def came(self, body):
        with self.lock:
            if body in self.deleted:
                raise Violation(f"{body} came after its delete was answered")
            self.received[body] += 1

    def missing(self):
        """What was answered and neither came nor was asked to go."""
        with self.lock:
            return {body for body in self.sent if not self.received[body] and body not in self.asked_to_delete}

    def unsettled(self):
        """What was answered and must come once more, because nobody asked to delete it."""
        with self.lock:
            return self.sent - self.asked_to_delete
