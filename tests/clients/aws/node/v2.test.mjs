// aws-sdk version 2, which checks MD5s too. The environment names server and key.

import assert from "node:assert/strict";
import { test } from "node:test";

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const { default: AWS } = await import("aws-sdk");

const sqs = new AWS.SQS({ endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION, maxRetries: 0 });

test("a message goes round, alone and in a batch", async () => {
  const { QueueUrl } = await sqs.createQueue({ QueueName: "v2" }).promise();
  const MessageAttributes = {
    text: { DataType: "String", StringValue: "grün" },
    bytes: { DataType: "Binary", BinaryValue: Buffer.from([0, 255]) },
  };
  await sqs.sendMessage({ QueueUrl, MessageBody: "one & <two>", MessageAttributes }).promise();
  const names = { MessageAttributeNames: ["All"], AttributeNames: ["All"], WaitTimeSeconds: 5 };
  const { Messages: [message] } = await sqs.receiveMessage({ QueueUrl, ...names }).promise();
  assert.equal(message.Body, "one & <two>");
  assert.equal(message.MessageAttributes.text.StringValue, "grün");
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 60 }).promise();
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: message.ReceiptHandle }).promise();
  const Entries = Array.from({ length: 10 }, (_, at) => ({ Id: `${at}`, MessageBody: `body ${at}` }));
  const sent = await sqs.sendMessageBatch({ QueueUrl, Entries }).promise();
  assert.equal(sent.Successful.length, 10);
  let left = 10;
  while (left > 0) {
    const { Messages = [] } = await sqs
      .receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 })
      .promise();
    const handles = Messages.map(({ ReceiptHandle }, at) => ({ Id: `${at}`, ReceiptHandle }));
    const deleted = await sqs.deleteMessageBatch({ QueueUrl, Entries: handles }).promise();
    assert.equal(deleted.Successful.length, Messages.length);
    left -= Messages.length;
  }
});

test("fifo and dead letters", async () => {
  const fifo = (name, more = {}) =>
    sqs.createQueue({ QueueName: `${name}.fifo`, Attributes: { FifoQueue: "true", ...more } }).promise();
  const dead = await fifo("v2-dead");
  const { Attributes } = await sqs
    .getQueueAttributes({ QueueUrl: dead.QueueUrl, AttributeNames: ["QueueArn"] })
    .promise();
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 1 });
  const { QueueUrl } = await fifo("v2", { RedrivePolicy });
  for (const [MessageBody, MessageDeduplicationId] of [["poison", "1"], ["poison", "1"], ["next", "2"]]) {
    await sqs.sendMessage({ QueueUrl, MessageBody, MessageGroupId: "g", MessageDeduplicationId }).promise();
  }
  const { Messages: [message, next, ...more] } = await sqs
    .receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 })
    .promise();
  assert.deepEqual([message.Body, next.Body, more], ["poison", "next", []]);
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: next.ReceiptHandle }).promise();
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 }).promise();
  await sqs.receiveMessage({ QueueUrl }).promise();
  const { Messages: [letter] } = await sqs.receiveMessage({ QueueUrl: dead.QueueUrl, WaitTimeSeconds: 5 }).promise();
  assert.equal(letter.Body, "poison");
});

test("errors have their codes", async () => {
  await assert.rejects(sqs.getQueueUrl({ QueueName: "nothing" }).promise(), {
    code: "AWS.SimpleQueueService.NonExistentQueue",
    statusCode: 400,
  });
});
