"""Streams through boto3: made, filled, read, pushed, resharded, and what is refused."""

import itertools
import time

import pytest
from botocore.exceptions import ClientError
from conftest import client_of

import server as servers

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kinesis(server):
    return client_of(server, service="kinesis")


@pytest.fixture
def stream(kinesis):
    name = f"stream-{next(_numbers)}"
    kinesis.create_stream(StreamName=name, ShardCount=2, Tags={"made": "here"})
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return name


def read_all(kinesis, name, shard, wanted):
    """The data of so many records, in order."""
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    found = []
    for _ in range(100):
        read = kinesis.get_records(ShardIterator=iterator)
        found += [record["Data"] for record in read["Records"]]
        if len(found) >= wanted or "NextShardIterator" not in read:
            return found
        iterator = read["NextShardIterator"]
    raise AssertionError(f"only {len(found)} of {wanted} records came")


def test_records_of_a_key_come_back_in_order(kinesis, stream):
    records = [{"PartitionKey": "key", "Data": f"record {number}".encode()} for number in range(200)]
    put = kinesis.put_records(StreamName=stream, Records=records)
    assert put["FailedRecordCount"] == 0
    shards = {record["ShardId"] for record in put["Records"]}
    numbers = [int(record["SequenceNumber"]) for record in put["Records"]]
    assert len(shards) == 1 and numbers == sorted(set(numbers))
    assert read_all(kinesis, stream, shards.pop(), 200) == [record["Data"] for record in records]


def test_a_stream_is_described_and_resharded(kinesis, stream):
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2 and summary["RetentionPeriodHours"] == 24
    assert summary["StreamCreationTimestamp"].timestamp() == pytest.approx(time.time(), abs=600)
    assert kinesis.list_tags_for_resource(ResourceARN=summary["StreamARN"])["Tags"] == [{"Key": "made", "Value": "here"}]
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    open_shards = kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    assert len(open_shards) == 4 and all(shard["ParentShardId"] for shard in open_shards)
    assert stream in kinesis.list_streams()["StreamNames"]


def test_records_are_pushed(kinesis, stream):
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="pushed")["Consumer"]["ConsumerARN"]
    for _ in range(200):
        found = kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
        if found["ConsumerStatus"] == "ACTIVE":
            break
        time.sleep(0.05)
    put = kinesis.put_record(StreamName=stream, PartitionKey="key", Data=b"pushed to you")
    start = {"Type": "TRIM_HORIZON"}
    events = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=put["ShardId"], StartingPosition=start)["EventStream"]
    event = next(iter(events))["SubscribeToShardEvent"]
    assert [record["Data"] for record in event["Records"]] == [b"pushed to you"]
    assert event["ContinuationSequenceNumber"] == put["SequenceNumber"]
    events.close()
    kinesis.delete_stream(StreamName=stream, EnforceConsumerDeletion=True)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})


def test_refusals_are_typed(kinesis, server):
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException, match="Stream nowhere under account .* not found."):
        kinesis.put_record(StreamName="nowhere", PartitionKey="key", Data=b"")
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="Invalid ShardIterator."):
        kinesis.get_records(ShardIterator="made up")
    with pytest.raises(ClientError) as refused:
        client_of(server, service="kinesis").create_stream(StreamName="a b", ShardCount=1)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_an_account_has_as_many_shards_as_is_configured():
    with servers.running(FOREBAY__LIMITS__STREAM_SHARDS="3", FOREBAY__LIMITS__STREAM_CONSUMERS="1") as small:
        kinesis = client_of(small, service="kinesis")
        kinesis.create_stream(StreamName="first", ShardCount=2)
        with pytest.raises(kinesis.exceptions.LimitExceededException, match="Current shard count for the account: 2. Limit: 3."):
            kinesis.create_stream(StreamName="second", ShardCount=2)
        limits = kinesis.describe_limits()
        assert (limits["ShardLimit"], limits["OpenShardCount"]) == (3, 2)
        # Of another account, which has its own.
        client_of(small, servers.STRANGER, service="kinesis").create_stream(StreamName="first", ShardCount=3)
        kinesis.get_waiter("stream_exists").wait(StreamName="first", WaiterConfig={"Delay": 1})
        arn = kinesis.describe_stream_summary(StreamName="first")["StreamDescriptionSummary"]["StreamARN"]
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="first")
        with pytest.raises(kinesis.exceptions.LimitExceededException):
            kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="second")
