"""What every test of a stream client gets: one server for the run, boto3 to look behind the client, a new stream."""

import itertools
import os
import sys
from pathlib import Path

import boto3
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import server as servers  # noqa: E402

_numbers = itertools.count(1)
# No profile of the machine's user may play a part.
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


@pytest.fixture(scope="session")
def server():
    with servers.running() as running:
        # These clients find server and key as a deployed program does: in the environment.
        os.environ.update(running.client_environment())
        yield running


@pytest.fixture(scope="session")
def kinesis(server):
    return boto3.client("kinesis")


@pytest.fixture
def name():
    return f"stream-{next(_numbers)}"


@pytest.fixture
def stream(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return name


def split(kinesis, name):
    """Splits the first open shard in the middle."""
    shard = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"][0]
    start, end = (int(shard["HashKeyRange"][key]) for key in ("StartingHashKey", "EndingHashKey"))
    middle = str((start + end) // 2)
    kinesis.split_shard(StreamName=name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})


def read_all(kinesis, name):
    """Every record of the stream, shard by shard in the order of their making."""
    found = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        start = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**start)["ShardIterator"]
        while iterator is not None:
            read = kinesis.get_records(ShardIterator=iterator)
            found += read["Records"]
            is_at_tip = not read["Records"] and read["MillisBehindLatest"] == 0
            iterator = None if is_at_tip else read.get("NextShardIterator")
    return found
