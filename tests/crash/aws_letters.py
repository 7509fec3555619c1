"""The load of dead letters under boto3: received too often, brought back by move tasks that may be cancelled."""

import json
import time

from aws_ledger import Ledger, Violation
from botocore.exceptions import ClientError

MAX_RECEIVES = 2
# Between a receive and its delete there are milliseconds; what a kill leaves leased must come back in the drain.
VISIBILITY_SECONDS = 15
TASK_RACES = ("ResourceNotFoundException", "InvalidParameterValue", "UnsupportedOperation")


class DeadLetters:
    def __init__(self, client, dice):
        self.dice = dice
        self.ledger = Ledger()
        self.number = 0
        self.dead_received = 0
        self.tasks = 0
        sqs = client()
        short = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        self.dead = sqs.create_queue(QueueName="crash-dead", Attributes=short)["QueueUrl"]
        self.dead_arn = self.arn(sqs, self.dead)
        redrive = {"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": str(MAX_RECEIVES)}
        attributes = {**short, "RedrivePolicy": json.dumps(redrive)}
        self.work = sqs.create_queue(QueueName="crash-work", Attributes=attributes)["QueueUrl"]
        self.work_arn = self.arn(sqs, self.work)

    @staticmethod
    def arn(sqs, url):
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def jobs(self):
        return [self.send, self.consume_work, self.consume_dead, self.move]

    def send(self, sqs, stop, _):
        while not stop.is_set():
            self.send_some(sqs)

    def send_some(self, sqs):
        bodies = [f"letter-{self.number + n}" for n in range(5)]
        self.number += 5
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
        answer = sqs.send_message_batch(QueueUrl=self.work, Entries=entries)
        with self.ledger.lock:
            self.ledger.sent.update(bodies[int(entry["Id"])] for entry in answer["Successful"])

    def consume_work(self, sqs, stop, _):
        while not stop.is_set():
            self.take(sqs, self.work, keep=0.6)

    def consume_dead(self, sqs, stop, _):
        while not stop.is_set():
            self.take(sqs, self.dead, keep=0.9)

    def take(self, sqs, url, keep=0.0, wait=1):
        """Receives once, gives some back, deletes the rest; returns how many came."""
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"]
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self.ledger.came(message["Body"])
            self.check(url, message)
        kept = [message for message in messages if self.dice.random() < keep]
        done = [message for message in messages if message not in kept]
        if kept:
            entries = [self.entry(at, message, VisibilityTimeout=0) for at, message in enumerate(kept)]
            sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
        if done:
            entries = [self.entry(at, message) for at, message in enumerate(done)]
            with self.ledger.lock:
                self.ledger.asked_to_delete.update(message["Body"] for message in done)
            answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            with self.ledger.lock:
                self.ledger.deleted.update(done[int(entry["Id"])]["Body"] for entry in answer["Successful"])
        return len(messages)

    @staticmethod
    def entry(at, message, **more):
        return {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"], **more}

    def check(self, url, message):
        """What a message says of its past must be so."""
        body, attributes = message["Body"], message["Attributes"]
        source = attributes.get("DeadLetterQueueSourceArn")
        if url == self.dead:
            self.dead_received += 1
            if source != self.work_arn:
                raise Violation(f"{body} is said to be a dead letter of {source}")
        elif source is not None or int(attributes["ApproximateReceiveCount"]) > MAX_RECEIVES:
            raise Violation(f"{body} came out of its queue with {attributes}")

    def move(self, sqs, stop, _):
        while not stop.is_set():
            time.sleep(self.dice.random() * 0.3)
            self.move_some(sqs)

    def move_some(self, sqs):
        """Starts a move task at some speed, back to the source or to the queue by name; may cancel it."""
        how = self.dice.choice([{}, {"DestinationArn": self.work_arn}])
        velocity = self.dice.choice([{}, {"MaxNumberOfMessagesPerSecond": 20}])
        task = self.raced(lambda: sqs.start_message_move_task(SourceArn=self.dead_arn, **how, **velocity))
        handle = task and task["TaskHandle"]
        if handle is not None:
            self.tasks += 1
        if handle is not None and self.dice.random() < 0.5:
            time.sleep(self.dice.random() * 0.2)
            self.raced(lambda: sqs.cancel_message_move_task(TaskHandle=handle))

    @staticmethod
    def raced(call):
        """What the call gives; nothing when another task runs, or this one has ended already."""
        try:
            return call()
        except ClientError as error:
            if not error.response["Error"]["Code"].rsplit(".", 1)[-1].startswith(TASK_RACES):
                raise Violation(f"a move task was refused: {error}") from error
            return None

    def drain(self, sqs, deadline):
        """Everything comes, out of one queue or the other. What moves is counted by neither for a moment."""
        while not self.dead_received or not self.tasks:
            self.must_end(deadline)
            self.send_some(sqs)
            self.take(sqs, self.work, keep=1.0)
            self.take(sqs, self.dead, keep=0.9)
            self.move_some(sqs)
        while self.ledger.unsettled() or self.counted(sqs):
            self.must_end(deadline)
            # A wait at an empty queue would let the other one have ten messages a second.
            if not self.take(sqs, self.work, wait=0) + self.take(sqs, self.dead, wait=0):
                time.sleep(0.1)

    def must_end(self, deadline):
        if time.monotonic() > deadline:
            lost = sorted(self.ledger.unsettled())
            raise Violation(f"{len(lost)} letters never come, such as {lost[:5]}; {self.dead_received} were dead")

    def counted(self, sqs):
        total = 0
        for url in (self.work, self.dead):
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            total += int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])
        return total
