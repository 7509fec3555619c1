// sqs-producer and sqs-consumer, the two ends that many services are built on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { Producer } from "sqs-producer";

const sqs = new SQSClient({ maxAttempts: 1 });

test("what is produced is consumed once, and what fails comes again", async () => {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "pipeline" }));
  const producer = Producer.create({ queueUrl: QueueUrl, sqs });
  await producer.send(Array.from({ length: 25 }, (_, at) => ({ id: `${at}`, body: `${at}` })));
  assert.equal(await producer.queueSize(), 25);
  const seen = new Map();
  const consumer = Consumer.create({
    queueUrl: QueueUrl,
    sqs,
    batchSize: 10,
    waitTimeSeconds: 1,
    terminateVisibilityTimeout: true,
    handleMessage: async ({ Body }) => {
      const times = (seen.get(Body) ?? 0) + 1;
      seen.set(Body, times);
      if (Body === "7" && times === 1) throw new Error("not the first time");
      if (seen.size === 25 && seen.get("7") === 2) consumer.emit("all");
    },
  });
  consumer.on("processing_error", () => {});
  consumer.on("error", (error) => assert.fail(error));
  const all = once(consumer, "all");
  consumer.start();
  await all;
  const stopped = once(consumer, "stopped");
  consumer.stop();
  await stopped;
  assert.deepEqual([...seen.values()].filter((times) => times > 1), [2]);
  const names = { QueueUrl, AttributeNames: ["All"] };
  for (let tries = 0; tries < 100; tries += 1) {
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand(names));
    if (Attributes.ApproximateNumberOfMessages === "0" && Attributes.ApproximateNumberOfMessagesNotVisible === "0") return;
  }
  assert.fail("messages that were handled are still there");
});
