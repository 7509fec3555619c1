// The AWS SDK for JavaScript on streams: records in and out, and a subscription over HTTP/2.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
    CreateStreamCommand,
    DeregisterStreamConsumerCommand,
    DescribeStreamConsumerCommand,
    GetRecordsCommand,
    GetShardIteratorCommand,
    KinesisClient,
    PutRecordsCommand,
    RegisterStreamConsumerCommand,
    ResourceNotFoundException,
    SplitShardCommand,
    SubscribeToShardCommand,
    waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";

// A consumer that may subscribe.
async function consumer(client, StreamName) {
    const StreamARN = `arn:aws:kinesis:${process.env.AWS_REGION}:${process.env.AWS_ACCOUNT}:stream/${StreamName}`;
    const { Consumer } = await client.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: "node" }));
    const { ConsumerARN } = Consumer;
    const status = async () => (await client.send(new DescribeStreamConsumerCommand({ ConsumerARN }))).ConsumerDescription.ConsumerStatus;
    while ((await status()) !== "ACTIVE") await new Promise((done) => setTimeout(done, 50));
    return ConsumerARN;
}

test("records are put, read and pushed", async () => {
    const client = new KinesisClient({ endpoint: process.env.AWS_ENDPOINT_URL });
    const StreamName = "node";
    await client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    await waitUntilStreamExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName });
    const Records = [1, 2, 3].map((number) => ({ PartitionKey: "key", Data: new TextEncoder().encode(`record ${number}`) }));
    const put = await client.send(new PutRecordsCommand({ StreamName, Records }));
    assert.equal(put.FailedRecordCount, 0);

    const position = { StreamName, ShardId: put.Records[0].ShardId, ShardIteratorType: "TRIM_HORIZON" };
    const { ShardIterator } = await client.send(new GetShardIteratorCommand(position));
    const read = await client.send(new GetRecordsCommand({ ShardIterator }));
    assert.deepEqual(read.Records.map((record) => new TextDecoder().decode(record.Data)), ["record 1", "record 2", "record 3"]);
    assert.ok(read.Records[0].ApproximateArrivalTimestamp instanceof Date);

    const ConsumerARN = await consumer(client, StreamName);
    const StartingPosition = { Type: "TRIM_HORIZON" };
    const subscription = await client.send(
        new SubscribeToShardCommand({ ConsumerARN, ShardId: put.Records[0].ShardId, StartingPosition }),
    );
    // A consumer that is gone ends its subscriptions, with an exception as the last event.
    let events = 0;
    const follow = async () => {
        for await (const { SubscribeToShardEvent: event } of subscription.EventStream) {
            if (events++ > 0) continue;
            assert.equal(event.Records.length, 3);
            assert.equal(event.ContinuationSequenceNumber, put.Records[2].SequenceNumber);
            await client.send(new DeregisterStreamConsumerCommand({ ConsumerARN }));
        }
    };
    await assert.rejects(follow, { name: "ResourceNotFoundException" });
    assert.ok(events > 0);
    client.destroy();
});

test("a subscription ends with its shard, which names those that go on", async () => {
    const client = new KinesisClient({ endpoint: process.env.AWS_ENDPOINT_URL });
    const StreamName = "node-split";
    await client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    await waitUntilStreamExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName });
    const ConsumerARN = await consumer(client, StreamName);
    const Records = Array.from({ length: 500 }, (_, at) => ({ PartitionKey: `${at}`, Data: new Uint8Array(1000).fill(at % 256) }));
    await client.send(new PutRecordsCommand({ StreamName, Records }));
    const StartingPosition = { Type: "TRIM_HORIZON" };
    const ShardId = "shardId-000000000000";
    const { EventStream } = await client.send(new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition }));
    const found = [];
    let children = [];
    for await (const { SubscribeToShardEvent: event } of EventStream) {
        found.push(...event.Records);
        children = event.ChildShards ?? [];
        if (event.Records.length > 0 && found.length === Records.length) {
            await client.send(new SplitShardCommand({ StreamName, ShardToSplit: ShardId, NewStartingHashKey: "1000" }));
        }
    }
    assert.deepEqual(children.map((shard) => shard.ShardId), ["shardId-000000000001", "shardId-000000000002"]);
    assert.deepEqual(found.map((record) => record.PartitionKey), Records.map((record) => record.PartitionKey));
    assert.ok(found.every((record, at) => record.Data.length === 1000 && record.Data[999] === at % 256));
    client.destroy();
});

test("errors have their classes", async () => {
    const client = new KinesisClient({ endpoint: process.env.AWS_ENDPOINT_URL });
    const put = new PutRecordsCommand({ StreamName: "nowhere", Records: [{ PartitionKey: "k", Data: new Uint8Array() }] });
    await assert.rejects(client.send(put), (error) => error instanceof ResourceNotFoundException);
    const read = new GetRecordsCommand({ ShardIterator: "made up" });
    await assert.rejects(client.send(read), { name: "InvalidArgumentException", message: "Invalid ShardIterator." });
    client.destroy();
});
