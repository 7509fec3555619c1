"""async-kinesis: its producer and consumer, its checkpoints in the table of leases, a reshard under both."""

import asyncio

import pytest
from conftest import split
from kinesis import Consumer, DynamoDBCheckPointer, Producer
from kinesis.exceptions import StreamDoesNotExist

RECORDS = 200


async def put(name, numbers):
    async with Producer(stream_name=name, buffer_time=0.05) as producer:
        for number in numbers:
            await producer.put({"number": number}, partition_key=f"key-{number % 8}")


async def read(name, wanted, checkpointer=None):
    """So many numbers; those of a key in the order in which they came."""
    options = {"checkpointer": checkpointer} if checkpointer else {}
    async with Consumer(stream_name=name, sleep_time_no_records=0.1, **options) as consumer:
        # Shards that a split made are otherwise looked for once a minute.
        consumer._shard_refresh_interval = 0
        found = []
        while len(found) < wanted:
            async for item in consumer:
                found.append(item["number"])
        return found


def assert_in_order(found, numbers):
    assert sorted(found) == list(numbers), "each record comes once"
    for key in range(8):
        of_key = [number for number in found if number % 8 == key]
        assert of_key == sorted(of_key), f"key-{key} is out of order"


def test_everything_is_read_once_through_a_split(server, kinesis, stream):
    async def run():
        await put(stream, range(RECORDS))
        await asyncio.to_thread(split, kinesis, stream)
        await put(stream, range(RECORDS, 2 * RECORDS))
        return await read(stream, 2 * RECORDS)

    assert_in_order(asyncio.run(run()), range(2 * RECORDS))


def test_who_reads_next_goes_on_where_the_checkpoints_are(server, stream):
    def checkpoints():
        return DynamoDBCheckPointer(name=stream, id="worker", heartbeat_frequency=1)

    async def run():
        await put(stream, range(RECORDS))
        first = await read(stream, RECORDS, checkpoints())
        await put(stream, range(RECORDS, 2 * RECORDS))
        return first, await read(stream, RECORDS, checkpoints())

    first, second = asyncio.run(run())
    assert_in_order(first, range(RECORDS))
    assert_in_order(second, range(RECORDS, 2 * RECORDS))


def test_a_stream_that_is_missing_is_said_to_be(server, name):
    async def run():
        async with Producer(stream_name=name, retry_limit=1, describe_timeout=2) as producer:
            await producer.put({})

    with pytest.raises(StreamDoesNotExist):
        asyncio.run(run())


def test_a_stream_is_made_when_it_is_to_be(server, kinesis, name):
    async def run():
        async with Producer(stream_name=name, create_stream=True, create_stream_shards=3) as producer:
            await producer.put({"number": 0})
            await producer.flush()

    asyncio.run(run())
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3
