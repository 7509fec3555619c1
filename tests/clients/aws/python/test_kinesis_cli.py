"""aws-cli v1 on streams, as it is typed."""

import base64
import itertools

import pytest

_numbers = itertools.count(1)
MIDDLE = str(2**127)


@pytest.fixture
def stream(aws):
    name = f"cli-stream-{next(_numbers)}"
    aws("kinesis", "create-stream", "--stream-name", name, "--shard-count", "1")
    active(aws, name)
    return name


def active(aws, stream):
    """Waits until the stream may be used. `aws kinesis wait` looks once in ten seconds."""
    while True:
        found = aws("kinesis", "describe-stream-summary", "--stream-name", stream)["StreamDescriptionSummary"]
        if found["StreamStatus"] == "ACTIVE":
            return found


def shards(aws, stream):
    return {shard["ShardId"]: shard for shard in aws("kinesis", "list-shards", "--stream-name", stream)["Shards"]}


def read_shard(aws, stream, shard, kind="TRIM_HORIZON", more=()):
    """The texts of a shard up to its tip or its end, and the shards in which it goes on."""
    start = ("--stream-name", stream, "--shard-id", shard, "--shard-iterator-type", kind, *more)
    iterator = aws("kinesis", "get-shard-iterator", *start)["ShardIterator"]
    texts = []
    while True:
        read = aws("kinesis", "get-records", "--shard-iterator", iterator)
        texts += [base64.b64decode(record["Data"]).decode() for record in read["Records"]]
        if not read.get("NextShardIterator"):
            return texts, [child["ShardId"] for child in read["ChildShards"]]
        if not read["Records"] and read["MillisBehindLatest"] == 0:
            return texts, []
        iterator = read["NextShardIterator"]


def put(aws, stream, *texts):
    """One record by itself, more in a batch."""
    if len(texts) == 1:
        return [aws("kinesis", "put-record", "--stream-name", stream, "--partition-key", "key", "--data", texts[0])]
    records = [f"Data={text},PartitionKey=key" for text in texts]
    answer = aws("kinesis", "put-records", "--stream-name", stream, "--records", *records)
    assert answer["FailedRecordCount"] == 0
    return answer["Records"]


def test_records_come_back_through_a_split_and_a_merge(aws, stream):
    [first] = put(aws, stream, "one")
    put(aws, stream, "two", "three", "four")
    options = ("--shard-to-split", first["ShardId"], "--new-starting-hash-key", MIDDLE)
    aws("kinesis", "split-shard", "--stream-name", stream, *options)
    active(aws, stream)
    put(aws, stream, "five", "six")
    left, right = (id for id, shard in shards(aws, stream).items() if shard.get("ParentShardId"))
    options = ("--shard-to-merge", left, "--adjacent-shard-to-merge", right)
    aws("kinesis", "merge-shards", "--stream-name", stream, *options)
    active(aws, stream)
    put(aws, stream, "seven")

    assert read_shard(aws, stream, first["ShardId"]) == (["one", "two", "three", "four"], [left, right])
    (in_left, [merged]), (in_right, also_merged) = (read_shard(aws, stream, id) for id in (left, right))
    assert also_merged == [merged]
    assert in_left + in_right == ["five", "six"], "one key is in one shard"
    assert read_shard(aws, stream, merged) == (["seven"], [])
    after = ("--starting-sequence-number", first["SequenceNumber"])
    texts, _ = read_shard(aws, stream, first["ShardId"], "AFTER_SEQUENCE_NUMBER", after)
    assert texts == ["two", "three", "four"]


def test_consumers_and_settings_of_a_stream(aws, stream):
    aws("kinesis", "wait", "stream-exists", "--stream-name", stream)
    arn = active(aws, stream)["StreamARN"]
    aws("kinesis", "register-stream-consumer", "--stream-arn", arn, "--consumer-name", "pusher")
    [consumer] = aws("kinesis", "list-stream-consumers", "--stream-arn", arn)["Consumers"]
    assert (consumer["ConsumerName"], consumer["ConsumerStatus"] in ("CREATING", "ACTIVE")) == ("pusher", True)
    options = ("--retention-period-hours", "48")
    aws("kinesis", "increase-stream-retention-period", "--stream-name", stream, *options)
    aws("kinesis", "add-tags-to-stream", "--stream-name", stream, "--tags", "team=blue")
    tags = aws("kinesis", "list-tags-for-stream", "--stream-name", stream)["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]
    described = aws("kinesis", "describe-stream", "--stream-name", stream)["StreamDescription"]
    assert (described["RetentionPeriodHours"], len(described["Shards"])) == (48, 1)
    limits = aws("kinesis", "describe-limits")
    assert 0 < limits["OpenShardCount"] <= limits["ShardLimit"]
    assert stream in aws("kinesis", "list-streams")["StreamNames"]
    aws("kinesis", "deregister-stream-consumer", "--consumer-arn", consumer["ConsumerARN"])
    aws("kinesis", "delete-stream", "--stream-name", stream, "--enforce-consumer-deletion")
    while stream in aws("kinesis", "list-streams")["StreamNames"]:
        pass
    aws("kinesis", "wait", "stream-not-exists", "--stream-name", stream)


def test_errors_have_the_names_that_scripts_look_for(aws):
    stream = f"cli-stream-{next(_numbers)}"
    aws("kinesis", "create-stream", "--stream-name", stream, "--shard-count", "1")
    said = aws("kinesis", "describe-stream-summary", "--stream-name", "nowhere", code=255)
    assert "(ResourceNotFoundException)" in said and "Stream nowhere under account" in said
    said = aws("kinesis", "get-records", "--shard-iterator", "made-up", code=255)
    assert "(InvalidArgumentException)" in said and "Invalid ShardIterator." in said
    said = aws("kinesis", "create-stream", "--stream-name", stream, "--shard-count", "1", code=255)
    assert "(ResourceInUseException)" in said and "already exists" in said
    said = aws("kinesis", "create-stream", "--stream-name", "a b", "--shard-count", "1", code=255)
    assert "(ValidationException)" in said
