"""The clients of the disk trials: boto3 with no retries of its own, and a ledger of what was asked and answered."""

import collections
import itertools
import json
import sys
import threading
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients/aws"))
import server as servers  # noqa: E402

WAIT_SECONDS_MAX = 60
OLD = [f"old-{number}" for number in range(5)]
BODY_BYTES = 60_000
SENDERS = 3
# A queue that is large in the catalog.
WIDE_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue", "Sid": "x" * 7000}],
    }
)


class Violation(Exception):
    """The broker broke a promise."""


def eventually(what, reached):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not reached():
        if time.monotonic() > deadline:
            raise Violation(f"it never came that {what}")
        time.sleep(0.1)


def is_full(error):
    """The answer of the AWS protocol to growth on a full disk: one that every SDK repeats by itself."""
    if not isinstance(error, ClientError):
        return False
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status == 503 and "disk is nearly full" in error.response["Error"]["Message"]


class Load:
    def __init__(self, server, dice):
        self.server = server
        self.dice = dice
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.sent = set()
        self.asked_to_delete = set()
        self.deleted = set()
        self.received = collections.Counter()
        self.queues = []
        self.wrong = []

    def client(self):
        # A call that a kill broke is repeated by nobody, so that its outcome stays unknown.
        config = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=30)
        keys = {"aws_access_key_id": servers.OWNER.id, "aws_secret_access_key": servers.OWNER.secret}
        session = boto3.Session(region_name=servers.REGION, **keys)
        return session.client("sqs", endpoint_url=self.server.url, config=config)

    def create_queues(self):
        self.sqs = self.client()
        lease = {"VisibilityTimeout": "20"}
        self.url = self.sqs.create_queue(QueueName="load", Attributes=lease)["QueueUrl"]
        self.old = self.sqs.create_queue(QueueName="old", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]

    def send_old(self):
        for body in OLD:
            self.sqs.send_message(QueueUrl=self.old, MessageBody=body)

    def check_old(self):
        """The queue of old messages holds exactly those."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        seen = set()
        while seen != set(OLD):
            answer = self.sqs.receive_message(QueueUrl=self.old, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            seen |= {message["Body"] for message in answer.get("Messages", [])}
            if time.monotonic() > deadline:
                raise Violation(f"of the old messages only {sorted(seen)} come")

    def send(self, sqs, size=BODY_BYTES):
        """One message; what was answered is in the ledger."""
        key = str(next(self.numbers))
        sqs.send_message(QueueUrl=self.url, MessageBody=f"{key} ".ljust(size, "x"))
        with self.lock:
            self.sent.add(key)

    def send_until_refused(self):
        before = len(self.sent)

        def send_all():
            sqs = self.client()
            try:
                while True:
                    self.send(sqs)
            except ClientError as error:
                if not is_full(error):
                    self.wrong.append(error)

        self.join([self.thread(send_all) for _ in range(SENDERS)])
        return len(self.sent) - before

    @staticmethod
    def thread(work, *arguments):
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        return thread

    def join(self, threads):
        for thread in threads:
            thread.join(120)
            if thread.is_alive():
                raise Violation("a call is never answered")
        if self.wrong:
            raise self.wrong[0]

    def expect_refused(self):
        for refused in (
            lambda: self.sqs.send_message(QueueUrl=self.url, MessageBody="one more"),
            lambda: self.sqs.create_queue(QueueName="one-more"),
        ):
            try:
                refused()
            except ClientError as error:
                if not is_full(error):
                    raise Violation(f"a full disk is told as {error.response}") from error
            else:
                raise Violation("growth was accepted on a full disk")

    def is_accepted(self):
        try:
            self.send(self.sqs, 100)
            return True
        except ClientError as error:
            if not is_full(error):
                raise
            return False

    def held(self):
        with self.lock:
            return len(self.sent - self.deleted)

    def receive(self, sqs, count, wait=2):
        """Receives up to this many and deletes them; returns how many came."""
        answer = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=min(count, 10), WaitTimeSeconds=wait)
        messages = {str(at): message for at, message in enumerate(answer.get("Messages", []))}
        if not messages:
            return 0
        keys = {at: message["Body"].split(" ")[0] for at, message in messages.items()}
        with self.lock:
            for key in keys.values():
                if key in self.deleted:
                    raise Violation(f"message {key} came after its delete was answered")
                self.received[key] += 1
                self.asked_to_delete.add(key)
        entries = [{"Id": at, "ReceiptHandle": message["ReceiptHandle"]} for at, message in messages.items()]
        answer = sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        if answer.get("Failed"):
            raise Violation(f"deletes were refused: {answer['Failed']}")
        with self.lock:
            self.deleted.update(keys[entry["Id"]] for entry in answer["Successful"])
        return len(messages)

    def take(self, count):
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while count > 0:
            count -= self.receive(self.sqs, count)
            if time.monotonic() > deadline:
                raise Violation("receives and deletes do not go on")

    def take_all_but(self, left):
        self.take(max(self.held() - left, 0))

    def wait_until_read(self):
        """A full disk may cost the broker its index: then it serves before it has read what its queues hold."""
        eventually("the messages are read", self.is_read)

    def is_read(self):
        try:
            self.counted()
        except ClientError as error:
            if "read from the log again" not in error.response["Error"]["Message"]:
                raise
            return False
        return True

    def counted(self):
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        names = ["", "NotVisible", "Delayed"]
        return sum(int(answer[f"ApproximateNumberOfMessages{name}"]) for name in names)

    def check_counts(self):
        """As many as were acknowledged and not deleted; what was in the air when the broker died may have arrived."""
        counted, at_least = self.counted(), self.held()
        if counted < at_least:
            raise Violation(f"{counted} messages are there, {at_least} were acknowledged and not deleted")

    def pass_through(self, total):
        """Sends and deletes until this many bytes went through; a refusal on the way is waited for."""
        written = 0
        while written < total:
            for _ in range(10):
                eventually("the log's dead part makes room", lambda: self.accepts(BODY_BYTES))
                written += BODY_BYTES
            self.take_all_but(20)
        return written

    def accepts(self, size):
        try:
            self.send(self.sqs, size)
            return True
        except ClientError as error:
            if not is_full(error):
                raise
            return False

    def create_until_refused(self, most):
        def create_all(part):
            sqs = self.client()
            for number in range(part, most, SENDERS):
                name = f"wide-{number}"
                try:
                    url = sqs.create_queue(QueueName=name, Attributes={"Policy": WIDE_POLICY})["QueueUrl"]
                except ClientError as error:
                    if not is_full(error):
                        self.wrong.append(error)
                    return
                with self.lock:
                    self.queues.append(url)

        self.join([self.thread(create_all, part) for part in range(SENDERS)])
        return len(self.queues)

    def check_queues(self):
        pages = self.sqs.get_paginator("list_queues").paginate(
            QueueNamePrefix="wide-", PaginationConfig={"PageSize": 1000}
        )
        found = {url for page in pages for url in page.get("QueueUrls", [])}
        lost = set(self.queues) - found
        if lost:
            raise Violation(f"{len(lost)} of {len(self.queues)} queues are gone, such as {sorted(lost)[:3]}")

    def delete_queues(self):
        for url in self.queues:
            self.sqs.delete_queue(QueueUrl=url)
        self.queues = []

    def start(self, stop):
        """Senders and receivers until `stop`; a refusal for want of space is part of the work."""

        def guard(step):
            sqs = self.client()
            while not stop.is_set():
                try:
                    step(sqs)
                except BotoCoreError:
                    # The broker was killed.
                    return
                except ClientError as error:
                    if not is_full(error):
                        self.wrong.append(error)
                        return
                    time.sleep(0.05)
                except Exception as error:  # noqa: BLE001 (it is the trial's result)
                    self.wrong.append(error)
                    return

        def send(sqs):
            if self.held() < 1000:
                self.send(sqs)
            else:
                time.sleep(0.02)

        def make(sqs):
            url = sqs.create_queue(QueueName=f"brief-{next(self.numbers)}")["QueueUrl"]
            sqs.delete_queue(QueueUrl=url)

        steps = [send, send, make, lambda sqs: self.receive(sqs, 10, wait=1), lambda sqs: self.receive(sqs, 10, wait=1)]
        return [self.thread(guard, step) for step in steps]

    def drain(self):
        """Everything that is left comes; returns how many."""
        came, deadline = 0, time.monotonic() + WAIT_SECONDS_MAX
        while self.counted():
            came += self.receive(self.sqs, 10)
            if time.monotonic() > deadline:
                raise Violation("the queue is never empty")
        lost = self.sent - set(self.received) - self.asked_to_delete
        if lost:
            raise Violation(f"{len(lost)} acknowledged messages are lost, such as {sorted(lost)[:5]}")
        return came
