// lifion-kinesis: polling and enhanced fan-out, with its leases and checkpoints in the table of leases beside the streams.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { after, describe, test } from "node:test";
import {
    CreateStreamCommand,
    KinesisClient,
    ListStreamConsumersCommand,
    SplitShardCommand,
    waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";
import AWS from "aws-sdk";
import Kinesis from "lifion-kinesis";

const place = { endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION };
const client = new KinesisClient(place);
const MIDDLE = (1n << 127n).toString();

after(() => client.destroy());

async function active(StreamName) {
    await waitUntilStreamExists({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { StreamName });
}

function producer(streamName) {
    const kinesis = new Kinesis({ ...place, streamName, createStreamIfNeeded: false });
    const record = (number) => ({ data: { number }, partitionKey: `key-${number % 10}` });
    return (from, count) => kinesis.putRecords({ records: Array.from({ length: count }, (_, at) => record(from + at)) });
}

// A consumer in a process of its own: what it found, and a wait for so much of it.
function consumer(options) {
    const child = fork(new URL("lifion-consumer.mjs", import.meta.url), [JSON.stringify(options)]);
    const found = [];
    let told = () => {};
    child.on("message", (numbers) => {
        found.push(...numbers);
        told();
    });
    const ended = new Promise((_, reject) => child.on("exit", (code) => reject(new Error(`it ended with ${code}`))));
    const until = (count) => {
        const there = new Promise((resolve) => {
            told = () => found.length >= count && resolve();
            told();
        });
        return Promise.race([there, ended]);
    };
    const stop = () => {
        ended.catch(() => {});
        child.kill("SIGKILL");
    };
    return { found, until, stop };
}

// Each once, those of a key in order.
function assertAll(found, count) {
    assert.deepEqual([...found].sort((a, b) => a - b), Array.from({ length: count }, (_, at) => at));
    for (let key = 0; key < 10; key++) {
        const ofKey = found.filter((number) => number % 10 === key);
        assert.deepEqual(ofKey, [...ofKey].sort((a, b) => a - b));
    }
}

async function readThroughASplit(streamName, options) {
    await client.send(new CreateStreamCommand({ StreamName: streamName, ShardCount: 1 }));
    await active(streamName);
    const put = producer(streamName);
    await put(0, 100);
    const { found, until, stop } = consumer({ streamName, ...options });
    try {
        await until(100);
        await client.send(
            new SplitShardCommand({ StreamName: streamName, ShardToSplit: "shardId-000000000000", NewStartingHashKey: MIDDLE }),
        );
        await active(streamName);
        await put(100, 100);
        await until(200);
    } finally {
        stop();
    }
    assertAll(found, 200);
    const tables = new AWS.DynamoDB(place);
    const { Items } = await tables.scan({ TableName: `state-of-${streamName}` }).promise();
    assert.equal(Items[0].shards.M["shardId-000000000000"].M.depleted.BOOL, true, "the parent is read to its end");
}

// Side by side, for each waits ten seconds for a stream that it saw being changed. The pushed one may take some seconds more,
// several times: its parser fails when the beginning of a subscription and its first records come in one piece, and then it
// subscribes again.
describe("through a split", { concurrency: true }, () => {
    test("everything is polled once", { timeout: 115_000 }, async () => {
        await readThroughASplit("lifion-polling", {});
    });

    test("everything is pushed once", { timeout: 115_000 }, async () => {
        await readThroughASplit("lifion-pushed", { useEnhancedFanOut: true, maxEnhancedConsumers: 1 });
        const StreamARN = `arn:aws:kinesis:${process.env.AWS_REGION}:${process.env.AWS_ACCOUNT}:stream/lifion-pushed`;
        const { Consumers } = await client.send(new ListStreamConsumersCommand({ StreamARN }));
        assert.equal(Consumers.length, 1);
    });
});

test("a stream that is missing is an error where it is not to be made", async () => {
    await assert.rejects(producer("lifion-nowhere")(0, 1), { code: "ResourceNotFoundException" });
});
