"""A broker killed in the middle of puts: what it acknowledged is there once, in order within its key."""

import threading
import time

import server as servers
from botocore.exceptions import BotoCoreError, ClientError
from conftest import client_of

KEYS = 4
KILLS = 3
BETWEEN_KILLS = 300


def put_until(stopped, server, key, acknowledged):
    """Puts numbered records one after the other. One that was not acknowledged is left behind, never repeated."""
    client = client_of(server, service="kinesis", config={"connect_timeout": 5, "read_timeout": 10})
    number = 0
    while not stopped.is_set():
        try:
            put = client.put_record(StreamName="killed", PartitionKey=key, Data=f"{key}:{number}".encode())
            acknowledged.append((put["SequenceNumber"], number))
        except (BotoCoreError, ClientError):
            time.sleep(0.02)
        number += 1


def read_everything(client):
    """Sequence numbers and data of every record, shard by shard, in the order read."""
    found = []
    for shard in client.list_shards(StreamName="killed")["Shards"]:
        start = {"StreamName": "killed", "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.get_shard_iterator(**start)["ShardIterator"]
        while True:
            # The quota of reads may be used up: that is no failure.
            try:
                read = client.get_records(ShardIterator=iterator)
            except client.exceptions.ProvisionedThroughputExceededException:
                time.sleep(0.2)
                continue
            found += [(record["SequenceNumber"], record["Data"].decode()) for record in read["Records"]]
            iterator = read["NextShardIterator"]
            if not read["Records"] and read["MillisBehindLatest"] == 0:
                break
    return found


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def test_what_was_acknowledged_survives_kills(tmp_path):
    with servers.Server(tmp_path / "server") as server:
        client = client_of(server, service="kinesis")
        client.create_stream(StreamName="killed", ShardCount=2)
        client.get_waiter("stream_exists").wait(StreamName="killed", WaiterConfig={"Delay": 1})
        stopped = threading.Event()
        acknowledged = {f"key-{index}": [] for index in range(KEYS)}
        putting = [
            threading.Thread(target=put_until, args=(stopped, server, key, puts)) for key, puts in acknowledged.items()
        ]
        for thread in putting:
            thread.start()
        count = lambda: sum(len(puts) for puts in acknowledged.values())  # noqa: E731
        for _ in range(KILLS):
            before = count()
            wait_for(lambda before=before: count() >= before + BETWEEN_KILLS)
            server.restart_after_kill()
        stopped.set()
        for thread in putting:
            thread.join()

        found = read_everything(client)
        numbers = [number for number, _ in found]
        assert len(numbers) == len(set(numbers)), "a sequence number came twice"
        data_of = dict(found)
        assert len(found) == len(set(data for _, data in found)), "a record came twice"
        for key, puts in acknowledged.items():
            for sequence, number in puts:
                assert data_of[sequence] == f"{key}:{number}", "what is stored is not what was acknowledged"
            order = [int(data.split(":")[1]) for _, data in found if data.startswith(f"{key}:")]
            assert order == sorted(order), f"{key} is out of order"


def test_an_iterator_and_a_subscription_go_on_after_a_kill(tmp_path):
    with servers.Server(tmp_path / "server") as server:
        client = client_of(server, service="kinesis")
        client.create_stream(StreamName="killed", ShardCount=1)
        client.get_waiter("stream_exists").wait(StreamName="killed", WaiterConfig={"Delay": 1})
        shard = "shardId-000000000000"
        for number in range(3):
            client.put_record(StreamName="killed", PartitionKey="key", Data=str(number).encode())
        start = {"StreamName": "killed", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        first = client.get_records(ShardIterator=client.get_shard_iterator(**start)["ShardIterator"], Limit=2)
        arn = client.describe_stream_summary(StreamName="killed")["StreamDescriptionSummary"]["StreamARN"]
        consumer = client.register_stream_consumer(StreamARN=arn, ConsumerName="pushed")["Consumer"]["ConsumerARN"]
        server.restart_after_kill()
        client.put_record(StreamName="killed", PartitionKey="key", Data=b"3")
        rest = client.get_records(ShardIterator=first["NextShardIterator"])
        assert [record["Data"] for record in first["Records"] + rest["Records"]] == [b"0", b"1", b"2", b"3"]
        found = lambda: client.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]  # noqa: E731
        wait_for(lambda: found()["ConsumerStatus"] == "ACTIVE")
        last = first["Records"][-1]["SequenceNumber"]
        position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
        pushed = client.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=position)
        event = next(iter(pushed["EventStream"]))["SubscribeToShardEvent"]
        assert [record["Data"] for record in event["Records"]] == [b"2", b"3"]
