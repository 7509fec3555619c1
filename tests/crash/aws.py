"""Kills the real broker with SIGKILL under boto3, starts it again, and compares what comes with what boto3 was told.

    tests/crash/aws.py [--kills 10] [--seed N]

Every send that was answered comes, unless its delete was asked for; nothing whose delete was answered comes again; a
FIFO group comes in its order; a dead letter comes out of its queue or its dead-letter queue. FOREBAY_BIN names the
binary. The last line is `N passed, N failed`: one check a kill, one for the rest.
"""

import argparse
import collections
import os
import random
import sys
import threading
import time
import traceback
from pathlib import Path

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients/aws"))
import server as servers  # noqa: E402
from aws_ledger import BROKEN, Ledger, Violation  # noqa: E402
from aws_letters import DeadLetters  # noqa: E402

SENDERS = 3
RECEIVERS = 2
GROUPS = 4
ERA_SECONDS = (0.3, 1.5)
DRAIN_SECONDS_MAX = 60


class Load:
    def __init__(self, server, seed):
        self.server = server
        self.dice = random.Random(seed)
        self.ledger = Ledger()
        self.numbers = collections.Counter()
        self.order = collections.defaultdict(list)
        # A call that the kill broke is repeated by nobody, so that its outcome stays unknown.
        config = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10)
        keys = {"aws_access_key_id": servers.OWNER.id, "aws_secret_access_key": servers.OWNER.secret}
        self.client = lambda: boto3.Session(region_name=servers.REGION, **keys).client(
            "sqs", endpoint_url=server.url, config=config
        )
        sqs = self.client()
        short = {"VisibilityTimeout": "2"}
        self.standard = sqs.create_queue(QueueName="crash", Attributes=short)["QueueUrl"]
        fifo = {"FifoQueue": "true", **short}
        self.fifo = sqs.create_queue(QueueName="crash.fifo", Attributes=fifo)["QueueUrl"]
        self.letters = DeadLetters(self.client, self.dice)

    def era(self):
        """Works until the broker is killed; returns what a worker found wrong."""
        stop = threading.Event()
        wrong = []
        work = [self.send] * SENDERS + [self.send_in_order] + [self.receive] * RECEIVERS + self.letters.jobs()
        workers = [threading.Thread(target=self.guard, args=(job, stop, wrong, at)) for at, job in enumerate(work)]
        for worker in workers:
            worker.start()
        time.sleep(self.dice.uniform(*ERA_SECONDS))
        self.server.kill()
        stop.set()
        for worker in workers:
            worker.join(30)
        if wrong:
            raise wrong[0]

    def guard(self, job, stop, wrong, at):
        try:
            job(self.client(), stop, at)
        except BROKEN:
            pass
        except Exception as error:  # noqa: BLE001 (it is the era's result)
            wrong.append(error)

    def send(self, sqs, stop, at):
        while not stop.is_set():
            bodies = []
            for _ in range(1 + at * 2):
                self.numbers[at] += 1
                bodies.append(f"{at}-{self.numbers[at]}")
            entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
            answer = sqs.send_message_batch(QueueUrl=self.standard, Entries=entries)
            with self.ledger.lock:
                self.ledger.sent.update(bodies[int(entry["Id"])] for entry in answer["Successful"])

    def send_in_order(self, sqs, stop, _):
        while not stop.is_set():
            self.numbers["fifo"] += 1
            number = self.numbers["fifo"]
            body, group = f"fifo-{number}", f"g{number % GROUPS}"
            sqs.send_message(
                QueueUrl=self.fifo, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body
            )
            self.order[group].append(body)

    def receive(self, sqs, stop, _):
        while not stop.is_set():
            self.take(sqs)

    def take(self, sqs):
        """Receives and deletes once; returns how many came."""
        messages = sqs.receive_message(QueueUrl=self.standard, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = messages.get("Messages", [])
        for message in messages:
            self.ledger.came(message["Body"])
        if messages:
            entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(messages)]
            with self.ledger.lock:
                self.ledger.asked_to_delete.update(message["Body"] for message in messages)
            answer = sqs.delete_message_batch(QueueUrl=self.standard, Entries=entries)
            with self.ledger.lock:
                self.ledger.deleted.update(messages[int(entry["Id"])]["Body"] for entry in answer["Successful"])
        return len(messages)

    def drain(self):
        """Everything that is left comes, in its order."""
        sqs = self.client()
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while self.counted(sqs, self.standard):
            if time.monotonic() > deadline:
                raise Violation("the queue is never empty")
            self.take(sqs)
        lost = self.ledger.missing()
        if lost:
            raise Violation(f"{len(lost)} of {len(self.ledger.sent)} messages are lost, such as {sorted(lost)[:5]}")
        came = collections.defaultdict(list)
        while self.counted(sqs, self.fifo):
            if time.monotonic() > deadline:
                raise Violation("the FIFO queue is never empty")
            names = {"AttributeNames": ["MessageGroupId"], "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
            for message in sqs.receive_message(QueueUrl=self.fifo, **names).get("Messages", []):
                came[message["Attributes"]["MessageGroupId"]].append(message["Body"])
                sqs.delete_message(QueueUrl=self.fifo, ReceiptHandle=message["ReceiptHandle"])
        for group, sent in self.order.items():
            # A send that the kill broke may have been stored without an answer.
            answered = set(sent)
            found = [body for body in came[group] if body in answered]
            if found != sent:
                raise Violation(f"{group}: sent {sent}, came {found}")
            if came[group] != sorted(came[group], key=lambda body: int(body.split("-")[1])):
                raise Violation(f"{group} came in another order: {came[group]}")
        self.letters.drain(sqs, time.monotonic() + DRAIN_SECONDS_MAX)

    @staticmethod
    def counted(sqs, url):
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    passed = failed = 0
    try:
        settings = {"FOREBAY__STORAGE__SEGMENT_SIZE": "4MiB"}
        with servers.running(**settings) as server:
            load = Load(server, arguments.seed)
            for kill in range(1, arguments.kills + 1):
                load.era()
                server.restart_after_kill()
                passed += 1
                sent, deleted = len(load.ledger.sent), len(load.ledger.deleted)
                in_order = sum(map(len, load.order.values()))
                print(f"kill {kill}/{arguments.kills}: sent {sent} + {in_order}, deleted {deleted}", flush=True)
            load.drain()
            passed += 1
            letters = load.letters
            print(f"drained: {len(load.ledger.received)} came", flush=True)
            print(f"{letters.dead_received} dead letters received, {letters.tasks} move tasks", flush=True)
    except Exception as error:  # noqa: BLE001 (whatever it was, it is the run's result)
        failed = 1
        traceback.print_exception(error)
    print(f"{passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
