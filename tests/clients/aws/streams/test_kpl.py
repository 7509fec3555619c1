"""Records as the Kinesis Producer Library packs them: many in one, opaque to the server, whole at the other end."""

import asyncio
import base64
import hashlib

from aiokpl import Config, Producer, decode_aggregated
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records
from conftest import read_all, split

RECORDS = 1000


def hash_of(key):
    return int.from_bytes(hashlib.md5(key.encode()).digest(), "big")


def as_lambda(record):
    """A record as a function on AWS Lambda would get it, which is what the library unpacks."""
    fields = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": record["PartitionKey"],
        "sequenceNumber": record["SequenceNumber"],
        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        "data": base64.b64encode(record["Data"]).decode(),
    }
    names = ("eventVersion", "eventID", "eventSource", "eventName", "invokeIdentityArn", "awsRegion", "eventSourceARN")
    return {"kinesis": fields, **dict.fromkeys(names, "")}


def unpack(records):
    """The partition key and the text of every record inside."""
    inside = deaggregate_records([as_lambda(record) for record in records])
    return [(one["kinesis"]["partitionKey"], base64.b64decode(one["kinesis"]["data"]).decode()) for one in inside]


def test_packed_records_come_back_whole(kinesis, stream):
    packer = RecordAggregator(max_size=10_000)
    packed = [packer.add_user_record(f"key-{number % 10}", f"record {number}") for number in range(RECORDS)]
    packed = [full for full in [*packed, packer.clear_and_get()] if full]
    for full in packed:
        key, _, data = full.get_contents()
        kinesis.put_record(StreamName=stream, PartitionKey=key, Data=data)
    records = read_all(kinesis, stream)
    assert len(records) == len(packed) < RECORDS / 10
    found = unpack(records)
    assert sorted(found) == sorted((f"key-{number % 10}", f"record {number}") for number in range(RECORDS))


def test_a_producer_that_predicts_shards_is_right_also_after_a_split(server, kinesis, stream):
    async def put(numbers):
        config = Config(region=server.client_environment()["AWS_REGION"], endpoint_url=server.url)
        async with Producer(config) as producer:
            outcomes = [
                await producer.put_record(stream=stream, partition_key=f"key-{number % 50}", data=f"{number}".encode())
                for number in numbers
            ]
            return [await outcome.wait() for outcome in outcomes]

    results = asyncio.run(put(range(RECORDS)))
    split(kinesis, stream)
    results += asyncio.run(put(range(RECORDS, 2 * RECORDS)))
    assert all(result.success for result in results), [result for result in results if not result.success][:1]
    records = read_all(kinesis, stream)
    assert len(records) < RECORDS / 5, "they are packed"
    found = [(one.partition_key, one.data.decode()) for record in records for one in decode_aggregated(record["Data"])]
    assert sorted(found) == sorted((f"key-{number % 50}", str(number)) for number in range(2 * RECORDS))
    assert sorted(unpack(records)) == sorted(found), "both libraries unpack the same"


def test_the_shard_of_a_packed_record_has_the_hashes_of_all_in_it(server, kinesis, stream):
    async def put():
        config = Config(region=server.client_environment()["AWS_REGION"], endpoint_url=server.url)
        async with Producer(config) as producer:
            outcomes = [await producer.put_record(stream=stream, partition_key=f"k{at}", data=b"x") for at in range(100)]
            return {f"k{at}": (await outcome.wait()).shard_id for at, outcome in enumerate(outcomes)}

    ranges = {
        shard["ShardId"]: range(int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"]) + 1)
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]
    }
    for key, shard in asyncio.run(put()).items():
        assert hash_of(key) in ranges[shard], key
