"""dramatiq over SQS: actors, delays, retries, a dead letter."""

import dramatiq
from dramatiq.worker import Worker
from dramatiq_sqs import SQSBroker
from test_celery import Counted

import server as servers


def test_actors_run_now_later_and_again_after_they_failed(server, sqs, name):
    broker = SQSBroker(
        namespace=name,
        dead_letter=True,
        endpoint_url=server.url,
        region_name=servers.REGION,
        aws_access_key_id=servers.OWNER.id,
        aws_secret_access_key=servers.OWNER.secret,
    )
    counted = Counted()

    @dramatiq.actor(broker=broker, queue_name="work")
    def note(what):
        counted.note(what)

    @dramatiq.actor(broker=broker, queue_name="work", min_backoff=100, max_backoff=500)
    def shaky():
        if counted.note("shaky") < 3:
            raise ValueError("not yet")

    worker = Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    try:
        note.send("now")
        note.send_with_options(args=("later",), delay=1000)
        shaky.send()
        counted.wait("now")
        counted.wait("later")
        counted.wait("shaky", 3)
    finally:
        worker.stop()
    urls = sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]
    assert any(url.endswith("_dlq") for url in urls), urls
