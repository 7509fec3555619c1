"""Celery and kombu over SQS: tasks, countdowns, back-off, purge."""

import collections
import threading

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from urllib.parse import quote

import server as servers


class Counted:
    """What ran, and a way to wait for it."""

    def __init__(self):
        self.seen = collections.Counter()
        self.changed = threading.Condition()

    def note(self, what):
        with self.changed:
            self.seen[what] += 1
            self.changed.notify_all()
            return self.seen[what]

    def wait(self, what, times=1):
        with self.changed:
            assert self.changed.wait_for(lambda: self.seen[what] >= times, 60), f"{what}: {self.seen[what]} times"


@pytest.fixture
def app(server, name):
    key = servers.OWNER
    broker = f"sqs://{quote(key.id, safe='')}:{quote(key.secret, safe='')}@127.0.0.1:{server.port}//"
    app = Celery(name, broker=broker)
    app.conf.update(
        broker_transport_options={
            "region": servers.REGION,
            "is_secure": False,
            "wait_time_seconds": 1,
            "polling_interval": 0.1,
            "visibility_timeout": 60,
        },
        task_default_queue=name,
        task_ignore_result=True,
        worker_enable_remote_control=False,
        task_acks_late=True,
        broker_connection_retry_on_startup=True,
    )
    return app


def test_tasks_run_now_later_and_again_after_they_failed(app, sqs, name):
    counted = Counted()

    @app.task(name=f"{name}.note")
    def note(what):
        counted.note(what)

    @app.task(name=f"{name}.shaky", bind=True, autoretry_for=(ValueError,), retry_backoff=1, retry_jitter=False)
    def shaky(self):
        if counted.note("shaky") < 3:
            raise ValueError("not yet")

    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="warning"):
        note.delay("now")
        note.apply_async(("later",), countdown=1)
        shaky.delay()
        counted.wait("now")
        counted.wait("later")
        counted.wait("shaky", 3)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "0", counts


def test_waiting_tasks_are_purged(app, sqs, name):
    for at in range(3):
        app.send_task(f"{name}.nobody", (at,))
    with app.connection_for_write() as connection:
        queue = app.amqp.queues[name].bind(connection.default_channel)
        queue.purge()
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []
